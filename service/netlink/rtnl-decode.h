/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * rtnetlink messages -> links, addresses, routes and policy rules.
 * Pure and total: any bytes whatsoever give TRUE or FALSE, never a read beyond them. Unknown attributes are passed over.
 */
#pragma once

#include "route-plan.h"

#include <linux/netlink.h>

G_BEGIN_DECLS

/**
 * VpndRtnlLink: RTM_NEWLINK or RTM_DELLINK
 * @is_gone: RTM_DELLINK
 * @ifindex: its index, never 0
 * @name: its name; "" when the message has none
 * @kind: "wireguard", "bridge", "veth", "tun", ...; "" for a link without kind (hardware)
 * @type: ARPHRD_*
 * @flags: IFF_*
 * @operstate: IF_OPER_*
 * @master: ifindex of the bridge or bond it is a port of, 0 for none
 * @mtu: bytes
 * @forwards: what comes in by it may be sent on, of one family at least (net.ipv4.conf.NAME.forwarding, net.ipv6.conf.NAME.forwarding)
 */
typedef struct
{
  gboolean is_gone;
  guint ifindex;
  char name[16];
  char kind[16];
  guint16 type;
  guint32 flags;
  guint8 operstate;
  guint master;
  guint32 mtu;
  gboolean forwards;
} VpndRtnlLink;

/**
 * VpndRtnlAddress: RTM_NEWADDR or RTM_DELADDR
 * @is_gone: RTM_DELADDR
 * @ifindex: its link
 * @address: the local address with its prefix length, host bits set
 * @peer: the far end of a point-to-point address, AF_UNSPEC when there is none
 * @flags: IFA_F_*
 * @scope: RT_SCOPE_*
 */
typedef struct
{
  gboolean is_gone;
  guint ifindex;
  VpndPrefix address;
  VpndAddr peer;
  guint32 flags;
  guint8 scope;
} VpndRtnlAddress;

/**
 * VpndRtnlNextHop:
 * @ifindex: its link, 0 for none (blackhole and the like)
 * @gateway: AF_UNSPEC for on-link; the other family for RTA_VIA (RFC 5549)
 * @flags: RTNH_F_*
 */
typedef struct
{
  guint ifindex;
  VpndAddr gateway;
  guint32 flags;
} VpndRtnlNextHop;

/**
 * VpndRtnlRoute: RTM_NEWROUTE or RTM_DELROUTE
 * @is_gone: RTM_DELROUTE
 * @destination: masked network
 * @table: routing table
 * @protocol: RTPROT_*
 * @type: RTN_*
 * @scope: RT_SCOPE_*
 * @metric: priority, 0 when the message has none
 * @mtu: MTU metric in bytes, 0 for none
 * @hops: (element-type VpndRtnlNextHop) (owned): at least one
 */
typedef struct
{
  gboolean is_gone;
  VpndPrefix destination;
  guint32 table;
  guint8 protocol;
  guint8 type;
  guint8 scope;
  guint32 metric;
  guint32 mtu;
  GArray *hops;
} VpndRtnlRoute;

/**
 * VpndRtnlRule: RTM_NEWRULE or RTM_DELRULE
 * @is_gone: RTM_DELRULE
 * @rule: what we could have made
 * @protocol: FRA_PROTOCOL
 * @action: FR_ACT_*
 * @has_other_selectors: it matches on something that VpndRouteRule has no place for (addresses, links, ports, ...)
 */
typedef struct
{
  gboolean is_gone;
  VpndRouteRule rule;
  guint8 protocol;
  guint8 action;
  gboolean has_other_selectors;
} VpndRtnlRule;

gboolean vpnd_rtnl_decode_link (const void *message, gsize length_bytes, VpndRtnlLink *out_link);
gboolean vpnd_rtnl_decode_address (const void *message, gsize length_bytes, VpndRtnlAddress *out_address);
gboolean vpnd_rtnl_decode_route (const void *message, gsize length_bytes, VpndRtnlRoute *out_route);
gboolean vpnd_rtnl_is_forwarding_change (const void *message, gsize length_bytes);
gboolean vpnd_rtnl_is_of_other_family (const void *message, gsize length_bytes);
gboolean vpnd_rtnl_decode_rule (const void *message, gsize length_bytes, VpndRtnlRule *out_rule);

void vpnd_rtnl_route_clear (VpndRtnlRoute *route);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VpndRtnlRoute, vpnd_rtnl_route_clear)

G_END_DECLS
