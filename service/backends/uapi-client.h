/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One request to a user-space WireGuard over its UNIX socket: connect, send, receive, without ever blocking.
 * Everything it received is cleared with the answer. Never looks into a request or an answer.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

void vpnd_uapi_client_request_async (const char *path, GBytes *request, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GBytes *vpnd_uapi_client_request_finish (GAsyncResult *result, GError **error);

G_END_DECLS
