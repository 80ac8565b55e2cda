/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The newest lines of the log, bounded in bytes, for getLogs. Thread-safe, because GLib may log from its own worker threads.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_LOG_RING_MAX_BYTES (200 * 1024) /* the bound that clients of the protocol expect of getLogs */

typedef struct _VpndLogRing VpndLogRing;

VpndLogRing *vpnd_log_ring_new (gsize max_bytes);
VpndLogRing *vpnd_log_ring_ref (VpndLogRing *ring);
void vpnd_log_ring_unref (VpndLogRing *ring);
void vpnd_log_ring_append (VpndLogRing *ring, const char *line);
char *vpnd_log_ring_dup_text (VpndLogRing *ring);
void vpnd_log_ring_clear (VpndLogRing *ring);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndLogRing, vpnd_log_ring_unref)

G_END_DECLS
