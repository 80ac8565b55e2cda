/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-table.h. The system's rules stand before those of users, since of two for one file the first counts: what the administrator says
 * of a program holds for everybody.
 */
#include "config.h"

#include "split-table.h"

#include "app-ids.h"

#include <errno.h>
#include <string.h>

/**
 * Row: one row of the table
 * @wire: (owned): as it is sent
 * @rule: (owned): where it comes from
 * @code: why its launches are not seen (errno), 0 when they are
 */
typedef struct
{
  VpndClassifierRule *wire;
  VpndSplitRule *rule;
  int code;
} Row;

struct _VpndSplitTable
{
  GPtrArray *rows;        /* (element-type Row) (owned) */
  GHashTable *by_wire;    /* (element-type VpndClassifierRule Row) (unowned): by path and user */
  GHashTable *unresolved; /* (element-type VpndSplitRule utf8) (owned): applications that are not there, and why */
  GHashTable *apps;       /* (element-type VpndSplitRule VpndApp) (owned): those that are there */
  GHashTable *units;      /* (element-type utf8) (unowned): a set: units that rules name */
  GPtrArray *unit_rules;  /* (element-type VpndSplitRule) (owned) */
};

static void
row_free (Row *row)
{
  vpnd_classifier_rule_free (row->wire);
  vpnd_split_rule_unref (row->rule);
  g_free (row);
}

static guint
wire_hash (gconstpointer key)
{
  const VpndClassifierRule *wire = key;

  return g_str_hash (wire->path) ^ wire->uid;
}

static gboolean
wire_equal (gconstpointer a, gconstpointer b)
{
  const VpndClassifierRule *x = a, *y = b;

  return x->uid == y->uid && strcmp (x->path, y->path) == 0;
}

/* Whether a program of the rule would be in the clear, or in another profile's tunnel, where it stands in no class. */
static gboolean
is_strict (const VpndSplitConfig *config, const VpndSplitRule *rule)
{
  return rule->class_ == VPND_SPLIT_BOUND || (rule->class_ == VPND_SPLIT_INCLUDED && config->mode == VPND_SPLIT_MODE_INCLUDE);
}

static void
add_row (VpndSplitTable *self, const VpndSplitConfig *config, const VpndSplitClasses *classes, VpndSplitRule *rule, const char *path)
{
  Row *row;
  guint index;

  G_STATIC_ASSERT (VPND_SPLIT_MAX_RULES * VPND_SPLIT_MAX_PROGRAMS <= VPND_CLASSIFIER_MAX_RULES);
  if (self->rows->len >= VPND_CLASSIFIER_MAX_RULES || !vpnd_split_classes_find (classes, rule->class_, vpnd_split_config_get_class_name (config, rule->profile), &index))
    return;
  row = g_new0 (Row, 1);
  row->wire = g_new0 (VpndClassifierRule, 1);
  row->wire->path = g_strdup (path);
  row->wire->class_index = index;
  row->wire->is_strict = is_strict (config, rule);
  row->wire->uid = rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM ? VPND_CLASSIFIER_ANY_UID : rule->owner_uid;
  row->rule = vpnd_split_rule_ref (rule);
  g_ptr_array_add (self->rows, row);
  if (!g_hash_table_contains (self->by_wire, row->wire))
    g_hash_table_insert (self->by_wire, row->wire, row);
}

static void
add_app (VpndSplitTable *self, const VpndSplitConfig *config, const VpndSplitClasses *classes, VpndSplitRule *rule)
{
  g_autoptr (GError) error = NULL;
  VpndApp *app = rule->programs != NULL ? vpnd_app_new_own ("", rule->value, (const char *const *) rule->programs) : vpnd_app_find ("", rule->value, &error);

  if (app == NULL)
    {
      g_hash_table_insert (self->unresolved, vpnd_split_rule_ref (rule), g_strdup (error->message));
      return;
    }
  g_hash_table_insert (self->apps, vpnd_split_rule_ref (rule), app);
  for (guint i = 0; i < app->paths->len; i++)
    add_row (self, config, classes, rule, g_ptr_array_index (app->paths, i));
}

static void
add_rules (VpndSplitTable *self, const VpndSplitConfig *config, const VpndSplitClasses *classes, gboolean of_system)
{
  for (guint i = 0; i < config->rules->len; i++)
    {
      VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if ((rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM) != of_system)
        continue;
      if (rule->kind == VPND_SPLIT_PATH)
        add_row (self, config, classes, rule, rule->value);
      else if (rule->kind == VPND_SPLIT_APP)
        add_app (self, config, classes, rule);
      else if (rule->kind == VPND_SPLIT_UNIT)
        {
          g_ptr_array_add (self->unit_rules, vpnd_split_rule_ref (rule));
          g_hash_table_add (self->units, rule->value);
        }
    }
}

/**
 * vpnd_split_table_new:
 * @config: what is wanted
 * @classes: the classes, with those of the profiles
 *
 * Returns: (transfer full): its table
 */
VpndSplitTable *
vpnd_split_table_new (const VpndSplitConfig *config, const VpndSplitClasses *classes)
{
  VpndSplitTable *self = g_new0 (VpndSplitTable, 1);

  self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) row_free);
  self->by_wire = g_hash_table_new (wire_hash, wire_equal);
  self->unresolved = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) vpnd_split_rule_unref, g_free);
  self->apps = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) vpnd_split_rule_unref, (GDestroyNotify) vpnd_app_free);
  self->units = g_hash_table_new (g_str_hash, g_str_equal);
  self->unit_rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  add_rules (self, config, classes, TRUE);
  add_rules (self, config, classes, FALSE);
  return self;
}

/**
 * vpnd_split_table_free:
 * @self: (transfer full): a table
 */
void
vpnd_split_table_free (VpndSplitTable *self)
{
  g_hash_table_unref (self->by_wire);
  g_hash_table_unref (self->unresolved);
  g_hash_table_unref (self->apps);
  g_hash_table_unref (self->units);
  g_ptr_array_unref (self->unit_rules);
  g_ptr_array_unref (self->rows);
  g_free (self);
}

/**
 * vpnd_split_table_encode:
 * @self: a table
 *
 * Returns: (transfer full): it as vpnd-classifier takes it
 */
GBytes *
vpnd_split_table_encode (const VpndSplitTable *self)
{
  g_autoptr (GPtrArray) wires = g_ptr_array_new_full (self->rows->len, NULL);

  for (guint i = 0; i < self->rows->len; i++)
    g_ptr_array_add (wires, ((const Row *) g_ptr_array_index (self->rows, i))->wire);
  return vpnd_classifier_encode_rules (wires);
}

/**
 * vpnd_split_table_is_empty:
 * @self: a table
 *
 * Returns: whether no program is named
 */
gboolean
vpnd_split_table_is_empty (const VpndSplitTable *self)
{
  return self->rows->len == 0;
}

/**
 * vpnd_split_table_note:
 * @self: a table that is in force
 * @report: what vpnd-classifier says
 *
 * Returns: (transfer none) (nullable): the rule that it is about
 */
VpndSplitRule *
vpnd_split_table_note (VpndSplitTable *self, const VpndClassifierReport *report)
{
  const VpndClassifierRule wanted = { .path = report->path, .uid = report->uid };
  Row *row = report->path != NULL ? g_hash_table_lookup (self->by_wire, &wanted) : NULL;

  if (row == NULL)
    return NULL;
  if (report->kind == VPND_CLASSIFIER_WATCHED || report->kind == VPND_CLASSIFIER_UNWATCHED)
    row->code = report->kind == VPND_CLASSIFIER_UNWATCHED ? report->code : 0;
  return row->rule;
}

/**
 * vpnd_split_table_has_units:
 * @self: a table
 *
 * Returns: whether units are to be looked for
 */
gboolean
vpnd_split_table_has_units (const VpndSplitTable *self)
{
  return self->unit_rules->len > 0 || g_hash_table_size (self->apps) > 0;
}

/**
 * vpnd_split_table_match_unit:
 * @unit: name of a unit
 * @table: a table
 *
 * A VpndSplitUnitsMatch.
 *
 * Returns: whether a rule is about it
 */
gboolean
vpnd_split_table_match_unit (const char *unit, gconstpointer table)
{
  const VpndSplitTable *self = table;
  GHashTableIter iter;
  gpointer app;

  if (g_hash_table_contains (self->units, unit))
    return TRUE;
  g_hash_table_iter_init (&iter, self->apps);
  while (g_hash_table_iter_next (&iter, NULL, &app))
    if (vpnd_app_has_unit (app, unit))
      return TRUE;
  return FALSE;
}

/* Of a user's rule only what that user's manager runs is meant, and of the system's rule for a unit only what the system's does: anybody can give
 * a unit of the own manager any name. */
static gboolean
is_meant (const VpndSplitTable *self, const VpndSplitRule *rule, const VpndSplitUnitPlace *place)
{
  const VpndApp *app = rule->kind == VPND_SPLIT_APP ? g_hash_table_lookup (self->apps, rule) : NULL;

  if (rule->kind == VPND_SPLIT_UNIT)
    return place->uid == rule->owner_uid && strcmp (place->name, rule->value) == 0;
  return app != NULL && (rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM || place->uid == rule->owner_uid) && vpnd_app_has_unit (app, place->name);
}

static gboolean
add_units_of (const VpndSplitTable *self, const VpndSplitRule *rule, const GArray *places, VpndSplitStanding *standing)
{
  gboolean has_any = FALSE;

  for (guint i = 0; i < places->len; i++)
    {
      const VpndSplitUnitPlace *place = &g_array_index (places, VpndSplitUnitPlace, i);

      if (!is_meant (self, rule, place))
        continue;
      vpnd_split_standing_add_unit (standing, rule->class_, rule->profile, place->level, place->id);
      has_any = TRUE;
    }
  return has_any;
}

/**
 * vpnd_split_table_add_units:
 * @self: a table
 * @places: (element-type VpndSplitUnitPlace): the units that are there
 * @standing: gets their cgroups, and which rules have none; vpnd_split_table_add_reasons () comes before this
 */
void
vpnd_split_table_add_units (const VpndSplitTable *self, const GArray *places, VpndSplitStanding *standing)
{
  GHashTableIter iter;
  gpointer rule, app;

  for (guint i = 0; i < self->unit_rules->len; i++)
    {
      rule = g_ptr_array_index (self->unit_rules, i);
      if (standing->ground != VPND_SPLIT_GROUND_CGROUP2)
        vpnd_split_standing_add_reason (standing, rule, "units can be told apart in cgroup2 alone, which is not mounted");
      else if (!add_units_of (self, rule, places, standing))
        vpnd_split_standing_add_reason (standing, rule, "the unit does not run");
    }
  g_hash_table_iter_init (&iter, self->apps);
  while (g_hash_table_iter_next (&iter, &rule, &app))
    if (add_units_of (self, rule, places, standing))
      g_hash_table_remove (standing->reasons, rule);
    else if (((const VpndApp *) app)->paths->len == 0)
      vpnd_split_standing_add_reason (standing, rule, "a program that runs others, too, runs it, and it runs in no unit of its own now");
}

static char *
describe (int code)
{
  switch (code)
    {
    case ENOENT:
    case ENOTDIR:
      return g_strdup ("its program is not there");
    case EISDIR:
      return g_strdup ("it is a folder");
    case EACCES:
      return g_strdup ("it is not executable");
    case EPERM:
      return g_strdup ("a user's link leads to a program that is not that user's, or a folder on the way is closed to the user of the rule");
    case ELOOP:
      return g_strdup ("its links lead in a circle");
    default:
      return g_strdup_printf ("its launches are not seen: %s", g_strerror (code));
    }
}

/**
 * vpnd_split_table_add_reasons:
 * @self: a table
 * @trouble: (nullable): why no launch is held at all; NULL when they are
 * @standing: gets why rules take no effect
 */
void
vpnd_split_table_add_reasons (const VpndSplitTable *self, const char *trouble, VpndSplitStanding *standing)
{
  GHashTableIter iter;
  gpointer rule, reason;

  for (guint i = 0; i < self->rows->len; i++)
    {
      const Row *row = g_ptr_array_index (self->rows, i);
      g_autofree char *text = trouble != NULL ? g_strdup (trouble) : row->code != 0 ? describe (row->code)
                                                                                    : NULL;

      if (text != NULL)
        vpnd_split_standing_add_reason (standing, row->rule, text);
    }
  g_hash_table_iter_init (&iter, self->unresolved);
  while (g_hash_table_iter_next (&iter, &rule, &reason))
    vpnd_split_standing_add_reason (standing, rule, reason);
}
