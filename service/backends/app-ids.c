/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See app-ids.h. Names of units as the "Desktop Environments" page of systemd, flatpak-run(1) and snapd make them. I/O is synchronous: a handful of files of a
 * few hundred bytes on local file systems, written by root.
 */
#include "config.h"

#include "app-ids.h"

#include "app-entry.h"
#include "error.h"
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where programs are looked up that Exec names without a path: that of a session, without what a user may write. */
static const char *const program_folders[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/games", "/usr/games", "/snap/bin" };

/* The default of XDG_DATA_DIRS, and what Flatpak and snapd add to it. */
static const char *const entry_folders[] = {
  "/usr/local/share/applications",
  "/usr/share/applications",
  "/var/lib/flatpak/exports/share/applications",
  "/var/lib/snapd/desktop/applications",
};

static const char *const flatpak_folders[] = { "/var/lib/flatpak/app" };
static const char *const snap_folders[] = { "/snap", "/var/lib/snapd/snap" };

/**
 * vpnd_app_free:
 * @app: (transfer full) (nullable): an application
 */
void
vpnd_app_free (VpndApp *app)
{
  if (app == NULL)
    return;
  g_free (app->id);
  g_ptr_array_unref (app->paths);
  g_free (app->snap);
  g_free (app);
}

/* --- files --- */

static char *
in_root (const char *root, const char *path)
{
  return g_build_filename (root, path, NULL);
}

static char *
read_regular (int fd)
{
  struct stat info;
  g_autofree char *text = NULL;
  ssize_t n;

  if (fstat (fd, &info) < 0 || !S_ISREG (info.st_mode) || info.st_size > VPND_APP_ENTRY_MAX_BYTES)
    return NULL;
  text = g_malloc0 ((gsize) info.st_size + 1);
  n = read (fd, text, (gsize) info.st_size);
  return n == info.st_size ? g_steal_pointer (&text) : NULL;
}

static gboolean
is_of_system (int fd)
{
  struct stat info;

  return fstat (fd, &info) == 0 && info.st_uid == geteuid () && (info.st_mode & S_IWOTH) == 0;
}

/* A file of the system: links are root's, for the folder is; what they lead to must be root's, too. */
static char *
read_system_file (const char *root, const char *path)
{
  g_autofree char *full = in_root (root, path);
  const int fd = open (full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  char *text = fd >= 0 && is_of_system (fd) ? read_regular (fd) : NULL;

  if (fd >= 0)
    close (fd);
  return text;
}

/* The file of local users: asking all that the host is set up to ask could wait for the network. */
static char *
find_home (const char *root, guint32 uid)
{
  g_autofree char *path = in_root (root, "/etc/passwd");
  FILE *file = fopen (path, "re");
  const struct passwd *entry;
  char *home = NULL;

  while (file != NULL && home == NULL && (entry = fgetpwent (file)) != NULL)
    if (entry->pw_uid == uid && entry->pw_dir != NULL && g_path_is_absolute (entry->pw_dir))
      home = in_root (root, entry->pw_dir);
  if (file != NULL)
    (void) fclose (file); /* nothing was written */
  return home;
}

/* Returns: (transfer full) (nullable): the text of the .desktop file */
static char *
read_entry (const char *root, const char *id)
{
  g_autofree char *name = g_strconcat (id, VPND_APP_ENTRY_SUFFIX, NULL);
  char *text = NULL;

  for (guint i = 0; text == NULL && i < G_N_ELEMENTS (entry_folders); i++)
    {
      g_autofree char *path = g_build_filename (entry_folders[i], name, NULL);

      text = read_system_file (root, path);
    }
  return text;
}

static gboolean
is_folder_below (const char *root, const char *const *folders, guint n_folders, const char *name)
{
  for (guint i = 0; i < n_folders; i++)
    {
      g_autofree char *path = g_build_filename (root, folders[i], name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        return TRUE;
    }
  return FALSE;
}

/* --- programs --- */

static gboolean
is_program (const char *path)
{
  struct stat info;

  return stat (path, &info) == 0 && S_ISREG (info.st_mode) && (info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
}

/* Returns: (transfer full) (nullable): the path of @program without @root, if it is there */
static char *
locate (const char *root, const char *program)
{
  const guint n = g_path_is_absolute (program) ? 1 : G_N_ELEMENTS (program_folders);

  if (n > 1 && strchr (program, '/') != NULL)
    return NULL; /* of a folder that only the session knows */
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *path = n == 1 ? g_strdup (program) : g_build_filename (program_folders[i], program, NULL);
      g_autofree char *full = in_root (root, path);

      if (is_program (full))
        return g_steal_pointer (&path);
    }
  return NULL;
}

/* Whether @path is a link to a program that runs others: what is in /snap/bin all leads to the one snap, which would be matched for every snap. */
static gboolean
leads_to_shared (const char *root, const char *path)
{
  g_autofree char *full = in_root (root, path);
  char *target = realpath (full, NULL);
  const gboolean is_launcher = target != NULL && vpnd_app_entry_is_shared (target);

  free (target);
  return is_launcher;
}

/* Whether @folder cannot even be seen (ProtectHome= of the unit). */
static gboolean
is_closed (const char *folder)
{
  struct stat info;

  return stat (folder, &info) < 0 && errno == EACCES;
}

/**
 * vpnd_app_is_in_closed_home:
 * @root: of the host, "" but in tests
 * @path: absolute path of a program
 * @uid: a user
 *
 * Returns: whether it is in the home of that user, and that home is closed to us: then what is there is for the user to know, and for vpnd-classifier to see
 */
gboolean
vpnd_app_is_in_closed_home (const char *root, const char *path, guint32 uid)
{
  g_autofree char *home = find_home (root, uid);
  g_autofree char *full = in_root (root, path);

  return home != NULL && g_str_has_prefix (full, home) && full[strlen (home)] == '/' && is_closed (home);
}

static gboolean
may_pass (const struct stat *info, guint32 uid)
{
  return uid == 0 || (info->st_mode & (info->st_uid == uid ? S_IXUSR : S_IXOTH)) != 0;
}

/**
 * vpnd_app_user_may_run:
 * @root: of the host, "" but in tests
 * @path: absolute path of a program
 * @uid: a user
 *
 * Judged by owner and mode, without groups and access lists, so that a rule of a user's own tells nothing of folders that are closed to it.
 * What lies in folders of the user, or in the user's home, that are closed to us is for the user to know.
 *
 * Returns: whether that user may run the program
 */
gboolean
vpnd_app_user_may_run (const char *root, const char *path, guint32 uid)
{
  g_auto (GStrv) steps = g_strsplit (path, "/", -1);
  g_autoptr (GString) place = g_string_new (root);
  gboolean is_own = FALSE;
  struct stat info;
  int fd;

  if (!g_path_is_absolute (path))
    return FALSE;
  if (vpnd_app_is_in_closed_home (root, path, uid))
    return TRUE;
  for (guint i = 1; steps[i] != NULL; i++)
    {
      g_string_append_printf (place, "/%s", steps[i]);
      fd = vpnd_way_open_at_once (place->str, uid, &info); /* the user may change the way while we look */
      if (fd < 0)
        return fd == -EREMOTE || (is_own && fd == -EACCES);
      close (fd);
      if (!may_pass (&info, uid))
        return FALSE;
      is_own = info.st_uid == uid;
    }
  return S_ISREG (info.st_mode);
}

/* --- the id --- */

/* Adds @program. Returns: whether it is there, or is one that runs others, too */
static gboolean
add_program (VpndApp *app, const char *root, const char *program)
{
  g_autofree char *path = locate (root, program);

  if (path == NULL)
    return FALSE;
  if (!leads_to_shared (root, path) && !g_ptr_array_find_with_equal_func (app->paths, path, g_str_equal, NULL))
    g_ptr_array_add (app->paths, g_steal_pointer (&path));
  return TRUE;
}

/* The name of the snap: SNAP for SNAP and SNAP_APP, as its .desktop files are called. */
static char *
find_snap (const char *root, const char *id)
{
  const char *separator = strchr (id, '_');
  g_autofree char *name = separator != NULL ? g_strndup (id, (gsize) (separator - id)) : g_strdup (id);

  if (*name == '\0' || strcmp (name, "bin") == 0 || !is_folder_below (root, snap_folders, G_N_ELEMENTS (snap_folders), name))
    return NULL;
  return g_steal_pointer (&name);
}

static VpndApp *
app_new (const char *root, const char *id)
{
  VpndApp *app = g_new0 (VpndApp, 1);

  app->id = g_strdup (id);
  app->paths = g_ptr_array_new_with_free_func (g_free);
  app->snap = find_snap (root, id);
  return app;
}

/**
 * vpnd_app_new_own:
 * @root: of the host, "" but in tests
 * @id: the value of a rule of the kind "app"
 * @programs: (array zero-terminated=1): what its .desktop file starts, as the user says whose file it is
 *
 * Returns: (transfer full): the application; nothing is looked for in anybody's home
 */
VpndApp *
vpnd_app_new_own (const char *root, const char *id, const char *const *programs)
{
  VpndApp *app = app_new (root, id);

  for (guint i = 0; programs[i] != NULL; i++)
    g_ptr_array_add (app->paths, g_strdup (programs[i]));
  return app;
}

/**
 * vpnd_app_find:
 * @root: of the host, "" but in tests
 * @id: the value of a rule of the kind "app"
 * @error: return location
 *
 * Returns: (transfer full): what it names on the system, which may be units alone (vpnd_app_has_unit()); %NULL with %VPND_ERROR_NOT_FOUND when it names
 *   nothing here, %VPND_ERROR_INVALID_ARGUMENT when its .desktop file cannot be used
 */
VpndApp *
vpnd_app_find (const char *root, const char *id, GError **error)
{
  g_autoptr (VpndApp) app = app_new (root, id);
  g_autofree char *text = read_entry (root, id);
  g_autoptr (GPtrArray) programs = NULL;
  const char *missing = NULL;

  if (text == NULL && app->snap == NULL && !is_folder_below (root, flatpak_folders, G_N_ELEMENTS (flatpak_folders), id))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "app: no application of this system has the id \"%s\": no .desktop file, Flatpak or snap of that name", id);
      return NULL;
    }
  if (text == NULL)
    return g_steal_pointer (&app);
  programs = vpnd_app_entry_parse (id, text, error);
  if (programs == NULL)
    return NULL;
  for (guint i = 0; i < programs->len; i++)
    if (!add_program (app, root, g_ptr_array_index (programs, i)) && missing == NULL)
      missing = g_ptr_array_index (programs, i);
  if (app->paths->len > 0 || missing == NULL)
    return g_steal_pointer (&app);
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "app: the program of \"%s\" is not there: %s", id, missing);
  return NULL;
}

/* --- units --- */

/* Undoes systemd-escape(1), as far as ids need it. */
static char *
unescape (const char *text)
{
  g_autoptr (GString) plain = g_string_new (NULL);

  for (; *text != '\0'; text++)
    {
      if (text[0] == '\\' && text[1] == 'x' && g_ascii_isxdigit (text[2]) && g_ascii_isxdigit (text[3]))
        {
          g_string_append_c (plain, (char) (g_ascii_xdigit_value (text[2]) * 16 + g_ascii_xdigit_value (text[3])));
          text += 3;
        }
      else
        g_string_append_c (plain, *text);
    }
  return g_string_free (g_steal_pointer (&plain), FALSE);
}

/* app[-LAUNCHER]-ID-RANDOM.scope, app[-LAUNCHER]-ID[@RANDOM].service; ID has its "-" escaped. */
static char *
get_unit_id (const char *unit)
{
  const gboolean is_scope = g_str_has_suffix (unit, ".scope");
  g_autofree char *stem = g_strndup (unit, (gsize) (strrchr (unit, '.') - unit));
  g_auto (GStrv) parts = NULL;
  guint n;

  if (!is_scope && strchr (stem, '@') != NULL)
    *strchr (stem, '@') = '\0';
  parts = g_strsplit (stem, "-", -1);
  n = g_strv_length (parts);
  if (is_scope ? n < 3 || n > 4 : n < 2 || n > 3)
    return NULL;
  return unescape (parts[is_scope ? n - 2 : n - 1]);
}

/**
 * vpnd_app_has_unit:
 * @app: an application
 * @unit: name of a scope or a service, as the last part of a cgroup's path has it
 *
 * Returns: whether processes of @app run in it, by its name
 */
gboolean
vpnd_app_has_unit (const VpndApp *app, const char *unit)
{
  g_autofree char *prefix = app->snap != NULL ? g_strconcat ("snap.", app->snap, ".", NULL) : NULL;
  g_autofree char *id = NULL;

  if (!g_str_has_suffix (unit, ".scope") && !g_str_has_suffix (unit, ".service"))
    return FALSE;
  if (prefix != NULL && g_str_has_prefix (unit, prefix))
    return TRUE;
  if (!g_str_has_prefix (unit, "app-"))
    return FALSE;
  id = get_unit_id (unit);
  return g_strcmp0 (id, app->id) == 0;
}
