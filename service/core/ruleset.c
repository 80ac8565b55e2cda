/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/ruleset.h: what it is made of, its life and its comparison. Filling it stands in ruleset-build.c, its text in ruleset-text.c.
 */
#include "config.h"

#include "ruleset.h"

#include <linux/netfilter.h>
#include <string.h>

/* What each field is called in nft(8), how large it is, and what nft(8) adds before it in a table of family inet. */
static const struct
{
  const char *name;
  guint8 size_bytes;
  guint8 nfproto;
  guint8 l4proto;
} field_table[] = {
  [VPND_FIELD_IIFNAME] = { "iifname", 16, 0, 0 },
  [VPND_FIELD_OIFNAME] = { "oifname", 16, 0, 0 },
  [VPND_FIELD_IIF] = { "iif", 4, 0, 0 },
  [VPND_FIELD_OIF] = { "oif", 4, 0, 0 },
  [VPND_FIELD_OIFTYPE] = { "oiftype", 2, 0, 0 },
  [VPND_FIELD_NFPROTO] = { "meta nfproto", 1, 0, 0 },
  [VPND_FIELD_L4PROTO] = { "meta l4proto", 1, 0, 0 },
  [VPND_FIELD_IP_SADDR] = { "ip saddr", 4, NFPROTO_IPV4, 0 },
  [VPND_FIELD_IP_DADDR] = { "ip daddr", 4, NFPROTO_IPV4, 0 },
  [VPND_FIELD_IP6_SADDR] = { "ip6 saddr", 16, NFPROTO_IPV6, 0 },
  [VPND_FIELD_IP6_DADDR] = { "ip6 daddr", 16, NFPROTO_IPV6, 0 },
  [VPND_FIELD_UDP_SPORT] = { "udp sport", 2, 0, IPPROTO_UDP },
  [VPND_FIELD_UDP_DPORT] = { "udp dport", 2, 0, IPPROTO_UDP },
  [VPND_FIELD_TCP_SPORT] = { "tcp sport", 2, 0, IPPROTO_TCP },
  [VPND_FIELD_TCP_DPORT] = { "tcp dport", 2, 0, IPPROTO_TCP },
  [VPND_FIELD_TH_DPORT] = { "th dport", 2, 0, 0 },
  [VPND_FIELD_UDP_START] = { "@th,64,32", 4, 0, IPPROTO_UDP },
  [VPND_FIELD_TCP_FLAGS] = { "tcp flags", 1, 0, IPPROTO_TCP },
  [VPND_FIELD_TCP_MPTCP] = { "tcp option mptcp", 1, 0, 0 },
  [VPND_FIELD_ICMP_TYPE] = { "icmp type", 1, 0, IPPROTO_ICMP },
  [VPND_FIELD_ICMP_CODE] = { "icmp code", 1, 0, IPPROTO_ICMP },
  [VPND_FIELD_ICMPV6_TYPE] = { "icmpv6 type", 1, 0, IPPROTO_ICMPV6 },
  [VPND_FIELD_ICMPV6_CODE] = { "icmpv6 code", 1, 0, IPPROTO_ICMPV6 },
  [VPND_FIELD_ICMP_INNER_START] = { "@th,64,8", 1, 0, IPPROTO_ICMP },
  [VPND_FIELD_ICMP_INNER_L4PROTO] = { "@th,136,8", 1, 0, IPPROTO_ICMP },
  [VPND_FIELD_ICMP_INNER_DADDR] = { "@th,192,32", 4, 0, IPPROTO_ICMP },
  [VPND_FIELD_ICMP_INNER_PORTS] = { "@th,224,32", 4, 0, IPPROTO_ICMP },
  [VPND_FIELD_MARK] = { "meta mark", 4, 0, 0 },
  [VPND_FIELD_CT_MARK] = { "ct mark", 4, 0, 0 },
  [VPND_FIELD_CT_STATE] = { "ct state", 4, 0, 0 },
  [VPND_FIELD_CT_STATUS] = { "ct status", 4, 0, 0 },
  [VPND_FIELD_SKUID] = { "meta skuid", 4, 0, 0 },
  [VPND_FIELD_SOCKET_CGROUP] = { "socket cgroupv2", 8, 0, 0 },
  [VPND_FIELD_NET_CLS] = { "meta cgroup", 4, 0, 0 },
  [VPND_FIELD_FIB_SADDR_TYPE] = { "fib saddr type", 4, 0, 0 },
  [VPND_FIELD_FIB_DADDR_TYPE] = { "fib daddr type", 4, 0, 0 },
};
G_STATIC_ASSERT (G_N_ELEMENTS (field_table) == VPND_N_FIELDS);

/**
 * vpnd_field_size_bytes:
 * @field: a field
 *
 * Returns: how many bytes of a value count for @field
 */
gsize
vpnd_field_size_bytes (VpndField field)
{
  g_return_val_if_fail (field < VPND_N_FIELDS, 0);

  return field_table[field].size_bytes;
}

/**
 * vpnd_field_name:
 * @field: a field
 *
 * Returns: (transfer none): its name in nft(8)
 */
const char *
vpnd_field_name (VpndField field)
{
  g_return_val_if_fail (field < VPND_N_FIELDS, NULL);

  return field_table[field].name;
}

/**
 * vpnd_field_implied_nfproto:
 * @field: a field
 *
 * Returns: NFPROTO_IPV4 or NFPROTO_IPV6 when matching @field implies that family, else 0
 */
guint8
vpnd_field_implied_nfproto (VpndField field)
{
  g_return_val_if_fail (field < VPND_N_FIELDS, 0);

  return field_table[field].nfproto;
}

/**
 * vpnd_field_implied_l4proto:
 * @field: a field
 *
 * Returns: the IPPROTO_* that matching @field implies, else 0
 */
guint8
vpnd_field_implied_l4proto (VpndField field)
{
  g_return_val_if_fail (field < VPND_N_FIELDS, 0);

  return field_table[field].l4proto;
}

/**
 * vpnd_rule_free:
 * @rule: (transfer full) (nullable): a rule
 */
void
vpnd_rule_free (VpndRule *rule)
{
  if (rule == NULL)
    return;

  g_array_unref (rule->matches);
  g_array_unref (rule->statements);
  g_free (rule);
}

/**
 * vpnd_chain_free:
 * @chain: (transfer full) (nullable): a chain
 */
void
vpnd_chain_free (VpndChain *chain)
{
  if (chain == NULL)
    return;

  g_ptr_array_unref (chain->rules);
  g_free (chain);
}

/**
 * vpnd_set_free:
 * @set: (transfer full) (nullable): a set
 */
void
vpnd_set_free (VpndSet *set)
{
  if (set == NULL)
    return;

  g_array_unref (set->elements);
  g_free (set);
}

/**
 * vpnd_ruleset_new:
 * @table: name of the table, of family inet
 *
 * Returns: (transfer full): an empty ruleset, to be filled before it is shared
 */
VpndRuleset *
vpnd_ruleset_new (const char *table)
{
  VpndRuleset *ruleset = g_new0 (VpndRuleset, 1);

  g_atomic_ref_count_init (&ruleset->ref_count);
  g_strlcpy (ruleset->table, table, sizeof ruleset->table);
  ruleset->sets = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_set_free);
  ruleset->chains = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_chain_free);
  return ruleset;
}

/**
 * vpnd_ruleset_ref:
 * @ruleset: a ruleset
 *
 * Returns: (transfer full): @ruleset
 */
VpndRuleset *
vpnd_ruleset_ref (VpndRuleset *ruleset)
{
  g_atomic_ref_count_inc (&ruleset->ref_count);
  return ruleset;
}

/**
 * vpnd_ruleset_unref:
 * @ruleset: (transfer full) (nullable): a ruleset
 */
void
vpnd_ruleset_unref (VpndRuleset *ruleset)
{
  if (ruleset == NULL || !g_atomic_ref_count_dec (&ruleset->ref_count))
    return;

  g_ptr_array_unref (ruleset->sets);
  g_ptr_array_unref (ruleset->chains);
  g_free (ruleset);
}

static gboolean
verdict_equal (const VpndVerdict *a, const VpndVerdict *b)
{
  return a->kind == b->kind && strcmp (a->chain, b->chain) == 0;
}

static gboolean
match_equal (const VpndMatch *a, const VpndMatch *b)
{
  gsize size = vpnd_field_size_bytes (a->field);

  return a->field == b->field && a->op == b->op && a->level == b->level && memcmp (a->value, b->value, size) == 0 &&
      memcmp (a->mask, b->mask, size) == 0 && strcmp (a->set, b->set) == 0;
}

static gboolean
statement_equal (const VpndStatement *a, const VpndStatement *b)
{
  return a->kind == b->kind && verdict_equal (&a->verdict, &b->verdict) && a->value == b->value && a->mask == b->mask &&
      a->field == b->field && a->level == b->level && strcmp (a->map, b->map) == 0 && vpnd_addr_equal (&a->addr, &b->addr);
}

/**
 * vpnd_rule_equal:
 * @a: a rule
 * @b: a rule
 *
 * Returns: TRUE when both mean the same, whatever is in the sets that they name
 */
gboolean
vpnd_rule_equal (const VpndRule *a, const VpndRule *b)
{
  if (a->matches->len != b->matches->len || a->statements->len != b->statements->len)
    return FALSE;

  for (guint i = 0; i < a->matches->len; i++)
    if (!match_equal (&g_array_index (a->matches, VpndMatch, i), &g_array_index (b->matches, VpndMatch, i)))
      return FALSE;
  for (guint i = 0; i < a->statements->len; i++)
    if (!statement_equal (&g_array_index (a->statements, VpndStatement, i), &g_array_index (b->statements, VpndStatement, i)))
      return FALSE;
  return TRUE;
}

/**
 * vpnd_chain_has_form:
 * @a: a chain
 * @b: a chain
 *
 * Returns: TRUE when both have the same name and, where they have a hook, are attached to the same and say the same of what no rule is about
 */
gboolean
vpnd_chain_has_form (const VpndChain *a, const VpndChain *b)
{
  return strcmp (a->name, b->name) == 0 && a->hook == b->hook && (a->hook == VPND_HOOK_NONE || (a->type == b->type && a->priority == b->priority && a->policy == b->policy));
}

/**
 * vpnd_chain_equal:
 * @a: a chain
 * @b: a chain
 *
 * Returns: TRUE when both are the same, rules included, whatever is in the sets that these name
 */
gboolean
vpnd_chain_equal (const VpndChain *a, const VpndChain *b)
{
  if (!vpnd_chain_has_form (a, b) || a->rules->len != b->rules->len)
    return FALSE;

  for (guint i = 0; i < a->rules->len; i++)
    if (!vpnd_rule_equal (g_ptr_array_index (a->rules, i), g_ptr_array_index (b->rules, i)))
      return FALSE;
  return TRUE;
}

static gboolean
set_has_form (const VpndSet *a, const VpndSet *b)
{
  return strcmp (a->name, b->name) == 0 && vpnd_field_size_bytes (b->field) == vpnd_field_size_bytes (a->field) && a->is_interval == b->is_interval &&
      a->is_map == b->is_map;
}

/**
 * vpnd_set_element_equal:
 * @set: a set of that form
 * @a: an element
 * @b: an element
 *
 * Returns: TRUE when both are the same keys, with the same verdict in a map
 */
gboolean
vpnd_set_element_equal (const VpndSet *set, const VpndSetElement *a, const VpndSetElement *b)
{
  const gsize size = vpnd_field_size_bytes (set->field);

  return memcmp (a->key, b->key, size) == 0 && memcmp (a->key_end, b->key_end, size) == 0 && (!set->is_map || verdict_equal (&a->verdict, &b->verdict));
}

/**
 * vpnd_set_equal:
 * @a: a set
 * @b: a set
 *
 * Returns: TRUE when both have the same name, the same form and the same elements
 */
gboolean
vpnd_set_equal (const VpndSet *a, const VpndSet *b)
{
  if (!set_has_form (a, b) || a->elements->len != b->elements->len)
    return FALSE;

  for (guint i = 0; i < a->elements->len; i++)
    {
      const VpndSetElement *x = &g_array_index (a->elements, VpndSetElement, i);
      const VpndSetElement *y = &g_array_index (b->elements, VpndSetElement, i);

      if (!vpnd_set_element_equal (a, x, y))
        return FALSE;
    }
  return TRUE;
}

static gboolean
sets_equal (const VpndSet *a, const VpndSet *b, gboolean by_form)
{
  return by_form ? set_has_form (a, b) : vpnd_set_equal (a, b);
}

static gboolean
rulesets_equal (const VpndRuleset *a, const VpndRuleset *b, gboolean by_form)
{
  if (strcmp (a->table, b->table) != 0 || a->chains->len != b->chains->len || a->sets->len != b->sets->len)
    return FALSE;

  for (guint i = 0; i < a->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (a->chains, i);
      const VpndChain *other = vpnd_ruleset_find_chain (b, chain->name);

      if (other == NULL || !vpnd_chain_equal (chain, other))
        return FALSE;
    }
  for (guint i = 0; i < a->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (a->sets, i);
      const VpndSet *other = vpnd_ruleset_find_set (b, set->name);

      if (other == NULL || !sets_equal (set, other, by_form))
        return FALSE;
    }
  return TRUE;
}

/**
 * vpnd_ruleset_equal:
 * @a: a ruleset
 * @b: a ruleset
 *
 * Chains are compared by name, because the kernel lists them in an order of its own; rules in order; sets by name.
 *
 * Returns: TRUE when both mean the same to the kernel
 */
gboolean
vpnd_ruleset_equal (const VpndRuleset *a, const VpndRuleset *b)
{
  return rulesets_equal (a, b, FALSE);
}

/**
 * vpnd_ruleset_equal_but_elements:
 * @a: a ruleset
 * @b: a ruleset
 *
 * Returns: TRUE when one becomes the other by adding elements to its sets and maps and taking some away; equal ones do
 */
gboolean
vpnd_ruleset_equal_but_elements (const VpndRuleset *a, const VpndRuleset *b)
{
  return rulesets_equal (a, b, TRUE);
}

/**
 * vpnd_ruleset_is_closed:
 * @ruleset: a ruleset
 *
 * Returns: TRUE when what leaves the host needs a rule that lets it: a chain of the output hook drops
 */
gboolean
vpnd_ruleset_is_closed (const VpndRuleset *ruleset)
{
  for (guint i = 0; i < ruleset->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

      if (chain->hook == VPND_HOOK_OUTPUT && chain->policy == VPND_VERDICT_DROP)
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_ruleset_add_chain:
 * @ruleset: a ruleset that is not shared yet
 * @name: name of the chain
 * @type: filter, route or nat; ignored without a hook
 * @hook: where it is attached, or VPND_HOOK_NONE for a chain that is jumped to
 * @priority: order among the chains of the hook; ignored without one
 * @policy: VPND_VERDICT_ACCEPT or VPND_VERDICT_DROP; ignored without a hook
 *
 * Returns: (transfer none): the chain
 */
VpndChain *
vpnd_ruleset_add_chain (VpndRuleset *ruleset, const char *name, VpndChainType type, VpndHook hook, gint32 priority, VpndVerdictKind policy)
{
  VpndChain *chain = g_new0 (VpndChain, 1);

  g_strlcpy (chain->name, name, sizeof chain->name);
  chain->type = type;
  chain->hook = hook;
  chain->priority = priority;
  chain->policy = policy;
  chain->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_rule_free);
  g_ptr_array_add (ruleset->chains, chain);
  return chain;
}

/**
 * vpnd_ruleset_add_set:
 * @ruleset: a ruleset that is not shared yet
 * @name: name of the set
 * @field: what its keys are
 * @is_interval: its elements may be ranges
 * @is_map: its elements carry verdicts
 *
 * Returns: (transfer none): the set
 */
VpndSet *
vpnd_ruleset_add_set (VpndRuleset *ruleset, const char *name, VpndField field, gboolean is_interval, gboolean is_map)
{
  VpndSet *set = g_new0 (VpndSet, 1);

  g_strlcpy (set->name, name, sizeof set->name);
  set->field = field;
  set->is_interval = is_interval;
  set->is_map = is_map;
  set->elements = g_array_new (FALSE, TRUE, sizeof (VpndSetElement));
  g_ptr_array_add (ruleset->sets, set);
  return set;
}

/**
 * vpnd_ruleset_find_chain:
 * @ruleset: a ruleset
 * @name: name of a chain
 *
 * Returns: (transfer none) (nullable): the chain
 */
const VpndChain *
vpnd_ruleset_find_chain (const VpndRuleset *ruleset, const char *name)
{
  for (guint i = 0; i < ruleset->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

      if (strcmp (chain->name, name) == 0)
        return chain;
    }
  return NULL;
}

/**
 * vpnd_ruleset_find_set:
 * @ruleset: a ruleset
 * @name: name of a set
 *
 * Returns: (transfer none) (nullable): the set
 */
const VpndSet *
vpnd_ruleset_find_set (const VpndRuleset *ruleset, const char *name)
{
  for (guint i = 0; i < ruleset->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (ruleset->sets, i);

      if (strcmp (set->name, name) == 0)
        return set;
    }
  return NULL;
}
