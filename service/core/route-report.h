/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The route plan against what the kernel has, entry by entry, each with its reason: for people. Changes nothing and decides nothing.
 */
#pragma once

#include "route-survey.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_ENTRY_DEFAULT, /* a physical default route: what follows the network */
  VPND_ENTRY_ADDRESS,
  VPND_ENTRY_ROUTE,
  VPND_ENTRY_RULE,
  VPND_N_ENTRY_KINDS
} VpndEntryKind;

typedef enum
{
  VPND_ENTRY_PRESENT,
  VPND_ENTRY_MISSING, /* planned, and not in the kernel */
  VPND_ENTRY_FOREIGN, /* in the kernel, where only ours should be or before ours, and not planned */
  VPND_N_ENTRY_STATES
} VpndEntryState;

typedef enum
{
  VPND_WHY_TRANSPORT,       /* where the tunnel's own packets leave the host */
  VPND_WHY_PROFILE_ADDRESS, /* Address of the profile */
  VPND_WHY_ALLOWED_IPS,     /* AllowedIPs of a peer */
  VPND_WHY_TUNNEL_HOST,     /* a resolver or gateway inside the tunnel that a LAN claims */
  VPND_WHY_NEXT_HOP,        /* a gateway of the physical network */
  VPND_WHY_BRIDGE,          /* containers and virtual machines of this host */
  VPND_WHY_LOCAL_NETWORK,   /* the setting allow-lan */
  VPND_WHY_RESOLVER,        /* the setting dns-servers */
  VPND_WHY_MARKED,          /* the tunnel's own packets pass by the tunnel */
  VPND_WHY_SPECIFIC,        /* the profile's networks before the exceptions */
  VPND_WHY_EXCEPTIONS,      /* the exceptions before everything else */
  VPND_WHY_EVERYTHING,      /* everything else into the tunnel */
  VPND_WHY_LEFT_OVER,       /* made by vpnd, and not wanted now */
  VPND_WHY_OTHER_PROGRAM,   /* another program put it there */
  VPND_WHY_EARLIER_RULE,    /* a rule of another program that is asked before ours */
  VPND_WHY_EXCEPTION,       /* an exception for another reason */
  VPND_N_WHYS
} VpndEntryWhy;

/**
 * VpndRouteEntry:
 * @follows_default: it follows the physical network and changes with it; else it stays as long as the connection does
 * @text: (owned): in the words of ip-route(8) and ip-rule(8)
 * @removal: (owned) (nullable): what ip(8) must be told to take it away; of what is foreign
 */
typedef struct
{
  VpndEntryKind kind;
  VpndEntryState state;
  VpndEntryWhy why;
  gboolean follows_default;
  char *text;
  char *removal;
} VpndRouteEntry;

void vpnd_route_entry_free (VpndRouteEntry *entry);
const char *vpnd_entry_kind_word (VpndEntryKind kind);
const char *vpnd_entry_state_word (VpndEntryState state);
const char *vpnd_entry_why_word (VpndEntryWhy why);

GPtrArray *vpnd_route_report_build (const VpndRoutePlan *plan, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts,
    const VpndRouteSurvey *survey);

G_END_DECLS
