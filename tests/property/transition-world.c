/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See transition-world.h.
 */
#include "config.h"

#include "transition-world.h"

#include "reserved.h"
#include "ruleset-eval.h"

#include <string.h>

void
world_clear (World *world)
{
  vpnd_state_unref (world->state);
  vpnd_settings_unref (world->settings);
  vpnd_facts_unref (world->facts);
  vpnd_split_plan_unref (world->split);
  vpnd_ruleset_unref (world->ruleset);
}

static void
set_ruleset (World *world, VpndRuleset *ruleset)
{
  if (ruleset != NULL)
    vpnd_ruleset_ref (ruleset);
  g_clear_pointer (&world->ruleset, vpnd_ruleset_unref);
  world->ruleset = ruleset;
}

gboolean
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

guint16
random_listen_port (void)
{
  return (guint16) g_test_rand_int_range (VPND_LISTEN_PORT_FIRST, VPND_LISTEN_PORT_LAST + 1);
}

/* L3 and L4 hold at the moment of each effect, not only at the end. */
void
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

void
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
void
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

void
world_init (World *world)
{
  world->state = vpnd_state_new ();
  world->settings = random_settings ();
  world->facts = random_facts ();
  world->split = random_boolean (2) ? random_split_plan ("first") : NULL;
}

/* Of the watch that is under way. */
VpndEvent
report (const World *world, VpndEventKind kind)
{
  return (VpndEvent){ .kind = kind, .watch = world->watch };
}

VpndEvent
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
