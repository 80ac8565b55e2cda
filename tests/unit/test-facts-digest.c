/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which default route, next hops and bridges come out of what the kernel lists.
 */
#include "config.h"

#include "facts-digest.h"

#include <string.h>

#include "reserved.h"

#define RTPROT_STATIC_NUMBER 4

typedef struct
{
  GArray *links;
  GArray *addresses;
  GArray *routes;
} World;

static World
new_world (void)
{
  return (World){ g_array_new (FALSE, TRUE, sizeof (VpndFactsLink)), g_array_new (FALSE, TRUE, sizeof (VpndFactsAddress)), g_array_new (FALSE, TRUE, sizeof (VpndFactsRoute)) };
}

static void
world_clear (World *world)
{
  g_clear_pointer (&world->links, g_array_unref);
  g_clear_pointer (&world->addresses, g_array_unref);
  g_clear_pointer (&world->routes, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

static VpndFactsLink *
add_link (World *world, guint ifindex, const char *ifname, VpndLinkKind kind)
{
  VpndFactsLink link = { .ifindex = ifindex, .kind = kind, .mtu = 1500, .is_up = TRUE, .is_running = TRUE };

  g_strlcpy (link.ifname, ifname, sizeof link.ifname);
  g_array_append_val (world->links, link);
  return &g_array_index (world->links, VpndFactsLink, world->links->len - 1);
}

static VpndFactsRoute *
add_route (World *world, const char *destination, guint ifindex, const char *gateway, guint32 metric)
{
  VpndFactsRoute route = { .ifindex = ifindex, .metric = metric, .protocol = RTPROT_STATIC_NUMBER };

  g_assert_true (vpnd_prefix_parse (destination, &route.destination));
  if (gateway != NULL)
    g_assert_true (vpnd_addr_parse (gateway, &route.gateway));
  g_array_append_val (world->routes, route);
  return &g_array_index (world->routes, VpndFactsRoute, world->routes->len - 1);
}

static void
add_network (World *world, guint ifindex, const char *network)
{
  VpndFactsAddress address = { .ifindex = ifindex };

  g_assert_true (vpnd_prefix_parse (network, &address.network));
  g_array_append_val (world->addresses, address);
}

static VpndFacts *
digest (const World *world)
{
  return vpnd_facts_digest (VPND_IFNAME, TRUE, world->links, world->addresses, world->routes);
}

static void
assert_gateway (const VpndDefaultRoute *route, const char *expected)
{
  g_autofree char *gateway = vpnd_addr_to_string (&route->gateway);

  g_assert_true (route->present);
  g_assert_cmpstr (gateway, ==, expected);
}

static void
test_nothing (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) none = vpnd_facts_new ();
  g_autoptr (VpndFacts) facts = vpnd_facts_digest (VPND_IFNAME, FALSE, world.links, world.addresses, world.routes);

  g_assert_true (vpnd_facts_equal (facts, none));
  g_assert_false (vpnd_facts_is_online (facts));
}

static void
test_lowest_metric_of_running_links (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) first = NULL;
  g_autoptr (VpndFacts) second = NULL;
  g_autoptr (VpndFacts) third = NULL;

  add_link (&world, 1, "lo", VPND_LINK_KIND_LOOPBACK);
  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER);
  add_link (&world, 3, "wlan0", VPND_LINK_KIND_OTHER)->mtu = 1400;
  add_link (&world, 9, VPND_IFNAME, VPND_LINK_KIND_OTHER);
  add_route (&world, "0.0.0.0/0", 3, "10.1.1.1", 600);
  add_route (&world, "0.0.0.0/0", 2, "10.2.2.1", 100);
  add_route (&world, "0.0.0.0/0", 9, NULL, 1);
  add_route (&world, "0.0.0.0/0", 1, NULL, 1);
  add_route (&world, "0.0.0.0/0", 3, "10.9.9.9", 0)->protocol = VPND_RTPROT;
  add_route (&world, "0.0.0.0/0", 77, "10.9.9.8", 0); /* its link is gone already */

  first = digest (&world);
  assert_gateway (&first->default4, "10.2.2.1");
  g_assert_cmpstr (first->default4.ifname, ==, "eth0");
  g_assert_false (first->default6.present);
  g_assert_cmpuint (first->next_hops->len, ==, 2);

  g_array_index (world.links, VpndFactsLink, 1).is_running = FALSE; /* eth0 loses its carrier */
  second = digest (&world);
  assert_gateway (&second->default4, "10.1.1.1");
  g_assert_cmpuint (second->default4.mtu, ==, 1400);
  g_assert_cmpuint (second->next_hops->len, ==, 1);

  g_array_index (world.links, VpndFactsLink, 2).is_running = FALSE;
  third = digest (&world);
  g_assert_false (vpnd_facts_is_online (third));
  g_assert_cmpuint (third->next_hops->len, ==, 0);
}

/* What the network says is on-link counts as LAN as far as it is private. */
static void
test_lans_are_private (void)
{
  static const char *const expected[] = { "10.0.0.0/8", "169.254.0.0/16", "192.168.7.0/24", "fc00::/7", "fd00:7::/64" };
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) facts = NULL;

  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER);
  add_link (&world, 3, "docker0", VPND_LINK_KIND_BRIDGE);
  add_link (&world, 9, VPND_IFNAME, VPND_LINK_KIND_OTHER);
  add_route (&world, "0.0.0.0/0", 2, NULL, 1); /* a default route without a gateway is no LAN */
  add_route (&world, "192.168.7.0/24", 2, NULL, 0);
  add_route (&world, "169.254.0.0/16", 2, NULL, 1000);
  add_route (&world, "203.0.113.0/24", 2, NULL, 0);
  add_route (&world, "8.0.0.0/5", 2, NULL, 0); /* public, but for 10.0.0.0/8 */
  add_route (&world, "192.168.8.0/24", 2, "192.168.7.1", 0);
  add_route (&world, "192.168.9.0/24", 9, NULL, 0);
  add_route (&world, "192.168.10.0/24", 3, NULL, 0);
  add_route (&world, "192.168.11.0/24", 2, NULL, 0)->protocol = VPND_RTPROT;
  add_route (&world, "fd00:7::/64", 2, NULL, 256);
  add_route (&world, "fe80::/64", 2, NULL, 256);
  add_route (&world, "2001:db8::/64", 2, NULL, 256);
  add_route (&world, "fc00::/6", 2, NULL, 256);
  facts = digest (&world);
  g_assert_cmpuint (facts->lans->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < facts->lans->len; i++)
    {
      g_autofree char *text = vpnd_prefix_to_string (&g_array_index (facts->lans, VpndHop, i).prefix);

      g_assert_cmpstr (text, ==, expected[i]);
      g_assert_cmpstr (g_array_index (facts->lans, VpndHop, i).ifname, ==, "eth0");
    }
}

/* A link of a VRF that the host's own table leads to is a way out like any other; what the table of the VRF says is not looked at, so it has no local network. */
static void
test_way_out_through_vrf (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) facts = NULL;

  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER)->master = 5;
  add_link (&world, 5, "blue", VPND_LINK_KIND_OTHER);
  add_route (&world, "0.0.0.0/0", 2, "198.51.100.1", 0);
  add_route (&world, "::/0", 2, "fe80::1", 1024);
  facts = digest (&world);
  g_assert_cmpstr (facts->default4.ifname, ==, "eth0");
  g_assert_cmpstr (facts->default6.ifname, ==, "eth0");
  g_assert_cmpuint (facts->next_hops->len, ==, 2);
  g_assert_cmpuint (facts->lans->len, ==, 0);
}

/* A local network on two links has the metric of either, and of two routes by one link the better. */
static void
test_lans_have_metrics (void)
{
  static const struct
  {
    guint ifindex;
    guint32 metric;
  } expected[] = { { 2, 100 }, { 3, 20 } };
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) facts = NULL;
  g_autoptr (VpndFacts) after = NULL;

  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER);
  add_link (&world, 3, "wlan0", VPND_LINK_KIND_OTHER);
  add_route (&world, "192.168.7.0/24", 3, NULL, 20);
  add_route (&world, "192.168.7.0/24", 2, NULL, 600);
  add_route (&world, "192.168.7.0/24", 2, NULL, 100);
  add_route (&world, "0.0.0.0/0", 3, "192.168.7.1", 600);
  facts = digest (&world);
  g_assert_cmpuint (facts->lans->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < facts->lans->len; i++)
    {
      g_assert_cmpuint (g_array_index (facts->lans, VpndHop, i).ifindex, ==, expected[i].ifindex);
      g_assert_cmpuint (g_array_index (facts->lans, VpndHop, i).metric, ==, expected[i].metric);
    }
  g_assert_cmpuint (g_array_index (facts->next_hops, VpndHop, 0).metric, ==, 0);

  g_array_index (world.routes, VpndFactsRoute, 0).metric = 700;
  after = digest (&world);
  g_assert_false (vpnd_facts_equal (facts, after));
}

static void
test_multipath_and_ties (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) facts = NULL;
  g_autoptr (VpndFacts) after = NULL;

  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER);
  add_link (&world, 3, "eth1", VPND_LINK_KIND_OTHER);
  add_route (&world, "::/0", 2, "fe80::2", 1024)->position = 1;
  add_route (&world, "::/0", 3, "fe80::1", 1024)->position = 0;
  add_route (&world, "0.0.0.0/0", 3, "10.0.0.3", 100);
  add_route (&world, "0.0.0.0/0", 2, "10.0.0.2", 100);
  facts = digest (&world);
  assert_gateway (&facts->default6, "fe80::1");  /* the first next hop */
  assert_gateway (&facts->default4, "10.0.0.2"); /* the lowest ifindex */

  g_array_index (world.links, VpndFactsLink, 1).is_running = FALSE;
  after = digest (&world);
  assert_gateway (&after->default6, "fe80::2");
}

static void
test_direct_and_foreign_family (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) facts = NULL;
  const VpndHop *hop;

  add_link (&world, 4, "ppp0", VPND_LINK_KIND_OTHER);
  add_route (&world, "0.0.0.0/0", 4, NULL, 0);
  add_route (&world, "192.0.2.0/24", 4, "fe80::9", 0);
  facts = digest (&world);
  g_assert_true (facts->default4.present);
  g_assert_false (vpnd_addr_is_set (&facts->default4.gateway));
  g_assert_cmpuint (facts->next_hops->len, ==, 1);
  hop = &g_array_index (facts->next_hops, VpndHop, 0);
  g_assert_cmpuint (hop->prefix.length, ==, 128);
  g_assert_cmpstr (hop->ifname, ==, "ppp0");
}

static void
test_next_hops_are_unique (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) facts = NULL;

  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER);
  add_link (&world, 3, "eth1", VPND_LINK_KIND_OTHER);
  for (guint i = 0; i < 100; i++)
    add_route (&world, "192.0.2.0/24", 2 + i % 2, "10.0.0.1", i);
  add_route (&world, "192.0.2.0/24", 2, "127.0.0.1", 0);
  add_route (&world, "192.0.2.0/24", 2, "224.0.0.1", 0);
  facts = digest (&world);
  g_assert_cmpuint (facts->next_hops->len, ==, 2);
}

static void
test_bridges (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) facts = NULL;

  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER)->master = 10;
  add_link (&world, 3, "veth1", VPND_LINK_KIND_INTERNAL)->master = 11;
  add_link (&world, 4, "veth2", VPND_LINK_KIND_INTERNAL)->master = 13;
  add_link (&world, 10, "br-lan", VPND_LINK_KIND_BRIDGE);
  add_link (&world, 11, "docker0", VPND_LINK_KIND_BRIDGE);
  add_link (&world, 12, "virbr0", VPND_LINK_KIND_BRIDGE)->is_running = FALSE; /* no guest yet: no carrier */
  add_link (&world, 13, "br-up", VPND_LINK_KIND_BRIDGE);
  add_link (&world, 14, "br-down", VPND_LINK_KIND_BRIDGE)->is_up = FALSE;
  add_network (&world, 2, "198.51.100.0/24");
  add_network (&world, 10, "192.168.1.0/24");
  add_network (&world, 11, "172.17.0.0/16");
  add_network (&world, 11, "fe80::/64");
  add_network (&world, 11, "172.17.0.1/32");
  add_network (&world, 11, "fd00:17::/64");
  add_network (&world, 12, "192.168.122.0/24");
  add_network (&world, 13, "10.200.0.0/16");
  add_network (&world, 14, "10.201.0.0/16");
  add_route (&world, "0.0.0.0/0", 13, "10.200.0.1", 0); /* the host's own way out */
  facts = digest (&world);

  g_assert_cmpuint (facts->bridges->len, ==, 3);
  g_assert_cmpstr (g_array_index (facts->bridges, VpndHop, 0).ifname, ==, "docker0");
  g_assert_cmpstr (g_array_index (facts->bridges, VpndHop, 1).ifname, ==, "virbr0");
  g_assert_cmpuint (g_array_index (facts->bridges, VpndHop, 2).prefix.addr.family, ==, AF_INET6);
}

static void
shuffle (GArray *array)
{
  gsize size = g_array_get_element_size (array);
  g_autofree char *spare = g_malloc (size);

  for (guint i = array->len; i > 1; i--)
    {
      char *a = array->data + (i - 1) * size;
      char *b = array->data + (gsize) g_test_rand_int_range (0, (gint32) i) * size;

      memcpy (spare, a, size);
      memmove (a, b, size);
      memcpy (b, spare, size);
    }
}

/* The kernel's order of dumping says nothing: the same world in any order is the same fact. */
static void
test_order_does_not_matter (void)
{
  for (guint round = 0; round < 100; round++)
    {
      g_auto (World) world = new_world ();
      g_autoptr (VpndFacts) a = NULL;
      g_autoptr (VpndFacts) b = NULL;

      for (guint i = 1; i <= 8; i++)
        {
          g_autofree char *name = g_strdup_printf ("l%u", i);
          VpndFactsLink *link = add_link (&world, i, name, (VpndLinkKind) g_test_rand_int_range (0, 4));

          link->is_running = g_test_rand_int_range (0, 4) != 0;
          link->master = g_test_rand_int_range (0, 3) == 0 ? (guint) g_test_rand_int_range (1, 9) : 0;
        }
      for (guint i = 0; i < 20; i++)
        {
          g_autofree char *gateway = g_strdup_printf ("10.0.0.%d", g_test_rand_int_range (1, 5));
          g_autofree char *network = g_strdup_printf ("10.%d.0.0/16", g_test_rand_int_range (1, 9));
          guint ifindex = (guint) g_test_rand_int_range (1, 9);

          /* as in the kernel, one default route a metric and link */
          if (i < 8)
            add_route (&world, "0.0.0.0/0", i + 1, gateway, (guint32) g_test_rand_int_range (0, 4));
          add_route (&world, "192.0.2.0/24", ifindex, gateway, i);
          add_network (&world, ifindex, network);
        }
      a = digest (&world);
      shuffle (world.links);
      shuffle (world.addresses);
      shuffle (world.routes);
      b = digest (&world);
      g_assert_true (vpnd_facts_equal (a, b));
    }
}

/* What stands in the place of a default route counts as one, and only where there is none. */
static void
test_halves_and_global_unicast (void)
{
  g_auto (World) world = new_world ();
  g_autoptr (VpndFacts) none = NULL;
  g_autoptr (VpndFacts) wide = NULL;
  g_autoptr (VpndFacts) both = NULL;

  add_link (&world, 2, "eth0", VPND_LINK_KIND_OTHER);
  add_route (&world, "64.0.0.0/2", 2, "10.0.0.9", 0);
  add_route (&world, "8000::/1", 2, "fe80::9", 0);
  add_route (&world, "2000::/4", 2, "fe80::9", 0);
  none = digest (&world);
  g_assert_false (none->default4.present || none->default6.present);

  add_route (&world, "128.0.0.0/1", 2, "10.0.0.2", 5);
  add_route (&world, "0.0.0.0/1", 2, "10.0.0.1", 5);
  add_route (&world, "2000::/3", 2, "fe80::1", 5);
  wide = digest (&world);
  assert_gateway (&wide->default4, "10.0.0.1");
  assert_gateway (&wide->default6, "fe80::1");

  add_route (&world, "0.0.0.0/0", 2, "10.0.0.3", 100);
  add_route (&world, "::/0", 2, "fe80::3", 100);
  both = digest (&world);
  assert_gateway (&both->default4, "10.0.0.3");
  assert_gateway (&both->default6, "fe80::3");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/facts-digest/lans-are-private", test_lans_are_private);
  g_test_add_func ("/facts-digest/way-out-through-vrf", test_way_out_through_vrf);
  g_test_add_func ("/facts-digest/lans-have-metrics", test_lans_have_metrics);
  g_test_add_func ("/facts-digest/nothing", test_nothing);
  g_test_add_func ("/facts-digest/lowest-metric-of-running-links", test_lowest_metric_of_running_links);
  g_test_add_func ("/facts-digest/halves-and-global-unicast", test_halves_and_global_unicast);
  g_test_add_func ("/facts-digest/multipath-and-ties", test_multipath_and_ties);
  g_test_add_func ("/facts-digest/direct-and-foreign-family", test_direct_and_foreign_family);
  g_test_add_func ("/facts-digest/next-hops-are-unique", test_next_hops_are_unique);
  g_test_add_func ("/facts-digest/bridges", test_bridges);
  g_test_add_func ("/facts-digest/order-does-not-matter", test_order_does_not_matter);
  return g_test_run ();
}
