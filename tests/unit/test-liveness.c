/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * When a peer counts as dead: a device is played second by second, and what the judgement says is written down.
 */
#include "config.h"

#include "liveness.h"

#define START_MS 1000000

typedef struct
{
  VpndLiveness liveness;
  gint64 now_ms;
  guint64 rx_bytes;
  guint64 tx_bytes;
  gboolean probes_are_sent;
  gboolean peer_answers;
  guint probes;
  guint sleeps;
  gint64 lost_ms; /* since the start of play (); -1 for never */
} Device;

static Device
device_new (gboolean probes_are_sent, gboolean peer_answers)
{
  Device device = { .now_ms = START_MS, .rx_bytes = 100, .tx_bytes = 100, .probes_are_sent = probes_are_sent, .peer_answers = peer_answers, .lost_ms = -1 };

  g_assert_cmpint (vpnd_liveness_update (&device.liveness, device.now_ms, device.rx_bytes, device.tx_bytes), ==, VPND_LIVENESS_ALIVE);
  return device;
}

static void
play (Device *device, gint64 duration_ms, gboolean host_sends)
{
  gint64 from_ms = device->now_ms;

  while (device->now_ms - from_ms < duration_ms && device->lost_ms < 0)
    {
      device->now_ms += VPND_LIVENESS_POLL_MS;
      if (host_sends)
        {
          device->tx_bytes += 148;
          device->rx_bytes += device->peer_answers ? 32 : 0;
        }
      switch (vpnd_liveness_update (&device->liveness, device->now_ms, device->rx_bytes, device->tx_bytes))
        {
        case VPND_LIVENESS_ALIVE:
          break;
        case VPND_LIVENESS_PROBE:
          device->probes++;
          device->tx_bytes += device->probes_are_sent ? 60 : 0;
          device->rx_bytes += device->probes_are_sent && device->peer_answers ? 32 : 0;
          break;
        case VPND_LIVENESS_SLEPT:
          device->sleeps++;
          break;
        case VPND_LIVENESS_LOST:
          device->lost_ms = device->now_ms - from_ms;
          break;
        }
    }
}

static void
test_living_peer (void)
{
  Device busy = device_new (TRUE, TRUE);
  Device idle = device_new (TRUE, TRUE);

  play (&busy, 10 * VPND_LIVENESS_IDLE_MS, TRUE);
  g_assert_cmpint (busy.lost_ms, ==, -1);
  g_assert_cmpuint (busy.probes, ==, 0);

  play (&idle, 10 * VPND_LIVENESS_IDLE_MS, FALSE);
  g_assert_cmpint (idle.lost_ms, ==, -1);
  g_assert_cmpuint (idle.probes, >=, 8);
  g_assert_cmpuint (idle.probes, <=, 10);
}

static void
test_dead_peer (void)
{
  Device busy = device_new (TRUE, FALSE);
  Device idle = device_new (TRUE, FALSE);
  const gint64 busy_ms = VPND_LIVENESS_SILENCE_MS + VPND_LIVENESS_LOST_MS;
  const gint64 idle_ms = VPND_LIVENESS_IDLE_MS + VPND_LIVENESS_LOST_MS;

  play (&busy, 2 * busy_ms, TRUE);
  g_assert_cmpint (busy.lost_ms, >=, busy_ms);
  g_assert_cmpint (busy.lost_ms, <=, busy_ms + VPND_LIVENESS_POLL_MS);

  play (&idle, 2 * idle_ms, FALSE);
  g_assert_cmpint (idle.lost_ms, >=, idle_ms);
  g_assert_cmpint (idle.lost_ms, <=, idle_ms + VPND_LIVENESS_POLL_MS);
}

/* Packets come through, ours do not: the peer begins a handshake every 5 s and never gets an answer. */
static void
test_one_way_path (void)
{
  Device device = device_new (TRUE, FALSE);
  const gint64 lost_ms = VPND_LIVENESS_SILENCE_MS + VPND_LIVENESS_LOST_MS;

  for (guint i = 0; i < 8 && device.lost_ms < 0; i++)
    {
      device.rx_bytes += 148;
      play (&device, 5000, TRUE);
    }
  g_assert_cmpint (device.now_ms - START_MS, >=, lost_ms);
  g_assert_cmpint (device.now_ms - START_MS, <=, lost_ms + VPND_LIVENESS_POLL_MS);
}

/* A host that may not or cannot send a probe has learnt nothing about the peer. */
static void
test_probe_not_sent (void)
{
  Device idle = device_new (FALSE, TRUE);
  Device busy = device_new (FALSE, FALSE);

  play (&idle, 10 * VPND_LIVENESS_IDLE_MS, FALSE);
  g_assert_cmpint (idle.lost_ms, ==, -1);
  g_assert_cmpuint (idle.probes, >, 0);

  play (&busy, 10 * VPND_LIVENESS_IDLE_MS, TRUE);
  g_assert_cmpint (busy.lost_ms, >, 0);
}

static void
test_suspend_is_no_silence (void)
{
  Device device = device_new (TRUE, FALSE);

  for (guint i = 0; i < 50; i++)
    {
      play (&device, VPND_LIVENESS_SILENCE_MS + VPND_LIVENESS_LOST_MS - VPND_LIVENESS_POLL_MS, TRUE);
      device.now_ms += 10 * VPND_LIVENESS_GAP_MS;
    }
  g_assert_cmpint (device.lost_ms, ==, -1);
  g_assert_cmpuint (device.sleeps, ==, 49); /* each is told, once, by the first reading after it */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/liveness/living-peer", test_living_peer);
  g_test_add_func ("/liveness/dead-peer", test_dead_peer);
  g_test_add_func ("/liveness/one-way-path", test_one_way_path);
  g_test_add_func ("/liveness/probe-not-sent", test_probe_not_sent);
  g_test_add_func ("/liveness/suspend-is-no-silence", test_suspend_is_no_silence);
  return g_test_run ();
}
