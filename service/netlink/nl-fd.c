/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See nl-fd.h.
 */
#include "config.h"

#include "nl-fd.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

/* Room for a burst of notifications; the kernel takes memory only for what is queued. */
#define RECEIVE_QUEUE_BYTES (4 * 1024 * 1024)

/**
 * vpnd_nl_fd_open:
 * @protocol: NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_GENERIC, ...
 * @out_fd: (out): the descriptor, to be closed; set as well when something after its making failed
 * @out_portid: (out): its netlink port
 * @out_send_buffer_bytes: (out): what it may have on the way to the kernel
 *
 * Opens and binds; never blocks.
 *
 * Returns: FALSE with errno set
 */
gboolean
vpnd_nl_fd_open (int protocol, int *out_fd, guint32 *out_portid, guint *out_send_buffer_bytes)
{
  struct sockaddr_nl address = { .nl_family = AF_NETLINK };
  socklen_t address_size = sizeof address;
  int on = 1;
  int queue_bytes = RECEIVE_QUEUE_BYTES;
  socklen_t option_size = sizeof *out_send_buffer_bytes;

  *out_fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (*out_fd < 0 || bind (*out_fd, (struct sockaddr *) &address, sizeof address) < 0 ||
      getsockname (*out_fd, (struct sockaddr *) &address, &address_size) < 0 ||
      setsockopt (*out_fd, SOL_NETLINK, NETLINK_PKTINFO, &on, sizeof on) < 0)
    return FALSE;

  *out_portid = address.nl_pid;
  /* Comforts: without them the words of the kernel are missing, answers are longer, dumps are not
   * filtered by the kernel (since 4.20), or a burst of notifications ends in ENOBUFS earlier. */
  (void) setsockopt (*out_fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void) setsockopt (*out_fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (protocol == NETLINK_ROUTE)
    (void) setsockopt (*out_fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  if (setsockopt (*out_fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue_bytes, sizeof queue_bytes) < 0)
    (void) setsockopt (*out_fd, SOL_SOCKET, SO_RCVBUF, &queue_bytes, sizeof queue_bytes);
  (void) getsockopt (*out_fd, SOL_SOCKET, SO_SNDBUF, out_send_buffer_bytes, &option_size);
  return TRUE;
}

/**
 * vpnd_nl_fd_grow_send_buffer:
 * @fd: the descriptor
 * @send_buffer_bytes: (inout): what it may have on the way
 * @bytes: what is to be sent at once
 *
 * Returns: FALSE when the kernel refuses so much
 */
gboolean
vpnd_nl_fd_grow_send_buffer (int fd, guint *send_buffer_bytes, gsize bytes)
{
  int wanted = (int) bytes * 2 + 4096; /* netlink_sendmsg refuses what exceeds sk_sndbuf - 32 */

  if (bytes > G_MAXINT / 4)
    return FALSE;
  if (bytes < *send_buffer_bytes / 2)
    return TRUE;
  if (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0)
    return FALSE;
  *send_buffer_bytes = (guint) wanted;
  return TRUE;
}

/**
 * vpnd_nl_fd_send:
 * @fd: the descriptor
 * @data: (array length=size): whole messages
 * @size: bytes
 *
 * Returns: what sendto() returns, with errno set
 */
ssize_t
vpnd_nl_fd_send (int fd, const void *data, gsize size)
{
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  ssize_t sent;

  do
    sent = sendto (fd, data, size, MSG_DONTWAIT, (struct sockaddr *) &kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);
  return sent;
}

/* Group of a received datagram: 0 for an answer to us. Only the ancillary data tells; a notification of our own change carries our
 * port and sequence number, too. */
static guint
datagram_group (struct msghdr *header)
{
  for (struct cmsghdr *control = CMSG_FIRSTHDR (header); control != NULL; control = CMSG_NXTHDR (header, control))
    {
      struct nl_pktinfo info;

      if (control->cmsg_level != SOL_NETLINK || control->cmsg_type != NETLINK_PKTINFO || control->cmsg_len < CMSG_LEN (sizeof info))
        continue;
      memcpy (&info, CMSG_DATA (control), sizeof info);
      return info.group;
    }
  return 0;
}

/**
 * vpnd_nl_fd_receive:
 * @fd: the descriptor
 * @buffer: (out caller-allocates): for one datagram
 * @buffer_bytes: its size
 * @out_origin: (out): where the datagram comes from
 *
 * Returns: the size of the datagram, which may be larger than @buffer_bytes: then its rest is lost; negative with errno set
 */
ssize_t
vpnd_nl_fd_receive (int fd, guint8 *buffer, gsize buffer_bytes, VpndNlOrigin *out_origin)
{
  struct sockaddr_nl sender = { 0 };
  char control[CMSG_SPACE (sizeof (struct nl_pktinfo))];
  struct iovec iov = { .iov_base = buffer, .iov_len = buffer_bytes };
  struct msghdr header = { .msg_name = &sender,
    .msg_namelen = sizeof sender,
    .msg_iov = &iov,
    .msg_iovlen = 1,
    .msg_control = control,
    .msg_controllen = sizeof control };
  ssize_t size = recvmsg (fd, &header, MSG_TRUNC | MSG_DONTWAIT);

  *out_origin = (VpndNlOrigin){ FALSE, FALSE };
  if (size >= 0)
    *out_origin = (VpndNlOrigin){ sender.nl_pid == 0, datagram_group (&header) != 0 };
  return size;
}
