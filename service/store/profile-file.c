/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Print and parse of store/profile-file.h. The extra lines are "#vpnd name N", "#vpnd gateway A", "#vpnd endpoint PEER A PORT"
 * (peers count from 0) and "#vpnd bridge A:PORT/PROTOCOL LOCALPORT USER", before the first other line.
 */
#include "config.h"

#include "profile-file.h"

#include "error.h"
#include "profile-conf.h"

#include <string.h>

#define EXTRA_PREFIX "#vpnd "

static void
print_gateway (GString *extra, const VpndAddr *gateway)
{
  char buffer[VPND_ADDR_STRLEN];

  if (vpnd_addr_is_set (gateway))
    g_string_append_printf (extra, EXTRA_PREFIX "gateway %s\n", vpnd_addr_format (gateway, buffer));
}

/* A .conf has one endpoint a peer, by name or by address: the others go here. */
static void
print_endpoints (GString *extra, const VpndPeer *peer, guint index)
{
  for (guint i = peer->host != NULL ? 0 : 1; i < peer->endpoints->len; i++)
    {
      const VpndEndpoint *endpoint = &g_array_index (peer->endpoints, VpndEndpoint, i);
      char buffer[VPND_ADDR_STRLEN];

      g_string_append_printf (extra, EXTRA_PREFIX "endpoint %u %s %u\n", index, vpnd_addr_format (&endpoint->addr, buffer), endpoint->port);
    }
}

static void
print_bridge (GString *extra, const VpndBridge *bridge)
{
  g_autofree char *service = vpnd_service_port_to_string (&bridge->service);

  if (vpnd_bridge_is_set (bridge))
    g_string_append_printf (extra, EXTRA_PREFIX "bridge %s %u %u\n", service, bridge->local_port, bridge->uid);
}

/**
 * vpnd_profile_file_print:
 * @profile: a valid profile
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the text, with keys; free it with vpnd_clear_free_string (). NULL with VPND_ERROR_TOO_LARGE
 *   when it could not be read again
 */
char *
vpnd_profile_file_print (const VpndProfile *profile, GError **error)
{
  g_autoptr (GString) extra = g_string_new (NULL);
  char *conf;
  char *text;

  if (profile->name[0] != '\0')
    g_string_append_printf (extra, EXTRA_PREFIX "name %s\n", profile->name);
  print_gateway (extra, &profile->gateway4);
  print_gateway (extra, &profile->gateway6);
  for (guint i = 0; i < profile->peers->len; i++)
    print_endpoints (extra, g_ptr_array_index (profile->peers, i), i);
  print_bridge (extra, &profile->bridge);

  conf = vpnd_profile_conf_print_with_keys (profile);
  text = g_strconcat (extra->str, conf, NULL);
  vpnd_clear_free_string (conf);
  if (strlen (text) > VPND_PROFILE_CONF_MAX_BYTES)
    {
      vpnd_clear_free_string (text);
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, "the profile would take more than %d bytes to store", VPND_PROFILE_CONF_MAX_BYTES);
      return NULL;
    }
  return text;
}

static gboolean
take_gateway (VpndProfile *profile, const char *text)
{
  VpndAddr addr;

  if (!vpnd_addr_parse (text, &addr))
    return FALSE;
  *(addr.family == AF_INET ? &profile->gateway4 : &profile->gateway6) = addr;
  return TRUE;
}

static gboolean
take_endpoint (VpndProfile *profile, char **words)
{
  guint64 index, port;
  VpndEndpoint endpoint;
  VpndPeer *peer;

  if (g_strv_length (words) != 5 || !g_ascii_string_to_unsigned (words[2], 10, 0, G_MAXUINT, &index, NULL) || index >= profile->peers->len ||
      !vpnd_addr_parse (words[3], &endpoint.addr) || !g_ascii_string_to_unsigned (words[4], 10, 1, 65535, &port, NULL))
    return FALSE;

  peer = g_ptr_array_index (profile->peers, (guint) index);
  endpoint.port = (guint16) port;
  g_array_append_val (peer->endpoints, endpoint);
  return TRUE;
}

static gboolean
take_bridge (VpndProfile *profile, char **words)
{
  VpndBridge *bridge = &profile->bridge;
  guint64 local_port, uid;

  if (g_strv_length (words) != 5 || !vpnd_service_port_parse (words[2], &bridge->service) ||
      !g_ascii_string_to_unsigned (words[3], 10, 1, G_MAXUINT16, &local_port, NULL) ||
      !g_ascii_string_to_unsigned (words[4], 10, 0, VPND_BRIDGE_UID_MAX, &uid, NULL))
    return FALSE;

  bridge->local_port = (guint16) local_port;
  bridge->uid = (guint32) uid;
  return TRUE;
}

static gboolean
take_extra (VpndProfile *profile, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);

  if (g_strv_length (words) < 3)
    return FALSE;
  if (strcmp (words[1], "gateway") == 0)
    return take_gateway (profile, words[2]);
  if (strcmp (words[1], "endpoint") == 0)
    return take_endpoint (profile, words);
  if (strcmp (words[1], "bridge") == 0)
    return take_bridge (profile, words);
  return strcmp (words[1], "name") == 0;
}

/* The name that the first line says, NULL without one. */
static char *
find_name (const char *text, gsize length)
{
  const char *prefix = EXTRA_PREFIX "name ";
  const char *newline = memchr (text, '\n', length);

  if (newline == NULL || !g_str_has_prefix (text, prefix))
    return NULL;
  return g_strndup (text + strlen (prefix), newline - text - strlen (prefix));
}

/**
 * vpnd_profile_file_parse:
 * @name: (nullable): name of the profile; NULL for the one that the text says
 * @text: the text, with a NUL behind it; the caller clears it
 * @length_bytes: its length
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the profile; NULL with the errors of vpnd_profile_conf_parse ()
 */
VpndProfile *
vpnd_profile_file_parse (const char *name, const char *text, gsize length_bytes, GError **error)
{
  g_autofree char *own_name = name == NULL ? find_name (text, length_bytes) : NULL;
  g_autoptr (VpndProfile) profile = vpnd_profile_conf_parse (name != NULL ? name : own_name, text, length_bytes, NULL, error);
  const char *at = text;
  guint line = 1;

  if (profile == NULL)
    return NULL;

  for (; g_str_has_prefix (at, EXTRA_PREFIX); line++)
    {
      gsize length = strcspn (at, "\n");
      g_autofree char *extra = g_strndup (at, length);

      if (!take_extra (profile, g_strchomp (extra)))
        {
          g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_PROFILE, "line %u, column 1: not understood", line);
          return NULL;
        }
      at += length + (at[length] == '\n' ? 1 : 0);
    }
  if (!vpnd_profile_validate (profile, error))
    return NULL;
  return g_steal_pointer (&profile);
}
