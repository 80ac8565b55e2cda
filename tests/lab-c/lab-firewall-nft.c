/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The firewall on the real kernel, in a network namespace of its own: what it is asked for stands in the table, what the kernel refuses does not, and what is left of an
 * earlier one is taken over. Others who touch the table, and the way from one state to the next, have programs of their own: lab-firewall-nft-*.c.
 */
#include "config.h"

#include "firewall-host.h"

#include "error.h"
#include "random-policy.h"
#include "random-ruleset.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RANDOM_ROUNDS 150
#define CYCLES 1000

static gboolean
table_exists (void)
{
  g_autofree char *output = nft ("list table inet vpnd");

  return output != NULL;
}

static void
test_apply_replace_remove (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);

  for (guint i = 0; i < RANDOM_ROUNDS; i++)
    {
      g_autoptr (VpndRuleset) ruleset = random_ruleset_new ("vpnd");

      apply_ok (firewall, ruleset); /* success is judged on what was read back */
      g_assert_true (vpnd_firewall_nft_is_owner (VPND_FIREWALL_NFT (firewall)));
    }
  g_assert_true (table_exists ());
  remove_ok (firewall);
  g_assert_false (table_exists ());
  remove_ok (firewall); /* nothing there: no error */
}

/* The rulesets that are in force in earnest, all kinds one after the other. */
static void
test_policy (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);

  for (guint i = 0; i < RANDOM_ROUNDS; i++)
    {
      g_autoptr (VpndRuleset) ruleset = i % 2 == 0 ? random_policy_new ((VpndPolicyKind) (i % 3)) : random_policy_new_split ((VpndPolicyKind) (i % 3));

      apply_ok (firewall, ruleset);
    }
  remove_ok (firewall);
}

/* The table outlives its owner, and the next instance takes it over and replaces it. */
static void
test_adoption (void)
{
  VpndFirewall *first = new_firewall (TRUE);
  g_autoptr (VpndFirewall) second = NULL;
  g_autoptr (VpndRuleset) one = small_ruleset (1);
  g_autoptr (VpndRuleset) two = small_ruleset (2);
  g_autoptr (GError) error = NULL;

  apply_ok (first, one);
  second = new_firewall (TRUE);
  g_assert_false (apply (second, two, &error)); /* the owner lives */
  g_assert_error (error, VPND_ERROR, VPND_ERROR_FIREWALL);
  g_assert_nonnull (strstr (error->message, "table inet vpnd"));

  g_object_unref (first);
  g_assert_true (table_exists ());
  apply_ok (second, two);
  g_assert_true (vpnd_firewall_nft_is_owner (VPND_FIREWALL_NFT (second)));
  remove_ok (second);
}

static void
test_takes_over_a_plain_table (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) ruleset = small_ruleset (3);
  g_autofree char *added = nft ("add table inet vpnd { chain foreign { accept; }; }");

  g_assert_nonnull (added);
  apply_ok (firewall, ruleset);
  g_assert_true (vpnd_firewall_nft_is_owner (VPND_FIREWALL_NFT (firewall)));
  remove_ok (firewall);
}

/* The atomic transaction: a refused ruleset leaves the former one in force, and the error says where. */
static void
test_refusal_keeps_the_former (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) good = small_ruleset (6);
  g_autoptr (VpndRuleset) bad = small_ruleset (7);
  g_autoptr (GError) error = NULL;
  g_autofree char *listed = NULL;

  vpnd_rule_jump (vpnd_chain_add_rule (g_ptr_array_index (bad->chains, 0)), "missing");
  apply_ok (firewall, good);
  g_assert_false (apply (firewall, bad, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_FIREWALL);
  g_assert_nonnull (strstr (error->message, "rule 4 of chain output"));
  listed = nft ("list table inet vpnd");
  g_assert_nonnull (strstr (listed, "tcp dport 1006 accept"));
  remove_ok (firewall);
}

static void
test_operations_take_turns (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  Outcome outcomes[6] = { 0 };

  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (VpndRuleset) ruleset = small_ruleset (10 + i);

      vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &outcomes[i]);
    }
  vpnd_firewall_remove_async (firewall, NULL, on_removed, &outcomes[5]);
  wait_for (&outcomes[5].is_done);
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      g_assert_true (outcomes[i].is_done);
      g_assert_no_error (outcomes[i].error);
    }
  g_assert_false (table_exists ());
}

static gsize
resident_pages (void)
{
  g_autofree char *text = NULL;
  gsize pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%*u %zu", &pages), ==, 1);
  return pages;
}

/* As many rules as the policy makes. */
static VpndRuleset *
usual_ruleset (void)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("vpnd");
  VpndSet *lan = vpnd_ruleset_add_set (ruleset, "lan", VPND_FIELD_IP_DADDR, TRUE, FALSE);

  for (guint i = 0; i < 8; i++)
    {
      VpndPrefix prefix = { .addr = { .family = AF_INET, .bytes = { (guint8) (10 + i) } }, .length = 8 };

      vpnd_set_add_prefix (lan, &prefix, NULL);
    }
  for (guint hook = VPND_HOOK_INPUT; hook <= VPND_HOOK_OUTPUT; hook++)
    {
      g_autofree char *name = g_strdup_printf ("chain%u", hook);
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, name, VPND_CHAIN_FILTER, (VpndHook) hook, 0, VPND_VERDICT_DROP);

      for (guint i = 0; i < 20; i++)
        {
          VpndRule *rule = vpnd_chain_add_rule (chain);

          vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_NE, "vpnd0");
          vpnd_rule_match_set (rule, VPND_FIELD_IP_DADDR, VPND_OP_IN, "lan");
          vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, (guint16) (100 + i));
          vpnd_rule_accept (rule);
        }
    }
  return ruleset;
}

static void
test_many_cycles (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) ruleset = usual_ruleset ();
  gint64 start;
  gsize before;

  for (guint i = 0; i < CYCLES / 10; i++)
    apply_ok (firewall, ruleset);
  before = resident_pages ();
  start = g_get_monotonic_time ();
  for (guint i = 0; i < CYCLES; i++)
    apply_ok (firewall, ruleset);
  g_test_message ("%u rules: %.0f us each replace, read back included", 60u, (double) (g_get_monotonic_time () - start) / CYCLES);
#ifndef __SANITIZE_ADDRESS__                             /* which keeps what is freed; it finds leaks by itself */
  g_assert_cmpuint (resident_pages (), <=, before + 32); /* the allocator may still settle; a leak of a reply is 10 KiB a cycle */
#else
  (void) before;
#endif
  remove_ok (firewall);
}

static char *
sorted_pieces (const char *text, const char *delimiters)
{
  g_auto (GStrv) pieces = g_strsplit_set (text, delimiters, -1);

  sort_texts (pieces);
  return g_strjoinv (" ", pieces);
}

/* A listing without two kinds of order: that of a set's elements, which the kernel hashes with a seed of its own for each set, and that
 * of the matches of a rule, since nft(8) moves looks at neighbouring ports together. */
static char *
sorted_lines (const char *text)
{
  /* Listed or left out, depending on how the matches were moved. */
  static const char *const implied[] = { "meta l4proto udp ", "meta l4proto tcp ", "meta l4proto ipv6-icmp ", "meta nfproto ipv4 ", "meta nfproto ipv6 " };
  GString *spread = g_string_new (text);
  g_auto (GStrv) lines = NULL;

  g_string_replace (spread, ",\n", "\n", 0);
  g_string_replace (spread, ", ", "\n", 0); /* elements; states have a comma without a blank */
  for (guint i = 0; i < G_N_ELEMENTS (implied); i++)
    g_string_replace (spread, implied[i], "", 0);
  lines = g_strsplit_set (spread->str, "\n{}", -1);
  g_string_free (spread, TRUE);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *sorted = sorted_pieces (g_strstrip (lines[i]), " ");

      g_free (lines[i]);
      lines[i] = sorted;
    }
  sort_texts (lines);
  return g_strjoinv ("\n", lines);
}

/* The batch and the text are the same ruleset: what nft(8) lists after one is what it lists after the other. */
static void
test_loaded_by_nft (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (VpndRuleset) ruleset = random_ruleset_new_for_nft ("vpnd");
      g_autofree char *text = vpnd_ruleset_to_text (ruleset);
      g_autofree char *ours = NULL;
      g_autofree char *theirs = NULL;
      g_autofree char *deleted = NULL;
      g_autofree char *loaded = NULL;
      g_autofree char *sorted_ours = NULL;
      g_autofree char *sorted_theirs = NULL;

      apply_ok (firewall, ruleset);
      ours = nft ("-s list table inet vpnd");
      g_assert_nonnull (ours);
      remove_ok (firewall);
      g_assert_true (g_file_set_contents ("lab-firewall-nft.nft", text, -1, NULL));
      loaded = nft ("-f lab-firewall-nft.nft");
      g_assert_nonnull (loaded);
      theirs = nft ("-s list table inet vpnd");
      deleted = nft ("delete table inet vpnd");
      g_assert_nonnull (deleted);
      (void) unlink ("lab-firewall-nft.nft");
      sorted_ours = sorted_lines (ours);
      sorted_theirs = sorted_lines (theirs);
      if (!g_str_equal (sorted_ours, sorted_theirs))
        g_error ("nft lists after our batch:\n%s\nand after our text:\n%s", ours, theirs);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNET));
  g_test_add_func ("/firewall-nft/apply-replace-remove", test_apply_replace_remove);
  g_test_add_func ("/firewall-nft/policy", test_policy);
  g_test_add_func ("/firewall-nft/adoption", test_adoption);
  g_test_add_func ("/firewall-nft/takes-over-a-plain-table", test_takes_over_a_plain_table);
  g_test_add_func ("/firewall-nft/refusal-keeps-the-former", test_refusal_keeps_the_former);
  g_test_add_func ("/firewall-nft/operations-take-turns", test_operations_take_turns);
  g_test_add_func ("/firewall-nft/loaded-by-nft", test_loaded_by_nft);
  g_test_add_func ("/firewall-nft/many-cycles", test_many_cycles);
  return g_test_run ();
}
