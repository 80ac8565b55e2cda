/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: the decoder of DNS answers on any bytes. It takes within its bounds or refuses with its one error, and what it takes can be handed to the
 * table of names.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dns-answer.h"
#include "error.h"
#include "name-table.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndDnsAnswer) answer = vpnd_dns_answer_decode (data, size, &error);
  g_autoptr (VpndNameTable) table = NULL;
  g_auto (VpndNameResult) result = { 0 };

  if (answer == NULL)
    {
      g_assert_error (error, VPND_ERROR, VPND_ERROR_DNS);
      return 0;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (answer->names->len, <=, VPND_DNS_NAMES_MAX);
  g_assert_cmpuint (answer->addresses->len, <=, VPND_DNS_ADDRESSES_MAX);
  for (guint i = 0; i < answer->names->len; i++)
    g_assert_true (g_str_is_ascii (g_ptr_array_index (answer->names, i)));
  for (guint i = 0; i < answer->addresses->len; i++)
    {
      const VpndDnsAddress *address = &g_array_index (answer->addresses, VpndDnsAddress, i);

      g_assert_cmpuint (address->name, <, answer->names->len);
      g_assert_cmpuint (address->ttl_s, >=, VPND_DNS_TTL_MIN_S);
      g_assert_cmpuint (address->ttl_s, <=, VPND_DNS_TTL_MAX_S);
    }
  table = vpnd_name_table_new ();
  vpnd_name_table_add (table, answer, 0, &result);
  g_assert_null (result.domain); /* no rule, no domain */
  return 0;
}
