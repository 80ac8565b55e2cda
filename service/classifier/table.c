/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See table.h. A path leads elsewhere when something in one of its folders is replaced (steps.c), or when something is mounted or unmounted.
 */
#include "config.h"

#include "table.h"

#include "process.h"
#include "steps.h"
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define WAITING_NAME "vpnd-returning"
#define READS_MAX 256 /* of changes, before they are looked at: more than the kernel keeps (fs.inotify.max_queued_events); launches are answered between them */
#define PAUSE_ABOVE_US 2000
#define PAUSE_FACTOR 3

struct _VpndTable
{
  int fanotify_fd;     /* (unowned) */
  VpndGuard *guard;    /* (unowned) */
  GPtrArray *rules;    /* (element-type VpndClassifierRule) (owned) */
  GPtrArray *targets;  /* (element-type VpndTarget) (owned): one a rule, in order */
  GHashTable *by_file; /* (element-type VpndFileId GPtrArray(VpndTarget)) (owned): whose launch is held, in the order of the rules */
  VpndSteps *steps;    /* (owned): what the targets' paths lead through */
  guint steps_source;
  int mounts_fd;
  guint mounts_source;
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
  g_clear_handle_id (&table->steps_source, g_source_remove);
  g_clear_handle_id (&table->mounts_source, g_source_remove);
  if (table->mounts_fd >= 0)
    close (table->mounts_fd);
  vpnd_steps_free (table->steps);
  for (guint i = 0; i < table->n_classes; i++)
    {
      close (table->class_fds[i]);
      g_free (table->class_names[i]);
      g_free (table->places[i]);
    }
  g_hash_table_unref (table->by_file);
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

static void
free_target (gpointer data)
{
  VpndTarget *target = data;

  g_array_unref (target->way);
  g_free (target);
}

static int
open_program (const VpndClassifierRule *rule, VpndFileId *out_file, int *out_code, VpndWayFunc func, gpointer user_data)
{
  struct stat info;
  const int fd = vpnd_way_open (rule->path, rule->uid, &info, func, user_data);

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

/* A path that is being followed. */
typedef struct
{
  VpndTable *table;
  VpndTarget *target;
} Following;

static void
on_step (int folder, const char *name, gpointer user_data)
{
  const Following *it = user_data;

  vpnd_steps_take (it->table->steps, it->target->way, it->target, folder, name);
}

/* Points @target at what its path leads to now, with the mark on it before anything is told. */
static void
resolve (VpndTable *table, VpndTarget *target)
{
  Following following = { table, target };
  VpndFileId file = { 0 };
  int code;
  const int fd = open_program (target->rule, &file, &code, on_step, &following);

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
 * looked after either. */
static void
follow (VpndTable *table, VpndTarget *target)
{
  const gint64 begin_us = g_get_monotonic_time ();
  GArray *before = g_steal_pointer (&target->way);

  target->way = vpnd_steps_way_new ();
  resolve (table, target);
  vpnd_steps_forget (table->steps, before, target);
  if (target->code == ENAMETOOLONG)
    {
      vpnd_steps_forget (table->steps, target->way, target);
      target->way = vpnd_steps_way_new ();
    }
  if (target->rule->uid != VPND_CLASSIFIER_ANY_UID)
    table->users_us += g_get_monotonic_time () - begin_us;
  table->turn_func (table->func_data);
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

static gboolean on_steps_changed (gint fd, GIOCondition condition, gpointer user_data);

static gboolean
on_pause_over (gpointer user_data)
{
  VpndTable *self = user_data;

  self->steps_source = g_unix_fd_add (vpnd_steps_get_fd (self->steps), G_IO_IN, on_steps_changed, self);
  return G_SOURCE_REMOVE;
}

/* However often something on a way has changed, its rule is looked at once, and what the rules of users took is waited for three times over: whoever may write there could
 * keep us from all else. */
static gboolean
on_steps_changed (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndTable *self = user_data;
  g_autoptr (GHashTable) due = g_hash_table_new (NULL, NULL);
  gboolean has_lost = FALSE;
  GHashTableIter iter;
  gpointer target;

  self->users_us = 0;
  for (guint i = 0; i < READS_MAX && vpnd_steps_read (self->steps, due, &has_lost); i++)
    self->turn_func (self->func_data);
  if (has_lost)
    resolve_all (self);
  g_hash_table_iter_init (&iter, due);
  while (!has_lost && g_hash_table_iter_next (&iter, &target, NULL))
    follow (self, target);
  if (has_lost || g_hash_table_size (due) > 0)
    tell_guard (self);
  if (self->users_us < PAUSE_ABOVE_US)
    return G_SOURCE_CONTINUE;
  self->steps_source = g_timeout_add ((guint) (self->users_us * PAUSE_FACTOR / 1000), on_pause_over, self);
  return G_SOURCE_REMOVE;
}

static gboolean on_mounts_changed (gint fd, GIOCondition condition, gpointer user_data);

static gboolean
on_mounts_pause_over (gpointer user_data)
{
  VpndTable *self = user_data;

  self->mounts_source = g_unix_fd_add (self->mounts_fd, G_IO_PRI | G_IO_ERR, on_mounts_changed, self);
  return G_SOURCE_REMOVE;
}

/* What is mounted over a folder changes nothing in there. Users can mount, too (fusermount(1)), as often as they like. */
static gboolean
on_mounts_changed (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndTable *self = user_data;
  const gint64 begin_us = g_get_monotonic_time ();

  resolve_all (self);
  tell_guard (self);
  self->mounts_source = g_timeout_add ((guint) ((g_get_monotonic_time () - begin_us) * PAUSE_FACTOR / 1000), on_mounts_pause_over, self);
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
  table->targets = g_ptr_array_new_full (rules->len, free_target);
  table->by_file = g_hash_table_new_full (file_id_hash, file_id_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  table->steps = vpnd_steps_new ();
  table->mounts_fd = open ("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
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
      target->way = vpnd_steps_way_new ();
      g_ptr_array_add (table->targets, target);
    }
  if (vpnd_steps_get_fd (table->steps) >= 0)
    (void) on_pause_over (table);
  if (table->mounts_fd >= 0)
    (void) on_mounts_pause_over (table);
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
      fd = open_program (target->rule, &file, &code, NULL, NULL);
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
