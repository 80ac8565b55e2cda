/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The methods of org.vpnd1.Daemon, and that of org.vpnd1.Settings.
 */
#include "config.h"

#include "methods.h"

#include "codec.h"
#include "names.h"
#include "status.h"

static gpointer
decode_activate (const VpndServices *services, GVariant *parameters, GError **error)
{
  const char *json;

  g_variant_get (parameters, "(&s)", &json);
  return vpnd_codec_profile_from_json (json, error);
}

static void
on_activated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  if (vpnd_engine_activate_finish (VPND_ENGINE (source), result, &error))
    vpnd_method_return (user_data, g_variant_new ("(b)", TRUE));
  else
    vpnd_method_return_error (user_data, error);
}

static void
run_activate (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_engine_activate_async (services->engine, request, g_task_get_cancellable (task), on_activated, task);
}

static void
on_deactivated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  if (vpnd_engine_deactivate_finish (VPND_ENGINE (source), result, &error))
    vpnd_method_return (user_data, g_variant_new ("(b)", TRUE));
  else
    vpnd_method_return_error (user_data, error);
}

static void
run_deactivate (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_engine_deactivate_async (services->engine, g_task_get_cancellable (task), on_deactivated, task);
}

static void
on_status (GObject *source, GAsyncResult *result, gpointer user_data)
{
  VpndEngine *engine = VPND_ENGINE (source);
  g_autoptr (VpndStatus) status = vpnd_engine_query_status_finish (engine, result, NULL);
  g_autofree char *json = NULL;

  /* Counters that cannot be read are no reason to hide the state. */
  if (status == NULL)
    status = vpnd_engine_dup_status (engine);
  json = vpnd_status_to_json (status);
  vpnd_method_return (user_data, g_variant_new ("(s)", json));
}

static void
run_status (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_engine_query_status_async (services->engine, g_task_get_cancellable (task), on_status, task);
}

static void
run_get_logs (const VpndServices *services, gpointer request, GTask *task)
{
  g_autofree char *text = vpnd_log_ring_dup_text (services->ring);
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  vpnd_method_return (task, g_variant_new ("(s)", valid));
}

static void
run_cleanup_logs (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_log_ring_clear (services->ring);
  vpnd_method_return (task, g_variant_new ("()"));
}

static void
on_reset (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  if (vpnd_settings_writer_write_finish (VPND_SETTINGS_WRITER (source), result, &error))
    vpnd_method_return (user_data, g_variant_new ("()"));
  else
    vpnd_method_return_error (user_data, error);
}

static void
run_reset (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_settings_writer_write_async (services->settings_writer, NULL, NULL, g_task_get_cancellable (task), on_reset, task);
}

static void
free_profile (gpointer data)
{
  vpnd_profile_unref (data);
}

/**
 * vpnd_methods_daemon:
 * @out_n: (out): length of the table
 *
 * "status" never raises a dialog: clients call it when they start, and reading the state is for everybody anyway.
 *
 * Returns: (transfer none) (array length=out_n): the methods of org.vpnd1.Daemon and org.vpnd1.Settings
 */
const VpndMethod *
vpnd_methods_daemon (guint *out_n)
{
  static const VpndMethod methods[] = {
    { VPND_INTERFACE_DAEMON, "activate", VPND_METHOD_STARTS, VPND_DIALOG_ALWAYS, TRUE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_PROTOCOL_MS, decode_activate, free_profile, NULL, run_activate },
    { VPND_INTERFACE_DAEMON, "deactivate", VPND_METHOD_ENDS, VPND_DIALOG_ALWAYS, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_PROTOCOL_MS, NULL, NULL, NULL, run_deactivate },
    { VPND_INTERFACE_DAEMON, "status", VPND_METHOD_READS, VPND_DIALOG_NEVER, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_PROTOCOL_MS, NULL, NULL, NULL, run_status },
    { VPND_INTERFACE_DAEMON, "getLogs", VPND_METHOD_READS, VPND_DIALOG_ALWAYS, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_PROTOCOL_MS, NULL, NULL, NULL, run_get_logs },
    { VPND_INTERFACE_DAEMON, "cleanupLogs", VPND_METHOD_CHANGES, VPND_DIALOG_ALWAYS, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_PROTOCOL_MS, NULL, NULL, NULL, run_cleanup_logs },
    { VPND_INTERFACE_SETTINGS, "Reset", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_reset },
  };

  *out_n = G_N_ELEMENTS (methods);
  return methods;
}
