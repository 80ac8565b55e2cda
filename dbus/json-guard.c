/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The scanner of dbus/json.h: one pass over RFC 8259 text that keeps nothing but the keys of the objects it is inside of.
 * Recursion is bounded by VPND_JSON_MAX_DEPTH. Messages name a byte offset or a key, never a value.
 */
#include "config.h"

#include "json.h"

#include "error.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SHOWN_KEY_MAX 40 /* a WireGuard key has 44 characters: one that stands where a name should is not repeated */

typedef struct
{
  const char *text; /* (unowned) */
  gsize length;
  gsize at;
  guint depth;
} Scanner;

static gboolean scan_value (Scanner *s, GError **error);

static gboolean
refuse (const Scanner *s, const char *what, GError **error)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, "%s at byte %" G_GSIZE_FORMAT, what, s->at);
  return FALSE;
}

static gboolean
is_showable (const char *key)
{
  gsize length = strlen (key);

  return length > 0 && length <= SHOWN_KEY_MAX && strspn (key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == length;
}

static int
peek (const Scanner *s)
{
  return s->at < s->length ? (guchar) s->text[s->at] : -1;
}

static void
skip_space (Scanner *s)
{
  while (s->at < s->length && strchr (" \t\r\n", s->text[s->at]) != NULL)
    s->at++;
}

static gboolean
scan_hex4 (Scanner *s, gunichar *out_unit, GError **error)
{
  gunichar unit = 0;

  for (guint i = 0; i < 4; i++)
    {
      int c = peek (s);

      if (c < 0 || !g_ascii_isxdigit (c))
        return refuse (s, "expected four hexadecimal digits after \\u", error);
      unit = unit << 4 | (gunichar) g_ascii_xdigit_value ((gchar) c);
      s->at++;
    }
  *out_unit = unit;
  return TRUE;
}

static gboolean
scan_unicode_escape (Scanner *s, GString *decoded, GError **error)
{
  gunichar unit;
  gunichar low;

  if (!scan_hex4 (s, &unit, error))
    return FALSE;
  if (unit == 0)
    return refuse (s, "\\u0000 is not accepted", error);
  if (unit >= 0xdc00 && unit <= 0xdfff)
    return refuse (s, "lone low surrogate", error);
  if (unit >= 0xd800 && unit <= 0xdbff)
    {
      if (s->length - s->at < 6 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u')
        return refuse (s, "lone high surrogate", error);
      s->at += 2;
      if (!scan_hex4 (s, &low, error))
        return FALSE;
      if (low < 0xdc00 || low > 0xdfff)
        return refuse (s, "high surrogate without a low one", error);
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
  if (decoded != NULL)
    g_string_append_unichar (decoded, unit);
  return TRUE;
}

static gboolean
scan_escape (Scanner *s, GString *decoded, GError **error)
{
  static const char letters[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  int c = peek (s);
  const char *found;

  if (c == 'u')
    {
      s->at++;
      return scan_unicode_escape (s, decoded, error);
    }
  found = c > 0 ? strchr (letters, c) : NULL;
  if (found == NULL)
    return refuse (s, "unknown escape", error);
  s->at++;
  if (decoded != NULL)
    g_string_append_c (decoded, meanings[found - letters]);
  return TRUE;
}

/* @decoded is (nullable): values are only checked, keys are also wanted. */
static gboolean
scan_string (Scanner *s, GString *decoded, GError **error)
{
  if (peek (s) != '"')
    return refuse (s, "expected a string", error);
  s->at++;

  for (int c = peek (s); c >= 0; c = peek (s))
    {
      if (c < 0x20)
        return refuse (s, "control character in a string", error);
      s->at++;
      if (c == '"')
        return TRUE;
      if (c == '\\')
        {
          if (!scan_escape (s, decoded, error))
            return FALSE;
        }
      else if (decoded != NULL)
        g_string_append_c (decoded, (gchar) c);
    }
  return refuse (s, "unterminated string", error);
}

static gsize
skip_digits (Scanner *s)
{
  gsize start = s->at;

  while (s->at < s->length && g_ascii_isdigit (s->text[s->at]))
    s->at++;
  return s->at - start;
}

static gboolean
check_magnitude (Scanner *s, gsize start, gboolean is_integer, GError **error)
{
  g_autofree char *number = g_strndup (s->text + start, s->at - start);

  errno = 0;
  if (is_integer)
    {
      (void) g_ascii_strtoll (number, NULL, 10); /* only the range matters: json-glib wraps silently */
      if (errno == ERANGE)
        return refuse (s, "integer out of range", error);
    }
  else if (!isfinite (g_ascii_strtod (number, NULL)))
    return refuse (s, "number out of range", error);
  return TRUE;
}

static gboolean
scan_number (Scanner *s, GError **error)
{
  gsize start = s->at;
  gboolean is_integer = TRUE;
  gboolean leading_zero;
  gsize digits;

  if (peek (s) == '-')
    s->at++;
  leading_zero = peek (s) == '0';
  digits = skip_digits (s);
  if (digits == 0 || (leading_zero && digits > 1))
    return refuse (s, "malformed number", error);
  if (peek (s) == '.')
    {
      is_integer = FALSE;
      s->at++;
      if (skip_digits (s) == 0)
        return refuse (s, "malformed number", error);
    }
  if (peek (s) == 'e' || peek (s) == 'E')
    {
      is_integer = FALSE;
      s->at++;
      if (peek (s) == '+' || peek (s) == '-')
        s->at++;
      if (skip_digits (s) == 0)
        return refuse (s, "malformed number", error);
    }
  return check_magnitude (s, start, is_integer, error);
}

static gboolean
scan_literal (Scanner *s, const char *literal, GError **error)
{
  gsize length = strlen (literal);

  if (s->length - s->at < length || memcmp (s->text + s->at, literal, length) != 0)
    return refuse (s, "unexpected character", error);
  s->at += length;
  return TRUE;
}

static gboolean
scan_member (Scanner *s, GHashTable *keys, GError **error)
{
  g_autoptr (GString) key = g_string_new (NULL);

  skip_space (s);
  if (!scan_string (s, key, error))
    return FALSE;
  if (g_hash_table_contains (keys, key->str))
    {
      if (is_showable (key->str))
        g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, "duplicate key \"%s\" at byte %" G_GSIZE_FORMAT, key->str, s->at);
      else
        (void) refuse (s, "duplicate key", error); /* sets the error; the result is FALSE below */
      return FALSE;
    }
  g_hash_table_add (keys, g_strdup (key->str));
  skip_space (s);
  if (peek (s) != ':')
    return refuse (s, "expected ':'", error);
  s->at++;
  return scan_value (s, error);
}

/* Objects (@keys given) and arrays: @close after the items, which are separated by commas. */
static gboolean
scan_items (Scanner *s, int close, GHashTable *keys, GError **error)
{
  if (++s->depth > VPND_JSON_MAX_DEPTH)
    return refuse (s, "nested deeper than " G_STRINGIFY (VPND_JSON_MAX_DEPTH) " levels", error);
  s->at++;
  skip_space (s);
  if (peek (s) == close)
    {
      s->at++;
      s->depth--;
      return TRUE;
    }

  while (keys != NULL ? scan_member (s, keys, error) : scan_value (s, error))
    {
      int c = peek (s);

      if (c != close && c != ',')
        return refuse (s, "expected ',' or the end of the object or array", error);
      s->at++;
      if (c == close)
        {
          s->depth--;
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
scan_one (Scanner *s, GError **error)
{
  g_autoptr (GHashTable) keys = NULL;

  switch (peek (s))
    {
    case '{':
      keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      return scan_items (s, '}', keys, error);
    case '[':
      return scan_items (s, ']', NULL, error);
    case '"':
      return scan_string (s, NULL, error);
    case 't':
      return scan_literal (s, "true", error);
    case 'f':
      return scan_literal (s, "false", error);
    case 'n':
      return scan_literal (s, "null", error);
    case -1:
      return refuse (s, "unexpected end", error);
    default: /* a character, not an enumeration */
      if (peek (s) == '-' || g_ascii_isdigit (peek (s)))
        return scan_number (s, error);
      return refuse (s, "unexpected character", error);
    }
}

static gboolean
scan_value (Scanner *s, GError **error)
{
  skip_space (s);
  if (!scan_one (s, error))
    return FALSE;
  skip_space (s);
  return TRUE;
}

/**
 * vpnd_json_check_within:
 * @text: (array length=length_bytes): the text; need not end with a NUL
 * @length_bytes: its length
 * @max_bytes: refuse more than this
 * @error: VPND_ERROR_TOO_LARGE or VPND_ERROR_INVALID_JSON; names the byte offset and, for a duplicate, the key
 *
 * Checks that @text is one JSON value of RFC 8259 that json-glib reads as it stands: valid UTF-8 without NUL, no byte order mark,
 * nested at most VPND_JSON_MAX_DEPTH deep, no object with two keys that are equal once decoded, no lone surrogate, every integer
 * within 64 bits and every other number finite.
 *
 * Returns: TRUE when it is
 */
gboolean
vpnd_json_check_within (const char *text, gsize length_bytes, gsize max_bytes, GError **error)
{
  Scanner scanner = { .text = text, .length = length_bytes };
  const char *end;

  g_return_val_if_fail (text != NULL || length_bytes == 0, FALSE);

  if (length_bytes > max_bytes)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, "the JSON text has %" G_GSIZE_FORMAT " bytes; at most %" G_GSIZE_FORMAT " are accepted", length_bytes, max_bytes);
      return FALSE;
    }
  /* With an explicit length GLib also stops at a NUL. */
  if (length_bytes > 0 && !g_utf8_validate_len (text, length_bytes, &end))
    {
      scanner.at = (gsize) (end - text);
      return refuse (&scanner, *end == '\0' ? "NUL" : "invalid UTF-8", error);
    }
  if (!scan_value (&scanner, error))
    return FALSE;
  if (scanner.at != length_bytes)
    return refuse (&scanner, "text after the end of the value", error);
  return TRUE;
}

/**
 * vpnd_json_check:
 * @text: (array length=length_bytes): the text; need not end with a NUL
 * @length_bytes: its length
 * @error: as vpnd_json_check_within()
 *
 * vpnd_json_check_within() with the limit of requests, VPND_JSON_MAX_BYTES.
 *
 * Returns: TRUE when @text is acceptable
 */
gboolean
vpnd_json_check (const char *text, gsize length_bytes, GError **error)
{
  return vpnd_json_check_within (text, length_bytes, VPND_JSON_MAX_BYTES, error);
}
