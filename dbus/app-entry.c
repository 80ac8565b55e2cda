/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See app-entry.h. Desktop Entry Specification 1.5: keys, quoting of Exec. Errors hold nothing of the text: whoever asks may not be whoever may read it.
 */
#include "config.h"

#include "app-entry.h"

#include "error.h"

#include <string.h>

#define ENTRY "Desktop Entry"
#define ACTION_PREFIX "Desktop Action "

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
 * vpnd_app_entry_is_shared:
 * @program: a path or a name
 *
 * Returns: whether it is an interpreter or a launcher: what is matched by its file would be everything that it runs
 */
gboolean
vpnd_app_entry_is_shared (const char *program)
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
 * vpnd_app_entry_parse_program:
 * @exec: the value of the key Exec, with the escapes of the file format undone
 * @out_is_shared: (out): the program runs others, too: an interpreter, a launcher
 *
 * Returns: (transfer full) (nullable): the program, a path or a name; %NULL when @exec is malformed or names none
 */
char *
vpnd_app_entry_parse_program (const char *exec, gboolean *out_is_shared)
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
  *out_is_shared = vpnd_app_entry_is_shared (program);
  return g_steal_pointer (&program);
}

static gboolean
is_application (GKeyFile *file)
{
  g_autofree char *type = g_key_file_get_string (file, ENTRY, "Type", NULL);

  return g_strcmp0 (type, "Application") == 0 && !g_key_file_get_boolean (file, ENTRY, "Hidden", NULL);
}

static void
add_program (GPtrArray *programs, GKeyFile *file, const char *group)
{
  g_autofree char *exec = g_key_file_get_string (file, group, "Exec", NULL);
  gboolean is_shared = FALSE;
  g_autofree char *program = exec != NULL ? vpnd_app_entry_parse_program (exec, &is_shared) : NULL;

  if (program != NULL && !is_shared && !g_ptr_array_find_with_equal_func (programs, program, g_str_equal, NULL))
    g_ptr_array_add (programs, g_steal_pointer (&program));
}

/**
 * vpnd_app_entry_parse:
 * @id: of the application, for the error
 * @text: of its .desktop file, from anybody
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable) (element-type filename): the programs that it starts, paths or names, each once; none when all of them run others, too.
 *   Errors: VPND_ERROR_INVALID_ARGUMENT when it describes no application, or one that is hidden
 */
GPtrArray *
vpnd_app_entry_parse (const char *id, const char *text, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GPtrArray) programs = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) groups = NULL;

  if (!g_key_file_load_from_data (file, text, (gsize) -1, G_KEY_FILE_NONE, NULL) || !is_application (file))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "app: the .desktop file of \"%s\" describes no application", id);
      return NULL;
    }
  groups = g_key_file_get_groups (file, NULL);
  for (guint i = 0; groups[i] != NULL; i++)
    if (strcmp (groups[i], ENTRY) == 0 || g_str_has_prefix (groups[i], ACTION_PREFIX))
      add_program (programs, file, groups[i]);
  return g_steal_pointer (&programs);
}
