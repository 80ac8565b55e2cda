/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine's first event and its last: what a start finds and therefore does, release, and how the host is left.
 */
#include "config.h"

#include "engine-private.h"

#include "error.h"
#include "log.h"
#include "resolve.h"
#include "sysctl-plan.h"

#include <string.h>

#define CRASH_WINDOW_US (60 * G_USEC_PER_SEC) /* two crashes within it end in block */

/* A stored profile that vanished without a word would be looked for in vain. */
static void
tell_broken_profiles (VpndEngine *self)
{
  const GPtrArray *broken = vpnd_profile_store_get_broken (self->profiles);

  for (guint i = 0; i < broken->len; i++)
    {
      g_autofree char *text = g_strdup_printf ("profiles: a file could not be used and was kept aside as \"%s\"", (const char *) g_ptr_array_index (broken, i));

      vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_STORAGE, "%s", text);
      vpnd_engine_add_warning (self, text);
    }
}

/* Old values that are lost cannot be put back, and nothing is guessed: whoever set these sysctls knows better. Named are those that are as vpnd makes them.
 * @only_lost: a ledger whose copy says all is not worth a word. */
static void
tell_lost_ledger (VpndEngine *self, gboolean only_lost)
{
  g_autoptr (GString) text = NULL;
  guint n, n_named = 0;
  const VpndSysctl *plan = vpnd_sysctl_plan (&n);

  if (vpnd_ledger_get_trouble (self->ledger) == NULL || (only_lost && vpnd_ledger_is_complete (self->ledger)))
    return;
  text = g_string_new (vpnd_ledger_get_trouble (self->ledger));
  for (guint i = 0; i < n && !vpnd_ledger_is_complete (self->ledger); i++)
    {
      g_autofree char *present = vpnd_router_read_sysctl (self->ports.router, plan[i].name);
      g_autofree char *ours = g_strdup_printf ("%" G_GINT64_FORMAT, plan[i].value);

      if (g_strcmp0 (present, ours) != 0)
        continue;
      g_string_append_printf (text, "%s net/%s = %s", n_named++ == 0 ? "; these may be vpnd's still:" : ",", plan[i].name, ours);
    }
  if (only_lost && n_named == 0)
    return;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_STORAGE, "%s", text->str);
  vpnd_engine_add_warning (self, text->str);
}

static void
post_start (VpndEngine *self, VpndRecovery recovery, VpndProfile *profile, GTask *task)
{
  VpndEngineItem *item = vpnd_engine_item_new (VPND_EVENT_START, profile, task);

  item->event.recovery = recovery;
  if (recovery != VPND_RECOVERY_NONE && (recovery != VPND_RECOVERY_RELEASE || vpnd_ledger_get_protected (self->ledger)))
    vpnd_log_event (G_LOG_LEVEL_MESSAGE, VPND_MESSAGE_RECOVERED, "An earlier instance left the host protected, or the settings ask for it");
  tell_broken_profiles (self);
  self->is_started = TRUE;
  g_queue_push_head (&self->queue, item);
  vpnd_engine_process (self);
}

static VpndProfile *
find_profile_for_start (VpndEngine *self)
{
  g_autoptr (VpndProfile) wanted = vpnd_profile_store_get_wanted (self->profiles);

  if (vpnd_ledger_get_protected (self->ledger) && wanted != NULL)
    return g_steal_pointer (&wanted);
  if (self->settings->auto_connect && *self->settings->auto_connect_profile != '\0')
    return vpnd_profile_store_lookup (self->profiles, self->settings->auto_connect_profile, NULL);
  if (self->settings->auto_connect)
    return vpnd_profile_store_get_last (self->profiles);
  return NULL;
}

/* What the start could not do has been told, is the cause of a closed state, and is tried again: no reason to be gone. */
static void
on_recovered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  (void) g_task_propagate_boolean (G_TASK (result), NULL);
  g_task_return_boolean (task, TRUE);
}

static void
recover (VpndEngine *self, gboolean settings_broken, GTask *start)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, on_recovered, g_object_ref (start));
  g_autoptr (VpndProfile) profile = find_profile_for_start (self);
  g_autoptr (VpndProfile) complete = NULL;
  gint64 now_us = vpnd_clock_wall_us (self->ports.clock);
  VpndRecoveryInput input = {
    .was_protected = vpnd_ledger_get_protected (self->ledger),
    .was_handover = vpnd_ledger_get_handover (self->ledger),
    .has_profile = profile != NULL,
    .settings_broken = settings_broken,
  };
  VpndRecovery recovery;

  g_task_set_source_tag (task, recover);
  if (input.was_protected && !input.was_handover)
    (void) vpnd_ledger_add_crash (self->ledger, now_us, NULL);
  else if (input.was_handover)
    (void) vpnd_ledger_set_target (self->ledger, TRUE, FALSE, NULL); /* taken over: from here on an end without order is a crash */
  input.crashes = vpnd_ledger_count_crashes (self->ledger, now_us - CRASH_WINDOW_US);
  recovery = vpnd_recovery_decide (&input, self->settings);

  /* The host is closed first, and then no name can be asked for: an endpoint known by name has the address of the last time. Without one
   * the state is error, closed, and says so. */
  if (recovery == VPND_RECOVERY_RECONNECT && vpnd_resolve_profile_is_needed (profile))
    complete = vpnd_profile_store_complete (self->profiles, profile);
  tell_lost_ledger (self, FALSE);
  post_start (self, recovery, complete != NULL ? complete : profile, task);
}

/* Returns: FALSE when the setting has followed a rename that was cut off, and cannot be written down so */
static gboolean
follow_rename (VpndEngine *self, VpndSettings **settings)
{
  const VpndRename *rename = vpnd_profile_store_get_interrupted_rename (self->profiles);
  g_autoptr (GVariant) name = NULL;
  g_autoptr (GError) error = NULL;
  VpndSettings *followed;

  if (rename == NULL)
    return TRUE;
  vpnd_log_event (G_LOG_LEVEL_MESSAGE, VPND_MESSAGE_RECOVERED, "The profile \"%s\" was being renamed when vpnd ended: what named it \"%s\" follows", rename->to, rename->from);
  if (strcmp ((*settings)->auto_connect_profile, rename->from) != 0)
    return TRUE;
  name = g_variant_ref_sink (g_variant_new_string (rename->to));
  followed = vpnd_settings_with (*settings, vpnd_setting_info_by_key ("auto-connect-profile"), name, &error);
  if (followed != NULL)
    {
      vpnd_settings_unref (*settings);
      *settings = followed;
      if (vpnd_settings_store_save (self->settings_store, followed, &error))
        return TRUE;
    }
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_STORAGE, "auto-connect-profile: %s", error->message);
  return FALSE;
}

static void
on_facts_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSettings) settings = NULL;
  g_autofree char *trouble = NULL;
  gboolean is_kept;

  if (!vpnd_facts_source_start_finish (VPND_FACTS_SOURCE (source), result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  settings = vpnd_settings_store_load (self->settings_store, &trouble);
  if (trouble != NULL)
    {
      vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_STORAGE, "%s", trouble);
      g_free (self->detail);
      self->detail = g_strdup (trouble);
      self->is_unsaved = TRUE;
    }
  is_kept = follow_rename (self, &settings);
  vpnd_engine_adopt_settings (self, settings);
  vpnd_engine_look_for_outside_dns (self);
  if (self->split != NULL)
    is_kept = vpnd_split_tunnel_start (self->split) && is_kept; /* before the first rules are made */
  if (is_kept)
    vpnd_profile_store_end_rename (self->profiles);
  recover (self, trouble != NULL, task);
}

/**
 * vpnd_engine_start_async:
 * @self: the engine
 * @cancellable: (nullable): cancels reading the facts
 * @callback: called when the host is in the state that the ledger and the settings demand
 * @user_data: passed to @callback
 */
void
vpnd_engine_start_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_start_async);
  g_task_set_check_cancellable (task, FALSE);
  vpnd_facts_source_start_async (self->ports.facts_source, cancellable, on_facts_started, task);
}

/**
 * vpnd_engine_start_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when the daemon cannot work, because the network of the host cannot be read. What it finds to do there and cannot is no error, but a state
 */
gboolean
vpnd_engine_start_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* What could not be undone stands in the warnings: nobody reads a status here. */
static void
on_released (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = VPND_ENGINE (source);
  g_autoptr (GError) error = NULL;

  g_autoptr (GString) all = g_string_new (NULL);

  (void) g_task_propagate_boolean (G_TASK (result), &error);
  for (guint i = 0; i < self->warnings->len; i++)
    g_string_append_printf (all, "%s%s", i > 0 ? "; " : "", (const char *) g_ptr_array_index (self->warnings, i));
  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (all->len > 0)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_FAILED, "%s", all->str);
  else
    g_task_return_boolean (task, TRUE);
}

/* The settings with nothing in them that closes the network, saved. A disk that takes nothing is no reason to keep it closed. */
static void
loosen_settings (VpndEngine *self)
{
  static const char *const keys[] = { "lockdown", "auto-connect" };
  g_autoptr (GError) error = NULL;
  g_autofree char *trouble = NULL; /* this is the way out of it */
  g_autoptr (VpndSettings) settings = vpnd_settings_store_load (self->settings_store, &trouble);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      VpndSettings *looser = vpnd_settings_with (settings, vpnd_setting_info_by_key (keys[i]), g_variant_new_boolean (FALSE), NULL);

      vpnd_settings_unref (settings);
      settings = looser;
    }
  vpnd_engine_adopt_settings (self, settings);
  if (!vpnd_settings_store_save (self->settings_store, settings, &error))
    g_ptr_array_add (self->warnings, g_strdup_printf ("lockdown and auto-connect could not be turned off: %s", error->message));
}

/**
 * vpnd_engine_release_async:
 * @self: an engine, instead of starting it
 * @cancellable: (nullable): not heeded
 * @callback: called when everything has been tried
 * @user_data: passed to @callback
 *
 * The way out when the daemon cannot be started: undoes whatever an earlier instance left on the host, and turns lockdown and
 * auto-connect off. Goes on after a failure.
 */
void
vpnd_engine_release_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GTask) start = g_task_new (self, NULL, on_released, task);

  g_task_set_source_tag (task, vpnd_engine_release_async);
  g_task_set_source_tag (start, vpnd_engine_release_async);
  g_task_set_check_cancellable (task, FALSE);
  loosen_settings (self);
  tell_lost_ledger (self, TRUE);
  post_start (self, VPND_RECOVERY_RELEASE, NULL, start);
}

/**
 * vpnd_engine_release_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_FAILED with all that could not be undone
 *
 * Returns: TRUE when the host is as if vpnd had never run
 */
gboolean
vpnd_engine_release_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
keeps_rules (VpndEngine *self, VpndStopReason reason)
{
  gboolean is_protected = vpnd_state_is_protected (self->state);

  switch (reason)
    {
    case VPND_STOP_REQUESTED:
      return FALSE;
    case VPND_STOP_RESTART:
      return is_protected;
    case VPND_STOP_GOING_DOWN:
      return is_protected || self->settings->auto_connect;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_engine_stop_async:
 * @self: the engine
 * @reason: why the daemon ends
 * @cancellable: (nullable): not heeded
 * @callback: called when the host may be left alone
 * @user_data: passed to @callback
 */
void
vpnd_engine_stop_async (VpndEngine *self, VpndStopReason reason, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  VpndEngineItem *item = vpnd_engine_item_new (VPND_EVENT_STOP, NULL, task);

  vpnd_engine_withdraw_lookup (self);
  g_task_set_source_tag (task, vpnd_engine_stop_async);
  g_task_set_check_cancellable (task, FALSE);
  item->event.keep_rules = keeps_rules (self, reason);
  if (item->event.keep_rules && vpnd_state_is_protected (self->state))
    (void) vpnd_ledger_set_target (self->ledger, TRUE, TRUE, NULL); /* when it fails, the next start sees a crash and stays closed */
  vpnd_engine_post_request (self, item);
}

/**
 * vpnd_engine_stop_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when something could not be undone
 */
gboolean
vpnd_engine_stop_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
