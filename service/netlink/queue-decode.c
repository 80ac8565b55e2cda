/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See queue-decode.h. Messages: linux/netfilter/nfnetlink_queue.h. Headers: RFC 791, RFC 8200, RFC 768.
 */
#include "config.h"

#include "queue-decode.h"

#include "nft-attr.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <netinet/in.h>
#include <string.h>

#define IP_HEADER_MIN_BYTES 20u
#define IP_FRAGMENT_MASK 0x3fffu /* "more fragments", and the offset */
#define IP6_HEADER_BYTES 40u
#define UDP_HEADER_BYTES 8u

/**
 * vpnd_queue_decode_packet:
 * @message: one whole netlink message
 * @out_packet: (out): the packet; its payload lives as long as @message
 *
 * Returns: FALSE when it is no packet with an id
 */
gboolean
vpnd_queue_decode_packet (const struct nlmsghdr *message, VpndQueuePacket *out_packet)
{
  struct nfqnl_msg_packet_hdr header;
  struct nfgenmsg family;
  VpndNftAttrs attrs, value;

  if (message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) || message->nlmsg_len < NLMSG_HDRLEN + sizeof family)
    return FALSE;
  memcpy (&family, (const guint8 *) message + NLMSG_HDRLEN, sizeof family);
  attrs = (VpndNftAttrs){ .data = (const guint8 *) message + NLMSG_HDRLEN + NLMSG_ALIGN (sizeof family),
    .size = message->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN (sizeof family) };
  value = vpnd_nft_attrs_find (&attrs, NFQA_PACKET_HDR);
  if (value.size < sizeof header)
    return FALSE;
  memcpy (&header, value.data, sizeof header);
  value = vpnd_nft_attrs_find (&attrs, NFQA_PAYLOAD);
  *out_packet = (VpndQueuePacket){ .queue = ntohs (family.res_id), .id = ntohl (header.packet_id), .payload = value.data, .size = value.size };
  return TRUE;
}

static guint
get_u16 (const guint8 *bytes)
{
  return (guint) bytes[0] << 8 | bytes[1];
}

/* Returns: (nullable): where the UDP header starts; *inout_size becomes the length from there on. The kernel has put fragments together before. */
static const guint8 *
find_udp (const guint8 *packet, gsize *inout_size)
{
  gsize size = *inout_size, header, total;

  if (size >= IP_HEADER_MIN_BYTES && packet[0] >> 4 == 4)
    {
      header = (gsize) (packet[0] & 0x0f) * 4;
      total = get_u16 (packet + 2);
      if (header < IP_HEADER_MIN_BYTES || packet[9] != IPPROTO_UDP || (get_u16 (packet + 6) & IP_FRAGMENT_MASK) != 0)
        return NULL;
    }
  else if (size >= IP6_HEADER_BYTES && packet[0] >> 4 == 6)
    {
      header = IP6_HEADER_BYTES;
      total = IP6_HEADER_BYTES + get_u16 (packet + 4);
      if (packet[6] != IPPROTO_UDP)
        return NULL;
    }
  else
    {
      return NULL;
    }
  if (total > size || total < header)
    return NULL;
  *inout_size = total - header;
  return packet + header;
}

/**
 * vpnd_queue_find_datagram:
 * @packet: (array length=size) (nullable): an IP packet
 * @size: its length in bytes
 * @source_port: the port that its sender must have
 * @out_size: (out): length of the datagram's data in bytes
 *
 * Returns: (transfer none) (nullable): the data of a whole UDP datagram from that port; NULL for any other packet
 */
const guint8 *
vpnd_queue_find_datagram (const guint8 *packet, gsize size, guint16 source_port, gsize *out_size)
{
  const guint8 *udp = packet != NULL ? find_udp (packet, &size) : NULL;
  gsize length;

  *out_size = 0;
  if (udp == NULL || size < UDP_HEADER_BYTES || get_u16 (udp) != source_port)
    return NULL;
  length = get_u16 (udp + 4);
  if (length < UDP_HEADER_BYTES || length > size)
    return NULL;
  *out_size = length - UDP_HEADER_BYTES;
  return udp + UDP_HEADER_BYTES;
}
