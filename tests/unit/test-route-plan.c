/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The route plan where a human wrote down the answer. Its laws stand in tests/property/test-routes.c.
 */
#include "config.h"

#include "route-plan.h"

#include <string.h>

#include "reserved.h"
#include "net-values.h"

#define ROUNDS 400

static void
assert_text (const VpndRoutePlan *plan, const char *expected)
{
  g_autofree char *text = vpnd_route_plan_to_text (plan);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_full_tunnel (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32 fc00:bbbb::2/128", "0.0.0.0/0 ::/0 10.64.0.1/32");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = home_facts ();
  g_autoptr (VpndRoutePlan) plan = NULL;

  add_endpoint (profile, "203.0.113.5");
  plan = vpnd_route_plan_build (profile, settings, facts);
  assert_text (plan,
      "link vpnd0 mtu 1420\n"
      "address 10.64.0.2/32\n"
      "address fc00:bbbb::2/128\n"
      "route 0.0.0.0/0 dev vpnd0 table 22096\n"
      "route 10.64.0.1/32 dev vpnd0 table 22096\n"
      "route ::/0 dev vpnd0 table 22096 metric 1024\n"
      "route 172.17.0.0/16 dev docker0 table 22097\n"
      "route 192.168.1.1/32 dev eth0 table 22097\n"
      "route fe80::1/128 dev eth0 table 22097 metric 1024\n"
      "rule 4870 inet fwmark 0x56000000/0xff000000 lookup 254\n"
      "rule 4875 inet lookup 22096 suppress_prefixlength 0\n"
      "rule 4880 inet lookup 22097\n"
      "rule 4890 inet lookup 22096\n"
      "rule 4870 inet6 fwmark 0x56000000/0xff000000 lookup 254\n"
      "rule 4875 inet6 lookup 22096 suppress_prefixlength 0\n"
      "rule 4880 inet6 lookup 22097\n"
      "rule 4890 inet6 lookup 22096\n");
}

/* The LAN is local with the setting only; what the tunnel's own resolver needs stays in the tunnel even where the LAN claims it. */
static void
test_lan (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32", "0.0.0.0/0 10.99.0.0/16");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = home_facts ();
  g_autoptr (VpndRoutePlan) without = NULL;
  g_autoptr (VpndRoutePlan) with = NULL;
  VpndAddr dns;

  add_endpoint (profile, "203.0.113.5");
  g_assert_true (vpnd_addr_parse ("10.64.0.1", &dns));
  g_array_append_val (profile->dns_servers, dns);
  append_hop (facts->lans, "10.64.0.0/24", 2, "eth0");
  append_hop (facts->lans, "10.99.3.0/24", 2, "eth0");
  append_hop (facts->lans, "192.168.1.0/24", 2, "eth0");
  without = vpnd_route_plan_build (profile, settings, facts);
  settings->allow_lan = TRUE;
  with = vpnd_route_plan_build (profile, settings, facts);
  assert_text (without, "link vpnd0 mtu 1420\n"
                        "address 10.64.0.2/32\n"
                        "route 0.0.0.0/0 dev vpnd0 table 22096\n"
                        "route 10.99.0.0/16 dev vpnd0 table 22096\n"
                        "route 172.17.0.0/16 dev docker0 table 22097\n"
                        "route 192.168.1.1/32 dev eth0 table 22097\n"
                        "rule 4870 inet fwmark 0x56000000/0xff000000 lookup 254\n"
                        "rule 4875 inet lookup 22096 suppress_prefixlength 0\n"
                        "rule 4880 inet lookup 22097\n"
                        "rule 4890 inet lookup 22096\n");
  assert_text (with, "link vpnd0 mtu 1420\n"
                     "address 10.64.0.2/32\n"
                     "route 0.0.0.0/0 dev vpnd0 table 22096\n"
                     "route 10.64.0.1/32 dev vpnd0 table 22096\n"
                     "route 10.99.0.0/16 dev vpnd0 table 22096\n"
                     "route 10.64.0.0/24 dev eth0 table 22097\n"
                     "route 172.17.0.0/16 dev docker0 table 22097\n"
                     "route 192.168.1.0/24 dev eth0 table 22097\n"
                     "route 192.168.1.1/32 dev eth0 table 22097\n"
                     "rule 4870 inet fwmark 0x56000000/0xff000000 lookup 254\n"
                     "rule 4875 inet lookup 22096 suppress_prefixlength 0\n"
                     "rule 4880 inet lookup 22097\n"
                     "rule 4890 inet lookup 22096\n");
}

static void
test_split_profile (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/24", "10.64.0.0/24 192.168.0.0/16");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = home_facts ();
  g_autoptr (VpndRoutePlan) plan = vpnd_route_plan_build (profile, settings, facts);

  /* The next hop lies inside a network of the profile: it stands beside it, where the longer prefix wins. */
  assert_text (plan,
      "link vpnd0 mtu 1420\n"
      "address 10.64.0.2/24\n"
      "route 10.64.0.0/24 dev vpnd0 table 22096\n"
      "route 192.168.0.0/16 dev vpnd0 table 22096\n"
      "route 192.168.1.1/32 dev eth0 table 22096\n"
      "rule 4870 inet fwmark 0x56000000/0xff000000 lookup 254\n"
      "rule 4875 inet lookup 22096 suppress_prefixlength 0\n");
}

static void
test_two_halves (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32", "0.0.0.0/1 128.0.0.0/1 172.17.0.0/16");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = home_facts ();
  g_autoptr (VpndRoutePlan) plan = vpnd_route_plan_build (profile, settings, facts);

  /* 172.17.0.0/16 is claimed by the profile itself: it stays in the tunnel. */
  assert_text (plan,
      "link vpnd0 mtu 1420\n"
      "address 10.64.0.2/32\n"
      "route 0.0.0.0/1 dev vpnd0 table 22096\n"
      "route 128.0.0.0/1 dev vpnd0 table 22096\n"
      "route 172.17.0.0/16 dev vpnd0 table 22096\n"
      "route 192.168.1.1/32 dev eth0 table 22096\n"
      "rule 4870 inet fwmark 0x56000000/0xff000000 lookup 254\n"
      "rule 4875 inet lookup 22096 suppress_prefixlength 0\n");
}

static void
test_table_off (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32 fc00::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = home_facts ();
  g_autoptr (VpndRoutePlan) plan = NULL;

  profile->routes_off = TRUE;
  plan = vpnd_route_plan_build (profile, settings, facts);
  assert_text (plan, "link vpnd0 mtu 1420\naddress 10.64.0.2/32\naddress fc00::2/128\n");
}

static void
test_ipv6_off (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32 fc00::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndProfile) v4_profile = profile_of ("10.64.0.2/32", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndSettings) no_ipv6 = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = home_facts ();
  g_autoptr (VpndFacts) facts_off = home_facts ();
  g_autoptr (VpndRoutePlan) by_setting = NULL;
  g_autoptr (VpndRoutePlan) by_kernel = NULL;
  g_autoptr (VpndRoutePlan) by_profile = vpnd_route_plan_build (v4_profile, settings, facts);

  no_ipv6->ipv6 = FALSE;
  facts_off->ipv6_enabled = FALSE;
  by_setting = vpnd_route_plan_build (profile, no_ipv6, facts);
  by_kernel = vpnd_route_plan_build (profile, settings, facts_off);
  g_assert_true (vpnd_route_plan_equal (by_setting, by_kernel));
  g_assert_true (vpnd_route_plan_equal (by_setting, by_profile));
  g_assert_cmpuint (by_setting->rules->len, ==, 4);
}

/* Two links offer the same gateway address: the link of the default route carries the exception. */
static void
test_same_gateway_twice (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32", "0.0.0.0/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();

  for (guint winner = 2; winner <= 3; winner++)
    {
      g_autoptr (VpndFacts) facts = vpnd_facts_new ();
      g_autoptr (VpndRoutePlan) plan = NULL;

      facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = winner, .mtu = 1500 };
      append_hop (facts->next_hops, "192.168.1.1/32", 2, "eth0");
      append_hop (facts->next_hops, "192.168.1.1/32", 3, "wlan0");
      plan = vpnd_route_plan_build (profile, settings, facts);
      g_assert_cmpuint (plan->routes->len, ==, 2);
      g_assert_cmpstr (g_array_index (plan->routes, VpndRoute, 1).ifname, ==, winner == 2 ? "eth0" : "wlan0");
    }
}

static void
append_lan (VpndFacts *facts, const char *text, guint ifindex, const char *ifname, guint32 metric)
{
  append_hop (facts->lans, text, ifindex, ifname);
  g_array_index (facts->lans, VpndHop, facts->lans->len - 1).metric = metric;
}

/* The kernel's choice among the routes to @destination in the table of exceptions, without those by @gone; NULL when there is none. */
static const VpndRoute *
choose_route (const VpndRoutePlan *plan, const VpndPrefix *destination, const char *gone)
{
  const VpndRoute *best = NULL;

  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VpndRoute *route = &g_array_index (plan->routes, VpndRoute, i);
      guint32 metric = route->metric != 0 || destination->addr.family == AF_INET ? route->metric : VPND_ROUTE_METRIC_DEFAULT6;

      if (route->table == VPND_TABLE_LOCAL && vpnd_prefix_equal (&route->destination, destination) && g_strcmp0 (route->ifname, gone) != 0 &&
          (best == NULL || metric < (best->metric != 0 || destination->addr.family == AF_INET ? best->metric : VPND_ROUTE_METRIC_DEFAULT6)))
        best = route;
    }
  return best;
}

/* A local network that is on several links is reached by the one that the host prefers, and when that goes by the next, at once: its route stands already. */
static void
test_lan_on_several_links (void)
{
  static const char *const names[] = { "eth0", "wlan0", "eth1" };
  static const char *const networks[] = { "192.168.7.0/24", "fd07::/64" };
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32 fc00:bbbb::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();

  settings->allow_lan = TRUE;
  for (guint round = 0; round < ROUNDS; round++)
    {
      guint32 metrics[] = { 1024, 100, 600, 20, 256 };
      const VpndPrefix network = prefix_of (networks[round % 2]);
      g_autoptr (VpndFacts) facts = vpnd_facts_new ();
      g_autoptr (VpndRoutePlan) plan = NULL;
      guint best = 0, next = 0;

      facts->ipv6_enabled = TRUE;
      facts->default4 = facts->default6 = (VpndDefaultRoute){ .present = TRUE, .ifindex = (guint) g_test_rand_int_range (2, 5), .mtu = 1500 };
      for (guint i = 0; i < G_N_ELEMENTS (names); i++) /* no two are the same */
        {
          guint32 other = (guint32) g_test_rand_int_range ((int) i, G_N_ELEMENTS (metrics));
          guint32 metric = metrics[other];

          metrics[other] = metrics[i];
          metrics[i] = metric;
          append_lan (facts, networks[round % 2], i + 2, names[i], metric);
          best = metric < metrics[best] ? i : best;
        }
      next = best == 0 ? 1 : 0;
      for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        next = i != best && metrics[i] < metrics[next] ? i : next;

      plan = vpnd_route_plan_build (profile, settings, facts);
      g_assert_cmpstr (choose_route (plan, &network, NULL)->ifname, ==, names[best]);
      g_assert_cmpstr (choose_route (plan, &network, names[best])->ifname, ==, names[next]);
    }
}

/* Equal metrics: one route, by the link of the default route. And what the kernel makes of no metric is no other metric. */
static void
test_lan_without_order (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32 fc00:bbbb::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  const VpndPrefix network = prefix_of ("192.168.7.0/24");
  const VpndPrefix network6 = prefix_of ("fd07::/64");

  settings->allow_lan = TRUE;
  for (guint winner = 2; winner <= 3; winner++)
    {
      g_autoptr (VpndFacts) facts = vpnd_facts_new ();
      g_autoptr (VpndRoutePlan) plan = NULL;

      facts->ipv6_enabled = TRUE;
      facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = winner, .mtu = 1500 };
      append_lan (facts, "192.168.7.0/24", 2, "eth0", 100);
      append_lan (facts, "192.168.7.0/24", 3, "wlan0", 100);
      append_lan (facts, "fd07::/64", 3, "wlan0", VPND_ROUTE_METRIC_DEFAULT6);
      plan = vpnd_route_plan_build (profile, settings, facts);
      g_assert_cmpstr (choose_route (plan, &network, NULL)->ifname, ==, winner == 2 ? "eth0" : "wlan0");
      g_assert_null (choose_route (plan, &network, winner == 2 ? "eth0" : "wlan0"));
      g_assert_cmpuint (choose_route (plan, &network6, NULL)->metric, ==, 0);
    }
}

typedef struct
{
  guint32 setting, profile, link4, link6;
  gboolean v4_endpoint, v6_inside;
  guint32 expected;
  const char *bridge;
} MtuCase;

static void
test_mtu (void)
{
  static const MtuCase cases[] = {
    { 0, 0, 1500, 1500, TRUE, FALSE, 1420 },
    { 0, 0, 1492, 0, TRUE, FALSE, 1420 }, /* PPPoE, 1492 - 60 = 1432 */
    { 0, 0, 1400, 1500, TRUE, TRUE, 1340 },
    { 0, 0, 0, 1400, FALSE, TRUE, 1320 },
    { 0, 0, 1400, 1400, FALSE, FALSE, 1320 }, /* only an IPv6 endpoint */
    { 0, 0, 9000, 9000, TRUE, TRUE, 1420 },
    { 0, 0, 0, 0, TRUE, TRUE, 1420 },
    { 0, 0, 1300, 0, TRUE, TRUE, 1280 },
    { 0, 0, 1300, 0, TRUE, FALSE, 1240 },
    { 0, 0, 600, 0, TRUE, FALSE, 576 },
    { 0, 1380, 1500, 0, TRUE, TRUE, 1380 },
    { 1300, 1380, 1500, 0, TRUE, TRUE, 1300 },
    { 8920, 0, 9000, 0, TRUE, TRUE, 8920 },
    { 1000, 0, 1500, 0, TRUE, TRUE, 1280 },
    { 1000, 0, 1500, 0, TRUE, FALSE, 1000 },
    { 0, 0, 1500, 1500, TRUE, FALSE, 1360, "203.0.113.9:443/tcp" },
    { 0, 0, 1450, 1500, FALSE, FALSE, 1310, "203.0.113.9:443/udp" }, /* the family of the bridge, not of the server */
    { 0, 0, 1500, 1450, TRUE, FALSE, 1290, "[2001:db8::9]:443/udp" },
    { 0, 1400, 1500, 1450, TRUE, FALSE, 1400, "203.0.113.9:443/udp" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const MtuCase *c = &cases[i];
      g_autoptr (VpndProfile) profile = profile_of (c->v6_inside ? "10.0.0.2/32 fc00::2/128" : "10.0.0.2/32", "0.0.0.0/0");
      g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
      g_autoptr (VpndFacts) facts = vpnd_facts_new ();
      g_autoptr (VpndRoutePlan) plan = NULL;

      add_endpoint (profile, c->v4_endpoint ? "203.0.113.5" : "2001:db8::5");
      if (c->bridge != NULL)
        g_assert_true (vpnd_service_port_parse (c->bridge, &profile->bridge.service));
      profile->mtu = c->profile;
      settings->mtu = c->setting;
      facts->ipv6_enabled = TRUE;
      facts->default4 = (VpndDefaultRoute){ .present = c->link4 != 0, .mtu = c->link4 };
      facts->default6 = (VpndDefaultRoute){ .present = c->link6 != 0, .mtu = c->link6 };
      plan = vpnd_route_plan_build (profile, settings, facts);
      g_test_message ("case %" G_GSIZE_FORMAT, i);
      g_assert_cmpuint (plan->mtu, ==, c->expected);
    }
}

/* Facts change while a profile stays (roaming): no route of the tunnel and no rule is touched by it unless it must be. */
static void
test_roaming_keeps_tunnel (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32", "0.0.0.0/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) home = home_facts ();
  g_autoptr (VpndFacts) away = vpnd_facts_new ();
  g_autoptr (VpndRoutePlan) a = NULL;
  g_autoptr (VpndRoutePlan) b = NULL;
  g_autoptr (VpndRouteDiff) diff = NULL;

  append_hop (away->next_hops, "192.168.1.1/32", 3, "wlan0");
  a = vpnd_route_plan_build (profile, settings, home);
  b = vpnd_route_plan_build (profile, settings, away);
  diff = vpnd_route_plan_diff (a, b);
  g_assert_cmpuint (diff->add_rules->len + diff->delete_rules->len, ==, 0);
  g_assert_cmpuint (diff->add_routes->len, ==, 1); /* the same next hop by another link: replaced in its place */
  g_assert_cmpstr (g_array_index (diff->add_routes, VpndRoute, 0).ifname, ==, "wlan0");
  g_assert_cmpuint (diff->delete_routes->len, ==, 1); /* docker0 */
  g_assert_cmpuint (g_array_index (diff->delete_routes, VpndRoute, 0).destination.length, ==, 16);
}

static gboolean
has_line (const VpndRoutePlan *plan, const char *line)
{
  g_autofree char *text = vpnd_route_plan_to_text (plan);

  return strstr (text, line) != NULL;
}

/* A resolver of the host's own is reached as everything is that has no nearer route: by the default route, wherever that leads; and by its network where it is there. */
static void
test_resolver_follows_the_default (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32", "0.0.0.0/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) home = home_facts ();
  g_autoptr (VpndFacts) away = home_facts ();
  g_autoptr (VpndFacts) near = home_facts ();
  g_autoptr (VpndFacts) nowhere = home_facts ();
  g_autoptr (VpndRoutePlan) a = NULL;
  g_autoptr (VpndRoutePlan) b = NULL;
  g_autoptr (VpndRoutePlan) c = NULL;
  g_autoptr (VpndRoutePlan) d = NULL;
  g_autoptr (VpndRouteDiff) diff = NULL;
  VpndAddr server;

  g_assert_true (vpnd_addr_parse ("10.1.2.3", &server));
  g_array_append_val (settings->dns_servers, server);
  g_assert_true (vpnd_addr_parse ("192.168.1.1", &home->default4.gateway));
  away->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 3, .ifname = "wlan0", .mtu = 1500 };
  g_assert_true (vpnd_addr_parse ("192.168.7.1", &away->default4.gateway));
  append_hop (near->lans, "10.1.0.0/16", 6, "eth1");
  nowhere->default4.present = FALSE;
  nowhere->default4.ifname[0] = '\0';
  a = vpnd_route_plan_build (profile, settings, home);
  b = vpnd_route_plan_build (profile, settings, away);
  c = vpnd_route_plan_build (profile, settings, near);
  d = vpnd_route_plan_build (profile, settings, nowhere);
  g_assert_true (has_line (a, "route 10.1.2.3/32 via 192.168.1.1 dev eth0 table 22097\n"));
  g_assert_true (has_line (b, "route 10.1.2.3/32 via 192.168.7.1 dev wlan0 table 22097\n"));
  g_assert_true (has_line (c, "route 10.1.2.3/32 dev eth1 table 22097\n"));
  g_assert_false (has_line (d, "10.1.2.3"));
  diff = vpnd_route_plan_diff (a, b);
  g_assert_cmpuint (diff->delete_routes->len, ==, 0); /* replaced in its place, not taken away before */
  g_assert_cmpuint (diff->add_routes->len, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/route-plan/full-tunnel", test_full_tunnel);
  g_test_add_func ("/route-plan/lan", test_lan);
  g_test_add_func ("/route-plan/split-profile", test_split_profile);
  g_test_add_func ("/route-plan/two-halves", test_two_halves);
  g_test_add_func ("/route-plan/table-off", test_table_off);
  g_test_add_func ("/route-plan/ipv6-off", test_ipv6_off);
  g_test_add_func ("/route-plan/same-gateway-twice", test_same_gateway_twice);
  g_test_add_func ("/route-plan/lan-on-several-links", test_lan_on_several_links);
  g_test_add_func ("/route-plan/lan-without-order", test_lan_without_order);
  g_test_add_func ("/route-plan/mtu", test_mtu);
  g_test_add_func ("/route-plan/roaming-keeps-tunnel", test_roaming_keeps_tunnel);
  g_test_add_func ("/route-plan/resolver-follows-the-default", test_resolver_follows_the_default);
  return g_test_run ();
}
