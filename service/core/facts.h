/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the host's network looks like, as an immutable value. The kernel's word, never ours: our own link, routes
 * and rules are not in it. Never says what should be (that is a plan).
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

/**
 * VpndDefaultRoute: the best physical default route of one family
 * @present: FALSE when the family has no default route; the other fields are then zero
 * @ifindex: its link
 * @ifname: its link's name
 * @gateway: next hop; AF_UNSPEC for a route that is direct on the link. May be of the other family (RFC 5549)
 * @mtu: MTU of the route in bytes, at most that of the link
 * @sources: a number that changes when the addresses do from which packets leave by that link; 0 for none
 */
typedef struct
{
  gboolean present;
  guint ifindex;
  char ifname[16];
  VpndAddr gateway;
  guint32 mtu;
  guint32 sources;
} VpndDefaultRoute;

/**
 * VpndHop: a next hop of a physical route, or a network behind a host-internal bridge
 * @prefix: the network, masked; a /32 or /128 for a next hop
 * @ifindex: link through which it is on-link
 * @ifname: that link's name
 * @metric: of the host's own route to a LAN, as the kernel has it (lower wins); 0 for a next hop and a bridge, which are of one link
 */
typedef struct
{
  VpndPrefix prefix;
  guint ifindex;
  char ifname[16];
  guint32 metric;
} VpndHop;

/**
 * VpndFacts:
 * @default4: best IPv4 default route outside the tunnel, or what stands in its place (a route to half of all addresses)
 * @default6: the same of IPv6 (a route to 2000::/3 or more)
 * @next_hops: (element-type VpndHop) (owned): gateways of the physical routes, sorted, without duplicates
 * @bridges: (element-type VpndHop) (owned): networks of host-internal bridges (docker0, virbr0: bridges with no physical
 *   port), sorted
 * @lans: (element-type VpndHop) (owned): private networks that are on-link on physical links, whatever the network claims beside them; sorted. Never
 *   a public prefix and no link-local IPv6 network (those are on every link)
 * @forwards: this host sends on what others send to it (containers, virtual machines, a network behind it): at least one link but ours has forwarding on
 * @ipv6_enabled: the kernel has IPv6 and it is not disabled for all links
 */
typedef struct
{
  gatomicrefcount ref_count;
  VpndDefaultRoute default4;
  VpndDefaultRoute default6;
  GArray *next_hops;
  GArray *bridges;
  GArray *lans;
  gboolean forwards;
  gboolean ipv6_enabled;
} VpndFacts;

VpndFacts *vpnd_facts_new (void);
VpndFacts *vpnd_facts_ref (VpndFacts *facts);
void vpnd_facts_unref (VpndFacts *facts);
gboolean vpnd_default_route_equal (const VpndDefaultRoute *a, const VpndDefaultRoute *b);
gboolean vpnd_facts_equal (const VpndFacts *a, const VpndFacts *b);
gboolean vpnd_facts_is_online (const VpndFacts *facts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndFacts, vpnd_facts_unref)

G_END_DECLS
