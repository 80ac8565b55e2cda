/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How it begins and ends: what a start does with what it finds, the end of a connection, and the stop of the service.
 */
#include "config.h"

#include "transition-events.h"

#include "transition-moves.h"

/**
 * vpnd_on_start:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_start (VpndDecision *d, const VpndEvent *event)
{
  d->state->backend = d->context->settings->backend;
  vpnd_state_set_profile (d->state, event->profile);
  switch (event->recovery)
    {
    case VPND_RECOVERY_BLOCK:
      d->state->host = VPND_HOST_ALL;
      vpnd_decision_enter_error (d, VPND_CAUSE_CRASHED);
      return;
    case VPND_RECOVERY_PROFILE:
      d->state->host = VPND_HOST_ALL;
      vpnd_decision_enter_error (d, VPND_CAUSE_PROFILE);
      return;
    case VPND_RECOVERY_SETTINGS:
      d->state->host = VPND_HOST_ALL;
      vpnd_decision_enter_error (d, VPND_CAUSE_SETTINGS);
      return;
    case VPND_RECOVERY_RECONNECT:
      vpnd_decision_want_blocked (d);
      d->state->kind = VPND_STATE_DISCONNECTING;
      d->state->next = VPND_STATE_CONNECTING;
      vpnd_decision_tear_down (d, VPND_HOST_ALL);
      return;
    case VPND_RECOVERY_NONE:
    case VPND_RECOVERY_RELEASE:
      vpnd_state_set_profile (d->state, NULL);
      if (d->context->settings->lockdown)
        vpnd_decision_want_blocked (d);
      vpnd_decision_tear_down (d, VPND_HOST_ALL);
      if (!d->context->settings->lockdown)
        vpnd_decision_settle_disconnected (d);
      vpnd_decision_add_cleanup (d, VPND_EFFECT_CLEAR_WANTED);
      return;
    case VPND_N_RECOVERIES:
      break;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_on_deactivate:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_deactivate (VpndDecision *d, const VpndEvent *event)
{
  if (d->state->kind == VPND_STATE_DISCONNECTED)
    vpnd_decision_add_effect (d, VPND_EFFECT_EMIT_DISCONNECTED);
  else
    vpnd_decision_begin_disconnect (d, TRUE);
}

/**
 * vpnd_on_effects_done:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_effects_done (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;

  switch (state->kind)
    {
    case VPND_STATE_DISCONNECTING:
      if (state->next == VPND_STATE_CONNECTING && state->profile != NULL)
        {
          vpnd_decision_connect_to (d, state->profile, 1, TRUE);
          return;
        }
      state->kind = VPND_STATE_DISCONNECTED;
      vpnd_state_set_profile (state, NULL);
      vpnd_decision_settle_disconnected (d);
      vpnd_decision_add_cleanup (d, VPND_EFFECT_CLEAR_WANTED);
      if (state->is_announced)
        vpnd_decision_add_effect (d, VPND_EFFECT_EMIT_DISCONNECTED);
      return;
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
      vpnd_state_clear_fallback (state);
      return;
    case VPND_STATE_DISCONNECTED:
    case VPND_STATE_ERROR:
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_on_stop:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_stop (VpndDecision *d, const VpndEvent *event)
{
  guint host = d->state->host;

  d->state->is_stopping = TRUE;
  if (!event->keep_rules && d->state->kind == VPND_STATE_DISCONNECTED)
    {
      if (d->state->ruleset != NULL)
        vpnd_decision_settle_disconnected (d);
      return;
    }
  if (!event->keep_rules)
    {
      vpnd_decision_begin_disconnect (d, TRUE);
      return;
    }
  vpnd_decision_want_blocked (d);
  d->state->kind = VPND_STATE_ERROR;
  d->state->cause = VPND_CAUSE_NONE;
  vpnd_state_clear_fallback (d->state);
  vpnd_decision_tear_down (d, host);
}
