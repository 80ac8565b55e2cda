/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every text that "activate" may receive becomes either a valid profile or an error of our domain.
 */
#include "config.h"

#include "codec.h"
#include "error.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *json = g_strndup (size > 0 ? (const char *) data : "", size);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndProfile) profile = vpnd_codec_profile_from_json (json, &error);

  g_assert_true ((profile == NULL) == (error != NULL));
  if (profile != NULL)
    g_assert_true (vpnd_profile_validate (profile, NULL));
  else
    g_assert_true (error->domain == VPND_ERROR);
  return 0;
}
