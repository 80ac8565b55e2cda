/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The laws of the state machine, over random walks: a model host performs the effects, any of which may fail, and after
 * each step the laws of docs/architecture.md are checked on it.
 */
#include "config.h"

#include "random-values.h"
#include "reserved.h"
#include "ruleset-eval.h"
#include "transition-moves.h"
#include "transition.h"
#include "tunnel-plan.h"

#include <string.h>

#define WALKS 600
#define STEPS 60

/* The host as the effects leave it. */
typedef struct
{
  VpndState *state;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndSplitPlan *split; /* NULL for nothing beside the tunnel */
  VpndRuleset *ruleset; /* in force; NULL for none */
  gboolean link;
  gboolean routes;
  gboolean sysctls;
  gboolean dns;
  gboolean wanted;
  gboolean is_watching;
  guint watch;     /* what its reports carry */
  gboolean is_due; /* a retry */
  gboolean ruleset_failed;
  guint connected;
  guint disconnected;
} World;

static void
world_clear (World *world)
{
  vpnd_state_unref (world->state);
  vpnd_settings_unref (world->settings);
  vpnd_facts_unref (world->facts);
  vpnd_split_plan_unref (world->split);
  vpnd_ruleset_unref (world->ruleset);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

static void
set_ruleset (World *world, VpndRuleset *ruleset)
{
  if (ruleset != NULL)
    vpnd_ruleset_ref (ruleset);
  g_clear_pointer (&world->ruleset, vpnd_ruleset_unref);
  world->ruleset = ruleset;
}

static gboolean
is_closed (const World *world)
{
  return world->ruleset != NULL && vpnd_ruleset_is_closed (world->ruleset);
}

/* Packets that nobody wants beside the tunnel, of a program that is in no class, or in the one that is inside the tunnel or nowhere. */
static gboolean
accepts_by_default (const World *world, const VpndRuleset *ruleset)
{
  for (guint i = 0; i < 8; i++)
    {
      Packet packet = { .iifname = "", .oifname = "eth0", .l4proto = IPPROTO_TCP, .dport = 443, .uid = 77, .destination = random_public_addr (i % 2 ? AF_INET : AF_INET6) };

      packet.source = packet.destination;
      packet.cgroups[SPLIT_LEVEL] = random_boolean (2) ? SPLIT_ID_INCLUDED : SPLIT_ID_NONE;
      if (world->split != NULL && vpnd_split_plan_is_beside (world->split, packet.cgroups[SPLIT_LEVEL], packet.uid, &packet.destination))
        continue;
      if (ruleset_eval (ruleset, VPND_HOOK_OUTPUT, &packet) == FATE_ACCEPT)
        return TRUE;
    }
  return FALSE;
}

/* What the peers of @config answer comes in by the rules that are in force. */
static void
assert_port_is_open (const World *world, const VpndTunnelConfig *config)
{
  for (guint i = 0; i < config->peers->len && !vpnd_bridge_is_set (&config->bridge); i++)
    {
      const VpndEndpoint *peer = &((const VpndTunnelPeer *) g_ptr_array_index (config->peers, i))->endpoint;
      Packet answer = { .iifname = "eth0", .oifname = "", .l4proto = IPPROTO_UDP, .source = peer->addr, .sport = peer->port, .dport = config->listen_port, .is_established = peer->addr.family == AF_INET6 };

      answer.destination = random_public_addr (peer->addr.family);
      if (vpnd_addr_is_set (&peer->addr))
        g_assert_cmpint (ruleset_eval (world->ruleset, VPND_HOOK_INPUT, &answer), ==, FATE_ACCEPT);
    }
}

static guint16
random_listen_port (void)
{
  return (guint16) g_test_rand_int_range (VPND_LISTEN_PORT_FIRST, VPND_LISTEN_PORT_LAST + 1);
}

/* L3 and L4 hold at the moment of each effect, not only at the end. */
static void
perform (World *world, const VpndEffect *effect)
{
  switch (effect->kind)
    {
    case VPND_EFFECT_SET_WANTED:
      g_assert_nonnull (effect->profile);
      world->wanted = TRUE;
      return;
    case VPND_EFFECT_CLEAR_WANTED:
      world->wanted = FALSE;
      return;
    case VPND_EFFECT_APPLY_RULESET:
      g_assert_nonnull (effect->ruleset);
      if (vpnd_ruleset_is_closed (effect->ruleset))
        g_assert_false (accepts_by_default (world, effect->ruleset)); /* L2: no ruleset of ours does */
      else
        g_assert_true (world->state->kind == VPND_STATE_DISCONNECTED && !world->settings->lockdown && !world->link && !world->routes && !world->dns);
      set_ruleset (world, effect->ruleset);
      world->ruleset_failed = FALSE;
      return;
    case VPND_EFFECT_REMOVE_RULESET:
      g_assert_false (world->link || world->routes || world->dns || world->sysctls); /* L4: loosening comes last */
      set_ruleset (world, NULL);
      return;
    case VPND_EFFECT_SET_SYSCTLS:
      world->sysctls = TRUE;
      return;
    case VPND_EFFECT_RESTORE_SYSCTLS:
      world->sysctls = FALSE;
      return;
    case VPND_EFFECT_CREATE_LINK:
      world->link = TRUE; /* down, without address, key and route: it carries nothing */
      return;
    case VPND_EFFECT_CONFIGURE_DEVICE:
      g_assert_nonnull (world->ruleset);
      g_assert_true (world->link);
      g_assert_nonnull (effect->config);
      g_assert_cmphex (effect->config->fwmark, ==, VPND_MARK_VALUE);
      return;
    case VPND_EFFECT_DELETE_LINK:
      world->link = FALSE;
      return;
    case VPND_EFFECT_APPLY_ROUTES:
      g_assert_true (is_closed (world)); /* L3 */
      g_assert_true (world->link);
      g_assert_nonnull (effect->diff);
      world->routes = TRUE;
      return;
    case VPND_EFFECT_CLEAR_ROUTES:
      world->routes = FALSE;
      return;
    case VPND_EFFECT_APPLY_DNS:
      g_assert_nonnull (world->ruleset);
      world->dns = TRUE;
      return;
    case VPND_EFFECT_RESTORE_DNS:
      world->dns = FALSE;
      return;
    case VPND_EFFECT_END_SOCKETS:
      g_assert_true (effect->keep_going && world->settings->destroy_sockets);
      if (effect->sockets->is_over)
        {
          g_assert_false (world->link || world->routes); /* as above */
          return;
        }
      g_assert_true (world->ruleset != NULL || world->ruleset_failed); /* else a program opens the next one at once */
      g_assert_cmpint (effect->sockets->allow_lan, ==, world->settings->allow_lan);
      return;
    case VPND_EFFECT_WATCH_ESTABLISH:
      g_assert_cmpuint (effect->delay_ms, >=, VPND_ATTEMPT_MIN_MS);
      g_assert_cmpuint (effect->watch, >, world->watch); /* sessions that begin now */
      world->watch = effect->watch;
      world->is_watching = TRUE;
      return;
    case VPND_EFFECT_WATCH_LIVENESS:
      g_assert_cmpuint (effect->watch, ==, world->watch); /* those that have begun */
      world->is_watching = TRUE;
      return;
    case VPND_EFFECT_WATCH_STOP:
      world->is_watching = FALSE;
      return;
    case VPND_EFFECT_PROBE:
    case VPND_EFFECT_MEASURE_PATH:
      g_assert_true (world->link && world->is_watching);
      return;
    case VPND_EFFECT_RETRY_AFTER:
      world->is_due = TRUE;
      return;
    case VPND_EFFECT_LOOK_UP:
      g_assert_true (is_closed (world)); /* a host that waits for a name is closed */
      g_assert_cmpuint (effect->delay_ms, >=, VPND_LOOKUP_FIRST_MS);
      g_assert_cmpuint (effect->delay_ms, <=, VPND_LOOKUP_MAX_MS);
      return;
    case VPND_EFFECT_EMIT_CONNECTED:
      g_assert_cmpuint (strlen (effect->text), ==, VPND_KEY_BASE64_LEN);
      world->connected++;
      return;
    case VPND_EFFECT_EMIT_DISCONNECTED:
      g_assert_false (world->link || world->routes || world->dns);
      world->disconnected++;
      return;
    case VPND_N_EFFECTS:
      break;
    }
  g_assert_not_reached ();
}

/* L6: the same question has the same answer. */
static void
assert_same_effects (const GPtrArray *a, const GPtrArray *b)
{
  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < a->len; i++)
    {
      const VpndEffect *x = g_ptr_array_index (a, i);
      const VpndEffect *y = g_ptr_array_index (b, i);

      g_assert_cmpint (x->kind, ==, y->kind);
      g_assert_cmpint (x->keep_going, ==, y->keep_going);
      g_assert_cmpuint (x->delay_ms, ==, y->delay_ms);
      g_assert_cmpstr (x->text, ==, y->text);
      if (x->ruleset != NULL)
        g_assert_true (vpnd_ruleset_equal (x->ruleset, y->ruleset));
      if (x->config != NULL)
        g_assert_true (vpnd_tunnel_config_equal (x->config, y->config));
    }
}

static gboolean
has_effect (const GPtrArray *effects, VpndEffectKind kind)
{
  for (guint i = 0; i < effects->len; i++)
    if (((const VpndEffect *) g_ptr_array_index (effects, i))->kind == kind)
      return TRUE;
  return FALSE;
}

/* Who has no port at hand is asked for one when a device is made that has none of its profile, and else hears the same: @effects, which @next came with. */
static void
assert_port_is_asked_for (const World *world, const VpndEvent *event, const VpndContext *context, const VpndState *next, const GPtrArray *effects)
{
  VpndContext without = *context;
  g_autoptr (GPtrArray) others = NULL;
  g_autoptr (VpndState) other = NULL;

  without.listen_port = 0;
  other = vpnd_transition (world->state, event, &without, &others);
  g_assert_true ((other == NULL) == (has_effect (effects, VPND_EFFECT_CREATE_LINK) && next->profile->listen_port == 0));
  g_assert_true ((others == NULL) == (other == NULL));
  if (other != NULL)
    assert_same_effects (others, effects);
}

/* L10 */
static void
assert_no_secret (const VpndEffect *effect, const VpndState *state)
{
  g_autofree char *key = NULL;
  g_autofree char *ruleset = NULL;

  if (state->profile == NULL)
    return;
  key = vpnd_secret_to_base64 (state->profile->private_key);
  if (effect->text != NULL)
    g_assert_null (strstr (effect->text, key));
  if (effect->ruleset != NULL)
    {
      ruleset = vpnd_ruleset_to_text (effect->ruleset);
      g_assert_null (strstr (ruleset, key));
    }
}

static void
check_laws (World *world)
{
  const VpndState *state = world->state;

  /* L2: protected means closed; a ruleset that failed is tried again until it is there. */
  if (vpnd_state_is_protected (state) && !is_closed (world))
    g_assert_true (world->ruleset_failed && (state->is_waiting || state->kind == VPND_STATE_DISCONNECTING));
  if (state->kind == VPND_STATE_DISCONNECTED && world->settings->lockdown && !is_closed (world))
    g_assert_true (world->ruleset_failed && state->is_waiting);

  /* L5: whatever is on the host is known to be there, also when a run was broken off before it came to undoing it. */
  g_assert_true (!world->link || (state->host & VPND_HOST_LINK));
  g_assert_true (!world->routes || (state->host & VPND_HOST_ROUTES));
  g_assert_true (!world->dns || (state->host & VPND_HOST_DNS));
  g_assert_true (!world->sysctls || (state->host & VPND_HOST_SYSCTLS));
  if (state->kind == VPND_STATE_DISCONNECTED)
    g_assert_false (world->link || world->routes || world->dns || world->sysctls);
  if (state->kind == VPND_STATE_CONNECTING)
    g_assert_true (state->attempt >= 1 && state->profile != NULL);
  if (state->kind == VPND_STATE_ERROR)
    g_assert_false (world->link || world->routes);
  if (state->kind == VPND_STATE_CONNECTED)
    g_assert_true (world->link && world->is_watching && world->watch == state->watch);
  if (state->kind == VPND_STATE_CONNECTED && !world->ruleset_failed)
    assert_port_is_open (world, state->config);
}

/* Feeds one event and all that follows from it, as the engine does. @fail_one_in: how often an effect fails; 0 for never. */
static void
feed (World *world, VpndEvent event, guint fail_one_in)
{
  for (guint depth = 0; depth < 50; depth++)
    {
      VpndContext context = { world->settings, world->facts, g_test_rand_int_range (0, 3000), random_listen_port (), world->link ? 7 : 0, world->split };
      g_autoptr (GPtrArray) effects = NULL;
      g_autoptr (GPtrArray) again = NULL;
      g_autoptr (VpndState) same = vpnd_transition (world->state, &event, &context, &again);
      VpndState *next = vpnd_transition (world->state, &event, &context, &effects);
      gboolean is_decided = FALSE;

      assert_same_effects (effects, again);
      assert_port_is_asked_for (world, &event, &context, next, effects);
      g_assert_cmpint (same->kind, ==, next->kind);
      vpnd_state_unref (world->state);
      world->state = next;
      if (effects->len == 0)
        return;

      event = (VpndEvent){ .kind = VPND_EVENT_EFFECTS_DONE };
      for (guint i = 0; i < effects->len; i++)
        {
          const VpndEffect *effect = g_ptr_array_index (effects, i);
          gboolean is_local = effect->kind >= VPND_EFFECT_WATCH_ESTABLISH;

          assert_no_secret (effect, world->state);
          if (is_local || fail_one_in == 0 || effect->kind == VPND_EFFECT_REMOVE_RULESET || !random_boolean (fail_one_in))
            {
              perform (world, effect);
              continue;
            }
          if (effect->keep_going && effect->kind != VPND_EFFECT_APPLY_RULESET)
            {
              perform (world, effect); /* the model has no half-done host; that failures here are reported is the engine's test */
              continue;
            }
          if (effect->kind == VPND_EFFECT_APPLY_RULESET)
            world->ruleset_failed = TRUE;
          if (!is_decided)
            event = (VpndEvent){ .kind = VPND_EVENT_EFFECT_FAILED, .effect = effect->kind };
          is_decided = TRUE;
          if (!effect->keep_going)
            break;
        }
    }
  g_assert_not_reached (); /* effects that never end */
}

static void
world_init (World *world)
{
  world->state = vpnd_state_new ();
  world->settings = random_settings ();
  world->facts = random_facts ();
  world->split = random_boolean (2) ? random_split_plan ("first") : NULL;
}

/* Of the watch that is under way. */
static VpndEvent
report (const World *world, VpndEventKind kind)
{
  return (VpndEvent){ .kind = kind, .watch = world->watch };
}

static VpndEvent
random_event (World *world, VpndProfile *profile)
{
  VpndEvent event = report (world, g_test_rand_int_range (VPND_EVENT_ACTIVATE, VPND_EVENT_STOP));

  if (event.kind == VPND_EVENT_ACTIVATE)
    event.profile = profile;
  if (event.kind == VPND_EVENT_FACTS_CHANGED)
    {
      vpnd_facts_unref (world->facts);
      world->facts = random_facts ();
    }
  if (event.kind == VPND_EVENT_SETTINGS_CHANGED)
    {
      vpnd_settings_unref (world->settings);
      world->settings = random_settings ();
    }
  if (event.kind == VPND_EVENT_SPLIT_CHANGED)
    {
      g_clear_pointer (&world->split, vpnd_split_plan_unref);
      world->split = random_boolean (4) ? NULL : random_split_plan (random_boolean (2) ? "first" : "second");
    }
  /* These come from the executor only, after its own effects. */
  if (event.kind == VPND_EVENT_EFFECTS_DONE || event.kind == VPND_EVENT_EFFECT_FAILED)
    event.kind = VPND_EVENT_HANDSHAKE;
  if (event.kind == VPND_EVENT_RETRY && !world->is_due)
    event.kind = VPND_EVENT_TAMPERED;
  return event;
}

static void
walk (guint fail_one_in)
{
  for (guint i = 0; i < WALKS; i++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) first = random_profile ("first");
      g_autoptr (VpndProfile) second = random_profile ("second");
      VpndEvent start = { .kind = VPND_EVENT_START, .recovery = g_test_rand_int_range (0, VPND_N_RECOVERIES), .profile = first };

      world_init (&world);
      feed (&world, start, fail_one_in);
      check_laws (&world);
      for (guint step = 0; step < STEPS; step++)
        {
          feed (&world, random_event (&world, random_boolean (2) ? first : second), fail_one_in);
          check_laws (&world);
        }

      /* Whatever happened, the user can end it, and then the host is as before. */
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_DEACTIVATE }, 0);
      g_assert_cmpint (world.state->kind, ==, VPND_STATE_DISCONNECTED);
      g_assert_cmpuint (world.disconnected, >, 0);
      check_laws (&world);
    }
}

/* In every state that a walk reaches: the answer is the plan that was asked for last, or nothing; never a change of state. */
static void
test_dns_overwritten (void)
{
  guint answers = 0;

  for (guint i = 0; i < WALKS; i++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("first");

      world_init (&world);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_START, .recovery = VPND_RECOVERY_NONE }, 0);
      for (guint step = 0; step < 5; step++)
        {
          VpndContext context = { world.settings, world.facts, 1000, random_listen_port (), world.link ? 7 : 0, world.split };
          VpndEvent event = { .kind = VPND_EVENT_DNS_OVERWRITTEN };
          g_autoptr (GPtrArray) effects = NULL;
          g_autoptr (VpndState) next = NULL;
          const VpndEffect *effect;

          feed (&world, step == 0 ? (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile } : random_event (&world, profile), 0);
          next = vpnd_transition (world.state, &event, &context, &effects);
          g_assert_cmpint (next->kind, ==, world.state->kind);
          g_assert_cmphex (next->host, ==, world.state->host);
          g_assert_cmpuint (effects->len, <=, 1);
          if (effects->len == 0)
            continue;
          effect = g_ptr_array_index (effects, 0);
          g_assert_cmpint (effect->kind, ==, VPND_EFFECT_APPLY_DNS);
          g_assert_true (effect->keep_going);
          g_assert_true (world.dns && vpnd_dns_plan_equal (effect->dns, world.state->dns));
          answers++;
        }
    }
  g_assert_cmpuint (answers, >, WALKS / 10);
}

static void
test_walk (void)
{
  walk (0);
}

static void
test_walk_with_failures (void)
{
  walk (8);
}

/* A retry that nothing waits for, in whatever state, is an old one: it changes nothing. */
static void
test_retry_of_before (void)
{
  guint seen[VPND_N_STATES] = { 0 };

  for (guint round = 0; round < 2000; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("random");
      g_autoptr (GPtrArray) effects = NULL;
      g_autoptr (VpndState) next = NULL;
      const VpndEvent event = { .kind = VPND_EVENT_RETRY };
      VpndContext context;

      world_init (&world);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile }, 4);
      for (int i = g_test_rand_int_range (0, 4); i > 0; i--)
        feed (&world, random_event (&world, profile), 4);
      if (world.state->is_waiting)
        continue;
      context = (VpndContext){ world.settings, world.facts, g_test_rand_int_range (0, 3000), .split = world.split };
      next = vpnd_transition (world.state, &event, &context, &effects);
      g_assert_cmpuint (effects->len, ==, 0);
      g_assert_cmpint (next->kind, ==, world.state->kind);
      g_assert_cmpint (next->cause, ==, world.state->cause);
      g_assert_cmpuint (next->attempt, ==, world.state->attempt);
      g_assert_true (next->ruleset == world.state->ruleset && next->routes == world.state->routes && next->config == world.state->config);
      seen[next->kind]++;
    }
  g_assert_cmpuint (seen[VPND_STATE_CONNECTING], >, 20);
  g_assert_cmpuint (seen[VPND_STATE_CONNECTED], >, 0); /* handshakes are rare in a walk */
  g_assert_cmpuint (seen[VPND_STATE_ERROR], >, 20);
}

/* What an earlier watch has reported changes nothing, in whatever state; what the one of now reports does. */
static void
test_report_of_before (void)
{
  static const VpndEventKind kinds[] = { VPND_EVENT_HANDSHAKE, VPND_EVENT_ESTABLISH_TIMEOUT, VPND_EVENT_PEER_LOST };
  guint heard = 0;

  for (guint round = 0; round < 2000; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("random");
      VpndEvent event;

      world_init (&world);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile }, 0);
      for (int i = g_test_rand_int_range (0, 4); i > 0; i--)
        feed (&world, random_event (&world, profile), 0);
      event = report (&world, kinds[round % G_N_ELEMENTS (kinds)]);
      for (guint is_old = 0; is_old < 2; is_old++)
        {
          VpndContext context = { world.settings, world.facts, 1000, random_listen_port (), world.link ? 7 : 0, world.split };
          g_autoptr (GPtrArray) effects = NULL;
          g_autoptr (VpndState) next = NULL;

          event.watch -= is_old;
          next = vpnd_transition (world.state, &event, &context, &effects);
          if (!is_old)
            {
              heard += effects->len > 0;
              continue;
            }
          g_assert_cmpuint (effects->len, ==, 0);
          g_assert_cmpint (next->kind, ==, world.state->kind);
          g_assert_cmpuint (next->attempt, ==, world.state->attempt);
          g_assert_true (next->ruleset == world.state->ruleset && next->config == world.state->config);
        }
    }
  g_assert_cmpuint (heard, >, 100);
}

/* L1: total, also where the engine would never ask. */
static void
test_total (void)
{
  for (VpndEventKind kind = 0; kind < VPND_N_EVENTS; kind++)
    g_assert_nonnull (vpnd_event_name (kind));

  for (guint round = 0; round < 3000; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("random");
      g_autoptr (GPtrArray) effects = NULL;
      g_autoptr (VpndState) next = NULL;
      VpndContext context;
      VpndEvent event = {
        .kind = g_test_rand_int_range (0, VPND_N_EVENTS),
        .profile = profile,
        .effect = g_test_rand_int_range (0, VPND_N_EFFECTS),
        .recovery = g_test_rand_int_range (0, VPND_N_RECOVERIES),
        .keep_rules = random_boolean (2),
        .mtu = random_boolean (2) ? 0 : (guint32) g_test_rand_int_range (300, 1421),
      };

      world_init (&world);
      for (int i = g_test_rand_int_range (0, 6); i > 0; i--)
        feed (&world, random_event (&world, profile), 4);
      context = (VpndContext){ world.settings, world.facts, 0, random_listen_port (), world.link ? 7 : 0, world.split };
      next = vpnd_transition (world.state, &event, &context, &effects);
      g_assert_cmpint (next->kind, <, VPND_N_STATES);
    }
}

/* L6: facts that are told twice change nothing the second time. */
static void
test_repeated_facts (void)
{
  for (guint round = 0; round < 500; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("random");
      g_autoptr (GPtrArray) effects = NULL;
      g_autoptr (VpndState) next = NULL;
      VpndEvent event = { .kind = VPND_EVENT_FACTS_CHANGED };
      VpndContext context;

      world_init (&world);
      for (int i = g_test_rand_int_range (0, 8); i > 0; i--)
        feed (&world, random_event (&world, profile), 0);
      feed (&world, event, 0);
      context = (VpndContext){ world.settings, world.facts, 5000, random_listen_port (), world.link ? 7 : 0, world.split };
      next = vpnd_transition (world.state, &event, &context, &effects);
      g_assert_cmpuint (effects->len, ==, 0);
      g_assert_cmpint (next->kind, ==, world.state->kind);
    }
}

/* Whichever of its inputs has changed, a state follows it whole: the other two events find nothing left to do. */
static void
test_inputs_are_followed (void)
{
  static const VpndEventKind kinds[] = { VPND_EVENT_FACTS_CHANGED, VPND_EVENT_SETTINGS_CHANGED, VPND_EVENT_SPLIT_CHANGED };
  guint seen[VPND_N_STATES] = { 0 };

  for (guint round = 0; round < 3000; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("first");
      const VpndEventKind changed = kinds[round % G_N_ELEMENTS (kinds)];
      VpndEvent event;

      world_init (&world);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_START, .recovery = VPND_RECOVERY_NONE }, 0);
      do
        {
          event = random_event (&world, profile);
          feed (&world, event, 0);
        }
      while (event.kind != changed);
      if (world.state->is_waiting)
        continue; /* the attempt that is due makes all anew */
      for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
        {
          VpndContext context = { world.settings, world.facts, 5000, random_listen_port (), world.link ? 7 : 0, world.split };
          VpndEvent other = { .kind = kinds[i] };
          g_autoptr (GPtrArray) effects = NULL;
          g_autoptr (VpndState) next = vpnd_transition (world.state, &other, &context, &effects);

          g_assert_cmpint (next->kind, ==, world.state->kind);
          g_assert_cmpuint (effects->len, ==, 0);
        }
      seen[world.state->kind]++;
    }
  g_assert_cmpuint (seen[VPND_STATE_DISCONNECTED], >, 100);
  g_assert_cmpuint (seen[VPND_STATE_CONNECTING], >, 100);
  g_assert_cmpuint (seen[VPND_STATE_CONNECTED], >, 5); /* handshakes are rare in a walk */
  g_assert_cmpuint (seen[VPND_STATE_ERROR], >, 100);
}

/* What another program took away is asked for whole, by a diff that does not ask what was there, and nothing else happens. */
static void
test_disturbed (void)
{
  guint repairs = 0;

  for (guint round = 0; round < 1000; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("random");
      g_autoptr (GPtrArray) effects = NULL;
      g_autoptr (VpndState) next = NULL;
      VpndEvent event = { .kind = VPND_EVENT_DISTURBED };
      VpndContext context;
      gboolean has_routes;

      world_init (&world);
      for (int i = g_test_rand_int_range (0, 8); i > 0; i--)
        feed (&world, random_event (&world, profile), 0);
      has_routes = world.state->routes != NULL && !world.state->is_waiting;
      context = (VpndContext){ world.settings, world.facts, 5000, random_listen_port (), world.link ? 7 : 0, world.split };
      next = vpnd_transition (world.state, &event, &context, &effects);

      g_assert_cmpint (next->kind, ==, world.state->kind);
      g_assert_true (next->routes == world.state->routes && next->ruleset == world.state->ruleset && next->config == world.state->config);
      g_assert_cmpuint (effects->len, ==, has_routes ? 2 : 0);
      for (guint i = 0; i < effects->len; i++)
        {
          const VpndEffect *effect = g_ptr_array_index (effects, i);

          g_assert_true (effect->keep_going); /* a repair that fails takes nothing down */
          g_assert_cmpint (effect->kind, ==, i == 0 ? VPND_EFFECT_SET_SYSCTLS : VPND_EFFECT_APPLY_ROUTES);
          if (i == 0)
            continue;
          g_assert_true (effect->diff->link_up);
          g_assert_cmpuint (effect->diff->mtu, ==, next->routes->mtu);
          g_assert_cmpuint (effect->diff->add_addresses->len, ==, next->routes->addresses->len);
          g_assert_cmpuint (effect->diff->add_routes->len, ==, next->routes->routes->len);
          g_assert_cmpuint (effect->diff->add_rules->len, ==, next->routes->rules->len);
          g_assert_cmpuint (effect->diff->delete_routes->len + effect->diff->delete_rules->len + effect->diff->delete_addresses->len, ==, 0);
          repairs++;
        }
    }
  g_assert_cmpuint (repairs, >, 50);
}

/* What goes beside the tunnel changes rules and nothing else, in whatever state; told twice it changes nothing. */
static void
test_split_changed (void)
{
  guint changes = 0;

  for (guint round = 0; round < 1000; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("first");
      VpndEvent event = { .kind = VPND_EVENT_SPLIT_CHANGED };

      world_init (&world);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile }, 0);
      for (int i = g_test_rand_int_range (0, 6); i > 0; i--)
        feed (&world, random_event (&world, profile), 0);
      g_clear_pointer (&world.split, vpnd_split_plan_unref);
      world.split = random_boolean (4) ? NULL : random_split_plan ("first");
      for (guint turn = 0; turn < 2; turn++)
        {
          VpndContext context = { world.settings, world.facts, 5000, random_listen_port (), world.link ? 7 : 0, world.split };
          g_autoptr (GPtrArray) effects = NULL;
          g_autoptr (VpndState) next = vpnd_transition (world.state, &event, &context, &effects);

          g_assert_cmpint (next->kind, ==, world.state->kind);
          g_assert_true (next->routes == world.state->routes && next->config == world.state->config && next->dns == world.state->dns);
          g_assert_cmpuint (effects->len, <=, turn == 0);
          for (guint i = 0; i < effects->len; i++)
            {
              VpndEffectKind kind = ((const VpndEffect *) g_ptr_array_index (effects, i))->kind;

              g_assert_true (kind == VPND_EFFECT_APPLY_RULESET || kind == VPND_EFFECT_REMOVE_RULESET);
              changes++;
            }
          feed (&world, event, 0);
          check_laws (&world);
        }
    }
  g_assert_cmpuint (changes, >, 100);
}

/* A kernel that does not take the rules of split tunnelling gets those without: the connection stands, and all goes by the tunnel. */
static void
test_split_refused (void)
{
  for (guint round = 0; round < 500; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("first");
      g_autoptr (VpndRuleset) without = NULL;
      VpndPolicyInput input;

      world_init (&world);
      world.facts->default4.present = world.facts->default6.present = TRUE;
      g_clear_pointer (&world.split, vpnd_split_plan_unref);
      do
        {
          g_clear_pointer (&world.split, vpnd_split_plan_unref);
          world.split = random_split_plan ("first");
        }
      while (vpnd_split_plan_is_empty (world.split));
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile }, 0);
      g_assert_cmpint (world.state->kind, ==, VPND_STATE_CONNECTING);
      if (random_boolean (2))
        feed (&world, report (&world, VPND_EVENT_HANDSHAKE), 0);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_EFFECT_FAILED, .effect = VPND_EFFECT_APPLY_RULESET }, 0);
      g_assert_cmpint (world.state->kind, ==, VPND_STATE_CONNECTING);
      g_assert_true (world.state->is_split_refused);
      input = (VpndPolicyInput){ VPND_POLICY_CONNECTING, world.state->config, world.state->routes, world.state->dns, world.settings, world.facts, 7 };
      without = vpnd_policy_build (&input);
      g_assert_true (vpnd_ruleset_equal (world.ruleset, without));
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_SPLIT_CHANGED }, 0); /* an address of a name, say: no reason to try it again */
      g_assert_true (vpnd_ruleset_equal (world.ruleset, without));
      check_laws (&world);
    }
}

/* What is bound to a profile is refused on an open host, too, as long as the daemon is there. */
static void
test_bound_while_open (void)
{
  for (guint round = 0; round < 500; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) profile = random_profile ("first");
      gboolean has_bound;

      world_init (&world);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_START, .recovery = VPND_RECOVERY_NONE }, 0);
      if (random_boolean (2))
        {
          feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile }, 0);
          feed (&world, (VpndEvent){ .kind = VPND_EVENT_DEACTIVATE }, 0);
        }
      has_bound = world.split != NULL && vpnd_split_plan_has_class (world.split, VPND_SPLIT_BOUND);
      g_assert_cmpint (world.state->kind, ==, VPND_STATE_DISCONNECTED);
      g_assert_true ((world.ruleset != NULL) == (has_bound || world.settings->lockdown));
      g_assert_true (is_closed (&world) == world.settings->lockdown);

      if (random_boolean (2))
        feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile }, 0);
      feed (&world, (VpndEvent){ .kind = VPND_EVENT_STOP }, 0);
      g_assert_true ((world.ruleset != NULL) == world.settings->lockdown);
    }
}

/* L5: each change has exactly one inverse in the table, and every bit is made by somebody. */
static void
test_inverses (void)
{
  for (guint bit = 1; bit < VPND_HOST_ALL; bit <<= 1)
    {
      guint makers = 0;
      guint undoers = 0;

      for (guint kind = 0; kind < VPND_N_EFFECTS; kind++)
        {
          makers += (vpnd_effect_info (kind)->makes & bit) != 0;
          undoers += (vpnd_effect_info (kind)->undoes & bit) != 0;
        }
      g_assert_cmpuint (makers, ==, 1);
      g_assert_cmpuint (undoers, ==, 1);
    }
}

/* The plain way, step by step, on a host with everything. */
static void
test_connect_and_back (void)
{
  g_auto (World) world = { NULL };
  g_autoptr (VpndProfile) profile = NULL;

  do
    {
      g_clear_pointer (&profile, vpnd_profile_unref);
      profile = random_profile ("home");
    }
  while (vpnd_profile_primary_peer (profile)->endpoints->len < 2 || vpnd_bridge_is_set (&profile->bridge));
  world.state = vpnd_state_new ();
  world.settings = vpnd_settings_new_default ();
  world.facts = random_facts ();
  world.facts->default4.present = TRUE;

  feed (&world, (VpndEvent){ .kind = VPND_EVENT_START, .recovery = VPND_RECOVERY_NONE }, 0);
  g_assert_null (world.ruleset);
  feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = profile }, 0);
  g_assert_cmpint (world.state->kind, ==, VPND_STATE_CONNECTING);
  g_assert_true (world.wanted && world.link && world.routes && world.is_watching);
  g_assert_cmpuint (world.connected, ==, 0); /* not before the peer answered */
  feed (&world, report (&world, VPND_EVENT_HANDSHAKE), 0);
  g_assert_cmpint (world.state->kind, ==, VPND_STATE_CONNECTED);
  g_assert_cmpuint (world.connected, ==, 1);
  feed (&world, report (&world, VPND_EVENT_PEER_LOST), 0);
  g_assert_cmpint (world.state->kind, ==, VPND_STATE_CONNECTING);
  feed (&world, report (&world, VPND_EVENT_ESTABLISH_TIMEOUT), 0);
  g_assert_cmpuint (world.state->attempt, ==, 1); /* its second initiation */
  g_assert_true (world.is_watching);
  for (guint attempt = 2; attempt < 10; attempt++)
    {
      feed (&world, report (&world, VPND_EVENT_ESTABLISH_TIMEOUT), 0);
      g_assert_cmpuint (world.state->attempt, ==, attempt); /* no give-up */
    }
  world.facts->default4.present = FALSE;
  world.facts->default6.present = FALSE;
  feed (&world, (VpndEvent){ .kind = VPND_EVENT_FACTS_CHANGED }, 0);
  g_assert_cmpint (world.state->kind, ==, VPND_STATE_ERROR);
  g_assert_cmpint (world.state->cause, ==, VPND_CAUSE_OFFLINE);
  g_assert_nonnull (world.ruleset);
  world.facts->default6.present = TRUE;
  feed (&world, (VpndEvent){ .kind = VPND_EVENT_FACTS_CHANGED }, 0);
  g_assert_cmpint (world.state->kind, ==, VPND_STATE_CONNECTING); /* by itself */
  feed (&world, (VpndEvent){ .kind = VPND_EVENT_DEACTIVATE }, 0);
  g_assert_cmpint (world.state->kind, ==, VPND_STATE_DISCONNECTED);
  g_assert_null (world.ruleset);
  g_assert_false (world.wanted);
  g_assert_cmpuint (world.disconnected, ==, 1);
  feed (&world, (VpndEvent){ .kind = VPND_EVENT_DEACTIVATE }, 0);
  g_assert_cmpuint (world.disconnected, ==, 2); /* also when idle */
}

static void
fail_activation (World *world, VpndProfile *profile, VpndEffectKind which)
{
  VpndContext context = { world->settings, world->facts, 0, random_listen_port (), world->link ? 7 : 0, world->split };
  g_autoptr (GPtrArray) effects = NULL;
  VpndEvent event = { .kind = VPND_EVENT_ACTIVATE, .profile = profile };
  VpndState *next = vpnd_transition (world->state, &event, &context, &effects);

  vpnd_state_unref (world->state);
  world->state = next;
  for (guint i = 0; i < effects->len && ((VpndEffect *) g_ptr_array_index (effects, i))->kind != which; i++)
    perform (world, g_ptr_array_index (effects, i));
  feed (world, (VpndEvent){ .kind = VPND_EVENT_EFFECT_FAILED, .effect = which }, 0);
}

/* A failed activation is rolled back: to an open host from an open one, to the former connection from a connection. */
static void
test_roll_back (void)
{
  static const VpndEffectKind kinds[] = { VPND_EFFECT_APPLY_RULESET, VPND_EFFECT_CREATE_LINK, VPND_EFFECT_CONFIGURE_DEVICE, VPND_EFFECT_APPLY_ROUTES };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndProfile) first = random_profile ("first");
      g_autoptr (VpndProfile) second = random_profile ("second");

      world.state = vpnd_state_new ();
      world.settings = vpnd_settings_new_default ();
      world.facts = random_facts ();
      world.facts->default4.present = TRUE;
      world.facts->default6.present = TRUE;

      fail_activation (&world, first, kinds[i]);
      g_assert_cmpint (world.state->kind, ==, VPND_STATE_DISCONNECTED);
      g_assert_null (world.ruleset);
      g_assert_cmpuint (world.disconnected, ==, 0);

      feed (&world, (VpndEvent){ .kind = VPND_EVENT_ACTIVATE, .profile = first }, 0);
      feed (&world, report (&world, VPND_EVENT_HANDSHAKE), 0);
      world.settings->backend = VPND_BACKEND_KERNEL; /* say, one that this host has not */
      fail_activation (&world, second, kinds[i]);
      g_assert_cmpint (world.state->backend, ==, VPND_BACKEND_AUTO);
      g_assert_cmpint (world.state->kind, ==, VPND_STATE_CONNECTING);
      g_assert_cmpstr (world.state->profile->name, ==, "first");
      g_assert_nonnull (world.ruleset);
    }
}

/* docs/security.md, "Start, crash, stop". */
static void
test_recovery (void)
{
  static const struct
  {
    VpndRecoveryInput input;
    VpndCrashRecovery setting;
    gboolean auto_connect;
    VpndRecovery recovery;
  } cases[] = {
    { { FALSE, FALSE, FALSE, FALSE, 0 }, VPND_CRASH_RECOVERY_BLOCK, FALSE, VPND_RECOVERY_NONE },
    { { FALSE, FALSE, TRUE, FALSE, 0 }, VPND_CRASH_RECOVERY_RECONNECT, FALSE, VPND_RECOVERY_NONE },
    { { TRUE, FALSE, TRUE, FALSE, 1 }, VPND_CRASH_RECOVERY_BLOCK, FALSE, VPND_RECOVERY_BLOCK },
    { { TRUE, FALSE, TRUE, FALSE, 1 }, VPND_CRASH_RECOVERY_RECONNECT, FALSE, VPND_RECOVERY_RECONNECT },
    { { TRUE, FALSE, FALSE, FALSE, 1 }, VPND_CRASH_RECOVERY_RECONNECT, FALSE, VPND_RECOVERY_PROFILE },
    { { TRUE, FALSE, TRUE, FALSE, 1 }, VPND_CRASH_RECOVERY_RELEASE, FALSE, VPND_RECOVERY_RELEASE },
    { { TRUE, FALSE, TRUE, FALSE, 1 }, VPND_CRASH_RECOVERY_BLOCK, TRUE, VPND_RECOVERY_RECONNECT },
    { { TRUE, FALSE, TRUE, FALSE, 2 }, VPND_CRASH_RECOVERY_RELEASE, FALSE, VPND_RECOVERY_BLOCK },
    { { TRUE, FALSE, TRUE, FALSE, 2 }, VPND_CRASH_RECOVERY_RECONNECT, TRUE, VPND_RECOVERY_BLOCK },
    { { TRUE, TRUE, TRUE, FALSE, 5 }, VPND_CRASH_RECOVERY_BLOCK, FALSE, VPND_RECOVERY_RECONNECT },
    { { FALSE, FALSE, TRUE, FALSE, 0 }, VPND_CRASH_RECOVERY_BLOCK, TRUE, VPND_RECOVERY_RECONNECT },
    { { FALSE, FALSE, FALSE, FALSE, 0 }, VPND_CRASH_RECOVERY_BLOCK, TRUE, VPND_RECOVERY_PROFILE },
    { { FALSE, FALSE, FALSE, TRUE, 0 }, VPND_CRASH_RECOVERY_RELEASE, FALSE, VPND_RECOVERY_SETTINGS },
    { { TRUE, FALSE, TRUE, TRUE, 1 }, VPND_CRASH_RECOVERY_RELEASE, FALSE, VPND_RECOVERY_SETTINGS },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();

      settings->crash_recovery = cases[i].setting;
      settings->auto_connect = cases[i].auto_connect;
      g_assert_cmpint (vpnd_recovery_decide (&cases[i].input, settings), ==, cases[i].recovery);
    }
}

static void
test_timeouts (void)
{
  g_assert_cmpuint (vpnd_establish_timeout_ms (1), ==, 4000);
  g_assert_cmpuint (vpnd_establish_timeout_ms (2), ==, 8000);
  for (guint attempt = 3; attempt < 100000; attempt += 997)
    g_assert_cmpuint (vpnd_establish_timeout_ms (attempt), ==, 15000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transition/dns-overwritten", test_dns_overwritten);
  g_test_add_func ("/transition/retry-of-before", test_retry_of_before);
  g_test_add_func ("/transition/report-of-before", test_report_of_before);
  g_test_add_func ("/transition/total", test_total);
  g_test_add_func ("/transition/walk", test_walk);
  g_test_add_func ("/transition/walk-with-failures", test_walk_with_failures);
  g_test_add_func ("/transition/repeated-facts", test_repeated_facts);
  g_test_add_func ("/transition/inputs-are-followed", test_inputs_are_followed);
  g_test_add_func ("/transition/disturbed", test_disturbed);
  g_test_add_func ("/transition/split-changed", test_split_changed);
  g_test_add_func ("/transition/split-refused", test_split_refused);
  g_test_add_func ("/transition/bound-while-open", test_bound_while_open);
  g_test_add_func ("/transition/inverses", test_inverses);
  g_test_add_func ("/transition/connect-and-back", test_connect_and_back);
  g_test_add_func ("/transition/roll-back", test_roll_back);
  g_test_add_func ("/transition/recovery", test_recovery);
  g_test_add_func ("/transition/timeouts", test_timeouts);
  return g_test_run ();
}
