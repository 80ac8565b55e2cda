/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See protocol.h. The bytes are GVariant's: bounded, checked, and decoded without copies of our own making.
 */
#include "config.h"

#include "protocol.h"

#include "error.h"

#include <string.h>

#define TABLE_TYPE "(ua(subu))"
#define REPORT_TYPE "(uuuitsiusau)"
#define ERRANDS_TYPE "(usa(uits))"
#define VERSION 2u
#define REPORT_SOCKETS 9 /* which part of REPORT_TYPE */
#define PATH_MAX_BYTES 4096

/**
 * vpnd_classifier_rule_free:
 * @rule: (transfer full): a rule
 */
void
vpnd_classifier_rule_free (VpndClassifierRule *rule)
{
  g_free (rule->path);
  g_free (rule);
}

/**
 * vpnd_classifier_report_clear:
 * @report: a report on the stack
 *
 * Frees what it holds.
 */
void
vpnd_classifier_report_clear (VpndClassifierReport *report)
{
  g_clear_pointer (&report->path, g_free);
  g_clear_pointer (&report->origin, g_free);
  g_clear_pointer (&report->sockets, g_array_unref);
}

/**
 * vpnd_classifier_errand_free:
 * @errand: (transfer full): an errand
 */
void
vpnd_classifier_errand_free (VpndClassifierErrand *errand)
{
  g_free (errand->origin);
  g_free (errand);
}

static GBytes *
take_bytes (GVariant *floating)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (floating);

  return g_variant_get_data_as_bytes (value);
}

static gboolean
refuse (GError **error, const char *what)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "a message of the classifier is malformed: %s", what);
  return FALSE;
}

static GVariant *
parse (GBytes *bytes, const char *type, GError **error)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes, FALSE));
  guint32 version;

  if (!g_variant_is_normal_form (value))
    {
      refuse (error, "its form");
      return NULL;
    }
  g_variant_get_child (value, 0, "u", &version);
  if (version != VERSION)
    {
      refuse (error, "its version is another");
      return NULL;
    }
  return g_steal_pointer (&value);
}

/**
 * vpnd_classifier_encode_rules:
 * @rules: (element-type VpndClassifierRule): at most VPND_CLASSIFIER_MAX_RULES
 *
 * Returns: (transfer full): the table as bytes
 */
GBytes *
vpnd_classifier_encode_rules (const GPtrArray *rules)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(subu)"));

  for (guint i = 0; i < rules->len; i++)
    {
      const VpndClassifierRule *rule = g_ptr_array_index (rules, i);

      g_variant_builder_add (&builder, "(subu)", rule->path, rule->class_index, rule->is_strict, rule->uid);
    }
  return take_bytes (g_variant_new (TABLE_TYPE, VERSION, &builder));
}

/**
 * vpnd_classifier_decode_rules:
 * @bytes: what vpnd_classifier_encode_rules() made, from the other program
 * @n_classes: how many cgroups came with it
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable) (element-type VpndClassifierRule): the table. Errors: VPND_ERROR_FAILED
 */
GPtrArray *
vpnd_classifier_decode_rules (GBytes *bytes, guint n_classes, GError **error)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_rule_free);
  gsize n;

  if (g_bytes_get_size (bytes) > VPND_CLASSIFIER_MAX_TABLE_BYTES)
    {
      refuse (error, "it is too large");
      return NULL;
    }
  value = parse (bytes, TABLE_TYPE, error);
  if (value == NULL)
    return NULL;
  list = g_variant_get_child_value (value, 1);
  n = g_variant_n_children (list);
  if (n > VPND_CLASSIFIER_MAX_RULES)
    {
      refuse (error, "it has too many rules");
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (VpndClassifierRule) rule = g_new0 (VpndClassifierRule, 1);
      guint32 class_index;

      g_variant_get_child (list, i, "(subu)", &rule->path, &class_index, &rule->is_strict, &rule->uid);
      rule->class_index = class_index;
      if (rule->path[0] != '/' || strlen (rule->path) >= PATH_MAX_BYTES || rule->class_index >= n_classes)
        {
          refuse (error, "a rule in it");
          return NULL;
        }
      g_ptr_array_add (rules, g_steal_pointer (&rule));
    }
  return g_steal_pointer (&rules);
}

/**
 * vpnd_classifier_encode_report:
 * @report: a report
 *
 * Returns: (transfer full): it as bytes
 */
GBytes *
vpnd_classifier_encode_report (const VpndClassifierReport *report)
{
  g_auto (GVariantBuilder) sockets = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("au"));

  for (guint i = 0; report->sockets != NULL && i < report->sockets->len; i++)
    g_variant_builder_add (&sockets, "u", g_array_index (report->sockets, guint32, i));
  return take_bytes (g_variant_new (REPORT_TYPE, VERSION, (guint32) report->kind, report->class_index, report->pid, report->start_time, report->path != NULL ? report->path : "", report->code,
      report->uid, report->origin != NULL ? report->origin : "", &sockets));
}

/* Returns: (transfer full) (nullable): NULL when there is none */
static GArray *
read_numbers (GVariant *list)
{
  gsize n;
  const guint32 *numbers = g_variant_get_fixed_array (list, &n, sizeof *numbers);
  GArray *array = n > 0 ? g_array_sized_new (FALSE, FALSE, sizeof *numbers, (guint) n) : NULL;

  return array != NULL ? g_array_append_vals (array, numbers, (guint) n) : NULL;
}

/**
 * vpnd_classifier_decode_report:
 * @bytes: what vpnd_classifier_encode_report() made, from the other program
 * @out_report: (out caller-allocates): the report; clear it after use
 * @error: return location for an error
 *
 * Returns: TRUE on success. Errors: VPND_ERROR_FAILED
 */
gboolean
vpnd_classifier_decode_report (GBytes *bytes, VpndClassifierReport *out_report, GError **error)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) sockets = NULL;
  guint32 version, kind, class_index;

  *out_report = (VpndClassifierReport){ 0 };
  if (g_bytes_get_size (bytes) > VPND_CLASSIFIER_MAX_REPORT_BYTES)
    return refuse (error, "it is too large");
  value = parse (bytes, REPORT_TYPE, error);
  if (value == NULL)
    return FALSE;
  g_variant_get (value, REPORT_TYPE, &version, &kind, &class_index, &out_report->pid, &out_report->start_time, &out_report->path, &out_report->code, &out_report->uid, &out_report->origin,
      NULL);
  sockets = g_variant_get_child_value (value, REPORT_SOCKETS);
  out_report->sockets = read_numbers (sockets);
  out_report->kind = (VpndClassifierReportKind) kind;
  out_report->class_index = class_index;
  if (kind < VPND_N_CLASSIFIER_REPORTS && class_index < VPND_CLASSIFIER_MAX_CLASSES && out_report->pid >= 0)
    return TRUE;

  vpnd_classifier_report_clear (out_report);
  return refuse (error, "a report");
}

/**
 * vpnd_classifier_encode_errands:
 * @mount: where the hierarchy of the classes is mounted
 * @errands: (element-type VpndClassifierErrand): at most VPND_CLASSIFIER_MAX_ERRANDS
 *
 * Returns: (transfer full): they as bytes
 */
GBytes *
vpnd_classifier_encode_errands (const char *mount, const GPtrArray *errands)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(uits)"));

  for (guint i = 0; i < errands->len; i++)
    {
      const VpndClassifierErrand *errand = g_ptr_array_index (errands, i);

      g_variant_builder_add (&builder, "(uits)", (guint32) errand->kind, errand->pid, errand->start_time, errand->origin);
    }
  return take_bytes (g_variant_new (ERRANDS_TYPE, VERSION, mount, &builder));
}

/* Whether @path is absolute, goes nowhere up, and names each folder in one way only. */
static gboolean
is_plain (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  if (path[0] != '/' || strlen (path) >= PATH_MAX_BYTES)
    return FALSE;
  for (guint i = 1; parts[i] != NULL; i++)
    if (strcmp (parts[i], ".") == 0 || strcmp (parts[i], "..") == 0 || (parts[i][0] == '\0' && path[1] != '\0'))
      return FALSE;
  return TRUE;
}

/* Whether a process may be put back to @origin: never to where one is beside the tunnel. */
static gboolean
is_origin (const char *origin)
{
  g_auto (GStrv) parts = g_strsplit (origin, "/", -1);

  for (guint i = 0; parts[i] != NULL; i++)
    if (g_str_has_prefix (parts[i], "vpnd-excluded") || g_str_has_prefix (parts[i], "vpnd-included") || g_str_has_prefix (parts[i], "vpnd-bound-"))
      return FALSE;
  return is_plain (origin);
}

static VpndClassifierErrand *
read_errand (GVariant *list, gsize index)
{
  g_autoptr (VpndClassifierErrand) errand = g_new0 (VpndClassifierErrand, 1);
  guint32 kind;

  g_variant_get_child (list, index, "(uits)", &kind, &errand->pid, &errand->start_time, &errand->origin);
  errand->kind = (VpndClassifierErrandKind) kind;
  if (kind >= VPND_N_CLASSIFIER_ERRANDS || errand->pid <= 0 || errand->start_time == 0)
    return NULL;
  if (errand->kind == VPND_CLASSIFIER_RETURN ? !is_origin (errand->origin) : errand->origin[0] != '\0')
    return NULL;
  return g_steal_pointer (&errand);
}

/**
 * vpnd_classifier_decode_errands:
 * @bytes: what vpnd_classifier_encode_errands() made, from the other program
 * @out_mount: (out) (transfer full): where the hierarchy is mounted
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable) (element-type VpndClassifierErrand): the errands. Errors: VPND_ERROR_FAILED
 */
GPtrArray *
vpnd_classifier_decode_errands (GBytes *bytes, char **out_mount, GError **error)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GPtrArray) errands = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_classifier_errand_free);
  g_autofree char *mount = NULL;
  gsize n;

  *out_mount = NULL;
  value = g_bytes_get_size (bytes) <= VPND_CLASSIFIER_MAX_TABLE_BYTES ? parse (bytes, ERRANDS_TYPE, error) : NULL;
  if (value == NULL)
    {
      if (error != NULL && *error == NULL)
        refuse (error, "it is too large");
      return NULL;
    }
  g_variant_get_child (value, 1, "s", &mount);
  list = g_variant_get_child_value (value, 2);
  n = g_variant_n_children (list);
  if (n > VPND_CLASSIFIER_MAX_ERRANDS || !is_plain (mount))
    {
      refuse (error, "it has too many errands, or no mount");
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    {
      VpndClassifierErrand *errand = read_errand (list, i);

      if (errand == NULL)
        {
          refuse (error, "an errand in it");
          return NULL;
        }
      g_ptr_array_add (errands, errand);
    }
  *out_mount = g_steal_pointer (&mount);
  return g_steal_pointer (&errands);
}
