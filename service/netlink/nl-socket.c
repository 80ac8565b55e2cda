/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The asynchronous netlink socket of nl-socket.h: one GSource on the descriptor, a list of transactions in flight and a queue of dumps
 * that wait for their turn (the kernel runs one dump a socket and answers EBUSY to the next).
 * Requests are answered inside send(): once the queue is drained, what has not come will never come. That ends transactions whose last
 * message the kernel never looked at, for instance when it refuses a batch at its first message.
 * Bytes that pass through are cleared after use, since a WireGuard device's answer holds its key.
 * What an answer says of its request, and when it is complete, is nl-transaction's; the system calls are nl-fd's. Never encodes or decodes a payload.
 */
#include "config.h"

#include "nl-socket.h"

#include "error.h"
#include "nl-fd.h"
#include "nl-message.h"
#include "nl-transaction.h"

#include <errno.h>
#include <glib-unix.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A dump's parts are at most 32 KiB (af_netlink.c: netlink_recvmsg limits max_recvmsg_len); what is larger is lost the first time (receive_one()). */
#define BUFFER_INITIAL_BYTES (32u * 1024u)
/* Datagrams read before other sources of the main loop get their turn. */
#define DATAGRAMS_PER_DISPATCH 256u

/**
 * VpndNlSocket:
 * @fd: the socket, -1 when it could not be made
 * @source: (owned) (nullable): wakes on incoming bytes
 * @context: (owned): the main context of the constructor
 * @transactions: (element-type VpndNlTransaction) (owned): in flight or waiting, oldest first
 * @dump_seq: sequence number of the dump that the kernel runs for us, 0 for none; outlives a cancelled transaction
 * @buffer: (owned): for one datagram
 * @has_told_unreadable: what could not be read has been told
 */
struct _VpndNlSocket
{
  GObject parent_instance;

  int fd;
  guint32 portid;
  guint32 last_used_seq;
  guint send_buffer_bytes;
  GSource *source;
  GMainContext *context;
  GPtrArray *transactions;
  guint32 dump_seq;
  guint8 *buffer;
  gsize buffer_bytes;
  gboolean has_told_unreadable;
  VpndNlNotifyFunc notify;
  gpointer notify_data;
};

G_DEFINE_FINAL_TYPE (VpndNlSocket, vpnd_nl_socket, G_TYPE_OBJECT)

/* Takes the transaction out of the list before its callback runs: the callback may do anything with the socket. */
static void
transaction_end (VpndNlSocket *self, VpndNlTransaction *transaction, GError *error)
{
  g_autoptr (GTask) task = g_object_ref (transaction->task);
  VpndNlReply *reply = g_steal_pointer (&transaction->reply);

  g_ptr_array_remove (self->transactions, transaction);
  if (error != NULL)
    {
      vpnd_nl_reply_free (reply);
      g_task_return_error (task, error);
    }
  else
    {
      g_task_return_pointer (task, reply, (GDestroyNotify) vpnd_nl_reply_free);
    }
}

static VpndNlTransaction *
find_transaction (VpndNlSocket *self, guint32 seq)
{
  for (guint i = 0; i < self->transactions->len; i++)
    {
      VpndNlTransaction *transaction = g_ptr_array_index (self->transactions, i);

      if (transaction->is_sent && seq >= transaction->first_seq && seq <= transaction->last_seq)
        return transaction;
    }
  return NULL;
}

static void
handle_reply_message (VpndNlSocket *self, const struct nlmsghdr *message)
{
  VpndNlTransaction *transaction = find_transaction (self, message->nlmsg_seq);
  gboolean is_answer = message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;

  if (is_answer && message->nlmsg_seq == self->dump_seq)
    self->dump_seq = 0;
  if (transaction == NULL) /* a late answer to a transaction that timed out or was cancelled */
    return;

  if (vpnd_nl_transaction_take (transaction, message))
    transaction_end (self, transaction, NULL);
}

static void
handle_overrun (VpndNlSocket *self)
{
  for (guint i = 0; i < self->transactions->len; i++)
    {
      VpndNlTransaction *transaction = g_ptr_array_index (self->transactions, i);

      if (transaction->is_sent)
        transaction->reply->overrun = TRUE;
    }
  if (self->notify != NULL)
    self->notify (NULL, self->notify_data);
}

/**
 * vpnd_nl_socket_tell_unreadable:
 * @self: a socket
 * @length_bytes: how long what cannot be read is
 *
 * Logs that the kernel says what vpnd does not understand: once, because a kernel that says something new says it each time.
 */
void
vpnd_nl_socket_tell_unreadable (VpndNlSocket *self, gsize length_bytes)
{
  if (!self->has_told_unreadable)
    g_message ("The kernel has sent a message of %" G_GSIZE_FORMAT " bytes by netlink that vpnd does not understand; such messages are passed over", length_bytes);
  self->has_told_unreadable = TRUE;
}

/* What is behind a damaged message may have been anything: it is lost. */
static void
handle_datagram (VpndNlSocket *self, gsize size, gboolean is_multicast)
{
  VpndNlCursor cursor = { .data = self->buffer, .size = size };
  const struct nlmsghdr *message;

  while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
    {
      if (!is_multicast && message->nlmsg_seq != 0) /* 0: of no request, such as a packet of a netfilter queue */
        handle_reply_message (self, message);
      else if (self->notify != NULL && message->nlmsg_type >= NLMSG_MIN_TYPE)
        self->notify (message, self->notify_data);
    }
  if (cursor.size > 0)
    {
      vpnd_nl_socket_tell_unreadable (self, cursor.size);
      handle_overrun (self);
    }
}

typedef enum
{
  RECEIVE_AGAIN,
  RECEIVE_DRAINED,
} ReceiveResult;

static ReceiveResult
receive_failed (VpndNlSocket *self)
{
  if (errno == ENOBUFS)
    {
      handle_overrun (self);
      return RECEIVE_AGAIN;
    }
  return errno == EINTR ? RECEIVE_AGAIN : RECEIVE_DRAINED;
}

/* The kernel fills a datagram of a dump up to the size of the buffer that the last one was received with, 32 KiB at most
 * (netlink_recvmsg, max_recvmsg_len): a large buffer means few datagrams. One that is larger still is lost, which is told, and the next of
 * its size is not. */
static ReceiveResult
receive_one (VpndNlSocket *self)
{
  VpndNlOrigin origin;
  ssize_t size = vpnd_nl_fd_receive (self->fd, self->buffer, self->buffer_bytes, &origin);

  if (size < 0)
    return receive_failed (self);
  if ((gsize) size > self->buffer_bytes)
    {
      explicit_bzero (self->buffer, self->buffer_bytes);
      g_free (self->buffer);
      self->buffer_bytes = (gsize) size;
      self->buffer = g_malloc (self->buffer_bytes);
      handle_overrun (self);
      return RECEIVE_AGAIN;
    }
  if (origin.is_kernel)
    handle_datagram (self, (gsize) size, origin.is_multicast);
  explicit_bzero (self->buffer, (gsize) size);
  return RECEIVE_AGAIN;
}

/* With an empty queue no further answer can come, except to requests that the kernel finishes later; those have no error yet. */
static void
handle_drained (VpndNlSocket *self)
{
  guint i = 0;

  self->dump_seq = 0;
  while (i < self->transactions->len)
    {
      VpndNlTransaction *transaction = g_ptr_array_index (self->transactions, i);

      if (transaction->is_sent && (transaction->reply->overrun || transaction->reply->errors->len > 0))
        {
          transaction_end (self, transaction, NULL);
          i = 0; /* the callback may have changed the list */
        }
      else
        {
          i++;
        }
    }
}

static void
transaction_send (VpndNlSocket *self, VpndNlTransaction *transaction)
{
  g_autoptr (GBytes) messages = g_steal_pointer (&transaction->messages);
  gsize size;
  const void *data = g_bytes_get_data (messages, &size);
  ssize_t sent;

  /* A refusal shows at sendto as EMSGSIZE, unless the default limit is enough after all. */
  (void) vpnd_nl_fd_grow_send_buffer (self->fd, &self->send_buffer_bytes, size);
  transaction->is_sent = TRUE;
  if (transaction->is_dump)
    self->dump_seq = transaction->awaited_seq;
  sent = vpnd_nl_fd_send (self->fd, data, size);
  if (sent < 0)
    {
      int code = errno;

      if (transaction->is_dump)
        self->dump_seq = 0;
      transaction_end (self, transaction,
          g_error_new (G_IO_ERROR, g_io_error_from_errno (code), "sending %" G_GSIZE_FORMAT " bytes by netlink: %s", size, g_strerror (code)));
    }
}

static void
send_waiting (VpndNlSocket *self)
{
  guint i = 0;

  while (i < self->transactions->len)
    {
      VpndNlTransaction *transaction = g_ptr_array_index (self->transactions, i);

      if (!transaction->is_sent && (!transaction->is_dump || self->dump_seq == 0))
        {
          transaction_send (self, transaction);
          i = 0; /* a failed send removes it, and its callback may have changed the list */
        }
      else
        {
          i++;
        }
    }
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (VpndNlSocket) self = g_object_ref (user_data);
  ReceiveResult result = RECEIVE_AGAIN;

  for (guint i = 0; i < DATAGRAMS_PER_DISPATCH && result == RECEIVE_AGAIN; i++)
    {
      result = receive_one (self);
      if (result == RECEIVE_DRAINED)
        handle_drained (self);
      send_waiting (self); /* the kernel answers inside send (): the next dump's answer is read in the same dispatch */
    }
  return G_SOURCE_CONTINUE;
}

static VpndNlTransaction *
find_task (VpndNlSocket *self, GTask *task)
{
  for (guint i = 0; i < self->transactions->len; i++)
    {
      VpndNlTransaction *transaction = g_ptr_array_index (self->transactions, i);

      if (transaction->task == task)
        return transaction;
    }
  return NULL;
}

static gboolean
on_timeout (gpointer user_data)
{
  GTask *task = user_data;
  VpndNlSocket *self = g_task_get_source_object (task);
  VpndNlTransaction *transaction = find_task (self, task);

  if (transaction != NULL)
    transaction_end (self, transaction,
        g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the kernel did not answer a netlink request in time"));
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = user_data;
  VpndNlSocket *self = g_task_get_source_object (task);
  VpndNlTransaction *transaction = find_task (self, task);

  if (transaction != NULL)
    transaction_end (self, transaction, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "a netlink request was cancelled"));
  return G_SOURCE_REMOVE;
}

static void
transaction_attach (VpndNlSocket *self, VpndNlTransaction *transaction, guint timeout_ms)
{
  GCancellable *cancellable = g_task_get_cancellable (transaction->task);

  if (timeout_ms > 0)
    {
      transaction->timer = g_timeout_source_new (timeout_ms);
      g_source_set_callback (transaction->timer, on_timeout, transaction->task, NULL);
      g_source_attach (transaction->timer, self->context);
    }
  if (cancellable != NULL)
    {
      transaction->cancel_source = g_cancellable_source_new (cancellable);
      g_source_set_callback (transaction->cancel_source, G_SOURCE_FUNC (on_cancelled), transaction->task, NULL);
      g_source_attach (transaction->cancel_source, self->context);
    }
}

/**
 * vpnd_nl_socket_transact_async:
 * @self: a socket
 * @messages: one or more whole netlink messages, aligned, with sequence numbers from vpnd_nl_socket_next_seq() in order
 * @timeout_ms: how long to wait for the answer, in milliseconds; 0 waits without limit
 * @cancellable: (nullable): stops waiting; what was sent stays sent
 * @callback: called when the last message is answered
 * @user_data: passed to @callback
 *
 * Sends @messages in one send. The end is the ack of the last message that asked for one, its error, NLMSG_DONE for a dump, or the first
 * data message of the last request when none asked for anything. When the kernel refuses an earlier message and never looks at the last one, the errors are the end.
 * A dump must not ask for an ack. It waits until an earlier dump on the same socket is done, because the kernel runs only one; other requests overtake it.
 */
void
vpnd_nl_socket_transact_async (VpndNlSocket *self, GBytes *messages, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndNlTransaction *transaction;
  GTask *task;

  g_return_if_fail (VPND_IS_NL_SOCKET (self));
  g_return_if_fail (messages != NULL);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, vpnd_nl_socket_transact_async);
  g_task_set_check_cancellable (task, FALSE); /* on_cancelled says it, and an answer that came is not thrown away */
  transaction = vpnd_nl_transaction_new (task, messages);
  g_ptr_array_add (self->transactions, transaction);
  if (!vpnd_nl_transaction_scan (transaction))
    {
      transaction_end (self, transaction, g_error_new_literal (VPND_ERROR, VPND_ERROR_FAILED, "a netlink request is malformed"));
      return;
    }
  if (g_cancellable_is_cancelled (cancellable))
    {
      transaction_end (self, transaction, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "a netlink request was cancelled"));
      return;
    }

  transaction_attach (self, transaction, timeout_ms);
  if (!transaction->is_dump || self->dump_seq == 0)
    transaction_send (self, transaction);
}

/**
 * vpnd_nl_socket_transact_finish:
 * @self: a socket
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full): what the kernel said, refusals included; NULL with G_IO_ERROR_TIMED_OUT, G_IO_ERROR_CANCELLED, the errno of
 *   the send as a G_IO_ERROR, or VPND_ERROR_FAILED for bytes that are no netlink messages
 */
VpndNlReply *
vpnd_nl_socket_transact_finish (VpndNlSocket *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * vpnd_nl_socket_next_seq:
 * @self: a socket
 * @count: how many numbers are wanted, at least 1
 *
 * Returns: the first of @count sequence numbers in a row that no transaction in flight uses; never 0
 */
guint32
vpnd_nl_socket_next_seq (VpndNlSocket *self, guint count)
{
  guint32 first;

  g_return_val_if_fail (VPND_IS_NL_SOCKET (self), 1);
  g_return_val_if_fail (count > 0, 1);

  if (self->last_used_seq > G_MAXUINT32 - count)
    self->last_used_seq = 0;
  first = self->last_used_seq + 1;
  self->last_used_seq += count;
  return first;
}

/**
 * vpnd_nl_socket_get_portid:
 * @self: a socket
 *
 * Returns: the netlink port of the socket; the owner flag of an nftables table belongs to it
 */
guint32
vpnd_nl_socket_get_portid (VpndNlSocket *self)
{
  g_return_val_if_fail (VPND_IS_NL_SOCKET (self), 0);

  return self->portid;
}

/**
 * vpnd_nl_socket_is_readable:
 * @self: a socket
 *
 * Returns: TRUE when the kernel has said something that was not read yet
 */
gboolean
vpnd_nl_socket_is_readable (VpndNlSocket *self)
{
  GPollFD poll = { .fd = self->fd, .events = G_IO_IN };

  return g_poll (&poll, 1, 0) > 0;
}

/**
 * vpnd_nl_socket_set_notify:
 * @self: a socket
 * @func: (nullable): called for every multicast message and every other one that answers no request, and with NULL when some were lost
 * @user_data: passed to @func
 *
 * Sets who receives notifications. Messages of our own changes come, too, when the socket itself joined the group.
 */
void
vpnd_nl_socket_set_notify (VpndNlSocket *self, VpndNlNotifyFunc func, gpointer user_data)
{
  g_return_if_fail (VPND_IS_NL_SOCKET (self));

  self->notify = func;
  self->notify_data = user_data;
}

/**
 * vpnd_nl_socket_join:
 * @self: a socket
 * @group: number of the group (RTNLGRP_*, NFNLGRP_*, or a generic netlink multicast group)
 * @error: return location for an error
 *
 * Subscribes to a multicast group.
 *
 * Returns: TRUE on success; errors: G_IO_ERROR with the errno
 */
gboolean
vpnd_nl_socket_join (VpndNlSocket *self, guint group, GError **error)
{
  g_return_val_if_fail (VPND_IS_NL_SOCKET (self), FALSE);

  if (setsockopt (self->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
    {
      int code = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "joining netlink group %u: %s", group, g_strerror (code));
      return FALSE;
    }
  return TRUE;
}

/**
 * vpnd_nl_socket_set_filter:
 * @self: a socket
 * @filter: (array length=length): a classic BPF program; what it returns 0 for never wakes this process
 * @length: its number of instructions
 * @error: return location for an error
 *
 * Has the kernel drop messages before they are queued. It sees answers as well, so a filtered socket should ask nothing.
 *
 * Returns: TRUE on success; errors: G_IO_ERROR with the errno
 */
gboolean
vpnd_nl_socket_set_filter (VpndNlSocket *self, const struct sock_filter *filter, guint16 length, GError **error)
{
  struct sock_fprog program = { .len = length, .filter = (struct sock_filter *) filter };

  g_return_val_if_fail (VPND_IS_NL_SOCKET (self), FALSE);

  if (setsockopt (self->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
    {
      int code = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "filtering a netlink socket: %s", g_strerror (code));
      return FALSE;
    }
  return TRUE;
}

/**
 * vpnd_nl_socket_new:
 * @protocol: NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_GENERIC, ...
 * @error: return location for an error
 *
 * Opens and binds a socket and watches it on the thread-default main context of the caller.
 *
 * Returns: (transfer full): a socket; NULL with VPND_ERROR_KERNEL_FEATURE when the kernel has no such protocol, else a G_IO_ERROR
 */
VpndNlSocket *
vpnd_nl_socket_new (int protocol, GError **error)
{
  g_autoptr (VpndNlSocket) self = g_object_new (VPND_TYPE_NL_SOCKET, NULL);

  if (!vpnd_nl_fd_open (protocol, &self->fd, &self->portid, &self->send_buffer_bytes))
    {
      int code = errno;

      if (code == EPROTONOSUPPORT)
        g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "the kernel has no netlink protocol %d (%s)", protocol,
            protocol == NETLINK_NETFILTER ? "CONFIG_NETFILTER_NETLINK" : "CONFIG_NET");
      else
        g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "opening a netlink socket of protocol %d: %s", protocol, g_strerror (code));
      return NULL;
    }

  self->source = g_unix_fd_source_new (self->fd, G_IO_IN);
  g_source_set_callback (self->source, G_SOURCE_FUNC (on_readable), self, NULL);
  g_source_set_static_name (self->source, "vpnd netlink");
  g_source_attach (self->source, self->context);
  return g_steal_pointer (&self);
}

static void
vpnd_nl_socket_dispose (GObject *object)
{
  VpndNlSocket *self = VPND_NL_SOCKET (object);

  /* Transactions hold a reference to the socket: at the last one there is none left, and here are only their remains. */
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  self->notify = NULL;
  if (self->fd >= 0)
    close (g_steal_fd (&self->fd));
  G_OBJECT_CLASS (vpnd_nl_socket_parent_class)->dispose (object);
}

static void
vpnd_nl_socket_finalize (GObject *object)
{
  VpndNlSocket *self = VPND_NL_SOCKET (object);

  g_ptr_array_unref (self->transactions);
  g_main_context_unref (self->context);
  explicit_bzero (self->buffer, self->buffer_bytes);
  g_free (self->buffer);
  G_OBJECT_CLASS (vpnd_nl_socket_parent_class)->finalize (object);
}

static void
vpnd_nl_socket_class_init (VpndNlSocketClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_nl_socket_dispose;
  G_OBJECT_CLASS (klass)->finalize = vpnd_nl_socket_finalize;
}

static void
vpnd_nl_socket_init (VpndNlSocket *self)
{
  self->fd = -1;
  self->context = g_main_context_ref_thread_default ();
  self->transactions = g_ptr_array_new_with_free_func (vpnd_nl_transaction_free);
  self->buffer_bytes = BUFFER_INITIAL_BYTES;
  self->buffer = g_malloc (self->buffer_bytes);
}
