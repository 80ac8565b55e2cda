/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The values of core/key.h. Base64 is read and secrets are compared without branches or table look-ups that depend on
 * the bytes, and only canonical text is accepted, so that a key has exactly one text.
 */
#include "config.h"

#include "key.h"

#include <nettle/curve25519.h>
#include <string.h>

struct _VpndSecret
{
  gatomicrefcount ref_count;
  guint8 bytes[VPND_KEY_BYTES];
};

/* All ones when low <= c <= high, else zero. */
static int
range_mask (int c, int low, int high)
{
  return (((low - 1 - c) & (c - high - 1)) >> 8);
}

/* The six bits of one base64 character (RFC 4648, 4), negative when it is none. */
static int
decode_character (char character)
{
  int c = (guint8) character;

  return -1 + (range_mask (c, 'A', 'Z') & (c - 'A' + 1)) + (range_mask (c, 'a', 'z') & (c - 'a' + 27)) +
      (range_mask (c, '0', '9') & (c - '0' + 53)) + (range_mask (c, '+', '+') & 63) + (range_mask (c, '/', '/') & 64);
}

/* 44 characters are ten groups of 3 bytes, and one of 2 bytes, whose last character has two bits too many: they must be zero. */
static gboolean
decode_key (const char *text, guint8 out_bytes[VPND_KEY_BYTES])
{
  int bad = 0;
  guint n = 0;

  if (strnlen (text, VPND_KEY_BASE64_LEN + 1) != VPND_KEY_BASE64_LEN || text[VPND_KEY_BASE64_LEN - 1] != '=')
    return FALSE;

  for (guint i = 0; i < VPND_KEY_BASE64_LEN; i += 4)
    {
      gboolean is_last = i + 4 == VPND_KEY_BASE64_LEN;
      int a = decode_character (text[i]);
      int b = decode_character (text[i + 1]);
      int c = decode_character (text[i + 2]);
      int d = is_last ? 0 : decode_character (text[i + 3]);
      guint32 group = ((guint32) a << 18) | ((guint32) b << 12) | ((guint32) c << 6) | (guint32) d;

      bad |= a | b | c | d;
      out_bytes[n++] = (guint8) (group >> 16);
      out_bytes[n++] = (guint8) (group >> 8);
      if (is_last)
        bad |= -(int) (group & 0xff); /* the two bits too many, moved to 6 and 7 */
      else
        out_bytes[n++] = (guint8) group;
    }
  return bad >= 0;
}

/**
 * vpnd_public_key_parse:
 * @base64: 44 characters of canonical base64
 * @out_key: (out): the key; written only on success
 *
 * Returns: TRUE when @base64 is exactly a key
 */
gboolean
vpnd_public_key_parse (const char *base64, VpndPublicKey *out_key)
{
  VpndPublicKey key;

  g_return_val_if_fail (base64 != NULL && out_key != NULL, FALSE);

  if (!decode_key (base64, key.bytes))
    return FALSE;

  *out_key = key;
  return TRUE;
}

/**
 * vpnd_public_key_to_base64:
 * @key: a key
 *
 * Returns: (transfer full): its one text
 */
char *
vpnd_public_key_to_base64 (const VpndPublicKey *key)
{
  return g_base64_encode (key->bytes, sizeof key->bytes);
}

/**
 * vpnd_public_key_equal:
 * @a: a key
 * @b: a key
 *
 * Returns: TRUE when both are the same
 */
gboolean
vpnd_public_key_equal (const VpndPublicKey *a, const VpndPublicKey *b)
{
  return memcmp (a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/**
 * vpnd_public_key_is_zero:
 * @key: a key
 *
 * Returns: TRUE for the all-zero key, which is no peer's key (and which the kernel reports for "none")
 */
gboolean
vpnd_public_key_is_zero (const VpndPublicKey *key)
{
  static const VpndPublicKey zero;

  return vpnd_public_key_equal (key, &zero);
}

/**
 * vpnd_secret_new:
 * @bytes: the secret; the caller clears its own copy
 *
 * Returns: (transfer full): a box that holds a copy of @bytes
 */
VpndSecret *
vpnd_secret_new (const guint8 bytes[VPND_KEY_BYTES])
{
  VpndSecret *secret = g_new0 (VpndSecret, 1);

  g_atomic_ref_count_init (&secret->ref_count);
  memcpy (secret->bytes, bytes, VPND_KEY_BYTES);
  return secret;
}

/**
 * vpnd_secret_parse:
 * @base64: 44 characters of canonical base64; the caller clears it
 *
 * Returns: (transfer full) (nullable): the secret, NULL when @base64 is not exactly a key
 */
VpndSecret *
vpnd_secret_parse (const char *base64)
{
  guint8 bytes[VPND_KEY_BYTES] = { 0 };
  VpndSecret *secret = NULL;

  g_return_val_if_fail (base64 != NULL, NULL);

  if (decode_key (base64, bytes))
    secret = vpnd_secret_new (bytes);
  explicit_bzero (bytes, sizeof bytes);
  return secret;
}

/**
 * vpnd_secret_ref:
 * @secret: a secret
 *
 * Returns: (transfer full): @secret
 */
VpndSecret *
vpnd_secret_ref (VpndSecret *secret)
{
  g_atomic_ref_count_inc (&secret->ref_count);
  return secret;
}

/**
 * vpnd_secret_unref:
 * @secret: (transfer full) (nullable): a secret
 *
 * Drops a reference; the last one clears the bytes.
 */
void
vpnd_secret_unref (VpndSecret *secret)
{
  if (secret == NULL || !g_atomic_ref_count_dec (&secret->ref_count))
    return;

  explicit_bzero (secret->bytes, sizeof secret->bytes);
  g_free (secret);
}

/**
 * vpnd_secret_peek_bytes:
 * @secret: a secret
 *
 * Returns: (transfer none): its 32 bytes, to be handed to the kernel; a copy must be cleared by who made it
 */
const guint8 *
vpnd_secret_peek_bytes (const VpndSecret *secret)
{
  return secret->bytes;
}

/**
 * vpnd_secret_to_base64:
 * @secret: a secret
 *
 * Returns: (transfer full): its text; free it with vpnd_clear_free_string ()
 */
char *
vpnd_secret_to_base64 (const VpndSecret *secret)
{
  return g_base64_encode (secret->bytes, sizeof secret->bytes);
}

/**
 * vpnd_secret_equal:
 * @a: a secret
 * @b: a secret
 *
 * Compares in a time that does not depend on the bytes.
 *
 * Returns: TRUE when both are the same
 */
gboolean
vpnd_secret_equal (const VpndSecret *a, const VpndSecret *b)
{
  volatile guint8 difference = 0;

  for (guint i = 0; i < VPND_KEY_BYTES; i++)
    difference |= a->bytes[i] ^ b->bytes[i];
  return difference == 0;
}

/**
 * vpnd_secret_to_string:
 * @secret: (nullable): a secret
 *
 * Returns: (transfer none): what a log or a report may say of it
 */
const char *
vpnd_secret_to_string (const VpndSecret *secret)
{
  return secret != NULL ? "(hidden)" : "(none)";
}

/**
 * vpnd_secret_public_key:
 * @secret: a private key
 *
 * Computes the public key (RFC 7748, 6.1). Clamping is part of the function, so an unclamped secret gives the key that
 * WireGuard itself would use.
 *
 * Returns: the public key of @secret
 */
VpndPublicKey
vpnd_secret_public_key (const VpndSecret *secret)
{
  VpndPublicKey key;

  G_STATIC_ASSERT (sizeof key.bytes == CURVE25519_SIZE);
  curve25519_mul_g (key.bytes, secret->bytes);
  return key;
}

/**
 * vpnd_clear_free_string:
 * @text: (transfer full) (nullable): text that holds a secret
 *
 * Overwrites @text and frees it.
 */
void
vpnd_clear_free_string (char *text)
{
  if (text == NULL)
    return;

  explicit_bzero (text, strlen (text));
  g_free (text);
}
