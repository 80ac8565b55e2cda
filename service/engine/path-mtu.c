/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The measurement of engine/path-mtu.h. One size is under way at a time; what comes late for an earlier measurement says nothing.
 */
#include "config.h"

#include "path-mtu.h"

#include "reserved.h"

#define FIRST_WAIT_MS 1000 /* round trips that are longer make a path look as if it never answered: then nothing is changed */
#define WAIT_MIN_MS 250
#define WAIT_ROUND_TRIPS 4

struct _VpndPathMtu
{
  GObject parent_instance;

  VpndProber *prober; /* (owned) */
  VpndClock *clock;   /* (owned) */
  VpndPathMtuFunc func;
  gpointer func_data;

  GCancellable *cancellable; /* (owned) (nullable): of the measurement under way; NULL for none */
  VpndPathProbe probe;
  VpndMtuSearch search;
  guint wait_ms;
  gint64 sent_us;
};

G_DEFINE_FINAL_TYPE (VpndPathMtu, vpnd_path_mtu, G_TYPE_OBJECT)

static void try_next (VpndPathMtu *self);

static void
finish (VpndPathMtu *self, guint32 mtu)
{
  guint32 top = self->search.top;

  vpnd_path_mtu_stop (self);
  if (mtu != 0 && mtu < top)
    self->func (mtu, self->func_data);
}

/* What the host has heard from a router on the way is exact, and costs no trial. */
static gboolean
finish_by_host (VpndPathMtu *self)
{
  guint32 path = vpnd_prober_read_path_mtu (self->prober, &self->probe.peer, VPND_MARK_VALUE);

  if (path == 0 || vpnd_mtu_of_path (path, self->probe.overhead) >= self->search.top)
    return FALSE;
  finish (self, vpnd_mtu_of_path (path, self->probe.overhead));
  return TRUE;
}

static void
on_tried (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndPathMtu) self = user_data;
  g_autoptr (GError) error = NULL;
  gboolean has_arrived = vpnd_prober_try_size_finish (VPND_PROBER (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (has_arrived)
    self->wait_ms = CLAMP (WAIT_ROUND_TRIPS * (guint) ((vpnd_clock_now_us (self->clock) - self->sent_us) / 1000), WAIT_MIN_MS, FIRST_WAIT_MS);
  vpnd_mtu_search_note (&self->search, has_arrived);
  if (has_arrived || !finish_by_host (self))
    try_next (self);
}

static void
try_next (VpndPathMtu *self)
{
  guint32 bytes = vpnd_mtu_search_next (&self->search);

  if (bytes == 0)
    {
      finish (self, self->search.passed);
      return;
    }
  self->sent_us = vpnd_clock_now_us (self->clock);
  vpnd_prober_try_size_async (self->prober, VPND_IFNAME, self->probe.targets, self->probe.n_targets, bytes, self->wait_ms, self->cancellable, on_tried, g_object_ref (self));
}

/**
 * vpnd_path_mtu_begin:
 * @self: the meter
 * @probe: what to measure
 *
 * Ends any former measurement and begins a new one.
 */
void
vpnd_path_mtu_begin (VpndPathMtu *self, const VpndPathProbe *probe)
{
  vpnd_path_mtu_stop (self);
  self->probe = *probe;
  self->search = (VpndMtuSearch){ .top = probe->top };
  self->wait_ms = FIRST_WAIT_MS;
  self->cancellable = g_cancellable_new ();
  if (finish_by_host (self))
    return;
  if (probe->n_targets > 0)
    try_next (self);
  else
    vpnd_path_mtu_stop (self);
}

/**
 * vpnd_path_mtu_stop:
 * @self: the meter
 *
 * Ends the measurement; nothing is reported any more.
 */
void
vpnd_path_mtu_stop (VpndPathMtu *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
}

static void
vpnd_path_mtu_dispose (GObject *object)
{
  VpndPathMtu *self = VPND_PATH_MTU (object);

  vpnd_path_mtu_stop (self);
  g_clear_object (&self->prober);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vpnd_path_mtu_parent_class)->dispose (object);
}

static void
vpnd_path_mtu_class_init (VpndPathMtuClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_path_mtu_dispose;
}

static void
vpnd_path_mtu_init (VpndPathMtu *self)
{
}

/**
 * vpnd_path_mtu_new:
 * @prober: tries sizes
 * @clock: time
 * @func: receives the result
 * @user_data: passed to @func
 *
 * Returns: (transfer full): a meter that measures nothing yet
 */
VpndPathMtu *
vpnd_path_mtu_new (VpndProber *prober, VpndClock *clock, VpndPathMtuFunc func, gpointer user_data)
{
  VpndPathMtu *self = g_object_new (VPND_TYPE_PATH_MTU, NULL);

  self->prober = g_object_ref (prober);
  self->clock = g_object_ref (clock);
  self->func = func;
  self->func_data = user_data;
  return self;
}
