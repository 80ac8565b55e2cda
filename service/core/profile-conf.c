/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reader of WireGuard .conf text. One table a section names its keys; a handler takes one value. Where it is wrong is said
 * by line and column, what it was is never repeated, because a key may stand anywhere after a slip of the mouse.
 * The grammar is that of wg(8) and wg-quick(8): "#" starts a comment, names are case-insensitive, lists have commas.
 * Never runs what PreUp and its kind say: they are reported and dropped.
 */
#include "config.h"

#include "profile-conf.h"

#include "error.h"

#include <string.h>

#define LINE_MAX_BYTES (32 * 1024) /* an AllowedIPs line of two thousand networks */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

typedef enum
{
  SECTION_NONE,
  SECTION_INTERFACE,
  SECTION_PEER,
} Section;

/**
 * Parser:
 * @profile: (owned): what has been read
 * @peer: (unowned) (nullable): the last of @profile, while its section lasts
 * @dropped: (owned) (element-type utf8): what was understood and not taken
 * @networks: (owned) (element-type VpndPrefix): those of @peer
 * @section: where we are
 * @section_line: line of its head
 * @interface_line: line of the head of [Interface], 0 before
 * @mtu_line: line of MTU, 0 without
 * @seen: bit n is set when key n of the section has been seen
 * @line: number of the line, from 1
 * @line_start: (unowned): its first byte
 */
typedef struct
{
  VpndProfile *profile;
  VpndPeer *peer;
  GPtrArray *dropped;
  GHashTable *networks;
  Section section;
  guint section_line;
  guint interface_line;
  guint mtu_line;
  guint32 seen;
  guint line;
  const char *line_start;
} Parser;

/* One value: @text ends in NUL and is a copy, @at is where it stands in the line. */
typedef struct
{
  const char *key;
  const char *text;
  const char *at;
} Value;

typedef gboolean (*TakeFunc) (Parser *self, const Value *value, GError **error);

typedef struct
{
  const char *name;
  gboolean is_repeatable;
  gboolean may_be_empty;
  TakeFunc take;
} Key;

static gboolean
fail_at (const Parser *self, const char *at, const char *key, const char *what, GError **error)
{
  glong column = 1 + g_utf8_strlen (self->line_start, at - self->line_start);

  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_PROFILE, "line %u, column %ld: %s%s%s", self->line, column, key != NULL ? key : "", key != NULL ? ": " : "", what);
  return FALSE;
}

static gboolean
fail_value (const Parser *self, const Value *value, const char *what, GError **error)
{
  return fail_at (self, value->at, value->key, what, error);
}

static gboolean
fail_line (guint line, const char *what, GError **error)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_PROFILE, "line %u, column 1: %s", line, what);
  return FALSE;
}

static void
drop (Parser *self, const Value *value, const char *reason)
{
  g_ptr_array_add (self->dropped, g_strdup_printf ("line %u: %s: %s", self->line, value->key, reason));
}

/* Decimal digits only, no sign, no space, at most five of them. */
static gboolean
take_number (const Parser *self, const Value *value, guint minimum, guint maximum, guint *out_number, GError **error)
{
  g_autofree char *what = NULL;
  guint64 number = 0;

  if (strlen (value->text) <= 5 && g_ascii_string_to_unsigned (value->text, 10, minimum, maximum, &number, NULL))
    {
      *out_number = (guint) number;
      return TRUE;
    }

  what = g_strdup_printf ("must be a number from %u to %u", minimum, maximum);
  return fail_value (self, value, what, error);
}

typedef gboolean (*ItemFunc) (Parser *self, const Value *item, GError **error);

/* Calls @take for each part of a list, trimmed; an empty part is an error. */
static gboolean
take_list (Parser *self, const Value *value, ItemFunc take, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (value->text, ",", -1);
  const char *at = value->at;

  for (guint i = 0; parts[i] != NULL; i++)
    {
      gsize length = strlen (parts[i]);
      gsize skipped = strspn (parts[i], " \t\r\f\v");
      Value item = { value->key, g_strstrip (parts[i]), at + skipped };

      if (item.text[0] == '\0')
        return fail_value (self, &item, "an empty entry in the list", error);
      if (!take (self, &item, error))
        return FALSE;
      at += length + 1;
    }
  return TRUE;
}

static gboolean
take_private_key (Parser *self, const Value *value, GError **error)
{
  self->profile->private_key = vpnd_secret_parse (value->text);
  if (self->profile->private_key == NULL)
    return fail_value (self, value, "not a key (44 characters of base64)", error);
  return TRUE;
}

static gboolean
take_listen_port (Parser *self, const Value *value, GError **error)
{
  guint port;

  if (!take_number (self, value, 0, 65535, &port, error))
    return FALSE;
  self->profile->listen_port = (guint16) port;
  return TRUE;
}

static gboolean
take_fwmark (Parser *self, const Value *value, GError **error)
{
  gboolean is_hex = g_ascii_strncasecmp (value->text, "0x", 2) == 0;

  if (g_ascii_strcasecmp (value->text, "off") != 0 &&
      !g_ascii_string_to_unsigned (value->text + (is_hex ? 2 : 0), is_hex ? 16 : 10, 0, G_MAXUINT32, NULL, NULL))
    return fail_value (self, value, "must be \"off\" or a number of 32 bits", error);
  drop (self, value, "the service uses a mark of its own");
  return TRUE;
}

static gboolean
take_address (Parser *self, const Value *item, GError **error)
{
  VpndPrefix prefix;

  if (!vpnd_prefix_parse (item->text, &prefix) || !vpnd_addr_is_unicast (&prefix.addr))
    return fail_value (self, item, "not an IPv4 or IPv6 address with an optional prefix length", error);
  for (guint i = 0; i < self->profile->addresses->len; i++)
    if (vpnd_addr_equal (&prefix.addr, &g_array_index (self->profile->addresses, VpndPrefix, i).addr))
      return fail_value (self, item, "the same address twice", error);

  g_array_append_val (self->profile->addresses, prefix);
  return TRUE;
}

static gboolean
take_addresses (Parser *self, const Value *value, GError **error)
{
  return take_list (self, value, take_address, error);
}

static void
add_server (GArray *servers, const VpndAddr *addr)
{
  for (guint i = 0; i < servers->len; i++)
    if (vpnd_addr_equal (addr, &g_array_index (servers, VpndAddr, i)))
      return;
  g_array_append_vals (servers, addr, 1);
}

static gboolean
take_dns_item (Parser *self, const Value *item, GError **error)
{
  VpndAddr addr;

  if (vpnd_addr_parse (item->text, &addr) && vpnd_addr_is_unicast (&addr))
    add_server (self->profile->dns_servers, &addr);
  else if (!vpnd_search_domain_is_valid (item->text))
    return fail_value (self, item, "neither the address of a host nor a search domain", error);
  else if (!g_ptr_array_find_with_equal_func (self->profile->dns_search, item->text, g_str_equal, NULL))
    g_ptr_array_add (self->profile->dns_search, g_strdup (item->text));
  return TRUE;
}

static gboolean
take_dns (Parser *self, const Value *value, GError **error)
{
  return take_list (self, value, take_dns_item, error);
}

static gboolean
take_mtu (Parser *self, const Value *value, GError **error)
{
  self->mtu_line = self->line;
  return take_number (self, value, 576, 65535, &self->profile->mtu, error);
}

static gboolean
take_table (Parser *self, const Value *value, GError **error)
{
  if (g_ascii_strcasecmp (value->text, "off") == 0)
    self->profile->routes_off = TRUE;
  else if (g_ascii_strcasecmp (value->text, "auto") != 0)
    drop (self, value, "the service uses tables of its own");
  return TRUE;
}

static gboolean
take_hook (Parser *self, const Value *value, GError **error)
{
  drop (self, value, "commands are never run");
  return TRUE;
}

static gboolean
take_save_config (Parser *self, const Value *value, GError **error)
{
  drop (self, value, "profiles change by import only");
  return TRUE;
}

static gboolean
take_public_key (Parser *self, const Value *value, GError **error)
{
  if (!vpnd_public_key_parse (value->text, &self->peer->public_key) || vpnd_public_key_is_zero (&self->peer->public_key))
    return fail_value (self, value, "not a key (44 characters of base64)", error);
  for (guint i = 0; i + 1 < self->profile->peers->len; i++)
    {
      const VpndPeer *other = g_ptr_array_index (self->profile->peers, i);

      if (vpnd_public_key_equal (&other->public_key, &self->peer->public_key))
        return fail_value (self, value, "the same peer twice", error);
    }

  g_free (self->peer->public_key_text);
  self->peer->public_key_text = g_strdup (value->text);
  return TRUE;
}

static gboolean
take_preshared_key (Parser *self, const Value *value, GError **error)
{
  self->peer->preshared_key = vpnd_secret_parse (value->text);
  if (self->peer->preshared_key == NULL)
    return fail_value (self, value, "not a key (44 characters of base64)", error);
  return TRUE;
}

static gboolean
take_allowed_ip (Parser *self, const Value *item, GError **error)
{
  VpndPrefix prefix, *network;

  if (!vpnd_prefix_parse (item->text, &prefix))
    return fail_value (self, item, "not an IPv4 or IPv6 network", error);

  network = g_new (VpndPrefix, 1);
  *network = vpnd_prefix_masked (&prefix);
  if (g_hash_table_add (self->networks, network))
    g_array_append_vals (self->peer->allowed_ips, network, 1);
  return TRUE;
}

static gboolean
take_allowed_ips (Parser *self, const Value *value, GError **error)
{
  return take_list (self, value, take_allowed_ip, error);
}

/* HOST:PORT, where an IPv6 address stands in brackets. */
static gboolean
take_endpoint (Parser *self, const Value *value, GError **error)
{
  const char *colon = strrchr (value->text, ':');
  gboolean is_bracketed = value->text[0] == '[' && colon != NULL && colon - value->text >= 2 && colon[-1] == ']';
  g_autofree char *host = NULL;
  VpndEndpoint endpoint;
  guint port;

  if (colon == NULL || colon == value->text)
    return fail_value (self, value, "must be ADDRESS:PORT, [IPV6-ADDRESS]:PORT or NAME:PORT", error);
  if (!take_number (self, &(Value){ value->key, colon + 1, value->at + (colon + 1 - value->text) }, 1, 65535, &port, error))
    return FALSE;

  host = is_bracketed ? g_strndup (value->text + 1, colon - value->text - 2) : g_strndup (value->text, colon - value->text);
  self->peer->port = (guint16) port;
  endpoint.port = (guint16) port;
  if (vpnd_addr_parse (host, &endpoint.addr) && vpnd_addr_is_unicast (&endpoint.addr) && is_bracketed == (endpoint.addr.family == AF_INET6))
    g_array_append_val (self->peer->endpoints, endpoint);
  else if (!is_bracketed && vpnd_host_name_is_valid (host))
    self->peer->host = g_steal_pointer (&host);
  else
    return fail_value (self, value, "must be ADDRESS:PORT, [IPV6-ADDRESS]:PORT or NAME:PORT", error);
  return TRUE;
}

static gboolean
take_keepalive (Parser *self, const Value *value, GError **error)
{
  guint seconds = 0;

  if (g_ascii_strcasecmp (value->text, "off") != 0 && !take_number (self, value, 0, 65535, &seconds, error))
    return FALSE;
  self->peer->persistent_keepalive_s = (guint16) seconds;
  return TRUE;
}

static const Key interface_keys[] = {
  { "PrivateKey", FALSE, FALSE, take_private_key },
  { "ListenPort", FALSE, FALSE, take_listen_port },
  { "FwMark", FALSE, FALSE, take_fwmark },
  { "Address", TRUE, TRUE, take_addresses },
  { "DNS", TRUE, TRUE, take_dns },
  { "MTU", FALSE, FALSE, take_mtu },
  { "Table", FALSE, FALSE, take_table },
  { "PreUp", TRUE, TRUE, take_hook },
  { "PostUp", TRUE, TRUE, take_hook },
  { "PreDown", TRUE, TRUE, take_hook },
  { "PostDown", TRUE, TRUE, take_hook },
  { "SaveConfig", FALSE, TRUE, take_save_config },
};

static const Key peer_keys[] = {
  { "PublicKey", FALSE, FALSE, take_public_key },
  { "PresharedKey", FALSE, FALSE, take_preshared_key },
  { "AllowedIPs", TRUE, TRUE, take_allowed_ips },
  { "Endpoint", FALSE, FALSE, take_endpoint },
  { "PersistentKeepalive", FALSE, FALSE, take_keepalive },
};

static const Key *
find_key (const Key *keys, guint n_keys, const char *name, gsize length)
{
  for (guint i = 0; i < n_keys; i++)
    if (strlen (keys[i].name) == length && g_ascii_strncasecmp (keys[i].name, name, length) == 0)
      return &keys[i];
  return NULL;
}

/* What must hold when a section ends. */
static gboolean
end_section (Parser *self, GError **error)
{
  switch (self->section)
    {
    case SECTION_NONE:
      return TRUE;

    case SECTION_INTERFACE:
      if (self->profile->private_key == NULL)
        return fail_line (self->section_line, "[Interface] has no PrivateKey", error);
      if (self->profile->addresses->len == 0)
        return fail_line (self->section_line, "[Interface] has no Address", error);
      return TRUE;

    case SECTION_PEER:
      if (self->peer->public_key_text[0] == '\0')
        return fail_line (self->section_line, "[Peer] has no PublicKey", error);
      return TRUE;
    }
  g_return_val_if_reached (FALSE);
}

static gboolean
begin_section (Parser *self, const char *start, gsize length, GError **error)
{
  if (!end_section (self, error))
    return FALSE;

  if (length == strlen ("[Interface]") && g_ascii_strncasecmp (start, "[Interface]", length) == 0)
    {
      if (self->interface_line != 0)
        return fail_at (self, start, NULL, "a second [Interface] section", error);
      self->section = SECTION_INTERFACE;
      self->interface_line = self->line;
    }
  else if (length == strlen ("[Peer]") && g_ascii_strncasecmp (start, "[Peer]", length) == 0)
    {
      if (self->profile->peers->len == VPND_PROFILE_PEERS_MAX)
        return fail_at (self, start, NULL, "too many [Peer] sections", error);
      self->section = SECTION_PEER;
      self->peer = vpnd_peer_new ();
      g_ptr_array_add (self->profile->peers, self->peer);
      g_hash_table_remove_all (self->networks);
    }
  else
    return fail_at (self, start, NULL, "unknown section; there are [Interface] and [Peer]", error);

  self->section_line = self->line;
  self->seen = 0;
  return TRUE;
}

/* The value is copied to end it in NUL, and cleared, because it may be a key. */
static gboolean
take_value (Parser *self, const Key *key, const char *start, gsize length, GError **error)
{
  char *text = g_strndup (start, length);
  gboolean taken = key->take (self, &(Value){ key->name, text, start }, error);

  explicit_bzero (text, length);
  g_free (text);
  return taken;
}

static gboolean
parse_assignment (Parser *self, const char *start, gsize length, GError **error)
{
  gboolean is_peer = self->section == SECTION_PEER;
  const Key *keys = is_peer ? peer_keys : interface_keys;
  const char *end = start + length;
  const char *equals = memchr (start, '=', length);
  const char *name_end = equals;
  const char *value;
  const Key *key;

  if (equals == NULL || equals == start)
    return fail_at (self, start, NULL, "expected KEY = VALUE", error);
  if (self->section == SECTION_NONE)
    return fail_at (self, start, NULL, "a key before the first section", error);

  while (name_end > start && g_ascii_isspace (name_end[-1]))
    name_end--;
  key = find_key (keys, is_peer ? G_N_ELEMENTS (peer_keys) : G_N_ELEMENTS (interface_keys), start, name_end - start);
  if (key == NULL)
    return fail_at (self, start, NULL, is_peer ? "unknown key in [Peer]" : "unknown key in [Interface]", error);
  if (!key->is_repeatable && (self->seen & (1u << (key - keys))) != 0)
    return fail_at (self, start, key->name, "given twice", error);
  self->seen |= 1u << (key - keys);

  for (value = equals + 1; value < end && g_ascii_isspace (*value); value++)
    ;
  if (value == end)
    return key->may_be_empty || fail_at (self, equals, key->name, "has no value", error);
  return take_value (self, key, value, end - value, error);
}

static gboolean
parse_line (Parser *self, const char *start, gsize length, GError **error)
{
  const char *comment;
  const char *end;

  if (length > LINE_MAX_BYTES)
    return fail_line (self->line, "the line is too long", error);

  comment = memchr (start, '#', length);
  end = comment != NULL ? comment : start + length;
  while (start < end && g_ascii_isspace (*start))
    start++;
  while (start < end && g_ascii_isspace (end[-1]))
    end--;

  if (start == end)
    return TRUE;
  if (*start == '[')
    return begin_section (self, start, end - start, error);
  return parse_assignment (self, start, end - start, error);
}

/* The parser reads bytes up to a length; a NUL inside, or what is not UTF-8, would end up in someone's C string. */
static gboolean
check_encoding (const char *text, gsize length, GError **error)
{
  const char *bad;
  guint line = 1;
  const char *line_start = text;

  if (g_utf8_validate_len (text, length, &bad))
    return TRUE;

  for (const char *at = text; at < bad; at++)
    if (*at == '\n')
      {
        line++;
        line_start = at + 1;
      }
  return fail_at (&(Parser){ .line = line, .line_start = line_start }, bad, NULL, *bad == '\0' ? "a NUL byte" : "not UTF-8", error);
}

static gboolean
parse_text (Parser *self, const char *text, gsize length, GError **error)
{
  const char *at = text;
  const char *end = text + length;

  while (at < end)
    {
      const char *newline = memchr (at, '\n', end - at);
      const char *line_end = newline != NULL ? newline : end;

      self->line++;
      self->line_start = at;
      if (!parse_line (self, at, line_end - at, error))
        return FALSE;
      at = newline != NULL ? newline + 1 : end;
    }
  return end_section (self, error);
}

static gboolean
check_whole (const Parser *self, GError **error)
{
  g_autoptr (GError) reason = NULL;

  if (self->interface_line == 0)
    return fail_line (1, "there is no [Interface] section", error);
  if (self->profile->peers->len == 0)
    return fail_line (self->interface_line, "there is no [Peer] section", error);
  if (self->mtu_line != 0 && self->profile->mtu < 1280 && vpnd_profile_has_address (self->profile, AF_INET6))
    return fail_line (self->mtu_line, "MTU: must be at least 1280, because there is an IPv6 address", error);

  /* What the handlers cannot see one by one: totals. */
  if (!vpnd_profile_validate (self->profile, &reason))
    {
      g_set_error (error, VPND_ERROR, reason->code == VPND_ERROR_TOO_LARGE ? VPND_ERROR_TOO_LARGE : VPND_ERROR_INVALID_PROFILE, "line %u, column 1: %s", self->interface_line, reason->message);
      return FALSE;
    }
  return TRUE;
}

static guint
prefix_hash (gconstpointer key)
{
  const VpndPrefix *prefix = key;
  guint hash = prefix->length;

  for (guint i = 0; i < sizeof prefix->addr.bytes; i++)
    hash = hash * 33 + prefix->addr.bytes[i];
  return hash;
}

static gboolean
prefix_equal (gconstpointer a, gconstpointer b)
{
  return vpnd_prefix_equal (a, b);
}

/**
 * vpnd_profile_conf_parse:
 * @name: (nullable): name of the profile, "" or NULL for none
 * @text: the text, need not end in NUL; the caller clears it
 * @length_bytes: its length
 * @out_dropped: (out) (optional) (element-type utf8) (transfer container): what was understood and not taken, one "line N: Key: reason"
 *   each; written only on success
 * @error: return location for an error
 *
 * Reads a WireGuard .conf text.
 *
 * Returns: (transfer full) (nullable): the profile; NULL with VPND_ERROR_INVALID_PROFILE ("line 4, column 12: MTU: ..."),
 *   VPND_ERROR_TOO_LARGE, or VPND_ERROR_INVALID_ARGUMENT for @name. No message repeats a value
 */
VpndProfile *
vpnd_profile_conf_parse (const char *name, const char *text, gsize length_bytes, GPtrArray **out_dropped, GError **error)
{
  g_autoptr (VpndProfile) profile = NULL;
  g_autoptr (GPtrArray) dropped = NULL;
  g_autoptr (GHashTable) networks = NULL;
  Parser parser = { 0 };
  gsize mark = 0;

  g_return_val_if_fail (text != NULL || length_bytes == 0, NULL);

  if (length_bytes > VPND_PROFILE_CONF_MAX_BYTES)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, "the profile is larger than %d bytes", VPND_PROFILE_CONF_MAX_BYTES);
      return NULL;
    }
  if (name != NULL && name[0] != '\0' && !vpnd_profile_name_is_valid (name))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "name: must be 1 to %d of letters, digits, '.', '_', '-', not starting with '.' or '-'", VPND_PROFILE_NAME_MAX);
      return NULL;
    }
  if (length_bytes > 0 && !check_encoding (text, length_bytes, error))
    return NULL;

  profile = parser.profile = vpnd_profile_new (name);
  dropped = parser.dropped = g_ptr_array_new_with_free_func (g_free);
  networks = parser.networks = g_hash_table_new_full (prefix_hash, prefix_equal, g_free, NULL);
  if (length_bytes >= 3 && memcmp (text, BYTE_ORDER_MARK, 3) == 0)
    mark = 3;
  if (!parse_text (&parser, text + mark, length_bytes - mark, error) || !check_whole (&parser, error))
    return NULL;

  if (out_dropped != NULL)
    *out_dropped = g_steal_pointer (&dropped);
  return g_steal_pointer (&profile);
}
