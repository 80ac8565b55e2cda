/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A note that a profile is being renamed: the file "renaming" in the state directory, two lines, the old name and the new one. It is there from before the first
 * file is touched until all files that name the profile have followed, so that a start after a crash in between knows what is left to do. Decides nothing.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean vpnd_rename_note_write (int state_dirfd, const char *name, const char *new_name, GError **error);
gboolean vpnd_rename_note_read (int state_dirfd, char **out_name, char **out_new_name);
void vpnd_rename_note_remove (int state_dirfd);

G_END_DECLS
