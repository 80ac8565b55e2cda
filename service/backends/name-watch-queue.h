/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndNameWatch by nfnetlink_queue. Holds a socket while it is started. Never drops a packet: each one is let go, at the latest after
 * VPND_NAME_WATCH_HOLD_MS, and those that come while too many wait are let through by the kernel, unseen.
 */
#pragma once

#include "name-watch.h"

G_BEGIN_DECLS

#define VPND_TYPE_NAME_WATCH_QUEUE (vpnd_name_watch_queue_get_type ())
G_DECLARE_FINAL_TYPE (VpndNameWatchQueue, vpnd_name_watch_queue, VPND, NAME_WATCH_QUEUE, GObject)

VpndNameWatch *vpnd_name_watch_queue_new (void);

G_END_DECLS
