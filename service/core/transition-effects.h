/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What decisions are written in: the decision that is being made, and what can be asked for in it. The lowest layer of the state machine: it knows no event,
 * and enters no state. Private to service/core/transition*.c.
 */
#pragma once

#include "event.h"
#include "state.h"

G_BEGIN_DECLS

/**
 * VpndDecision: one that is being made
 * @state: (owned): the next state so far
 * @effects: (element-type VpndEffect) (owned): what to do so far, in order
 * @context: (unowned): what is known besides
 * @lacks_port: a device is to be made, and @context has no port for it: whatever else is decided is thrown away
 */
typedef struct
{
  VpndState *state;
  GPtrArray *effects;
  const VpndContext *context;
  gboolean lacks_port;
} VpndDecision;

VpndEffect *vpnd_decision_add_effect (VpndDecision *d, VpndEffectKind kind);
void vpnd_decision_add_cleanup (VpndDecision *d, VpndEffectKind kind);
const VpndSplitPlan *vpnd_decision_get_split (VpndDecision *d);
void vpnd_decision_want_ruleset (VpndDecision *d, VpndRuleset *ruleset, gboolean keep_going);
void vpnd_decision_want_policy (VpndDecision *d, VpndPolicyKind kind, const VpndRoutePlan *routes, const VpndDnsPlan *dns, gboolean keep_going);
void vpnd_decision_end_sockets (VpndDecision *d, const VpndRoutePlan *routes, const VpndBridge *bridge);
void vpnd_decision_end_own_sockets (VpndDecision *d);
void vpnd_decision_want_blocked (VpndDecision *d);
void vpnd_decision_want_no_policy (VpndDecision *d);
void vpnd_decision_tear_down (VpndDecision *d, guint what);
void vpnd_decision_retry_after (VpndDecision *d, guint delay_ms);
void vpnd_decision_watch_establish (VpndDecision *d, guint timeout_ms);
void vpnd_decision_watch_liveness (VpndDecision *d);
void vpnd_decision_remember_wanted (VpndDecision *d, VpndProfile *profile, gboolean keep_going);
void vpnd_decision_configure (VpndDecision *d, VpndTunnelConfig *config);
void vpnd_decision_want_routes (VpndDecision *d, VpndRoutePlan *routes);
void vpnd_decision_want_dns (VpndDecision *d, VpndDnsPlan *dns, gboolean is_new_link);
void vpnd_decision_make_link (VpndDecision *d);
void vpnd_decision_forget_peers (VpndDecision *d, const VpndTunnelConfig *config);

G_END_DECLS
