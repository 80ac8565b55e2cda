/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: the decoders of generic netlink on any bytes. An input is a sequence of netlink messages, the answer to one request;
 * one whose length is beyond the end is given as far as it goes.
 */
#include "config.h"

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "genl.h"
#include "wg-decode.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (VpndWgDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  size_t offset = 0;

  while (offset < size)
    {
      guint32 length = 0;

      if (size - offset >= sizeof length)
        memcpy (&length, data + offset, sizeof length);
      if (length < NLMSG_HDRLEN || length > size - offset)
        length = (guint32) (size - offset);
      g_ptr_array_add (messages, g_bytes_new (data + offset, length));
      offset = MIN (size, offset + NLMSG_ALIGN (length));
    }

  (void) vpnd_genl_decode_family (messages, "wireguard"); /* any number is a legal answer */
  device = vpnd_wg_decode_device (messages, &error);
  g_assert_true ((device == NULL) == (error != NULL));
  for (guint i = 0; device != NULL && i < device->peers->len; i++)
    {
      const VpndPeerStats *peer = &g_array_index (device->peers, VpndPeerStats, i);

      g_assert_cmpuint (peer->last_handshake_ns, <, 1000000000);
      g_assert_true (peer->endpoint.addr.family == AF_UNSPEC || peer->endpoint.addr.family == AF_INET || peer->endpoint.addr.family == AF_INET6);
    }
  return 0;
}
