/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-standing.h.
 */
#include "config.h"

#include "split-standing.h"

static void
bound_clear (VpndSplitBoundId *bound)
{
  g_free (bound->profile);
}

static void
unit_clear (VpndSplitUnitId *unit)
{
  g_free (unit->profile);
}

static guint
rule_hash (gconstpointer key)
{
  const VpndSplitRule *rule = key;

  return g_str_hash (rule->value) ^ rule->owner_uid ^ ((guint) rule->kind << 16);
}

static gboolean
rule_same_name (gconstpointer a, gconstpointer b)
{
  return vpnd_split_rule_compare (a, b) == 0;
}

/**
 * vpnd_split_standing_new:
 * @ground: how classes are told apart
 * @level: of the classes
 *
 * Returns: (transfer full): a standing without classes and troubles; filled in by who makes it before anybody else sees it
 */
VpndSplitStanding *
vpnd_split_standing_new (VpndSplitGround ground, guint level)
{
  VpndSplitStanding *standing = g_rc_box_new0 (VpndSplitStanding);

  standing->ground = ground;
  standing->level = level;
  standing->bound = g_array_new (FALSE, FALSE, sizeof (VpndSplitBoundId));
  g_array_set_clear_func (standing->bound, (GDestroyNotify) bound_clear);
  standing->units = g_array_new (FALSE, FALSE, sizeof (VpndSplitUnitId));
  g_array_set_clear_func (standing->units, (GDestroyNotify) unit_clear);
  standing->folders = g_array_new (FALSE, FALSE, sizeof (VpndSplitFolderId));
  standing->excluded_path = g_strdup ("");
  standing->included_path = g_strdup ("");
  standing->trouble = g_strdup ("");
  standing->reasons = g_hash_table_new_full (rule_hash, rule_same_name, (GDestroyNotify) vpnd_split_rule_unref, g_free);
  return standing;
}

static void
standing_clear (VpndSplitStanding *standing)
{
  g_array_unref (standing->bound);
  g_array_unref (standing->units);
  g_array_unref (standing->folders);
  g_hash_table_unref (standing->reasons);
  g_free (standing->excluded_path);
  g_free (standing->included_path);
  g_free (standing->trouble);
}

/**
 * vpnd_split_standing_ref:
 * @standing: a standing
 *
 * Returns: (transfer full): the same one
 */
VpndSplitStanding *
vpnd_split_standing_ref (VpndSplitStanding *standing)
{
  return g_rc_box_acquire (standing);
}

/**
 * vpnd_split_standing_unref:
 * @standing: (transfer full): a standing
 */
void
vpnd_split_standing_unref (VpndSplitStanding *standing)
{
  g_rc_box_release_full (standing, (GDestroyNotify) standing_clear);
}

/**
 * vpnd_split_standing_add_bound:
 * @standing: a standing that nobody else has seen yet
 * @profile: its programs
 * @id: number of their class
 */
void
vpnd_split_standing_add_bound (VpndSplitStanding *standing, const char *profile, guint64 id)
{
  const VpndSplitBoundId bound = { g_strdup (profile), id };

  g_array_append_val (standing->bound, bound);
}

/**
 * vpnd_split_standing_add_unit:
 * @standing: a standing that nobody else has seen yet
 * @class_: of the unit's rule
 * @profile: (nullable): of the unit's rule
 * @level: of the unit's cgroup
 * @id: number of the unit's cgroup
 */
void
vpnd_split_standing_add_unit (VpndSplitStanding *standing, VpndSplitClass class_, const char *profile, guint level, guint64 id)
{
  const VpndSplitUnitId unit = { class_, g_strdup (profile), level, id };

  g_array_append_val (standing->units, unit);
}

/**
 * vpnd_split_standing_add_folder:
 * @standing: a standing that nobody else has seen yet
 * @manager: whose units come to stand there
 * @level: of the folder
 * @id: number of the folder
 */
void
vpnd_split_standing_add_folder (VpndSplitStanding *standing, guint32 manager, guint level, guint64 id)
{
  const VpndSplitFolderId folder = { manager, level, id };

  g_array_append_val (standing->folders, folder);
}

static gboolean
same_units (const GArray *a, const GArray *b)
{
  for (guint i = 0; i < a->len && a->len == b->len; i++)
    if (g_array_index (a, VpndSplitUnitId, i).id != g_array_index (b, VpndSplitUnitId, i).id)
      return FALSE;
  return a->len == b->len;
}

static gboolean
same_reasons (const VpndSplitStanding *standing, const VpndSplitStanding *before)
{
  GHashTableIter iter;
  gpointer rule, reason;

  g_hash_table_iter_init (&iter, standing->reasons);
  while (g_hash_table_iter_next (&iter, &rule, &reason))
    if (g_strcmp0 (reason, vpnd_split_standing_get_reason (before, rule)) != 0)
      return FALSE;
  return g_hash_table_size (standing->reasons) == g_hash_table_size (before->reasons);
}

/**
 * vpnd_split_standing_differs_for_users:
 * @standing: a standing
 * @before: the one before it
 *
 * That units which no rule names come and go is nobody's business but the packet rules'.
 *
 * Returns: FALSE when @standing says of the rules and the classes what @before did
 */
gboolean
vpnd_split_standing_differs_for_users (const VpndSplitStanding *standing, const VpndSplitStanding *before)
{
  return (standing->newest == before->newest && standing->hold == before->hold) || !same_units (standing->units, before->units) || !same_reasons (standing, before) || standing->ground != before->ground ||
      standing->holds_launches != before->holds_launches || g_strcmp0 (standing->trouble, before->trouble) != 0 || g_strcmp0 (standing->excluded_path, before->excluded_path) != 0;
}

/**
 * vpnd_split_standing_add_reason:
 * @standing: a standing that nobody else has seen yet
 * @rule: a rule that takes no effect
 * @reason: why, in one sentence
 */
void
vpnd_split_standing_add_reason (VpndSplitStanding *standing, VpndSplitRule *rule, const char *reason)
{
  g_hash_table_replace (standing->reasons, vpnd_split_rule_ref (rule), g_strdup (reason));
}

/**
 * vpnd_split_standing_get_reason:
 * @standing: a standing
 * @rule: a rule
 *
 * Returns: (nullable): why @rule takes no effect; NULL when it does
 */
const char *
vpnd_split_standing_get_reason (const VpndSplitStanding *standing, const VpndSplitRule *rule)
{
  return g_hash_table_lookup (standing->reasons, rule);
}
