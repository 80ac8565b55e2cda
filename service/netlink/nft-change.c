/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The batch of nft-encode.h that makes one ruleset of another. What both have stays where it is: the states of a tunnel have most in common, and what the
 * kernel neither makes nor takes away costs nothing. Where only elements differ, only they change; else chains keep their place and get their rules anew, and a set with other
 * elements is made anew with all the chains that ask it, so that no packet sees rules of one ruleset and elements of the other.
 */
#include "config.h"

#include "nft-encode.h"

#include "nft-batch.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

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

/* Counts messages where @batch is NULL. */
static guint
put_elements (VpndNftBatch *batch, const char *table, const VpndSet *set, guint32 id, guint16 type, guint16 flags)
{
  for (guint first = 0; batch != NULL && first < set->elements->len; first += VPND_NFT_ELEMENTS_PER_MESSAGE)
    vpnd_nft_batch_put_elements (batch, table, set, id, first, type, flags);
  return vpnd_nft_elements_messages (set->elements);
}

static guint
put_differences (VpndNftBatch *batch, const VpndRuleset *ruleset, const VpndRuleset *other, guint16 type, guint16 flags)
{
  guint count = 0;

  for (guint i = 0; i < ruleset->sets->len; i++)
    {
      VpndSet part = *(const VpndSet *) g_ptr_array_index (ruleset->sets, i);
      g_autoptr (GArray) elements = elements_without (&part, vpnd_ruleset_find_set (other, part.name));

      part.elements = elements;
      count += put_elements (batch, ruleset->table, &part, 0, type, flags);
    }
  return count;
}

/* NULL: a rule asks none. */
static gboolean
is_kept_set (const VpndSet *set, const VpndRuleset *other)
{
  const VpndSet *counterpart = set != NULL ? vpnd_ruleset_find_set (other, set->name) : NULL;

  return set == NULL || (counterpart != NULL && vpnd_set_equal (set, counterpart));
}

static gboolean
asks_changed_set (const VpndRule *rule, const VpndRuleset *ruleset, const VpndRuleset *other)
{
  for (guint i = 0; i < rule->matches->len; i++)
    if (!is_kept_set (vpnd_ruleset_find_set (ruleset, g_array_index (rule->matches, VpndMatch, i).set), other))
      return TRUE;
  for (guint i = 0; i < rule->statements->len; i++)
    if (!is_kept_set (vpnd_ruleset_find_set (ruleset, g_array_index (rule->statements, VpndStatement, i).map), other))
      return TRUE;
  return FALSE;
}

/* Whether the rules of @chain, which is of @ruleset, stay as they are. A set that differs differs from either side. */
static gboolean
is_kept_chain (const VpndChain *chain, const VpndRuleset *ruleset, const VpndRuleset *other)
{
  const VpndChain *counterpart = vpnd_ruleset_find_chain (other, chain->name);

  if (counterpart == NULL || !vpnd_chain_equal (chain, counterpart))
    return FALSE;
  for (guint i = 0; i < chain->rules->len; i++)
    if (asks_changed_set (g_ptr_array_index (chain->rules, i), ruleset, other))
      return FALSE;
  return TRUE;
}

/* A chain with a hook cannot become one of another hook, and what a rule refers to has to be there. */
static gboolean
can_change (const VpndRuleset *present, const VpndRuleset *wanted)
{
  for (guint i = 0; i < present->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (present->chains, i);
      const VpndChain *counterpart = vpnd_ruleset_find_chain (wanted, chain->name);

      if (counterpart != NULL && !vpnd_chain_has_form (chain, counterpart))
        return FALSE;
    }
  return strcmp (present->table, wanted->table) == 0;
}

/* What goes: rules first, because they hold on to sets and chains; then sets, because those of verdicts hold on to chains. */
static guint
put_gone (VpndNftBatch *batch, const VpndRuleset *present, const VpndRuleset *wanted)
{
  guint count = 0;

  for (guint i = 0; i < present->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (present->chains, i);

      if (chain->rules->len == 0 || is_kept_chain (chain, present, wanted))
        continue;
      if (batch != NULL)
        vpnd_nft_batch_put_gone (batch, NFT_MSG_DELRULE, present->table, chain->name);
      count++;
    }
  for (guint i = 0; i < present->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (present->sets, i);

      if (is_kept_set (set, wanted))
        continue;
      if (batch != NULL)
        vpnd_nft_batch_put_gone (batch, NFT_MSG_DELSET, present->table, set->name);
      count++;
    }
  for (guint i = 0; i < present->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (present->chains, i);

      if (vpnd_ruleset_find_chain (wanted, chain->name) != NULL)
        continue;
      if (batch != NULL)
        vpnd_nft_batch_put_gone (batch, NFT_MSG_DELCHAIN, present->table, chain->name);
      count++;
    }
  return count;
}

/* What comes, the other way round. */
static guint
put_new (VpndNftBatch *batch, const VpndRuleset *present, const VpndRuleset *wanted)
{
  guint count = 0;

  for (guint i = 0; i < wanted->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (wanted->chains, i);

      if (vpnd_ruleset_find_chain (present, chain->name) != NULL)
        continue;
      if (batch != NULL)
        vpnd_nft_batch_put_chain (batch, wanted->table, chain);
      count++;
    }
  for (guint i = 0; i < wanted->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (wanted->sets, i);

      if (is_kept_set (set, present))
        continue;
      if (batch != NULL)
        vpnd_nft_batch_put_set (batch, wanted->table, set, i + 1);
      count += 1 + put_elements (batch, wanted->table, set, i + 1, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL);
    }
  for (guint i = 0; i < wanted->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (wanted->chains, i);

      if (is_kept_chain (chain, wanted, present))
        continue;
      for (guint j = 0; batch != NULL && j < chain->rules->len; j++)
        vpnd_nft_batch_put_rule (batch, wanted->table, chain->name, g_ptr_array_index (chain->rules, j));
      count += chain->rules->len;
    }
  return count;
}

/* What goes comes first in a batch: what comes may lie where it was. */
static guint
put_change (VpndNftBatch *batch, const VpndRuleset *present, const VpndRuleset *wanted)
{
  const gboolean is_of_elements = vpnd_ruleset_equal_but_elements (present, wanted);
  const guint gone = is_of_elements ? put_differences (batch, present, wanted, NFT_MSG_DELSETELEM, 0) : put_gone (batch, present, wanted);

  return gone + (is_of_elements ? put_differences (batch, wanted, present, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL) : put_new (batch, present, wanted));
}

/**
 * vpnd_nft_change_messages:
 * @present: what is in force
 * @wanted: what shall be
 *
 * Returns: how many messages, and so sequence numbers, vpnd_nft_encode_change() makes of it; 0 when nothing differs, or when the whole table has to be made anew, or
 *   may as well
 */
guint
vpnd_nft_change_messages (const VpndRuleset *present, const VpndRuleset *wanted)
{
  const guint count = can_change (present, wanted) ? put_change (NULL, present, wanted) : 0;

  return count > 0 && count + 2 < vpnd_nft_replace_messages (wanted) ? count + 2 : 0; /* begin, end */
}

/**
 * vpnd_nft_encode_change:
 * @present: what is in force
 * @wanted: what shall be, of which vpnd_nft_change_messages() makes some
 * @seq: sequence number of the first message
 *
 * One transaction that makes one of the other. A chain with a hook that is in both is not taken away: one that goes away takes the packets
 * with it that are held in any queue (nf_queue_nf_hook_drop()). The last message before the end asks for an ack.
 *
 * Returns: (transfer full): the batch; the kernel refuses it, as a rule with ENOENT or EEXIST, when not @present is in force
 */
GBytes *
vpnd_nft_encode_change (const VpndRuleset *present, const VpndRuleset *wanted, guint32 seq)
{
  VpndNftBatch batch = { .bytes = g_byte_array_new (), .seq = seq, .awaited_seq = seq + vpnd_nft_change_messages (present, wanted) - 2 };

  vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_BEGIN, 0);
  (void) put_change (&batch, present, wanted);
  vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_END, 0);
  return vpnd_nft_batch_finish (&batch);
}
