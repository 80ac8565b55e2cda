/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a ruleset does to a packet, judged by a small interpreter of our own value. Lets properties speak of packets
 * instead of rule text; that the kernel agrees is the lab's business.
 */
#pragma once

#include "ruleset.h"

G_BEGIN_DECLS

typedef enum
{
  FATE_ACCEPT,
  FATE_DROP,
  FATE_REJECT,
} Fate;

#define RULESET_EVAL_LINK_IFINDEX 9 /* of the tunnel's link */
#define PACKET_LEVELS 8

typedef struct
{
  VpndAddr destination;
  guint8 l4proto;
  guint16 sport;
  guint16 dport;
} InnerPacket;

typedef struct
{
  const char *iifname; /* "" for none */
  const char *oifname;
  VpndAddr source;
  VpndAddr destination;
  guint8 l4proto;
  guint16 sport;
  guint16 dport;
  guint32 udp_start; /* network order: the first bytes that a datagram carries */
  guint8 icmp_type;
  guint8 icmp_code;
  guint32 mark;
  guint32 ct_mark;
  gboolean is_made_anew; /* the tunnel's link has another index than RULESET_EVAL_LINK_IFINDEX, and the others have that one */
  guint32 uid;
  guint32 queue;                  /* the one that it was held in last */
  guint64 cgroups[PACKET_LEVELS]; /* of its socket: the number of the cgroup at each level; 0 for none, and for packets without a socket */
  guint32 net_cls;                /* class number of its socket */
  guint32 ct_status;              /* IPS_* */
  gboolean has_lost_source;       /* the source is no address of this host (any more) */
  gboolean is_to_several;         /* the destination is that of a group, or of all on a link */
  VpndAddr link_source;           /* what the link that it leaves by has for an address; unset: one that nothing else has */
  gboolean is_masqueraded;        /* out: it left with the address of its link */
  gboolean is_established;
  gboolean is_first_syn;  /* begins a TCP connection where conntrack knows one already */
  gboolean is_mptcp;      /* has an option of MPTCP */
  gboolean is_second_syn; /* answers the beginning of a TCP connection */
  gboolean is_related;    /* an ICMP error about a flow */
  InnerPacket inner;      /* what an ICMP error is about; of the family of the packet */
} Packet;

Fate ruleset_eval_part (const VpndRuleset *ruleset, VpndHook hook, gint32 from, gint32 to, Packet *packet);
Fate ruleset_eval (const VpndRuleset *ruleset, VpndHook hook, Packet *packet);

G_END_DECLS
