/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Towards a tunnel: the events that begin an attempt, and those that an attempt ends with.
 */
#include "config.h"

#include "transition-events.h"

#include "transition-moves.h"

/* One initiation that is lost, or that a peer drops because another one came just before it, would cost the whole first attempt: WireGuard
 * itself waits 5 s. A device that has forgotten its peers sends at once. */
static void
ask_again (VpndDecision *d)
{
  d->state->is_asked_again = TRUE;
  vpnd_decision_forget_peers (d, d->state->config);
  vpnd_decision_configure (d, d->state->config);
  vpnd_decision_watch_establish (d, VPND_ESTABLISH_FIRST_MS - VPND_ESTABLISH_AGAIN_MS);
}

/**
 * vpnd_on_activate:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_activate (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;

  if (!state->is_activating)
    {
      state->fallback_kind = state->kind;
      state->fallback_cause = state->cause;
      state->fallback_backend = state->backend;
      g_clear_pointer (&state->fallback, vpnd_profile_unref);
      if (state->profile != NULL)
        state->fallback = vpnd_profile_ref (state->profile);
      if (state->kind == VPND_STATE_DISCONNECTING && state->next == VPND_STATE_DISCONNECTED)
        state->fallback_kind = VPND_STATE_DISCONNECTED;
    }
  state->is_activating = TRUE;
  state->is_split_refused = FALSE;
  state->failures = 0;
  state->backend = d->context->settings->backend;
  vpnd_decision_connect_to (d, event->profile, 1, TRUE);
}

/**
 * vpnd_on_reconnect:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_reconnect (VpndDecision *d, const VpndEvent *event)
{
  d->state->failures = 0;
  if (vpnd_state_is_protected (d->state) && d->state->profile != NULL && d->state->kind != VPND_STATE_DISCONNECTING)
    vpnd_decision_connect_to (d, d->state->profile, 1, TRUE);
}

/**
 * vpnd_on_handshake:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_handshake (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;
  VpndCause cause;

  if (state->kind != VPND_STATE_CONNECTING || state->is_waiting || state->config == NULL)
    return;

  state->kind = VPND_STATE_CONNECTED;
  state->attempt = 0;
  state->failures = 0;
  vpnd_decision_want_policy (d, VPND_POLICY_CONNECTED, state->routes, state->dns, FALSE);
  vpnd_decision_add_effect (d, VPND_EFFECT_EMIT_CONNECTED)->text = g_strdup (vpnd_profile_primary_peer (state->profile)->public_key_text);
  (void) vpnd_decision_adopt_config (d, &cause); /* what only served the first handshake; a host that went offline this instant is told by the facts */
  vpnd_decision_watch_liveness (d);
  vpnd_decision_measure_path (d);
}

/**
 * vpnd_on_establish_timeout:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_establish_timeout (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;

  if (state->kind != VPND_STATE_CONNECTING || state->is_waiting || state->config == NULL)
    return;
  if (state->attempt == 1 && !state->is_asked_again)
    ask_again (d);
  else
    vpnd_decision_connect_to (d, state->profile, state->attempt + 1, FALSE);
}

/**
 * vpnd_on_peer_lost:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_peer_lost (VpndDecision *d, const VpndEvent *event)
{
  if (d->state->kind == VPND_STATE_CONNECTED)
    vpnd_decision_connect_to (d, d->state->profile, 1, FALSE);
}

/**
 * vpnd_on_link_lost:
 * @d: the decision
 * @event: what happened
 *
 * The device died by itself. A new one is made, but not sooner than an attempt lasts: one that dies at once must not spin.
 */
void
vpnd_on_link_lost (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;

  if (!vpnd_state_has_tunnel (state) || state->is_waiting)
    return;
  if (d->context->attempt_age_ms >= VPND_ATTEMPT_MIN_MS)
    {
      vpnd_decision_connect_to (d, state->profile, state->attempt + 1, TRUE);
      return;
    }

  state->kind = VPND_STATE_CONNECTING;
  state->attempt++;
  vpnd_decision_want_policy (d, VPND_POLICY_CONNECTING, state->routes, state->dns, FALSE);
  vpnd_decision_add_cleanup (d, VPND_EFFECT_WATCH_STOP);
  vpnd_decision_retry_after (d, VPND_ATTEMPT_MIN_MS - d->context->attempt_age_ms);
}

/**
 * vpnd_on_looked_up:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_looked_up (VpndDecision *d, const VpndEvent *event)
{
  if (d->state->kind != VPND_STATE_ERROR || d->state->cause != VPND_CAUSE_ENDPOINT || d->state->profile == NULL)
    return;
  if (event->profile == NULL)
    vpnd_decision_look_up_again (d);
  else
    vpnd_decision_connect_to (d, event->profile, 1, TRUE);
}

/**
 * vpnd_on_resumed:
 * @d: the decision
 * @event: what happened
 *
 * After a sleep the peer may have forgotten the session, and a NAT the way: a new handshake says more, and sooner, than waiting for silence.
 * The link stays, and with it what programs have open.
 */
void
vpnd_on_resumed (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;

  if (vpnd_state_has_tunnel (state) && !state->is_waiting &&
      (state->kind == VPND_STATE_CONNECTED || d->context->attempt_age_ms >= VPND_ATTEMPT_MIN_MS))
    vpnd_decision_connect_to (d, state->profile, 1, FALSE);
}
