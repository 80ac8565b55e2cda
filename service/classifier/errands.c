/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See errands.h. A place to go back to is opened below the mount and nowhere else, in the file system in which the waiting cgroup itself
 * stands. Errands are done in small parts behind the launches, which wait for us.
 */
#include "config.h"

#include "errands.h"

#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ERRANDS_PER_TURN 16 /* 1 ms at most, while execs wait */
#define ROUNDS_MAX 8        /* those who return may start others meanwhile */
#define ROOM_MS 2           /* until the reader is looked at again that did not keep up */
#define MEMBERS_BYTES 65536

/**
 * Batch: what came with one packet
 * @errands: (element-type VpndClassifierErrand) (owned)
 * @next: which is done next
 * @mount_fd: of the hierarchy, -1 when it is not what it should be: then nobody is moved
 * @waiting_fd: cgroup.procs of who waits, -1 for none
 * @members: (element-type gint32) (owned): a set: who waits
 * @place: (owned) (nullable): where the last one went
 * @place_fd: its cgroup.procs, while there is @place: as a rule the next one goes there, too
 */
typedef struct
{
  GPtrArray *errands;
  guint next;
  int mount_fd;
  int waiting_fd;
  GHashTable *members;
  char *place;
  int place_fd;
} Batch;

struct _VpndErrands
{
  GQueue batches;       /* (element-type Batch) (owned) */
  GHashTable *returned; /* (element-type gint32 utf8) (owned): who was put back since there was nothing to do, and where */
  guint source;
  VpndErrandsReportFunc func;
  VpndErrandsRoomFunc room_func;
  gpointer func_data;
};

static void
forget_place (Batch *batch)
{
  if (batch->place != NULL)
    close (batch->place_fd);
  g_clear_pointer (&batch->place, g_free);
}

static void
batch_free (Batch *batch)
{
  if (batch->mount_fd >= 0)
    close (batch->mount_fd);
  if (batch->waiting_fd >= 0)
    close (batch->waiting_fd);
  forget_place (batch);
  g_ptr_array_unref (batch->errands);
  g_hash_table_unref (batch->members);
  g_free (batch);
}

/* --- looking --- */

static void
tell_program (VpndErrands *self, const VpndClassifierErrand *errand)
{
  g_autofree char *link = g_strdup_printf ("/proc/%d/exe", errand->pid);
  g_autofree char *path = g_file_read_link (link, NULL);
  const VpndClassifierReport report = { .kind = VPND_CLASSIFIER_SEEN, .pid = errand->pid, .start_time = errand->start_time, .path = path };

  if (path != NULL && strlen (path) < PATH_MAX && g_utf8_validate (path, -1, NULL) && vpnd_process_read_start_time (errand->pid) == errand->start_time)
    self->func (&report, self->func_data);
}

static void
read_sockets (int process, GArray *sockets)
{
  const int fd = openat (process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;

  if (folder == NULL && fd >= 0)
    close (fd);
  while (folder != NULL && (entry = readdir (folder)) != NULL)
    {
      char target[64];
      const ssize_t n = entry->d_type == DT_LNK ? readlinkat (fd, entry->d_name, target, sizeof target - 1) : -1;
      guint32 inode;

      target[MAX (n, 0)] = '\0';
      if (!g_str_has_prefix (target, "socket:["))
        continue;
      inode = (guint32) g_ascii_strtoull (target + strlen ("socket:["), NULL, 10);
      g_array_append_val (sockets, inode);
    }
  if (folder != NULL)
    closedir (folder);
}

/**
 * vpnd_errands_tell_sockets:
 * @func: receives the reports
 * @user_data: passed to @func
 * @process: of vpnd_process_open(): one that stands where it shall stand: what it opens from now on is of its new class
 * @pid: its number
 * @start_time: its start
 *
 * Reports which sockets it has, if any, in as many reports as that takes.
 */
void
vpnd_errands_tell_sockets (VpndErrandsReportFunc func, gpointer user_data, int process, pid_t pid, guint64 start_time)
{
  g_autoptr (GArray) sockets = g_array_new (FALSE, FALSE, sizeof (guint32));

  read_sockets (process, sockets);
  for (guint done = 0; done < sockets->len;)
    {
      const guint n = MIN (sockets->len - done, VPND_CLASSIFIER_MAX_SOCKETS);
      g_autoptr (GArray) part = g_array_sized_new (FALSE, FALSE, sizeof (guint32), n);
      const VpndClassifierReport report = { .kind = VPND_CLASSIFIER_SOCKETS, .pid = pid, .start_time = start_time, .sockets = part };

      g_array_append_vals (part, &g_array_index (sockets, guint32, done), n);
      func (&report, user_data);
      done += n;
    }
}

/* Returns: its folder in /proc, -1 when it is not the one that is meant */
static int
open_process (pid_t pid, guint64 start_time)
{
  const int process = vpnd_process_open (pid);

  if (process < 0 || (start_time != 0 && vpnd_process_get_start_time (process) == start_time))
    return process;
  close (process);
  return -1;
}

static void
list_sockets (VpndErrands *self, const VpndClassifierErrand *errand)
{
  const int process = open_process (errand->pid, errand->start_time);

  if (process < 0)
    return;
  vpnd_errands_tell_sockets (self->func, self->func_data, process, errand->pid, errand->start_time);
  close (process);
}

/* --- returning --- */

static gboolean
is_cgroup (const struct statfs *info)
{
  return info->f_type == CGROUP2_SUPER_MAGIC || info->f_type == CGROUP_SUPER_MAGIC;
}

/* Returns: the mount, -1 when it is not of the file system in which those stand who wait */
static int
open_mount (const char *path, int waiting_fd)
{
  const int fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct statfs system;
  struct stat mount, waiting;

  if (fd >= 0 && fstatfs (fd, &system) == 0 && is_cgroup (&system) && fstat (fd, &mount) == 0 && fstat (waiting_fd, &waiting) == 0 && mount.st_dev == waiting.st_dev)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static void
read_members (Batch *batch)
{
  g_autofree char *text = g_malloc (MEMBERS_BYTES);
  gint32 pid = 0;
  ssize_t n;

  g_hash_table_remove_all (batch->members);
  if (batch->waiting_fd < 0 || lseek (batch->waiting_fd, 0, SEEK_SET) != 0)
    return;
  while ((n = read (batch->waiting_fd, text, MEMBERS_BYTES)) > 0)
    for (ssize_t i = 0; i < n; i++)
      if (g_ascii_isdigit (text[i]))
        pid = pid * 10 + g_ascii_digit_value (text[i]);
      else
        {
          g_hash_table_add (batch->members, GINT_TO_POINTER (pid));
          pid = 0;
        }
}

/* Opened anew: what came shares its place with vpnd, which writes to it while we read (open(2), "open file descriptions"). */
static int
reopen (int procs_fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", procs_fd);

  return procs_fd >= 0 ? open (path, O_RDONLY | O_CLOEXEC) : -1;
}

/* Step by step, none of which may be a link; a path has no ".." (protocol.c). */
static int
open_procs (const Batch *batch, const char *place)
{
  g_auto (GStrv) steps = g_strsplit (place + 1, "/", -1);
  int fd = batch->mount_fd >= 0 ? fcntl (batch->mount_fd, F_DUPFD_CLOEXEC, 0) : -1;
  int procs_fd = -1;

  for (guint i = 0; fd >= 0 && steps[i] != NULL && *steps[i] != '\0'; i++)
    {
      const int next = openat (fd, steps[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

      close (fd);
      fd = next;
    }
  if (fd >= 0)
    {
      procs_fd = openat (fd, "cgroup.procs", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
      close (fd);
    }
  return procs_fd;
}

static int
put_into (Batch *batch, pid_t pid, const char *place)
{
  int code;

  if (g_strcmp0 (batch->place, place) != 0)
    {
      const int fd = open_procs (batch, place);

      if (fd < 0)
        return errno;
      forget_place (batch);
      batch->place = g_strdup (place);
      batch->place_fd = fd;
    }
  code = vpnd_process_move (pid, batch->place_fd);
  if (code != 0 && code != ESRCH)
    forget_place (batch); /* it may have been made anew since it was opened */
  return code;
}

/* A cgroup that is gone, or that cannot hold processes any more (cgroups(7), "no internal processes"), gives way to the one above it. */
static gboolean
put_back (Batch *batch, pid_t pid, const char *origin)
{
  g_autofree char *place = g_strdup (origin);
  gboolean is_again = g_strcmp0 (batch->place, place) != 0; /* as it stands now, not as it was when the last one went */

  for (;;)
    {
      g_autofree char *below = NULL;
      const int code = put_into (batch, pid, place);

      if (code == 0 || code == ESRCH)
        return code == 0;
      if (!is_again)
        {
          is_again = TRUE;
          continue;
        }
      if (strcmp (place, "/") == 0)
        {
          g_warning ("process %d cannot be put back to %s, and stays in vpnd-returning: %s", (int) pid, origin, g_strerror (code));
          return FALSE;
        }
      below = g_steal_pointer (&place);
      place = g_path_get_dirname (below);
    }
}

static void
return_process (VpndErrands *self, Batch *batch, pid_t pid, guint64 start_time, const char *origin)
{
  const int process = g_hash_table_contains (batch->members, GINT_TO_POINTER (pid)) ? open_process (pid, start_time) : -1;

  if (process < 0)
    return;
  vpnd_errands_tell_sockets (self->func, self->func_data, process, pid, start_time); /* it stands in no class any more */
  if (put_back (batch, pid, origin))
    g_hash_table_insert (self->returned, GINT_TO_POINTER (pid), g_strdup (origin));
  close (process);
}

/* What those who returned have started while they waited follows them. Only when nobody else waits: each of them is asked for its parent. */
static void
return_children (VpndErrands *self, Batch *batch)
{
  gboolean has_any = g_hash_table_size (self->returned) > 0;

  for (guint round = 0; has_any && round < ROUNDS_MAX; round++)
    {
      GHashTableIter iter;
      gpointer key;

      has_any = FALSE;
      read_members (batch);
      g_hash_table_iter_init (&iter, batch->members);
      while (g_hash_table_iter_next (&iter, &key, NULL))
        {
          const pid_t pid = GPOINTER_TO_INT (key);
          const char *origin = g_hash_table_lookup (self->returned, GINT_TO_POINTER (vpnd_process_read_parent (pid)));

          if (origin == NULL)
            continue;
          return_process (self, batch, pid, vpnd_process_read_start_time (pid), origin);
          has_any = TRUE;
        }
    }
}

/* --- the queue --- */

static void
run_errand (VpndErrands *self, Batch *batch, const VpndClassifierErrand *errand)
{
  switch (errand->kind)
    {
    case VPND_CLASSIFIER_LOOK:
      tell_program (self, errand);
      break;
    case VPND_CLASSIFIER_LIST_SOCKETS:
      list_sockets (self, errand);
      break;
    case VPND_CLASSIFIER_RETURN:
      return_process (self, batch, errand->pid, errand->start_time, errand->origin);
      break;
    case VPND_N_CLASSIFIER_ERRANDS:
      break;
    }
}

static gboolean
on_turn (gpointer user_data)
{
  VpndErrands *self = user_data;
  Batch *batch = g_queue_peek_head (&self->batches);

  if (!self->room_func (self->func_data))
    {
      self->source = g_timeout_add (ROOM_MS, on_turn, self);
      return G_SOURCE_REMOVE;
    }
  if (batch->next == 0)
    read_members (batch);
  for (guint i = 0; i < ERRANDS_PER_TURN && batch->next < batch->errands->len; i++)
    run_errand (self, batch, g_ptr_array_index (batch->errands, batch->next++));
  if (batch->next == batch->errands->len)
    {
      if (g_queue_get_length (&self->batches) == 1)
        {
          return_children (self, batch);
          g_hash_table_remove_all (self->returned);
        }
      batch_free (g_queue_pop_head (&self->batches));
    }
  self->source = g_queue_is_empty (&self->batches) ? 0 : g_idle_add (on_turn, self);
  return G_SOURCE_REMOVE;
}

/**
 * vpnd_errands_new:
 * @func: (scope notified): receives each report
 * @room_func: (scope notified): says whether to go on
 * @user_data: passed to both
 *
 * Returns: (transfer full): errands, none of them asked for
 */
VpndErrands *
vpnd_errands_new (VpndErrandsReportFunc func, VpndErrandsRoomFunc room_func, gpointer user_data)
{
  VpndErrands *self = g_new0 (VpndErrands, 1);

  g_queue_init (&self->batches);
  self->returned = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->func = func;
  self->room_func = room_func;
  self->func_data = user_data;
  return self;
}

/**
 * vpnd_errands_free:
 * @self: (transfer full): errands; what is not done stays undone
 */
void
vpnd_errands_free (VpndErrands *self)
{
  g_clear_handle_id (&self->source, g_source_remove);
  g_queue_clear_full (&self->batches, (GDestroyNotify) batch_free);
  g_hash_table_unref (self->returned);
  g_free (self);
}

/**
 * vpnd_errands_add:
 * @self: the errands
 * @errands: (transfer none) (element-type VpndClassifierErrand): what is asked for; done in order, behind what was asked for before
 * @mount: where the hierarchy of the classes is mounted
 * @waiting_fd: cgroup.procs of who waits to return; -1 when nobody does
 */
void
vpnd_errands_add (VpndErrands *self, GPtrArray *errands, const char *mount, int waiting_fd)
{
  Batch *batch = g_new0 (Batch, 1);

  batch->errands = g_ptr_array_ref (errands);
  batch->members = g_hash_table_new (NULL, NULL);
  batch->waiting_fd = reopen (waiting_fd);
  batch->mount_fd = batch->waiting_fd >= 0 ? open_mount (mount, batch->waiting_fd) : -1;
  g_queue_push_tail (&self->batches, batch);
  if (self->source == 0)
    self->source = g_idle_add (on_turn, self);
}
