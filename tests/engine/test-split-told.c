/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The coordinator of split tunnelling on a host in memory: what it tells everybody, of rules that have no effect, of programs that could not be moved, and of the mode.
 */
#include "config.h"

#include "split-rig.h"

#include <errno.h>
#include <string.h>

/* What the host says is followed: other numbers are another plan, and a rule that has no effect any more is told. */
static void
test_standing_is_followed (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  VpndSplitStanding *standing = make_standing (4711);

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  g_assert_cmpuint (rig->plans, ==, 0);
  g_assert_cmpint (vpnd_split_tunnel_get_state (rig->split), ==, VPND_SPLIT_STATE_READY);
  vpnd_split_tunnel_set_protected (rig->split, TRUE);
  g_assert_cmpint (vpnd_split_tunnel_get_state (rig->split), ==, VPND_SPLIT_STATE_ENGAGED);
  vpnd_split_standing_add_reason (standing, rule, "its program is not there");
  standing->holds_launches = FALSE;
  fake_host_set_standing (rig->host, standing);
  g_assert_cmpuint (rig->plans, ==, 1);
  g_assert_cmpint (vpnd_split_tunnel_get_state (rig->split), ==, VPND_SPLIT_STATE_INITIALIZED);
  g_assert_cmpstr (vpnd_split_tunnel_get_reason (rig->split, rule), ==, "its program is not there");
  g_assert_cmpstr (rig->heard->pdata[0], ==, "0 " PROGRAM " its program is not there");
  vpnd_split_tunnel_add_warnings (rig->split, warnings);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_nonnull (strstr (warnings->pdata[0], PROGRAM));
}

static const char *
reason_of (Rig *rig, VpndSplitKind kind, const char *value, VpndSplitClass class_, guint32 owner)
{
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (kind, value, class_, NULL, owner, NULL);

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  return vpnd_split_tunnel_get_reason (rig->split, rule);
}

/* A rule of which another one, which comes first, says otherwise is in vain, and told as that. */
static void
test_overruled (Rig *rig, gconstpointer data)
{
  static const struct
  {
    const char *value;
    gboolean is_in_vain;
  } subnets[] = {
    { "192.0.2.0/24", FALSE },
    { "198.51.100.0/24", TRUE },
    { "198.51.100.255/32", TRUE },
    { "198.51.0.0/16", FALSE }, /* some of it */
    { "198.51.102.0/24", FALSE },
    { "203.0.113.7/32", TRUE },
    { "2001:db8:1::/48", TRUE },
    { "2001:db9::/32", FALSE },
  };
  static const char *const included[] = { "203.0.113.0/28", "198.51.100.0/23", "198.51.100.0/25", "2001:db8::/32" };

  g_assert_null (reason_of (rig, VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_EXCLUDED, USER));
  g_assert_null (reason_of (rig, VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_INCLUDED, VPND_SPLIT_OWNER_SYSTEM));
  g_assert_nonnull (reason_of (rig, VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_EXCLUDED, USER));
  g_assert_null (reason_of (rig, VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_INCLUDED, USER));
  g_assert_null (reason_of (rig, VPND_SPLIT_PATH, PROGRAM "-2", VPND_SPLIT_EXCLUDED, USER));

  for (guint i = 0; i < G_N_ELEMENTS (included); i++)
    g_assert_null (reason_of (rig, VPND_SPLIT_SUBNET, included[i], VPND_SPLIT_INCLUDED, VPND_SPLIT_OWNER_SYSTEM));
  for (guint i = 0; i < G_N_ELEMENTS (subnets); i++)
    {
      const char *reason = reason_of (rig, VPND_SPLIT_SUBNET, subnets[i].value, VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);

      g_assert_cmpint (reason != NULL, ==, subnets[i].is_in_vain);
    }
}

/* Whoever could not be put into a class is told to everybody; of a user's own rule without the program. Nobody is registered for it. */
static void
test_failures_are_told (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  g_autoptr (VpndSplitRule) own = make_rule (VPND_SPLIT_EXCLUDED, USER);
  VpndSplitterReport report = { .kind = VPND_SPLITTER_FAILED, .pid = 100, .start_time = 1000, .uid = USER, .path = PROGRAM, .origin = "", .code = EBUSY };

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  fake_host_run (rig->host, 100, 1, USER, PROGRAM);
  report.rule = rule;
  vpnd_splitter_emit_report (rig->host->splitter, &report);
  report.rule = own;
  vpnd_splitter_emit_report (rig->host->splitter, &report);
  g_assert_cmpuint (rig->heard->len, ==, 2);
  g_assert_true (g_str_has_prefix (rig->heard->pdata[0], "100 " PROGRAM " "));
  g_assert_true (g_str_has_prefix (rig->heard->pdata[1], "100  "));
  g_assert_nonnull (strstr (rig->heard->pdata[0], g_strerror (EBUSY)));
  assert_processes (rig, "");
}

/* When reports were lost, who stands in a class is looked for, at once and without anybody asking: one that ended meanwhile is told, one that was started counts. */
static void
test_lost_reports (Rig *rig, gconstpointer data)
{
  const VpndSplitterReport lost = { .kind = VPND_SPLITTER_LOST, .path = "", .origin = "", .uid = G_MAXUINT32 };
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  FakeProcess *missed;

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  fake_host_run (rig->host, 100, 1, USER, PROGRAM);
  fake_host_launch (rig->host, 100, rule);
  g_assert_cmpuint (rig->heard->len, ==, 1);
  g_hash_table_remove (rig->host->processes, GINT_TO_POINTER (100));
  missed = fake_host_run (rig->host, 101, 1, USER, PROGRAM);
  g_free (missed->class_word);
  missed->class_word = g_strdup ("excluded");

  vpnd_splitter_emit_report (rig->host->splitter, &lost);
  g_assert_cmpuint (rig->heard->len, ==, 3);
  g_assert_true (g_str_has_prefix (rig->heard->pdata[1], "0  "));
  g_assert_cmpstr (rig->heard->pdata[2], ==, "100 " PROGRAM " path:" PROGRAM);
  assert_processes (rig, "101 excluded inherited");
}

/* In the status, which everybody reads: three rules by name, of the others and of users' own how many. */
static void
test_warnings (Rig *rig, gconstpointer data)
{
  static const guint32 owners[] = { USER, USER + 1 };
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  VpndSplitStanding *standing = make_standing (11);

  for (guint i = 0; i < G_N_ELEMENTS (owners); i++)
    {
      g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, owners[i]);

      g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
      vpnd_split_standing_add_reason (standing, rule, "its program is not there");
    }
  fake_host_set_standing (rig->host, standing);
  vpnd_split_tunnel_add_warnings (rig->split, warnings);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_nonnull (strstr (warnings->pdata[0], ": 2 ("));
  g_assert_null (strstr (warnings->pdata[0], PROGRAM));

  standing = make_standing (11);
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *path = g_strdup_printf ("/bin/%u", i);
      g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_PATH, path, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL);

      g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
      vpnd_split_standing_add_reason (standing, rule, "its program is not there");
    }
  fake_host_set_standing (rig->host, standing);
  g_ptr_array_set_size (warnings, 0);
  vpnd_split_tunnel_add_warnings (rig->split, warnings);
  g_assert_cmpuint (warnings->len, ==, 4);
  g_assert_nonnull (strstr (warnings->pdata[0], "/bin/0 takes no effect: its program is not there"));
  g_assert_nonnull (strstr (warnings->pdata[3], "2 more rules"));
}

/* "Connected" alone would say too much. */
static void
test_mode_is_in_the_status (Rig *rig, gconstpointer data)
{
  static const VpndSplitMode modes[] = { VPND_SPLIT_MODE_INCLUDE, VPND_SPLIT_MODE_EXCLUDE };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
      Answer answer = { FALSE, NULL };

      vpnd_split_tunnel_set_mode_async (rig->split, modes[i], NULL, on_answer, &answer);
      while (!answer.is_done)
        g_main_context_iteration (NULL, TRUE);
      g_assert_no_error (answer.error);
      vpnd_split_tunnel_add_warnings (rig->split, warnings);
      g_assert_cmpuint (warnings->len, ==, modes[i] == VPND_SPLIT_MODE_INCLUDE);
    }
}

int
main (int argc, char **argv)
{
  static const SplitTest tests[] = {
    { "/split/standing-is-followed", test_standing_is_followed },
    { "/split/failures-are-told", test_failures_are_told },
    { "/split/lost-reports", test_lost_reports },
    { "/split/overruled", test_overruled },
    { "/split/warnings", test_warnings },
    { "/split/mode-is-in-the-status", test_mode_is_in_the_status },
  };

  return split_rig_run (argc, argv, tests, G_N_ELEMENTS (tests));
}
