/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: time. Counts suspend (CLOCK_BOOTTIME) and fires callbacks on the thread-default main context.
 * Real: backends/clock-system. Fake: in tests/fakes/fake-host, which tests advance by hand.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_CLOCK (vpnd_clock_get_type ())
G_DECLARE_INTERFACE (VpndClock, vpnd_clock, VPND, CLOCK, GObject)

typedef void (*VpndClockFunc) (gpointer user_data);

/**
 * VpndClockInterface:
 * @now_us: monotonic microseconds, suspend included
 * @wall_us: wall clock, microseconds since 1970
 * @schedule: call @func once, @delay_ms from now. Returns: an id, never 0
 * @cancel: forget it; a no-op when it has fired
 */
struct _VpndClockInterface
{
  GTypeInterface parent_iface;

  gint64 (*now_us) (VpndClock *self);
  gint64 (*wall_us) (VpndClock *self);
  guint (*schedule) (VpndClock *self, guint delay_ms, VpndClockFunc func, gpointer user_data);
  void (*cancel) (VpndClock *self, guint id);
};

gint64 vpnd_clock_now_us (VpndClock *self);
gint64 vpnd_clock_wall_us (VpndClock *self);
guint vpnd_clock_schedule (VpndClock *self, guint delay_ms, VpndClockFunc func, gpointer user_data);
void vpnd_clock_cancel (VpndClock *self, guint id);

G_END_DECLS
