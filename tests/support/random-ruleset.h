/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Random rulesets that the kernel accepts, for properties of the codec.
 */
#pragma once

#include "ruleset.h"

VpndRuleset *random_ruleset_new (const char *table);
VpndRuleset *random_ruleset_new_for_nft (const char *table);
