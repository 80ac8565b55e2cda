/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-departures.h.
 */
#include "config.h"

#include "split-departures.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256

struct _VpndDepartures
{
  int epoll_fd;
  guint source;
  GHashTable *fds; /* (element-type gint32 int) (owned): who is watched, by which descriptor */
  VpndDeparturesFunc func;
  gpointer func_data;
};

static gboolean
on_ended (gint epoll_fd, GIOCondition condition, gpointer user_data)
{
  VpndDepartures *self = user_data;
  struct epoll_event events[EVENTS_PER_TURN];
  const int n = epoll_wait (epoll_fd, events, EVENTS_PER_TURN, 0);

  for (int i = 0; i < n; i++)
    {
      const gint32 pid = (gint32) events[i].data.u64;

      close (GPOINTER_TO_INT (g_hash_table_lookup (self->fds, GINT_TO_POINTER (pid)))); /* which also ends its watch */
      g_hash_table_remove (self->fds, GINT_TO_POINTER (pid));
      self->func (pid, self->func_data);
    }
  return G_SOURCE_CONTINUE;
}

/* One descriptor a process: the soft limit is there for programs that call select(2), which we do not. */
static void
raise_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max)
    {
      limit.rlim_cur = limit.rlim_max;
      (void) setrlimit (RLIMIT_NOFILE, &limit); /* then fewer are watched, which is told */
    }
}

/**
 * vpnd_departures_new:
 * @func: (scope notified): called when a process that is watched has ended
 * @user_data: passed to @func
 *
 * Returns: (transfer full): an object that watches nobody
 */
VpndDepartures *
vpnd_departures_new (VpndDeparturesFunc func, gpointer user_data)
{
  VpndDepartures *self = g_new0 (VpndDepartures, 1);

  raise_limit ();
  self->fds = g_hash_table_new (NULL, NULL);
  self->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (self->epoll_fd >= 0)
    self->source = g_unix_fd_add (self->epoll_fd, G_IO_IN, on_ended, self);
  self->func = func;
  self->func_data = user_data;
  return self;
}

/**
 * vpnd_departures_free:
 * @self: (transfer full): the object
 */
void
vpnd_departures_free (VpndDepartures *self)
{
  GHashTableIter iter;
  gpointer fd;

  g_clear_handle_id (&self->source, g_source_remove);
  g_hash_table_iter_init (&iter, self->fds);
  while (g_hash_table_iter_next (&iter, NULL, &fd))
    close (GPOINTER_TO_INT (fd));
  if (self->epoll_fd >= 0)
    close (self->epoll_fd);
  g_hash_table_unref (self->fds);
  g_free (self);
}

/**
 * vpnd_departures_watch:
 * @self: the object
 * @pid: a process; one that is watched already is not watched twice
 *
 * Returns: FALSE when there is no such process, or it cannot be watched
 */
gboolean
vpnd_departures_watch (VpndDepartures *self, gint32 pid)
{
  struct epoll_event event = { .events = EPOLLIN };
  int fd;

  if (g_hash_table_contains (self->fds, GINT_TO_POINTER (pid)))
    return TRUE;
  fd = (int) syscall (SYS_pidfd_open, pid, 0);
  if (fd < 0)
    return FALSE;
  event.data.u64 = (guint64) (guint32) pid;
  if (epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    {
      close (fd);
      return FALSE;
    }
  g_hash_table_insert (self->fds, GINT_TO_POINTER (pid), GINT_TO_POINTER (fd));
  return TRUE;
}
