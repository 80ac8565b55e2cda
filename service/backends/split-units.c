/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-units.h. A unit's cgroup has the unit's name and stands in those of its slices (systemd.slice(5)), the units of a user's manager
 * below user@UID.service. Only folders that may hold units are walked, and each is watched. A service manager makes the cgroup before the first process
 * of the unit, so what comes is told at once, before anything else is looked at; what goes has time.
 */
#include "config.h"

#include "split-units.h"

#include "split-ground.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
#define DEPTH_MAX 12       /* of slices in slices: nobody nests them deeper */
#define SYSTEM G_MAXUINT32 /* not of a user's manager */
#define SETTLE_MS 100      /* after something has gone all is walked anew: a unit that is restarted makes one change of it */

/**
 * Folder: one that is watched
 * @path: (owned): in the file system
 * @uid: of the user whose manager runs what stands in it, else SYSTEM
 * @depth: below the mount
 */
typedef struct
{
  char *path;
  guint32 uid;
  guint depth;
} Folder;

struct _VpndSplitUnits
{
  char *mount;               /* (owned) (nullable) */
  VpndSplitUnitsMatch match; /* (nullable): which units are asked for */
  gconstpointer match_data;
  GArray *places;      /* (element-type VpndSplitUnitPlace) (owned): sorted by their numbers */
  GHashTable *folders; /* (element-type gint Folder) (owned): by the numbers of their watches */
  int inotify_fd;
  guint source;
  guint settle;
  VpndSplitUnitsFunc func;
  gpointer func_data;
};

static void
place_clear (VpndSplitUnitPlace *place)
{
  g_free (place->name);
}

static GArray *
places_new (void)
{
  GArray *places = g_array_new (FALSE, FALSE, sizeof (VpndSplitUnitPlace));

  g_array_set_clear_func (places, (GDestroyNotify) place_clear);
  return places;
}

static gboolean
may_hold_units (const char *name)
{
  return g_str_has_suffix (name, ".slice") || (g_str_has_prefix (name, "user@") && g_str_has_suffix (name, ".service"));
}

/* Returns: whose manager runs what stands in the folder @name: the one of user@UID.service, else @uid */
static guint32
find_manager (const char *name, guint32 uid)
{
  guint64 number;
  g_autofree char *text = NULL;

  if (!g_str_has_prefix (name, "user@") || !g_str_has_suffix (name, ".service"))
    return uid;
  text = g_strndup (name + strlen ("user@"), strlen (name) - strlen ("user@") - strlen (".service"));
  return g_ascii_string_to_unsigned (text, 10, 0, SYSTEM - 1, &number, NULL) ? (guint32) number : uid;
}

static void
folder_free (Folder *folder)
{
  g_free (folder->path);
  g_free (folder);
}

static void
watch_folder (VpndSplitUnits *self, const char *path, guint32 uid, guint depth)
{
  const int watch = inotify_add_watch (self->inotify_fd, path, EVENTS);
  Folder *folder;

  if (watch < 0)
    return;
  folder = g_new0 (Folder, 1);
  folder->path = g_strdup (path);
  folder->uid = uid;
  folder->depth = depth;
  g_hash_table_replace (self->folders, GINT_TO_POINTER (watch), folder);
}

static gint
compare_places (gconstpointer a, gconstpointer b)
{
  const guint64 x = ((const VpndSplitUnitPlace *) a)->id, y = ((const VpndSplitUnitPlace *) b)->id;

  return (x > y) - (x < y);
}

static gboolean
contains (const GArray *places, guint64 id)
{
  for (guint i = 0; i < places->len; i++)
    if (g_array_index (places, VpndSplitUnitPlace, i).id == id)
      return TRUE;
  return FALSE;
}

static void walk (VpndSplitUnits *self, GArray *places, const char *folder, guint32 uid, guint depth);

/* Looks at one entry of a folder: adds it to @places if it is asked for, and what is below it. */
static void
take (VpndSplitUnits *self, GArray *places, const char *folder, const char *name, guint32 uid, guint depth)
{
  const gboolean is_asked_for = strchr (name, '.') != NULL && self->match (name, self->match_data);
  g_autofree char *path = NULL;
  struct stat info;

  if (!is_asked_for && !may_hold_units (name))
    return;
  path = g_build_filename (folder, name, NULL);
  if (stat (path, &info) != 0 || !S_ISDIR (info.st_mode))
    return;
  if (is_asked_for && !contains (places, info.st_ino))
    {
      const VpndSplitUnitPlace place = { g_strdup (name), uid, vpnd_split_ground_level (self->mount, path), info.st_ino };

      g_array_append_val (places, place);
    }
  if (may_hold_units (name) && depth < DEPTH_MAX)
    walk (self, places, path, find_manager (name, uid), depth + 1);
}

static void
walk (VpndSplitUnits *self, GArray *places, const char *folder, guint32 uid, guint depth)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  watch_folder (self, folder, uid, depth); /* before the look: what comes meanwhile is told */
  dir = g_dir_open (folder, 0, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    take (self, places, folder, name, uid, depth);
}

static gboolean
is_same (const GArray *a, const GArray *b)
{
  gboolean same = a->len == b->len;

  for (guint i = 0; same && i < a->len; i++)
    {
      const VpndSplitUnitPlace *x = &g_array_index (a, VpndSplitUnitPlace, i), *y = &g_array_index (b, VpndSplitUnitPlace, i);

      same = x->id == y->id && x->uid == y->uid && x->level == y->level && strcmp (x->name, y->name) == 0;
    }
  return same;
}

/* Returns: whether anything is another way than before */
static gboolean
look (VpndSplitUnits *self)
{
  g_autoptr (GArray) places = places_new ();
  gboolean has_changed;

  if (self->mount != NULL && self->match != NULL)
    walk (self, places, self->mount, SYSTEM, 0);
  g_array_sort (places, compare_places);
  has_changed = !is_same (places, self->places);
  g_array_unref (self->places);
  self->places = g_steal_pointer (&places);
  return has_changed;
}

static gboolean
on_settled (gpointer user_data)
{
  VpndSplitUnits *self = user_data;

  self->settle = 0;
  if (look (self))
    self->func (self->func_data);
  return G_SOURCE_REMOVE;
}

/* What one event names is looked at by itself: to walk all folders takes longer than a service manager takes to start a process. */
static void
take_event (VpndSplitUnits *self, const struct inotify_event *event)
{
  const Folder *folder = g_hash_table_lookup (self->folders, GINT_TO_POINTER (event->wd));

  if ((event->mask & IN_IGNORED) != 0)
    g_hash_table_remove (self->folders, GINT_TO_POINTER (event->wd));
  else if (folder != NULL && event->len > 0 && (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
    {
      g_autofree char *path = g_strdup (folder->path); /* the table changes meanwhile */

      take (self, self->places, path, event->name, folder->uid, folder->depth);
    }
}

static gboolean
on_event (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndSplitUnits *self = user_data;
  char buffer[16384] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  const guint n_before = self->places->len;
  gboolean has_more = FALSE;
  ssize_t n;

  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < n;)
      {
        const struct inotify_event *event = (const struct inotify_event *) (buffer + at);

        take_event (self, event);
        has_more = has_more || (event->mask & ~(guint32) (IN_CREATE | IN_ISDIR)) != 0; /* also when some were lost (IN_Q_OVERFLOW) */
        at += (ssize_t) (sizeof *event + event->len);
      }
  if (has_more && self->settle == 0)
    self->settle = g_timeout_add (SETTLE_MS, on_settled, self);
  if (self->places->len > n_before)
    {
      g_array_sort (self->places, compare_places);
      self->func (self->func_data);
    }
  return G_SOURCE_CONTINUE;
}

/**
 * vpnd_split_units_new:
 * @func: (scope notified): called when a unit that is asked for has come or gone
 * @user_data: passed to @func
 *
 * Returns: (transfer full): units, none of them asked for
 */
VpndSplitUnits *
vpnd_split_units_new (VpndSplitUnitsFunc func, gpointer user_data)
{
  VpndSplitUnits *self = g_new0 (VpndSplitUnits, 1);

  self->places = places_new ();
  self->folders = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) folder_free);
  self->inotify_fd = -1;
  self->func = func;
  self->func_data = user_data;
  return self;
}

static void
stop (VpndSplitUnits *self)
{
  g_clear_handle_id (&self->source, g_source_remove);
  g_clear_handle_id (&self->settle, g_source_remove);
  if (self->inotify_fd >= 0)
    close (self->inotify_fd);
  self->inotify_fd = -1;
  g_hash_table_remove_all (self->folders);
}

/**
 * vpnd_split_units_free:
 * @self: (transfer full): units
 */
void
vpnd_split_units_free (VpndSplitUnits *self)
{
  stop (self);
  g_array_unref (self->places);
  g_hash_table_unref (self->folders);
  g_free (self->mount);
  g_free (self);
}

/**
 * vpnd_split_units_set:
 * @self: units
 * @mount: (nullable): where cgroup2 is mounted; NULL where it is not: no unit is found then
 * @match: (nullable) (scope notified): says which are asked for; NULL: none
 * @data: passed to @match
 *
 * Looks at once; the function of vpnd_split_units_new () is for what comes later.
 */
void
vpnd_split_units_set (VpndSplitUnits *self, const char *mount, VpndSplitUnitsMatch match, gconstpointer data)
{
  stop (self);
  self->match = match;
  self->match_data = data;
  g_free (self->mount);
  self->mount = g_strdup (mount);
  if (mount != NULL && match != NULL)
    self->inotify_fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (self->inotify_fd >= 0)
    self->source = g_unix_fd_add (self->inotify_fd, G_IO_IN, on_event, self);
  (void) look (self);
}

/**
 * vpnd_split_units_get:
 * @self: units
 *
 * Returns: (transfer none) (element-type VpndSplitUnitPlace): those that are there
 */
const GArray *
vpnd_split_units_get (const VpndSplitUnits *self)
{
  return self->places;
}
