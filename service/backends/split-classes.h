/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The cgroups of the classes: finds where they can stand, makes them, and makes them anew when another program took them away.
 * Never moves a process, never removes a cgroup: who stands in it keeps standing there.
 */
#pragma once

#include "split-ground.h"
#include "split-rule.h"

G_BEGIN_DECLS

#define VPND_SPLIT_MAX_CLASSES (2 + VPND_SPLIT_MAX_PROFILES)
#define VPND_SPLIT_CLASS_EXCLUDED 0u
#define VPND_SPLIT_CLASS_INCLUDED 1u /* and behind it those of the profiles */

typedef struct _VpndSplitClasses VpndSplitClasses;

/* A class has another number than before. */
typedef void (*VpndSplitClassesFunc) (gpointer user_data);

VpndSplitClasses *vpnd_split_classes_new (const char *wanted_path, VpndSplitClassesFunc func, gpointer user_data);
void vpnd_split_classes_free (VpndSplitClasses *self);

gboolean vpnd_split_classes_set_profiles (VpndSplitClasses *self, const GPtrArray *profiles, GError **error);
VpndSplitGround vpnd_split_classes_get_ground (const VpndSplitClasses *self);
const char *vpnd_split_classes_get_mount (const VpndSplitClasses *self);
guint vpnd_split_classes_get_level (const VpndSplitClasses *self);
guint vpnd_split_classes_get_n (const VpndSplitClasses *self);
int vpnd_split_classes_get_waiting_fd (const VpndSplitClasses *self);
guint64 vpnd_split_classes_get_waiting_id (const VpndSplitClasses *self);
guint64 vpnd_split_classes_get_id (const VpndSplitClasses *self, guint index);
int vpnd_split_classes_get_fd (const VpndSplitClasses *self, guint index);
const char *vpnd_split_classes_get_path (const VpndSplitClasses *self, guint index);
gboolean vpnd_split_classes_find (const VpndSplitClasses *self, VpndSplitClass class_, const char *profile, guint *out_index);
gboolean vpnd_split_classes_has_path (const VpndSplitClasses *self, const char *path);
GArray *vpnd_split_classes_list (const VpndSplitClasses *self, guint index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitClasses, vpnd_split_classes_free)

G_END_DECLS
