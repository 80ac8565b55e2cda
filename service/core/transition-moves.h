/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The moves of the state machine: entering a state with all that belongs to it, and what a state does more than once. The middle layer: above it the files
 * that answer events (core/transition-events.h), which decide what move it is; a move knows no event. Private to service/core/transition*.c.
 */
#pragma once

#include "transition-effects.h"

G_BEGIN_DECLS

void vpnd_decision_connect_to (VpndDecision *d, VpndProfile *wanted, guint attempt, gboolean anew);
gboolean vpnd_decision_adopt_config (VpndDecision *d, VpndCause *out_cause);
void vpnd_decision_measure_path (VpndDecision *d);
void vpnd_decision_enter_error (VpndDecision *d, VpndCause cause);
gboolean vpnd_decision_is_tried_again (const VpndDecision *d);
void vpnd_decision_try_again_later (VpndDecision *d);
void vpnd_decision_look_up_again (VpndDecision *d);
void vpnd_decision_begin_disconnect (VpndDecision *d, gboolean is_announced);
void vpnd_decision_settle_disconnected (VpndDecision *d);

guint vpnd_establish_timeout_ms (guint attempt);

G_END_DECLS
