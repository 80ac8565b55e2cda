/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndTunnel on wireguard-go, for kernels without WireGuard: we make the tun device and the socket of the text protocol, and hand both
 * to the process, so that nothing has to be waited for. Serves one device.
 * Never touches a link of another kind than "tun" (and, when it needs the name, "wireguard"), nor a process that it did not start.
 */
#pragma once

#include "tunnel.h"

G_BEGIN_DECLS

#define VPND_TYPE_TUNNEL_USERSPACE (vpnd_tunnel_userspace_get_type ())
G_DECLARE_FINAL_TYPE (VpndTunnelUserspace, vpnd_tunnel_userspace, VPND, TUNNEL_USERSPACE, GObject)

VpndTunnel *vpnd_tunnel_userspace_new (int runtime_dirfd);

G_END_DECLS
