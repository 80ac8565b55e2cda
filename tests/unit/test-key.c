/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys: the vectors of RFC 7748, one text a key, and nothing of a secret in what may be printed.
 */
#include "config.h"

#include "key.h"

#include <string.h>

/* RFC 7748, 6.1: Alice. */
static const guint8 alice_private[32] = { 0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
  0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a };
static const guint8 alice_public[32] = { 0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
  0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a };
/* The same, Bob. */
static const guint8 bob_private[32] = { 0x5d, 0xab, 0x08, 0x7e, 0x62, 0x4a, 0x8a, 0x4b, 0x79, 0xe1, 0x7f, 0x8b, 0x83, 0x80, 0x0e, 0xe6,
  0x6f, 0x3b, 0xb1, 0x29, 0x26, 0x18, 0xb6, 0xfd, 0x1c, 0x2f, 0x8b, 0x27, 0xff, 0x88, 0xe0, 0xeb };
static const guint8 bob_public[32] = { 0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61, 0xc2, 0xec, 0xe4, 0x35, 0x37,
  0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78, 0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f };

static void
random_bytes (guint8 *bytes)
{
  for (guint i = 0; i < VPND_KEY_BYTES; i++)
    bytes[i] = (guint8) g_test_rand_int_range (0, 256);
}

static void
test_public_from_private (void)
{
  g_autoptr (VpndSecret) alice = vpnd_secret_new (alice_private);
  g_autoptr (VpndSecret) bob = vpnd_secret_new (bob_private);
  g_autoptr (VpndSecret) unclamped = NULL;
  guint8 other_bits[32];
  VpndPublicKey key = vpnd_secret_public_key (alice);

  g_assert_cmpmem (key.bytes, 32, alice_public, 32);
  key = vpnd_secret_public_key (bob);
  g_assert_cmpmem (key.bytes, 32, bob_public, 32);

  /* The five bits that clamping overwrites make no difference. */
  memcpy (other_bits, alice_private, 32);
  other_bits[0] ^= 7;
  other_bits[31] ^= 0x80;
  unclamped = vpnd_secret_new (other_bits);
  key = vpnd_secret_public_key (unclamped);
  g_assert_cmpmem (key.bytes, 32, alice_public, 32);
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < 2000; i++)
    {
      VpndPublicKey key, back;
      g_autofree char *text = NULL;
      g_autofree char *secret_text = NULL;
      g_autoptr (VpndSecret) secret = NULL;

      random_bytes (key.bytes);
      text = vpnd_public_key_to_base64 (&key);
      g_assert_cmpuint (strlen (text), ==, VPND_KEY_BASE64_LEN);
      g_assert_true (vpnd_public_key_parse (text, &back));
      g_assert_true (vpnd_public_key_equal (&key, &back));
      secret = vpnd_secret_parse (text);
      g_assert_cmpmem (vpnd_secret_peek_bytes (secret), 32, key.bytes, 32);
      secret_text = vpnd_secret_to_base64 (secret);
      g_assert_cmpstr (secret_text, ==, text);
    }
}

/* Every change of one character either gives another key or is refused: no key has two texts. */
static void
test_one_text (void)
{
  VpndPublicKey key, other;
  g_autofree char *text = NULL;

  random_bytes (key.bytes);
  text = vpnd_public_key_to_base64 (&key);
  for (guint i = 0; i < VPND_KEY_BASE64_LEN; i++)
    for (int c = 1; c < 256; c++)
      {
        char *changed = g_strdup (text);
        changed[i] = (char) c;
        if ((char) c != text[i] && vpnd_public_key_parse (changed, &other))
          {
            g_autofree char *again = vpnd_public_key_to_base64 (&other);

            g_assert_cmpstr (again, ==, changed);
            g_assert_false (vpnd_public_key_equal (&key, &other));
          }
        g_free (changed);
      }
}

static void
test_refused (void)
{
  static const char *const bad[] = { "", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ",
    "AAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAA", "-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
  VpndPublicKey key;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_false (vpnd_public_key_parse (bad[i], &key));
      g_assert_null (vpnd_secret_parse (bad[i]));
    }
}

static void
test_secret (void)
{
  g_autoptr (VpndSecret) a = vpnd_secret_new (alice_private);
  g_autoptr (VpndSecret) b = vpnd_secret_new (alice_private);
  g_autoptr (VpndSecret) c = vpnd_secret_new (bob_private);
  g_autoptr (VpndSecret) again = vpnd_secret_ref (a);

  g_assert_true (vpnd_secret_equal (a, b) && again == a);
  g_assert_false (vpnd_secret_equal (a, c));
  g_assert_cmpstr (vpnd_secret_to_string (a), ==, "(hidden)");
  g_assert_cmpstr (vpnd_secret_to_string (NULL), ==, "(none)");
  g_assert_true (vpnd_public_key_is_zero (&(VpndPublicKey){ { 0 } }));
  g_assert_false (vpnd_public_key_is_zero (&(VpndPublicKey){ { 0, 1 } }));
  vpnd_secret_unref (NULL);
  vpnd_clear_free_string (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/key/public-from-private", test_public_from_private);
  g_test_add_func ("/key/round-trip", test_round_trip);
  g_test_add_func ("/key/one-text", test_one_text);
  g_test_add_func ("/key/refused", test_refused);
  g_test_add_func ("/key/secret", test_secret);
  return g_test_run ();
}
