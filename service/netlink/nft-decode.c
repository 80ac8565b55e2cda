/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tables, chains, sets and elements of nft-decode.h, read with nft-attr.h; rules stand in nft-decode-rule.c.
 * Messages come in the order in which they were asked for: chains before rules, sets before their elements.
 */
#include "config.h"

#include "nft-decode.h"

#include "error.h"
#include "nft-attr.h"
#include "nft-decode-rule.h"
#include "nft-fields.h"
#include "nl-message.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* One end of an interval, or a single key, as the kernel lists it. */
typedef struct
{
  gsize size;
  gboolean is_end;
  VpndSetElement element;
} Mark;

typedef struct
{
  const char *name;
  VpndNftTable *table;
  GHashTable *marks; /* (element-type VpndSet GArray): owned arrays of Mark */
} Decoder;

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_FIREWALL, "the table holds %s that vpnd does not make", what);
  return FALSE;
}

static gboolean
is_our_name (const char *name)
{
  return name != NULL && name[0] != '\0' && strlen (name) < VPND_NFT_NAME_MAX;
}

static gboolean
decode_table (Decoder *decoder, const VpndNftAttrs *attrs, GError **error)
{
  decoder->table->is_present = TRUE;
  decoder->table->flags = vpnd_nft_attrs_u32 (attrs, NFTA_TABLE_FLAGS, 0);
  return TRUE;
}

static gboolean
decode_chain (Decoder *decoder, const VpndNftAttrs *attrs, GError **error)
{
  const char *name = vpnd_nft_attrs_string (attrs, NFTA_CHAIN_NAME);
  const char *type_name = vpnd_nft_attrs_string (attrs, NFTA_CHAIN_TYPE);
  VpndNftAttrs hook_attrs = vpnd_nft_attrs_find (attrs, NFTA_CHAIN_HOOK);
  gint32 priority = (gint32) vpnd_nft_attrs_u32 (&hook_attrs, NFTA_HOOK_PRIORITY, 0);
  VpndHook hook = VPND_HOOK_NONE;
  VpndChainType type = VPND_CHAIN_FILTER;
  VpndVerdictKind policy = VPND_VERDICT_ACCEPT;

  if (!is_our_name (name) || vpnd_ruleset_find_chain (decoder->table->ruleset, name) != NULL)
    return fail (error, "a chain");
  if (hook_attrs.data != NULL)
    {
      if (type_name == NULL || !vpnd_nft_find_chain_type (type_name, &type) ||
          !vpnd_nft_find_hook (vpnd_nft_attrs_u32 (&hook_attrs, NFTA_HOOK_HOOKNUM, G_MAXUINT32), &hook))
        return fail (error, "a base chain");
      policy = vpnd_nft_attrs_u32 (attrs, NFTA_CHAIN_POLICY, NF_ACCEPT) == NF_DROP ? VPND_VERDICT_DROP : VPND_VERDICT_ACCEPT;
    }
  vpnd_ruleset_add_chain (decoder->table->ruleset, name, type, hook, priority, policy);
  return TRUE;
}

static gboolean
decode_set (Decoder *decoder, const VpndNftAttrs *attrs, GError **error)
{
  const char *name = vpnd_nft_attrs_string (attrs, NFTA_SET_NAME);
  guint32 flags = vpnd_nft_attrs_u32 (attrs, NFTA_SET_FLAGS, 0);
  VpndField field;

  if (!is_our_name (name) || vpnd_ruleset_find_set (decoder->table->ruleset, name) != NULL || (flags & ~(guint32) (NFT_SET_INTERVAL | NFT_SET_MAP)) != 0 ||
      !vpnd_nft_find_type (vpnd_nft_attrs_u32 (attrs, NFTA_SET_KEY_TYPE, 0), &field) ||
      vpnd_nft_attrs_u32 (attrs, NFTA_SET_KEY_LEN, 0) != vpnd_field_size_bytes (field) ||
      ((flags & NFT_SET_MAP) != 0 && vpnd_nft_attrs_u32 (attrs, NFTA_SET_DATA_TYPE, 0) != NFT_DATA_VERDICT))
    return fail (error, "a set");
  vpnd_ruleset_add_set (decoder->table->ruleset, name, field, (flags & NFT_SET_INTERVAL) != 0, (flags & NFT_SET_MAP) != 0);
  return TRUE;
}

static gboolean
read_element (const VpndSet *set, const VpndNftAttrs *attrs, Mark *out_mark)
{
  static const guint16 foreign[] = { NFTA_SET_ELEM_TIMEOUT, NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_OBJREF, NFTA_SET_ELEM_KEY_END, NFTA_SET_ELEM_EXPRESSIONS };
  Mark mark = { .size = vpnd_field_size_bytes (set->field) };
  guint32 flags = vpnd_nft_attrs_u32 (attrs, NFTA_SET_ELEM_FLAGS, 0);
  VpndNftAttrs data = vpnd_nft_attrs_find (attrs, NFTA_SET_ELEM_DATA);

  for (guint i = 0; i < G_N_ELEMENTS (foreign); i++)
    if (vpnd_nft_attrs_has (attrs, foreign[i]))
      return FALSE;
  if (!vpnd_nft_attrs_data (attrs, NFTA_SET_ELEM_KEY, mark.element.key, mark.size) || (flags & ~(guint32) NFT_SET_ELEM_INTERVAL_END) != 0)
    return FALSE;
  memcpy (mark.element.key_end, mark.element.key, mark.size);
  mark.is_end = flags != 0;
  if (mark.is_end && !set->is_interval)
    return FALSE;
  if (set->is_map && !mark.is_end && !vpnd_nft_decode_verdict (&data, &mark.element.verdict))
    return FALSE;
  *out_mark = mark;
  return TRUE;
}

static gboolean
decode_elements (Decoder *decoder, const VpndNftAttrs *attrs, GError **error)
{
  const char *name = vpnd_nft_attrs_string (attrs, NFTA_SET_ELEM_LIST_SET);
  const VpndSet *set = name != NULL ? vpnd_ruleset_find_set (decoder->table->ruleset, name) : NULL;
  VpndNftAttrs list = vpnd_nft_attrs_find (attrs, NFTA_SET_ELEM_LIST_ELEMENTS);
  VpndNftAttrs element;
  guint16 type;
  GArray *marks;

  if (set == NULL)
    return fail (error, "elements of a set");
  marks = g_hash_table_lookup (decoder->marks, set);
  if (marks == NULL)
    {
      marks = g_array_new (FALSE, TRUE, sizeof (Mark));
      g_hash_table_insert (decoder->marks, (gpointer) set, marks);
    }
  while (vpnd_nft_attrs_next (&list, &type, &element))
    {
      Mark mark;

      if (!read_element (set, &element, &mark))
        return fail (error, "an element of a set");
      g_array_append_val (marks, mark);
    }
  return list.size == 0 || fail (error, "damaged elements");
}

static gboolean
decode_rule (Decoder *decoder, const VpndNftAttrs *attrs, GError **error)
{
  const char *name = vpnd_nft_attrs_string (attrs, NFTA_RULE_CHAIN);
  const VpndChain *chain = name != NULL ? vpnd_ruleset_find_chain (decoder->table->ruleset, name) : NULL;
  VpndNftAttrs number;
  guint64 handle;
  VpndRule *rule;

  if (chain == NULL)
    return fail (error, "a rule");
  rule = vpnd_nft_decode_rule (attrs, error);
  if (rule == NULL)
    return FALSE;
  number = vpnd_nft_attrs_find (attrs, NFTA_RULE_HANDLE);
  if (number.size == sizeof handle)
    {
      memcpy (&handle, number.data, sizeof handle);
      rule->handle = GUINT64_FROM_BE (handle);
    }
  g_ptr_array_add (chain->rules, rule);
  return TRUE;
}

/* By key; an end comes before a start at the same place, since it closes what lies before. */
static int
compare_marks (gconstpointer a, gconstpointer b)
{
  const Mark *x = a;
  const Mark *y = b;
  int order = memcmp (x->element.key, y->element.key, x->size);

  return order != 0 ? order : y->is_end - x->is_end;
}

static void
step_back (guint8 *key, gsize size)
{
  for (gsize i = size; i-- > 0;)
    if (key[i]-- != 0)
      return;
}

/* Pairs starts and ends. nft(8) puts an end without a start before the first interval; it means nothing. */
static void
close_intervals (VpndSet *set, GArray *marks)
{
  gboolean is_open = FALSE;

  for (guint i = 0; i < marks->len; i++)
    {
      const Mark *mark = &g_array_index (marks, Mark, i);

      if (is_open)
        {
          VpndSetElement *last = &g_array_index (set->elements, VpndSetElement, set->elements->len - 1);

          memcpy (last->key_end, mark->element.key, sizeof last->key_end);
          step_back (last->key_end, mark->size);
        }
      is_open = !mark->is_end;
      if (is_open)
        {
          VpndSetElement element = mark->element;

          memset (element.key_end, 0xff, mark->size);
          g_array_append_val (set->elements, element);
        }
    }
}

static void
finish_sets (Decoder *decoder)
{
  for (guint i = 0; i < decoder->table->ruleset->sets->len; i++)
    {
      VpndSet *set = g_ptr_array_index (decoder->table->ruleset->sets, i);
      GArray *marks = g_hash_table_lookup (decoder->marks, set);

      if (marks == NULL)
        continue;
      g_array_sort (marks, compare_marks);
      if (set->is_interval)
        close_intervals (set, marks);
      else
        for (guint j = 0; j < marks->len; j++)
          g_array_append_val (set->elements, g_array_index (marks, Mark, j).element);
    }
}

static gboolean
decode_other (Decoder *decoder, const VpndNftAttrs *attrs, GError **error)
{
  return fail (error, "an object");
}

static gboolean
decode_message (Decoder *decoder, const struct nlmsghdr *message, GError **error)
{
  static const struct
  {
    guint16 type;
    gboolean (*decode) (Decoder *decoder, const VpndNftAttrs *attrs, GError **error);
  } decoders[] = {
    { NFT_MSG_NEWTABLE, decode_table },
    { NFT_MSG_NEWCHAIN, decode_chain },
    { NFT_MSG_NEWSET, decode_set },
    { NFT_MSG_NEWSETELEM, decode_elements },
    { NFT_MSG_NEWRULE, decode_rule },
    { NFT_MSG_NEWOBJ, decode_other },
    { NFT_MSG_NEWFLOWTABLE, decode_other },
  };

  VpndNftAttrs attrs;
  guint8 family;

  /* All NFTA_*_TABLE are 1, but a table is called NFTA_TABLE_NAME. */
  if (!vpnd_nft_attrs_of_message (message, &family, &attrs) || family != NFPROTO_INET ||
      g_strcmp0 (vpnd_nft_attrs_string (&attrs, NFTA_TABLE_NAME), decoder->name) != 0)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (decoders); i++)
    if (NFNL_MSG_TYPE (message->nlmsg_type) == decoders[i].type)
      return decoders[i].decode (decoder, &attrs, error);
  return TRUE;
}

/**
 * vpnd_nft_table_clear:
 * @table: what to empty
 */
void
vpnd_nft_table_clear (VpndNftTable *table)
{
  g_clear_pointer (&table->ruleset, vpnd_ruleset_unref);
  *table = (VpndNftTable){ 0 };
}

/**
 * vpnd_nft_decode:
 * @messages: (element-type GBytes): netlink messages, any number in each; chains before rules and sets before elements
 * @table: name of a table of family inet; what belongs to others is skipped
 * @out_table: (out caller-allocates): what was found; untouched on error
 * @error: return location for an error
 *
 * Returns: FALSE with VPND_ERROR_FIREWALL when the table holds something that our encoder could not have made, or bytes are damaged
 */
gboolean
vpnd_nft_decode (GPtrArray *messages, const char *table, VpndNftTable *out_table, GError **error)
{
  g_auto (VpndNftTable) found = { .ruleset = vpnd_ruleset_new (table) };
  g_autoptr (GHashTable) marks = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_array_unref);
  Decoder decoder = { .name = table, .table = &found, .marks = marks };

  for (guint i = 0; i < messages->len; i++)
    {
      VpndNlCursor cursor = { 0 };
      const struct nlmsghdr *message;

      cursor.data = g_bytes_get_data (g_ptr_array_index (messages, i), &cursor.size);
      while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
        if (!decode_message (&decoder, message, error))
          return FALSE;
    }
  finish_sets (&decoder);
  *out_table = found;
  found = (VpndNftTable){ 0 };
  return TRUE;
}

/**
 * vpnd_nft_message_generation:
 * @message: a whole netlink message
 * @out_generation: (out): the low 16 bits of the number of the ruleset that it was read from
 *
 * Returns: TRUE when @message is one of nftables; equal numbers over several dumps mean one consistent picture
 */
gboolean
vpnd_nft_message_generation (const struct nlmsghdr *message, guint16 *out_generation)
{
  VpndNftAttrs attrs;
  guint8 family;

  if (!vpnd_nft_attrs_of_message (message, &family, &attrs))
    return FALSE;
  *out_generation = ntohs (((const struct nfgenmsg *) NLMSG_DATA (message))->res_id);
  return TRUE;
}

/**
 * vpnd_nft_message_concerns_table:
 * @message: a whole netlink message, for instance a notification
 * @table: name of a table of family inet
 *
 * Returns: TRUE when @message speaks of that table or something in it (every NFTA_*_TABLE is attribute 1)
 */
gboolean
vpnd_nft_message_concerns_table (const struct nlmsghdr *message, const char *table)
{
  VpndNftAttrs attrs;
  guint8 family;

  return vpnd_nft_attrs_of_message (message, &family, &attrs) && family == NFPROTO_INET && NFNL_MSG_TYPE (message->nlmsg_type) != NFT_MSG_NEWGEN &&
      g_strcmp0 (vpnd_nft_attrs_string (&attrs, NFTA_TABLE_NAME), table) == 0;
}
