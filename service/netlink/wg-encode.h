/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The generic netlink messages that WireGuard understands. Pure: values in, bytes out.
 * A configuration may need several messages: the encoder gives them one by one, each to be acknowledged before the next is asked for.
 * Buffers that hold keys clear themselves.
 */
#pragma once

#include "wg-device.h"

G_BEGIN_DECLS

#define VPND_WG_MESSAGE_MIN_BYTES 512    /* the device's own attributes and one peer without allowed-ips fit (about 330) */
#define VPND_WG_MESSAGE_MAX_BYTES 0x8000 /* a nested attribute holds less than 64 KiB; half of that stays clear of every limit */

typedef struct _VpndWgEncoder VpndWgEncoder;

VpndWgEncoder *vpnd_wg_encoder_new (guint16 family, const char *ifname, VpndTunnelConfig *config, const VpndWgDevice *present, gsize max_bytes);
void vpnd_wg_encoder_free (VpndWgEncoder *encoder);
GBytes *vpnd_wg_encoder_next (VpndWgEncoder *encoder, guint32 seq);

GBytes *vpnd_wg_encode_get (guint16 family, const char *ifname, guint32 seq);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndWgEncoder, vpnd_wg_encoder_free)

G_END_DECLS
