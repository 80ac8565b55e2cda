/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndTunnel that chooses between two others when a device is created: kernel WireGuard where the kernel has it, else wireguard-go, or
 * the one that the setting names. Knows them only as VpndTunnel.
 */
#pragma once

#include "tunnel.h"

G_BEGIN_DECLS

#define VPND_TYPE_TUNNEL_AUTO (vpnd_tunnel_auto_get_type ())
G_DECLARE_FINAL_TYPE (VpndTunnelAuto, vpnd_tunnel_auto, VPND, TUNNEL_AUTO, GObject)

VpndTunnel *vpnd_tunnel_auto_new (VpndTunnel *kernel, VpndTunnel *userspace);

G_END_DECLS
