/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a WireGuard device says of itself, whichever way it was asked, and how that differs from a wanted configuration.
 * Never holds a secret: the decoders leave the device's private key where it is.
 */
#pragma once

#include "tunnel-config.h"

G_BEGIN_DECLS

/**
 * VpndWgDevice:
 * @fwmark: mark of the encrypted packets, host byte order
 * @listen_port: local UDP port, 0 for none yet
 * @peers: (element-type VpndPeerStats) (owned): one entry a peer, in the device's order
 */
typedef struct
{
  guint32 fwmark;
  guint16 listen_port;
  GArray *peers;
} VpndWgDevice;

VpndWgDevice *vpnd_wg_device_new (void);
void vpnd_wg_device_free (VpndWgDevice *device);
GArray *vpnd_wg_device_surplus_peers (const VpndWgDevice *device, const VpndTunnelConfig *config);
gboolean vpnd_wg_device_needs_port (const VpndWgDevice *device, const VpndTunnelConfig *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndWgDevice, vpnd_wg_device_free)

G_END_DECLS
