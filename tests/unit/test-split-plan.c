/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What rules and the host's classes become: sorted, merged, without what a packet cannot be matched against, and with one answer for a socket.
 */
#include "config.h"

#include "socket-plan.h"
#include "split-plan.h"

#include "net-values.h"

static void
add_rule (GPtrArray *rules, VpndSplitKind kind, const char *value, VpndSplitClass class_)
{
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (rules, vpnd_split_rule_new (kind, value, class_, NULL, VPND_SPLIT_OWNER_SYSTEM, &error));
  g_assert_no_error (error);
}

static VpndSplitConfig *
new_config (VpndSplitMode mode)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  g_autoptr (GError) error = NULL;
  VpndSplitConfig *config;

  add_rule (rules, VPND_SPLIT_PATH, "/usr/bin/firefox", VPND_SPLIT_EXCLUDED);
  add_rule (rules, VPND_SPLIT_UID, "1000", VPND_SPLIT_EXCLUDED);
  add_rule (rules, VPND_SPLIT_UID, "7", VPND_SPLIT_EXCLUDED);
  add_rule (rules, VPND_SPLIT_UID, "1001", VPND_SPLIT_INCLUDED);
  add_rule (rules, VPND_SPLIT_SUBNET, "203.0.113.128/25", VPND_SPLIT_EXCLUDED);
  add_rule (rules, VPND_SPLIT_SUBNET, "203.0.113.0/24", VPND_SPLIT_EXCLUDED);
  add_rule (rules, VPND_SPLIT_SUBNET, "2001:db8::/32", VPND_SPLIT_INCLUDED);
  add_rule (rules, VPND_SPLIT_DOMAIN, "out.example", VPND_SPLIT_EXCLUDED);
  config = vpnd_split_config_new_from_rules (mode, rules, &error);
  g_assert_no_error (error);
  return config;
}

static VpndSplitPlan *
new_plan (VpndSplitMode mode, VpndSplitGround ground, VpndQueueForm queue)
{
  static const char *const texts[] = { "192.0.2.9", "192.0.2.9", "192.0.2.3", "127.0.0.1", "224.0.0.1", "fe80::1", "2001:db8:1::1" };
  g_autoptr (VpndSplitConfig) config = new_config (mode);
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (ground, 2);
  g_autoptr (GArray) addrs = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_autoptr (GArray) names = g_array_new (FALSE, FALSE, sizeof (VpndSplitName));
  const VpndSplitName entries[] = { { "out.example", addrs }, { "unknown.example", addrs } };
  const VpndSplitFacts facts = { standing, names, queue, addrs, TRUE };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      const VpndAddr one = addr_of (texts[i]);

      g_array_append_val (addrs, one);
    }
  g_array_append_vals (names, entries, G_N_ELEMENTS (entries));
  standing->excluded_id = 40;
  vpnd_split_standing_add_bound (standing, "work", 42);
  vpnd_split_standing_add_bound (standing, "home", 43);
  vpnd_split_standing_add_bound (standing, "none", 0);
  vpnd_split_standing_add_unit (standing, VPND_SPLIT_EXCLUDED, NULL, 3, 50);
  return vpnd_split_plan_build (config, &facts);
}

static void
test_build (void)
{
  g_autoptr (VpndSplitPlan) plan = new_plan (VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_GROUND_CGROUP2, VPND_QUEUE_NATIVE);
  g_autofree char *subnet = NULL;

  g_assert_cmpuint (plan->excluded_uids->len, ==, 2);
  g_assert_cmpuint (g_array_index (plan->excluded_uids, guint32, 0), ==, 7);
  g_assert_cmpuint (plan->included_uids->len, ==, 1);
  g_assert_cmpuint (plan->excluded_prefixes->len, ==, 1); /* one lies in the other */
  subnet = vpnd_prefix_to_string (&g_array_index (plan->excluded_prefixes, VpndPrefix, 0));
  g_assert_cmpstr (subnet, ==, "203.0.113.0/24");
  g_assert_cmpuint (plan->excluded_addrs->len, ==, 3); /* one twice; no loopback, no group, none of a link */
  g_assert_cmpuint (plan->included_addrs->len, ==, 0);
  g_assert_cmpuint (plan->outside_dns->len, ==, 4); /* in their order, as they were */
  g_assert_true (plan->watches_names);
  g_assert_cmpuint (plan->groups->len, ==, 4); /* no class without an id */
  g_assert_cmpstr (g_array_index (plan->groups, VpndSplitGroup, 2).profile, ==, "home");
  g_assert_true (vpnd_split_plan_has_class (plan, VPND_SPLIT_BOUND));
  g_assert_false (vpnd_split_plan_has_class (plan, VPND_SPLIT_INCLUDED));
  g_assert_false (vpnd_split_plan_is_empty (plan));
}

/* Without ground there is no class, and without a listener nobody holds answers; what needs neither stays. */
static void
test_less (void)
{
  g_autoptr (VpndSplitPlan) plan = new_plan (VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_GROUND_NONE, VPND_QUEUE_NONE);
  g_autoptr (VpndSplitPlan) net_cls = new_plan (VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_GROUND_NET_CLS, VPND_QUEUE_NONE);

  g_assert_cmpuint (plan->groups->len, ==, 0);
  g_assert_false (plan->watches_names);
  g_assert_cmpint (plan->queue, ==, VPND_QUEUE_NONE);
  g_assert_false (vpnd_split_plan_is_empty (plan));
  g_assert_cmpuint (g_array_index (net_cls->groups, VpndSplitGroup, 0).level, ==, 0);
}

static void
test_equal (void)
{
  g_autoptr (VpndSplitPlan) a = new_plan (VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_GROUND_CGROUP2, VPND_QUEUE_NATIVE);
  g_autoptr (VpndSplitPlan) b = new_plan (VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_GROUND_CGROUP2, VPND_QUEUE_NATIVE);
  g_autoptr (VpndSplitPlan) other = new_plan (VPND_SPLIT_MODE_INCLUDE, VPND_SPLIT_GROUND_CGROUP2, VPND_QUEUE_NATIVE);

  g_assert_true (vpnd_split_plan_equal (a, b));
  g_assert_false (vpnd_split_plan_equal (a, other));
  g_assert_false (vpnd_split_plan_equal (a, NULL));
  g_assert_true (vpnd_split_plan_equal (NULL, NULL));
  g_array_index (b->groups, VpndSplitGroup, 0).id++;
  g_assert_false (vpnd_split_plan_equal (a, b));
}

static void
test_empty (void)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();
  g_autoptr (VpndSplitConfig) include = vpnd_split_config_with_mode (config, VPND_SPLIT_MODE_INCLUDE);
  g_autoptr (VpndSplitPlan) plan = vpnd_split_plan_build (config, &(VpndSplitFacts){ NULL });
  g_autoptr (VpndSplitPlan) all = vpnd_split_plan_build (include, &(VpndSplitFacts){ NULL });

  g_assert_true (vpnd_split_plan_is_empty (NULL));
  g_assert_true (vpnd_split_plan_is_empty (plan));
  g_assert_false (vpnd_split_plan_is_empty (all)); /* all is beside the tunnel */
}

/* The process goes before the user and the peer, the tunnel before the way beside it. */
static void
test_is_beside (void)
{
  static const struct
  {
    guint64 cgroup;
    guint32 uid;
    const char *remote;
    gboolean exclude;
    gboolean include;
  } cases[] = {
    { 0, 5, "198.51.100.1", FALSE, TRUE },
    { 40, 5, "198.51.100.1", TRUE, TRUE },
    { 40, 1001, "2001:db8::1", TRUE, TRUE },
    { 42, 1000, "203.0.113.1", FALSE, FALSE },
    { 50, 5, "198.51.100.1", TRUE, TRUE },
    { 99, 1000, "198.51.100.1", TRUE, TRUE },
    { 99, 1001, "203.0.113.1", FALSE, FALSE },
    { 99, 5, "203.0.113.200", TRUE, TRUE },
    { 99, 1000, "2001:db8::1", FALSE, FALSE },
    { 99, 5, "192.0.2.9", TRUE, TRUE },
  };
  g_autoptr (VpndSplitPlan) exclude = new_plan (VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_GROUND_CGROUP2, VPND_QUEUE_NATIVE);
  g_autoptr (VpndSplitPlan) include = new_plan (VPND_SPLIT_MODE_INCLUDE, VPND_SPLIT_GROUND_CGROUP2, VPND_QUEUE_NATIVE);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const VpndAddr remote = addr_of (cases[i].remote);

      g_assert_cmpint (vpnd_split_plan_is_beside (exclude, cases[i].cgroup, cases[i].uid, &remote), ==, cases[i].exclude);
      g_assert_cmpint (vpnd_split_plan_is_beside (include, cases[i].cgroup, cases[i].uid, &remote), ==, cases[i].include);
    }
}

/* Connections of before go on beside the tunnel, where they are; the others end. */
static void
test_connections_of_before (void)
{
  static const struct
  {
    guint64 cgroup;
    guint32 uid;
    const char *remote;
    gboolean ends;
  } cases[] = {
    { 40, 5, "198.51.100.1", FALSE },
    { 41, 5, "198.51.100.1", TRUE },
    { 0, 1000, "198.51.100.1", FALSE },
    { 42, 1000, "198.51.100.1", TRUE },
    { 0, 5, "203.0.113.4", FALSE },
    { 0, 5, "198.51.100.1", TRUE },
  };
  g_autoptr (VpndSplitPlan) split = new_plan (VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_GROUND_CGROUP2, VPND_QUEUE_NONE);
  g_autoptr (VpndRoutePlan) routes = vpnd_route_plan_new ("vpnd0", 1420);
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  const VpndBridge bridge = { 0 };
  g_autoptr (VpndSocketPlan) plan = vpnd_socket_plan_build (routes, &bridge, settings, facts, split);
  g_autoptr (VpndSocketPlan) without = vpnd_socket_plan_build (routes, &bridge, settings, facts, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const VpndSocketInfo socket = {
        .protocol = IPPROTO_TCP,
        .local = addr_of ("192.168.7.2"),
        .local_port = 40000,
        .remote = addr_of (cases[i].remote),
        .remote_port = 443,
        .uid = cases[i].uid,
        .cgroup = cases[i].cgroup,
      };

      g_assert_cmpint (vpnd_socket_plan_ends (plan, &socket), ==, cases[i].ends);
      g_assert_true (vpnd_socket_plan_ends (without, &socket));
    }
}

/* Include mode is not in force while a program that is to be inside the tunnel would not be known at its launch; other rules do not wait for that. */
static void
test_unseen_launches (void)
{
  static const VpndSplitKind kinds[] = { VPND_SPLIT_PATH, VPND_SPLIT_APP, VPND_SPLIT_UNIT };
  static const char *const values[] = { "/usr/bin/firefox", "org.example.app", "example.service" };
  static const VpndSplitClass classes[] = { VPND_SPLIT_EXCLUDED, VPND_SPLIT_INCLUDED, VPND_SPLIT_BOUND };

  for (guint i = 0; i < G_N_ELEMENTS (kinds) * G_N_ELEMENTS (classes) * 2; i++)
    {
      const VpndSplitKind kind = kinds[i % 3];
      const VpndSplitClass class_ = classes[i / 3 % 3];
      g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
      g_autoptr (VpndSplitConfig) config = NULL;
      g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 2);
      const VpndSplitFacts facts = { .standing = standing };
      g_autoptr (VpndSplitPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      g_ptr_array_add (rules, vpnd_split_rule_new (kind, values[i % 3], class_, class_ == VPND_SPLIT_BOUND ? "work" : NULL, VPND_SPLIT_OWNER_SYSTEM, &error));
      g_assert_no_error (error);
      config = vpnd_split_config_new_from_rules (VPND_SPLIT_MODE_INCLUDE, rules, &error);
      g_assert_no_error (error);
      standing->holds_launches = i / 9 == 1;
      plan = vpnd_split_plan_build (config, &facts);
      g_assert_cmpint (plan->mode, ==, standing->holds_launches || class_ == VPND_SPLIT_EXCLUDED || kind == VPND_SPLIT_UNIT ? VPND_SPLIT_MODE_INCLUDE : VPND_SPLIT_MODE_EXCLUDE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/split-plan/build", test_build);
  g_test_add_func ("/split-plan/less", test_less);
  g_test_add_func ("/split-plan/equal", test_equal);
  g_test_add_func ("/split-plan/empty", test_empty);
  g_test_add_func ("/split-plan/is-beside", test_is_beside);
  g_test_add_func ("/split-plan/unseen-launches", test_unseen_launches);
  g_test_add_func ("/split-plan/connections-of-before", test_connections_of_before);
  return g_test_run ();
}
