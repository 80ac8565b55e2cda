/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Works on words: runs of the characters that keys, addresses and names are made of. Rather one word too many than one too few.
 */
#include "config.h"

#include "scrub.h"

#include <string.h>

#define KEY_BASE64_LEN 44 /* 32 bytes, RFC 4648 section 4 */
#define KEY_HEX_LEN 64
#define MAC_LEN 17 /* six octets and five colons */

/**
 * VpndScrub:
 * @names: (element-type utf8 utf8) (owned): what was told -> its kind
 * @words: (element-type utf8 utf8) (owned): what was met -> what stands for it
 * @counts: (element-type utf8 guint) (owned): how many of a kind
 */
struct _VpndScrub
{
  GHashTable *names;
  GHashTable *words;
  GHashTable *counts;
};

/**
 * vpnd_scrub_new:
 *
 * Returns: (transfer full): one that knows no names yet
 */
VpndScrub *
vpnd_scrub_new (void)
{
  VpndScrub *scrub = g_new0 (VpndScrub, 1);

  scrub->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  scrub->words = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  scrub->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return scrub;
}

/**
 * vpnd_scrub_free:
 * @scrub: (nullable) (transfer full): a scrub
 */
void
vpnd_scrub_free (VpndScrub *scrub)
{
  if (scrub == NULL)
    return;
  g_hash_table_unref (scrub->names);
  g_hash_table_unref (scrub->words);
  g_hash_table_unref (scrub->counts);
  g_free (scrub);
}

/**
 * vpnd_scrub_add_name:
 * @scrub: a scrub
 * @kind: what kind of thing has the name, e.g. "profile"
 * @name: (nullable): the name; %NULL and "" are passed over
 */
void
vpnd_scrub_add_name (VpndScrub *scrub, const char *kind, const char *name)
{
  if (name != NULL && *name != '\0')
    g_hash_table_insert (scrub->names, g_ascii_strdown (name, -1), g_strdup (kind));
}

/* "(profile 2)": the second of its kind that was met. */
static const char *
stand_in (VpndScrub *scrub, const char *kind, const char *value)
{
  g_autofree char *key = g_strdup_printf ("%s %s", kind, value);
  const char *known = g_hash_table_lookup (scrub->words, key);
  guint count;
  char *word;

  if (known != NULL)
    return known;
  count = GPOINTER_TO_UINT (g_hash_table_lookup (scrub->counts, kind)) + 1;
  g_hash_table_insert (scrub->counts, g_strdup (kind), GUINT_TO_POINTER (count));
  word = g_strdup_printf ("(%s %u)", kind, count);
  g_hash_table_insert (scrub->words, g_steal_pointer (&key), word);
  return word;
}

static gboolean
is_word_char (char c)
{
  return g_ascii_isalnum (c) || strchr ("+/=.:%[]_-@~", c) != NULL || (c & 0x80) != 0;
}

static gboolean
is_key (const char *word)
{
  gsize length = strlen (word);
  gsize hex = 0;
  gsize base64 = 0;

  for (gsize i = 0; i < length; i++)
    {
      hex = g_ascii_isxdigit (word[i]) ? hex + 1 : 0;
      base64 = g_ascii_isalnum (word[i]) || strchr ("+/", word[i]) != NULL ? base64 + 1 : 0;
      if (hex >= KEY_HEX_LEN || (base64 >= KEY_BASE64_LEN - 1 && word[i + 1] == '='))
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_mac (const char *word)
{
  if (strlen (word) != MAC_LEN)
    return FALSE;
  for (guint i = 0; i < MAC_LEN; i++)
    if (i % 3 == 2 ? word[i] != ':' : !g_ascii_isxdigit (word[i]))
      return FALSE;
  return TRUE;
}

/* Addresses that are nobody's. */
static gboolean
is_common (GInetAddress *address)
{
  return g_inet_address_get_is_any (address) || g_inet_address_get_is_loopback (address);
}

static const char *
address_kind (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  gboolean is_v6 = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6;
  gboolean is_ula = is_v6 && (bytes[0] & 0xfe) == 0xfc;                        /* RFC 4193 */
  gboolean is_shared = !is_v6 && bytes[0] == 100 && (bytes[1] & 0xc0) == 0x40; /* RFC 6598 */
  gboolean is_local = is_ula || is_shared || g_inet_address_get_is_site_local (address) || g_inet_address_get_is_link_local (address);

  if (g_inet_address_get_is_multicast (address))
    return is_v6 ? "IPv6 multicast" : "IPv4 multicast";
  if (is_v6)
    return is_local ? "IPv6 private" : "IPv6 public";
  return is_local ? "IPv4 private" : "IPv4 public";
}

/* "1.2.3.4", "1.2.3.0/24", "fe80::1%eth0", "1.2.3.4:80", "[2001:db8::1]:80", also with a full stop or colon of the sentence behind it.
 * Returns: whether it was one; then something was appended */
static gboolean
append_address (VpndScrub *scrub, GString *out, const char *word)
{
  g_autofree char *text = g_strdup (word);
  g_autoptr (GInetAddress) address = NULL;
  g_autofree char *plain = NULL;
  g_autofree char *whole = NULL; /* without what belongs to the sentence */
  char *start = text;
  char *tail = NULL; /* "/24" */
  gboolean has_port = FALSE;
  gsize length = strlen (text);
  char *end;

  while (length > 0 && (text[length - 1] == '.' || (text[length - 1] == ':' && (length < 2 || text[length - 2] != ':'))))
    text[--length] = '\0';
  whole = g_strdup (text);
  if (*start == '[' && (end = strchr (start, ']')) != NULL)
    {
      has_port = end[1] == ':';
      *end = '\0';
      start++;
    }
  else if (strchr (start, '.') != NULL && (end = strrchr (start, ':')) != NULL && strchr (start, ':') == end)
    {
      has_port = TRUE;
      *end = '\0';
    }
  if ((end = strchr (start, '/')) != NULL)
    {
      *end = '\0';
      tail = end + 1;
    }
  start[strcspn (start, "%")] = '\0';
  address = g_inet_address_new_from_string (start);
  if (address == NULL)
    return FALSE;
  plain = g_inet_address_to_string (address);
  if (is_common (address))
    g_string_append (out, word);
  else if (has_port)
    g_string_append (out, stand_in (scrub, "endpoint", whole));
  else
    g_string_append_printf (out, "%s%s%s", stand_in (scrub, address_kind (address), plain), tail != NULL ? "/" : "", tail != NULL ? tail : "");
  if (!is_common (address))
    g_string_append (out, word + strlen (whole));
  return TRUE;
}

/* A name may stand alone, or as a host before ":port", or as a domain behind "~". */
static gboolean
append_name (VpndScrub *scrub, GString *out, const char *word)
{
  g_autofree char *lower = g_ascii_strdown (word, -1);
  char *start = lower + strspn (lower, "~");
  char *colon = strchr (start, ':');
  gsize length;
  const char *kind;

  if (colon != NULL)
    *colon = '\0';
  length = strlen (start);
  while (length > 0 && start[length - 1] == '.')
    start[--length] = '\0';
  kind = g_hash_table_lookup (scrub->names, start);
  if (kind == NULL)
    return FALSE;
  g_string_append (out, stand_in (scrub, kind, start));
  if (colon != NULL && colon[1] == '\0')
    g_string_append_c (out, ':'); /* of the sentence */
  return TRUE;
}

/* TRUE when @part is a name, an address or a MAC as a whole; then something was appended. */
static gboolean
append_known (VpndScrub *scrub, GString *out, const char *part)
{
  if (append_name (scrub, out, part) || append_address (scrub, out, part))
    return TRUE;
  if (is_mac (part))
    g_string_append (out, stand_in (scrub, "MAC", part));
  return is_mac (part);
}

/* Also behind each slash: "udp://192.0.2.1:53", "/var/lib/vpnd/profiles/NAME". */
static void
append_part (VpndScrub *scrub, GString *out, const char *part)
{
  const char *slash;

  while (*part != '\0' && !append_known (scrub, out, part))
    {
      slash = strchr (part, '/');
      if (slash == NULL)
        {
          g_string_append (out, part);
          return;
        }
      g_string_append_len (out, part, slash - part + 1);
      part = slash + 1;
    }
}

static void
append_word (VpndScrub *scrub, GString *out, const char *word)
{
  g_auto (GStrv) parts = NULL;

  if (is_key (word))
    {
      g_string_append (out, stand_in (scrub, "key", word));
      return;
    }
  parts = g_strsplit (word, "=", -1);
  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append_c (out, '=');
      append_part (scrub, out, parts[i]);
    }
}

/**
 * vpnd_scrub_text:
 * @scrub: a scrub
 * @text: any text
 *
 * Returns: (transfer full): @text without what identifies
 */
char *
vpnd_scrub_text (VpndScrub *scrub, const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  const char *at = text;

  while (*at != '\0')
    {
      gsize length = 0;
      g_autofree char *word = NULL;

      while (at[length] != '\0' && is_word_char (at[length]))
        length++;
      if (length == 0)
        {
          g_string_append_c (out, *at++);
          continue;
        }
      word = g_strndup (at, length);
      append_word (scrub, out, word);
      at += length;
    }
  return g_string_free (out, FALSE);
}
