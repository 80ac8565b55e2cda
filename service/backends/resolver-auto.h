/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndResolver that asks at each apply who owns the host's DNS setting, systemd-resolved, NetworkManager, resolvconf or nobody but the
 * file, and tells that one.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

#define VPND_TYPE_RESOLVER_AUTO (vpnd_resolver_auto_get_type ())
G_DECLARE_FINAL_TYPE (VpndResolverAuto, vpnd_resolver_auto, VPND, RESOLVER_AUTO, GObject)

VpndResolver *vpnd_resolver_auto_new (GDBusConnection *connection, int backup_dirfd, const char *path);

G_END_DECLS
