/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages of nfnetlink_queue, byte by byte as the kernel's headers lay them out, and packets of any kind.
 */
#include "config.h"

#include "queue-decode.h"
#include "queue-encode.h"

#include <string.h>

static void
assert_bytes (GBytes *found, const guint8 *expected, gsize size)
{
  gsize found_size;
  const guint8 *bytes = g_bytes_get_data (found, &found_size);

  g_assert_cmpmem (bytes, found_size, expected, size);
}

static void
test_encode (void)
{
  static const guint8 bind[] = {
    64, 0, 0, 0, 2, 3, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, /* NFQNL_MSG_CONFIG of NFNL_SUBSYS_QUEUE, REQUEST | ACK */
    0, 0, 0x56, 0x50,                                /* queue 22096 */
    8, 0, 1, 0, 1, 0, 0, 0,                          /* NFQA_CFG_CMD: bind */
    9, 0, 2, 0, 0, 0, 0x40, 0, 2, 0, 0, 0,           /* NFQA_CFG_PARAMS: so much of each packet */
    8, 0, 3, 0, 0, 0, 0, 64,                         /* NFQA_CFG_QUEUE_MAXLEN */
    8, 0, 4, 0, 0, 0, 0, 5, 8, 0, 5, 0, 0, 0, 0, 1,  /* NFQA_CFG_MASK, NFQA_CFG_FLAGS: fail open */
  };
  static const guint8 bind_unread[] = {
    64, 0, 0, 0, 2, 3, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x56, 0x50, 8, 0, 1, 0, 1, 0, 0, 0,
    9, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, /* nothing of a packet */
    8, 0, 3, 0, 0, 0, 0, 64,
    8, 0, 4, 0, 0, 0, 0, 5, 8, 0, 5, 0, 0, 0, 0, 4, /* not cut, and not let by */
  };
  static const guint8 repeat[] = {
    32, 0, 0, 0, 3, 3, 5, 0, 9, 0, 0, 0, 0, 0, 0, 0, /* NFQNL_MSG_VERDICT_BATCH */
    0, 0, 0x56, 0x50,
    12, 0, 2, 0, 0, 0, 0, 4, 0, 1, 0, 0, /* NFQA_VERDICT_HDR: NF_REPEAT, up to 65536 */
  };
  static const guint8 accept[] = {
    32,
    0,
    0,
    0,
    1,
    3,
    1,
    0,
    9,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x56,
    0x50,
    12,
    0,
    2,
    0,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    5,
    32,
    0,
    0,
    0,
    1,
    3,
    5,
    0,
    10,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x56,
    0x50,
    12,
    0,
    2,
    0,
    0,
    0,
    0,
    1,
    0,
    1,
    0,
    0,
  };
  static const guint8 unbind[] = { 28, 0, 0, 0, 2, 3, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x56, 0x50, 8, 0, 1, 0, 2, 0, 0, 0 };
  static const guint32 ids[] = { 5, 65536 };
  g_autoptr (GBytes) bind_bytes = vpnd_queue_encode_bind (22096, 64, 0x4000, TRUE, 7);
  g_autoptr (GBytes) accept_bytes = vpnd_queue_encode_accept (22096, ids, G_N_ELEMENTS (ids), 9);
  g_autoptr (GBytes) repeat_bytes = vpnd_queue_encode_repeat (22096, 65536, 9);
  g_autoptr (GBytes) strict_bytes = vpnd_queue_encode_bind (22096, 64, 0x4000, FALSE, 7);
  g_autoptr (GBytes) unread_bytes = vpnd_queue_encode_bind (22096, 64, 0, FALSE, 7);
  const guint8 *strict;
  gsize size;
  g_autoptr (GBytes) unbind_bytes = vpnd_queue_encode_unbind (22096, 1);

  if (G_BYTE_ORDER != G_LITTLE_ENDIAN)
    return;
  assert_bytes (bind_bytes, bind, sizeof bind);
  assert_bytes (accept_bytes, accept, sizeof accept);
  assert_bytes (unbind_bytes, unbind, sizeof unbind);
  assert_bytes (unread_bytes, bind_unread, sizeof bind_unread);
  assert_bytes (repeat_bytes, repeat, sizeof repeat);

  /* Without the flag it is the same but for that. */
  strict = g_bytes_get_data (strict_bytes, &size);
  g_assert_cmpuint (size, ==, sizeof bind);
  g_assert_cmpmem (strict, size - 4, bind, size - 4);
  g_assert_cmpuint (strict[size - 1], ==, 0);
}

/* A datagram of three bytes from port 53, in a packet of either family. */
static const guint8 packet4[] = { 0x46, 0, 0, 35, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 1, 0, 53, 0x80, 0, 0, 11, 0, 0, 'a', 'b', 'c' };
static const guint8 packet6[] = { 0x60, 0, 0, 0, 0, 11, 17, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
  0, 53, 0x80, 0, 0, 11, 0, 0, 'a', 'b', 'c' };

static void
test_datagram (void)
{
  static const struct
  {
    guint at;
    guint8 value;
  } changes4[] = { { 0, 0x44 }, { 0, 0x4f }, { 0, 0x56 }, { 2, 1 }, { 3, 24 }, { 6, 0x20 }, { 7, 1 }, { 9, 6 }, { 25, 54 }, { 29, 7 }, { 29, 12 } },
    changes6[] = { { 0, 0x50 }, { 5, 12 }, { 5, 7 }, { 6, 44 }, { 41, 54 }, { 45, 7 }, { 45, 12 } };
  gsize size;
  const guint8 *data = vpnd_queue_find_datagram (packet4, sizeof packet4, 53, &size);

  g_assert_cmpmem (data, size, "abc", 3);
  data = vpnd_queue_find_datagram (packet6, sizeof packet6, 53, &size);
  g_assert_cmpmem (data, size, "abc", 3);
  for (guint i = 0; i < G_N_ELEMENTS (changes4); i++)
    {
      guint8 copy[sizeof packet4];

      memcpy (copy, packet4, sizeof copy);
      copy[changes4[i].at] = changes4[i].value;
      g_assert_null (vpnd_queue_find_datagram (copy, sizeof copy, 53, &size));
    }
  for (guint i = 0; i < G_N_ELEMENTS (changes6); i++)
    {
      guint8 copy[sizeof packet6];

      memcpy (copy, packet6, sizeof copy);
      copy[changes6[i].at] = changes6[i].value;
      g_assert_null (vpnd_queue_find_datagram (copy, sizeof copy, 53, &size));
    }
  for (gsize cut = 0; cut < sizeof packet4; cut++)
    {
      g_autofree guint8 *exact = g_memdup2 (packet4, cut);

      g_assert_null (vpnd_queue_find_datagram (exact, cut, 53, &size));
    }
  g_assert_null (vpnd_queue_find_datagram (NULL, 0, 53, &size));
}

static void
test_packet (void)
{
  /* NFQNL_MSG_PACKET with NFQA_PACKET_HDR and NFQA_PAYLOAD */
  static const guint8 bytes[] = { 40, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x56, 0x50, 11, 0, 1, 0, 0, 0, 0, 9, 8, 0, 1, 0, 7, 0, 10, 0, 'a', 'b', 'c', 0 };
  g_autofree guint8 *message = g_memdup2 (bytes, sizeof bytes);
  VpndQueuePacket packet;

  if (G_BYTE_ORDER != G_LITTLE_ENDIAN)
    return;
  g_assert_true (vpnd_queue_decode_packet ((const struct nlmsghdr *) (const void *) message, &packet));
  g_assert_cmpuint (packet.queue, ==, 22096);
  g_assert_cmpuint (packet.id, ==, 9);
  g_assert_cmpmem (packet.payload, packet.size, "abc", 3);
  message[4] = 2; /* a configuration */
  g_assert_false (vpnd_queue_decode_packet ((const struct nlmsghdr *) (const void *) message, &packet));
  message[4] = 0;
  message[5] = 10; /* of another subsystem */
  g_assert_false (vpnd_queue_decode_packet ((const struct nlmsghdr *) (const void *) message, &packet));
  message[5] = 3;
  message[22] = 3; /* without the header that has the id */
  g_assert_false (vpnd_queue_decode_packet ((const struct nlmsghdr *) (const void *) message, &packet));
  message[22] = 1;
  message[34] = 9; /* without a payload: it has to be let go all the same */
  g_assert_true (vpnd_queue_decode_packet ((const struct nlmsghdr *) (const void *) message, &packet));
  g_assert_cmpuint (packet.id, ==, 9);
  g_assert_cmpuint (packet.size, ==, 0);
  for (guint8 size = 16; size < 31; size++)
    {
      message[0] = size;
      g_assert_false (vpnd_queue_decode_packet ((const struct nlmsghdr *) (const void *) message, &packet));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/queue-codec/encode", test_encode);
  g_test_add_func ("/queue-codec/datagram", test_datagram);
  g_test_add_func ("/queue-codec/packet", test_packet);
  return g_test_run ();
}
