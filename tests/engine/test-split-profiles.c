/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The coordinator of split tunnelling on a host in memory: who is bound to a profile, when that gets another name, when the rule says another one, and when its class goes.
 */
#include "config.h"

#include "split-rig.h"

#include "error.h"

#include <glib/gstdio.h>
#include <string.h>

static int
rename_profile (Rig *rig, const char *name, const char *new_name)
{
  Answer answer = { FALSE, NULL };

  vpnd_split_tunnel_rename_profile_async (rig->split, name, new_name, NULL, on_answer, &answer);
  return code_of (&answer);
}

static const char *
profile_of (Rig *rig, const char *value, guint32 owner)
{
  return vpnd_split_config_find (vpnd_split_tunnel_get_config (rig->split), VPND_SPLIT_PATH, value, owner)->profile;
}

/* What is bound to a profile is so by its new name, whose rule it is; not when it cannot be kept. */
static void
test_profile_is_renamed (Rig *rig, gconstpointer data)
{
  g_autofree char *file = g_build_filename (rig->path, "split.json", NULL);
  VpndSplitRule *of_system = vpnd_split_rule_new (VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_BOUND, "home", VPND_SPLIT_OWNER_SYSTEM, NULL);
  g_autoptr (VpndSplitConfig) before = NULL;

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (of_system), FALSE), ==, -1);
  g_assert_cmpint (change (rig, vpnd_split_rule_new (VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_BOUND, "home", USER, NULL), FALSE), ==, -1);
  g_assert_cmpint (change (rig, vpnd_split_rule_new (VPND_SPLIT_PATH, "/usr/bin/other", VPND_SPLIT_BOUND, "office", USER, NULL), FALSE), ==, -1);
  g_assert_cmpint (change (rig, vpnd_split_rule_new (VPND_SPLIT_PATH, "/usr/bin/third", VPND_SPLIT_EXCLUDED, NULL, USER, NULL), FALSE), ==, -1);
  before = vpnd_split_config_ref ((VpndSplitConfig *) vpnd_split_tunnel_get_config (rig->split));

  g_assert_no_errno (g_unlink (file));
  g_assert_no_errno (g_mkdir (file, 0700)); /* nothing can be renamed over it */
  g_assert_cmpint (rename_profile (rig, "home", "house"), ==, VPND_ERROR_STORAGE);
  g_assert_true (vpnd_split_config_equal (vpnd_split_tunnel_get_config (rig->split), before));
  g_assert_no_errno (g_rmdir (file));

  g_assert_cmpint (rename_profile (rig, "home", "house"), ==, -1);
  restart (rig); /* it stands in the file */
  g_assert_cmpuint (vpnd_split_tunnel_get_config (rig->split)->rules->len, ==, before->rules->len);
  g_assert_cmpstr (profile_of (rig, PROGRAM, VPND_SPLIT_OWNER_SYSTEM), ==, "house");
  g_assert_cmpstr (profile_of (rig, PROGRAM, USER), ==, "house");
  g_assert_cmpstr (profile_of (rig, "/usr/bin/other", USER), ==, "office");
  g_assert_null (profile_of (rig, "/usr/bin/third", USER));
  vpnd_split_rule_unref (of_system);
}

static VpndSplitRule *
bind_to (Rig *rig, const char *path, const char *profile, guint32 owner)
{
  VpndSplitRule *rule = vpnd_split_rule_new (VPND_SPLIT_PATH, path, VPND_SPLIT_BOUND, profile, owner, NULL);

  g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
  return rule;
}

static guint64
bound_id (Rig *rig, const char *profile)
{
  const VpndSplitStanding *standing = vpnd_split_tunnel_get_standing (rig->split);

  for (guint i = 0; i < standing->bound->len; i++)
    if (strcmp (g_array_index (standing->bound, VpndSplitBoundId, i).profile, profile) == 0)
      return g_array_index (standing->bound, VpndSplitBoundId, i).id;
  return 0;
}

/* Whoever runs who is bound to it, a user's program as well, stays in its class, which is that of the profile by its new name: before and after a restart, and when
 * there is another profile of the old name. */
static void
test_profile_of_running_programs (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) own = bind_to (rig, PROGRAM, "home", USER);
  g_autoptr (VpndSplitRule) other = NULL;
  g_autoptr (VpndSplitRule) renamed = vpnd_split_rule_dup_bound_to (own, "house");
  guint64 id;

  fake_host_run (rig->host, 100, 1, USER, "/bin/sh");
  fake_host_launch (rig->host, 100, own);
  fake_host_run (rig->host, 101, 100, USER, "/bin/child");
  g_ptr_array_set_size (rig->heard, 0);
  id = bound_id (rig, "home");
  g_assert_cmpint (rename_profile (rig, "home", "house"), ==, -1);
  fake_host_launch (rig->host, 100, renamed); /* the table was sent again */
  g_assert_cmpuint (rig->heard->len, ==, 0);
  assert_processes (rig, "100 bound:house path:" PROGRAM ", 101 bound:house inherited");

  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpuint (bound_id (rig, "house"), ==, id);
      g_assert_cmpstr (class_of (rig, 101), ==, "bound:home");
      if (i > 0)
        break;
      restart (rig);
    }
  assert_processes (rig, "100 bound:house inherited, 101 bound:house inherited");

  other = bind_to (rig, "/usr/bin/other", "home", VPND_SPLIT_OWNER_SYSTEM);
  g_assert_cmpuint (bound_id (rig, "home"), !=, id);
  g_assert_cmpuint (bound_id (rig, "house"), ==, id);
  fake_host_run (rig->host, 200, 1, USER, "/usr/bin/other");
  fake_host_launch (rig->host, 200, other);
  assert_processes (rig, "100 bound:house inherited, 101 bound:house inherited, 200 bound:home path:/usr/bin/other");
  g_assert_cmpint (change (rig, vpnd_split_rule_ref (renamed), TRUE), ==, -1);
  g_assert_cmpstr (class_of (rig, 101), ==, "");
  g_assert_cmpstr (class_of (rig, 200), ==, "bound:home+2");
  g_assert_cmpuint (bound_id (rig, "house"), ==, 0);
}

/* A profile takes a name to which something is bound already, from before: two classes become one, and who stood in the other one follows. */
static void
test_profile_takes_a_bound_name (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitRule) rule = bind_to (rig, PROGRAM, "home", VPND_SPLIT_OWNER_SYSTEM);
  g_autoptr (VpndSplitRule) left_over = bind_to (rig, "/usr/bin/other", "house", VPND_SPLIT_OWNER_SYSTEM);

  fake_host_run (rig->host, 100, 1, USER, PROGRAM);
  fake_host_launch (rig->host, 100, rule);
  fake_host_run (rig->host, 101, 100, USER, "/bin/child");
  fake_host_run (rig->host, 200, 1, USER, "/usr/bin/other");
  fake_host_launch (rig->host, 200, left_over);
  g_assert_cmpint (rename_profile (rig, "home", "house"), ==, -1);
  for (gint32 pid = 100; pid <= 200; pid += pid == 100 ? 1 : 99)
    g_assert_cmpstr (class_of (rig, pid), ==, "bound:house");
  assert_processes (rig, "100 bound:house path:" PROGRAM ", 101 bound:house inherited, 200 bound:house path:/usr/bin/other");
  g_assert_cmpuint (bound_id (rig, "home"), ==, 0);
}

/* The class of a profile goes with its last rule; who stands there, with what it started, goes home before. */
static void
test_class_of_profile_goes (Rig *rig, gconstpointer data)
{
  for (guint has_other = 0; has_other < 2; has_other++)
    {
      g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_BOUND, "home", VPND_SPLIT_OWNER_SYSTEM, NULL);

      if (has_other)
        g_assert_cmpint (change (rig, vpnd_split_rule_new (VPND_SPLIT_PATH, "/usr/bin/other", VPND_SPLIT_BOUND, "home", USER, NULL), FALSE), ==, -1);
      g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
      fake_host_run (rig->host, 100, 1, USER, "/bin/sh");
      fake_host_launch (rig->host, 100, rule);
      fake_host_run (rig->host, 101, 100, USER, "/bin/child");
      g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), TRUE), ==, -1);
      g_assert_cmpstr (class_of (rig, 100), ==, "");
      g_assert_cmpstr (class_of (rig, 101), ==, "");
      g_assert_true (vpnd_split_config_equal (rig->host->split_config, vpnd_split_tunnel_get_config (rig->split)));
      fake_host_end (rig->host, 101);
      fake_host_end (rig->host, 100);
    }
}

/* A rule that says another class takes along who runs by it, and whom they have started: bound to another profile, they are never without. */
static void
test_rebound (Rig *rig, gconstpointer data)
{
  static const struct
  {
    VpndSplitClass class_;
    const char *profile;
    const char *word;
  } steps[] = {
    { VPND_SPLIT_BOUND, "home", "bound:home" },
    { VPND_SPLIT_BOUND, "office", "bound:office" },
    { VPND_SPLIT_INCLUDED, NULL, "included" },
    { VPND_SPLIT_EXCLUDED, NULL, "excluded" },
    { VPND_SPLIT_BOUND, "home", "bound:home" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      VpndSplitRule *rule = vpnd_split_rule_new (VPND_SPLIT_PATH, PROGRAM, steps[i].class_, steps[i].profile, VPND_SPLIT_OWNER_SYSTEM, NULL);

      g_assert_cmpint (change (rig, vpnd_split_rule_ref (rule), FALSE), ==, -1);
      if (i == 0)
        {
          fake_host_run (rig->host, 100, 1, USER, PROGRAM);
          fake_host_launch (rig->host, 100, rule);
          for (gint32 pid = 101; pid < 100 + 450; pid++) /* more than one turn */
            fake_host_run (rig->host, pid, 100, USER, "/bin/child");
        }
      for (gint32 pid = 100; pid < 100 + 450; pid++)
        g_assert_cmpstr (class_of (rig, pid), ==, steps[i].word);
      vpnd_split_rule_unref (rule);
    }
  g_assert_cmpint (change (rig, vpnd_split_rule_new (VPND_SPLIT_PATH, PROGRAM, VPND_SPLIT_BOUND, "home", VPND_SPLIT_OWNER_SYSTEM, NULL), TRUE), ==, -1);
  for (gint32 pid = 100; pid < 100 + 450; pid++)
    g_assert_cmpstr (class_of (rig, pid), ==, "");
}

int
main (int argc, char **argv)
{
  static const SplitTest tests[] = {
    { "/split/profile-is-renamed", test_profile_is_renamed },
    { "/split/profile-of-running-programs", test_profile_of_running_programs },
    { "/split/profile-takes-a-bound-name", test_profile_takes_a_bound_name },
    { "/split/class-of-profile-goes", test_class_of_profile_goes },
    { "/split/rebound", test_rebound },
  };

  return split_rig_run (argc, argv, tests, G_N_ELEMENTS (tests));
}
