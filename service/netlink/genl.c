/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See genl.h. Attributes: linux/genetlink.h.
 */
#include "config.h"

#include "genl.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <string.h>

#define HEADERS_BYTES (MNL_NLMSG_HDRLEN + sizeof (struct genlmsghdr))
#define REQUEST_BYTES 128 /* two headers and one name of at most GENL_NAMSIZ (16) bytes */

/**
 * vpnd_genl_encode_get_family:
 * @name: name of a family, at most 15 bytes, e.g. "wireguard"
 * @seq: sequence number
 *
 * Asking also makes the kernel load the module of the family, where it is one.
 *
 * Returns: (transfer full): one CTRL_CMD_GETFAMILY request with NLM_F_ACK, so that an answer always comes
 */
GBytes *
vpnd_genl_encode_get_family (const char *name, guint32 seq)
{
  guint8 *buffer;
  struct nlmsghdr *nlh;
  struct genlmsghdr *genl;

  g_return_val_if_fail (name != NULL && strlen (name) < GENL_NAMSIZ, NULL);

  buffer = g_malloc0 (REQUEST_BYTES);
  nlh = mnl_nlmsg_put_header (buffer);
  nlh->nlmsg_type = GENL_ID_CTRL;
  nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  nlh->nlmsg_seq = seq;
  genl = mnl_nlmsg_put_extra_header (nlh, sizeof *genl);
  genl->cmd = CTRL_CMD_GETFAMILY;
  genl->version = 1;
  mnl_attr_put_strz (nlh, CTRL_ATTR_FAMILY_NAME, name);
  return g_bytes_new_take (buffer, nlh->nlmsg_len);
}

static guint16
decode_message (const struct nlmsghdr *nlh, const char *name)
{
  /* Not mnl_attr_for_each (), which rounds the end of the message up. */
  const void *attributes = (const char *) nlh + HEADERS_BYTES;
  const struct nlattr *attr;
  guint16 id = 0;
  gboolean is_named = FALSE;

  mnl_attr_for_each_payload (attributes, nlh->nlmsg_len - HEADERS_BYTES)
  {
    const guint16 len = mnl_attr_get_payload_len (attr);
    const void *payload = mnl_attr_get_payload (attr);

    if (mnl_attr_get_type (attr) == CTRL_ATTR_FAMILY_ID && len >= sizeof id)
      memcpy (&id, payload, sizeof id);
    else if (mnl_attr_get_type (attr) == CTRL_ATTR_FAMILY_NAME)
      is_named = len > strlen (name) && memcmp (payload, name, strlen (name) + 1) == 0;
  }
  return is_named ? id : 0;
}

/**
 * vpnd_genl_decode_family:
 * @messages: (element-type GBytes): the answer
 * @name: name of the family that was asked for
 *
 * Returns: the number of the family, 0 when the answer does not hold it
 */
guint16
vpnd_genl_decode_family (GPtrArray *messages, const char *name)
{
  for (guint i = 0; i < messages->len; i++)
    {
      gsize size;
      const struct nlmsghdr *nlh = g_bytes_get_data (g_ptr_array_index (messages, i), &size);
      guint16 id;

      if (size < HEADERS_BYTES || nlh->nlmsg_len > size || nlh->nlmsg_len < HEADERS_BYTES ||
          nlh->nlmsg_type != GENL_ID_CTRL)
        continue;
      id = decode_message (nlh, name);
      if (id != 0)
        return id;
    }
  return 0;
}
