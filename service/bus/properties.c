/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See properties.h. GDBus has checked that interface and property exist, that they may be read or written, and the type.
 */
#include "config.h"

#include "properties.h"

#include "actions.h"
#include "error.h"
#include "names.h"

#include <string.h>

static GVariant *
utf8 (const char *text)
{
  return g_variant_new_take_string (g_utf8_make_valid (text, -1));
}

static GVariant *
daemon_property (const VpndStatus *status, const char *property)
{
  if (strcmp (property, "Version") == 0)
    return g_variant_new_string (VPND_VERSION);
  if (strcmp (property, "State") == 0)
    return utf8 (status->state);
  if (strcmp (property, "Blocking") == 0)
    return g_variant_new_boolean (status->blocking);
  if (strcmp (property, "Cause") == 0)
    return utf8 (status->cause);
  if (strcmp (property, "Profile") == 0)
    return utf8 (status->profile);
  if (strcmp (property, "Since") == 0)
    return g_variant_new_uint64 ((guint64) MAX (status->since_us, 0) / G_USEC_PER_SEC);
  return NULL;
}

static GVariant *
split_classes (const VpndSplitStanding *standing)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{ss}"));

  if (*standing->excluded_path != '\0')
    g_variant_builder_add (&builder, "{ss}", vpnd_split_class_to_string (VPND_SPLIT_EXCLUDED), standing->excluded_path);
  if (*standing->included_path != '\0')
    g_variant_builder_add (&builder, "{ss}", vpnd_split_class_to_string (VPND_SPLIT_INCLUDED), standing->included_path);
  return g_variant_builder_end (&builder);
}

/* An engine without it has nothing to tell but that. */
static GVariant *
split_property (VpndSplitTunnel *split, const char *property)
{
  static const char *const grounds[] = { [VPND_SPLIT_GROUND_NONE] = "none", [VPND_SPLIT_GROUND_CGROUP2] = "cgroup2", [VPND_SPLIT_GROUND_NET_CLS] = "net_cls" };

  if (strcmp (property, "Mode") == 0)
    return g_variant_new_string (vpnd_split_mode_to_string (split != NULL ? vpnd_split_tunnel_get_config (split)->mode : VPND_SPLIT_MODE_EXCLUDE));
  if (strcmp (property, "State") == 0)
    return g_variant_new_string (vpnd_split_state_word (split != NULL ? vpnd_split_tunnel_get_state (split) : VPND_SPLIT_STATE_STARTED));
  if (strcmp (property, "Ground") == 0)
    return g_variant_new_string (grounds[split != NULL ? vpnd_split_tunnel_get_standing (split)->ground : VPND_SPLIT_GROUND_NONE]);
  if (strcmp (property, "Classes") == 0)
    return split != NULL ? split_classes (vpnd_split_tunnel_get_standing (split)) : g_variant_new ("a{ss}", NULL);
  return NULL;
}

/**
 * vpnd_properties_get:
 * @services: where the values are
 * @interface: an interface
 * @property: one of its properties
 *
 * Returns: (transfer full) (nullable): its value; %NULL when there is no such property
 */
GVariant *
vpnd_properties_get (const VpndServices *services, const char *interface, const char *property)
{
  GVariant *value = NULL;

  if (strcmp (interface, VPND_INTERFACE_DAEMON) == 0)
    {
      g_autoptr (VpndStatus) status = vpnd_engine_dup_status (services->engine);

      value = daemon_property (status, property);
    }
  else if (strcmp (interface, VPND_INTERFACE_SPLIT) == 0)
    value = split_property (vpnd_engine_get_split (services->engine), property);
  else if (strcmp (interface, VPND_INTERFACE_SETTINGS) == 0)
    {
      const VpndSettingInfo *info = vpnd_setting_info_by_property (property);

      if (info != NULL)
        value = vpnd_settings_get (vpnd_engine_get_settings (services->engine), info);
    }
  return value != NULL ? g_variant_ref_sink (value) : NULL;
}

/**
 * vpnd_properties_get_all:
 * @services: where the values are
 * @interface: an interface
 *
 * Returns: (transfer full): all of its properties, type a{sv}
 */
GVariant *
vpnd_properties_get_all (const VpndServices *services, const char *interface)
{
  GDBusInterfaceInfo *info = vpnd_actions_find_interface (interface);
  g_auto (GVariantDict) values = G_VARIANT_DICT_INIT (NULL);

  for (guint i = 0; info != NULL && info->properties != NULL && info->properties[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = vpnd_properties_get (services, interface, info->properties[i]->name);

      if (value != NULL)
        g_variant_dict_insert_value (&values, info->properties[i]->name, value);
    }
  return g_variant_ref_sink (g_variant_dict_end (&values));
}

/**
 * vpnd_properties_changes:
 * @before: (nullable): an earlier vpnd_properties_get_all()
 * @after: a later one
 *
 * Returns: (transfer full) (nullable): the values in @after that differ, type a{sv}; %NULL when none does
 */
GVariant *
vpnd_properties_changes (GVariant *before, GVariant *after)
{
  g_auto (GVariantDict) changes = G_VARIANT_DICT_INIT (NULL);
  gboolean has_any = FALSE;
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, after);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autoptr (GVariant) old = before != NULL ? g_variant_lookup_value (before, name, NULL) : NULL;

      if (old != NULL && g_variant_equal (old, value))
        continue;
      g_variant_dict_insert_value (&changes, name, value);
      has_any = TRUE;
    }
  return has_any ? g_variant_ref_sink (g_variant_dict_end (&changes)) : NULL;
}

typedef struct
{
  char *interface; /* (owned) */
  char *property;  /* (owned) (nullable): NULL for all */
  GVariant *value; /* (owned) (nullable): what to write */
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;

  g_free (request->interface);
  g_free (request->property);
  g_clear_pointer (&request->value, g_variant_unref);
  g_free (request);
}

static gpointer
decode_get (const VpndServices *services, GVariant *parameters, GError **error)
{
  Request *request = g_new0 (Request, 1);

  g_variant_get (parameters, "(ss)", &request->interface, &request->property);
  return request;
}

static gpointer
decode_get_all (const VpndServices *services, GVariant *parameters, GError **error)
{
  Request *request = g_new0 (Request, 1);

  g_variant_get (parameters, "(s)", &request->interface);
  return request;
}

static gboolean
read_mode (GVariant *value, VpndSplitMode *out_mode, GError **error)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) && vpnd_split_mode_from_string (g_variant_get_string (value, NULL), out_mode))
    return TRUE;
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "Mode: expected exclude or include");
  return FALSE;
}

static gboolean
is_mode (const Request *request)
{
  return strcmp (request->interface, VPND_INTERFACE_SPLIT) == 0 && strcmp (request->property, "Mode") == 0;
}

/* The value is checked against the settings and profiles of now, so that a wrong one never raises a dialog, and again when it is written. */
static gpointer
decode_set (const VpndServices *services, GVariant *parameters, GError **error)
{
  Request *request = g_new0 (Request, 1);
  const VpndSettingInfo *info;
  g_autoptr (VpndSettings) settings = NULL;

  VpndSplitMode mode;

  g_variant_get (parameters, "(ssv)", &request->interface, &request->property, &request->value);
  if (is_mode (request))
    {
      if (read_mode (request->value, &mode, error))
        return request;
      request_free (request);
      return NULL;
    }
  info = strcmp (request->interface, VPND_INTERFACE_SETTINGS) == 0 ? vpnd_setting_info_by_property (request->property) : NULL;
  if (info == NULL)
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "there is no such setting");
  else
    settings = vpnd_settings_writer_prepare (services->settings_writer, info, request->value, error);
  if (settings == NULL)
    {
      request_free (request);
      return NULL;
    }
  return request;
}

static const char *
read_action (gconstpointer data)
{
  const Request *request = data;

  return vpnd_actions_for_read (request->interface, request->property);
}

static const char *
write_action (gconstpointer data)
{
  const Request *request = data;

  return vpnd_actions_for_write (request->interface, request->property);
}

static GVariant *
read_one (const VpndServices *services, gconstpointer data, GError **error)
{
  const Request *request = data;
  g_autoptr (GVariant) value = vpnd_properties_get (services, request->interface, request->property);

  if (value != NULL)
    return g_variant_new ("(v)", value);
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "%s: there is no such property", request->property);
  return NULL;
}

static GVariant *
read_all (const VpndServices *services, gconstpointer data, GError **error)
{
  const Request *request = data;
  g_autoptr (GVariant) values = vpnd_properties_get_all (services, request->interface);

  return g_variant_new ("(@a{sv})", values);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (vpnd_settings_writer_write_finish (VPND_SETTINGS_WRITER (source), result, &error))
    {
      vpnd_method_return (task, g_variant_new ("()"));
      return;
    }
  vpnd_method_return_error (task, error);
}

static void
on_mode_changed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (vpnd_engine_change_split_finish (VPND_ENGINE (source), result, &error))
    vpnd_method_return (task, g_variant_new ("()"));
  else
    vpnd_method_return_error (task, error);
}

static void
run_set (const VpndServices *services, gpointer data, GTask *task)
{
  const Request *request = data;
  VpndSplitChange change = { .rule = NULL };

  if (is_mode (request) && read_mode (request->value, &change.mode, NULL))
    {
      vpnd_engine_change_split_async (services->engine, &change, NULL, on_mode_changed, task);
      return;
    }

  vpnd_settings_writer_write_async (services->settings_writer, vpnd_setting_info_by_property (request->property), request->value, g_task_get_cancellable (task), on_written, task);
}

/**
 * vpnd_methods_properties:
 * @out_n: (out): length of the table
 *
 * Returns: (transfer none) (array length=out_n): the methods of org.freedesktop.DBus.Properties
 */
const VpndMethod *
vpnd_methods_properties (guint *out_n)
{
  static const VpndMethod methods[] = {
    { VPND_INTERFACE_PROPERTIES, "Get", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_get, request_free, read_action, NULL, read_one },
    { VPND_INTERFACE_PROPERTIES, "GetAll", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_get_all, request_free, read_action, NULL, read_all },
    { VPND_INTERFACE_PROPERTIES, "Set", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_set, request_free, write_action, run_set, NULL },
  };

  *out_n = G_N_ELEMENTS (methods);
  return methods;
}
