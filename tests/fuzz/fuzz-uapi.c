/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: the parser of the UAPI text on any bytes. It takes or refuses, and refuses what does not end as an answer ends.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "uapi.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndWgDevice) device = vpnd_uapi_parse_answer ((const char *) data, size, &error);

  if (device == NULL)
    g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
  else
    {
      g_assert_no_error (error);
      g_assert_true (vpnd_uapi_is_complete ((const char *) data, size));
      for (guint i = 0; i < device->peers->len; i++)
        g_assert_cmpuint (g_array_index (device->peers, VpndPeerStats, i).last_handshake_ns, <, 1000000000);
    }
  return 0;
}
