/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The coordinator of split tunnelling on a host in memory: who is in which class and why, who has to go when a rule goes, what everybody hears.
 */
#include "config.h"

#include "error.h"
#include "fake-host.h"
#include "split.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define USER 1000u
#define PROGRAM "/usr/bin/program"

typedef struct
{
  FakeHost *host;
  char *path; /* (owned) */
  int dirfd;
  VpndSplitStore *store;
  VpndSplitTunnel *split;
  GPtrArray *heard; /* (element-type utf8) (owned) */
  guint plans;
} Rig;

static void
on_process (VpndSplitTunnel *split, guint pid, const char *path, const char *reason, Rig *rig)
{
  g_ptr_array_add (rig->heard, g_strdup_printf ("%u %s %s", pid, path, reason));
}

static void
on_plan_changed (VpndSplitTunnel *split, Rig *rig)
{
  rig->plans++;
}

static VpndSplitStanding *
make_standing (guint64 excluded_id)
{
  VpndSplitStanding *standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 1);

  standing->excluded_id = excluded_id;
  standing->included_id = 12;
  standing->holds_launches = TRUE;
  g_free (standing->excluded_path);
  standing->excluded_path = g_strdup ("/vpnd-excluded");
  return standing;
}

static void
start (Rig *rig)
{
  g_autoptr (GError) error = NULL;

  rig->store = vpnd_split_store_new (rig->dirfd, &error);
  g_assert_no_error (error);
  rig->split = vpnd_split_tunnel_new (rig->host->splitter, rig->store, rig->host->clock);
  g_signal_connect (rig->split, "excluded", G_CALLBACK (on_process), rig);
  g_signal_connect (rig->split, "returned", G_CALLBACK (on_process), rig);
  g_signal_connect (rig->split, "failed", G_CALLBACK (on_process), rig);
  g_signal_connect (rig->split, "plan-changed", G_CALLBACK (on_plan_changed), rig);
  vpnd_split_tunnel_start (rig->split);
}

static void
set_up (Rig *rig, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  rig->host = fake_host_new ();
  fake_host_set_standing (rig->host, make_standing (11));
  rig->path = g_dir_make_tmp ("vpnd-split-XXXXXX", &error);
  g_assert_no_error (error);
  rig->dirfd = open (rig->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  rig->heard = g_ptr_array_new_with_free_func (g_free);
  start (rig);
}

static void
tear_down (Rig *rig, gconstpointer data)
{
  g_autoptr (GDir) folder = g_dir_open (rig->path, 0, NULL);
  const char *name;

  while (g_main_context_iteration (NULL, FALSE)) /* a change that nobody waited for */
    ;
  while ((name = g_dir_read_name (folder)) != NULL)
    g_assert_no_errno (unlinkat (rig->dirfd, name, 0));
  g_assert_no_errno (g_rmdir (rig->path));
  g_object_unref (rig->split);
  g_object_unref (rig->store);
  close (rig->dirfd);
  g_ptr_array_unref (rig->heard);
  g_free (rig->path);
  fake_host_free (rig->host);
}

typedef struct
{
  gboolean is_done;
  GError *error;
} Answer;

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  (void) vpnd_split_tunnel_change_finish (VPND_SPLIT_TUNNEL (source), result, &answer->error);
  answer->is_done = TRUE;
}

static VpndSplitRule *
make_rule (VpndSplitClass class_, guint32 owner)
{
  return vpnd_split_rule_new (VPND_SPLIT_PATH, PROGRAM, class_, NULL, owner, NULL);
}

/* Takes @rule. Returns: the code of the error, -1 for none */
static int
change (Rig *rig, VpndSplitRule *rule, gboolean is_removal)
{
  Answer answer = { FALSE, NULL };
  int code;

  if (is_removal)
    vpnd_split_tunnel_remove_async (rig->split, rule, NULL, on_answer, &answer);
  else
    vpnd_split_tunnel_add_async (rig->split, rule, NULL, on_answer, &answer);
  while (!answer.is_done)
    g_main_context_iteration (NULL, TRUE);
  code = answer.error != NULL ? answer.error->code : -1;
  g_clear_error (&answer.error);
  vpnd_split_rule_unref (rule);
  return code;
}

static char *
describe (Rig *rig)
{
  g_autoptr (GPtrArray) entries = vpnd_split_tunnel_dup_processes (rig->split);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < entries->len; i++)
    {
      const VpndSplitEntry *entry = g_ptr_array_index (entries, i);
      g_autofree char *reason = vpnd_split_entry_dup_reason (entry);

      g_string_append_printf (text, "%s%d %s %s", i > 0 ? ", " : "", entry->pid, entry->class_word, reason);
    }
  return g_string_free (text, FALSE);
}

#define assert_processes(rig, text)              \
  G_STMT_START                                   \
  {                                              \
    g_autofree char *described = describe (rig); \
                                                 \
    g_assert_cmpstr (described, ==, text);       \
  }                                              \
  G_STMT_END

static const char *
class_of (Rig *rig, gint32 pid)
{
  return ((const FakeProcess *) g_hash_table_lookup (rig->host->processes, GINT_TO_POINTER (pid)))->class_word;
}

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

/* Nobody is moved under a number that means another process now, for another user, or against the administrator's rule. */
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
  for (gint32 pid = 100; pid <= 101; pid++)
    {
      g_assert_false (vpnd_split_tunnel_enter (rig->split, pid, (guint64) pid * 10, USER, VPND_SPLIT_EXCLUDED, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED);
      g_clear_error (&error);
      g_assert_cmpstr (class_of (rig, pid), ==, "included");
    }
}

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

static int
rename_profile (Rig *rig, const char *name, const char *new_name)
{
  Answer answer = { FALSE, NULL };
  int code;

  vpnd_split_tunnel_rename_profile_async (rig->split, name, new_name, NULL, on_answer, &answer);
  while (!answer.is_done)
    g_main_context_iteration (NULL, TRUE);
  code = answer.error != NULL ? answer.error->code : -1;
  g_clear_error (&answer.error);
  return code;
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
  g_object_unref (rig->split);
  g_object_unref (rig->store);
  start (rig); /* it stands in the file */
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
      g_object_unref (rig->split);
      g_object_unref (rig->store);
      start (rig);
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

  g_object_unref (rig->split);
  g_object_unref (rig->store);
  start (rig);
  g_assert_cmpuint (vpnd_split_tunnel_get_config (rig->split)->rules->len, ==, 1);

  g_assert_true (g_file_set_contents (file, "{", -1, NULL));
  g_object_unref (rig->split);
  g_object_unref (rig->store);
  start (rig);
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

  g_object_unref (rig->split);
  g_object_unref (rig->store);
  start (rig);
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
  static const struct
  {
    const char *name;
    void (*func) (Rig *rig, gconstpointer data);
  } tests[] = {
    { "/split/rule-and-children", test_rule_and_children },
    { "/split/programs-are-told-later", test_programs_are_told_later },
    { "/split/own-rules-are-private", test_own_rules_are_private },
    { "/split/who-may-enter", test_who_may_enter },
    { "/split/standing-is-followed", test_standing_is_followed },
    { "/split/profile-is-renamed", test_profile_is_renamed },
    { "/split/profile-of-running-programs", test_profile_of_running_programs },
    { "/split/profile-takes-a-bound-name", test_profile_takes_a_bound_name },
    { "/split/class-of-profile-goes", test_class_of_profile_goes },
    { "/split/rebound", test_rebound },
    { "/split/store", test_store },
    { "/split/leave-after-restart", test_leave_after_restart },
    { "/split/failures-are-told", test_failures_are_told },
    { "/split/lost-reports", test_lost_reports },
    { "/split/warnings", test_warnings },
    { "/split/mode-is-in-the-status", test_mode_is_in_the_status },
    { "/split/many", test_many },
  };

  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR); /* a file that is broken on purpose is told */
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Rig, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
