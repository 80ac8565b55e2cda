/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the state machine share: the decision that is being made, and what each adds to it. One function an event (vpnd_on_...), which
 * the table in transition.c names. Private to service/core/transition*.c.
 */
#pragma once

#include "transition.h"

G_BEGIN_DECLS

/**
 * VpndDecision: one that is being made
 * @state: (owned): the next state so far
 * @effects: (element-type VpndEffect) (owned): what to do so far, in order
 * @context: (unowned): what is known besides
 */
typedef struct
{
  VpndState *state;
  GPtrArray *effects;
  const VpndContext *context;
} VpndDecision;

/* transition-effects.c */
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
void vpnd_decision_remember_wanted (VpndDecision *d, VpndProfile *profile, gboolean keep_going);
void vpnd_decision_configure (VpndDecision *d, VpndTunnelConfig *config);
void vpnd_decision_want_routes (VpndDecision *d, VpndRoutePlan *routes);
void vpnd_decision_want_dns (VpndDecision *d, VpndDnsPlan *dns, gboolean is_new_link);
void vpnd_decision_make_link (VpndDecision *d);
guint16 vpnd_decision_get_listen_port (VpndDecision *d, gboolean is_new_link);
void vpnd_decision_forget_peers (VpndDecision *d, const VpndTunnelConfig *config);

/* transition-connect.c */
void vpnd_decision_note_way (VpndDecision *d);
gboolean vpnd_decision_has_lost_way (VpndDecision *d);
gboolean vpnd_decision_has_other_way (VpndDecision *d);
gboolean vpnd_decision_has_moved (VpndDecision *d);
void vpnd_decision_measure_path (VpndDecision *d);
void vpnd_decision_connect_to (VpndDecision *d, VpndProfile *wanted, guint attempt, gboolean anew);
void vpnd_on_activate (VpndDecision *d, const VpndEvent *event);
void vpnd_on_reconnect (VpndDecision *d, const VpndEvent *event);
void vpnd_on_handshake (VpndDecision *d, const VpndEvent *event);
void vpnd_on_establish_timeout (VpndDecision *d, const VpndEvent *event);
void vpnd_on_peer_lost (VpndDecision *d, const VpndEvent *event);
void vpnd_on_link_lost (VpndDecision *d, const VpndEvent *event);
void vpnd_on_looked_up (VpndDecision *d, const VpndEvent *event);
void vpnd_on_resumed (VpndDecision *d, const VpndEvent *event);

/* transition-ends.c */
void vpnd_decision_settle_disconnected (VpndDecision *d);
void vpnd_decision_begin_disconnect (VpndDecision *d, gboolean is_announced);
void vpnd_on_start (VpndDecision *d, const VpndEvent *event);
void vpnd_on_deactivate (VpndDecision *d, const VpndEvent *event);
void vpnd_on_effects_done (VpndDecision *d, const VpndEvent *event);
void vpnd_on_stop (VpndDecision *d, const VpndEvent *event);

/* transition-trouble.c */
void vpnd_decision_enter_error (VpndDecision *d, VpndCause cause);
void vpnd_on_effect_failed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_retry (VpndDecision *d, const VpndEvent *event);

/* transition-follow.c */
gboolean vpnd_decision_adopt_config (VpndDecision *d, VpndCause *out_cause);
void vpnd_on_facts_changed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_settings_changed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_split_changed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_path_measured (VpndDecision *d, const VpndEvent *event);
void vpnd_on_tampered (VpndDecision *d, const VpndEvent *event);
void vpnd_on_disturbed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_dns_overwritten (VpndDecision *d, const VpndEvent *event);

G_END_DECLS
