/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The programs of the host in memory: who runs in which class, and the answers of resolvers that wait; with the ports of split tunnelling.
 */
#include "config.h"

#include "fake-host-private.h"

#include "error.h"

#include <string.h>

/* --- name-watch: what is held stays held until it is released; that its time ends is the backend's business --- */

static void
name_watch_start_async (VpndNameWatch *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  host->listens = host->queue != VPND_QUEUE_NONE;
  if (host->listens)
    g_task_return_int (task, (gssize) host->queue);
  else
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "no CONFIG_NFT_QUEUE");
}

static void
name_watch_stop (VpndNameWatch *self)
{
  fake_host_of (self)->listens = FALSE;
  g_array_set_size (fake_host_of (self)->held, 0);
}

static void
name_watch_release (VpndNameWatch *self, guint64 ticket)
{
  GArray *held = fake_host_of (self)->held;

  for (guint i = 0; i < held->len; i++)
    if (g_array_index (held, guint64, i) == ticket)
      {
        g_array_remove_index (held, i);
        return;
      }
}

void
fake_host_name_watch_iface_init (VpndNameWatchInterface *iface)
{
  iface->start_async = name_watch_start_async;
  iface->stop = name_watch_stop;
  iface->release = name_watch_release;
}

/* A resolver answers. Returns: the ticket; 0 when nobody listens */
guint64
fake_host_answer (FakeHost *host, const VpndDnsAnswer *answer)
{
  const guint64 ticket = ++host->last_ticket;

  if (!host->listens)
    return 0;
  g_array_append_val (host->held, ticket);
  vpnd_name_watch_emit_answer (host->name_watch, ticket, answer);
  return ticket;
}

/* --- splitter --- */

void
fake_process_free (FakeProcess *process)
{
  g_free (process->executable);
  g_free (process->class_word);
  g_free (process);
}

static guint64
class_id_of (const char *class_name)
{
  return 9100000 + g_str_hash (class_name) % 1000; /* no port, and nothing else that stands in rules */
}

/* What the host said before, with classes for @bound. */
static VpndSplitStanding *
standing_with (const VpndSplitStanding *before, const GArray *bound)
{
  VpndSplitStanding *standing = vpnd_split_standing_new (before->ground, before->level);
  GHashTableIter iter;
  gpointer rule, reason;

  standing->excluded_id = before->excluded_id;
  standing->included_id = before->included_id;
  standing->holds_launches = before->holds_launches;
  g_free (standing->excluded_path);
  standing->excluded_path = g_strdup (before->excluded_path);
  g_free (standing->included_path);
  standing->included_path = g_strdup (before->included_path);
  g_free (standing->trouble);
  standing->trouble = g_strdup (before->trouble);
  for (guint i = 0; before->ground != VPND_SPLIT_GROUND_NONE && i < bound->len; i++)
    vpnd_split_standing_add_bound (standing, g_array_index (bound, VpndSplitBound, i).profile, class_id_of (g_array_index (bound, VpndSplitBound, i).class_name));
  for (guint i = 0; i < before->units->len; i++)
    {
      const VpndSplitUnitId *unit = &g_array_index (before->units, VpndSplitUnitId, i);

      vpnd_split_standing_add_unit (standing, unit->class_, unit->profile, unit->level, unit->id);
    }
  g_hash_table_iter_init (&iter, before->reasons);
  while (g_hash_table_iter_next (&iter, &rule, &reason))
    vpnd_split_standing_add_reason (standing, rule, reason);
  return standing;
}

static void
splitter_prepare (VpndSplitter *self, const GArray *bound)
{
  FakeHost *host = fake_host_of (self);
  g_autoptr (VpndSplitStanding) before = host->standing;

  host->standing = standing_with (before, bound);
  g_array_set_size (host->bound, 0);
  for (guint i = 0; i < bound->len; i++)
    vpnd_split_bound_array_add (host->bound, g_array_index (bound, VpndSplitBound, i).profile, g_array_index (bound, VpndSplitBound, i).class_name);
  g_ptr_array_add (host->journal, g_strdup ("split.prepare"));
}

static void
splitter_apply_async (VpndSplitter *self, VpndSplitConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  FakeHost *host = fake_host_of (self);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_clear_pointer (&host->split_config, vpnd_split_config_unref);
  host->split_config = vpnd_split_config_ref (config);
  g_clear_pointer (&host->ruleset_of_leading, vpnd_ruleset_unref);
  host->ruleset_of_leading = host->ruleset != NULL ? vpnd_ruleset_ref (host->ruleset) : NULL;
  g_ptr_array_add (host->journal, g_strdup ("split.apply"));
  if (host->standing->ground == VPND_SPLIT_GROUND_NONE)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "no ground");
  else
    g_task_return_boolean (task, TRUE);
}

static VpndSplitStanding *
splitter_dup_standing (VpndSplitter *self)
{
  return vpnd_split_standing_ref (fake_host_of (self)->standing);
}

static gboolean
splitter_check (VpndSplitter *self, const VpndSplitRule *rule, GError **error)
{
  if (rule->kind != VPND_SPLIT_APP || strcmp (rule->value, "none") != 0)
    return TRUE;
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "no such application");
  return FALSE;
}

/* What a process says of where it stands: a class of a profile keeps its name. */
static char *
class_word_of (FakeHost *host, VpndSplitClass class_, const char *profile)
{
  const char *class_name = vpnd_split_bound_array_find (host->bound, profile);

  return vpnd_split_class_dup_word (class_, class_name != NULL ? class_name : profile);
}

static gboolean
splitter_enter (VpndSplitter *self, const VpndSplitProcess *asked, VpndSplitClass class_, const char *profile, char **out_origin, GError **error)
{
  FakeProcess *process = g_hash_table_lookup (fake_host_of (self)->processes, GINT_TO_POINTER (asked->pid));

  if (process == NULL || process->start_time != asked->start_time)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "gone");
      return FALSE;
    }
  g_free (process->class_word);
  process->class_word = class_word_of (fake_host_of (self), class_, profile);
  *out_origin = g_strdup ("/home");
  return TRUE;
}

/* Of profiles only those have a class that have been prepared. */
static gboolean
has_class (FakeHost *host, const char *class_word)
{
  gboolean has_it = !g_str_has_prefix (class_word, "bound:");

  for (guint i = 0; !has_it && i < host->bound->len; i++)
    has_it = strcmp (g_array_index (host->bound, VpndSplitBound, i).class_name, class_word + strlen ("bound:")) == 0;
  return has_it;
}

static guint
splitter_leave (VpndSplitter *self, GArray *processes)
{
  guint n = 0;

  if (processes->len > 0)
    g_ptr_array_add (fake_host_of (self)->journal, g_strdup ("split.leave"));
  for (guint i = 0; i < processes->len; i++)
    {
      const VpndSplitProcess *asked = &g_array_index (processes, VpndSplitProcess, i);
      FakeProcess *process = g_hash_table_lookup (fake_host_of (self)->processes, GINT_TO_POINTER (asked->pid));

      if (process == NULL || process->start_time != asked->start_time || !has_class (fake_host_of (self), process->class_word))
        continue;
      g_free (process->class_word);
      process->class_word = g_strdup ("");
      n++;
    }
  return n;
}

static gboolean
splitter_look (VpndSplitter *self, gint32 pid, VpndSplitLook *out_look)
{
  const FakeProcess *process = g_hash_table_lookup (fake_host_of (self)->processes, GINT_TO_POINTER (pid));

  if (process == NULL)
    return FALSE;
  *out_look = (VpndSplitLook){ process->start_time, process->parent, process->uid, g_strdup (process->executable) };
  return TRUE;
}

static GArray *
splitter_list (VpndSplitter *self, VpndSplitClass class_, const char *profile)
{
  g_autofree char *class_word = class_word_of (fake_host_of (self), class_, profile);
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (gint32));
  GHashTableIter iter;
  gpointer key, value;

  if (!has_class (fake_host_of (self), class_word))
    return pids;
  g_hash_table_iter_init (&iter, fake_host_of (self)->processes);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const gint32 pid = GPOINTER_TO_INT (key);

      if (strcmp (((const FakeProcess *) value)->class_word, class_word) == 0)
        g_array_append_val (pids, pid);
    }
  return pids;
}

void
fake_host_splitter_iface_init (VpndSplitterInterface *iface)
{
  iface->prepare = splitter_prepare;
  iface->apply_async = splitter_apply_async;
  iface->dup_standing = splitter_dup_standing;
  iface->check = splitter_check;
  iface->enter = splitter_enter;
  iface->leave = splitter_leave;
  iface->look = splitter_look;
  iface->list = splitter_list;
}

/* --- processes --- */

/* A process that runs in no class, or in that of its parent. */
FakeProcess *
fake_host_run (FakeHost *host, gint32 pid, gint32 parent, guint32 uid, const char *executable)
{
  const FakeProcess *above = g_hash_table_lookup (host->processes, GINT_TO_POINTER (parent));
  FakeProcess *process = g_new0 (FakeProcess, 1);

  process->start_time = (guint64) pid * 10;
  process->parent = parent;
  process->uid = uid;
  process->executable = g_strdup (executable);
  process->class_word = g_strdup (above != NULL ? above->class_word : "");
  g_hash_table_replace (host->processes, GINT_TO_POINTER (pid), process);
  return process;
}

/* The process becomes a program that @rule names. */
void
fake_host_launch (FakeHost *host, gint32 pid, VpndSplitRule *rule)
{
  FakeProcess *process = g_hash_table_lookup (host->processes, GINT_TO_POINTER (pid));
  const VpndSplitterReport report = { VPND_SPLITTER_ARRIVED, pid, process->start_time, process->uid, rule->value, rule, "/home", 0 };

  g_free (process->class_word);
  process->class_word = class_word_of (host, rule->class_, rule->profile);
  vpnd_splitter_emit_report (host->splitter, &report);
}

void
fake_host_end (FakeHost *host, gint32 pid)
{
  const VpndSplitterReport report = { .kind = VPND_SPLITTER_DEPARTED, .pid = pid, .path = "", .origin = "", .uid = G_MAXUINT32 };

  g_hash_table_remove (host->processes, GINT_TO_POINTER (pid));
  vpnd_splitter_emit_report (host->splitter, &report);
}

/* @standing: (transfer full) */
void
fake_host_set_standing (FakeHost *host, VpndSplitStanding *standing)
{
  vpnd_split_standing_unref (host->standing);
  host->standing = standing;
  vpnd_splitter_emit_standing_changed (host->splitter);
}
