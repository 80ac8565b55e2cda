/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * decode (encode (x)) == x over random rulesets, the shape of a batch, and damaged or foreign messages.
 */
#include "config.h"

#include "error.h"
#include "nft-decode.h"
#include "nft-encode.h"
#include "random-policy.h"
#include "random-ruleset.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define ROUNDS 300

static void
decode (GBytes *bytes, const char *name, VpndNftTable *out_table)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (messages, bytes);
  (void) vpnd_nft_decode (messages, name, out_table, &error);
  g_assert_no_error (error);
}

static void
assert_equal (const VpndRuleset *found, const VpndRuleset *wanted)
{
  if (!vpnd_ruleset_equal (found, wanted))
    {
      g_autofree char *found_text = vpnd_ruleset_to_text (found);
      g_autofree char *wanted_text = vpnd_ruleset_to_text (wanted);

      g_assert_cmpstr (found_text, ==, wanted_text);
      g_error ("two rulesets with the same text differ: a stated and an added match were mixed up");
    }
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (VpndRuleset) ruleset = random_ruleset_new ("vpnd");
      g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, VPND_NFT_TABLE_OWNER | VPND_NFT_TABLE_PERSIST, 0, 1);
      g_auto (VpndNftTable) table = { 0 };

      decode (batch, "vpnd", &table);
      g_assert_true (table.is_present);
      g_assert_cmphex (table.flags, ==, VPND_NFT_TABLE_OWNER | VPND_NFT_TABLE_PERSIST);
      assert_equal (table.ruleset, ruleset);
    }
}

/* Not among the random ones, because not every kernel has both forms. */
static void
test_queue (void)
{
  static const VpndQueueForm forms[] = { VPND_QUEUE_NATIVE, VPND_QUEUE_TARGET };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (forms); i++)
    {
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("vpnd");
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "names", VPND_CHAIN_FILTER, VPND_HOOK_INPUT, 10, VPND_VERDICT_ACCEPT);
      VpndRule *rule = vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_SPORT, 53);
      const guint16 number = i < 2 ? 22096 : 65535;
      g_autofree char *text = NULL;
      g_autoptr (GBytes) batch = NULL;
      g_auto (VpndNftTable) table = { 0 };

      vpnd_rule_queue (rule, forms[i % 2], number);
      batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
      decode (batch, "vpnd", &table);
      assert_equal (table.ruleset, ruleset);
      text = vpnd_ruleset_to_text (ruleset);
      g_assert_nonnull (strstr (text, i < 2 ? "udp sport 53 queue flags bypass to 22096" : "queue flags bypass to 65535"));
    }
}

/* Cgroups in matches, sets and maps, a change of address, a queue: as the policy has them. */
static void
test_split (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (VpndRuleset) ruleset = random_policy_new_split ((VpndPolicyKind) (i % 3));
      g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
      g_auto (VpndNftTable) table = { 0 };

      decode (batch, "vpnd", &table);
      assert_equal (table.ruleset, ruleset);
    }
}

/* Each pair means the same to a packet, but the first states what the second leaves to the encoder. */
static void
test_stated_and_added (void)
{
  static const guint8 address[16] = { 0xfe, 0x80 };

  for (guint stated = 0; stated < 16; stated++)
    {
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("vpnd");
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_DROP);
      VpndRule *rule = vpnd_chain_add_rule (chain);
      g_autoptr (GBytes) batch = NULL;
      g_auto (VpndNftTable) table = { 0 };

      if (stated & 1)
        vpnd_rule_match_u8 (rule, VPND_FIELD_NFPROTO, NFPROTO_IPV6);
      if (stated & 2)
        vpnd_rule_match_u8 (rule, VPND_FIELD_L4PROTO, IPPROTO_ICMPV6);
      vpnd_rule_match_u8 (rule, VPND_FIELD_ICMPV6_TYPE, 135);
      vpnd_rule_match (rule, VPND_FIELD_IP6_DADDR, VPND_OP_EQ, address);
      if (stated & 4)
        vpnd_rule_match_u8 (rule, VPND_FIELD_NFPROTO, NFPROTO_IPV6);
      vpnd_rule_match (rule, VPND_FIELD_IP6_SADDR, VPND_OP_EQ, address);
      vpnd_rule_match_u8 (rule, VPND_FIELD_ICMPV6_CODE, 0);
      if (stated & 8)
        vpnd_rule_match_u8 (rule, VPND_FIELD_L4PROTO, IPPROTO_ICMPV6);
      vpnd_rule_accept (rule);

      batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
      decode (batch, "vpnd", &table);
      g_assert_cmphex (table.flags, ==, 0);
      assert_equal (table.ruleset, ruleset);
    }
}

static void
test_tcp_reset_keeps_order (void)
{
  for (guint stated = 0; stated < 2; stated++)
    {
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("vpnd");
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_DROP);
      VpndRule *rule = vpnd_chain_add_rule (chain);
      g_autoptr (GBytes) batch = NULL;
      g_auto (VpndNftTable) table = { 0 };

      if (stated != 0)
        vpnd_rule_match_u8 (rule, VPND_FIELD_L4PROTO, IPPROTO_TCP);
      vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, 1, 0xff);
      vpnd_rule_statement (rule, VPND_STATEMENT_REJECT_TCP_RESET);
      batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
      decode (batch, "vpnd", &table);
      assert_equal (table.ruleset, ruleset);
    }
}

/* One begin, one end, rising sequence numbers, and one ack: on the last message before the end. */
static void
test_batch_shape (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (VpndRuleset) ruleset = random_ruleset_new ("vpnd");
      guint expected = vpnd_nft_replace_messages (ruleset);
      g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, 0, 7, 1000);
      gsize size;
      const struct nlmsghdr *message = g_bytes_get_data (batch, &size);
      int left = (int) size;
      guint count = 0;

      for (; mnl_nlmsg_ok (message, left); message = mnl_nlmsg_next (message, &left), count++)
        {
          g_assert_cmpuint (message->nlmsg_seq, ==, 1000 + count);
          g_assert_cmpuint (message->nlmsg_type == NFNL_MSG_BATCH_BEGIN, ==, count == 0);
          g_assert_cmpuint (message->nlmsg_type == NFNL_MSG_BATCH_END, ==, count == expected - 1);
          g_assert_cmpuint ((message->nlmsg_flags & NLM_F_ACK) != 0, ==, count == expected - 2);
        }
      g_assert_cmpint (left, ==, 0);
      g_assert_cmpuint (count, ==, expected);
    }
}

static void
test_large_set (void)
{
  g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("vpnd");
  VpndSet *set = vpnd_ruleset_add_set (ruleset, "large", VPND_FIELD_IP6_DADDR, TRUE, TRUE);
  VpndVerdict verdict = { .kind = VPND_VERDICT_JUMP, .chain = "a-chain-with-a-name-of-31-bytes" };
  g_autoptr (GBytes) batch = NULL;
  g_auto (VpndNftTable) table = { 0 };
  VpndPrefix prefix = { .addr.family = AF_INET6, .length = 40 };

  for (guint i = 0; i < 3000; i++)
    {
      prefix.addr.bytes[0] = (guint8) (i >> 8);
      prefix.addr.bytes[1] = (guint8) i;
      vpnd_set_add_prefix (set, &prefix, &verdict);
    }
  g_assert_cmpuint (set->elements->len, ==, 3000);
  batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
  decode (batch, "vpnd", &table);
  assert_equal (table.ruleset, ruleset);
}

static void
test_other_table_is_skipped (void)
{
  g_autoptr (VpndRuleset) ruleset = random_ruleset_new ("another");
  g_autoptr (VpndRuleset) empty = vpnd_ruleset_new ("vpnd");
  g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
  g_auto (VpndNftTable) table = { 0 };

  decode (batch, "vpnd", &table);
  g_assert_false (table.is_present);
  assert_equal (table.ruleset, empty);
}

/* Cut and changed messages: decoded or refused, with a GError, never worse. */
static void
test_damage (void)
{
  g_autoptr (VpndRuleset) ruleset = random_ruleset_new ("vpnd");
  g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
  gsize size;
  const guint8 *data = g_bytes_get_data (batch, &size);
  guint n_refused = 0;

  for (guint i = 0; i < 5000; i++)
    {
      gsize cut = i % 3 == 0 ? (gsize) g_test_rand_int_range (0, (gint32) size) : size;
      guint8 *copy = g_memdup2 (data, cut);
      g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
      g_auto (VpndNftTable) table = { 0 };
      g_autoptr (GError) error = NULL;

      for (guint j = 0; cut > 0 && j < 3; j++)
        copy[g_test_rand_int_range (0, (gint32) cut)] = (guint8) g_test_rand_int_range (0, 256);
      g_ptr_array_add (messages, g_bytes_new_take (copy, cut));
      if (!vpnd_nft_decode (messages, "vpnd", &table, &error))
        {
          g_assert_error (error, VPND_ERROR, VPND_ERROR_FIREWALL);
          g_assert_null (table.ruleset);
          n_refused++;
        }
    }
  g_assert_cmpuint (n_refused, >, 0);
}

static void
test_notifications (void)
{
  g_autoptr (VpndRuleset) ruleset = random_ruleset_new ("vpnd");
  g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, 0, 0, 1);
  gsize size;
  const struct nlmsghdr *message = g_bytes_get_data (batch, &size);
  int left = (int) size;
  char buffer[256];
  struct nlmsghdr *generation = mnl_nlmsg_put_header (buffer);
  guint16 low = 0;

  for (; mnl_nlmsg_ok (message, left); message = mnl_nlmsg_next (message, &left))
    {
      gboolean is_frame = message->nlmsg_type == NFNL_MSG_BATCH_BEGIN || message->nlmsg_type == NFNL_MSG_BATCH_END;

      g_assert_cmpint (vpnd_nft_message_concerns_table (message, "vpnd"), ==, !is_frame);
      g_assert_false (vpnd_nft_message_concerns_table (message, "vpn"));
      g_assert_false (vpnd_nft_message_concerns_table (message, "vpnd2"));
    }

  generation->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN;
  g_assert_false (vpnd_nft_message_generation (generation, &low)); /* no payload at all */
  ((struct nfgenmsg *) mnl_nlmsg_put_extra_header (generation, sizeof (struct nfgenmsg)))->res_id = htons (4660);
  g_assert_true (vpnd_nft_message_generation (generation, &low));
  g_assert_cmpuint (low, ==, 4660);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nft-codec/round-trip", test_round_trip);
  g_test_add_func ("/nft-codec/queue", test_queue);
  g_test_add_func ("/nft-codec/split", test_split);
  g_test_add_func ("/nft-codec/stated-and-added", test_stated_and_added);
  g_test_add_func ("/nft-codec/tcp-reset-keeps-order", test_tcp_reset_keeps_order);
  g_test_add_func ("/nft-codec/batch-shape", test_batch_shape);
  g_test_add_func ("/nft-codec/large-set", test_large_set);
  g_test_add_func ("/nft-codec/other-table-is-skipped", test_other_table_is_skipped);
  g_test_add_func ("/nft-codec/damage", test_damage);
  g_test_add_func ("/nft-codec/notifications", test_notifications);
  return g_test_run ();
}
