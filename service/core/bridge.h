/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A bridge: the server that a local proxy carries the tunnel's transport to, in place of the VPN server, and the port of this host where that
 * proxy takes it. Never starts the proxy and never talks to it.
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

/**
 * VpndBridge:
 * @service: where the proxy goes: the first hop; an address of family AF_UNSPEC (the zero value) says that there is no bridge
 * @local_port: the proxy's UDP port on 127.0.0.1, host byte order; the peer's endpoint, as the device sees it
 * @uid: user of a proxy that marks its packets; 0 for one that runs as root, which needs no mark
 */
typedef struct
{
  VpndServicePort service;
  guint16 local_port;
  guint32 uid;
} VpndBridge;

#define VPND_BRIDGE_UID_MAX (G_MAXUINT32 - 1u) /* (uid_t) -1 says "no user" (setreuid(2)) */

gboolean vpnd_bridge_is_set (const VpndBridge *bridge);
gboolean vpnd_bridge_equal (const VpndBridge *a, const VpndBridge *b);
const char *vpnd_bridge_find_fault (const VpndBridge *bridge);
VpndEndpoint vpnd_bridge_local_endpoint (const VpndBridge *bridge);

G_END_DECLS
