/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-config.h. Rules are kept sorted and shared between values, so that a change costs one array of pointers.
 */
#include "config.h"

#include "split-config.h"

#include "error.h"

#include <string.h>

static const char *const modes[] = {
  [VPND_SPLIT_MODE_EXCLUDE] = "exclude",
  [VPND_SPLIT_MODE_INCLUDE] = "include",
};
G_STATIC_ASSERT (G_N_ELEMENTS (modes) == VPND_N_SPLIT_MODES);

/**
 * vpnd_split_mode_to_string:
 * @mode: a mode
 *
 * Returns: its word
 */
const char *
vpnd_split_mode_to_string (VpndSplitMode mode)
{
  g_return_val_if_fail (mode < VPND_N_SPLIT_MODES, NULL);

  return modes[mode];
}

/**
 * vpnd_split_mode_from_string:
 * @text: a word
 * @out_mode: (out): the mode
 *
 * Returns: FALSE when no mode has that word
 */
gboolean
vpnd_split_mode_from_string (const char *text, VpndSplitMode *out_mode)
{
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    if (strcmp (modes[i], text) == 0)
      {
        *out_mode = (VpndSplitMode) i;
        return TRUE;
      }
  return FALSE;
}

static void
config_clear (VpndSplitConfig *config)
{
  g_clear_pointer (&config->rules, g_ptr_array_unref);
  g_clear_pointer (&config->class_names, g_hash_table_unref);
}

/* Takes @rules. @before: (nullable): what classes are called until now */
static VpndSplitConfig *
config_take (VpndSplitMode mode, GPtrArray *rules, GHashTable *before)
{
  VpndSplitConfig *config = g_rc_box_new0 (VpndSplitConfig);
  g_autoptr (GHashTable) none = vpnd_split_class_names_new ();
  g_autoptr (GPtrArray) profiles = NULL;

  config->mode = mode;
  config->rules = rules;
  profiles = vpnd_split_config_dup_profiles (config);
  config->class_names = vpnd_split_class_names_for (before != NULL ? before : none, profiles);
  return config;
}

static GPtrArray *
copy_rules (const GPtrArray *rules, guint further)
{
  GPtrArray *copy = g_ptr_array_new_full (rules->len + further, (GDestroyNotify) vpnd_split_rule_unref);

  for (guint i = 0; i < rules->len; i++)
    g_ptr_array_add (copy, vpnd_split_rule_ref (g_ptr_array_index (rules, i)));
  return copy;
}

/**
 * vpnd_split_config_new:
 *
 * Returns: (transfer full): no rules, and the mode "exclude": everything goes by the tunnel
 */
VpndSplitConfig *
vpnd_split_config_new (void)
{
  return config_take (VPND_SPLIT_MODE_EXCLUDE, g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref), NULL);
}

/**
 * vpnd_split_config_ref:
 * @config: a configuration
 *
 * Returns: (transfer full): the same one
 */
VpndSplitConfig *
vpnd_split_config_ref (VpndSplitConfig *config)
{
  return g_rc_box_acquire (config);
}

/**
 * vpnd_split_config_unref:
 * @config: (transfer full): a configuration
 */
void
vpnd_split_config_unref (VpndSplitConfig *config)
{
  g_rc_box_release_full (config, (GDestroyNotify) config_clear);
}

/**
 * vpnd_split_config_equal:
 * @a: a configuration
 * @b: another
 *
 * Returns: whether they want the same
 */
gboolean
vpnd_split_config_equal (const VpndSplitConfig *a, const VpndSplitConfig *b)
{
  gboolean is_equal = a->mode == b->mode && a->rules->len == b->rules->len && vpnd_split_class_names_equal (a->class_names, b->class_names);

  for (guint i = 0; is_equal && i < a->rules->len; i++)
    is_equal = vpnd_split_rule_equal (g_ptr_array_index (a->rules, i), g_ptr_array_index (b->rules, i));
  return is_equal;
}

/**
 * vpnd_split_config_is_empty:
 * @config: a configuration
 *
 * Returns: whether nothing is wanted: no rule, and no mode that means something without one
 */
gboolean
vpnd_split_config_is_empty (const VpndSplitConfig *config)
{
  return config->rules->len == 0 && config->mode == VPND_SPLIT_MODE_EXCLUDE;
}

/**
 * vpnd_split_config_with_mode:
 * @config: a configuration
 * @mode: the mode that is wanted
 *
 * Returns: (transfer full): the same rules in that mode
 */
VpndSplitConfig *
vpnd_split_config_with_mode (const VpndSplitConfig *config, VpndSplitMode mode)
{
  return config_take (mode, copy_rules (config->rules, 0), config->class_names);
}

/* Returns: where a rule of that name stands, or would; TRUE in @out_is_there when it does */
static guint
find_place (const GPtrArray *rules, VpndSplitKind kind, const char *value, guint32 owner_uid, gboolean *out_is_there)
{
  const VpndSplitRule wanted = { .kind = kind, .value = (char *) value, .owner_uid = owner_uid };
  guint low = 0, high = rules->len;

  *out_is_there = FALSE;
  while (low < high)
    {
      const guint middle = low + (high - low) / 2;
      const gint order = vpnd_split_rule_compare (g_ptr_array_index (rules, middle), &wanted);

      if (order == 0)
        {
          *out_is_there = TRUE;
          return middle;
        }
      if (order < 0)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static guint
count_of_owner (const GPtrArray *rules, guint32 owner_uid)
{
  guint n = 0;

  for (guint i = 0; i < rules->len; i++)
    if (((const VpndSplitRule *) g_ptr_array_index (rules, i))->owner_uid == owner_uid)
      n++;
  return n;
}

/* Returns: FALSE, always */
static gboolean
refuse_limit (GError **error, const char *what, guint limit)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "there are at most %u %s: remove one first", limit, what);
  return FALSE;
}

/* All that own rules name counts, whether the administrator names it, too, or not: that may change without them. A file with more keeps what it has. */
static gboolean
check_profiles_of_users (const VpndSplitConfig *config, const VpndSplitRule *rule, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *other = g_ptr_array_index (config->rules, i);

      if (other->profile != NULL && other->owner_uid != VPND_SPLIT_OWNER_SYSTEM)
        g_hash_table_add (seen, other->profile);
    }
  if (g_hash_table_contains (seen, rule->profile) || g_hash_table_size (seen) < VPND_SPLIT_MAX_PROFILES_OF_USERS)
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED,
      "profile: there are own rules bound to %u profiles, and all users together have no more, so that the administrator has some: remove own rules that are bound to another one, or have the administrator bind the program",
      g_hash_table_size (seen));
  return FALSE;
}

static gboolean
check_limits (const VpndSplitConfig *config, const VpndSplitRule *rule, gboolean is_new, GError **error)
{
  if (is_new && config->rules->len >= VPND_SPLIT_MAX_RULES)
    return refuse_limit (error, "rules of split tunnelling", VPND_SPLIT_MAX_RULES);
  if (is_new && rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM && count_of_owner (config->rules, rule->owner_uid) >= VPND_SPLIT_MAX_RULES_PER_USER)
    return refuse_limit (error, "rules of split tunnelling of one user", VPND_SPLIT_MAX_RULES_PER_USER);
  if (rule->class_ == VPND_SPLIT_BOUND && rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM && !check_profiles_of_users (config, rule, error))
    return FALSE;
  if (rule->class_ == VPND_SPLIT_BOUND)
    {
      g_autoptr (GPtrArray) profiles = vpnd_split_config_dup_profiles (config);

      if (!g_ptr_array_find_with_equal_func (profiles, rule->profile, g_str_equal, NULL) && profiles->len >= VPND_SPLIT_MAX_PROFILES)
        return refuse_limit (error, "profiles that programs are bound to", VPND_SPLIT_MAX_PROFILES);
    }
  return TRUE;
}

/**
 * vpnd_split_config_with:
 * @config: a configuration
 * @rule: (transfer none): what is wanted besides; one of the same owner for the same thing gives way to it
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the configuration with @rule in it. Errors: VPND_ERROR_EXISTS when it is in it already;
 *   VPND_ERROR_LIMITS_EXCEEDED
 */
VpndSplitConfig *
vpnd_split_config_with (const VpndSplitConfig *config, VpndSplitRule *rule, GError **error)
{
  g_autoptr (GPtrArray) rules = NULL;
  gboolean is_there;
  const guint place = find_place (config->rules, rule->kind, rule->value, rule->owner_uid, &is_there);

  if (is_there && vpnd_split_rule_equal (g_ptr_array_index (config->rules, place), rule))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_EXISTS, "%s \"%s\" is %s already", vpnd_split_kind_to_string (rule->kind), rule->value, vpnd_split_class_to_string (rule->class_));
      return NULL;
    }
  if (!check_limits (config, rule, !is_there, error))
    return NULL;
  rules = copy_rules (config->rules, 1);
  if (is_there)
    g_ptr_array_remove_index (rules, place);
  g_ptr_array_insert (rules, (gint) place, vpnd_split_rule_ref (rule));
  return config_take (config->mode, g_steal_pointer (&rules), config->class_names);
}

/**
 * vpnd_split_config_without:
 * @config: a configuration
 * @kind: what @value is
 * @value: in its one form
 * @owner_uid: whose rule
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the configuration without that rule. Errors: VPND_ERROR_NOT_FOUND
 */
VpndSplitConfig *
vpnd_split_config_without (const VpndSplitConfig *config, VpndSplitKind kind, const char *value, guint32 owner_uid, GError **error)
{
  g_autoptr (GPtrArray) rules = NULL;
  gboolean is_there;
  const guint place = find_place (config->rules, kind, value, owner_uid, &is_there);

  if (!is_there)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "there is no such rule: %s \"%s\"", vpnd_split_kind_to_string (kind), value);
      return NULL;
    }
  rules = copy_rules (config->rules, 0);
  g_ptr_array_remove_index (rules, place);
  return config_take (config->mode, g_steal_pointer (&rules), config->class_names);
}

/**
 * vpnd_split_config_with_profile_renamed:
 * @config: a configuration
 * @name: name of a profile until now
 * @new_name: its name from now on
 *
 * The class stays what it is, with all who stand in it, unless something is bound to @new_name already, which has one.
 *
 * Returns: (transfer full): the configuration in which what was bound to @name is bound to @new_name
 */
VpndSplitConfig *
vpnd_split_config_with_profile_renamed (const VpndSplitConfig *config, const char *name, const char *new_name)
{
  GPtrArray *rules = copy_rules (config->rules, 0);
  g_autoptr (GPtrArray) profiles = vpnd_split_config_dup_profiles (config);
  const gboolean has_class = g_ptr_array_find_with_equal_func (profiles, new_name, g_str_equal, NULL);
  g_autoptr (GHashTable) class_names = has_class ? g_hash_table_ref (config->class_names) : vpnd_split_class_names_renamed (config->class_names, name, new_name);

  for (guint i = 0; i < rules->len; i++)
    {
      VpndSplitRule *rule = g_ptr_array_index (rules, i); /* its place says nothing of the profile */

      if (g_strcmp0 (rule->profile, name) != 0)
        continue;
      g_ptr_array_index (rules, i) = vpnd_split_rule_dup_bound_to (rule, new_name);
      vpnd_split_rule_unref (rule);
    }
  return config_take (config->mode, rules, class_names);
}

/**
 * vpnd_split_config_with_class_names:
 * @config: a configuration
 * @class_names: (element-type utf8 utf8): by profile, classes that are not called as it is
 *
 * Returns: (transfer full): the same rules and mode with these
 */
VpndSplitConfig *
vpnd_split_config_with_class_names (const VpndSplitConfig *config, GHashTable *class_names)
{
  return config_take (config->mode, copy_rules (config->rules, 0), class_names);
}

/**
 * vpnd_split_config_get_class_name:
 * @config: a configuration
 * @profile: (nullable): a profile
 *
 * Returns: (transfer none) (nullable): what its class is called, if it has one; NULL for no profile
 */
const char *
vpnd_split_config_get_class_name (const VpndSplitConfig *config, const char *profile)
{
  const char *class_name = profile != NULL ? g_hash_table_lookup (config->class_names, profile) : NULL;

  return class_name != NULL ? class_name : profile;
}

/**
 * vpnd_split_config_dup_bound:
 * @config: a configuration
 *
 * Returns: (transfer full) (element-type VpndSplitBound): the profiles that something is bound to, each once, sorted
 */
GArray *
vpnd_split_config_dup_bound (const VpndSplitConfig *config)
{
  g_autoptr (GPtrArray) profiles = vpnd_split_config_dup_profiles (config);
  GArray *bound = vpnd_split_bound_array_new ();

  for (guint i = 0; i < profiles->len; i++)
    vpnd_split_bound_array_add (bound, g_ptr_array_index (profiles, i), vpnd_split_config_get_class_name (config, g_ptr_array_index (profiles, i)));
  return bound;
}

/**
 * vpnd_split_config_find:
 * @config: a configuration
 * @kind: what @value is
 * @value: in its one form
 * @owner_uid: whose rule
 *
 * Returns: (transfer none) (nullable): the rule
 */
const VpndSplitRule *
vpnd_split_config_find (const VpndSplitConfig *config, VpndSplitKind kind, const char *value, guint32 owner_uid)
{
  gboolean is_there;
  const guint place = find_place (config->rules, kind, value, owner_uid, &is_there);

  return is_there ? g_ptr_array_index (config->rules, place) : NULL;
}

static gint
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/**
 * vpnd_split_config_dup_profiles:
 * @config: a configuration
 *
 * Returns: (transfer full) (element-type utf8): the profiles that something is bound to, each once, sorted
 */
GPtrArray *
vpnd_split_config_dup_profiles (const VpndSplitConfig *config)
{
  GPtrArray *profiles = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if (rule->profile != NULL && g_hash_table_add (seen, rule->profile))
        g_ptr_array_add (profiles, g_strdup (rule->profile));
    }
  g_ptr_array_sort (profiles, compare_texts);
  return profiles;
}

static gint
compare_places (gconstpointer a, gconstpointer b)
{
  return vpnd_split_rule_compare (*(const VpndSplitRule *const *) a, *(const VpndSplitRule *const *) b);
}

static gboolean
check_all (const VpndSplitConfig *config, GError **error)
{
  g_autoptr (GPtrArray) profiles = vpnd_split_config_dup_profiles (config);
  guint of_owner = 0;

  if (config->rules->len > VPND_SPLIT_MAX_RULES)
    return refuse_limit (error, "rules of split tunnelling", VPND_SPLIT_MAX_RULES);
  if (profiles->len > VPND_SPLIT_MAX_PROFILES)
    return refuse_limit (error, "profiles that programs are bound to", VPND_SPLIT_MAX_PROFILES);
  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);
      const VpndSplitRule *before = i > 0 ? g_ptr_array_index (config->rules, i - 1) : NULL;

      of_owner = before != NULL && before->owner_uid == rule->owner_uid ? of_owner + 1 : 1;
      if (before != NULL && vpnd_split_rule_compare (before, rule) == 0)
        {
          g_set_error (error, VPND_ERROR, VPND_ERROR_EXISTS, "%s \"%s\" is listed twice", vpnd_split_kind_to_string (rule->kind), rule->value);
          return FALSE;
        }
      if (rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM && of_owner > VPND_SPLIT_MAX_RULES_PER_USER)
        return refuse_limit (error, "rules of split tunnelling of one user", VPND_SPLIT_MAX_RULES_PER_USER);
    }
  return TRUE;
}

/**
 * vpnd_split_config_new_from_rules:
 * @mode: the mode
 * @rules: (transfer none) (element-type VpndSplitRule): in any order
 * @error: return location for an error
 *
 * All at once, as a file has them: what vpnd_split_config_with () would say of one after the other, without its cost.
 *
 * Returns: (transfer full) (nullable): the configuration. Errors: VPND_ERROR_EXISTS for one thing of one owner twice; VPND_ERROR_LIMITS_EXCEEDED
 */
VpndSplitConfig *
vpnd_split_config_new_from_rules (VpndSplitMode mode, GPtrArray *rules, GError **error)
{
  g_autoptr (VpndSplitConfig) config = config_take (mode, copy_rules (rules, 0), NULL);

  g_ptr_array_sort (config->rules, compare_places);
  return check_all (config, error) ? g_steal_pointer (&config) : NULL;
}

/**
 * vpnd_split_config_leads_out:
 * @config: a configuration
 *
 * Returns: TRUE when what is in no class may go beside the tunnel: all of it, or what a rule names by its user or its peer
 */
gboolean
vpnd_split_config_leads_out (const VpndSplitConfig *config)
{
  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if (rule->class_ == VPND_SPLIT_EXCLUDED && (rule->kind == VPND_SPLIT_UID || rule->kind == VPND_SPLIT_SUBNET || rule->kind == VPND_SPLIT_DOMAIN))
        return TRUE;
    }
  return config->mode == VPND_SPLIT_MODE_INCLUDE;
}

/**
 * vpnd_split_config_needs_all_units:
 * @config: a configuration
 *
 * Returns: TRUE when a unit that nobody has looked at yet may be one that must not be in the clear, and would be
 */
gboolean
vpnd_split_config_needs_all_units (const VpndSplitConfig *config)
{
  const gboolean leads_out = vpnd_split_config_leads_out (config);

  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if ((rule->kind == VPND_SPLIT_UNIT || rule->kind == VPND_SPLIT_APP) && (rule->class_ == VPND_SPLIT_BOUND || (rule->class_ == VPND_SPLIT_INCLUDED && leads_out)))
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_split_config_needs_launches:
 * @config: a configuration
 *
 * Returns: whether it has rules that count when a program is launched
 */
gboolean
vpnd_split_config_needs_launches (const VpndSplitConfig *config)
{
  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if (rule->kind == VPND_SPLIT_PATH || rule->kind == VPND_SPLIT_APP)
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_split_config_has_system_programs:
 * @config: a configuration
 * @class_: a class
 *
 * Whether programs come into the class by the administrator's will: then one of which nobody knows why it stands there may be of these.
 *
 * Returns: TRUE when a system-wide rule names a program for it
 */
gboolean
vpnd_split_config_has_system_programs (const VpndSplitConfig *config, VpndSplitClass class_)
{
  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if (rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM && (rule->kind == VPND_SPLIT_PATH || rule->kind == VPND_SPLIT_APP) &&
          rule->class_ == class_)
        return TRUE;
    }
  return FALSE;
}
