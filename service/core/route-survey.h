/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the kernel has, read once, whoever made it: links, policy rules, our routing tables, the addresses of our link and the default
 * routes. For explaining, never for deciding: a plan is made from facts.
 */
#pragma once

#include "route-plan.h"

G_BEGIN_DECLS

/**
 * VpndSurveyLink:
 * @ifindex: its index
 * @ifname: its name
 * @kind: "wireguard", "tun", "bridge", ...; "" for hardware
 * @type: ARPHRD_*
 * @is_up: administratively up
 * @mtu: bytes
 */
typedef struct
{
  guint ifindex;
  char ifname[16];
  char kind[16];
  guint16 type;
  gboolean is_up;
  guint32 mtu;
} VpndSurveyLink;

/**
 * VpndSurveyRoute:
 * @route: the route; of a multipath one the first hop; its ifname is "" where no link is in it
 * @protocol: RTPROT_*
 * @type: RTN_*
 */
typedef struct
{
  VpndRoute route;
  guint8 protocol;
  guint8 type;
} VpndSurveyRoute;

/**
 * VpndSurveyRule:
 * @rule: as far as VpndRouteRule can tell it
 * @protocol: who made it, RTPROT_*
 * @is_lookup: it looks a table up (and does not block, jump or do nothing)
 * @has_other_selectors: it matches on more than a mark
 */
typedef struct
{
  VpndRouteRule rule;
  guint8 protocol;
  gboolean is_lookup;
  gboolean has_other_selectors;
} VpndSurveyRule;

/**
 * VpndRouteSurvey:
 * @links: (element-type VpndSurveyLink) (owned)
 * @addresses: (element-type VpndPrefix) (owned): of our link
 * @routes: (element-type VpndSurveyRoute) (owned): of our two tables
 * @defaults: (element-type VpndSurveyRoute) (owned): the default routes of table main
 * @rules: (element-type VpndSurveyRule) (owned): all, in the order of the kernel
 */
typedef struct
{
  gatomicrefcount ref_count;
  GArray *links;
  GArray *addresses;
  GArray *routes;
  GArray *defaults;
  GArray *rules;
} VpndRouteSurvey;

VpndRouteSurvey *vpnd_route_survey_new (void);
VpndRouteSurvey *vpnd_route_survey_ref (VpndRouteSurvey *survey);
void vpnd_route_survey_unref (VpndRouteSurvey *survey);
const VpndSurveyLink *vpnd_route_survey_find_link (const VpndRouteSurvey *survey, const char *ifname);
char *vpnd_survey_route_to_string (const VpndSurveyRoute *route);
char *vpnd_survey_route_removal (const VpndSurveyRoute *route);
char *vpnd_survey_rule_to_string (const VpndSurveyRule *rule);
char *vpnd_survey_rule_removal (const VpndSurveyRule *rule);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndRouteSurvey, vpnd_route_survey_unref)

G_END_DECLS
