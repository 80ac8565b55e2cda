/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The facts against the real kernel: what iproute2 changes is told once, what is none of our business is not told, and a storm of
 * notifications ends in the right picture. "Nothing was told" is proved by the next thing that is: the count goes up by one.
 */
#include "config.h"

#include "facts-rtnl.h"

#include "netns.h"
#include "prober-udp.h"
#include "reserved.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 10000

typedef struct
{
  VpndFactsSource *source;
  VpndFacts *facts; /* at the last change */
  guint n_changes;
} Fixture;

static void
on_changed (VpndFactsSource *source, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (VpndFacts) before = fixture->facts;

  fixture->facts = vpnd_facts_source_get (source);
  fixture->n_changes++;
  g_assert_false (vpnd_facts_equal (before, fixture->facts));
}

static void
start (Fixture *fixture)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  fixture->source = vpnd_facts_rtnl_new (VPND_IFNAME, &error);
  g_assert_no_error (error);
  vpnd_facts_source_start_async (fixture->source, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  vpnd_facts_source_start_finish (fixture->source, result, &error);
  g_assert_no_error (error);
  fixture->facts = vpnd_facts_source_get (fixture->source);
  g_signal_connect (fixture->source, "changed", G_CALLBACK (on_changed), fixture);
}

static void
fixture_clear (Fixture *fixture)
{
  g_signal_handlers_disconnect_by_data (fixture->source, fixture); /* a reading that is under way keeps the source, and ends after us */
  g_clear_object (&fixture->source);
  g_clear_pointer (&fixture->facts, vpnd_facts_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fixture, fixture_clear)

typedef gboolean (*Condition) (const VpndFacts *facts);

static void
wait_until (Fixture *fixture, Condition condition)
{
  NETNS_WAIT (condition (fixture->facts));
}

static gboolean
is_online4 (const VpndFacts *facts)
{
  return facts->default4.present;
}

static gboolean
is_online6 (const VpndFacts *facts)
{
  return facts->default6.present;
}

static gboolean
is_offline (const VpndFacts *facts)
{
  return !vpnd_facts_is_online (facts);
}

static gboolean
is_by_eth1 (const VpndFacts *facts)
{
  return strcmp (facts->default4.ifname, "eth1") == 0;
}

static gboolean
is_by_eth0 (const VpndFacts *facts)
{
  return strcmp (facts->default4.ifname, "eth0") == 0;
}

static gboolean
has_bridge (const VpndFacts *facts)
{
  return facts->bridges->len == 1;
}

static gboolean
has_two_networks (const VpndFacts *facts)
{
  return facts->bridges->len == 2;
}

static gboolean
has_no_bridge (const VpndFacts *facts)
{
  return facts->bridges->len == 0;
}

static gboolean
has_no_ipv6 (const VpndFacts *facts)
{
  return !facts->ipv6_enabled;
}

static gboolean
has_mtu_1300 (const VpndFacts *facts)
{
  return facts->default4.mtu == 1300;
}

static gboolean
has_three_hops (const VpndFacts *facts)
{
  return facts->next_hops->len == 3;
}

static void
make_uplink (const char *ifname, guint network)
{
  netns_add_link (ifname);
  NETNS_DO ("ip addr add 10.%u.0.2/24 dev %s", network, ifname);
}

static void
test_defaults_come_and_go (void)
{
  g_auto (Fixture) fixture = { 0 };

  netns_fresh ();
  start (&fixture);
  g_assert_true (is_offline (fixture.facts));
  g_assert_true (fixture.facts->ipv6_enabled);

  make_uplink ("eth0", 1);
  make_uplink ("eth1", 2);
  NETNS_DO ("ip route add default via 10.1.0.1 metric 200");
  wait_until (&fixture, is_online4);
  g_assert_cmpstr (fixture.facts->default4.ifname, ==, "eth0");
  g_assert_cmpuint (fixture.facts->default4.ifindex, ==, if_nametoindex ("eth0"));
  g_assert_cmpuint (fixture.facts->default4.mtu, ==, 1500);
  g_assert_cmpuint (fixture.facts->next_hops->len, ==, 1);

  NETNS_DO ("ip route add default via 10.2.0.1 metric 100");
  wait_until (&fixture, is_by_eth1);
  NETNS_DO ("ip link set p-eth1 down"); /* the cable is out; the route is still there */
  wait_until (&fixture, is_by_eth0);
  NETNS_DO ("ip link set p-eth1 up");
  wait_until (&fixture, is_by_eth1);
  NETNS_DO ("ip link del eth1");
  wait_until (&fixture, is_by_eth0);
  NETNS_DO ("ip link set eth0 mtu 1300");
  wait_until (&fixture, has_mtu_1300);
  NETNS_DO ("ip addr del 10.1.0.2/24 dev eth0"); /* takes the route without a word about it */
  wait_until (&fixture, is_offline);
}

static void
test_ipv6 (void)
{
  g_auto (Fixture) fixture = { 0 };
  g_autofree char *gateway = NULL;

  netns_fresh ();
  netns_add_link ("eth0");
  start (&fixture);
  NETNS_DO ("ip -6 route add default via fe80::1 dev eth0");
  wait_until (&fixture, is_online6);
  gateway = vpnd_addr_to_string (&fixture.facts->default6.gateway);
  g_assert_cmpstr (gateway, ==, "fe80::1");
  g_assert_cmpstr (g_array_index (fixture.facts->next_hops, VpndHop, 0).ifname, ==, "eth0");
  for (guint i = 0; i < 3; i++) /* nothing but the route changes */
    {
      NETNS_DO ("ip -6 route del default via fe80::1 dev eth0");
      wait_until (&fixture, is_offline);
      NETNS_DO ("ip -6 route add default via fe80::1 dev eth0");
      wait_until (&fixture, is_online6);
    }
  NETNS_DO ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
  wait_until (&fixture, has_no_ipv6);
  g_assert_false (fixture.facts->default6.present);
}

static void
test_started_without_ipv6 (void)
{
  g_auto (Fixture) fixture = { 0 };

  netns_fresh ();
  NETNS_DO ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
  NETNS_DO ("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
  make_uplink ("eth0", 1);
  NETNS_DO ("ip route add default via 10.1.0.1");
  start (&fixture);
  g_assert_true (is_online4 (fixture.facts));
  g_assert_false (fixture.facts->ipv6_enabled);
}

static void
test_next_hops_of_all_routes (void)
{
  g_auto (Fixture) fixture = { 0 };
  static const char *const expected[] = { "10.1.0.1/32", "10.1.0.9/32", "fe80::7/128" };

  netns_fresh ();
  make_uplink ("eth0", 1);
  start (&fixture);
  NETNS_DO ("ip route add default via 10.1.0.1");
  NETNS_DO ("ip route add 203.0.113.0/24 nexthop via 10.1.0.1 nexthop via 10.1.0.9");
  NETNS_DO ("ip route add 198.51.100.0/24 via inet6 fe80::7 dev eth0");
  wait_until (&fixture, has_three_hops);
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      g_autofree char *hop = vpnd_prefix_to_string (&g_array_index (fixture.facts->next_hops, VpndHop, i).prefix);

      g_assert_cmpstr (hop, ==, expected[i]);
    }
}

static void
test_bridges (void)
{
  g_auto (Fixture) fixture = { 0 };

  netns_fresh ();
  start (&fixture);
  NETNS_DO ("ip link add docker0 type bridge");
  NETNS_DO ("ip addr add 172.17.0.1/16 dev docker0");
  NETNS_DO ("ip link set docker0 up"); /* no container yet */
  wait_until (&fixture, has_bridge);
  NETNS_DO ("ip link add veth1 type veth peer name inside");
  NETNS_DO ("ip link set veth1 master docker0");
  NETNS_DO ("ip tuntap add dev tap0 mode tap");
  NETNS_DO ("ip link set tap0 master docker0");
  NETNS_DO ("ip link add other type veth peer name other1");
  NETNS_DO ("ip link add link other name macv0 type macvlan"); /* a kind that may lead anywhere */
  g_assert_true (has_bridge (fixture.facts));
  NETNS_DO ("ip link set macv0 master docker0");
  wait_until (&fixture, has_no_bridge);
  NETNS_DO ("ip link set macv0 nomaster");
  wait_until (&fixture, has_bridge);
  g_assert_cmpstr (g_array_index (fixture.facts->bridges, VpndHop, 0).ifname, ==, "docker0");
  NETNS_DO ("ip addr add 172.18.0.1/16 dev docker0 noprefixroute"); /* nothing but the address changes */
  wait_until (&fixture, has_two_networks);
  NETNS_DO ("ip addr del 172.18.0.1/16 dev docker0");
  wait_until (&fixture, has_bridge);
  NETNS_DO ("ip link del docker0");
  wait_until (&fixture, has_no_bridge);
}

/* Our own doing is no fact: the first that is told is the bridge of the end. */
static void
test_own_things_are_no_facts (void)
{
  g_auto (Fixture) fixture = { 0 };

  netns_fresh ();
  make_uplink ("eth0", 1);
  start (&fixture);
  NETNS_DO ("ip link add vpnd0 type veth peer name far");
  NETNS_DO ("ip link set far up");
  NETNS_DO ("ip link set vpnd0 up");
  NETNS_DO ("ip addr add 10.64.0.2/32 dev vpnd0");
  NETNS_DO ("ip route add default dev vpnd0 table 22096 proto 86");
  NETNS_DO ("ip route add default dev vpnd0 metric 5");             /* a program that means well */
  NETNS_DO ("ip route add default via 10.1.0.1 metric 1 proto 86"); /* our number in main */
  NETNS_DO ("ip link del vpnd0");
  NETNS_DO ("ip link add docker0 type bridge");
  NETNS_DO ("ip addr add 172.17.0.1/16 dev docker0");
  NETNS_DO ("ip link set docker0 up");
  wait_until (&fixture, has_bridge);
  g_assert_true (is_offline (fixture.facts));
  g_assert_cmpuint (fixture.n_changes, ==, 1);
}

static gboolean
has_mtu_1400 (const VpndFacts *facts)
{
  return facts->default4.mtu == 1400;
}

/* The forms that a default route comes in, as the kernel tells them: with a next hop that no network of the link contains, over several next hops, over a
 * next hop that is an object of its own, with an MTU. A default route of another table (as a VRF has) is none of the host's. */
static void
test_forms_of_default_routes (void)
{
  g_auto (Fixture) fixture = { 0 };
  g_autofree char *gateway = NULL;

  netns_fresh ();
  make_uplink ("eth0", 1);
  make_uplink ("eth1", 2);
  start (&fixture);
  NETNS_DO ("ip route add default via 10.1.0.1 table 100");
  NETNS_DO ("ip route add default via 192.0.2.1 dev eth0 onlink");
  wait_until (&fixture, is_online4);
  gateway = vpnd_addr_to_string (&fixture.facts->default4.gateway);
  g_assert_cmpstr (gateway, ==, "192.0.2.1");
  NETNS_DO ("ip route replace default nexthop via 10.2.0.1 dev eth1 weight 1 nexthop via 10.1.0.1 dev eth0 weight 100");
  wait_until (&fixture, is_by_eth1);
  NETNS_DO ("ip link set p-eth1 down");
  wait_until (&fixture, is_by_eth0);
  NETNS_DO ("ip link set p-eth1 up");
  wait_until (&fixture, is_by_eth1);
  NETNS_DO ("ip route del default");
  wait_until (&fixture, is_offline);
  NETNS_DO ("ip nexthop add id 7 via 10.1.0.1 dev eth0");
  NETNS_DO ("ip route add default nhid 7");
  wait_until (&fixture, is_by_eth0);
  NETNS_DO ("ip route replace default via 10.1.0.1 dev eth0 mtu 1400");
  wait_until (&fixture, has_mtu_1400);
  NETNS_DO ("ip route del default");
  wait_until (&fixture, is_offline);
}

#define MANY_LINKS 500

static gboolean
has_many_bridges (const VpndFacts *facts)
{
  return facts->bridges->len == MANY_LINKS;
}

/* A host with 500 links of its own: read at the start and while they come and go, and none of them hides the one that matters. */
static void
test_many_links (void)
{
  g_auto (Fixture) fixture = { 0 };
  g_auto (Fixture) second = { 0 };
  g_autoptr (GString) lines = g_string_new (NULL);
  gint64 begun_us;

  netns_fresh ();
  make_uplink ("eth0", 1);
  start (&fixture);
  for (guint i = 0; i < MANY_LINKS; i++)
    g_string_append_printf (lines, "link add br%u type bridge\naddr add 172.%u.%u.1/24 dev br%u\nlink set br%u up\n", i, 16 + i / 256, i % 256, i, i);
  netns_batch ("-4", lines->str);
  NETNS_DO ("ip route add default via 10.1.0.1");
  wait_until (&fixture, has_many_bridges);
  wait_until (&fixture, is_by_eth0);
  begun_us = g_get_monotonic_time ();
  start (&second);
  g_test_message ("read in %" G_GINT64_FORMAT " ms", (g_get_monotonic_time () - begun_us) / 1000);
  g_assert_true (vpnd_facts_equal (fixture.facts, second.facts));
  NETNS_DO ("ip link set eth0 down");
  wait_until (&fixture, is_offline);
}

static char *
many_routes (const char *words, guint count)
{
  g_autoptr (GString) lines = g_string_new (NULL);

  for (guint i = 0; i < count; i++)
    g_string_append_printf (lines, "route add 100.%u.%u.%u/32 %s\n", i >> 16, (i >> 8) & 0xff, i & 0xff, words);
  return g_string_free (g_steal_pointer (&lines), FALSE);
}

/* More notifications than the socket holds, none of them our business, and behind them the one that is: it is dropped, and still the
 * picture ends right. */
static void
test_overflow (void)
{
  g_auto (Fixture) fixture = { 0 };
  g_autofree char *lines = many_routes ("dev eth0 table 999", MANY);
  g_autoptr (GString) removal = g_string_new (lines);

  netns_fresh ();
  make_uplink ("eth0", 1);
  start (&fixture);
  g_string_replace (removal, "route add", "route del", 0);
  netns_batch ("-4", lines);
  netns_batch ("-4", removal->str);
  netns_batch ("-4", lines);
  NETNS_DO ("ip route add default via 10.1.0.1");
  wait_until (&fixture, is_online4);
  g_assert_cmpuint (fixture.n_changes, ==, 1);
}

/* A host with many routes of its own is read in a moment, and its routes are no change. */
static void
test_many_routes_in_main (void)
{
  g_auto (Fixture) fixture = { 0 };
  g_autofree char *lines = many_routes ("dev eth0", MANY);
  gint64 begin;

  netns_fresh ();
  make_uplink ("eth0", 1);
  start (&fixture);
  netns_batch ("-4", lines);
  NETNS_DO ("ip route add default via 10.1.0.1");
  begin = g_get_monotonic_time ();
  wait_until (&fixture, is_online4);
  g_test_message ("%d routes in main: told after %" G_GINT64_FORMAT " ms", MANY, (g_get_monotonic_time () - begin) / 1000);
  g_assert_cmpuint (fixture.n_changes, ==, 1);
}

/* Between events no timer is armed: the main context would sleep without end. */
static void
test_quiet_when_idle (void)
{
  g_auto (Fixture) fixture = { 0 };
  GMainContext *context = g_main_context_default ();
  GPollFD fds[16];
  int timeout_ms = 0, priority = 0;

  netns_fresh ();
  make_uplink ("eth0", 1);
  start (&fixture);
  NETNS_DO ("ip route add default via 10.1.0.1");
  wait_until (&fixture, is_online4);
  for (guint i = 0; i < 100 && timeout_ms >= 0; i++)
    {
      g_assert_true (g_main_context_acquire (context));
      g_main_context_prepare (context, &priority);
      g_main_context_query (context, priority, &timeout_ms, fds, G_N_ELEMENTS (fds));
      g_main_context_release (context);
      if (timeout_ms >= 0)
        g_main_context_iteration (context, TRUE); /* a read that was still due */
    }
  g_assert_cmpint (timeout_ms, ==, -1);
}

static int
open_sniffer (const char *ifname)
{
  struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = g_htons (ETH_P_ALL), .sll_ifindex = (int) if_nametoindex (ifname) };
  struct timeval limit = { .tv_sec = 5 };
  int fd = socket (AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, g_htons (ETH_P_ALL));

  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), ==, 0);
  return fd;
}

/* The next datagram to one port; the link has other packets, such as router solicitations. */
static gsize
sniff_udp (int fd, guint8 version, guint8 port, guint8 *packet, gsize size)
{
  for (guint i = 0; i < 100; i++)
    {
      ssize_t got = recv (fd, packet, size, 0);
      gsize header = version == 4 ? 20 : 40;

      g_assert_cmpint (got, >, 0);
      if (packet[0] >> 4 == version && (gsize) got > header && packet[version == 4 ? 9 : 6] == IPPROTO_UDP && packet[header + 3] == port)
        return (gsize) got;
    }
  g_assert_not_reached ();
}

/* A probe leaves by the link that was named, and by no other, with hop limit 1. */
static void
test_probe (void)
{
  g_autoptr (VpndProber) prober = vpnd_prober_udp_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) refusal = NULL;
  guint8 packet[256];
  VpndAddr gateway4, gateway6;
  int fd;

  netns_fresh ();
  make_uplink ("eth0", 1);
  NETNS_DO ("ip route add default via 10.1.0.1"); /* where it must not go */
  NETNS_DO ("ip link add other0 type veth peer name far");
  NETNS_DO ("ip link set other0 arp off");
  NETNS_DO ("ip link set far up");
  NETNS_DO ("ip link set other0 up");
  NETNS_DO ("ip addr add 10.64.0.2/32 dev other0");
  NETNS_DO ("ip addr add fc00::2/128 dev other0 nodad");
  NETNS_DO ("ip -6 route add fc00::1/128 dev other0");
  g_assert_true (vpnd_addr_parse ("10.64.0.1", &gateway4));
  g_assert_true (vpnd_addr_parse ("fc00::1", &gateway6));
  fd = open_sniffer ("far");

  g_assert_true (vpnd_prober_probe (prober, "other0", &gateway4, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (sniff_udp (fd, 4, 9, packet, sizeof packet), ==, 28);
  g_assert_cmpuint (packet[8], ==, 1);

  g_assert_true (vpnd_prober_probe (prober, "other0", &gateway6, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (sniff_udp (fd, 6, 9, packet, sizeof packet), ==, 48);
  g_assert_cmpuint (packet[7], ==, 1);

  g_assert_false (vpnd_prober_probe (prober, "nolink0", &gateway4, &refusal));
  g_assert_nonnull (refusal);
  g_assert_nonnull (strstr (refusal->message, "nolink0"));
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/facts/defaults-come-and-go", test_defaults_come_and_go);
  g_test_add_func ("/facts/ipv6", test_ipv6);
  g_test_add_func ("/facts/started-without-ipv6", test_started_without_ipv6);
  g_test_add_func ("/facts/next-hops-of-all-routes", test_next_hops_of_all_routes);
  g_test_add_func ("/facts/bridges", test_bridges);
  g_test_add_func ("/facts/own-things-are-no-facts", test_own_things_are_no_facts);
  g_test_add_func ("/facts/forms-of-default-routes", test_forms_of_default_routes);
  g_test_add_func ("/facts/many-links", test_many_links);
  g_test_add_func ("/facts/overflow", test_overflow);
  g_test_add_func ("/facts/many-routes-in-main", test_many_routes_in_main);
  g_test_add_func ("/facts/quiet-when-idle", test_quiet_when_idle);
  g_test_add_func ("/prober/probe", test_probe);
  return g_test_run ();
}
