/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The router against the real kernel: what it applies is read back and compared, what others made stays as it was, and hostile routes in table main do not win.
 */
#include "config.h"

#include "router-host.h"

#include "error.h"
#include "net-values.h"
#include "netns.h"
#include "reserved.h"

#include <net/if.h>

#define DIFF_ROUNDS 25

/* All rules and routes as iproute2 tells them, without the kernel's own table local: multicast routes come there when the link watch runs. */
static char *
snapshot (void)
{
  static const char *const commands[] = { "ip -d rule", "ip -6 -d rule", "ip -d route show table all", "ip -6 -d route show table all" };
  g_autoptr (GString) text = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_autofree char *output = netns_run ("%s", commands[i]);
      g_auto (GStrv) lines = g_strsplit (output, "\n", -1);

      for (guint l = 0; lines[l] != NULL; l++)
        {
          if (strstr (lines[l], " table local ") == NULL)
            g_string_append_printf (text, "%s\n", lines[l]);
        }
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
add_foreign_things (void)
{
  NETNS_DO ("ip rule add from 198.51.100.0/24 lookup 22096 priority 4871");
  NETNS_DO ("ip rule add fwmark 0x1 lookup 7 priority 4890");
  NETNS_DO ("ip -6 rule add from 2001:db8:9::/48 lookup 22097 priority 4880");
  NETNS_DO ("ip route add 203.0.113.0/24 dev eth0 table 22096");
  NETNS_DO ("ip -6 route add 2001:db8:7::/48 dev eth0 table 22097");
  NETNS_DO ("ip route add 203.0.113.0/24 dev eth0 table 22 proto 86"); /* our number in a table that is not ours */
}

static void
test_apply_reads_back (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;

  make_host ();
  router = new_router ();
  plan = full_plan ();
  must_apply (router, NULL, plan);
  assert_host_is (plan);
  must_apply (router, NULL, plan); /* an entry that exists is success */
  assert_host_is (plan);
}

static void
test_nothing_in_main (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;
  g_autofree char *main4 = NULL;
  g_autofree char *main6 = NULL;
  g_autofree char *after4 = NULL;
  g_autofree char *after6 = NULL;

  make_host ();
  main4 = netns_run ("ip route show table main");
  main6 = netns_run ("ip -6 route show table main");
  router = new_router ();
  plan = full_plan ();
  must_apply (router, NULL, plan);
  after4 = netns_run ("ip route show table main");
  after6 = netns_run ("ip -6 route show table main");
  g_assert_cmpstr (after4, ==, main4);
  g_assert_cmpstr (after6, ==, main6);
}

static void
test_foreign_things_stay (void)
{
  for (guint way = 0; way < 2; way++)
    {
      g_autoptr (VpndRouter) router = NULL;
      g_autoptr (VpndRoutePlan) plan = NULL;
      g_autofree char *before = NULL;
      g_autofree char *after = NULL;

      make_host ();
      add_foreign_things ();
      NETNS_DO ("ip link set vpnd0 addrgenmode none");
      NETNS_DO ("ip link set vpnd0 up");
      before = snapshot ();
      router = new_router ();
      plan = full_plan ();
      must_apply (router, NULL, plan);
      if (way == 0)
        must_apply (router, plan, NULL);
      must_clear (router);
      NETNS_DO ("ip addr flush dev vpnd0");
      after = snapshot ();
      g_assert_cmpstr (after, ==, before);
      must_clear (router); /* nothing left is success, too */
    }
}

static void
test_clear_after_crash (void)
{
  g_autoptr (VpndRouter) first = NULL;
  g_autoptr (VpndRouter) second = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;
  g_autoptr (VpndRoutePlan) left = NULL;

  make_host ();
  first = new_router ();
  plan = full_plan ();
  must_apply (first, NULL, plan);
  g_clear_object (&first);
  NETNS_DO ("ip link del vpnd0"); /* takes its routes, leaves rules and exceptions */
  second = new_router ();
  must_clear (second);
  left = read_host ();
  g_assert_cmpuint (left->rules->len + left->routes->len, ==, 0);
  must_apply (second, plan, NULL); /* all of it is gone already, the link included */
}

static void
assert_route_to (const char *destination, const char *options, const char *ifname)
{
  g_autofree char *answer = netns_run ("ip route get %s %s", destination, options);
  g_autofree char *wanted = g_strdup_printf (" dev %s ", ifname);

  if (strstr (answer, wanted) == NULL)
    g_error ("to %s %s: %s, wanted dev %s", destination, options, answer, ifname);
}

static void
test_hostile_routes_do_not_win (void)
{
  static const char *const claims[] = { "203.0.113.9/32", "0.0.0.0/1", "128.0.0.0/1", "10.64.0.1/32", "2001:db8:5::5/128", "8000::/1", "::/1" };
  static const char *const targets[] = { "203.0.113.9", "9.9.9.9", "198.51.100.9", "10.64.0.1", "2001:db8:5::5", "2620:fe::9" };
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;
  g_autofree char *learnt = NULL;

  make_host ();
  router = new_router ();
  plan = full_plan ();
  must_apply (router, NULL, plan);
  for (gsize i = 0; i < G_N_ELEMENTS (claims); i++)
    {
      gboolean is_v6 = strchr (claims[i], ':') != NULL;

      NETNS_DO ("ip route add %s via %s dev eth0", claims[i], is_v6 ? "2001:db8:1::1" : "192.168.1.1");
    }
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      assert_route_to (targets[i], "", VPND_IFNAME);
      assert_route_to (targets[i], "mark 0x56000000", "eth0"); /* the transport */
      assert_route_to (targets[i], "mark 0x56000007", "eth0"); /* other tools' bits survive */
      assert_route_to (targets[i], "mark 0x57000000", VPND_IFNAME);
    }

  /* The next hop stays on the link, so a route by it never lands on the tunnel. */
  assert_route_to ("192.168.1.1", "", "eth0");
  assert_route_to ("2001:db8:1::1", "", "eth0");
  assert_route_to ("192.168.1.9", "", VPND_IFNAME);
  NETNS_DO ("ip route add 198.51.100.0/24 via 192.168.1.1");
  learnt = netns_run ("ip route show 198.51.100.0/24");
  g_assert_nonnull (strstr (learnt, "dev eth0"));
}

static VpndRoutePlan *
random_plan (void)
{
  static const char *const addresses[] = { "10.64.0.2/32", "10.65.0.2/24", "10.65.0.3/24", "10.65.0.4/24", "fc00:bbbb::2/64", "fc00:cccc::2/128" };
  static const char *const networks[] = { "0.0.0.0/0", "::/0", "10.64.0.0/16", "192.168.0.0/16", "10.64.0.1/32", "128.0.0.0/1", "fc00::/7", "2001:db8::/32" };
  static const char *const hops[] = { "192.168.1.1/32", "192.168.1.254/32", "2001:db8:1::1/128", "2001:db8:1::ff/128" };
  g_autoptr (VpndProfile) profile = vpnd_profile_new ("random");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  VpndPeer *peer = vpnd_peer_new ();

  g_ptr_array_add (profile->peers, peer);
  settings->mtu = (guint32) g_test_rand_int_range (1280, 1500);
  facts->ipv6_enabled = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      if (g_test_rand_bit ())
        append_prefix (profile->addresses, addresses[i]);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (networks); i++)
    {
      if (g_test_rand_bit ())
        append_prefix (peer->allowed_ips, networks[i]);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (hops); i++)
    {
      if (g_test_rand_bit ())
        append_hop_by (facts->next_hops, hops[i], g_test_rand_bit () ? "eth0" : "eth1");
    }
  return vpnd_route_plan_build (profile, settings, facts);
}

/* From any plan to any other: the kernel ends exactly there. */
static void
test_differences (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;

  make_host ();
  netns_add_link ("eth1");
  router = new_router ();
  for (guint round = 0; round < DIFF_ROUNDS; round++)
    {
      g_autoptr (VpndRoutePlan) next = random_plan ();

      must_apply (router, plan, next);
      assert_host_is (next);
      vpnd_route_plan_unref (plan);
      plan = g_steal_pointer (&next);
    }
}

static void
test_refusal_names_the_entry (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = vpnd_route_plan_new (VPND_IFNAME, 1400);
  g_autoptr (VpndRoutePlan) other = vpnd_route_plan_new ("nolink0", 1400);
  g_autoptr (GError) refused = NULL;
  g_autoptr (GError) missing = NULL;
  VpndRoute route = { .destination = prefix_of ("198.51.100.0/24"), .table = VPND_TABLE_TUNNEL, .ifname = VPND_IFNAME };

  make_host ();
  router = new_router ();
  g_assert_true (vpnd_addr_parse ("203.0.113.77", &route.gateway)); /* on no link */
  g_array_append_val (plan->routes, route);
  g_assert_false (apply (router, NULL, plan, &refused));
  g_assert_error (refused, VPND_ERROR, VPND_ERROR_ROUTING);
  g_assert_nonnull (strstr (refused->message, "route 198.51.100.0/24 via 203.0.113.77 dev vpnd0 table 22096: "));
  g_assert_false (apply (router, NULL, other, &missing));
  g_assert_error (missing, VPND_ERROR, VPND_ERROR_ROUTING);
  g_assert_nonnull (strstr (missing->message, "nolink0"));
}

/* A physical link that went down since the facts were read is no failure of the tunnel. */
static void
test_vanished_physical_link (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;
  g_autoptr (VpndRoutePlan) host = NULL;

  make_host ();
  router = new_router ();
  plan = full_plan ();
  NETNS_DO ("ip link set eth0 down");
  must_apply (router, NULL, plan);
  host = read_host ();
  g_assert_cmpuint (host->rules->len, ==, plan->rules->len);
  g_assert_cmpuint (host->routes->len, ==, plan->routes->len - 2);
}

static void
test_without_ipv6 (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32", "0.0.0.0/0");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;

  make_host ();
  NETNS_DO ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
  NETNS_DO ("ip link set vpnd0 mtu 1000"); /* and no IPv6 on the link at all */
  facts = host_facts ();
  facts->ipv6_enabled = FALSE;
  router = new_router ();
  plan = vpnd_route_plan_build (profile, settings, facts);
  must_clear (router);
  must_apply (router, NULL, plan);
  assert_host_is (plan);
  must_clear (router);
}

/* "default" is what links are born with; the plan decides about ours. */
static void
test_ipv6_off_by_default (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = NULL;

  make_host ();
  NETNS_DO ("ip link del vpnd0");
  NETNS_DO ("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
  NETNS_DO ("ip link add vpnd0 type veth peer name far");
  router = new_router ();
  plan = full_plan ();
  must_apply (router, NULL, plan);
  assert_host_is (plan);
}

static gboolean
on_turn (gpointer user_data)
{
  ++*(guint *) user_data;
  return G_SOURCE_CONTINUE;
}

/* As many as a profile may have. However long the kernel takes to remove them, others of the main loop get their turn meanwhile. */
static void
test_many_routes (void)
{
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (VpndRoutePlan) plan = vpnd_route_plan_new (VPND_IFNAME, 1400);
  g_autoptr (VpndRoutePlan) host = NULL;
  guint turns = 0, other;
  gint64 begin;

  make_host ();
  router = new_router ();
  for (guint i = 0; i < VPND_PROFILE_ALLOWED_MAX; i++)
    {
      guint8 bytes[4] = { 100, (guint8) (i >> 8), (guint8) i, 1 };
      VpndRoute route = { .table = VPND_TABLE_TUNNEL, .ifname = VPND_IFNAME };

      route.destination.addr = vpnd_addr_from_bytes (AF_INET, bytes);
      route.destination.length = 32;
      g_array_append_val (plan->routes, route);
    }
  begin = g_get_monotonic_time ();
  must_apply (router, NULL, plan);
  g_test_message ("%d routes applied in %" G_GINT64_FORMAT " ms", VPND_PROFILE_ALLOWED_MAX, (g_get_monotonic_time () - begin) / 1000);
  assert_host_is (plan);
  begin = g_get_monotonic_time ();
  other = g_timeout_add_full (G_PRIORITY_DEFAULT, 0, on_turn, &turns, NULL);
  must_clear (router);
  g_source_remove (other);
  g_assert_cmpuint (turns, >=, VPND_PROFILE_ALLOWED_MAX / 512);
  g_test_message ("and cleared in %" G_GINT64_FORMAT " ms", (g_get_monotonic_time () - begin) / 1000);
  host = read_host ();
  g_assert_cmpuint (host->routes->len, ==, 0);
}

static gboolean
write_sysctl (VpndRouter *router, const char *name, const char *value, GError **error)
{
  g_autoptr (GHashTable) values = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GAsyncResult) result = NULL;

  g_hash_table_insert (values, (gpointer) name, (gpointer) value);
  vpnd_router_write_sysctls_async (router, values, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  return vpnd_router_write_sysctls_finish (router, result, error);
}

static void
test_sysctls (void)
{
  static const char *const bad_names[] = { "", "../../kernel/hostname", "ipv4/../ipv4/ip_forward", "/ipv4/ip_forward", "ipv4//ip_forward", "ipv4/conf/a b" };
  g_autoptr (VpndRouter) router = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  make_host ();
  router = new_router ();
  before = vpnd_router_read_sysctl (router, "ipv4/conf/all/src_valid_mark");
  g_assert_cmpstr (before, ==, "0");
  g_assert_true (write_sysctl (router, "ipv4/conf/all/src_valid_mark", "1", &error));
  g_assert_no_error (error);
  after = vpnd_router_read_sysctl (router, "ipv4/conf/all/src_valid_mark");
  g_assert_cmpstr (after, ==, "1");

  g_assert_null (vpnd_router_read_sysctl (router, "ipv4/conf/nolink0/rp_filter"));
  g_assert_true (write_sysctl (router, "ipv4/conf/nolink0/rp_filter", "1", &error));
  g_assert_no_error (error);
  g_assert_false (write_sysctl (router, "ipv4/conf/all/src_valid_mark", "banana", &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_ROUTING);
  for (gsize i = 0; i < G_N_ELEMENTS (bad_names); i++)
    {
      g_autoptr (GError) refusal = NULL;

      g_assert_null (vpnd_router_read_sysctl (router, bad_names[i]));
      g_assert_false (write_sysctl (router, bad_names[i], "1", &refusal));
      g_assert_error (refusal, VPND_ERROR, VPND_ERROR_ROUTING);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/router/apply-reads-back", test_apply_reads_back);
  g_test_add_func ("/router/nothing-in-main", test_nothing_in_main);
  g_test_add_func ("/router/foreign-things-stay", test_foreign_things_stay);
  g_test_add_func ("/router/clear-after-crash", test_clear_after_crash);
  g_test_add_func ("/router/hostile-routes-do-not-win", test_hostile_routes_do_not_win);
  g_test_add_func ("/router/differences", test_differences);
  g_test_add_func ("/router/refusal-names-the-entry", test_refusal_names_the_entry);
  g_test_add_func ("/router/vanished-physical-link", test_vanished_physical_link);
  g_test_add_func ("/router/without-ipv6", test_without_ipv6);
  g_test_add_func ("/router/ipv6-off-by-default", test_ipv6_off_by_default);
  g_test_add_func ("/router/many-routes", test_many_routes);
  g_test_add_func ("/router/sysctls", test_sysctls);
  return g_test_run ();
}
