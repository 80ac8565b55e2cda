/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: the decoder of nfnetlink_queue on any bytes as netlink messages, and what it finds in a packet.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include "nl-message.h"
#include "queue-decode.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size); /* aligned as the kernel's messages are */
  VpndNlCursor cursor = { .data = copy, .size = size };
  const struct nlmsghdr *message;

  while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
    {
      VpndQueuePacket packet;
      const guint8 *found;
      gsize found_size;

      if (!vpnd_queue_decode_packet (message, &packet))
        continue;
      g_assert_true (packet.payload != NULL || packet.size == 0);
      found = vpnd_queue_find_datagram (packet.payload, packet.size, 53, &found_size);
      if (found == NULL)
        continue;
      g_assert_true (found >= packet.payload && found + found_size <= packet.payload + packet.size);
    }
  return 0;
}
