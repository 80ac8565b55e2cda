/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See queue-encode.h. Messages: linux/netfilter/nfnetlink_queue.h.
 */
#include "config.h"

#include "queue-encode.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#define CONFIG_BYTES 128u /* one message with all the attributes of a configuration */
#define VERDICT_BYTES 64u /* one message with a verdict */

static struct nlmsghdr *
put_header (void *buffer, guint16 type, guint16 flags, guint16 queue, guint32 seq)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (buffer);
  struct nfgenmsg *header;

  message->nlmsg_type = (guint16) (NFNL_SUBSYS_QUEUE << 8 | type);
  message->nlmsg_flags = (guint16) (NLM_F_REQUEST | flags);
  message->nlmsg_seq = seq;
  header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  header->res_id = htons (queue);
  return message;
}

static struct nlmsghdr *
put_command (void *buffer, guint8 command, guint16 queue, guint32 seq)
{
  const struct nfqnl_msg_config_cmd value = { .command = command };
  struct nlmsghdr *message = put_header (buffer, NFQNL_MSG_CONFIG, NLM_F_ACK, queue, seq);

  mnl_attr_put (message, NFQA_CFG_CMD, sizeof value, &value);
  return message;
}

/**
 * vpnd_queue_encode_bind:
 * @queue: number of the queue
 * @length: packets that may wait
 * @copy_bytes: how much of each packet its message has; 0: nothing, and then what the kernel has not cut into segments yet stays one packet (NFQA_CFG_F_GSO)
 * @lets_by: those above are let through unseen (NFQA_CFG_F_FAIL_OPEN), not dropped
 * @seq: sequence number
 *
 * Who listens needs room for the longest message: one that is lost keeps its packet waiting.
 *
 * Returns: (transfer full): one message that makes its sender the listener of the queue. Asks for an ack; EBUSY when
 *   somebody else listens, EINVAL or EOPNOTSUPP without CONFIG_NETFILTER_NETLINK_QUEUE
 */
GBytes *
vpnd_queue_encode_bind (guint16 queue, guint32 length, guint32 copy_bytes, gboolean lets_by, guint32 seq)
{
  const struct nfqnl_msg_config_params params = { .copy_range = htonl (copy_bytes), .copy_mode = copy_bytes > 0 ? NFQNL_COPY_PACKET : NFQNL_COPY_META };
  guint8 buffer[CONFIG_BYTES] = { 0 };
  struct nlmsghdr *message = put_command (buffer, NFQNL_CFG_CMD_BIND, queue, seq);

  mnl_attr_put (message, NFQA_CFG_PARAMS, sizeof params, &params);
  mnl_attr_put_u32 (message, NFQA_CFG_QUEUE_MAXLEN, htonl (length));
  mnl_attr_put_u32 (message, NFQA_CFG_MASK, htonl (NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO));
  mnl_attr_put_u32 (message, NFQA_CFG_FLAGS, htonl ((lets_by ? NFQA_CFG_F_FAIL_OPEN : 0) | (copy_bytes > 0 ? 0 : NFQA_CFG_F_GSO)));
  return g_bytes_new (message, message->nlmsg_len);
}

/**
 * vpnd_queue_encode_unbind:
 * @queue: number of the queue
 * @seq: sequence number
 *
 * Returns: (transfer full): one message that ends listening; the kernel drops what is still held. Asks for an ack
 */
GBytes *
vpnd_queue_encode_unbind (guint16 queue, guint32 seq)
{
  guint8 buffer[CONFIG_BYTES] = { 0 };
  struct nlmsghdr *message = put_command (buffer, NFQNL_CFG_CMD_UNBIND, queue, seq);

  return g_bytes_new (message, message->nlmsg_len);
}

static void
append_verdict (GByteArray *messages, guint16 type, guint16 flags, guint16 queue, guint32 kind, guint32 id, guint32 seq)
{
  const struct nfqnl_msg_verdict_hdr verdict = { .verdict = htonl (kind), .id = htonl (id) };
  guint8 buffer[VERDICT_BYTES] = { 0 };
  struct nlmsghdr *message = put_header (buffer, type, flags, queue, seq);

  mnl_attr_put (message, NFQA_VERDICT_HDR, sizeof verdict, &verdict);
  g_byte_array_append (messages, (const guint8 *) message, message->nlmsg_len);
}

/**
 * vpnd_queue_encode_accept:
 * @queue: number of the queue
 * @ids: (array length=n_ids): packets that are held
 * @n_ids: how many, at least 1
 * @seq: sequence number of the first of @n_ids messages
 *
 * Returns: (transfer full): messages that let the packets go on; the last asks for an ack. ENOENT is said of those that are gone
 */
GBytes *
vpnd_queue_encode_accept (guint16 queue, const guint32 *ids, guint n_ids, guint32 seq)
{
  GByteArray *messages = g_byte_array_new ();

  for (guint i = 0; i < n_ids; i++)
    append_verdict (messages, NFQNL_MSG_VERDICT, i + 1 == n_ids ? NLM_F_ACK : 0, queue, NF_ACCEPT, ids[i], seq + i);
  return g_byte_array_free_to_bytes (messages);
}

/**
 * vpnd_queue_encode_repeat:
 * @queue: number of the queue
 * @last: the last packet that is meant; with all that have been held since before it. Numbers wrap around: one that is less than 2^31 ahead of all is all
 * @seq: sequence number
 *
 * Returns: (transfer full): one message that has packets meet the chain of the hook that held them once more, from its beginning, in the order in which they came
 *   (NFQNL_MSG_VERDICT_BATCH). What is held then again is a new packet. Asks for an ack; ENOENT when none is held
 */
GBytes *
vpnd_queue_encode_repeat (guint16 queue, guint32 last, guint32 seq)
{
  GByteArray *messages = g_byte_array_new ();

  append_verdict (messages, NFQNL_MSG_VERDICT_BATCH, NLM_F_ACK, queue, NF_REPEAT, last, seq);
  return g_byte_array_free_to_bytes (messages);
}
