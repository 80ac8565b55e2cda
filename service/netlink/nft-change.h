/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What has to be done to a ruleset that is in force to make another of it, as the netlink messages of one transaction.
 * Pure: bytes out of values. Never sends anything and never asks what is in force.
 */
#pragma once

#include "ruleset.h"

G_BEGIN_DECLS

typedef struct _VpndNftChange VpndNftChange;

VpndNftChange *vpnd_nft_change_new (VpndRuleset *present, VpndRuleset *wanted);
void vpnd_nft_change_free (VpndNftChange *change);
guint vpnd_nft_change_messages (const VpndNftChange *change);
GBytes *vpnd_nft_change_encode (const VpndNftChange *change, guint32 seq);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndNftChange, vpnd_nft_change_free)

G_END_DECLS
