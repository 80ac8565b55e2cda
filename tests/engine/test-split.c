/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The coordinator of split tunnelling on a host in memory: who is in which class and why, who has to go when a rule goes, and what a restart leaves of it. Classes of
 * profiles are in test-split-profiles.c, what everybody hears in test-split-told.c.
 */
#include "config.h"

#include "split-rig.h"

#include "error.h"

#include <glib/gstdio.h>
#include <string.h>

/* A rule brings in what is launched, with its children; when it goes, they go, and those who asked for themselves stay. */
static void
test_rule_and_children (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  g_assert_true (vpnd_split_config_equal (rig->host->split_config, vpnd_split_tunnel_get_config (rig->split)));
  fake_host_run (rig->host, 100, 1, USER, "/bin/sh");
  fake_host_launch (rig->host, 100, rule);
  fake_host_run (rig->host, 101, 100, USER, "/bin/child");
  fake_host_run (rig->host, 102, 101, USER, "/bin/grandchild");
  fake_host_run (rig->host, 200, 1, USER, "/bin/asker");
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 200, 2000, USER, VPND_SPLIT_EXCLUDED, NULL));
  fake_host_run (rig->host, 201, 200, USER, "/bin/of-asker");
  assert_processes (rig, "100 excluded path:" PROGRAM ", 101 excluded inherited, 102 excluded inherited, 200 excluded asked, 201 excluded inherited");
  g_assert_cmpstr (rig->heard->pdata[0], ==, "100 " PROGRAM " path:" PROGRAM);
  g_assert_cmpstr (rig->heard->pdata[1], ==, "200  asked");

  fake_host_end (rig->host, 102);
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), TRUE), ==, -1);
  assert_processes (rig, "200 excluded asked, 201 excluded inherited");
  g_assert_cmpstr (class_of (rig, 100), ==, "");
  g_assert_cmpstr (class_of (rig, 101), ==, "");
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), TRUE), ==, VPND_ERROR_NOT_FOUND);

  g_assert_true (vpnd_split_tunnel_leave (rig->split, 200, 2000, NULL));
  g_assert_cmpstr (class_of (rig, 200), ==, "");
}

static void
stand_in_excluded (FakeProcess *process)
{
  g_free (process->class_word);
  process->class_word = g_strdup ("excluded");
}

typedef struct
{
  FakeHost *host;
  VpndSplitRule *rule; /* (unowned) */
} Word;

static gboolean
on_word (gpointer user_data)
{
  const Word *word = user_data;

  fake_host_launch (word->host, 300, word->rule);
  return G_SOURCE_REMOVE;
}

/* A launch that vpnd-classifier has moved and not told yet does not go with a rule that goes in just this moment; who stands there and is of no rule does. */
static void
test_launched_while_a_rule_goes (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  g_autoptr (VpndSplitRule) other = vpnd_split_rule_new (VPND_SPLIT_PATH, "/usr/bin/other", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL);
  const Word word = { rig->host, other };

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (other), FALSE), ==, -1);
  stand_in_excluded (fake_host_run (rig->host, 300, 1, USER, "/usr/bin/other"));
  (void) fake_host_run (rig->host, 301, 300, USER, "/bin/child");
  stand_in_excluded (fake_host_run (rig->host, 302, 1, USER, "/bin/orphan"));
  g_timeout_add (1, on_word, (gpointer) &word);
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), TRUE), ==, -1);
  g_assert_cmpstr (class_of (rig, 300), ==, "excluded");
  g_assert_cmpstr (class_of (rig, 301), ==, "excluded");
  g_assert_cmpstr (class_of (rig, 302), ==, "");
}

static void
tell_program (Rig *rig, gint32 pid, guint64 start_time, const char *path)
{
  const VpndSplitterReport report = { .kind = VPND_SPLITTER_SEEN, .pid = pid, .start_time = start_time, .path = path, .origin = "", .uid = G_MAXUINT32 };

  vpnd_splitter_emit_report (rig->host->splitter, &report);
}

static char *
dup_program (Rig *rig, guint index)
{
  g_autoptr (GPtrArray) entries = vpnd_split_tunnel_dup_processes (rig->split);

  return g_strdup (((const VpndSplitEntry *) g_ptr_array_index (entries, index))->executable);
}

/* What a process runs may be known later than the process; it is told of the one that is meant, and a rule's program stays that of the rule. */
static void
test_programs_are_told_later (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  g_autofree char *before = NULL;
  g_autofree char *other = NULL;
  g_autofree char *after = NULL;
  g_autofree char *of_rule = NULL;

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  fake_host_run (rig->host, 100, 1, USER, "/bin/sh");
  fake_host_launch (rig->host, 100, rule);
  fake_host_run (rig->host, 101, 100, USER, "");
  before = dup_program (rig, 1);
  tell_program (rig, 101, 1011, "/bin/other");
  tell_program (rig, 102, 1020, "/bin/unknown");
  other = dup_program (rig, 1);
  tell_program (rig, 101, 1010, "/bin/child");
  tell_program (rig, 100, 1000, "/bin/link");
  after = dup_program (rig, 1);
  of_rule = dup_program (rig, 0);
  g_assert_cmpstr (before, ==, "");
  g_assert_cmpstr (other, ==, "");
  g_assert_cmpstr (after, ==, "/bin/child");
  g_assert_cmpstr (of_rule, ==, PROGRAM);
}

/* What is a user's own matter is told without its program. */
static void
test_own_rules_are_private (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, USER);

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  fake_host_run (rig->host, 100, 1, USER, "/bin/sh");
  fake_host_launch (rig->host, 100, rule);
  fake_host_end (rig->host, 100);
  g_assert_cmpuint (rig->heard->len, ==, 2);
  g_assert_cmpstr (rig->heard->pdata[0], ==, "100  path");
  g_assert_cmpstr (rig->heard->pdata[1], ==, "100  path");
  assert_processes (rig, "");
}

/* Nobody is moved under a number that means another process now, for another user, or against the administrator's rule, nor one whose parents have ended before anybody looked,
 * though somebody else has taken it in. */
static void
test_who_may_enter (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_INCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  fake_host_run (rig->host, 100, 1, USER, "/bin/sh");
  g_assert_false (vpnd_split_tunnel_enter (rig->split, 100, 999, USER, VPND_SPLIT_EXCLUDED, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (vpnd_split_tunnel_enter (rig->split, 100, 1000, USER + 1, VPND_SPLIT_EXCLUDED, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (vpnd_split_tunnel_enter (rig->split, 555, 5550, USER, VPND_SPLIT_EXCLUDED, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (vpnd_split_tunnel_leave (rig->split, 100, 1000, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
  g_clear_error (&error);

  fake_host_launch (rig->host, 100, rule);
  fake_host_run (rig->host, 101, 100, USER, "/bin/child");
  fake_host_run (rig->host, 102, 100, USER, "/bin/orphan")->parent = 1;
  for (gint32 pid = 100; pid <= 102; pid++)
    {
      g_assert_false (vpnd_split_tunnel_enter (rig->split, pid, (guint64) pid * 10, USER, VPND_SPLIT_EXCLUDED, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED);
      g_clear_error (&error);
      g_assert_cmpstr (class_of (rig, pid), ==, "included");
    }

  /* Nor by whoever takes in the children of others and stands elsewhere by the own wish. */
  fake_host_run (rig->host, 110, 1, USER, "/bin/subreaper");
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 110, 1100, USER, VPND_SPLIT_EXCLUDED, NULL));
  fake_host_run (rig->host, 103, 100, USER, "/bin/adopted")->parent = 110;
  g_assert_false (vpnd_split_tunnel_leave (rig->split, 103, 1030, NULL));
  g_assert_false (vpnd_split_tunnel_enter (rig->split, 103, 1030, USER, VPND_SPLIT_EXCLUDED, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED);
  g_clear_error (&error);

  /* Where no administrator keeps anybody in, one of whom nothing is known may go. */
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), TRUE), ==, -1);
  fake_host_run (rig->host, 200, 1, USER, "/bin/asker");
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 200, 2000, USER, VPND_SPLIT_INCLUDED, NULL));
  fake_host_run (rig->host, 201, 200, USER, "/bin/orphan")->parent = 1;
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 201, 2010, USER, VPND_SPLIT_EXCLUDED, NULL));
}

/* The word of a launch comes a moment later than the launch: who was let in meanwhile is put where the rule says. */
static void
test_enters_while_launched (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_INCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  const VpndSplitterReport report = { VPND_SPLITTER_ARRIVED, 100, 1000, USER, rule->value, rule, "/home", 0 };

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  fake_host_run (rig->host, 100, 1, USER, "/bin/sh");
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 100, 1000, USER, VPND_SPLIT_EXCLUDED, NULL));
  g_assert_cmpstr (class_of (rig, 100), ==, "excluded");
  vpnd_splitter_emit_report (rig->host->splitter, &report);
  g_assert_cmpstr (class_of (rig, 100), ==, "included");
}

/* What cannot be kept does not hold, and what is kept holds after a restart. */
static void
test_store (Rig *rig, gconstpointer data)
{
  g_autofree char *file = g_build_filename (rig->path, "split.json", NULL);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);

  g_assert_no_errno (g_mkdir (file, 0700)); /* nothing can be renamed over it */
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, VPND_ERROR_STORAGE);
  g_assert_true (vpnd_split_config_is_empty (vpnd_split_tunnel_get_config (rig->split)));
  g_assert_no_errno (g_rmdir (file));
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1); /* it is as it was asked for */

  restart (rig);
  g_assert_cmpuint (vpnd_split_tunnel_get_config (rig->split)->rules->len, ==, 1);

  g_assert_true (g_file_set_contents (file, "{", -1, NULL));
  restart (rig);
  g_assert_true (vpnd_split_config_is_empty (vpnd_split_tunnel_get_config (rig->split)));
  vpnd_split_tunnel_add_warnings (rig->split, warnings);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_nonnull (strstr (warnings->pdata[0], "nothing is excluded"));
}

/* A new daemon does not know who asked; they, and who comes from them, leave all the same, but not those of a rule, nor out of what an administrator's rule keeps in. */
static void
test_leave_after_restart (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_INCLUDED, VPND_SPLIT_OWNER_SYSTEM);
  g_autoptr (GError) error = NULL;

  for (gint32 pid = 200; pid <= 400; pid += 100)
    fake_host_run (rig->host, pid, 1, USER, "/bin/asker");
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 200, 2000, USER, VPND_SPLIT_EXCLUDED, NULL));
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 300, 3000, USER, VPND_SPLIT_INCLUDED, NULL));
  g_assert_true (vpnd_split_tunnel_enter (rig->split, 400, 4000, USER, VPND_SPLIT_INCLUDED, NULL));
  fake_host_run (rig->host, 201, 200, USER, "/bin/of-asker");

  restart (rig);
  g_assert_false (vpnd_split_tunnel_leave (rig->split, 200, 999, NULL));
  g_assert_true (vpnd_split_tunnel_leave (rig->split, 200, 2000, NULL));
  g_assert_true (vpnd_split_tunnel_leave (rig->split, 201, 2010, NULL));
  g_assert_true (vpnd_split_tunnel_leave (rig->split, 300, 3000, NULL));
  for (gint32 pid = 200; pid <= 300; pid += 100)
    g_assert_cmpstr (class_of (rig, pid), ==, "");
  g_assert_cmpstr (class_of (rig, 201), ==, "");

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  g_assert_false (vpnd_split_tunnel_leave (rig->split, 400, 4000, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
  g_assert_cmpstr (class_of (rig, 400), ==, "included");
}

/* Thousands at once, and at what cost in memory. */
static void
test_many (Rig *rig, gconstpointer data)
{
  enum
  {
    MANY = 10000
  };
  g_autoptr (VpndSplitRule) rule = make_rule (VPND_SPLIT_EXCLUDED, VPND_SPLIT_OWNER_SYSTEM);

  g_assert_cmpuint (sizeof (VpndSplitEntry), <=, 72);
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  for (gint32 pid = 1000; pid < 1000 + MANY; pid++)
    {
      fake_host_run (rig->host, pid, 1, USER, "/bin/sh");
      fake_host_launch (rig->host, pid, rule);
    }
  {
    g_autoptr (GPtrArray) entries = vpnd_split_tunnel_dup_processes (rig->split);

    g_assert_cmpuint (entries->len, ==, MANY);
    g_assert_true (((const VpndSplitEntry *) entries->pdata[0])->executable == ((const VpndSplitEntry *) entries->pdata[MANY - 1])->executable);
  }
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), TRUE), ==, -1);
  assert_processes (rig, "");
  g_assert_cmpstr (class_of (rig, 1000 + MANY - 1), ==, "");
}

int
main (int argc, char **argv)
{
  static const SplitTest tests[] = {
    { "/split/rule-and-children", test_rule_and_children },
    { "/split/launched-while-a-rule-goes", test_launched_while_a_rule_goes },
    { "/split/programs-are-told-later", test_programs_are_told_later },
    { "/split/own-rules-are-private", test_own_rules_are_private },
    { "/split/who-may-enter", test_who_may_enter },
    { "/split/enters-while-launched", test_enters_while_launched },
    { "/split/store", test_store },
    { "/split/leave-after-restart", test_leave_after_restart },
    { "/split/many", test_many },
  };

  return split_rig_run (argc, argv, tests, G_N_ELEMENTS (tests));
}
