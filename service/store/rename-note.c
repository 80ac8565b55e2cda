/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See rename-note.h.
 */
#include "config.h"

#include "rename-note.h"

#include "profile.h"
#include "safe-file.h"

#include <string.h>

#define FILE_NAME "renaming"
#define MAX_BYTES (2 * (VPND_PROFILE_NAME_MAX + 1))

/**
 * vpnd_rename_note_write:
 * @state_dirfd: the state directory
 * @name: name of a profile until now
 * @new_name: its name from now on
 * @error: return location for an error
 *
 * Returns: TRUE when it is on the disk; else FALSE with VPND_ERROR_STORAGE
 */
gboolean
vpnd_rename_note_write (int state_dirfd, const char *name, const char *new_name, GError **error)
{
  g_autofree char *text = g_strconcat (name, "\n", new_name, "\n", NULL);

  return vpnd_safe_file_write (state_dirfd, FILE_NAME, text, strlen (text), VPND_SAFE_FILE_DURABLE, error);
}

/**
 * vpnd_rename_note_read:
 * @state_dirfd: the state directory
 * @out_name: (out) (transfer full): the old name
 * @out_new_name: (out) (transfer full): the new one
 *
 * Returns: FALSE when there is none, or none that can be used
 */
gboolean
vpnd_rename_note_read (int state_dirfd, char **out_name, char **out_new_name)
{
  gsize length;
  g_autofree char *text = vpnd_safe_file_read (state_dirfd, FILE_NAME, MAX_BYTES, &length, NULL);
  g_auto (GStrv) lines = text != NULL ? g_strsplit (text, "\n", -1) : NULL;

  if (lines == NULL || g_strv_length (lines) != 3 || !vpnd_profile_name_is_valid (lines[0]) || !vpnd_profile_name_is_valid (lines[1]))
    return FALSE;
  *out_name = g_strdup (lines[0]);
  *out_new_name = g_strdup (lines[1]);
  return TRUE;
}

/**
 * vpnd_rename_note_remove:
 * @state_dirfd: the state directory
 *
 * All has followed, or nothing was begun. One that stays because the disk takes nothing says what is so.
 */
void
vpnd_rename_note_remove (int state_dirfd)
{
  (void) vpnd_safe_file_remove (state_dirfd, FILE_NAME, VPND_SAFE_FILE_DURABLE, NULL);
}
