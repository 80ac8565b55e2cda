/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which mounts the host's mount namespace has. A file that was opened through another mount belongs to a process of another namespace. The
 * mount's number is asked of the file, since asking the process for its namespace would need the right to trace it.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VpndMounts VpndMounts;

VpndMounts *vpnd_mounts_open (const char *mountinfo_path, GError **error);
void vpnd_mounts_free (VpndMounts *self);
gboolean vpnd_mounts_has (VpndMounts *self, guint64 id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndMounts, vpnd_mounts_free)

G_END_DECLS
