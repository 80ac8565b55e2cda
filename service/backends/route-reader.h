/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads links, addresses, rules and routes from the kernel: question by question, or a VpndRouteSurvey of all. Never changes anything.
 */
#pragma once

#include "nl-socket.h"
#include "route-survey.h"

G_BEGIN_DECLS

gboolean vpnd_route_has_question (gsize at, gboolean with_main);
void vpnd_route_ask_async (VpndNlSocket *socket, gsize at, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_route_reply_is_usable (const VpndNlReply *reply, GError **error);
void vpnd_route_read_async (gpointer source, VpndNlSocket *socket, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndRouteSurvey *vpnd_route_read_finish (GAsyncResult *result, GError **error);

G_END_DECLS
