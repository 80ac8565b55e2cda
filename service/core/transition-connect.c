/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Towards a tunnel: one attempt after the other, from the rules to the first handshake, and the events that begin one.
 */
#include "config.h"

#include "transition-private.h"

#include "tunnel-plan.h"

#define LOOKUP_DOUBLINGS 5 /* 1 s to 32 s, which is cut to the longest */

/**
 * vpnd_decision_note_way:
 * @d: the decision
 *
 * Remembers the way to the peer as it is now.
 */
void
vpnd_decision_note_way (VpndDecision *d)
{
  d->state->way4 = d->context->facts->default4;
  d->state->way6 = d->context->facts->default6;
}

static gboolean
is_same_way (const VpndDefaultRoute *a, const VpndDefaultRoute *b)
{
  return a->present == b->present && a->ifindex == b->ifindex && vpnd_addr_equal (&a->gateway, &b->gateway);
}

/* Whether packets of the transport leave this host by @family, as the device was told. */
static gboolean
is_used (const VpndTunnelConfig *config, int family)
{
  if (vpnd_bridge_is_set (&config->bridge))
    return config->bridge.service.endpoint.addr.family == family;
  for (guint i = 0; i < config->peers->len; i++)
    if (((const VpndTunnelPeer *) g_ptr_array_index (config->peers, i))->endpoint.addr.family == family)
      return TRUE;
  return FALSE;
}

/**
 * vpnd_decision_has_lost_way:
 * @d: the decision, with a configuration
 *
 * What a device that has not been answered yet has sent went by a way that is no more.
 *
 * Returns: TRUE when it did
 */
gboolean
vpnd_decision_has_lost_way (VpndDecision *d)
{
  const VpndState *state = d->state;

  return (is_used (state->config, AF_INET) && !is_same_way (&state->way4, &d->context->facts->default4)) ||
      (is_used (state->config, AF_INET6) && !is_same_way (&state->way6, &d->context->facts->default6));
}

/**
 * vpnd_decision_has_other_way:
 * @d: the decision
 *
 * The way itself is another, not only the addresses on it. Addresses come and go while a link comes up (SLAAC, DHCPv6), and a handshake that
 * was answered must not be thrown away for them: the peer answers no second one within 5 s.
 *
 * Returns: TRUE when it is
 */
gboolean
vpnd_decision_has_other_way (VpndDecision *d)
{
  return !is_same_way (&d->state->way4, &d->context->facts->default4) || !is_same_way (&d->state->way6, &d->context->facts->default6);
}

/**
 * vpnd_decision_has_moved:
 * @d: the decision
 *
 * The way to the peer is another one: another route, link or source address. Of either family: the device follows the packets of the peer, and may have its other address by now.
 *
 * Returns: TRUE when it is
 */
gboolean
vpnd_decision_has_moved (VpndDecision *d)
{
  return !vpnd_default_route_equal (&d->state->way4, &d->context->facts->default4) ||
      !vpnd_default_route_equal (&d->state->way6, &d->context->facts->default6);
}

/* The name of the wanted server is not known. The host is closed, but not every resolver is behind its link: a file, a cache, a service that the
 * settings leave open to root. */
static void
look_up_again (VpndDecision *d)
{
  vpnd_decision_add_effect (d, VPND_EFFECT_LOOK_UP)->delay_ms = MIN (VPND_LOOKUP_FIRST_MS << MIN (d->state->lookups, LOOKUP_DOUBLINGS), VPND_LOOKUP_MAX_MS);
  d->state->lookups++;
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
 * vpnd_decision_connect_to:
 * @d: the decision
 * @wanted: the profile; may be the state's own
 * @attempt: which attempt, from 1
 * @anew: link and routes are made afresh
 *
 * Everything from the rules to the watch for the first handshake. With @anew, link and routes are made afresh.
 */
void
vpnd_decision_connect_to (VpndDecision *d, VpndProfile *wanted, guint attempt, gboolean anew)
{
  VpndState *state = d->state;
  gboolean is_new_link = anew || !(state->host & VPND_HOST_LINK);
  g_autoptr (VpndProfile) profile = vpnd_profile_ref (wanted); /* @wanted may be the state's own */
  g_autoptr (VpndTunnelConfig) config = NULL;
  g_autoptr (VpndRoutePlan) routes = NULL;
  g_autoptr (VpndDnsPlan) dns = NULL;
  VpndCause cause;

  config = vpnd_tunnel_plan_build (profile, d->context->settings, d->context->facts, TRUE, vpnd_decision_get_listen_port (d, is_new_link), &cause);
  vpnd_state_set_profile (state, profile);
  if (config == NULL)
    {
      vpnd_decision_enter_error (d, cause);
      vpnd_decision_remember_wanted (d, profile, TRUE);
      if (cause == VPND_CAUSE_ENDPOINT)
        look_up_again (d);
      return;
    }
  if (attempt == 1)
    vpnd_decision_remember_wanted (d, profile, FALSE);

  if (anew || vpnd_decision_has_other_way (d))
    state->measured_mtu = 0;
  routes = vpnd_route_plan_build_measured (profile, d->context->settings, d->context->facts, state->measured_mtu);
  dns = vpnd_dns_plan_build (profile, d->context->settings);
  state->kind = VPND_STATE_CONNECTING;
  state->cause = VPND_CAUSE_NONE;
  state->lookups = 0;
  state->attempt = attempt;
  state->is_asked_again = FALSE;
  state->is_waiting = FALSE;

  g_clear_pointer (&state->config, vpnd_tunnel_config_unref);
  state->config = vpnd_tunnel_config_ref (config);
  vpnd_decision_note_way (d);
  if (is_new_link) /* wireguard-go comes up while the rules are made; a link that is down and has no address and no key carries nothing */
    vpnd_decision_make_link (d);
  vpnd_decision_want_policy (d, VPND_POLICY_CONNECTING, routes, dns, FALSE);
  if (!(state->host & VPND_HOST_SYSCTLS))
    {
      vpnd_decision_add_effect (d, VPND_EFFECT_SET_SYSCTLS);
      state->host |= VPND_HOST_SYSCTLS;
    }
  if (!is_new_link)
    vpnd_decision_forget_peers (d, config);
  if (attempt == 1)
    vpnd_decision_end_sockets (d, routes, &state->config->bridge);
  vpnd_decision_configure (d, config);
  vpnd_decision_want_routes (d, routes);
  vpnd_decision_want_dns (d, dns, is_new_link);
  vpnd_decision_add_effect (d, VPND_EFFECT_WATCH_ESTABLISH)->delay_ms = attempt == 1 ? VPND_ESTABLISH_AGAIN_MS : vpnd_establish_timeout_ms (attempt);
}

/* One initiation that is lost, or that a peer drops because another one came just before it, would cost the whole first attempt: WireGuard
 * itself waits 5 s. A device that has forgotten its peers sends at once. */
static void
ask_again (VpndDecision *d)
{
  d->state->is_asked_again = TRUE;
  vpnd_decision_forget_peers (d, d->state->config);
  vpnd_decision_configure (d, d->state->config);
  vpnd_decision_add_effect (d, VPND_EFFECT_WATCH_ESTABLISH)->delay_ms = VPND_ESTABLISH_FIRST_MS - VPND_ESTABLISH_AGAIN_MS;
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
  vpnd_decision_add_effect (d, VPND_EFFECT_WATCH_LIVENESS);
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
    look_up_again (d);
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
