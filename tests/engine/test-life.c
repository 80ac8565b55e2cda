/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How the engine starts and ends on a host in memory: a crash after every call, what the next start makes of it, and files that cannot be read or written.
 */
#include "config.h"

#include "engine-rig.h"

#include "error.h"
#include "transition.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_stop (void)
{
  static const struct
  {
    VpndStopReason reason;
    gboolean was_connected;
    gboolean keeps_rules;
    const char *state_after_start;
  } cases[] = {
    { VPND_STOP_REQUESTED, FALSE, FALSE, "disconnected" },
    { VPND_STOP_REQUESTED, TRUE, FALSE, "disconnected" },
    { VPND_STOP_RESTART, FALSE, FALSE, "disconnected" },
    { VPND_STOP_RESTART, TRUE, TRUE, "connecting" },
    { VPND_STOP_GOING_DOWN, TRUE, TRUE, "connecting" },
    { VPND_STOP_GOING_DOWN, FALSE, FALSE, "disconnected" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_auto (Answer) answer = { 0 };

      if (cases[i].was_connected)
        {
          g_assert_true (activate (rig, profile, NULL));
          shake_hands (rig);
        }
      vpnd_engine_stop_async (rig->engine, cases[i].reason, NULL, on_answer, &answer);
      wait_for (&answer);
      g_assert_false (rig->host->has_link);
      g_assert_cmpint (rig->host->ruleset != NULL, ==, cases[i].keeps_rules);
      if (!cases[i].keeps_rules)
        g_assert_true (fake_host_is_clean (rig->host));

      rig_crash (rig);
      rig_boot (rig);
      assert_status (rig, cases[i].state_after_start, "", cases[i].keeps_rules);
    }
}

/* The instance dies after each of its calls in turn. The table stays; the next one does what crash-recovery says. */
static void
test_crash_after_every_call (void)
{
  static const struct
  {
    const char *setting;
    const char *state;
    const char *cause;
    gboolean blocking;
  } cases[] = {
    { "block", "error", "crashed", TRUE },
    { "reconnect", "connecting", "", TRUE },
    { "release", "disconnected", "", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint n = 1; n < 14; n++)
      {
        g_autoptr (Rig) rig = rig_new ();
        g_autoptr (VpndProfile) profile = make_profile ("home");
        g_auto (Answer) answer = { 0 };
        gboolean had_rules;

        set_setting (rig, "crash-recovery", g_variant_new_string (cases[i].setting));
        rig->host->calls = 0;
        vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &answer);
        while (rig->host->calls < n && !answer.is_done)
          g_main_context_iteration (NULL, TRUE);
        had_rules = rig->host->ruleset != NULL;
        rig_crash (rig);
        g_assert_cmpint (rig->host->ruleset != NULL, ==, had_rules);
        rig->host->now_us += G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;
        rig_boot (rig);
        assert_status (rig, cases[i].state, cases[i].cause, cases[i].blocking);
        deactivate (rig);
        g_assert_true (fake_host_is_clean (rig->host));
      }
}

/* The way out after a crash: open and clean whatever the settings say, and they say so no more. Each call fails in turn: the others are made all
 * the same, and the failure is told. */
static void
test_release (void)
{
  static const char *const keys[] = { "lockdown", "auto-connect" };
  guint calls = 1;

  for (guint fail_at = 0; fail_at <= calls; fail_at++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_auto (Answer) answer = { 0 };

      for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        set_setting (rig, keys[i], g_variant_new_boolean (TRUE));
      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      rig_crash (rig);

      rig_make (rig);
      rig->host->calls = 0;
      rig->host->fail_at = fail_at;
      vpnd_engine_release_async (rig->engine, NULL, on_answer, &answer);
      wait_for (&answer);
      if (fail_at == 0)
        calls = rig->host->calls;
      rig->host->fail_at = 0;
      g_assert_cmpint (answer.ok, ==, fail_at == 0);
      g_assert_cmpint (fake_host_is_clean (rig->host), ==, fail_at == 0);
      g_assert_cmpuint (rig->host->calls, >=, calls);

      rig_crash (rig);
      rig_boot (rig);
      assert_status (rig, "disconnected", "", FALSE);
      g_assert_true (fake_host_is_clean (rig->host));
    }
  g_assert_cmpuint (calls, >, 4);
}

static void
test_two_crashes_block (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  set_setting (rig, "crash-recovery", g_variant_new_string ("reconnect"));
  g_assert_true (activate (rig, profile, NULL));
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "connecting", "", TRUE);
  rig->host->now_us += 30 * G_USEC_PER_SEC;
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "error", "crashed", TRUE);
  rig->host->now_us += 90 * G_USEC_PER_SEC;
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "connecting", "", TRUE); /* long enough apart */
}

static void
test_broken_settings_block (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autofree char *path = g_build_filename (rig->directory, "state", "settings.json", NULL);
  g_autoptr (VpndStatus) status = NULL;

  set_setting (rig, "allow-lan", g_variant_new_boolean (TRUE));
  rig_crash (rig);
  g_assert_true (g_file_set_contents (path, "{\"version\":", -1, NULL));
  rig_boot (rig);
  assert_status (rig, "error", "settings-unreadable", TRUE);
  g_assert_false (vpnd_engine_get_settings (rig->engine)->allow_lan);

  /* Neither a crash nor a boot opens what is closed because nobody knows what was wanted. */
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "error", "settings-unreadable", TRUE);
  status = vpnd_engine_dup_status (rig->engine);
  g_assert_nonnull (strstr (status->detail, "settings.json.broken-1"));
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "error", "settings-unreadable", TRUE);

  /* A word of the user does, also when it is what holds already. */
  set_setting (rig, "allow-lan", g_variant_new_boolean (FALSE));
  assert_status (rig, "error", "settings-unreadable", TRUE);
  deactivate (rig);
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* Nothing can be written under @name: a directory that is not empty stands where the new file must be made. */
static void
jam (int dirfd, const char *name, gboolean is_jammed)
{
  g_autofree char *temporary = g_strdup_printf (".%s.tmp", name);
  g_autofree char *inner = g_strdup_printf ("%s/x", temporary);

  if (is_jammed)
    g_assert_true (mkdirat (dirfd, temporary, 0700) == 0 && mkdirat (dirfd, inner, 0700) == 0);
  else
    g_assert_true (unlinkat (dirfd, inner, AT_REMOVEDIR) == 0 && unlinkat (dirfd, temporary, AT_REMOVEDIR) == 0);
}

/* What cannot be remembered is not begun: no rule, no link, and the caller is told. */
static void
test_wanted_cannot_be_written (void)
{
  static const char *const files[] = { "ledger.json", "wanted.conf" };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_autoptr (VpndProfile) other = make_profile ("other");
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) again = NULL;

      jam (rig->runtime_dirfd, files[i], TRUE);
      g_assert_false (activate (rig, profile, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_STORAGE);
      assert_status (rig, "disconnected", "", FALSE);
      g_assert_true (fake_host_is_clean (rig->host));
      jam (rig->runtime_dirfd, files[i], FALSE);
      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);

      /* A change that cannot be remembered leaves the host closed, whatever becomes of the tunnel. */
      jam (rig->runtime_dirfd, files[i], TRUE);
      g_assert_false (activate (rig, other, &again));
      g_assert_error (again, VPND_ERROR, VPND_ERROR_STORAGE);
      g_assert_nonnull (rig->host->ruleset);
      jam (rig->runtime_dirfd, files[i], FALSE);
      rig_crash (rig);
      rig_boot (rig);
      assert_status (rig, "error", "crashed", TRUE);
      deactivate (rig);
      g_assert_true (fake_host_is_clean (rig->host));
    }
}

/* The end that a user asked for is an end, also when it cannot be written down; a start after that closes rather than forgets. */
static void
test_end_cannot_be_written (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  jam (rig->runtime_dirfd, "ledger.json", TRUE);
  deactivate (rig);
  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));
  jam (rig->runtime_dirfd, "ledger.json", FALSE);
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "error", "crashed", TRUE);
}

/* Each thing that a start has to do fails: the daemon is there all the same, closed, and connects when the trouble is over. */
static void
test_start_in_trouble (void)
{
  static const char *const calls[] = { "tunnel.create", "tunnel.configure", "router.apply", "resolver.apply" };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_autoptr (VpndStatus) status = NULL;

      set_setting (rig, "crash-recovery", g_variant_new_string ("reconnect"));
      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      rig_crash (rig);
      rig->host->fail_name = calls[i];
      rig_boot (rig);
      g_assert_nonnull (rig->host->ruleset);
      status = vpnd_engine_dup_status (rig->engine);
      g_assert_cmpstr (status->state, ==, "error");
      rig->host->fail_name = NULL;
      fake_host_advance (rig->host, VPND_TROUBLE_MAX_MS);
      settle ();
      shake_hands (rig);
      assert_status (rig, "connected", "", TRUE);
    }
}

/* Every ledger write of a start fails: closed all the same, and so it is at the next one. */
static void
test_start_cannot_write (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  set_setting (rig, "crash-recovery", g_variant_new_string ("reconnect"));
  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  rig_crash (rig);
  jam (rig->runtime_dirfd, "ledger.json", TRUE);
  rig_boot (rig);
  g_assert_nonnull (rig->host->ruleset);
  rig_crash (rig);
  jam (rig->runtime_dirfd, "ledger.json", FALSE);
  rig_boot (rig);
  g_assert_nonnull (rig->host->ruleset);
}

static void
test_settings_cannot_be_saved (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSettings) locked = vpnd_settings_with (vpnd_engine_get_settings (rig->engine), vpnd_setting_info_by_key ("lockdown"), g_variant_new_boolean (TRUE), &error);
  g_auto (Answer) answer = { 0 };
  g_auto (Answer) again = { 0 };

  jam (rig->state_dirfd, "settings.json", TRUE);
  vpnd_engine_set_settings_async (rig->engine, locked, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_error (answer.error, VPND_ERROR, VPND_ERROR_STORAGE);
  g_assert_false (vpnd_engine_get_settings (rig->engine)->lockdown);
  assert_status (rig, "disconnected", "", FALSE);
  jam (rig->state_dirfd, "settings.json", FALSE);
  vpnd_engine_set_settings_async (rig->engine, locked, NULL, on_answer, &again);
  wait_for (&again);
  assert_status (rig, "disconnected", "", TRUE);
}

static void
test_broken_profile_is_told (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autofree char *path = g_build_filename (rig->directory, "state", "profiles", "home.conf", NULL);
  g_autoptr (VpndStatus) status = NULL;

  rig_crash (rig);
  g_assert_true (g_file_set_contents (path, "[Interface]\nnonsense\n", -1, NULL));
  rig_boot (rig);
  status = vpnd_engine_dup_status (rig->engine);
  g_assert_cmpuint (g_strv_length (status->warnings), ==, 1);
  g_assert_nonnull (strstr (status->warnings[0], "home.conf.broken-1"));
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/stop", test_stop);
  g_test_add_func ("/engine/crash-after-every-call", test_crash_after_every_call);
  g_test_add_func ("/engine/release", test_release);
  g_test_add_func ("/engine/two-crashes-block", test_two_crashes_block);
  g_test_add_func ("/engine/broken-settings-block", test_broken_settings_block);
  g_test_add_func ("/engine/wanted-cannot-be-written", test_wanted_cannot_be_written);
  g_test_add_func ("/engine/end-cannot-be-written", test_end_cannot_be_written);
  g_test_add_func ("/engine/start-in-trouble", test_start_in_trouble);
  g_test_add_func ("/engine/start-cannot-write", test_start_cannot_write);
  g_test_add_func ("/engine/settings-cannot-be-saved", test_settings_cannot_be_saved);
  g_test_add_func ("/engine/broken-profile-is-told", test_broken_profile_is_told);
  return rig_run (ring);
}
