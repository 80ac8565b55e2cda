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
#define REPORT_TYPE "(uuuitsius)"
#define VERSION 1u
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

      g_variant_builder_add (&builder, "(subu)", rule->path, rule->class_index, rule->any_mount_namespace, rule->uid);
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

      g_variant_get_child (list, i, "(subu)", &rule->path, &class_index, &rule->any_mount_namespace, &rule->uid);
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
  return take_bytes (g_variant_new (REPORT_TYPE, VERSION, (guint32) report->kind, report->class_index, report->pid, report->start_time, report->path != NULL ? report->path : "", report->code,
      report->uid, report->origin != NULL ? report->origin : ""));
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
  guint32 version, kind, class_index;

  *out_report = (VpndClassifierReport){ 0 };
  if (g_bytes_get_size (bytes) > VPND_CLASSIFIER_MAX_REPORT_BYTES)
    return refuse (error, "it is too large");
  value = parse (bytes, REPORT_TYPE, error);
  if (value == NULL)
    return FALSE;
  g_variant_get (value, REPORT_TYPE, &version, &kind, &class_index, &out_report->pid, &out_report->start_time, &out_report->path, &out_report->code, &out_report->uid, &out_report->origin);
  out_report->kind = (VpndClassifierReportKind) kind;
  out_report->class_index = class_index;
  if (kind < VPND_N_CLASSIFIER_REPORTS && class_index < VPND_CLASSIFIER_MAX_CLASSES && out_report->pid >= 0)
    return TRUE;

  vpnd_classifier_report_clear (out_report);
  return refuse (error, "a report");
}
