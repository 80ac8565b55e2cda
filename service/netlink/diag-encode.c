/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See diag-encode.h. Messages: linux/inet_diag.h, linux/sock_diag.h.
 */
#include "config.h"

#include "diag-encode.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#define REQUEST_BYTES (MNL_NLMSG_HDRLEN + MNL_ALIGN (sizeof (struct inet_diag_req_v2)))

/* Not those that listen or are closed, which have no peer (an unconnected UDP socket is "closed"), nor those that only wait for the end of
 * their time, which send nothing of their own. */
#define ALL_STATES ((1u << (TCP_CLOSING + 2)) - 1) /* TCP_NEW_SYN_RECV (12) is the kernel's own and the last */
#define PEERLESS_STATES ((1u << TCP_LISTEN) | (1u << TCP_CLOSE) | (1u << TCP_TIME_WAIT))

static void
put_request (void *buffer, guint16 type, guint16 flags, guint32 seq, const struct inet_diag_req_v2 *request)
{
  struct nlmsghdr *nlh = mnl_nlmsg_put_header (buffer);

  nlh->nlmsg_type = type;
  nlh->nlmsg_flags = NLM_F_REQUEST | flags;
  nlh->nlmsg_seq = seq;
  memcpy (mnl_nlmsg_put_extra_header (nlh, sizeof *request), request, sizeof *request);
}

/**
 * vpnd_diag_encode_dump:
 * @family: AF_INET or AF_INET6
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @with_unconnected: those of UDP without a peer, too
 * @seq: sequence number
 *
 * Returns: (transfer full): one request for all sockets that may send
 */
GBytes *
vpnd_diag_encode_dump (int family, guint8 protocol, gboolean with_unconnected, guint32 seq)
{
  guint32 unconnected = with_unconnected && protocol == IPPROTO_UDP ? 1u << TCP_CLOSE : 0;
  const struct inet_diag_req_v2 request = { .sdiag_family = (guint8) family, .sdiag_protocol = protocol, .idiag_states = (ALL_STATES & ~PEERLESS_STATES) | unconnected };
  guint8 *buffer = g_malloc0 (REQUEST_BYTES);

  put_request (buffer, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, seq, &request);
  return g_bytes_new_take (buffer, REQUEST_BYTES);
}

/**
 * vpnd_diag_append_destroy:
 * @batch: grows by one message
 * @socket: a socket that was listed; its cookie makes sure that it is still the same one
 * @seq: sequence number
 *
 * Appends the request to end @socket: its owner is told ECONNABORTED. Needs CAP_NET_ADMIN and CONFIG_INET_DIAG_DESTROY.
 */
void
vpnd_diag_append_destroy (GByteArray *batch, const VpndDiagSocket *socket, guint32 seq)
{
  struct inet_diag_req_v2 request = { .sdiag_family = socket->family, .sdiag_protocol = socket->info.protocol, .idiag_states = G_MAXUINT32 };
  guint8 buffer[REQUEST_BYTES] = { 0 };

  G_STATIC_ASSERT (sizeof request.id == sizeof socket->id);
  memcpy (&request.id, socket->id, sizeof request.id);
  put_request (buffer, SOCK_DESTROY, NLM_F_ACK, seq, &request);
  g_byte_array_append (batch, buffer, sizeof buffer);
}
