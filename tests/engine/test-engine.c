/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine on a host in memory: the order of things, every call failing in turn, and a crash after every call. Stores and ledger are
 * the real ones, in a directory of the test's.
 */
#include "config.h"

#include "doctor.h"
#include "engine.h"
#include "error.h"
#include "fake-host.h"
#include "log.h"
#include "random-values.h"
#include "reserved.h"
#include "transition.h"
#include "tunnel-plan.h"
#include "remove-tree.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  FakeHost *host;
  char *directory;
  int state_dirfd;
  int runtime_dirfd;
  VpndLedger *ledger;
  VpndProfileStore *profiles;
  VpndSettingsStore *settings;
  VpndSplitStore *split;
  VpndEngine *engine;
  guint connected;
  guint disconnected;
  char *pubkey;
} Rig;

static void
on_connected (VpndEngine *engine, const char *pubkey, gpointer user_data)
{
  Rig *rig = user_data;

  rig->connected++;
  g_free (rig->pubkey);
  rig->pubkey = g_strdup (pubkey);
}

static void
on_disconnected (VpndEngine *engine, gpointer user_data)
{
  ((Rig *) user_data)->disconnected++;
}

typedef struct
{
  gboolean is_done;
  gboolean ok;
  GError *error;
} Answer;

static void
answer_clear (Answer *answer)
{
  g_clear_error (&answer->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->ok = g_task_propagate_boolean (G_TASK (result), &answer->error);
  answer->is_done = TRUE;
}

static void
wait_for (Answer *answer)
{
  while (!answer->is_done)
    g_main_context_iteration (NULL, TRUE);
}

/* A new instance of the daemon's heart on the same host and the same files. */
static void
rig_make (Rig *rig)
{
  g_autoptr (GError) error = NULL;
  VpndEnginePorts ports = { rig->host->firewall, rig->host->tunnel, rig->host->router, rig->host->resolver, rig->host->facts_source, rig->host->names_lookup, rig->host->prober, rig->host->clock, rig->host->socket_killer, rig->host->inspector, rig->host->splitter, rig->host->name_watch };

  rig->host->is_dead = FALSE;
  rig->ledger = vpnd_ledger_open (rig->runtime_dirfd, rig->state_dirfd, &error);
  g_assert_no_error (error);
  rig->profiles = vpnd_profile_store_new (rig->state_dirfd, rig->runtime_dirfd, &error);
  g_assert_no_error (error);
  rig->settings = vpnd_settings_store_new (rig->state_dirfd, &error);
  g_assert_no_error (error);
  rig->split = vpnd_split_store_new (rig->state_dirfd, &error);
  g_assert_no_error (error);
  rig->engine = vpnd_engine_new (&ports, rig->ledger, rig->profiles, rig->settings, rig->split);
  g_signal_connect (rig->engine, "connected", G_CALLBACK (on_connected), rig);
  g_signal_connect (rig->engine, "disconnected", G_CALLBACK (on_disconnected), rig);
}

static void
on_early_status (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(VpndStatus **) user_data = vpnd_engine_query_status_finish (VPND_ENGINE (source), result, NULL);
}

static void
rig_boot (Rig *rig)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (VpndStatus) early = NULL;

  rig_make (rig);
  vpnd_engine_query_status_async (rig->engine, NULL, on_early_status, &early);
  vpnd_engine_start_async (rig->engine, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
  while (early == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (early->blocking, ==, rig->host->ruleset != NULL); /* what is so, not what was known before */
}

/* The end of an instance that nobody asked for: what is on the host and on disk stays. */
static void
rig_crash (Rig *rig)
{
  rig->host->is_dead = TRUE;
  g_clear_object (&rig->engine);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_array_set_size (rig->host->timers, 0);
  g_clear_object (&rig->profiles);
  g_clear_object (&rig->settings);
  g_clear_object (&rig->split);
  g_clear_pointer (&rig->ledger, vpnd_ledger_free);
}

static Rig *
rig_new (void)
{
  Rig *rig = g_new0 (Rig, 1);
  g_autofree char *state = NULL;
  g_autofree char *runtime = NULL;

  rig->host = fake_host_new ();
  rig->directory = g_dir_make_tmp ("vpnd-engine-XXXXXX", NULL);
  state = g_build_filename (rig->directory, "state", NULL);
  runtime = g_build_filename (rig->directory, "run", NULL);
  g_assert_cmpint (g_mkdir (state, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (runtime, 0700), ==, 0);
  rig->state_dirfd = open (state, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
  rig->runtime_dirfd = open (runtime, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
  rig_boot (rig);
  return rig;
}

static void
rig_free (Rig *rig)
{
  rig_crash (rig);
  close (rig->state_dirfd);
  close (rig->runtime_dirfd);
  support_remove_tree (rig->directory);
  g_free (rig->directory);
  g_free (rig->pubkey);
  fake_host_free (rig->host);
  g_free (rig);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rig, rig_free)

static VpndProfile *
make_profile (const char *name)
{
  VpndProfile *profile;

  do
    {
      profile = random_profile (name);
      if (vpnd_profile_primary_peer (profile)->endpoints->len == 2 && profile->dns_servers->len > 0 && !vpnd_bridge_is_set (&profile->bridge))
        return profile;
      vpnd_profile_unref (profile);
    }
  while (TRUE);
}

static gboolean
activate (Rig *rig, VpndProfile *profile, GError **error)
{
  g_auto (Answer) answer = { 0 };

  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &answer);
  wait_for (&answer);
  if (answer.error != NULL)
    g_propagate_error (error, g_steal_pointer (&answer.error));
  return answer.ok;
}

static void
deactivate (Rig *rig)
{
  g_auto (Answer) answer = { 0 };

  vpnd_engine_deactivate_async (rig->engine, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
}

static void
shake_hands (Rig *rig)
{
  rig->host->handshake_s = 1000;
  rig->host->rx_bytes += 92;
  fake_host_advance (rig->host, 100);
}

static void
assert_status (Rig *rig, const char *state, const char *cause, gboolean blocking)
{
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (rig->engine);

  g_assert_cmpstr (status->state, ==, state);
  g_assert_cmpstr (status->cause, ==, cause);
  g_assert_cmpint (status->blocking, ==, blocking);
}

static void
set_setting (Rig *rig, const char *key, GVariant *value)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);
  g_autoptr (VpndSettings) settings = vpnd_settings_with (vpnd_engine_get_settings (rig->engine), vpnd_setting_info_by_key (key), sunk, &error);

  g_assert_no_error (error);
  vpnd_engine_set_settings_async (rig->engine, settings, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
}

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

static int
find_call (FakeHost *host, const char *name)
{
  for (guint i = 0; i < host->journal->len; i++)
    if (strcmp (g_ptr_array_index (host->journal, i), name) == 0)
      return (int) i;
  g_error ("%s was never called", name);
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

static guint
count_calls (FakeHost *host, const char *name)
{
  guint count = 0;

  for (guint i = 0; i < host->journal->len; i++)
    count += strcmp (g_ptr_array_index (host->journal, i), name) == 0;
  return count;
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* Watched while there is a tunnel, and only then. */
static void
test_router_is_watched (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_null (rig->host->watched);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_nonnull (rig->host->watched);
  shake_hands (rig);
  settle ();
  g_assert_nonnull (rig->host->watched);
  g_assert_cmpint (rig->host->n_routes, ==, rig->host->watched->routes->len + rig->host->watched->rules->len);
  deactivate (rig);
  g_assert_null (rig->host->watched);
  fake_host_disturb (rig->host);
  settle ();
  g_assert_cmpint (rig->host->n_routes, ==, 0);
}

/* Put back at once; one that goes on tearing is answered ever less often, down to once a second; the tunnel stays all the while. */
static void
test_repair (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndStatus) status = NULL;
  int n_routes;
  guint n_warnings = 0;

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  settle ();
  n_routes = rig->host->n_routes;
  g_ptr_array_set_size (rig->host->journal, 0);

  fake_host_disturb (rig->host);
  settle ();
  g_assert_cmpint (rig->host->n_routes, ==, n_routes);
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), ==, 1);
  g_assert_cmpuint (count_calls (rig->host, "firewall.apply"), ==, 0);
  g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 0);

  for (guint ms = 0; ms < 20000; ms += 10)
    {
      fake_host_disturb (rig->host);
      rig->host->rx_bytes++; /* the peer lives */
      fake_host_advance (rig->host, 10);
      settle ();
    }
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), >=, 20);
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), <=, 20 + 10);
  assert_status (rig, "connected", "", TRUE);
  g_assert_cmpuint (rig->connected, ==, 1);

  status = vpnd_engine_dup_status (rig->engine);
  for (guint i = 0; status->warnings[i] != NULL; i++)
    n_warnings += strstr (status->warnings[i], "took away") != NULL;
  g_assert_cmpuint (n_warnings, ==, 1); /* however often */

  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
  g_assert_cmpuint (rig->host->timers->len, ==, 0);
}

/* The kernel tells nobody that these were written; they come back with the next reading of the counters, and at the end the host has its own. */
static void
test_sysctls_come_back (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  g_assert_cmpstr (g_hash_table_lookup (rig->host->sysctls, "ipv4/conf/all/src_valid_mark"), ==, "1");
  g_hash_table_insert (rig->host->sysctls, g_strdup ("ipv4/conf/all/src_valid_mark"), g_strdup ("0"));
  fake_host_advance (rig->host, 1000);
  settle ();
  g_assert_cmpstr (g_hash_table_lookup (rig->host->sysctls, "ipv4/conf/all/src_valid_mark"), ==, "1");
  g_assert_cmpstr (g_hash_table_lookup (rig->host->sysctls, "ipv4/conf/all/arp_ignore"), ==, "2");
  assert_status (rig, "connected", "", TRUE);
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* Whichever call of a repair fails: told, and the tunnel stays. */
static void
test_every_call_of_a_repair_fails (void)
{
  for (guint n = 1;; n++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");

      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      settle ();
      rig->host->calls = 0;
      rig->host->fail_at = n;
      fake_host_disturb (rig->host);
      settle ();
      assert_status (rig, "connected", "", TRUE);
      if (rig->host->calls < n)
        return;
      fake_host_disturb (rig->host); /* what a router that watches finds again */
      fake_host_advance (rig->host, 1000);
      settle ();
      g_assert_cmpint (rig->host->n_routes, >, 0);
    }
}

/* An address that arrives just when the peer has answered does not throw the answer away; another way does. */
static void
test_address_arrives_while_connecting (void)
{
  for (guint other_way = 0; other_way < 2; other_way++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      VpndFacts *facts = vpnd_facts_new ();

      g_assert_true (activate (rig, profile, NULL));
      rig->host->handshake_s = 1000;
      facts->default4 = rig->host->facts->default4;
      facts->default4.sources = 4711;
      if (other_way)
        facts->default4.gateway.bytes[3]++;
      facts->ipv6_enabled = rig->host->facts->ipv6_enabled;
      fake_host_set_facts (rig->host, facts);
      settle ();
      g_assert_cmpint (rig->host->handshake_s, ==, other_way ? 0 : 1000);
      fake_host_advance (rig->host, 20);
      g_assert_cmpuint (rig->connected, ==, other_way ? 0 : 1);
    }
}

/* The address of the uplink changes, and nothing else: the device is told anew where the peer is, the peer where we are, and nobody that the
 * tunnel was ever gone. The same facts once more are no reason for anything. */
static void
test_network_moves (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndFacts *facts;
  guint probes;

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  settle ();
  for (guint round = 0; round < 2; round++)
    {
      probes = rig->host->probes;
      g_ptr_array_set_size (rig->host->journal, 0);
      facts = vpnd_facts_new ();
      facts->default4 = rig->host->facts->default4;
      facts->default4.sources = 4711;
      facts->ipv6_enabled = rig->host->facts->ipv6_enabled;
      fake_host_set_facts (rig->host, facts);
      settle ();
      g_assert_cmpuint (rig->host->probes - probes, ==, round == 0 ? 1 : 0);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.configure"), ==, round == 0 ? 1 : 0);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 0);
    }
  assert_status (rig, "connected", "", TRUE);
  g_assert_cmpuint (rig->connected, ==, 1);
}

/* A path that is smaller than it looks: by what a router said, or by trying, the link is made to fit, and the tunnel stays. A profile's own MTU is
 * none of our business. */
static void
test_path_is_small (void)
{
  static const struct
  {
    guint32 path;
    guint32 profile;
    gboolean is_known;
    guint32 lowest;
    guint32 highest;
  } cases[] = {
    { 0, 0, FALSE, 1420, 1420 },
    { 1400, 0, TRUE, 1340, 1340 },
    { 1400, 0, FALSE, 1325, 1340 },
    { 1400, 1400, TRUE, 1400, 1400 },
    { 100, 0, FALSE, 1420, 1420 }, /* nobody answers anything: nothing is known */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      VpndStatus *status = NULL;

      profile->mtu = cases[i].profile;
      rig->host->path_bytes = cases[i].path;
      rig->host->knows_path = cases[i].is_known;
      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      settle ();
      assert_status (rig, "connected", "", TRUE);
      vpnd_engine_query_status_async (rig->engine, NULL, on_early_status, &status);
      while (status == NULL)
        g_main_context_iteration (NULL, TRUE);
      g_test_message ("case %u", i);
      g_assert_cmpuint (status->mtu, >=, cases[i].lowest);
      g_assert_cmpuint (status->mtu, <=, cases[i].highest);
      vpnd_status_free (status);
      g_assert_cmpuint (rig->connected, ==, 1);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 1);
    }
}

/* After a sleep a new handshake is asked for on the same link; it is up as soon as the peer answers, and says "connecting" until then. */
static void
test_resume (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  settle ();
  rig->host->rx_bytes++;
  fake_host_advance (rig->host, 1000);
  settle ();
  g_ptr_array_set_size (rig->host->journal, 0);
  rig->host->now_us += 10 * G_USEC_PER_SEC; /* nothing runs meanwhile */
  fake_host_advance (rig->host, 100);
  settle ();
  assert_status (rig, "connecting", "", TRUE);
  g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 0);
  g_assert_cmpuint (count_calls (rig->host, "tunnel.configure"), ==, 2); /* sessions forgotten, then the peers once more */
  fake_host_advance (rig->host, VPND_ESTABLISH_AGAIN_MS);
  settle ();
  g_assert_cmpuint (count_calls (rig->host, "tunnel.configure"), ==, 4); /* the answer may have been lost */
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), ==, 0);
  assert_status (rig, "connecting", "", TRUE);
  shake_hands (rig);
  settle ();
  assert_status (rig, "connected", "", TRUE);
}

/* The host may sleep when what was asked for before is done; waking up asks for a new handshake, and on an idle host for nothing. */
static void
test_suspend (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_auto (Answer) activated = { 0 };
  g_auto (Answer) settled = { 0 };

  vpnd_engine_resume (rig->engine);
  assert_status (rig, "disconnected", "", FALSE);
  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &activated);
  while (rig->host->ruleset == NULL)
    g_main_context_iteration (NULL, TRUE); /* it is under way */
  vpnd_engine_suspend_async (rig->engine, NULL, on_answer, &settled);
  g_assert_false (activated.is_done || settled.is_done);
  wait_for (&settled);
  g_assert_true (activated.is_done && activated.ok && rig->host->has_link && rig->host->dns != NULL);

  shake_hands (rig);
  settle ();
  assert_status (rig, "connected", "", TRUE);
  rig->host->now_us += G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;
  vpnd_engine_resume (rig->engine);
  settle ();
  assert_status (rig, "connecting", "", TRUE);
  shake_hands (rig);
  settle ();
  assert_status (rig, "connected", "", TRUE);
}

static void
test_peer_dies_and_returns (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
  for (guint second = 0; second < 25; second++)
    {
      rig->host->tx_bytes += 100; /* the user goes on sending */
      fake_host_advance (rig->host, 1000);
      if (rig->host->handshake_s == 0)
        break;
    }
  g_assert_cmpuint (rig->host->probes, >, 0);
  assert_status (rig, "connecting", "", TRUE);
  g_assert_nonnull (rig->host->ruleset);
  fake_host_advance (rig->host, 300 * 1000);
  assert_status (rig, "connecting", "", TRUE); /* for ever */
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
  g_assert_cmpuint (rig->connected, ==, 2);
}

static gboolean
warns_of (Rig *rig, const char *text)
{
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (rig->engine);

  for (guint i = 0; status->warnings != NULL && status->warnings[i] != NULL; i++)
    if (strstr (status->warnings[i], text) != NULL)
      return TRUE;
  return FALSE;
}

static void
test_device_dies (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  for (guint i = 0; i < 5; i++)
    {
      guint calls = rig->host->calls;

      vpnd_tunnel_emit_lost (rig->host->tunnel, "killed");
      fake_host_advance (rig->host, 10);
      g_assert_nonnull (rig->host->ruleset);
      g_assert_cmpuint (rig->host->calls - calls, <, 12); /* one that dies at once does not spin */
      fake_host_advance (rig->host, 1000);
      assert_status (rig, "connecting", "", TRUE);
      g_assert_true (rig->host->has_link);
      g_assert_true (warns_of (rig, "link: "));
    }
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
}

static void
test_offline_and_back (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndFacts *offline = vpnd_facts_new ();
  VpndFacts *online = vpnd_facts_new ();

  offline->ipv6_enabled = TRUE;
  online->ipv6_enabled = TRUE;
  online->default4 = (VpndDefaultRoute){ TRUE, 3, "wlan0", { AF_INET, { 192, 0, 2, 9 } }, 1500 };
  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  fake_host_set_facts (rig->host, offline);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "offline", TRUE);
  g_assert_nonnull (rig->host->ruleset);
  fake_host_set_facts (rig->host, online);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "connecting", "", TRUE);
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
}

/* Trouble of the host itself ends by itself when it is over, is asked after ever more seldom until then, and leaves the host closed. */
static void
test_trouble_goes (void)
{
  static const char *const troubles[][2] = {
    { "firewall.apply", "firewall-failed" },
    { "tunnel.create", "tunnel-failed" },
    { "router.apply", "routing-failed" },
    { "resolver.apply", "dns-failed" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (troubles); i++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_auto (Answer) answer = { 0 };

      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      rig->host->fail_name = troubles[i][0];
      vpnd_engine_reconnect_async (rig->engine, NULL, on_answer, &answer);
      wait_for (&answer);
      g_assert_nonnull (answer.error);
      assert_status (rig, "error", troubles[i][1], TRUE);

      g_ptr_array_set_size (rig->host->journal, 0);
      for (guint second = 0; second < 120; second++)
        {
          fake_host_advance (rig->host, 1000);
          settle ();
          assert_status (rig, "error", troubles[i][1], TRUE);
          g_assert_nonnull (rig->host->ruleset);
        }
      g_assert_cmpuint (count_calls (rig->host, troubles[i][0]), >, 4);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), <, 10);

      rig->host->fail_name = NULL;
      fake_host_advance (rig->host, 1000);
      settle ();
      fake_host_advance (rig->host, 30000);
      settle ();
      assert_status (rig, "connecting", "", TRUE);
      shake_hands (rig);
      assert_status (rig, "connected", "", TRUE);
    }
}

/* The cause that is told is that of now: a network of the other family came and went while we waited for ours. */
static void
test_cause_follows_the_network (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndFacts *offline[] = { vpnd_facts_new (), vpnd_facts_new () };
  VpndFacts *other = vpnd_facts_new ();
  GArray *endpoints = vpnd_profile_primary_peer (profile)->endpoints;

  offline[0]->ipv6_enabled = offline[1]->ipv6_enabled = other->ipv6_enabled = TRUE;
  other->default6 = (VpndDefaultRoute){ TRUE, 3, "wlan0", { AF_INET6, { 0xfe, 0x80, [15] = 1 } }, 1500 };
  g_array_remove_index (endpoints, g_array_index (endpoints, VpndEndpoint, 0).addr.family == AF_INET ? 1 : 0); /* a server with IPv4 only */
  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  fake_host_set_facts (rig->host, offline[0]);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "offline", TRUE);
  fake_host_set_facts (rig->host, other);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "ip-family-unavailable", TRUE);
  fake_host_set_facts (rig->host, offline[1]);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "offline", TRUE);
}

static void
test_tampering (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndRuleset) ruleset = NULL;

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  ruleset = g_steal_pointer (&rig->host->ruleset);
  vpnd_firewall_emit_tampered (rig->host->firewall);
  fake_host_advance (rig->host, 0);
  g_assert_nonnull (rig->host->ruleset);
  g_assert_true (vpnd_ruleset_equal (ruleset, rig->host->ruleset));
  assert_status (rig, "connected", "", TRUE);
  g_assert_true (warns_of (rig, "rules: "));

  /* When it cannot be put back, nobody is told that it is there. */
  g_clear_pointer (&rig->host->ruleset, vpnd_ruleset_unref);
  rig->host->calls = 0;
  rig->host->fail_at = 1;
  vpnd_firewall_emit_tampered (rig->host->firewall);
  while (rig->host->calls < 1)
    g_main_context_iteration (NULL, TRUE);
  fake_host_advance (rig->host, 0);
  g_assert_nonnull (rig->host->ruleset); /* the blocking one, at once */
  assert_status (rig, "error", "firewall-failed", TRUE);
}

static void
overwrite_dns (Rig *rig)
{
  g_clear_pointer (&rig->host->dns, vpnd_dns_plan_unref);
  vpnd_resolver_emit_overwritten (rig->host->resolver, "a test did it");
  fake_host_advance (rig->host, 0);
}

static void
test_dns_overwritten (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndDnsPlan) plan = NULL;
  guint before;

  vpnd_resolver_emit_overwritten (rig->host->resolver, "nothing of ours is there");
  fake_host_advance (rig->host, 2000);
  g_assert_cmpuint (count_calls (rig->host, "resolver.apply"), ==, 0);

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  g_assert_nonnull (rig->host->dns);
  plan = vpnd_dns_plan_ref (rig->host->dns);
  g_assert_false (warns_of (rig, "DNS setting"));

  /* At once the first time, and said in the status. */
  overwrite_dns (rig);
  g_assert_nonnull (rig->host->dns);
  g_assert_true (vpnd_dns_plan_equal (plan, rig->host->dns));
  g_assert_true (warns_of (rig, "DNS setting"));
  assert_status (rig, "connected", "", TRUE);

  /* Then less and less often, but always within a second. */
  before = count_calls (rig->host, "resolver.apply");
  for (guint i = 0; i < 1000; i++)
    {
      overwrite_dns (rig);
      fake_host_advance (rig->host, 10);
    }
  g_assert_cmpuint (count_calls (rig->host, "resolver.apply") - before, <, 25);
  fake_host_advance (rig->host, 1000);
  g_assert_nonnull (rig->host->dns);

  /* One that fails is tried again, and the tunnel stays. */
  fake_host_advance (rig->host, 10000);
  rig->host->calls = 0;
  rig->host->fail_at = 1;
  overwrite_dns (rig);
  fake_host_advance (rig->host, 1000);
  g_assert_nonnull (rig->host->dns);
  assert_status (rig, "connected", "", TRUE);

  overwrite_dns (rig);
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
  g_assert_cmpuint (rig->host->timers->len, ==, 0);
}

static void
test_lookup (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndAddr addr = random_public_addr (AF_INET);
  g_autoptr (GError) error = NULL;

  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  g_assert_false (activate (rig, profile, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE);
  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));

  rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_array_append_val (rig->host->lookup, addr);
  g_ptr_array_set_size (rig->host->journal, 0);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_cmpint (find_call (rig->host, "names.lookup"), <, find_call (rig->host, "firewall.apply")); /* before the lock */
  g_assert_true (vpnd_addr_equal (&((VpndTunnelPeer *) g_ptr_array_index (rig->host->config->peers, 0))->endpoint.addr, &addr));

  /* A closed host can ask for no name: the address of the last time is taken. One that never was looked up stays refused. */
  deactivate (rig);
  g_clear_error (&error);
  g_clear_pointer (&rig->host->lookup, g_array_unref);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_true (vpnd_addr_equal (&((VpndTunnelPeer *) g_ptr_array_index (rig->host->config->peers, 0))->endpoint.addr, &addr));
  g_free (peer->host);
  peer->host = g_strdup ("other.example");
  g_assert_false (activate (rig, profile, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE);
}

/* A start that connects by itself closes the host before anything else, and asks for no name. */
static void
test_auto_connect_by_name (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndAddr addr = random_public_addr (AF_INET);

  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_array_append_val (rig->host->lookup, addr);
  g_assert_true (vpnd_profile_store_save (rig->profiles, profile, FALSE, NULL));
  g_assert_true (activate (rig, profile, NULL));
  deactivate (rig);
  set_setting (rig, "auto-connect", g_variant_new_boolean (TRUE));
  set_setting (rig, "auto-connect-profile", g_variant_new_string ("home"));
  rig_crash (rig);
  g_ptr_array_set_size (rig->host->journal, 0);
  rig_boot (rig);
  assert_status (rig, "connecting", "", TRUE);
  for (guint i = 0; i < rig->host->journal->len; i++)
    g_assert_cmpstr (g_ptr_array_index (rig->host->journal, i), !=, "names.lookup");
  g_assert_cmpstr (g_ptr_array_index (rig->host->journal, 0), ==, "firewall.apply");
  deactivate (rig);

  set_setting (rig, "auto-connect-profile", g_variant_new_string ("gone"));
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "error", "profile-unusable", TRUE);
}

/* A start whose server has a name that nobody knows: closed, and asked for ever more slowly until it is known, or until the user ends it. */
static void
test_unknown_name_is_asked_for_again (void)
{
  for (guint round = 0; round < 2; round++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
      VpndAddr addr = random_public_addr (AF_INET);
      guint asked;

      g_array_set_size (peer->endpoints, 0);
      peer->host = g_strdup ("never.example");
      g_assert_true (vpnd_profile_store_save (rig->profiles, profile, FALSE, NULL));
      set_setting (rig, "auto-connect", g_variant_new_boolean (TRUE));
      set_setting (rig, "auto-connect-profile", g_variant_new_string ("home"));
      rig_crash (rig);
      rig_boot (rig);
      g_ptr_array_set_size (rig->host->journal, 0);
      for (guint second = 0; second < 120; second++)
        {
          fake_host_advance (rig->host, 1000);
          settle ();
        }
      assert_status (rig, "error", "endpoint-unresolvable", TRUE);
      asked = count_calls (rig->host, "names.lookup");
      g_assert_cmpuint (asked, >=, 6); /* after 1, 3, 7, 15, 31, 61, 91 s */
      g_assert_cmpuint (asked, <=, 8);

      rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
      g_array_append_val (rig->host->lookup, addr);
      if (round == 1)
        deactivate (rig);
      fake_host_advance (rig->host, VPND_LOOKUP_MAX_MS);
      settle ();
      if (round == 1)
        g_assert_cmpuint (count_calls (rig->host, "names.lookup"), ==, asked);
      assert_status (rig, round == 0 ? "connecting" : "disconnected", "", round == 0);
    }
}

/* What the device is told, and what the rules and the sockets are judged by. */
static void
assert_bridged (Rig *rig, const VpndBridge *bridge)
{
  VpndEndpoint local = vpnd_bridge_local_endpoint (bridge);
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (rig->engine);
  g_autofree char *service = vpnd_service_port_to_string (&bridge->service);

  g_assert_true (vpnd_endpoint_equal (&((VpndTunnelPeer *) g_ptr_array_index (rig->host->config->peers, 0))->endpoint, &local));
  g_assert_true (vpnd_bridge_equal (&rig->host->config->bridge, bridge));
  g_assert_true (vpnd_bridge_equal (&rig->host->sockets->bridge, bridge));
  g_assert_cmpstr (status->bridge, ==, service);
}

/* A bridge stays the first hop whatever happens, nobody looks the server's name up, and it is the bridge that needs a network. */
static void
test_bridge (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) plain = make_profile ("home");
  const VpndBridge bridge = { { { random_public_addr (AF_INET), 443 }, IPPROTO_TCP }, 1020, 0 };
  g_autoptr (VpndProfile) profile = vpnd_profile_dup_with_bridge (plain, &bridge);
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndFacts *online = vpnd_facts_ref (rig->host->facts);
  VpndFacts *other_family = vpnd_facts_new ();

  while (profile->peers->len > 1)
    g_ptr_array_remove_index (profile->peers, 1);
  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  g_assert_true (activate (rig, profile, NULL));
  assert_bridged (rig, &bridge);
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);

  /* The proxy dies: what is sent is not answered. */
  for (guint i = 0; i < 40; i++)
    {
      rig->host->tx_bytes += 100;
      rig->host->handshake_s = 0;
      fake_host_advance (rig->host, 1000);
    }
  assert_status (rig, "connecting", "", TRUE);
  assert_bridged (rig, &bridge);
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);

  other_family->ipv6_enabled = TRUE;
  other_family->default6 = (VpndDefaultRoute){ TRUE, 3, "wlan0", { AF_INET6, { 0xfe, 0x80 } }, 1500 };
  fake_host_set_facts (rig->host, other_family);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "ip-family-unavailable", TRUE);
  fake_host_set_facts (rig->host, online);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "connecting", "", TRUE);
  assert_bridged (rig, &bridge);

  set_setting (rig, "crash-recovery", g_variant_new_string ("reconnect"));
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "connecting", "", TRUE);
  assert_bridged (rig, &bridge);
  for (guint i = 0; i < rig->host->journal->len; i++)
    g_assert_cmpstr (g_ptr_array_index (rig->host->journal, i), !=, "names.lookup");
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* A profile without a server is refused, and takes nothing from the connection that there is. */
static void
test_no_server (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) home = make_profile ("home"), serverless = make_profile ("serverless");
  VpndPeer *peer = g_ptr_array_index (serverless->peers, 0);
  g_autoptr (GError) error = NULL;

  g_array_set_size (peer->endpoints, 0);
  g_assert_true (activate (rig, home, NULL));
  g_ptr_array_set_size (rig->host->journal, 0);
  g_assert_false (activate (rig, serverless, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE);
  g_assert_cmpuint (rig->host->journal->len, ==, 0);
  assert_status (rig, "connecting", "", TRUE);
}

/* Who asks to disconnect while a name is being looked up is not connected afterwards. */
static void
test_lookup_is_withdrawn (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndAddr addr = random_public_addr (AF_INET);
  g_auto (Answer) first = { 0 };
  g_auto (Answer) second = { 0 };
  g_auto (Answer) end = { 0 };

  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_array_append_val (rig->host->lookup, addr);
  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &first);
  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &second);
  vpnd_engine_deactivate_async (rig->engine, NULL, on_answer, &end);
  wait_for (&first);
  wait_for (&second);
  wait_for (&end);
  g_assert_error (first.error, VPND_ERROR, VPND_ERROR_CANCELLED);
  g_assert_error (second.error, VPND_ERROR, VPND_ERROR_CANCELLED);
  fake_host_advance (rig->host, 1000);
  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));
}

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

/* --- rules by domain --- */

static const char *
add_domain (Rig *rig, const char *domain)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_DOMAIN, domain, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, &error);
  const VpndSplitChange change = { .rule = rule };
  g_auto (Answer) answer = { 0 };

  g_assert_no_error (error);
  vpnd_engine_change_split_async (rig->engine, &change, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
  return vpnd_split_tunnel_get_reason (vpnd_engine_get_split (rig->engine), rule);
}

static guint64
resolver_says (Rig *rig, const char *name, const VpndAddr *addr)
{
  g_autoptr (VpndDnsAnswer) answer = g_new0 (VpndDnsAnswer, 1);
  const VpndDnsAddress address = { .addr = *addr, .ttl_s = 60 };

  answer->names = g_ptr_array_new_with_free_func (g_free);
  answer->addresses = g_array_new (FALSE, FALSE, sizeof (VpndDnsAddress));
  g_ptr_array_add (answer->names, g_strdup (name));
  g_array_append_val (answer->addresses, address);
  return fake_host_answer (rig->host, answer);
}

static guint
known_addresses (Rig *rig)
{
  const VpndSet *set = vpnd_ruleset_find_set (rig->host->ruleset, "split_names_out4");

  g_assert_nonnull (set);
  return set->elements->len;
}

/* The address stands in the rules before the answer goes on; the tunnel's own never do. */
static void
test_domains (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  const VpndAddr public_addr = { AF_INET, { 203, 0, 113, 200 } };
  VpndAddr server = { 0 };
  g_autoptr (GError) error = NULL;
  guint applied;

  g_assert_true (activate (rig, profile, &error));
  g_assert_no_error (error);
  rig->host->handshake_s = 1000;
  fake_host_advance (rig->host, 20);
  g_assert_null (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  g_assert_null (add_domain (rig, "example.test"));
  g_assert_true (rig->host->listens);
  g_assert_nonnull (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  g_assert_cmpuint (known_addresses (rig), ==, 0);

  g_assert_cmpuint (resolver_says (rig, "www.example.test", &public_addr), >, 0);
  g_assert_cmpuint (rig->host->held->len, ==, 1);
  fake_host_advance (rig->host, VPND_SPLIT_NAMES_PAUSE_MS + 1);
  g_assert_cmpuint (known_addresses (rig), ==, 1);
  g_assert_cmpuint (rig->host->held->len, ==, 0);

  applied = rig->host->calls;
  (void) resolver_says (rig, "www.example.test", &public_addr); /* known already */
  (void) resolver_says (rig, "www.other.test", &public_addr);
  for (guint i = 0; i < profile->dns_servers->len; i++)
    {
      server = g_array_index (profile->dns_servers, VpndAddr, i);
      (void) resolver_says (rig, "www.example.test", &server);
    }
  fake_host_advance (rig->host, 100);
  g_assert_cmpuint (rig->host->held->len, ==, 0);
  g_assert_cmpuint (rig->host->calls, ==, applied);
  g_assert_cmpuint (known_addresses (rig), ==, 1);

  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* What the kernel cannot do is told. A ruleset that it does not take gives way to one without any of this: then there is nothing to wait for. */
static void
test_domains_refused (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  const VpndAddr public_addr = { AF_INET, { 203, 0, 113, 200 } };
  g_autoptr (GError) error = NULL;

  rig->host->queue = VPND_QUEUE_NONE;
  g_assert_true (activate (rig, profile, &error));
  g_assert_no_error (error);
  rig->host->handshake_s = 1000;
  fake_host_advance (rig->host, 20);
  g_assert_nonnull (strstr (add_domain (rig, "example.test"), "CONFIG_NFT_QUEUE")); /* who set it is told */
  g_assert_null (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));

  rig->host->queue = VPND_QUEUE_TARGET;
  g_assert_null (add_domain (rig, "other.test"));
  g_assert_nonnull (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  rig->host->fail_at = rig->host->calls + 1;
  (void) resolver_says (rig, "other.test", &public_addr);
  fake_host_advance (rig->host, VPND_SPLIT_NAMES_PAUSE_MS + 1);
  g_assert_null (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  g_assert_cmpuint (rig->host->held->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_autoptr (VpndLogRing) ring = vpnd_log_ring_new (VPND_LOG_RING_MAX_BYTES);

  g_test_init (&argc, &argv, NULL);
  vpnd_log_install (ring, NULL); /* failures that the tests provoke are logged, and that is right */
  g_test_add_func ("/engine/connect-and-back", test_connect_and_back);
  g_test_add_func ("/engine/nobody-is-told-more-than-is-so", test_nobody_is_told_more_than_is_so);
  g_test_add_func ("/engine/domains", test_domains);
  g_test_add_func ("/engine/domains-refused", test_domains_refused);
  g_test_add_func ("/engine/split-profile-is-told", test_split_profile_is_told);
  g_test_add_func ("/engine/order", test_order);
  g_test_add_func ("/engine/sockets", test_sockets);
  g_test_add_func ("/engine/every-call-fails", test_every_call_fails);
  g_test_add_func ("/engine/every-call-of-a-switch-fails", test_every_call_of_a_switch_fails);
  g_test_add_func ("/engine/every-call-of-an-end-fails", test_every_call_of_an_end_fails);
  g_test_add_func ("/engine/router-is-watched", test_router_is_watched);
  g_test_add_func ("/engine/repair", test_repair);
  g_test_add_func ("/engine/sysctls-come-back", test_sysctls_come_back);
  g_test_add_func ("/engine/every-call-of-a-repair-fails", test_every_call_of_a_repair_fails);
  g_test_add_func ("/engine/address-arrives-while-connecting", test_address_arrives_while_connecting);
  g_test_add_func ("/engine/network-moves", test_network_moves);
  g_test_add_func ("/engine/path-is-small", test_path_is_small);
  g_test_add_func ("/engine/resume", test_resume);
  g_test_add_func ("/engine/suspend", test_suspend);
  g_test_add_func ("/engine/peer-dies-and-returns", test_peer_dies_and_returns);
  g_test_add_func ("/engine/device-dies", test_device_dies);
  g_test_add_func ("/engine/offline-and-back", test_offline_and_back);
  g_test_add_func ("/engine/trouble-goes", test_trouble_goes);
  g_test_add_func ("/engine/cause-follows-the-network", test_cause_follows_the_network);
  g_test_add_func ("/engine/tampering", test_tampering);
  g_test_add_func ("/engine/dns-overwritten", test_dns_overwritten);
  g_test_add_func ("/engine/diagnosis", test_diagnosis);
  g_test_add_func ("/engine/one-look-for-all", test_one_look_for_all);
  g_test_add_func ("/engine/lookup", test_lookup);
  g_test_add_func ("/engine/bridge", test_bridge);
  g_test_add_func ("/engine/no-server", test_no_server);
  g_test_add_func ("/engine/auto-connect-by-name", test_auto_connect_by_name);
  g_test_add_func ("/engine/unknown-name-is-asked-for-again", test_unknown_name_is_asked_for_again);
  g_test_add_func ("/engine/lookup-is-withdrawn", test_lookup_is_withdrawn);
  g_test_add_func ("/engine/settings", test_settings);
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
  g_test_add_func ("/engine/reconnect", test_reconnect);
  g_test_add_func ("/engine/requests-queue", test_requests_queue);
  return g_test_run ();
}
