/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The net of log/redact.h. Works on words: runs of the characters that keys and addresses are made of.
 */
#include "config.h"

#include "redact.h"

#include "addr.h"
#include "key.h"

#include <string.h>

#define KEY_HEX_LEN (2 * VPND_KEY_BYTES)

static gboolean
is_word_char (char c)
{
  return g_ascii_isalnum (c) || strchr ("+/=.:%[]", c) != NULL;
}

static gboolean
is_key (const char *word, gsize length)
{
  gsize base64 = 0;
  gsize hex = 0;

  for (gsize i = 0; i < length; i++)
    {
      base64 = g_ascii_isalnum (word[i]) || strchr ("+/=", word[i]) != NULL ? base64 + 1 : 0;
      hex = g_ascii_isxdigit (word[i]) ? hex + 1 : 0;
      if (hex >= KEY_HEX_LEN || (base64 >= VPND_KEY_BASE64_LEN && word[i] == '='))
        return TRUE;
    }
  return FALSE;
}

/* "1.2.3.4", "1.2.3.4:80", "1.2.3.0/24", "[2001:db8::1]:80", "fe80::1%eth0", also with a full stop or colon of the sentence behind it. */
static gboolean
is_address (const char *word, gsize length)
{
  g_autofree char *copy = g_strndup (word, length);
  char *text = copy;
  VpndAddr addr;
  char *end;

  while (length > 0 && (copy[length - 1] == '.' || (copy[length - 1] == ':' && (length < 2 || copy[length - 2] != ':'))))
    copy[--length] = '\0';
  if (*text == '[' && (end = strchr (text, ']')) != NULL)
    {
      *end = '\0';
      text++;
    }
  text[strcspn (text, "/%")] = '\0';
  if (vpnd_addr_parse (text, &addr))
    return TRUE;

  end = strrchr (text, ':');
  if (end == NULL || strchr (text, '.') == NULL)
    return FALSE;
  *end = '\0';
  return vpnd_addr_parse (text, &addr);
}

/* One part of a word between "=" signs; an address may also stand behind a "/", as in "udp://192.0.2.1:53". */
static void
append_part (GString *result, const char *part, gsize length)
{
  for (gsize start = 0; start < length; start++)
    if ((start == 0 || part[start - 1] == '/') && is_address (part + start, length - start))
      {
        g_string_append_len (result, part, (gssize) start);
        g_string_append (result, "(address)");
        return;
      }
  g_string_append_len (result, part, (gssize) length);
}

static void
append_word (GString *result, const char *word, gsize length)
{
  gsize start = 0;

  if (is_key (word, length))
    {
      g_string_append (result, "(hidden)");
      return;
    }

  for (gsize i = 0; i <= length; i++)
    if (i == length || word[i] == '=')
      {
        append_part (result, word + start, i - start);
        g_string_append (result, i < length ? "=" : "");
        start = i + 1;
      }
}

/**
 * vpnd_log_redact:
 * @text: a line
 *
 * Takes out what must not be read, and makes one line of it: a line break in a value must not look like another line of the log.
 *
 * Returns: (transfer full): @text with "(hidden)" for every key and "(address)" for every IPv4 or IPv6 address, with or without port or prefix
 */
char *
vpnd_log_redact (const char *text)
{
  GString *result = g_string_sized_new (strlen (text));
  const char *at = text;

  while (*at != '\0')
    {
      gsize length = 0;

      while (at[length] != '\0' && is_word_char (at[length]))
        length++;
      if (length == 0)
        {
          g_string_append_c (result, g_ascii_iscntrl (*at) ? ' ' : *at);
          at++;
          continue;
        }
      append_word (result, at, length);
      at += length;
    }
  return g_string_free (result, FALSE);
}
