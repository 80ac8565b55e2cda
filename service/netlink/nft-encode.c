/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The batch of nft-encode.h: table, chains, sets, elements, then the rules of nft-encode-rule.c, and the read requests.
 */
#include "config.h"

#include "nft-encode.h"

#include "nft-encode-rule.h"
#include "nft-fields.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* A netlink attribute holds 64 KiB. One element with both ends of an interval and a verdict takes at most 200 bytes. */
#define ELEMENTS_PER_MESSAGE 250u
/* begin, add table, delete table, add table, end */
#define FRAME_MESSAGES 5u
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

typedef struct
{
  GByteArray *bytes;
  gsize start;
  guint32 seq;
} Batch;

/* Makes room for one message behind those that are finished. */
static char *
batch_reserve (Batch *batch)
{
  g_byte_array_set_size (batch->bytes, batch->start + MESSAGE_BYTES);
  return (char *) batch->bytes->data + batch->start;
}

static void
batch_commit (Batch *batch, const struct nlmsghdr *message)
{
  batch->start += NLMSG_ALIGN (message->nlmsg_len);
  batch->seq++;
}

static struct nlmsghdr *
batch_message (Batch *batch, guint16 type, guint16 flags)
{
  return nftnl_nlmsg_build_hdr (batch_reserve (batch), type, NFPROTO_INET, flags, batch->seq);
}

static GBytes *
batch_finish (Batch *batch)
{
  g_byte_array_set_size (batch->bytes, batch->start);
  return g_byte_array_free_to_bytes (batch->bytes);
}

static void
put_frame (Batch *batch, guint16 type, guint32 genid)
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

static void
put_table (Batch *batch, guint16 type, guint16 flags, const char *table, guint32 table_flags)
{
  struct nlmsghdr *message = batch_message (batch, type, flags);

  mnl_attr_put_strz (message, NFTA_TABLE_NAME, table);
  if (table_flags != 0)
    mnl_attr_put_u32 (message, NFTA_TABLE_FLAGS, htonl (table_flags));
  batch_commit (batch, message);
}

static void
put_chain (Batch *batch, const char *table, const VpndChain *chain, guint16 ack)
{
  struct nlmsghdr *message = batch_message (batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | ack);
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

static void
put_set (Batch *batch, const char *table, const VpndSet *set, guint32 id, guint16 ack)
{
  struct nlmsghdr *message = batch_message (batch, NFT_MSG_NEWSET, NLM_F_CREATE | ack);
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

static guint
count_messages (const GArray *elements)
{
  return (elements->len + ELEMENTS_PER_MESSAGE - 1) / ELEMENTS_PER_MESSAGE;
}

static void
put_elements (Batch *batch, const char *table, const VpndSet *set, guint32 id, guint first, guint16 type, guint16 flags)
{
  struct nlmsghdr *message = batch_message (batch, type, flags);
  struct nlattr *list;

  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_TABLE, table);
  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_SET, set->name);
  if (id != 0)
    mnl_attr_put_u32 (message, NFTA_SET_ELEM_LIST_SET_ID, htonl (id));
  /* By hand: libnftnl numbers the elements where the kernel, and libnftnl's own parser, have NFTA_LIST_ELEM. */
  list = mnl_attr_nest_start (message, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (guint i = first; i < set->elements->len && i < first + ELEMENTS_PER_MESSAGE; i++)
    put_element (message, set, &g_array_index (set->elements, VpndSetElement, i));
  mnl_attr_nest_end (message, list);
  batch_commit (batch, message);
}

static void
put_rule (Batch *batch, const char *table, const char *chain, const VpndRule *rule, guint16 ack)
{
  struct nlmsghdr *message = batch_message (batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | ack);
  struct nftnl_rule *nftnl = vpnd_nft_encode_rule (table, chain, rule);

  nftnl_rule_nlmsg_build_payload (message, nftnl);
  nftnl_rule_free (nftnl);
  batch_commit (batch, message);
}

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
    count += count_messages (((const VpndSet *) g_ptr_array_index (ruleset->sets, i))->elements);
  for (guint i = 0; i < ruleset->chains->len; i++)
    count += ((const VpndChain *) g_ptr_array_index (ruleset->chains, i))->rules->len;
  return count;
}

static GBytes *
encode_replace (const VpndRuleset *ruleset, guint32 table_flags, guint32 genid, guint32 seq, gboolean is_complete)
{
  Batch batch = { .bytes = g_byte_array_new (), .seq = seq };
  guint32 last = seq + vpnd_nft_replace_messages (ruleset) - 2;
  const char *table = ruleset->table;

#define ACK_IF_LAST() (batch.seq == last ? NLM_F_ACK : 0)
  put_frame (&batch, NFNL_MSG_BATCH_BEGIN, genid);
  put_table (&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, 0);
  put_table (&batch, NFT_MSG_DELTABLE, 0, table, 0);
  put_table (&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | ACK_IF_LAST (), table, table_flags);
  for (guint i = 0; i < ruleset->chains->len; i++)
    put_chain (&batch, table, g_ptr_array_index (ruleset->chains, i), ACK_IF_LAST ());
  for (guint i = 0; i < ruleset->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (ruleset->sets, i);

      put_set (&batch, table, set, i + 1, ACK_IF_LAST ());
      for (guint first = 0; first < set->elements->len; first += ELEMENTS_PER_MESSAGE)
        put_elements (&batch, table, set, i + 1, first, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL | ACK_IF_LAST ());
    }
  for (guint i = 0; i < ruleset->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

      for (guint j = 0; j < chain->rules->len; j++)
        put_rule (&batch, table, chain->name, g_ptr_array_index (chain->rules, j), ACK_IF_LAST ());
    }
#undef ACK_IF_LAST
  if (is_complete)
    put_frame (&batch, NFNL_MSG_BATCH_END, 0);
  return batch_finish (&batch);
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

/* Returns: (transfer full): elements of @a that @b lacks; both are sorted */
static GArray *
elements_without (const VpndSet *a, const VpndSet *b)
{
  const gsize size = vpnd_field_size_bytes (a->field);
  GArray *missing = g_array_new (FALSE, FALSE, sizeof (VpndSetElement));
  guint j = 0;

  for (guint i = 0; i < a->elements->len; i++)
    {
      const VpndSetElement *element = &g_array_index (a->elements, VpndSetElement, i);
      const VpndSetElement *other;

      while (j < b->elements->len && memcmp (g_array_index (b->elements, VpndSetElement, j).key, element->key, size) < 0)
        j++;
      other = j < b->elements->len ? &g_array_index (b->elements, VpndSetElement, j) : NULL;
      if (other == NULL || !vpnd_set_element_equal (a, element, other))
        g_array_append_val (missing, *element);
    }
  return missing;
}

/* What goes comes first in a batch: what comes may lie where it was. */
static guint
put_differences (Batch *batch, const VpndRuleset *ruleset, const VpndRuleset *other, guint16 type, guint16 flags, guint32 last)
{
  guint count = 0;

  for (guint i = 0; i < ruleset->sets->len; i++)
    {
      VpndSet part = *(const VpndSet *) g_ptr_array_index (ruleset->sets, i);
      const VpndSet *counterpart = vpnd_ruleset_find_set (other, part.name);
      g_autoptr (GArray) elements = elements_without (&part, counterpart);

      part.elements = elements;
      count += count_messages (elements);
      for (guint first = 0; batch != NULL && first < elements->len; first += ELEMENTS_PER_MESSAGE)
        put_elements (batch, ruleset->table, &part, 0, first, type, (guint16) (flags | (batch->seq == last ? NLM_F_ACK : 0)));
    }
  return count;
}

/**
 * vpnd_nft_change_messages:
 * @present: what is in force
 * @wanted: what shall be, vpnd_ruleset_equal_but_elements() to it
 *
 * Returns: how many messages, and so sequence numbers, vpnd_nft_encode_change() makes of it; 0 when nothing differs
 */
guint
vpnd_nft_change_messages (const VpndRuleset *present, const VpndRuleset *wanted)
{
  const guint count = put_differences (NULL, present, wanted, 0, 0, 0) + put_differences (NULL, wanted, present, 0, 0, 0);

  return count > 0 ? count + 2 : 0; /* begin, end */
}

/**
 * vpnd_nft_encode_change:
 * @present: what is in force
 * @wanted: what shall be, vpnd_ruleset_equal_but_elements() to it, but not equal
 * @seq: sequence number of the first message
 *
 * One transaction that makes one of the other by changing the elements of sets, and touches no chain: a chain with a hook that goes away takes the packets
 * with it that are held in any queue (nf_queue_nf_hook_drop()). The last message before the end asks for an ack.
 *
 * Returns: (transfer full): the batch; the kernel refuses it with ENOENT or EEXIST when not @present is in force
 */
GBytes *
vpnd_nft_encode_change (const VpndRuleset *present, const VpndRuleset *wanted, guint32 seq)
{
  Batch batch = { .bytes = g_byte_array_new (), .seq = seq };
  const guint32 last = seq + vpnd_nft_change_messages (present, wanted) - 2;

  put_frame (&batch, NFNL_MSG_BATCH_BEGIN, 0);
  (void) put_differences (&batch, present, wanted, NFT_MSG_DELSETELEM, 0, last);
  (void) put_differences (&batch, wanted, present, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, last);
  put_frame (&batch, NFNL_MSG_BATCH_END, 0);
  return batch_finish (&batch);
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
  Batch batch = { .bytes = g_byte_array_new (), .seq = seq };

  put_frame (&batch, NFNL_MSG_BATCH_BEGIN, 0);
  put_table (&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, 0);
  put_table (&batch, NFT_MSG_DELTABLE, NLM_F_ACK, table, 0);
  put_frame (&batch, NFNL_MSG_BATCH_END, 0);
  return batch_finish (&batch);
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
