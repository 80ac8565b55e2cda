/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The wanted state of addresses, routes and policy rules, as an immutable value, and the minimal difference between
 * two of them. Never mentions what we did not create and never speaks netlink (netlink/rtnl-encode does).
 */
#pragma once

#include "facts.h"
#include "profile.h"
#include "settings.h"

G_BEGIN_DECLS

#define VPND_ROUTE_METRIC_DEFAULT6 1024u /* IP6_RT_PRIO_USER of linux/ipv6_route.h: what the kernel makes of metric 0 */

/**
 * VpndRoute:
 * @destination: masked network
 * @table: routing table
 * @ifname: outgoing link by name (resolved when applied)
 * @gateway: next hop, AF_UNSPEC for on-link
 * @metric: priority of the route, 0 for the kernel's default (that of IPv6 is VPND_ROUTE_METRIC_DEFAULT6, which no route of a plan says)
 * @mtu: MTU metric in bytes, 0 for none
 */
typedef struct
{
  VpndPrefix destination;
  guint32 table;
  char ifname[16];
  VpndAddr gateway;
  guint32 metric;
  guint32 mtu;
} VpndRoute;

/**
 * VpndRouteRule: a policy rule
 * @family: AF_INET or AF_INET6
 * @priority: explicit, so that adds are exclusive and deletes exact
 * @fwmark: value and @fwmask: mask to match; both 0 for any packet
 * @table: looked up
 * @suppress_prefixlength: -1 for none
 */
typedef struct
{
  guint8 family;
  guint32 priority;
  guint32 fwmark;
  guint32 fwmask;
  guint32 table;
  gint32 suppress_prefixlength;
} VpndRouteRule;

/**
 * VpndRoutePlan:
 * @ifname: our link
 * @mtu: MTU of our link in bytes
 * @addresses: (element-type VpndPrefix) (owned): addresses of our link
 * @routes: (element-type VpndRoute) (owned): sorted
 * @rules: (element-type VpndRouteRule) (owned): sorted by family and priority
 */
typedef struct
{
  gatomicrefcount ref_count;
  char ifname[16];
  guint32 mtu;
  GArray *addresses;
  GArray *routes;
  GArray *rules;
} VpndRoutePlan;

/**
 * VpndRouteDiff: what turns one plan into another; the order of performing is: add addresses, link mtu and up,
 * add routes, add rules, delete rules, delete routes, delete addresses. Adding a route replaces the route that has the same table,
 * destination and metric; such a route is not in @delete_routes
 */
typedef struct
{
  char ifname[16];
  guint32 mtu;      /* 0: leave */
  gboolean link_up; /* TRUE: set the link up */
  GArray *add_addresses;
  GArray *add_routes;
  GArray *add_rules;
  GArray *delete_rules;
  GArray *delete_routes;
  GArray *delete_addresses;
} VpndRouteDiff;

VpndRoutePlan *vpnd_route_plan_new (const char *ifname, guint32 mtu);
VpndRoutePlan *vpnd_route_plan_build (const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts);
VpndRoutePlan *vpnd_route_plan_build_measured (const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, guint32 measured_mtu);
VpndRoutePlan *vpnd_route_plan_ref (VpndRoutePlan *plan);
void vpnd_route_plan_unref (VpndRoutePlan *plan);
gboolean vpnd_route_plan_has_address (const VpndRoutePlan *plan, const VpndPrefix *address);
gboolean vpnd_route_plan_equal (const VpndRoutePlan *a, const VpndRoutePlan *b);
char *vpnd_route_plan_to_text (const VpndRoutePlan *plan);

VpndRouteDiff *vpnd_route_plan_diff (const VpndRoutePlan *from, const VpndRoutePlan *to);
void vpnd_route_diff_free (VpndRouteDiff *diff);
gboolean vpnd_route_diff_is_empty (const VpndRouteDiff *diff);

int vpnd_route_compare_place (const VpndRoute *a, const VpndRoute *b);
int vpnd_route_compare (const VpndRoute *a, const VpndRoute *b);
int vpnd_route_rule_compare (const VpndRouteRule *a, const VpndRouteRule *b);
void vpnd_route_sort (GArray *routes);
void vpnd_route_rule_sort (GArray *rules);
char *vpnd_route_to_string (const VpndRoute *route);
char *vpnd_route_rule_to_string (const VpndRouteRule *rule);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndRoutePlan, vpnd_route_plan_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndRouteDiff, vpnd_route_diff_free)

G_END_DECLS
