/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd's end of the socket to vpnd-classifier: sends the table and errands, takes the reports, and connects again when the other end went away.
 * Never knows what a rule is for.
 */
#pragma once

#include "protocol.h"

G_BEGIN_DECLS

typedef struct _VpndClassifierClient VpndClassifierClient;

typedef void (*VpndClassifierReportFunc) (const VpndClassifierReport *report, gpointer user_data);
/* Connected with the table sent, or not any more. */
typedef void (*VpndClassifierLinkFunc) (gboolean is_connected, gpointer user_data);
/* Returns: cgroup.procs of who waits to return, -1 for none; @out_mount (unowned) (nullable): where its hierarchy is mounted */
typedef int (*VpndClassifierErrandsFunc) (const char **out_mount, gpointer user_data);

VpndClassifierClient *vpnd_classifier_client_new (const char *path, VpndClassifierReportFunc report_func, VpndClassifierLinkFunc link_func, VpndClassifierErrandsFunc errands_func, gpointer user_data);
void vpnd_classifier_client_free (VpndClassifierClient *self);
gboolean vpnd_classifier_client_set_table (VpndClassifierClient *self, GBytes *table, const int *class_fds, guint n_classes);
void vpnd_classifier_client_ask (VpndClassifierClient *self, VpndClassifierErrandKind kind, gint32 pid, guint64 start_time, const char *origin);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndClassifierClient, vpnd_classifier_client_free)

G_END_DECLS
