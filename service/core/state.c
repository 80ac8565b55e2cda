/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/state.h.
 */
#include "config.h"

#include "state.h"

#include "names.h"

/**
 * vpnd_state_new:
 *
 * Returns: (transfer full): disconnected, with nothing of ours on the host
 */
VpndState *
vpnd_state_new (void)
{
  VpndState *state = g_new0 (VpndState, 1);

  g_atomic_ref_count_init (&state->ref_count);
  return state;
}

/**
 * vpnd_state_copy:
 * @state: a state
 *
 * Returns: (transfer full): a copy that may be changed
 */
VpndState *
vpnd_state_copy (const VpndState *state)
{
  VpndState *copy = g_memdup2 (state, sizeof *state);

  g_atomic_ref_count_init (&copy->ref_count);
  if (copy->fallback != NULL)
    vpnd_profile_ref (copy->fallback);
  if (copy->profile != NULL)
    vpnd_profile_ref (copy->profile);
  if (copy->ruleset != NULL)
    vpnd_ruleset_ref (copy->ruleset);
  if (copy->config != NULL)
    vpnd_tunnel_config_ref (copy->config);
  if (copy->routes != NULL)
    vpnd_route_plan_ref (copy->routes);
  if (copy->dns != NULL)
    vpnd_dns_plan_ref (copy->dns);
  return copy;
}

/**
 * vpnd_state_ref:
 * @state: a state
 *
 * Returns: (transfer full): @state
 */
VpndState *
vpnd_state_ref (VpndState *state)
{
  g_atomic_ref_count_inc (&state->ref_count);
  return state;
}

/**
 * vpnd_state_unref:
 * @state: (transfer full) (nullable): a state
 */
void
vpnd_state_unref (VpndState *state)
{
  if (state == NULL || !g_atomic_ref_count_dec (&state->ref_count))
    return;

  g_clear_pointer (&state->fallback, vpnd_profile_unref);
  g_clear_pointer (&state->profile, vpnd_profile_unref);
  g_clear_pointer (&state->ruleset, vpnd_ruleset_unref);
  g_clear_pointer (&state->config, vpnd_tunnel_config_unref);
  g_clear_pointer (&state->routes, vpnd_route_plan_unref);
  g_clear_pointer (&state->dns, vpnd_dns_plan_unref);
  g_free (state);
}

/**
 * vpnd_state_word:
 * @kind: a state
 *
 * Returns: (transfer none): its public word
 */
const char *
vpnd_state_word (VpndStateKind kind)
{
  static const char *const words[] = {
    [VPND_STATE_DISCONNECTED] = VPND_STATE_WORD_DISCONNECTED,
    [VPND_STATE_CONNECTING] = VPND_STATE_WORD_CONNECTING,
    [VPND_STATE_CONNECTED] = VPND_STATE_WORD_CONNECTED,
    [VPND_STATE_DISCONNECTING] = VPND_STATE_WORD_DISCONNECTING,
    [VPND_STATE_ERROR] = VPND_STATE_WORD_ERROR,
  };
  G_STATIC_ASSERT (G_N_ELEMENTS (words) == VPND_N_STATES);

  return words[kind];
}

/**
 * vpnd_cause_word:
 * @cause: a cause
 *
 * Returns: (transfer none): its public word, "" for none
 */
const char *
vpnd_cause_word (VpndCause cause)
{
  static const char *const words[] = {
    [VPND_CAUSE_NONE] = "",
    [VPND_CAUSE_OFFLINE] = VPND_CAUSE_WORD_OFFLINE,
    [VPND_CAUSE_FIREWALL] = VPND_CAUSE_WORD_FIREWALL,
    [VPND_CAUSE_TUNNEL] = VPND_CAUSE_WORD_TUNNEL,
    [VPND_CAUSE_ROUTING] = VPND_CAUSE_WORD_ROUTING,
    [VPND_CAUSE_DNS] = VPND_CAUSE_WORD_DNS,
    [VPND_CAUSE_ENDPOINT] = VPND_CAUSE_WORD_ENDPOINT,
    [VPND_CAUSE_FAMILY] = VPND_CAUSE_WORD_FAMILY,
    [VPND_CAUSE_PROFILE] = VPND_CAUSE_WORD_PROFILE,
    [VPND_CAUSE_CRASHED] = VPND_CAUSE_WORD_CRASHED,
    [VPND_CAUSE_SETTINGS] = VPND_CAUSE_WORD_SETTINGS,
  };
  G_STATIC_ASSERT (G_N_ELEMENTS (words) == VPND_N_CAUSES);

  return words[cause];
}

/**
 * vpnd_state_is_protected:
 * @state: a state
 *
 * Returns: TRUE when protection is wanted: from the moment of an activation to its authorised end
 */
gboolean
vpnd_state_is_protected (const VpndState *state)
{
  switch (state->kind)
    {
    case VPND_STATE_DISCONNECTED:
      return FALSE;
    case VPND_STATE_DISCONNECTING:
      return state->next != VPND_STATE_DISCONNECTED;
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
    case VPND_STATE_ERROR:
      return TRUE;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_state_has_tunnel:
 * @state: a state
 *
 * Returns: whether there is a tunnel with a configuration, or one is being made
 */
gboolean
vpnd_state_has_tunnel (const VpndState *state)
{
  return (state->kind == VPND_STATE_CONNECTING || state->kind == VPND_STATE_CONNECTED) && state->config != NULL;
}

/**
 * vpnd_state_set_profile:
 * @state: a state that is being made
 * @profile: (nullable): the profile it is about from now on; may be its own
 */
void
vpnd_state_set_profile (VpndState *state, VpndProfile *profile)
{
  if (profile != NULL)
    vpnd_profile_ref (profile);
  g_clear_pointer (&state->profile, vpnd_profile_unref);
  state->profile = profile;
}

/**
 * vpnd_state_clear_fallback:
 * @state: a state that is being made
 *
 * From now on there is no way back.
 */
void
vpnd_state_clear_fallback (VpndState *state)
{
  state->is_activating = FALSE;
  state->fallback_kind = VPND_STATE_DISCONNECTED;
  state->fallback_cause = VPND_CAUSE_NONE;
  g_clear_pointer (&state->fallback, vpnd_profile_unref);
}
