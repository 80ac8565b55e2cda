/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the engine answers on a host in memory: settings, reconnecting, requests that come while others are under way, and the diagnosis.
 */
#include "config.h"

#include "engine-rig.h"

#include "doctor.h"
#include "error.h"
#include "reserved.h"

static void
test_settings (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_auto (Answer) answer = { 0 };
  g_autoptr (VpndSettings) settings = NULL;

  set_setting (rig, "lockdown", g_variant_new_boolean (TRUE));
  g_assert_nonnull (rig->host->ruleset);
  assert_status (rig, "disconnected", "", TRUE);
  rig_crash (rig);
  rig_boot (rig); /* it survives */
  assert_status (rig, "disconnected", "", TRUE);

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  deactivate (rig);
  g_assert_nonnull (rig->host->ruleset);
  set_setting (rig, "lockdown", g_variant_new_boolean (FALSE));
  g_assert_true (fake_host_is_clean (rig->host));

  /* One that cannot be applied is not kept. */
  settings = vpnd_settings_with (vpnd_engine_get_settings (rig->engine), vpnd_setting_info_by_key ("lockdown"), g_variant_new_boolean (TRUE), NULL);
  rig->host->calls = 0;
  rig->host->fail_at = 1;
  g_assert_true (activate (rig, profile, NULL) == FALSE);
  rig->host->fail_at = 0;
  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  g_clear_pointer (&settings, vpnd_settings_unref);
  settings = vpnd_settings_with (vpnd_engine_get_settings (rig->engine), vpnd_setting_info_by_key ("allow-lan"), g_variant_new_boolean (TRUE), NULL);
  rig->host->calls = 0;
  rig->host->fail_at = 1;
  vpnd_engine_set_settings_async (rig->engine, settings, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_error (answer.error, VPND_ERROR, VPND_ERROR_FIREWALL);
  g_assert_false (vpnd_engine_get_settings (rig->engine)->allow_lan);
  g_assert_nonnull (rig->host->ruleset);
}

static void
test_reconnect (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_auto (Answer) refused = { 0 };
  g_auto (Answer) answer = { 0 };

  vpnd_engine_reconnect_async (rig->engine, NULL, on_answer, &refused);
  wait_for (&refused);
  g_assert_error (refused.error, VPND_ERROR, VPND_ERROR_NOT_CONNECTED);

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  vpnd_engine_reconnect_async (rig->engine, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
  assert_status (rig, "connecting", "", TRUE);
  shake_hands (rig);
  g_assert_cmpuint (rig->connected, ==, 2);
}

/* Requests that come while another is worked at are done after it, in order, and each is answered once. */
static void
test_requests_queue (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) first = make_profile ("first");
  g_autoptr (VpndProfile) second = make_profile ("second");
  Answer answers[5] = { 0 };

  vpnd_engine_activate_async (rig->engine, first, NULL, on_answer, &answers[0]);
  vpnd_engine_deactivate_async (rig->engine, NULL, on_answer, &answers[1]);
  vpnd_engine_activate_async (rig->engine, first, NULL, on_answer, &answers[2]);
  vpnd_engine_activate_async (rig->engine, second, NULL, on_answer, &answers[3]);
  wait_for (&answers[0]);
  wait_for (&answers[1]);
  wait_for (&answers[2]);
  wait_for (&answers[3]);
  for (guint i = 0; i < 4; i++)
    g_assert_no_error (answers[i].error);
  vpnd_engine_deactivate_async (rig->engine, NULL, on_answer, &answers[4]);
  wait_for (&answers[4]);
  g_assert_true (fake_host_is_clean (rig->host));
}

static void
on_routes (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GPtrArray **) user_data = vpnd_engine_query_routes_finish (VPND_ENGINE (source), result, NULL);
}

static void
on_check (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GPtrArray **) user_data = vpnd_engine_query_check_finish (VPND_ENGINE (source), result, NULL);
}

static guint
count_entries (Rig *rig, VpndEntryState state)
{
  g_autoptr (GPtrArray) entries = NULL;
  guint count = 0;

  vpnd_engine_query_routes_async (rig->engine, NULL, on_routes, &entries);
  while (entries == NULL)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < entries->len; i++)
    count += ((VpndRouteEntry *) g_ptr_array_index (entries, i))->state == state;
  return count;
}

static gboolean
is_found (Rig *rig, VpndFindingCode code)
{
  g_autoptr (GPtrArray) findings = NULL;

  vpnd_engine_query_check_async (rig->engine, NULL, on_check, &findings);
  while (findings == NULL)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < findings->len; i++)
    if (((VpndFinding *) g_ptr_array_index (findings, i))->code == code)
      return TRUE;
  return FALSE;
}

/* What is asked for understanding follows the state, and changes nothing. */
static void
test_diagnosis (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  guint calls;

  g_assert_cmpuint (count_entries (rig, VPND_ENTRY_PRESENT), ==, 1); /* the host's default route */
  g_assert_false (is_found (rig, VPND_FINDING_LOCKED_DOWN));
  set_setting (rig, "lockdown", g_variant_new_boolean (TRUE));
  g_assert_true (is_found (rig, VPND_FINDING_LOCKED_DOWN));

  g_assert_true (activate (rig, profile, NULL));
  g_assert_false (is_found (rig, VPND_FINDING_NO_HANDSHAKE));
  fake_host_advance (rig->host, 6000);
  calls = rig->host->calls;
  g_assert_true (is_found (rig, VPND_FINDING_NO_HANDSHAKE));
  g_assert_cmpuint (rig->host->calls, ==, calls);
  shake_hands (rig);
  g_assert_false (is_found (rig, VPND_FINDING_NO_HANDSHAKE));
  g_assert_false (is_found (rig, VPND_FINDING_LOCKED_DOWN));
  g_assert_false (is_found (rig, VPND_FINDING_ROUTES_MISSING));
  g_assert_false (is_found (rig, VPND_FINDING_RULES_NOT_IN_FORCE));
  g_assert_cmpuint (count_entries (rig, VPND_ENTRY_MISSING), ==, 0);
  g_assert_cmpuint (count_entries (rig, VPND_ENTRY_FOREIGN), ==, 0);

  rig->host->has_link = FALSE;
  g_assert_true (is_found (rig, VPND_FINDING_LINK_MISSING));
  rig->host->has_link = TRUE;
  g_clear_pointer (&rig->host->watched, vpnd_route_plan_unref);
  rig->host->watched = vpnd_route_plan_new (VPND_IFNAME, 1420);
  g_assert_true (is_found (rig, VPND_FINDING_ROUTES_MISSING));
}

/* Whoever asks while a look is under way gets what it finds; who gives up takes nothing from the others; who asks later gets another. */
static void
test_one_look_for_all (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GPtrArray *findings[20] = { NULL };
  GPtrArray *entries[20] = { NULL };
  GPtrArray *given_up = NULL;
  guint looks = rig->host->looks;

  vpnd_engine_query_check_async (rig->engine, cancellable, on_check, &given_up);
  for (guint i = 0; i < G_N_ELEMENTS (findings); i++)
    {
      vpnd_engine_query_check_async (rig->engine, NULL, on_check, &findings[i]);
      vpnd_engine_query_routes_async (rig->engine, NULL, on_routes, &entries[i]);
    }
  g_cancellable_cancel (cancellable);
  for (guint i = 0; i < G_N_ELEMENTS (findings); i++)
    {
      while (findings[i] == NULL || entries[i] == NULL)
        g_main_context_iteration (NULL, TRUE);
      g_ptr_array_unref (findings[i]);
      g_ptr_array_unref (entries[i]);
    }
  g_assert_null (given_up);
  g_assert_cmpuint (rig->host->looks, ==, looks + 2);
  (void) is_found (rig, VPND_FINDING_LOCKED_DOWN);
  g_assert_cmpuint (rig->host->looks, ==, looks + 3);
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/diagnosis", test_diagnosis);
  g_test_add_func ("/engine/one-look-for-all", test_one_look_for_all);
  g_test_add_func ("/engine/settings", test_settings);
  g_test_add_func ("/engine/reconnect", test_reconnect);
  g_test_add_func ("/engine/requests-queue", test_requests_queue);
  return rig_run (ring);
}
