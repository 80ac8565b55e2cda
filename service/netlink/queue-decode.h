/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Codec of nfnetlink_queue, the way in: a packet that is held, and the DNS message in it. Every length is checked: the packet comes from anywhere.
 */
#pragma once

#include <glib.h>
#include <linux/netlink.h>

G_BEGIN_DECLS

/**
 * VpndQueuePacket:
 * @queue: number of the queue
 * @id: of the packet, for its verdict
 * @payload: (unowned) (nullable): from its IP header on; part of the message
 * @size: of @payload, in bytes
 */
typedef struct
{
  guint16 queue;
  guint32 id;
  const guint8 *payload;
  gsize size;
} VpndQueuePacket;

gboolean vpnd_queue_decode_packet (const struct nlmsghdr *message, VpndQueuePacket *out_packet);
const guint8 *vpnd_queue_find_datagram (const guint8 *packet, gsize size, guint16 source_port, gsize *out_size);

G_END_DECLS
