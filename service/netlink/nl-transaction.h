/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One request to the kernel and what has come of its answer. Knows the envelope of netlink messages, the errors of acks and dumps, and when an
 * answer is complete; never sends, receives or waits. Private to nl-socket.c.
 */
#pragma once

#include "nl-socket.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VpndNlTransaction:
 * @task: (owned): carries the answer; keeps the socket alive
 * @messages: (owned): what is sent, kept until it is sent
 * @reply: (owned) (nullable): what came so far; stolen at the end
 * @first_seq: sequence number of the first message
 * @last_seq: sequence number of the last message
 * @awaited_seq: sequence number of the last message that asks for an answer, or of the last one when none does
 * @is_dump: it asks for a dump
 * @wants_ack: it asks for an ack; without it the first data message is the answer
 * @is_sent: it left the queue
 * @timer: (owned) (nullable)
 * @cancel_source: (owned) (nullable)
 */
typedef struct
{
  GTask *task;
  GBytes *messages;
  VpndNlReply *reply;
  guint32 first_seq;
  guint32 last_seq;
  guint32 awaited_seq;
  gboolean is_dump;
  gboolean wants_ack;
  gboolean is_sent;
  GSource *timer;
  GSource *cancel_source;
} VpndNlTransaction;

VpndNlTransaction *vpnd_nl_transaction_new (GTask *task, GBytes *messages);
void vpnd_nl_transaction_free (gpointer data);
gboolean vpnd_nl_transaction_scan (VpndNlTransaction *transaction);
gboolean vpnd_nl_transaction_take (VpndNlTransaction *transaction, const struct nlmsghdr *message);

G_END_DECLS
