/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a .desktop file starts: vpnd asks for those of the system, vpnctl for those of whoever calls it, so that nobody reads the files of somebody else. Pure:
 * a text and words, no file.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_APP_ENTRY_SUFFIX ".desktop"
#define VPND_APP_ENTRY_MAX_BYTES (256 * 1024) /* the largest of Debian's have 60 KiB, for their translations */

GPtrArray *vpnd_app_entry_parse (const char *id, const char *text, GError **error);
char *vpnd_app_entry_parse_program (const char *exec, gboolean *out_is_shared);
gboolean vpnd_app_entry_is_shared (const char *program);

G_END_DECLS
