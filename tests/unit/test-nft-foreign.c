/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What tables of other programs are counted for, and that ours is not.
 */
#include "config.h"

#include "nft-encode.h"
#include "nft-foreign-decode.h"
#include "reserved.h"

static GArray *
decode (const VpndRuleset *ruleset)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  g_ptr_array_add (messages, vpnd_nft_encode_replace (ruleset, 0, 0, 1));
  return vpnd_nft_decode_foreign (messages);
}

static void
assert_counts (const VpndRuleset *ruleset, guint drops, guint marks)
{
  g_autoptr (GArray) tables = decode (ruleset);

  if (drops == 0 && marks == 0)
    {
      g_assert_cmpuint (tables->len, ==, 0);
      return;
    }
  g_assert_cmpuint (tables->len, ==, 1);
  g_assert_cmpstr (g_array_index (tables, VpndForeignTable, 0).family, ==, "inet");
  g_assert_cmpstr (g_array_index (tables, VpndForeignTable, 0).name, ==, ruleset->table);
  g_assert_cmpuint (g_array_index (tables, VpndForeignTable, 0).drops, ==, drops);
  g_assert_cmpuint (g_array_index (tables, VpndForeignTable, 0).marks, ==, marks);
}

static void
test_drops (void)
{
  static const struct
  {
    VpndHook hook;
    gboolean counts;
  } hooks[] = { { VPND_HOOK_OUTPUT, TRUE }, { VPND_HOOK_INPUT, TRUE }, { VPND_HOOK_PREROUTING, TRUE }, { VPND_HOOK_POSTROUTING, TRUE }, { VPND_HOOK_FORWARD, FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (hooks); i++)
    {
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("other");
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "chain", VPND_CHAIN_FILTER, hooks[i].hook, 0, VPND_VERDICT_DROP);

      vpnd_rule_drop (vpnd_chain_add_rule (chain));
      vpnd_rule_statement (vpnd_chain_add_rule (chain), VPND_STATEMENT_REJECT);
      vpnd_rule_accept (vpnd_chain_add_rule (chain));
      assert_counts (ruleset, hooks[i].counts ? 3 : 0, 0);
    }
}

static void
test_our_table_is_passed_over (void)
{
  g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new (VPND_NFT_TABLE);

  (void) vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_DROP);
  assert_counts (ruleset, 0, 0);
}

/* Only what is reached counts; jumps and verdict maps reach, and a circle ends. */
static void
test_reach (void)
{
  for (guint way = 0; way < 3; way++)
    {
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("other");
      VpndChain *output = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);
      VpndChain *next = vpnd_ruleset_add_chain (ruleset, "next", VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT);
      VpndChain *last = vpnd_ruleset_add_chain (ruleset, "last", VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT);
      VpndVerdict verdict = { .kind = VPND_VERDICT_ACCEPT };

      vpnd_set_add_u8 (vpnd_ruleset_add_set (ruleset, "map", VPND_FIELD_ICMPV6_TYPE, FALSE, TRUE), 1, &verdict);
      if (way == 1)
        vpnd_rule_jump (vpnd_chain_add_rule (output), "next");
      if (way == 2)
        vpnd_rule_vmap (vpnd_chain_add_rule (output), VPND_FIELD_ICMPV6_TYPE, "map");
      vpnd_rule_jump (vpnd_chain_add_rule (next), "last");
      vpnd_rule_jump (vpnd_chain_add_rule (last), "next");
      vpnd_rule_drop (vpnd_chain_add_rule (last));
      assert_counts (ruleset, way == 0 ? 0 : 1, 0);
    }
}

static void
test_marks (void)
{
  static const struct
  {
    guint32 mask; /* bits that the rule may change */
    gboolean counts;
  } masks[] = { { 0xffffffff, TRUE }, { 0x00ffffff, FALSE }, { 0x0000ffff, FALSE }, { VPND_MARK_MASK, TRUE }, { 0x01000000, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (masks); i++)
    {
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("other");
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "mangle", VPND_CHAIN_ROUTE, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);

      (void) vpnd_rule_set_mark (vpnd_chain_add_rule (chain), VPND_STATEMENT_SET_MARK, 0x01010101 & masks[i].mask, masks[i].mask);
      assert_counts (ruleset, 0, masks[i].counts);
    }
}

/* Cut anywhere, nothing is read beyond the end. */
static void
test_damaged (void)
{
  g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("other");
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_DROP);
  g_autoptr (GBytes) batch = NULL;

  vpnd_rule_drop (vpnd_chain_add_rule (chain));
  batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
  for (gsize length = 0; length <= g_bytes_get_size (batch); length++)
    {
      g_autofree char *copy = g_memdup2 (g_bytes_get_data (batch, NULL), length);
      g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
      g_autoptr (GArray) tables = NULL;

      g_ptr_array_add (messages, g_bytes_new_take (g_steal_pointer (&copy), length));
      tables = vpnd_nft_decode_foreign (messages);
      g_assert_cmpuint (tables->len, <=, 1);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nft-foreign/drops", test_drops);
  g_test_add_func ("/nft-foreign/our-table", test_our_table_is_passed_over);
  g_test_add_func ("/nft-foreign/reach", test_reach);
  g_test_add_func ("/nft-foreign/marks", test_marks);
  g_test_add_func ("/nft-foreign/damaged", test_damaged);
  return g_test_run ();
}
