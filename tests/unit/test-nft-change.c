/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How much of a ruleset a change leaves alone (netlink/nft-change.h). What the kernel makes of it, tests/lab-c/lab-nft-change.c says.
 */
#include "config.h"

#include "nft-change.h"

#include <string.h>

#include "nft-encode.h"

#define RULES 10
#define FRAME 2 /* begin, end */

/* A chain of rules for the ports from 1 on, but for @missing; rules have numbers where @has_handles. One more for the set. */
static VpndRuleset *
new_ruleset (guint16 missing, gboolean has_handles, guint32 element, gint32 priority)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("test");
  VpndSet *set = vpnd_ruleset_add_set (ruleset, "users", VPND_FIELD_SKUID, FALSE, FALSE);
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, priority, VPND_VERDICT_DROP);
  VpndRule *rule;

  vpnd_set_add_u32 (set, element, NULL);
  for (guint16 port = 1; port <= RULES; port++)
    {
      if (port == missing)
        continue;
      rule = vpnd_chain_add_rule (chain);
      vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_TCP_DPORT, port));
      rule->handle = has_handles ? 100 + port : 0;
    }
  rule = vpnd_chain_add_rule (chain);
  vpnd_rule_accept (vpnd_rule_match_set (rule, VPND_FIELD_SKUID, VPND_OP_IN, "users"));
  rule->handle = has_handles ? 100 : 0;
  return ruleset;
}

/* Returns: messages without begin and end; 0 when there is no change */
static guint
count (VpndRuleset *present, VpndRuleset *wanted)
{
  g_autoptr (VpndRuleset) from = present;
  g_autoptr (VpndRuleset) to = wanted;
  g_autoptr (VpndNftChange) change = vpnd_nft_change_new (from, to);

  return change != NULL ? vpnd_nft_change_messages (change) - FRAME : 0;
}

static void
test_what_stays (void)
{
  g_assert_cmpuint (count (new_ruleset (0, TRUE, 1, 0), new_ruleset (0, FALSE, 1, 0)), ==, 0);                 /* nothing to do */
  g_assert_cmpuint (count (new_ruleset (0, TRUE, 1, 0), new_ruleset (0, FALSE, 1, 5)), ==, 0);                 /* another place in the hook: the whole table */
  g_assert_cmpuint (count (new_ruleset (4, TRUE, 1, 0), new_ruleset (0, FALSE, 1, 0)), ==, 1);                 /* a rule comes */
  g_assert_cmpuint (count (new_ruleset (0, TRUE, 1, 0), new_ruleset (4, FALSE, 1, 0)), ==, 1);                 /* a rule goes */
  g_assert_cmpuint (count (new_ruleset (2, TRUE, 1, 0), new_ruleset (7, FALSE, 1, 0)), ==, 2);                 /* both */
  g_assert_cmpuint (count (new_ruleset (0, FALSE, 1, 0), new_ruleset (4, FALSE, 1, 0)), ==, 1 + RULES);        /* without numbers: all rules go, and those that stay come back */
  g_assert_cmpuint (count (new_ruleset (0, FALSE, 1, 0), new_ruleset (0, FALSE, 2, 0)), ==, 2);                /* an element goes, another comes */
  g_assert_cmpuint (count (new_ruleset (4, TRUE, 1, 0), new_ruleset (0, FALSE, 2, 0)), ==, 1 + 1 + 2 + 1 + 1); /* the set anew, with the rule that asks it; and a rule */
}

static gboolean
has_text (GBytes *batch, const char *text)
{
  gsize size;
  const char *data = g_bytes_get_data (batch, &size);

  return memmem (data, size, text, strlen (text)) != NULL;
}

/* What is in both is not even named. */
static void
test_what_is_sent (void)
{
  g_autoptr (VpndRuleset) present = new_ruleset (4, TRUE, 1, 0);
  g_autoptr (VpndRuleset) wanted = new_ruleset (0, FALSE, 1, 0);
  g_autoptr (VpndNftChange) change = vpnd_nft_change_new (present, wanted);
  g_autoptr (GBytes) batch = NULL;
  g_autoptr (GBytes) whole = vpnd_nft_encode_replace (wanted, 0, 0, 1);

  g_assert_nonnull (change);
  batch = vpnd_nft_change_encode (change, 1);
  g_assert_true (has_text (whole, "users"));
  g_assert_false (has_text (batch, "users"));
  g_assert_cmpuint (g_bytes_get_size (batch), <, g_bytes_get_size (whole) / 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nft-change/what-stays", test_what_stays);
  g_test_add_func ("/nft-change/what-is-sent", test_what_is_sent);
  return g_test_run ();
}
