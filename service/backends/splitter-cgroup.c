/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See splitter-cgroup.h. Puts the parts together: classes, table, the socket to vpnd-classifier, units, sockets and departures. What goes wrong with any
 * of them is told in the standing, and leaves processes where they are: in the tunnel.
 */
#include "config.h"

#include "splitter-cgroup.h"

#include "app-ids.h"
#include "classifier-client.h"
#include "split-classes.h"
#include "split-departures.h"
#include "split-hold.h"
#include "process.h"
#include "split-sockets.h"
#include "split-table.h"
#include "split-units.h"
#include "way.h"

#include "error.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLY_TIMEOUT_MS 10000 /* 100 000 rules take one or two seconds; then the answer is what is known */

struct _VpndSplitterCgroup
{
  GObject parent_instance;

  VpndSplitClasses *classes;    /* (owned) */
  VpndClassifierClient *client; /* (owned) */
  VpndSplitUnits *units;        /* (owned) */
  VpndSplitHold *hold;          /* (owned) */
  VpndSplitSockets *sockets;    /* (owned) */
  VpndDepartures *departures;   /* (owned) */
  VpndSplitConfig *config;      /* (owned) */
  GArray *bound;                /* (element-type VpndSplitBound) (owned): the profiles that have a class */
  VpndSplitTable *table;        /* (owned) (nullable) */
  VpndSplitStanding *standing;  /* (owned): what was told last */
  GError *ground_error;         /* (owned) (nullable): why there are no classes */
  GTask *apply;                 /* (owned) (nullable): waits for the table to be in force */
  guint apply_timeout;
  guint tell;            /* source: the standing is to be told anew */
  gboolean is_linked;    /* vpnd-classifier has the table */
  gboolean has_answered; /* since it was connected */
  gboolean is_applied;   /* and has put into classes who ran already */
};

static void vpnd_splitter_cgroup_iface_init (VpndSplitterInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndSplitterCgroup, vpnd_splitter_cgroup, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_SPLITTER, vpnd_splitter_cgroup_iface_init))

/* --- the standing --- */

static void
add_classes (VpndSplitterCgroup *self, VpndSplitStanding *standing)
{
  standing->excluded_id = vpnd_split_classes_get_id (self->classes, VPND_SPLIT_CLASS_EXCLUDED);
  standing->included_id = vpnd_split_classes_get_id (self->classes, VPND_SPLIT_CLASS_INCLUDED);
  g_free (standing->excluded_path);
  standing->excluded_path = g_strdup (vpnd_split_classes_get_path (self->classes, VPND_SPLIT_CLASS_EXCLUDED));
  g_free (standing->included_path);
  standing->included_path = g_strdup (vpnd_split_classes_get_path (self->classes, VPND_SPLIT_CLASS_INCLUDED));
  for (guint i = 0; i < self->bound->len; i++)
    {
      const VpndSplitBound *bound = &g_array_index (self->bound, VpndSplitBound, i);
      guint index;

      if (vpnd_split_classes_find (self->classes, VPND_SPLIT_BOUND, bound->class_name, &index))
        vpnd_split_standing_add_bound (standing, bound->profile, vpnd_split_classes_get_id (self->classes, index));
    }
}

/* What is in no class must wait until it was looked at, where it may be a unit that must not be in the clear. */
static void
add_folders (VpndSplitterCgroup *self, VpndSplitStanding *standing)
{
  const GArray *folders = vpnd_split_units_get_folders (self->units);

  if (!vpnd_split_config_needs_all_units (self->config))
    return;
  standing->newest = vpnd_split_units_get_newest (self->units);
  standing->hold = vpnd_split_hold_get_form (self->hold);
  for (guint i = 0; i < folders->len; i++)
    {
      const VpndSplitUnitFolder *folder = &g_array_index (folders, VpndSplitUnitFolder, i);

      vpnd_split_standing_add_folder (standing, folder->uid, folder->level, folder->id);
    }
}

/* A table that was just sent is no trouble yet, if there is somebody who has answered before, or is still asked for the first time. */
static gboolean
is_answering (const VpndSplitterCgroup *self)
{
  return self->is_linked && (self->is_applied || (self->apply_timeout != 0 && (self->has_answered || self->apply != NULL)));
}

static VpndSplitStanding *
make_standing (VpndSplitterCgroup *self)
{
  VpndSplitStanding *standing = vpnd_split_standing_new (vpnd_split_classes_get_ground (self->classes), vpnd_split_classes_get_level (self->classes));
  const char *trouble = NULL;

  if (standing->ground == VPND_SPLIT_GROUND_NONE)
    trouble = self->ground_error != NULL ? self->ground_error->message : "classes of processes cannot be told apart on this host";
  else
    add_classes (self, standing);
  /* Connected is not enough: a socket of the service manager takes a table before there is anybody to read it. */
  if (trouble == NULL && self->table != NULL && !vpnd_split_table_is_empty (self->table) && !is_answering (self))
    trouble = "vpnd-classifier does not answer, so programs are not seen at their launch";
  standing->holds_launches = self->is_linked && self->is_applied;
  g_free (standing->trouble);
  standing->trouble = g_strdup (trouble != NULL ? trouble : "");
  if (self->table != NULL)
    {
      vpnd_split_table_add_reasons (self->table, trouble, standing);
      vpnd_split_table_add_units (self->table, vpnd_split_units_get (self->units), standing);
      add_folders (self, standing);
    }
  return standing;
}

static void
refresh_standing (VpndSplitterCgroup *self)
{
  VpndSplitStanding *standing = make_standing (self);

  vpnd_split_standing_unref (self->standing);
  self->standing = standing;
}

static gboolean
on_tell (gpointer user_data)
{
  VpndSplitterCgroup *self = user_data;

  self->tell = 0;
  refresh_standing (self);
  vpnd_splitter_emit_standing_changed (VPND_SPLITTER (self));
  return G_SOURCE_REMOVE;
}

/* Several changes of one turn of the main loop are told together; while a table is on its way, its end tells. */
static void
tell_later (VpndSplitterCgroup *self)
{
  if (self->tell == 0 && self->apply == NULL)
    self->tell = g_idle_add_full (G_PRIORITY_DEFAULT, on_tell, self, NULL);
}

/* --- classes --- */

static gboolean
find_class (VpndSplitterCgroup *self, VpndSplitClass class_, const char *profile, guint *out_index)
{
  const char *class_name = vpnd_split_bound_array_find (self->bound, profile);

  return (class_ != VPND_SPLIT_BOUND || class_name != NULL) && vpnd_split_classes_find (self->classes, class_, class_name, out_index);
}

static void
vpnd_splitter_cgroup_prepare (VpndSplitter *splitter, const GArray *bound)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (splitter);
  g_autoptr (GPtrArray) class_names = g_ptr_array_new ();
  GArray *copy = vpnd_split_bound_array_new ();

  for (guint i = 0; i < bound->len; i++)
    {
      const VpndSplitBound *it = &g_array_index (bound, VpndSplitBound, i);

      vpnd_split_bound_array_add (copy, it->profile, it->class_name);
      g_ptr_array_add (class_names, g_array_index (copy, VpndSplitBound, i).class_name);
    }
  g_array_unref (self->bound);
  self->bound = copy;
  g_clear_error (&self->ground_error);
  (void) vpnd_split_classes_set_profiles (self->classes, class_names, &self->ground_error);
  refresh_standing (self);
}

/* --- putting rules in force --- */

static void
finish_apply (VpndSplitterCgroup *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->apply);

  refresh_standing (self);
  if (task == NULL)
    return;
  tell_later (self); /* who did not wait for it */
  if (self->ground_error != NULL)
    g_task_return_error (task, g_error_copy (self->ground_error));
  else
    g_task_return_boolean (task, TRUE);
}

static gboolean
on_apply_timeout (gpointer user_data)
{
  VpndSplitterCgroup *self = user_data;

  self->apply_timeout = 0;
  finish_apply (self);
  tell_later (self);
  return G_SOURCE_REMOVE;
}

/* A table that was sent is in force soon, or somebody who should read it does not. */
static void
await_applied (VpndSplitterCgroup *self, gboolean is_sent)
{
  g_clear_handle_id (&self->apply_timeout, g_source_remove);
  if (is_sent)
    self->apply_timeout = g_timeout_add (APPLY_TIMEOUT_MS, on_apply_timeout, self);
}

static void
send_table (VpndSplitterCgroup *self)
{
  int fds[VPND_SPLIT_MAX_CLASSES];
  const guint n = vpnd_split_classes_get_n (self->classes);
  g_autoptr (GBytes) bytes = NULL;

  vpnd_split_units_set (self->units, NULL, NULL, NULL, FALSE); /* which asks the table that goes away */
  g_clear_pointer (&self->table, vpnd_split_table_free);
  self->table = vpnd_split_table_new (self->config, self->classes);
  for (guint i = 0; i < n; i++)
    fds[i] = vpnd_split_classes_get_fd (self->classes, i);
  if (vpnd_split_classes_get_ground (self->classes) != VPND_SPLIT_GROUND_NONE && !vpnd_split_table_is_empty (self->table))
    bytes = vpnd_split_table_encode (self->table);
  self->is_applied = FALSE;
  self->is_linked = vpnd_classifier_client_set_table (self->client, bytes, fds, bytes != NULL ? n : 0);
  await_applied (self, self->is_linked);
}

static void
look_for_units (VpndSplitterCgroup *self)
{
  const gboolean has_cgroup2 = vpnd_split_classes_get_ground (self->classes) == VPND_SPLIT_GROUND_CGROUP2;
  const gboolean has_units = vpnd_split_table_has_units (self->table);

  vpnd_split_units_set (self->units, has_cgroup2 ? vpnd_split_classes_get_mount (self->classes) : NULL, has_units ? vpnd_split_table_match_unit : NULL, self->table, vpnd_split_config_needs_all_units (self->config));
  vpnd_split_hold_set (self->hold, has_cgroup2 && vpnd_split_config_needs_all_units (self->config));
}

static void
vpnd_splitter_cgroup_apply_async (VpndSplitter *splitter, VpndSplitConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (splitter);

  finish_apply (self); /* what came before is overtaken */
  vpnd_split_config_ref (config);
  vpnd_split_config_unref (self->config);
  self->config = config;
  send_table (self);
  look_for_units (self);
  refresh_standing (self);

  self->apply = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->apply, vpnd_splitter_cgroup_apply_async);
  if (!self->is_linked)
    finish_apply (self);
}

static VpndSplitStanding *
vpnd_splitter_cgroup_dup_standing (VpndSplitter *splitter)
{
  return vpnd_split_standing_ref (VPND_SPLITTER_CGROUP (splitter)->standing);
}

/* What is missing may come yet, and what is closed to us vpnd-classifier sees, so both pass; what a user may not run is not told from what is not there. */
static gboolean
check_path (const char *path, guint32 uid, GError **error)
{
  const char *why = NULL;
  struct stat info;
  int fd;

  if (uid != VPND_SPLIT_OWNER_SYSTEM && vpnd_app_is_in_closed_home ("", path, uid))
    return TRUE;
  fd = vpnd_way_open_at_once (path, uid == VPND_SPLIT_OWNER_SYSTEM ? VPND_CLASSIFIER_ANY_UID : uid, &info);
  if (fd >= 0)
    close (fd);
  if (fd == -EREMOTE) /* vpnd-classifier says what is there */
    return TRUE;
  if (uid != VPND_SPLIT_OWNER_SYSTEM && (fd == -EPERM || !vpnd_app_user_may_run ("", path, uid)))
    why = "there is no such program that this user may run";
  else if (fd == -EPERM)
    why = "a user's link leads to a program that is not that user's";
  else if (fd < 0)
    why = fd == -ENOENT || fd == -EACCES ? NULL : g_strerror (-fd);
  else if (S_ISDIR (info.st_mode))
    why = "it is a folder";
  else if (!S_ISREG (info.st_mode))
    why = "it is no ordinary file";
  else if ((info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
    why = "it is not executable";
  if (why == NULL)
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "path: %s: %s", path, why);
  return FALSE;
}

/* What a user says of an application of the own home is no more than so many rules by path would be; the system's is looked for. */
static gboolean
check_app (const VpndSplitRule *rule, GError **error)
{
  g_autoptr (VpndApp) app = NULL;

  for (guint i = 0; rule->programs != NULL && rule->programs[i] != NULL; i++)
    if (!check_path (rule->programs[i], rule->owner_uid, error))
      return FALSE;
  if (rule->programs != NULL)
    return TRUE;
  app = vpnd_app_find ("", rule->value, error);
  return app != NULL;
}

static gboolean
vpnd_splitter_cgroup_check (VpndSplitter *splitter, const VpndSplitRule *rule, GError **error)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (splitter);
  const gboolean is_of_program = rule->kind == VPND_SPLIT_PATH || rule->kind == VPND_SPLIT_APP;
  const VpndSplitGround ground = vpnd_split_classes_get_ground (self->classes);

  if ((is_of_program && ground == VPND_SPLIT_GROUND_NONE) || (rule->kind == VPND_SPLIT_UNIT && ground != VPND_SPLIT_GROUND_CGROUP2))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "%s: %s", vpnd_split_kind_to_string (rule->kind),
          self->ground_error != NULL ? self->ground_error->message : "units can be told apart in cgroup2 alone (CONFIG_CGROUPS), which is not mounted");
      return FALSE;
    }
  if (rule->kind == VPND_SPLIT_PATH)
    return check_path (rule->value, rule->owner_uid, error);
  return rule->kind != VPND_SPLIT_APP || check_app (rule, error);
}

/* --- processes --- */

static gboolean
refuse_gone (gint32 pid, GError **error)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "there is no process %d any more", pid);
  return FALSE;
}

static gboolean
vpnd_splitter_cgroup_enter (VpndSplitter *splitter, const VpndSplitProcess *process, VpndSplitClass class_, const char *profile, char **out_origin, GError **error)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (splitter);
  const gboolean is_unified = vpnd_split_classes_get_ground (self->classes) == VPND_SPLIT_GROUND_CGROUP2;
  char origin[PATH_MAX] = "";
  guint index;
  int code;

  if (!find_class (self, class_, profile, &index) || vpnd_split_classes_get_fd (self->classes, index) < 0)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, self->ground_error != NULL ? self->ground_error->message : "there is no such class");
      return FALSE;
    }
  /* Watched first: from here on its end is told, and the number cannot come to mean another process without that. */
  if (!vpnd_departures_watch (self->departures, process->pid) || vpnd_process_read_start_time (process->pid) != process->start_time)
    return refuse_gone (process->pid, error);
  (void) vpnd_process_read_cgroup (process->pid, is_unified, origin, sizeof origin);
  code = vpnd_process_move (process->pid, vpnd_split_classes_get_fd (self->classes, index)); /* the way in takes no right that we lack */
  if (code == ESRCH || vpnd_process_read_start_time (process->pid) != process->start_time)
    return refuse_gone (process->pid, error);
  if (code != 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "process %d cannot be moved: %s", process->pid, g_strerror (code));
      return FALSE;
    }
  if (strcmp (origin, vpnd_split_classes_get_path (self->classes, index)) != 0)
    vpnd_classifier_client_ask (self->client, VPND_CLASSIFIER_LIST_SOCKETS, process->pid, process->start_time, "");
  *out_origin = g_strdup (origin);
  return TRUE;
}

/* Returns: (transfer full): who stands in any class now, so that nobody else is moved */
static GHashTable *
list_members (VpndSplitterCgroup *self)
{
  GHashTable *members = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < vpnd_split_classes_get_n (self->classes); i++)
    {
      g_autoptr (GArray) pids = vpnd_split_classes_list (self->classes, i);

      for (guint k = 0; k < pids->len; k++)
        g_hash_table_add (members, GINT_TO_POINTER (g_array_index (pids, gint32, k)));
    }
  return members;
}

/* Out of its class at once, into a cgroup that is none; home it is brought by vpnd-classifier, for that may be a cgroup of a user. */
static guint
vpnd_splitter_cgroup_leave (VpndSplitter *splitter, GArray *processes)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (splitter);
  g_autoptr (GHashTable) members = list_members (self);
  const int waiting_fd = vpnd_split_classes_get_waiting_fd (self->classes);
  guint n = 0;

  for (guint i = 0; i < processes->len; i++)
    {
      const VpndSplitProcess *process = &g_array_index (processes, VpndSplitProcess, i);
      const gboolean is_known = process->origin[0] != '\0' && !vpnd_split_classes_has_path (self->classes, process->origin);

      if (!g_hash_table_contains (members, GINT_TO_POINTER (process->pid)) || vpnd_process_read_start_time (process->pid) != process->start_time)
        continue;
      if (waiting_fd < 0 || vpnd_process_move (process->pid, waiting_fd) != 0)
        continue;
      vpnd_classifier_client_ask (self->client, VPND_CLASSIFIER_RETURN, process->pid, process->start_time, is_known ? process->origin : "/");
      n++;
    }
  return n;
}

static gboolean
vpnd_splitter_cgroup_look (VpndSplitter *splitter, gint32 pid, VpndSplitLook *out_look)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (splitter);

  *out_look = (VpndSplitLook){ .start_time = vpnd_process_read_start_time (pid), .parent = vpnd_process_read_parent (pid) };
  if (out_look->start_time == 0 || !vpnd_process_read_uid (pid, &out_look->uid) || !vpnd_departures_watch (self->departures, pid))
    return FALSE;
  out_look->executable = g_strdup (""); /* that takes rights that we do not have: it is told later */
  vpnd_classifier_client_ask (self->client, VPND_CLASSIFIER_LOOK, pid, out_look->start_time, "");
  return TRUE;
}

static GArray *
vpnd_splitter_cgroup_list (VpndSplitter *splitter, VpndSplitClass class_, const char *profile)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (splitter);
  guint index;

  return find_class (self, class_, profile, &index) ? vpnd_split_classes_list (self->classes, index) : g_array_new (FALSE, FALSE, sizeof (gint32));
}

/* --- what the parts tell --- */

static void
report_process (VpndSplitterCgroup *self, const VpndClassifierReport *report)
{
  static const VpndSplitterReportKind kinds[] = {
    [VPND_CLASSIFIER_ARRIVED] = VPND_SPLITTER_ARRIVED,
    [VPND_CLASSIFIER_FOUND] = VPND_SPLITTER_FOUND,
    [VPND_CLASSIFIER_FAILED] = VPND_SPLITTER_FAILED,
    [VPND_CLASSIFIER_SEEN] = VPND_SPLITTER_SEEN,
  };
  VpndSplitterReport told = { kinds[report->kind], report->pid, report->start_time, G_MAXUINT32, report->path, vpnd_split_table_note (self->table, report), report->origin, report->code };

  /* One that is gone already was there all the same; nothing of it can be watched. */
  if (report->kind != VPND_CLASSIFIER_FAILED && report->kind != VPND_CLASSIFIER_SEEN && (!vpnd_departures_watch (self->departures, report->pid) || vpnd_process_read_start_time (report->pid) != report->start_time))
    told.start_time = 0;
  if (told.start_time != 0)
    (void) vpnd_process_read_uid (report->pid, &told.uid);
  vpnd_splitter_emit_report (VPND_SPLITTER (self), &told);
}

/* With net_cls the kernel gives all sockets of a process that is moved the new class, so none tells when it was opened. */
static void
end_sockets (VpndSplitterCgroup *self, const VpndClassifierReport *report)
{
  guint64 cgroups[VPND_SPLIT_SOCKETS_SPARED] = { 0 };
  char place[PATH_MAX];

  if (vpnd_split_classes_get_ground (self->classes) == VPND_SPLIT_GROUND_CGROUP2 && vpnd_process_read_cgroup (report->pid, TRUE, place, sizeof place))
    {
      g_autofree char *path = g_build_filename (vpnd_split_classes_get_mount (self->classes), place, NULL);
      struct stat info;

      if (stat (path, &info) == 0)
        cgroups[0] = (guint64) info.st_ino;
      if (!vpnd_split_classes_has_path (self->classes, place))
        cgroups[1] = vpnd_split_classes_get_waiting_id (self->classes);
    }
  vpnd_split_sockets_end (self->sockets, report->sockets, cgroups);
}

static void
on_report (const VpndClassifierReport *report, gpointer user_data)
{
  VpndSplitterCgroup *self = user_data;
  const VpndSplitterReport lost = { .kind = VPND_SPLITTER_LOST, .path = "", .origin = "", .uid = G_MAXUINT32 };

  if (self->table == NULL)
    return;
  switch (report->kind)
    {
    case VPND_CLASSIFIER_APPLIED:
      self->is_applied = TRUE;
      self->has_answered = TRUE;
      await_applied (self, FALSE);
      if (self->apply != NULL)
        finish_apply (self);
      else
        tell_later (self);
      break;
    case VPND_CLASSIFIER_WATCHED:
    case VPND_CLASSIFIER_UNWATCHED:
      (void) vpnd_split_table_note (self->table, report);
      tell_later (self);
      break;
    case VPND_CLASSIFIER_ARRIVED:
    case VPND_CLASSIFIER_FOUND:
    case VPND_CLASSIFIER_FAILED:
    case VPND_CLASSIFIER_SEEN:
      report_process (self, report);
      break;
    case VPND_CLASSIFIER_SOCKETS:
      if (report->sockets != NULL)
        end_sockets (self, report);
      break;
    case VPND_CLASSIFIER_OVERFLOW:
      vpnd_splitter_emit_report (VPND_SPLITTER (self), &lost);
      break;
    case VPND_N_CLASSIFIER_REPORTS:
      break;
    }
}

static void
on_link (gboolean is_linked, gpointer user_data)
{
  VpndSplitterCgroup *self = user_data;

  self->is_linked = is_linked;
  self->has_answered = FALSE; /* a socket of the service manager takes a table before there is anybody to read it */
  self->is_applied = FALSE;
  await_applied (self, is_linked);
  if (!is_linked && self->apply != NULL)
    finish_apply (self);
  tell_later (self);
}

static void
on_classes_changed (gpointer user_data)
{
  VpndSplitterCgroup *self = user_data;

  /* Until the rules know the new ones, the table leads into those that are gone: a program that may be in the clear goes on where it is, others do not start. */
  if (vpnd_split_classes_get_ground (self->classes) == VPND_SPLIT_GROUND_NONE && self->table != NULL)
    send_table (self);
  if (self->table != NULL)
    look_for_units (self);
  tell_later (self);
}

static void
on_units_changed (gpointer user_data)
{
  tell_later (VPND_SPLITTER_CGROUP (user_data));
}

static void
on_departed (gint32 pid, gpointer user_data)
{
  const VpndSplitterReport report = { .kind = VPND_SPLITTER_DEPARTED, .pid = pid, .path = "", .origin = "", .uid = G_MAXUINT32 };

  vpnd_splitter_emit_report (VPND_SPLITTER (user_data), &report);
}

static int
on_errands (const char **out_mount, gpointer user_data)
{
  const VpndSplitterCgroup *self = user_data;

  *out_mount = vpnd_split_classes_get_mount (self->classes);
  return vpnd_split_classes_get_waiting_fd (self->classes);
}

/**
 * vpnd_splitter_cgroup_new:
 * @classifier_path: of the socket of vpnd-classifier
 * @wanted_path: (nullable): where the classes shall stand; NULL finds the place
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): a splitter that has touched nothing yet; NULL with a G_IO_ERROR of a socket
 */
VpndSplitter *
vpnd_splitter_cgroup_new (const char *classifier_path, const char *wanted_path, GError **error)
{
  g_autoptr (VpndSplitterCgroup) self = g_object_new (VPND_TYPE_SPLITTER_CGROUP, NULL);

  self->sockets = vpnd_split_sockets_new (error);
  if (self->sockets == NULL)
    return NULL;
  self->classes = vpnd_split_classes_new (wanted_path, on_classes_changed, self);
  self->client = vpnd_classifier_client_new (classifier_path, on_report, on_link, on_errands, self);
  self->units = vpnd_split_units_new (on_units_changed, self);
  self->hold = vpnd_split_hold_new (on_units_changed, self);
  self->departures = vpnd_departures_new (on_departed, self);
  return VPND_SPLITTER (g_steal_pointer (&self));
}

static void
vpnd_splitter_cgroup_dispose (GObject *object)
{
  VpndSplitterCgroup *self = VPND_SPLITTER_CGROUP (object);

  g_clear_handle_id (&self->apply_timeout, g_source_remove);
  g_clear_handle_id (&self->tell, g_source_remove);
  g_clear_pointer (&self->client, vpnd_classifier_client_free);
  g_clear_pointer (&self->units, vpnd_split_units_free);
  g_clear_pointer (&self->hold, vpnd_split_hold_free);
  g_clear_pointer (&self->departures, vpnd_departures_free);
  g_clear_pointer (&self->table, vpnd_split_table_free);
  g_clear_pointer (&self->classes, vpnd_split_classes_free);
  g_clear_object (&self->sockets);
  g_clear_pointer (&self->config, vpnd_split_config_unref);
  g_clear_pointer (&self->bound, g_array_unref);
  g_clear_pointer (&self->standing, vpnd_split_standing_unref);
  g_clear_error (&self->ground_error);
  G_OBJECT_CLASS (vpnd_splitter_cgroup_parent_class)->dispose (object);
}

static void
vpnd_splitter_cgroup_class_init (VpndSplitterCgroupClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_splitter_cgroup_dispose;
}

static void
vpnd_splitter_cgroup_iface_init (VpndSplitterInterface *iface)
{
  iface->prepare = vpnd_splitter_cgroup_prepare;
  iface->apply_async = vpnd_splitter_cgroup_apply_async;
  iface->dup_standing = vpnd_splitter_cgroup_dup_standing;
  iface->check = vpnd_splitter_cgroup_check;
  iface->enter = vpnd_splitter_cgroup_enter;
  iface->leave = vpnd_splitter_cgroup_leave;
  iface->look = vpnd_splitter_cgroup_look;
  iface->list = vpnd_splitter_cgroup_list;
}

static void
vpnd_splitter_cgroup_init (VpndSplitterCgroup *self)
{
  self->config = vpnd_split_config_new ();
  self->bound = vpnd_split_bound_array_new ();
  self->standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_NONE, 0);
}
