/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The monitor of engine/handshake.h. One reading is under way at a time; the next is scheduled when it has come back.
 */
#include "config.h"

#include "handshake.h"

#include "liveness.h"
#include "reserved.h"
#include "tunnel-plan.h"

#define POLL_ESTABLISH_MS 20 /* the first handshake is reported within this time */
#define POLL_EAGER_MS 1      /* a peer nearby answers in a few milliseconds ... */
#define EAGER_FOR_MS 60      /* ... so look often at first */
#define RESTLESS_READINGS 16 /* and one on the same wire in a fraction of one: look again as soon as the device has answered */

typedef enum
{
  MODE_OFF,
  MODE_ESTABLISH,
  MODE_LIVENESS,
} Mode;

struct _VpndHandshake
{
  GObject parent_instance;

  VpndTunnel *tunnel; /* (owned) */
  VpndProber *prober; /* (owned) */
  VpndClock *clock;   /* (owned) */
  VpndHandshakeFunc func;
  gpointer func_data;

  Mode mode;
  guint watch;               /* counts watches: a reading that was begun for an earlier one says nothing */
  guint timer;               /* id of the clock's schedule, 0 for none */
  GCancellable *cancellable; /* (owned) (nullable): of the reading under way */
  VpndPublicKey primary;
  gboolean has_target;
  VpndAddr target;
  gint64 begun_ms;
  guint timeout_ms;
  guint readings; /* of this watch for the first handshake */
  VpndLiveness liveness;
  GArray *stats; /* (element-type VpndPeerStats) (owned) (nullable) */
};

G_DEFINE_FINAL_TYPE (VpndHandshake, vpnd_handshake, G_TYPE_OBJECT)

static void poll_device (gpointer user_data);

static gint64
now_ms (VpndHandshake *self)
{
  return vpnd_clock_now_us (self->clock) / 1000;
}

static void
schedule (VpndHandshake *self, guint delay_ms)
{
  g_assert (self->timer == 0);
  self->timer = vpnd_clock_schedule (self->clock, delay_ms, poll_device, self);
}

static const VpndPeerStats *
find_primary (VpndHandshake *self)
{
  for (guint i = 0; self->stats != NULL && i < self->stats->len; i++)
    {
      const VpndPeerStats *peer = &g_array_index (self->stats, VpndPeerStats, i);

      if (vpnd_public_key_equal (&peer->public_key, &self->primary))
        return peer;
    }
  return NULL;
}

static void
report (VpndHandshake *self, VpndHandshakeReport what)
{
  vpnd_handshake_stop (self);
  self->func (what, self->func_data);
}

static void
judge_establish (VpndHandshake *self)
{
  const VpndPeerStats *primary = find_primary (self);
  gint64 age_ms = now_ms (self) - self->begun_ms;

  if (primary != NULL && primary->last_handshake_s != 0)
    report (self, VPND_HANDSHAKE_ESTABLISHED);
  else if (age_ms >= self->timeout_ms)
    report (self, VPND_HANDSHAKE_TIMED_OUT);
  else
    schedule (self, ++self->readings < RESTLESS_READINGS ? 0 : age_ms < EAGER_FOR_MS ? POLL_EAGER_MS
                                                                                     : POLL_ESTABLISH_MS);
}

static void
judge_liveness (VpndHandshake *self)
{
  const VpndPeerStats *primary = find_primary (self);
  VpndLivenessVerdict verdict = VPND_LIVENESS_ALIVE;

  if (primary != NULL)
    verdict = vpnd_liveness_update (&self->liveness, now_ms (self), primary->rx_bytes, primary->tx_bytes);

  switch (verdict)
    {
    case VPND_LIVENESS_PROBE:
      vpnd_handshake_probe (self);
      schedule (self, VPND_LIVENESS_POLL_MS);
      return;
    case VPND_LIVENESS_ALIVE:
      schedule (self, VPND_LIVENESS_POLL_MS);
      self->func (VPND_HANDSHAKE_POLLED, self->func_data);
      return;
    case VPND_LIVENESS_SLEPT:
      report (self, VPND_HANDSHAKE_SLEPT);
      return;
    case VPND_LIVENESS_LOST:
      report (self, VPND_HANDSHAKE_PEER_LOST);
      return;
    }
  g_assert_not_reached ();
}

typedef struct
{
  VpndHandshake *self; /* (owned) */
  guint watch;
} Reading;

static void
on_stats (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Reading *reading = user_data;
  g_autoptr (VpndHandshake) self = reading->self;
  g_autoptr (GArray) stats = vpnd_tunnel_read_stats_finish (VPND_TUNNEL (source), result, NULL);

  if (reading->watch != self->watch || self->mode == MODE_OFF)
    return;

  g_clear_object (&self->cancellable);
  /* A device that cannot be read is told by the port's signal "lost"; until then the old reading stands. */
  if (stats != NULL)
    {
      g_clear_pointer (&self->stats, g_array_unref);
      self->stats = g_steal_pointer (&stats);
    }
  if (self->mode == MODE_ESTABLISH)
    judge_establish (self);
  else
    judge_liveness (self);
}

static void
poll_device (gpointer user_data)
{
  VpndHandshake *self = user_data;
  Reading *reading = g_new0 (Reading, 1);

  self->timer = 0;
  self->cancellable = g_cancellable_new ();
  reading->self = g_object_ref (self);
  reading->watch = self->watch;
  vpnd_tunnel_read_stats_async (self->tunnel, VPND_IFNAME, self->cancellable, on_stats, reading);
}

static void
begin (VpndHandshake *self, Mode mode, const VpndProfile *profile)
{
  vpnd_handshake_stop (self);
  self->mode = mode;
  self->primary = vpnd_profile_primary_peer (profile)->public_key;
  self->has_target = vpnd_tunnel_plan_probe_target (profile, &self->target);
  self->begun_ms = now_ms (self);
  self->liveness = (VpndLiveness){ 0 };
}

/**
 * vpnd_handshake_watch_establish:
 * @self: the monitor
 * @profile: whose primary peer to watch; its sessions have just been forgotten
 * @timeout_ms: when to give up, milliseconds
 *
 * Reports VPND_HANDSHAKE_ESTABLISHED or VPND_HANDSHAKE_TIMED_OUT, once. Replaces any former watch.
 */
void
vpnd_handshake_watch_establish (VpndHandshake *self, const VpndProfile *profile, guint timeout_ms)
{
  begin (self, MODE_ESTABLISH, profile);
  self->timeout_ms = timeout_ms;
  self->readings = 0;
  g_clear_pointer (&self->stats, g_array_unref);
  poll_device (self);
}

/**
 * vpnd_handshake_watch_liveness:
 * @self: the monitor
 * @profile: whose primary peer to watch
 *
 * Reports VPND_HANDSHAKE_PEER_LOST or VPND_HANDSHAKE_SLEPT, once, when the peer has stopped answering or we have slept, and VPND_HANDSHAKE_POLLED once a second while it has not.
 * Replaces any former watch.
 */
void
vpnd_handshake_watch_liveness (VpndHandshake *self, const VpndProfile *profile)
{
  begin (self, MODE_LIVENESS, profile);
  poll_device (self);
}

/**
 * vpnd_handshake_probe:
 * @self: the monitor
 *
 * Sends one packet into the tunnel of the profile that is watched.
 */
void
vpnd_handshake_probe (VpndHandshake *self)
{
  if (self->mode != MODE_OFF && self->has_target)
    (void) vpnd_prober_probe (self->prober, VPND_IFNAME, &self->target, NULL); /* a failed probe is not a failed tunnel */
}

/**
 * vpnd_handshake_stop:
 * @self: the monitor
 *
 * Ends the watch; nothing is reported any more, and nothing wakes the process up.
 */
void
vpnd_handshake_stop (VpndHandshake *self)
{
  self->watch++;
  self->mode = MODE_OFF;
  if (self->timer != 0)
    vpnd_clock_cancel (self->clock, self->timer);
  self->timer = 0;
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
}

/**
 * vpnd_handshake_get_stats:
 * @self: the monitor
 *
 * Returns: (transfer none) (nullable) (element-type VpndPeerStats): the last reading; NULL when there was none for this device
 */
GArray *
vpnd_handshake_get_stats (VpndHandshake *self)
{
  return self->stats;
}

/**
 * vpnd_handshake_set_stats:
 * @self: the monitor
 * @stats: (transfer none) (element-type VpndPeerStats): a reading that somebody else made of the same device
 */
void
vpnd_handshake_set_stats (VpndHandshake *self, GArray *stats)
{
  g_array_ref (stats);
  g_clear_pointer (&self->stats, g_array_unref);
  self->stats = stats;
}

static void
vpnd_handshake_dispose (GObject *object)
{
  VpndHandshake *self = VPND_HANDSHAKE (object);

  if (self->clock != NULL)
    vpnd_handshake_stop (self);
  g_clear_object (&self->tunnel);
  g_clear_object (&self->prober);
  g_clear_object (&self->clock);
  g_clear_pointer (&self->stats, g_array_unref);
  G_OBJECT_CLASS (vpnd_handshake_parent_class)->dispose (object);
}

static void
vpnd_handshake_class_init (VpndHandshakeClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_handshake_dispose;
}

static void
vpnd_handshake_init (VpndHandshake *self)
{
}

/**
 * vpnd_handshake_new:
 * @tunnel: whose counters to read
 * @prober: sends probes
 * @clock: time
 * @func: receives reports
 * @user_data: passed to @func
 *
 * Returns: (transfer full): a monitor that watches nothing yet
 */
VpndHandshake *
vpnd_handshake_new (VpndTunnel *tunnel, VpndProber *prober, VpndClock *clock, VpndHandshakeFunc func, gpointer user_data)
{
  VpndHandshake *self = g_object_new (VPND_TYPE_HANDSHAKE, NULL);

  self->tunnel = g_object_ref (tunnel);
  self->prober = g_object_ref (prober);
  self->clock = g_object_ref (clock);
  self->func = func;
  self->func_data = user_data;
  return self;
}
