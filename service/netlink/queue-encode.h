/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Codec of nfnetlink_queue, the way out: listening to a queue, and letting go what is held. Encodes only; never sends.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

GBytes *vpnd_queue_encode_bind (guint16 queue, guint32 length, guint32 copy_bytes, gboolean lets_by, guint32 seq);
GBytes *vpnd_queue_encode_unbind (guint16 queue, guint32 seq);
GBytes *vpnd_queue_encode_repeat (guint16 queue, guint32 last, guint32 seq);
GBytes *vpnd_queue_encode_accept (guint16 queue, const guint32 *ids, guint n_ids, guint32 seq);

G_END_DECLS
