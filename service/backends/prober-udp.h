/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One empty datagram into the tunnel, which needs no right to raw sockets. Never reads an answer: the counters of the WireGuard device show
 * whether anything came back.
 */
#pragma once

#include "prober.h"

G_BEGIN_DECLS

#define VPND_TYPE_PROBER_UDP (vpnd_prober_udp_get_type ())
G_DECLARE_FINAL_TYPE (VpndProberUdp, vpnd_prober_udp, VPND, PROBER_UDP, GObject)

VpndProber *vpnd_prober_udp_new (void);

G_END_DECLS
