/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What each event leads to: one function an event, which the table in transition.c names. The highest layer: such a function makes the moves of
 * core/transition-moves.h, and calls no other of these. Private to service/core/transition*.c.
 */
#pragma once

#include "transition-effects.h"

G_BEGIN_DECLS

/* transition-connect.c: towards a tunnel */
void vpnd_on_activate (VpndDecision *d, const VpndEvent *event);
void vpnd_on_reconnect (VpndDecision *d, const VpndEvent *event);
void vpnd_on_handshake (VpndDecision *d, const VpndEvent *event);
void vpnd_on_establish_timeout (VpndDecision *d, const VpndEvent *event);
void vpnd_on_peer_lost (VpndDecision *d, const VpndEvent *event);
void vpnd_on_link_lost (VpndDecision *d, const VpndEvent *event);
void vpnd_on_looked_up (VpndDecision *d, const VpndEvent *event);
void vpnd_on_resumed (VpndDecision *d, const VpndEvent *event);

/* transition-follow.c: something has changed, and the state stays */
void vpnd_on_facts_changed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_settings_changed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_split_changed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_path_measured (VpndDecision *d, const VpndEvent *event);
void vpnd_on_tampered (VpndDecision *d, const VpndEvent *event);
void vpnd_on_disturbed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_dns_overwritten (VpndDecision *d, const VpndEvent *event);

/* transition-ends.c: begin and end */
void vpnd_on_start (VpndDecision *d, const VpndEvent *event);
void vpnd_on_deactivate (VpndDecision *d, const VpndEvent *event);
void vpnd_on_effects_done (VpndDecision *d, const VpndEvent *event);
void vpnd_on_stop (VpndDecision *d, const VpndEvent *event);

/* transition-trouble.c: failures */
void vpnd_on_effect_failed (VpndDecision *d, const VpndEvent *event);
void vpnd_on_retry (VpndDecision *d, const VpndEvent *event);

G_END_DECLS
