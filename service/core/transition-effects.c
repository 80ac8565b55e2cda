/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The words of core/transition-effects.h: each asks for effects, and notes in the state what then counts as asked for. Order within one decision is
 * the order of the calls.
 */
#include "config.h"

#include "transition-effects.h"

#include "tunnel-plan.h"

/**
 * vpnd_decision_add_effect:
 * @d: the decision
 * @kind: what to do
 *
 * Returns: (transfer none): the effect, to be completed
 */
VpndEffect *
vpnd_decision_add_effect (VpndDecision *d, VpndEffectKind kind)
{
  VpndEffect *effect = vpnd_effect_new (kind);

  g_ptr_array_add (d->effects, effect);
  return effect;
}

/**
 * vpnd_decision_add_cleanup:
 * @d: the decision
 * @kind: what to do
 *
 * Of taking down: its failure becomes a warning.
 */
void
vpnd_decision_add_cleanup (VpndDecision *d, VpndEffectKind kind)
{
  vpnd_decision_add_effect (d, kind)->keep_going = TRUE;
}

/**
 * vpnd_decision_get_split:
 * @d: the decision
 *
 * Returns: (nullable): what goes beside the tunnel, NULL for nothing
 */
const VpndSplitPlan *
vpnd_decision_get_split (VpndDecision *d)
{
  return d->state->is_split_refused || vpnd_split_plan_is_empty (d->context->split) ? NULL : d->context->split;
}

/**
 * vpnd_decision_want_ruleset:
 * @d: the decision
 * @ruleset: what is to be in force
 * @keep_going: a failure is no reason to leave the rest undone
 *
 * Asks for @ruleset, unless it was asked for already and nobody said since that it is not there.
 */
void
vpnd_decision_want_ruleset (VpndDecision *d, VpndRuleset *ruleset, gboolean keep_going)
{
  VpndEffect *effect;

  if (d->state->ruleset != NULL && vpnd_ruleset_equal (d->state->ruleset, ruleset))
    return;

  effect = vpnd_decision_add_effect (d, VPND_EFFECT_APPLY_RULESET);
  effect->keep_going = keep_going;
  effect->ruleset = vpnd_ruleset_ref (ruleset);
  g_clear_pointer (&d->state->ruleset, vpnd_ruleset_unref);
  d->state->ruleset = vpnd_ruleset_ref (ruleset);
}

/**
 * vpnd_decision_want_policy:
 * @d: the decision
 * @kind: of which state
 * @routes: (nullable): the routes that are about to be applied
 * @dns: (nullable): the DNS setting that is about to be applied
 * @keep_going: a failure is no reason to leave the rest undone
 *
 * Asks for the rules of @kind, unless they were asked for already and nobody said since that they are not there. The policy speaks of
 * the plans that are about to be applied, which are not always those in force.
 */
void
vpnd_decision_want_policy (VpndDecision *d, VpndPolicyKind kind, const VpndRoutePlan *routes, const VpndDnsPlan *dns, gboolean keep_going)
{
  VpndPolicyInput input = {
    .kind = kind,
    .config = d->state->config,
    .routes = routes,
    .dns = dns,
    .settings = d->context->settings,
    .facts = d->context->facts,
    .link_ifindex = d->context->link_ifindex,
    .split = vpnd_decision_get_split (d),
    .profile = d->state->profile != NULL ? d->state->profile->name : NULL,
  };
  g_autoptr (VpndRuleset) ruleset = vpnd_policy_build (&input);

  vpnd_decision_want_ruleset (d, ruleset, keep_going);
}

/**
 * vpnd_decision_end_sockets:
 * @d: the decision
 * @routes: (nullable): the routes that are about to be applied
 * @bridge: (nullable): a bridge whose connections stay
 *
 * Connections of before the lock cannot go on, and must not resume in the clear when it ends. That they could not be ended is told, and is
 * no reason to stay without a tunnel: the rules hold them.
 */
void
vpnd_decision_end_sockets (VpndDecision *d, const VpndRoutePlan *routes, const VpndBridge *bridge)
{
  VpndEffect *effect;

  if (!d->context->settings->destroy_sockets)
    return;
  effect = vpnd_decision_add_effect (d, VPND_EFFECT_END_SOCKETS);
  effect->keep_going = TRUE;
  effect->sockets = vpnd_socket_plan_build (routes, bridge, d->context->settings, d->context->facts, vpnd_decision_get_split (d));
}

/**
 * vpnd_decision_end_own_sockets:
 * @d: the decision
 *
 * Connections inside the tunnel end with it: one of IPv6 would go on with the tunnel's address, in the clear. After the link, so that no program begins
 * another one, and while the rules are still in force. In error they stay: the tunnel may come back for them.
 */
void
vpnd_decision_end_own_sockets (VpndDecision *d)
{
  VpndEffect *effect;

  if (d->state->profile == NULL || !d->context->settings->destroy_sockets)
    return;
  effect = vpnd_decision_add_effect (d, VPND_EFFECT_END_SOCKETS);
  effect->keep_going = TRUE;
  effect->sockets = vpnd_socket_plan_build_end (d->state->profile->addresses);
}

/**
 * vpnd_decision_want_blocked:
 * @d: the decision
 *
 * Closed: a failure is no reason to leave the rest undone, and it is tried again.
 */
void
vpnd_decision_want_blocked (VpndDecision *d)
{
  g_autoptr (VpndRoutePlan) routes = NULL;
  gboolean was_open = d->state->ruleset == NULL || !vpnd_ruleset_is_closed (d->state->ruleset);

  if (d->state->profile != NULL)
    routes = vpnd_route_plan_build (d->state->profile, d->context->settings, d->context->facts);
  vpnd_decision_want_policy (d, VPND_POLICY_BLOCKED, routes, NULL, TRUE);
  if (was_open)
    vpnd_decision_end_sockets (d, routes, NULL);
}

/**
 * vpnd_decision_want_no_policy:
 * @d: the decision
 *
 * Asks for no rules at all.
 */
void
vpnd_decision_want_no_policy (VpndDecision *d)
{
  g_clear_pointer (&d->state->ruleset, vpnd_ruleset_unref);
  vpnd_decision_add_cleanup (d, VPND_EFFECT_REMOVE_RULESET);
}

/**
 * vpnd_decision_tear_down:
 * @d: the decision
 * @what: bits of what may be on the host
 *
 * Takes everything but the rules off the host, in the reverse of the order in which it went there.
 */
void
vpnd_decision_tear_down (VpndDecision *d, guint what)
{
  static const struct
  {
    guint bit;
    VpndEffectKind kind;
  } inverses[] = {
    { VPND_HOST_DNS, VPND_EFFECT_RESTORE_DNS },
    { VPND_HOST_ROUTES, VPND_EFFECT_CLEAR_ROUTES },
    { VPND_HOST_LINK, VPND_EFFECT_DELETE_LINK },
    { VPND_HOST_SYSCTLS, VPND_EFFECT_RESTORE_SYSCTLS },
  };

  vpnd_decision_add_cleanup (d, VPND_EFFECT_WATCH_STOP);
  for (guint i = 0; i < G_N_ELEMENTS (inverses); i++)
    if (what & inverses[i].bit)
      vpnd_decision_add_cleanup (d, inverses[i].kind);

  d->state->host = 0;
  d->state->is_waiting = FALSE;
  d->state->attempt = 0;
  d->state->measured_mtu = 0;
  g_clear_pointer (&d->state->config, vpnd_tunnel_config_unref);
  g_clear_pointer (&d->state->routes, vpnd_route_plan_unref);
  g_clear_pointer (&d->state->dns, vpnd_dns_plan_unref);
}

/**
 * vpnd_decision_retry_after:
 * @d: the decision
 * @delay_ms: milliseconds from now
 *
 * Asks for the event RETRY.
 */
void
vpnd_decision_retry_after (VpndDecision *d, guint delay_ms)
{
  vpnd_decision_add_effect (d, VPND_EFFECT_RETRY_AFTER)->delay_ms = delay_ms;
  d->state->is_waiting = TRUE;
}

/**
 * vpnd_decision_watch_establish:
 * @d: the decision
 * @timeout_ms: milliseconds from now
 *
 * Asks for the event HANDSHAKE, or ESTABLISH_TIMEOUT, of sessions that begin now. What the watch of before has reported and nobody has heard yet counts no more.
 */
void
vpnd_decision_watch_establish (VpndDecision *d, guint timeout_ms)
{
  VpndEffect *effect = vpnd_decision_add_effect (d, VPND_EFFECT_WATCH_ESTABLISH);

  effect->delay_ms = timeout_ms;
  effect->watch = ++d->state->watch;
}

/**
 * vpnd_decision_watch_liveness:
 * @d: the decision
 *
 * Asks for the event PEER_LOST, of the sessions that have begun.
 */
void
vpnd_decision_watch_liveness (VpndDecision *d)
{
  vpnd_decision_add_effect (d, VPND_EFFECT_WATCH_LIVENESS)->watch = d->state->watch;
}

/**
 * vpnd_decision_remember_wanted:
 * @d: the decision
 * @profile: the profile
 * @keep_going: a failure is no reason to leave the rest undone
 *
 * An activation that could not be remembered is refused; a host that is closed already stays closed either way.
 */
void
vpnd_decision_remember_wanted (VpndDecision *d, VpndProfile *profile, gboolean keep_going)
{
  VpndEffect *effect = vpnd_decision_add_effect (d, VPND_EFFECT_SET_WANTED);

  effect->keep_going = keep_going;
  effect->profile = vpnd_profile_ref (profile);
}

/**
 * vpnd_decision_configure:
 * @d: the decision
 * @config: for the device
 *
 * Asks for the device to be set up.
 */
void
vpnd_decision_configure (VpndDecision *d, VpndTunnelConfig *config)
{
  vpnd_decision_add_effect (d, VPND_EFFECT_CONFIGURE_DEVICE)->config = vpnd_tunnel_config_ref (config);
}

/**
 * vpnd_decision_want_routes:
 * @d: the decision
 * @routes: the routes
 *
 * Asks for what differs from the routes of before.
 */
void
vpnd_decision_want_routes (VpndDecision *d, VpndRoutePlan *routes)
{
  g_autoptr (VpndRouteDiff) diff = vpnd_route_plan_diff (d->state->routes, routes);

  if (!vpnd_route_diff_is_empty (diff))
    {
      vpnd_decision_add_effect (d, VPND_EFFECT_APPLY_ROUTES)->diff = g_steal_pointer (&diff);
      d->state->host |= VPND_HOST_ROUTES;
    }
  vpnd_route_plan_ref (routes);
  g_clear_pointer (&d->state->routes, vpnd_route_plan_unref);
  d->state->routes = routes;
}

/**
 * vpnd_decision_want_dns:
 * @d: the decision
 * @dns: the DNS setting
 * @is_new_link: the link has no setting yet
 *
 * Asks for the setting, unless it is the one of before, or for none.
 */
void
vpnd_decision_want_dns (VpndDecision *d, VpndDnsPlan *dns, gboolean is_new_link)
{
  gboolean is_same = !is_new_link && d->state->dns != NULL && vpnd_dns_plan_equal (d->state->dns, dns);

  if (!is_same && !vpnd_dns_plan_is_empty (dns))
    {
      vpnd_decision_add_effect (d, VPND_EFFECT_APPLY_DNS)->dns = vpnd_dns_plan_ref (dns);
      d->state->host |= VPND_HOST_DNS;
    }
  else if (!is_same && (d->state->host & VPND_HOST_DNS))
    {
      vpnd_decision_add_cleanup (d, VPND_EFFECT_RESTORE_DNS); /* still counted as ours: an earlier effect may fail, and then this one is not performed */
    }
  vpnd_dns_plan_ref (dns);
  g_clear_pointer (&d->state->dns, vpnd_dns_plan_unref);
  d->state->dns = dns;
}

/**
 * vpnd_decision_make_link:
 * @d: the decision
 *
 * Routes go with the link that is replaced; the rules keep everything inside meanwhile.
 */
void
vpnd_decision_make_link (VpndDecision *d)
{
  if (d->state->host & VPND_HOST_ROUTES)
    vpnd_decision_add_cleanup (d, VPND_EFFECT_CLEAR_ROUTES);
  g_clear_pointer (&d->state->routes, vpnd_route_plan_unref);
  vpnd_decision_add_effect (d, VPND_EFFECT_CREATE_LINK)->backend = d->state->backend;
  d->state->host |= VPND_HOST_LINK;
}

/**
 * vpnd_decision_forget_peers:
 * @d: the decision
 * @config: of the device
 *
 * And with them their sessions: a peer that is told to the device again is asked for a handshake at once.
 */
void
vpnd_decision_forget_peers (VpndDecision *d, const VpndTunnelConfig *config)
{
  g_autoptr (VpndTunnelConfig) empty = vpnd_tunnel_plan_build_empty (config);

  vpnd_decision_configure (d, empty);
}
