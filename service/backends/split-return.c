/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-return.h.
 */
#include "config.h"

#include "split-return.h"

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct _VpndSplitReturn
{
  char *mount;     /* (owned) (nullable) */
  GHashTable *fds; /* (element-type utf8 int) (owned): cgroup.procs by the cgroup's path; -1 for what cannot be opened */
};

/**
 * vpnd_split_return_new:
 * @mount: (nullable): where the hierarchy is mounted
 *
 * Returns: (transfer full): an object that has opened nothing
 */
VpndSplitReturn *
vpnd_split_return_new (const char *mount)
{
  VpndSplitReturn *self = g_new0 (VpndSplitReturn, 1);

  self->mount = g_strdup (mount);
  self->fds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

/**
 * vpnd_split_return_free:
 * @self: (transfer full): the object
 */
void
vpnd_split_return_free (VpndSplitReturn *self)
{
  GHashTableIter iter;
  gpointer fd;

  g_hash_table_iter_init (&iter, self->fds);
  while (g_hash_table_iter_next (&iter, NULL, &fd))
    if (GPOINTER_TO_INT (fd) >= 0)
      close (GPOINTER_TO_INT (fd));
  g_hash_table_unref (self->fds);
  g_free (self->mount);
  g_free (self);
}

static int
open_procs (VpndSplitReturn *self, const char *place)
{
  gpointer known;
  g_autofree char *path = NULL;
  int fd;

  if (g_hash_table_lookup_extended (self->fds, place, NULL, &known))
    return GPOINTER_TO_INT (known);
  path = g_build_filename (self->mount, place, "cgroup.procs", NULL);
  fd = open (path, O_WRONLY | O_CLOEXEC);
  g_hash_table_insert (self->fds, g_strdup (place), GINT_TO_POINTER (fd));
  return fd;
}

/**
 * vpnd_split_return_move:
 * @self: the object
 * @pid: a process
 * @origin: where it shall go, as /proc/PID/cgroup named it
 *
 * A cgroup that is gone, or that cannot hold processes any more (cgroups(7), "no internal processes"), gives way to the one above it.
 *
 * Returns: FALSE when the process is gone
 */
gboolean
vpnd_split_return_move (VpndSplitReturn *self, gint32 pid, const char *origin)
{
  g_autofree char *place = g_strdup (origin);

  for (;;)
    {
      g_autofree char *below = NULL;
      const int fd = self->mount != NULL ? open_procs (self, place) : -1;
      const int code = fd >= 0 ? vpnd_process_move (pid, fd) : ENOENT;

      if (code == 0 || code == ESRCH || strcmp (place, "/") == 0)
        return code == 0;
      below = g_steal_pointer (&place);
      place = g_path_get_dirname (below);
      if (strcmp (place, ".") == 0)
        return FALSE;
    }
}
