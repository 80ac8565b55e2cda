/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * WireGuard keys. A public key is a plain value; a secret lives in a reference-counted box that clears itself on
 * its last unref and whose only text form outside vpnd_secret_to_base64 () is "(hidden)".
 * Never logs, never compares secrets in variable time.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_KEY_BYTES 32      /* Curve25519 point or scalar */
#define VPND_KEY_BASE64_LEN 44 /* 32 bytes in base64, with its one '=' */

typedef struct
{
  guint8 bytes[VPND_KEY_BYTES];
} VpndPublicKey;

typedef struct _VpndSecret VpndSecret;

gboolean vpnd_public_key_parse (const char *base64, VpndPublicKey *out_key);
char *vpnd_public_key_to_base64 (const VpndPublicKey *key);
gboolean vpnd_public_key_equal (const VpndPublicKey *a, const VpndPublicKey *b);
gboolean vpnd_public_key_is_zero (const VpndPublicKey *key);

VpndSecret *vpnd_secret_new (const guint8 bytes[VPND_KEY_BYTES]);
VpndSecret *vpnd_secret_parse (const char *base64);
VpndSecret *vpnd_secret_ref (VpndSecret *secret);
void vpnd_secret_unref (VpndSecret *secret);
const guint8 *vpnd_secret_peek_bytes (const VpndSecret *secret);
char *vpnd_secret_to_base64 (const VpndSecret *secret);
gboolean vpnd_secret_equal (const VpndSecret *a, const VpndSecret *b);
const char *vpnd_secret_to_string (const VpndSecret *secret);
VpndPublicKey vpnd_secret_public_key (const VpndSecret *secret);
void vpnd_clear_free_string (char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSecret, vpnd_secret_unref)

G_END_DECLS
