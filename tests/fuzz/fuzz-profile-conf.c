/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of .conf text on hostile bytes: it takes or refuses, refusals say where, and what it takes is valid and survives
 * being written and read again.
 */
#include "config.h"

#include "error.h"
#include "profile-conf.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
check_taken (const VpndProfile *profile)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndProfile) again = NULL;
  g_autofree char *shown = vpnd_profile_conf_print (profile);
  char *secret = vpnd_secret_to_base64 (profile->private_key);
  char *text = vpnd_profile_conf_print_with_keys (profile);

  g_assert_true (vpnd_profile_validate (profile, &error));
  g_assert_no_error (error);
  if (strlen (text) <= VPND_PROFILE_CONF_MAX_BYTES)
    {
      again = vpnd_profile_conf_parse (profile->name, text, strlen (text), NULL, &error);
      g_assert_no_error (error);
      g_assert_true (vpnd_profile_equal (profile, again));
    }
  g_assert_null (strstr (shown, secret));
  g_assert_nonnull (strstr (text, secret));
  vpnd_clear_free_string (secret);
  vpnd_clear_free_string (text);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) dropped = NULL;
  g_autoptr (VpndProfile) profile = vpnd_profile_conf_parse ("fuzz", (const char *) data, size, &dropped, &error);

  if (profile != NULL)
    {
      g_assert_no_error (error);
      g_assert_nonnull (dropped);
      check_taken (profile);
    }
  else
    {
      g_assert_true (error != NULL && error->domain == VPND_ERROR);
      g_assert_true (error->code == VPND_ERROR_TOO_LARGE || g_str_has_prefix (error->message, "line "));
      g_assert_null (dropped);
    }
  return 0;
}
