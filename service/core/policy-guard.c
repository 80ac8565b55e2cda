/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What may not come by a link outside the tunnel: packets to the tunnel's addresses, and packets that claim to be from inside it. Nor may the host's
 * own packets with such an address leave by one.
 * Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy-rules.h"

#include <linux/netfilter.h>

#include "reserved.h"

#define SET_TUNNEL4 "tunnel4"
#define SET_TUNNEL6 "tunnel6"
#define SET_INSIDE4 "inside4"
#define SET_INSIDE6 "inside6"
#define CHAIN_LEAVING_BESIDE "leaving_beside"
#define PRIORITY_ARRIVING (-450) /* "raw", before the parts of datagrams are put together (NF_IP_PRI_RAW_BEFORE_DEFRAG) */

static gboolean
overlap (const VpndPrefix *a, const VpndPrefix *b)
{
  return vpnd_prefix_contains (a->length < b->length ? a : b, a->length < b->length ? &b->addr : &a->addr);
}

static gboolean
overlaps_hop (const VpndPrefix *network, const GArray *hops)
{
  for (guint i = 0; i < hops->len; i++)
    if (overlap (network, &g_array_index (hops, VpndHop, i).prefix))
      return TRUE;
  return FALSE;
}

static gboolean
contains_addr (const VpndPrefix *network, const GArray *addresses)
{
  for (guint i = 0; i < addresses->len; i++)
    if (vpnd_prefix_contains (network, &g_array_index (addresses, VpndAddr, i)))
      return TRUE;
  return FALSE;
}

/* Whether honest packets with a source in @network come from outside the tunnel, too. A LAN that claims a host of the tunnel's does not get it; one
 * that lies across a whole network of the tunnel's is a LAN all the same, as the routes see it. */
static gboolean
is_outside_too (const VpndPrefix *network, const VpndPolicyInput *input)
{
  VpndPrefix link_local = vpnd_policy_prefix ("fe80::/10");
  gboolean is_host = network->length == vpnd_addr_size (&network->addr) * 8;

  if (overlap (network, &link_local) || overlaps_hop (network, input->facts->bridges) || overlaps_hop (network, input->facts->next_hops) ||
      (!is_host && overlaps_hop (network, input->facts->lans)) || (input->dns != NULL && contains_addr (network, input->dns->outside)) ||
      vpnd_prefix_contains (network, &input->config->bridge.service.endpoint.addr))
    return TRUE;
  for (guint i = 0; i < input->config->peers->len; i++)
    if (vpnd_prefix_contains (network, &((const VpndTunnelPeer *) g_ptr_array_index (input->config->peers, i))->endpoint.addr))
      return TRUE;
  return FALSE;
}

static int
compare_length (gconstpointer a, gconstpointer b)
{
  const VpndPrefix *x = a;
  const VpndPrefix *y = b;

  return (x->length > y->length) - (x->length < y->length);
}

static void
append_inside (GArray *inside, const VpndPrefix *prefix, const VpndPolicyInput *input)
{
  VpndPrefix network = vpnd_prefix_masked (prefix);

  if (vpnd_prefix_is_private (&network) && !is_outside_too (&network, input))
    g_array_append_val (inside, network);
}

/* The networks that are inside the tunnel and nowhere else, the largest first: those of its addresses, its private routes, its resolvers. Public
 * ones are everybody's: the tunnel does not own the address of a server on the internet. */
static GArray *
collect_inside (const VpndPolicyInput *input)
{
  g_autoptr (GArray) inside = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  const VpndRoutePlan *routes = input->routes;

  for (guint i = 0; i < routes->addresses->len; i++)
    {
      const VpndPrefix *address = &g_array_index (routes->addresses, VpndPrefix, i);
      VpndPrefix host = vpnd_prefix_host (&address->addr);

      g_array_append_val (inside, host);
      append_inside (inside, address, input);
    }
  for (guint i = 0; i < routes->routes->len; i++)
    {
      const VpndRoute *route = &g_array_index (routes->routes, VpndRoute, i);

      if (g_str_equal (route->ifname, routes->ifname))
        append_inside (inside, &route->destination, input);
    }
  for (guint i = 0; input->dns != NULL && i < input->dns->servers->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (input->dns->servers, VpndAddr, i));

      append_inside (inside, &host, input);
    }
  g_array_sort (inside, compare_length);
  return g_steal_pointer (&inside);
}

/* @networks: the largest first; what lies in another one is left out. */
static GArray *
of_family (const GArray *networks, int family)
{
  g_autoptr (GArray) result = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));

  for (guint i = 0; i < networks->len; i++)
    {
      const VpndPrefix *network = &g_array_index (networks, VpndPrefix, i);
      gboolean is_known = network->addr.family != family;

      for (guint j = 0; j < result->len && !is_known; j++)
        is_known = vpnd_prefix_contains (&g_array_index (result, VpndPrefix, j), &network->addr);
      if (!is_known)
        g_array_append_vals (result, network, 1);
    }
  return g_steal_pointer (&result);
}

/* Matches an address in one of @networks, all of the family of @field. A single one needs no set; hosts alone make a set that is looked up by a hash. */
static VpndRule *
match_networks (VpndPolicyChains *chains, VpndRule *rule, VpndField field, const char *name, const GArray *networks)
{
  gboolean has_network = FALSE;
  VpndSet *set;

  if (networks->len == 1)
    return vpnd_rule_match_prefix (rule, field == VPND_FIELD_IP_SADDR || field == VPND_FIELD_IP6_SADDR, VPND_OP_EQ, &g_array_index (networks, VpndPrefix, 0));

  for (guint i = 0; i < networks->len; i++)
    has_network |= g_array_index (networks, VpndPrefix, i).length < 8 * vpnd_field_size_bytes (field);
  set = vpnd_ruleset_add_set (chains->ruleset, name, field, has_network, FALSE);
  for (guint i = 0; i < networks->len; i++)
    vpnd_set_add_prefix (set, &g_array_index (networks, VpndPrefix, i), NULL);
  return vpnd_rule_match_set (rule, field, VPND_OP_IN, name);
}

/* @chain: what comes by the tunnel's link has left it */
static void
drop_from_outside (VpndPolicyChains *chains, VpndChain *chain, int family, VpndField field, const char *name, const GArray *all)
{
  g_autoptr (GArray) networks = of_family (all, family);
  VpndRule *rule;

  if (networks->len == 0)
    return;
  rule = match_networks (chains, vpnd_chain_add_rule (chain), field, name, networks);
  vpnd_rule_drop (vpnd_rule_match_ifname (rule, VPND_FIELD_IIFNAME, VPND_OP_NE, "lo"));
}

static GArray *
collect_hosts (const VpndRoutePlan *routes)
{
  g_autoptr (GArray) hosts = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));

  for (guint i = 0; i < routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (routes->addresses, VpndPrefix, i).addr);

      g_array_append_val (hosts, host);
    }
  return g_steal_pointer (&hosts);
}

/* 10: nobody outside the tunnel may even learn that the tunnel's addresses are here (CVE-2019-14899). Where anything is tracked the kernel puts the parts of datagrams together before
 * conntrack, by whatever links they come: behind that, one from outside would be in a datagram that came by the tunnel. */

/**
 * vpnd_policy_add_address_guard:
 * @chains: the chains of a ruleset that is being filled
 * @routes: the route plan
 *
 * Drops what comes to an address of the tunnel by another link.
 */
void
vpnd_policy_add_address_guard (VpndPolicyChains *chains, const VpndRoutePlan *routes)
{
  g_autoptr (GArray) hosts = collect_hosts (routes);
  VpndChain *chain;

  if (hosts->len == 0)
    return;
  chain = vpnd_ruleset_add_chain (chains->ruleset, "arriving", VPND_CHAIN_FILTER, VPND_HOOK_PREROUTING, PRIORITY_ARRIVING, VPND_VERDICT_ACCEPT);
  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_IIFNAME, VPND_OP_EQ, routes->ifname)); /* first, for most comes by it */
  drop_from_outside (chains, chain, AF_INET, VPND_FIELD_IP_DADDR, SET_TUNNEL4, hosts);
  drop_from_outside (chains, chain, AF_INET6, VPND_FIELD_IP6_DADDR, SET_TUNNEL6, hosts);
}

/* 3 and 10: while a link has no address of its own, as between two leases, the kernel gives what leaves by it any other address of the host. The tunnel's has no
 * business in the transport: the far side would answer into the tunnel, and a transport that heard itself there would keep that address. */

/**
 * vpnd_policy_match_not_from_tunnel:
 * @rule: a rule of the output chain
 * @routes: the route plan; the address guard has been added for it
 * @family: AF_INET or AF_INET6
 *
 * Matches what has no address of the tunnel.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_policy_match_not_from_tunnel (VpndRule *rule, const VpndRoutePlan *routes, int family)
{
  g_autoptr (GArray) all = collect_hosts (routes);
  g_autoptr (GArray) hosts = of_family (all, family);
  gboolean is_v4 = family == AF_INET;

  if (hosts->len == 1)
    vpnd_rule_match_prefix (rule, TRUE, VPND_OP_NE, &g_array_index (hosts, VpndPrefix, 0));
  else if (hosts->len > 1)
    vpnd_rule_match_set (rule, is_v4 ? VPND_FIELD_IP_SADDR : VPND_FIELD_IP6_SADDR, VPND_OP_NOT_IN, is_v4 ? SET_TUNNEL4 : SET_TUNNEL6);
  return rule;
}

static void
refuse_own (VpndPolicyChains *chains, int family, VpndField field, const char *name, const GArray *all)
{
  gboolean is_source = field == VPND_FIELD_IP_SADDR || field == VPND_FIELD_IP6_SADDR;
  g_autoptr (GArray) hosts = of_family (all, family);
  VpndRule *rule;

  if (hosts->len == 0)
    return;
  rule = vpnd_chain_add_rule (chains->output);
  if (hosts->len == 1)
    vpnd_rule_match_prefix (rule, is_source, VPND_OP_EQ, &g_array_index (hosts, VpndPrefix, 0));
  else
    vpnd_rule_match_set (rule, field, VPND_OP_IN, name); /* the address guard has made it */
  vpnd_rule_goto (rule, CHAIN_REFUSE);
}

/* 10: and the host does not tell them. A socket keeps the address that it has: a flow that began inside the tunnel to a private address goes beside it as
 * soon as the network claims that address, or the settings let in the local network. It ends there instead. Nor does anything leave to them: once the tunnel
 * is gone, and its address with it, that is the very error that tells of such a refusal, and it holds what was refused. */

/**
 * vpnd_policy_add_departure_guard:
 * @chains: the chains of a ruleset that is being filled; those links that everything may leave by have been decided upon
 * @routes: the route plan
 *
 * Refuses what would leave from or to an address of the tunnel by another link. After the address guard.
 */
void
vpnd_policy_add_departure_guard (VpndPolicyChains *chains, const VpndRoutePlan *routes)
{
  g_autoptr (GArray) hosts = collect_hosts (routes);

  refuse_own (chains, AF_INET, VPND_FIELD_IP_SADDR, SET_TUNNEL4, hosts);
  refuse_own (chains, AF_INET, VPND_FIELD_IP_DADDR, SET_TUNNEL4, hosts);
  refuse_own (chains, AF_INET6, VPND_FIELD_IP6_SADDR, SET_TUNNEL6, hosts);
  refuse_own (chains, AF_INET6, VPND_FIELD_IP6_DADDR, SET_TUNNEL6, hosts);
}

/* 10: and nobody outside may pass for the tunnel's own addresses, its resolvers or the networks behind it, whatever the settings let in from a local
 * network. A DHCP server may have such an address and yet be the host's (it is found by broadcast). */

/**
 * vpnd_policy_add_source_guard:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on; with a tunnel
 *
 * Drops what claims to come from inside the tunnel and comes by another link.
 */
void
vpnd_policy_add_source_guard (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  g_autoptr (GArray) inside = collect_inside (input);
  VpndRule *rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->prerouting), VPND_FIELD_NFPROTO, NFPROTO_IPV4);

  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_SERVER_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_CLIENT_PORT));
  drop_from_outside (chains, chains->prerouting, AF_INET, VPND_FIELD_IP_SADDR, SET_INSIDE4, inside);
  drop_from_outside (chains, chains->prerouting, AF_INET6, VPND_FIELD_IP6_SADDR, SET_INSIDE6, inside);
}

/**
 * vpnd_policy_add_beside_guard:
 * @chains: the chains of a ruleset that is being filled; nothing has been guarded so yet
 * @routes: (nullable): the route plan
 *
 * Rules 8 and 9: drops what is marked as going beside the tunnel, and leaves by its link or with an address of it behind the translation. A program that binds itself to
 * the tunnel's link does not get around its class, nor does a route that somebody put into the host's own table.
 */
void
vpnd_policy_add_beside_guard (VpndPolicyChains *chains, const VpndRoutePlan *routes)
{
  VpndChain *chain = vpnd_policy_want_leaving (chains);
  VpndChain *beside = vpnd_policy_add_chain (chains, CHAIN_LEAVING_BESIDE);

  vpnd_rule_drop (vpnd_rule_match_ifname (vpnd_chain_add_rule (beside), VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME));
  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (beside), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo"));
  for (guint i = 0; routes != NULL && i < routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (routes->addresses, VpndPrefix, i).addr);

      vpnd_rule_drop (vpnd_rule_match_prefix (vpnd_chain_add_rule (beside), TRUE, VPND_OP_EQ, &host));
    }
  vpnd_rule_goto (vpnd_policy_match_beside (vpnd_chain_add_rule (chain)), CHAIN_LEAVING_BESIDE);
}
