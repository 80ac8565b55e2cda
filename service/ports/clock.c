/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndClock: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "clock.h"

G_DEFINE_INTERFACE (VpndClock, vpnd_clock, G_TYPE_OBJECT)

static void
vpnd_clock_default_init (VpndClockInterface *iface)
{
}

/**
 * vpnd_clock_now_us:
 * @self: the port
 *
 * Dispatches; see VpndClockInterface.
 *
 * Returns: see VpndClockInterface
 */
gint64
vpnd_clock_now_us (VpndClock *self)
{
  g_return_val_if_fail (VPND_IS_CLOCK (self), 0);

  return VPND_CLOCK_GET_IFACE (self)->now_us (self);
}

/**
 * vpnd_clock_wall_us:
 * @self: the port
 *
 * Dispatches; see VpndClockInterface.
 *
 * Returns: see VpndClockInterface
 */
gint64
vpnd_clock_wall_us (VpndClock *self)
{
  g_return_val_if_fail (VPND_IS_CLOCK (self), 0);

  return VPND_CLOCK_GET_IFACE (self)->wall_us (self);
}

/**
 * vpnd_clock_schedule:
 * @self: the port
 * @delay_ms: see VpndClockInterface
 * @func: see VpndClockInterface
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndClockInterface.
 *
 * Returns: see VpndClockInterface
 */
guint
vpnd_clock_schedule (VpndClock *self, guint delay_ms, VpndClockFunc func, gpointer user_data)
{
  g_return_val_if_fail (VPND_IS_CLOCK (self), 0);

  return VPND_CLOCK_GET_IFACE (self)->schedule (self, delay_ms, func, user_data);
}

/**
 * vpnd_clock_cancel:
 * @self: the port
 * @id: see VpndClockInterface
 *
 * Dispatches; see VpndClockInterface.
 */
void
vpnd_clock_cancel (VpndClock *self, guint id)
{
  g_return_if_fail (VPND_IS_CLOCK (self));

  VPND_CLOCK_GET_IFACE (self)->cancel (self, id);
}
