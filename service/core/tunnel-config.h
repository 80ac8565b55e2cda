/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a WireGuard device is told: the profile with the host's choices applied (endpoint family, fwmark).
 * An immutable value made by the pure core and consumed by the tunnel backends and their codecs.
 */
#pragma once

#include "addr.h"
#include "bridge.h"
#include "key.h"

G_BEGIN_DECLS

/**
 * VpndTunnelPeer:
 * @public_key: the peer
 * @preshared_key: (owned) (nullable)
 * @endpoint: where it is; family AF_UNSPEC when the peer only answers
 * @allowed_ips: (element-type VpndPrefix) (owned)
 * @persistent_keepalive_s: seconds, 0 for off
 */
typedef struct
{
  VpndPublicKey public_key;
  VpndSecret *preshared_key;
  VpndEndpoint endpoint;
  GArray *allowed_ips;
  guint16 persistent_keepalive_s;
} VpndTunnelPeer;

/**
 * VpndTunnelConfig:
 * @private_key: (owned)
 * @fwmark: mark of the encrypted packets, host byte order
 * @listen_port: 0 for any
 * @peers: (element-type VpndTunnelPeer) (owned): replaces the whole set on the device
 * @bridge: the first hop where it is not the peers themselves; for the rules, the device knows only the proxy on this host
 */
typedef struct
{
  gatomicrefcount ref_count;
  VpndSecret *private_key;
  guint32 fwmark;
  guint16 listen_port;
  GPtrArray *peers;
  VpndBridge bridge;
} VpndTunnelConfig;

/**
 * VpndPeerStats:
 * @public_key: the peer
 * @rx_bytes: received, including handshakes
 * @tx_bytes: sent
 * @last_handshake_s: wall clock of the last handshake, seconds since 1970; 0 for never
 * @last_handshake_ns: nanoseconds part
 * @endpoint: where the peer is now (it may have roamed)
 */
typedef struct
{
  VpndPublicKey public_key;
  guint64 rx_bytes;
  guint64 tx_bytes;
  gint64 last_handshake_s;
  guint32 last_handshake_ns;
  VpndEndpoint endpoint;
} VpndPeerStats;

VpndTunnelPeer *vpnd_tunnel_peer_new (void);
void vpnd_tunnel_peer_free (VpndTunnelPeer *peer);

VpndTunnelConfig *vpnd_tunnel_config_new (VpndSecret *private_key, guint32 fwmark, guint16 listen_port);
VpndTunnelConfig *vpnd_tunnel_config_ref (VpndTunnelConfig *config);
void vpnd_tunnel_config_unref (VpndTunnelConfig *config);
gboolean vpnd_tunnel_config_equal (const VpndTunnelConfig *a, const VpndTunnelConfig *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndTunnelPeer, vpnd_tunnel_peer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndTunnelConfig, vpnd_tunnel_config_unref)

G_END_DECLS
