/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See process.h. No allocation: this runs while an exec waits.
 */
#include "config.h"

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_MAX_BYTES 1024
#define STATUS_MAX_BYTES 1024 /* the line of the uids is the ninth */
#define CGROUP_MAX_BYTES 8192 /* a line a hierarchy */
#define STAT_PARENT 4         /* numbers of fields in proc(5), /proc/PID/stat */
#define STAT_START_TIME 22

/* The beginning of struct pidfd_info, PIDFD_GET_INFO and PIDFD_INFO_CGROUPID (linux/pidfd.h of Linux 6.13), which older headers lack. */
typedef struct
{
  guint64 mask;
  guint64 cgroup_id;
  guint32 others[12];
} PidfdInfo;

G_STATIC_ASSERT (sizeof (PidfdInfo) == 64); /* PIDFD_INFO_SIZE_VER0 */

#define GET_INFO _IOWR (0xff, 11, PidfdInfo)
#define INFO_CGROUP_ID (G_GUINT64_CONSTANT (1) << 2)

/* Returns: text behind the blank that precedes field @field of @text, whose field 2 may hold blanks and parentheses; NULL when it is short */
static const char *
find_field (const char *text, guint field)
{
  const char *place = strrchr (text, ')');

  for (guint at = 2; place != NULL && at < field; at++)
    {
      place = strchr (place, ' ');
      if (place != NULL)
        place++;
    }
  return place;
}

/* Returns: FALSE when there is nothing to read; else @text is terminated */
static gboolean
read_file_at (int folder, const char *name, char *text, gsize size)
{
  const int fd = openat (folder, name, O_RDONLY | O_CLOEXEC);
  ssize_t n;

  if (fd < 0)
    return FALSE;
  n = read (fd, text, size - 1);
  close (fd);
  text[MAX (n, 0)] = '\0';
  return n > 0;
}

static gboolean
read_file (pid_t pid, const char *name, char *text, gsize size)
{
  char path[64];

  g_snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, name);
  return read_file_at (AT_FDCWD, path, text, size);
}

static guint64
parse_start_time (const char *stat)
{
  const char *field = find_field (stat, STAT_START_TIME);

  return field != NULL ? g_ascii_strtoull (field, NULL, 10) : 0;
}

/**
 * vpnd_process_read_start_time:
 * @pid: a process
 *
 * Returns: its start in clock ticks since boot, 0 when it is gone
 */
guint64
vpnd_process_read_start_time (pid_t pid)
{
  char text[STAT_MAX_BYTES];

  return read_file (pid, "stat", text, sizeof text) ? parse_start_time (text) : 0;
}

/**
 * vpnd_process_open:
 * @pid: a process
 *
 * Returns: its folder in proc(5): what is read through it is of this process or of none, also when the number has come to mean another one; -1 when
 *   there is no such process. Close it after use
 */
int
vpnd_process_open (pid_t pid)
{
  char path[64];

  g_snprintf (path, sizeof path, "/proc/%d", (int) pid);
  return open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/**
 * vpnd_process_get_start_time:
 * @folder: of vpnd_process_open()
 *
 * Returns: its start in clock ticks since boot, 0 when it is gone
 */
guint64
vpnd_process_get_start_time (int folder)
{
  char text[STAT_MAX_BYTES];

  return read_file_at (folder, "stat", text, sizeof text) ? parse_start_time (text) : 0;
}

/**
 * vpnd_process_hold:
 * @pid: a process
 *
 * Returns: a descriptor that means this process (pidfd_open(2)), which costs a tenth of its folder in /proc; -1 when there is none, or the kernel has no
 *   such thing (before Linux 5.3). Close it after use
 */
int
vpnd_process_hold (pid_t pid)
{
  return (int) syscall (SYS_pidfd_open, pid, 0);
}

/**
 * vpnd_process_get_identity:
 * @held: of vpnd_process_hold(), for which vpnd_process_get_cgroup_id() knows an answer: before Linux 6.9 there are no such numbers
 *
 * Returns: a number that no other process gets until the next start of the host (pidfs), also when its pid is given anew; 0 when the kernel does not tell
 */
guint64
vpnd_process_get_identity (int held)
{
  struct stat info;

  return fstat (held, &info) == 0 ? info.st_ino : 0;
}

/**
 * vpnd_process_get_cgroup_id:
 * @held: of vpnd_process_hold()
 *
 * Returns: the number of its cgroup in cgroup2, which no other one gets; 0 when the kernel does not tell (before Linux 6.13), or it has ended
 */
guint64
vpnd_process_get_cgroup_id (int held)
{
  PidfdInfo info = { .mask = INFO_CGROUP_ID };

  return held >= 0 && ioctl (held, GET_INFO, &info) == 0 && (info.mask & INFO_CGROUP_ID) != 0 ? info.cgroup_id : 0;
}

/**
 * vpnd_process_open_held:
 * @held: of vpnd_process_hold()
 * @pid: its number
 *
 * Returns: as vpnd_process_open(), of just this process
 */
int
vpnd_process_open_held (int held, pid_t pid)
{
  const int folder = vpnd_process_open (pid);

  /* While it has not been waited for the number is its own; EPERM says the same. */
  if (folder < 0 || syscall (SYS_pidfd_send_signal, held, 0, NULL, 0) == 0 || errno == EPERM)
    return folder;
  close (folder);
  return -1;
}

/**
 * vpnd_process_read_parent:
 * @pid: a process
 *
 * Returns: its parent, 0 when it is gone or has none
 */
pid_t
vpnd_process_read_parent (pid_t pid)
{
  char text[STAT_MAX_BYTES];
  const char *field = read_file (pid, "stat", text, sizeof text) ? find_field (text, STAT_PARENT) : NULL;

  return field != NULL ? (pid_t) g_ascii_strtoull (field, NULL, 10) : 0;
}

/**
 * vpnd_process_read_uid:
 * @pid: a process
 * @out_uid: (out): its real user
 *
 * Returns: FALSE when it is gone
 */
gboolean
vpnd_process_read_uid (pid_t pid, guint32 *out_uid)
{
  char text[STATUS_MAX_BYTES];
  const char *line = read_file (pid, "status", text, sizeof text) ? strstr (text, "\nUid:\t") : NULL;

  if (line == NULL)
    return FALSE;
  *out_uid = (guint32) g_ascii_strtoull (line + strlen ("\nUid:\t"), NULL, 10);
  return TRUE;
}

/* Returns: the path in @line of /proc/PID/cgroup (cgroups(7): number:controllers:path) if it is the wanted hierarchy's; else NULL */
static const char *
find_path (const char *line, gboolean is_unified)
{
  const char *controllers = strchr (line, ':');
  const char *path = controllers != NULL ? strchr (controllers + 1, ':') : NULL;
  const char *net_cls = strstr (line, "net_cls");

  if (path == NULL || (is_unified && !g_str_has_prefix (line, "0::")) || (!is_unified && (net_cls == NULL || net_cls > path)))
    return NULL;
  return path + 1;
}

/* Returns: FALSE when @text, which is changed, does not have it, or it is longer than @size */
static gboolean
take_cgroup (char *text, gboolean is_unified, char *out_path, gsize size)
{
  char *line = text;

  while (line != NULL)
    {
      char *end = strchr (line, '\n');
      const char *path;

      if (end != NULL)
        *end = '\0';
      path = find_path (line, is_unified);
      if (path != NULL)
        return g_strlcpy (out_path, path, size) < size;
      line = end != NULL ? end + 1 : NULL;
    }
  return FALSE;
}

/**
 * vpnd_process_get_cgroup:
 * @folder: of vpnd_process_open()
 * @is_unified: its place in cgroup2; FALSE: in the hierarchy of net_cls
 * @out_path: (out): the place, as /proc/PID/cgroup has it, "" when that is not known
 * @size: bytes of @out_path
 *
 * Returns: FALSE when it is gone, or the place is longer than @size
 */
gboolean
vpnd_process_get_cgroup (int folder, gboolean is_unified, char *out_path, gsize size)
{
  char text[CGROUP_MAX_BYTES];

  out_path[0] = '\0';
  return read_file_at (folder, "cgroup", text, sizeof text) && take_cgroup (text, is_unified, out_path, size);
}

/**
 * vpnd_process_read_cgroup:
 * @pid: a process
 * @is_unified: its place in cgroup2; FALSE: in the hierarchy of net_cls
 * @out_path: (out): the place, as /proc/PID/cgroup has it, "" when that is not known
 * @size: bytes of @out_path
 *
 * Returns: FALSE when it is gone, or the place is longer than @size
 */
gboolean
vpnd_process_read_cgroup (pid_t pid, gboolean is_unified, char *out_path, gsize size)
{
  char text[CGROUP_MAX_BYTES];

  out_path[0] = '\0';
  return read_file (pid, "cgroup", text, sizeof text) && take_cgroup (text, is_unified, out_path, size);
}

/**
 * vpnd_process_move:
 * @pid: a process, moved with all its threads
 * @procs_fd: cgroup.procs of the cgroup, open for writing
 *
 * Returns: 0, or an errno value: ESRCH when it is gone
 */
int
vpnd_process_move (pid_t pid, int procs_fd)
{
  char text[16];
  int length = g_snprintf (text, sizeof text, "%d", (int) pid);
  ssize_t n;

  do
    n = write (procs_fd, text, (size_t) length);
  while (n < 0 && errno == EINTR);
  return n < 0 ? errno : 0;
}
