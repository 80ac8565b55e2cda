/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the classes of profiles are called. A cgroup cannot be renamed, and who stands in one is known by it, so a class keeps the name of its profile when the profile
 * gets another one. A table has only those that differ. Pure; knows no cgroup.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VpndSplitBound: a profile that something is bound to
 * @profile: (owned): its name
 * @class_name: (owned): what its class is called; that of no other one
 */
typedef struct
{
  char *profile;
  char *class_name;
} VpndSplitBound;

GArray *vpnd_split_bound_array_new (void);
void vpnd_split_bound_array_add (GArray *array, const char *profile, const char *class_name);
const char *vpnd_split_bound_array_find (const GArray *array, const char *profile);
gboolean vpnd_split_bound_array_equal (const GArray *a, const GArray *b);

GHashTable *vpnd_split_class_names_new (void);
GHashTable *vpnd_split_class_names_for (GHashTable *names, const GPtrArray *profiles);
GHashTable *vpnd_split_class_names_renamed (GHashTable *names, const char *name, const char *new_name);
gboolean vpnd_split_class_names_equal (GHashTable *a, GHashTable *b);
gboolean vpnd_split_class_name_is_valid (const char *class_name);

G_END_DECLS
