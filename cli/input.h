/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a user gives: a file or standard input that may hold keys (bounded, cleared when freed, never from the command line), the name of a user.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

GBytes *vpnd_input_read (const char *path, gsize limit_bytes, GError **error);
void vpnd_input_name (const char *path, GError **error);
gboolean vpnd_input_user (const char *text, guint32 *out_uid, GError **error);

G_END_DECLS
