/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Changes of a ruleset that is in force (netlink/nft-change.h) on the real kernel, in a network namespace of its own: wherever one leads, the whole table leads, too.
 */
#include "config.h"

#include "nft-change.h"

#include <linux/netlink.h>
#include <sched.h>

#include "nft-encode.h"
#include "nft-error.h"
#include "nft-reader.h"
#include "policy.h"
#include "random-policy.h"
#include "random-values.h"

#define CHANGES 60
#define TIMEOUT_MS 20000 /* of an emulated kernel, too */

static VpndRuleset *
random_state (void)
{
  const VpndPolicyKind kind = (VpndPolicyKind) g_test_rand_int_range (VPND_POLICY_BLOCKED, VPND_POLICY_CONNECTED + 1);

  return random_boolean (2) ? random_policy_new (kind) : random_policy_new_split (kind);
}

static void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

/* Returns: (transfer full): the table that is in force */
static VpndRuleset *
read_table (VpndNlSocket *sock, const VpndRuleset *expected)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (VpndNftTable) table = { 0 };

  vpnd_nft_read_async (sock, expected, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  (void) vpnd_nft_read_finish (sock, result, &table, &error);
  g_assert_no_error (error);
  g_assert_true (table.is_present);
  return g_steal_pointer (&table.ruleset);
}

static void
send_batch (VpndNlSocket *sock, GBytes *batch)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = NULL;

  vpnd_nl_socket_transact_async (sock, batch, TIMEOUT_MS, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  reply = vpnd_nl_socket_transact_finish (sock, result, &error);
  g_assert_no_error (error);
  if (reply->errors->len > 0)
    vpnd_nft_set_error (&error, batch, &g_array_index (reply->errors, VpndNlError, 0));
  g_assert_no_error (error);
}

static void
replace (VpndNlSocket *sock, VpndRuleset *wanted)
{
  g_autoptr (GBytes) batch = vpnd_nft_encode_replace (wanted, 0, 0, vpnd_nl_socket_next_seq (sock, vpnd_nft_replace_messages (wanted)));

  send_batch (sock, batch);
}

/* Returns: how many messages it took; 0 when there was no change that is less than the whole */
static guint
change (VpndNlSocket *sock, VpndRuleset *present, VpndRuleset *wanted)
{
  g_autoptr (VpndNftChange) difference = vpnd_nft_change_new (present, wanted);
  g_autoptr (GBytes) batch = NULL;

  if (difference == NULL)
    return 0;
  batch = vpnd_nft_change_encode (difference, vpnd_nl_socket_next_seq (sock, vpnd_nft_change_messages (difference)));
  send_batch (sock, batch);
  return vpnd_nft_change_messages (difference);
}

/* From any state to any other by what differs alone: the kernel takes the batch, and is then where the whole would have brought it. With the kernel's numbers for rules
 * that is less than without, and never more. */
static void
test_changes (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlSocket) sock = vpnd_nl_socket_new (NETLINK_NETFILTER, &error);
  g_autoptr (VpndRuleset) present = random_state ();
  guint changed = 0, with_numbers = 0, without = 0;

  g_assert_no_error (error);
  replace (sock, present);
  for (guint i = 0; i < CHANGES; i++)
    {
      g_autoptr (VpndRuleset) wanted = random_state ();
      g_autoptr (VpndRuleset) seen = read_table (sock, present);
      g_autoptr (VpndRuleset) middle = NULL;
      g_autoptr (VpndRuleset) last = NULL;
      guint messages = change (sock, seen, wanted);

      if (messages == 0)
        replace (sock, wanted);
      changed += messages > 0;
      middle = read_table (sock, wanted);
      g_assert_true (vpnd_ruleset_equal (middle, wanted));

      /* The same way without numbers. */
      replace (sock, present);
      with_numbers += messages > 0 ? messages : vpnd_nft_replace_messages (wanted);
      messages = change (sock, present, wanted);
      if (messages == 0)
        replace (sock, wanted);
      without += messages > 0 ? messages : vpnd_nft_replace_messages (wanted);
      last = read_table (sock, wanted);
      g_assert_true (vpnd_ruleset_equal (last, wanted));
      vpnd_ruleset_unref (present);
      present = g_steal_pointer (&wanted);
    }
  g_test_message ("%u of %u were changes of a part: %u messages with numbers, %u without", changed, CHANGES, with_numbers, without);
  g_assert_cmpuint (changed, >=, CHANGES / 2);
  g_assert_cmpuint (with_numbers, <, without);
}

/* A rule that stands in one place of a chain comes and goes alone. */
static void
test_one_rule_alone (void)
{
  static const guint16 orders[][5] = { { 1, 2, 3 }, { 1, 4, 2, 3 }, { 4, 1, 2, 3 }, { 1, 2, 3, 4 }, { 2, 3 }, { 3, 2, 1 }, { 5 }, { 1, 1, 2, 1 }, { 2, 1, 1 }, { 0 }, { 3, 5, 1, 4, 2 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlSocket) sock = vpnd_nl_socket_new (NETLINK_NETFILTER, &error);
  g_autoptr (VpndRuleset) present = vpnd_ruleset_new ("vpnd");

  g_assert_no_error (error);
  (void) vpnd_ruleset_add_chain (present, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);
  replace (sock, present);
  for (guint i = 0; i < G_N_ELEMENTS (orders) * G_N_ELEMENTS (orders); i++)
    {
      const guint16 *order = orders[(i + i / G_N_ELEMENTS (orders)) % G_N_ELEMENTS (orders)];
      g_autoptr (VpndRuleset) seen = read_table (sock, present);
      g_autoptr (VpndRuleset) wanted = vpnd_ruleset_new ("vpnd");
      g_autoptr (VpndRuleset) after = NULL;
      VpndChain *chain = vpnd_ruleset_add_chain (wanted, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);
      guint messages;

      for (guint r = 0; r < 5 && order[r] != 0; r++)
        vpnd_rule_accept (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_TCP_DPORT, order[r]));
      messages = change (sock, seen, wanted);
      if (i == 1)
        g_assert_cmpuint (messages, ==, 3); /* begin, the rule, end */
      if (messages == 0)
        replace (sock, wanted);
      after = read_table (sock, wanted);
      g_assert_true (vpnd_ruleset_equal (after, wanted));
      vpnd_ruleset_unref (present);
      present = g_steal_pointer (&wanted);
    }
}

/* Of a table of family inet the kernel asks for no module with a target of iptables (xt_request_find_target ()); vpnd takes one only where it is built in. */
static void
load_target (void)
{
  g_autofree char *told = NULL;

  (void) g_spawn_command_line_sync ("modprobe -q xt_NFQUEUE", NULL, &told, NULL, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  load_target ();
  g_assert_no_errno (unshare (CLONE_NEWNET));
  g_test_add_func ("/nft-change/from-any-state-to-any-other", test_changes);
  g_test_add_func ("/nft-change/one-rule-alone", test_one_rule_alone);
  return g_test_run ();
}
