/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See nl-transaction.h. The copies of messages that make up a reply are cleared when they go, since a WireGuard device's answer holds its key.
 */
#include "config.h"

#include "nl-transaction.h"

#include "nl-message.h"

#include <string.h>

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

/**
 * vpnd_nl_transaction_new:
 * @task: (transfer full): carries the answer
 * @messages: what is to be sent
 *
 * Returns: (transfer full): a request that has not been sent
 */
VpndNlTransaction *
vpnd_nl_transaction_new (GTask *task, GBytes *messages)
{
  VpndNlTransaction *transaction = g_new0 (VpndNlTransaction, 1);

  transaction->task = task;
  transaction->messages = g_bytes_ref (messages);
  transaction->reply = nl_reply_new ();
  return transaction;
}

/**
 * vpnd_nl_transaction_free:
 * @data: (transfer full): a request
 */
void
vpnd_nl_transaction_free (gpointer data)
{
  VpndNlTransaction *transaction = data;

  clear_source (&transaction->timer);
  clear_source (&transaction->cancel_source);
  g_clear_pointer (&transaction->reply, vpnd_nl_reply_free);
  g_clear_pointer (&transaction->messages, g_bytes_unref);
  g_clear_object (&transaction->task);
  g_free (transaction);
}

/**
 * vpnd_nl_transaction_scan:
 * @transaction: a request
 *
 * Reads the envelope of what is to be sent.
 * The awaited message is the last one that asks for an answer: the end of an nftables batch asks for none.
 *
 * Returns: FALSE when it is not a sequence of whole netlink messages
 */
gboolean
vpnd_nl_transaction_scan (VpndNlTransaction *transaction)
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
transaction_add_error (VpndNlTransaction *transaction, const struct nlmsghdr *message, int error, gsize extack_offset)
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
handle_answer (VpndNlTransaction *transaction, const struct nlmsghdr *message)
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
handle_done (VpndNlTransaction *transaction, const struct nlmsghdr *message)
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
handle_data (VpndNlTransaction *transaction, const struct nlmsghdr *message)
{
  g_ptr_array_add (transaction->reply->messages, copy_message (message));
  return message->nlmsg_seq == transaction->awaited_seq && !transaction->wants_ack && !transaction->is_dump &&
      (message->nlmsg_flags & NLM_F_MULTI) == 0;
}

/**
 * vpnd_nl_transaction_take:
 * @transaction: a request that was sent
 * @message: of its answer
 *
 * Returns: TRUE when the answer is complete with it
 */
gboolean
vpnd_nl_transaction_take (VpndNlTransaction *transaction, const struct nlmsghdr *message)
{
  if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
    transaction->reply->overrun = TRUE;
  if (message->nlmsg_type == NLMSG_ERROR)
    return handle_answer (transaction, message);
  if (message->nlmsg_type == NLMSG_DONE)
    return handle_done (transaction, message);
  return message->nlmsg_type >= NLMSG_MIN_TYPE && handle_data (transaction, message);
}
