/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The moves of core/transition-moves.h. Order is the heart of each: rules tighten first, loosen last, and stand before the routes they protect.
 */
#include "config.h"

#include "transition-moves.h"

#include "tunnel-plan.h"
#include "peer-way.h"

#define LOOKUP_DOUBLINGS 5  /* 1 s to 32 s, which is cut to the longest */
#define TROUBLE_DOUBLINGS 5 /* the same */

/**
 * vpnd_decision_is_tried_again:
 * @d: the decision, in error
 *
 * Trouble of the host that nobody tells us the end of: a service that was not up yet, a disk that was full. Whether it has gone is known by trying.
 *
 * Returns: TRUE when the cause is such trouble, and there is something to connect to
 */
gboolean
vpnd_decision_is_tried_again (const VpndDecision *d)
{
  switch (d->state->cause)
    {
    case VPND_CAUSE_FIREWALL:
    case VPND_CAUSE_TUNNEL:
    case VPND_CAUSE_ROUTING:
    case VPND_CAUSE_DNS:
      return d->state->profile != NULL;
    case VPND_CAUSE_NONE:
    case VPND_CAUSE_OFFLINE:
    case VPND_CAUSE_ENDPOINT:
    case VPND_CAUSE_FAMILY:
    case VPND_CAUSE_PROFILE:
    case VPND_CAUSE_CRASHED:
    case VPND_CAUSE_SETTINGS:
      return FALSE;
    case VPND_N_CAUSES:
      break;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_decision_try_again_later:
 * @d: the decision, in error
 *
 * Asks for the event RETRY where that can help, ever more seldom.
 */
void
vpnd_decision_try_again_later (VpndDecision *d)
{
  if (!vpnd_decision_is_tried_again (d))
    return;
  vpnd_decision_retry_after (d, MIN (VPND_ATTEMPT_MIN_MS << MIN (d->state->failures, TROUBLE_DOUBLINGS), VPND_TROUBLE_MAX_MS));
  d->state->failures++;
}

/**
 * vpnd_decision_enter_error:
 * @d: the decision
 * @cause: the reason
 *
 * Closed, with the reason. What was wanted stays wanted: the state may be left by itself when its cause goes.
 */
void
vpnd_decision_enter_error (VpndDecision *d, VpndCause cause)
{
  VpndState *state = d->state;
  guint host = state->host;

  state->kind = VPND_STATE_ERROR;
  state->cause = cause;
  vpnd_state_clear_fallback (state);
  vpnd_decision_want_blocked (d);
  vpnd_decision_tear_down (d, host);
  vpnd_decision_try_again_later (d);
}

/**
 * vpnd_decision_look_up_again:
 * @d: the decision, in error
 *
 * The name of the wanted server is not known. The host is closed, but not every resolver is behind its link: a file, a cache, a service that the
 * settings leave open to root.
 */
void
vpnd_decision_look_up_again (VpndDecision *d)
{
  vpnd_decision_add_effect (d, VPND_EFFECT_LOOK_UP)->delay_ms = MIN (VPND_LOOKUP_FIRST_MS << MIN (d->state->lookups, LOOKUP_DOUBLINGS), VPND_LOOKUP_MAX_MS);
  d->state->lookups++;
}

/**
 * vpnd_decision_adopt_config:
 * @d: the decision, with a configuration
 * @out_cause: (out): why there is none
 *
 * The configuration for the settings and facts of now: TRUE when the tunnel as it is can stay.
 *
 * Returns: FALSE when there is none for them
 */
gboolean
vpnd_decision_adopt_config (VpndDecision *d, VpndCause *out_cause)
{
  g_autoptr (VpndTunnelConfig) config = vpnd_tunnel_plan_build (d->state->profile, d->context->settings, d->context->facts, d->state->kind == VPND_STATE_CONNECTING, d->state->config->listen_port, out_cause);

  if (config == NULL)
    return FALSE;
  if (!vpnd_tunnel_config_equal (config, d->state->config))
    {
      vpnd_decision_configure (d, config);
      g_clear_pointer (&d->state->config, vpnd_tunnel_config_unref);
      d->state->config = g_steal_pointer (&config);
    }
  return TRUE;
}

/**
 * vpnd_decision_measure_path:
 * @d: the decision
 *
 * How large a packet may be is asked once the tunnel works, unless the user or the profile have said it.
 */
void
vpnd_decision_measure_path (VpndDecision *d)
{
  const VpndState *state = d->state;
  VpndPathProbe probe;

  if (state->routes == NULL || state->profile->mtu != 0 || d->context->settings->mtu != 0)
    return;
  vpnd_tunnel_plan_path_probe (state->profile, d->context->facts, &probe);
  probe.top = state->routes->mtu;
  vpnd_decision_add_effect (d, VPND_EFFECT_MEASURE_PATH)->path = g_memdup2 (&probe, sizeof probe);
}

/**
 * vpnd_establish_timeout_ms:
 * @attempt: which attempt, from 1
 *
 * Returns: how long it waits for a handshake: 4 s, 8 s, then 15 s for ever
 */
guint
vpnd_establish_timeout_ms (guint attempt)
{
  guint timeout_ms = VPND_ESTABLISH_FIRST_MS;

  for (guint i = 1; i < attempt && timeout_ms < VPND_ESTABLISH_MAX_MS; i++)
    timeout_ms *= 2;
  return MIN (timeout_ms, VPND_ESTABLISH_MAX_MS);
}

/* There is no way to the wanted peer from this host, or its address is unknown. */
static void
enter_unreachable (VpndDecision *d, VpndCause cause)
{
  vpnd_decision_enter_error (d, cause);
  vpnd_decision_remember_wanted (d, d->state->profile, TRUE);
  if (cause == VPND_CAUSE_ENDPOINT)
    vpnd_decision_look_up_again (d);
}

/* What the state says of an attempt that begins now. */
static void
note_attempt (VpndDecision *d, VpndTunnelConfig *config, guint attempt, gboolean anew)
{
  VpndState *state = d->state;

  if (anew || vpnd_peer_way_is_other (state, d->context->facts))
    state->measured_mtu = 0;
  state->kind = VPND_STATE_CONNECTING;
  state->cause = VPND_CAUSE_NONE;
  state->lookups = 0;
  state->attempt = attempt;
  state->is_asked_again = FALSE;
  state->is_waiting = FALSE;
  g_clear_pointer (&state->config, vpnd_tunnel_config_unref);
  state->config = vpnd_tunnel_config_ref (config);
  vpnd_peer_way_note (state, d->context->facts);
}

/* What an attempt that begins now asks of the host. */
static void
ask_for_tunnel (VpndDecision *d, gboolean is_new_link)
{
  VpndState *state = d->state;
  g_autoptr (VpndRoutePlan) routes = vpnd_route_plan_build_measured (state->profile, d->context->settings, d->context->facts, state->measured_mtu);
  g_autoptr (VpndDnsPlan) dns = vpnd_dns_plan_build (state->profile, d->context->settings);
  gboolean is_first = state->attempt == 1;

  if (is_first)
    vpnd_decision_remember_wanted (d, state->profile, FALSE);
  if (is_new_link) /* wireguard-go comes up while the rules are made; a link that is down and has no address and no key carries nothing */
    vpnd_decision_make_link (d);
  vpnd_decision_want_policy (d, VPND_POLICY_CONNECTING, routes, dns, FALSE);
  if (!(state->host & VPND_HOST_SYSCTLS))
    {
      vpnd_decision_add_effect (d, VPND_EFFECT_SET_SYSCTLS);
      state->host |= VPND_HOST_SYSCTLS;
    }
  if (!is_new_link)
    vpnd_decision_forget_peers (d, state->config);
  if (is_first)
    vpnd_decision_end_sockets (d, routes, &state->config->bridge);
  vpnd_decision_configure (d, state->config);
  vpnd_decision_want_routes (d, routes);
  vpnd_decision_want_dns (d, dns, is_new_link);
  vpnd_decision_watch_establish (d, is_first ? VPND_ESTABLISH_AGAIN_MS : vpnd_establish_timeout_ms (state->attempt));
}

/**
 * vpnd_decision_connect_to:
 * @d: the decision
 * @wanted: the profile; may be the state's own
 * @attempt: which attempt, from 1
 * @anew: link and routes are made afresh
 *
 * Enters connecting: everything from the rules to the watch for the first handshake; or error, where the peer cannot be reached from this host. A device
 * keeps its port, for an answer may be on its way; a new one has another, in case somebody else has that of before.
 */
void
vpnd_decision_connect_to (VpndDecision *d, VpndProfile *wanted, guint attempt, gboolean anew)
{
  gboolean is_new_link = anew || !(d->state->host & VPND_HOST_LINK);
  VpndCause cause = vpnd_tunnel_plan_check (wanted, d->context->facts);
  g_autoptr (VpndTunnelConfig) config = NULL;
  guint16 port;

  vpnd_state_set_profile (d->state, wanted);
  if (cause != VPND_CAUSE_NONE)
    {
      enter_unreachable (d, cause);
      return;
    }
  port = is_new_link ? d->context->listen_port : d->state->config->listen_port;
  if (port == 0 && d->state->profile->listen_port == 0)
    {
      d->lacks_port = TRUE;
      return;
    }
  config = vpnd_tunnel_plan_build (d->state->profile, d->context->settings, d->context->facts, TRUE, port, &cause);
  note_attempt (d, config, attempt, anew);
  ask_for_tunnel (d, is_new_link);
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
