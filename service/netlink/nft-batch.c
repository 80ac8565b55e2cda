/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See nft-batch.h.
 */
#include "config.h"

#include "nft-batch.h"

#include "nft-encode-rule.h"
#include "nft-fields.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* Room for one message, whatever it is: an attribute of at most 64 KiB and a page for the rest. */
#define MESSAGE_BYTES (68u * 1024u)

/* User data of the last element of an interval set that has no end, so that nft(8) lists it as the range that it is:
 * NFTNL_UDATA_SET_ELEM_FLAGS, four bytes, SET_ELEM_F_INTERVAL_OPEN. */
static const guint8 open_interval[] = { 1, 4, 1, 0, 0, 0 };

/* User data of a set, without which nft(8) lists keys in host byte order as rubbish: NFTNL_UDATA_SET_KEYBYTEORDER, four bytes,
 * BYTEORDER_HOST_ENDIAN or BYTEORDER_BIG_ENDIAN of its include/datatype.h. The kernel only keeps it. */
#define UDATA_KEY_BYTE_ORDER 0
#define UDATA_HOST_ORDER 1u
#define UDATA_NETWORK_ORDER 2u

/* Makes room for one message behind those that are finished. */
static char *
batch_reserve (VpndNftBatch *batch)
{
  g_byte_array_set_size (batch->bytes, batch->start + MESSAGE_BYTES);
  return (char *) batch->bytes->data + batch->start;
}

static void
batch_commit (VpndNftBatch *batch, const struct nlmsghdr *message)
{
  batch->start += NLMSG_ALIGN (message->nlmsg_len);
  batch->seq++;
}

static struct nlmsghdr *
batch_message (VpndNftBatch *batch, guint16 type, guint16 flags)
{
  return nftnl_nlmsg_build_hdr (batch_reserve (batch), type, NFPROTO_INET, (guint16) (flags | (batch->seq == batch->awaited_seq ? NLM_F_ACK : 0)), batch->seq);
}

/**
 * vpnd_nft_batch_finish:
 * @batch: a batch; it has no bytes any more
 *
 * Returns: (transfer full): its messages
 */
GBytes *
vpnd_nft_batch_finish (VpndNftBatch *batch)
{
  g_byte_array_set_size (batch->bytes, batch->start);
  return g_byte_array_free_to_bytes (batch->bytes);
}

/**
 * vpnd_nft_batch_put_frame:
 * @batch: a batch
 * @type: NFNL_MSG_BATCH_BEGIN or NFNL_MSG_BATCH_END
 * @genid: the generation that the batch is made for; 0 for any
 */
void
vpnd_nft_batch_put_frame (VpndNftBatch *batch, guint16 type, guint32 genid)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (batch_reserve (batch));
  struct nfgenmsg *header;

  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST;
  message->nlmsg_seq = batch->seq;
  header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  header->res_id = htons (NFNL_SUBSYS_NFTABLES);
  if (genid != 0)
    mnl_attr_put_u32 (message, NFNL_BATCH_GENID, htonl (genid));
  batch_commit (batch, message);
}

/**
 * vpnd_nft_batch_put_table:
 * @batch: a batch
 * @type: NFT_MSG_NEWTABLE or NFT_MSG_DELTABLE
 * @flags: of the message
 * @table: its name
 * @table_flags: VPND_NFT_TABLE_*, or 0
 */
void
vpnd_nft_batch_put_table (VpndNftBatch *batch, guint16 type, guint16 flags, const char *table, guint32 table_flags)
{
  struct nlmsghdr *message = batch_message (batch, type, flags);

  mnl_attr_put_strz (message, NFTA_TABLE_NAME, table);
  if (table_flags != 0)
    mnl_attr_put_u32 (message, NFTA_TABLE_FLAGS, htonl (table_flags));
  batch_commit (batch, message);
}

/**
 * vpnd_nft_batch_put_chain:
 * @batch: a batch
 * @table: name of the table
 * @chain: a chain, which is made without its rules
 */
void
vpnd_nft_batch_put_chain (VpndNftBatch *batch, const char *table, const VpndChain *chain)
{
  struct nlmsghdr *message = batch_message (batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  struct nftnl_chain *nftnl = nftnl_chain_alloc ();

  nftnl_chain_set_str (nftnl, NFTNL_CHAIN_TABLE, table);
  nftnl_chain_set_str (nftnl, NFTNL_CHAIN_NAME, chain->name);
  if (chain->hook != VPND_HOOK_NONE)
    {
      nftnl_chain_set_str (nftnl, NFTNL_CHAIN_TYPE, vpnd_nft_chain_type_name (chain->type));
      nftnl_chain_set_u32 (nftnl, NFTNL_CHAIN_HOOKNUM, vpnd_nft_hook_number (chain->hook));
      nftnl_chain_set_s32 (nftnl, NFTNL_CHAIN_PRIO, chain->priority);
      nftnl_chain_set_u32 (nftnl, NFTNL_CHAIN_POLICY, chain->policy == VPND_VERDICT_DROP ? NF_DROP : NF_ACCEPT);
    }
  nftnl_chain_nlmsg_build_payload (message, nftnl);
  nftnl_chain_free (nftnl);
  batch_commit (batch, message);
}

static void
set_key_order (struct nftnl_set *nftnl, VpndField field)
{
  const VpndNftLoad *load = vpnd_nft_field_load (field);
  gboolean is_network_order = load->kind == VPND_NFT_LOAD_PAYLOAD || field == VPND_FIELD_L4PROTO;
  guint32 order = is_network_order ? UDATA_NETWORK_ORDER : UDATA_HOST_ORDER;
  guint8 udata[2 + sizeof order] = { UDATA_KEY_BYTE_ORDER, sizeof order };

  memcpy (udata + 2, &order, sizeof order);
  nftnl_set_set_data (nftnl, NFTNL_SET_USERDATA, udata, sizeof udata);
}

/**
 * vpnd_nft_batch_put_set:
 * @batch: a batch
 * @table: name of the table
 * @set: a set, which is made without its elements
 * @id: a number for it that no other set of the batch has, not 0
 */
void
vpnd_nft_batch_put_set (VpndNftBatch *batch, const char *table, const VpndSet *set, guint32 id)
{
  struct nlmsghdr *message = batch_message (batch, NFT_MSG_NEWSET, NLM_F_CREATE);
  struct nftnl_set *nftnl = nftnl_set_alloc ();
  guint32 flags = (set->is_interval ? NFT_SET_INTERVAL : 0) | (set->is_map ? NFT_SET_MAP : 0);

  nftnl_set_set_str (nftnl, NFTNL_SET_TABLE, table);
  nftnl_set_set_str (nftnl, NFTNL_SET_NAME, set->name);
  nftnl_set_set_u32 (nftnl, NFTNL_SET_FLAGS, flags);
  nftnl_set_set_u32 (nftnl, NFTNL_SET_KEY_TYPE, vpnd_nft_field_load (set->field)->type);
  nftnl_set_set_u32 (nftnl, NFTNL_SET_KEY_LEN, (guint32) vpnd_field_size_bytes (set->field));
  nftnl_set_set_u32 (nftnl, NFTNL_SET_ID, id);
  if (set->is_map)
    {
      nftnl_set_set_u32 (nftnl, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
      nftnl_set_set_u32 (nftnl, NFTNL_SET_DATA_LEN, 0);
    }
  set_key_order (nftnl, set->field);
  nftnl_set_nlmsg_build_payload (message, nftnl);
  nftnl_set_free (nftnl);
  batch_commit (batch, message);
}

static void
put_key (struct nlmsghdr *message, const guint8 *key, gsize size)
{
  struct nlattr *nest = mnl_attr_nest_start (message, NFTA_SET_ELEM_KEY);

  mnl_attr_put (message, NFTA_DATA_VALUE, size, key);
  mnl_attr_nest_end (message, nest);
}

static void
put_verdict (struct nlmsghdr *message, const VpndVerdict *verdict)
{
  struct nlattr *data = mnl_attr_nest_start (message, NFTA_SET_ELEM_DATA);
  struct nlattr *nest = mnl_attr_nest_start (message, NFTA_DATA_VERDICT);

  mnl_attr_put_u32 (message, NFTA_VERDICT_CODE, htonl ((guint32) vpnd_nft_verdict_code (verdict->kind)));
  if (verdict->chain[0] != '\0')
    mnl_attr_put_strz (message, NFTA_VERDICT_CHAIN, verdict->chain);
  mnl_attr_nest_end (message, nest);
  mnl_attr_nest_end (message, data);
}

static void
put_element (struct nlmsghdr *message, const VpndSet *set, const VpndSetElement *element)
{
  gsize size = vpnd_field_size_bytes (set->field);
  struct nlattr *nest = mnl_attr_nest_start (message, NFTA_LIST_ELEM);
  guint8 after[VPND_FIELD_MAX_BYTES];
  gboolean is_open = set->is_interval;

  /* The kernel's end is the first key that is not in the interval; behind the largest key there is none. */
  memcpy (after, element->key_end, sizeof after);
  for (gsize i = size; is_open && i-- > 0;)
    is_open = ++after[i] == 0;

  put_key (message, element->key, size);
  if (set->is_map)
    put_verdict (message, &element->verdict);
  if (is_open)
    mnl_attr_put (message, NFTA_SET_ELEM_USERDATA, sizeof open_interval, open_interval);
  mnl_attr_nest_end (message, nest);
  if (set->is_interval && !is_open)
    {
      nest = mnl_attr_nest_start (message, NFTA_LIST_ELEM);
      put_key (message, after, size);
      mnl_attr_put_u32 (message, NFTA_SET_ELEM_FLAGS, htonl (NFT_SET_ELEM_INTERVAL_END));
      mnl_attr_nest_end (message, nest);
    }
}

/**
 * vpnd_nft_elements_messages:
 * @elements: elements of a set
 *
 * Returns: how many messages they take
 */
guint
vpnd_nft_elements_messages (const GArray *elements)
{
  return (elements->len + VPND_NFT_ELEMENTS_PER_MESSAGE - 1) / VPND_NFT_ELEMENTS_PER_MESSAGE;
}

/**
 * vpnd_nft_batch_put_elements:
 * @batch: a batch
 * @table: name of the table
 * @set: the set, with all the elements that are meant
 * @id: the number that the set has in this batch, 0 for one that was there before
 * @first: the first of at most VPND_NFT_ELEMENTS_PER_MESSAGE elements of this message
 * @type: NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM
 * @flags: of the message
 */
void
vpnd_nft_batch_put_elements (VpndNftBatch *batch, const char *table, const VpndSet *set, guint32 id, guint first, guint16 type, guint16 flags)
{
  struct nlmsghdr *message = batch_message (batch, type, flags);
  struct nlattr *list;

  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_TABLE, table);
  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_SET, set->name);
  if (id != 0)
    mnl_attr_put_u32 (message, NFTA_SET_ELEM_LIST_SET_ID, htonl (id));
  /* By hand: libnftnl numbers the elements where the kernel, and libnftnl's own parser, have NFTA_LIST_ELEM. */
  list = mnl_attr_nest_start (message, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (guint i = first; i < set->elements->len && i < first + VPND_NFT_ELEMENTS_PER_MESSAGE; i++)
    put_element (message, set, &g_array_index (set->elements, VpndSetElement, i));
  mnl_attr_nest_end (message, list);
  batch_commit (batch, message);
}

/**
 * vpnd_nft_batch_put_rule:
 * @batch: a batch
 * @table: name of the table
 * @chain: name of the chain
 * @rule: a rule
 * @before: the kernel's number of the rule of the chain that it is put before, 0 to put it at the end
 */
void
vpnd_nft_batch_put_rule (VpndNftBatch *batch, const char *table, const char *chain, const VpndRule *rule, guint64 before)
{
  struct nlmsghdr *message = batch_message (batch, NFT_MSG_NEWRULE, before == 0 ? NLM_F_CREATE | NLM_F_APPEND : NLM_F_CREATE);
  struct nftnl_rule *nftnl = vpnd_nft_encode_rule (table, chain, rule);

  if (before != 0)
    nftnl_rule_set_u64 (nftnl, NFTNL_RULE_POSITION, before);
  nftnl_rule_nlmsg_build_payload (message, nftnl);
  nftnl_rule_free (nftnl);
  batch_commit (batch, message);
}

/**
 * vpnd_nft_batch_put_gone:
 * @batch: a batch
 * @type: NFT_MSG_DELRULE, NFT_MSG_DELCHAIN, or NFT_MSG_DELSET
 * @table: name of the table
 * @name: name of the chain or set
 * @handle: the kernel's number of the one rule that is meant, 0 for all of the chain
 */
void
vpnd_nft_batch_put_gone (VpndNftBatch *batch, guint16 type, const char *table, const char *name, guint64 handle)
{
  struct nlmsghdr *message = batch_message (batch, type, 0);

  mnl_attr_put_strz (message, NFTA_RULE_TABLE, table); /* all NFTA_*_TABLE are 1 */
  mnl_attr_put_strz (message, type == NFT_MSG_DELRULE ? NFTA_RULE_CHAIN : type == NFT_MSG_DELCHAIN ? NFTA_CHAIN_NAME
                                                                                                   : NFTA_SET_NAME,
      name);
  if (handle != 0)
    mnl_attr_put_u64 (message, NFTA_RULE_HANDLE, GUINT64_TO_BE (handle));
  batch_commit (batch, message);
}
