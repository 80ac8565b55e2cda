/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One nftables table as a value: chains, rules, sets and verdict maps, in the words of nft(8).
 * Built by core/policy, printed for review (text that `nft -f` loads), encoded and read back by netlink/nft-*.
 * Never talks to the kernel and never decides what is allowed.
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

#define VPND_NFT_NAME_MAX 32 /* bytes with the NUL; ours are short */

typedef enum
{
  VPND_HOOK_NONE, /* a chain that is only jumped to */
  VPND_HOOK_PREROUTING,
  VPND_HOOK_INPUT,
  VPND_HOOK_FORWARD,
  VPND_HOOK_OUTPUT,
  VPND_HOOK_POSTROUTING,
} VpndHook;

typedef enum
{
  VPND_CHAIN_FILTER,
  VPND_CHAIN_ROUTE,
  VPND_CHAIN_NAT,
} VpndChainType;

typedef enum
{
  VPND_VERDICT_ACCEPT,
  VPND_VERDICT_DROP,
  VPND_VERDICT_JUMP,
  VPND_VERDICT_GOTO,
  VPND_VERDICT_RETURN,
} VpndVerdictKind;

/**
 * VpndVerdict:
 * @kind: what happens
 * @chain: target of JUMP and GOTO, else ""
 */
typedef struct
{
  VpndVerdictKind kind;
  char chain[VPND_NFT_NAME_MAX];
} VpndVerdict;

/* What a match, a set or a map looks at. */
typedef enum
{
  VPND_FIELD_IIFNAME,   /* 16 bytes, NUL padded */
  VPND_FIELD_OIFNAME,   /* 16 bytes, NUL padded */
  VPND_FIELD_IIF,       /* 4 bytes, host order: the index of the link that it came by; 0 for what this host sends itself */
  VPND_FIELD_OIF,       /* 4 bytes, host order: the index of the link, which is compared sooner than its name */
  VPND_FIELD_OIFTYPE,   /* 2 bytes, host order: ARPHRD_* of the link */
  VPND_FIELD_NFPROTO,   /* 1 byte: NFPROTO_IPV4 or NFPROTO_IPV6 */
  VPND_FIELD_L4PROTO,   /* 1 byte: IPPROTO_* */
  VPND_FIELD_IP_SADDR,  /* 4 bytes; implies NFPROTO_IPV4 */
  VPND_FIELD_IP_DADDR,  /* 4 bytes; implies NFPROTO_IPV4 */
  VPND_FIELD_IP6_SADDR, /* 16 bytes; implies NFPROTO_IPV6 */
  VPND_FIELD_IP6_DADDR, /* 16 bytes; implies NFPROTO_IPV6 */
  VPND_FIELD_UDP_SPORT, /* 2 bytes, network order; implies IPPROTO_UDP */
  VPND_FIELD_UDP_DPORT,
  VPND_FIELD_TCP_SPORT, /* 2 bytes, network order; implies IPPROTO_TCP */
  VPND_FIELD_TCP_DPORT,
  VPND_FIELD_TH_DPORT,    /* 2 bytes, network order, of whatever protocol: the port, where it has one, else bytes of its own */
  VPND_FIELD_UDP_START,   /* 4 bytes, network order: the first ones of what a datagram carries; behind a match of a port */
  VPND_FIELD_TCP_FLAGS,   /* 1 byte, only ever under a mask; implies IPPROTO_TCP */
  VPND_FIELD_TCP_MPTCP,   /* 1 byte: whether the segment has an option of MPTCP (RFC 8684); behind a match of TCP */
  VPND_FIELD_ICMP_TYPE,   /* 1 byte; implies IPPROTO_ICMP */
  VPND_FIELD_ICMP_CODE,   /* 1 byte; implies IPPROTO_ICMP */
  VPND_FIELD_ICMPV6_TYPE, /* 1 byte; implies IPPROTO_ICMPV6 */
  VPND_FIELD_ICMPV6_CODE, /* 1 byte; implies IPPROTO_ICMPV6 */
  /* Of the packet that an ICMP error is about; behind a match of the error's type. */
  VPND_FIELD_ICMP_INNER_START,   /* 1 byte: version and length of its header */
  VPND_FIELD_ICMP_INNER_L4PROTO, /* 1 byte */
  VPND_FIELD_ICMP_INNER_DADDR,   /* 4 bytes, network order */
  VPND_FIELD_ICMP_INNER_PORTS,   /* 4 bytes, network order: source, destination; where the header has no options */
  VPND_FIELD_MARK,               /* 4 bytes, host order */
  VPND_FIELD_CT_MARK,            /* 4 bytes, host order */
  VPND_FIELD_CT_STATE,           /* 4 bytes, host order: bits of NF_CT_STATE_BIT; matches when any bit of value is set */
  VPND_FIELD_CT_STATUS,          /* 4 bytes, host order: bits of IPS_*, under a mask */
  VPND_FIELD_SKUID,              /* 4 bytes, host order */
  VPND_FIELD_SOCKET_CGROUP,      /* 8 bytes, host order: number of the cgroup2, at a level, that the packet's socket was made in */
  VPND_FIELD_NET_CLS,            /* 4 bytes, host order: class number of the socket, net_cls.classid of cgroups v1 */
  VPND_FIELD_FIB_SADDR_TYPE,     /* 4 bytes, host order: RTN_* */
  VPND_FIELD_FIB_DADDR_TYPE,     /* 4 bytes, host order: RTN_* */
  VPND_N_FIELDS
} VpndField;

typedef enum
{
  VPND_OP_EQ, /* field == value (under mask) */
  VPND_OP_NE, /* field != value (under mask) */
  VPND_OP_IN, /* field in the named set */
  VPND_OP_NOT_IN,
  VPND_OP_GT, /* field > value, as numbers; SOCKET_CGROUP alone */
} VpndOp;

#define VPND_FIELD_MAX_BYTES 16

/**
 * VpndMatch:
 * @field: what is looked at; what it implies (family, protocol) is part of the match
 * @op: how
 * @value: bytes as VpndField says; zero for IN and NOT_IN
 * @mask: for MARK, CT_MARK, CT_STATUS and TCP_FLAGS the mask, for addresses the netmask; all ones over the field's size when it is exact
 * @level: for SOCKET_CGROUP: which ancestor of the socket's cgroup is looked at, 1 for one right below the root; else 0
 * @set: name of the set for IN and NOT_IN, else ""
 */
typedef struct
{
  VpndField field;
  VpndOp op;
  guint8 value[VPND_FIELD_MAX_BYTES];
  guint8 mask[VPND_FIELD_MAX_BYTES];
  guint8 level;
  char set[VPND_NFT_NAME_MAX];
} VpndMatch;

typedef enum
{
  VPND_STATEMENT_VERDICT,
  VPND_STATEMENT_REJECT, /* reject with icmpx type port-unreachable */
  VPND_STATEMENT_REJECT_TCP_RESET,
  VPND_STATEMENT_REJECT_NO_ROUTE, /* reject with icmpx type no-route */
  VPND_STATEMENT_SET_MARK,        /* meta mark set (mark & ~mask) | value */
  VPND_STATEMENT_SET_CT_MARK,     /* ct mark set (mark & ~mask) | value */
  VPND_STATEMENT_VMAP,            /* field vmap @map */
  VPND_STATEMENT_MASQUERADE,
  VPND_STATEMENT_MASQUERADE_RANDOM, /* with another port */
  VPND_STATEMENT_CLAMP_MSS,         /* tcp option maxseg size set rt mtu: never larger than the way in either direction; behind a match of TCP, where packets are routed */
  VPND_STATEMENT_QUEUE,             /* queue flags bypass to value: held until the listener of that queue says accept; accepted at once when nobody listens */
  VPND_STATEMENT_QUEUE_TARGET,      /* the same by the target NFQUEUE of iptables, for kernels without nft's own */
  VPND_STATEMENT_DNAT,              /* dnat to addr: the destination becomes that; behind a match of the family, in chains of type nat */
} VpndStatementKind;

/* How a kernel can hold packets for a program. */
typedef enum
{
  VPND_QUEUE_NONE,
  VPND_QUEUE_NATIVE, /* VPND_STATEMENT_QUEUE */
  VPND_QUEUE_TARGET, /* VPND_STATEMENT_QUEUE_TARGET */
} VpndQueueForm;

typedef struct
{
  VpndStatementKind kind;
  VpndVerdict verdict;         /* VERDICT */
  guint32 value;               /* SET_MARK, SET_CT_MARK; QUEUE, QUEUE_TARGET: number of the queue, at most 65535 */
  guint32 mask;                /* SET_MARK, SET_CT_MARK: bits that may change */
  VpndField field;             /* VMAP */
  guint8 level;                /* VMAP of SOCKET_CGROUP: as VpndMatch.level */
  char map[VPND_NFT_NAME_MAX]; /* VMAP */
  VpndAddr addr;               /* DNAT */
} VpndStatement;

/**
 * VpndRule:
 * @matches: (element-type VpndMatch) (owned): all must hold
 * @statements: (element-type VpndStatement) (owned): performed in order; the last may be a verdict
 * @handle: the kernel's number of it, where it was read from the kernel, else 0; no part of what it means
 */
typedef struct
{
  GArray *matches;
  GArray *statements;
  guint64 handle;
} VpndRule;

/**
 * VpndChain:
 * @policy: ACCEPT or DROP; meaningful with a hook only
 * @rules: (element-type VpndRule) (owned)
 */
typedef struct
{
  char name[VPND_NFT_NAME_MAX];
  VpndHook hook;
  VpndChainType type;
  gint32 priority;
  VpndVerdictKind policy;
  GPtrArray *rules;
} VpndChain;

/**
 * VpndSetElement:
 * @key: first (or only) key, as the field says
 * @key_end: last key of an interval, inclusive; equals @key otherwise
 * @verdict: for maps
 */
typedef struct
{
  guint8 key[VPND_FIELD_MAX_BYTES];
  guint8 key_end[VPND_FIELD_MAX_BYTES];
  VpndVerdict verdict;
} VpndSetElement;

/**
 * VpndSet: a named set or verdict map
 * @field: what its keys are (IIFNAME and OIFNAME share one type, as do SADDR and DADDR of a family, and all ports)
 * @is_interval: elements may be ranges; they never overlap
 * @is_map: elements carry verdicts
 * @elements: (element-type VpndSetElement) (owned): sorted by key
 */
typedef struct
{
  char name[VPND_NFT_NAME_MAX];
  VpndField field;
  gboolean is_interval;
  gboolean is_map;
  GArray *elements;
} VpndSet;

/**
 * VpndRuleset: one table of family inet
 * @table: its name
 * @sets: (element-type VpndSet) (owned): in order of adding
 * @chains: (element-type VpndChain) (owned): in order of adding
 */
typedef struct
{
  gatomicrefcount ref_count;
  char table[VPND_NFT_NAME_MAX];
  GPtrArray *sets;
  GPtrArray *chains;
} VpndRuleset;

VpndRuleset *vpnd_ruleset_new (const char *table);
VpndRuleset *vpnd_ruleset_ref (VpndRuleset *ruleset);
void vpnd_ruleset_unref (VpndRuleset *ruleset);
gboolean vpnd_ruleset_is_closed (const VpndRuleset *ruleset);
gboolean vpnd_ruleset_equal (const VpndRuleset *a, const VpndRuleset *b);
gboolean vpnd_set_element_equal (const VpndSet *set, const VpndSetElement *a, const VpndSetElement *b);
gboolean vpnd_rule_equal (const VpndRule *a, const VpndRule *b);
gboolean vpnd_set_equal (const VpndSet *a, const VpndSet *b);
gboolean vpnd_chain_has_form (const VpndChain *a, const VpndChain *b);
gboolean vpnd_chain_equal (const VpndChain *a, const VpndChain *b);
gboolean vpnd_ruleset_equal_but_elements (const VpndRuleset *a, const VpndRuleset *b);
char *vpnd_ruleset_to_text (const VpndRuleset *ruleset);

VpndChain *vpnd_ruleset_add_chain (VpndRuleset *ruleset, const char *name, VpndChainType type, VpndHook hook, gint32 priority, VpndVerdictKind policy);
VpndSet *vpnd_ruleset_add_set (VpndRuleset *ruleset, const char *name, VpndField field, gboolean is_interval, gboolean is_map);
const VpndChain *vpnd_ruleset_find_chain (const VpndRuleset *ruleset, const char *name);
const VpndSet *vpnd_ruleset_find_set (const VpndRuleset *ruleset, const char *name);

VpndRule *vpnd_chain_add_rule (VpndChain *chain);

VpndRule *vpnd_rule_match (VpndRule *rule, VpndField field, VpndOp op, const void *value);
VpndRule *vpnd_rule_match_ifname (VpndRule *rule, VpndField field, VpndOp op, const char *ifname);
VpndRule *vpnd_rule_match_prefix (VpndRule *rule, gboolean is_source, VpndOp op, const VpndPrefix *prefix);
VpndRule *vpnd_rule_match_oiftype (VpndRule *rule, guint16 type);
VpndRule *vpnd_rule_match_port (VpndRule *rule, VpndField field, guint16 port);
VpndRule *vpnd_rule_match_mark (VpndRule *rule, VpndField field, VpndOp op, guint32 value, guint32 mask);
VpndRule *vpnd_rule_match_u8 (VpndRule *rule, VpndField field, guint8 value);
VpndRule *vpnd_rule_match_u32 (VpndRule *rule, VpndField field, VpndOp op, guint32 value);
VpndRule *vpnd_rule_match_set (VpndRule *rule, VpndField field, VpndOp op, const char *set);
VpndRule *vpnd_rule_match_cgroup (VpndRule *rule, guint level, guint64 id);
VpndRule *vpnd_rule_match_cgroup_set (VpndRule *rule, guint level, const char *set);
VpndRule *vpnd_rule_match_newer_cgroup (VpndRule *rule, guint level, guint64 id);
VpndRule *vpnd_rule_match_status (VpndRule *rule, guint32 value, guint32 mask);
VpndRule *vpnd_rule_match_established (VpndRule *rule);
VpndRule *vpnd_rule_match_related (VpndRule *rule);
VpndRule *vpnd_rule_match_about (VpndRule *rule, guint16 port, const VpndEndpoint *endpoint);
VpndRule *vpnd_rule_match_syn (VpndRule *rule);
VpndRule *vpnd_rule_match_first_syn (VpndRule *rule);
VpndRule *vpnd_rule_match_first_mptcp (VpndRule *rule);
VpndRule *vpnd_rule_match_second_syn (VpndRule *rule);
VpndRule *vpnd_rule_match_no_syn (VpndRule *rule);

void vpnd_rule_accept (VpndRule *rule);
void vpnd_rule_drop (VpndRule *rule);
void vpnd_rule_jump (VpndRule *rule, const char *chain);
void vpnd_rule_goto (VpndRule *rule, const char *chain);
void vpnd_rule_return (VpndRule *rule);
void vpnd_rule_statement (VpndRule *rule, VpndStatementKind kind);
VpndRule *vpnd_rule_set_mark (VpndRule *rule, VpndStatementKind kind, guint32 value, guint32 mask);
void vpnd_rule_dnat (VpndRule *rule, const VpndAddr *addr);
void vpnd_rule_vmap (VpndRule *rule, VpndField field, const char *map);
void vpnd_rule_vmap_cgroup (VpndRule *rule, guint level, const char *map);
void vpnd_rule_queue (VpndRule *rule, VpndQueueForm form, guint16 number);

void vpnd_set_add_ifname (VpndSet *set, const char *ifname, const VpndVerdict *verdict);
void vpnd_set_add_addr (VpndSet *set, const VpndAddr *addr, const VpndVerdict *verdict);
void vpnd_set_add_prefix (VpndSet *set, const VpndPrefix *prefix, const VpndVerdict *verdict);
void vpnd_set_add_port (VpndSet *set, guint16 port, const VpndVerdict *verdict);
void vpnd_set_add_u32 (VpndSet *set, guint32 value, const VpndVerdict *verdict);
void vpnd_set_add_u64 (VpndSet *set, guint64 value, const VpndVerdict *verdict);
void vpnd_set_add_u8 (VpndSet *set, guint8 value, const VpndVerdict *verdict);

gsize vpnd_field_size_bytes (VpndField field);
const char *vpnd_field_name (VpndField field);
guint8 vpnd_field_implied_nfproto (VpndField field);
guint8 vpnd_field_implied_l4proto (VpndField field);

void vpnd_rule_free (VpndRule *rule);
void vpnd_chain_free (VpndChain *chain);
void vpnd_set_free (VpndSet *set);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndRuleset, vpnd_ruleset_unref)

G_END_DECLS
