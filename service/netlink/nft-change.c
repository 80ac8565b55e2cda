/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The changes of nft-change.h. What both rulesets have stays where it is: the states of a tunnel have most in common, and what the kernel
 * neither makes nor takes away costs nothing. Where only elements differ, only they change. Else a set with other elements is made anew, with all the rules that ask it, so that
 * no packet sees rules of one ruleset and elements of the other. Rules are taken away one by one where the kernel's numbers for them are known, else all of a chain.
 */
#include "config.h"

#include "nft-change.h"

#include "nft-batch.h"
#include "nft-encode.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#define FRAME_MESSAGES 2u   /* begin, end */
#define COMPARED_MAX 65536u /* rules of one chain with rules of the other; ours have some twenty each */

/**
 * Edit: one message
 * @type: NFT_MSG_*
 * @chain: (nullable): which chain, or where the rule is
 * @set: (nullable): which set, or of what the elements are
 * @rule: (nullable): what comes
 * @handle: the rule that goes, 0 for all of the chain; or the one that @rule comes before, 0 for the end
 * @set_id: number of a set that is new
 * @first: the first element of this message
 */
typedef struct
{
  guint16 type;
  const VpndChain *chain;
  const VpndSet *set;
  const VpndRule *rule;
  guint64 handle;
  guint32 set_id;
  guint first;
} Edit;

/**
 * VpndNftChange:
 * @present: (owned): what is in force
 * @wanted: (owned): what shall be
 * @parts: (element-type VpndSet) (owned): some elements of a set
 * @edits: (element-type Edit) (owned): in order
 */
struct _VpndNftChange
{
  VpndRuleset *present;
  VpndRuleset *wanted;
  GPtrArray *parts;
  GArray *edits;
};

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

/**
 * Matching: which rules of a chain stay
 * @from: (element-type VpndRule) (nullable): those in force
 * @to: (element-type VpndRule) (nullable): those that shall be
 * @handle: (array): for each of @to the number of the one of @from that it is, 0 for one that comes
 * @is_kept: (array): for each of @from
 */
typedef struct
{
  const GPtrArray *from;
  const GPtrArray *to;
  guint64 *handle;
  gboolean *is_kept;
} Matching;

static void
matching_clear (Matching *matching)
{
  g_clear_pointer (&matching->handle, g_free);
  g_clear_pointer (&matching->is_kept, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Matching, matching_clear)

/* The longest sequence that both have, from the table of the lengths behind each pair of places. */
static void
match_rules (Matching *matching, const gboolean *is_same)
{
  const guint n = matching->from->len, m = matching->to->len;
  g_autofree guint *length = g_new0 (guint, (gsize) (n + 1) * (m + 1));
  guint i, j;

#define AT(table, a, b, width) ((table)[(gsize) (a) * (width) + (b)])
  for (i = n; i-- > 0;)
    for (j = m; j-- > 0;)
      AT (length, i, j, m + 1) = AT (is_same, i, j, m) ? AT (length, i + 1, j + 1, m + 1) + 1 : MAX (AT (length, i + 1, j, m + 1), AT (length, i, j + 1, m + 1));
  for (i = j = 0; i < n && j < m;)
    {
      if (AT (is_same, i, j, m))
        {
          matching->is_kept[i] = TRUE;
          matching->handle[j++] = ((const VpndRule *) g_ptr_array_index (matching->from, i++))->handle;
        }
      else if (AT (length, i + 1, j, m + 1) >= AT (length, i, j + 1, m + 1))
        {
          i++;
        }
      else
        {
          j++;
        }
    }
#undef AT
}

/* Without the numbers of the rules in force all of them go; so do those of a chain that is not in both. */
static Matching
matching_new (const VpndNftChange *change, const VpndChain *from, const VpndChain *to)
{
  const gsize n_from = from != NULL ? from->rules->len : 0, n_to = to != NULL ? to->rules->len : 0, compared = n_from * n_to;
  Matching matching = { NULL, NULL, g_new0 (guint64, n_to + 1), g_new0 (gboolean, n_from + 1) };
  g_autofree gboolean *is_same = NULL;

  if (compared == 0 || compared > COMPARED_MAX || ((const VpndRule *) g_ptr_array_index (from->rules, 0))->handle == 0)
    return matching;
  matching.from = from->rules;
  matching.to = to->rules;
  is_same = g_new0 (gboolean, compared);
  for (guint j = 0; j < to->rules->len; j++)
    {
      const VpndRule *rule = g_ptr_array_index (to->rules, j);

      if (asks_changed_set (rule, change->wanted, change->present))
        continue;
      for (guint i = 0; i < from->rules->len; i++)
        is_same[(gsize) i * to->rules->len + j] = vpnd_rule_equal (g_ptr_array_index (from->rules, i), rule);
    }
  match_rules (&matching, is_same);
  return matching;
}

static void
add_edit (VpndNftChange *change, Edit edit)
{
  g_array_append_val (change->edits, edit);
}

static void
add_elements (VpndNftChange *change, const VpndSet *set, guint16 type, guint32 set_id)
{
  for (guint first = 0; first < set->elements->len; first += VPND_NFT_ELEMENTS_PER_MESSAGE)
    add_edit (change, (Edit){ .type = type, .set = set, .set_id = set_id, .first = first });
}

static void
remove_rules (VpndNftChange *change, const VpndChain *chain, const VpndChain *wanted)
{
  g_auto (Matching) matching = matching_new (change, chain, wanted);
  guint kept = 0;

  for (guint i = 0; i < chain->rules->len; i++)
    kept += matching.is_kept[i];
  if (kept == 0 && chain->rules->len > 0)
    add_edit (change, (Edit){ .type = NFT_MSG_DELRULE, .chain = chain });
  for (guint i = 0; kept > 0 && i < chain->rules->len; i++)
    if (!matching.is_kept[i])
      add_edit (change, (Edit){ .type = NFT_MSG_DELRULE, .chain = chain, .handle = ((const VpndRule *) g_ptr_array_index (chain->rules, i))->handle });
}

static void
insert_rules (VpndNftChange *change, const VpndChain *chain, const VpndChain *present)
{
  g_auto (Matching) matching = matching_new (change, present, chain);

  for (guint j = 0; j < chain->rules->len; j++)
    {
      Edit edit = { .type = NFT_MSG_NEWRULE, .chain = chain, .rule = g_ptr_array_index (chain->rules, j) };

      for (guint next = j + 1; next < chain->rules->len && edit.handle == 0; next++)
        edit.handle = matching.handle[next];
      if (matching.handle[j] == 0)
        add_edit (change, edit);
    }
}

static gboolean
is_kept_chain (const VpndNftChange *change, const VpndChain *chain, const VpndChain *present)
{
  if (!vpnd_chain_equal (chain, present))
    return FALSE;
  for (guint i = 0; i < chain->rules->len; i++)
    if (asks_changed_set (g_ptr_array_index (chain->rules, i), change->wanted, change->present))
      return FALSE;
  return TRUE;
}

/* Rules first, because they hold on to sets and chains; then sets, because those of verdicts hold on to chains. */
static void
remove_old (VpndNftChange *change)
{
  for (guint i = 0; i < change->present->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (change->present->chains, i);
      const VpndChain *wanted = vpnd_ruleset_find_chain (change->wanted, chain->name);

      if (wanted == NULL || !is_kept_chain (change, wanted, chain))
        remove_rules (change, chain, wanted);
    }
  for (guint i = 0; i < change->present->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (change->present->sets, i);

      if (!is_kept_set (set, change->wanted))
        add_edit (change, (Edit){ .type = NFT_MSG_DELSET, .set = set });
    }
  for (guint i = 0; i < change->present->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (change->present->chains, i);

      if (vpnd_ruleset_find_chain (change->wanted, chain->name) == NULL)
        add_edit (change, (Edit){ .type = NFT_MSG_DELCHAIN, .chain = chain });
    }
}

/* The other way round. */
static void
add_new (VpndNftChange *change)
{
  for (guint i = 0; i < change->wanted->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (change->wanted->chains, i);

      if (vpnd_ruleset_find_chain (change->present, chain->name) == NULL)
        add_edit (change, (Edit){ .type = NFT_MSG_NEWCHAIN, .chain = chain });
    }
  for (guint i = 0; i < change->wanted->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (change->wanted->sets, i);

      if (is_kept_set (set, change->present))
        continue;
      add_edit (change, (Edit){ .type = NFT_MSG_NEWSET, .set = set, .set_id = i + 1 });
      add_elements (change, set, NFT_MSG_NEWSETELEM, i + 1);
    }
  for (guint i = 0; i < change->wanted->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (change->wanted->chains, i);
      const VpndChain *present = vpnd_ruleset_find_chain (change->present, chain->name);

      if (present == NULL || !is_kept_chain (change, chain, present))
        insert_rules (change, chain, present);
    }
}

static void
part_free (gpointer data)
{
  VpndSet *part = data;

  g_array_unref (part->elements);
  g_free (part);
}

/* Elements of the sets of @a that @b lacks; both are sorted. */
static void
add_differences (VpndNftChange *change, const VpndRuleset *a, const VpndRuleset *b, guint16 type)
{
  for (guint s = 0; s < a->sets->len; s++)
    {
      const VpndSet *set = g_ptr_array_index (a->sets, s);
      const GArray *others = vpnd_ruleset_find_set (b, set->name)->elements;
      const gsize size = vpnd_field_size_bytes (set->field);
      VpndSet *part = g_memdup2 (set, sizeof *set);
      guint j = 0;

      part->elements = g_array_new (FALSE, FALSE, sizeof (VpndSetElement));
      g_ptr_array_add (change->parts, part);
      for (guint i = 0; i < set->elements->len; i++)
        {
          const VpndSetElement *element = &g_array_index (set->elements, VpndSetElement, i);
          const VpndSetElement *other;

          while (j < others->len && memcmp (g_array_index (others, VpndSetElement, j).key, element->key, size) < 0)
            j++;
          other = j < others->len ? &g_array_index (others, VpndSetElement, j) : NULL;
          if (other == NULL || !vpnd_set_element_equal (set, element, other))
            g_array_append_val (part->elements, *element);
        }
      add_elements (change, part, type, 0);
    }
}

/* A chain with a hook cannot become one of another hook. */
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

/**
 * vpnd_nft_change_free:
 * @change: (transfer full) (nullable): a change
 */
void
vpnd_nft_change_free (VpndNftChange *change)
{
  if (change == NULL)
    return;

  vpnd_ruleset_unref (change->present);
  vpnd_ruleset_unref (change->wanted);
  g_ptr_array_unref (change->parts);
  g_array_unref (change->edits);
  g_free (change);
}

/**
 * vpnd_nft_change_new:
 * @present: what is in force; as it was read from the kernel, so that its rules have their numbers, else less of it stays
 * @wanted: what shall be
 *
 * What goes comes before what comes: that may lie where it was.
 *
 * Returns: (transfer full) (nullable): the change; NULL when nothing differs, or when the whole table has to be made anew, or may as well
 */
VpndNftChange *
vpnd_nft_change_new (VpndRuleset *present, VpndRuleset *wanted)
{
  g_autoptr (VpndNftChange) change = NULL;

  if (!can_change (present, wanted))
    return NULL;
  change = g_new0 (VpndNftChange, 1);
  change->present = vpnd_ruleset_ref (present);
  change->wanted = vpnd_ruleset_ref (wanted);
  change->parts = g_ptr_array_new_with_free_func (part_free);
  change->edits = g_array_new (FALSE, FALSE, sizeof (Edit));
  if (vpnd_ruleset_equal_but_elements (present, wanted))
    {
      add_differences (change, present, wanted, NFT_MSG_DELSETELEM);
      add_differences (change, wanted, present, NFT_MSG_NEWSETELEM);
    }
  else
    {
      remove_old (change);
      add_new (change);
    }
  return change->edits->len > 0 && vpnd_nft_change_messages (change) < vpnd_nft_replace_messages (wanted) ? g_steal_pointer (&change) : NULL;
}

/**
 * vpnd_nft_change_messages:
 * @change: a change
 *
 * Returns: how many messages, and so sequence numbers, vpnd_nft_change_encode() makes of it
 */
guint
vpnd_nft_change_messages (const VpndNftChange *change)
{
  return change->edits->len + FRAME_MESSAGES;
}

static void
put_edit (VpndNftBatch *batch, const char *table, const Edit *edit)
{
  switch (edit->type)
    {
    case NFT_MSG_NEWCHAIN:
      vpnd_nft_batch_put_chain (batch, table, edit->chain);
      return;
    case NFT_MSG_NEWSET:
      vpnd_nft_batch_put_set (batch, table, edit->set, edit->set_id);
      return;
    case NFT_MSG_NEWSETELEM:
      vpnd_nft_batch_put_elements (batch, table, edit->set, edit->set_id, edit->first, edit->type, NLM_F_CREATE | NLM_F_EXCL);
      return;
    case NFT_MSG_DELSETELEM:
      vpnd_nft_batch_put_elements (batch, table, edit->set, 0, edit->first, edit->type, 0);
      return;
    case NFT_MSG_NEWRULE:
      vpnd_nft_batch_put_rule (batch, table, edit->chain->name, edit->rule, edit->handle);
      return;
    default: /* of many more messages these are left, which only name what goes */
      vpnd_nft_batch_put_gone (batch, edit->type, table, edit->set != NULL ? edit->set->name : edit->chain->name, edit->handle);
      return;
    }
}

/**
 * vpnd_nft_change_encode:
 * @change: a change
 * @seq: sequence number of the first of vpnd_nft_change_messages() messages
 *
 * One transaction that makes one ruleset of the other. A chain with a hook that is in both is not taken away: one that goes away takes the packets
 * with it that are held in any queue (nf_queue_nf_hook_drop()). The last message before the end asks for an ack.
 *
 * Returns: (transfer full): the batch; the kernel refuses it, as a rule with ENOENT or EEXIST, when not what it is made for is in force
 */
GBytes *
vpnd_nft_change_encode (const VpndNftChange *change, guint32 seq)
{
  VpndNftBatch batch = { .bytes = g_byte_array_new (), .seq = seq, .awaited_seq = seq + vpnd_nft_change_messages (change) - FRAME_MESSAGES };

  vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_BEGIN, 0);
  for (guint i = 0; i < change->edits->len; i++)
    put_edit (&batch, change->wanted->table, &g_array_index (change->edits, Edit, i));
  vpnd_nft_batch_put_frame (&batch, NFNL_MSG_BATCH_END, 0);
  return vpnd_nft_batch_finish (&batch);
}
