/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A file of the host as a value: what it is, what it says, whose it is. To be read, kept as bytes, and put back to the byte.
 * Never follows a link where it writes.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_HOST_FILE_MAX_BYTES (2 * 1024 * 1024)

typedef enum
{
  VPND_HOST_FILE_MISSING,
  VPND_HOST_FILE_REGULAR,
  VPND_HOST_FILE_LINK,
} VpndHostFileKind;

/**
 * VpndHostFile:
 * @kind: what stands under the name
 * @mode: permission bits
 * @uid: owner
 * @gid: group
 * @mtime_s: time of change, seconds since 1970
 * @mtime_ns: its nanoseconds
 * @content: (owned): the bytes of the file, or the target of the link without a NUL; empty when missing
 * @xattrs: (owned): extended attributes, a{say}-like: type "a(say)"
 */
typedef struct
{
  VpndHostFileKind kind;
  guint32 mode;
  guint32 uid;
  guint32 gid;
  gint64 mtime_s;
  guint32 mtime_ns;
  GBytes *content;
  GVariant *xattrs;
} VpndHostFile;

VpndHostFile *vpnd_host_file_new_regular (guint32 mode, GBytes *content);
void vpnd_host_file_free (VpndHostFile *file);
VpndHostFile *vpnd_host_file_read (int dirfd, const char *name, GError **error);
gboolean vpnd_host_file_write (const VpndHostFile *file, int dirfd, const char *name, GError **error);
gboolean vpnd_host_file_exchange (const VpndHostFile *file, int dirfd, const char *name, GError **error);
VpndHostFile *vpnd_host_file_read_replaced (int dirfd, const char *name);
gboolean vpnd_host_file_end_exchange (int dirfd, const char *name, gboolean is_undone, GError **error);
void vpnd_host_file_take_labels (VpndHostFile *file, const VpndHostFile *from);
gboolean vpnd_host_file_says_same (const VpndHostFile *a, const VpndHostFile *b);
char *vpnd_host_file_read_text (const char *path);
GBytes *vpnd_host_file_to_bytes (const VpndHostFile *file);
VpndHostFile *vpnd_host_file_from_bytes (GBytes *bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndHostFile, vpnd_host_file_free)

G_END_DECLS
