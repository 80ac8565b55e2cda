/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See policy-split-dns.h.
 */
#include "config.h"

#include "policy-split-dns.h"

#include "reserved.h"

#define CHAIN_SPLIT_NAT "split_nat"
#define CHAIN_NAMES "names"

#define PRIORITY_NAT_OUTPUT (-100) /* "dstnat" */
#define PRIORITY_NAMES 1           /* behind our filter: what a listener lets go is looked at by no further rule of the chain that held it */

#define DNS_PORT 53

static const int families[] = { AF_INET, AF_INET6 };

static gboolean
contains_addr (const GArray *addrs, const VpndAddr *addr)
{
  for (guint i = 0; i < addrs->len; i++)
    if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), addr))
      return TRUE;
  return FALSE;
}

/* The resolvers that are asked inside the tunnel; without @outside_too those that are nowhere else: the network's may have the address of one. */
static GArray *
inner_resolvers (const VpndPolicyInput *input, int family, gboolean only_private, gboolean outside_too)
{
  GArray *servers = g_array_new (FALSE, FALSE, sizeof (VpndAddr));

  for (guint i = 0; input->kind != VPND_POLICY_BLOCKED && input->dns != NULL && i < input->dns->servers->len; i++)
    {
      const VpndAddr *server = &g_array_index (input->dns->servers, VpndAddr, i);

      if (server->family == family && !vpnd_addr_is_loopback (server) && !contains_addr (input->dns->outside, server) &&
          (outside_too || !contains_addr (input->split->outside_dns, server)) && (!only_private || vpnd_addr_is_private (server)))
        g_array_append_vals (servers, server, 1);
    }
  return servers;
}

/* (element-type VpndAddr): of @input */
static GPtrArray *
outer_resolvers (const VpndPolicyInput *input, int family)
{
  GPtrArray *servers = g_ptr_array_new ();

  for (guint i = 0; i < input->split->outside_dns->len; i++)
    if (g_array_index (input->split->outside_dns, VpndAddr, i).family == family)
      g_ptr_array_add (servers, &g_array_index (input->split->outside_dns, VpndAddr, i));
  return servers;
}

static VpndRule *
match_server (VpndRule *rule, const VpndAddr *server)
{
  VpndPrefix host = vpnd_prefix_host (server);

  return vpnd_rule_match_prefix (rule, FALSE, VPND_OP_EQ, &host);
}

static const VpndField dns_ports[] = { VPND_FIELD_UDP_DPORT, VPND_FIELD_TCP_DPORT };

/**
 * vpnd_policy_add_split_redirection:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on
 *
 * 8: what asks a resolver of the tunnel and goes beside it asks one of the physical links instead, and what asks the next one when that does not answer asks the next one; in include mode that is so until the tunnel works, for the
 * host's resolver is the tunnel's then, whoever asks.
 */
void
vpnd_policy_add_split_redirection (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndChain *chain = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i], FALSE, FALSE);
      g_autoptr (GPtrArray) outside = outer_resolvers (input, families[i]);

      for (guint j = 0; outside->len > 0 && j < servers->len * G_N_ELEMENTS (dns_ports); j++)
        {
          VpndRule *rule;

          if (chain == NULL)
            chain = vpnd_ruleset_add_chain (chains->ruleset, CHAIN_SPLIT_NAT, VPND_CHAIN_NAT, VPND_HOOK_OUTPUT, PRIORITY_NAT_OUTPUT, VPND_VERDICT_ACCEPT);
          rule = match_server (vpnd_policy_match_beside (vpnd_chain_add_rule (chain)), &g_array_index (servers, VpndAddr, j / 2));
          vpnd_rule_dnat (vpnd_rule_match_port (rule, dns_ports[j % 2], DNS_PORT), g_ptr_array_index (outside, j / 2 % outside->len));
        }
    }
}

/**
 * vpnd_policy_refuse_inner_resolvers:
 * @chain: of what leaves beside the tunnel
 * @input: what the policy depends on
 *
 * 8: the private resolvers of the tunnel are nobody's outside it.
 */
void
vpnd_policy_refuse_inner_resolvers (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i], TRUE, FALSE);

      for (guint j = 0; j < servers->len * G_N_ELEMENTS (dns_ports); j++)
        {
          VpndRule *rule = match_server (vpnd_chain_add_rule (chain), &g_array_index (servers, VpndAddr, j / 2));

          vpnd_rule_goto (vpnd_rule_match_set (rule, dns_ports[j % 2], VPND_OP_IN, SET_DNS_PORTS), CHAIN_REFUSE);
        }
    }
}

/**
 * vpnd_policy_keep_inner_resolvers:
 * @chain: where it is decided what goes beside the tunnel
 * @input: what the policy depends on
 *
 * The resolvers of the tunnel are the host's while it works, whoever asks, and whatever a network says of their addresses.
 */
void
vpnd_policy_keep_inner_resolvers (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i], FALSE, TRUE);

      for (guint j = 0; j < servers->len * G_N_ELEMENTS (dns_ports); j++)
        {
          VpndRule *rule = match_server (vpnd_chain_add_rule (chain), &g_array_index (servers, VpndAddr, j / 2));

          vpnd_rule_accept (vpnd_rule_match_set (rule, dns_ports[j % 2], VPND_OP_IN, SET_DNS_PORTS));
        }
    }
}

/**
 * vpnd_policy_add_name_watch:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on
 *
 * Answers with addresses of watched names wait until these stand in the sets. Only a resolver inside the tunnel is believed where an address opens a way out:
 * whoever runs the local network could otherwise name any address that it wants to see beside the tunnel. In include mode an address only leads into it, and
 * who was not asked is not heard: what others send could drive out the addresses that lead there.
 */
void
vpnd_policy_add_name_watch (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndChain *chain = vpnd_ruleset_add_chain (chains->ruleset, CHAIN_NAMES, VPND_CHAIN_FILTER, VPND_HOOK_INPUT, PRIORITY_NAMES, VPND_VERDICT_ACCEPT);
  VpndQueueForm form = input->split->queue;

  if (input->split->mode == VPND_SPLIT_MODE_INCLUDE)
    {
      VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_IIFNAME, VPND_OP_NE, "lo");

      vpnd_rule_match_established (vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DNS_PORT));
      vpnd_rule_queue (rule, form, VPND_NAME_QUEUE);
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i], FALSE, TRUE);

      for (guint j = 0; j < servers->len; j++)
        {
          VpndPrefix host = vpnd_prefix_host (&g_array_index (servers, VpndAddr, j));
          VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_IIFNAME, VPND_OP_EQ, VPND_IFNAME);

          vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &host);
          vpnd_rule_queue (vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DNS_PORT), form, VPND_NAME_QUEUE);
        }
    }
}
