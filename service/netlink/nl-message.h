/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Walks the netlink messages in a buffer. libmnl's mnl_nlmsg_ok() takes a length above INT_MAX for a negative one and lets it pass.
 */
#pragma once

#include <glib.h>
#include <linux/netlink.h>

G_BEGIN_DECLS

/**
 * VpndNlCursor:
 * @data: (unowned) (nullable): where the next message starts
 * @size: bytes left
 */
typedef struct
{
  const void *data;
  gsize size;
} VpndNlCursor;

const struct nlmsghdr *vpnd_nl_cursor_next (VpndNlCursor *cursor);

G_END_DECLS
