/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See steps.h. inotify(7) tells what happens in a folder, and to itself; not what happens above it, nor that the link changes by which it was reached: so each folder
 * on the way is watched, for one name.
 */
#include "config.h"

#include "steps.h"

#include <sys/inotify.h>
#include <unistd.h>

#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR)
#define STEPS_MAX 24u /* of one way, the last: users can make ways, and all programs of root have some ten thousand watches together (fs.inotify.max_user_watches) */

/* One step of one way. */
typedef struct
{
  int folder; /* inotify's number */
  char *name; /* (owned) */
} Step;

struct _VpndSteps
{
  int fd;
  GHashTable *folders; /* (element-type gint GHashTable(utf8 GHashTable(gpointer guint))) (owned): inotify's number -> name -> owner -> how often */
};

/**
 * vpnd_steps_new:
 *
 * Returns: (transfer full): nothing that is watched
 */
VpndSteps *
vpnd_steps_new (void)
{
  VpndSteps *self = g_new0 (VpndSteps, 1);

  self->fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  self->folders = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_hash_table_unref);
  return self;
}

/**
 * vpnd_steps_free:
 * @steps: (transfer full): what is watched
 */
void
vpnd_steps_free (VpndSteps *steps)
{
  if (steps->fd >= 0)
    close (steps->fd);
  g_hash_table_unref (steps->folders);
  g_free (steps);
}

/**
 * vpnd_steps_get_fd:
 * @steps: what is watched
 *
 * Returns: readable when there is something for vpnd_steps_read(); -1 when the kernel watches nothing
 */
int
vpnd_steps_get_fd (const VpndSteps *steps)
{
  return steps->fd;
}

static void
clear_step (gpointer data)
{
  g_free (((Step *) data)->name);
}

/**
 * vpnd_steps_way_new:
 *
 * Returns: (transfer full): a way without steps
 */
GArray *
vpnd_steps_way_new (void)
{
  GArray *way = g_array_new (FALSE, FALSE, sizeof (Step));

  g_array_set_clear_func (way, clear_step);
  return way;
}

/* A folder that leads nowhere any more is not watched. */
static void
forget_step (VpndSteps *self, const Step *step, gpointer owner)
{
  GHashTable *names = g_hash_table_lookup (self->folders, GINT_TO_POINTER (step->folder));
  GHashTable *owners = names != NULL ? g_hash_table_lookup (names, step->name) : NULL;
  const guint n = owners != NULL ? GPOINTER_TO_UINT (g_hash_table_lookup (owners, owner)) : 0;

  if (n > 1)
    g_hash_table_insert (owners, owner, GUINT_TO_POINTER (n - 1));
  if (n != 1)
    return;
  g_hash_table_remove (owners, owner);
  if (g_hash_table_size (owners) == 0)
    g_hash_table_remove (names, step->name);
  if (g_hash_table_size (names) > 0)
    return;
  g_hash_table_remove (self->folders, GINT_TO_POINTER (step->folder));
  (void) inotify_rm_watch (self->fd, step->folder);
}

/**
 * vpnd_steps_take:
 * @steps: what is watched
 * @way: which gets the step
 * @owner: whose way it is
 * @folder: (unowned): an open folder, that it leads through
 * @name: what is looked for in there next: after this call, so that no change is missed
 */
void
vpnd_steps_take (VpndSteps *steps, GArray *way, gpointer owner, int folder, const char *name)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", folder);
  const Step step = { inotify_add_watch (steps->fd, path, FOLDER_EVENTS), g_strdup (name) };
  GHashTable *names = g_hash_table_lookup (steps->folders, GINT_TO_POINTER (step.folder));
  GHashTable *owners = names != NULL ? g_hash_table_lookup (names, name) : NULL;

  if (step.folder < 0)
    {
      g_free (step.name);
      return;
    }
  if (names == NULL)
    {
      names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
      g_hash_table_insert (steps->folders, GINT_TO_POINTER (step.folder), names);
    }
  if (owners == NULL)
    {
      owners = g_hash_table_new (NULL, NULL);
      g_hash_table_insert (names, g_strdup (name), owners);
    }
  g_hash_table_insert (owners, owner, GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (owners, owner)) + 1));
  g_array_append_val (way, step);
  if (way->len <= STEPS_MAX)
    return;
  forget_step (steps, &g_array_index (way, Step, 0), owner);
  g_array_remove_index (way, 0);
}

/**
 * vpnd_steps_forget:
 * @steps: what is watched
 * @way: (transfer full): a way that is not followed any more
 * @owner: whose it was
 */
void
vpnd_steps_forget (VpndSteps *steps, GArray *way, gpointer owner)
{
  for (guint i = 0; i < way->len; i++)
    forget_step (steps, &g_array_index (way, Step, i), owner);
  g_array_unref (way);
}

static void
add_owners (GHashTable *owners, GHashTable *due)
{
  GHashTableIter iter;
  gpointer owner;

  g_hash_table_iter_init (&iter, owners);
  while (g_hash_table_iter_next (&iter, &owner, NULL))
    g_hash_table_add (due, owner);
}

static void
take_event (VpndSteps *self, const struct inotify_event *event, GHashTable *due)
{
  GHashTable *names = g_hash_table_lookup (self->folders, GINT_TO_POINTER (event->wd));
  GHashTable *owners = names != NULL && event->len > 0 ? g_hash_table_lookup (names, event->name) : NULL;
  GHashTableIter iter;
  gpointer each;

  if (owners != NULL)
    add_owners (owners, due);
  if (names == NULL || event->len > 0)
    return;
  g_hash_table_iter_init (&iter, names); /* something has happened to the folder itself */
  while (g_hash_table_iter_next (&iter, NULL, &each))
    add_owners (each, due);
  if (event->mask & IN_IGNORED)
    g_hash_table_remove (self->folders, GINT_TO_POINTER (event->wd));
}

/**
 * vpnd_steps_read:
 * @steps: what is watched
 * @due: (element-type gpointer): a set that gets those whose way may lead elsewhere now
 * @out_has_lost: (inout): becomes TRUE when nobody knows who they all are
 *
 * Returns: FALSE when there was nothing to read
 */
gboolean
vpnd_steps_read (VpndSteps *steps, GHashTable *due, gboolean *out_has_lost)
{
  char buffer[8192] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  const ssize_t n = read (steps->fd, buffer, sizeof buffer);

  for (ssize_t at = 0; at < n;)
    {
      const struct inotify_event *event = (const struct inotify_event *) (buffer + at);

      if (event->mask & IN_Q_OVERFLOW)
        *out_has_lost = TRUE;
      else
        take_event (steps, event, due);
      at += (ssize_t) sizeof *event + event->len;
    }
  return n > 0;
}
