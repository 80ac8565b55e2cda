/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The state machine where a human wrote down the answer: its tables, and the plain ways through it, on the model host of transition-world.h.
 */
#include "config.h"

#include "transition-world.h"

#include "transition-moves.h"

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
  g_test_add_func ("/transition/inverses", test_inverses);
  g_test_add_func ("/transition/connect-and-back", test_connect_and_back);
  g_test_add_func ("/transition/roll-back", test_roll_back);
  g_test_add_func ("/transition/recovery", test_recovery);
  g_test_add_func ("/transition/timeouts", test_timeouts);
  return g_test_run ();
}
