/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How it begins and ends: what a start does with what it finds, taking the tunnel down, a host that nobody wants protected, and the stop of the
 * service.
 */
#include "config.h"

#include "transition-private.h"

#define CRASHES_THAT_BLOCK 2 /* two within a minute: whatever is done at start does not help */

/**
 * vpnd_decision_settle_disconnected:
 * @d: the decision
 *
 * The rules of a host that nobody wants protected: none, or closed with lockdown. What is bound to a profile is refused as long as we are there.
 */
void
vpnd_decision_settle_disconnected (VpndDecision *d)
{
  g_autoptr (VpndRuleset) open = d->state->is_stopping ? NULL : vpnd_policy_build_open (vpnd_decision_get_split (d));

  if (d->context->settings->lockdown)
    vpnd_decision_want_blocked (d);
  else if (open != NULL)
    vpnd_decision_want_ruleset (d, open, TRUE);
  else
    vpnd_decision_want_no_policy (d);
}

/**
 * vpnd_decision_begin_disconnect:
 * @d: the decision
 * @is_announced: somebody waits to hear that it is done
 *
 * Takes the tunnel down; the rules of before stay in force until the end of it.
 */
void
vpnd_decision_begin_disconnect (VpndDecision *d, gboolean is_announced)
{
  guint host = d->state->host;

  d->state->kind = VPND_STATE_DISCONNECTING;
  d->state->cause = VPND_CAUSE_NONE;
  d->state->next = VPND_STATE_DISCONNECTED;
  d->state->is_announced = is_announced;
  vpnd_state_clear_fallback (d->state);
  vpnd_decision_tear_down (d, host);
  vpnd_decision_end_own_sockets (d);
}

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

/**
 * vpnd_recovery_decide:
 * @input: what the start found
 * @settings: the settings, defaults when they were broken
 *
 * Returns: what the start shall do (docs/security.md, "Start, crash, stop")
 */
VpndRecovery
vpnd_recovery_decide (const VpndRecoveryInput *input, const VpndSettings *settings)
{
  if (input->settings_broken)
    return VPND_RECOVERY_SETTINGS;
  if (input->was_protected && !input->was_handover && input->crashes >= CRASHES_THAT_BLOCK)
    return VPND_RECOVERY_BLOCK;
  if (input->was_protected && input->was_handover)
    return input->has_profile ? VPND_RECOVERY_RECONNECT : VPND_RECOVERY_PROFILE;
  if (settings->auto_connect)
    return input->has_profile ? VPND_RECOVERY_RECONNECT : VPND_RECOVERY_PROFILE;
  if (!input->was_protected)
    return VPND_RECOVERY_NONE;

  switch (settings->crash_recovery)
    {
    case VPND_CRASH_RECOVERY_BLOCK:
      return VPND_RECOVERY_BLOCK;
    case VPND_CRASH_RECOVERY_RECONNECT:
      return input->has_profile ? VPND_RECOVERY_RECONNECT : VPND_RECOVERY_PROFILE;
    case VPND_CRASH_RECOVERY_RELEASE:
      return VPND_RECOVERY_RELEASE;
    }
  g_assert_not_reached ();
}
