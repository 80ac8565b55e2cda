/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A profile is renamed, and the process ends before or behind each change of a file on the way, whoever makes it: after the next start profile, setting, rules and
 * the name of the last one say the same. The functions of the C library by which files change are this program's own, and count.
 */
#include "config.h"

#include "engine-rig.h"

#include "error.h"
#include "profile-rename.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "/bin/program"
#define LEFT_OVER "/bin/left-over" /* bound to a name that no profile has any more, before the one that is renamed takes it */
#define ENDED 77

static guint countdown;  /* to the end of this process, at a change of a file; 0 for never */
static guint failing;    /* the change, from 1, that fails; 0 for none */
static gboolean is_full; /* and all behind it */

static gboolean
is_refused (void)
{
  if (failing == 0 || --failing > 0)
    return FALSE;
  failing = is_full ? 1 : 0;
  errno = ENOSPC;
  return TRUE;
}

static void
count (void)
{
  if (countdown > 0 && --countdown == 0)
    _exit (ENDED);
}

static int
change_name (int dirfd, const char *name, int new_dirfd, const char *new_name, unsigned int flags)
{
  int code;

  count ();
  if (is_refused ())
    return -1;
  code = (int) syscall (SYS_renameat2, dirfd, name, new_dirfd, new_name, flags);
  count ();
  return code;
}

int
renameat (int dirfd, const char *name, int new_dirfd, const char *new_name)
{
  return change_name (dirfd, name, new_dirfd, new_name, 0);
}

int
renameat2 (int dirfd, const char *name, int new_dirfd, const char *new_name, unsigned int flags)
{
  return change_name (dirfd, name, new_dirfd, new_name, flags);
}

static void
on_profiles_changed (gpointer user_data)
{
}

static void
on_renamed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;
  g_autoptr (GVariant) reply = g_task_propagate_pointer (G_TASK (result), &answer->error);

  (void) reply; /* it has nothing to say */
  answer->is_done = TRUE;
}

/* Returns: the code of the error, -1 for none */
static int
rename_profile (Rig *rig, const char *name, const char *new_name)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (VpndSettingsWriter) writer = vpnd_settings_writer_new (rig->engine, rig->profiles);
  const VpndServices services = { .engine = rig->engine, .profiles = rig->profiles, .settings_writer = writer, .profiles_changed = on_profiles_changed, .user_data = G_OBJECT (writer) };

  vpnd_profile_rename (&services, name, new_name, g_task_new (NULL, NULL, on_renamed, &answer));
  wait_for (&answer);
  return answer.error != NULL ? answer.error->code : -1;
}

static void
bind_program (Rig *rig, const char *path, const char *profile)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_PATH, path, VPND_SPLIT_BOUND, profile, VPND_SPLIT_OWNER_SYSTEM, NULL);

  vpnd_engine_change_split_async (rig->engine, &(VpndSplitChange){ .rule = rule }, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
}

static Rig *
new_rig (void)
{
  Rig *rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndSplitStanding *standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 1);

  standing->excluded_id = 11;
  standing->included_id = 12;
  standing->holds_launches = TRUE;
  fake_host_set_standing (rig->host, standing);
  g_assert_true (vpnd_profile_store_save (rig->profiles, profile, FALSE, NULL));
  g_assert_true (activate (rig, profile, NULL));
  deactivate (rig);
  set_setting (rig, "auto-connect-profile", g_variant_new_string ("home"));
  bind_program (rig, PROGRAM, "home");
  bind_program (rig, LEFT_OVER, "house");
  return rig;
}

static const char *
profile_of (Rig *rig, const char *path)
{
  return vpnd_split_config_find (vpnd_split_tunnel_get_config (vpnd_engine_get_split (rig->engine)), VPND_SPLIT_PATH, path, VPND_SPLIT_OWNER_SYSTEM)->profile;
}

static char *
dup_name (Rig *rig)
{
  g_autoptr (GPtrArray) profiles = vpnd_profile_store_list (rig->profiles);

  g_assert_cmpuint (profiles->len, ==, 1);
  return g_strdup (((const VpndProfile *) profiles->pdata[0])->name);
}

static void
assert_all_say (Rig *rig, const char *name, gboolean has_failed)
{
  g_autofree char *stored = dup_name (rig);
  g_autoptr (VpndProfile) last = vpnd_profile_store_get_last (rig->profiles);

  g_assert_cmpstr (stored, ==, name);
  g_assert_cmpstr (vpnd_engine_get_settings (rig->engine)->auto_connect_profile, ==, name);
  g_assert_cmpstr (profile_of (rig, PROGRAM), ==, name);
  g_assert_cmpstr (profile_of (rig, LEFT_OVER), ==, "house");
  if (last == NULL)
    g_assert_true (has_failed); /* a convenience, which is not undone and not tried again */
  else
    g_assert_cmpstr (last->name, ==, name);
}

/* Starts again, and once more, for what was done about it has to be on the disk. */
static void
assert_consistent_after_starts (Rig *rig, gboolean has_failed)
{
  g_autofree char *note = g_build_filename (rig->directory, "state", "renaming", NULL);
  g_autofree char *name = NULL;

  for (guint i = 0; i < 2; i++)
    {
      rig_crash (rig);
      rig_boot (rig);
      g_clear_pointer (&name, g_free);
      name = dup_name (rig);
      assert_all_say (rig, name, has_failed);
      g_assert_false (g_file_test (note, G_FILE_TEST_EXISTS));
    }
}

/* Returns: how the child ended that has begun to rename, at the @end th boundary */
static int
rename_in_child (Rig *rig, guint end, guint fail, gboolean for_good)
{
  const pid_t pid = fork ();
  int status;

  g_assert_no_errno (pid);
  if (pid == 0)
    {
      countdown = end;
      failing = fail;
      is_full = for_good;
      (void) rename_profile (rig, "home", "house");
      _exit (0);
    }
  g_assert_no_errno (waitpid (pid, &status, 0));
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

/* @fail: the change of a file that fails, 0 for none; @for_good: and all behind it. Returns: how many boundaries there were */
static guint
end_at_each_boundary (guint fail, gboolean for_good)
{
  for (guint end = 1;; end++)
    {
      g_autoptr (Rig) rig = new_rig ();
      const int how = rename_in_child (rig, end, fail, for_good);

      assert_consistent_after_starts (rig, fail > 0);
      if (how == 0)
        return end - 1;
      g_assert_cmpint (how, ==, ENDED);
    }
}

static void
test_ends_at_each_boundary (void)
{
  g_assert_cmpuint (end_at_each_boundary (0, FALSE), >=, 2 * 5); /* the note, the profile, the last one, the setting, the rules */
}

/* The disk takes some file not, or none from there on, so that what was done is undone as far as it can be, and the process ends in the middle of that. */
static void
test_ends_while_it_is_undone (void)
{
  for (guint fail = 1; fail <= 5; fail++)
    for (guint for_good = 0; for_good < 2; for_good++)
      (void) end_at_each_boundary (fail, for_good != 0);
}

/* Nobody is killed: it has the one name everywhere, or the other, at once unless nothing can be written at all. */
static void
test_all_or_nothing (void)
{
  for (guint fail = 0; fail <= 5; fail++)
    {
      g_autoptr (Rig) rig = new_rig ();
      int code;

      failing = fail;
      is_full = FALSE;
      code = rename_profile (rig, "home", "house");
      g_assert_cmpuint (failing, ==, 0);
      g_assert_cmpint (code, ==, fail == 0 || fail == 3 ? -1 : VPND_ERROR_STORAGE); /* the third is the name of the last one, a convenience */
      assert_all_say (rig, code == -1 ? "house" : "home", fail > 0);
      if (fail == 0)
        {
          g_assert_cmpint (rename_profile (rig, "house", "other"), ==, -1); /* the one before has ended */
          g_assert_cmpstr (profile_of (rig, LEFT_OVER), ==, "other");
        }
    }
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/rename/ends-at-each-boundary", test_ends_at_each_boundary);
  g_test_add_func ("/rename/ends-while-it-is-undone", test_ends_while_it_is_undone);
  g_test_add_func ("/rename/all-or-nothing", test_all_or_nothing);
  return rig_run (ring);
}
