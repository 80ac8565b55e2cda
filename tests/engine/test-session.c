/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One session of the engine on a host in memory: what is done in which order, what clients are told, and every call of it failing in turn.
 */
#include "config.h"

#include "engine-rig.h"

#include "error.h"
#include "reserved.h"

#include <string.h>

static void
test_connect_and_back (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndStatus) status = NULL;
  g_autoptr (GError) error = NULL;

  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));
  g_assert_true (activate (rig, profile, &error));
  g_assert_no_error (error);
  assert_status (rig, "connecting", "", TRUE);
  fake_host_advance (rig->host, 500);
  g_assert_cmpuint (rig->connected, ==, 0);

  rig->host->handshake_s = 1000;
  fake_host_advance (rig->host, 20); /* reported within 20 ms */
  g_assert_cmpuint (rig->connected, ==, 1);
  g_assert_cmpstr (rig->pubkey, ==, vpnd_profile_primary_peer (profile)->public_key_text);
  status = vpnd_engine_dup_status (rig->engine);
  g_assert_cmpstr (status->state, ==, "connected");
  g_assert_cmpstr (status->profile, ==, "home");
  g_assert_cmpstr (status->interface, ==, VPND_IFNAME);
  g_assert_cmpstr (status->backend, ==, "kernel");
  g_assert_cmpint (((VpndStatusPeer *) g_ptr_array_index (status->peers, 0))->handshake_us, ==, 1000 * G_USEC_PER_SEC);
  g_assert_cmpstr (g_hash_table_lookup (rig->host->sysctls, "ipv4/conf/all/arp_ignore"), ==, "2");

  deactivate (rig);
  g_assert_cmpuint (rig->disconnected, ==, 1);
  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));
  g_assert_cmpuint (rig->host->timers->len, ==, 0); /* nothing wakes up a daemon that does nothing */
}

/* A profile for a few networks closes all the others; a user who expects the internet is told. */
static void
test_split_profile_is_told (void)
{
  for (guint is_split = 0; is_split < 2; is_split++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("office");
      g_autoptr (VpndStatus) status = NULL;
      VpndPeer *peer = g_ptr_array_index (profile->peers, 0);

      for (guint i = 0; is_split && i < peer->allowed_ips->len; i++)
        g_array_index (peer->allowed_ips, VpndPrefix, i).length = 16;
      g_assert_true (activate (rig, profile, NULL));
      status = vpnd_engine_dup_status (rig->engine);
      g_assert_cmpuint (g_strv_length (status->warnings), ==, is_split);
    }
}

/* What clients see on the way, once for each change. */
static void
note_state (VpndEngine *engine, gpointer user_data)
{
  GPtrArray *seen = user_data;
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (engine);
  g_autofree char *word = g_strdup_printf ("%s%s", status->state, status->blocking ? "" : " (open)");

  if (seen->len == 0 || strcmp (g_ptr_array_index (seen, seen->len - 1), word) != 0)
    g_ptr_array_add (seen, g_steal_pointer (&word));
}

static void
test_nobody_is_told_more_than_is_so (void)
{
  static const char *const expected[] = { "connecting", "connected", "disconnecting", "disconnected (open)" };
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (GPtrArray) seen = g_ptr_array_new_with_free_func (g_free);
  gulong id = g_signal_connect (rig->engine, "changed", G_CALLBACK (note_state), seen);

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  deactivate (rig);
  g_signal_handler_disconnect (rig->engine, id);
  g_assert_cmpuint (seen->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpstr (g_ptr_array_index (seen, i), ==, expected[i]);
}

static void
test_order (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_ptr_array_set_size (rig->host->journal, 0);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_cmpint (find_call (rig->host, "firewall.apply"), <, find_call (rig->host, "sockets.end"));
  g_assert_cmpint (find_call (rig->host, "sockets.end"), <, find_call (rig->host, "router.apply"));
  g_assert_cmpint (find_call (rig->host, "tunnel.create"), <, find_call (rig->host, "firewall.apply")); /* so that it comes up meanwhile */
  g_assert_cmpint (find_call (rig->host, "firewall.apply"), <, find_call (rig->host, "tunnel.configure"));
  g_assert_cmpint (find_call (rig->host, "tunnel.configure"), <, find_call (rig->host, "router.apply"));
  g_assert_cmpint (find_call (rig->host, "router.apply"), <, find_call (rig->host, "resolver.apply"));

  g_ptr_array_set_size (rig->host->journal, 0);
  deactivate (rig);
  g_assert_cmpint (find_call (rig->host, "resolver.restore"), <, find_call (rig->host, "router.clear"));
  g_assert_cmpint (find_call (rig->host, "router.clear"), <, find_call (rig->host, "tunnel.destroy"));
  g_assert_cmpint (find_call (rig->host, "tunnel.destroy"), <, find_call (rig->host, "firewall.remove"));
}

/* Connections of before are ended once a session, by the settings and with the tunnel's own addresses spared; a kernel that cannot is told of. */
static void
test_sockets (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndStatus) status = NULL;
  guint n;

  set_setting (rig, "destroy-sockets", g_variant_new_boolean (FALSE));
  g_assert_true (activate (rig, profile, NULL));
  g_assert_null (rig->host->sockets);
  deactivate (rig);

  set_setting (rig, "destroy-sockets", g_variant_new_boolean (TRUE));
  rig->host->fail_sockets = TRUE;
  g_assert_true (activate (rig, profile, NULL));
  g_assert_nonnull (rig->host->sockets);
  g_assert_cmpuint (rig->host->sockets->own->len, >, 0);
  status = vpnd_engine_dup_status (rig->engine);
  g_assert_cmpstr (status->warnings[0], ==, "end-sockets: sockets.end: made to fail");
  n = rig->host->journal->len;
  fake_host_advance (rig->host, 4100); /* the second attempt: nothing is new */
  for (guint i = n; i < rig->host->journal->len; i++)
    g_assert_cmpstr (g_ptr_array_index (rig->host->journal, i), !=, "sockets.end");
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
  g_assert_false (rig->host->sockets->is_over);
  deactivate (rig);
  g_assert_true (rig->host->sockets->is_over);
}

/* Every call that an activation makes fails in turn: the error is told, and the host is exactly as before. */
static void
test_every_call_fails (void)
{
  for (guint n = 1;; n++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_autoptr (GError) error = NULL;

      rig->host->calls = 0;
      rig->host->fail_at = n;
      if (activate (rig, profile, &error))
        {
          g_assert_cmpuint (n, >, 5); /* so many were made to fail */
          return;
        }
      g_assert_cmpint (error->domain, ==, VPND_ERROR);
      assert_status (rig, "disconnected", "", FALSE);
      g_assert_true (fake_host_is_clean (rig->host));
      g_assert_cmpuint (rig->disconnected, ==, 0); /* it was never connected */
      g_assert_false (vpnd_ledger_get_protected (rig->ledger));
      g_assert_cmpuint (vpnd_ledger_get_changes (rig->ledger), ==, 0);

      /* and nothing stands in the way of the next try */
      g_assert_true (activate (rig, profile, NULL));
    }
}

/* The same from a connection: closed all the while, and back to it. */
static void
test_every_call_of_a_switch_fails (void)
{
  for (guint n = 1;; n++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) first = make_profile ("first");
      g_autoptr (VpndProfile) second = make_profile ("second");
      g_autoptr (VpndStatus) status = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (activate (rig, first, NULL));
      shake_hands (rig);
      rig->host->calls = 0;
      rig->host->fail_at = n;
      if (activate (rig, second, &error) && rig->host->calls < n)
        return;
      g_assert_nonnull (rig->host->ruleset);
      status = vpnd_engine_dup_status (rig->engine);
      g_assert_true (status->blocking);
      g_assert_cmpstr (status->profile, ==, error != NULL ? "first" : "second");
      shake_hands (rig);
      assert_status (rig, "connected", "", TRUE);
    }
}

/* Taking down goes on whatever fails, and says what could not be undone. */
static void
test_every_call_of_an_end_fails (void)
{
  for (guint n = 1;; n++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_autoptr (VpndStatus) status = NULL;

      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      rig->host->calls = 0;
      rig->host->fail_at = n;
      deactivate (rig);
      status = vpnd_engine_dup_status (rig->engine);
      g_assert_cmpstr (status->state, ==, "disconnected");
      g_assert_cmpuint (rig->disconnected, ==, 1);
      if (rig->host->calls < n)
        {
          g_assert_true (fake_host_is_clean (rig->host));
          return;
        }
      g_assert_true (status->warnings[0] != NULL || *status->detail != '\0');

      /* The next start undoes what this one could not. */
      rig->host->fail_at = 0;
      rig_crash (rig);
      rig_boot (rig);
      g_assert_true (fake_host_is_clean (rig->host));
    }
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/connect-and-back", test_connect_and_back);
  g_test_add_func ("/engine/nobody-is-told-more-than-is-so", test_nobody_is_told_more_than_is_so);
  g_test_add_func ("/engine/split-profile-is-told", test_split_profile_is_told);
  g_test_add_func ("/engine/order", test_order);
  g_test_add_func ("/engine/sockets", test_sockets);
  g_test_add_func ("/engine/every-call-fails", test_every_call_fails);
  g_test_add_func ("/engine/every-call-of-a-switch-fails", test_every_call_of_a_switch_fails);
  g_test_add_func ("/engine/every-call-of-an-end-fails", test_every_call_of_an_end_fails);
  return rig_run (ring);
}
