/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is asked of the engine while it runs: connections, settings, status. Each request becomes an event with a task, or an answer at once.
 */
#include "config.h"

#include "engine-private.h"

#include "error.h"
#include "log.h"
#include "reserved.h"
#include "resolve.h"
#include "status-build.h"

/**
 * vpnd_engine_withdraw_lookup:
 * @self: the engine
 *
 * An activation whose names are still being looked up is withdrawn by whatever is asked for after it, and so is a lookup that is to be repeated.
 */
void
vpnd_engine_withdraw_lookup (VpndEngine *self)
{
  if (self->retried_lookup_due != 0)
    vpnd_clock_cancel (self->ports.clock, self->retried_lookup_due);
  self->retried_lookup_due = 0;
  g_cancellable_cancel (self->retried_lookup);
  g_clear_object (&self->retried_lookup);
  g_cancellable_cancel (self->lookup);
  g_clear_object (&self->lookup);
}

/* @cancellable: (owned): of the lookup; @profile: (owned): whose names are looked up */
typedef struct
{
  GCancellable *cancellable;
  VpndProfile *profile;
} Lookup;

static void
lookup_free (Lookup *lookup)
{
  g_object_unref (lookup->cancellable);
  vpnd_profile_unref (lookup->profile);
  g_free (lookup);
}

/* The result of a lookup; where it failed, because the host is closed or the resolver away, the addresses of the last time. */
static VpndProfile *
finish_lookup (VpndEngine *self, GAsyncResult *result, VpndProfile *unresolved, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (VpndProfile) profile = vpnd_resolve_profile_finish (result, &local_error);

  if (profile != NULL)
    return g_steal_pointer (&profile);
  profile = vpnd_profile_store_complete (self->profiles, unresolved);
  if (profile == NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else
    g_message ("The endpoint's name cannot be looked up; taking the address that it had last");
  return g_steal_pointer (&profile);
}

/* Nobody waits for the answer of a lookup that is repeated: it is an event, with the profile or without. */
static void
on_resolved_again (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  Lookup *lookup = g_task_get_task_data (task);
  g_autoptr (VpndProfile) profile = NULL;

  g_task_return_boolean (task, TRUE);
  if (g_cancellable_is_cancelled (lookup->cancellable))
    return;
  profile = finish_lookup (self, result, lookup->profile, NULL);
  vpnd_engine_post_request (self, vpnd_engine_item_new (VPND_EVENT_LOOKED_UP, profile, NULL));
}

static void
on_lookup_due (gpointer user_data)
{
  VpndEngine *self = user_data;
  Lookup *lookup;
  GTask *task;

  self->retried_lookup_due = 0;
  if (self->state->profile == NULL)
    return;
  g_clear_object (&self->retried_lookup);
  self->retried_lookup = g_cancellable_new ();
  lookup = g_new0 (Lookup, 1);
  lookup->cancellable = g_object_ref (self->retried_lookup);
  lookup->profile = vpnd_profile_ref (self->state->profile);
  task = g_task_new (self, NULL, NULL, NULL);
  g_task_set_source_tag (task, on_lookup_due);
  g_task_set_task_data (task, lookup, (GDestroyNotify) lookup_free);
  vpnd_resolve_profile_async (self->ports.names_lookup, lookup->profile, lookup->cancellable, on_resolved_again, task);
}

/**
 * vpnd_engine_look_up_later:
 * @self: the engine
 * @delay_ms: when, milliseconds
 *
 * Looks up the names of the wanted profile, and posts VPND_EVENT_LOOKED_UP.
 */
void
vpnd_engine_look_up_later (VpndEngine *self, guint delay_ms)
{
  if (self->retried_lookup_due != 0)
    vpnd_clock_cancel (self->ports.clock, self->retried_lookup_due);
  self->retried_lookup_due = vpnd_clock_schedule (self->ports.clock, delay_ms, on_lookup_due, self);
}

static void
on_resolved_for_activate (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  Lookup *lookup = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndProfile) profile = NULL;

  if (g_cancellable_is_cancelled (lookup->cancellable))
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_CANCELLED, "A later request came before the endpoint's name was looked up");
      return;
    }
  profile = finish_lookup (self, result, lookup->profile, &error);
  if (profile == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    vpnd_engine_post_request (self, vpnd_engine_item_new (VPND_EVENT_ACTIVATE, profile, task));
}

/* A peer that only answers is allowed in a profile, and is none to connect to but by a bridge. */
static gboolean
has_server (const VpndProfile *profile)
{
  const VpndPeer *primary = vpnd_profile_primary_peer (profile);

  return primary != NULL && (primary->host != NULL || primary->endpoints->len > 0 || vpnd_bridge_is_set (&profile->bridge));
}

/**
 * vpnd_engine_activate_async:
 * @self: the engine
 * @profile: what to activate; endpoints given by name are looked up first, and where that fails have the addresses of the last time
 * @cancellable: (nullable): cancels the lookup; what has begun after it runs to its end
 * @callback: called when the tunnel is set up and protection is in force
 * @user_data: passed to @callback
 */
void
vpnd_engine_activate_async (VpndEngine *self, VpndProfile *profile, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Lookup *lookup;

  vpnd_engine_look_for_outside_dns (self); /* while the file still says it */
  g_task_set_source_tag (task, vpnd_engine_activate_async);
  g_task_set_check_cancellable (task, FALSE);
  if (!has_server (profile))
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE, "Endpoint: the profile names no server to connect to");
      g_object_unref (task);
      return;
    }
  vpnd_engine_withdraw_lookup (self);
  if (!vpnd_resolve_profile_is_needed (profile))
    {
      vpnd_engine_post_request (self, vpnd_engine_item_new (VPND_EVENT_ACTIVATE, profile, task));
      g_object_unref (task);
      return;
    }
  self->lookup = g_cancellable_new ();
  lookup = g_new0 (Lookup, 1);
  lookup->cancellable = g_object_ref (self->lookup);
  lookup->profile = vpnd_profile_ref (profile);
  g_task_set_task_data (task, lookup, (GDestroyNotify) lookup_free);
  if (cancellable != NULL)
    g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (g_cancellable_cancel), self->lookup, G_CONNECT_SWAPPED);
  vpnd_resolve_profile_async (self->ports.names_lookup, profile, self->lookup, on_resolved_for_activate, task);
}

/**
 * vpnd_engine_activate_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_FIREWALL, _TUNNEL, _ROUTING, _DNS, _KERNEL_FEATURE, _ENDPOINT_UNRESOLVABLE, _STORAGE
 *
 * Returns: FALSE when the activation failed; the state is then what it was before
 */
gboolean
vpnd_engine_activate_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
request_event (VpndEngine *self, VpndEventKind kind, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE);
  vpnd_engine_post_request (self, vpnd_engine_item_new (kind, NULL, task));
}

/**
 * vpnd_engine_deactivate_async:
 * @self: the engine
 * @cancellable: (nullable): not heeded; what has begun runs to its end
 * @callback: called when the host is as before, or closed with lockdown
 * @user_data: passed to @callback
 */
void
vpnd_engine_deactivate_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  vpnd_engine_withdraw_lookup (self);
  request_event (self, VPND_EVENT_DEACTIVATE, vpnd_engine_deactivate_async, cancellable, callback, user_data);
}

/**
 * vpnd_engine_deactivate_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: TRUE when nothing is active any more
 */
gboolean
vpnd_engine_deactivate_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_engine_reconnect_async:
 * @self: the engine
 * @cancellable: (nullable): not heeded
 * @callback: called when the new session has been started
 * @user_data: passed to @callback
 */
void
vpnd_engine_reconnect_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  if (self->state->profile == NULL || !vpnd_state_is_protected (self->state))
    {
      g_task_report_new_error (self, callback, user_data, vpnd_engine_reconnect_async, VPND_ERROR, VPND_ERROR_NOT_CONNECTED,
          "No connection is active; activate a profile first");
      return;
    }
  request_event (self, VPND_EVENT_RECONNECT, vpnd_engine_reconnect_async, cancellable, callback, user_data);
}

/**
 * vpnd_engine_reconnect_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_NOT_CONNECTED and those of activate
 *
 * Returns: TRUE when a new session has been started
 */
gboolean
vpnd_engine_reconnect_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_engine_suspend_async:
 * @self: the engine
 * @cancellable: (nullable): not heeded
 * @callback: called when nothing is under way any more
 * @user_data: passed to @callback
 *
 * The host is about to sleep: what was asked for before is finished.
 */
void
vpnd_engine_suspend_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  request_event (self, VPND_EVENT_SUSPENDING, vpnd_engine_suspend_async, cancellable, callback, user_data);
}

/**
 * vpnd_engine_suspend_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: TRUE
 */
gboolean
vpnd_engine_suspend_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_engine_resume:
 * @self: the engine
 *
 * The host has slept: whether the peer still knows us is found out at once.
 */
void
vpnd_engine_resume (VpndEngine *self)
{
  vpnd_engine_post (self, VPND_EVENT_RESUMED);
}

/**
 * vpnd_engine_get_settings:
 * @self: the engine
 *
 * Returns: (transfer none): the settings in force
 */
VpndSettings *
vpnd_engine_get_settings (VpndEngine *self)
{
  return self->settings;
}

/**
 * vpnd_engine_adopt_settings:
 * @self: the engine
 * @settings: what is in force from here on
 */
void
vpnd_engine_adopt_settings (VpndEngine *self, VpndSettings *settings)
{
  vpnd_settings_ref (settings);
  g_clear_pointer (&self->settings, vpnd_settings_unref);
  self->settings = settings;
  g_signal_emit_by_name (self, "settings-changed");
}

static void
on_settings_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = VPND_ENGINE (source);
  VpndSettings *former = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (!vpnd_settings_store_save (self->settings_store, former, NULL))
    g_ptr_array_add (self->warnings, g_strdup ("settings: the file holds a value that could not be applied"));
  vpnd_engine_adopt_settings (self, former);
  vpnd_engine_post (self, VPND_EVENT_SETTINGS_CHANGED);
  g_task_return_error (task, g_steal_pointer (&error));
}

/**
 * vpnd_engine_set_settings_async:
 * @self: the engine
 * @settings: the new settings
 * @cancellable: (nullable): not heeded
 * @callback: called when they are saved and applied
 * @user_data: passed to @callback
 *
 * Saves, then applies. When applying fails the former settings are saved and applied again.
 */
void
vpnd_engine_set_settings_async (VpndEngine *self, VpndSettings *settings, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;

  g_task_set_source_tag (task, vpnd_engine_set_settings_async);
  g_task_set_check_cancellable (task, FALSE);
  if (vpnd_settings_equal (settings, self->settings) && !self->is_unsaved)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (!vpnd_settings_store_save (self->settings_store, settings, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  self->is_unsaved = FALSE;
  g_task_set_task_data (task, vpnd_settings_ref (self->settings), (GDestroyNotify) vpnd_settings_unref);
  vpnd_engine_adopt_settings (self, settings);
  request_event (self, VPND_EVENT_SETTINGS_CHANGED, vpnd_engine_set_settings_async, cancellable, on_settings_applied, g_steal_pointer (&task));
}

/**
 * vpnd_engine_set_settings_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_STORAGE, or what applying met
 *
 * Returns: FALSE when nothing has changed
 */
gboolean
vpnd_engine_set_settings_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- status --- */

/**
 * vpnd_engine_dup_status:
 * @self: the engine
 *
 * Returns: (transfer full): the status with the counters of the last reading; no I/O
 */
VpndStatus *
vpnd_engine_dup_status (VpndEngine *self)
{
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  VpndStatusInput input = {
    .state = self->shown,
    .settings = self->settings,
    .is_blocking = vpnd_executor_is_blocking (self->executor),
    .since_us = self->since_us,
    .detail = self->detail,
    .warnings = warnings,
    .backend = vpnd_tunnel_get_active (self->ports.tunnel),
    .stats = vpnd_handshake_get_stats (self->handshake),
  };

  for (guint i = 0; i < self->warnings->len; i++)
    g_ptr_array_add (warnings, g_strdup (g_ptr_array_index (self->warnings, i)));
  if (self->split != NULL)
    vpnd_split_tunnel_add_warnings (self->split, warnings);
  return vpnd_status_build (&input);
}

static void
on_stats_for_status (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  g_autoptr (GArray) stats = vpnd_tunnel_read_stats_finish (VPND_TUNNEL (source), result, NULL);

  /* A device that cannot be read just now leaves the counters of the last reading. */
  if (stats != NULL)
    vpnd_handshake_set_stats (self->handshake, stats);
  g_task_return_boolean (task, TRUE);
}

/**
 * vpnd_engine_query_status_async:
 * @self: the engine
 * @cancellable: (nullable): cancels the reading
 * @callback: called with the status
 * @user_data: passed to @callback
 */
void
vpnd_engine_query_status_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_query_status_async);
  if (!self->is_settled)
    {
      g_ptr_array_add (self->early, task); /* nothing is known yet of the rules that an earlier instance left */
      return;
    }
  if (self->state->kind == VPND_STATE_CONNECTED)
    {
      vpnd_tunnel_read_stats_async (self->ports.tunnel, VPND_IFNAME, cancellable, on_stats_for_status, task);
      return;
    }
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

/**
 * vpnd_engine_query_status_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the status with fresh counters; NULL only when cancelled
 */
VpndStatus *
vpnd_engine_query_status_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  /* Taken now and not when the reading ended: signals that were sent in between must not be contradicted. */
  return g_task_propagate_boolean (G_TASK (result), error) ? vpnd_engine_dup_status (self) : NULL;
}

static void
on_dns_described (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GVariant *report = vpnd_resolver_describe_finish (VPND_RESOLVER (source), result, &error);

  if (report != NULL)
    g_task_return_pointer (task, report, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

/**
 * vpnd_engine_query_dns_async:
 * @self: the engine
 * @cancellable: (nullable): cancels the questions
 * @callback: called with the report
 * @user_data: passed to @callback
 */
void
vpnd_engine_query_dns_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_query_dns_async);
  vpnd_resolver_describe_async (self->ports.resolver, cancellable, on_dns_described, task);
}

/**
 * vpnd_engine_query_dns_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): a{sv}; NULL when cancelled, or where nobody can tell
 */
GVariant *
vpnd_engine_query_dns_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
