/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Laws of the route plan over random profiles, settings and facts, and the few cases where a human wrote down the answer.
 */
#include "config.h"

#include "route-plan.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "reserved.h"

#define ROUNDS 400

static const int families[] = { AF_INET, AF_INET6 };

static VpndPrefix
prefix (const char *text)
{
  VpndPrefix result;

  g_assert_true (vpnd_prefix_parse (text, &result));
  return result;
}

static void
append_prefix (GArray *array, const char *text)
{
  VpndPrefix value = prefix (text);

  g_array_append_val (array, value);
}

static VpndProfile *
new_profile (const char *addresses, const char *allowed)
{
  VpndProfile *profile = vpnd_profile_new ("test");
  VpndPeer *peer = vpnd_peer_new ();
  g_auto (GStrv) address_texts = g_strsplit (addresses, " ", -1);
  g_auto (GStrv) allowed_texts = g_strsplit (allowed, " ", -1);

  for (guint i = 0; address_texts[i] != NULL; i++)
    append_prefix (profile->addresses, address_texts[i]);
  for (guint i = 0; allowed_texts[i] != NULL; i++)
    append_prefix (peer->allowed_ips, allowed_texts[i]);
  g_ptr_array_add (profile->peers, peer);
  return profile;
}

static void
add_endpoint (VpndProfile *profile, const char *addr)
{
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndEndpoint endpoint = { .port = 51820 };

  g_assert_true (vpnd_addr_parse (addr, &endpoint.addr));
  g_array_append_val (peer->endpoints, endpoint);
}

static void
append_hop (GArray *hops, const char *text, guint ifindex, const char *ifname)
{
  VpndHop hop = { .prefix = prefix (text), .ifindex = ifindex };

  g_strlcpy (hop.ifname, ifname, sizeof hop.ifname);
  g_array_append_val (hops, hop);
}

static VpndFacts *
new_facts (void)
{
  VpndFacts *facts = vpnd_facts_new ();

  facts->ipv6_enabled = TRUE;
  facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  facts->default6 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  append_hop (facts->next_hops, "192.168.1.1/32", 2, "eth0");
  append_hop (facts->next_hops, "fe80::1/128", 2, "eth0");
  append_hop (facts->bridges, "172.17.0.0/16", 5, "docker0");
  return facts;
}

static void
assert_text (const VpndRoutePlan *plan, const char *expected)
{
  g_autofree char *text = vpnd_route_plan_to_text (plan);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_full_tunnel (void)
{
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32 fc00:bbbb::2/128", "0.0.0.0/0 ::/0 10.64.0.1/32");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = new_facts ();
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32", "0.0.0.0/0 10.99.0.0/16");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = new_facts ();
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/24", "10.64.0.0/24 192.168.0.0/16");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = new_facts ();
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32", "0.0.0.0/1 128.0.0.0/1 172.17.0.0/16");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = new_facts ();
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32 fc00::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = new_facts ();
  g_autoptr (VpndRoutePlan) plan = NULL;

  profile->routes_off = TRUE;
  plan = vpnd_route_plan_build (profile, settings, facts);
  assert_text (plan, "link vpnd0 mtu 1420\naddress 10.64.0.2/32\naddress fc00::2/128\n");
}

static void
test_ipv6_off (void)
{
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32 fc00::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndProfile) v4_profile = new_profile ("10.64.0.2/32", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndSettings) no_ipv6 = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = new_facts ();
  g_autoptr (VpndFacts) facts_off = new_facts ();
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32", "0.0.0.0/0");
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32 fc00:bbbb::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();

  settings->allow_lan = TRUE;
  for (guint round = 0; round < ROUNDS; round++)
    {
      guint32 metrics[] = { 1024, 100, 600, 20, 256 };
      const VpndPrefix network = prefix (networks[round % 2]);
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32 fc00:bbbb::2/128", "0.0.0.0/0 ::/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  const VpndPrefix network = prefix ("192.168.7.0/24");
  const VpndPrefix network6 = prefix ("fd07::/64");

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
      g_autoptr (VpndProfile) profile = new_profile (c->v6_inside ? "10.0.0.2/32 fc00::2/128" : "10.0.0.2/32", "0.0.0.0/0");
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

static int
order_routes (gconstpointer a, gconstpointer b)
{
  return vpnd_route_compare (a, b);
}

static int
order_rules (gconstpointer a, gconstpointer b)
{
  return vpnd_route_rule_compare (a, b);
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
  g_array_sort (host->routes, order_routes);
  g_array_sort (host->rules, order_rules);
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

/* Facts change while a profile stays (roaming): no route of the tunnel and no rule is touched by it unless it must be. */
static void
test_roaming_keeps_tunnel (void)
{
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32", "0.0.0.0/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) home = new_facts ();
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
  g_autoptr (VpndProfile) profile = new_profile ("10.64.0.2/32", "0.0.0.0/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) home = new_facts ();
  g_autoptr (VpndFacts) away = new_facts ();
  g_autoptr (VpndFacts) near = new_facts ();
  g_autoptr (VpndFacts) nowhere = new_facts ();
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
      g_array_sort (mirror->routes, order_routes);
      g_array_sort (mirror->rules, order_rules);
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
  g_test_add_func ("/route-plan/diff-is-exact", test_diff_is_exact);
  g_test_add_func ("/route-plan/roaming-keeps-tunnel", test_roaming_keeps_tunnel);
  g_test_add_func ("/route-plan/resolver-follows-the-default", test_resolver_follows_the_default);
  g_test_add_func ("/route-plan/no-forbidden-route", test_no_forbidden_route);
  g_test_add_func ("/route-plan/rules-are-complete", test_rules_are_complete);
  g_test_add_func ("/route-plan/families-are-symmetric", test_families_are_symmetric);
  g_test_add_func ("/route-plan/build-is-deterministic", test_build_is_deterministic);
  return g_test_run ();
}
