/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What may leave and enter the host in each state: (kind, tunnel, DNS, settings, facts) -> ruleset.
 * The numbered rules of docs/security.md, in one place. Never talks to the kernel and never keeps state.
 */
#pragma once

#include "dns-plan.h"
#include "facts.h"
#include "route-plan.h"
#include "ruleset.h"
#include "settings.h"
#include "split-plan.h"
#include "tunnel-config.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_POLICY_BLOCKED,    /* error, lockdown, early boot: nothing but loopback, DHCP, NDP and what the settings allow */
  VPND_POLICY_CONNECTING, /* the same, plus the first hop and the tunnel; no DNS yet */
  VPND_POLICY_CONNECTED,  /* the same, plus DNS to the tunnel's resolvers inside the tunnel */
} VpndPolicyKind;

/**
 * VpndPolicyInput: what a policy depends on; all fields (unowned)
 * @kind: which policy
 * @config: (nullable): the tunnel's configuration; required unless @kind is VPND_POLICY_BLOCKED
 * @routes: (nullable): the route plan, for the tunnel's name and addresses; required like @config
 * @dns: (nullable): the DNS plan; NULL or empty leaves DNS inside the tunnel unrestricted
 * @settings: the settings
 * @facts: the facts
 * @link_ifindex: index of the tunnel's link, 0 while it is not known
 * @split: (nullable): what goes beside the tunnel by the users' wish; NULL for nothing
 * @profile: (nullable): name of the profile that the tunnel is of, for what is bound to one
 */
typedef struct
{
  VpndPolicyKind kind;
  const VpndTunnelConfig *config;
  const VpndRoutePlan *routes;
  const VpndDnsPlan *dns;
  const VpndSettings *settings;
  const VpndFacts *facts;
  guint link_ifindex;
  const VpndSplitPlan *split;
  const char *profile;
} VpndPolicyInput;

VpndRuleset *vpnd_policy_build (const VpndPolicyInput *input);
VpndRuleset *vpnd_policy_build_open (const VpndSplitPlan *split);

G_END_DECLS
