/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names and split tunnelling: which resolver answers whom, and the answers whose addresses are a class. Private to service/core/policy-split*.c.
 */
#pragma once

#include "policy-rules.h"

G_BEGIN_DECLS

void vpnd_policy_add_split_redirection (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_refuse_inner_resolvers (VpndChain *chain, const VpndPolicyInput *input);
void vpnd_policy_keep_inner_resolvers (VpndChain *chain, const VpndPolicyInput *input);
void vpnd_policy_add_name_watch (VpndPolicyChains *chains, const VpndPolicyInput *input);

G_END_DECLS
