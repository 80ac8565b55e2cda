/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A route difference as one batch of rtnetlink messages, and the judgement on what the kernel answered.
 * Looks link names up; never sends anything (router-rtnl does).
 */
#pragma once

#include "nl-socket.h"
#include "route-plan.h"

G_BEGIN_DECLS

typedef struct _VpndRouteBatch VpndRouteBatch;

VpndRouteBatch *vpnd_route_batch_new (const VpndRouteDiff *diff);
void vpnd_route_batch_free (VpndRouteBatch *batch);
gboolean vpnd_route_batch_has_link (const VpndRouteBatch *batch);
guint vpnd_route_batch_max_messages (const VpndRouteDiff *diff);
GBytes *vpnd_route_batch_encode (VpndRouteBatch *batch, const VpndRouteDiff *diff, guint32 first_seq);
gboolean vpnd_route_batch_judge (const VpndRouteBatch *batch, const VpndNlReply *reply, GError **error);
gboolean vpnd_route_error_is_gone (int error);

G_END_DECLS
