/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The netlink socket against the real kernel, with requests that need no privilege.
 */
#include "config.h"

#include "nl-socket.h"

#include "error.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 20000

typedef struct
{
  VpndNlReply *reply;
  GError *error;
  guint *pending;
} Outcome;

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &outcome->error);
  (*outcome->pending)--;
}

static void
outcome_clear (Outcome *outcome)
{
  g_clear_pointer (&outcome->reply, vpnd_nl_reply_free);
  g_clear_error (&outcome->error);
}

/* Strict checking wants the very header of the request; all zero is AF_UNSPEC. */
static gsize
header_size (guint16 type)
{
  if (type == RTM_GETNSID)
    return sizeof (struct rtgenmsg);
  return type == RTM_GETADDR ? sizeof (struct ifaddrmsg) : sizeof (struct ifinfomsg);
}

static struct nlmsghdr *
put_request (void *buffer, guint16 type, guint16 flags, guint32 seq)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (buffer);

  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  message->nlmsg_seq = seq;
  mnl_nlmsg_put_extra_header (message, header_size (type));
  return message;
}

static GBytes *
request (VpndNlSocket *sock, guint16 type, guint16 flags, int ifindex)
{
  char buffer[256];
  struct nlmsghdr *message = put_request (buffer, type, flags, vpnd_nl_socket_next_seq (sock, 1));

  if (type == RTM_GETLINK)
    ((struct ifinfomsg *) mnl_nlmsg_get_payload (message))->ifi_index = ifindex;
  return g_bytes_new (message, message->nlmsg_len);
}

static void
transact (VpndNlSocket *sock, GBytes *messages, guint timeout_ms, Outcome *outcome)
{
  guint pending = 1;

  outcome->pending = &pending;
  vpnd_nl_socket_transact_async (sock, messages, timeout_ms, NULL, on_done, outcome);
  while (pending > 0)
    g_main_context_iteration (NULL, TRUE);
}

static VpndNlSocket *
new_socket (int protocol)
{
  g_autoptr (GError) error = NULL;
  VpndNlSocket *sock = vpnd_nl_socket_new (protocol, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (vpnd_nl_socket_get_portid (sock), !=, 0);
  return sock;
}

static void
test_dumps_take_turns (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);
  Outcome outcomes[5] = { 0 };
  guint pending = G_N_ELEMENTS (outcomes);

  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      g_autoptr (GBytes) messages = request (sock, i % 2 == 0 ? RTM_GETLINK : RTM_GETADDR, NLM_F_DUMP, 0);

      outcomes[i].pending = &pending;
      vpnd_nl_socket_transact_async (sock, messages, TIMEOUT_MS, NULL, on_done, &outcomes[i]);
    }
  while (pending > 0)
    g_main_context_iteration (NULL, TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      g_assert_no_error (outcomes[i].error);
      g_assert_false (outcomes[i].reply->overrun);
      g_assert_cmpuint (outcomes[i].reply->errors->len, ==, 0);
      if (i % 2 == 0)
        g_assert_cmpuint (outcomes[i].reply->messages->len, >, 0); /* lo is always there */
      for (guint j = 0; j < outcomes[i].reply->messages->len; j++)
        {
          const struct nlmsghdr *message = g_bytes_get_data (g_ptr_array_index (outcomes[i].reply->messages, j), NULL);

          g_assert_cmpuint (message->nlmsg_type, ==, i % 2 == 0 ? RTM_NEWLINK : RTM_NEWADDR);
        }
      outcome_clear (&outcomes[i]);
    }
}

/* One answer without ack, DONE or dump: lo by its index. */
static void
test_single_answer (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);
  g_autoptr (GBytes) messages = request (sock, RTM_GETLINK, 0, 1);
  Outcome outcome = { 0 };

  transact (sock, messages, TIMEOUT_MS, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.reply->messages->len, ==, 1);
  outcome_clear (&outcome);
}

/* Both messages of one send fail; the kernel's words come along. */
static void
test_refusals (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);
  guint32 seq = vpnd_nl_socket_next_seq (sock, 2);
  char buffer[512];
  struct nlmsghdr *first = put_request (buffer, RTM_GETLINK, 0, seq);
  struct nlmsghdr *second;
  g_autoptr (GBytes) messages = NULL;
  Outcome outcome = { 0 };

  ((struct ifinfomsg *) mnl_nlmsg_get_payload (first))->ifi_index = G_MAXINT;
  second = put_request (buffer + first->nlmsg_len, RTM_GETNSID, NLM_F_ACK, seq + 1);
  messages = g_bytes_new (buffer, first->nlmsg_len + second->nlmsg_len);
  transact (sock, messages, TIMEOUT_MS, &outcome);

  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.reply->errors->len, ==, 2);
  g_assert_cmpuint (g_array_index (outcome.reply->errors, VpndNlError, 0).seq, ==, seq);
  g_assert_cmpint (g_array_index (outcome.reply->errors, VpndNlError, 0).error, ==, ENODEV);
  g_assert_cmpuint (g_array_index (outcome.reply->errors, VpndNlError, 1).seq, ==, seq + 1);
  g_assert_cmpstr (g_array_index (outcome.reply->errors, VpndNlError, 1).extack, ==, "Peer netns reference is missing");
  outcome_clear (&outcome);
}

/* The last message is one that the kernel never looks at: without NLM_F_REQUEST it is skipped. An error before it must end the wait. */
static void
test_refusal_before_silence (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);
  guint32 seq = vpnd_nl_socket_next_seq (sock, 2);
  char buffer[512];
  struct nlmsghdr *first = put_request (buffer, RTM_GETLINK, 0, seq);
  struct nlmsghdr *second;
  g_autoptr (GBytes) messages = NULL;
  Outcome outcome = { 0 };

  ((struct ifinfomsg *) mnl_nlmsg_get_payload (first))->ifi_index = G_MAXINT;
  second = put_request (buffer + first->nlmsg_len, RTM_GETLINK, 0, seq + 1);
  second->nlmsg_flags = 0;
  messages = g_bytes_new (buffer, first->nlmsg_len + second->nlmsg_len);
  transact (sock, messages, TIMEOUT_MS, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.reply->errors->len, ==, 1);
  outcome_clear (&outcome);
}

static void
test_timeout_and_cancel (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);
  g_autoptr (GBytes) silent = request (sock, RTM_GETLINK, 0, 1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) copy = NULL;
  Outcome outcome = { 0 };
  guint pending = 1;
  char buffer[256];

  g_assert_cmpuint (g_bytes_get_size (silent), <, sizeof buffer);
  memcpy (buffer, g_bytes_get_data (silent, NULL), g_bytes_get_size (silent));
  ((struct nlmsghdr *) buffer)->nlmsg_flags = 0; /* no request: the kernel does not answer */
  copy = g_bytes_new (buffer, g_bytes_get_size (silent));

  transact (sock, copy, 1, &outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  outcome_clear (&outcome);

  outcome.pending = &pending;
  vpnd_nl_socket_transact_async (sock, copy, TIMEOUT_MS, cancellable, on_done, &outcome);
  g_cancellable_cancel (cancellable);
  while (pending > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  outcome_clear (&outcome);

  pending = 1;
  vpnd_nl_socket_transact_async (sock, copy, TIMEOUT_MS, cancellable, on_done, &outcome);
  while (pending > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  outcome_clear (&outcome);
}

static void
test_malformed_request (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);
  const char *const texts[] = { "", "short", "\xff\xff\xff\x7f 16 bytes and more" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GBytes) messages = g_bytes_new (texts[i], strlen (texts[i]));
      Outcome outcome = { 0 };

      transact (sock, messages, TIMEOUT_MS, &outcome);
      g_assert_error (outcome.error, VPND_ERROR, VPND_ERROR_FAILED);
      outcome_clear (&outcome);
    }
}

static void
on_any_notification (const struct nlmsghdr *message, gpointer user_data)
{
  g_assert_not_reached ();
}

/* A local program forges an ack. NETLINK_USERSOCK lets anybody send to anybody and no kernel stands behind it. */
static void
test_forged_answer (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_USERSOCK);
  g_autoptr (GBytes) messages = request (sock, NLMSG_MIN_TYPE, NLM_F_ACK, 0);
  struct sockaddr_nl target = { .nl_family = AF_NETLINK, .nl_pid = vpnd_nl_socket_get_portid (sock) };
  struct
  {
    struct nlmsghdr header;
    struct nlmsgerr answer;
  } forged = { .header = { .nlmsg_len = sizeof forged, .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = 1 } };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
  Outcome outcome = { 0 };

  vpnd_nl_socket_set_notify (sock, on_any_notification, NULL);
  g_assert_cmpint (sendto (fd, &forged, sizeof forged, 0, (struct sockaddr *) &target, sizeof target), ==, sizeof forged);
  g_assert_cmpint (sendto (fd, &forged, 3, 0, (struct sockaddr *) &target, sizeof target), ==, 3);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  transact (sock, messages, TIMEOUT_MS, &outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  outcome_clear (&outcome);
  close (fd);
}

static void
test_sequence_numbers (void)
{
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);
  guint32 first = vpnd_nl_socket_next_seq (sock, 3);

  g_assert_cmpuint (first, >, 0);
  g_assert_cmpuint (vpnd_nl_socket_next_seq (sock, 1), ==, first + 3);
  g_assert_cmpuint (vpnd_nl_socket_next_seq (sock, G_MAXUINT32 - 2), ==, 1); /* never wraps inside a range */
  g_assert_cmpuint (vpnd_nl_socket_next_seq (sock, 5), ==, 1);
}

static void
test_unknown_protocol_and_group (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlSocket) none = vpnd_nl_socket_new (31, &error);
  g_autoptr (VpndNlSocket) sock = new_socket (NETLINK_ROUTE);

  g_assert_null (none);
  g_assert_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE);
  g_clear_error (&error);
  g_assert_false (vpnd_nl_socket_join (sock, 100000, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_true (vpnd_nl_socket_join (sock, RTNLGRP_LINK, &error));
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nl-socket/dumps-take-turns", test_dumps_take_turns);
  g_test_add_func ("/nl-socket/single-answer", test_single_answer);
  g_test_add_func ("/nl-socket/refusals", test_refusals);
  g_test_add_func ("/nl-socket/refusal-before-silence", test_refusal_before_silence);
  g_test_add_func ("/nl-socket/timeout-and-cancel", test_timeout_and_cancel);
  g_test_add_func ("/nl-socket/malformed-request", test_malformed_request);
  g_test_add_func ("/nl-socket/forged-answer", test_forged_answer);
  g_test_add_func ("/nl-socket/sequence-numbers", test_sequence_numbers);
  g_test_add_func ("/nl-socket/unknown-protocol-and-group", test_unknown_protocol_and_group);
  return g_test_run ();
}
