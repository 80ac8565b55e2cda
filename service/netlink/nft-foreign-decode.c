/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of nft-foreign-decode.h. A rule counts when its chain is reached from a base chain that sees packets of this host; jumps are
 * followed, and a verdict map may jump to every chain of its table.
 */
#include "config.h"

#include "nft-foreign-decode.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "nft-attr.h"
#include "nl-message.h"
#include "reserved.h"

#define NAME_MAX_BYTES 1024 /* two names of at most 256 bytes and the family */

/**
 * Chain:
 * @is_entry: a base chain that sees packets from or to this host
 * @is_reached: counted, or waiting for its turn
 * @maps: a rule of it leaves by a verdict map
 * @drops: its policy and rules that drop
 * @marks: its rules that write marks over ours
 * @table: (owned): "inet filter"
 * @targets: (element-type utf8) (owned): keys of the chains that it jumps to
 */
typedef struct
{
  gboolean is_entry;
  gboolean is_reached;
  gboolean maps;
  guint drops;
  guint marks;
  char *table;
  GPtrArray *targets;
} Chain;

static void
chain_free (gpointer data)
{
  Chain *chain = data;

  g_free (chain->table);
  g_ptr_array_unref (chain->targets);
  g_free (chain);
}

static GBytes *
encode_dump (guint16 type, guint32 seq)
{
  char buffer[MNL_NLMSG_HDRLEN + sizeof (struct nfgenmsg) + MNL_ALIGNTO] = { 0 };
  struct nlmsghdr *message = mnl_nlmsg_put_header (buffer);
  struct nfgenmsg *header;

  message->nlmsg_type = (guint16) ((NFNL_SUBSYS_NFTABLES << 8) | type);
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message->nlmsg_seq = seq;
  header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->nfgen_family = NFPROTO_UNSPEC;
  header->version = NFNETLINK_V0;
  return g_bytes_new (message, message->nlmsg_len);
}

/**
 * vpnd_nft_encode_dump_all_chains:
 * @seq: sequence number
 *
 * Returns: (transfer full): a dump request for the chains of every table of every family
 */
GBytes *
vpnd_nft_encode_dump_all_chains (guint32 seq)
{
  return encode_dump (NFT_MSG_GETCHAIN, seq);
}

/**
 * vpnd_nft_encode_dump_all_rules:
 * @seq: sequence number
 *
 * Returns: (transfer full): a dump request for the rules of every table of every family
 */
GBytes *
vpnd_nft_encode_dump_all_rules (guint32 seq)
{
  return encode_dump (NFT_MSG_GETRULE, seq);
}

static const char *
family_word (guint8 family)
{
  switch (family)
    {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    default:
      return NULL; /* bridge, arp, netdev: not the way of IP packets of this host */
    }
}

/* Returns: (transfer full) (nullable): "inet filter", %NULL for a table that does not matter */
static char *
table_key (guint8 family, const char *table)
{
  const char *word = family_word (family);

  if (word == NULL || table == NULL || strlen (table) > NAME_MAX_BYTES || (family == NFPROTO_INET && strcmp (table, VPND_NFT_TABLE) == 0))
    return NULL;
  return g_strdup_printf ("%s %s", word, table);
}

static Chain *
get_chain (GHashTable *chains, const char *table, const char *name)
{
  char *key = g_strdup_printf ("%s %s", table, name);
  Chain *chain = g_hash_table_lookup (chains, key);

  if (chain == NULL)
    {
      chain = g_new0 (Chain, 1);
      chain->table = g_strdup (table);
      chain->targets = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (chains, key, chain);
    }
  else
    g_free (key);
  return chain;
}

static void
read_chain (GHashTable *chains, guint8 family, const VpndNftAttrs *attrs)
{
  g_autofree char *table = table_key (family, vpnd_nft_attrs_string (attrs, NFTA_CHAIN_TABLE));
  const char *name = vpnd_nft_attrs_string (attrs, NFTA_CHAIN_NAME);
  VpndNftAttrs hook_attrs = vpnd_nft_attrs_find (attrs, NFTA_CHAIN_HOOK);
  guint32 hook = vpnd_nft_attrs_u32 (&hook_attrs, NFTA_HOOK_HOOKNUM, NF_INET_FORWARD);
  Chain *chain;

  if (table == NULL || name == NULL)
    return;
  chain = get_chain (chains, table, name);
  chain->is_entry = hook_attrs.data != NULL && (hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_IN || hook == NF_INET_LOCAL_OUT || hook == NF_INET_POST_ROUTING);
  if (chain->is_entry && vpnd_nft_attrs_u32 (attrs, NFTA_CHAIN_POLICY, NF_ACCEPT) == NF_DROP)
    chain->drops++;
}

static void
read_immediate (Chain *chain, const char *table, const VpndNftAttrs *data)
{
  VpndNftAttrs value = vpnd_nft_attrs_find (data, NFTA_IMMEDIATE_DATA);
  VpndNftAttrs verdict = vpnd_nft_attrs_find (&value, NFTA_DATA_VERDICT);
  gint32 code = (gint32) vpnd_nft_attrs_u32 (&verdict, NFTA_VERDICT_CODE, NF_ACCEPT);
  const char *target = vpnd_nft_attrs_string (&verdict, NFTA_VERDICT_CHAIN);

  if (verdict.data != NULL && code == NF_DROP)
    chain->drops++;
  else if (target != NULL && (code == NFT_JUMP || code == NFT_GOTO))
    g_ptr_array_add (chain->targets, g_strdup_printf ("%s %s", table, target));
}

/* Whether "mark = (mark & MASK) ^ XOR" leaves our bits alone. Marks are in the host's byte order. */
static gboolean
bitwise_spares_us (const VpndNftAttrs *data)
{
  guint8 mask_bytes[sizeof (guint32)], xor_bytes[sizeof (guint32)];
  guint32 mask, toggled;

  if (!vpnd_nft_attrs_data (data, NFTA_BITWISE_MASK, mask_bytes, sizeof mask_bytes) || !vpnd_nft_attrs_data (data, NFTA_BITWISE_XOR, xor_bytes, sizeof xor_bytes))
    return FALSE;
  memcpy (&mask, mask_bytes, sizeof mask);
  memcpy (&toggled, xor_bytes, sizeof toggled);
  return (mask & VPND_MARK_MASK) == VPND_MARK_MASK && (toggled & VPND_MARK_MASK) == 0;
}

static void
read_target (Chain *chain, const VpndNftAttrs *data)
{
  const char *name = vpnd_nft_attrs_string (data, NFTA_TARGET_NAME);

  if (g_strcmp0 (name, "REJECT") == 0 || g_strcmp0 (name, "DROP") == 0)
    chain->drops++;
}

static void
read_expression (Chain *chain, const char *table, const VpndNftAttrs *element, gboolean *spares_us)
{
  const char *name = vpnd_nft_attrs_string (element, NFTA_EXPR_NAME);
  VpndNftAttrs data = vpnd_nft_attrs_find (element, NFTA_EXPR_DATA);

  if (name == NULL)
    return;
  if (strcmp (name, "immediate") == 0)
    read_immediate (chain, table, &data);
  else if (strcmp (name, "reject") == 0)
    chain->drops++;
  else if (strcmp (name, "target") == 0)
    read_target (chain, &data);
  else if (strcmp (name, "bitwise") == 0)
    *spares_us = bitwise_spares_us (&data);
  else if (strcmp (name, "lookup") == 0)
    chain->maps |= vpnd_nft_attrs_u32 (&data, NFTA_LOOKUP_DREG, G_MAXUINT32) == NFT_REG_VERDICT;
  else if (strcmp (name, "meta") == 0 && vpnd_nft_attrs_u32 (&data, NFTA_META_KEY, G_MAXUINT32) == NFT_META_MARK && vpnd_nft_attrs_has (&data, NFTA_META_SREG))
    chain->marks += !*spares_us;
}

static void
read_rule (GHashTable *chains, guint8 family, const VpndNftAttrs *attrs)
{
  g_autofree char *table = table_key (family, vpnd_nft_attrs_string (attrs, NFTA_RULE_TABLE));
  const char *name = vpnd_nft_attrs_string (attrs, NFTA_RULE_CHAIN);
  VpndNftAttrs expressions = vpnd_nft_attrs_find (attrs, NFTA_RULE_EXPRESSIONS);
  VpndNftAttrs element;
  gboolean spares_us = FALSE;
  guint16 type;
  Chain *chain;

  if (table == NULL || name == NULL)
    return;
  chain = get_chain (chains, table, name);
  while (vpnd_nft_attrs_next (&expressions, &type, &element))
    if (type == NFTA_LIST_ELEM)
      read_expression (chain, table, &element, &spares_us);
}

static void
read_message (GHashTable *chains, const struct nlmsghdr *message)
{
  VpndNftAttrs attrs;
  guint8 family;

  if (!vpnd_nft_attrs_of_message (message, &family, &attrs))
    return;
  if (NFNL_MSG_TYPE (message->nlmsg_type) == NFT_MSG_NEWCHAIN)
    read_chain (chains, family, &attrs);
  else if (NFNL_MSG_TYPE (message->nlmsg_type) == NFT_MSG_NEWRULE)
    read_rule (chains, family, &attrs);
}

static void
add_to_table (GArray *tables, const Chain *chain)
{
  VpndForeignTable table = { .drops = chain->drops, .marks = chain->marks };
  const char *space = strchr (chain->table, ' ');

  if (chain->drops == 0 && chain->marks == 0)
    return;
  g_strlcpy (table.family, chain->table, MIN (sizeof table.family, (gsize) (space - chain->table + 1)));
  g_strlcpy (table.name, space + 1, sizeof table.name);
  for (guint i = 0; i < tables->len; i++)
    {
      VpndForeignTable *known = &g_array_index (tables, VpndForeignTable, i);

      if (strcmp (known->family, table.family) != 0 || strcmp (known->name, table.name) != 0)
        continue;
      known->drops += table.drops;
      known->marks += table.marks;
      return;
    }
  g_array_append_val (tables, table);
}

static void
reach_chain (Chain *chain, GPtrArray *next)
{
  if (chain == NULL || chain->is_reached)
    return;
  chain->is_reached = TRUE;
  g_ptr_array_add (next, chain);
}

/* Once for a table: there are tables with thousands of chains that each leave by a map. */
static void
reach_table (GHashTable *chains, GHashTable *tables, const char *table, GPtrArray *next)
{
  GHashTableIter iter;
  gpointer chain;

  if (!g_hash_table_add (tables, (gpointer) table))
    return;
  g_hash_table_iter_init (&iter, chains);
  while (g_hash_table_iter_next (&iter, NULL, &chain))
    if (strcmp (((Chain *) chain)->table, table) == 0)
      reach_chain (chain, next);
}

/* Returns: (transfer container): all chains that packets of this host may come by */
static GPtrArray *
reach_all (GHashTable *chains)
{
  g_autoptr (GHashTable) tables = g_hash_table_new (g_str_hash, g_str_equal); /* whose chains were all reached */
  GPtrArray *reached = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, chains);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Chain *) value)->is_entry)
      reach_chain (value, reached);
  for (guint i = 0; i < reached->len; i++)
    {
      const Chain *chain = g_ptr_array_index (reached, i);

      for (guint j = 0; j < chain->targets->len; j++)
        reach_chain (g_hash_table_lookup (chains, g_ptr_array_index (chain->targets, j)), reached);
      if (chain->maps)
        reach_table (chains, tables, chain->table, reached);
    }
  return reached;
}

/**
 * vpnd_nft_decode_foreign:
 * @messages: (element-type GBytes): the answers to both dumps, one message or more in each
 *
 * Returns: (transfer full) (element-type VpndForeignTable): the tables that drop or mark, without ours
 */
GArray *
vpnd_nft_decode_foreign (GPtrArray *messages)
{
  GArray *tables = g_array_new (FALSE, TRUE, sizeof (VpndForeignTable));
  g_autoptr (GHashTable) chains = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, chain_free);
  g_autoptr (GPtrArray) reached = NULL;

  for (guint i = 0; i < messages->len; i++)
    {
      VpndNlCursor cursor = { 0 };
      const struct nlmsghdr *message;

      cursor.data = g_bytes_get_data (g_ptr_array_index (messages, i), &cursor.size);
      while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
        read_message (chains, message);
    }
  reached = reach_all (chains);
  for (guint i = 0; i < reached->len; i++)
    add_to_table (tables, g_ptr_array_index (reached, i));
  return tables;
}
