/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndResolver on NetworkManager over D-Bus: its global DNS configuration, which stands over those of the connections. No device and no
 * connection is touched. What it was before is kept in a file, because NetworkManager keeps ours over its restarts, too.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

#define VPND_TYPE_RESOLVER_NETWORKMANAGER (vpnd_resolver_networkmanager_get_type ())
G_DECLARE_FINAL_TYPE (VpndResolverNetworkmanager, vpnd_resolver_networkmanager, VPND, RESOLVER_NETWORKMANAGER, GObject)

VpndResolver *vpnd_resolver_networkmanager_new (GDBusConnection *connection, int backup_dirfd, const char *path);

G_END_DECLS
