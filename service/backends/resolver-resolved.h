/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndResolver on systemd-resolved over D-Bus (org.freedesktop.resolve1(5)): the setting belongs to our link, that of other links is
 * left alone. What resolved says afterwards is read back and compared.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

#define VPND_TYPE_RESOLVER_RESOLVED (vpnd_resolver_resolved_get_type ())
G_DECLARE_FINAL_TYPE (VpndResolverResolved, vpnd_resolver_resolved, VPND, RESOLVER_RESOLVED, GObject)

VpndResolver *vpnd_resolver_resolved_new (GDBusConnection *connection);

G_END_DECLS
