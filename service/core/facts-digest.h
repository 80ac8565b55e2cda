/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the kernel lists (links, addresses, routes) -> what we need to know (VpndFacts).
 * Pure: plain values in, one value out. Never reads netlink (backends/facts-rtnl does).
 */
#pragma once

#include "facts.h"

G_BEGIN_DECLS

/**
 * VpndLinkKind: as far as it matters here
 * @VPND_LINK_KIND_OTHER: hardware, and every virtual link that can carry packets to another host
 * @VPND_LINK_KIND_LOOPBACK: lo
 * @VPND_LINK_KIND_BRIDGE: a bridge
 * @VPND_LINK_KIND_INTERNAL: leads to something on this host when it is the port of a bridge: veth (containers), tap (virtual machines),
 *   dummy
 */
typedef enum
{
  VPND_LINK_KIND_OTHER,
  VPND_LINK_KIND_LOOPBACK,
  VPND_LINK_KIND_BRIDGE,
  VPND_LINK_KIND_INTERNAL,
} VpndLinkKind;

/**
 * VpndFactsLink:
 * @ifindex: index
 * @ifname: name
 * @kind: see VpndLinkKind
 * @master: ifindex of the bridge it is a port of, 0 for none
 * @mtu: bytes
 * @is_up: administratively up: it can have routes
 * @is_running: up and able to carry packets now
 * @forwards: what comes in by it may be sent on
 */
typedef struct
{
  guint ifindex;
  char ifname[16];
  VpndLinkKind kind;
  guint master;
  guint32 mtu;
  gboolean is_up;
  gboolean is_running;
  gboolean forwards;
} VpndFactsLink;

/**
 * VpndFactsAddress:
 * @ifindex: its link
 * @network: the on-link network of the address, masked
 * @source: the address itself when packets to other networks may carry it, else AF_UNSPEC
 */
typedef struct
{
  guint ifindex;
  VpndPrefix network;
  VpndAddr source;
} VpndFactsAddress;

/**
 * VpndFactsRoute: one next hop of one unicast route of table main or default
 * @destination: masked network
 * @ifindex: outgoing link
 * @gateway: AF_UNSPEC for on-link; may be of the other family
 * @metric: lower wins
 * @position: place among the next hops of the route, 0 for the first
 * @protocol: RTPROT_*; ours is passed over
 * @mtu: MTU of the route in bytes, 0 for that of the link
 */
typedef struct
{
  VpndPrefix destination;
  guint ifindex;
  VpndAddr gateway;
  guint32 metric;
  guint position;
  guint8 protocol;
  guint32 mtu;
} VpndFactsRoute;

VpndFacts *vpnd_facts_digest (const char *own_ifname, gboolean ipv6_enabled, const GArray *links, const GArray *addresses, const GArray *routes);

G_END_DECLS
