/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-class-names.h. Where a profile comes to be called as a class of another one is, its own gets a number behind a sign that no profile's name has.
 */
#include "config.h"

#include "split-class-names.h"

#include "profile.h"

#include <string.h>

#define SIGN '+'
#define NUMBER_MAX_CHARS 4

static void
bound_clear (VpndSplitBound *bound)
{
  g_free (bound->profile);
  g_free (bound->class_name);
}

/**
 * vpnd_split_bound_array_new:
 *
 * Returns: (transfer full) (element-type VpndSplitBound): none
 */
GArray *
vpnd_split_bound_array_new (void)
{
  GArray *array = g_array_new (FALSE, FALSE, sizeof (VpndSplitBound));

  g_array_set_clear_func (array, (GDestroyNotify) bound_clear);
  return array;
}

/**
 * vpnd_split_bound_array_add:
 * @array: (element-type VpndSplitBound): profiles
 * @profile: another
 * @class_name: what its class is called
 */
void
vpnd_split_bound_array_add (GArray *array, const char *profile, const char *class_name)
{
  const VpndSplitBound bound = { g_strdup (profile), g_strdup (class_name) };

  g_array_append_val (array, bound);
}

/**
 * vpnd_split_bound_array_find:
 * @array: (element-type VpndSplitBound): profiles
 * @profile: (nullable): one
 *
 * Returns: (transfer none) (nullable): what its class is called; NULL when it is not among them
 */
const char *
vpnd_split_bound_array_find (const GArray *array, const char *profile)
{
  for (guint i = 0; i < array->len; i++)
    if (g_strcmp0 (g_array_index (array, VpndSplitBound, i).profile, profile) == 0)
      return g_array_index (array, VpndSplitBound, i).class_name;
  return NULL;
}

/**
 * vpnd_split_bound_array_equal:
 * @a: (element-type VpndSplitBound): profiles
 * @b: (element-type VpndSplitBound): profiles
 *
 * Returns: whether they are the same, in the same order, with the same classes
 */
gboolean
vpnd_split_bound_array_equal (const GArray *a, const GArray *b)
{
  gboolean is_equal = a->len == b->len;

  for (guint i = 0; is_equal && i < a->len; i++)
    {
      const VpndSplitBound *x = &g_array_index (a, VpndSplitBound, i), *y = &g_array_index (b, VpndSplitBound, i);

      is_equal = strcmp (x->profile, y->profile) == 0 && strcmp (x->class_name, y->class_name) == 0;
    }
  return is_equal;
}

/**
 * vpnd_split_class_names_new:
 *
 * Returns: (transfer full) (element-type utf8 utf8): each class is called as its profile
 */
GHashTable *
vpnd_split_class_names_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

/* Returns: (transfer full): a name that nothing of @taken has */
static char *
make_name (GHashTable *taken, const char *profile)
{
  char *name = g_strdup (profile);

  for (guint i = 2; g_hash_table_contains (taken, name); i++)
    {
      g_free (name);
      name = g_strdup_printf ("%s%c%u", profile, SIGN, i);
    }
  return name;
}

/**
 * vpnd_split_class_names_for:
 * @names: (element-type utf8 utf8): by profile, what is called otherwise until now
 * @profiles: (element-type utf8): all that something is bound to, sorted
 *
 * Returns: (transfer full) (element-type utf8 utf8): the same without what nobody needs any more, in which no two classes are called the same
 */
GHashTable *
vpnd_split_class_names_for (GHashTable *names, const GPtrArray *profiles)
{
  GHashTable *kept = vpnd_split_class_names_new ();
  g_autoptr (GHashTable) taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < profiles->len; i++)
    {
      const char *profile = g_ptr_array_index (profiles, i);
      const char *name = g_hash_table_lookup (names, profile);

      if (name != NULL && g_hash_table_add (taken, g_strdup (name)))
        g_hash_table_insert (kept, g_strdup (profile), g_strdup (name));
    }
  for (guint i = 0; i < profiles->len; i++)
    {
      const char *profile = g_ptr_array_index (profiles, i);
      g_autofree char *name = g_hash_table_contains (kept, profile) ? NULL : make_name (taken, profile);

      if (name == NULL)
        continue;
      if (strcmp (name, profile) != 0)
        g_hash_table_insert (kept, g_strdup (profile), g_strdup (name));
      g_hash_table_add (taken, g_steal_pointer (&name));
    }
  return kept;
}

/**
 * vpnd_split_class_names_renamed:
 * @names: (element-type utf8 utf8): what is called otherwise
 * @name: name of a profile until now
 * @new_name: its name from now on, to which nothing is bound yet
 *
 * Returns: (transfer full) (element-type utf8 utf8): the same after that; the class is called as it was
 */
GHashTable *
vpnd_split_class_names_renamed (GHashTable *names, const char *name, const char *new_name)
{
  GHashTable *renamed = vpnd_split_class_names_new ();
  const char *class_name = g_hash_table_contains (names, name) ? g_hash_table_lookup (names, name) : name;
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (strcmp (key, name) != 0)
      g_hash_table_insert (renamed, g_strdup (key), g_strdup (value));
  if (strcmp (class_name, new_name) == 0)
    g_hash_table_remove (renamed, new_name);
  else
    g_hash_table_replace (renamed, g_strdup (new_name), g_strdup (class_name));
  return renamed;
}

/**
 * vpnd_split_class_names_equal:
 * @a: (element-type utf8 utf8): what is called otherwise
 * @b: (element-type utf8 utf8): the same
 *
 * Returns: whether they say the same
 */
gboolean
vpnd_split_class_names_equal (GHashTable *a, GHashTable *b)
{
  GHashTableIter iter;
  gpointer key, value;

  if (g_hash_table_size (a) != g_hash_table_size (b))
    return FALSE;
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (g_strcmp0 (g_hash_table_lookup (b, key), value) != 0)
      return FALSE;
  return TRUE;
}

/**
 * vpnd_split_class_name_is_valid:
 * @class_name: from a file
 *
 * Returns: whether it is one of those that are made here: it becomes the name of a folder
 */
gboolean
vpnd_split_class_name_is_valid (const char *class_name)
{
  const char *sign = strchr (class_name, SIGN);
  g_autofree char *profile = sign != NULL ? g_strndup (class_name, (gsize) (sign - class_name)) : g_strdup (class_name);
  const gsize digits = sign != NULL ? strspn (sign + 1, "0123456789") : 0;

  return vpnd_profile_name_is_valid (profile) && (sign == NULL || (digits > 0 && digits <= NUMBER_MAX_CHARS && sign[1 + digits] == '\0'));
}
