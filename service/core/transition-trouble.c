/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * When an effect fails: back to what was before the activation, or closed with the reason, and tried again where nobody tells that the trouble is over.
 */
#include "config.h"

#include "transition-events.h"

#include "transition-moves.h"

static void
roll_back (VpndDecision *d)
{
  g_autoptr (VpndProfile) fallback = g_steal_pointer (&d->state->fallback);
  VpndStateKind kind = d->state->fallback_kind;
  VpndCause cause = d->state->fallback_cause;

  d->state->backend = d->state->fallback_backend; /* the setting may be what failed */
  vpnd_state_clear_fallback (d->state);
  switch (kind)
    {
    case VPND_STATE_DISCONNECTED:
      vpnd_decision_begin_disconnect (d, FALSE);
      return;
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
    case VPND_STATE_DISCONNECTING:
      vpnd_decision_connect_to (d, fallback, 1, TRUE);
      return;
    case VPND_STATE_ERROR:
      vpnd_state_set_profile (d->state, fallback);
      vpnd_decision_enter_error (d, cause);
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_on_effect_failed:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_effect_failed (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;
  gboolean is_new_refusal = FALSE;

  /* Which rules are in force is unknown now: they failed, or were not reached. Whatever comes next asks for them again. */
  g_clear_pointer (&state->ruleset, vpnd_ruleset_unref);

  if (event->effect == VPND_EFFECT_APPLY_RULESET && vpnd_decision_get_split (d) != NULL)
    state->is_split_refused = is_new_refusal = TRUE; /* what is beside the tunnel may be what the kernel refuses; it goes by the tunnel then */

  switch (state->kind)
    {
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
      if (is_new_refusal)
        vpnd_decision_connect_to (d, state->profile, 1, TRUE);
      else if (state->is_activating)
        roll_back (d);
      else
        vpnd_decision_enter_error (d, vpnd_effect_info (event->effect)->cause);
      return;
    case VPND_STATE_DISCONNECTING:
      if (state->next == VPND_STATE_CONNECTING)
        vpnd_decision_enter_error (d, vpnd_effect_info (event->effect)->cause);
      return;
    case VPND_STATE_DISCONNECTED:
    case VPND_STATE_ERROR:
      vpnd_decision_retry_after (d, VPND_ATTEMPT_MIN_MS); /* the rules that belong to the state are not what they should be */
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_on_retry:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_retry (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;

  if (!state->is_waiting)
    return;

  state->is_waiting = FALSE;
  switch (state->kind)
    {
    case VPND_STATE_CONNECTING:
      vpnd_decision_connect_to (d, state->profile, MAX (state->attempt, 1), TRUE);
      return;
    case VPND_STATE_ERROR:
      if (state->ruleset != NULL && vpnd_decision_is_tried_again (d))
        {
          vpnd_decision_connect_to (d, state->profile, 1, TRUE);
          return;
        }
      vpnd_decision_want_blocked (d); /* the rules first: they may be what failed */
      vpnd_decision_try_again_later (d);
      return;
    case VPND_STATE_DISCONNECTED:
      vpnd_decision_settle_disconnected (d);
      return;
    case VPND_STATE_CONNECTED:
    case VPND_STATE_DISCONNECTING:
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}
