/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The netlink socket where it needs privilege: lost notifications, forged answers, batches larger than the send buffer. In a network
 * namespace of its own.
 */
#include "config.h"

#include "nft-encode.h"
#include "nl-socket.h"

#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 20000

typedef struct
{
  VpndNlReply *reply;
  GError *error;
  gboolean is_done;
} Outcome;

typedef struct
{
  guint n_messages;
  guint n_lost;
} Heard;

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &outcome->error);
  outcome->is_done = TRUE;
}

static void
on_message (const struct nlmsghdr *message, gpointer user_data)
{
  Heard *heard = user_data;

  if (message == NULL)
    heard->n_lost++;
  else
    heard->n_messages++;
}

static VpndNlSocket *
new_socket (void)
{
  g_autoptr (GError) error = NULL;
  VpndNlSocket *sock = vpnd_nl_socket_new (NETLINK_NETFILTER, &error);

  g_assert_no_error (error);
  return sock;
}

static VpndNlReply *
transact (VpndNlSocket *sock, GBytes *messages)
{
  Outcome outcome = { 0 };

  vpnd_nl_socket_transact_async (sock, messages, TIMEOUT_MS, NULL, on_done, &outcome);
  while (!outcome.is_done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_no_error (outcome.error);
  return outcome.reply;
}

static VpndRuleset *
large_ruleset (guint n_rules)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("vpnd");
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);

  for (guint i = 0; i < n_rules; i++)
    vpnd_rule_drop (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, (guint16) i));
  return ruleset;
}

/* 5000 rules are more than a megabyte, above the usual send buffer, and one answer: the ack. */
static void
test_large_batch (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket ();
  g_autoptr (VpndRuleset) ruleset = large_ruleset (5000);
  g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, 0, 0, vpnd_nl_socket_next_seq (sock, vpnd_nft_replace_messages (ruleset)));
  g_autoptr (VpndNlReply) reply = transact (sock, batch);

  g_assert_cmpuint (g_bytes_get_size (batch), >, 1024 * 1024);
  g_assert_cmpuint (reply->errors->len, ==, 0);
  g_assert_false (reply->overrun);
}

/* Nobody reads while more is said than the queue holds: the receiver is told so, and the socket goes on working. */
static void
test_lost_notifications (void)
{
  g_autoptr (VpndNlSocket) listener = new_socket ();
  g_autoptr (VpndNlSocket) sock = new_socket ();
  g_autoptr (GMainContext) aside = g_main_context_new ();
  g_autoptr (VpndRuleset) ruleset = large_ruleset (5000);
  g_autoptr (GBytes) get = NULL;
  g_autoptr (VpndNlReply) reply = NULL;
  Heard heard = { 0 };

  g_assert_true (vpnd_nl_socket_join (listener, NFNLGRP_NFTABLES, NULL));
  vpnd_nl_socket_set_notify (listener, on_message, &heard);
  g_clear_object (&sock);
  g_main_context_push_thread_default (aside); /* the sender's answers are read here, the listener's messages are not */
  sock = new_socket ();
  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (GBytes) batch = vpnd_nft_encode_replace (ruleset, 0, 0, vpnd_nl_socket_next_seq (sock, vpnd_nft_replace_messages (ruleset)));
      Outcome outcome = { 0 };

      vpnd_nl_socket_transact_async (sock, batch, TIMEOUT_MS, NULL, on_done, &outcome);
      while (!outcome.is_done)
        g_main_context_iteration (aside, TRUE);
      g_assert_no_error (outcome.error);
      g_assert_cmpuint (outcome.reply->errors->len, ==, 0);
      vpnd_nl_reply_free (outcome.reply);
    }
  g_main_context_pop_thread_default (aside);

  g_assert_cmpuint (heard.n_messages, ==, 0);
  while (heard.n_lost == 0)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  get = vpnd_nft_encode_get_table ("vpnd", vpnd_nl_socket_next_seq (listener, 1));
  reply = transact (listener, get);
  g_assert_cmpuint (reply->messages->len, ==, 1);
}

/* An ack that is not from the kernel must not end a transaction. */
static void
test_forged_answer (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket ();
  guint32 seq = vpnd_nl_socket_next_seq (sock, 1);
  g_autoptr (GBytes) get = vpnd_nft_encode_get_table ("missing", seq);
  g_autoptr (VpndNlReply) reply = NULL;
  struct sockaddr_nl target = { .nl_family = AF_NETLINK, .nl_pid = vpnd_nl_socket_get_portid (sock) };
  struct
  {
    struct nlmsghdr header;
    struct nlmsgerr answer;
  } forged = { .header = { .nlmsg_len = sizeof forged, .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = seq } };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

  /* It waits in the queue before the kernel's answer comes. */
  g_assert_cmpint (sendto (fd, &forged, sizeof forged, 0, (struct sockaddr *) &target, sizeof target), ==, sizeof forged);
  reply = transact (sock, get);
  g_assert_cmpuint (reply->errors->len, ==, 1);
  g_assert_cmpint (g_array_index (reply->errors, VpndNlError, 0).error, ==, ENOENT);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNET));
  g_test_add_func ("/nl-socket/large-batch", test_large_batch);
  g_test_add_func ("/nl-socket/lost-notifications", test_lost_notifications);
  g_test_add_func ("/nl-socket/forged-answer", test_forged_answer);
  return g_test_run ();
}
