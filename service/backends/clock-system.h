/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The time of the kernel we run on, CLOCK_BOOTTIME: what was to happen in ten seconds happens right after a night of suspend. Never wakes a
 * suspended host.
 */
#pragma once

#include "clock.h"

G_BEGIN_DECLS

#define VPND_TYPE_CLOCK_SYSTEM (vpnd_clock_system_get_type ())
G_DECLARE_FINAL_TYPE (VpndClockSystem, vpnd_clock_system, VPND, CLOCK_SYSTEM, GObject)

VpndClock *vpnd_clock_system_new (void);

G_END_DECLS
