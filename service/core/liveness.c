/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The judgement of core/liveness.h.
 */
#include "config.h"

#include "liveness.h"

/* A peer that hears nothing of us begins handshakes, one every 5 s: they show that packets come, not that ours arrive. No other message of WireGuard
 * has this length: data comes in multiples of 16 bytes, the other two have 92 and 64 (whitepaper, 5.4). */
#define INITIATION_BYTES 148

static void
start_over (VpndLiveness *liveness, gint64 now_ms)
{
  liveness->is_started = TRUE;
  liveness->received_ms = now_ms;
  liveness->unanswered_since_ms = 0;
  liveness->probing_since_ms = 0;
}

static gboolean
must_probe (const VpndLiveness *liveness, gint64 now_ms)
{
  if (liveness->unanswered_since_ms != 0 && now_ms - liveness->unanswered_since_ms >= VPND_LIVENESS_SILENCE_MS)
    return TRUE;

  return now_ms - liveness->received_ms >= VPND_LIVENESS_IDLE_MS;
}

/**
 * vpnd_liveness_update:
 * @liveness: (inout): what was seen so far
 * @now_ms: time of this reading; a clock that counts suspend, never 0
 * @rx_bytes: the device's counter of received bytes
 * @tx_bytes: the device's counter of sent bytes
 *
 * Judges one reading. Counters that went back (a new session) and a gap between readings start it over. A handshake that the peer begins is no sign
 * of life, what follows it is: a path that lets packets through in one direction only is a dead one. Only a peer to which something was
 * sent can be lost.
 *
 * Returns: what to do
 */
VpndLivenessVerdict
vpnd_liveness_update (VpndLiveness *liveness, gint64 now_ms, guint64 rx_bytes, guint64 tx_bytes)
{
  gboolean slept = liveness->is_started && now_ms - liveness->polled_ms >= VPND_LIVENESS_GAP_MS;
  gboolean received = rx_bytes != liveness->rx_bytes && rx_bytes - liveness->rx_bytes != INITIATION_BYTES;
  gboolean sent = tx_bytes != liveness->tx_bytes;

  liveness->polled_ms = now_ms;
  liveness->rx_bytes = rx_bytes;
  liveness->tx_bytes = tx_bytes;

  if (!liveness->is_started || slept || received)
    {
      start_over (liveness, now_ms);
      return slept ? VPND_LIVENESS_SLEPT : VPND_LIVENESS_ALIVE;
    }
  if (sent && liveness->unanswered_since_ms == 0)
    liveness->unanswered_since_ms = now_ms;

  if (liveness->probing_since_ms == 0)
    {
      if (!must_probe (liveness, now_ms))
        return VPND_LIVENESS_ALIVE;
      liveness->probing_since_ms = now_ms;
      liveness->probed_ms = now_ms;
      return VPND_LIVENESS_PROBE;
    }
  /* Where no probe could be sent nobody was asked, so nobody is dead. */
  if (now_ms - liveness->probing_since_ms >= VPND_LIVENESS_LOST_MS && liveness->unanswered_since_ms != 0)
    return VPND_LIVENESS_LOST;
  if (now_ms - liveness->probed_ms < VPND_LIVENESS_PROBE_MS)
    return VPND_LIVENESS_ALIVE;

  liveness->probed_ms = now_ms;
  return VPND_LIVENESS_PROBE;
}
