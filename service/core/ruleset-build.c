/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Filling a ruleset that is not shared yet: rules out of matches and statements, sets out of elements.
 */
#include "config.h"

#include "ruleset.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#define IPV4_START_BYTE 0x45   /* RFC 791, 3.1: version 4, header of five words */
#define TCP_FLAG_SYN_BYTE 0x02 /* RFC 9293, 3.1: byte 13 of the header */
#define TCP_FLAG_RST_BYTE 0x04
#define TCP_FLAG_ACK_BYTE 0x10

/**
 * vpnd_chain_add_rule:
 * @chain: a chain of a ruleset that is not shared yet
 *
 * Returns: (transfer none): a rule without matches, at the end of @chain
 */
VpndRule *
vpnd_chain_add_rule (VpndChain *chain)
{
  VpndRule *rule = g_new0 (VpndRule, 1);

  rule->matches = g_array_new (FALSE, TRUE, sizeof (VpndMatch));
  rule->statements = g_array_new (FALSE, TRUE, sizeof (VpndStatement));
  g_ptr_array_add (chain->rules, rule);
  return rule;
}

static VpndRule *
append_match (VpndRule *rule, VpndField field, VpndOp op, const void *value, const void *mask, const char *set)
{
  VpndMatch match = { .field = field, .op = op };
  gsize size = vpnd_field_size_bytes (field);

  if (value != NULL)
    memcpy (match.value, value, size);
  if (mask != NULL)
    memcpy (match.mask, mask, size);
  else if (set == NULL)
    memset (match.mask, 0xff, size);
  if (set != NULL)
    g_strlcpy (match.set, set, sizeof match.set);
  g_array_append_val (rule->matches, match);
  return rule;
}

/**
 * vpnd_rule_match:
 * @rule: a rule
 * @field: what to look at
 * @op: VPND_OP_EQ or VPND_OP_NE
 * @value: as many bytes as @field has, in the order that VpndField states
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match (VpndRule *rule, VpndField field, VpndOp op, const void *value)
{
  return append_match (rule, field, op, value, NULL, NULL);
}

/**
 * vpnd_rule_match_ifname:
 * @rule: a rule
 * @field: VPND_FIELD_IIFNAME or VPND_FIELD_OIFNAME
 * @op: VPND_OP_EQ or VPND_OP_NE
 * @ifname: a whole name; a "*" has no meaning here
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_ifname (VpndRule *rule, VpndField field, VpndOp op, const char *ifname)
{
  char value[VPND_FIELD_MAX_BYTES] = "";

  g_strlcpy (value, ifname, sizeof value);
  return append_match (rule, field, op, value, NULL, NULL);
}

/**
 * vpnd_rule_match_prefix:
 * @rule: a rule
 * @is_source: match the source address, else the destination
 * @op: VPND_OP_EQ or VPND_OP_NE
 * @prefix: the network; its family selects IPv4 or IPv6
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_prefix (VpndRule *rule, gboolean is_source, VpndOp op, const VpndPrefix *prefix)
{
  VpndPrefix masked = vpnd_prefix_masked (prefix);
  guint8 mask[VPND_FIELD_MAX_BYTES] = { 0 };
  VpndField field;

  if (prefix->addr.family == AF_INET)
    field = is_source ? VPND_FIELD_IP_SADDR : VPND_FIELD_IP_DADDR;
  else
    field = is_source ? VPND_FIELD_IP6_SADDR : VPND_FIELD_IP6_DADDR;

  for (guint bit = 0; bit < prefix->length; bit++)
    mask[bit / 8] |= 0x80 >> (bit % 8);
  return append_match (rule, field, op, masked.addr.bytes, mask, NULL);
}

/**
 * vpnd_rule_match_oiftype:
 * @rule: a rule
 * @type: kind of the link by which packets leave, ARPHRD_* (linux/if_arp.h)
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_oiftype (VpndRule *rule, guint16 type)
{
  return append_match (rule, VPND_FIELD_OIFTYPE, VPND_OP_EQ, &type, NULL, NULL);
}

/**
 * vpnd_rule_match_port:
 * @rule: a rule
 * @field: one of the four port fields
 * @port: host byte order
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_port (VpndRule *rule, VpndField field, guint16 port)
{
  guint16 value = g_htons (port);

  return append_match (rule, field, VPND_OP_EQ, &value, NULL, NULL);
}

/**
 * vpnd_rule_match_mark:
 * @rule: a rule
 * @field: VPND_FIELD_MARK or VPND_FIELD_CT_MARK
 * @op: VPND_OP_EQ or VPND_OP_NE
 * @value: what the bits under @mask must be
 * @mask: which bits count
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_mark (VpndRule *rule, VpndField field, VpndOp op, guint32 value, guint32 mask)
{
  return append_match (rule, field, op, &value, &mask, NULL);
}

/**
 * vpnd_rule_match_u8:
 * @rule: a rule
 * @field: a field of one byte
 * @value: the value
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_u8 (VpndRule *rule, VpndField field, guint8 value)
{
  return append_match (rule, field, VPND_OP_EQ, &value, NULL, NULL);
}

/**
 * vpnd_rule_match_u32:
 * @rule: a rule
 * @field: a field of four bytes in host order
 * @op: VPND_OP_EQ or VPND_OP_NE
 * @value: the value
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_u32 (VpndRule *rule, VpndField field, VpndOp op, guint32 value)
{
  return append_match (rule, field, op, &value, NULL, NULL);
}

/**
 * vpnd_rule_match_set:
 * @rule: a rule
 * @field: what to look at; of the type of the set's keys
 * @op: VPND_OP_IN or VPND_OP_NOT_IN
 * @set: name of a set of the same ruleset
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_set (VpndRule *rule, VpndField field, VpndOp op, const char *set)
{
  return append_match (rule, field, op, NULL, NULL, set);
}

/**
 * vpnd_rule_match_cgroup:
 * @rule: a rule
 * @level: which ancestor of the socket's cgroup is looked at: 1 for one right below the root, at most 255
 * @id: number of its directory
 *
 * Matches packets of sockets that were made in that cgroup of version 2 or below it. Packets without a socket do not match.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_cgroup (VpndRule *rule, guint level, guint64 id)
{
  append_match (rule, VPND_FIELD_SOCKET_CGROUP, VPND_OP_EQ, &id, NULL, NULL);
  g_array_index (rule->matches, VpndMatch, rule->matches->len - 1).level = (guint8) level;
  return rule;
}

/**
 * vpnd_rule_match_cgroup_set:
 * @rule: a rule
 * @level: as for vpnd_rule_match_cgroup()
 * @set: name of a set of VPND_FIELD_SOCKET_CGROUP
 *
 * vpnd_rule_match_cgroup() for one of several cgroups.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_cgroup_set (VpndRule *rule, guint level, const char *set)
{
  append_match (rule, VPND_FIELD_SOCKET_CGROUP, VPND_OP_IN, NULL, NULL, set);
  g_array_index (rule->matches, VpndMatch, rule->matches->len - 1).level = (guint8) level;
  return rule;
}

/**
 * vpnd_rule_match_newer_cgroup:
 * @rule: a rule
 * @level: as for vpnd_rule_match_cgroup()
 * @id: a number
 *
 * Matches packets of sockets that were made in a cgroup, or below one, that is newer than the one of that number: Linux gives each a greater one than those before it
 * (kernfs_new_node(), under the lock of all cgroups), and never again the same. Packets without a socket, and of sockets that stand less deep, do not match.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_newer_cgroup (VpndRule *rule, guint level, guint64 id)
{
  append_match (rule, VPND_FIELD_SOCKET_CGROUP, VPND_OP_GT, &id, NULL, NULL);
  g_array_index (rule->matches, VpndMatch, rule->matches->len - 1).level = (guint8) level;
  return rule;
}

/**
 * vpnd_rule_match_status:
 * @rule: a rule
 * @value: what the bits under @mask must be, IPS_* of linux/netfilter/nf_conntrack_common.h
 * @mask: which bits count
 *
 * Matches what conntrack knows of the flow. A flow is confirmed when its first packet has got through.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_status (VpndRule *rule, guint32 value, guint32 mask)
{
  return append_match (rule, VPND_FIELD_CT_STATUS, VPND_OP_EQ, &value, &mask, NULL);
}

/**
 * vpnd_rule_match_established:
 * @rule: a rule
 *
 * Matches packets of a flow that was answered; never RELATED, which helpers could be made to open.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_established (VpndRule *rule)
{
  guint32 bits = NF_CT_STATE_BIT (IP_CT_ESTABLISHED);

  return append_match (rule, VPND_FIELD_CT_STATE, VPND_OP_EQ, &bits, NULL, NULL);
}

/**
 * vpnd_rule_match_related:
 * @rule: a rule that is about ICMP errors only: helpers can make other packets related
 *
 * Matches an error that answers a packet of a flow, sent to the sender of that packet.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_related (VpndRule *rule)
{
  guint32 bits = NF_CT_STATE_BIT (IP_CT_RELATED);

  return append_match (rule, VPND_FIELD_CT_STATE, VPND_OP_EQ, &bits, NULL, NULL);
}

/**
 * vpnd_rule_match_about:
 * @rule: a rule that matches the type of an ICMP error
 * @port: of this host, host byte order
 * @endpoint: the other side, IPv4
 *
 * Matches an error about a UDP datagram from @port to @endpoint: the error carries the beginning of what it is about (RFC 792). Without options before UDP, for
 * what this host sends there has none.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_about (VpndRule *rule, guint16 port, const VpndEndpoint *endpoint)
{
  const guint16 ports[] = { g_htons (port), g_htons (endpoint->port) };

  vpnd_rule_match_u8 (rule, VPND_FIELD_ICMP_INNER_START, IPV4_START_BYTE);
  vpnd_rule_match_u8 (rule, VPND_FIELD_ICMP_INNER_L4PROTO, IPPROTO_UDP);
  append_match (rule, VPND_FIELD_ICMP_INNER_DADDR, VPND_OP_EQ, endpoint->addr.bytes, NULL, NULL);
  return append_match (rule, VPND_FIELD_ICMP_INNER_PORTS, VPND_OP_EQ, ports, NULL, NULL);
}

/**
 * vpnd_rule_match_syn:
 * @rule: a rule
 *
 * Matches the two TCP segments that carry a maximum segment size (RFC 9293, 3.7.1): SYN is set, RST is not.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_syn (VpndRule *rule)
{
  static const guint8 syn = TCP_FLAG_SYN_BYTE;
  static const guint8 mask[VPND_FIELD_MAX_BYTES] = { TCP_FLAG_SYN_BYTE | TCP_FLAG_RST_BYTE };

  return append_match (rule, VPND_FIELD_TCP_FLAGS, VPND_OP_EQ, &syn, mask, NULL);
}

/**
 * vpnd_rule_match_first_syn:
 * @rule: a rule
 *
 * Matches the segment that begins a TCP connection, and not the one that answers it: SYN is set, ACK is not. Unlike conntrack's word this holds where somebody
 * keeps conntrack off a link.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_first_syn (VpndRule *rule)
{
  static const guint8 syn = TCP_FLAG_SYN_BYTE;
  static const guint8 mask[VPND_FIELD_MAX_BYTES] = { TCP_FLAG_SYN_BYTE | TCP_FLAG_ACK_BYTE };

  return append_match (rule, VPND_FIELD_TCP_FLAGS, VPND_OP_EQ, &syn, mask, NULL);
}

/**
 * vpnd_rule_match_first_mptcp:
 * @rule: a rule
 *
 * Matches the segment that begins a connection of MPTCP, or another way of one.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_first_mptcp (VpndRule *rule)
{
  static const guint8 exists = TRUE;

  return vpnd_rule_match (vpnd_rule_match_first_syn (rule), VPND_FIELD_TCP_MPTCP, VPND_OP_EQ, &exists);
}

/**
 * vpnd_rule_match_second_syn:
 * @rule: a rule
 *
 * Matches the segment that answers the one that begins a TCP connection: SYN and ACK are set. The kernel sends it, for a socket that is none yet.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_second_syn (VpndRule *rule)
{
  static const guint8 both = TCP_FLAG_SYN_BYTE | TCP_FLAG_ACK_BYTE;
  static const guint8 mask[VPND_FIELD_MAX_BYTES] = { TCP_FLAG_SYN_BYTE | TCP_FLAG_ACK_BYTE };

  return append_match (rule, VPND_FIELD_TCP_FLAGS, VPND_OP_EQ, &both, mask, NULL);
}

/**
 * vpnd_rule_match_no_syn:
 * @rule: a rule
 *
 * Matches the TCP segments that no connection begins with, and that none answers to that: SYN is not set.
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_match_no_syn (VpndRule *rule)
{
  static const guint8 none = 0;
  static const guint8 mask[VPND_FIELD_MAX_BYTES] = { TCP_FLAG_SYN_BYTE };

  return append_match (rule, VPND_FIELD_TCP_FLAGS, VPND_OP_EQ, &none, mask, NULL);
}

static void
append_verdict (VpndRule *rule, VpndVerdictKind kind, const char *chain)
{
  VpndStatement statement = { .kind = VPND_STATEMENT_VERDICT, .verdict = { .kind = kind } };

  g_strlcpy (statement.verdict.chain, chain, sizeof statement.verdict.chain);
  g_array_append_val (rule->statements, statement);
}

/**
 * vpnd_rule_accept:
 * @rule: a rule, which is thereby complete
 */
void
vpnd_rule_accept (VpndRule *rule)
{
  append_verdict (rule, VPND_VERDICT_ACCEPT, "");
}

/**
 * vpnd_rule_drop:
 * @rule: a rule, which is thereby complete
 */
void
vpnd_rule_drop (VpndRule *rule)
{
  append_verdict (rule, VPND_VERDICT_DROP, "");
}

/**
 * vpnd_rule_jump:
 * @rule: a rule, which is thereby complete
 * @chain: name of a chain of the same ruleset that has no hook
 */
void
vpnd_rule_jump (VpndRule *rule, const char *chain)
{
  append_verdict (rule, VPND_VERDICT_JUMP, chain);
}

/**
 * vpnd_rule_goto:
 * @rule: a rule, which is thereby complete
 * @chain: name of a chain of the same ruleset that has no hook; what it does not decide, this chain does not either
 */
void
vpnd_rule_goto (VpndRule *rule, const char *chain)
{
  append_verdict (rule, VPND_VERDICT_GOTO, chain);
}

/**
 * vpnd_rule_return:
 * @rule: a rule
 *
 * Ends @rule with the way back to the chain that its chain was jumped to from, behind the jump.
 */
void
vpnd_rule_return (VpndRule *rule)
{
  append_verdict (rule, VPND_VERDICT_RETURN, "");
}

/**
 * vpnd_rule_statement:
 * @rule: a rule
 * @kind: a statement that needs no argument: the rejects, those that masquerade and VPND_STATEMENT_CLAMP_MSS
 */
void
vpnd_rule_statement (VpndRule *rule, VpndStatementKind kind)
{
  VpndStatement statement = { .kind = kind };

  g_array_append_val (rule->statements, statement);
}

/**
 * vpnd_rule_set_mark:
 * @rule: a rule
 * @kind: VPND_STATEMENT_SET_MARK or VPND_STATEMENT_SET_CT_MARK
 * @value: the new bits under @mask
 * @mask: which bits change; the bits of other tools survive
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_rule_set_mark (VpndRule *rule, VpndStatementKind kind, guint32 value, guint32 mask)
{
  VpndStatement statement = { .kind = kind, .value = value, .mask = mask };

  g_array_append_val (rule->statements, statement);
  return rule;
}

/**
 * vpnd_rule_queue:
 * @rule: a rule, which is thereby complete
 * @form: what the kernel has; not VPND_QUEUE_NONE
 * @number: which queue
 *
 * To hold a packet is a verdict of its chain: what the listener lets go is looked at by the next chain of the hook, by no further rule of this one.
 */
void
vpnd_rule_queue (VpndRule *rule, VpndQueueForm form, guint16 number)
{
  VpndStatement statement = { .kind = form == VPND_QUEUE_TARGET ? VPND_STATEMENT_QUEUE_TARGET : VPND_STATEMENT_QUEUE, .value = number };

  g_return_if_fail (form != VPND_QUEUE_NONE);

  g_array_append_val (rule->statements, statement);
}

/**
 * vpnd_rule_dnat:
 * @rule: a rule that has matched the family of @addr
 * @addr: where the packets of the flow shall go instead
 */
void
vpnd_rule_dnat (VpndRule *rule, const VpndAddr *addr)
{
  VpndStatement statement = { .kind = VPND_STATEMENT_DNAT, .addr = *addr };

  g_array_append_val (rule->statements, statement);
}

/**
 * vpnd_rule_vmap:
 * @rule: a rule, which is thereby complete
 * @field: what to look up
 * @map: name of a verdict map of the same ruleset
 */
void
vpnd_rule_vmap (VpndRule *rule, VpndField field, const char *map)
{
  VpndStatement statement = { .kind = VPND_STATEMENT_VMAP, .field = field };

  g_strlcpy (statement.map, map, sizeof statement.map);
  g_array_append_val (rule->statements, statement);
}

/**
 * vpnd_rule_vmap_cgroup:
 * @rule: a rule, which is thereby complete
 * @level: as for vpnd_rule_match_cgroup()
 * @map: name of a verdict map of the same ruleset, of VPND_FIELD_SOCKET_CGROUP
 */
void
vpnd_rule_vmap_cgroup (VpndRule *rule, guint level, const char *map)
{
  vpnd_rule_vmap (rule, VPND_FIELD_SOCKET_CGROUP, map);
  g_array_index (rule->statements, VpndStatement, rule->statements->len - 1).level = (guint8) level;
}

static void
insert_element (VpndSet *set, const void *key, const void *key_end, const VpndVerdict *verdict)
{
  VpndSetElement element = { 0 };
  gsize size = vpnd_field_size_bytes (set->field);
  guint at = 0;

  memcpy (element.key, key, size);
  memcpy (element.key_end, key_end, size);
  if (verdict != NULL)
    element.verdict = *verdict;

  while (at < set->elements->len && memcmp (g_array_index (set->elements, VpndSetElement, at).key, key, size) < 0)
    at++;
  if (at < set->elements->len && memcmp (g_array_index (set->elements, VpndSetElement, at).key, key, size) == 0)
    return; /* the kernel refuses a duplicate; twice the same is once */
  g_array_insert_val (set->elements, at, element);
}

/**
 * vpnd_set_add_ifname:
 * @set: a set of interface names
 * @ifname: a whole name
 * @verdict: (nullable): for maps
 */
void
vpnd_set_add_ifname (VpndSet *set, const char *ifname, const VpndVerdict *verdict)
{
  char key[VPND_FIELD_MAX_BYTES] = "";

  g_strlcpy (key, ifname, sizeof key);
  insert_element (set, key, key, verdict);
}

/**
 * vpnd_set_add_addr:
 * @set: a set of addresses of the family of @addr
 * @addr: an address
 * @verdict: (nullable): for maps
 */
void
vpnd_set_add_addr (VpndSet *set, const VpndAddr *addr, const VpndVerdict *verdict)
{
  insert_element (set, addr->bytes, addr->bytes, verdict);
}

/**
 * vpnd_set_add_prefix:
 * @set: an interval set of addresses of the family of @prefix
 * @prefix: a network that overlaps no other element
 * @verdict: (nullable): for maps
 */
void
vpnd_set_add_prefix (VpndSet *set, const VpndPrefix *prefix, const VpndVerdict *verdict)
{
  VpndPrefix first = vpnd_prefix_masked (prefix);
  guint8 last[VPND_FIELD_MAX_BYTES];
  guint bits = 8 * vpnd_field_size_bytes (set->field);

  memcpy (last, first.addr.bytes, sizeof last);
  for (guint bit = prefix->length; bit < bits; bit++)
    last[bit / 8] |= 0x80 >> (bit % 8);
  insert_element (set, first.addr.bytes, last, verdict);
}

/**
 * vpnd_set_add_port:
 * @set: a set of ports
 * @port: host byte order
 * @verdict: (nullable): for maps
 */
void
vpnd_set_add_port (VpndSet *set, guint16 port, const VpndVerdict *verdict)
{
  guint16 key = g_htons (port);

  insert_element (set, &key, &key, verdict);
}

/**
 * vpnd_set_add_u8:
 * @set: a set whose keys have one byte
 * @value: the key
 * @verdict: (nullable): for maps
 */
void
vpnd_set_add_u8 (VpndSet *set, guint8 value, const VpndVerdict *verdict)
{
  insert_element (set, &value, &value, verdict);
}

/**
 * vpnd_set_add_u32:
 * @set: a set whose keys have four bytes in host order
 * @value: the key
 * @verdict: (nullable): for maps
 */
void
vpnd_set_add_u32 (VpndSet *set, guint32 value, const VpndVerdict *verdict)
{
  insert_element (set, &value, &value, verdict);
}

/**
 * vpnd_set_add_u64:
 * @set: a set whose keys have eight bytes in host order
 * @value: the key
 * @verdict: (nullable): for maps
 */
void
vpnd_set_add_u64 (VpndSet *set, guint64 value, const VpndVerdict *verdict)
{
  insert_element (set, &value, &value, verdict);
}
