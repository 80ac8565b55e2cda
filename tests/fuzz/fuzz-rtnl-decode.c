/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: the rtnetlink decoder on any bytes. An input is a sequence of netlink messages; each goes to every decoder.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rtnl-decode.h"
#include "rtnl-encode.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
decode_all (const uint8_t *message, gsize length)
{
  g_auto (VpndRtnlRoute) route = { 0 };
  g_autoptr (GByteArray) removal = g_byte_array_new ();
  VpndRtnlAddress address;
  VpndRtnlRule rule;
  VpndRtnlLink link;

  if (vpnd_rtnl_decode_link (message, length, &link))
    g_assert (memchr (link.name, 0, sizeof link.name) != NULL && memchr (link.kind, 0, sizeof link.kind) != NULL);
  if (vpnd_rtnl_decode_address (message, length, &address))
    g_assert (vpnd_addr_is_set (&address.address.addr) && address.address.length <= vpnd_addr_size (&address.address.addr) * 8);
  if (vpnd_rtnl_decode_route (message, length, &route))
    g_assert (route.hops->len > 0 && route.destination.length <= vpnd_addr_size (&route.destination.addr) * 8);
  if (vpnd_rtnl_decode_rule (message, length, &rule))
    g_assert (rule.rule.family == AF_INET || rule.rule.family == AF_INET6);
  g_assert (!vpnd_rtnl_is_forwarding_change (message, length) || length >= 21); /* headers, the family, one attribute */
  if (vpnd_rtnl_encode_delete_of (removal, 1, 0, message, length))
    g_assert (removal->len <= length + 3);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  size_t offset = 0;

  while (offset < size)
    {
      uint32_t length = 0;

      decode_all (data + offset, size - offset);
      if (size - offset >= sizeof length)
        memcpy (&length, data + offset, sizeof length);
      if (length < 16 || length > size - offset)
        break;
      decode_all (data + offset, length);
      offset += (length + 3) & ~(size_t) 3;
    }
  return 0;
}
