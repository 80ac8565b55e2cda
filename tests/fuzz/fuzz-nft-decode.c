/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: the nftables decoder on any bytes. What it takes must survive being encoded and decoded again.
 */
#include "config.h"

#include "nft-decode.h"
#include "nft-encode.h"
#include "nft-foreign-decode.h"
#include "nl-message.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
check_again (const VpndRuleset *ruleset)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_auto (VpndNftTable) again = { 0 };

  g_ptr_array_add (messages, vpnd_nft_encode_replace (ruleset, 0, 0, 1));
  (void) vpnd_nft_decode (messages, ruleset->table, &again, NULL); /* a ruleset of nonsense need not be one that can be made */
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_auto (VpndNftTable) table = { 0 };
  VpndNlCursor cursor = { 0 };
  const struct nlmsghdr *message;
  guint16 low;
  g_autoptr (GArray) foreign = NULL;

  g_ptr_array_add (messages, g_bytes_ref (bytes));
  if (vpnd_nft_decode (messages, "vpnd", &table, &error))
    check_again (table.ruleset);
  else
    g_assert_nonnull (error);
  foreign = vpnd_nft_decode_foreign (messages);
  for (guint i = 0; i < foreign->len; i++)
    g_assert (g_array_index (foreign, VpndForeignTable, i).drops + g_array_index (foreign, VpndForeignTable, i).marks > 0);

  cursor.data = g_bytes_get_data (bytes, &cursor.size);
  while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
    {
      (void) vpnd_nft_message_generation (message, &low);
      (void) vpnd_nft_message_concerns_table (message, "vpnd");
    }
  return 0;
}
