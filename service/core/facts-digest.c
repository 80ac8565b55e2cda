/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Picks the best default routes, the physical next hops, the private on-link networks and the networks of host-internal bridges out of what the kernel lists.
 */
#include "config.h"

#include "facts-digest.h"

#include <string.h>

#include "reserved.h"

typedef struct
{
  const char *own_ifname;
  GHashTable *links_by_ifindex; /* (element-type guint VpndFactsLink) values unowned */
  const GArray *links;
  const GArray *addresses;
  const GArray *routes;
} Digest;

static const VpndFactsLink *
find_link (const Digest *digest, guint ifindex)
{
  return g_hash_table_lookup (digest->links_by_ifindex, GUINT_TO_POINTER (ifindex));
}

/* Link of a route that is not ours and can carry packets away from here; NULL when there is none. */
static const VpndFactsLink *
find_physical_link (const Digest *digest, const VpndFactsRoute *route)
{
  const VpndFactsLink *link = find_link (digest, route->ifindex);

  if (route->protocol == VPND_RTPROT || link == NULL || !link->is_running || link->kind == VPND_LINK_KIND_LOOPBACK ||
      strcmp (link->ifname, digest->own_ifname) == 0)
    return NULL;
  return link;
}

/* Some networks, and every attacker who wants to be preferred to a default route, have in its place the halves of IPv4 or the global unicast addresses
 * of IPv6 (RFC 4291, 2.4: 2000::/3). Whoever has one of these is not offline. */
static gboolean
is_wide (const VpndPrefix *destination)
{
  VpndAddr global;

  if (destination->addr.family == AF_INET)
    return destination->length <= 1;
  g_assert (vpnd_addr_parse ("2000::", &global));
  return destination->length <= 3 && vpnd_prefix_contains (destination, &global);
}

/* @best may be NULL. A default route is better than what stands in its place. */
static gboolean
route_is_better (const VpndFactsRoute *route, const VpndFactsRoute *best)
{
  if (best == NULL)
    return TRUE;
  if (vpnd_prefix_is_default (&route->destination) != vpnd_prefix_is_default (&best->destination))
    return vpnd_prefix_is_default (&route->destination);
  if (route->metric != best->metric)
    return route->metric < best->metric;
  if (route->position != best->position)
    return route->position < best->position;
  if (route->ifindex != best->ifindex)
    return route->ifindex < best->ifindex;
  return vpnd_prefix_compare (&route->destination, &best->destination) < 0;
}

/* FNV-1a of each address, added up: their order does not count. */
static guint32
digest_sources (const Digest *digest, guint ifindex, int family)
{
  guint32 sum = 0;

  for (guint i = 0; i < digest->addresses->len; i++)
    {
      const VpndFactsAddress *address = &g_array_index (digest->addresses, VpndFactsAddress, i);
      guint32 hash = 2166136261u;

      if (address->ifindex != ifindex || address->source.family != family)
        continue;
      for (guint j = 0; j < vpnd_addr_size (&address->source); j++)
        hash = (hash ^ address->source.bytes[j]) * 16777619u;
      sum += hash;
    }
  return sum;
}

static VpndDefaultRoute
pick_default (const Digest *digest, int family)
{
  VpndDefaultRoute result = { 0 };
  const VpndFactsRoute *best = NULL;
  const VpndFactsLink *link;

  for (guint i = 0; i < digest->routes->len; i++)
    {
      const VpndFactsRoute *route = &g_array_index (digest->routes, VpndFactsRoute, i);

      if (route->destination.addr.family == family && is_wide (&route->destination) &&
          find_physical_link (digest, route) != NULL && route_is_better (route, best))
        best = route;
    }
  if (best == NULL)
    return result;

  link = find_physical_link (digest, best);
  result.present = TRUE;
  result.ifindex = link->ifindex;
  g_strlcpy (result.ifname, link->ifname, sizeof result.ifname);
  result.gateway = best->gateway;
  result.mtu = best->mtu != 0 ? MIN (best->mtu, link->mtu) : link->mtu;
  result.sources = digest_sources (digest, link->ifindex, family);
  return result;
}

static int
compare_ways (const VpndHop *a, const VpndHop *b)
{
  int order = vpnd_prefix_compare (&a->prefix, &b->prefix);

  return order != 0 ? order : (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

static int
compare_hops (gconstpointer a, gconstpointer b)
{
  const VpndHop *x = a;
  const VpndHop *y = b;
  int order = compare_ways (x, y);

  return order != 0 ? order : (x->metric > y->metric) - (x->metric < y->metric);
}

static void
append_hop (GArray *hops, const VpndPrefix *prefix, const VpndFactsLink *link, guint32 metric)
{
  VpndHop hop = { .prefix = *prefix, .ifindex = link->ifindex, .metric = metric };

  g_strlcpy (hop.ifname, link->ifname, sizeof hop.ifname);
  g_array_append_val (hops, hop);
}

/* Of what is the same by the same link the lowest metric stays. */
static void
sort_unique_hops (GArray *hops)
{
  guint kept = 0;

  g_array_sort (hops, compare_hops);
  for (guint i = 0; i < hops->len; i++)
    {
      const VpndHop hop = g_array_index (hops, VpndHop, i);

      if (kept == 0 || compare_ways (&g_array_index (hops, VpndHop, kept - 1), &hop) != 0)
        g_array_index (hops, VpndHop, kept++) = hop;
    }
  g_array_set_size (hops, kept);
}

static void
collect_next_hops (const Digest *digest, GArray *out_hops)
{
  for (guint i = 0; i < digest->routes->len; i++)
    {
      const VpndFactsRoute *route = &g_array_index (digest->routes, VpndFactsRoute, i);
      const VpndFactsLink *link = find_physical_link (digest, route);

      if (link != NULL && vpnd_addr_is_unicast (&route->gateway) && !vpnd_addr_is_loopback (&route->gateway))
        {
          VpndPrefix host = vpnd_prefix_host (&route->gateway);
          const VpndHop *last = out_hops->len > 0 ? &g_array_index (out_hops, VpndHop, out_hops->len - 1) : NULL;

          /* Thousands of routes mostly have one gateway. */
          if (last == NULL || last->ifindex != link->ifindex || !vpnd_prefix_equal (&last->prefix, &host))
            append_hop (out_hops, &host, link, 0);
        }
    }
  sort_unique_hops (out_hops);
}

/* A bridge through which the host itself reaches the world is no host-internal one, whatever its ports look like (a nested host). */
static gboolean
carries_default_route (const Digest *digest, guint ifindex)
{
  for (guint i = 0; i < digest->routes->len; i++)
    {
      const VpndFactsRoute *route = &g_array_index (digest->routes, VpndFactsRoute, i);

      if (route->ifindex == ifindex && is_wide (&route->destination))
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_internal_bridge (const Digest *digest, const VpndFactsLink *bridge)
{
  if (bridge == NULL || bridge->kind != VPND_LINK_KIND_BRIDGE || !bridge->is_up || bridge->master != 0)
    return FALSE;

  for (guint i = 0; i < digest->links->len; i++)
    {
      const VpndFactsLink *port = &g_array_index (digest->links, VpndFactsLink, i);

      if (port->master == bridge->ifindex && port->kind != VPND_LINK_KIND_INTERNAL)
        return FALSE;
    }
  return !carries_default_route (digest, bridge->ifindex);
}

static gboolean
is_link_local6 (const VpndAddr *addr)
{
  static const VpndPrefix link_local = { { AF_INET6, { 0xfe, 0x80 } }, 10 };

  return vpnd_prefix_contains (&link_local, addr);
}

/* Link-local networks are on every link, and an address without a network (/32, /128) is the host itself. */
static gboolean
is_bridge_network (const VpndPrefix *network)
{
  return network->length > 0 && network->length < vpnd_addr_size (&network->addr) * 8 && !is_link_local6 (&network->addr);
}

static void
collect_bridges (const Digest *digest, GArray *out_hops)
{
  for (guint i = 0; i < digest->addresses->len; i++)
    {
      const VpndFactsAddress *address = &g_array_index (digest->addresses, VpndFactsAddress, i);
      const VpndFactsLink *link = find_link (digest, address->ifindex);

      if (is_bridge_network (&address->network) && is_internal_bridge (digest, link))
        append_hop (out_hops, &address->network, link, 0);
    }
  sort_unique_hops (out_hops);
}

/* A hostile network may claim whatever it likes as its own (TunnelCrack): only the private part of it is a LAN, and a default route is none. */
static void
collect_lans (const Digest *digest, GArray *out_hops)
{
  g_autoptr (GArray) parts = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));

  for (guint i = 0; i < digest->routes->len; i++)
    {
      const VpndFactsRoute *route = &g_array_index (digest->routes, VpndFactsRoute, i);
      const VpndFactsLink *link = find_physical_link (digest, route);

      if (link == NULL || vpnd_addr_is_set (&route->gateway) || vpnd_prefix_is_default (&route->destination) || is_internal_bridge (digest, link))
        continue;
      g_array_set_size (parts, 0);
      vpnd_prefix_append_private (&route->destination, parts);
      for (guint j = 0; j < parts->len; j++)
        {
          const VpndPrefix *part = &g_array_index (parts, VpndPrefix, j);

          if (!is_link_local6 (&part->addr))
            append_hop (out_hops, part, link, route->metric);
        }
    }
  sort_unique_hops (out_hops);
}

/**
 * vpnd_facts_digest:
 * @own_ifname: name of our link, which is never a fact
 * @ipv6_enabled: the kernel has IPv6 and it is not disabled for all links
 * @links: (element-type VpndFactsLink): all links
 * @addresses: (element-type VpndFactsAddress): all addresses
 * @routes: (element-type VpndFactsRoute): the unicast routes of the tables main and default, in any order
 *
 * Picks, for each family, the default route with the lowest metric whose link is running (then the earliest next hop, then the lowest
 * ifindex); whether anything is forwarded for others; the gateways of all routes on such links; the private networks that are on-link there; and the on-link networks of bridges that have no port to the outside. The
 * result does not depend on the order of its inputs.
 *
 * Returns: (transfer full): the facts
 */
VpndFacts *
vpnd_facts_digest (const char *own_ifname, gboolean ipv6_enabled, const GArray *links, const GArray *addresses, const GArray *routes)
{
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  g_autoptr (GHashTable) by_ifindex = g_hash_table_new (NULL, NULL);
  const Digest digest = { own_ifname, by_ifindex, links, addresses, routes };

  for (guint i = 0; i < links->len; i++)
    {
      VpndFactsLink *link = &g_array_index (links, VpndFactsLink, i);

      g_hash_table_insert (by_ifindex, GUINT_TO_POINTER (link->ifindex), link);
      facts->forwards = facts->forwards || (link->forwards && strcmp (link->ifname, own_ifname) != 0);
    }

  facts->ipv6_enabled = ipv6_enabled;
  facts->default4 = pick_default (&digest, AF_INET);
  facts->default6 = pick_default (&digest, AF_INET6);
  collect_next_hops (&digest, facts->next_hops);
  collect_bridges (&digest, facts->bridges);
  collect_lans (&digest, facts->lans);
  return g_steal_pointer (&facts);
}
