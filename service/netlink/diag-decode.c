/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See diag-decode.h. Messages: linux/inet_diag.h.
 */
#include "config.h"

#include "diag-decode.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#define HEADERS_BYTES (MNL_NLMSG_HDRLEN + MNL_ALIGN (sizeof (struct inet_diag_msg)))

static VpndAddr
read_addr (guint8 family, const __be32 *words)
{
  static const guint8 mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
  static const guint8 unspecified[16] = { 0 };
  gsize size = family == AF_INET ? 4 : 16;

  if (memcmp (words, unspecified, size) == 0)
    return (VpndAddr){ AF_UNSPEC };
  if (family == AF_INET6 && memcmp (words, mapped, sizeof mapped) == 0)
    return vpnd_addr_from_bytes (AF_INET, (const guint8 *) words + sizeof mapped);
  return vpnd_addr_from_bytes (family, words);
}

/**
 * vpnd_diag_decode_socket:
 * @data: one netlink message
 * @size: its length in bytes
 * @protocol: what was asked for: IPPROTO_TCP or IPPROTO_UDP; the answer does not say
 * @out_socket: (out): the socket
 *
 * Returns: FALSE when it is not a socket of IPv4 or IPv6
 */
gboolean
vpnd_diag_decode_socket (const void *data, gsize size, guint8 protocol, VpndDiagSocket *out_socket)
{
  const struct nlmsghdr *nlh = data;
  const struct inet_diag_msg *message;
  const struct nlattr *attr;
  const void *attributes;

  if (size < HEADERS_BYTES || nlh->nlmsg_len > size || nlh->nlmsg_len < HEADERS_BYTES || nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY)
    return FALSE;
  message = mnl_nlmsg_get_payload (nlh);
  if (message->idiag_family != AF_INET && message->idiag_family != AF_INET6)
    return FALSE;

  *out_socket = (VpndDiagSocket){
    .family = message->idiag_family,
    .inode = message->idiag_inode,
  };
  G_STATIC_ASSERT (sizeof message->id == sizeof out_socket->id);
  memcpy (out_socket->id, &message->id, sizeof message->id);
  out_socket->info = (VpndSocketInfo){
    .protocol = protocol,
    .local = read_addr (message->idiag_family, message->id.idiag_src),
    .local_port = g_ntohs (message->id.idiag_sport),
    .remote = read_addr (message->idiag_family, message->id.idiag_dst),
    .remote_port = g_ntohs (message->id.idiag_dport),
    .uid = message->idiag_uid,
  };

  /* Not mnl_attr_for_each (), which rounds the end of the message up. */
  attributes = (const guint8 *) data + HEADERS_BYTES;
  mnl_attr_for_each_payload (attributes, nlh->nlmsg_len - HEADERS_BYTES)
  {
    if (mnl_attr_get_type (attr) == INET_DIAG_MARK && mnl_attr_get_payload_len (attr) >= sizeof out_socket->info.mark)
      memcpy (&out_socket->info.mark, mnl_attr_get_payload (attr), sizeof out_socket->info.mark);
    if (mnl_attr_get_type (attr) == INET_DIAG_CGROUP_ID && mnl_attr_get_payload_len (attr) >= sizeof out_socket->info.cgroup)
      memcpy (&out_socket->info.cgroup, mnl_attr_get_payload (attr), sizeof out_socket->info.cgroup); /* Linux 5.9 */
  }
  return TRUE;
}
