/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See watch.h. The kernel asks (FAN_OPEN_EXEC_PERM, fanotify(7)) at the open of a marked inode for execution, of the process that is going to
 * run it, and holds it until it is answered: what the process does first, it does in its cgroup. Only marked inodes ask, so other launches
 * cost nothing. Files that are replaced are noticed by inotify(7) on the folders that their paths lead through.
 */
#include "config.h"

#include "watch.h"

#include "error.h"
#include "errands.h"
#include "guard.h"
#include "mounts.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LINKS_MAX 16          /* half of what the kernel follows (MAXSYMLINKS is 40): a program behind more is a loop or a joke */
#define ORIGIN_MAX_BYTES 4096 /* PATH_MAX: a longer place could not be opened again */
#define EVENTS_PER_TURN 64    /* then the rest of the loop has its turn */
#define PROCESSES_PER_TURN 32 /* of a walk over those that run already: 1 ms at most, while execs wait */
#define ROOM_MS 2             /* until the reader is looked at again that did not keep up */
#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR)

typedef struct
{
  dev_t device;
  ino_t inode;
} FileId;

/**
 * Target:
 * @rule: (unowned): its rule, of the table in force
 * @index: of its rule
 * @file: where the path leads, while @code is 0
 * @code: why launches are not seen (errno), 0 when they are
 */
typedef struct
{
  const VpndClassifierRule *rule;
  guint index;
  FileId file;
  int code;
} Target;

/* One table and all that serves it. */
typedef struct
{
  GPtrArray *rules;    /* (element-type VpndClassifierRule) (owned) */
  GPtrArray *targets;  /* (element-type Target) (owned): one a rule, in order */
  GHashTable *by_file; /* (element-type FileId GPtrArray(Target)) (owned): whose launch is held, in the order of the rules */
  GHashTable *folders; /* (element-type gint GPtrArray) (owned): inotify's number -> targets whose path leads through */
  int inotify_fd;
  guint inotify_source;
  int class_fds[VPND_CLASSIFIER_MAX_CLASSES];
  char *places[VPND_CLASSIFIER_MAX_CLASSES]; /* (owned) (nullable): of the classes, as /proc/PID/cgroup has them, once known */
  guint n_classes;
  gboolean is_unified; /* the classes are cgroups of cgroup2 */
  gboolean is_in_force;
} Table;

struct _VpndWatch
{
  GObject parent_instance;

  int fanotify_fd;
  guint fanotify_source;
  guint let_go_source;
  VpndGuard *guard;   /* (unowned): lives as long as we */
  VpndMounts *mounts; /* (owned) */
  Table *table;       /* (owned) (nullable) */
  GArray *walk;       /* (element-type pid_t) (owned) (nullable): who ran already when the table came */
  guint walk_source;
  VpndWatchReportFunc func;
  VpndWatchRoomFunc room_func;
  gpointer func_data;
};

G_DEFINE_FINAL_TYPE (VpndWatch, vpnd_watch, G_TYPE_OBJECT)

static guint
file_id_hash (gconstpointer key)
{
  const FileId *id = key;

  return (guint) id->inode ^ (guint) (id->inode >> 32) ^ ((guint) id->device << 16);
}

static gboolean
file_id_equal (gconstpointer a, gconstpointer b)
{
  const FileId *x = a, *y = b;

  return x->device == y->device && x->inode == y->inode;
}

static void
report_process (VpndWatch *self, VpndClassifierReportKind kind, const VpndClassifierRule *rule, pid_t pid, guint64 start_time, int code, const char *origin)
{
  const VpndClassifierReport it = { kind, rule->class_index, pid, start_time, rule->path, code, rule->uid, (char *) origin, NULL };

  self->func (&it, self->func_data);
}

static void
report_rule (VpndWatch *self, VpndClassifierReportKind kind, const VpndClassifierRule *rule, int code)
{
  report_process (self, kind, rule, 0, 0, code, NULL);
}

static void
report (VpndWatch *self, VpndClassifierReportKind kind)
{
  const VpndClassifierReport it = { .kind = kind };

  self->func (&it, self->func_data);
}

/* --- the table --- */

static void
table_free (Table *table)
{
  g_clear_handle_id (&table->inotify_source, g_source_remove);
  if (table->inotify_fd >= 0)
    close (table->inotify_fd);
  for (guint i = 0; i < table->n_classes; i++)
    {
      close (table->class_fds[i]);
      g_free (table->places[i]);
    }
  g_hash_table_unref (table->by_file);
  g_hash_table_unref (table->folders);
  g_ptr_array_unref (table->targets);
  g_ptr_array_unref (table->rules);
  g_free (table);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Table, table_free)

static int
mark (VpndWatch *self, guint how, int path_fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", path_fd);

  return fanotify_mark (self->fanotify_fd, how, FAN_OPEN_EXEC_PERM, AT_FDCWD, path) < 0 ? errno : 0;
}

/* Watches @folder, or the nearest one above it that exists, for @target. */
static void
watch_folder (Table *table, const char *folder, Target *target)
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
    return;

  targets = g_hash_table_lookup (table->folders, GINT_TO_POINTER (number));
  if (targets == NULL)
    {
      targets = g_ptr_array_new ();
      g_hash_table_insert (table->folders, GINT_TO_POINTER (number), targets);
    }
  if (targets->len == 0 || (g_ptr_array_index (targets, targets->len - 1) != target && !g_ptr_array_find (targets, target, NULL)))
    g_ptr_array_add (targets, target);
}

/* Follows the path link by link, so that a change of any of them is noticed (/usr/bin/x -> /etc/alternatives/x -> ...). */
static void
watch_way (Table *table, Target *target)
{
  g_autofree char *path = g_strdup (target->rule->path);

  for (guint i = 0; i < LINKS_MAX; i++)
    {
      g_autofree char *folder = g_path_get_dirname (path);
      g_autofree char *link = g_file_read_link (path, NULL);

      watch_folder (table, folder, target);
      if (link == NULL)
        return;
      g_free (path);
      path = g_path_is_absolute (link) ? g_steal_pointer (&link) : g_build_filename (folder, link, NULL);
    }
}

static int
open_program (const char *path, FileId *out_file, int *out_code)
{
  int fd = open (path, O_PATH | O_CLOEXEC);
  struct stat info;

  *out_code = fd < 0 || fstat (fd, &info) < 0 ? errno : 0;
  if (*out_code == 0 && S_ISDIR (info.st_mode))
    *out_code = EISDIR;
  else if (*out_code == 0 && (!S_ISREG (info.st_mode) || (info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0))
    *out_code = EACCES; /* what execve(2) says of both */
  if (*out_code == 0)
    *out_file = (FileId){ info.st_dev, info.st_ino };
  return fd;
}

static gint
compare_targets (gconstpointer a, gconstpointer b)
{
  const Target *x = *(const Target *const *) a, *y = *(const Target *const *) b;

  return x->index < y->index ? -1 : x->index > y->index;
}

static void
add_target (Table *table, Target *target)
{
  GPtrArray *targets = g_hash_table_lookup (table->by_file, &target->file);

  if (targets == NULL)
    {
      targets = g_ptr_array_new ();
      g_hash_table_insert (table->by_file, g_memdup2 (&target->file, sizeof target->file), targets);
    }
  g_ptr_array_add (targets, target);
  g_ptr_array_sort (targets, compare_targets);
}

static void
drop_target (Table *table, Target *target)
{
  GPtrArray *targets = g_hash_table_lookup (table->by_file, &target->file);

  if (targets != NULL && g_ptr_array_remove (targets, target) && targets->len == 0)
    g_hash_table_remove (table->by_file, &target->file);
}

/* Points @target at what its path leads to now, with the mark on it before anything is told. */
static void
resolve (VpndWatch *self, Table *table, Target *target)
{
  FileId file = { 0 };
  int code;
  const int fd = open_program (target->rule->path, &file, &code);

  if (code == 0)
    code = mark (self, FAN_MARK_ADD, fd);
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
  if (table->is_in_force && (code == 0) != (target->code == 0))
    report_rule (self, code == 0 ? VPND_CLASSIFIER_WATCHED : VPND_CLASSIFIER_UNWATCHED, target->rule, code);
  target->code = code;
}

static void
resolve_folder (VpndWatch *self, Table *table, int number)
{
  g_autoptr (GPtrArray) targets = NULL;
  GPtrArray *present = g_hash_table_lookup (table->folders, GINT_TO_POINTER (number));

  if (present == NULL)
    return;
  targets = g_ptr_array_copy (present, NULL, NULL); /* following the new way may add to it */
  for (guint i = 0; i < targets->len; i++)
    {
      watch_way (table, g_ptr_array_index (targets, i));
      resolve (self, table, g_ptr_array_index (targets, i));
    }
}

static void
resolve_all (VpndWatch *self, Table *table)
{
  for (guint i = 0; i < table->targets->len; i++)
    {
      watch_way (table, g_ptr_array_index (table->targets, i));
      resolve (self, table, g_ptr_array_index (table->targets, i));
    }
}

static gboolean
on_folder_changed (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndWatch *self = user_data;
  char buffer[8192] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  ssize_t n = read (fd, buffer, sizeof buffer);

  for (ssize_t at = 0; at < n;)
    {
      const struct inotify_event *event = (const struct inotify_event *) (buffer + at);

      if (event->mask & IN_Q_OVERFLOW)
        resolve_all (self, self->table);
      else
        resolve_folder (self, self->table, event->wd);
      if (event->mask & IN_IGNORED)
        g_hash_table_remove (self->table->folders, GINT_TO_POINTER (event->wd));
      at += (ssize_t) sizeof *event + event->len;
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
is_in_cgroup2 (int fd)
{
  struct statfs info;

  return fstatfs (fd, &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

static Table *
table_new (VpndWatch *self, GPtrArray *rules, const int *class_fds, guint n_classes)
{
  Table *table = g_new0 (Table, 1);

  table->rules = g_ptr_array_ref (rules);
  table->targets = g_ptr_array_new_full (rules->len, g_free);
  table->by_file = g_hash_table_new_full (file_id_hash, file_id_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  table->folders = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
  table->inotify_fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  table->n_classes = n_classes;
  for (guint i = 0; i < n_classes; i++)
    table->class_fds[i] = fcntl (class_fds[i], F_DUPFD_CLOEXEC, 0);
  table->is_unified = n_classes > 0 && is_in_cgroup2 (class_fds[0]);
  for (guint i = 0; i < rules->len; i++)
    {
      Target *target = g_new0 (Target, 1);

      target->rule = g_ptr_array_index (rules, i);
      target->index = i;
      target->code = ENOENT;
      g_ptr_array_add (table->targets, target);
    }
  if (table->inotify_fd >= 0)
    table->inotify_source = g_unix_fd_add (table->inotify_fd, G_IO_IN, on_folder_changed, self);
  return table;
}

/* Marks that no rule needs any more would only cost time. An inode that is gone lost its mark with it. */
static void
remove_marks (VpndWatch *self, const Table *old, const Table *table)
{
  for (guint i = 0; i < old->targets->len; i++)
    {
      const Target *target = g_ptr_array_index (old->targets, i);
      FileId file;
      int code, fd;

      if (target->code != 0 || (table != NULL && g_hash_table_contains (table->by_file, &target->file)))
        continue;
      fd = open_program (target->rule->path, &file, &code);
      if (code == 0)
        (void) mark (self, FAN_MARK_REMOVE, fd);
      if (fd >= 0)
        close (fd);
    }
}

/* --- launches --- */

/* What is asked about: a file as a process sees it. */
typedef struct
{
  FileId id;
  guint64 mount_id; /* 0 when the kernel does not tell */
} Program;

static gboolean
look_at (int fd, Program *out_program)
{
  struct statx info;

  if (fd < 0 || statx (fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &info) < 0)
    return FALSE;
  *out_program = (Program){ { makedev (info.stx_dev_major, info.stx_dev_minor), info.stx_ino }, info.stx_mask & STATX_MNT_ID ? info.stx_mnt_id : 0 };
  return TRUE;
}

/* Returns: (nullable): the first rule for @program that holds for the process */
static const Target *
find_target (VpndWatch *self, const Program *program, pid_t pid)
{
  const GPtrArray *targets = self->table != NULL ? g_hash_table_lookup (self->table->by_file, &program->id) : NULL;
  guint32 uid = VPND_CLASSIFIER_ANY_UID; /* of the process, once it is asked for */
  gboolean is_known = FALSE;

  for (guint i = 0; targets != NULL && i < targets->len; i++)
    {
      const Target *target = g_ptr_array_index (targets, i);

      if (target->rule->uid != VPND_CLASSIFIER_ANY_UID && !is_known)
        is_known = vpnd_process_read_uid (pid, &uid);
      if (target->rule->uid != VPND_CLASSIFIER_ANY_UID && target->rule->uid != uid)
        continue;
      if (target->rule->any_mount_namespace || vpnd_mounts_has (self->mounts, program->mount_id))
        return target;
    }
  return NULL;
}

/* It went on before it stood in its class, so what it did first went the way of others: that is told, and what it may have opened is ended. */
static void
report_late (VpndWatch *self, const Target *target, int process, pid_t pid, guint64 start_time, int code, const char *origin)
{
  report_process (self, VPND_CLASSIFIER_FAILED, target->rule, pid, start_time, ETIMEDOUT, origin);
  if (code != 0 || start_time == 0)
    return;
  report_process (self, VPND_CLASSIFIER_FOUND, target->rule, pid, start_time, 0, origin);
  vpnd_errands_tell_sockets (self->func, self->func_data, process, pid, start_time);
}

/* Between the move and the answer there is nothing that can be done later. */
static void
judge (VpndWatch *self, const struct fanotify_event_metadata *event)
{
  const Target *target = NULL;
  struct fanotify_response response = { .fd = event->fd, .response = FAN_ALLOW };
  char origin[ORIGIN_MAX_BYTES] = "";
  Program program;
  guint64 start_time;
  int code = ESRCH, process = -1;
  ssize_t n;

  if (self->table != NULL && look_at (event->fd, &program))
    target = find_target (self, &program, event->pid);
  if (target != NULL && event->pid > 0)
    {
      process = vpnd_process_open (event->pid); /* while it waits: the number is its own */
      (void) vpnd_process_get_cgroup (process, self->table->is_unified, origin, sizeof origin);
      code = vpnd_process_move (event->pid, self->table->class_fds[target->rule->class_index]);
    }
  while ((n = write (self->fanotify_fd, &response, sizeof response)) < 0 && errno == EINTR)
    ;
  if (target == NULL)
    return;
  start_time = vpnd_process_get_start_time (process);
  if (n < 0 && errno == ENOENT) /* the guard was first */
    report_late (self, target, process, event->pid, start_time, code, origin);
  else
    report_process (self, code == 0 ? VPND_CLASSIFIER_ARRIVED : VPND_CLASSIFIER_FAILED, target->rule, event->pid, start_time, code, origin);
  if (process >= 0)
    close (process);
}

static gboolean
on_launch (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndWatch *self = user_data;
  struct fanotify_event_metadata event;
  ssize_t n = sizeof event;

  for (guint i = 0; i < EVENTS_PER_TURN && n == (ssize_t) sizeof event; i++)
    {
      vpnd_guard_begin (self->guard);
      n = read (fd, &event, sizeof event); /* the size of one: each is answered before the next is taken */
      if (n == (ssize_t) sizeof event && event.fd >= 0)
        judge (self, &event);
      vpnd_guard_end (self->guard);
      if (n == (ssize_t) sizeof event && event.fd >= 0)
        close (event.fd);
      else if (n == (ssize_t) sizeof event && (event.mask & FAN_Q_OVERFLOW))
        report (self, VPND_CLASSIFIER_OVERFLOW);
    }
  return G_SOURCE_CONTINUE;
}

/* --- who runs already --- */

/* Whether @process, which was moved into class @index, comes from elsewhere. Where the class stands, the first who was moved says for all. */
static gboolean
is_new_there (Table *table, guint index, int process, const char *origin)
{
  char now[ORIGIN_MAX_BYTES];

  if (table->places[index] == NULL && vpnd_process_get_cgroup (process, table->is_unified, now, sizeof now))
    table->places[index] = g_strdup (now);
  return table->places[index] != NULL && strcmp (table->places[index], origin) != 0;
}

/* As at a launch, but for nobody holding the process: what ends or becomes another program in between is told apart by its folder in /proc. */
static void
put_running (VpndWatch *self, const Target *target, int process, pid_t pid)
{
  const guint index = target->rule->class_index;
  char origin[ORIGIN_MAX_BYTES];
  guint64 start_time;
  int code;

  (void) vpnd_process_get_cgroup (process, self->table->is_unified, origin, sizeof origin);
  start_time = vpnd_process_get_start_time (process);
  code = start_time != 0 ? vpnd_process_move (pid, self->table->class_fds[index]) : ESRCH;
  if (code == ESRCH)
    return;
  report_process (self, code == 0 ? VPND_CLASSIFIER_FOUND : VPND_CLASSIFIER_FAILED, target->rule, pid, start_time, code, origin);
  /* Who stood there before has opened everything there. */
  if (code == 0 && is_new_there (self->table, index, process, origin))
    vpnd_errands_tell_sockets (self->func, self->func_data, process, pid, start_time);
}

static void
judge_running (VpndWatch *self, pid_t pid)
{
  const int process = vpnd_process_open (pid);
  const int fd = process >= 0 ? openat (process, "exe", O_PATH | O_CLOEXEC) : -1;
  const Target *target = NULL;
  Program program;

  if (look_at (fd, &program))
    target = find_target (self, &program, pid);
  if (fd >= 0)
    close (fd);
  if (target != NULL)
    put_running (self, target, process, pid);
  if (process >= 0)
    close (process);
}

/* --- whom the guard let go --- */

static void
judge_late (VpndWatch *self, const VpndGuardLetGo *it)
{
  const Program program = { { it->device, it->inode }, it->mount_id };
  const Target *target = find_target (self, &program, it->pid);
  const int process = target != NULL ? vpnd_process_open (it->pid) : -1;
  const gboolean is_there = it->start_time != 0 && vpnd_process_get_start_time (process) == it->start_time;
  char origin[ORIGIN_MAX_BYTES] = "";
  int code = ESRCH;

  if (is_there)
    {
      (void) vpnd_process_get_cgroup (process, self->table->is_unified, origin, sizeof origin);
      code = vpnd_process_move (it->pid, self->table->class_fds[target->rule->class_index]);
    }
  if (target != NULL)
    report_late (self, target, process, it->pid, it->start_time, code, origin);
  if (process >= 0)
    close (process);
}

static void begin_walk (VpndWatch *self);

static gboolean
on_let_go (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndWatch *self = user_data;
  VpndGuardLetGo few[VPND_GUARD_FEW];
  gboolean has_lost;
  guint n;

  do
    {
      n = vpnd_guard_take (self->guard, few, &has_lost);
      for (guint i = 0; i < n; i++)
        judge_late (self, &few[i]);
      if (has_lost)
        report (self, VPND_CLASSIFIER_OVERFLOW);
      if (has_lost && self->table != NULL)
        begin_walk (self);
    }
  while (n == VPND_GUARD_FEW);
  return G_SOURCE_CONTINUE;
}

/* --- who runs already --- */

static gboolean
on_walk (gpointer user_data)
{
  VpndWatch *self = user_data;

  if (!self->room_func (self->func_data)) /* a launch cannot wait, but these can */
    {
      self->walk_source = g_timeout_add (ROOM_MS, on_walk, self);
      return G_SOURCE_REMOVE;
    }
  for (guint i = 0; i < PROCESSES_PER_TURN && self->walk->len > 0; i++)
    {
      const pid_t pid = g_array_index (self->walk, pid_t, self->walk->len - 1);

      g_array_set_size (self->walk, self->walk->len - 1);
      judge_running (self, pid);
    }
  if (self->walk->len > 0)
    {
      self->walk_source = g_idle_add (on_walk, self);
      return G_SOURCE_REMOVE;
    }
  self->walk_source = 0;
  report (self, VPND_CLASSIFIER_APPLIED);
  return G_SOURCE_REMOVE;
}

static void
begin_walk (VpndWatch *self)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
  const char *name;

  g_clear_handle_id (&self->walk_source, g_source_remove);
  g_array_set_size (self->walk, 0);
  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      const pid_t pid = (pid_t) g_ascii_strtoull (name, NULL, 10);

      if (pid > 0)
        g_array_append_val (self->walk, pid);
    }
  self->walk_source = g_idle_add (on_walk, self); /* behind the launches, which are of a higher priority */
}

/**
 * vpnd_watch_set_rules:
 * @self: the watch
 * @rules: (transfer none) (element-type VpndClassifierRule): the whole table; replaces the former one without a moment between
 * @class_fds: cgroup.procs of each class, open for writing; copies are kept
 * @n_classes: how many, at most VPND_CLASSIFIER_MAX_CLASSES; each rule's class is below it
 *
 * Reports each rule whose program cannot be watched (VPND_CLASSIFIER_UNWATCHED), then puts the processes that run already into their classes
 * (VPND_CLASSIFIER_FOUND), then reports VPND_CLASSIFIER_APPLIED. An empty table is in force at once, and nothing is reported.
 */
void
vpnd_watch_set_rules (VpndWatch *self, GPtrArray *rules, const int *class_fds, guint n_classes)
{
  Table *old;
  Table *table;

  g_return_if_fail (VPND_IS_WATCH (self));
  g_return_if_fail (n_classes <= VPND_CLASSIFIER_MAX_CLASSES);

  table = table_new (self, rules, class_fds, n_classes);
  resolve_all (self, table);
  old = g_steal_pointer (&self->table);
  self->table = table;
  table->is_in_force = TRUE;
  if (old != NULL)
    remove_marks (self, old, table);
  g_clear_pointer (&old, table_free);

  for (guint i = 0; i < table->targets->len; i++)
    {
      const Target *target = g_ptr_array_index (table->targets, i);

      if (target->code != 0)
        report_rule (self, VPND_CLASSIFIER_UNWATCHED, target->rule, target->code);
    }
  g_clear_handle_id (&self->walk_source, g_source_remove);
  if (rules->len > 0)
    begin_walk (self);
}

/* As g_unix_fd_add_full(), but without taking the descriptor out of the loop and back in at each event, which wakes the loop twice for nothing: nothing that a
 * launch leads to runs the loop. */
static guint
attach_launches (VpndWatch *self)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (self->fanotify_fd, G_IO_IN);

  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_set_can_recurse (source, TRUE);
  g_source_set_callback (source, G_SOURCE_FUNC (on_launch), self, NULL);
  return g_source_attach (source, NULL);
}

/**
 * vpnd_watch_new:
 * @mountinfo_path: of a process of the host's mount namespace
 * @func: (scope notified): receives each report
 * @room_func: (scope notified): says whether it takes more now
 * @user_data: passed to both
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): a watch without rules. Errors: VPND_ERROR_KERNEL_FEATURE when the kernel cannot hold launches
 *   (CONFIG_FANOTIFY_ACCESS_PERMISSIONS) or we may not ask it to (CAP_SYS_ADMIN); VPND_ERROR_FAILED
 */
VpndWatch *
vpnd_watch_new (const char *mountinfo_path, VpndWatchReportFunc func, VpndWatchRoomFunc room_func, gpointer user_data, GError **error)
{
  g_autoptr (VpndWatch) self = g_object_new (VPND_TYPE_WATCH, NULL);

  self->func = func;
  self->room_func = room_func;
  self->func_data = user_data;
  self->mounts = vpnd_mounts_open (mountinfo_path, error);
  if (self->mounts == NULL)
    return NULL;
  self->fanotify_fd = fanotify_init (FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS, O_RDONLY | O_LARGEFILE | O_CLOEXEC);
  if (self->fanotify_fd < 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "holding the launch of programs: %s (CONFIG_FANOTIFY_ACCESS_PERMISSIONS, and CAP_SYS_ADMIN)", g_strerror (errno));
      return NULL;
    }
  self->guard = vpnd_guard_start (self->fanotify_fd, error);
  if (self->guard == NULL)
    return NULL;
  self->fanotify_source = attach_launches (self);
  self->let_go_source = g_unix_fd_add_full (G_PRIORITY_HIGH - 1, vpnd_guard_get_fd (self->guard), G_IO_IN, on_let_go, self, NULL); /* they run already */
  return g_steal_pointer (&self);
}

static void
vpnd_watch_dispose (GObject *object)
{
  VpndWatch *self = VPND_WATCH (object);

  g_clear_handle_id (&self->walk_source, g_source_remove);
  g_clear_handle_id (&self->fanotify_source, g_source_remove);
  g_clear_handle_id (&self->let_go_source, g_source_remove);
  g_clear_pointer (&self->table, table_free);
  g_clear_pointer (&self->walk, g_array_unref);
  g_clear_pointer (&self->mounts, vpnd_mounts_free);
  if (self->fanotify_fd >= 0)
    close (g_steal_fd (&self->fanotify_fd)); /* the kernel lets go of whom it holds when the guard's copy is closed, too */
  G_OBJECT_CLASS (vpnd_watch_parent_class)->dispose (object);
}

static void
vpnd_watch_class_init (VpndWatchClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_watch_dispose;
}

static void
vpnd_watch_init (VpndWatch *self)
{
  self->fanotify_fd = -1;
  self->walk = g_array_new (FALSE, FALSE, sizeof (pid_t));
}
