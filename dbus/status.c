/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The status value and its JSON, version VPND_STATUS_SCHEMA. The order of the keys is part of the contract; keys may be added at
 * the end of an object, never changed. A reader ignores keys that it does not know.
 */
#include "config.h"

#include "status.h"

#include "error.h"
#include "json.h"
#include "names.h"

#define STATUS_MAX_BYTES (1024 * 1024) /* 256 peers of 250 bytes each, and room for later keys */
#define STATUS_LIST_MAX 1024           /* elements of any list in it */

/**
 * vpnd_status_peer_new:
 *
 * Returns: (transfer full): a peer with empty strings
 */
VpndStatusPeer *
vpnd_status_peer_new (void)
{
  VpndStatusPeer *peer = g_new0 (VpndStatusPeer, 1);

  peer->public_key = g_strdup ("");
  peer->endpoint = g_strdup ("");
  return peer;
}

/**
 * vpnd_status_peer_free:
 * @peer: (transfer full) (nullable): a peer
 */
void
vpnd_status_peer_free (VpndStatusPeer *peer)
{
  if (peer == NULL)
    return;

  g_free (peer->public_key);
  g_free (peer->endpoint);
  g_free (peer);
}

/**
 * vpnd_status_new:
 *
 * Returns: (transfer full): the status of a daemon that is disconnected and does not block; every string is ""
 */
VpndStatus *
vpnd_status_new (void)
{
  VpndStatus *status = g_new0 (VpndStatus, 1);
  char **const strings[] = {
    &status->cause, &status->detail, &status->profile, &status->backend, &status->interface,
    &status->address4, &status->address6, &status->gateway4, &status->gateway6, &status->bridge, &status->version
  };

  status->state = g_strdup (VPND_STATE_WORD_DISCONNECTED);
  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    *strings[i] = g_strdup ("");
  status->dns = g_new0 (char *, 1);
  status->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_status_peer_free);
  status->warnings = g_new0 (char *, 1);
  return status;
}

/**
 * vpnd_status_free:
 * @status: (transfer full) (nullable): a status
 */
void
vpnd_status_free (VpndStatus *status)
{
  if (status == NULL)
    return;

  g_free (status->state);
  g_free (status->cause);
  g_free (status->detail);
  g_free (status->profile);
  g_free (status->backend);
  g_free (status->interface);
  g_free (status->address4);
  g_free (status->address6);
  g_free (status->gateway4);
  g_free (status->gateway6);
  g_strfreev (status->dns);
  g_free (status->bridge);
  g_ptr_array_unref (status->peers);
  g_strfreev (status->warnings);
  g_free (status->version);
  g_free (status);
}

static void
add_string (JsonBuilder *builder, const char *key, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value != NULL ? value : "", -1);

  json_builder_set_member_name (builder, key);
  json_builder_add_string_value (builder, valid);
}

static void
add_count (JsonBuilder *builder, const char *key, guint64 value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_int_value (builder, (gint64) MIN (value, (guint64) G_MAXINT64));
}

static void
add_boolean (JsonBuilder *builder, const char *key, gboolean value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_boolean_value (builder, value != FALSE);
}

/* RFC 3339 in UTC with microseconds where there are any; "" for 0 and for what has no date. */
static void
add_time (JsonBuilder *builder, const char *key, gint64 wall_us)
{
  g_autoptr (GDateTime) second = NULL;
  g_autofree char *text = NULL;

  if (wall_us > 0)
    second = g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC);
  if (second != NULL)
    {
      g_autofree char *date = g_date_time_format (second, "%Y-%m-%dT%H:%M:%S");
      guint fraction_us = (guint) (wall_us % G_USEC_PER_SEC);

      text = fraction_us != 0 ? g_strdup_printf ("%s.%06uZ", date, fraction_us) : g_strdup_printf ("%sZ", date);
    }
  add_string (builder, key, text);
}

static void
add_list (JsonBuilder *builder, const char *key, char *const *values)
{
  json_builder_set_member_name (builder, key);
  json_builder_begin_array (builder);
  for (; values != NULL && *values != NULL; values++)
    {
      g_autofree char *valid = g_utf8_make_valid (*values, -1);

      json_builder_add_string_value (builder, valid);
    }
  json_builder_end_array (builder);
}

static void
add_peers (JsonBuilder *builder, const GPtrArray *peers)
{
  json_builder_set_member_name (builder, "peers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < peers->len; i++)
    {
      const VpndStatusPeer *peer = peers->pdata[i];

      json_builder_begin_object (builder);
      add_string (builder, "publicKey", peer->public_key);
      add_string (builder, "endpoint", peer->endpoint);
      add_count (builder, "rxBytes", peer->rx_bytes);
      add_count (builder, "txBytes", peer->tx_bytes);
      add_time (builder, "handshake", peer->handshake_us);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

/* The keys that clients of the original protocol read. */
static void
add_protocol_keys (JsonBuilder *builder, const VpndStatus *status)
{
  const VpndStatusPeer *primary = status->peers->len > 0 ? status->peers->pdata[0] : NULL;

  add_boolean (builder, "connected", g_strcmp0 (status->state, VPND_STATE_WORD_CONNECTED) == 0);
  add_string (builder, "deviceIpv4Address", status->address4);
  add_string (builder, "deviceIpv6Address", status->address6);
  add_string (builder, "serverIpv4Gateway", status->gateway4);
  add_string (builder, "serverIpv6Gateway", status->gateway6);
  /* Whole seconds: the form that every ISO 8601 reader takes. */
  add_time (builder, "date", primary != NULL ? primary->handshake_us - primary->handshake_us % G_USEC_PER_SEC : 0);
  add_count (builder, "txBytes", primary != NULL ? primary->tx_bytes : 0);
  add_count (builder, "rxBytes", primary != NULL ? primary->rx_bytes : 0);
  add_list (builder, "features", NULL);
}

/**
 * vpnd_status_to_json:
 * @status: a status
 *
 * Makes the text that the method status returns: always one object, every key always present, in a fixed order, "" for what is
 * unknown. Times are RFC 3339 in UTC. Bytes that are not UTF-8 are replaced.
 *
 * Returns: (transfer full): JSON
 */
char *
vpnd_status_to_json (const VpndStatus *status)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_count (builder, "schema", VPND_STATUS_SCHEMA);
  add_string (builder, "version", status->version);
  add_string (builder, "state", status->state);
  add_string (builder, "cause", status->cause);
  add_string (builder, "detail", status->detail);
  add_boolean (builder, "blocking", status->blocking);
  add_boolean (builder, "lockdown", status->lockdown);
  add_string (builder, "profile", status->profile);
  add_time (builder, "since", status->since_us);
  add_protocol_keys (builder, status);
  add_count (builder, "attempt", status->attempt);
  add_string (builder, "backend", status->backend);
  add_string (builder, "interface", status->interface);
  add_count (builder, "mtu", status->mtu);
  add_list (builder, "dns", status->dns);
  add_string (builder, "bridge", status->bridge);
  add_peers (builder, status->peers);
  add_list (builder, "warnings", status->warnings);
  json_builder_end_object (builder);

  root = json_builder_get_root (builder);
  return vpnd_json_to_string (root, FALSE);
}

static gboolean
take_string (JsonObject *object, const char *key, char **target, GError **error)
{
  const char *value = NULL;

  if (!vpnd_json_get_string (object, key, FALSE, &value, error))
    return FALSE;
  if (value != NULL)
    {
      g_free (*target);
      *target = g_strdup (value);
    }
  return TRUE;
}

static gboolean
take_uint (JsonObject *object, const char *key, guint *target, GError **error)
{
  gint64 value = *target;

  if (!vpnd_json_get_integer (object, key, FALSE, 0, G_MAXUINT, &value, error))
    return FALSE;
  *target = (guint) value;
  return TRUE;
}

static gboolean
take_uint64 (JsonObject *object, const char *key, guint64 *target, GError **error)
{
  gint64 value = 0;

  if (!vpnd_json_get_integer (object, key, FALSE, 0, G_MAXINT64, &value, error))
    return FALSE;
  *target = (guint64) value;
  return TRUE;
}

static gboolean
take_time (JsonObject *object, const char *key, gint64 *target_us, GError **error)
{
  const char *text = "";
  g_autoptr (GDateTime) moment = NULL;

  if (!vpnd_json_get_string (object, key, FALSE, &text, error))
    return FALSE;
  if (*text == '\0')
    {
      *target_us = 0;
      return TRUE;
    }
  moment = g_date_time_new_from_iso8601 (text, NULL);
  if (moment == NULL)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: expected a date and time of RFC 3339", key);
      return FALSE;
    }
  *target_us = g_date_time_to_unix (moment) * G_USEC_PER_SEC + g_date_time_get_microsecond (moment);
  return TRUE;
}

static gboolean
take_list (JsonObject *object, const char *key, char ***target, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  JsonArray *array = NULL;

  if (!vpnd_json_get_array (object, key, FALSE, STATUS_LIST_MAX, &array, error))
    return FALSE;
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);

      if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
        {
          g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: expected an array of strings", key);
          return FALSE;
        }
      g_strv_builder_add (builder, json_node_get_string (node));
    }
  g_strfreev (*target);
  *target = g_strv_builder_end (builder);
  return TRUE;
}

static VpndStatusPeer *
take_peer (JsonNode *node, GError **error)
{
  g_autoptr (VpndStatusPeer) peer = vpnd_status_peer_new ();
  JsonObject *object;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "peers: expected an array of objects");
      return NULL;
    }
  object = json_node_get_object (node);
  if (!take_string (object, "publicKey", &peer->public_key, error) || !take_string (object, "endpoint", &peer->endpoint, error) ||
      !take_uint64 (object, "rxBytes", &peer->rx_bytes, error) || !take_uint64 (object, "txBytes", &peer->tx_bytes, error) ||
      !take_time (object, "handshake", &peer->handshake_us, error))
    return NULL;
  return g_steal_pointer (&peer);
}

static gboolean
take_peers (JsonObject *object, GPtrArray *peers, GError **error)
{
  JsonArray *array = NULL;

  if (!vpnd_json_get_array (object, "peers", FALSE, STATUS_LIST_MAX, &array, error))
    return FALSE;
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      VpndStatusPeer *peer = take_peer (json_array_get_element (array, i), error);

      if (peer == NULL)
        return FALSE;
      g_ptr_array_add (peers, peer);
    }
  return TRUE;
}

/**
 * vpnd_status_from_json:
 * @json: what the method status returned
 * @error: VPND_ERROR_INVALID_JSON, VPND_ERROR_TOO_LARGE, or VPND_ERROR_INVALID_ARGUMENT that names a key
 *
 * Reads a status. Only "state" is required; unknown keys are ignored, so an older client reads a newer daemon.
 *
 * Returns: (transfer full): the status, or %NULL with @error set
 */
VpndStatus *
vpnd_status_from_json (const char *json, GError **error)
{
  g_autoptr (JsonObject) object = vpnd_json_parse_object_within (json, -1, STATUS_MAX_BYTES, error);
  g_autoptr (VpndStatus) status = NULL;
  const char *state = NULL;

  if (object == NULL || !vpnd_json_get_string (object, "state", TRUE, &state, error))
    return NULL;

  status = vpnd_status_new ();
  if (!take_string (object, "state", &status->state, error) || !take_string (object, "cause", &status->cause, error) ||
      !take_string (object, "detail", &status->detail, error) || !take_string (object, "profile", &status->profile, error) ||
      !take_string (object, "backend", &status->backend, error) || !take_string (object, "interface", &status->interface, error) ||
      !take_string (object, "deviceIpv4Address", &status->address4, error) || !take_string (object, "deviceIpv6Address", &status->address6, error) ||
      !take_string (object, "serverIpv4Gateway", &status->gateway4, error) || !take_string (object, "serverIpv6Gateway", &status->gateway6, error) ||
      !take_string (object, "bridge", &status->bridge, error) || !take_string (object, "version", &status->version, error) ||
      !vpnd_json_get_boolean (object, "blocking", FALSE, &status->blocking, error) ||
      !vpnd_json_get_boolean (object, "lockdown", FALSE, &status->lockdown, error) ||
      !take_time (object, "since", &status->since_us, error) || !take_uint (object, "attempt", &status->attempt, error) ||
      !take_uint (object, "mtu", &status->mtu, error) || !take_list (object, "dns", &status->dns, error) ||
      !take_peers (object, status->peers, error) || !take_list (object, "warnings", &status->warnings, error))
    return NULL;
  return g_steal_pointer (&status);
}
