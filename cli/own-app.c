/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See own-app.h. Where entries stand: XDG Base Directory Specification ($XDG_DATA_HOME/applications), and what Flatpak puts there for one user (flatpak(1), --user).
 * Links are followed: they are the caller's own, as is what they lead to.
 */
#include "config.h"

#include "own-app.h"

#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app-entry.h"
#include "error.h"

static char *
read_text (const char *path)
{
  const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO is none, and nobody waits for its writer */
  struct stat info;
  g_autofree char *text = NULL;
  ssize_t n = -1;

  if (fd >= 0 && fstat (fd, &info) == 0 && S_ISREG (info.st_mode) && info.st_size <= VPND_APP_ENTRY_MAX_BYTES)
    {
      text = g_malloc0 ((gsize) info.st_size + 1);
      n = read (fd, text, (gsize) info.st_size);
    }
  if (fd >= 0)
    close (fd);
  return n >= 0 ? g_steal_pointer (&text) : NULL;
}

/* Returns: FALSE with @error when there is an entry that cannot be read; @out_text is NULL when there is none */
static gboolean
read_entry (const char *id, char **out_text, GError **error)
{
  static const char *const folders[] = { "applications", "flatpak/exports/share/applications" };
  g_autofree char *name = g_strconcat (id, VPND_APP_ENTRY_SUFFIX, NULL);

  *out_text = NULL;
  for (guint i = 0; *out_text == NULL && i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = g_build_filename (g_get_user_data_dir (), folders[i], name, NULL);
      struct stat info;

      if (stat (path, &info) < 0)
        continue;
      *out_text = read_text (path);
      if (*out_text != NULL)
        continue;
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, _ ("app: %s cannot be read, or is no ordinary file of at most %u KiB"), path, VPND_APP_ENTRY_MAX_BYTES / 1024u);
      return FALSE;
    }
  return TRUE;
}

static gboolean
is_shared (const char *path)
{
  char *target = realpath (path, NULL);
  const gboolean is_launcher = target != NULL && vpnd_app_entry_is_shared (target);

  free (target);
  return is_launcher;
}

/* Returns: (transfer full) (nullable): where @program is */
static char *
locate (const char *program)
{
  if (strchr (program, '/') != NULL && !g_path_is_absolute (program))
    return NULL; /* of a folder that only its desktop knows */
  return g_find_program_in_path (program);
}

/* Returns: (transfer full) (nullable): NULL with @error when it starts nothing that is there */
static char **
find_programs (const char *id, GPtrArray *words, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  const char *missing = NULL;
  gboolean has_any = FALSE;

  for (guint i = 0; i < words->len; i++)
    {
      const char *word = g_ptr_array_index (words, i);
      g_autofree char *path = locate (word);

      has_any = has_any || path != NULL;
      if (path == NULL || !g_utf8_validate (path, -1, NULL))
        missing = word;
      else if (!is_shared (path))
        g_ptr_array_add (paths, g_steal_pointer (&path));
    }
  if (missing != NULL && !has_any)
    {
      g_autofree char *shown = g_utf8_make_valid (missing, -1);

      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, _ ("app: the program of \"%s\" is not there, or you may not run it: %s"), id, shown);
      return NULL;
    }
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&paths), FALSE);
}

/**
 * vpnd_own_app_find:
 * @id: of an application, with or without ".desktop"
 * @out_programs: (out) (transfer full) (nullable): the programs that it starts, none when others run it, too; NULL when the caller's home has no such application
 * @error: return location for an error
 *
 * Returns: FALSE when the home has one that cannot be used. Errors: VPND_ERROR_INVALID_ARGUMENT, VPND_ERROR_NOT_FOUND
 */
gboolean
vpnd_own_app_find (const char *id, char ***out_programs, GError **error)
{
  g_autofree char *plain = g_str_has_suffix (id, VPND_APP_ENTRY_SUFFIX) ? g_strndup (id, strlen (id) - strlen (VPND_APP_ENTRY_SUFFIX)) : g_strdup (id);
  g_autofree char *flatpak = g_build_filename (g_get_user_data_dir (), "flatpak/app", plain, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GPtrArray) words = NULL;

  *out_programs = NULL;
  if (*plain == '\0' || *plain == '.' || strchr (plain, '/') != NULL)
    return TRUE; /* no id at all: vpnd says so */
  if (!read_entry (plain, &text, error))
    return FALSE;
  if (text == NULL)
    {
      if (g_file_test (flatpak, G_FILE_TEST_IS_DIR))
        *out_programs = g_new0 (char *, 1);
      return TRUE;
    }
  words = vpnd_app_entry_parse (plain, text, error);
  if (words != NULL)
    *out_programs = find_programs (plain, words, error);
  return *out_programs != NULL;
}
