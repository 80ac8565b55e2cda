/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Holds the launch of each program of a table until its process stands in the cgroup of its rule, and follows the programs' files when they
 * are replaced. Decides nothing beyond the table, never opens the network, and never refuses an exec.
 */
#pragma once

#include "protocol.h"

#include <glib-object.h>

G_BEGIN_DECLS

#define VPND_TYPE_WATCH (vpnd_watch_get_type ())
G_DECLARE_FINAL_TYPE (VpndWatch, vpnd_watch, VPND, WATCH, GObject)

typedef void (*VpndWatchReportFunc) (const VpndClassifierReport *report, gpointer user_data);
/* Whether more reports would be taken now. */
typedef gboolean (*VpndWatchRoomFunc) (gpointer user_data);

VpndWatch *vpnd_watch_new (const char *mountinfo_path, VpndWatchReportFunc func, VpndWatchRoomFunc room_func, gpointer user_data, GError **error);
int vpnd_watch_get_life_fd (VpndWatch *self);
void vpnd_watch_set_rules (VpndWatch *self, GPtrArray *rules, const int *class_fds, guint n_classes);

G_END_DECLS
