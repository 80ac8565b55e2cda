/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Builds the wanted addresses, routes and rules from profile, settings and facts.
 * Owns the answer to "which way does a packet go". Never puts a route into table main, never makes a host route to an
 * endpoint and never looks main up with suppress_prefixlength: each of these lets a hostile network win (TunnelVision,
 * TunnelCrack).
 */
#include "config.h"

#include "route-plan.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "dns-plan.h"
#include "mtu.h"
#include "reserved.h"
#include "tunnel-plan.h"

/**
 * vpnd_route_plan_new:
 * @ifname: name of our link, at most 15 bytes
 * @mtu: MTU of our link in bytes
 *
 * Makes a plan without addresses, routes or rules. The caller fills it before sharing it.
 *
 * Returns: (transfer full): a new plan
 */
VpndRoutePlan *
vpnd_route_plan_new (const char *ifname, guint32 mtu)
{
  VpndRoutePlan *plan = g_new0 (VpndRoutePlan, 1);

  g_atomic_ref_count_init (&plan->ref_count);
  g_strlcpy (plan->ifname, ifname, sizeof plan->ifname);
  plan->mtu = mtu;
  plan->addresses = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  plan->routes = g_array_new (FALSE, TRUE, sizeof (VpndRoute));
  plan->rules = g_array_new (FALSE, TRUE, sizeof (VpndRouteRule));
  return plan;
}

/**
 * vpnd_route_plan_ref:
 * @plan: a plan
 *
 * Returns: (transfer full): @plan
 */
VpndRoutePlan *
vpnd_route_plan_ref (VpndRoutePlan *plan)
{
  g_atomic_ref_count_inc (&plan->ref_count);
  return plan;
}

/**
 * vpnd_route_plan_unref:
 * @plan: (transfer full) (nullable): a plan
 */
void
vpnd_route_plan_unref (VpndRoutePlan *plan)
{
  if (plan == NULL || !g_atomic_ref_count_dec (&plan->ref_count))
    return;

  g_array_unref (plan->addresses);
  g_array_unref (plan->routes);
  g_array_unref (plan->rules);
  g_free (plan);
}

static gboolean
family_allowed (const VpndSettings *settings, const VpndFacts *facts, int family)
{
  return family == AF_INET || (settings->ipv6 && facts->ipv6_enabled);
}

static void
add_addresses (VpndRoutePlan *plan, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts)
{
  for (guint i = 0; i < profile->addresses->len; i++)
    {
      const VpndPrefix *address = &g_array_index (profile->addresses, VpndPrefix, i);

      if (family_allowed (settings, facts, address->addr.family) && !vpnd_route_plan_has_address (plan, address))
        g_array_append_vals (plan->addresses, address, 1);
    }
}

static gboolean
has_address (const VpndRoutePlan *plan, int family)
{
  for (guint i = 0; i < plan->addresses->len; i++)
    {
      if (g_array_index (plan->addresses, VpndPrefix, i).addr.family == family)
        return TRUE;
    }
  return FALSE;
}

static void
append_route (GArray *routes, const VpndPrefix *destination, guint32 table, const char *ifname)
{
  VpndRoute route = { .destination = vpnd_prefix_masked (destination), .table = table };

  g_strlcpy (route.ifname, ifname, sizeof route.ifname);
  g_array_append_val (routes, route);
}

/* Sorts, then keeps the first route of each kernel key. */
static void
sort_unique_routes (GArray *routes)
{
  guint kept = 0;

  vpnd_route_sort (routes);
  for (guint i = 0; i < routes->len; i++)
    {
      const VpndRoute route = g_array_index (routes, VpndRoute, i);

      if (kept > 0 && vpnd_route_compare_place (&g_array_index (routes, VpndRoute, kept - 1), &route) == 0)
        continue;
      g_array_index (routes, VpndRoute, kept++) = route;
    }
  g_array_set_size (routes, kept);
}

static GArray *
tunnel_routes (const VpndProfile *profile, const char *ifname, int family)
{
  g_autoptr (GArray) routes = g_array_new (FALSE, TRUE, sizeof (VpndRoute));

  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      for (guint j = 0; j < peer->allowed_ips->len; j++)
        {
          const VpndPrefix *allowed = &g_array_index (peer->allowed_ips, VpndPrefix, j);

          if (allowed->addr.family == family)
            append_route (routes, allowed, VPND_TABLE_TUNNEL, ifname);
        }
    }
  sort_unique_routes (routes);
  return g_steal_pointer (&routes);
}

static gboolean
routes_have_default (const GArray *routes)
{
  for (guint i = 0; i < routes->len; i++)
    {
      if (vpnd_prefix_is_default (&g_array_index (routes, VpndRoute, i).destination))
        return TRUE;
    }
  return FALSE;
}

/* Specific routes are looked up before the table of exceptions. An exception inside one of them must therefore stand beside it, where
 * the longest prefix decides: with 0.0.0.0/1 and 128.0.0.0/1, or a public gateway inside a list of public networks, the next hop
 * would otherwise resolve to the tunnel and the transport would loop into itself. An equal prefix stays with the profile. */
static gboolean
inside_specific_route (const GArray *routes, const VpndPrefix *exception, gboolean *out_is_claimed)
{
  gboolean inside = FALSE;

  *out_is_claimed = FALSE;
  for (guint i = 0; i < routes->len; i++)
    {
      const VpndPrefix *destination = &g_array_index (routes, VpndRoute, i).destination;

      if (vpnd_prefix_is_default (destination) || destination->length > exception->length ||
          !vpnd_prefix_contains (destination, &exception->addr))
        continue;
      if (destination->length == exception->length)
        *out_is_claimed = TRUE;
      inside = TRUE;
    }
  return inside;
}

static guint32
plan_metric (const VpndHop *hop)
{
  return hop->prefix.addr.family == AF_INET6 && hop->metric == VPND_ROUTE_METRIC_DEFAULT6 ? 0 : hop->metric;
}

static void
append_exceptions (GArray *exceptions, const GArray *hops, const GArray *tunnel, int family, gboolean has_default, guint first_ifindex)
{
  for (guint i = 0; i < hops->len; i++)
    {
      const VpndHop *hop = &g_array_index (hops, VpndHop, i);
      gboolean is_claimed, is_inside, is_taken = FALSE;
      guint32 table;

      if (hop->prefix.addr.family != family || vpnd_prefix_is_default (&hop->prefix))
        continue;
      is_inside = inside_specific_route (tunnel, &hop->prefix, &is_claimed);
      if (is_claimed || (!is_inside && !has_default))
        continue;

      /* Two links to the same network (Ethernet and Wi-Fi of one home) keep the order that the host gives them. With the same metric, as with the same
       * gateway address, the link of the default route is the one that works. */
      table = is_inside ? VPND_TABLE_TUNNEL : VPND_TABLE_LOCAL;
      for (guint j = 0; j < exceptions->len; j++)
        {
          VpndRoute *earlier = &g_array_index (exceptions, VpndRoute, j);

          if (!vpnd_prefix_equal (&earlier->destination, &hop->prefix) || earlier->metric != plan_metric (hop))
            continue;
          is_taken = TRUE;
          if (hop->ifindex == first_ifindex)
            g_strlcpy (earlier->ifname, hop->ifname, sizeof earlier->ifname);
        }
      if (!is_taken)
        {
          append_route (exceptions, &hop->prefix, table, hop->ifname);
          g_array_index (exceptions, VpndRoute, exceptions->len - 1).metric = plan_metric (hop);
        }
    }
}

/* The networks that the settings open beside the tunnel. What the profile itself names as private is the tunnel's, whatever the network claims. */
static GArray *
allowed_lans (const VpndSettings *settings, const VpndFacts *facts, const GArray *tunnel)
{
  g_autoptr (GArray) lans = g_array_new (FALSE, TRUE, sizeof (VpndHop));

  for (guint i = 0; settings->allow_lan && i < facts->lans->len; i++)
    {
      const VpndHop *lan = &g_array_index (facts->lans, VpndHop, i);
      gboolean is_claimed = FALSE;

      for (guint j = 0; j < tunnel->len; j++)
        {
          const VpndPrefix *destination = &g_array_index (tunnel, VpndRoute, j).destination;

          is_claimed |= destination->length <= lan->prefix.length && vpnd_prefix_is_private (destination) &&
              vpnd_prefix_contains (destination, &lan->prefix.addr);
        }
      if (!is_claimed)
        g_array_append_vals (lans, lan, 1);
    }
  return g_steal_pointer (&lans);
}

static gboolean
hops_contain (const GArray *hops, const VpndAddr *addr)
{
  for (guint i = 0; i < hops->len; i++)
    if (vpnd_prefix_contains (&g_array_index (hops, VpndHop, i).prefix, addr))
      return TRUE;
  return FALSE;
}

/* Resolvers and gateways of the tunnel often have private addresses. A LAN that claims one of them (by chance, or to be asked instead) does
 * not get it: a host route stands among the specific routes. A physical next hop stays what it is. */
static void
pin_tunnel_hosts (GArray *tunnel, const GArray *lans, const VpndProfile *profile, const VpndFacts *facts, int family, const char *ifname)
{
  g_autoptr (GArray) hosts = g_array_copy (profile->dns_servers);

  g_array_append_val (hosts, profile->gateway4);
  g_array_append_val (hosts, profile->gateway6);
  for (guint i = 0; i < hosts->len; i++)
    {
      const VpndAddr *host = &g_array_index (hosts, VpndAddr, i);
      VpndPrefix prefix;

      if (host->family != family || !hops_contain (lans, host) || hops_contain (facts->next_hops, host))
        continue;
      prefix = vpnd_prefix_host (host);
      append_route (tunnel, &prefix, VPND_TABLE_TUNNEL, ifname);
    }
  sort_unique_routes (tunnel);
}

/* As the kernel finds its way: the longest prefix, then the lowest metric. */
static gboolean
is_better_lan (const VpndHop *lan, const VpndHop *best, guint first_ifindex)
{
  if (lan->prefix.length != best->prefix.length)
    return lan->prefix.length > best->prefix.length;
  if (lan->metric != best->metric)
    return lan->metric < best->metric;
  return lan->ifindex == first_ifindex;
}

/* The way to a resolver beside the tunnel: its link where it is on-link, else the default gateway. */
static VpndRoute
resolver_route (const VpndAddr *server, const VpndFacts *facts, const VpndDefaultRoute *physical)
{
  VpndRoute route = { .destination = vpnd_prefix_host (server), .table = VPND_TABLE_LOCAL, .gateway = physical->gateway };
  const VpndHop *best = NULL;

  for (guint i = 0; i < facts->lans->len; i++)
    {
      const VpndHop *lan = &g_array_index (facts->lans, VpndHop, i);

      if (vpnd_prefix_contains (&lan->prefix, server) && (best == NULL || is_better_lan (lan, best, physical->ifindex)))
        best = lan;
    }
  if (best != NULL)
    route.gateway = (VpndAddr){ 0 };
  g_strlcpy (route.ifname, best != NULL ? best->ifname : physical->ifname, sizeof route.ifname);
  return route;
}

/* Custom resolvers of a network of one's own are reached there, LAN allowed or not; the firewall lets nothing but DNS through to them. */
static void
append_resolvers (GArray *exceptions, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, const GArray *tunnel, int family, gboolean has_default)
{
  const VpndDefaultRoute *physical = family == AF_INET ? &facts->default4 : &facts->default6;

  for (guint i = 0; i < settings->dns_servers->len; i++)
    {
      const VpndAddr *server = &g_array_index (settings->dns_servers, VpndAddr, i);
      VpndRoute route;
      gboolean is_claimed, is_inside, is_taken = FALSE;

      if (server->family != family || !vpnd_dns_server_is_outside (server, profile) || hops_contain (facts->bridges, server))
        continue;
      route = resolver_route (server, facts, physical);
      is_inside = inside_specific_route (tunnel, &route.destination, &is_claimed);
      if (is_inside)
        route.table = VPND_TABLE_TUNNEL;
      for (guint j = 0; j < exceptions->len; j++)
        is_taken |= vpnd_prefix_equal (&g_array_index (exceptions, VpndRoute, j).destination, &route.destination);
      if (route.ifname[0] != '\0' && !is_taken && !is_claimed && (is_inside || has_default))
        g_array_append_val (exceptions, route);
    }
}

static void
append_rule (VpndRoutePlan *plan, int family, guint32 priority, guint32 table, gboolean is_marked, gint32 suppress_prefixlength)
{
  VpndRouteRule rule = {
    .family = family,
    .priority = priority,
    .fwmark = is_marked ? VPND_MARK_VALUE : 0,
    .fwmask = is_marked ? VPND_MARK_MASK : 0,
    .table = table,
    .suppress_prefixlength = suppress_prefixlength,
  };

  g_array_append_val (plan->rules, rule);
}

static void
add_family (VpndRoutePlan *plan, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, int family)
{
  const VpndDefaultRoute *physical = family == AF_INET ? &facts->default4 : &facts->default6;
  g_autoptr (GArray) tunnel = tunnel_routes (profile, plan->ifname, family);
  g_autoptr (GArray) exceptions = g_array_new (FALSE, TRUE, sizeof (VpndRoute));
  g_autoptr (GArray) lans = allowed_lans (settings, facts, tunnel);
  gboolean has_default = routes_have_default (tunnel);

  if (tunnel->len == 0)
    return;

  pin_tunnel_hosts (tunnel, lans, profile, facts, family, plan->ifname);
  append_exceptions (exceptions, facts->bridges, tunnel, family, has_default, 0);
  append_exceptions (exceptions, lans, tunnel, family, has_default, physical->ifindex);
  append_exceptions (exceptions, facts->next_hops, tunnel, family, has_default, physical->ifindex);
  append_resolvers (exceptions, profile, settings, facts, tunnel, family, has_default);
  g_array_append_vals (plan->routes, tunnel->data, tunnel->len);
  if (exceptions->len > 0)
    g_array_append_vals (plan->routes, exceptions->data, exceptions->len);

  append_rule (plan, family, VPND_RULE_PRIORITY_MARKED, RT_TABLE_MAIN, TRUE, -1);
  append_rule (plan, family, VPND_RULE_PRIORITY_SPECIFIC, VPND_TABLE_TUNNEL, FALSE, 0);
  if (!has_default)
    return; /* what no specific route takes belongs to table main, where the exceptions hold anyway */
  append_rule (plan, family, VPND_RULE_PRIORITY_LOCAL, VPND_TABLE_LOCAL, FALSE, -1);
  append_rule (plan, family, VPND_RULE_PRIORITY_TUNNEL, VPND_TABLE_TUNNEL, FALSE, -1);
}

static VpndMtu
choose_mtu (const VpndRoutePlan *plan, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, guint32 measured_mtu)
{
  VpndEndpoint endpoint = vpnd_tunnel_plan_outer (profile, facts);
  int family = endpoint.addr.family == AF_INET ? AF_INET : AF_INET6;
  const VpndDefaultRoute *outer = family == AF_INET ? &facts->default4 : &facts->default6;
  VpndMtuInput input = {
    .wish = settings->mtu != 0 ? settings->mtu : profile->mtu,
    .path = outer->present ? outer->mtu : 0,
    .overhead = vpnd_tunnel_plan_overhead (profile, family),
    .measured = measured_mtu,
    .has_ipv6 = has_address (plan, AF_INET6),
  };

  return vpnd_mtu_choose (&input);
}

static void
limit_routes (VpndRoutePlan *plan, guint32 mtu4)
{
  for (guint i = 0; i < plan->routes->len; i++)
    {
      VpndRoute *route = &g_array_index (plan->routes, VpndRoute, i);

      if (route->destination.addr.family == AF_INET && strcmp (route->ifname, plan->ifname) == 0)
        route->mtu = mtu4;
    }
}

/**
 * vpnd_route_plan_build_measured:
 * @profile: the profile to be routed
 * @settings: the settings
 * @facts: the host's network without us
 * @measured_mtu: the largest packet that is known to arrive through the tunnel in bytes, 0 for unknown
 *
 * Says which addresses, routes and rules the profile needs on this host. A family is routed when the profile has allowed-ips and an
 * address of it and, for IPv6, setting and kernel permit it. With the profile's "Table = off" only addresses and MTU remain.
 *
 * Returns: (transfer full): the plan
 */
VpndRoutePlan *
vpnd_route_plan_build_measured (const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, guint32 measured_mtu)
{
  static const int families[] = { AF_INET, AF_INET6 };
  g_autoptr (VpndRoutePlan) plan = vpnd_route_plan_new (VPND_IFNAME, 0);
  VpndMtu mtu;

  add_addresses (plan, profile, settings, facts);
  mtu = choose_mtu (plan, profile, settings, facts, measured_mtu);
  plan->mtu = mtu.link;
  for (gsize i = 0; i < G_N_ELEMENTS (families) && !profile->routes_off; i++)
    {
      if (has_address (plan, families[i]))
        add_family (plan, profile, settings, facts, families[i]);
    }
  limit_routes (plan, mtu.route4);

  vpnd_route_sort (plan->routes);
  vpnd_route_rule_sort (plan->rules);
  return g_steal_pointer (&plan);
}

/**
 * vpnd_route_plan_build:
 * @profile: the profile to be routed
 * @settings: the settings
 * @facts: the host's network without us
 *
 * vpnd_route_plan_build_measured() for a path of which nothing is known yet.
 *
 * Returns: (transfer full): the plan
 */
VpndRoutePlan *
vpnd_route_plan_build (const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts)
{
  return vpnd_route_plan_build_measured (profile, settings, facts, 0);
}
