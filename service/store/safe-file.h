/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Small private files under a directory that is held open: read without following links, replaced atomically, kept aside when they
 * cannot be trusted. Never takes a path: names have no separator.
 * I/O is synchronous on purpose: a few kilobytes on a local disk, and no reply may go out before the rename has happened.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  VPND_SAFE_FILE_NONE = 0,
  VPND_SAFE_FILE_DURABLE = 1 << 0, /* on the disk when the call returns: fsync of file and directory */
} VpndSafeFileFlags;

int vpnd_safe_file_dup_dir (int dirfd, GError **error);
int vpnd_safe_file_open_dir (int dirfd, const char *name, GError **error);
char *vpnd_safe_file_read (int dirfd, const char *name, gsize max_bytes, gsize *out_length_bytes, GError **error);
gboolean vpnd_safe_file_write (int dirfd, const char *name, const char *data, gsize length_bytes, VpndSafeFileFlags flags, GError **error);
gboolean vpnd_safe_file_remove (int dirfd, const char *name, VpndSafeFileFlags flags, GError **error);
gboolean vpnd_safe_file_rename (int dirfd, const char *name, const char *new_name, VpndSafeFileFlags flags, GError **error);
char *vpnd_safe_file_set_aside (int dirfd, const char *name, GError **error);
char *vpnd_safe_file_find_aside (int dirfd, const char *name);

G_END_DECLS
