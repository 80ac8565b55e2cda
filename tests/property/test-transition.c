/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The laws of the state machine, over random walks of a model host (transition-world.h).
 */
#include "config.h"

#include "transition-world.h"

#define WALKS 600
#define STEPS 60

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
  return g_test_run ();
}
