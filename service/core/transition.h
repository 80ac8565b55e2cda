/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one function that decides: (state, event, context) -> (state', ordered effects). Total, pure and deterministic.
 * A failure of an effect is an event to the same function; there is no other way back.
 */
#pragma once

#include "event.h"
#include "state.h"

G_BEGIN_DECLS

/* Returns: (transfer full) (nullable): the next state, NULL for "find a port for the device, and ask again"; @out_effects: (out) (transfer full) (nullable)
 * (element-type VpndEffect): what to do, in order */
VpndState *vpnd_transition (const VpndState *state, const VpndEvent *event, const VpndContext *context, GPtrArray **out_effects);

const char *vpnd_event_name (VpndEventKind kind);

G_END_DECLS
