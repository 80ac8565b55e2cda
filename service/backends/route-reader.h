/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads a VpndRouteSurvey from the kernel. Never changes anything.
 */
#pragma once

#include "nl-socket.h"
#include "route-survey.h"

G_BEGIN_DECLS

void vpnd_route_read_async (gpointer source, VpndNlSocket *socket, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndRouteSurvey *vpnd_route_read_finish (GAsyncResult *result, GError **error);

G_END_DECLS
