/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The messages of one nftables transaction, one behind the other: table, chains, sets, elements, rules. Used by nft-encode.c and nft-change.c,
 * which know the order.
 */
#pragma once

#include "ruleset.h"

G_BEGIN_DECLS

/* A netlink attribute holds 64 KiB. One element with both ends of an interval and a verdict takes at most 200 bytes. */
#define VPND_NFT_ELEMENTS_PER_MESSAGE 250u

/**
 * VpndNftBatch:
 * @bytes: (owned): the messages so far, and room behind them
 * @start: where the next one begins
 * @seq: its sequence number
 * @awaited_seq: that of the message that asks for an ack, 0 for none
 */
typedef struct
{
  GByteArray *bytes;
  gsize start;
  guint32 seq;
  guint32 awaited_seq;
} VpndNftBatch;

void vpnd_nft_batch_put_frame (VpndNftBatch *batch, guint16 type, guint32 genid);
void vpnd_nft_batch_put_table (VpndNftBatch *batch, guint16 type, guint16 flags, const char *table, guint32 table_flags);
void vpnd_nft_batch_put_chain (VpndNftBatch *batch, const char *table, const VpndChain *chain);
void vpnd_nft_batch_put_set (VpndNftBatch *batch, const char *table, const VpndSet *set, guint32 id);
guint vpnd_nft_elements_messages (const GArray *elements);
void vpnd_nft_batch_put_elements (VpndNftBatch *batch, const char *table, const VpndSet *set, guint32 id, guint first, guint16 type, guint16 flags);
void vpnd_nft_batch_put_rule (VpndNftBatch *batch, const char *table, const char *chain, const VpndRule *rule, guint64 before);
void vpnd_nft_batch_put_gone (VpndNftBatch *batch, guint16 type, const char *table, const char *name, guint64 handle);
GBytes *vpnd_nft_batch_finish (VpndNftBatch *batch);

G_END_DECLS
