/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finds out who owns the host's DNS: asks the bus and reads resolv.conf, changes nothing and starts none. What follows from the findings is
 * vpnd_dns_owner_decide ()'s.
 */
#pragma once

#include "resolv-conf.h"

#include <gio/gio.h>

G_BEGIN_DECLS

void vpnd_dns_owner_find_async (GDBusConnection *connection, const char *path, gboolean is_ours, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_dns_owner_find_finish (GAsyncResult *result, VpndDnsVerdict *out_verdict, GError **error);

G_END_DECLS
