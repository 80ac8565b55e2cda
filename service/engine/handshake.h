/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The handshake monitor: reads the device's counters and reports the first handshake, its absence, and a peer that has died.
 * Judges by core/liveness; keeps the last reading for status. Changes nothing on the device.
 */
#pragma once

#include "profile.h"

#include "clock.h"
#include "prober.h"
#include "tunnel.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_HANDSHAKE_ESTABLISHED,
  VPND_HANDSHAKE_TIMED_OUT,
  VPND_HANDSHAKE_PEER_LOST,
  VPND_HANDSHAKE_SLEPT,  /* the host, or this process, was asleep: nothing is known of the peer */
  VPND_HANDSHAKE_POLLED, /* one more reading of a peer that lives; the watch goes on */
} VpndHandshakeReport;

typedef void (*VpndHandshakeFunc) (VpndHandshakeReport report, gpointer user_data);

#define VPND_TYPE_HANDSHAKE (vpnd_handshake_get_type ())
G_DECLARE_FINAL_TYPE (VpndHandshake, vpnd_handshake, VPND, HANDSHAKE, GObject)

VpndHandshake *vpnd_handshake_new (VpndTunnel *tunnel, VpndProber *prober, VpndClock *clock, VpndHandshakeFunc func, gpointer user_data);
void vpnd_handshake_watch_establish (VpndHandshake *self, const VpndProfile *profile, guint timeout_ms);
void vpnd_handshake_watch_liveness (VpndHandshake *self, const VpndProfile *profile);
void vpnd_handshake_stop (VpndHandshake *self);
void vpnd_handshake_probe (VpndHandshake *self);
GArray *vpnd_handshake_get_stats (VpndHandshake *self);
void vpnd_handshake_set_stats (VpndHandshake *self, GArray *stats);

G_END_DECLS
