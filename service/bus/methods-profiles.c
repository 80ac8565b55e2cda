/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The methods of org.vpnd1.Profiles. Keys come in by Import and never go out.
 */
#include "config.h"

#include "methods.h"

#include "error.h"
#include "names.h"
#include "profile-conf.h"
#include "profile-export.h"
#include "profile-rename.h"

#include <string.h>

typedef struct
{
  char *name;           /* (owned) */
  char *new_name;       /* (owned) (nullable) */
  VpndProfile *profile; /* (owned) (nullable): what Import parsed */
  GPtrArray *dropped;   /* (element-type utf8) (owned) (nullable) */
  gboolean replace;
  VpndBridge bridge;
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;

  g_free (request->name);
  g_free (request->new_name);
  g_clear_pointer (&request->profile, vpnd_profile_unref);
  g_clear_pointer (&request->dropped, g_ptr_array_unref);
  g_free (request);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Request, request_free)

static gboolean
check_name (const char *key, const char *name, GError **error)
{
  if (vpnd_profile_name_is_valid (name))
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: expected 1 to 64 of letters, digits, \".\", \"_\", \"-\", not starting with \".\" or \"-\"", key);
  return FALSE;
}

/* That the profile exists is checked before anybody is asked for a password, and again when the request is performed. */
static Request *
existing (const VpndServices *services, const char *name, GError **error)
{
  g_autoptr (VpndProfile) profile = NULL;
  Request *request;

  if (!check_name ("name", name, error))
    return NULL;
  profile = vpnd_profile_store_lookup (services->profiles, name, error);
  if (profile == NULL)
    return NULL;

  request = g_new0 (Request, 1);
  request->name = g_strdup (name);
  return request;
}

static gpointer
decode_name (const VpndServices *services, GVariant *parameters, GError **error)
{
  const char *name;

  g_variant_get (parameters, "(&s)", &name);
  return existing (services, name, error);
}

static gpointer
decode_rename (const VpndServices *services, GVariant *parameters, GError **error)
{
  const char *name;
  const char *new_name;
  g_autoptr (Request) request = NULL;

  g_variant_get (parameters, "(&s&s)", &name, &new_name);
  if (!check_name ("newName", new_name, error))
    return NULL;
  request = existing (services, name, error);
  if (request == NULL)
    return NULL;
  request->new_name = g_strdup (new_name);
  return g_steal_pointer (&request);
}

/* That it goes with the profile is checked before anybody is asked for a password, and again when the request is performed. */
static VpndProfile *
with_bridge (const VpndServices *services, const Request *request, GError **error)
{
  g_autoptr (VpndProfile) profile = vpnd_profile_store_lookup (services->profiles, request->name, error);
  g_autoptr (VpndProfile) copy = profile != NULL ? vpnd_profile_dup_with_bridge (profile, &request->bridge) : NULL;

  return copy != NULL && vpnd_profile_validate (copy, error) ? g_steal_pointer (&copy) : NULL;
}

static gpointer
decode_set_bridge (const VpndServices *services, GVariant *parameters, GError **error)
{
  const char *name;
  const char *service;
  VpndBridge bridge = { 0 };
  g_autoptr (Request) request = NULL;
  g_autoptr (VpndProfile) profile = NULL;

  g_variant_get (parameters, "(&s&squ)", &name, &service, &bridge.local_port, &bridge.uid);
  request = existing (services, name, error);
  if (request == NULL)
    return NULL;
  if (service[0] == '\0')
    return g_steal_pointer (&request);
  if (!vpnd_service_port_parse (service, &bridge.service))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "bridge: expected an address, port and protocol such as 192.0.2.1:443/tcp or [2001:db8::1]:443/udp");
      return NULL;
    }
  request->bridge = bridge;
  profile = with_bridge (services, request, error);
  return profile != NULL ? g_steal_pointer (&request) : NULL;
}

static gpointer
decode_import (const VpndServices *services, GVariant *parameters, GError **error)
{
  g_autoptr (Request) request = g_new0 (Request, 1);
  g_autoptr (GVariant) conf = NULL;
  const char *text;
  gsize length;

  g_variant_get (parameters, "(s@ayb)", &request->name, &conf, &request->replace);
  if (!check_name ("name", request->name, error))
    return NULL;
  text = g_variant_get_fixed_array (conf, &length, 1);
  if (length > VPND_PROFILE_CONF_MAX_BYTES)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, "conf: at most %d bytes are accepted", VPND_PROFILE_CONF_MAX_BYTES);
      return NULL;
    }
  request->profile = vpnd_profile_conf_parse (request->name, text != NULL ? text : "", length, &request->dropped, error);
  return request->profile != NULL ? g_steal_pointer (&request) : NULL;
}

static void
add_addrs (GVariantBuilder *builder, const GArray *addrs)
{
  for (guint i = 0; i < addrs->len; i++)
    {
      char text[VPND_ADDR_STRLEN];

      g_variant_builder_add (builder, "s", vpnd_addr_format (&g_array_index (addrs, VpndAddr, i), text));
    }
}

static GVariant *
addresses_of (const VpndProfile *profile)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint i = 0; i < profile->addresses->len; i++)
    {
      g_autofree char *text = vpnd_prefix_to_string (&g_array_index (profile->addresses, VpndPrefix, i));

      g_variant_builder_add (&builder, "s", text);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
dns_of (const VpndProfile *profile)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  add_addrs (&builder, profile->dns_servers);
  return g_variant_builder_end (&builder);
}

static GVariant *
endpoints_of (const VpndProfile *profile)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = profile->peers->pdata[i];

      if (peer->host != NULL)
        {
          g_autofree char *text = g_strdup_printf ("%s:%u", peer->host, peer->port);

          g_variant_builder_add (&builder, "s", text);
        }
      for (guint j = 0; j < peer->endpoints->len; j++)
        {
          g_autofree char *text = vpnd_endpoint_to_string (&g_array_index (peer->endpoints, VpndEndpoint, j));

          g_variant_builder_add (&builder, "s", text);
        }
    }
  return g_variant_builder_end (&builder);
}

static void
add_bridge (GVariantDict *dictionary, const VpndProfile *profile)
{
  if (!vpnd_bridge_is_set (&profile->bridge))
    return;
  g_variant_dict_insert_value (dictionary, "bridge", g_variant_new_take_string (vpnd_service_port_to_string (&profile->bridge.service)));
  g_variant_dict_insert (dictionary, "bridgeLocalPort", "u", (guint32) profile->bridge.local_port);
  g_variant_dict_insert (dictionary, "bridgeUser", "u", profile->bridge.uid);
}

/* A .conf says nothing of a bridge: who renews the keys of a profile must not reach the server directly of a sudden. */
static gboolean
keep_bridge (const VpndServices *services, Request *request, GError **error)
{
  g_autoptr (VpndProfile) old = request->replace ? vpnd_profile_store_lookup (services->profiles, request->name, NULL) : NULL;
  g_autoptr (VpndProfile) plain = NULL;

  if (old == NULL || !vpnd_bridge_is_set (&old->bridge))
    return TRUE;
  plain = g_steal_pointer (&request->profile);
  request->profile = vpnd_profile_dup_with_bridge (plain, &old->bridge);
  return vpnd_profile_validate (request->profile, error);
}

static void
run_import (const VpndServices *services, gpointer data, GTask *task)
{
  Request *request = data;
  g_auto (GVariantDict) report = G_VARIANT_DICT_INIT (NULL);
  GError *error = NULL;

  if (!keep_bridge (services, request, &error) || !vpnd_profile_store_save (services->profiles, request->profile, request->replace, &error))
    {
      vpnd_method_return_error (task, error);
      return;
    }
  services->profiles_changed (services->user_data);
  g_variant_dict_insert_value (&report, "dropped", g_variant_new_strv ((const char *const *) request->dropped->pdata, (gssize) request->dropped->len));
  g_variant_dict_insert (&report, "peers", "u", request->profile->peers->len);
  g_variant_dict_insert_value (&report, "addresses", addresses_of (request->profile));
  g_variant_dict_insert_value (&report, "dns", dns_of (request->profile));
  add_bridge (&report, request->profile);
  vpnd_method_return (task, g_variant_new ("(@a{sv})", g_variant_dict_end (&report)));
}

static void
run_export (const VpndServices *services, gpointer data, GTask *task)
{
  Request *request = data;
  GError *error = NULL;
  g_autoptr (VpndProfile) profile = vpnd_profile_store_lookup (services->profiles, request->name, &error);
  g_autofree char *text = NULL;

  if (profile == NULL)
    {
      vpnd_method_return_error (task, error);
      return;
    }
  text = vpnd_profile_export (profile);
  vpnd_method_return (task, g_variant_new ("(@ay)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, strlen (text), 1)));
}

/* Whether @name is what the engine works with now. */
static gboolean
is_in_use (const VpndServices *services, const char *name)
{
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (services->engine);

  return strcmp (status->profile, name) == 0 && strcmp (status->state, VPND_STATE_WORD_DISCONNECTED) != 0;
}

static GVariant *
summary_of (const VpndServices *services, const VpndProfile *profile)
{
  g_auto (GVariantDict) summary = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&summary, "name", "s", profile->name);
  g_variant_dict_insert_value (&summary, "addresses", addresses_of (profile));
  g_variant_dict_insert_value (&summary, "endpoints", endpoints_of (profile));
  g_variant_dict_insert_value (&summary, "dns", dns_of (profile));
  g_variant_dict_insert (&summary, "peers", "u", profile->peers->len);
  g_variant_dict_insert (&summary, "mtu", "u", profile->mtu);
  add_bridge (&summary, profile);
  g_variant_dict_insert (&summary, "active", "b", is_in_use (services, profile->name));
  return g_variant_dict_end (&summary);
}

static void
run_list (const VpndServices *services, gpointer data, GTask *task)
{
  g_autoptr (GPtrArray) profiles = vpnd_profile_store_list (services->profiles);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < profiles->len; i++)
    g_variant_builder_add_value (&builder, summary_of (services, profiles->pdata[i]));
  vpnd_method_return (task, g_variant_new ("(aa{sv})", &builder));
}

static void
return_done (GTask *task, gboolean done, GError *error)
{
  if (done)
    vpnd_method_return (task, g_variant_new ("()"));
  else
    vpnd_method_return_error (task, error);
}

static void
return_stored (const VpndServices *services, GTask *task, gboolean done, GError *error)
{
  if (done)
    services->profiles_changed (services->user_data);
  return_done (task, done, error);
}

static gboolean
check_not_in_use (const VpndServices *services, const char *name, GError **error)
{
  if (!is_in_use (services, name))
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_EXISTS, "the profile \"%s\" is in use; disconnect first", name);
  return FALSE;
}

/* Whether a start with the settings of now would connect to @name: a profile that is removed then leaves a closed network behind. */
static gboolean
is_auto_connected (const VpndServices *services, const char *name)
{
  const VpndSettings *settings = vpnd_engine_get_settings (services->engine);
  g_autoptr (VpndProfile) last = NULL;

  if (!settings->auto_connect || settings->auto_connect_profile[0] != '\0')
    return settings->auto_connect && strcmp (settings->auto_connect_profile, name) == 0;
  last = vpnd_profile_store_get_last (services->profiles);
  return last != NULL && strcmp (last->name, name) == 0;
}

static gboolean
check_not_auto_connected (const VpndServices *services, const char *name, GError **error)
{
  if (!is_auto_connected (services, name))
    return TRUE;

  g_set_error (error, VPND_ERROR, VPND_ERROR_EXISTS, "the profile \"%s\" is the one that auto-connect starts; name another with \"vpnctl auto-connect on PROFILE\", or turn it off", name);
  return FALSE;
}

static void
run_remove (const VpndServices *services, gpointer data, GTask *task)
{
  Request *request = data;
  GError *error = NULL;
  gboolean done = check_not_in_use (services, request->name, &error) && check_not_auto_connected (services, request->name, &error) &&
      vpnd_profile_store_remove (services->profiles, request->name, &error);

  return_stored (services, task, done, error);
}

static void
run_rename (const VpndServices *services, gpointer data, GTask *task)
{
  Request *request = data;
  GError *error = NULL;

  if (check_not_in_use (services, request->name, &error))
    vpnd_profile_rename (services, request->name, request->new_name, task);
  else
    vpnd_method_return_error (task, error);
}

static void
run_set_bridge (const VpndServices *services, gpointer data, GTask *task)
{
  Request *request = data;
  GError *error = NULL;
  g_autoptr (VpndProfile) profile = with_bridge (services, request, &error);
  gboolean done = profile != NULL && vpnd_profile_store_save (services->profiles, profile, TRUE, &error);

  return_stored (services, task, done, error);
}

static void
on_activated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean done = vpnd_engine_activate_finish (VPND_ENGINE (source), result, &error);

  return_done (user_data, done, error);
}

static void
run_activate (const VpndServices *services, gpointer data, GTask *task)
{
  Request *request = data;
  GError *error = NULL;
  g_autoptr (VpndProfile) profile = vpnd_profile_store_lookup (services->profiles, request->name, &error);

  if (profile == NULL)
    vpnd_method_return_error (task, error);
  else
    vpnd_engine_activate_async (services->engine, profile, g_task_get_cancellable (task), on_activated, task);
}

static void
on_reconnected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean done = vpnd_engine_reconnect_finish (VPND_ENGINE (source), result, &error);

  return_done (user_data, done, error);
}

static void
run_reconnect (const VpndServices *services, gpointer data, GTask *task)
{
  vpnd_engine_reconnect_async (services->engine, g_task_get_cancellable (task), on_reconnected, task);
}

/**
 * vpnd_methods_profiles:
 * @out_n: (out): length of the table
 *
 * Returns: (transfer none) (array length=out_n): the methods of org.vpnd1.Profiles
 */
const VpndMethod *
vpnd_methods_profiles (guint *out_n)
{
  static const VpndMethod methods[] = {
    { VPND_INTERFACE_PROFILES, "Import", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_IMPORT_MAX_BYTES, VPND_DEADLINE_MS, decode_import, request_free, NULL, run_import },
    { VPND_INTERFACE_PROFILES, "Export", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_name, request_free, NULL, run_export },
    { VPND_INTERFACE_PROFILES, "List", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_list },
    { VPND_INTERFACE_PROFILES, "Remove", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_name, request_free, NULL, run_remove },
    { VPND_INTERFACE_PROFILES, "Rename", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_rename, request_free, NULL, run_rename },
    { VPND_INTERFACE_PROFILES, "SetBridge", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_set_bridge, request_free, NULL, run_set_bridge },
    { VPND_INTERFACE_PROFILES, "Activate", VPND_METHOD_STARTS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_name, request_free, NULL, run_activate },
    { VPND_INTERFACE_PROFILES, "Reconnect", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_reconnect },
  };

  *out_n = G_N_ELEMENTS (methods);
  return methods;
}
