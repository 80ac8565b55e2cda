/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A tunnel that stays while something changes: network, settings, what goes beside it, the path, or what another program did to it.
 */
#include "config.h"

#include "transition-events.h"

#include "peer-way.h"
#include "transition-moves.h"
#include "tunnel-plan.h"

static VpndPolicyKind
get_policy_kind (const VpndState *state)
{
  return state->kind == VPND_STATE_CONNECTED ? VPND_POLICY_CONNECTED : VPND_POLICY_CONNECTING;
}

/* There is a device that knows its peer; else the attempt that is due makes all from what is known then. */
static gboolean
stands (const VpndState *state)
{
  return !state->is_waiting && state->config != NULL;
}

/* The plans of a tunnel that stays, after settings or facts have changed: only what differs. Rules come first, unless they are about to
 * let more through than before. */
static void
refresh_tunnel (VpndDecision *d, gboolean rules_loosen)
{
  VpndPolicyKind kind = get_policy_kind (d->state);
  g_autoptr (VpndRoutePlan) routes = vpnd_route_plan_build_measured (d->state->profile, d->context->settings, d->context->facts, d->state->measured_mtu);
  g_autoptr (VpndDnsPlan) dns = vpnd_dns_plan_build (d->state->profile, d->context->settings);

  if (!rules_loosen)
    vpnd_decision_want_policy (d, kind, routes, dns, FALSE);
  vpnd_decision_want_routes (d, routes);
  vpnd_decision_want_dns (d, dns, FALSE);
  if (rules_loosen)
    vpnd_decision_want_policy (d, kind, routes, dns, FALSE);
}

/* An error of the network follows what is missing of it now, from the one to the other. TRUE when nothing is any more. */
static gboolean
update_network_cause (VpndDecision *d)
{
  VpndCause cause;

  if (d->state->profile == NULL || (d->state->cause != VPND_CAUSE_OFFLINE && d->state->cause != VPND_CAUSE_FAMILY))
    return FALSE;
  cause = vpnd_tunnel_plan_check (d->state->profile, d->context->facts);
  if (cause == VPND_CAUSE_OFFLINE || cause == VPND_CAUSE_FAMILY)
    d->state->cause = cause;
  return cause == VPND_CAUSE_NONE;
}

/* An error that has gone with what changed of the network; else the host stays closed, by the rules for the network of now. */
static void
follow_network_closed (VpndDecision *d)
{
  if (update_network_cause (d))
    vpnd_decision_connect_to (d, d->state->profile, 1, TRUE);
  else
    vpnd_decision_want_blocked (d);
}

/* A tunnel on a network that has changed. When the way to the peer is another one the device is told anew where the peer is, also when that
 * is the same: wireguard-go would go on sending from an address that is gone. Then a packet tells the peer where we are. */
static void
follow_network (VpndDecision *d)
{
  VpndState *state = d->state;
  g_autoptr (VpndTunnelConfig) before = NULL;
  gboolean is_elsewhere;
  gboolean moved;
  VpndCause cause;

  if (!stands (state))
    return;
  before = vpnd_tunnel_config_ref (state->config);
  is_elsewhere = vpnd_peer_way_has_nearer_endpoint (state, d->context->facts);
  moved = is_elsewhere || vpnd_peer_way_has_moved (state, d->context->facts);
  if (is_elsewhere || vpnd_peer_way_is_other (state, d->context->facts))
    state->measured_mtu = 0;
  if (state->kind == VPND_STATE_CONNECTING && (is_elsewhere || vpnd_peer_way_is_lost (state, d->context->facts)))
    {
      vpnd_decision_connect_to (d, state->profile, state->attempt + 1, FALSE); /* what was sent the old way is lost */
      return;
    }
  if (!vpnd_decision_adopt_config (d, &cause))
    {
      vpnd_decision_enter_error (d, cause);
      return;
    }
  if (moved && state->config == before)
    vpnd_decision_configure (d, state->config);
  refresh_tunnel (d, FALSE);
  if (moved)
    vpnd_decision_add_effect (d, VPND_EFFECT_PROBE);
  if (moved && state->kind == VPND_STATE_CONNECTED)
    vpnd_decision_measure_path (d);
  vpnd_peer_way_note (state, d->context->facts);
}

static void
follow_settings (VpndDecision *d)
{
  VpndCause cause;

  if (stands (d->state) && vpnd_decision_adopt_config (d, &cause))
    refresh_tunnel (d, d->context->settings->allow_lan);
}

/* Rules alone: which way a packet goes is said by marks, for which there is a way in every plan. */
static void
follow_split (VpndDecision *d)
{
  if (d->state->config != NULL && d->state->routes != NULL)
    vpnd_decision_want_policy (d, get_policy_kind (d->state), d->state->routes, d->state->dns, FALSE);
}

/* A host that nobody wants protected has rules with lockdown, and where something is bound to a profile; those of before may have to go. */
static void
settle_again (VpndDecision *d)
{
  const VpndSplitPlan *split = vpnd_decision_get_split (d);

  if (d->context->settings->lockdown || d->state->ruleset != NULL || (split != NULL && vpnd_split_plan_has_class (split, VPND_SPLIT_BOUND)))
    vpnd_decision_settle_disconnected (d);
}

/* What each state does when something has changed that it was made from; NULL for nothing. */
static const struct
{
  void (*facts) (VpndDecision *d);
  void (*settings) (VpndDecision *d);
  void (*split) (VpndDecision *d);
} answers[] = {
  [VPND_STATE_DISCONNECTED] = { settle_again, settle_again, settle_again },
  [VPND_STATE_CONNECTING] = { follow_network, follow_settings, follow_split },
  [VPND_STATE_CONNECTED] = { follow_network, follow_settings, follow_split },
  [VPND_STATE_DISCONNECTING] = { NULL, NULL, NULL }, /* what follows is made from what is known then */
  [VPND_STATE_ERROR] = { follow_network_closed, vpnd_decision_want_blocked, vpnd_decision_want_blocked },
};
G_STATIC_ASSERT (G_N_ELEMENTS (answers) == VPND_N_STATES);

static void
answer (VpndDecision *d, void (*follow) (VpndDecision *d))
{
  if (follow != NULL)
    follow (d);
}

/**
 * vpnd_on_facts_changed:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_facts_changed (VpndDecision *d, const VpndEvent *event)
{
  answer (d, answers[d->state->kind].facts);
}

/**
 * vpnd_on_settings_changed:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_settings_changed (VpndDecision *d, const VpndEvent *event)
{
  answer (d, answers[d->state->kind].settings);
}

/**
 * vpnd_on_split_changed:
 * @d: the decision
 * @event: what happened
 */
void
vpnd_on_split_changed (VpndDecision *d, const VpndEvent *event)
{
  answer (d, answers[d->state->kind].split);
}

/**
 * vpnd_on_path_measured:
 * @d: the decision
 * @event: what happened
 *
 * The path is smaller than what is used. A peer that was lost meanwhile, or another way, has made the news stale.
 */
void
vpnd_on_path_measured (VpndDecision *d, const VpndEvent *event)
{
  if (d->state->kind != VPND_STATE_CONNECTED || d->state->config == NULL || event->mtu == 0)
    return;
  d->state->measured_mtu = event->mtu;
  refresh_tunnel (d, FALSE);
}

/**
 * vpnd_on_tampered:
 * @d: the decision
 * @event: what happened
 *
 * Another program changed the table: exactly what was asked for last is put back.
 */
void
vpnd_on_tampered (VpndDecision *d, const VpndEvent *event)
{
  VpndEffect *effect;

  if (d->state->ruleset == NULL)
    return;
  effect = vpnd_decision_add_effect (d, VPND_EFFECT_APPLY_RULESET);
  effect->ruleset = vpnd_ruleset_ref (d->state->ruleset);
}

/**
 * vpnd_on_disturbed:
 * @d: the decision
 * @event: what happened
 *
 * Another program changed what the tunnel needs: all of it is asked for once more; what is there already stays as it is. A failure leaves
 * the tunnel as it is, for whoever watches will find the same again.
 */
void
vpnd_on_disturbed (VpndDecision *d, const VpndEvent *event)
{
  VpndState *state = d->state;
  VpndEffect *effect;

  if (!vpnd_state_has_tunnel (state) || state->is_waiting || state->routes == NULL)
    return;
  if (state->host & VPND_HOST_SYSCTLS)
    vpnd_decision_add_cleanup (d, VPND_EFFECT_SET_SYSCTLS);
  effect = vpnd_decision_add_effect (d, VPND_EFFECT_APPLY_ROUTES);
  effect->keep_going = TRUE;
  effect->diff = vpnd_route_plan_diff (NULL, state->routes);
  state->host |= VPND_HOST_ROUTES;
}

/**
 * vpnd_on_dns_overwritten:
 * @d: the decision
 * @event: what happened
 *
 * The setting of ours is made anew. When that fails the tunnel stays: the rules let no question out beside it.
 */
void
vpnd_on_dns_overwritten (VpndDecision *d, const VpndEvent *event)
{
  VpndEffect *effect;

  if (!vpnd_state_has_tunnel (d->state) || d->state->is_waiting || !(d->state->host & VPND_HOST_DNS) || d->state->dns == NULL ||
      vpnd_dns_plan_is_empty (d->state->dns))
    return;
  effect = vpnd_decision_add_effect (d, VPND_EFFECT_APPLY_DNS);
  effect->keep_going = TRUE;
  effect->dns = vpnd_dns_plan_ref (d->state->dns);
}
