/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The walk of nl-message.h.
 */
#include "config.h"

#include "nl-message.h"

/**
 * vpnd_nl_cursor_next:
 * @cursor: where to go on; moved behind the message
 *
 * Returns: (transfer none) (nullable): the next whole message; NULL at the end or at the first damaged one, and then the bytes left
 *   tell which
 */
const struct nlmsghdr *
vpnd_nl_cursor_next (VpndNlCursor *cursor)
{
  const struct nlmsghdr *message = cursor->data;
  gsize step;

  if (cursor->size < sizeof *message || message->nlmsg_len < sizeof *message || message->nlmsg_len > cursor->size)
    return NULL;

  step = MIN ((gsize) NLMSG_ALIGN ((gsize) message->nlmsg_len), cursor->size);
  cursor->data = (const guint8 *) cursor->data + step;
  cursor->size -= step;
  return message;
}
