/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The policy's rulesets over random profiles, settings and facts.
 */
#pragma once

#include "policy.h"

VpndRuleset *random_policy_new (VpndPolicyKind kind);
VpndRuleset *random_policy_new_split (VpndPolicyKind kind);
