/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The batch of nft-encode.h that replaces a table: table, chains, sets, elements, then rules (nft-batch.c); and the read requests.
 */
#include "config.h"

#include "nft-encode.h"

#include "nft-batch.h"

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* begin, add table, delete table, add table, end */
#define FRAME_MESSAGES 5u

/**
 * vpnd_nft_replace_messages:
 * @ruleset: a ruleset
 *
 * Returns: how many messages, and so sequence numbers, vpnd_nft_encode_replace() makes of it
 */
guint
vpnd_nft_replace_messages (const VpndRuleset *ruleset)
{
  guint count = FRAME_MESSAGES + ruleset->chains->len + ruleset->sets->len;

  for (guint i = 0; i < ruleset->sets->len; i++)
    count += vpnd_nft_elements_messages (((const VpndSet *) g_ptr_array_index (ruleset->sets, i))->elements);
  for (guint i = 0; i < ruleset->chains->len; i++)
    count += ((const VpndChain *) g_ptr_array_index (ruleset->chains, i))->rules->len;
  return count;
}

static GBytes *
encode_replace (const VpndRuleset *ruleset, guint32 table_flags, guint32 genid, guint32 seq, gboolean is_complete)
{
  VpndNftBatch batch = { .bytes = g_byte_array_new (), .seq = seq, .awaited_seq = seq + vpnd_nft_replace_messages (ruleset) - 2 };
  const char *table = ruleset->table;

  vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_BEGIN, genid);
  vpnd_nft_batch_put_table (&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, 0);
  vpnd_nft_batch_put_table (&batch, NFT_MSG_DELTABLE, 0, table, 0);
  vpnd_nft_batch_put_table (&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, table_flags);
  for (guint i = 0; i < ruleset->chains->len; i++)
    vpnd_nft_batch_put_chain (&batch, table, g_ptr_array_index (ruleset->chains, i));
  for (guint i = 0; i < ruleset->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (ruleset->sets, i);

      vpnd_nft_batch_put_set (&batch, table, set, i + 1);
      for (guint first = 0; first < set->elements->len; first += VPND_NFT_ELEMENTS_PER_MESSAGE)
        vpnd_nft_batch_put_elements (&batch, table, set, i + 1, first, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL);
    }
  for (guint i = 0; i < ruleset->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

      for (guint j = 0; j < chain->rules->len; j++)
        vpnd_nft_batch_put_rule (&batch, table, chain->name, g_ptr_array_index (chain->rules, j), 0);
    }
  if (is_complete)
    vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_END, 0);
  return vpnd_nft_batch_finish (&batch);
}

/**
 * vpnd_nft_encode_replace:
 * @ruleset: what shall be in force
 * @table_flags: 0, or VPND_NFT_TABLE_OWNER | VPND_NFT_TABLE_PERSIST
 * @genid: the generation that the batch is made for; the kernel refuses it with ERESTART when it is another by now. 0 for any
 * @seq: sequence number of the first message
 *
 * One transaction that replaces the whole table, whatever it was: the first "add table" carries no flags, for which the kernel accepts a
 * table that is ours, orphaned, plain or missing alike (nf_tables_updtable() changes nothing then), the deletion takes it away with
 * everything in it, the second "add table" makes it anew with the flags. Only a table that another living socket owns is refused (EPERM).
 * The last message before the end asks for an ack; kernels before 6.10 do not ack the end itself.
 *
 * Returns: (transfer full): the batch
 */
GBytes *
vpnd_nft_encode_replace (const VpndRuleset *ruleset, guint32 table_flags, guint32 genid, guint32 seq)
{
  return encode_replace (ruleset, table_flags, genid, seq, TRUE);
}

/**
 * vpnd_nft_encode_trial:
 * @ruleset: a ruleset in a table that nobody has
 * @seq: sequence number of the first of vpnd_nft_replace_messages() messages, the last of which is not sent
 *
 * A batch without its end: the kernel looks at it, says what it refuses, and takes everything back (nfnetlink_rcv_batch()).
 *
 * Returns: (transfer full): the batch
 */
GBytes *
vpnd_nft_encode_trial (const VpndRuleset *ruleset, guint32 seq)
{
  return encode_replace (ruleset, 0, 0, seq, FALSE);
}

/**
 * vpnd_nft_encode_delete:
 * @table: name of a table of family inet
 * @seq: sequence number of the first of VPND_NFT_DELETE_MESSAGES messages
 *
 * Returns: (transfer full): a batch that removes the table with everything in it and succeeds when there is none
 */
GBytes *
vpnd_nft_encode_delete (const char *table, guint32 seq)
{
  VpndNftBatch batch = { .bytes = g_byte_array_new (), .seq = seq };

  vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_BEGIN, 0);
  vpnd_nft_batch_put_table (&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, 0);
  vpnd_nft_batch_put_table (&batch, NFT_MSG_DELTABLE, NLM_F_ACK, table, 0);
  vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_END, 0);
  return vpnd_nft_batch_finish (&batch);
}

/* All NFTA_*_TABLE are 1, and NFTA_SET_ELEM_LIST_SET is 2. */
static GBytes *
encode_get (guint16 type, guint16 flags, guint8 family, const char *table, const char *set, guint32 seq)
{
  char buffer[512];
  struct nlmsghdr *message = nftnl_nlmsg_build_hdr (buffer, type, family, flags, seq);

  if (table != NULL)
    mnl_attr_put_strz (message, NFTA_TABLE_NAME, table);
  if (set != NULL)
    mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_SET, set);
  return g_bytes_new (message, message->nlmsg_len);
}

/**
 * vpnd_nft_encode_get_table:
 * @table: name of a table of family inet, shorter than VPND_NFT_NAME_MAX
 * @seq: sequence number
 *
 * Returns: (transfer full): a request for one answer, or ENOENT
 */
GBytes *
vpnd_nft_encode_get_table (const char *table, guint32 seq)
{
  return encode_get (NFT_MSG_GETTABLE, 0, NFPROTO_INET, table, NULL, seq);
}

/**
 * vpnd_nft_encode_dump_chains:
 * @seq: sequence number
 *
 * Returns: (transfer full): a dump request; the kernel cannot limit it to a table, so the answer holds all chains of family inet
 */
GBytes *
vpnd_nft_encode_dump_chains (guint32 seq)
{
  return encode_get (NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_INET, NULL, NULL, seq);
}

/**
 * vpnd_nft_encode_dump_rules:
 * @table: name of a table of family inet, shorter than VPND_NFT_NAME_MAX
 * @seq: sequence number
 *
 * Returns: (transfer full): a dump request
 */
GBytes *
vpnd_nft_encode_dump_rules (const char *table, guint32 seq)
{
  return encode_get (NFT_MSG_GETRULE, NLM_F_DUMP, NFPROTO_INET, table, NULL, seq);
}

/**
 * vpnd_nft_encode_dump_sets:
 * @table: name of a table of family inet, shorter than VPND_NFT_NAME_MAX
 * @seq: sequence number
 *
 * Returns: (transfer full): a dump request; sets without their elements
 */
GBytes *
vpnd_nft_encode_dump_sets (const char *table, guint32 seq)
{
  return encode_get (NFT_MSG_GETSET, NLM_F_DUMP, NFPROTO_INET, table, NULL, seq);
}

/**
 * vpnd_nft_encode_dump_elements:
 * @table: name of a table of family inet, shorter than VPND_NFT_NAME_MAX
 * @set: name of a set in it, shorter than VPND_NFT_NAME_MAX
 * @seq: sequence number
 *
 * Returns: (transfer full): a dump request
 */
GBytes *
vpnd_nft_encode_dump_elements (const char *table, const char *set, guint32 seq)
{
  return encode_get (NFT_MSG_GETSETELEM, NLM_F_DUMP, NFPROTO_INET, table, set, seq);
}
