/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-units.h. A unit's cgroup has the unit's name and stands in those of its slices (systemd.slice(5)), the units of a user's manager
 * below user@UID.service. Only folders that may hold units are walked, and each is watched. A service manager makes the cgroup before the first process
 * of the unit, so what comes is told at once, before anything else is looked at; what goes has time.
 *
 * Up to which cgroup all were looked at: Linux numbers cgroups in the order in which they come, and one is there for all to see before the next one gets its number
 * (cgroup_mkdir() holds one lock for both). So when somebody has met one, whatever way, all folders that are read from then on show each that is older.
 */
#include "config.h"

#include "split-units.h"

#include "split-ground.h"

#include <dirent.h>
#include <glib-unix.h>
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
#define DEPTH_MAX 12       /* of slices in slices: nobody nests them deeper */
#define SYSTEM G_MAXUINT32 /* not of a user's manager */
#define RETRY_MS 1000      /* while a folder cannot be watched */
#define WALKS_MAX 3        /* one after the other, while more comes meanwhile */
#define ROOT 1             /* the number of the root of cgroup2: the first */
#define REST_TIMES 4       /* as long as the walks took, for whoever makes cgroups without end */
#define REST_US 5000       /* shorter walks need no rest */
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
  GArray *folder_ids;  /* (element-type VpndSplitUnitFolder) (owned): of the last walk */
  GHashTable *folders; /* (element-type gint Folder) (owned): by the numbers of their watches */
  gboolean tells_all;  /* also units that are not asked for */
  gboolean is_deaf;    /* a folder could not be watched */
  gboolean has_missed; /* something could not be read, so the walk says nothing of what is there */
  guint64 met;         /* the greatest number of a folder that was seen */
  guint64 newest;      /* up to here all were looked at */
  gint64 rest_until;   /* monotonic time, us */
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
    {
      self->is_deaf = self->is_deaf || (errno != ENOENT && errno != ENOTDIR);
      return;
    }
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

static void walk (VpndSplitUnits *self, GArray *places, const char *folder, guint64 id, guint32 uid, guint depth);

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
  if (stat (path, &info) != 0)
    {
      self->has_missed = self->has_missed || errno != ENOENT;
      return;
    }
  if (!S_ISDIR (info.st_mode))
    return;
  if (is_asked_for && !contains (places, info.st_ino))
    {
      const VpndSplitUnitPlace place = { g_strdup (name), uid, vpnd_split_ground_level (self->mount, path), info.st_ino };

      g_array_append_val (places, place);
    }
  if (may_hold_units (name) && depth < DEPTH_MAX)
    walk (self, places, path, info.st_ino, find_manager (name, uid), depth + 1);
}

static const struct dirent *
read_entry (VpndSplitUnits *self, DIR *dir)
{
  const struct dirent *entry;

  errno = 0;
  entry = readdir (dir);
  self->has_missed = self->has_missed || (entry == NULL && errno != 0);
  return entry;
}

static void
walk (VpndSplitUnits *self, GArray *places, const char *folder, guint64 id, guint32 uid, guint depth)
{
  const VpndSplitUnitFolder found = { uid, depth, id };
  const struct dirent *entry;
  DIR *dir;

  watch_folder (self, folder, uid, depth); /* before the look: what comes meanwhile is told */
  if (places != self->places)
    g_array_append_val (self->folder_ids, found);
  dir = opendir (folder);
  self->has_missed = self->has_missed || (dir == NULL && errno != ENOENT);
  while (dir != NULL && (entry = read_entry (self, dir)) != NULL)
    {
      if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
        continue;
      self->met = MAX (self->met, entry->d_ino);
      take (self, places, folder, entry->d_name, uid, depth);
    }
  if (dir != NULL)
    closedir (dir);
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

/* Returns: whether anything is another way than before. What could not be read is as it was, and what has come since waits. */
static gboolean
look (VpndSplitUnits *self)
{
  g_autoptr (GArray) places = places_new ();
  g_autoptr (GArray) folder_ids = g_steal_pointer (&self->folder_ids);
  const guint64 met = self->met;
  struct stat info;
  gboolean has_changed;

  self->is_deaf = self->has_missed = FALSE;
  self->folder_ids = g_array_new (FALSE, FALSE, sizeof (VpndSplitUnitFolder));
  if (self->mount != NULL && self->match != NULL && stat (self->mount, &info) == 0)
    walk (self, places, self->mount, info.st_ino, SYSTEM, 0);
  if (self->has_missed && self->newest > 0)
    {
      g_array_unref (self->folder_ids);
      self->folder_ids = g_steal_pointer (&folder_ids);
      return FALSE;
    }
  g_array_sort (places, compare_places);
  has_changed = !is_same (places, self->places) ||
      (self->tells_all && (met != self->newest || folder_ids->len != self->folder_ids->len || memcmp (folder_ids->data, self->folder_ids->data, (gsize) folder_ids->len * sizeof (VpndSplitUnitFolder)) != 0));
  self->newest = self->has_missed ? ROOT : met;
  g_array_unref (self->places);
  self->places = g_steal_pointer (&places);
  return has_changed;
}

static void settle_in (VpndSplitUnits *self, guint ms);

/* Looks until nothing has come meanwhile, within bounds; what is left an event tells. */
static gboolean
look_at_all (VpndSplitUnits *self)
{
  const gint64 begin = g_get_monotonic_time ();
  gboolean has_changed = look (self);
  gint64 took;

  for (guint i = 1; i < WALKS_MAX && self->tells_all && self->met > self->newest && !self->has_missed; i++)
    has_changed = look (self) || has_changed;
  took = g_get_monotonic_time () - begin;
  self->rest_until = took > REST_US ? begin + took + REST_TIMES * took : 0;
  if (self->has_missed || (self->is_deaf && self->tells_all))
    settle_in (self, RETRY_MS);
  return has_changed;
}

static gboolean
on_settled (gpointer user_data)
{
  VpndSplitUnits *self = user_data;

  self->settle = 0;
  if (look_at_all (self))
    self->func (self->func_data);
  return G_SOURCE_REMOVE;
}

static void
settle_in (VpndSplitUnits *self, guint ms)
{
  if (self->settle == 0)
    self->settle = g_timeout_add (ms, on_settled, self);
}

/* What comes is held until it was looked at (core/policy-split-who.c), so there is time for a walk. */
static void
look_for_more (VpndSplitUnits *self)
{
  const gint64 rest = self->rest_until - g_get_monotonic_time ();

  if (rest > 0)
    {
      g_clear_handle_id (&self->settle, g_source_remove);
      settle_in (self, (guint) (rest / 1000 + 1));
    }
  else if (look_at_all (self))
    self->func (self->func_data);
}

/* Where nothing is held what one event names is looked at by itself: to walk all folders takes longer than a service manager takes to start a process. */
static void
take_event (VpndSplitUnits *self, const struct inotify_event *event)
{
  const Folder *folder = g_hash_table_lookup (self->folders, GINT_TO_POINTER (event->wd));

  if ((event->mask & IN_IGNORED) != 0)
    g_hash_table_remove (self->folders, GINT_TO_POINTER (event->wd));
  else if (folder != NULL && event->len > 0 && (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
    {
      g_autofree char *path = g_strdup (folder->path); /* the table changes meanwhile */
      g_autofree char *full = self->tells_all ? g_build_filename (path, event->name, NULL) : NULL;
      struct stat info;

      if (full == NULL)
        take (self, self->places, path, event->name, folder->uid, folder->depth);
      else if (stat (full, &info) == 0 && S_ISDIR (info.st_mode))
        self->met = MAX (self->met, info.st_ino);
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
  if (has_more)
    settle_in (self, SETTLE_MS);
  if (self->tells_all && self->met > self->newest)
    {
      look_for_more (self);
    }
  else if (self->places->len > n_before)
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
  self->folder_ids = g_array_new (FALSE, FALSE, sizeof (VpndSplitUnitFolder));
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
  g_array_unref (self->folder_ids);
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
 * @tells_all: whether the function is also called when a unit has come that is not asked for, since nobody can send anything before it was looked at
 *
 * Looks at once; the function of vpnd_split_units_new () is for what comes later.
 */
void
vpnd_split_units_set (VpndSplitUnits *self, const char *mount, VpndSplitUnitsMatch match, gconstpointer data, gboolean tells_all)
{
  stop (self);
  self->tells_all = tells_all;
  self->met = self->newest = 0;
  self->rest_until = 0;
  self->match = match;
  self->match_data = data;
  g_free (self->mount);
  self->mount = g_strdup (mount);
  if (mount != NULL && match != NULL)
    self->inotify_fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (self->inotify_fd >= 0)
    self->source = g_unix_fd_add (self->inotify_fd, G_IO_IN, on_event, self);
  (void) look_at_all (self);
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

/**
 * vpnd_split_units_get_folders:
 * @self: units
 *
 * Returns: (transfer none) (element-type VpndSplitUnitFolder): where units come to stand
 */
const GArray *
vpnd_split_units_get_folders (const VpndSplitUnits *self)
{
  return self->folder_ids;
}

/**
 * vpnd_split_units_get_newest:
 * @self: units that tell all
 *
 * Returns: the number up to which each cgroup in the folders was looked at; 0 for none
 */
guint64
vpnd_split_units_get_newest (const VpndSplitUnits *self)
{
  return self->newest;
}
