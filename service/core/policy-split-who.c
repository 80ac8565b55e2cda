/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See policy-split-who.h. Where there are many, they are elements of a set, and a socket is looked up once for each level of the cgroups.
 */
#include "config.h"

#include "policy-split-who.h"

#include "reserved.h"

static const char *const set_names[] = {
  [VPND_POLICY_GROUPS_TO_TUNNEL] = "split_tunnel",
  [VPND_POLICY_GROUPS_EXCLUDED] = "split_excluded",
  [VPND_POLICY_GROUPS_BOUND] = "split_bound",
  [VPND_POLICY_GROUPS_REFUSED] = "split_refused",
};

static const struct
{
  int family;
  VpndField destination;
  const char *suffix;
} families[] = {
  { AF_INET, VPND_FIELD_IP_DADDR, "4" },
  { AF_INET6, VPND_FIELD_IP6_DADDR, "6" },
};

/* Ends @rule: with a look at the rest of the rules in @chain, or with accept when it is NULL. */
static void
finish (VpndRule *rule, const char *chain)
{
  if (chain != NULL)
    vpnd_rule_goto (rule, chain);
  else
    vpnd_rule_accept (rule);
}

static gboolean
is_connected_to (const VpndPolicyInput *input, const char *profile)
{
  return input->kind == VPND_POLICY_CONNECTED && g_strcmp0 (input->profile, profile) == 0;
}

static gboolean
is_among (const VpndSplitGroup *group, VpndPolicyGroups groups, const VpndPolicyInput *input)
{
  const gboolean is_bound = group->class_ == VPND_SPLIT_BOUND;

  switch (groups)
    {
    case VPND_POLICY_GROUPS_TO_TUNNEL:
      return group->class_ != VPND_SPLIT_EXCLUDED;
    case VPND_POLICY_GROUPS_EXCLUDED:
      return group->class_ == VPND_SPLIT_EXCLUDED;
    case VPND_POLICY_GROUPS_BOUND:
      return is_bound && is_connected_to (input, group->profile);
    case VPND_POLICY_GROUPS_REFUSED:
      return is_bound && !is_connected_to (input, group->profile);
    }
  g_assert_not_reached ();
}

/* The cgroups of one level among @groups; sockets are looked up once a level. */
static VpndSet *
fill_set (VpndPolicyChains *chains, const char *name, GArray *ids)
{
  VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, name, VPND_FIELD_SOCKET_CGROUP, FALSE, FALSE);

  for (guint i = 0; i < ids->len; i++)
    vpnd_set_add_u64 (set, g_array_index (ids, guint64, i), NULL);
  return set;
}

/* @out_is_awaited: (out): others come and go */
static GArray *
ids_of_level (const VpndPolicyInput *input, VpndPolicyGroups groups, guint level, gboolean *out_is_awaited)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint64));

  *out_is_awaited = FALSE;
  for (guint i = 0; i < input->split->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (input->split->groups, VpndSplitGroup, i);

      if (group->level != level || !is_among (group, groups, input))
        continue;
      if (group->id == 0)
        *out_is_awaited = TRUE;
      else
        g_array_append_val (ids, group->id);
    }
  return ids;
}

static guint
highest_level (const VpndSplitPlan *plan)
{
  guint level = 0;

  for (guint i = 0; i < plan->groups->len; i++)
    level = MAX (level, g_array_index (plan->groups, VpndSplitGroup, i).level);
  return level;
}

/**
 * vpnd_policy_new_rule:
 * @chains: the chains of a ruleset that is being filled
 * @chain: where the rule goes
 *
 * Returns: (transfer none): a rule about every packet
 */
VpndRule *
vpnd_policy_new_rule (VpndPolicyChains *chains, VpndChain *chain)
{
  return vpnd_chain_add_rule (chain);
}

/**
 * vpnd_policy_add_groups:
 * @chains: the chains of a ruleset that is being filled
 * @chain: where the rules go
 * @input: what the policy depends on
 * @groups: which processes are meant
 * @begin: (scope call): makes each rule
 * @target: (nullable): the chain that judges their packets further; NULL accepts them
 *
 * Adds what becomes of the packets of processes. Where units come and go these are elements of a set, also while there is none: that is in force sooner than a
 * rule, and a unit does not wait.
 */
void
vpnd_policy_add_groups (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input, VpndPolicyGroups groups, VpndPolicyNewRuleFunc begin, const char *target)
{
  for (guint level = 0; level <= highest_level (input->split); level++)
    {
      gboolean is_awaited;
      g_autoptr (GArray) ids = ids_of_level (input, groups, level, &is_awaited);
      g_autofree char *set = g_strdup_printf ("%s_%u", set_names[groups], level);

      if (input->split->ground == VPND_SPLIT_GROUND_NET_CLS)
        {
          for (guint i = 0; i < ids->len; i++)
            finish (vpnd_rule_match_u32 (begin (chains, chain), VPND_FIELD_NET_CLS, VPND_OP_EQ, (guint32) g_array_index (ids, guint64, i)), target);
        }
      else if (ids->len == 1 && !is_awaited)
        {
          finish (vpnd_rule_match_cgroup (begin (chains, chain), level, g_array_index (ids, guint64, 0)), target);
        }
      else if (ids->len > 1 || is_awaited)
        {
          if (vpnd_ruleset_find_set (chains->ruleset, set) == NULL)
            (void) fill_set (chains, set, ids);
          finish (vpnd_rule_match_cgroup_set (begin (chains, chain), level, set), target);
        }
    }
}

/**
 * vpnd_policy_add_uids:
 * @chains: the chains of a ruleset that is being filled
 * @chain: where the rule goes
 * @uids: (element-type guint32): users
 * @name: of the set, if it takes one
 * @target: (nullable): the chain that judges their packets further; NULL accepts them
 */
void
vpnd_policy_add_uids (VpndPolicyChains *chains, VpndChain *chain, const GArray *uids, const char *name, const char *target)
{
  VpndRule *rule;

  if (uids->len == 0)
    return;
  rule = vpnd_chain_add_rule (chain);
  if (uids->len == 1)
    {
      finish (vpnd_rule_match_u32 (rule, VPND_FIELD_SKUID, VPND_OP_EQ, g_array_index (uids, guint32, 0)), target);
      return;
    }
  if (vpnd_ruleset_find_set (chains->ruleset, name) == NULL)
    {
      VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, name, VPND_FIELD_SKUID, FALSE, FALSE);

      for (guint i = 0; i < uids->len; i++)
        vpnd_set_add_u32 (set, g_array_index (uids, guint32, i), NULL);
    }
  finish (vpnd_rule_match_set (rule, VPND_FIELD_SKUID, VPND_OP_IN, name), target);
}

/**
 * vpnd_policy_add_prefixes:
 * @chains: the chains of a ruleset that is being filled
 * @chain: where the rules go
 * @prefixes: (element-type VpndPrefix): networks, of either family
 * @name: what the names of the sets begin with
 * @target: (nullable): the chain that judges further what goes there; NULL accepts it
 */
void
vpnd_policy_add_prefixes (VpndPolicyChains *chains, VpndChain *chain, const GArray *prefixes, const char *name, const char *target)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autofree char *set_name = g_strconcat (name, families[i].suffix, NULL);
      VpndSet *set = NULL;
      gboolean is_known = vpnd_ruleset_find_set (chains->ruleset, set_name) != NULL;

      for (guint j = 0; j < prefixes->len; j++)
        {
          const VpndPrefix *prefix = &g_array_index (prefixes, VpndPrefix, j);

          if (prefix->addr.family != families[i].family)
            continue;
          if (set == NULL && !is_known)
            set = vpnd_ruleset_add_set (chains->ruleset, set_name, families[i].destination, TRUE, FALSE);
          if (set != NULL)
            vpnd_set_add_prefix (set, prefix, NULL);
        }
      if (set != NULL || is_known)
        finish (vpnd_rule_match_set (vpnd_chain_add_rule (chain), families[i].destination, VPND_OP_IN, set_name), target);
    }
}

/**
 * vpnd_policy_add_names:
 * @chains: the chains of a ruleset that is being filled
 * @chain: where the rules go
 * @addrs: (element-type VpndAddr): what is known of the domains now
 * @name: what the names of the sets begin with
 * @target: (nullable): the chain that judges further what goes there; NULL accepts it
 *
 * The sets stand there without elements, too: what is known of a domain changes often, and only elements come and go then.
 */
void
vpnd_policy_add_names (VpndPolicyChains *chains, VpndChain *chain, const GArray *addrs, const char *name, const char *target)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autofree char *set_name = g_strconcat (name, families[i].suffix, NULL);
      VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, set_name, families[i].destination, FALSE, FALSE);

      for (guint j = 0; j < addrs->len; j++)
        if (g_array_index (addrs, VpndAddr, j).family == families[i].family)
          vpnd_set_add_addr (set, &g_array_index (addrs, VpndAddr, j), NULL);
      finish (vpnd_rule_match_set (vpnd_chain_add_rule (chain), families[i].destination, VPND_OP_IN, set_name), target);
    }
}

/* Whether a unit may come that is of a class which one of @groups is. */
static gboolean
awaits_any (const VpndPolicyInput *input, VpndPolicyGroups groups)
{
  for (guint i = 0; i < input->split->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (input->split->groups, VpndSplitGroup, i);

      if (group->id == 0 && is_among (group, groups, input))
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_policy_holds_unseen_bound:
 * @input: what the policy depends on
 *
 * Returns: TRUE when a unit that has just come may be bound to a profile that is not connected
 */
gboolean
vpnd_policy_holds_unseen_bound (const VpndPolicyInput *input)
{
  return input->split->folders->len > 0 && awaits_any (input, VPND_POLICY_GROUPS_REFUSED);
}

/* Whether what is in no class may go beside the tunnel, by its user or its peer at least. */
static gboolean
leads_out (const VpndSplitPlan *plan)
{
  return plan->mode == VPND_SPLIT_MODE_INCLUDE || plan->excluded_uids->len + plan->excluded_prefixes->len > 0 || plan->watches_names;
}

/**
 * vpnd_policy_holds_unseen:
 * @input: what the policy depends on
 *
 * Returns: TRUE when a unit that has just come may be one that must not be beside the tunnel, where it would be without its rule
 */
gboolean
vpnd_policy_holds_unseen (const VpndPolicyInput *input)
{
  return vpnd_policy_holds_unseen_bound (input) || (leads_out (input->split) && input->split->folders->len > 0 && awaits_any (input, VPND_POLICY_GROUPS_TO_TUNNEL));
}

/* @level: of the folders. Returns: (transfer full) (element-type guint64): those that count in this state */
static GArray *
folders_of_level (const VpndPolicyInput *input, guint level)
{
  const gboolean holds_all = leads_out (input->split);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (guint i = 0; i < input->split->folders->len; i++)
    {
      const VpndSplitFolder *folder = &g_array_index (input->split->folders, VpndSplitFolder, i);

      if (folder->level == level && (holds_all || folder->holds_bound))
        g_array_append_val (ids, folder->id);
    }
  return ids;
}

/* Fills @name, a chain for packets of units whose cgroups came so short a time ago that nobody has looked yet which class they are of. What stands in a folder itself, and
 * what a unit makes below itself, was never a question. @form: how they are held; VPND_QUEUE_NONE drops them */
static void
add_chain_of_unseen (VpndPolicyChains *chains, const VpndPolicyInput *input, const char *name, VpndQueueForm form)
{
  const GArray *folders = input->split->folders;
  const guint deepest = g_array_index (folders, VpndSplitFolder, folders->len - 1).level;
  VpndChain *chain = vpnd_policy_add_chain (chains, name);

  for (guint level = 0; level <= deepest; level++)
    {
      g_autoptr (GArray) ids = folders_of_level (input, level);
      g_autofree char *set = g_strdup_printf ("split_folders_%u", level);
      VpndRule *rule;

      if (ids->len == 0)
        continue;
      rule = vpnd_chain_add_rule (chain);
      if (level > 0 && ids->len == 1) /* below the root all do */
        vpnd_rule_match_cgroup (rule, level, g_array_index (ids, guint64, 0));
      else if (level > 0)
        {
          if (vpnd_ruleset_find_set (chains->ruleset, set) == NULL)
            (void) fill_set (chains, set, ids);
          vpnd_rule_match_cgroup_set (rule, level, set);
        }
      vpnd_rule_match_newer_cgroup (rule, level + 1, input->split->newest);
      if (form == VPND_QUEUE_NONE)
        vpnd_rule_drop (rule);
      else
        vpnd_rule_queue (rule, form, VPND_UNIT_QUEUE);
    }
}

/**
 * vpnd_policy_add_unseen:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on
 *
 * Adds the chain for packets that would be in the clear, which drops those of a unit that nobody has looked at. It does not refuse them, so TCP asks again.
 */
void
vpnd_policy_add_unseen (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  add_chain_of_unseen (chains, input, VPND_POLICY_CHAIN_UNSEEN, VPND_QUEUE_NONE);
}

/**
 * vpnd_policy_add_held:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on; its plan knows how to hold packets
 *
 * Adds the chain for packets of which no class is known, before that makes a difference: it holds those of a unit that nobody has looked at, until somebody has. Where nobody listens they
 * go on as what has no class, and unmarked, which is into the tunnel or to vpnd_policy_add_unseen().
 */
void
vpnd_policy_add_held (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  add_chain_of_unseen (chains, input, VPND_POLICY_CHAIN_HELD, input->split->hold);
}

/* The classes of one level are one look at the socket. So few are compared instead: measured, a look into a map takes as long as three comparisons. */
#define GROUPS_COMPARED 2

static guint
count_groups (const VpndSplitPlan *plan, guint level, gboolean *out_is_awaited)
{
  guint n_groups = 0;

  *out_is_awaited = FALSE;
  for (guint i = 0; i < plan->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (plan->groups, VpndSplitGroup, i);

      n_groups += group->level == level;
      *out_is_awaited |= group->level == level && group->id == 0;
    }
  return n_groups;
}

static void
add_level (VpndPolicyChains *chains, VpndChain *chain, const VpndSplitPlan *plan, guint level, const char *beside)
{
  const VpndVerdict inside = { .kind = VPND_VERDICT_ACCEPT };
  VpndVerdict excluded = { .kind = VPND_VERDICT_GOTO };
  g_autofree char *name = g_strdup_printf ("split_classes_%u", level);
  gboolean is_awaited;
  guint n_groups = count_groups (plan, level, &is_awaited);
  VpndSet *map = NULL;

  g_strlcpy (excluded.chain, beside, sizeof excluded.chain);
  if (n_groups > GROUPS_COMPARED || is_awaited)
    map = vpnd_ruleset_add_set (chains->ruleset, name, VPND_FIELD_SOCKET_CGROUP, FALSE, TRUE);
  for (guint i = 0; i < plan->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (plan->groups, VpndSplitGroup, i);
      const VpndVerdict *verdict = group->class_ == VPND_SPLIT_EXCLUDED ? &excluded : &inside;

      if (group->level != level || group->id == 0)
        continue;
      if (map != NULL)
        vpnd_set_add_u64 (map, group->id, verdict);
      else
        finish (vpnd_rule_match_cgroup (vpnd_chain_add_rule (chain), level, group->id), verdict->kind == VPND_VERDICT_GOTO ? verdict->chain : NULL);
    }
  if (map != NULL)
    vpnd_rule_vmap_cgroup (vpnd_chain_add_rule (chain), level, name);
}

/**
 * vpnd_policy_add_classes_of:
 * @chains: the chains of a ruleset that is being filled
 * @chain: where the rules go
 * @input: what the policy depends on
 * @beside: the chain that judges further what the excluded send; all other classes are accepted
 *
 * Adds what decides by the process alone.
 */
void
vpnd_policy_add_classes_of (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input, const char *beside)
{
  if (input->split->ground == VPND_SPLIT_GROUND_NET_CLS)
    {
      vpnd_policy_add_groups (chains, chain, input, VPND_POLICY_GROUPS_TO_TUNNEL, vpnd_policy_new_rule, NULL);
      vpnd_policy_add_groups (chains, chain, input, VPND_POLICY_GROUPS_EXCLUDED, vpnd_policy_new_rule, beside);
      return;
    }
  for (guint level = 0; level <= highest_level (input->split); level++)
    add_level (chains, chain, input->split, level, beside);
}
