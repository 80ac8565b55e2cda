/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the path of a rule to its file, as far as whoever made the rule may lead there.
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>

gboolean vpnd_way_is_short (const char *path);
int vpnd_way_open (const char *path, guint32 uid, struct stat *out_info);
int vpnd_way_open_at_once (const char *path, guint32 uid, struct stat *out_info);
