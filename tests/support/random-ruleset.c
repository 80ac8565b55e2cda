/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Draws from g_test_rand, so that a failure can be repeated with --seed. Everything a ruleset can say is drawn with the same freedom
 * that nft(8) and the kernel leave: one family and one protocol a rule, rejects and masquerade only where they are allowed, no loops.
 */
#include "config.h"

#include "random-ruleset.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <string.h>

static const VpndField set_fields[] = {
  VPND_FIELD_IIFNAME, VPND_FIELD_IP_SADDR, VPND_FIELD_IP6_SADDR, VPND_FIELD_UDP_DPORT, VPND_FIELD_L4PROTO, VPND_FIELD_ICMPV6_TYPE
};

static gboolean
chance (guint percent)
{
  return (guint) g_test_rand_int_range (0, 100) < percent;
}

static guint
pick (guint n)
{
  return (guint) g_test_rand_int_range (0, (gint32) n);
}

static void
random_bytes (guint8 *bytes, gsize size)
{
  for (gsize i = 0; i < size; i++)
    bytes[i] = (guint8) pick (256);
}

static VpndPrefix
random_prefix (int family)
{
  static const guint8 lengths4[] = { 0, 8, 12, 16, 24, 31, 32 };
  static const guint8 lengths6[] = { 0, 8, 10, 32, 64, 127, 128 };
  VpndPrefix prefix = { .addr.family = (guint8) family };

  random_bytes (prefix.addr.bytes, family == AF_INET ? 4 : 16);
  prefix.length = family == AF_INET ? lengths4[pick (G_N_ELEMENTS (lengths4))] : lengths6[pick (G_N_ELEMENTS (lengths6))];
  return prefix;
}

static void
random_ifname (char *name)
{
  g_snprintf (name, 16, "%s%u", chance (50) ? "eth" : "averylongname", pick (100));
}

static VpndVerdict
random_verdict (const char *leaf)
{
  static const VpndVerdictKind kinds[] = { VPND_VERDICT_ACCEPT, VPND_VERDICT_DROP, VPND_VERDICT_RETURN, VPND_VERDICT_JUMP, VPND_VERDICT_GOTO };
  VpndVerdict verdict = { .kind = kinds[pick (G_N_ELEMENTS (kinds))] };

  if (verdict.kind == VPND_VERDICT_JUMP || verdict.kind == VPND_VERDICT_GOTO)
    g_strlcpy (verdict.chain, leaf, sizeof verdict.chain);
  return verdict;
}

static void
add_element (VpndSet *set, guint i, const VpndVerdict *verdict)
{
  VpndAddr addr = { 0 };
  char name[16];

  if (set->field == VPND_FIELD_IIFNAME)
    {
      random_ifname (name);
      vpnd_set_add_ifname (set, name, verdict);
    }
  else if (vpnd_field_implied_nfproto (set->field) != 0)
    {
      addr.family = set->field == VPND_FIELD_IP_SADDR ? AF_INET : AF_INET6;
      random_bytes (addr.bytes, vpnd_field_size_bytes (set->field));
      vpnd_set_add_addr (set, &addr, verdict);
    }
  else if (vpnd_field_size_bytes (set->field) == 2)
    {
      vpnd_set_add_port (set, (guint16) pick (65536), verdict);
    }
  else
    {
      vpnd_set_add_u8 (set, (guint8) pick (256), verdict);
    }
}

/* Disjoint networks, some of them neighbours, the last one sometimes at the end of the address space. */
static void
add_interval (VpndSet *set, guint i, guint n, const VpndVerdict *verdict)
{
  VpndPrefix prefix = { .addr.family = set->field == VPND_FIELD_IP_SADDR ? AF_INET : AF_INET6 };
  guint last = i + 1 == n && chance (50) ? 0xffff : i * 2 + chance (50);

  prefix.addr.bytes[0] = (guint8) (last >> 8);
  prefix.addr.bytes[1] = (guint8) last;
  random_bytes (prefix.addr.bytes + 2, 2);
  prefix.length = (guint8) (16 + pick (3) * 8);
  vpnd_set_add_prefix (set, &prefix, verdict);
}

static void
add_set (VpndRuleset *ruleset, guint i, const char *leaf)
{
  char name[VPND_NFT_NAME_MAX];
  VpndField field = set_fields[i % G_N_ELEMENTS (set_fields)];
  gboolean is_interval = vpnd_field_implied_nfproto (field) != 0 && chance (60);
  gboolean is_map = i >= G_N_ELEMENTS (set_fields);
  guint n = chance (5) ? 600 : pick (12);
  VpndSet *set;

  g_snprintf (name, sizeof name, "%s%u", is_map ? "map" : "set", i);
  set = vpnd_ruleset_add_set (ruleset, name, field, is_interval, is_map);
  for (guint j = 0; j < n; j++)
    {
      VpndVerdict verdict = random_verdict (leaf);

      if (is_interval)
        add_interval (set, j, n, is_map ? &verdict : NULL);
      else
        add_element (set, j, is_map ? &verdict : NULL);
    }
}

/* A rule may look at one family and one protocol: what it has chosen so far. */
typedef struct
{
  VpndRuleset *ruleset;
  VpndRule *rule;
  int family;
  guint8 l4proto;
  gboolean has_icmp;
  gboolean may_see_sockets; /* cgroups of sockets: nft(8) wants paths for their numbers, and the kernel a hook at which there are sockets */
} Draw;

static const char *
set_for (Draw *draw, VpndField field, gboolean is_map)
{
  for (guint i = 0; i < draw->ruleset->sets->len; i++)
    {
      const VpndSet *set = g_ptr_array_index (draw->ruleset->sets, i);
      gboolean same = set->field == field || (set->field == VPND_FIELD_IIFNAME && field == VPND_FIELD_OIFNAME) ||
          (set->field == VPND_FIELD_IP_SADDR && field == VPND_FIELD_IP_DADDR) || (set->field == VPND_FIELD_IP6_SADDR && field == VPND_FIELD_IP6_DADDR) ||
          (set->field == VPND_FIELD_UDP_DPORT && vpnd_field_size_bytes (field) == 2 && field != VPND_FIELD_OIFTYPE);

      if (same && set->is_map == is_map)
        return set->name;
    }
  return NULL;
}

static gboolean
is_icmp (VpndField field)
{
  return field == VPND_FIELD_ICMP_TYPE || field == VPND_FIELD_ICMP_CODE || field == VPND_FIELD_ICMPV6_TYPE || field == VPND_FIELD_ICMPV6_CODE;
}

static gboolean
is_inner (VpndField field)
{
  return field >= VPND_FIELD_ICMP_INNER_START && field <= VPND_FIELD_ICMP_INNER_PORTS;
}

static gboolean
fits (Draw *draw, VpndField field)
{
  guint8 nfproto = vpnd_field_implied_nfproto (field);
  guint8 l4proto = vpnd_field_implied_l4proto (field);

  if (field == VPND_FIELD_SOCKET_CGROUP && !draw->may_see_sockets)
    return FALSE;
  if (is_inner (field) || field == VPND_FIELD_UDP_START) /* stands behind the type of its error, or a port, and nft(8) does not say so: the policies' own texts have them */
    return FALSE;
  if (field == VPND_FIELD_TH_DPORT && draw->l4proto != 0) /* with a protocol it is that protocol's port */
    return FALSE;
  if (draw->has_icmp && is_icmp (field)) /* nft(8) joins type and code in ways of its own; the policies' own texts have them together */
    return FALSE;
  if ((l4proto == IPPROTO_ICMPV6 && draw->family == AF_INET) || (l4proto == IPPROTO_ICMP && draw->family == AF_INET6))
    return FALSE;
  if ((nfproto == NFPROTO_IPV4 && draw->l4proto == IPPROTO_ICMPV6) || (nfproto == NFPROTO_IPV6 && draw->l4proto == IPPROTO_ICMP))
    return FALSE;
  if ((nfproto != 0 && draw->family != 0 && draw->family != (nfproto == NFPROTO_IPV4 ? AF_INET : AF_INET6)) ||
      (l4proto != 0 && draw->l4proto != 0 && draw->l4proto != l4proto))
    return FALSE;
  return TRUE;
}

static void
settle (Draw *draw, VpndField field)
{
  guint8 nfproto = vpnd_field_implied_nfproto (field);

  draw->has_icmp = draw->has_icmp || is_icmp (field);
  if (nfproto != 0)
    draw->family = nfproto == NFPROTO_IPV4 ? AF_INET : AF_INET6;
  if (field == VPND_FIELD_TH_DPORT)
    draw->l4proto = IPPROTO_RAW; /* none that a rule looks at */
  if (vpnd_field_implied_l4proto (field) != 0)
    draw->l4proto = vpnd_field_implied_l4proto (field);
  if (draw->l4proto == IPPROTO_ICMPV6)
    draw->family = AF_INET6;
  if (draw->l4proto == IPPROTO_ICMP)
    draw->family = AF_INET;
}

/* Not what another match of the rule says already: nft(8) sends and shows such a repetition, or neither, as it comes. */
static void
match_protocol (Draw *draw, VpndField field)
{
  static const guint8 l4protos[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMPV6 };
  guint8 value;

  if ((field == VPND_FIELD_NFPROTO ? draw->family : draw->l4proto) != 0)
    return;
  if (field == VPND_FIELD_NFPROTO)
    {
      draw->family = draw->l4proto == IPPROTO_ICMPV6 || chance (50) ? AF_INET6 : AF_INET;
      value = draw->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    }
  else
    {
      draw->l4proto = l4protos[pick (draw->family == AF_INET ? 2 : 3)];
      value = draw->l4proto;
    }
  vpnd_rule_match_u8 (draw->rule, field, value);
}

static void
match_value (Draw *draw, VpndField field)
{
  VpndOp op = chance (80) ? VPND_OP_EQ : VPND_OP_NE;
  char name[16];

  if (field == VPND_FIELD_NFPROTO || field == VPND_FIELD_L4PROTO)
    {
      match_protocol (draw, field);
    }
  else if (vpnd_field_implied_nfproto (field) != 0)
    {
      VpndPrefix prefix = random_prefix (draw->family);

      vpnd_rule_match_prefix (draw->rule, field == VPND_FIELD_IP_SADDR || field == VPND_FIELD_IP6_SADDR, op, &prefix);
    }
  else if (field == VPND_FIELD_IIFNAME || field == VPND_FIELD_OIFNAME)
    {
      random_ifname (name);
      vpnd_rule_match_ifname (draw->rule, field, op, name);
    }
  else if (field == VPND_FIELD_MARK || field == VPND_FIELD_CT_MARK)
    {
      guint32 mask = chance (50) ? 0xff000000 : 0xffffffff;

      vpnd_rule_match_mark (draw->rule, field, op, (guint32) g_test_rand_int () & mask, mask);
    }
  else if (field == VPND_FIELD_CT_STATE)
    {
      vpnd_rule_match_u32 (draw->rule, field, VPND_OP_EQ, chance (50) ? NF_CT_STATE_BIT (IP_CT_ESTABLISHED) : NF_CT_STATE_BIT (IP_CT_NEW) | NF_CT_STATE_INVALID_BIT);
    }
  else if (field == VPND_FIELD_FIB_SADDR_TYPE || field == VPND_FIELD_FIB_DADDR_TYPE)
    {
      vpnd_rule_match_u32 (draw->rule, field, op, chance (50) ? RTN_LOCAL : RTN_UNICAST);
    }
  else if (field == VPND_FIELD_TCP_FLAGS)
    {
      vpnd_rule_match_syn (draw->rule);
    }
  else if (field == VPND_FIELD_TCP_MPTCP)
    {
      vpnd_rule_match_u8 (draw->rule, field, (guint8) pick (2));
    }
  else if (field == VPND_FIELD_CT_STATUS)
    {
      guint32 mask = IPS_CONFIRMED | IPS_SRC_NAT;

      vpnd_rule_match_status (draw->rule, chance (50) ? IPS_CONFIRMED : mask, mask);
    }
  else if (field == VPND_FIELD_SOCKET_CGROUP)
    {
      (chance (70) ? vpnd_rule_match_cgroup : vpnd_rule_match_newer_cgroup) (draw->rule, pick (5), (guint64) g_test_rand_int () << 20 | pick (1000));
    }
  else if (field == VPND_FIELD_SKUID || field == VPND_FIELD_NET_CLS || field == VPND_FIELD_IIF || field == VPND_FIELD_OIF)
    {
      vpnd_rule_match_u32 (draw->rule, field, op, pick (70000));
    }
  else if (field == VPND_FIELD_OIFTYPE)
    {
      vpnd_rule_match_oiftype (draw->rule, (guint16) pick (65536));
    }
  else if (vpnd_field_size_bytes (field) == 2)
    {
      vpnd_rule_match_port (draw->rule, field, (guint16) pick (65536));
    }
  else
    {
      vpnd_rule_match_u8 (draw->rule, field, (guint8) pick (256));
    }
}

static void
add_match (Draw *draw)
{
  VpndField field = (VpndField) pick (VPND_N_FIELDS);
  const char *set;

  if (!fits (draw, field))
    return;
  set = chance (30) ? set_for (draw, field, FALSE) : NULL;
  settle (draw, field);
  if (set != NULL)
    vpnd_rule_match_set (draw->rule, field, chance (80) ? VPND_OP_IN : VPND_OP_NOT_IN, set);
  else
    match_value (draw, field);
}

static void
add_statements (Draw *draw, const VpndChain *chain, const char *leaf)
{
  gboolean may_reject = chain->hook == VPND_HOOK_INPUT || chain->hook == VPND_HOOK_FORWARD || chain->hook == VPND_HOOK_OUTPUT;
  VpndField field = (VpndField) pick (VPND_N_FIELDS);
  const char *map = fits (draw, field) ? set_for (draw, field, TRUE) : NULL;

  if (chain->hook == VPND_HOOK_FORWARD && draw->l4proto == IPPROTO_TCP && chance (50))
    vpnd_rule_statement (draw->rule, VPND_STATEMENT_CLAMP_MSS);
  if (chance (30))
    vpnd_rule_set_mark (draw->rule, chance (50) ? VPND_STATEMENT_SET_MARK : VPND_STATEMENT_SET_CT_MARK, 0x56000000, chance (50) ? 0xff000000 : 0xffffffff);
  if (chain->type == VPND_CHAIN_NAT && chain->hook == VPND_HOOK_OUTPUT && draw->family != 0 && draw->l4proto != IPPROTO_ICMP && draw->l4proto != IPPROTO_ICMPV6 && chance (50)) /* with them nft(8) says the family or not */
    {
      VpndPrefix prefix = random_prefix (draw->family);

      vpnd_rule_dnat (draw->rule, &prefix.addr);
    }
  else if (chain->type == VPND_CHAIN_NAT && chain->hook == VPND_HOOK_POSTROUTING && chance (50))
    vpnd_rule_statement (draw->rule, chance (50) ? VPND_STATEMENT_MASQUERADE : VPND_STATEMENT_MASQUERADE_RANDOM);
  else if (may_reject && chance (20) && fits (draw, VPND_FIELD_TCP_DPORT))
    vpnd_rule_statement (draw->rule, VPND_STATEMENT_REJECT_TCP_RESET);
  else if (may_reject && chance (20) && draw->l4proto != IPPROTO_ICMP && draw->l4proto != IPPROTO_ICMPV6) /* there nft(8) lists one rule in two ways */
    vpnd_rule_statement (draw->rule, chance (50) ? VPND_STATEMENT_REJECT : VPND_STATEMENT_REJECT_NO_ROUTE);
  else if (leaf[0] != '\0' && map != NULL)
    vpnd_rule_vmap (draw->rule, field, map);
  else if (leaf[0] != '\0' && chance (40))
    vpnd_rule_jump (draw->rule, leaf);
  else if (chance (80))
    (chance (50) ? vpnd_rule_accept : vpnd_rule_drop) (draw->rule);
}

static void
add_rules (VpndRuleset *ruleset, VpndChain *chain, const char *leaf, gboolean is_for_nft)
{
  const gboolean has_sockets = chain->hook == VPND_HOOK_PREROUTING || chain->hook == VPND_HOOK_INPUT || chain->hook == VPND_HOOK_OUTPUT;
  guint n = pick (10);

  for (guint i = 0; i < n; i++)
    {
      Draw draw = { .ruleset = ruleset, .rule = vpnd_chain_add_rule (chain), .may_see_sockets = has_sockets && !is_for_nft };

      for (guint j = pick (6); j > 0; j--)
        add_match (&draw);
      add_statements (&draw, chain, leaf);
      if (draw.rule->matches->len + draw.rule->statements->len == 0)
        vpnd_rule_accept (draw.rule); /* nft(8) knows no empty rule */
    }
}

static VpndRuleset *
new_ruleset (const char *table, gboolean is_for_nft)
{
  static const struct
  {
    const char *name;
    VpndChainType type;
    VpndHook hook;
  } bases[] = {
    { "prerouting", VPND_CHAIN_FILTER, VPND_HOOK_PREROUTING },
    { "input", VPND_CHAIN_FILTER, VPND_HOOK_INPUT },
    { "forward", VPND_CHAIN_FILTER, VPND_HOOK_FORWARD },
    { "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT },
    { "mangle", VPND_CHAIN_ROUTE, VPND_HOOK_OUTPUT },
    { "nat", VPND_CHAIN_NAT, VPND_HOOK_POSTROUTING },
    { "natout", VPND_CHAIN_NAT, VPND_HOOK_OUTPUT },
  };
  VpndRuleset *ruleset = vpnd_ruleset_new (table);

  for (guint i = 0; i < 2 * G_N_ELEMENTS (set_fields); i++)
    if (chance (60))
      add_set (ruleset, i, "leaf");
  add_rules (ruleset, vpnd_ruleset_add_chain (ruleset, "leaf", VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT), "", is_for_nft);
  for (guint i = 0; i < G_N_ELEMENTS (bases); i++)
    if (chance (70))
      add_rules (ruleset,
          vpnd_ruleset_add_chain (ruleset, bases[i].name, bases[i].type, bases[i].hook, g_test_rand_int_range (-150, 200), chance (50) ? VPND_VERDICT_DROP : VPND_VERDICT_ACCEPT),
          "leaf", is_for_nft);
  return ruleset;
}

/**
 * random_ruleset_new:
 * @table: name of the table
 *
 * Returns: (transfer full): a ruleset that the kernel accepts
 */
VpndRuleset *
random_ruleset_new (const char *table)
{
  return new_ruleset (table, FALSE);
}

/**
 * random_ruleset_new_for_nft:
 * @table: name of the table
 *
 * Returns: (transfer full): a ruleset whose text nft(8) accepts, too
 */
VpndRuleset *
random_ruleset_new_for_nft (const char *table)
{
  return new_ruleset (table, TRUE);
}
