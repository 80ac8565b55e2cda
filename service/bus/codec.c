/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See codec.h. Clients of this protocol send keys with empty strings for what they do not have, so "" counts as absent; unknown
 * keys are ignored. What is understood but not done here is refused, never ignored: a client that asked for an obfuscated or an
 * excluding connection must not get a plain one.
 */
#include "config.h"

#include "codec.h"

#include "error.h"
#include "json.h"

#include <string.h>

#define MTU_MIN 1280  /* IPv6 needs it on every link (RFC 8200) */
#define APPS_MAX 4096 /* more than fit 64 KiB in any useful length */

typedef struct
{
  const char *word;
  gboolean is_supported;
} Word;

static const Word hop_types[] = {
  { "SingleHop", TRUE },
  { "MultiHopEntry", FALSE },
  { "MultiHopExit", FALSE },
};

static const Word obfuscation_methods[] = {
  { "NoObfuscation", TRUE },
  { "LWO", FALSE },
  { "Masque", FALSE },
  { "UdpOverTcp", FALSE },
  { "Shadowsocks", FALSE },
};

static gboolean
invalid (GError **error, const char *key, const char *expected)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "%s: expected %s", key, expected);
  return FALSE;
}

static gboolean
unsupported (GError **error, const char *key, const char *what)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "%s: %s", key, what);
  return FALSE;
}

/* Sets *out_text to %NULL for "" and for a key that is absent. */
static gboolean
get_text (JsonObject *object, const char *key, const char **out_text, GError **error)
{
  const char *text = NULL;

  if (!vpnd_json_get_string (object, key, FALSE, &text, error))
    return FALSE;
  *out_text = text != NULL && *text != '\0' ? text : NULL;
  return TRUE;
}

static gboolean
get_word (JsonObject *object, const char *key, const Word *words, guint n_words, GError **error)
{
  const char *text;

  if (!get_text (object, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  for (guint i = 0; i < n_words; i++)
    if (strcmp (text, words[i].word) == 0)
      {
        if (words[i].is_supported)
          return TRUE;
        g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "%s: %s is not supported; only %s is", key, words[i].word, words[0].word);
        return FALSE;
      }
  return invalid (error, key, "one of the words of the protocol");
}

/* A private key of zeros is how WireGuard says that there is none; a preshared key of zeros is a legal way to say the same. */
static gboolean
is_zero (const VpndSecret *secret)
{
  static const guint8 zeros[VPND_KEY_BYTES];

  return memcmp (vpnd_secret_peek_bytes (secret), zeros, VPND_KEY_BYTES) == 0;
}

static gboolean
get_secret (JsonObject *object, const char *key, gboolean required, VpndSecret **out_secret, GError **error)
{
  const char *text;

  if (!get_text (object, key, &text, error))
    return FALSE;
  if (text == NULL)
    return required ? invalid (error, key, "a WireGuard key in base64; this key is required") : TRUE;

  *out_secret = vpnd_secret_parse (text);
  /* The last copy of the text that is ours; the one in the message belongs to GDBus. */
  explicit_bzero ((char *) text, strlen (text));
  if (*out_secret == NULL || (required && is_zero (*out_secret)))
    return invalid (error, key, "a WireGuard key in base64");
  return TRUE;
}

static gboolean
get_public_key (JsonObject *object, const char *key, gboolean required, VpndPublicKey *out_key, const char **out_text, GError **error)
{
  if (!get_text (object, key, out_text, error))
    return FALSE;
  if (*out_text == NULL)
    return required ? invalid (error, key, "a WireGuard key in base64; this key is required") : TRUE;
  if (!vpnd_public_key_parse (*out_text, out_key) || vpnd_public_key_is_zero (out_key))
    return invalid (error, key, "a WireGuard key in base64");
  return TRUE;
}

/* @family AF_UNSPEC: either. Leaves *out_addr unset when the key is absent. */
static gboolean
get_addr (JsonObject *object, const char *key, int family, VpndAddr *out_addr, GError **error)
{
  const char *text;
  VpndAddr addr = { 0 };

  if (!get_text (object, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  if (!vpnd_addr_parse (text, &addr) || (family != AF_UNSPEC && addr.family != family) || !vpnd_addr_is_unicast (&addr))
    return invalid (error, key, family == AF_INET ? "an IPv4 address of a host" : family == AF_INET6 ? "an IPv6 address of a host"
                                                                                                     : "an IP address of a host");
  *out_addr = addr;
  return TRUE;
}

static gboolean
add_device_address (JsonObject *object, const char *key, int family, GArray *addresses, GError **error)
{
  const char *text;
  VpndPrefix prefix = { 0 };
  VpndAddr addr;
  gboolean is_valid;

  if (!get_text (object, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;

  /* Some clients send no mask: the address is then a host's. */
  if (strchr (text, '/') != NULL)
    is_valid = vpnd_prefix_parse (text, &prefix);
  else if ((is_valid = vpnd_addr_parse (text, &addr)))
    prefix = vpnd_prefix_host (&addr);
  if (!is_valid || prefix.addr.family != family || prefix.length == 0 || !vpnd_addr_is_unicast (&prefix.addr))
    return invalid (error, key, family == AF_INET ? "an IPv4 address such as 10.64.0.7/32" : "an IPv6 address such as fd00::7/128");
  g_array_append_val (addresses, prefix);
  return TRUE;
}

static gboolean
decode_addresses (JsonObject *object, VpndProfile *profile, GError **error)
{
  VpndAddr dns = { 0 };

  if (!add_device_address (object, "deviceIpv4Address", AF_INET, profile->addresses, error) ||
      !add_device_address (object, "deviceIpv6Address", AF_INET6, profile->addresses, error) ||
      !get_addr (object, "serverIpv4Gateway", AF_INET, &profile->gateway4, error) ||
      !get_addr (object, "serverIpv6Gateway", AF_INET6, &profile->gateway6, error) ||
      !get_addr (object, "dnsServer", AF_UNSPEC, &dns, error))
    return FALSE;
  if (profile->addresses->len == 0)
    return invalid (error, "deviceIpv4Address", "an address here or in deviceIpv6Address; one of them is required");
  if (vpnd_addr_is_set (&dns))
    g_array_append_val (profile->dns_servers, dns);
  return TRUE;
}

static gboolean
decode_endpoints (JsonObject *object, VpndPeer *peer, GError **error)
{
  VpndAddr addrs[2] = { 0 };
  gint64 port = 0;

  if (!get_addr (object, "serverIpv4AddrIn", AF_INET, &addrs[0], error) ||
      !get_addr (object, "serverIpv6AddrIn", AF_INET6, &addrs[1], error) ||
      !vpnd_json_get_integer (object, "serverPort", TRUE, 1, G_MAXUINT16, &port, error))
    return FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (addrs); i++)
    if (vpnd_addr_is_set (&addrs[i]))
      {
        VpndEndpoint endpoint = { .addr = addrs[i], .port = (guint16) port };

        g_array_append_val (peer->endpoints, endpoint);
      }
  if (peer->endpoints->len == 0)
    return invalid (error, "serverIpv4AddrIn", "an address here or in serverIpv6AddrIn; one of them is required");
  return TRUE;
}

/* "isIpv6" is not looked at: clients get it wrong, and the address says it. */
static gboolean
decode_range (JsonNode *node, VpndPrefix *out_prefix, GError **error)
{
  JsonObject *object;
  const char *text;
  VpndAddr addr;
  gint64 length = 0;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return invalid (error, "allowedIPAddressRanges", "an array of objects");
  object = json_node_get_object (node);
  if (!get_text (object, "address", &text, error))
    return FALSE;
  if (text == NULL || !vpnd_addr_parse (text, &addr))
    return invalid (error, "address", "an IP address");
  if (!vpnd_json_get_integer (object, "range", TRUE, 0, addr.family == AF_INET ? 32 : 128, &length, error))
    return FALSE;

  *out_prefix = vpnd_prefix_masked (&(VpndPrefix){ .addr = addr, .length = (guint8) length });
  return TRUE;
}

static gboolean
decode_allowed_ips (JsonObject *object, GArray *allowed_ips, GError **error)
{
  JsonArray *array = NULL;

  if (!vpnd_json_get_array (object, "allowedIPAddressRanges", TRUE, VPND_PROFILE_ALLOWED_MAX, &array, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      VpndPrefix prefix;

      if (!decode_range (json_array_get_element (array, i), &prefix, error))
        {
          g_prefix_error (error, "allowedIPAddressRanges[%u]: ", i);
          return FALSE;
        }
      g_array_append_val (allowed_ips, prefix);
    }
  if (allowed_ips->len == 0)
    return invalid (error, "allowedIPAddressRanges", "at least one range");
  return TRUE;
}

static gboolean
decode_peer (JsonObject *object, VpndPeer *peer, GError **error)
{
  const char *text = NULL;
  gint64 keepalive_s = 0;

  if (!get_public_key (object, "serverPublicKey", TRUE, &peer->public_key, &text, error))
    return FALSE;
  g_free (peer->public_key_text);
  peer->public_key_text = g_strdup (text);
  if (!get_secret (object, "presharedKey", FALSE, &peer->preshared_key, error) || !decode_endpoints (object, peer, error) ||
      !decode_allowed_ips (object, peer->allowed_ips, error) ||
      !vpnd_json_get_integer (object, "persistentKeepalive", FALSE, 0, G_MAXUINT16, &keepalive_s, error))
    return FALSE;
  peer->persistent_keepalive_s = (guint16) keepalive_s;
  return TRUE;
}

/* A list of strings that must be empty, because what it asks for is not done here. */
static gboolean
check_empty_list (JsonObject *object, const char *key, const char *what, GError **error)
{
  JsonArray *array = NULL;

  if (!vpnd_json_get_array (object, key, FALSE, APPS_MAX, &array, error))
    return FALSE;
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);

      if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
        return invalid (error, key, "an array of strings");
    }
  if (array != NULL && json_array_get_length (array) > 0)
    return unsupported (error, key, what);
  return TRUE;
}

static gboolean
is_nothing (JsonNode *node)
{
  if (JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_object_get_size (json_node_get_object (node)) == 0;
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING && *json_node_get_string (node) == '\0';
}

static gboolean
check_features (JsonObject *object, GError **error)
{
  VpndPublicKey public_key;
  const char *text = NULL;
  gint64 lwo_version = 1;

  return get_word (object, "hopType", hop_types, G_N_ELEMENTS (hop_types), error) &&
      get_word (object, "obfuscationMethod", obfuscation_methods, G_N_ELEMENTS (obfuscation_methods), error) &&
      vpnd_json_get_integer (object, "lwoVersion", FALSE, 1, 2, &lwo_version, error) &&
      get_public_key (object, "publicKey", FALSE, &public_key, &text, error) &&
      check_empty_list (object, "vpnDisabledApps", "excluding applications is not supported", error) &&
      check_empty_list (object, "excludedAddresses", "excluding addresses is not supported", error);
}

/* One who misspells "user" must not wonder why nothing leaves, so a key that is not known is refused here. */
static gboolean
has_bridge_keys_only (JsonObject *object)
{
  static const char *const keys[] = { "address", "port", "protocol", "localPort", "user", NULL };
  g_autoptr (GList) members = json_object_get_members (object);

  for (const GList *member = members; member != NULL; member = member->next)
    if (!g_strv_contains (keys, member->data))
      return FALSE;
  return TRUE;
}

static gboolean
decode_bridge_keys (JsonObject *object, VpndBridge *out_bridge, GError **error)
{
  VpndBridge bridge = { .service.protocol = IPPROTO_UDP };
  const char *protocol = NULL;
  const char *fault;
  gint64 port = 0, local_port = 0, uid = 0;

  if (!get_addr (object, "address", AF_UNSPEC, &bridge.service.endpoint.addr, error) ||
      !vpnd_json_get_integer (object, "port", TRUE, 1, G_MAXUINT16, &port, error) ||
      !vpnd_json_get_string (object, "protocol", TRUE, &protocol, error) ||
      !vpnd_json_get_integer (object, "localPort", TRUE, 1, G_MAXUINT16, &local_port, error) ||
      !vpnd_json_get_integer (object, "user", FALSE, 0, VPND_BRIDGE_UID_MAX, &uid, error))
    return FALSE;
  if (strcmp (protocol, "tcp") == 0)
    bridge.service.protocol = IPPROTO_TCP;
  else if (strcmp (protocol, "udp") != 0)
    return invalid (error, "protocol", "\"udp\" or \"tcp\"");
  bridge.service.endpoint.port = (guint16) port;
  bridge.local_port = (guint16) local_port;
  bridge.uid = (guint32) uid;
  fault = vpnd_bridge_find_fault (&bridge);
  if (fault != NULL)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, fault);
      return FALSE;
    }
  *out_bridge = bridge;
  return TRUE;
}

/* "", null and {} say that there is none, as for the other keys. */
static gboolean
decode_bridge (JsonObject *object, VpndBridge *out_bridge, GError **error)
{
  JsonNode *node = json_object_get_member (object, "bridge");

  if (node == NULL || is_nothing (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_OBJECT (node) || !has_bridge_keys_only (json_node_get_object (node)))
    return invalid (error, "bridge", "an object of address, port, protocol and localPort, perhaps user, and nothing else");
  if (decode_bridge_keys (json_node_get_object (node), out_bridge, error))
    return TRUE;
  g_prefix_error_literal (error, "bridge.");
  return FALSE;
}

static gboolean
decode_name (JsonObject *object, char **name, GError **error)
{
  const char *text;

  if (!get_text (object, "name", &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  if (!vpnd_profile_name_is_valid (text))
    return invalid (error, "name", "1 to 64 of letters, digits, \".\", \"_\", \"-\", not starting with \".\" or \"-\"");
  g_free (*name);
  *name = g_strdup (text);
  return TRUE;
}

static gboolean
decode_mtu (JsonObject *object, guint32 *out_mtu, GError **error)
{
  gint64 mtu = 0;

  if (!vpnd_json_get_integer (object, "mtu", FALSE, 0, G_MAXUINT16, &mtu, error))
    return FALSE;
  if (mtu != 0 && mtu < MTU_MIN)
    return invalid (error, "mtu", "0 for automatic, or 1280 to 65535");
  *out_mtu = (guint32) mtu;
  return TRUE;
}

/**
 * vpnd_codec_profile_from_json:
 * @json: the argument of "activate"
 * @error: VPND_ERROR_INVALID_JSON, VPND_ERROR_TOO_LARGE, VPND_ERROR_INVALID_ARGUMENT or VPND_ERROR_NOT_SUPPORTED; the last two
 *   name the key
 *
 * Decodes one WireGuard peer. The order of the checks is that of the cost to the user: what cannot be done at all comes first.
 *
 * Returns: (transfer full): a profile that vpnd_profile_validate() accepts, or %NULL with @error set
 */
VpndProfile *
vpnd_codec_profile_from_json (const char *json, GError **error)
{
  g_autoptr (JsonObject) object = vpnd_json_parse_object (json, -1, error);
  g_autoptr (VpndProfile) profile = NULL;
  g_autoptr (VpndPeer) peer = NULL;

  if (object == NULL)
    return NULL;

  profile = vpnd_profile_new ("");
  peer = vpnd_peer_new ();
  if (!get_secret (object, "privateKey", TRUE, &profile->private_key, error) || !check_features (object, error) ||
      !decode_name (object, &profile->name, error) || !decode_addresses (object, profile, error) ||
      !decode_mtu (object, &profile->mtu, error) || !decode_bridge (object, &profile->bridge, error) || !decode_peer (object, peer, error))
    return NULL;

  g_ptr_array_add (profile->peers, g_steal_pointer (&peer));
  if (!vpnd_profile_validate (profile, error))
    return NULL;
  return g_steal_pointer (&profile);
}
