/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The calls of store/safe-file.h. Between any two system calls a crash leaves the old file or the new one under the name, whole;
 * at most a temporary file ".NAME.tmp" is left, which the next write replaces.
 */
#include "config.h"

#include "safe-file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600
#define DIR_MODE 0700
#define ASIDE_FORMAT "%s.broken-%u"
#define ASIDE_MAX 100 /* files kept aside under one name; whoever breaks it more often fills no disk */

static void
set_errno_error (GError **error, const char *what, const char *name)
{
  int saved = errno;

  g_set_error (error, VPND_ERROR, saved == ENOENT ? VPND_ERROR_NOT_FOUND : VPND_ERROR_STORAGE, "%s \"%s\": %s", what, name, g_strerror (saved));
}

/**
 * vpnd_safe_file_dup_dir:
 * @dirfd: an open directory; stays the caller's
 * @error: return location for an error
 *
 * Returns: a descriptor of our own, -1 with VPND_ERROR_STORAGE
 */
int
vpnd_safe_file_dup_dir (int dirfd, GError **error)
{
  int copy = fcntl (dirfd, F_DUPFD_CLOEXEC, 3);

  if (copy < 0)
    g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot use the directory: %s", g_strerror (errno));
  return copy;
}

/**
 * vpnd_safe_file_open_dir:
 * @dirfd: an open directory
 * @name: name of a directory in it
 * @error: return location for an error
 *
 * Opens a private directory, 0700 and owned by us, and makes it where it is missing.
 *
 * Returns: its descriptor, -1 with VPND_ERROR_STORAGE; also when the name is a link or belongs to someone else
 */
int
vpnd_safe_file_open_dir (int dirfd, const char *name, GError **error)
{
  struct stat status;
  int fd;

  if (mkdirat (dirfd, name, DIR_MODE) != 0 && errno != EEXIST)
    {
      set_errno_error (error, "cannot make the directory", name);
      return -1;
    }

  fd = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot open the directory \"%s\": %s", name, g_strerror (errno));
      return -1;
    }
  if (fstat (fd, &status) != 0 || status.st_uid != geteuid () || ((status.st_mode & 07777) != DIR_MODE && fchmod (fd, DIR_MODE) != 0))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "the directory \"%s\" is not ours", name);
      close (fd);
      return -1;
    }
  return fd;
}

/* Exactly st_size bytes are read into a buffer that never grows, so that no copy of a key is left behind. */
static char *
read_whole (int fd, gsize size, const char *name, GError **error)
{
  char *data = g_malloc (size + 1);
  gsize n_read = 0;

  while (n_read < size)
    {
      ssize_t n = read (fd, data + n_read, size - n_read);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot read \"%s\": %s", name, n == 0 ? "it is shorter than it was" : g_strerror (errno));
          explicit_bzero (data, size);
          g_free (data);
          return NULL;
        }
      n_read += (gsize) n;
    }
  data[size] = '\0';
  return data;
}

/**
 * vpnd_safe_file_read:
 * @dirfd: an open directory
 * @name: name of a file in it
 * @max_bytes: refuse more than this
 * @out_length_bytes: (out): length of the text
 * @error: return location for an error
 *
 * Reads a regular file that belongs to us, has one name, and that nobody else may write. Links are not followed.
 *
 * Returns: (transfer full) (nullable): its bytes and a NUL behind them; clear it where it holds keys. NULL with VPND_ERROR_NOT_FOUND
 *   when there is none, VPND_ERROR_STORAGE when it cannot be read or trusted
 */
char *
vpnd_safe_file_read (int dirfd, const char *name, gsize max_bytes, gsize *out_length_bytes, GError **error)
{
  struct stat status;
  char *data = NULL;
  int fd = openat (dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0)
    {
      set_errno_error (error, "cannot open", name);
      return NULL;
    }

  if (fstat (fd, &status) != 0)
    set_errno_error (error, "cannot examine", name);
  else if (!S_ISREG (status.st_mode) || status.st_uid != geteuid () || status.st_nlink != 1 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "\"%s\" is no private file of ours", name);
  else if (status.st_size < 0 || (guint64) status.st_size > max_bytes)
    g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "\"%s\" is too large", name);
  else
    data = read_whole (fd, (gsize) status.st_size, name, error);

  close (fd);
  if (data != NULL)
    *out_length_bytes = (gsize) status.st_size;
  return data;
}

static gboolean
write_whole (int fd, const char *data, gsize length)
{
  while (length > 0)
    {
      ssize_t n = write (fd, data, length);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      data += n;
      length -= (gsize) n;
    }
  return TRUE;
}

static gboolean
sync_dir (int dirfd, VpndSafeFileFlags flags)
{
  return (flags & VPND_SAFE_FILE_DURABLE) == 0 || fsync (dirfd) == 0;
}

/**
 * vpnd_safe_file_write:
 * @dirfd: an open directory
 * @name: name of a file in it
 * @data: its new bytes
 * @length_bytes: how many
 * @flags: whether it must be on the disk
 * @error: return location for an error
 *
 * Makes the file, or replaces it as a whole, with the mode 0600. What stands under the name, be it a link, is replaced and never followed.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_STORAGE, and the old file is as it was
 */
gboolean
vpnd_safe_file_write (int dirfd, const char *name, const char *data, gsize length_bytes, VpndSafeFileFlags flags, GError **error)
{
  g_autofree char *temporary = g_strdup_printf (".%s.tmp", name);
  gboolean is_written;
  int saved;
  int fd;

  /* One fixed name: what a crash left goes now, and nothing of ours is in the way afterwards. */
  (void) unlinkat (dirfd, temporary, 0); /* missing is the normal case; anything else shows in the next call */
  fd = openat (dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
  if (fd < 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot write \"%s\": %s", name, g_strerror (errno));
      return FALSE;
    }

  is_written = write_whole (fd, data, length_bytes) && ((flags & VPND_SAFE_FILE_DURABLE) == 0 || fsync (fd) == 0);
  saved = errno;
  if (close (fd) != 0 && is_written)
    {
      is_written = FALSE;
      saved = errno;
    }
  if (is_written && renameat (dirfd, temporary, dirfd, name) != 0)
    {
      is_written = FALSE;
      saved = errno;
    }
  if (!is_written)
    {
      (void) unlinkat (dirfd, temporary, 0); /* the error to report is the first one */
      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot write \"%s\": %s", name, g_strerror (saved));
      return FALSE;
    }
  if (!sync_dir (dirfd, flags))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "\"%s\" may not survive a power failure: %s", name, g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}

/**
 * vpnd_safe_file_remove:
 * @dirfd: an open directory
 * @name: name of a file in it
 * @flags: whether the removal must be on the disk
 * @error: return location for an error
 *
 * Removes the name, never what a link points to.
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_NOT_FOUND or VPND_ERROR_STORAGE
 */
gboolean
vpnd_safe_file_remove (int dirfd, const char *name, VpndSafeFileFlags flags, GError **error)
{
  if (unlinkat (dirfd, name, 0) == 0 && sync_dir (dirfd, flags))
    return TRUE;

  set_errno_error (error, "cannot remove", name);
  return FALSE;
}

/**
 * vpnd_safe_file_rename:
 * @dirfd: an open directory
 * @name: name of a file in it
 * @new_name: its new name, which must be free
 * @flags: whether it must be on the disk
 * @error: return location for an error
 *
 * Returns: TRUE when done; else FALSE with VPND_ERROR_NOT_FOUND, VPND_ERROR_EXISTS or VPND_ERROR_STORAGE
 */
gboolean
vpnd_safe_file_rename (int dirfd, const char *name, const char *new_name, VpndSafeFileFlags flags, GError **error)
{
  if (renameat2 (dirfd, name, dirfd, new_name, RENAME_NOREPLACE) == 0 && sync_dir (dirfd, flags))
    return TRUE;

  if (errno == EEXIST)
    g_set_error (error, VPND_ERROR, VPND_ERROR_EXISTS, "there is a \"%s\" already", new_name);
  else
    set_errno_error (error, "cannot rename", name);
  return FALSE;
}

/**
 * vpnd_safe_file_set_aside:
 * @dirfd: an open directory
 * @name: name of a file in it that cannot be used
 * @error: return location for an error
 *
 * Renames the file to NAME.broken-N, N from 1, so that nothing is lost and nothing reads it again.
 *
 * Returns: (transfer full) (nullable): its new name; NULL with VPND_ERROR_STORAGE
 */
char *
vpnd_safe_file_set_aside (int dirfd, const char *name, GError **error)
{
  for (guint i = 1; i <= ASIDE_MAX; i++)
    {
      g_autofree char *aside = g_strdup_printf (ASIDE_FORMAT, name, i);

      if (renameat2 (dirfd, name, dirfd, aside, RENAME_NOREPLACE) == 0)
        return g_steal_pointer (&aside);
      if (errno != EEXIST)
        {
          g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot keep \"%s\" aside: %s", name, g_strerror (errno));
          return NULL;
        }
    }

  g_set_error (error, VPND_ERROR, VPND_ERROR_STORAGE, "cannot keep \"%s\" aside: there are %d of them already", name, ASIDE_MAX);
  return NULL;
}

/**
 * vpnd_safe_file_find_aside:
 * @dirfd: an open directory
 * @name: name of a file in it
 *
 * Returns: (transfer full) (nullable): a name under which vpnd_safe_file_set_aside() has kept the file, NULL when there is none any more
 */
char *
vpnd_safe_file_find_aside (int dirfd, const char *name)
{
  for (guint i = 1; i <= ASIDE_MAX; i++)
    {
      g_autofree char *aside = g_strdup_printf (ASIDE_FORMAT, name, i);

      if (faccessat (dirfd, aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return g_steal_pointer (&aside);
    }
  return NULL;
}
