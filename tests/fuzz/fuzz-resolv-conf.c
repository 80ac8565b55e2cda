/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzz target: any text as resolv.conf. Whoever is found to own it, what is written instead is ours, has our server first, and what is kept
 * of the former text is not more than it was.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "resolv-conf.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup (size > 0 ? (const char *) data : "", size);
  g_autoptr (VpndDnsPlan) plan = vpnd_dns_plan_new ("vpnd0");
  VpndDnsFacts facts = { .text = text };
  g_autofree char *written = NULL;
  g_autofree char *again = NULL;
  VpndAddr server;

  g_assert_true (vpnd_addr_parse ("10.64.0.1", &server));
  g_array_append_val (plan->servers, server);
  written = vpnd_resolv_conf_print (plan, text);
  g_assert_true (vpnd_resolv_conf_is_ours (written, strlen (written)));
  g_assert_nonnull (strstr (written, "\nnameserver 10.64.0.1\n"));
  g_assert_cmpuint (strlen (written), <, strlen (text) + 200);
  again = vpnd_resolv_conf_print (plan, written);
  g_assert_cmpstr (again, ==, written); /* what was kept once is kept as it is */

  for (guint i = 0; i < 8; i++)
    {
      VpndDnsVerdict verdict;

      facts.resolved_available = (i & 1) != 0;
      facts.networkmanager_running = (i & 2) != 0;
      facts.has_resolvconf = (i & 4) != 0;
      verdict = vpnd_dns_owner_decide (&facts);
      g_assert_true (verdict.owner < VPND_N_DNS_OWNERS && verdict.reason != NULL);
      g_assert_true (i != 0 || verdict.owner == VPND_DNS_OWNER_FILE);
    }
  if (size > 0)
    (void) vpnd_resolv_conf_is_ours ((const char *) data, size); /* reads not a byte too many */
  return 0;
}
