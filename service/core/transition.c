/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The state machine of core/transition.h. One function an event; each works on a Decision, which is the state being made and
 * the effects so far. Order is the heart of it: rules tighten first, loosen last, and stand before the routes they protect.
 */
#include "config.h"

#include "transition.h"

#include "tunnel-plan.h"

#define LOOKUP_DOUBLINGS 5   /* 1 s to 32 s, which is cut to the longest */
#define TROUBLE_DOUBLINGS 5  /* the same */
#define CRASHES_THAT_BLOCK 2 /* two within a minute: whatever is done at start does not help */

typedef struct
{
  VpndState *state;
  GPtrArray *effects;
  const VpndContext *context;
} Decision;

static VpndEffect *
add_effect (Decision *d, VpndEffectKind kind)
{
  VpndEffect *effect = vpnd_effect_new (kind);

  g_ptr_array_add (d->effects, effect);
  return effect;
}

static void
add_cleanup (Decision *d, VpndEffectKind kind)
{
  add_effect (d, kind)->keep_going = TRUE;
}

static void
set_profile (VpndState *state, VpndProfile *profile)
{
  if (profile != NULL)
    vpnd_profile_ref (profile);
  g_clear_pointer (&state->profile, vpnd_profile_unref);
  state->profile = profile;
}

static void
clear_fallback (VpndState *state)
{
  state->is_activating = FALSE;
  state->fallback_kind = VPND_STATE_DISCONNECTED;
  state->fallback_cause = VPND_CAUSE_NONE;
  g_clear_pointer (&state->fallback, vpnd_profile_unref);
}

/* Asks for @ruleset, unless it was asked for already and nobody said since that it is not there. */
static void
want_ruleset (Decision *d, VpndRuleset *ruleset, gboolean keep_going)
{
  VpndEffect *effect;

  if (d->state->ruleset != NULL && vpnd_ruleset_equal (d->state->ruleset, ruleset))
    return;

  effect = add_effect (d, VPND_EFFECT_APPLY_RULESET);
  effect->keep_going = keep_going;
  effect->ruleset = vpnd_ruleset_ref (ruleset);
  g_clear_pointer (&d->state->ruleset, vpnd_ruleset_unref);
  d->state->ruleset = vpnd_ruleset_ref (ruleset);
}

static const VpndSplitPlan *
get_split (Decision *d)
{
  return d->state->is_split_refused || vpnd_split_plan_is_empty (d->context->split) ? NULL : d->context->split;
}

/* Asks for the rules of @kind, unless they were asked for already and nobody said since that they are not there. The policy speaks of
 * the plans that are about to be applied, which are not always those in force. */
static void
want_policy (Decision *d, VpndPolicyKind kind, const VpndRoutePlan *routes, const VpndDnsPlan *dns, gboolean keep_going)
{
  VpndPolicyInput input = {
    .kind = kind,
    .config = d->state->config,
    .routes = routes,
    .dns = dns,
    .settings = d->context->settings,
    .facts = d->context->facts,
    .link_ifindex = d->context->link_ifindex,
    .split = get_split (d),
    .profile = d->state->profile != NULL ? d->state->profile->name : NULL,
  };
  g_autoptr (VpndRuleset) ruleset = vpnd_policy_build (&input);

  want_ruleset (d, ruleset, keep_going);
}

/* Connections of before the lock cannot go on, and must not resume in the clear when it ends. That they could not be ended is told, and is
 * no reason to stay without a tunnel: the rules hold them. */
static void
end_sockets (Decision *d, const VpndRoutePlan *routes, const VpndBridge *bridge)
{
  VpndEffect *effect;

  if (!d->context->settings->destroy_sockets)
    return;
  effect = add_effect (d, VPND_EFFECT_END_SOCKETS);
  effect->keep_going = TRUE;
  effect->sockets = vpnd_socket_plan_build (routes, bridge, d->context->settings, d->context->facts, get_split (d));
}

/* Closed: a failure is no reason to leave the rest undone, and it is tried again. */
static void
want_blocked (Decision *d)
{
  g_autoptr (VpndRoutePlan) routes = NULL;
  gboolean was_open = d->state->ruleset == NULL || !vpnd_ruleset_is_closed (d->state->ruleset);

  if (d->state->profile != NULL)
    routes = vpnd_route_plan_build (d->state->profile, d->context->settings, d->context->facts);
  want_policy (d, VPND_POLICY_BLOCKED, routes, NULL, TRUE);
  if (was_open)
    end_sockets (d, routes, NULL);
}

static void
want_no_policy (Decision *d)
{
  g_clear_pointer (&d->state->ruleset, vpnd_ruleset_unref);
  add_cleanup (d, VPND_EFFECT_REMOVE_RULESET);
}

/* Takes everything but the rules off the host, in the reverse of the order in which it went there. */
static void
tear_down (Decision *d, guint what)
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

  add_cleanup (d, VPND_EFFECT_WATCH_STOP);
  for (guint i = 0; i < G_N_ELEMENTS (inverses); i++)
    if (what & inverses[i].bit)
      add_cleanup (d, inverses[i].kind);

  d->state->host = 0;
  d->state->is_waiting = FALSE;
  d->state->attempt = 0;
  d->state->measured_mtu = 0;
  g_clear_pointer (&d->state->config, vpnd_tunnel_config_unref);
  g_clear_pointer (&d->state->routes, vpnd_route_plan_unref);
  g_clear_pointer (&d->state->dns, vpnd_dns_plan_unref);
}

static void
retry_after (Decision *d, guint delay_ms)
{
  add_effect (d, VPND_EFFECT_RETRY_AFTER)->delay_ms = delay_ms;
  d->state->is_waiting = TRUE;
}

/* Trouble of the host that nobody tells us the end of: a service that was not up yet, a disk that was full. Whether it has gone is known by trying. */
static gboolean
is_tried_again (const VpndState *state)
{
  switch (state->cause)
    {
    case VPND_CAUSE_FIREWALL:
    case VPND_CAUSE_TUNNEL:
    case VPND_CAUSE_ROUTING:
    case VPND_CAUSE_DNS:
      return state->profile != NULL;
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

static void
try_again_later (Decision *d)
{
  if (!is_tried_again (d->state))
    return;
  retry_after (d, MIN (VPND_ATTEMPT_MIN_MS << MIN (d->state->failures, TROUBLE_DOUBLINGS), VPND_TROUBLE_MAX_MS));
  d->state->failures++;
}

/* Closed, with the reason. What was wanted stays wanted: the state may be left by itself when its cause goes. */
static void
enter_error (Decision *d, VpndCause cause)
{
  VpndState *state = d->state;
  guint host = state->host;

  state->kind = VPND_STATE_ERROR;
  state->cause = cause;
  clear_fallback (state);
  want_blocked (d);
  tear_down (d, host);
  try_again_later (d);
}

/* An activation that could not be remembered is refused; a host that is closed already stays closed either way. */
static void
remember_wanted (Decision *d, VpndProfile *profile, gboolean keep_going)
{
  VpndEffect *effect = add_effect (d, VPND_EFFECT_SET_WANTED);

  effect->keep_going = keep_going;
  effect->profile = vpnd_profile_ref (profile);
}

static void
configure (Decision *d, VpndTunnelConfig *config)
{
  add_effect (d, VPND_EFFECT_CONFIGURE_DEVICE)->config = vpnd_tunnel_config_ref (config);
}

static void
want_routes (Decision *d, VpndRoutePlan *routes)
{
  g_autoptr (VpndRouteDiff) diff = vpnd_route_plan_diff (d->state->routes, routes);

  if (!vpnd_route_diff_is_empty (diff))
    {
      add_effect (d, VPND_EFFECT_APPLY_ROUTES)->diff = g_steal_pointer (&diff);
      d->state->host |= VPND_HOST_ROUTES;
    }
  vpnd_route_plan_ref (routes);
  g_clear_pointer (&d->state->routes, vpnd_route_plan_unref);
  d->state->routes = routes;
}

static void
want_dns (Decision *d, VpndDnsPlan *dns, gboolean is_new_link)
{
  gboolean is_same = !is_new_link && d->state->dns != NULL && vpnd_dns_plan_equal (d->state->dns, dns);

  if (!is_same && !vpnd_dns_plan_is_empty (dns))
    {
      add_effect (d, VPND_EFFECT_APPLY_DNS)->dns = vpnd_dns_plan_ref (dns);
      d->state->host |= VPND_HOST_DNS;
    }
  else if (!is_same && (d->state->host & VPND_HOST_DNS))
    {
      add_cleanup (d, VPND_EFFECT_RESTORE_DNS); /* still counted as ours: an earlier effect may fail, and then this one is not performed */
    }
  vpnd_dns_plan_ref (dns);
  g_clear_pointer (&d->state->dns, vpnd_dns_plan_unref);
  d->state->dns = dns;
}

/* Routes go with the link that is replaced; the rules keep everything inside meanwhile. */
static void
make_link (Decision *d)
{
  if (d->state->host & VPND_HOST_ROUTES)
    add_cleanup (d, VPND_EFFECT_CLEAR_ROUTES);
  g_clear_pointer (&d->state->routes, vpnd_route_plan_unref);
  add_effect (d, VPND_EFFECT_CREATE_LINK)->backend = d->state->backend;
  d->state->host |= VPND_HOST_LINK;
}

/* And with them their sessions: a peer that is told to the device again is asked for a handshake at once. */
static void
forget_peers (Decision *d, VpndProfile *profile)
{
  g_autoptr (VpndTunnelConfig) empty = vpnd_tunnel_plan_build_empty (profile);

  configure (d, empty);
}

static void
note_way (Decision *d)
{
  d->state->way4 = d->context->facts->default4;
  d->state->way6 = d->context->facts->default6;
}

static gboolean
is_same_way (const VpndDefaultRoute *a, const VpndDefaultRoute *b)
{
  return a->present == b->present && a->ifindex == b->ifindex && vpnd_addr_equal (&a->gateway, &b->gateway);
}

/* The way itself is another, not only the addresses on it. Addresses come and go while a link comes up (SLAAC, DHCPv6), and a handshake that
 * was answered must not be thrown away for them: the peer answers no second one within 5 s. */
static gboolean
has_other_way (Decision *d)
{
  return !is_same_way (&d->state->way4, &d->context->facts->default4) || !is_same_way (&d->state->way6, &d->context->facts->default6);
}

/* The way to the peer is another one: another route, link or source address. */
static gboolean
has_moved (Decision *d)
{
  return !vpnd_default_route_equal (&d->state->way4, &d->context->facts->default4) ||
      !vpnd_default_route_equal (&d->state->way6, &d->context->facts->default6);
}

/* The name of the wanted server is not known. The host is closed, but not every resolver is behind its link: a file, a cache, a service that the
 * settings leave open to root. */
static void
look_up_again (Decision *d)
{
  add_effect (d, VPND_EFFECT_LOOK_UP)->delay_ms = MIN (VPND_LOOKUP_FIRST_MS << MIN (d->state->lookups, LOOKUP_DOUBLINGS), VPND_LOOKUP_MAX_MS);
  d->state->lookups++;
}

/* How large a packet may be is asked once the tunnel works, unless the user or the profile have said it. */
static void
measure_path (Decision *d)
{
  const VpndState *state = d->state;
  VpndPathProbe probe;

  if (state->routes == NULL || state->profile->mtu != 0 || d->context->settings->mtu != 0)
    return;
  vpnd_tunnel_plan_path_probe (state->profile, d->context->facts, &probe);
  probe.top = state->routes->mtu;
  add_effect (d, VPND_EFFECT_MEASURE_PATH)->path = g_memdup2 (&probe, sizeof probe);
}

/* Everything from the rules to the watch for the first handshake. With @anew, link and routes are made afresh. */
static void
connect_to (Decision *d, VpndProfile *wanted, guint attempt, gboolean anew)
{
  VpndState *state = d->state;
  gboolean is_new_link = anew || !(state->host & VPND_HOST_LINK);
  g_autoptr (VpndProfile) profile = vpnd_profile_ref (wanted); /* @wanted may be the state's own */
  g_autoptr (VpndTunnelConfig) config = NULL;
  g_autoptr (VpndRoutePlan) routes = NULL;
  g_autoptr (VpndDnsPlan) dns = NULL;
  VpndCause cause;

  config = vpnd_tunnel_plan_build (profile, d->context->settings, d->context->facts, TRUE, &cause);
  set_profile (state, profile);
  if (config == NULL)
    {
      enter_error (d, cause);
      remember_wanted (d, profile, TRUE);
      if (cause == VPND_CAUSE_ENDPOINT)
        look_up_again (d);
      return;
    }
  if (attempt == 1)
    remember_wanted (d, profile, FALSE);

  if (anew || has_other_way (d))
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
  note_way (d);
  if (is_new_link) /* wireguard-go comes up while the rules are made; a link that is down and has no address and no key carries nothing */
    make_link (d);
  want_policy (d, VPND_POLICY_CONNECTING, routes, dns, FALSE);
  if (!(state->host & VPND_HOST_SYSCTLS))
    {
      add_effect (d, VPND_EFFECT_SET_SYSCTLS);
      state->host |= VPND_HOST_SYSCTLS;
    }
  if (!is_new_link)
    forget_peers (d, profile);
  if (attempt == 1)
    end_sockets (d, routes, &state->config->bridge);
  configure (d, config);
  want_routes (d, routes);
  want_dns (d, dns, is_new_link);
  add_effect (d, VPND_EFFECT_WATCH_ESTABLISH)->delay_ms = attempt == 1 ? VPND_ESTABLISH_AGAIN_MS : vpnd_establish_timeout_ms (attempt);
}

/* One initiation that is lost, or that a peer drops because another one came just before it, would cost the whole first attempt: WireGuard
 * itself waits 5 s. A device that has forgotten its peers sends at once. */
static void
ask_again (Decision *d)
{
  d->state->is_asked_again = TRUE;
  forget_peers (d, d->state->profile);
  configure (d, d->state->config);
  add_effect (d, VPND_EFFECT_WATCH_ESTABLISH)->delay_ms = VPND_ESTABLISH_FIRST_MS - VPND_ESTABLISH_AGAIN_MS;
}

/* The rules of a host that nobody wants protected: none, or closed with lockdown. What is bound to a profile is refused as long as we are there. */
static void
settle_disconnected (Decision *d)
{
  g_autoptr (VpndRuleset) open = d->state->is_stopping ? NULL : vpnd_policy_build_open (get_split (d));

  if (d->context->settings->lockdown)
    want_blocked (d);
  else if (open != NULL)
    want_ruleset (d, open, TRUE);
  else
    want_no_policy (d);
}

/* Connections inside the tunnel end with it: one of IPv6 would go on with the tunnel's address, in the clear. After the link, so that no program begins
 * another one, and while the rules are still in force. In error they stay: the tunnel may come back for them. */
static void
end_own_sockets (Decision *d)
{
  VpndEffect *effect;

  if (d->state->profile == NULL || !d->context->settings->destroy_sockets)
    return;
  effect = add_effect (d, VPND_EFFECT_END_SOCKETS);
  effect->keep_going = TRUE;
  effect->sockets = vpnd_socket_plan_build_end (d->state->profile->addresses);
}

/* Takes the tunnel down; the rules of before stay in force until the end of it. */
static void
begin_disconnect (Decision *d, gboolean is_announced)
{
  guint host = d->state->host;

  d->state->kind = VPND_STATE_DISCONNECTING;
  d->state->cause = VPND_CAUSE_NONE;
  d->state->next = VPND_STATE_DISCONNECTED;
  d->state->is_announced = is_announced;
  clear_fallback (d->state);
  tear_down (d, host);
  end_own_sockets (d);
}

static void
roll_back (Decision *d)
{
  g_autoptr (VpndProfile) fallback = g_steal_pointer (&d->state->fallback);
  VpndStateKind kind = d->state->fallback_kind;
  VpndCause cause = d->state->fallback_cause;

  d->state->backend = d->state->fallback_backend; /* the setting may be what failed */
  clear_fallback (d->state);
  switch (kind)
    {
    case VPND_STATE_DISCONNECTED:
      begin_disconnect (d, FALSE);
      return;
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
    case VPND_STATE_DISCONNECTING:
      connect_to (d, fallback, 1, TRUE);
      return;
    case VPND_STATE_ERROR:
      set_profile (d->state, fallback);
      enter_error (d, cause);
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/* The plans of a tunnel that stays, after settings or facts have changed: only what differs. Rules come first, unless they are about to
 * let more through than before. */
static void
refresh_tunnel (Decision *d, gboolean rules_loosen)
{
  VpndPolicyKind kind = d->state->kind == VPND_STATE_CONNECTED ? VPND_POLICY_CONNECTED : VPND_POLICY_CONNECTING;
  g_autoptr (VpndRoutePlan) routes = vpnd_route_plan_build_measured (d->state->profile, d->context->settings, d->context->facts, d->state->measured_mtu);
  g_autoptr (VpndDnsPlan) dns = vpnd_dns_plan_build (d->state->profile, d->context->settings);

  if (!rules_loosen)
    want_policy (d, kind, routes, dns, FALSE);
  want_routes (d, routes);
  want_dns (d, dns, FALSE);
  if (rules_loosen)
    want_policy (d, kind, routes, dns, FALSE);
}

static gboolean
has_tunnel (const VpndState *state)
{
  return (state->kind == VPND_STATE_CONNECTING || state->kind == VPND_STATE_CONNECTED) && state->config != NULL;
}

/* The configuration for the settings and facts of now: TRUE when the tunnel as it is can stay. */
static gboolean
adopt_config (Decision *d, VpndCause *out_cause)
{
  g_autoptr (VpndTunnelConfig) config = vpnd_tunnel_plan_build (d->state->profile, d->context->settings, d->context->facts, d->state->kind == VPND_STATE_CONNECTING, out_cause);

  if (config == NULL)
    return FALSE;
  if (!vpnd_tunnel_config_equal (config, d->state->config))
    {
      configure (d, config);
      g_clear_pointer (&d->state->config, vpnd_tunnel_config_unref);
      d->state->config = g_steal_pointer (&config);
    }
  return TRUE;
}

static void
on_start (Decision *d, const VpndEvent *event)
{
  d->state->backend = d->context->settings->backend;
  set_profile (d->state, event->profile);
  switch (event->recovery)
    {
    case VPND_RECOVERY_BLOCK:
      d->state->host = VPND_HOST_ALL;
      enter_error (d, VPND_CAUSE_CRASHED);
      return;
    case VPND_RECOVERY_PROFILE:
      d->state->host = VPND_HOST_ALL;
      enter_error (d, VPND_CAUSE_PROFILE);
      return;
    case VPND_RECOVERY_SETTINGS:
      d->state->host = VPND_HOST_ALL;
      enter_error (d, VPND_CAUSE_SETTINGS);
      return;
    case VPND_RECOVERY_RECONNECT:
      want_blocked (d);
      d->state->kind = VPND_STATE_DISCONNECTING;
      d->state->next = VPND_STATE_CONNECTING;
      tear_down (d, VPND_HOST_ALL);
      return;
    case VPND_RECOVERY_NONE:
    case VPND_RECOVERY_RELEASE:
      set_profile (d->state, NULL);
      if (d->context->settings->lockdown)
        want_blocked (d);
      tear_down (d, VPND_HOST_ALL);
      if (!d->context->settings->lockdown)
        settle_disconnected (d);
      add_cleanup (d, VPND_EFFECT_CLEAR_WANTED);
      return;
    case VPND_N_RECOVERIES:
      break;
    }
  g_assert_not_reached ();
}

static void
on_activate (Decision *d, const VpndEvent *event)
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
  connect_to (d, event->profile, 1, TRUE);
}

static void
on_reconnect (Decision *d)
{
  d->state->failures = 0;
  if (vpnd_state_is_protected (d->state) && d->state->profile != NULL && d->state->kind != VPND_STATE_DISCONNECTING)
    connect_to (d, d->state->profile, 1, TRUE);
}

static void
on_deactivate (Decision *d)
{
  if (d->state->kind == VPND_STATE_DISCONNECTED)
    add_effect (d, VPND_EFFECT_EMIT_DISCONNECTED);
  else
    begin_disconnect (d, TRUE);
}

static void
on_effects_done (Decision *d)
{
  VpndState *state = d->state;

  switch (state->kind)
    {
    case VPND_STATE_DISCONNECTING:
      if (state->next == VPND_STATE_CONNECTING && state->profile != NULL)
        {
          connect_to (d, state->profile, 1, TRUE);
          return;
        }
      state->kind = VPND_STATE_DISCONNECTED;
      set_profile (state, NULL);
      settle_disconnected (d);
      add_cleanup (d, VPND_EFFECT_CLEAR_WANTED);
      if (state->is_announced)
        add_effect (d, VPND_EFFECT_EMIT_DISCONNECTED);
      return;
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
      clear_fallback (state);
      return;
    case VPND_STATE_DISCONNECTED:
    case VPND_STATE_ERROR:
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

static void
on_effect_failed (Decision *d, const VpndEvent *event)
{
  VpndState *state = d->state;
  gboolean is_new_refusal = FALSE;

  /* Which rules are in force is unknown now: they failed, or were not reached. Whatever comes next asks for them again. */
  g_clear_pointer (&state->ruleset, vpnd_ruleset_unref);

  if (event->effect == VPND_EFFECT_APPLY_RULESET && get_split (d) != NULL)
    state->is_split_refused = is_new_refusal = TRUE; /* what is beside the tunnel may be what the kernel refuses; it goes by the tunnel then */

  switch (state->kind)
    {
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
      if (is_new_refusal)
        connect_to (d, state->profile, 1, TRUE);
      else if (state->is_activating)
        roll_back (d);
      else
        enter_error (d, vpnd_effect_info (event->effect)->cause);
      return;
    case VPND_STATE_DISCONNECTING:
      if (state->next == VPND_STATE_CONNECTING)
        enter_error (d, vpnd_effect_info (event->effect)->cause);
      return;
    case VPND_STATE_DISCONNECTED:
    case VPND_STATE_ERROR:
      retry_after (d, VPND_ATTEMPT_MIN_MS); /* the rules that belong to the state are not what they should be */
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

static void
on_handshake (Decision *d)
{
  VpndState *state = d->state;
  VpndCause cause;

  if (state->kind != VPND_STATE_CONNECTING || state->is_waiting || state->config == NULL)
    return;

  state->kind = VPND_STATE_CONNECTED;
  state->attempt = 0;
  state->failures = 0;
  want_policy (d, VPND_POLICY_CONNECTED, state->routes, state->dns, FALSE);
  add_effect (d, VPND_EFFECT_EMIT_CONNECTED)->text = g_strdup (vpnd_profile_primary_peer (state->profile)->public_key_text);
  (void) adopt_config (d, &cause); /* what only served the first handshake; a host that went offline this instant is told by the facts */
  add_effect (d, VPND_EFFECT_WATCH_LIVENESS);
  measure_path (d);
}

static void
on_establish_timeout (Decision *d)
{
  VpndState *state = d->state;

  if (state->kind != VPND_STATE_CONNECTING || state->is_waiting || state->config == NULL)
    return;
  if (state->attempt == 1 && !state->is_asked_again)
    ask_again (d);
  else
    connect_to (d, state->profile, state->attempt + 1, FALSE);
}

static void
on_peer_lost (Decision *d)
{
  if (d->state->kind == VPND_STATE_CONNECTED)
    connect_to (d, d->state->profile, 1, FALSE);
}

/* The device died by itself. A new one is made, but not sooner than an attempt lasts: one that dies at once must not spin. */
static void
on_link_lost (Decision *d)
{
  VpndState *state = d->state;

  if (!has_tunnel (state) || state->is_waiting)
    return;
  if (d->context->attempt_age_ms >= VPND_ATTEMPT_MIN_MS)
    {
      connect_to (d, state->profile, state->attempt + 1, TRUE);
      return;
    }

  state->kind = VPND_STATE_CONNECTING;
  state->attempt++;
  want_policy (d, VPND_POLICY_CONNECTING, state->routes, state->dns, FALSE);
  add_cleanup (d, VPND_EFFECT_WATCH_STOP);
  retry_after (d, VPND_ATTEMPT_MIN_MS - d->context->attempt_age_ms);
}

static void
on_retry (Decision *d)
{
  VpndState *state = d->state;

  if (!state->is_waiting)
    return;

  state->is_waiting = FALSE;
  switch (state->kind)
    {
    case VPND_STATE_CONNECTING:
      connect_to (d, state->profile, MAX (state->attempt, 1), TRUE);
      return;
    case VPND_STATE_ERROR:
      if (state->ruleset != NULL && is_tried_again (state))
        {
          connect_to (d, state->profile, 1, TRUE);
          return;
        }
      want_blocked (d); /* the rules first: they may be what failed */
      try_again_later (d);
      return;
    case VPND_STATE_DISCONNECTED:
      settle_disconnected (d);
      return;
    case VPND_STATE_CONNECTED:
    case VPND_STATE_DISCONNECTING:
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/* An error of the network follows what is missing of it now, from the one to the other. TRUE when nothing is any more. */
static gboolean
update_network_cause (Decision *d)
{
  g_autoptr (VpndTunnelConfig) config = NULL;
  VpndCause cause;

  if (d->state->profile == NULL || (d->state->cause != VPND_CAUSE_OFFLINE && d->state->cause != VPND_CAUSE_FAMILY))
    return FALSE;
  config = vpnd_tunnel_plan_build (d->state->profile, d->context->settings, d->context->facts, TRUE, &cause);
  if (config == NULL && (cause == VPND_CAUSE_OFFLINE || cause == VPND_CAUSE_FAMILY))
    d->state->cause = cause;
  return config != NULL;
}

static void
on_looked_up (Decision *d, const VpndEvent *event)
{
  if (d->state->kind != VPND_STATE_ERROR || d->state->cause != VPND_CAUSE_ENDPOINT || d->state->profile == NULL)
    return;
  if (event->profile == NULL)
    look_up_again (d);
  else
    connect_to (d, event->profile, 1, TRUE);
}

/* A tunnel on a network that has changed. When the way to the peer is another one the device is told anew where the peer is, also when that
 * is the same: wireguard-go would go on sending from an address that is gone. Then a packet tells the peer where we are. */
static void
follow_network (Decision *d)
{
  VpndState *state = d->state;
  g_autoptr (VpndTunnelConfig) before = vpnd_tunnel_config_ref (state->config);
  gboolean moved = has_moved (d);
  VpndCause cause;

  if (moved && state->kind == VPND_STATE_CONNECTING && has_other_way (d))
    {
      connect_to (d, state->profile, state->attempt + 1, FALSE); /* what was sent the old way is lost */
      return;
    }
  if (!adopt_config (d, &cause))
    {
      enter_error (d, cause);
      return;
    }
  if (moved && state->config == before)
    configure (d, state->config);
  if (has_other_way (d))
    state->measured_mtu = 0;
  refresh_tunnel (d, FALSE);
  if (moved)
    add_effect (d, VPND_EFFECT_PROBE);
  if (moved && state->kind == VPND_STATE_CONNECTED)
    measure_path (d);
  note_way (d);
}

static void
on_facts_changed (Decision *d)
{
  VpndState *state = d->state;

  switch (state->kind)
    {
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
      if (!state->is_waiting && state->config != NULL)
        follow_network (d);
      return;
    case VPND_STATE_ERROR:
      if (update_network_cause (d))
        connect_to (d, state->profile, 1, TRUE);
      else
        want_blocked (d);
      return;
    case VPND_STATE_DISCONNECTED:
      if (d->context->settings->lockdown)
        want_blocked (d);
      return;
    case VPND_STATE_DISCONNECTING:
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

static void
on_settings_changed (Decision *d)
{
  VpndState *state = d->state;
  VpndCause cause;

  switch (state->kind)
    {
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
      if (!state->is_waiting && state->config != NULL && adopt_config (d, &cause))
        refresh_tunnel (d, d->context->settings->allow_lan);
      return;
    case VPND_STATE_ERROR:
      want_blocked (d);
      return;
    case VPND_STATE_DISCONNECTED:
      if (d->context->settings->lockdown || state->ruleset != NULL)
        settle_disconnected (d);
      return;
    case VPND_STATE_DISCONNECTING:
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/* Rules alone: which way a packet goes is said by marks, for which there is a way in every plan. */
static void
on_split_changed (Decision *d)
{
  VpndState *state = d->state;
  const VpndSplitPlan *split = get_split (d);

  switch (state->kind)
    {
    case VPND_STATE_CONNECTING:
    case VPND_STATE_CONNECTED:
      if (state->config != NULL && state->routes != NULL)
        want_policy (d, state->kind == VPND_STATE_CONNECTED ? VPND_POLICY_CONNECTED : VPND_POLICY_CONNECTING, state->routes, state->dns, FALSE);
      return;
    case VPND_STATE_ERROR:
      want_blocked (d);
      return;
    case VPND_STATE_DISCONNECTED:
      if (d->context->settings->lockdown || state->ruleset != NULL || (split != NULL && vpnd_split_plan_has_class (split, VPND_SPLIT_BOUND)))
        settle_disconnected (d);
      return;
    case VPND_STATE_DISCONNECTING:
      return;
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

/* Another program changed the table: exactly what was asked for last is put back. */
static void
on_tampered (Decision *d)
{
  VpndEffect *effect;

  if (d->state->ruleset == NULL)
    return;
  effect = add_effect (d, VPND_EFFECT_APPLY_RULESET);
  effect->ruleset = vpnd_ruleset_ref (d->state->ruleset);
}

/* Another program changed what the tunnel needs: all of it is asked for once more; what is there already stays as it is. A failure leaves
 * the tunnel as it is, for whoever watches will find the same again. */
static void
on_disturbed (Decision *d)
{
  VpndState *state = d->state;
  VpndEffect *effect;

  if (!has_tunnel (state) || state->is_waiting || state->routes == NULL)
    return;
  if (state->host & VPND_HOST_SYSCTLS)
    add_cleanup (d, VPND_EFFECT_SET_SYSCTLS);
  effect = add_effect (d, VPND_EFFECT_APPLY_ROUTES);
  effect->keep_going = TRUE;
  effect->diff = vpnd_route_plan_diff (NULL, state->routes);
  state->host |= VPND_HOST_ROUTES;
}

/* The setting of ours is made anew. When that fails the tunnel stays: the rules let no question out beside it. */
static void
on_dns_overwritten (Decision *d)
{
  VpndEffect *effect;

  if (!has_tunnel (d->state) || d->state->is_waiting || !(d->state->host & VPND_HOST_DNS) || d->state->dns == NULL ||
      vpnd_dns_plan_is_empty (d->state->dns))
    return;
  effect = add_effect (d, VPND_EFFECT_APPLY_DNS);
  effect->keep_going = TRUE;
  effect->dns = vpnd_dns_plan_ref (d->state->dns);
}

/* The path is smaller than what is used. A peer that was lost meanwhile, or another way, has made the news stale. */
static void
on_path_measured (Decision *d, guint32 mtu)
{
  if (d->state->kind != VPND_STATE_CONNECTED || d->state->config == NULL || mtu == 0)
    return;
  d->state->measured_mtu = mtu;
  refresh_tunnel (d, FALSE);
}

/* After a sleep the peer may have forgotten the session, and a NAT the way: a new handshake says more, and sooner, than waiting for silence.
 * The link stays, and with it what programs have open. */
static void
on_resumed (Decision *d)
{
  VpndState *state = d->state;

  if (has_tunnel (state) && !state->is_waiting &&
      (state->kind == VPND_STATE_CONNECTED || d->context->attempt_age_ms >= VPND_ATTEMPT_MIN_MS))
    connect_to (d, state->profile, 1, FALSE);
}

static void
on_stop (Decision *d, const VpndEvent *event)
{
  guint host = d->state->host;

  d->state->is_stopping = TRUE;
  if (!event->keep_rules && d->state->kind == VPND_STATE_DISCONNECTED)
    {
      if (d->state->ruleset != NULL)
        settle_disconnected (d);
      return;
    }
  if (!event->keep_rules)
    {
      begin_disconnect (d, TRUE);
      return;
    }
  want_blocked (d);
  d->state->kind = VPND_STATE_ERROR;
  d->state->cause = VPND_CAUSE_NONE;
  clear_fallback (d->state);
  tear_down (d, host);
}

/**
 * vpnd_transition:
 * @state: where we are
 * @event: what happened
 * @context: what is known besides
 * @out_effects: (out) (transfer full) (element-type VpndEffect): what to do, in order; may be empty
 *
 * Decides. Total: every event is legal in every state; one that says nothing there changes nothing.
 *
 * Returns: (transfer full): the next state
 */
VpndState *
vpnd_transition (const VpndState *state, const VpndEvent *event, const VpndContext *context, GPtrArray **out_effects)
{
  Decision decision = {
    .state = vpnd_state_copy (state),
    .effects = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_effect_free),
    .context = context,
  };

  switch (event->kind)
    {
    case VPND_EVENT_START:
      on_start (&decision, event);
      break;
    case VPND_EVENT_ACTIVATE:
      on_activate (&decision, event);
      break;
    case VPND_EVENT_RECONNECT:
      on_reconnect (&decision);
      break;
    case VPND_EVENT_DEACTIVATE:
      on_deactivate (&decision);
      break;
    case VPND_EVENT_EFFECTS_DONE:
      on_effects_done (&decision);
      break;
    case VPND_EVENT_EFFECT_FAILED:
      on_effect_failed (&decision, event);
      break;
    case VPND_EVENT_HANDSHAKE:
      on_handshake (&decision);
      break;
    case VPND_EVENT_ESTABLISH_TIMEOUT:
      on_establish_timeout (&decision);
      break;
    case VPND_EVENT_PEER_LOST:
      on_peer_lost (&decision);
      break;
    case VPND_EVENT_LINK_LOST:
      on_link_lost (&decision);
      break;
    case VPND_EVENT_RETRY:
      on_retry (&decision);
      break;
    case VPND_EVENT_LOOKED_UP:
      on_looked_up (&decision, event);
      break;
    case VPND_EVENT_FACTS_CHANGED:
      on_facts_changed (&decision);
      break;
    case VPND_EVENT_SETTINGS_CHANGED:
      on_settings_changed (&decision);
      break;
    case VPND_EVENT_SPLIT_CHANGED:
      on_split_changed (&decision);
      break;
    case VPND_EVENT_TAMPERED:
      on_tampered (&decision);
      break;
    case VPND_EVENT_DISTURBED:
      on_disturbed (&decision);
      break;
    case VPND_EVENT_DNS_OVERWRITTEN:
      on_dns_overwritten (&decision);
      break;
    case VPND_EVENT_PATH_MEASURED:
      on_path_measured (&decision, event->mtu);
      break;
    case VPND_EVENT_SUSPENDING:
      break; /* its turn has come, so all that was decided before it is done */
    case VPND_EVENT_RESUMED:
      on_resumed (&decision);
      break;
    case VPND_EVENT_STOP:
      on_stop (&decision, event);
      break;
    case VPND_N_EVENTS:
      g_assert_not_reached ();
    }

  *out_effects = decision.effects;
  return decision.state;
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

/**
 * vpnd_event_name:
 * @kind: an event
 *
 * Returns: (transfer none): its name for logs and tests
 */
const char *
vpnd_event_name (VpndEventKind kind)
{
  static const char *const names[] = {
    [VPND_EVENT_START] = "start",
    [VPND_EVENT_ACTIVATE] = "activate",
    [VPND_EVENT_RECONNECT] = "reconnect",
    [VPND_EVENT_DEACTIVATE] = "deactivate",
    [VPND_EVENT_EFFECTS_DONE] = "effects-done",
    [VPND_EVENT_EFFECT_FAILED] = "effect-failed",
    [VPND_EVENT_HANDSHAKE] = "handshake",
    [VPND_EVENT_ESTABLISH_TIMEOUT] = "establish-timeout",
    [VPND_EVENT_PEER_LOST] = "peer-lost",
    [VPND_EVENT_LINK_LOST] = "link-lost",
    [VPND_EVENT_RETRY] = "retry",
    [VPND_EVENT_LOOKED_UP] = "looked-up",
    [VPND_EVENT_FACTS_CHANGED] = "facts-changed",
    [VPND_EVENT_SETTINGS_CHANGED] = "settings-changed",
    [VPND_EVENT_SPLIT_CHANGED] = "split-changed",
    [VPND_EVENT_TAMPERED] = "tampered",
    [VPND_EVENT_DISTURBED] = "disturbed",
    [VPND_EVENT_DNS_OVERWRITTEN] = "dns-overwritten",
    [VPND_EVENT_PATH_MEASURED] = "path-measured",
    [VPND_EVENT_SUSPENDING] = "suspending",
    [VPND_EVENT_RESUMED] = "resumed",
    [VPND_EVENT_STOP] = "stop",
  };
  G_STATIC_ASSERT (G_N_ELEMENTS (names) == VPND_N_EVENTS);

  return names[kind];
}
