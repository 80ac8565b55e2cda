/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The policy of core/policy.h: its order, the links, the tunnel and names. Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy.h"

#include <linux/if_arp.h>
#include <linux/netfilter.h>

#include "policy-rules.h"
#include "reserved.h"

#define MAP_IN_LINKS "in_links"
#define MAP_OUT_LINKS "out_links"
#define SET_NAME_PORTS "name_ports"
#define SET_DNS4 "dns4"
#define SET_DNS6 "dns6"
#define SET_OUTSIDE4 "dns_outside4"
#define SET_OUTSIDE6 "dns_outside6"
#define CHAIN_TUNNEL_NAMES "tunnel_names"

#define DNS_PORT 53
#define DNS_TLS_PORT 853 /* RFC 7858, also DNS over QUIC, RFC 9250 */
#define MDNS_PORT 5353   /* RFC 6762 */
#define LLMNR_PORT 5355  /* RFC 4795 */

/* 5: names, at the ports of @set; refused at once, so that a resolver tries its next server. */
static void
add_names_reject (VpndChain *chain, const char *set)
{
  vpnd_rule_goto (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, VPND_OP_IN, set), CHAIN_REFUSE);
  vpnd_rule_goto (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_TCP_DPORT, VPND_OP_IN, set), CHAIN_REFUSE);
}

static gboolean
is_outside (const VpndDnsPlan *dns, const VpndAddr *server)
{
  for (guint i = 0; i < dns->outside->len; i++)
    if (vpnd_addr_equal (&g_array_index (dns->outside, VpndAddr, i), server))
      return TRUE;
  return FALSE;
}

static void
add_dns_ports (VpndPolicyChains *chains)
{
  VpndSet *ports = vpnd_ruleset_add_set (chains->ruleset, SET_DNS_PORTS, VPND_FIELD_UDP_DPORT, FALSE, FALSE);

  vpnd_set_add_port (ports, DNS_PORT, NULL);
  vpnd_set_add_port (ports, DNS_TLS_PORT, NULL);
}

/* The ports of names; the first two are those of names that are only of a link. */
static const guint16 name_ports[] = { MDNS_PORT, LLMNR_PORT, DNS_PORT, DNS_TLS_PORT };

static gboolean
has_dns (const VpndPolicyInput *input)
{
  return input->dns != NULL && !vpnd_dns_plan_is_empty (input->dns);
}

/* How many of @name_ports are restricted inside the tunnel. A working one without resolvers of its own does not restrict those of DNS. */
static guint
count_name_ports (const VpndPolicyInput *input)
{
  return input->kind == VPND_POLICY_CONNECTED && !has_dns (input) ? 2 : G_N_ELEMENTS (name_ports);
}

/* Names that hosts of one link tell each other have no business at the far end of the tunnel: asked there, by multicast or not, they tell it what this
 * host looks for, and anybody may answer. On a link outside they are the local network's (7). */
static void
add_name_ports (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndSet *ports = vpnd_ruleset_add_set (chains->ruleset, SET_NAME_PORTS, VPND_FIELD_UDP_DPORT, FALSE, FALSE);

  for (guint i = 0; i < count_name_ports (input); i++)
    vpnd_set_add_port (ports, name_ports[i], NULL);
}

/* The resolvers of one family that are asked inside the tunnel; NULL when there is none. */
static VpndSet *
add_servers (VpndPolicyChains *chains, const VpndDnsPlan *dns, int family, const char *name, VpndField field)
{
  VpndSet *set = NULL;

  for (guint i = 0; i < dns->servers->len; i++)
    {
      const VpndAddr *server = &g_array_index (dns->servers, VpndAddr, i);

      if (server->family != family || is_outside (dns, server))
        continue;
      if (set == NULL)
        set = vpnd_ruleset_add_set (chains->ruleset, name, field, FALSE, FALSE);
      vpnd_set_add_addr (set, server, NULL);
    }
  return set;
}

/* 5: resolvers of a network of one's own: names and nothing else, and only what answers comes back. The tunnel's link has been decided upon
 * before these rules. */
static void
add_outside_dns (VpndPolicyChains *chains, const VpndDnsPlan *dns)
{
  static const struct
  {
    int family;
    const char *set;
    VpndField source;
    VpndField destination;
  } families[] = {
    { AF_INET, SET_OUTSIDE4, VPND_FIELD_IP_SADDR, VPND_FIELD_IP_DADDR },
    { AF_INET6, SET_OUTSIDE6, VPND_FIELD_IP6_SADDR, VPND_FIELD_IP6_DADDR },
  };
  static const VpndField ports[][2] = { { VPND_FIELD_UDP_SPORT, VPND_FIELD_UDP_DPORT }, { VPND_FIELD_TCP_SPORT, VPND_FIELD_TCP_DPORT } };
  VpndChain *const out[] = { chains->output, chains->forward };
  VpndChain *const in[] = { chains->input, chains->forward };

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      VpndSet *set = NULL;

      for (guint j = 0; j < dns->outside->len; j++)
        {
          const VpndAddr *server = &g_array_index (dns->outside, VpndAddr, j);

          if (server->family != families[i].family)
            continue;
          if (set == NULL)
            set = vpnd_ruleset_add_set (chains->ruleset, families[i].set, families[i].destination, FALSE, FALSE);
          vpnd_set_add_addr (set, server, NULL);
        }
      for (guint j = 0; set != NULL && j < G_N_ELEMENTS (ports) * G_N_ELEMENTS (out); j++)
        {
          VpndRule *rule = vpnd_rule_match_set (vpnd_chain_add_rule (out[j / 2]), families[i].destination, VPND_OP_IN, families[i].set);

          vpnd_rule_accept (vpnd_rule_match_set (rule, ports[j % 2][1], VPND_OP_IN, SET_DNS_PORTS));
          rule = vpnd_rule_match_set (vpnd_chain_add_rule (in[j / 2]), families[i].source, VPND_OP_IN, families[i].set);
          vpnd_rule_accept (vpnd_rule_match_established (vpnd_rule_match_set (rule, ports[j % 2][0], VPND_OP_IN, SET_DNS_PORTS)));
        }
    }
}

/* 6: inside the tunnel. The transport's own packets never (they would loop); then names; then all the rest. */
static void
add_tunnel (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  static const struct
  {
    int family;
    VpndField address;
    const char *set;
  } families[] = { { AF_INET, VPND_FIELD_IP_DADDR, SET_DNS4 }, { AF_INET6, VPND_FIELD_IP6_DADDR, SET_DNS6 } };
  static const VpndField ports[] = { VPND_FIELD_UDP_DPORT, VPND_FIELD_TCP_DPORT };
  gboolean is_connected = input->kind == VPND_POLICY_CONNECTED;
  VpndChain *names;

  add_name_ports (chains, input);
  vpnd_rule_drop (vpnd_policy_match_marked (vpnd_chain_add_rule (chains->tunnel_out)));
  if (is_connected && has_dns (input))
    {
      names = vpnd_policy_add_chain (chains, CHAIN_TUNNEL_NAMES);
      for (guint i = 0; i < G_N_ELEMENTS (families); i++)
        {
          if (add_servers (chains, input->dns, families[i].family, families[i].set, families[i].address) != NULL)
            vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (names), families[i].address, VPND_OP_IN, families[i].set));
          vpnd_rule_goto (vpnd_rule_match_set (vpnd_chain_add_rule (chains->tunnel_out), ports[i], VPND_OP_IN, SET_NAME_PORTS), CHAIN_TUNNEL_NAMES);
        }
      /* A recursive resolver on this host asks many servers. By the user it runs as; 0 is none, because root is everybody's. */
      if (input->settings->dns_resolver_uid != 0)
        vpnd_rule_accept (vpnd_rule_match_u32 (vpnd_chain_add_rule (names), VPND_FIELD_SKUID, VPND_OP_EQ, input->settings->dns_resolver_uid));
      vpnd_policy_refuse_rest (names);
    }
  else
    {
      add_names_reject (chains->tunnel_out, SET_NAME_PORTS);
    }
  vpnd_rule_accept (vpnd_chain_add_rule (chains->tunnel_out));
}

/* 1, 6 and 9, as far as the link alone decides. After all that names a service on such a link. */
static void
add_links (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndSet *in = vpnd_ruleset_add_set (chains->ruleset, MAP_IN_LINKS, VPND_FIELD_IIFNAME, FALSE, TRUE);
  VpndSet *out = vpnd_ruleset_add_set (chains->ruleset, MAP_OUT_LINKS, VPND_FIELD_OIFNAME, FALSE, TRUE);
  const VpndVerdict accept = { .kind = VPND_VERDICT_ACCEPT };
  const VpndVerdict tunnel = { .kind = VPND_VERDICT_GOTO, .chain = CHAIN_TUNNEL_OUT };
  const VpndVerdict inward = { .kind = VPND_VERDICT_GOTO, .chain = CHAIN_SPLIT_INWARD };

  vpnd_set_add_ifname (in, "lo", &accept);
  vpnd_set_add_ifname (out, "lo", &accept);
  if (chains->tunnel_out != NULL)
    {
      vpnd_set_add_ifname (in, input->routes->ifname, vpnd_policy_tells_inward (input) ? &inward : &accept);
      vpnd_set_add_ifname (out, input->routes->ifname, &tunnel);
    }
  for (guint i = 0; i < input->facts->bridges->len; i++)
    {
      const char *ifname = g_array_index (input->facts->bridges, VpndHop, i).ifname;

      vpnd_set_add_ifname (in, ifname, &accept);
      vpnd_set_add_ifname (out, ifname, &accept);
    }
  vpnd_rule_vmap (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, MAP_IN_LINKS);
  vpnd_rule_vmap (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, MAP_OUT_LINKS);
}

/* 6, for nearly every packet of a busy host. What leaves by the tunnel's link is known by the index of the link, a number, which is compared sooner than
 * a name; while the index is not known, with any mark, and to a port of names (of whatever protocol, also by chance where there are no ports), the longer
 * way by the name leads to the same end. The transport's own packets are not of it; they would loop. Nothing here asks conntrack: the kernel tracks every packet
 * of a network namespace as soon as one rule of it asks, and that alone costs more than all of these rules. A link that is gone leaves its index behind, and when vpnd is dead, too, the rules keep it: a physical link that comes back from
 * another namespace may have it then, but is not of the kind of a tunnel, which has no link layer. */
static void
add_short_ways (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndRule *rule;

  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->prerouting), VPND_FIELD_IIFNAME, VPND_OP_EQ, input->routes->ifname));
  if (input->kind != VPND_POLICY_CONNECTED || input->link_ifindex == 0)
    return;
  rule = vpnd_rule_match_mark (vpnd_chain_add_rule (chains->output), VPND_FIELD_MARK, VPND_OP_EQ, 0, G_MAXUINT32);
  vpnd_rule_match_u32 (rule, VPND_FIELD_OIF, VPND_OP_EQ, input->link_ifindex);
  vpnd_rule_match_oiftype (rule, ARPHRD_NONE);
  for (guint i = 0; i < count_name_ports (input); i++) /* one by one: measured, four comparisons take less than a look into a set */
    {
      const guint16 port = g_htons (name_ports[i]);

      vpnd_rule_match (rule, VPND_FIELD_TH_DPORT, VPND_OP_NE, &port);
    }
  vpnd_rule_accept (rule);
}

static void
add_tunnel_rules (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  vpnd_policy_add_direct_marks (chains, input);
  vpnd_policy_add_source_guard (chains, input);
  if (vpnd_bridge_is_set (&input->config->bridge))
    vpnd_policy_add_bridge_hop (chains, &input->config->bridge, input->routes);
  add_tunnel (chains, input);
}

/**
 * vpnd_policy_build:
 * @input: what the policy depends on
 *
 * Builds the rules of docs/security.md for one state. Every base chain that filters ends in drop; what leaves and is not allowed is refused at
 * once, so that no application hangs (rule 11).
 *
 * Returns: (transfer full): the ruleset of the table VPND_NFT_TABLE
 */
VpndRuleset *
vpnd_policy_build (const VpndPolicyInput *input)
{
  VpndRuleset *ruleset = vpnd_ruleset_new (VPND_NFT_TABLE);
  gboolean has_tunnel = input->kind != VPND_POLICY_BLOCKED;
  VpndPolicyChains chains;

  g_assert (!has_tunnel || (input->config != NULL && input->routes != NULL));

  vpnd_policy_chains_init (&chains, ruleset, has_tunnel);
  add_dns_ports (&chains);
  vpnd_policy_add_split_first (&chains, input);
  if (has_tunnel)
    add_short_ways (&chains, input);
  if (has_tunnel && vpnd_bridge_is_set (&input->config->bridge))
    vpnd_policy_add_proxy_guard (&chains, input->config);
  if (input->kind != VPND_POLICY_CONNECTED)
    vpnd_policy_add_api (&chains, input);
  if (input->routes != NULL)
    vpnd_policy_add_address_guard (&chains, input->routes);
  if (has_tunnel)
    add_tunnel_rules (&chains, input);
  else
    vpnd_policy_add_direct_marks (&chains, input);
  add_links (&chains, input);
  vpnd_policy_add_guests (&chains, input);
  if (has_tunnel)
    {
      if (!vpnd_policy_asks_transport (input))
        vpnd_policy_add_kernel_transport (&chains, input->config, input->routes);
      vpnd_policy_add_first_hop (&chains, input->config, input->routes);
      vpnd_policy_add_path_mtu (&chains, input);
    }
  if (input->routes != NULL)
    vpnd_policy_add_departure_guard (&chains, input->routes);
  vpnd_policy_add_dhcp (&chains);
  vpnd_policy_add_ndp (&chains);
  if (has_tunnel && input->facts->forwards && input->facts->bridges->len > 0)
    vpnd_policy_add_masquerade (&chains, input->routes);
  if (input->kind == VPND_POLICY_CONNECTED && input->dns != NULL)
    add_outside_dns (&chains, input->dns);
  add_names_reject (chains.output, SET_DNS_PORTS);
  add_names_reject (chains.forward, SET_DNS_PORTS);
  if (input->settings->allow_lan)
    vpnd_policy_add_lan (&chains);
  vpnd_policy_add_split_classes (&chains, input);
  vpnd_policy_add_split_inbound (&chains, input);
  vpnd_policy_refuse_rest (chains.output);
  vpnd_policy_refuse_rest (chains.forward);
  vpnd_policy_add_refusal (&chains, input->settings->allow_lan);
  return ruleset;
}
