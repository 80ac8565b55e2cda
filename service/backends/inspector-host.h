/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndInspector on the real host: netlink, procfs, and the bus, each asked only when somebody wants to know. Holds no socket in between.
 */
#pragma once

#include "inspector.h"

G_BEGIN_DECLS

#define VPND_TYPE_INSPECTOR_HOST (vpnd_inspector_host_get_type ())
G_DECLARE_FINAL_TYPE (VpndInspectorHost, vpnd_inspector_host, VPND, INSPECTOR_HOST, GObject)

VpndInspector *vpnd_inspector_host_new (GDBusConnection *connection, int state_dirfd, int runtime_dirfd, const char *resolv_conf_path);

G_END_DECLS
