/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See firewall-host.h.
 */
#include "config.h"

#include "firewall-host.h"

#include <stdlib.h>
#include <string.h>

void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->is_good = vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &outcome->error);
  outcome->is_done = TRUE;
}

void
on_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->is_good = vpnd_firewall_remove_finish (VPND_FIREWALL (source), result, &outcome->error);
  outcome->is_done = TRUE;
}

void
wait_for (const gboolean *flag)
{
  while (!*flag)
    g_main_context_iteration (NULL, TRUE);
}

gboolean
apply (VpndFirewall *firewall, VpndRuleset *ruleset, GError **error)
{
  Outcome outcome = { 0 };

  vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &outcome);
  wait_for (&outcome.is_done);
  if (outcome.error != NULL)
    g_propagate_error (error, outcome.error);
  return outcome.is_good;
}

void
apply_ok (VpndFirewall *firewall, VpndRuleset *ruleset)
{
  g_autoptr (GError) error = NULL;
  gboolean is_good = apply (firewall, ruleset, &error);

  g_assert_no_error (error);
  g_assert_true (is_good);
}

void
remove_ok (VpndFirewall *firewall)
{
  Outcome outcome = { 0 };

  vpnd_firewall_remove_async (firewall, NULL, on_removed, &outcome);
  wait_for (&outcome.is_done);
  g_assert_no_error (outcome.error);
  g_assert_true (outcome.is_good);
}

/* Runs nft(8) and returns what it prints; NULL when it fails. */
char *
nft (const char *arguments)
{
  g_autofree char *command = g_strdup_printf ("nft %s", arguments);
  char *output = NULL;
  int status;

  g_assert_true (g_spawn_command_line_sync (command, &output, NULL, &status, NULL));
  if (!g_spawn_check_wait_status (status, NULL))
    g_clear_pointer (&output, g_free);
  return output;
}

VpndFirewall *
new_firewall (gboolean allow_owner)
{
  g_autoptr (GError) error = NULL;
  VpndFirewall *firewall = vpnd_firewall_nft_new_full (allow_owner, &error);

  g_assert_no_error (error);
  return firewall;
}

VpndRuleset *
small_ruleset (guint variant)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("vpnd");
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_DROP);
  VpndSet *set = vpnd_ruleset_add_set (ruleset, "ports", VPND_FIELD_UDP_DPORT, FALSE, FALSE);

  vpnd_set_add_port (set, 53, NULL);
  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo"));
  vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, VPND_OP_IN, "ports"));
  vpnd_rule_accept (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_TCP_DPORT, (guint16) (1000 + variant)));
  return ruleset;
}

static int
compare_texts (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

void
sort_texts (char **texts)
{
  qsort (texts, g_strv_length (texts), sizeof *texts, compare_texts);
}
