/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndTunnel on the kernel's own WireGuard: the link by rtnetlink, the device by generic netlink.
 * Serves one device. Never touches a link of another kind than "wireguard" (and, when it needs the name, "tun").
 */
#pragma once

#include "tunnel.h"

G_BEGIN_DECLS

#define VPND_TYPE_TUNNEL_KERNEL (vpnd_tunnel_kernel_get_type ())
G_DECLARE_FINAL_TYPE (VpndTunnelKernel, vpnd_tunnel_kernel, VPND, TUNNEL_KERNEL, GObject)

VpndTunnel *vpnd_tunnel_kernel_new (void);

G_END_DECLS
