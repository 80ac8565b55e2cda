/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The methods of org.vpnd1.Diagnostics. None of them changes anything.
 */
#include "config.h"

#include "methods.h"

#include "doctor.h"
#include "names.h"
#include "route-report.h"

static void
on_dns (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  g_autoptr (GVariant) report = vpnd_engine_query_dns_finish (VPND_ENGINE (source), result, &error);

  if (report != NULL)
    vpnd_method_return (user_data, g_variant_new ("(@a{sv})", report));
  else
    vpnd_method_return_error (user_data, error);
}

static void
run_dns (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_engine_query_dns_async (services->engine, g_task_get_cancellable (task), on_dns, task);
}

static GVariant *
entries_to_variant (const GPtrArray *entries)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < entries->len; i++)
    {
      const VpndRouteEntry *entry = g_ptr_array_index (entries, i);

      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&builder, "{sv}", "kind", g_variant_new_string (vpnd_entry_kind_word (entry->kind)));
      g_variant_builder_add (&builder, "{sv}", "entry", g_variant_new_string (entry->text));
      g_variant_builder_add (&builder, "{sv}", "state", g_variant_new_string (vpnd_entry_state_word (entry->state)));
      g_variant_builder_add (&builder, "{sv}", "reason", g_variant_new_string (vpnd_entry_why_word (entry->why)));
      g_variant_builder_add (&builder, "{sv}", "node", g_variant_new_string (entry->follows_default ? "default" : "real"));
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static void
on_routes (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  g_autoptr (GPtrArray) entries = vpnd_engine_query_routes_finish (VPND_ENGINE (source), result, &error);

  if (entries != NULL)
    vpnd_method_return (user_data, g_variant_new ("(@aa{sv})", entries_to_variant (entries)));
  else
    vpnd_method_return_error (user_data, error);
}

static void
run_routes (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_engine_query_routes_async (services->engine, g_task_get_cancellable (task), on_routes, task);
}

/* What only administrators may see is named, and not shown, to others. */
static GVariant *
findings_to_variant (const GPtrArray *findings, gboolean shows_private)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < findings->len; i++)
    {
      const VpndFinding *finding = g_ptr_array_index (findings, i);
      gboolean is_shown = shows_private || !finding->is_private;

      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&builder, "{sv}", "code", g_variant_new_string (vpnd_finding_word (finding->code)));
      g_variant_builder_add (&builder, "{sv}", "severity", g_variant_new_string (vpnd_severity_word (vpnd_finding_severity (finding->code))));
      g_variant_builder_add (&builder, "{sv}", "evidence", g_variant_new_take_string (g_utf8_make_valid (is_shown ? finding->evidence : "", -1)));
      g_variant_builder_add (&builder, "{sv}", "command", g_variant_new_take_string (g_utf8_make_valid (is_shown ? finding->command : "", -1)));
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static void
return_findings (GObject *source, GAsyncResult *result, GTask *task, gboolean shows_private)
{
  GError *error = NULL;
  g_autoptr (GPtrArray) findings = vpnd_engine_query_check_finish (VPND_ENGINE (source), result, &error);

  if (findings != NULL)
    vpnd_method_return (task, g_variant_new ("(@aa{sv})", findings_to_variant (findings, shows_private)));
  else
    vpnd_method_return_error (task, error);
}

static void
on_check (GObject *source, GAsyncResult *result, gpointer user_data)
{
  return_findings (source, result, user_data, FALSE);
}

static void
on_check_all (GObject *source, GAsyncResult *result, gpointer user_data)
{
  return_findings (source, result, user_data, TRUE);
}

static void
run_check (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_engine_query_check_async (services->engine, g_task_get_cancellable (task), on_check, task);
}

static void
run_check_all (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_engine_query_check_async (services->engine, g_task_get_cancellable (task), on_check_all, task);
}

/**
 * vpnd_methods_diagnostics:
 * @out_n: (out): length of the table
 *
 * Returns: (transfer none) (array length=out_n): the methods of org.vpnd1.Diagnostics
 */
const VpndMethod *
vpnd_methods_diagnostics (guint *out_n)
{
  static const VpndMethod methods[] = {
    { VPND_INTERFACE_DIAGNOSTICS, "Dns", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_dns },
    { VPND_INTERFACE_DIAGNOSTICS, "Routes", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_routes },
    { VPND_INTERFACE_DIAGNOSTICS, "Check", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_check },
    { VPND_INTERFACE_DIAGNOSTICS, "CheckAll", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_check_all },
  };

  *out_n = G_N_ELEMENTS (methods);
  return methods;
}
