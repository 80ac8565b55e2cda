/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Codec of sock_diag(7), the way in: one socket of a list. Decodes only; never asks.
 */
#pragma once

#include "socket-plan.h"

G_BEGIN_DECLS

#define VPND_DIAG_ID_BYTES 48 /* struct inet_diag_sockid */

/**
 * VpndDiagSocket:
 * @family: AF_INET or AF_INET6, as the kernel files it: an IPv6 socket with an IPv4 peer is AF_INET6
 * @info: what a plan judges
 * @inode: of the socket, as /proc/PID/fd names it; 0 for one that no program has any more
 * @id: struct inet_diag_sockid, as it was received: given back to name the socket
 */
typedef struct
{
  guint8 family;
  VpndSocketInfo info;
  guint32 inode;
  guint8 id[VPND_DIAG_ID_BYTES];
} VpndDiagSocket;

gboolean vpnd_diag_decode_socket (const void *data, gsize size, guint8 protocol, VpndDiagSocket *out_socket);

G_END_DECLS
