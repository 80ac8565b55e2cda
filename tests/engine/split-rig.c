/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-rig.h.
 */
#include "config.h"

#include "split-rig.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

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

VpndSplitStanding *
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

/* Another one, on the same files. */
void
restart (Rig *rig)
{
  g_object_unref (rig->split);
  g_object_unref (rig->store);
  start (rig);
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

void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  (void) vpnd_split_tunnel_change_finish (VPND_SPLIT_TUNNEL (source), result, &answer->error);
  answer->is_done = TRUE;
}

/* Waits for the end of what on_answer() is told of. Returns: the code of the error, -1 for none */
int
code_of (Answer *answer)
{
  int code;

  while (!answer->is_done)
    g_main_context_iteration (NULL, TRUE);
  code = answer->error != NULL ? answer->error->code : -1;
  g_clear_error (&answer->error);
  return code;
}

VpndSplitRule *
make_rule (VpndSplitClass class_, guint32 owner)
{
  return vpnd_split_rule_new (VPND_SPLIT_PATH, PROGRAM, class_, NULL, owner, NULL);
}

/* Takes @rule. Returns: the code of the error, -1 for none */
int
change (Rig *rig, VpndSplitRule *rule, gboolean is_removal)
{
  Answer answer = { FALSE, NULL };
  int code;

  if (is_removal)
    vpnd_split_tunnel_remove_async (rig->split, rule, NULL, on_answer, &answer);
  else
    vpnd_split_tunnel_add_async (rig->split, rule, NULL, on_answer, &answer);
  code = code_of (&answer);
  vpnd_split_rule_unref (rule);
  return code;
}

char *
describe_processes (Rig *rig)
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

const char *
class_of (Rig *rig, gint32 pid)
{
  return ((const FakeProcess *) g_hash_table_lookup (rig->host->processes, GINT_TO_POINTER (pid)))->class_word;
}

/* Each of @tests with a rig of its own. */
int
split_rig_run (int argc, char **argv, const SplitTest *tests, gsize n_tests)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR); /* a file that is broken on purpose is told */
  for (gsize i = 0; i < n_tests; i++)
    g_test_add (tests[i].name, Rig, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
