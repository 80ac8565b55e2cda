/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Laws of the route plan, and of the difference of two, over random profiles, settings and facts.
 */
#include "config.h"

#include "route-plan.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "reserved.h"

#define ROUNDS 400

static const int families[] = { AF_INET, AF_INET6 };

/* Few bits, so that networks nest and collide. */
static VpndPrefix
random_prefix (int family)
{
  guint8 bytes[16] = { 0 };
  VpndPrefix result;
  guint bits = family == AF_INET ? 32 : 128;

  for (guint i = 0; i < 3; i++)
    bytes[i] = (guint8) (g_test_rand_int_range (0, 3) * 64);
  bytes[family == AF_INET ? 3 : 15] = (guint8) g_test_rand_int_range (1, 4);
  result.addr = vpnd_addr_from_bytes (family, bytes);
  result.length = g_test_rand_bit () ? bits : (guint8) g_test_rand_int_range (0, 25);
  return vpnd_prefix_masked (&result);
}

static int
random_family (void)
{
  return families[g_test_rand_int_range (0, 2)];
}

static VpndProfile *
random_profile (void)
{
  VpndProfile *profile = vpnd_profile_new ("random");
  guint n_peers = g_test_rand_int_range (1, 4);

  for (gint32 n = g_test_rand_int_range (1, 4); n > 0; n--)
    {
      VpndPrefix address = random_prefix (random_family ());

      address.length = MAX (address.length, 8);
      g_array_append_val (profile->addresses, address);
    }
  for (guint i = 0; i < n_peers; i++)
    {
      VpndPeer *peer = vpnd_peer_new ();

      for (gint32 n = g_test_rand_int_range (0, 7); n > 0; n--)
        {
          VpndPrefix allowed = random_prefix (random_family ());

          g_array_append_val (peer->allowed_ips, allowed);
        }
      for (gsize f = 0; f < G_N_ELEMENTS (families); f++)
        {
          VpndEndpoint endpoint = { .addr = random_prefix (families[f]).addr, .port = 1 };

          if (g_test_rand_bit ())
            g_array_append_val (peer->endpoints, endpoint);
        }
      g_ptr_array_add (profile->peers, peer);
    }
  profile->routes_off = g_test_rand_int_range (0, 10) == 0;
  return profile;
}

static VpndFacts *
random_facts (void)
{
  static const char *const names[] = { "eth0", "wlan0", "docker0" };
  VpndFacts *facts = vpnd_facts_new ();

  facts->ipv6_enabled = g_test_rand_int_range (0, 5) != 0;
  facts->default4 = (VpndDefaultRoute){ .present = g_test_rand_bit (), .ifindex = 1, .mtu = (guint32) g_test_rand_int_range (500, 9001) };
  facts->default6 = (VpndDefaultRoute){ .present = g_test_rand_bit (), .ifindex = 2, .mtu = (guint32) g_test_rand_int_range (1280, 9001) };
  for (gint32 n = g_test_rand_int_range (0, 5); n > 0; n--)
    {
      VpndHop hop = { .prefix = random_prefix (random_family ()), .ifindex = (guint) g_test_rand_int_range (1, 4) };

      g_strlcpy (hop.ifname, names[hop.ifindex - 1], sizeof hop.ifname);
      if (hop.ifindex != 3)
        hop.prefix = vpnd_prefix_host (&hop.prefix.addr);
      g_array_append_val (hop.ifindex == 3 ? facts->bridges : facts->next_hops, hop);
    }
  return facts;
}

static VpndRoutePlan *
random_plan (VpndProfile **out_profile, VpndFacts **out_facts)
{
  g_autoptr (VpndProfile) profile = random_profile ();
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = random_facts ();
  VpndRoutePlan *plan;

  settings->ipv6 = g_test_rand_int_range (0, 5) != 0;
  plan = vpnd_route_plan_build (profile, settings, facts);
  if (out_profile != NULL)
    *out_profile = g_steal_pointer (&profile);
  if (out_facts != NULL)
    *out_facts = g_steal_pointer (&facts);
  return plan;
}

/* A host, as the kernel keeps it: one route a (table, destination, metric), rules and addresses as sets. Adding what exists and deleting
 * what does not is an error here, so that "minimal and exact" is checked, too. */
static gboolean
same_place (const VpndRoute *a, const VpndRoute *b)
{
  return a->table == b->table && a->metric == b->metric && vpnd_prefix_equal (&a->destination, &b->destination);
}

static int
find_route (const VpndRoutePlan *host, const VpndRoute *route)
{
  for (guint i = 0; i < host->routes->len; i++)
    {
      if (same_place (&g_array_index (host->routes, VpndRoute, i), route))
        return (int) i;
    }
  return -1;
}

static int
find_rule (const VpndRoutePlan *host, const VpndRouteRule *rule)
{
  for (guint i = 0; i < host->rules->len; i++)
    {
      if (vpnd_route_rule_compare (&g_array_index (host->rules, VpndRouteRule, i), rule) == 0)
        return (int) i;
    }
  return -1;
}

static int
find_address (const VpndRoutePlan *host, const VpndPrefix *address)
{
  for (guint i = 0; i < host->addresses->len; i++)
    {
      if (vpnd_prefix_equal (&g_array_index (host->addresses, VpndPrefix, i), address))
        return (int) i;
    }
  return -1;
}

static void
apply_additions (VpndRoutePlan *host, const VpndRouteDiff *diff)
{
  for (guint i = 0; i < diff->add_addresses->len; i++)
    {
      const VpndPrefix *address = &g_array_index (diff->add_addresses, VpndPrefix, i);

      g_assert_cmpint (find_address (host, address), ==, -1);
      g_array_append_vals (host->addresses, address, 1);
    }
  for (guint i = 0; i < diff->add_routes->len; i++)
    {
      const VpndRoute *route = &g_array_index (diff->add_routes, VpndRoute, i);
      int place = find_route (host, route);

      if (place < 0)
        {
          g_array_append_vals (host->routes, route, 1);
          continue;
        }
      g_assert_cmpint (vpnd_route_compare (&g_array_index (host->routes, VpndRoute, place), route), !=, 0);
      g_array_index (host->routes, VpndRoute, place) = *route;
    }
  for (guint i = 0; i < diff->add_rules->len; i++)
    {
      const VpndRouteRule *rule = &g_array_index (diff->add_rules, VpndRouteRule, i);

      g_assert_cmpint (find_rule (host, rule), ==, -1);
      g_array_append_vals (host->rules, rule, 1);
    }
}

static void
apply_deletions (VpndRoutePlan *host, const VpndRouteDiff *diff)
{
  for (guint i = 0; i < diff->delete_rules->len; i++)
    {
      int place = find_rule (host, &g_array_index (diff->delete_rules, VpndRouteRule, i));

      g_assert_cmpint (place, >=, 0);
      g_array_remove_index (host->rules, place);
    }
  for (guint i = 0; i < diff->delete_routes->len; i++)
    {
      int place = find_route (host, &g_array_index (diff->delete_routes, VpndRoute, i));

      g_assert_cmpint (place, >=, 0);
      g_array_remove_index (host->routes, place);
    }
  for (guint i = 0; i < diff->delete_addresses->len; i++)
    {
      int place = find_address (host, &g_array_index (diff->delete_addresses, VpndPrefix, i));

      g_assert_cmpint (place, >=, 0);
      g_array_remove_index (host->addresses, place);
    }
}

static void
apply (VpndRoutePlan *host, const VpndRouteDiff *diff)
{
  if (diff->mtu != 0)
    {
      g_assert_cmpuint (host->mtu, !=, diff->mtu);
      host->mtu = diff->mtu;
    }
  apply_additions (host, diff);
  apply_deletions (host, diff);
  vpnd_route_sort (host->routes);
  vpnd_route_rule_sort (host->rules);
}

static void
test_diff_is_exact (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (VpndRoutePlan) a = random_plan (NULL, NULL);
      g_autoptr (VpndRoutePlan) b = random_plan (NULL, NULL);
      g_autoptr (VpndRoutePlan) host = vpnd_route_plan_new (VPND_IFNAME, 0);
      g_autoptr (VpndRouteDiff) up = vpnd_route_plan_diff (NULL, a);
      g_autoptr (VpndRouteDiff) change = vpnd_route_plan_diff (a, b);
      g_autoptr (VpndRouteDiff) nothing = vpnd_route_plan_diff (b, b);
      g_autoptr (VpndRouteDiff) down = vpnd_route_plan_diff (b, NULL);

      g_assert_true (up->link_up);
      g_assert_false (change->link_up);
      apply (host, up);
      g_assert_true (vpnd_route_plan_equal (host, a));
      apply (host, change);
      g_assert_true (vpnd_route_plan_equal (host, b));
      g_assert_true (vpnd_route_diff_is_empty (nothing));
      g_assert_cmpint (vpnd_route_plan_equal (a, b), ==, vpnd_route_diff_is_empty (change));
      apply (host, down);
      g_assert_cmpuint (host->routes->len + host->rules->len + host->addresses->len, ==, 0);
      g_assert_cmpuint (down->mtu, ==, 0);
      g_assert_false (down->link_up);
    }
}

static gboolean
is_fact (const VpndFacts *facts, const VpndRoute *route)
{
  const GArray *lists[] = { facts->next_hops, facts->bridges };

  for (gsize l = 0; l < G_N_ELEMENTS (lists); l++)
    {
      for (guint i = 0; i < lists[l]->len; i++)
        {
          const VpndHop *hop = &g_array_index (lists[l], VpndHop, i);

          if (vpnd_prefix_equal (&hop->prefix, &route->destination) && strcmp (hop->ifname, route->ifname) == 0)
            return TRUE;
        }
    }
  return FALSE;
}

static gboolean
is_allowed (const VpndProfile *profile, const VpndPrefix *destination)
{
  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      if (peer->allowed_ips->len == 0)
        continue;
      for (guint j = 0; j < peer->allowed_ips->len; j++)
        {
          if (vpnd_prefix_equal (&g_array_index (peer->allowed_ips, VpndPrefix, j), destination))
            return TRUE;
        }
    }
  return FALSE;
}

/* What goes anywhere but into the tunnel is a fact of the host, never an endpoint; nothing is ever in main. */
static void
test_no_forbidden_route (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (VpndProfile) profile = NULL;
      g_autoptr (VpndFacts) facts = NULL;
      g_autoptr (VpndRoutePlan) plan = random_plan (&profile, &facts);

      for (guint i = 0; i < plan->routes->len; i++)
        {
          const VpndRoute *route = &g_array_index (plan->routes, VpndRoute, i);

          g_assert_true (route->table == VPND_TABLE_TUNNEL || route->table == VPND_TABLE_LOCAL);
          if (strcmp (route->ifname, VPND_IFNAME) == 0)
            {
              g_assert_cmpuint (route->table, ==, VPND_TABLE_TUNNEL);
              g_assert_true (is_allowed (profile, &route->destination));
            }
          else
            {
              g_assert_true (is_fact (facts, route));
              g_assert_false (vpnd_prefix_is_default (&route->destination));
            }
          if (i > 0)
            g_assert_cmpint (vpnd_route_compare (route - 1, route), <, 0);
          if (i > 0)
            g_assert_false (same_place (route - 1, route));
        }
    }
}

static void
test_rules_are_complete (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (VpndRoutePlan) plan = random_plan (NULL, NULL);

      for (gsize f = 0; f < G_N_ELEMENTS (families); f++)
        {
          gboolean has_route = FALSE, has_default = FALSE;
          guint n_rules = 0;

          for (guint i = 0; i < plan->routes->len; i++)
            {
              const VpndRoute *route = &g_array_index (plan->routes, VpndRoute, i);

              if (route->destination.addr.family != families[f])
                continue;
              has_route = TRUE;
              has_default |= vpnd_prefix_is_default (&route->destination);
            }
          for (guint i = 0; i < plan->rules->len; i++)
            {
              const VpndRouteRule *rule = &g_array_index (plan->rules, VpndRouteRule, i);

              n_rules += rule->family == families[f];
              if (rule->table == RT_TABLE_MAIN)
                {
                  g_assert_cmpint (rule->suppress_prefixlength, ==, -1);
                  g_assert_cmpuint (rule->fwmask, ==, VPND_MARK_MASK);
                  g_assert_cmpuint (rule->fwmark, ==, VPND_MARK_VALUE);
                }
            }
          g_assert_cmpuint (n_rules, ==, has_default ? 4 : has_route ? 2
                                                                     : 0);
        }
    }
}

/* An address of the other family with the same leading bits. */
static VpndPrefix
mirrored (const VpndPrefix *original)
{
  int family = original->addr.family == AF_INET ? AF_INET6 : AF_INET;
  gboolean is_host = original->length == vpnd_addr_size (&original->addr) * 8;
  guint8 bytes[16] = { 0 };
  VpndPrefix result;

  memcpy (bytes, original->addr.bytes, 3);
  bytes[family == AF_INET ? 3 : 15] = original->addr.bytes[family == AF_INET ? 15 : 3];
  result.addr = vpnd_addr_from_bytes (family, bytes);
  result.length = is_host ? vpnd_addr_size (&result.addr) * 8 : original->length;
  return result;
}

static void
mirror_prefixes (GArray *array)
{
  for (guint i = 0; i < array->len; i++)
    g_array_index (array, VpndPrefix, i) = mirrored (&g_array_index (array, VpndPrefix, i));
}

static void
mirror_hops (GArray *array)
{
  for (guint i = 0; i < array->len; i++)
    g_array_index (array, VpndHop, i).prefix = mirrored (&g_array_index (array, VpndHop, i).prefix);
}

static void
mirror_world (VpndProfile *profile, VpndFacts *facts)
{
  VpndDefaultRoute other = facts->default4;

  mirror_prefixes (profile->addresses);
  for (guint i = 0; i < profile->peers->len; i++)
    mirror_prefixes (((VpndPeer *) g_ptr_array_index (profile->peers, i))->allowed_ips);
  mirror_hops (facts->next_hops);
  mirror_hops (facts->bridges);
  facts->default4 = facts->default6;
  facts->default6 = other;
}

/* Law L9: the plan of the mirrored world is the mirrored plan. */
static void
test_families_are_symmetric (void)
{
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();

  settings->mtu = 1400; /* the outer header is where the families do differ */
  settings->ipv6 = TRUE;
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (VpndProfile) profile = random_profile ();
      g_autoptr (VpndFacts) facts = random_facts ();
      g_autoptr (VpndRoutePlan) plan = NULL;
      g_autoptr (VpndRoutePlan) mirror = NULL;

      facts->ipv6_enabled = TRUE;
      plan = vpnd_route_plan_build (profile, settings, facts);
      mirror_world (profile, facts);
      mirror = vpnd_route_plan_build (profile, settings, facts);

      mirror_prefixes (mirror->addresses);
      for (guint i = 0; i < mirror->routes->len; i++)
        {
          VpndRoute *route = &g_array_index (mirror->routes, VpndRoute, i);

          route->destination = mirrored (&route->destination);
        }
      for (guint i = 0; i < mirror->rules->len; i++)
        {
          VpndRouteRule *rule = &g_array_index (mirror->rules, VpndRouteRule, i);

          rule->family = rule->family == AF_INET ? AF_INET6 : AF_INET;
        }
      vpnd_route_sort (mirror->routes);
      vpnd_route_rule_sort (mirror->rules);
      g_assert_true (vpnd_route_plan_equal (plan, mirror));
    }
}

static void
test_build_is_deterministic (void)
{
  for (guint round = 0; round < 50; round++)
    {
      g_autoptr (VpndProfile) profile = random_profile ();
      g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
      g_autoptr (VpndFacts) facts = random_facts ();
      g_autoptr (VpndRoutePlan) a = vpnd_route_plan_build (profile, settings, facts);
      g_autoptr (VpndRoutePlan) b = vpnd_route_plan_build (profile, settings, facts);

      g_assert_true (vpnd_route_plan_equal (a, b));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/route-plan/diff-is-exact", test_diff_is_exact);
  g_test_add_func ("/route-plan/no-forbidden-route", test_no_forbidden_route);
  g_test_add_func ("/route-plan/rules-are-complete", test_rules_are_complete);
  g_test_add_func ("/route-plan/families-are-symmetric", test_families_are_symmetric);
  g_test_add_func ("/route-plan/build-is-deterministic", test_build_is_deterministic);
  return g_test_run ();
}
