/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The asynchronous netlink socket of nl-socket.h: one GSource on the descriptor, a list of transactions in flight and a queue of dumps
 * that wait for their turn (the kernel runs one dump a socket and answers EBUSY to the next).
 * Requests are answered inside send(): once the queue is drained, what has not come will never come. That ends transactions whose last
 * message the kernel never looked at, for instance when it refuses a batch at its first message.
 * Bytes that pass through are cleared after use, since a WireGuard device's answer holds its key.
 * Never encodes or decodes a payload.
 */
#include "config.h"

#include "nl-socket.h"

#include "error.h"
#include "nl-message.h"

#include <errno.h>
#include <glib-unix.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A dump's parts are at most 32 KiB (af_netlink.c: netlink_recvmsg limits max_recvmsg_len); larger ones are measured by MSG_PEEK. */
#define BUFFER_INITIAL_BYTES (32u * 1024u)
/* Room for a burst of notifications; the kernel takes memory only for what is queued. */
#define RECEIVE_QUEUE_BYTES (4 * 1024 * 1024)
/* Datagrams read before other sources of the main loop get their turn. */
#define DATAGRAMS_PER_DISPATCH 256u

/**
 * Transaction:
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
} Transaction;

/**
 * VpndNlSocket:
 * @fd: the socket, -1 when it could not be made
 * @source: (owned) (nullable): wakes on incoming bytes
 * @context: (owned): the main context of the constructor
 * @transactions: (element-type Transaction) (owned): in flight or waiting, oldest first
 * @dump_seq: sequence number of the dump that the kernel runs for us, 0 for none; outlives a cancelled transaction
 * @buffer: (owned): for one datagram
 * @has_told_unreadable: what could not be read has been told
 */
struct _VpndNlSocket
{
  GObject parent_instance;

  int fd;
  int protocol;
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

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
nl_error_clear (gpointer data)
{
  VpndNlError *error = data;

  g_clear_pointer (&error->extack, g_free);
}

static VpndNlReply *
nl_reply_new (void)
{
  VpndNlReply *reply = g_new0 (VpndNlReply, 1);

  reply->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  reply->errors = g_array_new (FALSE, TRUE, sizeof (VpndNlError));
  g_array_set_clear_func (reply->errors, nl_error_clear);
  return reply;
}

/**
 * vpnd_nl_reply_free:
 * @reply: (transfer full) (nullable): a reply
 *
 * Frees a reply; the bytes of its messages are cleared when their last reference goes.
 */
void
vpnd_nl_reply_free (VpndNlReply *reply)
{
  if (reply == NULL)
    return;

  g_ptr_array_unref (reply->messages);
  g_array_unref (reply->errors);
  g_free (reply);
}

typedef struct
{
  gsize size;
  guint8 bytes[];
} ClearedBytes;

static void
cleared_bytes_free (gpointer data)
{
  ClearedBytes *cleared = data;

  explicit_bzero (cleared->bytes, cleared->size);
  g_free (cleared);
}

static GBytes *
copy_message (const struct nlmsghdr *message)
{
  ClearedBytes *cleared = g_malloc (sizeof (ClearedBytes) + message->nlmsg_len);

  cleared->size = message->nlmsg_len;
  memcpy (cleared->bytes, message, message->nlmsg_len);
  return g_bytes_new_with_free_func (cleared->bytes, cleared->size, cleared_bytes_free, cleared);
}

static void
transaction_free (gpointer data)
{
  Transaction *transaction = data;

  clear_source (&transaction->timer);
  clear_source (&transaction->cancel_source);
  g_clear_pointer (&transaction->reply, vpnd_nl_reply_free);
  g_clear_pointer (&transaction->messages, g_bytes_unref);
  g_clear_object (&transaction->task);
  g_free (transaction);
}

/* Takes the transaction out of the list before its callback runs: the callback may do anything with the socket. */
static void
transaction_end (VpndNlSocket *self, Transaction *transaction, GError *error)
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

static Transaction *
find_transaction (VpndNlSocket *self, guint32 seq)
{
  for (guint i = 0; i < self->transactions->len; i++)
    {
      Transaction *transaction = g_ptr_array_index (self->transactions, i);

      if (transaction->is_sent && seq >= transaction->first_seq && seq <= transaction->last_seq)
        return transaction;
    }
  return NULL;
}

/* What the kernel adds to an answer (enum nlmsgerr_attrs), behind @offset bytes of the message. */
static void
parse_extack (const struct nlmsghdr *message, gsize offset, VpndNlError *error)
{
  const guint8 *bytes = (const guint8 *) message;

  offset = NLMSG_ALIGN (offset);
  while (offset + sizeof (struct nlattr) <= message->nlmsg_len)
    {
      struct nlattr attr;

      memcpy (&attr, bytes + offset, sizeof attr);
      if (attr.nla_len < sizeof attr || attr.nla_len > message->nlmsg_len - offset)
        return;
      if ((attr.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG && error->extack == NULL)
        {
          const char *text = (const char *) bytes + offset + sizeof attr;
          g_autofree char *copy = g_strndup (text, attr.nla_len - sizeof attr);

          error->extack = g_utf8_make_valid (copy, -1);
        }
      else if ((attr.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_OFFS && attr.nla_len == sizeof attr + sizeof error->offset)
        {
          memcpy (&error->offset, bytes + offset + sizeof attr, sizeof error->offset);
        }
      offset += NLA_ALIGN (attr.nla_len);
    }
}

static void
transaction_add_error (Transaction *transaction, const struct nlmsghdr *message, int error, gsize extack_offset)
{
  VpndNlError entry = {
    .seq = message->nlmsg_seq,
    .error = error,
  };

  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0)
    parse_extack (message, extack_offset, &entry);
  g_array_append_val (transaction->reply->errors, entry);
}

/* NLMSG_ERROR: an ack (0) or a refusal. Its extack stands behind the header of the request, or behind the whole request where the
 * kernel did not heed NETLINK_CAP_ACK. */
static gboolean
handle_answer (Transaction *transaction, const struct nlmsghdr *message)
{
  struct nlmsgerr answer;
  gsize offset = NLMSG_HDRLEN + sizeof answer;

  if (message->nlmsg_len < offset)
    return FALSE;

  memcpy (&answer, NLMSG_DATA (message), sizeof answer);
  if (answer.error < 0)
    {
      if ((message->nlmsg_flags & NLM_F_CAPPED) == 0 && answer.msg.nlmsg_len >= NLMSG_HDRLEN)
        offset += answer.msg.nlmsg_len - NLMSG_HDRLEN;
      transaction_add_error (transaction, message, -answer.error, offset);
    }
  return message->nlmsg_seq == transaction->awaited_seq;
}

/* NLMSG_DONE carries the result of the dump as an int on kernels since 4.15. */
static gboolean
handle_done (Transaction *transaction, const struct nlmsghdr *message)
{
  if (message->nlmsg_len >= NLMSG_HDRLEN + sizeof (int))
    {
      int result;

      memcpy (&result, NLMSG_DATA (message), sizeof result);
      if (result < 0)
        transaction_add_error (transaction, message, -result, NLMSG_HDRLEN + sizeof result);
    }
  return message->nlmsg_seq == transaction->awaited_seq;
}

static gboolean
handle_data (Transaction *transaction, const struct nlmsghdr *message)
{
  g_ptr_array_add (transaction->reply->messages, copy_message (message));
  return message->nlmsg_seq == transaction->awaited_seq && !transaction->wants_ack && !transaction->is_dump &&
      (message->nlmsg_flags & NLM_F_MULTI) == 0;
}

static void
handle_reply_message (VpndNlSocket *self, const struct nlmsghdr *message)
{
  Transaction *transaction = find_transaction (self, message->nlmsg_seq);
  gboolean is_answer = message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;
  gboolean is_complete;

  if (is_answer && message->nlmsg_seq == self->dump_seq)
    self->dump_seq = 0;
  if (transaction == NULL) /* a late answer to a transaction that timed out or was cancelled */
    return;

  if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
    transaction->reply->overrun = TRUE;
  if (message->nlmsg_type == NLMSG_ERROR)
    is_complete = handle_answer (transaction, message);
  else if (message->nlmsg_type == NLMSG_DONE)
    is_complete = handle_done (transaction, message);
  else if (message->nlmsg_type >= NLMSG_MIN_TYPE)
    is_complete = handle_data (transaction, message);
  else
    is_complete = FALSE;

  if (is_complete)
    transaction_end (self, transaction, NULL);
}

static void
handle_overrun (VpndNlSocket *self)
{
  for (guint i = 0; i < self->transactions->len; i++)
    {
      Transaction *transaction = g_ptr_array_index (self->transactions, i);

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

/* Group of a received datagram: 0 for an answer to us. Only the ancillary data tells; a notification of our own change carries our
 * port and sequence number, too. */
static guint
datagram_group (struct msghdr *header)
{
  for (struct cmsghdr *control = CMSG_FIRSTHDR (header); control != NULL; control = CMSG_NXTHDR (header, control))
    {
      struct nl_pktinfo info;

      if (control->cmsg_level != SOL_NETLINK || control->cmsg_type != NETLINK_PKTINFO || control->cmsg_len < CMSG_LEN (sizeof info))
        continue;
      memcpy (&info, CMSG_DATA (control), sizeof info);
      return info.group;
    }
  return 0;
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
  struct sockaddr_nl sender = { 0 };
  char control[CMSG_SPACE (sizeof (struct nl_pktinfo))];
  struct iovec iov = { .iov_base = self->buffer, .iov_len = self->buffer_bytes };
  struct msghdr header = { .msg_name = &sender,
    .msg_namelen = sizeof sender,
    .msg_iov = &iov,
    .msg_iovlen = 1,
    .msg_control = control,
    .msg_controllen = sizeof control };
  ssize_t size = recvmsg (self->fd, &header, MSG_TRUNC | MSG_DONTWAIT);

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
  if (sender.nl_pid == 0) /* any local process may send to us; only the kernel is believed */
    handle_datagram (self, (gsize) size, datagram_group (&header) != 0);
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
      Transaction *transaction = g_ptr_array_index (self->transactions, i);

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

static gboolean
grow_send_buffer (VpndNlSocket *self, gsize bytes)
{
  int wanted = (int) bytes * 2 + 4096; /* netlink_sendmsg refuses what exceeds sk_sndbuf - 32 */

  if (bytes > G_MAXINT / 4)
    return FALSE;
  if (bytes < self->send_buffer_bytes / 2)
    return TRUE;
  if (setsockopt (self->fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0)
    return FALSE;
  self->send_buffer_bytes = (guint) wanted;
  return TRUE;
}

static void
transaction_send (VpndNlSocket *self, Transaction *transaction)
{
  g_autoptr (GBytes) messages = g_steal_pointer (&transaction->messages);
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  gsize size;
  const void *data = g_bytes_get_data (messages, &size);
  ssize_t sent;

  /* A refusal shows at sendto as EMSGSIZE, unless the default limit is enough after all. */
  (void) grow_send_buffer (self, size);
  transaction->is_sent = TRUE;
  if (transaction->is_dump)
    self->dump_seq = transaction->awaited_seq;
  do
    sent = sendto (self->fd, data, size, MSG_DONTWAIT, (struct sockaddr *) &kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);

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
      Transaction *transaction = g_ptr_array_index (self->transactions, i);

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

static Transaction *
find_task (VpndNlSocket *self, GTask *task)
{
  for (guint i = 0; i < self->transactions->len; i++)
    {
      Transaction *transaction = g_ptr_array_index (self->transactions, i);

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
  Transaction *transaction = find_task (self, task);

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
  Transaction *transaction = find_task (self, task);

  if (transaction != NULL)
    transaction_end (self, transaction, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "a netlink request was cancelled"));
  return G_SOURCE_REMOVE;
}

static void
transaction_attach (VpndNlSocket *self, Transaction *transaction, guint timeout_ms)
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

/* Reads the envelope of what is to be sent. FALSE: it is not a sequence of whole netlink messages.
 * The awaited message is the last one that asks for an answer: the end of an nftables batch asks for none. */
static gboolean
transaction_scan (Transaction *transaction)
{
  VpndNlCursor cursor = { 0 };
  const struct nlmsghdr *message;

  cursor.data = g_bytes_get_data (transaction->messages, &cursor.size);
  while ((message = vpnd_nl_cursor_next (&cursor)) != NULL)
    {
      gboolean has_ack = (message->nlmsg_flags & NLM_F_ACK) != 0;
      /* Requests that create use the same bits for REPLACE and EXCL; they ask for an ack, dumps do not. */
      gboolean has_dump = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && !has_ack;

      if (transaction->first_seq == 0)
        transaction->first_seq = message->nlmsg_seq;
      transaction->last_seq = message->nlmsg_seq;
      if (has_ack || has_dump || (!transaction->wants_ack && !transaction->is_dump))
        {
          transaction->awaited_seq = message->nlmsg_seq;
          transaction->wants_ack = has_ack;
          transaction->is_dump = has_dump;
        }
    }
  return cursor.size == 0 && transaction->first_seq > 0 && transaction->first_seq <= transaction->last_seq;
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
  Transaction *transaction;
  GTask *task;

  g_return_if_fail (VPND_IS_NL_SOCKET (self));
  g_return_if_fail (messages != NULL);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, vpnd_nl_socket_transact_async);
  g_task_set_check_cancellable (task, FALSE); /* on_cancelled says it, and an answer that came is not thrown away */
  transaction = g_new0 (Transaction, 1);
  transaction->task = task;
  transaction->messages = g_bytes_ref (messages);
  transaction->reply = nl_reply_new ();
  g_ptr_array_add (self->transactions, transaction);
  if (!transaction_scan (transaction))
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

static gboolean
socket_open (VpndNlSocket *self)
{
  struct sockaddr_nl address = { .nl_family = AF_NETLINK };
  socklen_t address_size = sizeof address;
  int on = 1;
  int queue_bytes = RECEIVE_QUEUE_BYTES;
  socklen_t option_size = sizeof self->send_buffer_bytes;

  self->fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, self->protocol);
  if (self->fd < 0 || bind (self->fd, (struct sockaddr *) &address, sizeof address) < 0 ||
      getsockname (self->fd, (struct sockaddr *) &address, &address_size) < 0 ||
      setsockopt (self->fd, SOL_NETLINK, NETLINK_PKTINFO, &on, sizeof on) < 0)
    return FALSE;

  self->portid = address.nl_pid;
  /* Comforts: without them the words of the kernel are missing, answers are longer, dumps are not
   * filtered by the kernel (since 4.20), or a burst of notifications ends in ENOBUFS earlier. */
  (void) setsockopt (self->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void) setsockopt (self->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (self->protocol == NETLINK_ROUTE)
    (void) setsockopt (self->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  if (setsockopt (self->fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue_bytes, sizeof queue_bytes) < 0)
    (void) setsockopt (self->fd, SOL_SOCKET, SO_RCVBUF, &queue_bytes, sizeof queue_bytes);
  (void) getsockopt (self->fd, SOL_SOCKET, SO_SNDBUF, &self->send_buffer_bytes, &option_size);
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

  self->protocol = protocol;
  if (!socket_open (self))
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
  clear_source (&self->source);
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
  self->transactions = g_ptr_array_new_with_free_func (transaction_free);
  self->buffer_bytes = BUFFER_INITIAL_BYTES;
  self->buffer = g_malloc (self->buffer_bytes);
}
