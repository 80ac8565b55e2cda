/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The expressions of one rule. In a table of family inet a header may be read only behind a match of its family or protocol; like
 * nft(8) we add that match where the rule lacks it. Where a rule states such a match itself, its user data says so: otherwise the
 * decoder could not tell a stated match from an added one.
 */
#include "config.h"

#include "nft-encode-rule.h"

#include "nft-fields.h"

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <stdlib.h>
#include <string.h>

/* A family or protocol that holds for the rest of the rule: which match of a family or protocol established it. */
typedef struct
{
  guint8 value;
  guint ordinal;
  gboolean is_stated;
} Known;

typedef struct
{
  struct nftnl_rule *rule;
  Known nfproto;
  Known l4proto;
  guint n_known;
  guint32 stated_mask;
  guint8 level; /* of the match that is being written */
} Writer;

static struct nftnl_expr *
add_expr (Writer *writer, const char *name)
{
  struct nftnl_expr *expr = nftnl_expr_alloc (name);

  g_assert (expr != NULL); /* the names are constants that libnftnl 1.2.4 knows */
  nftnl_rule_add_expr (writer->rule, expr);
  return expr;
}

static void
add_cmp (Writer *writer, guint32 op, const void *data, gsize size)
{
  struct nftnl_expr *expr = add_expr (writer, "cmp");

  nftnl_expr_set_u32 (expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_CMP_OP, op);
  nftnl_expr_set (expr, NFTNL_EXPR_CMP_DATA, data, (guint32) size);
}

static void
add_bitwise (Writer *writer, const void *mask, const void * xor, gsize size)
{
  struct nftnl_expr *expr = add_expr (writer, "bitwise");

  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BITWISE_LEN, (guint32) size);
  nftnl_expr_set (expr, NFTNL_EXPR_BITWISE_MASK, mask, (guint32) size);
  nftnl_expr_set (expr, NFTNL_EXPR_BITWISE_XOR, xor, (guint32) size);
}

static void
add_load (Writer *writer, VpndField field, gsize size)
{
  const VpndNftLoad *load = vpnd_nft_field_load (field);
  struct nftnl_expr *expr;

  switch (load->kind)
    {
    case VPND_NFT_LOAD_META:
      expr = add_expr (writer, "meta");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_META_KEY, load->key);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
      break;
    case VPND_NFT_LOAD_CT:
      expr = add_expr (writer, "ct");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_CT_KEY, load->key);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
      break;
    case VPND_NFT_LOAD_PAYLOAD:
      expr = add_expr (writer, "payload");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_PAYLOAD_BASE, load->key);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_PAYLOAD_OFFSET, load->offset);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_PAYLOAD_LEN, (guint32) size);
      break;
    case VPND_NFT_LOAD_FIB_SADDR:
    case VPND_NFT_LOAD_FIB_DADDR:
      expr = add_expr (writer, "fib");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_FIB_RESULT, load->key);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_FIB_FLAGS, load->kind == VPND_NFT_LOAD_FIB_SADDR ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
      break;
    case VPND_NFT_LOAD_SOCKET:
      expr = add_expr (writer, "socket");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_SOCKET_KEY, load->key);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_SOCKET_LEVEL, writer->level);
      break;
    case VPND_NFT_LOAD_TCP_OPTION:
      expr = add_expr (writer, "exthdr");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1);
      nftnl_expr_set_u8 (expr, NFTNL_EXPR_EXTHDR_TYPE, (guint8) load->key);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_OFFSET, 0);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_LEN, 1);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
      break;
    }
}

/* The decoder counts the same matches: each "==" on the family or the protocol is one. */
static void
add_known (Writer *writer, VpndField field, guint8 value, gboolean is_stated)
{
  Known *known = field == VPND_FIELD_NFPROTO ? &writer->nfproto : &writer->l4proto;

  add_load (writer, field, sizeof value);
  add_cmp (writer, NFT_CMP_EQ, &value, sizeof value);
  *known = (Known){ .value = value, .ordinal = writer->n_known++, .is_stated = is_stated };
}

static void
need_known (Writer *writer, VpndField field, guint8 value)
{
  const Known *known = field == VPND_FIELD_NFPROTO ? &writer->nfproto : &writer->l4proto;

  if (value == 0)
    return;
  if (known->value != value)
    add_known (writer, field, value, FALSE);
  else if (known->is_stated && known->ordinal < 32)
    writer->stated_mask |= 1u << known->ordinal;
}

static void
add_dependencies (Writer *writer, VpndField field)
{
  guint8 l4proto = vpnd_field_implied_l4proto (field);

  if (writer->l4proto.value != l4proto)
    need_known (writer, VPND_FIELD_NFPROTO, vpnd_nft_field_icmp_nfproto (field));
  if (vpnd_nft_field_is_address (field))
    need_known (writer, VPND_FIELD_NFPROTO, vpnd_field_implied_nfproto (field));
  need_known (writer, VPND_FIELD_L4PROTO, l4proto);
}

/* Registers are compared byte by byte. */
static void
add_byteorder (Writer *writer, guint32 size)
{
  struct nftnl_expr *expr = add_expr (writer, "byteorder");

  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BYTEORDER_LEN, size);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_BYTEORDER_SIZE, size);
}

/* How many bytes of a netmask count when it ends at a byte, else 0. A shorter load then replaces the mask. */
static gsize
whole_mask_bytes (const VpndMatch *match, gsize size)
{
  gsize bytes = 0;

  while (bytes < size && match->mask[bytes] == 0xff)
    bytes++;
  for (gsize i = bytes; i < size; i++)
    if (match->mask[i] != 0)
      return 0;
  return bytes;
}

static void
write_comparison (Writer *writer, const VpndMatch *match)
{
  static const guint8 zero[VPND_FIELD_MAX_BYTES] = { 0 };
  gsize size = vpnd_field_size_bytes (match->field);
  gsize whole = whole_mask_bytes (match, size);
  guint32 op = match->op == VPND_OP_EQ ? NFT_CMP_EQ : NFT_CMP_NEQ;

  if (match->field == VPND_FIELD_CT_STATE)
    {
      /* A state is one of several bits: "equal" means that one of them is set. */
      add_load (writer, match->field, size);
      add_bitwise (writer, match->value, zero, size);
      add_cmp (writer, match->op == VPND_OP_EQ ? NFT_CMP_NEQ : NFT_CMP_EQ, zero, size);
    }
  else if (whole == size || (whole > 0 && vpnd_nft_field_is_address (match->field)))
    {
      add_load (writer, match->field, whole);
      add_cmp (writer, op, match->value, whole);
    }
  else
    {
      add_load (writer, match->field, size);
      add_bitwise (writer, match->mask, zero, size);
      add_cmp (writer, op, match->value, size);
    }
}

static void
write_greater (Writer *writer, const VpndMatch *match)
{
  guint64 number;

  memcpy (&number, match->value, sizeof number);
  number = GUINT64_TO_BE (number);
  add_load (writer, match->field, sizeof number);
  add_byteorder (writer, sizeof number);
  add_cmp (writer, NFT_CMP_GT, &number, sizeof number);
}

static void
write_lookup (Writer *writer, VpndField field, const char *set, gboolean is_inverted, gboolean is_map)
{
  struct nftnl_expr *expr;

  add_dependencies (writer, field);
  add_load (writer, field, vpnd_field_size_bytes (field));
  expr = add_expr (writer, "lookup");
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
  nftnl_expr_set_str (expr, NFTNL_EXPR_LOOKUP_SET, set);
  if (is_map)
    nftnl_expr_set_u32 (expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
  if (is_inverted)
    nftnl_expr_set_u32 (expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void
write_match (Writer *writer, const VpndMatch *match)
{
  gboolean is_known_field = match->field == VPND_FIELD_NFPROTO || match->field == VPND_FIELD_L4PROTO;

  writer->level = match->level;

  switch (match->op)
    {
    case VPND_OP_EQ:
      if (is_known_field)
        {
          add_known (writer, match->field, match->value[0], TRUE);
          break;
        }
      add_dependencies (writer, match->field);
      write_comparison (writer, match);
      break;
    case VPND_OP_NE:
      add_dependencies (writer, match->field);
      write_comparison (writer, match);
      break;
    case VPND_OP_IN:
      write_lookup (writer, match->field, match->set, FALSE, FALSE);
      break;
    case VPND_OP_NOT_IN:
      write_lookup (writer, match->field, match->set, TRUE, FALSE);
      break;
    case VPND_OP_GT:
      write_greater (writer, match);
      break;
    }
}

/**
 * vpnd_nft_verdict_code:
 * @kind: a verdict
 *
 * Returns: the kernel's number of it
 */
gint32
vpnd_nft_verdict_code (VpndVerdictKind kind)
{
  switch (kind)
    {
    case VPND_VERDICT_ACCEPT:
      return NF_ACCEPT;
    case VPND_VERDICT_DROP:
      return NF_DROP;
    case VPND_VERDICT_JUMP:
      return NFT_JUMP;
    case VPND_VERDICT_GOTO:
      return NFT_GOTO;
    case VPND_VERDICT_RETURN:
      return NFT_RETURN;
    }
  g_return_val_if_reached (NF_DROP);
}

static void
write_verdict (Writer *writer, const VpndVerdict *verdict)
{
  struct nftnl_expr *expr = add_expr (writer, "immediate");

  nftnl_expr_set_u32 (expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_IMM_VERDICT, (guint32) vpnd_nft_verdict_code (verdict->kind));
  if (verdict->chain[0] != '\0')
    nftnl_expr_set_str (expr, NFTNL_EXPR_IMM_CHAIN, verdict->chain);
}

static void
write_reject (Writer *writer, guint32 type, guint8 code)
{
  struct nftnl_expr *expr;

  if (type == NFT_REJECT_TCP_RST)
    need_known (writer, VPND_FIELD_L4PROTO, IPPROTO_TCP);
  expr = add_expr (writer, "reject");
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_REJECT_TYPE, type);
  nftnl_expr_set_u8 (expr, NFTNL_EXPR_REJECT_CODE, code);
}

static void
write_set_mark (Writer *writer, VpndField field, guint32 value, guint32 mask)
{
  guint32 kept = ~(mask | value);
  struct nftnl_expr *expr;

  add_load (writer, field, sizeof value);
  add_bitwise (writer, &kept, &value, sizeof value);
  if (field == VPND_FIELD_MARK)
    {
      expr = add_expr (writer, "meta");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_META_SREG, NFT_REG_1);
    }
  else
    {
      expr = add_expr (writer, "ct");
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
      nftnl_expr_set_u32 (expr, NFTNL_EXPR_CT_SREG, NFT_REG_1);
    }
}

/* The largest segment that fits the way there and back, in network order, into the option of that kind behind its kind and length (RFC 9293,
 * 3.2). The kernel only ever makes it smaller. */
static void
write_clamp_mss (Writer *writer)
{
  struct nftnl_expr *expr;

  need_known (writer, VPND_FIELD_L4PROTO, IPPROTO_TCP);
  expr = add_expr (writer, "rt");
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_RT_DREG, NFT_REG_1);
  add_byteorder (writer, sizeof (guint16));
  expr = add_expr (writer, "exthdr");
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
  nftnl_expr_set_u8 (expr, NFTNL_EXPR_EXTHDR_TYPE, VPND_NFT_TCPOPT_MAXSEG);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_OFFSET, VPND_NFT_TCPOPT_OFFSET);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_LEN, sizeof (guint16));
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
}

/* The kernel keeps one address as a range from it to itself. */
static void
write_dnat (Writer *writer, const VpndAddr *addr)
{
  guint8 nfproto = addr->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
  struct nftnl_expr *expr;

  need_known (writer, VPND_FIELD_NFPROTO, nfproto);
  expr = add_expr (writer, "immediate");
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
  nftnl_expr_set (expr, NFTNL_EXPR_IMM_DATA, addr->bytes, (guint32) vpnd_addr_size (addr));
  expr = add_expr (writer, "nat");
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_NAT_FAMILY, nfproto);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
}

static void
write_queue (Writer *writer, guint32 number)
{
  struct nftnl_expr *expr = add_expr (writer, "queue");

  nftnl_expr_set_u16 (expr, NFTNL_EXPR_QUEUE_NUM, (guint16) number);
  nftnl_expr_set_u16 (expr, NFTNL_EXPR_QUEUE_TOTAL, 1);
  nftnl_expr_set_u16 (expr, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
}

static void
write_queue_target (Writer *writer, guint32 number)
{
  const struct xt_NFQ_info_v3 info = { .queuenum = (guint16) number, .queues_total = 1, .flags = NFQ_FLAG_BYPASS };
  struct nftnl_expr *expr = add_expr (writer, "target");
  guint8 *padded = calloc (1, VPND_NFT_QUEUE_TARGET_BYTES); /* libnftnl takes it and frees it with free () */

  g_assert (padded != NULL);
  memcpy (padded, &info, sizeof info);
  nftnl_expr_set_str (expr, NFTNL_EXPR_TG_NAME, VPND_NFT_QUEUE_TARGET_NAME);
  nftnl_expr_set_u32 (expr, NFTNL_EXPR_TG_REV, VPND_NFT_QUEUE_TARGET_REVISION);
  nftnl_expr_set (expr, NFTNL_EXPR_TG_INFO, padded, VPND_NFT_QUEUE_TARGET_BYTES);
}

static void
write_statement (Writer *writer, const VpndStatement *statement)
{
  switch (statement->kind)
    {
    case VPND_STATEMENT_VERDICT:
      write_verdict (writer, &statement->verdict);
      break;
    case VPND_STATEMENT_REJECT:
      write_reject (writer, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH);
      break;
    case VPND_STATEMENT_REJECT_TCP_RESET:
      write_reject (writer, NFT_REJECT_TCP_RST, 0);
      break;
    case VPND_STATEMENT_REJECT_NO_ROUTE:
      write_reject (writer, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_NO_ROUTE);
      break;
    case VPND_STATEMENT_SET_MARK:
      write_set_mark (writer, VPND_FIELD_MARK, statement->value, statement->mask);
      break;
    case VPND_STATEMENT_SET_CT_MARK:
      write_set_mark (writer, VPND_FIELD_CT_MARK, statement->value, statement->mask);
      break;
    case VPND_STATEMENT_VMAP:
      writer->level = statement->level;
      write_lookup (writer, statement->field, statement->map, FALSE, TRUE);
      break;
    case VPND_STATEMENT_MASQUERADE:
      add_expr (writer, "masq");
      break;
    case VPND_STATEMENT_MASQUERADE_RANDOM:
      nftnl_expr_set_u32 (add_expr (writer, "masq"), NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM);
      break;
    case VPND_STATEMENT_DNAT:
      write_dnat (writer, &statement->addr);
      break;
    case VPND_STATEMENT_CLAMP_MSS:
      write_clamp_mss (writer);
      break;
    case VPND_STATEMENT_QUEUE:
      write_queue (writer, statement->value);
      break;
    case VPND_STATEMENT_QUEUE_TARGET:
      write_queue_target (writer, statement->value);
      break;
    }
}

/* A TCP reset needs a rule that looks at TCP only. Where the rule does not say so, nft(8) puts that match before all others, so that
 * no statement of the rule is performed on other packets. */
static gboolean
needs_tcp_first (const VpndRule *rule)
{
  gboolean has_reset = FALSE;

  for (guint i = 0; i < rule->statements->len; i++)
    if (g_array_index (rule->statements, VpndStatement, i).kind == VPND_STATEMENT_REJECT_TCP_RESET)
      has_reset = TRUE;
  for (guint i = 0; has_reset && i < rule->matches->len; i++)
    {
      const VpndMatch *match = &g_array_index (rule->matches, VpndMatch, i);

      if (vpnd_field_implied_l4proto (match->field) == IPPROTO_TCP || (match->field == VPND_FIELD_L4PROTO && match->op == VPND_OP_EQ))
        return FALSE;
    }
  return has_reset;
}

/**
 * vpnd_nft_encode_rule:
 * @table: name of the table
 * @chain: name of the chain
 * @rule: what it shall do
 *
 * Returns: (transfer full): the rule for libnftnl; free with nftnl_rule_free()
 */
struct nftnl_rule *
vpnd_nft_encode_rule (const char *table, const char *chain, const VpndRule *rule)
{
  Writer writer = { .rule = nftnl_rule_alloc () };

  nftnl_rule_set_u32 (writer.rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
  nftnl_rule_set_str (writer.rule, NFTNL_RULE_TABLE, table);
  nftnl_rule_set_str (writer.rule, NFTNL_RULE_CHAIN, chain);
  if (needs_tcp_first (rule))
    need_known (&writer, VPND_FIELD_L4PROTO, IPPROTO_TCP);
  for (guint i = 0; i < rule->matches->len; i++)
    write_match (&writer, &g_array_index (rule->matches, VpndMatch, i));
  for (guint i = 0; i < rule->statements->len; i++)
    write_statement (&writer, &g_array_index (rule->statements, VpndStatement, i));

  if (writer.stated_mask != 0)
    {
      guint8 udata[2 + sizeof writer.stated_mask] = { VPND_NFT_UDATA_EXPLICIT, sizeof writer.stated_mask };

      memcpy (udata + 2, &writer.stated_mask, sizeof writer.stated_mask);
      nftnl_rule_set_data (writer.rule, NFTNL_RULE_USERDATA, udata, sizeof udata);
    }
  return writer.rule;
}
