/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An asynchronous netlink socket on the thread-default GMainContext. Carries bytes: one send per transaction, replies matched by
 * sequence number, notifications handed to a callback. ENOBUFS is reported as what it is: "unknown, read back".
 * Never encodes or decodes a payload (the *-encode and *-decode files do).
 */
#pragma once

#include <gio/gio.h>
#include <linux/filter.h>
#include <linux/netlink.h>

G_BEGIN_DECLS

#define VPND_TYPE_NL_SOCKET (vpnd_nl_socket_get_type ())
G_DECLARE_FINAL_TYPE (VpndNlSocket, vpnd_nl_socket, VPND, NL_SOCKET, GObject)

/* @message: one whole netlink message, header included, valid during the call only. NULL: the kernel dropped notifications
 * (ENOBUFS); the receiver must read everything again. */
typedef void (*VpndNlNotifyFunc) (const struct nlmsghdr *message, gpointer user_data);

VpndNlSocket *vpnd_nl_socket_new (int protocol, GError **error);
gboolean vpnd_nl_socket_join (VpndNlSocket *self, guint group, GError **error);
gboolean vpnd_nl_socket_set_filter (VpndNlSocket *self, const struct sock_filter *filter, guint16 length, GError **error);
void vpnd_nl_socket_set_notify (VpndNlSocket *self, VpndNlNotifyFunc func, gpointer user_data);
void vpnd_nl_socket_tell_unreadable (VpndNlSocket *self, gsize length_bytes);
gboolean vpnd_nl_socket_is_readable (VpndNlSocket *self);
guint32 vpnd_nl_socket_get_portid (VpndNlSocket *self);
guint32 vpnd_nl_socket_next_seq (VpndNlSocket *self, guint count);

/**
 * VpndNlError: what the kernel said of one message of a transaction
 * @seq: its sequence number
 * @error: errno, positive
 * @offset: where in that message the attribute stands that the kernel refused, in bytes; 0 when it did not say
 * @extack: (owned) (nullable): the kernel's own words
 */
typedef struct
{
  guint32 seq;
  int error;
  guint32 offset;
  char *extack;
} VpndNlError;

/**
 * VpndNlReply:
 * @messages: (element-type GBytes) (owned): every data message that came for the transaction, each a whole netlink message
 * @errors: (element-type VpndNlError) (owned): one entry a message that failed; empty when all went well
 * @overrun: the kernel dropped something (ENOBUFS): the outcome is unknown, read back
 */
typedef struct
{
  GPtrArray *messages;
  GArray *errors;
  gboolean overrun;
} VpndNlReply;

void vpnd_nl_reply_free (VpndNlReply *reply);

/* Sends @messages (one or more netlink messages with sequence numbers from vpnd_nl_socket_next_seq, in order) in one send and
 * completes when the LAST message that asks for an answer gets it: its ack (NLM_F_ACK), an error, NLMSG_DONE for a dump (NLM_F_DUMP without
 * NLM_F_ACK). When none asks, the first data message of the last request is the answer. Messages before it need no NLM_F_ACK: the kernel reports their errors
 * anyway. Fails (GError of domain VPND_ERROR or G_IO_ERROR) only when the socket itself fails, or when no answer came within @timeout_ms
 * (0: no limit); what the kernel refused is in the reply. Several transactions may be in flight; dumps take turns by themselves. */
void vpnd_nl_socket_transact_async (VpndNlSocket *self, GBytes *messages, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndNlReply *vpnd_nl_socket_transact_finish (VpndNlSocket *self, GAsyncResult *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndNlReply, vpnd_nl_reply_free)

G_END_DECLS
