/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See app-ids.h. Desktop Entry Specification 1.5 (keys, quoting of Exec); names of units as the "Desktop Environments" page of systemd, flatpak-run(1)
 * and snapd make them. I/O is synchronous: a handful of files of a few hundred bytes on local file systems.
 */
#include "config.h"

#include "app-ids.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_MAX_BYTES (256 * 1024) /* the largest of Debian's have 60 KiB, for their translations */
#define ENTRY "Desktop Entry"
#define ACTION_PREFIX "Desktop Action "
#define SUFFIX ".desktop"

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

/* Programs that run others: a rule for one of them would be a rule for everything that it runs. Without the version at the end of the name. */
static const char *const shared_programs[] = {
  "ash",
  "bash",
  "busybox",
  "csh",
  "dash",
  "dbus-launch",
  "dbus-run-session",
  "dbus-send",
  "dotnet",
  "electron",
  "env",
  "fish",
  "flatpak",
  "gapplication",
  "gdbus",
  "gio",
  "gjs",
  "gnome-terminal",
  "gtk-launch",
  "guile",
  "java",
  "javaw",
  "kde-open",
  "kioclient",
  "konsole",
  "ksh",
  "kstart",
  "lua",
  "luajit",
  "mono",
  "nice",
  "node",
  "nodejs",
  "nohup",
  "perl",
  "php",
  "pkexec",
  "pypy",
  "python",
  "python-config",
  "qmlscene",
  "ruby",
  "runuser",
  "setsid",
  "sh",
  "snap",
  "stdbuf",
  "su",
  "sudo",
  "systemd-inhibit",
  "systemd-run",
  "tclsh",
  "timeout",
  "wine",
  "wine-stable",
  "wish",
  "x-terminal-emulator",
  "x-www-browser",
  "xdg-open",
  "xterm",
  "zsh",
};

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

/* --- Exec --- */

static gboolean
is_shared (const char *program)
{
  g_autofree char *name = g_path_get_basename (program);
  gsize length = strlen (name);

  while (length > 1 && (g_ascii_isdigit (name[length - 1]) || name[length - 1] == '.' || name[length - 1] == '-'))
    length--;
  name[length] = '\0';
  for (guint i = 0; i < G_N_ELEMENTS (shared_programs); i++)
    if (strcmp (shared_programs[i], name) == 0)
      return TRUE;
  return FALSE;
}

/* Index of what env(1) runs; 0 where that cannot be told. */
static guint
skip_env (char **words)
{
  guint i = 1;

  for (; words[i] != NULL; i++)
    {
      if (strcmp (words[i], "-u") == 0 && words[i + 1] != NULL)
        i++;
      else if (words[i][0] == '-' && strcmp (words[i], "-i") != 0 && strcmp (words[i], "-") != 0 && strcmp (words[i], "--") != 0)
        return 0; /* -S and others */
      else if (words[i][0] != '-' && strchr (words[i], '=') == NULL)
        return i;
    }
  return 0;
}

/* Returns: (transfer full): @word with "%%" as the sign itself; NULL with a field code, which no program may come from */
static char *
without_codes (const char *word)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (; *word != '\0'; word++)
    {
      if (*word == '%' && word[1] != '%')
        return NULL;
      if (*word == '%')
        word++;
      g_string_append_c (text, *word);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/**
 * vpnd_app_parse_program:
 * @exec: the value of the key Exec, with the escapes of the file format undone
 * @out_is_shared: (out): the program runs others, too: an interpreter, a launcher
 *
 * Returns: (transfer full) (nullable): the program, a path or a name; %NULL when @exec is malformed or names none
 */
char *
vpnd_app_parse_program (const char *exec, gboolean *out_is_shared)
{
  g_auto (GStrv) words = NULL;
  g_autofree char *program = NULL;
  g_autofree char *name = NULL;
  guint at = 0;

  *out_is_shared = FALSE;
  if (!g_utf8_validate (exec, -1, NULL) || strpbrk (exec, "\n\r") != NULL || !g_shell_parse_argv (exec, NULL, &words, NULL))
    return NULL;
  name = g_path_get_basename (words[0]);
  if (strcmp (name, "env") == 0)
    at = skip_env (words);
  program = without_codes (words[at]);
  if (program == NULL || *program == '\0' || strchr (program, '=') != NULL)
    return NULL;
  *out_is_shared = is_shared (program);
  return g_steal_pointer (&program);
}

/* --- files --- */

/**
 * Reading: where one id is looked for.
 * @root: (unowned): of the host
 * @uid: whose files may be read, too; VPND_APP_IDS_NO_OWNER for none but root's
 * @home: (owned) (nullable): folder of that user
 */
typedef struct
{
  const char *root;
  guint32 uid;
  char *home;
} Reading;

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

  if (fstat (fd, &info) < 0 || !S_ISREG (info.st_mode) || info.st_size > ENTRY_MAX_BYTES)
    return NULL;
  text = g_malloc0 ((gsize) info.st_size + 1);
  n = read (fd, text, (gsize) info.st_size);
  return n == info.st_size ? g_steal_pointer (&text) : NULL;
}

static gboolean
is_of (int fd, guint32 uid)
{
  struct stat info;

  return fstat (fd, &info) == 0 && info.st_uid == uid && (info.st_mode & S_IWOTH) == 0;
}

/* A file of the system: links are root's, for the folder is; what they lead to must be root's, too. */
static char *
read_system_file (const char *root, const char *path)
{
  g_autofree char *full = in_root (root, path);
  const int fd = open (full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  char *text = fd >= 0 && is_of (fd, geteuid ()) ? read_regular (fd) : NULL;

  if (fd >= 0)
    close (fd);
  return text;
}

/* A file of a user: no step may be a link, and each must be the user's, so that it leads to nothing that the user could not read. */
static char *
read_user_file (const char *home, const char *path, guint32 uid)
{
  g_auto (GStrv) steps = g_strsplit (path, "/", -1);
  int fd = open (home, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  char *text = NULL;

  for (guint i = 0; fd >= 0 && is_of (fd, uid) && steps[i] != NULL; i++)
    {
      const int next = openat (fd, steps[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | (steps[i + 1] != NULL ? O_DIRECTORY : 0));

      close (fd);
      fd = next;
      if (steps[i + 1] == NULL && fd >= 0 && is_of (fd, uid))
        text = read_regular (fd);
    }
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

/* Returns: (transfer full) (nullable): the text of the .desktop file; @out_is_own: it is the user's own */
static char *
read_entry (const Reading *reading, const char *id, gboolean *out_is_own)
{
  g_autofree char *name = g_strconcat (id, SUFFIX, NULL);
  g_autofree char *own = g_build_filename (".local/share/applications", name, NULL);
  char *text = reading->home != NULL ? read_user_file (reading->home, own, reading->uid) : NULL;

  *out_is_own = text != NULL; /* it takes the place of the system's, as in menus */
  for (guint i = 0; text == NULL && i < G_N_ELEMENTS (entry_folders); i++)
    {
      g_autofree char *path = g_build_filename (entry_folders[i], name, NULL);

      text = read_system_file (reading->root, path);
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
  const gboolean is_launcher = target != NULL && is_shared (target);

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

static gboolean
is_in_closed_home (const char *root, const char *path, guint32 uid)
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

  if (!g_path_is_absolute (path))
    return FALSE;
  if (is_in_closed_home (root, path, uid))
    return TRUE;
  for (guint i = 1; steps[i] != NULL; i++)
    {
      g_string_append_printf (place, "/%s", steps[i]);
      if (stat (place->str, &info) < 0)
        return is_own && errno == EACCES;
      if (!may_pass (&info, uid))
        return FALSE;
      is_own = info.st_uid == uid;
    }
  return S_ISREG (info.st_mode);
}

/* --- the id --- */

static gboolean
is_application (GKeyFile *file)
{
  g_autofree char *type = g_key_file_get_string (file, ENTRY, "Type", NULL);

  return g_strcmp0 (type, "Application") == 0 && !g_key_file_get_boolean (file, ENTRY, "Hidden", NULL);
}

/* Adds the program of one group. @out_missing gets one that is not there. */
static void
add_program (VpndApp *app, const Reading *reading, gboolean is_own, GKeyFile *file, const char *group, char **out_missing)
{
  g_autofree char *exec = g_key_file_get_string (file, group, "Exec", NULL);
  gboolean is_shared_program = FALSE;
  g_autofree char *program = exec != NULL ? vpnd_app_parse_program (exec, &is_shared_program) : NULL;
  g_autofree char *path = program != NULL && !is_shared_program ? locate (reading->root, program) : NULL;

  if (path != NULL && leads_to_shared (reading->root, path))
    {
      is_shared_program = TRUE;
      g_clear_pointer (&path, g_free);
    }
  if (path != NULL && is_own && !vpnd_app_user_may_run (reading->root, path, reading->uid))
    g_clear_pointer (&path, g_free);
  if (path != NULL && !g_ptr_array_find_with_equal_func (app->paths, path, g_str_equal, NULL))
    g_ptr_array_add (app->paths, g_steal_pointer (&path));
  else if (path == NULL && program != NULL && !is_shared_program && *out_missing == NULL)
    *out_missing = g_steal_pointer (&program);
}

static void
add_programs (VpndApp *app, const Reading *reading, gboolean is_own, GKeyFile *file, char **out_missing)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    if (strcmp (groups[i], ENTRY) == 0 || g_str_has_prefix (groups[i], ACTION_PREFIX))
      add_program (app, reading, is_own, file, groups[i], out_missing);
}

/* The name of the snap: SNAP for SNAP and SNAP_APP, as its .desktop files are called. */
static char *
find_snap (const Reading *reading, const char *id)
{
  const char *separator = strchr (id, '_');
  g_autofree char *name = separator != NULL ? g_strndup (id, (gsize) (separator - id)) : g_strdup (id);

  if (*name == '\0' || strcmp (name, "bin") == 0 || !is_folder_below (reading->root, snap_folders, G_N_ELEMENTS (snap_folders), name))
    return NULL;
  return g_steal_pointer (&name);
}

static gboolean
is_flatpak (const Reading *reading, const char *id)
{
  g_autofree char *own = reading->home != NULL ? g_build_filename (reading->home, ".local/share/flatpak/app", id, NULL) : NULL;

  if (is_folder_below (reading->root, flatpak_folders, G_N_ELEMENTS (flatpak_folders), id))
    return TRUE;
  return own != NULL && g_file_test (own, G_FILE_TEST_IS_DIR) && !g_file_test (own, G_FILE_TEST_IS_SYMLINK);
}

/**
 * vpnd_app_find:
 * @root: of the host, "" but in tests
 * @id: the value of a rule of the kind "app"
 * @owner_uid: user whose rule it is, whose own files count, too; %VPND_APP_IDS_NO_OWNER for a rule of the system
 * @error: return location
 *
 * A user's id that names nothing may be of a .desktop file or Flatpak in a home that is closed to us: then it stands for units by its name.
 *
 * Returns: (transfer full): what it names, which may be units alone (vpnd_app_has_unit()); %NULL with %VPND_ERROR_NOT_FOUND when it names nothing
 *   here, %VPND_ERROR_INVALID_ARGUMENT when its .desktop file cannot be used
 */
VpndApp *
vpnd_app_find (const char *root, const char *id, guint32 owner_uid, GError **error)
{
  g_autofree char *home = owner_uid != VPND_APP_IDS_NO_OWNER ? find_home (root, owner_uid) : NULL;
  const Reading reading = { root, owner_uid, home };
  gboolean is_own = FALSE;
  g_autofree char *text = read_entry (&reading, id, &is_own);
  g_autofree char *missing = NULL;
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (VpndApp) app = g_new0 (VpndApp, 1);

  app->id = g_strdup (id);
  app->paths = g_ptr_array_new_with_free_func (g_free);
  app->snap = find_snap (&reading, id);
  if (text == NULL && app->snap == NULL && !is_flatpak (&reading, id) && (home == NULL || !is_closed (home)))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "app: no application has the id \"%s\": no .desktop file, Flatpak or snap of that name that vpnd can read", id);
      return NULL;
    }
  if (text == NULL)
    return g_steal_pointer (&app);
  if (!g_key_file_load_from_data (file, text, (gsize) -1, G_KEY_FILE_NONE, NULL) || !is_application (file))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "app: the .desktop file of \"%s\" describes no application", id);
      return NULL;
    }
  add_programs (app, &reading, is_own, file, &missing);
  if (app->paths->len > 0 || missing == NULL)
    return g_steal_pointer (&app);
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "app: the program of \"%s\" is not there, or its user may not run it: %s", id, missing);
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
