/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One echo request into the tunnel by a raw socket (CAP_NET_RAW). Never reads an answer: the counters of the WireGuard device show whether
 * the peer lives.
 */
#pragma once

#include "prober.h"

G_BEGIN_DECLS

#define VPND_TYPE_PROBER_ICMP (vpnd_prober_icmp_get_type ())
G_DECLARE_FINAL_TYPE (VpndProberIcmp, vpnd_prober_icmp, VPND, PROBER_ICMP, GObject)

VpndProber *vpnd_prober_icmp_new (void);

G_END_DECLS
