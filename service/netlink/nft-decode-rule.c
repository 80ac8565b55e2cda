/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Follows register 1 through the expressions of a rule: a load, perhaps a mask, then what uses it. Matches of the family or the protocol
 * that the encoder would have added by itself are taken out again, unless the user data says that the rule stated them.
 */
#include "config.h"

#include "nft-decode-rule.h"

#include "error.h"
#include "nft-fields.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <string.h>

/* A match of a family or protocol that holds from here on. */
typedef struct
{
  guint8 value;
  guint ordinal;
  gboolean is_pending; /* stands in the list of matches at @index and may still turn out to be an added one */
  guint index;
  gboolean is_late; /* stands behind a statement, where only an added one may */
} Known;

typedef struct
{
  VpndRule *rule;
  guint32 stated_mask;
  guint n_known;
  Known nfproto;
  Known l4proto;
  guint n_late;
  gboolean is_loaded;
  VpndField field;
  gsize size;
  gboolean is_masked;
  gboolean is_swapped; /* into network order, for a comparison of numbers */
  guint8 mask[VPND_FIELD_MAX_BYTES];
  guint8 xor [VPND_FIELD_MAX_BYTES];
  guint8 level;      /* of a look at a socket's cgroup */
  VpndAddr dnat;     /* where a VPND_STATEMENT_DNAT leads, once its address was read */
  guint clamp_steps; /* how much of a VPND_STATEMENT_CLAMP_MSS was read: one, then two expressions of three */
} Reader;

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_FIREWALL, "a rule has %s that vpnd does not make", what);
  return FALSE;
}

/* A missing number reads as one that nothing here expects. */
#define MISSING G_MAXUINT32

static guint32
get_u32 (const VpndNftAttrs *expr, guint16 type)
{
  return vpnd_nft_attrs_u32 (expr, type, MISSING);
}

/* A match of the family or protocol was one of those that the encoder adds: it goes, unless the rule stated it. */
static gboolean
consume_known (Reader *reader, Known *known, guint8 value)
{
  Known *other = known == &reader->nfproto ? &reader->l4proto : &reader->nfproto;
  gboolean is_stated = known->ordinal < 32 && (reader->stated_mask & (1u << known->ordinal)) != 0;

  if (!known->is_pending || known->value != value)
    return FALSE;
  if (is_stated)
    return FALSE;

  g_array_remove_index (reader->rule->matches, known->index);
  known->is_pending = FALSE;
  if (known->is_late)
    reader->n_late--;
  if (other->is_pending && other->index > known->index)
    other->index--;
  return TRUE;
}

static void
consume_dependencies (Reader *reader, VpndField field)
{
  if (vpnd_nft_field_is_address (field))
    (void) consume_known (reader, &reader->nfproto, vpnd_field_implied_nfproto (field));
  if (vpnd_field_implied_l4proto (field) != 0 && consume_known (reader, &reader->l4proto, vpnd_field_implied_l4proto (field)) &&
      vpnd_nft_field_icmp_nfproto (field) != 0)
    (void) consume_known (reader, &reader->nfproto, vpnd_nft_field_icmp_nfproto (field));
}

static void
set_loaded (Reader *reader, VpndField field, gsize size)
{
  reader->is_loaded = TRUE;
  reader->is_masked = FALSE;
  reader->is_swapped = FALSE;
  reader->field = field;
  reader->size = size;
  reader->level = 0;
}

static gboolean
read_meta (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  guint32 key = get_u32 (expr, NFTA_META_KEY);
  VpndField field;

  if (get_u32 (expr, NFTA_META_DREG) != NFT_REG_1 ||
      !vpnd_nft_find_field (VPND_NFT_LOAD_META, key, &field))
    return fail (error, "a meta expression");
  set_loaded (reader, field, vpnd_field_size_bytes (field));
  return TRUE;
}

static gboolean
read_ct (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  guint32 key = get_u32 (expr, NFTA_CT_KEY);
  VpndField field;

  if (get_u32 (expr, NFTA_CT_DREG) != NFT_REG_1 ||
      vpnd_nft_attrs_has (expr, NFTA_CT_DIRECTION) || !vpnd_nft_find_field (VPND_NFT_LOAD_CT, key, &field))
    return fail (error, "a ct expression");
  set_loaded (reader, field, vpnd_field_size_bytes (field));
  return TRUE;
}

static gboolean
read_payload (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  guint32 size = get_u32 (expr, NFTA_PAYLOAD_LEN);
  VpndField field;

  if (get_u32 (expr, NFTA_PAYLOAD_DREG) != NFT_REG_1 ||
      !vpnd_nft_find_payload (get_u32 (expr, NFTA_PAYLOAD_BASE), get_u32 (expr, NFTA_PAYLOAD_OFFSET), reader->nfproto.value,
          reader->l4proto.value, &field) ||
      size == 0 || size > vpnd_field_size_bytes (field) || (size < vpnd_field_size_bytes (field) && !vpnd_nft_field_is_address (field)))
    return fail (error, "a payload expression");
  set_loaded (reader, field, size);
  consume_dependencies (reader, field);
  return TRUE;
}

static gboolean
read_fib (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  const guint32 flags = get_u32 (expr, NFTA_FIB_FLAGS);
  VpndField field;

  if (get_u32 (expr, NFTA_FIB_DREG) != NFT_REG_1 || (flags != NFTA_FIB_F_SADDR && flags != NFTA_FIB_F_DADDR) ||
      !vpnd_nft_find_field (flags == NFTA_FIB_F_SADDR ? VPND_NFT_LOAD_FIB_SADDR : VPND_NFT_LOAD_FIB_DADDR, get_u32 (expr, NFTA_FIB_RESULT), &field))
    return fail (error, "a fib expression");
  set_loaded (reader, field, vpnd_field_size_bytes (field));
  return TRUE;
}

static gboolean
read_socket (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  guint32 level = get_u32 (expr, NFTA_SOCKET_LEVEL);
  VpndField field;

  if (get_u32 (expr, NFTA_SOCKET_DREG) != NFT_REG_1 || level > G_MAXUINT8 ||
      !vpnd_nft_find_field (VPND_NFT_LOAD_SOCKET, get_u32 (expr, NFTA_SOCKET_KEY), &field))
    return fail (error, "a socket expression");
  set_loaded (reader, field, vpnd_field_size_bytes (field));
  reader->level = (guint8) level;
  return TRUE;
}

static gboolean
read_bitwise (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  if (!reader->is_loaded || reader->is_masked || reader->is_swapped || reader->size != vpnd_field_size_bytes (reader->field) ||
      get_u32 (expr, NFTA_BITWISE_SREG) != NFT_REG_1 || get_u32 (expr, NFTA_BITWISE_DREG) != NFT_REG_1 ||
      vpnd_nft_attrs_u32 (expr, NFTA_BITWISE_OP, NFT_BITWISE_BOOL) != NFT_BITWISE_BOOL || get_u32 (expr, NFTA_BITWISE_LEN) != reader->size ||
      !vpnd_nft_attrs_data (expr, NFTA_BITWISE_MASK, reader->mask, reader->size) || !vpnd_nft_attrs_data (expr, NFTA_BITWISE_XOR, reader->xor, reader->size))
    return fail (error, "a bitwise expression");
  reader->is_masked = TRUE;
  return TRUE;
}

static gboolean
is_zero (const guint8 *bytes, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (bytes[i] != 0)
      return FALSE;
  return TRUE;
}

static void
add_known (Reader *reader, guint8 value)
{
  Known *known = reader->field == VPND_FIELD_NFPROTO ? &reader->nfproto : &reader->l4proto;
  gboolean is_late = reader->rule->statements->len > 0;

  *known = (Known){ .value = value, .ordinal = reader->n_known++, .is_pending = TRUE, .index = reader->rule->matches->len, .is_late = is_late };
  reader->n_late += is_late;
}

static gboolean
read_ct_state (Reader *reader, VpndMatch *match)
{
  guint8 found[VPND_FIELD_MAX_BYTES];

  memcpy (found, match->value, sizeof found);
  if (!reader->is_masked || !is_zero (found, reader->size))
    return FALSE;
  match->op = match->op == VPND_OP_NE ? VPND_OP_EQ : VPND_OP_NE;
  memcpy (match->value, reader->mask, reader->size);
  memset (match->mask, 0xff, reader->size);
  return TRUE;
}

/* Returns: whether it is one of numbers */
static gboolean
read_greater (Reader *reader, const VpndNftAttrs *expr)
{
  guint64 number;

  if (get_u32 (expr, NFTA_CMP_OP) != NFT_CMP_GT || get_u32 (expr, NFTA_CMP_SREG) != NFT_REG_1 || reader->rule->statements->len > 0 ||
      !vpnd_nft_attrs_data (expr, NFTA_CMP_DATA, (guint8 *) &number, sizeof number))
    return FALSE;
  vpnd_rule_match_newer_cgroup (reader->rule, reader->level, GUINT64_FROM_BE (number));
  reader->is_loaded = FALSE;
  return TRUE;
}

static gboolean
read_cmp (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  VpndMatch match = { .field = reader->field, .level = reader->level };
  guint32 op = get_u32 (expr, NFTA_CMP_OP);
  gboolean is_known = (reader->field == VPND_FIELD_NFPROTO || reader->field == VPND_FIELD_L4PROTO) && op == NFT_CMP_EQ && !reader->is_masked;

  if (reader->is_loaded && reader->is_swapped)
    return read_greater (reader, expr) || fail (error, "a comparison of numbers");
  if (!reader->is_loaded || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) || get_u32 (expr, NFTA_CMP_SREG) != NFT_REG_1 ||
      !vpnd_nft_attrs_data (expr, NFTA_CMP_DATA, match.value, reader->size) || (reader->is_masked && !is_zero (reader->xor, reader->size)) ||
      (reader->rule->statements->len > 0 && !is_known))
    return fail (error, "a comparison");

  match.op = op == NFT_CMP_EQ ? VPND_OP_EQ : VPND_OP_NE;
  if (reader->is_masked)
    memcpy (match.mask, reader->mask, reader->size);
  else
    memset (match.mask, 0xff, reader->size);
  if (reader->field == VPND_FIELD_CT_STATE && !read_ct_state (reader, &match))
    return fail (error, "a comparison of the connection state");
  if (is_known)
    add_known (reader, match.value[0]);
  g_array_append_val (reader->rule->matches, match);
  reader->is_loaded = FALSE;
  return TRUE;
}

static gboolean
read_lookup (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  const char *set = vpnd_nft_attrs_string (expr, NFTA_LOOKUP_SET);
  gboolean is_map = vpnd_nft_attrs_has (expr, NFTA_LOOKUP_DREG);
  guint32 flags = vpnd_nft_attrs_u32 (expr, NFTA_LOOKUP_FLAGS, 0);

  if (!reader->is_loaded || reader->is_masked || reader->is_swapped || reader->size != vpnd_field_size_bytes (reader->field) || set == NULL ||
      strlen (set) >= VPND_NFT_NAME_MAX || get_u32 (expr, NFTA_LOOKUP_SREG) != NFT_REG_1 || (flags & ~NFT_LOOKUP_F_INV) != 0)
    return fail (error, "a look-up");

  if (is_map)
    {
      if (get_u32 (expr, NFTA_LOOKUP_DREG) != NFT_REG_VERDICT || flags != 0)
        return fail (error, "a look-up in a map");
      vpnd_rule_vmap (reader->rule, reader->field, set);
      g_array_index (reader->rule->statements, VpndStatement, reader->rule->statements->len - 1).level = reader->level;
    }
  else
    {
      if (reader->rule->statements->len > 0)
        return fail (error, "a look-up behind a statement");
      vpnd_rule_match_set (reader->rule, reader->field, flags != 0 ? VPND_OP_NOT_IN : VPND_OP_IN, set);
      g_array_index (reader->rule->matches, VpndMatch, reader->rule->matches->len - 1).level = reader->level;
    }
  reader->is_loaded = FALSE;
  return TRUE;
}

static gboolean
read_set_mark (Reader *reader, VpndField field, VpndStatementKind kind, GError **error)
{
  guint32 kept;
  guint32 value;

  if (!reader->is_loaded || !reader->is_masked || reader->field != field)
    return fail (error, "a setting of a mark");
  memcpy (&kept, reader->mask, sizeof kept);
  memcpy (&value, reader->xor, sizeof value);
  vpnd_rule_set_mark (reader->rule, kind, value, ~kept);
  reader->is_loaded = FALSE;
  return TRUE;
}

/**
 * vpnd_nft_decode_verdict:
 * @data: attributes of a datum
 * @out_verdict: (out): the verdict
 *
 * Returns: TRUE when it is one of ours
 */
gboolean
vpnd_nft_decode_verdict (const VpndNftAttrs *data, VpndVerdict *out_verdict)
{
  static const struct
  {
    gint32 code;
    VpndVerdictKind kind;
  } verdicts[] = {
    { NF_ACCEPT, VPND_VERDICT_ACCEPT },
    { NF_DROP, VPND_VERDICT_DROP },
    { NFT_JUMP, VPND_VERDICT_JUMP },
    { NFT_GOTO, VPND_VERDICT_GOTO },
    { NFT_RETURN, VPND_VERDICT_RETURN },
  };

  VpndNftAttrs nest = vpnd_nft_attrs_find (data, NFTA_DATA_VERDICT);
  gint32 code = (gint32) vpnd_nft_attrs_u32 (&nest, NFTA_VERDICT_CODE, G_MAXINT32);
  const char *chain = vpnd_nft_attrs_string (&nest, NFTA_VERDICT_CHAIN);

  for (guint i = 0; i < G_N_ELEMENTS (verdicts); i++)
    if (code == verdicts[i].code)
      {
        gboolean needs_chain = verdicts[i].kind == VPND_VERDICT_JUMP || verdicts[i].kind == VPND_VERDICT_GOTO;
        VpndVerdict verdict = { .kind = verdicts[i].kind };

        if (needs_chain != (chain != NULL) || (chain != NULL && strlen (chain) >= sizeof verdict.chain))
          return FALSE;
        if (chain != NULL)
          g_strlcpy (verdict.chain, chain, sizeof verdict.chain);
        *out_verdict = verdict;
        return TRUE;
      }
  return FALSE;
}

/* Its length alone says of which family it is, and the expression that uses it must say the same. */
static gboolean
read_address (Reader *reader, const VpndNftAttrs *data, GError **error)
{
  VpndNftAttrs value = vpnd_nft_attrs_find (data, NFTA_DATA_VALUE);

  if (value.size != 4 && value.size != 16)
    return fail (error, "a value");
  reader->dnat = vpnd_addr_from_bytes (value.size == 4 ? AF_INET : AF_INET6, value.data);
  reader->is_loaded = FALSE;
  return TRUE;
}

static gboolean
read_nat (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  guint8 nfproto = reader->dnat.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

  if (!vpnd_addr_is_set (&reader->dnat) || get_u32 (expr, NFTA_NAT_TYPE) != NFT_NAT_DNAT || get_u32 (expr, NFTA_NAT_FAMILY) != nfproto ||
      get_u32 (expr, NFTA_NAT_REG_ADDR_MIN) != NFT_REG_1 || vpnd_nft_attrs_u32 (expr, NFTA_NAT_REG_ADDR_MAX, NFT_REG_1) != NFT_REG_1 ||
      vpnd_nft_attrs_has (expr, NFTA_NAT_REG_PROTO_MIN) || (vpnd_nft_attrs_u32 (expr, NFTA_NAT_FLAGS, 0) & ~NF_NAT_RANGE_MAP_IPS) != 0 ||
      reader->nfproto.value != nfproto)
    return fail (error, "a change of address");
  (void) consume_known (reader, &reader->nfproto, nfproto);
  vpnd_rule_dnat (reader->rule, &reader->dnat);
  reader->dnat = (VpndAddr){ 0 };
  return TRUE;
}

static gboolean
read_immediate (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  VpndStatement statement = { .kind = VPND_STATEMENT_VERDICT };
  VpndNftAttrs data = vpnd_nft_attrs_find (expr, NFTA_IMMEDIATE_DATA);

  if (get_u32 (expr, NFTA_IMMEDIATE_DREG) == NFT_REG_1)
    return read_address (reader, &data, error);
  if (get_u32 (expr, NFTA_IMMEDIATE_DREG) != NFT_REG_VERDICT || !vpnd_nft_decode_verdict (&data, &statement.verdict))
    return fail (error, "a verdict");
  g_array_append_val (reader->rule->statements, statement);
  return TRUE;
}

static gboolean
read_reject (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  static const struct
  {
    guint32 type;
    guint8 code;
    VpndStatementKind kind;
  } rejects[] = {
    { NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH, VPND_STATEMENT_REJECT },
    { NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_NO_ROUTE, VPND_STATEMENT_REJECT_NO_ROUTE },
    { NFT_REJECT_TCP_RST, 0, VPND_STATEMENT_REJECT_TCP_RESET },
  };
  guint32 type = get_u32 (expr, NFTA_REJECT_TYPE);
  VpndNftAttrs code_value = vpnd_nft_attrs_find (expr, NFTA_REJECT_ICMP_CODE);
  guint8 code = type != NFT_REJECT_TCP_RST && code_value.size == 1 ? code_value.data[0] : 0;

  for (guint i = 0; i < G_N_ELEMENTS (rejects); i++)
    if (rejects[i].type == type && rejects[i].code == code)
      {
        if (type == NFT_REJECT_TCP_RST)
          {
            if (reader->l4proto.value != IPPROTO_TCP)
              return fail (error, "a TCP reset for any protocol");
            (void) consume_known (reader, &reader->l4proto, IPPROTO_TCP);
          }
        vpnd_rule_statement (reader->rule, rejects[i].kind);
        return TRUE;
      }
  return fail (error, "a reject");
}

static gboolean
read_masquerade (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  const guint32 flags = vpnd_nft_attrs_u32 (expr, NFTA_MASQ_FLAGS, 0);

  if ((flags & ~(guint32) NF_NAT_RANGE_PROTO_RANDOM) != 0 || vpnd_nft_attrs_has (expr, NFTA_MASQ_REG_PROTO_MIN))
    return fail (error, "a masquerade with options");
  vpnd_rule_statement (reader->rule, flags == 0 ? VPND_STATEMENT_MASQUERADE : VPND_STATEMENT_MASQUERADE_RANDOM);
  return TRUE;
}

static gboolean
read_meta_any (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  if (!vpnd_nft_attrs_has (expr, NFTA_META_SREG))
    return read_meta (reader, expr, error);
  if (get_u32 (expr, NFTA_META_KEY) != NFT_META_MARK || get_u32 (expr, NFTA_META_SREG) != NFT_REG_1)
    return fail (error, "a meta statement");
  return read_set_mark (reader, VPND_FIELD_MARK, VPND_STATEMENT_SET_MARK, error);
}

static gboolean
read_ct_any (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  if (!vpnd_nft_attrs_has (expr, NFTA_CT_SREG))
    return read_ct (reader, expr, error);
  if (get_u32 (expr, NFTA_CT_KEY) != NFT_CT_MARK || get_u32 (expr, NFTA_CT_SREG) != NFT_REG_1)
    return fail (error, "a ct statement");
  return read_set_mark (reader, VPND_FIELD_CT_MARK, VPND_STATEMENT_SET_CT_MARK, error);
}

static gboolean
read_rt (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  if (reader->l4proto.value != IPPROTO_TCP || get_u32 (expr, NFTA_RT_DREG) != NFT_REG_1 || get_u32 (expr, NFTA_RT_KEY) != NFT_RT_TCPMSS)
    return fail (error, "a routing expression");
  (void) consume_known (reader, &reader->l4proto, IPPROTO_TCP);
  reader->is_loaded = FALSE;
  reader->clamp_steps = 1;
  return TRUE;
}

static gboolean
read_byteorder (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  const gboolean is_number = reader->is_loaded && reader->field == VPND_FIELD_SOCKET_CGROUP && !reader->is_masked && !reader->is_swapped;
  const guint32 size = is_number ? sizeof (guint64) : sizeof (guint16);

  if ((!is_number && reader->clamp_steps != 1) || get_u32 (expr, NFTA_BYTEORDER_SREG) != NFT_REG_1 || get_u32 (expr, NFTA_BYTEORDER_DREG) != NFT_REG_1 ||
      get_u32 (expr, NFTA_BYTEORDER_OP) != NFT_BYTEORDER_HTON || get_u32 (expr, NFTA_BYTEORDER_LEN) != size || get_u32 (expr, NFTA_BYTEORDER_SIZE) != size)
    return fail (error, "a change of byte order");
  if (is_number)
    reader->is_swapped = TRUE;
  else
    reader->clamp_steps = 2;
  return TRUE;
}

static gboolean
read_option (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  VpndNftAttrs type = vpnd_nft_attrs_find (expr, NFTA_EXTHDR_TYPE);
  VpndField field;

  if (get_u32 (expr, NFTA_EXTHDR_DREG) != NFT_REG_1 || type.size != 1 || !vpnd_nft_find_field (VPND_NFT_LOAD_TCP_OPTION, type.data[0], &field) ||
      get_u32 (expr, NFTA_EXTHDR_OFFSET) != 0 || get_u32 (expr, NFTA_EXTHDR_LEN) != 1 || get_u32 (expr, NFTA_EXTHDR_FLAGS) != NFT_EXTHDR_F_PRESENT ||
      get_u32 (expr, NFTA_EXTHDR_OP) != NFT_EXTHDR_OP_TCPOPT)
    return fail (error, "a look for an option");
  set_loaded (reader, field, vpnd_field_size_bytes (field));
  return TRUE;
}

static gboolean
read_exthdr (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  VpndNftAttrs type = vpnd_nft_attrs_find (expr, NFTA_EXTHDR_TYPE);

  if (vpnd_nft_attrs_has (expr, NFTA_EXTHDR_DREG))
    return read_option (reader, expr, error);
  if (reader->clamp_steps != 2 || get_u32 (expr, NFTA_EXTHDR_SREG) != NFT_REG_1 || type.size != 1 || type.data[0] != VPND_NFT_TCPOPT_MAXSEG ||
      get_u32 (expr, NFTA_EXTHDR_OFFSET) != VPND_NFT_TCPOPT_OFFSET || get_u32 (expr, NFTA_EXTHDR_LEN) != sizeof (guint16) ||
      get_u32 (expr, NFTA_EXTHDR_OP) != NFT_EXTHDR_OP_TCPOPT)
    return fail (error, "an option");
  vpnd_rule_statement (reader->rule, VPND_STATEMENT_CLAMP_MSS);
  reader->clamp_steps = 0;
  return TRUE;
}

static void
add_queue (Reader *reader, VpndStatementKind kind, guint16 number)
{
  VpndStatement statement = { .kind = kind, .value = number };

  g_array_append_val (reader->rule->statements, statement);
}

static gboolean
read_queue (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  VpndNftAttrs total = vpnd_nft_attrs_find (expr, NFTA_QUEUE_TOTAL);
  guint16 number, flags, count = 1;

  if (!vpnd_nft_attrs_u16 (expr, NFTA_QUEUE_NUM, &number) || !vpnd_nft_attrs_u16 (expr, NFTA_QUEUE_FLAGS, &flags) || flags != NFT_QUEUE_FLAG_BYPASS ||
      (total.data != NULL && !vpnd_nft_attrs_u16 (expr, NFTA_QUEUE_TOTAL, &count)) || count != 1)
    return fail (error, "a queue");
  add_queue (reader, VPND_STATEMENT_QUEUE, number);
  return TRUE;
}

/* The kernel gives the data of a target back in host order, padded with zeros. */
static gboolean
read_target (Reader *reader, const VpndNftAttrs *expr, GError **error)
{
  VpndNftAttrs data = vpnd_nft_attrs_find (expr, NFTA_TARGET_INFO);
  struct xt_NFQ_info_v3 info;

  if (g_strcmp0 (vpnd_nft_attrs_string (expr, NFTA_TARGET_NAME), VPND_NFT_QUEUE_TARGET_NAME) != 0 ||
      get_u32 (expr, NFTA_TARGET_REV) != VPND_NFT_QUEUE_TARGET_REVISION || data.size != VPND_NFT_QUEUE_TARGET_BYTES)
    return fail (error, "a target");
  memcpy (&info, data.data, sizeof info);
  if (info.queues_total != 1 || info.flags != NFQ_FLAG_BYPASS)
    return fail (error, "a target");
  add_queue (reader, VPND_STATEMENT_QUEUE_TARGET, info.queuenum);
  return TRUE;
}

static const struct
{
  const char *name;
  gboolean (*read) (Reader *reader, const VpndNftAttrs *expr, GError **error);
} readers[] = {
  { "meta", read_meta_any },
  { "cmp", read_cmp },
  { "payload", read_payload },
  { "immediate", read_immediate },
  { "lookup", read_lookup },
  { "ct", read_ct_any },
  { "bitwise", read_bitwise },
  { "reject", read_reject },
  { "fib", read_fib },
  { "socket", read_socket },
  { "nat", read_nat },
  { "masq", read_masquerade },
  { "rt", read_rt },
  { "byteorder", read_byteorder },
  { "exthdr", read_exthdr },
  { "queue", read_queue },
  { "target", read_target },
};

static gboolean
read_expr (Reader *reader, const VpndNftAttrs *element, GError **error)
{
  const char *name = vpnd_nft_attrs_string (element, NFTA_EXPR_NAME);
  VpndNftAttrs expr = vpnd_nft_attrs_find (element, NFTA_EXPR_DATA);

  for (guint i = 0; name != NULL && i < G_N_ELEMENTS (readers); i++)
    if (strcmp (readers[i].name, name) == 0)
      {
        guint clamp_steps = reader->clamp_steps;
        gboolean has_address = vpnd_addr_is_set (&reader->dnat);

        if (!readers[i].read (reader, &expr, error))
          return FALSE;
        if (has_address && vpnd_addr_is_set (&reader->dnat))
          return fail (error, "half a change of address");
        return clamp_steps == 0 || reader->clamp_steps != clamp_steps || fail (error, "half a change of an option");
      }
  return fail (error, "an expression");
}

static gboolean
read_expressions (Reader *reader, VpndNftAttrs list, GError **error)
{
  VpndNftAttrs element;
  guint16 type;

  while (vpnd_nft_attrs_next (&list, &type, &element))
    if (!read_expr (reader, &element, error))
      return FALSE;
  if (list.size != 0)
    return fail (error, "damaged bytes");
  if (reader->clamp_steps > 0)
    return fail (error, "half a change of an option");
  if (vpnd_addr_is_set (&reader->dnat))
    return fail (error, "half a change of address");
  if (reader->n_late > 0)
    return fail (error, "a match behind a statement");
  return TRUE;
}

static guint32
read_stated_mask (const VpndNftAttrs *attrs)
{
  VpndNftAttrs udata = vpnd_nft_attrs_find (attrs, NFTA_RULE_USERDATA);
  guint32 mask = 0;

  if (udata.size == 2 + sizeof mask && udata.data[0] == VPND_NFT_UDATA_EXPLICIT && udata.data[1] == sizeof mask)
    memcpy (&mask, udata.data + 2, sizeof mask);
  return mask;
}

/**
 * vpnd_nft_decode_rule:
 * @attrs: attributes of a message NFT_MSG_NEWRULE
 * @error: return location for an error
 *
 * Returns: (transfer full): the rule; NULL with VPND_ERROR_FIREWALL when our encoder could not have made it
 */
VpndRule *
vpnd_nft_decode_rule (const VpndNftAttrs *attrs, GError **error)
{
  VpndRule *rule = g_new0 (VpndRule, 1);
  Reader reader = { .rule = rule, .stated_mask = read_stated_mask (attrs) };

  rule->matches = g_array_new (FALSE, TRUE, sizeof (VpndMatch));
  rule->statements = g_array_new (FALSE, TRUE, sizeof (VpndStatement));
  if (!read_expressions (&reader, vpnd_nft_attrs_find (attrs, NFTA_RULE_EXPRESSIONS), error))
    g_clear_pointer (&rule, vpnd_rule_free);
  return rule;
}
