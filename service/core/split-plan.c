/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-plan.h. Programs, applications and units are the classifier's business: here they are the id of their class. Users, subnets and domains
 * become numbers and addresses.
 */
#include "config.h"

#include "split-plan.h"

#include <string.h>

static void
clear_bound (gpointer data)
{
  g_free (((VpndSplitBound *) data)->profile);
}

static VpndSplitPlan *
plan_new (void)
{
  VpndSplitPlan *plan = g_new0 (VpndSplitPlan, 1);

  g_atomic_ref_count_init (&plan->ref_count);
  plan->bound = g_array_new (FALSE, TRUE, sizeof (VpndSplitBound));
  g_array_set_clear_func (plan->bound, clear_bound);
  plan->excluded_uids = g_array_new (FALSE, TRUE, sizeof (guint32));
  plan->included_uids = g_array_new (FALSE, TRUE, sizeof (guint32));
  plan->excluded_prefixes = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  plan->included_prefixes = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  plan->excluded_addrs = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  plan->included_addrs = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  plan->outside_dns = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  return plan;
}

static int
compare_u32 (gconstpointer a, gconstpointer b)
{
  const guint32 x = *(const guint32 *) a;
  const guint32 y = *(const guint32 *) b;

  return (x > y) - (x < y);
}

static int
compare_addrs (gconstpointer a, gconstpointer b)
{
  return vpnd_addr_compare (a, b);
}

static int
compare_bound (gconstpointer a, gconstpointer b)
{
  return strcmp (((const VpndSplitBound *) a)->profile, ((const VpndSplitBound *) b)->profile);
}

/* Sorts, and keeps one of those that are equal. */
static void
sort_unique (GArray *array, GCompareFunc compare)
{
  const gsize size = g_array_get_element_size (array);
  guint kept = 0;

  g_array_sort (array, compare);
  for (guint i = 0; i < array->len; i++)
    if (kept == 0 || compare (array->data + (kept - 1) * size, array->data + i * size) != 0)
      memmove (array->data + kept++ * size, array->data + i * size, size);
  g_array_set_size (array, kept);
}

/* A packet never goes to loopback by a link, and a group is nobody's address: neither is what an honest resolver says of a host. */
static gboolean
is_host (const VpndAddr *addr)
{
  return vpnd_addr_is_unicast (addr) && !vpnd_addr_is_loopback (addr);
}

static void
append_addrs_of (GArray *addrs, const VpndSplitName *name)
{
  for (guint i = 0; name != NULL && name->addrs != NULL && i < name->addrs->len; i++)
    {
      const VpndAddr *addr = &g_array_index (name->addrs, VpndAddr, i);

      if (is_host (addr))
        g_array_append_vals (addrs, addr, 1);
    }
}

/* There may be as many domains as rules. Returns: (transfer full) (element-type utf8 VpndSplitName) */
static GHashTable *
index_names (const GArray *names)
{
  GHashTable *index = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      VpndSplitName *name = &g_array_index (names, VpndSplitName, i);

      g_hash_table_insert (index, (char *) name->domain, name);
    }
  return index;
}

static void
add_rule (VpndSplitPlan *plan, const VpndSplitRule *rule, GHashTable *names)
{
  const gboolean is_excluded = rule->class_ == VPND_SPLIT_EXCLUDED;
  guint64 uid = 0;
  VpndPrefix prefix;

  switch (rule->kind)
    {
    case VPND_SPLIT_PATH:
    case VPND_SPLIT_APP:
    case VPND_SPLIT_UNIT:
      return; /* their processes stand in a class */
    case VPND_SPLIT_UID:
      if (g_ascii_string_to_unsigned (rule->value, 10, 0, G_MAXUINT32 - 1, &uid, NULL))
        {
          const guint32 value = (guint32) uid;

          g_array_append_val (is_excluded ? plan->excluded_uids : plan->included_uids, value);
        }
      return;
    case VPND_SPLIT_SUBNET:
      if (vpnd_prefix_parse (rule->value, &prefix))
        g_array_append_val (is_excluded ? plan->excluded_prefixes : plan->included_prefixes, prefix);
      return;
    case VPND_SPLIT_DOMAIN:
      plan->watches_names = TRUE;
      append_addrs_of (is_excluded ? plan->excluded_addrs : plan->included_addrs, g_hash_table_lookup (names, rule->value));
      return;
    case VPND_N_SPLIT_KINDS:
      break;
    }
  g_assert_not_reached ();
}

static void
merge (GArray **prefixes)
{
  GArray *merged = vpnd_split_merge_subnets (*prefixes);

  g_array_unref (*prefixes);
  *prefixes = merged;
}

static void
add_facts (VpndSplitPlan *plan, const VpndSplitFacts *facts)
{
  plan->ground = facts->ground;
  plan->level = facts->ground == VPND_SPLIT_GROUND_CGROUP2 ? facts->level : 0;
  plan->excluded_id = facts->ground != VPND_SPLIT_GROUND_NONE ? facts->excluded_id : 0;
  plan->included_id = facts->ground != VPND_SPLIT_GROUND_NONE ? facts->included_id : 0;
  for (guint i = 0; facts->ground != VPND_SPLIT_GROUND_NONE && facts->bound != NULL && i < facts->bound->len; i++)
    {
      const VpndSplitBound *bound = &g_array_index (facts->bound, VpndSplitBound, i);
      const VpndSplitBound copy = { g_strdup (bound->profile), bound->id };

      if (copy.id != 0 && plan->bound->len < VPND_SPLIT_MAX_PROFILES)
        g_array_append_val (plan->bound, copy);
      else
        g_free (copy.profile);
    }
  g_array_sort (plan->bound, compare_bound);
  for (guint i = 0; facts->outside_dns != NULL && i < facts->outside_dns->len; i++)
    {
      const VpndAddr *server = &g_array_index (facts->outside_dns, VpndAddr, i);

      if (is_host (server))
        g_array_append_vals (plan->outside_dns, server, 1);
    }
}

/**
 * vpnd_split_plan_build:
 * @config: what the users want
 * @facts: what is there
 *
 * A class without an id is left out, so what was to be in it goes by the tunnel; so is a domain of which nothing is known yet. A resolver on loopback
 * is nobody that a packet could be sent to outside.
 *
 * Returns: (transfer full): the plan
 */
VpndSplitPlan *
vpnd_split_plan_build (const VpndSplitConfig *config, const VpndSplitFacts *facts)
{
  VpndSplitPlan *plan = plan_new ();
  g_autoptr (GHashTable) names = index_names (facts->names);

  plan->mode = config->mode;
  add_facts (plan, facts);
  for (guint i = 0; i < config->rules->len; i++)
    add_rule (plan, g_ptr_array_index (config->rules, i), names);
  plan->watches_names = plan->watches_names && facts->queue != VPND_QUEUE_NONE;
  plan->queue = plan->watches_names ? facts->queue : VPND_QUEUE_NONE;
  sort_unique (plan->excluded_uids, compare_u32);
  sort_unique (plan->included_uids, compare_u32);
  sort_unique (plan->excluded_addrs, compare_addrs);
  sort_unique (plan->included_addrs, compare_addrs);
  merge (&plan->excluded_prefixes);
  merge (&plan->included_prefixes);
  return plan;
}

/**
 * vpnd_split_plan_ref:
 * @plan: a plan
 *
 * Returns: (transfer full): @plan
 */
VpndSplitPlan *
vpnd_split_plan_ref (VpndSplitPlan *plan)
{
  g_atomic_ref_count_inc (&plan->ref_count);
  return plan;
}

/**
 * vpnd_split_plan_unref:
 * @plan: (transfer full) (nullable): a plan
 */
void
vpnd_split_plan_unref (VpndSplitPlan *plan)
{
  if (plan == NULL || !g_atomic_ref_count_dec (&plan->ref_count))
    return;

  g_array_unref (plan->bound);
  g_array_unref (plan->excluded_uids);
  g_array_unref (plan->included_uids);
  g_array_unref (plan->excluded_prefixes);
  g_array_unref (plan->included_prefixes);
  g_array_unref (plan->excluded_addrs);
  g_array_unref (plan->included_addrs);
  g_array_unref (plan->outside_dns);
  g_free (plan);
}

static int
compare_prefixes (gconstpointer a, gconstpointer b)
{
  return vpnd_prefix_compare (a, b);
}

static gboolean
arrays_equal (const GArray *a, const GArray *b, GCompareFunc compare)
{
  const gsize size = g_array_get_element_size ((GArray *) a);

  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (compare (a->data + i * size, b->data + i * size) != 0)
      return FALSE;
  return TRUE;
}

static int
compare_bound_whole (gconstpointer a, gconstpointer b)
{
  const int order = compare_bound (a, b);

  return order != 0 ? order : ((const VpndSplitBound *) a)->id != ((const VpndSplitBound *) b)->id;
}

/**
 * vpnd_split_plan_equal:
 * @a: (nullable): a plan
 * @b: (nullable): a plan
 *
 * Returns: TRUE when both mean the same; no plan is equal to none only
 */
gboolean
vpnd_split_plan_equal (const VpndSplitPlan *a, const VpndSplitPlan *b)
{
  if (a == b || a == NULL || b == NULL)
    return a == b;
  return a->mode == b->mode && a->ground == b->ground && a->level == b->level && a->excluded_id == b->excluded_id &&
      a->included_id == b->included_id && a->watches_names == b->watches_names && a->queue == b->queue && arrays_equal (a->bound, b->bound, compare_bound_whole) &&
      arrays_equal (a->excluded_uids, b->excluded_uids, compare_u32) && arrays_equal (a->included_uids, b->included_uids, compare_u32) &&
      arrays_equal (a->excluded_prefixes, b->excluded_prefixes, compare_prefixes) &&
      arrays_equal (a->included_prefixes, b->included_prefixes, compare_prefixes) && arrays_equal (a->excluded_addrs, b->excluded_addrs, compare_addrs) &&
      arrays_equal (a->included_addrs, b->included_addrs, compare_addrs) && arrays_equal (a->outside_dns, b->outside_dns, compare_addrs);
}

/**
 * vpnd_split_plan_is_empty:
 * @plan: (nullable): a plan
 *
 * Returns: TRUE when nothing goes beside the tunnel by it and nothing is bound, so that the rules are those of a host without split tunnelling
 */
gboolean
vpnd_split_plan_is_empty (const VpndSplitPlan *plan)
{
  return plan == NULL || (plan->mode == VPND_SPLIT_MODE_EXCLUDE && plan->excluded_id == 0 && plan->bound->len == 0 && plan->excluded_uids->len == 0 && plan->excluded_prefixes->len == 0 && plan->excluded_addrs->len == 0 && !plan->watches_names);
}
