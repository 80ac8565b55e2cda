/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Measures how large a packet may be inside the tunnel: asks the host first, then tries sizes as core/mtu says. Changes nothing.
 */
#pragma once

#include "mtu.h"

#include "clock.h"
#include "prober.h"

G_BEGIN_DECLS

/* Called at most once a measurement, with the largest size in bytes that arrives, and only when that is less than was asked about. */
typedef void (*VpndPathMtuFunc) (guint32 mtu, gpointer user_data);

#define VPND_TYPE_PATH_MTU (vpnd_path_mtu_get_type ())
G_DECLARE_FINAL_TYPE (VpndPathMtu, vpnd_path_mtu, VPND, PATH_MTU, GObject)

VpndPathMtu *vpnd_path_mtu_new (VpndProber *prober, VpndClock *clock, VpndPathMtuFunc func, gpointer user_data);
void vpnd_path_mtu_begin (VpndPathMtu *self, const VpndPathProbe *probe);
void vpnd_path_mtu_stop (VpndPathMtu *self);

G_END_DECLS
