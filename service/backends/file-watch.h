/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Watches one name in a directory by inotify(7): replaced by rename, rewritten in place, deleted, made anew, as often as that happens.
 * Tells that something happened, a moment after it, and never what: the caller looks for itself.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VpndFileWatch VpndFileWatch;
typedef void (*VpndFileWatchFunc) (gpointer user_data);

VpndFileWatch *vpnd_file_watch_new (const char *path, VpndFileWatchFunc func, gpointer user_data);
void vpnd_file_watch_free (VpndFileWatch *watch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndFileWatch, vpnd_file_watch_free)

G_END_DECLS
