/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From nftables messages of the kernel back to a ruleset, and the few facts that are read from notifications and errors.
 * Pure. Whatever our encoder could not have made is an error, never a guess: a foreign rule must show as a difference.
 */
#pragma once

#include "ruleset.h"

#include <linux/netlink.h>

G_BEGIN_DECLS

/**
 * VpndNftTable: what the kernel says of one table
 * @is_present: there is such a table
 * @flags: NFT_TABLE_F_* bits
 * @ruleset: (owned) (nullable): its contents
 */
typedef struct
{
  gboolean is_present;
  guint32 flags;
  VpndRuleset *ruleset;
} VpndNftTable;

void vpnd_nft_table_clear (VpndNftTable *table);
gboolean vpnd_nft_decode (GPtrArray *messages, const char *table, VpndNftTable *out_table, GError **error);

gboolean vpnd_nft_message_generation (const struct nlmsghdr *message, guint16 *out_generation);
gboolean vpnd_nft_message_concerns_table (const struct nlmsghdr *message, const char *table);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VpndNftTable, vpnd_nft_table_clear)

G_END_DECLS
