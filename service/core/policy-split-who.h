/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Matches of split tunnelling: the packets of which processes, users and peers are meant. What becomes of them is for others (policy-split.c).
 * Private to service/core/policy-split*.c.
 */
#pragma once

#include "policy-rules.h"

G_BEGIN_DECLS

#define VPND_POLICY_CHAIN_HELD "held"
#define VPND_POLICY_CHAIN_UNSEEN "unseen"

typedef enum
{
  VPND_POLICY_GROUPS_TO_TUNNEL, /* in the tunnel or nowhere */
  VPND_POLICY_GROUPS_EXCLUDED,
  VPND_POLICY_GROUPS_BOUND,   /* to the profile that is connected */
  VPND_POLICY_GROUPS_REFUSED, /* bound to a profile that is not connected */
} VpndPolicyGroups;

typedef VpndRule *(*VpndPolicyNewRuleFunc) (VpndPolicyChains *chains, VpndChain *chain);

VpndRule *vpnd_policy_new_rule (VpndPolicyChains *chains, VpndChain *chain);
void vpnd_policy_add_groups (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input, VpndPolicyGroups groups, VpndPolicyNewRuleFunc begin, const char *target);
gboolean vpnd_policy_holds_unseen (const VpndPolicyInput *input);
gboolean vpnd_policy_holds_unseen_bound (const VpndPolicyInput *input);
void vpnd_policy_add_held (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_unseen (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_classes_of (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input, const char *beside);
void vpnd_policy_add_uids (VpndPolicyChains *chains, VpndChain *chain, const GArray *uids, const char *name, const char *target);
void vpnd_policy_add_prefixes (VpndPolicyChains *chains, VpndChain *chain, const GArray *prefixes, const char *name, const char *target);
void vpnd_policy_add_names (VpndPolicyChains *chains, VpndChain *chain, const GArray *addrs, const char *name, const char *target);

G_END_DECLS
