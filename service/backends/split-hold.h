/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Packets of units that nobody has looked at yet: held in a netfilter queue, and sent through the rules anew until these know what the unit is. Nothing of a packet is read, and
 * none is let by: what the rules hold still comes again.
 */
#pragma once

#include "ruleset.h"

G_BEGIN_DECLS

typedef struct _VpndSplitHold VpndSplitHold;

typedef void (*VpndSplitHoldFunc) (gpointer user_data);

VpndSplitHold *vpnd_split_hold_new (VpndSplitHoldFunc func, gpointer user_data);
void vpnd_split_hold_free (VpndSplitHold *self);
void vpnd_split_hold_set (VpndSplitHold *self, gboolean is_wanted);
VpndQueueForm vpnd_split_hold_get_form (const VpndSplitHold *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitHold, vpnd_split_hold_free)

G_END_DECLS
