/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The router's watch against the real kernel: what others take away is told and can be put back to the letter, what does not concern the plan is not told.
 */
#include "config.h"

#include "router-host.h"

#include "netns.h"

static void
on_disturbed (VpndRouter *router, const char *what, gpointer user_data)
{
  g_ptr_array_add (user_data, g_strdup (what));
}

/* Returns: a router that has applied @plan on a host of its own, and puts what it finds disturbed into @told */
static VpndRouter *
new_router_of (VpndRoutePlan **plan, GPtrArray *told)
{
  VpndRouter *router;

  make_host ();
  *plan = full_plan ();
  router = new_router ();
  g_signal_connect (router, "disturbed", G_CALLBACK (on_disturbed), told);
  must_apply (router, NULL, *plan);
  return router;
}

/* Two dumps of another socket, behind whatever the watch has asked for by now: when they are answered and nothing is pending, it has looked. */
static void
let_it_look (void)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (VpndRoutePlan) host = read_host ();

      g_assert_nonnull (host);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
}

static void
wait_disturbed (GPtrArray *told)
{
  NETNS_WAIT (told->len > 0);
}

/* Each thing that can be taken away is told, and the whole plan applied once more brings it back, to the letter. */
static void
test_watch_and_repair (void)
{
  static const struct
  {
    const char *command;
    const char *told;
  } attacks[] = {
    { "ip rule del priority 4890", "policy rule" },
    { "ip -6 rule del priority 4880", "policy rule" },
    { "ip rule flush", "policy rules" },
    { "ip -6 rule flush", "policy rules" },
    { "ip route flush table 22096", "route" },
    { "ip -6 route flush table 22096", "route" },
    { "ip route flush table 22097", "route" },
    { "ip route replace default dev eth0 table 22096", "route" },
    { "ip addr del 10.64.0.2/32 dev vpnd0", "address" },
    { "ip -6 addr del fc00:bbbb::2/64 dev vpnd0", "address" },
    { "ip addr flush dev vpnd0", "addresses" },
    { "ip link set vpnd0 mtu 1300", "MTU" },
    { "ip link set vpnd0 down", "link that is up" },
  };
  g_autoptr (GPtrArray) told = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (VpndRoutePlan) plan = NULL;
  g_autoptr (VpndRouter) router = new_router_of (&plan, told);

  for (gsize i = 0; i < G_N_ELEMENTS (attacks); i++)
    {
      vpnd_router_watch (router, plan);
      let_it_look ();
      g_assert_cmpuint (told->len, ==, 0); /* nothing is missing, and what we applied is no disturbance */

      NETNS_DO ("%s", attacks[i].command);
      wait_disturbed (told);
      g_assert_nonnull (strstr (g_ptr_array_index (told, 0), attacks[i].told));
      g_assert_null (strpbrk (g_ptr_array_index (told, 0), ":/"));

      vpnd_router_watch (router, NULL);
      NETNS_DO ("ip route flush table 22097"); /* nobody watches */
      let_it_look ();
      g_ptr_array_set_size (told, 0);
      must_apply (router, NULL, plan);
      assert_host_is (plan);
      let_it_look ();
      g_assert_cmpuint (told->len, ==, 0);
    }
}

/* What does not concern the plan is not told: traffic of other tables, links, rules and addresses, additions, a device that is gone. */
static void
test_watch_is_quiet (void)
{
  static const char *const commands[] = {
    "ip rule add priority 100 lookup main",
    "ip rule del priority 100",
    "ip route add 203.0.113.0/24 via 192.168.1.1",
    "ip route del 203.0.113.0/24",
    "ip route add 203.0.113.0/24 via 192.168.1.1 table 4711",
    "ip route flush table 4711",
    "ip addr add 192.168.2.2/24 dev eth0",
    "ip addr del 192.168.2.2/24 dev eth0",
    "ip addr add 10.99.0.1/32 dev vpnd0",
    "ip link set eth0 mtu 1400",
    "ip link add other type bridge",
    "ip link set other up",
    "ip link del other",
    "ip link set eth0 down", /* the exceptions on it are gone, and cannot be put back */
    "ip link del vpnd0",
  };
  g_autoptr (GPtrArray) told = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (VpndRoutePlan) plan = NULL;
  g_autoptr (VpndRouter) router = new_router_of (&plan, told);

  vpnd_router_watch (router, plan);
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      NETNS_DO ("%s", commands[i]);
      let_it_look ();
      if (told->len > 0)
        g_error ("%s: %s", commands[i], (char *) g_ptr_array_index (told, 0));
    }
}

/* More at once than the socket holds: what was lost is read. */
static void
test_watch_survives_overflow (void)
{
  g_autoptr (GPtrArray) told = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (VpndRoutePlan) plan = NULL;
  g_autoptr (VpndRouter) router = new_router_of (&plan, told);

  vpnd_router_watch (router, plan);
  let_it_look ();
  for (guint i = 0; i < 60000; i++)
    g_string_append_printf (lines, "route add 100.%u.%u.%u/32 dev eth0 table 22097\n", 64 + i / 65536, i / 256 % 256, i % 256);
  netns_batch ("-4", lines->str);
  NETNS_DO ("ip rule del priority 4890");
  wait_disturbed (told);
  g_assert_cmpstr (g_ptr_array_index (told, 0), ==, "1 policy rule");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/router/watch-and-repair", test_watch_and_repair);
  g_test_add_func ("/router/watch-is-quiet", test_watch_is_quiet);
  g_test_add_func ("/router/watch-survives-overflow", test_watch_survives_overflow);
  return g_test_run ();
}
