/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Is the peer alive? A pure judgement of the device's counters over time; it asks for probes and says when to give up.
 * Never reads a counter, a clock or a socket itself.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_LIVENESS_POLL_MS 1000    /* how often the counters are read while connected */
#define VPND_LIVENESS_SILENCE_MS 5000 /* sent, but nothing received: start probing */
#define VPND_LIVENESS_IDLE_MS 120000  /* neither sent nor received: start probing */
#define VPND_LIVENESS_PROBE_MS 3000   /* between two probes */
#define VPND_LIVENESS_LOST_MS 15000   /* from the first probe: the peer acknowledges data within 10 s (KEEPALIVE_TIMEOUT of WireGuard) */
#define VPND_LIVENESS_GAP_MS 6000     /* a poll that is this late says that we slept, not that the peer did */

typedef enum
{
  VPND_LIVENESS_ALIVE,
  VPND_LIVENESS_PROBE, /* send one probe now */
  VPND_LIVENESS_LOST,
  VPND_LIVENESS_SLEPT, /* this reading comes so late that the host, or this process, was asleep */
} VpndLivenessVerdict;

/**
 * VpndLiveness: all zero before the first update; times in milliseconds of a clock that counts suspend
 */
typedef struct
{
  gboolean is_started;
  guint64 rx_bytes;
  guint64 tx_bytes;
  gint64 polled_ms;
  gint64 received_ms;
  gint64 unanswered_since_ms; /* first send after the last receive; 0 for none */
  gint64 probing_since_ms;    /* 0 when not probing */
  gint64 probed_ms;
} VpndLiveness;

VpndLivenessVerdict vpnd_liveness_update (VpndLiveness *liveness, gint64 now_ms, guint64 rx_bytes, guint64 tx_bytes);

G_END_DECLS
