/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * nft(8) as the oracle of the encoder: what `nft -c --debug=netlink` makes of a ruleset's text are the expressions that we make of the
 * ruleset. Random rulesets, in a network namespace because nft asks the kernel for its cache.
 */
#include "config.h"

#include "nft-encode-rule.h"
#include "random-policy.h"
#include "random-ruleset.h"

#include <libnftnl/common.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 60

/* One string a rule: its expressions, a line each. */
static void
add_rules_of (GPtrArray *rules, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *rule = NULL;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (g_str_has_prefix (lines[i], "inet vpnd "))
        {
          if (rule != NULL)
            g_ptr_array_add (rules, g_string_free (rule, FALSE));
          rule = g_string_new (NULL);
        }
      else if (rule != NULL && g_str_has_prefix (lines[i], "  [ "))
        {
          g_string_append_printf (rule, "%s\n", g_strchomp (lines[i]));
        }
    }
  if (rule != NULL)
    g_ptr_array_add (rules, g_string_free (rule, FALSE));
}

static GPtrArray *
rules_of_nft (const VpndRuleset *ruleset)
{
  GPtrArray *rules = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = vpnd_ruleset_to_text (ruleset);
  g_autofree char *path = NULL;
  g_autofree char *command = NULL;
  g_autofree char *output = NULL;
  g_autofree char *complaint = NULL;
  int status;
  int fd = g_file_open_tmp ("vpnd-oracle-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  command = g_strdup_printf ("nft -c --debug=netlink -f %s", path);
  g_assert_true (g_spawn_command_line_sync (command, &output, &complaint, &status, NULL));
  (void) unlink (path);
  if (!g_spawn_check_wait_status (status, NULL))
    g_error ("nft refuses:\n%s\n%s", complaint, text);
  add_rules_of (rules, output);
  return rules;
}

static void
add_our_rules (GPtrArray *rules, GPtrArray *values, const VpndChain *chain)
{
  for (guint i = 0; i < chain->rules->len; i++)
    {
      struct nftnl_rule *rule = vpnd_nft_encode_rule ("vpnd", chain->name, g_ptr_array_index (chain->rules, i));
      char buffer[8192];

      g_assert_cmpint (nftnl_rule_snprintf (buffer, sizeof buffer, rule, NFTNL_OUTPUT_DEFAULT, 0), <, (int) sizeof buffer);
      nftnl_rule_free (rule);
      add_rules_of (rules, buffer);
      g_ptr_array_add (values, g_ptr_array_index (chain->rules, i));
    }
}

/* nft joins looks at neighbouring fields of the transport header into one load, wherever they stand in the rule; the encoder does not,
 * so that a rule can be read back as it was. Such rules are left to the comparison of listings in lab-firewall-nft. */
static gboolean
is_joined_by_nft (const VpndRule *rule)
{
  guint n_transport = 0;

  for (guint i = 0; i < rule->matches->len; i++)
    {
      const VpndMatch *match = &g_array_index (rule->matches, VpndMatch, i);

      n_transport += vpnd_field_implied_l4proto (match->field) != 0 && match->op == VPND_OP_EQ;
    }
  return n_transport > 1;
}

static guint
compare (const VpndRuleset *ruleset)
{
  g_autoptr (GPtrArray) theirs = rules_of_nft (ruleset);
  g_autoptr (GPtrArray) ours = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) values = g_ptr_array_new ();
  guint n_compared = 0;

  /* The text has chains without a hook first. */
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < ruleset->chains->len; i++)
      {
        const VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

        if ((chain->hook == VPND_HOOK_NONE) == (pass == 0))
          add_our_rules (ours, values, chain);
      }
  g_assert_cmpuint (ours->len, ==, theirs->len);
  for (guint i = 0; i < ours->len; i++)
    if (!is_joined_by_nft (g_ptr_array_index (values, i)))
      {
        g_assert_cmpstr (g_ptr_array_index (ours, i), ==, g_ptr_array_index (theirs, i));
        n_compared++;
      }
  return n_compared;
}

static void
test_random (void)
{
  guint n_compared = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (VpndRuleset) ruleset = random_ruleset_new_for_nft ("vpnd");

      n_compared += compare (ruleset);
    }
  g_test_message ("%u rules compared", n_compared);
  g_assert_cmpuint (n_compared, >, 100);
}

static void
test_policy (void)
{
  guint n_compared = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (VpndRuleset) ruleset = random_policy_new ((VpndPolicyKind) (round % 3));

      n_compared += compare (ruleset);
    }
  g_test_message ("%u rules compared", n_compared);
  g_assert_cmpuint (n_compared, >, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNET));
  g_test_add_func ("/nft-oracle/random", test_random);
  g_test_add_func ("/nft-oracle/policy", test_policy);
  return g_test_run ();
}
