/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See mounts.h. /proc/PID/mountinfo (proc(5)) begins each line with the number that statx(2) gives as stx_mnt_id, unique on the machine as
 * long as the mount exists; an open descriptor of it polls as POLLERR after each change.
 */
#include "config.h"

#include "mounts.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

struct _VpndMounts
{
  int fd;
  GHashTable *ids; /* (element-type guint64) (owned): a set */
};

static void
take_line (VpndMounts *self, const char *line)
{
  guint64 id = g_ascii_strtoull (line, NULL, 10);

  if (id != 0)
    g_hash_table_add (self->ids, g_memdup2 (&id, sizeof id));
}

static gboolean
read_all (VpndMounts *self)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_auto (GStrv) lines = NULL;
  char buffer[16384];
  ssize_t n;

  if (lseek (self->fd, 0, SEEK_SET) < 0)
    return FALSE;
  while ((n = read (self->fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0)
      g_string_append_len (text, buffer, n);
  if (n < 0)
    return FALSE;

  g_hash_table_remove_all (self->ids);
  lines = g_strsplit (text->str, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    take_line (self, lines[i]);
  return TRUE;
}

static gboolean
has_changed (VpndMounts *self)
{
  struct pollfd watched = { .fd = self->fd, .events = POLLPRI };

  return poll (&watched, 1, 0) > 0;
}

/**
 * vpnd_mounts_open:
 * @mountinfo_path: of a process of the host's namespace, /proc/1/mountinfo as a rule
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the mounts. Errors: VPND_ERROR_FAILED
 */
VpndMounts *
vpnd_mounts_open (const char *mountinfo_path, GError **error)
{
  g_autoptr (VpndMounts) self = g_new0 (VpndMounts, 1);

  self->ids = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->fd = open (mountinfo_path, O_RDONLY | O_CLOEXEC);
  if (self->fd >= 0 && read_all (self))
    return g_steal_pointer (&self);

  g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "reading %s: %s", mountinfo_path, g_strerror (errno));
  return NULL;
}

/**
 * vpnd_mounts_free:
 * @self: (transfer full): mounts
 */
void
vpnd_mounts_free (VpndMounts *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->ids, g_hash_table_unref);
  g_free (self);
}

/**
 * vpnd_mounts_has:
 * @self: the mounts
 * @id: of the mount through which a file was opened (statx(2), STATX_MNT_ID); 0 when the kernel does not tell (before Linux 5.8)
 *
 * Returns: TRUE when it is one of them
 */
gboolean
vpnd_mounts_has (VpndMounts *self, guint64 id)
{
  /* What went away may have given its number to another namespace's mount: read again after any change, not only for a number unknown. */
  if (id == 0 || (has_changed (self) && !read_all (self)))
    return FALSE;
  return g_hash_table_contains (self->ids, &id);
}
