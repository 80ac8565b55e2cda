/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who owns the host's DNS and what it says, collected for people: reads files and asks services, changes nothing and starts none.
 * The keys are documented at org.vpnd1.Diagnostics.Dns.
 */
#pragma once

#include "dns-plan.h"
#include "resolver-file.h"

G_BEGIN_DECLS

void vpnd_dns_report_async (GDBusConnection *connection, VpndResolverFile *file, const char *path, VpndDnsPlan *plan, GCancellable *cancellable,
    GAsyncReadyCallback callback, gpointer user_data);
GVariant *vpnd_dns_report_finish (GAsyncResult *result, GError **error);

G_END_DECLS
