/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: the decoder of sock_diag(7) on any bytes, as one netlink message.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include "diag-decode.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size); /* aligned as the kernel's answers are */
  VpndDiagSocket socket;

  if (!vpnd_diag_decode_socket (copy, size, IPPROTO_TCP, &socket))
    return 0;
  g_assert_true (socket.family == AF_INET || socket.family == AF_INET6);
  g_assert_true (socket.info.remote.family == AF_UNSPEC || socket.info.remote.family == AF_INET || socket.info.remote.family == AF_INET6);
  return 0;
}
