/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-classes.h. Where systemd runs, the cgroups stand in the unit that it delegated to us (vpnd-split.service): it leaves what is in
 * there alone (systemd.resource-control(5), Delegate=). Elsewhere they stand at the root of the mount.
 */
#include "config.h"

#include "split-classes.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define DELEGATED "vpnd.slice/vpnd-split.service"
#define NET_CLS_FIRST_ID 0x00560001u /* major 0x0056, minor 1 and up: Documentation/admin-guide/cgroup-v1/net_cls.rst */
#define NET_CLS_NO_CLASS 0u          /* what the root has */
#define BOUND_PREFIX "vpnd-bound-"
#define EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR)

typedef struct
{
  char *name; /* (owned): of the folder */
  char *path; /* (owned): in the file system; NULL while there is none */
  guint64 id;
  int procs_fd;
  guint number; /* in net_cls; that of no other one */
} Class;

struct _VpndSplitClasses
{
  char *wanted_path; /* (owned) (nullable) */
  VpndSplitGround ground;
  char *mount; /* (owned) (nullable) */
  char *base;  /* (owned) (nullable): the folder of the classes */
  GArray *classes;
  Class waiting; /* no class: who leaves one stands here until somebody with the right to it brings it back */
  int inotify_fd;
  int watch;
  guint source;
  VpndSplitClassesFunc func;
  gpointer func_data;
};

static void
class_clear (Class *class)
{
  g_free (class->name);
  g_free (class->path);
  if (class->procs_fd >= 0)
    close (class->procs_fd);
}

static Class *
get_class (const VpndSplitClasses *self, guint index)
{
  return &g_array_index (self->classes, Class, index);
}

/* --- where --- */

/* A folder of a mount will do as well as the mount itself: the classes then stand in it. */
static VpndSplitGround
find_above (const char *mountinfo, const char *path, char **out_mount)
{
  g_autofree char *place = g_strdup (path);
  VpndSplitGround ground;

  while ((ground = vpnd_split_ground_find (mountinfo, place, out_mount)) == VPND_SPLIT_GROUND_NONE && strcmp (place, "/") != 0 && strcmp (place, ".") != 0)
    {
      g_autofree char *below = g_steal_pointer (&place);

      place = g_path_get_dirname (below);
    }
  return ground;
}

static gboolean
find_ground (VpndSplitClasses *self, GError **error)
{
  g_autofree char *mountinfo = NULL;
  g_autofree char *delegated = NULL;

  g_clear_pointer (&self->mount, g_free);
  g_clear_pointer (&self->base, g_free);
  self->ground = VPND_SPLIT_GROUND_NONE;
  if (g_file_get_contents ("/proc/self/mountinfo", &mountinfo, NULL, NULL))
    self->ground = self->wanted_path != NULL ? find_above (mountinfo, self->wanted_path, &self->mount) : vpnd_split_ground_find (mountinfo, NULL, &self->mount);
  if (self->ground == VPND_SPLIT_GROUND_NONE)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "classes of processes cannot be told apart: neither cgroup2 (CONFIG_CGROUPS) nor net_cls (CONFIG_CGROUP_NET_CLASSID) is mounted, as a whole%s%s",
          self->wanted_path != NULL ? ", at " : "", self->wanted_path != NULL ? self->wanted_path : "");
      return FALSE;
    }
  delegated = g_build_filename (self->mount, DELEGATED, NULL);
  if (self->wanted_path != NULL)
    self->base = g_strdup (self->wanted_path);
  else
    self->base = g_file_test (delegated, G_FILE_TEST_IS_DIR) ? g_steal_pointer (&delegated) : g_strdup (self->mount);
  return TRUE;
}

/* --- making --- */

static gboolean
write_class_number (const char *path, guint64 id)
{
  g_autofree char *file = g_build_filename (path, "net_cls.classid", NULL);
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, id);
  const int fd = open (file, O_WRONLY | O_CLOEXEC);
  const gboolean is_written = fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text);

  if (fd >= 0)
    close (fd);
  return is_written;
}

/* Returns: FALSE with errno when the class is not there; TRUE in @out_is_new when it has another number than before */
static gboolean
ensure_class (VpndSplitClasses *self, Class *class, gboolean *out_is_new)
{
  g_autofree char *path = g_build_filename (self->base, class->name, NULL);
  g_autofree char *procs = g_build_filename (path, "cgroup.procs", NULL);
  struct stat info;
  guint64 id;
  int fd;

  if (mkdir (path, 0755) != 0 && errno != EEXIST)
    return FALSE;
  if (stat (path, &info) != 0)
    return FALSE;
  if (class->procs_fd >= 0 && g_strcmp0 (class->path, path) == 0 && fstat (class->procs_fd, &info) == 0 && info.st_nlink > 0)
    {
      struct stat now;

      if (stat (procs, &now) == 0 && now.st_ino == info.st_ino)
        return TRUE;
    }
  fd = open (procs, O_RDWR | O_CLOEXEC);
  if (fd < 0 || stat (path, &info) != 0)
    return FALSE;
  id = self->ground == VPND_SPLIT_GROUND_CGROUP2 ? (guint64) info.st_ino : class->number;
  if (self->ground == VPND_SPLIT_GROUND_NET_CLS && !write_class_number (path, id))
    {
      close (fd);
      return FALSE;
    }
  if (class->procs_fd >= 0)
    close (class->procs_fd);
  class->procs_fd = fd;
  class->id = id;
  g_free (class->path);
  class->path = g_steal_pointer (&path);
  *out_is_new = TRUE;
  return TRUE;
}

static void
lose_class (Class *class)
{
  if (class->procs_fd >= 0)
    close (class->procs_fd);
  class->procs_fd = -1;
  class->id = 0;
  g_clear_pointer (&class->path, g_free);
}

static void
lose_classes (VpndSplitClasses *self)
{
  for (guint i = 0; i < self->classes->len; i++)
    lose_class (get_class (self, i));
  lose_class (&self->waiting);
}

static gboolean
ensure_all (VpndSplitClasses *self, gboolean *out_is_new, GError **error)
{
  if (self->base == NULL || !g_file_test (self->base, G_FILE_TEST_IS_DIR))
    {
      if (!find_ground (self, error))
        {
          lose_classes (self);
          return FALSE;
        }
      *out_is_new = TRUE;
    }
  /* Before the classes: what happens to them from now on is told. */
  self->watch = inotify_add_watch (self->inotify_fd, self->base, EVENTS);
  for (guint i = 0; i <= self->classes->len; i++)
    if (i < self->classes->len ? !ensure_class (self, get_class (self, i), out_is_new) : !ensure_class (self, &self->waiting, out_is_new))
      {
        g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "the class \"%s\" cannot be made in %s: %s", i < self->classes->len ? get_class (self, i)->name : self->waiting.name, self->base, g_strerror (errno));
        lose_classes (self);
        return FALSE;
      }
  return TRUE;
}

static gboolean
on_event (gint fd, GIOCondition condition, gpointer user_data)
{
  VpndSplitClasses *self = user_data;
  char buffer[4096] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  gboolean is_new = FALSE;

  while (read (fd, buffer, sizeof buffer) > 0)
    ;
  if (!ensure_all (self, &is_new, NULL))
    is_new = TRUE; /* the caller sees that there is none */
  if (is_new)
    self->func (self->func_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
has_number (const GArray *classes, guint number)
{
  for (guint i = 0; i < classes->len; i++)
    if (g_array_index (classes, Class, i).number == number)
      return TRUE;
  return FALSE;
}

static void
add_class (GArray *classes, char *name)
{
  Class class = { .name = name, .procs_fd = -1, .number = NET_CLS_FIRST_ID };

  while (has_number (classes, class.number))
    class.number++;
  g_array_append_val (classes, class);
}

static gboolean
find_name (const GArray *classes, const char *name, guint *out_index)
{
  for (guint i = VPND_SPLIT_CLASS_INCLUDED + 1; i < classes->len; i++)
    if (strcmp (g_array_index (classes, Class, i).name, name) == 0)
      {
        *out_index = i;
        return TRUE;
      }
  return FALSE;
}

/**
 * vpnd_split_classes_new:
 * @wanted_path: (nullable): where the classes shall stand: a mount of cgroup2 or net_cls, or a folder in it; NULL finds one
 * @func: (scope notified): called when a class has another number than before, or is gone for good
 * @user_data: passed to @func
 *
 * Returns: (transfer full): classes that are not there yet
 */
VpndSplitClasses *
vpnd_split_classes_new (const char *wanted_path, VpndSplitClassesFunc func, gpointer user_data)
{
  VpndSplitClasses *self = g_new0 (VpndSplitClasses, 1);

  self->wanted_path = g_strdup (wanted_path);
  self->classes = g_array_new (FALSE, FALSE, sizeof (Class));
  g_array_set_clear_func (self->classes, (GDestroyNotify) class_clear);
  add_class (self->classes, g_strdup ("vpnd-excluded"));
  add_class (self->classes, g_strdup ("vpnd-included"));
  self->waiting = (Class){ .name = g_strdup ("vpnd-returning"), .procs_fd = -1, .number = NET_CLS_NO_CLASS };
  self->inotify_fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (self->inotify_fd >= 0)
    self->source = g_unix_fd_add (self->inotify_fd, G_IO_IN, on_event, self);
  self->func = func;
  self->func_data = user_data;
  return self;
}

/**
 * vpnd_split_classes_free:
 * @self: (transfer full): classes; their cgroups stay
 */
void
vpnd_split_classes_free (VpndSplitClasses *self)
{
  g_clear_handle_id (&self->source, g_source_remove);
  if (self->inotify_fd >= 0)
    close (self->inotify_fd);
  g_array_unref (self->classes);
  class_clear (&self->waiting);
  g_free (self->wanted_path);
  g_free (self->mount);
  g_free (self->base);
  g_free (self);
}

/**
 * vpnd_split_classes_set_profiles:
 * @self: the classes
 * @profiles: (element-type utf8): what classes of profiles are called: each gets a class of its own, and who has one keeps it, with its number
 * @error: return location for an error
 *
 * Makes what is not there.
 *
 * Returns: TRUE when all are there. Errors: VPND_ERROR_KERNEL_FEATURE
 */
gboolean
vpnd_split_classes_set_profiles (VpndSplitClasses *self, const GPtrArray *profiles, GError **error)
{
  gboolean is_new = FALSE;

  g_return_val_if_fail (profiles->len <= VPND_SPLIT_MAX_PROFILES, FALSE);

  for (guint i = self->classes->len - 1; i > VPND_SPLIT_CLASS_INCLUDED; i--)
    if (!g_ptr_array_find_with_equal_func ((GPtrArray *) profiles, get_class (self, i)->name + strlen (BOUND_PREFIX), g_str_equal, NULL))
      g_array_remove_index (self->classes, i);
  for (guint i = 0; i < profiles->len; i++)
    {
      g_autofree char *name = g_strconcat (BOUND_PREFIX, g_ptr_array_index (profiles, i), NULL);
      guint index;

      if (!find_name (self->classes, name, &index))
        add_class (self->classes, g_steal_pointer (&name));
    }
  return ensure_all (self, &is_new, error);
}

/**
 * vpnd_split_classes_get_ground:
 * @self: the classes
 *
 * Returns: how they are told apart; NONE while they are not there
 */
VpndSplitGround
vpnd_split_classes_get_ground (const VpndSplitClasses *self)
{
  return get_class (self, VPND_SPLIT_CLASS_EXCLUDED)->path != NULL ? self->ground : VPND_SPLIT_GROUND_NONE;
}

/**
 * vpnd_split_classes_get_mount:
 * @self: the classes
 *
 * Returns: (nullable): where their hierarchy is mounted
 */
const char *
vpnd_split_classes_get_mount (const VpndSplitClasses *self)
{
  return self->mount;
}

/**
 * vpnd_split_classes_get_level:
 * @self: the classes
 *
 * Returns: how deep they stand, 0 while they are not there
 */
guint
vpnd_split_classes_get_level (const VpndSplitClasses *self)
{
  const Class *class = get_class (self, VPND_SPLIT_CLASS_EXCLUDED);

  return class->path != NULL ? vpnd_split_ground_level (self->mount, class->path) : 0;
}

/**
 * vpnd_split_classes_get_n:
 * @self: the classes
 *
 * Returns: how many
 */
guint
vpnd_split_classes_get_n (const VpndSplitClasses *self)
{
  return self->classes->len;
}

/**
 * vpnd_split_classes_get_id:
 * @self: the classes
 * @index: which
 *
 * Returns: its number, 0 while it is not there
 */
guint64
vpnd_split_classes_get_id (const VpndSplitClasses *self, guint index)
{
  return get_class (self, index)->id;
}

/**
 * vpnd_split_classes_get_fd:
 * @self: the classes
 * @index: which
 *
 * Returns: its cgroup.procs, open for reading and writing; -1 while it is not there
 */
int
vpnd_split_classes_get_fd (const VpndSplitClasses *self, guint index)
{
  return get_class (self, index)->procs_fd;
}

/**
 * vpnd_split_classes_get_waiting_fd:
 * @self: the classes
 *
 * Returns: cgroup.procs of the cgroup for those who leave a class, which is none; -1 while it is not there
 */
int
vpnd_split_classes_get_waiting_fd (const VpndSplitClasses *self)
{
  return self->waiting.procs_fd;
}

/**
 * vpnd_split_classes_get_waiting_id:
 * @self: the classes
 *
 * Returns: the number of the cgroup for those who leave a class, 0 while it is not there
 */
guint64
vpnd_split_classes_get_waiting_id (const VpndSplitClasses *self)
{
  return self->waiting.id;
}

/**
 * vpnd_split_classes_get_path:
 * @self: the classes
 * @index: which
 *
 * Returns: its path as /proc/PID/cgroup has it, "" while it is not there
 */
const char *
vpnd_split_classes_get_path (const VpndSplitClasses *self, guint index)
{
  const Class *class = get_class (self, index);

  return class->path != NULL ? class->path + strlen (self->mount) : "";
}

/**
 * vpnd_split_classes_find:
 * @self: the classes
 * @class_: a class
 * @profile: (nullable): with VPND_SPLIT_BOUND, what it is called
 * @out_index: (out): which it is
 *
 * Returns: FALSE when there is none
 */
gboolean
vpnd_split_classes_find (const VpndSplitClasses *self, VpndSplitClass class_, const char *profile, guint *out_index)
{
  g_autofree char *name = NULL;

  if (class_ == VPND_SPLIT_EXCLUDED || class_ == VPND_SPLIT_INCLUDED)
    {
      *out_index = class_ == VPND_SPLIT_EXCLUDED ? VPND_SPLIT_CLASS_EXCLUDED : VPND_SPLIT_CLASS_INCLUDED;
      return TRUE;
    }
  name = g_strconcat (BOUND_PREFIX, profile, NULL);
  return find_name (self->classes, name, out_index);
}

/**
 * vpnd_split_classes_has_path:
 * @self: the classes
 * @path: a cgroup, as /proc/PID/cgroup has it
 *
 * Returns: whether it is one of the classes, or below one
 */
gboolean
vpnd_split_classes_has_path (const VpndSplitClasses *self, const char *path)
{
  for (guint i = 0; i < self->classes->len; i++)
    {
      const char *own = vpnd_split_classes_get_path (self, i);
      const gsize length = strlen (own);

      if (length > 0 && strncmp (own, path, length) == 0 && (path[length] == '\0' || path[length] == '/'))
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_split_classes_list:
 * @self: the classes
 * @index: which
 *
 * Returns: (transfer full) (element-type gint32): who stands in it now
 */
GArray *
vpnd_split_classes_list (const VpndSplitClasses *self, guint index)
{
  const Class *class = get_class (self, index);
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *procs = class->path != NULL ? g_build_filename (class->path, "cgroup.procs", NULL) : NULL;
  g_autofree char *text = NULL;
  char *place;

  if (procs == NULL || !g_file_get_contents (procs, &text, NULL, NULL))
    return pids;
  for (place = text; *place != '\0';)
    {
      char *end;
      const gint32 pid = (gint32) g_ascii_strtoull (place, &end, 10);

      if (pid > 0)
        g_array_append_val (pids, pid);
      place = *end != '\0' ? end + 1 : end;
    }
  return pids;
}
