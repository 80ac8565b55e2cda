/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the path of a rule to its file, as far as whoever made the rule may lead there.
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>

/* @folder: (unowned): open; @name: what is looked for in there next */
typedef void (*VpndWayFunc) (int folder, const char *name, gpointer user_data);

int vpnd_way_open (const char *path, guint32 uid, struct stat *out_info, VpndWayFunc func, gpointer user_data);
int vpnd_way_open_at_once (const char *path, guint32 uid, struct stat *out_info);
