/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Builds what random-policy.h promises, the way the engine does.
 */
#include "config.h"

#include "random-policy.h"

#include "random-values.h"
#include "tunnel-plan.h"
#include "reserved.h"

static VpndRuleset *
new_policy (VpndPolicyKind kind, const VpndSplitPlan *split)
{
  VpndProfile *profile = random_profile ("random");
  VpndSettings *settings = random_settings ();
  VpndFacts *facts = random_facts ();
  VpndTunnelConfig *config;
  VpndRoutePlan *routes;
  VpndDnsPlan *dns;
  VpndRuleset *ruleset;
  VpndCause cause;

  facts->default4.present = TRUE;
  facts->default6.present = TRUE;
  config = vpnd_tunnel_plan_build (profile, settings, facts, TRUE, VPND_LISTEN_PORT_FIRST, &cause);
  g_assert_nonnull (config);
  routes = vpnd_route_plan_build (profile, settings, facts);
  dns = vpnd_dns_plan_build (profile, settings);
  ruleset = vpnd_policy_build (&(VpndPolicyInput){ .kind = kind, .config = config, .routes = routes, .dns = dns, .settings = settings, .facts = facts, .split = split, .profile = profile->name });

  vpnd_dns_plan_unref (dns);
  vpnd_route_plan_unref (routes);
  vpnd_tunnel_config_unref (config);
  vpnd_facts_unref (facts);
  vpnd_settings_unref (settings);
  vpnd_profile_unref (profile);
  return ruleset;
}

/**
 * random_policy_new:
 * @kind: which policy
 *
 * Returns: (transfer full): its ruleset for random inputs
 */
VpndRuleset *
random_policy_new (VpndPolicyKind kind)
{
  return new_policy (kind, NULL);
}

/**
 * random_policy_new_split:
 * @kind: which policy
 *
 * Returns: (transfer full): its ruleset for random inputs, with split tunnelling; nft(8) does not read its text, in which cgroups are numbers
 */
VpndRuleset *
random_policy_new_split (VpndPolicyKind kind)
{
  g_autoptr (VpndSplitPlan) split = random_split_plan ("random");

  return new_policy (kind, split);
}
