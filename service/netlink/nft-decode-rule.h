/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule back from its expressions. Used by nft-decode.c only.
 */
#pragma once

#include "nft-attr.h"
#include "ruleset.h"

G_BEGIN_DECLS

VpndRule *vpnd_nft_decode_rule (const VpndNftAttrs *attrs, GError **error);
gboolean vpnd_nft_decode_verdict (const VpndNftAttrs *data, VpndVerdict *out_verdict);

G_END_DECLS
