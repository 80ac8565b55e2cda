/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Attributes of nftables messages, read by type. Every length is checked: libnftnl's parser trusts the kernel and stops the program
 * on a missing attribute, which is why the decoder does without it.
 */
#pragma once

#include <glib.h>
#include <linux/netlink.h>

G_BEGIN_DECLS

/**
 * VpndNftAttrs: a sequence of attributes
 * @data: (unowned) (nullable): its first byte
 * @size: in bytes
 */
typedef struct
{
  const guint8 *data;
  gsize size;
} VpndNftAttrs;

gboolean vpnd_nft_attrs_of_message (const struct nlmsghdr *message, guint8 *out_family, VpndNftAttrs *out_attrs);
gboolean vpnd_nft_attrs_next (VpndNftAttrs *attrs, guint16 *out_type, VpndNftAttrs *out_value);
VpndNftAttrs vpnd_nft_attrs_find (const VpndNftAttrs *attrs, guint16 type);
gboolean vpnd_nft_attrs_has (const VpndNftAttrs *attrs, guint16 type);
guint32 vpnd_nft_attrs_u32 (const VpndNftAttrs *attrs, guint16 type, guint32 missing);
gboolean vpnd_nft_attrs_u16 (const VpndNftAttrs *attrs, guint16 type, guint16 *out_value);
const char *vpnd_nft_attrs_string (const VpndNftAttrs *attrs, guint16 type);
gboolean vpnd_nft_attrs_data (const VpndNftAttrs *attrs, guint16 type, guint8 *out_bytes, gsize size);

G_END_DECLS
