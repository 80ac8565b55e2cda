/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-plan.h. Programs, applications and units are the classifier's business: here they are the id of their class. Users, subnets and domains
 * become numbers and addresses.
 */
#include "config.h"

#include "split-plan.h"

#include <string.h>

#define INCLUDED_REASON "a rule that includes a subnet with all of it comes first"
#define SYSTEM_REASON "a system-wide rule for the same program comes first, and says otherwise"

static void
clear_group (gpointer data)
{
  g_free (((VpndSplitGroup *) data)->profile);
}

static VpndSplitPlan *
plan_new (void)
{
  VpndSplitPlan *plan = g_new0 (VpndSplitPlan, 1);

  g_atomic_ref_count_init (&plan->ref_count);
  plan->groups = g_array_new (FALSE, TRUE, sizeof (VpndSplitGroup));
  g_array_set_clear_func (plan->groups, clear_group);
  plan->folders = g_array_new (FALSE, TRUE, sizeof (VpndSplitFolder));
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
compare_groups (gconstpointer a, gconstpointer b)
{
  const VpndSplitGroup *x = a;
  const VpndSplitGroup *y = b;
  int order = (x->class_ > y->class_) - (x->class_ < y->class_);

  if (order == 0)
    order = g_strcmp0 (x->profile, y->profile);
  if (order == 0)
    order = (x->level > y->level) - (x->level < y->level);
  return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static int
compare_folders (gconstpointer a, gconstpointer b)
{
  const VpndSplitFolder *x = a, *y = b;

  if (x->level != y->level || x->holds_bound != y->holds_bound)
    return x->level != y->level ? x->level - y->level : x->holds_bound - y->holds_bound;
  return (x->id > y->id) - (x->id < y->id);
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

/* A packet never goes to loopback by a link, a multicast group is nobody's address, and one of a link says nothing without the link. */
static gboolean
is_host (const VpndAddr *addr)
{
  const VpndPrefix link_local = { .addr = { .family = AF_INET6, .bytes = { 0xfe, 0x80 } }, .length = 10 };

  return vpnd_addr_is_unicast (addr) && !vpnd_addr_is_loopback (addr) && !vpnd_prefix_contains (&link_local, addr);
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
add_group (VpndSplitPlan *plan, VpndSplitClass class_, const char *profile, guint level, guint64 id)
{
  const VpndSplitGroup group = { class_, g_strdup (profile), (guint8) level, id };

  if (id != 0 && level <= G_MAXUINT8)
    g_array_append_val (plan->groups, group);
  else
    g_free (group.profile);
}

static guint
count (const char *text, char sign)
{
  guint n = 0;

  for (; *text != '\0'; text++)
    n += *text == sign ? 1 : 0;
  return n;
}

/* Where systemd makes the cgroup of what @rule names, as a rule: systemd.slice(5), systemd.special(7). The instances of a template have a slice of their own,
 * "a-b.slice" stands in "a.slice", and a user's manager in user.slice/user-UID.slice/user@UID.service. What comes to stand elsewhere is matched as well, later. */
static guint
find_usual_level (const VpndSplitRule *rule)
{
  const guint manager = rule->kind == VPND_SPLIT_APP || rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM ? 3 : 0;

  if (rule->kind == VPND_SPLIT_UNIT && g_str_has_suffix (rule->value, ".slice"))
    return manager + 1 + count (rule->value, '-');
  return manager + 2 + (rule->kind == VPND_SPLIT_UNIT && strchr (rule->value, '@') != NULL ? 1 : 0);
}

static void
await_units (VpndSplitPlan *plan, const VpndSplitConfig *config)
{
  for (guint i = 0; plan->ground == VPND_SPLIT_GROUND_CGROUP2 && i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);
      VpndSplitGroup group = { rule->class_, rule->profile, 0, 0 };
      gboolean is_known = FALSE;

      if (rule->kind != VPND_SPLIT_UNIT && rule->kind != VPND_SPLIT_APP)
        continue;
      group.level = (guint8) MIN (find_usual_level (rule), G_MAXUINT8);
      for (guint k = 0; k < plan->groups->len && !is_known; k++)
        is_known = compare_groups (&g_array_index (plan->groups, VpndSplitGroup, k), &group) == 0;
      if (is_known)
        continue;
      group.profile = g_strdup (rule->profile);
      g_array_append_val (plan->groups, group);
    }
}

/* Managers that run what may not be in the clear, and for which classes' sake. */
typedef struct
{
  GHashTable *included; /* (element-type guint32) (owned): a set */
  GHashTable *bound;    /* the same */
  gboolean all_included;
  gboolean all_bound;
} Strict;

static void
strict_clear (Strict *strict)
{
  g_hash_table_unref (strict->included);
  g_hash_table_unref (strict->bound);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Strict, strict_clear)

/* An application of a rule for everybody runs in units of whoever starts it. */
static void
note_strict (Strict *strict, const VpndSplitRule *rule, gboolean leads_out)
{
  const gboolean is_bound = rule->class_ == VPND_SPLIT_BOUND;

  if (rule->kind != VPND_SPLIT_UNIT && rule->kind != VPND_SPLIT_APP)
    return;
  if (!is_bound && (rule->class_ == VPND_SPLIT_EXCLUDED || !leads_out))
    return;
  if (rule->kind == VPND_SPLIT_UNIT || rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM)
    g_hash_table_add (is_bound ? strict->bound : strict->included, GUINT_TO_POINTER (rule->owner_uid));
  else if (is_bound)
    strict->all_bound = TRUE;
  else
    strict->all_included = TRUE;
}

static void
add_folders (VpndSplitPlan *plan, const VpndSplitConfig *config, const VpndSplitStanding *standing)
{
  g_auto (Strict) strict = { g_hash_table_new (NULL, NULL), g_hash_table_new (NULL, NULL), FALSE, FALSE };
  const gboolean leads_out = vpnd_split_config_leads_out (config);

  if (standing->ground != VPND_SPLIT_GROUND_CGROUP2 || standing->newest == 0)
    return;
  plan->newest = standing->newest;
  for (guint i = 0; i < config->rules->len; i++)
    note_strict (&strict, g_ptr_array_index (config->rules, i), leads_out);
  for (guint i = 0; i < standing->folders->len; i++)
    {
      const VpndSplitFolderId *id = &g_array_index (standing->folders, VpndSplitFolderId, i);
      const gboolean holds_bound = strict.all_bound || g_hash_table_contains (strict.bound, GUINT_TO_POINTER (id->manager));
      const VpndSplitFolder folder = { .level = (guint8) id->level, .holds_bound = holds_bound, .id = id->id };

      if (id->level < G_MAXUINT8 && (holds_bound || strict.all_included || g_hash_table_contains (strict.included, GUINT_TO_POINTER (id->manager))))
        g_array_append_val (plan->folders, folder);
    }
  g_array_sort (plan->folders, compare_folders);
  if (plan->folders->len == 0)
    plan->newest = 0;
  else
    plan->hold = standing->hold;
}

/* A class in which nobody can be is left out: rules cost every packet of the host. */
static void
add_standing (VpndSplitPlan *plan, const VpndSplitConfig *config, const VpndSplitStanding *standing, gboolean has_asked)
{
  const guint level = standing->ground == VPND_SPLIT_GROUND_CGROUP2 ? standing->level : 0;

  plan->ground = standing->ground;
  if (standing->ground == VPND_SPLIT_GROUND_NONE)
    return;
  await_units (plan, config); /* first: of these there are few */
  if (has_asked || vpnd_split_config_needs_launches (config))
    {
      add_group (plan, VPND_SPLIT_EXCLUDED, NULL, level, standing->excluded_id);
      add_group (plan, VPND_SPLIT_INCLUDED, NULL, level, standing->included_id);
    }
  for (guint i = 0; i < standing->bound->len; i++)
    {
      const VpndSplitBoundId *bound = &g_array_index (standing->bound, VpndSplitBoundId, i);

      add_group (plan, VPND_SPLIT_BOUND, bound->profile, level, bound->id);
    }
  for (guint i = 0; i < standing->units->len; i++)
    {
      const VpndSplitUnitId *unit = &g_array_index (standing->units, VpndSplitUnitId, i);

      add_group (plan, unit->class_, unit->profile, unit->level, unit->id);
    }
  g_array_sort (plan->groups, compare_groups);
  add_folders (plan, config, standing);
}

static void
add_facts (VpndSplitPlan *plan, const VpndSplitConfig *config, const VpndSplitFacts *facts)
{
  if (facts->standing != NULL)
    add_standing (plan, config, facts->standing, facts->has_asked);
  for (guint i = 0; facts->outside_dns != NULL && i < facts->outside_dns->len; i++)
    {
      const VpndAddr *server = &g_array_index (facts->outside_dns, VpndAddr, i);

      if (is_host (server))
        g_array_append_vals (plan->outside_dns, server, 1);
    }
}

/* In include mode what is in no class is in the clear. While launches are not seen nobody can be told from the programs that are to be inside the tunnel, and where
 * there is no cgroup2 nobody from the units. */
static gboolean
is_blind (const VpndSplitConfig *config, const VpndSplitStanding *standing)
{
  for (guint i = 0; standing != NULL && i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if (rule->class_ != VPND_SPLIT_EXCLUDED && (rule->kind == VPND_SPLIT_PATH || rule->kind == VPND_SPLIT_APP) && !standing->holds_launches)
        return TRUE;
      if (rule->class_ != VPND_SPLIT_EXCLUDED && rule->kind == VPND_SPLIT_UNIT && standing->ground != VPND_SPLIT_GROUND_CGROUP2)
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_split_plan_build:
 * @config: what the users want
 * @facts: what is there
 *
 * A class without an id is left out, so what was to be in it goes by the tunnel; so is a domain of which nothing is known yet. A resolver on loopback
 * is nobody that a packet could be sent to outside. Include mode is not in force as long as programs that it is about could not be told apart: all that has no
 * class goes by the tunnel then. What has come to stand where units do and was not looked at yet may be any of them.
 *
 * Returns: (transfer full): the plan
 */
VpndSplitPlan *
vpnd_split_plan_build (const VpndSplitConfig *config, const VpndSplitFacts *facts)
{
  VpndSplitPlan *plan = plan_new ();
  g_autoptr (GHashTable) names = index_names (facts->names);

  plan->mode = is_blind (config, facts->standing) ? VPND_SPLIT_MODE_EXCLUDE : config->mode;
  add_facts (plan, config, facts);
  for (guint i = 0; i < config->rules->len; i++)
    add_rule (plan, g_ptr_array_index (config->rules, i), names);
  plan->watches_names = plan->watches_names && facts->queue != VPND_QUEUE_NONE;
  plan->queue = plan->watches_names ? facts->queue : VPND_QUEUE_NONE;
  if (!plan->watches_names) /* no rule by domain takes effect then, not even with what was learnt before */
    {
      g_array_set_size (plan->excluded_addrs, 0);
      g_array_set_size (plan->included_addrs, 0);
    }
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

  g_array_unref (plan->groups);
  g_array_unref (plan->folders);
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
  return a->mode == b->mode && a->ground == b->ground && a->watches_names == b->watches_names && a->queue == b->queue && a->newest == b->newest && a->hold == b->hold && arrays_equal (a->groups, b->groups, compare_groups) &&
      arrays_equal (a->folders, b->folders, compare_folders) &&
      arrays_equal (a->excluded_uids, b->excluded_uids, compare_u32) && arrays_equal (a->included_uids, b->included_uids, compare_u32) &&
      arrays_equal (a->excluded_prefixes, b->excluded_prefixes, compare_prefixes) &&
      arrays_equal (a->included_prefixes, b->included_prefixes, compare_prefixes) && arrays_equal (a->excluded_addrs, b->excluded_addrs, compare_addrs) &&
      arrays_equal (a->included_addrs, b->included_addrs, compare_addrs) && arrays_equal (a->outside_dns, b->outside_dns, compare_addrs);
}

static gboolean
has_group (const VpndSplitPlan *plan, guint64 cgroup, gboolean is_excluded)
{
  for (guint i = 0; plan->ground == VPND_SPLIT_GROUND_CGROUP2 && cgroup != 0 && i < plan->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (plan->groups, VpndSplitGroup, i);

      if (group->id == cgroup && (group->class_ == VPND_SPLIT_EXCLUDED) == is_excluded)
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_uid (const GArray *uids, guint32 uid)
{
  for (guint i = 0; i < uids->len; i++)
    if (g_array_index (uids, guint32, i) == uid)
      return TRUE;
  return FALSE;
}

static gboolean
has_remote (const GArray *prefixes, const GArray *addrs, const VpndAddr *remote)
{
  for (guint i = 0; i < prefixes->len; i++)
    if (vpnd_prefix_contains (&g_array_index (prefixes, VpndPrefix, i), remote))
      return TRUE;
  for (guint i = 0; i < addrs->len; i++)
    if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), remote))
      return TRUE;
  return FALSE;
}

/**
 * vpnd_split_plan_is_beside:
 * @plan: a plan
 * @cgroup: number of the cgroup2 that a socket was made in; 0 for unknown
 * @uid: whose it is
 * @remote: its peer
 *
 * In the order of the rules (core/policy-split.c): the process, then what is to be inside the tunnel, then what is not. A cgroup below that of a class is not
 * known to be of it: the kernel tells of a socket one number only.
 *
 * Returns: TRUE when a new flow of the socket would go beside the tunnel
 */
gboolean
vpnd_split_plan_is_beside (const VpndSplitPlan *plan, guint64 cgroup, guint32 uid, const VpndAddr *remote)
{
  if (has_group (plan, cgroup, FALSE))
    return FALSE;
  if (has_group (plan, cgroup, TRUE))
    return TRUE;
  if (has_uid (plan->included_uids, uid) || has_remote (plan->included_prefixes, plan->included_addrs, remote))
    return FALSE;
  return plan->mode == VPND_SPLIT_MODE_INCLUDE || has_uid (plan->excluded_uids, uid) || has_remote (plan->excluded_prefixes, plan->excluded_addrs, remote);
}

/* Whether all of @subnet is in one that a rule includes. */
static gboolean
keeps_inside (const VpndSplitPlan *plan, const char *subnet)
{
  guint first = 0, end = plan->included_prefixes->len;
  const VpndPrefix *before;
  VpndPrefix prefix;

  if (!vpnd_prefix_parse (subnet, &prefix))
    return FALSE;
  while (first < end)
    {
      const guint middle = first + (end - first) / 2;

      if (vpnd_prefix_compare (&g_array_index (plan->included_prefixes, VpndPrefix, middle), &prefix) <= 0)
        first = middle + 1;
      else
        end = middle;
    }
  if (first == 0)
    return FALSE;
  before = &g_array_index (plan->included_prefixes, VpndPrefix, first - 1); /* none is inside another: only this one can have it */
  return before->addr.family == prefix.addr.family && before->length <= prefix.length && vpnd_prefix_contains (before, &prefix.addr);
}

/**
 * vpnd_split_plan_get_overruled_reason:
 * @plan: a plan
 * @config: what it was made of
 * @rule: one of @config
 *
 * Another rule, which comes first, may say otherwise of all that this one names.
 *
 * Returns: (transfer none) (nullable): why @rule does nothing then, for its owner
 */
const char *
vpnd_split_plan_get_overruled_reason (const VpndSplitPlan *plan, const VpndSplitConfig *config, const VpndSplitRule *rule)
{
  const VpndSplitRule *first;

  if (rule->kind == VPND_SPLIT_SUBNET)
    return rule->class_ == VPND_SPLIT_EXCLUDED && keeps_inside (plan, rule->value) ? INCLUDED_REASON : NULL;
  if (rule->kind != VPND_SPLIT_PATH || rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM)
    return NULL;
  first = vpnd_split_config_find (config, rule->kind, rule->value, VPND_SPLIT_OWNER_SYSTEM);
  return first != NULL && (first->class_ != rule->class_ || g_strcmp0 (first->profile, rule->profile) != 0) ? SYSTEM_REASON : NULL;
}

/**
 * vpnd_split_plan_has_class:
 * @plan: a plan
 * @class_: a class
 *
 * Returns: TRUE when there are cgroups whose processes are in @class_
 */
gboolean
vpnd_split_plan_has_class (const VpndSplitPlan *plan, VpndSplitClass class_)
{
  for (guint i = 0; i < plan->groups->len; i++)
    if (g_array_index (plan->groups, VpndSplitGroup, i).class_ == class_)
      return TRUE;
  return FALSE;
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
  return plan == NULL || (plan->mode == VPND_SPLIT_MODE_EXCLUDE && !vpnd_split_plan_has_class (plan, VPND_SPLIT_EXCLUDED) && !vpnd_split_plan_has_class (plan, VPND_SPLIT_BOUND) && plan->excluded_uids->len == 0 && plan->excluded_prefixes->len == 0 && plan->excluded_addrs->len == 0 && !plan->watches_names);
}
