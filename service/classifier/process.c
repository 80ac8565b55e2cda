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
#include <sys/stat.h>
#include <unistd.h>

#define STAT_MAX_BYTES 1024
#define STAT_START_TIME 22 /* number of the field in proc(5), /proc/PID/stat */

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

/**
 * vpnd_process_read_start_time:
 * @pid: a process
 *
 * Returns: its start in clock ticks since boot, 0 when it is gone
 */
guint64
vpnd_process_read_start_time (pid_t pid)
{
  char path[64], text[STAT_MAX_BYTES];
  const char *field;
  ssize_t n;
  int fd;

  g_snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  n = read (fd, text, sizeof text - 1);
  close (fd);
  if (n <= 0)
    return 0;
  text[n] = '\0';
  field = find_field (text, STAT_START_TIME);
  return field != NULL ? g_ascii_strtoull (field, NULL, 10) : 0;
}

/**
 * vpnd_process_read_executable:
 * @pid: a process
 * @out_device: (out): of the file that it runs
 * @out_inode: (out): of the file that it runs
 *
 * Returns: FALSE when it is gone, a thread of the kernel, or must not be looked at
 */
gboolean
vpnd_process_read_executable (pid_t pid, dev_t *out_device, ino_t *out_inode)
{
  char path[64];
  struct stat info;

  g_snprintf (path, sizeof path, "/proc/%d/exe", (int) pid);
  if (stat (path, &info) < 0)
    return FALSE;
  *out_device = info.st_dev;
  *out_inode = info.st_ino;
  return TRUE;
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
