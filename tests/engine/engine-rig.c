/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See engine-rig.h.
 */
#include "config.h"

#include "engine-rig.h"

#include "random-values.h"
#include "remove-tree.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

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

void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->ok = g_task_propagate_boolean (G_TASK (result), &answer->error);
  answer->is_done = TRUE;
}

void
wait_for (Answer *answer)
{
  while (!answer->is_done)
    g_main_context_iteration (NULL, TRUE);
}

/* A new instance of the daemon's heart on the same host and the same files. */
void
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

void
on_early_status (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(VpndStatus **) user_data = vpnd_engine_query_status_finish (VPND_ENGINE (source), result, NULL);
}

void
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
  if (rig->host->standing->bound->len == 0)                            /* the rules of an open host refuse what is bound, and nothing else */
    g_assert_cmpint (early->blocking, ==, rig->host->ruleset != NULL); /* what is so, not what was known before */
}

/* The end of an instance that nobody asked for: what is on the host and on disk stays. */
void
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

Rig *
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

void
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

VpndProfile *
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

gboolean
activate (Rig *rig, VpndProfile *profile, GError **error)
{
  g_auto (Answer) answer = { 0 };

  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &answer);
  wait_for (&answer);
  if (answer.error != NULL)
    g_propagate_error (error, g_steal_pointer (&answer.error));
  return answer.ok;
}

void
deactivate (Rig *rig)
{
  g_auto (Answer) answer = { 0 };

  vpnd_engine_deactivate_async (rig->engine, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
}

void
shake_hands (Rig *rig)
{
  rig->host->handshake_s = 1000;
  rig->host->rx_bytes += 92;
  fake_host_advance (rig->host, 100);
}

void
assert_status (Rig *rig, const char *state, const char *cause, gboolean blocking)
{
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (rig->engine);

  g_assert_cmpstr (status->state, ==, state);
  g_assert_cmpstr (status->cause, ==, cause);
  g_assert_cmpint (status->blocking, ==, blocking);
}

void
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

int
find_call (FakeHost *host, const char *name)
{
  for (guint i = 0; i < host->journal->len; i++)
    if (strcmp (g_ptr_array_index (host->journal, i), name) == 0)
      return (int) i;
  g_error ("%s was never called", name);
}

guint
count_calls (FakeHost *host, const char *name)
{
  guint count = 0;

  for (guint i = 0; i < host->journal->len; i++)
    count += strcmp (g_ptr_array_index (host->journal, i), name) == 0;
  return count;
}

void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

gboolean
warns_of (Rig *rig, const char *text)
{
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (rig->engine);

  for (guint i = 0; status->warnings != NULL && status->warnings[i] != NULL; i++)
    if (strstr (status->warnings[i], text) != NULL)
      return TRUE;
  return FALSE;
}

/* Returns: (transfer full): the log of the program, for rig_run () */
VpndLogRing *
rig_init (int *argc, char ***argv)
{
  VpndLogRing *ring = vpnd_log_ring_new (VPND_LOG_RING_MAX_BYTES);

  g_test_init (argc, argv, NULL);
  vpnd_log_install (ring, NULL); /* failures that the tests provoke are logged, and that is right */
  return ring;
}

/* Runs the tests; the log goes with them. */
int
rig_run (VpndLogRing *ring)
{
  int result = g_test_run ();

  vpnd_log_ring_unref (ring);
  return result;
}
