/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log on disk, for hosts without a journal: "vpnd.log" and "vpnd.log.old" in a directory of ours, each bounded.
 * Owns the two files; never follows a link, never composes a line.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_LOG_FILE_MAX_BYTES (200 * 1024) /* as much as getLogs tells */

typedef struct _VpndLogFile VpndLogFile;

VpndLogFile *vpnd_log_file_open (const char *directory, gsize max_bytes, GError **error);
void vpnd_log_file_free (VpndLogFile *file);
void vpnd_log_file_append (VpndLogFile *file, const char *line);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndLogFile, vpnd_log_file_free)

G_END_DECLS
