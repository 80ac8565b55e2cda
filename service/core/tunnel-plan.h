/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a device shall be told: (profile, settings, facts) -> VpndTunnelConfig, and where a probe goes.
 */
#pragma once

#include "facts.h"
#include "mtu.h"
#include "profile.h"
#include "settings.h"
#include "state.h"
#include "tunnel-config.h"

G_BEGIN_DECLS

/* A keepalive makes WireGuard start a handshake by itself when the link comes up. 5 s is REKEY_TIMEOUT: a shorter one would not
 * start one sooner. Used only until the first handshake where the profile has none. */
#define VPND_ESTABLISH_KEEPALIVE_S 5

VpndCause vpnd_tunnel_plan_check (const VpndProfile *profile, const VpndFacts *facts);
VpndTunnelConfig *vpnd_tunnel_plan_build (const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, gboolean is_establishing, guint16 listen_port, VpndCause *out_cause);
VpndTunnelConfig *vpnd_tunnel_plan_build_empty (const VpndTunnelConfig *config);
guint32 vpnd_tunnel_plan_overhead (const VpndProfile *profile, int family);
VpndEndpoint vpnd_tunnel_plan_outer (const VpndProfile *profile, const VpndFacts *facts);
void vpnd_tunnel_plan_path_probe (const VpndProfile *profile, const VpndFacts *facts, VpndPathProbe *out_probe);
gboolean vpnd_tunnel_plan_probe_target (const VpndProfile *profile, VpndAddr *out_target);

G_END_DECLS
