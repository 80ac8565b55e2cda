/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the users want of split tunnelling: the mode, and the rules of the system and of each user, in order. Immutable: a change is a new value.
 * Pure: whether a rule can take effect on this host is for others to say.
 */
#pragma once

#include "split-class-names.h"
#include "split-rule.h"

G_BEGIN_DECLS

#define VPND_SPLIT_MAX_RULES_PER_USER 256

typedef enum
{
  VPND_SPLIT_MODE_EXCLUDE, /* what is listed goes beside the tunnel */
  VPND_SPLIT_MODE_INCLUDE, /* only what is listed goes by the tunnel */
  VPND_N_SPLIT_MODES
} VpndSplitMode;

/**
 * VpndSplitConfig: an immutable value with a count of references
 * @mode: what the rules mean
 * @rules: (element-type VpndSplitRule) (owned): in the order of vpnd_split_rule_compare (), none twice
 * @class_names: (element-type utf8 utf8) (owned): by profile, classes that are not called as it is
 */
typedef struct
{
  VpndSplitMode mode;
  GPtrArray *rules;
  GHashTable *class_names;
} VpndSplitConfig;

const char *vpnd_split_mode_to_string (VpndSplitMode mode);
gboolean vpnd_split_mode_from_string (const char *text, VpndSplitMode *out_mode);

VpndSplitConfig *vpnd_split_config_new (void);
VpndSplitConfig *vpnd_split_config_new_from_rules (VpndSplitMode mode, GPtrArray *rules, GError **error);
VpndSplitConfig *vpnd_split_config_ref (VpndSplitConfig *config);
void vpnd_split_config_unref (VpndSplitConfig *config);
gboolean vpnd_split_config_equal (const VpndSplitConfig *a, const VpndSplitConfig *b);
gboolean vpnd_split_config_is_empty (const VpndSplitConfig *config);

VpndSplitConfig *vpnd_split_config_with_mode (const VpndSplitConfig *config, VpndSplitMode mode);
VpndSplitConfig *vpnd_split_config_with (const VpndSplitConfig *config, VpndSplitRule *rule, GError **error);
VpndSplitConfig *vpnd_split_config_without (const VpndSplitConfig *config, VpndSplitKind kind, const char *value, guint32 owner_uid, GError **error);
VpndSplitConfig *vpnd_split_config_with_profile_renamed (const VpndSplitConfig *config, const char *name, const char *new_name);
const VpndSplitRule *vpnd_split_config_find (const VpndSplitConfig *config, VpndSplitKind kind, const char *value, guint32 owner_uid);
VpndSplitConfig *vpnd_split_config_with_class_names (const VpndSplitConfig *config, GHashTable *class_names);
const char *vpnd_split_config_get_class_name (const VpndSplitConfig *config, const char *profile);
GArray *vpnd_split_config_dup_bound (const VpndSplitConfig *config);
GPtrArray *vpnd_split_config_dup_profiles (const VpndSplitConfig *config);
gboolean vpnd_split_config_leads_out (const VpndSplitConfig *config);
gboolean vpnd_split_config_needs_all_units (const VpndSplitConfig *config);
gboolean vpnd_split_config_needs_launches (const VpndSplitConfig *config);
gboolean vpnd_split_config_has_system_programs (const VpndSplitConfig *config, VpndSplitClass class_);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitConfig, vpnd_split_config_unref)

G_END_DECLS
