/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What vpnd may not do itself: looks at what processes run and which sockets they have, and puts back into cgroups of users who has left a class.
 * Moves nobody but those who wait in the cgroup that came with the errand, and nobody into a class.
 */
#pragma once

#include "protocol.h"

G_BEGIN_DECLS

typedef struct _VpndErrands VpndErrands;

typedef void (*VpndErrandsReportFunc) (const VpndClassifierReport *report, gpointer user_data);
/* Whether more reports would be taken now. */
typedef gboolean (*VpndErrandsRoomFunc) (gpointer user_data);

VpndErrands *vpnd_errands_new (VpndErrandsReportFunc func, VpndErrandsRoomFunc room_func, gpointer user_data);
void vpnd_errands_free (VpndErrands *self);
void vpnd_errands_add (VpndErrands *self, GPtrArray *errands, const char *mount, int waiting_fd);
void vpnd_errands_tell_sockets (VpndErrandsReportFunc func, gpointer user_data, int process, pid_t pid, guint64 start_time);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndErrands, vpnd_errands_free)

G_END_DECLS
