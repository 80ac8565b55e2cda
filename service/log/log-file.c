/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The files of log/log-file.h. Lines are appended without a buffer, so that a crash loses none.
 */
#include "config.h"

#include "log-file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "vpnd.log"
#define NAME_OLD "vpnd.log.old"

struct _VpndLogFile
{
  GMutex mutex; /* GLib may log from its own worker threads */
  int dirfd;
  int fd; /* -1 when it could not be opened again: lines are lost, the daemon goes on */
  gsize bytes;
  gsize max_bytes;
};

static int
open_log (int dirfd, gsize *out_bytes)
{
  struct stat status;
  int fd = openat (dirfd, NAME, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

  if (fd < 0)
    return -1;
  if (fstat (fd, &status) != 0 || !S_ISREG (status.st_mode) || status.st_uid != geteuid () || status.st_nlink != 1)
    {
      close (fd);
      errno = EPERM;
      return -1;
    }
  *out_bytes = (gsize) status.st_size;
  return fd;
}

/**
 * vpnd_log_file_open:
 * @directory: where the files are; made, closed to others, when it is missing
 * @max_bytes: bound of each of the two files, in bytes
 * @error: return location for an error: VPND_ERROR_STORAGE
 *
 * Returns: (transfer full) (nullable): the log, to which lines can be appended
 */
VpndLogFile *
vpnd_log_file_open (const char *directory, gsize max_bytes, GError **error)
{
  g_autoptr (VpndLogFile) file = g_new0 (VpndLogFile, 1);

  g_mutex_init (&file->mutex);
  file->fd = -1;
  file->max_bytes = max_bytes;
  (void) g_mkdir_with_parents (directory, 0700); /* what is wrong with it, opening tells */
  file->dirfd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file->dirfd >= 0)
    file->fd = open_log (file->dirfd, &file->bytes);
  if (file->fd < 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "%s/" NAME ": %s", directory, g_strerror (errno));
      return NULL;
    }
  return g_steal_pointer (&file);
}

/**
 * vpnd_log_file_free:
 * @file: (transfer full) (nullable): a log
 */
void
vpnd_log_file_free (VpndLogFile *file)
{
  if (file == NULL)
    return;

  if (file->fd >= 0)
    close (file->fd);
  if (file->dirfd >= 0)
    close (file->dirfd);
  g_mutex_clear (&file->mutex);
  g_free (file);
}

static void
rotate (VpndLogFile *file)
{
  if (file->fd >= 0)
    close (file->fd);
  (void) renameat (file->dirfd, NAME, file->dirfd, NAME_OLD); /* when it fails the file only grows until the next try */
  file->bytes = 0;
  file->fd = open_log (file->dirfd, &file->bytes);
}

/**
 * vpnd_log_file_append:
 * @file: a log
 * @line: one line without its newline
 *
 * Appends the line; a full disk loses it in silence, because there is nowhere left to tell.
 */
void
vpnd_log_file_append (VpndLogFile *file, const char *line)
{
  g_autofree char *text = g_strconcat (line, "\n", NULL);
  gsize length = strlen (text);
  gssize written;

  g_mutex_lock (&file->mutex);
  if (file->bytes + length > file->max_bytes)
    rotate (file);
  if (file->fd >= 0 && (written = write (file->fd, text, length)) > 0)
    file->bytes += (gsize) written;
  g_mutex_unlock (&file->mutex);
}
