/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See table.h. Files that are replaced are noticed by inotify(7) on the folders that their paths lead through.
 */
#include "config.h"

#include "table.h"

#include "process.h"
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define WAITING_NAME "vpnd-returning"
#define LINKS_MAX 16  /* half of what the kernel follows (MAXSYMLINKS is 40): a program behind more is a loop or a joke */
#define READS_MAX 256 /* of changes, before they are looked at: more than the kernel keeps (fs.inotify.max_queued_events); launches are answered between them */
#define PAUSE_ABOVE_US 2000
#define PAUSE_FACTOR 3
#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR)

struct _VpndTable
{
  int fanotify_fd;     /* (unowned) */
  VpndGuard *guard;    /* (unowned) */
  GPtrArray *rules;    /* (element-type VpndClassifierRule) (owned) */
  GPtrArray *targets;  /* (element-type VpndTarget) (owned): one a rule, in order */
  GHashTable *by_file; /* (element-type VpndFileId GPtrArray(VpndTarget)) (owned): whose launch is held, in the order of the rules */
  GHashTable *folders; /* (element-type gint GPtrArray) (owned): inotify's number -> targets whose path leads through */
  int inotify_fd;
  guint inotify_source;
  gint64 users_us; /* what the last look at folders spent on rules of users' own */
  int class_fds[VPND_CLASSIFIER_MAX_CLASSES];
  guint64 class_ids[VPND_CLASSIFIER_MAX_CLASSES]; /* numbers of the cgroups, 0 where they are not known */
  char *class_names[VPND_CLASSIFIER_MAX_CLASSES]; /* (owned) (nullable): of the folders of the cgroups */
  char *places[VPND_CLASSIFIER_MAX_CLASSES];      /* (owned) (nullable): of the classes, as /proc/PID/cgroup has them, once known */
  guint n_classes;
  gboolean is_unified; /* the classes are cgroups of cgroup2 */
  gboolean is_in_force;
  VpndTableFunc func;
  VpndTableTurnFunc turn_func;
  gpointer func_data;
};

static guint
file_id_hash (gconstpointer key)
{
  const VpndFileId *id = key;

  return (guint) id->inode ^ (guint) (id->inode >> 32) ^ ((guint) id->device << 16);
}

static gboolean
file_id_equal (gconstpointer a, gconstpointer b)
{
  const VpndFileId *x = a, *y = b;

  return x->device == y->device && x->inode == y->inode;
}

/**
 * vpnd_table_free:
 * @table: (transfer full): a table; its marks stay
 */
void
vpnd_table_free (VpndTable *table)
{
  g_clear_handle_id (&table->inotify_source, g_source_remove);
  if (table->inotify_fd >= 0)
    close (table->inotify_fd);
  for (guint i = 0; i < table->n_classes; i++)
    {
      close (table->class_fds[i]);
      g_free (table->class_names[i]);
      g_free (table->places[i]);
    }
  g_hash_table_unref (table->by_file);
  g_hash_table_unref (table->folders);
  g_ptr_array_unref (table->targets);
  g_ptr_array_unref (table->rules);
  g_free (table);
}

static int
mark (const VpndTable *self, guint how, int path_fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", path_fd);

  return fanotify_mark (self->fanotify_fd, how, FAN_OPEN_EXEC_PERM, AT_FDCWD, path) < 0 ? errno : 0;
}

/* Watches @folder, or the nearest one above it that exists, for @target. Returns: whether that is new */
static gboolean
watch_folder (VpndTable *table, const char *folder, VpndTarget *target)
{
  g_autofree char *place = g_strdup (folder);
  int number;
  GPtrArray *targets;

  while ((number = inotify_add_watch (table->inotify_fd, place, FOLDER_EVENTS)) < 0 && strcmp (place, "/") != 0)
    {
      g_autofree char *below = g_steal_pointer (&place);

      place = g_path_get_dirname (below);
    }
  if (number < 0)
    return FALSE;

  targets = g_hash_table_lookup (table->folders, GINT_TO_POINTER (number));
  if (targets == NULL)
    {
      targets = g_ptr_array_new ();
      g_hash_table_insert (table->folders, GINT_TO_POINTER (number), targets);
    }
  if (targets->len > 0 && (g_ptr_array_index (targets, targets->len - 1) == target || g_ptr_array_find (targets, target, NULL)))
    return FALSE;
  g_ptr_array_add (targets, target);
  return TRUE;
}

/* Whether we may look there without waiting for a user (vpnd_way_open()). */
static gboolean
is_followed (const VpndClassifierRule *rule, const char *path)
{
  struct stat info;
  const int fd = vpnd_way_open (path, rule->uid, &info);

  if (fd >= 0)
    close (fd);
  return fd != -EREMOTE;
}

/* Follows the path link by link, so that a change of any of them is noticed (/usr/bin/x -> /etc/alternatives/x -> ...). Returns: whether some folder
 * was not watched before */
static gboolean
watch_way (VpndTable *table, VpndTarget *target)
{
  g_autofree char *path = g_strdup (target->rule->path);
  gboolean is_new = FALSE;

  for (guint i = 0; i < LINKS_MAX && vpnd_way_is_short (path); i++)
    {
      g_autofree char *folder = g_path_get_dirname (path);
      g_autofree char *link = is_followed (target->rule, path) ? g_file_read_link (path, NULL) : NULL;

      if (!is_followed (target->rule, folder))
        return is_new;
      is_new = watch_folder (table, folder, target) || is_new;
      if (link == NULL)
        return is_new;
      g_free (path);
      path = g_path_is_absolute (link) ? g_steal_pointer (&link) : g_build_filename (folder, link, NULL);
    }
  return is_new;
}

static int
open_program (const VpndClassifierRule *rule, VpndFileId *out_file, int *out_code)
{
  struct stat info;
  const int fd = vpnd_way_open (rule->path, rule->uid, &info);

  *out_code = fd < 0 ? -fd : 0;
  if (*out_code == 0 && S_ISDIR (info.st_mode))
    *out_code = EISDIR;
  else if (*out_code == 0 && (!S_ISREG (info.st_mode) || (info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0))
    *out_code = EACCES; /* what execve(2) says of both */
  if (*out_code == 0)
    *out_file = (VpndFileId){ info.st_dev, info.st_ino };
  return fd;
}

static gint
compare_targets (gconstpointer a, gconstpointer b)
{
  const VpndTarget *x = *(const VpndTarget *const *) a, *y = *(const VpndTarget *const *) b;

  return x->index < y->index ? -1 : x->index > y->index;
}

static void
add_target (VpndTable *table, VpndTarget *target)
{
  GPtrArray *targets = g_hash_table_lookup (table->by_file, &target->file);

  if (targets == NULL)
    {
      targets = g_ptr_array_new ();
      g_hash_table_insert (table->by_file, g_memdup2 (&target->file, sizeof target->file), targets);
    }
  g_ptr_array_add (targets, target);
  if (targets->len > 1 && ((const VpndTarget *) g_ptr_array_index (targets, targets->len - 2))->index > target->index)
    g_ptr_array_sort (targets, compare_targets);
}

static void
drop_target (VpndTable *table, VpndTarget *target)
{
  GPtrArray *targets = g_hash_table_lookup (table->by_file, &target->file);

  if (targets != NULL && g_ptr_array_remove (targets, target) && targets->len == 0)
    g_hash_table_remove (table->by_file, &target->file);
}

/* Points @target at what its path leads to now, with the mark on it before anything is told. */
static void
resolve (VpndTable *table, VpndTarget *target)
{
  VpndFileId file = { 0 };
  int code;
  const int fd = open_program (target->rule, &file, &code);

  if (code == 0)
    code = mark (table, FAN_MARK_ADD, fd);
  if (fd >= 0)
    close (fd);

  /* The old inode keeps its mark: processes may still launch it by a link or a descriptor, and it is not in the table any more. */
  if (target->code == 0 && (code != 0 || !file_id_equal (&target->file, &file)))
    drop_target (table, target);
  if (code == 0 && (target->code != 0 || !file_id_equal (&target->file, &file)))
    {
      target->file = file;
      add_target (table, target);
    }
  if (table->is_in_force && code != target->code)
    table->func (target->rule, code, table->func_data);
  target->code = code;
}

/* Launches wait for no more than one way: there may be thousands, and users can have theirs looked at as often as they like. What is not followed to its end is not
 * looked after either. What changes before its folder is watched is seen by another look. */
static void
follow (VpndTable *table, VpndTarget *target)
{
  const gint64 begin_us = g_get_monotonic_time ();

  resolve (table, target);
  if (target->code != ENAMETOOLONG && watch_way (table, target))
    resolve (table, target);
  if (target->rule->uid != VPND_CLASSIFIER_ANY_UID)
    table->users_us += g_get_monotonic_time () - begin_us;
  table->turn_func (table->func_data);
}

static void
resolve_folder (VpndTable *table, int number)
{
  g_autoptr (GPtrArray) targets = NULL;
  GPtrArray *present = g_hash_table_lookup (table->folders, GINT_TO_POINTER (number));

  if (present == NULL)
    return;
  targets = g_ptr_array_copy (present, NULL, NULL); /* following the new way may add to it */
  for (guint i = 0; i < targets->len; i++)
    {
      follow (table, g_ptr_array_index (targets, i));
    }
}

static void
resolve_all (VpndTable *table)
{
  for (guint i = 0; i < table->targets->len; i++)
    {
      follow (table, g_ptr_array_index (table->targets, i));
    }
}

static void
tell_guard (const VpndTable *self)
{
  g_autoptr (GArray) strict = g_array_new (FALSE, FALSE, sizeof (VpndGuardStrict));

  for (guint i = 0; i < self->targets->len; i++)
    {
      const VpndTarget *target = g_ptr_array_index (self->targets, i);
      const VpndGuardStrict it = { target->file.device, target->file.inode, target->rule->uid };

      if (target->code == 0 && target->rule->is_strict)
        g_array_append_val (strict, it);
    }
  vpnd_guard_set_strict (self->guard, (const VpndGuardStrict *) strict->data, strict->len);
}

/* Notes the folders that have changed. Returns: FALSE when there was nothing to read; @changed: number -> whether it means nothing any more */
static gboolean
read_changes (VpndTable *self, GHashTable *changed, gboolean *out_has_lost)
{
  char buffer[8192] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  const ssize_t n = read (self->inotify_fd, buffer, sizeof buffer);

  for (ssize_t at = 0; at < n;)
    {
      const struct inotify_event *event = (const struct inotify_event *) (buffer + at);
      gpointer key = GINT_TO_POINTER (event->wd);

      if (event->mask & IN_Q_OVERFLOW)
        *out_has_lost = TRUE;
      else
        g_hash_table_insert (changed, key, GINT_TO_POINTER ((event->mask & IN_IGNORED) != 0 || GPOINTER_TO_INT (g_hash_table_lookup (changed, key)) != 0));
      at += (ssize_t) sizeof *event + event->len;
    }
  return n > 0;
}

static gboolean on_folder_changed (gint fd, GIOCondition condition, gpointer user_data);

static gboolean
on_pause_over (gpointer user_data)
{
  VpndTable *self = user_data;

  self->inotify_source = g_unix_fd_add (self->inotify_fd, G_IO_IN, on_folder_changed, self);
  return G_SOURCE_REMOVE;
}

/* However often a folder has changed, its rules are looked at once, and what the rules of users took is waited for three times over: whoever may write there could keep
 * us from all else. */
static gboolean
on_folder_changed (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndTable *self = user_data;
  g_autoptr (GHashTable) changed = g_hash_table_new (NULL, NULL);
  gboolean has_lost = FALSE;
  GHashTableIter iter;
  gpointer number, is_over;

  self->users_us = 0;
  for (guint i = 0; i < READS_MAX && read_changes (self, changed, &has_lost); i++)
    self->turn_func (self->func_data);
  if (has_lost)
    resolve_all (self);
  g_hash_table_iter_init (&iter, changed);
  while (g_hash_table_iter_next (&iter, &number, &is_over))
    {
      if (!has_lost)
        resolve_folder (self, GPOINTER_TO_INT (number));
      if (GPOINTER_TO_INT (is_over))
        g_hash_table_remove (self->folders, number);
    }
  tell_guard (self);
  if (self->users_us < PAUSE_ABOVE_US)
    return G_SOURCE_CONTINUE;
  self->inotify_source = g_timeout_add ((guint) (self->users_us * PAUSE_FACTOR / 1000), on_pause_over, self);
  return G_SOURCE_REMOVE;
}

static gboolean
is_in_cgroup2 (int fd)
{
  struct statfs info;

  return fstatfs (fd, &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

/* What is known of the cgroup whose cgroup.procs that is: its name, and in cgroup2 its number, which is that of its folder's inode. */
static void
learn_class (VpndTable *table, guint index)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", table->class_fds[index]);
  g_autofree char *path = g_file_read_link (link, NULL);
  g_autofree char *folder = path != NULL ? g_path_get_dirname (path) : NULL;
  struct stat procs, class, again;

  table->class_names[index] = folder != NULL ? g_path_get_basename (folder) : NULL;
  if (!table->is_unified || folder == NULL || fstat (table->class_fds[index], &procs) < 0 || stat (path, &again) < 0 || stat (folder, &class) < 0)
    return;
  if (again.st_ino == procs.st_ino && again.st_dev == procs.st_dev && class.st_dev == procs.st_dev)
    table->class_ids[index] = class.st_ino;
}

/**
 * vpnd_table_new:
 * @fanotify_fd: the group that gets the marks; must stay open
 * @guard: its guard; must stay
 * @rules: (transfer none) (element-type VpndClassifierRule): the whole table
 * @class_fds: cgroup.procs of each class, open for writing; copies are kept
 * @n_classes: how many, at most VPND_CLASSIFIER_MAX_CLASSES
 * @func: (scope notified): called when launches of a rule's program come to be seen or are not seen any more, once the table is in force
 * @turn_func: (scope notified): called again and again while the ways of rules are followed, now and later; answers the launches that wait
 * @user_data: passed to both
 *
 * Returns: (transfer full): the table, with marks on all that can be seen; not in force yet
 */
VpndTable *
vpnd_table_new (int fanotify_fd, VpndGuard *guard, GPtrArray *rules, const int *class_fds, guint n_classes, VpndTableFunc func, VpndTableTurnFunc turn_func, gpointer user_data)
{
  VpndTable *table = g_new0 (VpndTable, 1);

  table->fanotify_fd = fanotify_fd;
  table->guard = guard;
  table->func = func;
  table->turn_func = turn_func;
  table->func_data = user_data;
  table->rules = g_ptr_array_ref (rules);
  table->targets = g_ptr_array_new_full (rules->len, g_free);
  table->by_file = g_hash_table_new_full (file_id_hash, file_id_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  table->folders = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
  table->inotify_fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  table->n_classes = n_classes;
  for (guint i = 0; i < n_classes; i++)
    table->class_fds[i] = fcntl (class_fds[i], F_DUPFD_CLOEXEC, 0);
  table->is_unified = n_classes > 0 && is_in_cgroup2 (class_fds[0]);
  for (guint i = 0; i < n_classes; i++)
    learn_class (table, i);
  for (guint i = 0; i < rules->len; i++)
    {
      VpndTarget *target = g_new0 (VpndTarget, 1);

      target->rule = g_ptr_array_index (rules, i);
      target->index = i;
      target->code = ENOENT;
      g_ptr_array_add (table->targets, target);
    }
  if (table->inotify_fd >= 0)
    table->inotify_source = g_unix_fd_add (table->inotify_fd, G_IO_IN, on_folder_changed, table);
  resolve_all (table);
  return table;
}

/* Marks that no rule needs any more would only cost time. An inode that is gone lost its mark with it. */
static void
remove_marks (const VpndTable *old, const VpndTable *table)
{
  for (guint i = 0; i < old->targets->len; i++)
    {
      const VpndTarget *target = g_ptr_array_index (old->targets, i);
      VpndFileId file;
      int code, fd;

      old->turn_func (old->func_data);
      if (target->code != 0 || g_hash_table_contains (table->by_file, &target->file))
        continue;
      fd = open_program (target->rule, &file, &code);
      if (code == 0)
        (void) mark (old, FAN_MARK_REMOVE, fd);
      if (fd >= 0)
        close (fd);
    }
}

/**
 * vpnd_table_enter_force:
 * @self: a new table
 * @old: (transfer full) (nullable): which it replaces
 *
 * Says of each rule whose program cannot be watched why.
 */
void
vpnd_table_enter_force (VpndTable *self, VpndTable *old)
{
  self->is_in_force = TRUE;
  tell_guard (self);
  if (old != NULL)
    {
      remove_marks (old, self);
      vpnd_table_free (old);
    }
  for (guint i = 0; i < self->targets->len; i++)
    {
      const VpndTarget *target = g_ptr_array_index (self->targets, i);

      if (target->code != 0)
        self->func (target->rule, target->code, self->func_data);
    }
}

/**
 * vpnd_table_lookup:
 * @self: a table
 * @file: what is launched
 *
 * Returns: (nullable) (element-type VpndTarget): the rules for it, in order
 */
const GPtrArray *
vpnd_table_lookup (const VpndTable *self, const VpndFileId *file)
{
  return g_hash_table_lookup (self->by_file, file);
}

/**
 * vpnd_table_get_class_fd:
 * @self: a table
 * @index: of a class
 *
 * Returns: its cgroup.procs
 */
int
vpnd_table_get_class_fd (const VpndTable *self, guint index)
{
  return self->class_fds[index];
}

/**
 * vpnd_table_get_class_id:
 * @self: a table
 * @index: of a class
 *
 * Returns: the number of its cgroup, as vpnd_process_get_cgroup_id() has it; 0 when it is not known
 */
guint64
vpnd_table_get_class_id (const VpndTable *self, guint index)
{
  return self->class_ids[index];
}

/**
 * vpnd_table_get_class_name:
 * @self: a table
 * @index: of a class
 *
 * Returns: (transfer none) (nullable): the last step of where its cgroup stands; NULL when that is not known
 */
const char *
vpnd_table_get_class_name (const VpndTable *self, guint index)
{
  return self->class_names[index];
}

/**
 * vpnd_table_is_class:
 * @self: a table
 * @index: of a class
 * @place: of a process, as /proc/PID/cgroup has it
 *
 * Returns: whether that is the class, by its name; also when the name is not known
 */
gboolean
vpnd_table_is_class (const VpndTable *self, guint index, const char *place)
{
  const char *name = strrchr (place, '/');

  return self->class_names[index] == NULL || (name != NULL && strcmp (name + 1, self->class_names[index]) == 0);
}

/**
 * vpnd_table_is_ours:
 * @self: a table
 * @place: of a process, as /proc/PID/cgroup has it
 *
 * Returns: whether it stands in a class, or where vpnd lets those wait that return: nobody else has put it there
 */
gboolean
vpnd_table_is_ours (const VpndTable *self, const char *place)
{
  gboolean is_ours = g_str_has_suffix (place, "/" WAITING_NAME);

  for (guint i = 0; i < self->n_classes; i++)
    is_ours = is_ours || vpnd_table_is_class (self, i, place);
  return is_ours;
}

/**
 * vpnd_table_is_unified:
 * @self: a table
 *
 * Returns: whether the classes are cgroups of cgroup2; else of net_cls
 */
gboolean
vpnd_table_is_unified (const VpndTable *self)
{
  return self->is_unified;
}

/**
 * vpnd_table_is_elsewhere:
 * @self: a table
 * @index: of a class
 * @process: of vpnd_process_open(): one that was moved into it just now
 * @origin: where it stood before
 *
 * Returns: whether that was not the class itself. Where the class stands, the first who was moved says for all
 */
gboolean
vpnd_table_is_elsewhere (VpndTable *self, guint index, int process, const char *origin)
{
  char now[PATH_MAX];

  if (self->places[index] == NULL && vpnd_process_get_cgroup (process, self->is_unified, now, sizeof now))
    self->places[index] = g_strdup (now);
  return self->places[index] != NULL && strcmp (self->places[index], origin) != 0;
}
