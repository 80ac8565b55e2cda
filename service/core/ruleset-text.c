/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of a ruleset, in the language of nft(8): what a reviewer reads and what `nft -f` loads.
 * Never used to put rules in force.
 */
#include "config.h"

#include "ruleset.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <string.h>

static const char *const hook_names[] = {
  [VPND_HOOK_NONE] = "",
  [VPND_HOOK_PREROUTING] = "prerouting",
  [VPND_HOOK_INPUT] = "input",
  [VPND_HOOK_FORWARD] = "forward",
  [VPND_HOOK_OUTPUT] = "output",
  [VPND_HOOK_POSTROUTING] = "postrouting",
};

static const char *const chain_type_names[] = {
  [VPND_CHAIN_FILTER] = "filter",
  [VPND_CHAIN_ROUTE] = "route",
  [VPND_CHAIN_NAT] = "nat",
};

static void
append_verdict (GString *text, const VpndVerdict *verdict)
{
  switch (verdict->kind)
    {
    case VPND_VERDICT_ACCEPT:
      g_string_append (text, "accept");
      break;
    case VPND_VERDICT_DROP:
      g_string_append (text, "drop");
      break;
    case VPND_VERDICT_JUMP:
      g_string_append_printf (text, "jump %s", verdict->chain);
      break;
    case VPND_VERDICT_GOTO:
      g_string_append_printf (text, "goto %s", verdict->chain);
      break;
    case VPND_VERDICT_RETURN:
      g_string_append (text, "return");
      break;
    }
}

static guint16
value_u16 (const guint8 *bytes)
{
  guint16 value;

  memcpy (&value, bytes, sizeof value);
  return value;
}

static guint32
value_u32 (const guint8 *bytes)
{
  guint32 value;

  memcpy (&value, bytes, sizeof value);
  return value;
}

static guint16
value_port (const guint8 *bytes)
{
  guint16 value;

  memcpy (&value, bytes, sizeof value);
  return g_ntohs (value);
}

static void
append_ct_state (GString *text, guint32 bits)
{
  static const struct
  {
    guint32 bit;
    const char *name;
  } states[] = {
    { NF_CT_STATE_INVALID_BIT, "invalid" },
    { NF_CT_STATE_BIT (IP_CT_ESTABLISHED), "established" },
    { NF_CT_STATE_BIT (IP_CT_RELATED), "related" },
    { NF_CT_STATE_BIT (IP_CT_NEW), "new" },
    { NF_CT_STATE_UNTRACKED_BIT, "untracked" },
  };
  const char *separator = "";

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (bits & states[i].bit)
      {
        g_string_append_printf (text, "%s%s", separator, states[i].name);
        separator = ",";
      }
}

/* What nft(8) has no name for is one number to it. */
static void
append_number (GString *text, const guint8 *bytes, gsize size)
{
  g_string_append (text, "0x");
  for (gsize i = 0; i < size; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
}

static void
append_value (GString *text, VpndField field, const guint8 *bytes)
{
  char buffer[INET6_ADDRSTRLEN];
  guint64 id;

  switch (field)
    {
    case VPND_FIELD_IIFNAME:
    case VPND_FIELD_OIFNAME:
      g_string_append_printf (text, "\"%.15s\"", (const char *) bytes);
      break;
    case VPND_FIELD_NFPROTO:
      g_string_append (text, bytes[0] == NFPROTO_IPV4 ? "ipv4" : "ipv6");
      break;
    case VPND_FIELD_IP_SADDR:
    case VPND_FIELD_IP_DADDR:
      g_string_append (text, inet_ntop (AF_INET, bytes, buffer, sizeof buffer));
      break;
    case VPND_FIELD_IP6_SADDR:
    case VPND_FIELD_IP6_DADDR:
      g_string_append (text, inet_ntop (AF_INET6, bytes, buffer, sizeof buffer));
      break;
    case VPND_FIELD_UDP_SPORT:
    case VPND_FIELD_UDP_DPORT:
    case VPND_FIELD_TCP_SPORT:
    case VPND_FIELD_TCP_DPORT:
    case VPND_FIELD_TH_DPORT:
      g_string_append_printf (text, "%u", value_port (bytes));
      break;
    case VPND_FIELD_UDP_START:
    case VPND_FIELD_ICMP_INNER_START:
    case VPND_FIELD_ICMP_INNER_L4PROTO:
    case VPND_FIELD_ICMP_INNER_DADDR:
    case VPND_FIELD_ICMP_INNER_PORTS:
      append_number (text, bytes, vpnd_field_size_bytes (field));
      break;
    case VPND_FIELD_L4PROTO:
    case VPND_FIELD_ICMP_TYPE:
    case VPND_FIELD_ICMP_CODE:
    case VPND_FIELD_ICMPV6_TYPE:
    case VPND_FIELD_ICMPV6_CODE:
      g_string_append_printf (text, "%u", bytes[0]);
      break;
    case VPND_FIELD_TCP_FLAGS:
      g_string_append_printf (text, "0x%02x", bytes[0]);
      break;
    case VPND_FIELD_TCP_MPTCP:
      g_string_append (text, bytes[0] ? "exists" : "missing");
      break;
    case VPND_FIELD_MARK:
    case VPND_FIELD_CT_MARK:
    case VPND_FIELD_CT_STATUS:
      g_string_append_printf (text, "0x%08x", value_u32 (bytes));
      break;
    case VPND_FIELD_CT_STATE:
      append_ct_state (text, value_u32 (bytes));
      break;
    case VPND_FIELD_OIFTYPE:
      g_string_append_printf (text, "%u", value_u16 (bytes));
      break;
    case VPND_FIELD_IIF:
    case VPND_FIELD_OIF:
    case VPND_FIELD_SKUID:
    case VPND_FIELD_NET_CLS:
      g_string_append_printf (text, "%u", value_u32 (bytes));
      break;
    case VPND_FIELD_FIB_SADDR_TYPE:
    case VPND_FIELD_FIB_DADDR_TYPE:
      g_string_append (text, value_u32 (bytes) == RTN_LOCAL ? "local" : "unicast");
      break;
    case VPND_FIELD_SOCKET_CGROUP: /* nft(8) wants a path here, which a number does not tell; it lists numbers that have none */
      memcpy (&id, bytes, sizeof id);
      g_string_append_printf (text, "%" G_GUINT64_FORMAT, id);
      break;
    case VPND_N_FIELDS:
      g_assert_not_reached ();
    }
}

static gboolean
is_address (VpndField field)
{
  return vpnd_field_implied_nfproto (field) != 0;
}

static gboolean
mask_is_full (const VpndMatch *match)
{
  for (gsize i = 0; i < vpnd_field_size_bytes (match->field); i++)
    if (match->mask[i] != 0xff)
      return FALSE;
  return TRUE;
}

static guint
mask_bits (const VpndMatch *match)
{
  guint bits = 0;

  while (bits < 8 * vpnd_field_size_bytes (match->field) && (match->mask[bits / 8] & (0x80 >> (bits % 8))) != 0)
    bits++;
  return bits;
}

static void
append_match (GString *text, const VpndMatch *match)
{
  const char *negation = match->op == VPND_OP_NE || match->op == VPND_OP_NOT_IN ? "!= " : match->op == VPND_OP_GT ? "> "
                                                                                                                  : "";

  g_string_append_printf (text, "%s ", vpnd_field_name (match->field));
  if (match->field == VPND_FIELD_SOCKET_CGROUP)
    g_string_append_printf (text, "level %u ", match->level);
  if (match->op == VPND_OP_IN || match->op == VPND_OP_NOT_IN)
    {
      g_string_append_printf (text, "%s@%s ", negation, match->set);
      return;
    }
  if (!is_address (match->field) && !mask_is_full (match))
    g_string_append_printf (text, "& 0x%0*x %s", (int) (2 * vpnd_field_size_bytes (match->field)), value_u32 (match->mask), match->op == VPND_OP_EQ ? "== " : "");
  g_string_append (text, negation);
  append_value (text, match->field, match->value);
  if (is_address (match->field) && !mask_is_full (match))
    g_string_append_printf (text, "/%u", mask_bits (match));
  g_string_append_c (text, ' ');
}

static void
append_statement (GString *text, const VpndStatement *statement)
{
  char buffer[VPND_ADDR_STRLEN];

  switch (statement->kind)
    {
    case VPND_STATEMENT_VERDICT:
      append_verdict (text, &statement->verdict);
      break;
    case VPND_STATEMENT_REJECT:
      g_string_append (text, "reject with icmpx type port-unreachable");
      break;
    case VPND_STATEMENT_REJECT_TCP_RESET:
      g_string_append (text, "reject with tcp reset");
      break;
    case VPND_STATEMENT_REJECT_NO_ROUTE:
      g_string_append (text, "reject with icmpx type no-route");
      break;
    case VPND_STATEMENT_SET_MARK:
      g_string_append_printf (text, "meta mark set meta mark & 0x%08x | 0x%08x", ~statement->mask, statement->value);
      break;
    case VPND_STATEMENT_SET_CT_MARK:
      g_string_append_printf (text, "ct mark set ct mark & 0x%08x | 0x%08x", ~statement->mask, statement->value);
      break;
    case VPND_STATEMENT_VMAP:
      g_string_append (text, vpnd_field_name (statement->field));
      if (statement->field == VPND_FIELD_SOCKET_CGROUP)
        g_string_append_printf (text, " level %u", statement->level);
      g_string_append_printf (text, " vmap @%s", statement->map);
      break;
    case VPND_STATEMENT_MASQUERADE:
      g_string_append (text, "masquerade");
      break;
    case VPND_STATEMENT_MASQUERADE_RANDOM:
      g_string_append (text, "masquerade random");
      break;
    case VPND_STATEMENT_DNAT:
      g_string_append_printf (text, "dnat %s to %s", statement->addr.family == AF_INET ? "ip" : "ip6", vpnd_addr_format (&statement->addr, buffer));
      break;
    case VPND_STATEMENT_CLAMP_MSS:
      g_string_append (text, "tcp option maxseg size set rt mtu");
      break;
    case VPND_STATEMENT_QUEUE:
    case VPND_STATEMENT_QUEUE_TARGET: /* nft(8) has no words for it that it reads again; it does the same */
      g_string_append_printf (text, "queue flags bypass to %u", statement->value);
      break;
    }
}

static const char *
set_type (VpndField field)
{
  switch (field)
    {
    case VPND_FIELD_IIFNAME:
    case VPND_FIELD_OIFNAME:
      return "ifname";
    case VPND_FIELD_NFPROTO:
      return "nf_proto";
    case VPND_FIELD_L4PROTO:
      return "inet_proto";
    case VPND_FIELD_IP_SADDR:
    case VPND_FIELD_IP_DADDR:
      return "ipv4_addr";
    case VPND_FIELD_IP6_SADDR:
    case VPND_FIELD_IP6_DADDR:
      return "ipv6_addr";
    case VPND_FIELD_UDP_SPORT:
    case VPND_FIELD_UDP_DPORT:
    case VPND_FIELD_TCP_SPORT:
    case VPND_FIELD_TCP_DPORT:
    case VPND_FIELD_TH_DPORT:
      return "inet_service";
    case VPND_FIELD_UDP_START:
    case VPND_FIELD_ICMP_INNER_START:
    case VPND_FIELD_ICMP_INNER_L4PROTO:
    case VPND_FIELD_ICMP_INNER_DADDR:
    case VPND_FIELD_ICMP_INNER_PORTS:
      return "integer";
    case VPND_FIELD_TCP_FLAGS:
      return "tcp_flag";
    case VPND_FIELD_TCP_MPTCP:
      return "boolean";
    case VPND_FIELD_ICMP_TYPE:
      return "icmp_type";
    case VPND_FIELD_ICMP_CODE:
      return "icmp_code";
    case VPND_FIELD_ICMPV6_TYPE:
      return "icmpv6_type";
    case VPND_FIELD_ICMPV6_CODE:
      return "icmpv6_code";
    case VPND_FIELD_MARK:
    case VPND_FIELD_CT_MARK:
      return "mark";
    case VPND_FIELD_CT_STATE:
      return "ct_state";
    case VPND_FIELD_IIF:
    case VPND_FIELD_OIF:
      return "iface_index";
    case VPND_FIELD_CT_STATUS:
      return "ct_status";
    case VPND_FIELD_OIFTYPE:
      return "iface_type";
    case VPND_FIELD_SKUID:
      return "uid";
    case VPND_FIELD_SOCKET_CGROUP:
      return "cgroupsv2";
    case VPND_FIELD_NET_CLS:
      return "cgroupid";
    case VPND_FIELD_FIB_SADDR_TYPE:
    case VPND_FIELD_FIB_DADDR_TYPE:
      return "fib_addrtype";
    case VPND_N_FIELDS:
      break;
    }
  g_assert_not_reached ();
}

static void
append_element (GString *text, const VpndSet *set, const VpndSetElement *element)
{
  append_value (text, set->field, element->key);
  if (memcmp (element->key, element->key_end, vpnd_field_size_bytes (set->field)) != 0)
    {
      g_string_append_c (text, '-');
      append_value (text, set->field, element->key_end);
    }
  if (set->is_map)
    {
      g_string_append (text, " : ");
      append_verdict (text, &element->verdict);
    }
}

static void
append_set (GString *text, const VpndSet *set)
{
  g_string_append_printf (text, "\t%s %s {\n\t\ttype %s%s\n", set->is_map ? "map" : "set", set->name, set_type (set->field), set->is_map ? " : verdict" : "");
  if (set->is_interval)
    g_string_append (text, "\t\tflags interval\n");
  if (set->elements->len > 0)
    {
      g_string_append (text, "\t\telements = { ");
      for (guint i = 0; i < set->elements->len; i++)
        {
          if (i > 0)
            g_string_append (text, ",\n\t\t\t     ");
          append_element (text, set, &g_array_index (set->elements, VpndSetElement, i));
        }
      g_string_append (text, " }\n");
    }
  g_string_append (text, "\t}\n\n");
}

static void
append_rule (GString *text, const VpndRule *rule)
{
  g_string_append (text, "\t\t");
  for (guint i = 0; i < rule->matches->len; i++)
    append_match (text, &g_array_index (rule->matches, VpndMatch, i));
  for (guint i = 0; i < rule->statements->len; i++)
    {
      if (i > 0)
        g_string_append_c (text, ' ');
      append_statement (text, &g_array_index (rule->statements, VpndStatement, i));
    }
  g_string_append_c (text, '\n');
}

static void
append_chain (GString *text, const VpndChain *chain)
{
  g_string_append_printf (text, "\tchain %s {\n", chain->name);
  if (chain->hook != VPND_HOOK_NONE)
    g_string_append_printf (text, "\t\ttype %s hook %s priority %d; policy %s;\n", chain_type_names[chain->type], hook_names[chain->hook], chain->priority,
        chain->policy == VPND_VERDICT_DROP ? "drop" : "accept");
  for (guint i = 0; i < chain->rules->len; i++)
    append_rule (text, g_ptr_array_index (chain->rules, i));
  g_string_append (text, "\t}\n\n");
}

/**
 * vpnd_ruleset_to_text:
 * @ruleset: a ruleset
 *
 * Returns: (transfer full): the whole table in the language of nft(8). Chains without a hook come first, because `nft -f` wants
 *   the target of a jump to exist
 */
char *
vpnd_ruleset_to_text (const VpndRuleset *ruleset)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "table inet %s {\n", ruleset->table);
  for (guint i = 0; i < ruleset->sets->len; i++)
    append_set (text, g_ptr_array_index (ruleset->sets, i));
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < ruleset->chains->len; i++)
      {
        const VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

        if ((chain->hook == VPND_HOOK_NONE) == (pass == 0))
          append_chain (text, chain);
      }
  g_string_append (text, "}\n");
  return g_string_free (text, FALSE);
}
