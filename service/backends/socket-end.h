/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finds TCP and UDP sockets of this network namespace through sock_diag(7) and ends those that its caller picks. Never decides which.
 */
#pragma once

#include "diag-decode.h"
#include "nl-socket.h"

G_BEGIN_DECLS

/**
 * VpndSocketPick:
 * @socket: one that was found
 * @data: of the caller
 *
 * Returns: TRUE when it is to be ended
 */
typedef gboolean (*VpndSocketPick) (const VpndDiagSocket *socket, gconstpointer data);

void vpnd_socket_end_async (VpndNlSocket *netlink, gboolean with_unconnected, VpndSocketPick pick, gconstpointer data, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);
gboolean vpnd_socket_end_finish (GAsyncResult *result, GError **error);

G_END_DECLS
