/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule as the expressions that nft(8) 1.0.6 would make of its text. Used by nft-encode.c and by the tests that compare both.
 */
#pragma once

#include "ruleset.h"

#include <libnftnl/rule.h>

G_BEGIN_DECLS

struct nftnl_rule *vpnd_nft_encode_rule (const char *table, const char *chain, const VpndRule *rule);
gint32 vpnd_nft_verdict_code (VpndVerdictKind kind);

G_END_DECLS
