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

#define COPY_BYTES 0xffffu /* the whole packet */
#define CONFIG_BYTES 128u  /* one message with all the attributes of a configuration */
#define VERDICT_BYTES 64u  /* one message with a verdict */

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
 * @lets_by: those above are let through unseen (NFQA_CFG_F_FAIL_OPEN), not dropped
 * @seq: sequence number
 *
 * Returns: (transfer full): one message that makes its sender the listener of the queue, who is sent whole packets. Asks for an ack; EBUSY when
 *   somebody else listens, EINVAL or EOPNOTSUPP without CONFIG_NETFILTER_NETLINK_QUEUE
 */
GBytes *
vpnd_queue_encode_bind (guint16 queue, guint32 length, gboolean lets_by, guint32 seq)
{
  const struct nfqnl_msg_config_params params = { .copy_range = htonl (COPY_BYTES), .copy_mode = NFQNL_COPY_PACKET };
  guint8 buffer[CONFIG_BYTES] = { 0 };
  struct nlmsghdr *message = put_command (buffer, NFQNL_CFG_CMD_BIND, queue, seq);

  mnl_attr_put (message, NFQA_CFG_PARAMS, sizeof params, &params);
  mnl_attr_put_u32 (message, NFQA_CFG_QUEUE_MAXLEN, htonl (length));
  mnl_attr_put_u32 (message, NFQA_CFG_MASK, htonl (NFQA_CFG_F_FAIL_OPEN));
  mnl_attr_put_u32 (message, NFQA_CFG_FLAGS, htonl (lets_by ? NFQA_CFG_F_FAIL_OPEN : 0));
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

static GBytes *
encode_verdicts (guint16 queue, guint32 kind, const guint32 *ids, guint n_ids, guint32 seq)
{
  GByteArray *messages = g_byte_array_new ();

  for (guint i = 0; i < n_ids; i++)
    {
      const struct nfqnl_msg_verdict_hdr verdict = { .verdict = htonl (kind), .id = htonl (ids[i]) };
      guint8 buffer[VERDICT_BYTES] = { 0 };
      struct nlmsghdr *message = put_header (buffer, NFQNL_MSG_VERDICT, i + 1 == n_ids ? NLM_F_ACK : 0, queue, seq + i);

      mnl_attr_put (message, NFQA_VERDICT_HDR, sizeof verdict, &verdict);
      g_byte_array_append (messages, (const guint8 *) message, message->nlmsg_len);
    }
  return g_byte_array_free_to_bytes (messages);
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
  return encode_verdicts (queue, NF_ACCEPT, ids, n_ids, seq);
}

/**
 * vpnd_queue_encode_repeat:
 * @queue: number of the queue
 * @ids: (array length=n_ids): packets that are held
 * @n_ids: how many, at least 1
 * @seq: sequence number of the first of @n_ids messages
 *
 * Returns: (transfer full): messages that have the packets meet the chain of the hook that held them once more, from its beginning, else as vpnd_queue_encode_accept()
 */
GBytes *
vpnd_queue_encode_repeat (guint16 queue, const guint32 *ids, guint n_ids, guint32 seq)
{
  return encode_verdicts (queue, NF_REPEAT, ids, n_ids, seq);
}
