/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The readers of nft-attr.h. Numbers of nftables are in network byte order.
 */
#include "config.h"

#include "nft-attr.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/**
 * vpnd_nft_attrs_of_message:
 * @message: a whole netlink message
 * @out_family: (out): NFPROTO_*
 * @out_attrs: (out): its attributes
 *
 * Returns: FALSE when it is not one of nftables, or has no header of netfilter
 */
gboolean
vpnd_nft_attrs_of_message (const struct nlmsghdr *message, guint8 *out_family, VpndNftAttrs *out_attrs)
{
  gsize header = NLMSG_HDRLEN + NLMSG_ALIGN (sizeof (struct nfgenmsg));

  if (NFNL_SUBSYS_ID (message->nlmsg_type) != NFNL_SUBSYS_NFTABLES || message->nlmsg_len < header)
    return FALSE;
  *out_family = ((const struct nfgenmsg *) NLMSG_DATA (message))->nfgen_family;
  *out_attrs = (VpndNftAttrs){ .data = (const guint8 *) message + header, .size = message->nlmsg_len - header };
  return TRUE;
}

/**
 * vpnd_nft_attrs_next:
 * @attrs: (inout): a sequence; moved behind its first attribute
 * @out_type: (out): type of that attribute
 * @out_value: (out): its value
 *
 * Returns: FALSE at the end, and at the first damaged attribute
 */
gboolean
vpnd_nft_attrs_next (VpndNftAttrs *attrs, guint16 *out_type, VpndNftAttrs *out_value)
{
  struct nlattr header;
  gsize step;

  if (attrs->size < sizeof header)
    return FALSE;
  memcpy (&header, attrs->data, sizeof header);
  if (header.nla_len < sizeof header || header.nla_len > attrs->size)
    return FALSE;

  *out_type = header.nla_type & NLA_TYPE_MASK;
  *out_value = (VpndNftAttrs){ .data = attrs->data + sizeof header, .size = header.nla_len - sizeof header };
  step = MIN ((gsize) NLA_ALIGN (header.nla_len), attrs->size);
  attrs->data += step;
  attrs->size -= step;
  return TRUE;
}

/**
 * vpnd_nft_attrs_find:
 * @attrs: a sequence
 * @type: what to look for
 *
 * Returns: the value of the last attribute of that type, as the kernel reads it; without data when there is none
 */
VpndNftAttrs
vpnd_nft_attrs_find (const VpndNftAttrs *attrs, guint16 type)
{
  VpndNftAttrs rest = *attrs;
  VpndNftAttrs found = { 0 };
  VpndNftAttrs value;
  guint16 found_type;

  while (vpnd_nft_attrs_next (&rest, &found_type, &value))
    if (found_type == type)
      found = value;
  return found;
}

/**
 * vpnd_nft_attrs_has:
 * @attrs: a sequence
 * @type: what to look for
 *
 * Returns: TRUE when there is such an attribute
 */
gboolean
vpnd_nft_attrs_has (const VpndNftAttrs *attrs, guint16 type)
{
  return vpnd_nft_attrs_find (attrs, type).data != NULL;
}

/**
 * vpnd_nft_attrs_u32:
 * @attrs: a sequence
 * @type: what to look for
 * @missing: what to say when there is none
 *
 * Returns: its value, host byte order; @missing also when it is not of four bytes
 */
guint32
vpnd_nft_attrs_u32 (const VpndNftAttrs *attrs, guint16 type, guint32 missing)
{
  VpndNftAttrs value = vpnd_nft_attrs_find (attrs, type);
  guint32 number;

  if (value.size != sizeof number)
    return missing;
  memcpy (&number, value.data, sizeof number);
  return ntohl (number);
}

/**
 * vpnd_nft_attrs_u16:
 * @attrs: a sequence
 * @type: what to look for
 * @out_value: (out): its value, host byte order; 0 when there is none
 *
 * Returns: FALSE when there is no such attribute of two bytes
 */
gboolean
vpnd_nft_attrs_u16 (const VpndNftAttrs *attrs, guint16 type, guint16 *out_value)
{
  VpndNftAttrs value = vpnd_nft_attrs_find (attrs, type);
  guint16 number = 0;

  if (value.size == sizeof number)
    memcpy (&number, value.data, sizeof number);
  *out_value = ntohs (number);
  return value.size == sizeof number;
}

/**
 * vpnd_nft_attrs_string:
 * @attrs: a sequence
 * @type: what to look for
 *
 * Returns: (transfer none) (nullable): its value when it ends with its only NUL
 */
const char *
vpnd_nft_attrs_string (const VpndNftAttrs *attrs, guint16 type)
{
  VpndNftAttrs value = vpnd_nft_attrs_find (attrs, type);

  if (value.size == 0 || memchr (value.data, '\0', value.size) != value.data + value.size - 1)
    return NULL;
  return (const char *) value.data;
}

/**
 * vpnd_nft_attrs_data:
 * @attrs: a sequence
 * @type: what to look for: an attribute that holds an NFTA_DATA_VALUE
 * @out_bytes: (out caller-allocates): the bytes, as they stand in the register
 * @size: how many are expected
 *
 * Returns: TRUE when there are exactly as many
 */
gboolean
vpnd_nft_attrs_data (const VpndNftAttrs *attrs, guint16 type, guint8 *out_bytes, gsize size)
{
  VpndNftAttrs nest = vpnd_nft_attrs_find (attrs, type);
  VpndNftAttrs value = vpnd_nft_attrs_find (&nest, NFTA_DATA_VALUE);

  if (value.data == NULL || value.size != size)
    return FALSE;
  memcpy (out_bytes, value.data, size);
  return TRUE;
}
