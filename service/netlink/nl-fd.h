/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The descriptor of a netlink socket: how it is opened, and one send or receive of bytes. Keeps nothing, and knows no message.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

G_BEGIN_DECLS

/**
 * VpndNlOrigin: where a datagram comes from
 * @is_kernel: any local process may send to us; only the kernel is believed
 * @is_multicast: it was sent to a group
 */
typedef struct
{
  gboolean is_kernel;
  gboolean is_multicast;
} VpndNlOrigin;

gboolean vpnd_nl_fd_open (int protocol, int *out_fd, guint32 *out_portid, guint *out_send_buffer_bytes);
gboolean vpnd_nl_fd_grow_send_buffer (int fd, guint *send_buffer_bytes, gsize bytes);
ssize_t vpnd_nl_fd_send (int fd, const void *data, gsize size);
ssize_t vpnd_nl_fd_receive (int fd, guint8 *buffer, gsize buffer_bytes, VpndNlOrigin *out_origin);

G_END_DECLS
