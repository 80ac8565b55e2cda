/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The watch of backends/file-watch.h. The directory shows what is renamed, made and deleted, and stays when the file is replaced. The file
 * itself is watched besides, because a write through a mount on it does not show in the directory; that watch is set anew each time.
 */
#include "config.h"

#include "file-watch.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_MS 50 /* a program that deletes, makes and fills a file is done by then */
#define DIRECTORY_EVENTS (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF)
#define BUFFER_BYTES 4096 /* room for a dozen events with names of NAME_MAX */

/**
 * VpndFileWatch:
 * @fd: of inotify
 * @directory_wd: the watch of the directory
 * @path: (owned): the file
 * @name: (owned): its name in the directory
 * @events: (owned): reads @fd
 * @settle: (owned) (nullable): fires when it is time to tell
 * @func: whom to tell
 * @user_data: passed to @func
 */
struct _VpndFileWatch
{
  int fd;
  int directory_wd;
  char *path;
  char *name;
  GSource *events;
  GSource *settle;
  VpndFileWatchFunc func;
  gpointer user_data;
};

static void
watch_file (VpndFileWatch *watch)
{
  (void) inotify_add_watch (watch->fd, watch->path, FILE_EVENTS | IN_DONT_FOLLOW); /* a file that is not there shows in the directory */
}

static gboolean
on_settled (gpointer user_data)
{
  VpndFileWatch *watch = user_data;

  g_clear_pointer (&watch->settle, g_source_unref);
  watch_file (watch);
  watch->func (watch->user_data);
  return G_SOURCE_REMOVE;
}

static void
tell_soon (VpndFileWatch *watch)
{
  if (watch->settle != NULL)
    return;
  watch->settle = g_timeout_source_new (SETTLE_MS);
  g_source_set_callback (watch->settle, on_settled, watch, NULL);
  g_source_attach (watch->settle, g_source_get_context (watch->events));
}

static gboolean
concerns_us (VpndFileWatch *watch, const struct inotify_event *event)
{
  if (event->mask & IN_IGNORED)
    return FALSE;
  if ((event->mask & IN_Q_OVERFLOW) || event->wd != watch->directory_wd)
    return TRUE;
  return event->len > 0 && strcmp (event->name, watch->name) == 0;
}

static gboolean
on_events (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndFileWatch *watch = user_data;
  union
  {
    struct inotify_event event; /* for the alignment */
    char bytes[BUFFER_BYTES];
  } buffer;
  ssize_t length;

  while ((length = read (fd, buffer.bytes, sizeof buffer.bytes)) > 0)
    for (const char *at = buffer.bytes; at < buffer.bytes + length;)
      {
        const struct inotify_event *event = (const struct inotify_event *) (const void *) at;

        if (concerns_us (watch, event))
          tell_soon (watch);
        at += sizeof *event + event->len;
      }
  return G_SOURCE_CONTINUE;
}

/**
 * vpnd_file_watch_new:
 * @path: an absolute path; the file may be missing, its directory not
 * @func: called in the thread-default main context, a moment after something happened to @path
 * @user_data: passed to @func
 *
 * Returns: (transfer full) (nullable): the watch; NULL when inotify refuses, with errno set
 */
VpndFileWatch *
vpnd_file_watch_new (const char *path, VpndFileWatchFunc func, gpointer user_data)
{
  g_autoptr (VpndFileWatch) watch = g_new0 (VpndFileWatch, 1);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  g_autofree char *directory = g_path_get_dirname (path);

  watch->path = g_strdup (path);
  watch->name = g_path_get_basename (path);
  watch->func = func;
  watch->user_data = user_data;
  watch->fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  if (watch->fd < 0)
    return NULL;
  watch->directory_wd = inotify_add_watch (watch->fd, directory, DIRECTORY_EVENTS | IN_ONLYDIR);
  if (watch->directory_wd < 0)
    return NULL;

  watch_file (watch);
  watch->events = g_unix_fd_source_new (watch->fd, G_IO_IN);
  g_source_set_callback (watch->events, G_SOURCE_FUNC (on_events), watch, NULL);
  g_source_attach (watch->events, context);
  return g_steal_pointer (&watch);
}

static void
drop_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/**
 * vpnd_file_watch_free:
 * @watch: (transfer full) (nullable): a watch; its function is not called any more
 */
void
vpnd_file_watch_free (VpndFileWatch *watch)
{
  if (watch == NULL)
    return;

  drop_source (&watch->settle);
  drop_source (&watch->events);
  if (watch->fd >= 0)
    close (watch->fd);
  g_free (watch->path);
  g_free (watch->name);
  g_free (watch);
}
