/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From a ruleset to the netlink messages that put it in force, and the requests that read it back.
 * Pure: bytes out of values. Never sends anything and never asks what is in force.
 */
#pragma once

#include "ruleset.h"

G_BEGIN_DECLS

/* Table flags of kernel 6.9 and later that Debian 12's headers lack (include/uapi/linux/netfilter/nf_tables.h). */
#define VPND_NFT_TABLE_OWNER 0x2u
#define VPND_NFT_TABLE_PERSIST 0x4u

/* Messages of a delete batch. */
#define VPND_NFT_DELETE_MESSAGES 4u

guint vpnd_nft_replace_messages (const VpndRuleset *ruleset);
GBytes *vpnd_nft_encode_replace (const VpndRuleset *ruleset, guint32 table_flags, guint32 genid, guint32 seq);
GBytes *vpnd_nft_encode_trial (const VpndRuleset *ruleset, guint32 seq);
GBytes *vpnd_nft_encode_delete (const char *table, guint32 seq);

GBytes *vpnd_nft_encode_get_table (const char *table, guint32 seq);
GBytes *vpnd_nft_encode_dump_chains (guint32 seq);
GBytes *vpnd_nft_encode_dump_rules (const char *table, guint32 seq);
GBytes *vpnd_nft_encode_dump_sets (const char *table, guint32 seq);
GBytes *vpnd_nft_encode_dump_elements (const char *table, const char *set, guint32 seq);

G_END_DECLS
