/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The interface of engine/engine.h without a host: it takes every order, tells the same signals, and counts the orders that change
 * something, so that the tests of the gate can see that nothing happened. The count is "detail" of its status.
 */
#include "config.h"

#include "engine.h"

#include "doctor.h"
#include "error.h"
#include "names.h"

struct _VpndEngine
{
  GObject parent_instance;

  VpndSettings *settings; /* (owned) */
  VpndProfile *profile;   /* (owned) (nullable) */
  const char *state;      /* (unowned) */
  gint64 since_us;
  guint changes;
  VpndSplitTunnel *split; /* (owned): a real one, on the real cgroups of this host */
};

G_DEFINE_FINAL_TYPE (VpndEngine, vpnd_engine, G_TYPE_OBJECT)

static void
vpnd_engine_dispose (GObject *object)
{
  VpndEngine *self = VPND_ENGINE (object);

  g_clear_object (&self->split);
  g_clear_pointer (&self->settings, vpnd_settings_unref);
  g_clear_pointer (&self->profile, vpnd_profile_unref);
  G_OBJECT_CLASS (vpnd_engine_parent_class)->dispose (object);
}

static void
vpnd_engine_class_init (VpndEngineClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_engine_dispose;
  g_signal_new ("changed", VPND_TYPE_ENGINE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("connected", VPND_TYPE_ENGINE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  g_signal_new ("disconnected", VPND_TYPE_ENGINE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("settings-changed", VPND_TYPE_ENGINE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
vpnd_engine_init (VpndEngine *self)
{
  self->settings = vpnd_settings_new_default ();
  self->state = VPND_STATE_WORD_DISCONNECTED;
  self->since_us = g_get_real_time ();
}

VpndEngine *
vpnd_engine_new (const VpndEnginePorts *ports, VpndLedger *ledger, VpndProfileStore *profiles, VpndSettingsStore *settings_store, VpndSplitStore *split_store)
{
  VpndEngine *self = g_object_new (VPND_TYPE_ENGINE, NULL);

  self->split = vpnd_split_tunnel_new (ports->splitter, split_store, ports->clock);
  vpnd_split_tunnel_start (self->split);
  return self;
}

VpndSplitTunnel *
vpnd_engine_get_split (VpndEngine *self)
{
  return self->split;
}

static void
on_split_changed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (vpnd_split_tunnel_change_finish (VPND_SPLIT_TUNNEL (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
vpnd_engine_change_split_async (VpndEngine *self, const VpndSplitChange *change, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  self->changes++;
  if (change->profile != NULL)
    vpnd_split_tunnel_rename_profile_async (self->split, change->profile, change->new_name, NULL, on_split_changed, task);
  else if (change->rule == NULL)
    vpnd_split_tunnel_set_mode_async (self->split, change->mode, NULL, on_split_changed, task);
  else if (change->is_removal)
    vpnd_split_tunnel_remove_async (self->split, change->rule, NULL, on_split_changed, task);
  else
    vpnd_split_tunnel_add_async (self->split, change->rule, NULL, on_split_changed, task);
}

gboolean
vpnd_engine_change_split_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
vpnd_engine_want_split_classes_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  vpnd_split_tunnel_want_classes (self->split);
  g_task_return_boolean (task, TRUE);
}

gboolean
vpnd_engine_want_split_classes_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
enter (VpndEngine *self, const char *state)
{
  self->state = state;
  self->since_us = g_get_real_time ();
  g_signal_emit_by_name (self, "changed");
}

static GTask *
order (VpndEngine *self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  self->changes++;
  return task;
}

static gboolean
on_peer_answers (gpointer user_data)
{
  VpndEngine *self = VPND_ENGINE (user_data);
  const VpndPeer *peer = self->profile != NULL ? vpnd_profile_primary_peer (self->profile) : NULL;

  if (peer != NULL)
    {
      enter (self, VPND_STATE_WORD_CONNECTED);
      g_signal_emit_by_name (self, "connected", peer->public_key_text);
    }
  g_object_unref (self);
  return G_SOURCE_REMOVE;
}

void
vpnd_engine_activate_async (VpndEngine *self, VpndProfile *profile, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = order (self, vpnd_engine_activate_async, cancellable, callback, user_data);

  vpnd_profile_ref (profile);
  g_clear_pointer (&self->profile, vpnd_profile_unref);
  self->profile = profile;
  enter (self, VPND_STATE_WORD_CONNECTING);
  g_idle_add (on_peer_answers, g_object_ref (self));
  g_task_return_boolean (task, TRUE);
}

gboolean
vpnd_engine_activate_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
vpnd_engine_deactivate_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = order (self, vpnd_engine_deactivate_async, cancellable, callback, user_data);

  g_clear_pointer (&self->profile, vpnd_profile_unref);
  enter (self, VPND_STATE_WORD_DISCONNECTED);
  g_signal_emit_by_name (self, "disconnected");
  g_task_return_boolean (task, TRUE);
}

gboolean
vpnd_engine_deactivate_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
vpnd_engine_reconnect_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = order (self, vpnd_engine_reconnect_async, cancellable, callback, user_data);

  if (self->profile == NULL)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_NOT_CONNECTED, "there is no connection");
  else
    g_task_return_boolean (task, TRUE);
}

gboolean
vpnd_engine_reconnect_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

VpndSettings *
vpnd_engine_get_settings (VpndEngine *self)
{
  return self->settings;
}

static gboolean
on_settings_saved (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = VPND_ENGINE (g_task_get_source_object (task));

  g_clear_pointer (&self->settings, vpnd_settings_unref);
  self->settings = vpnd_settings_ref (g_task_get_task_data (task));
  g_signal_emit_by_name (self, "settings-changed");
  g_task_return_boolean (task, TRUE);
  return G_SOURCE_REMOVE;
}

/* Takes a while, as saving does: a second write that did not wait would start from the old settings. */
void
vpnd_engine_set_settings_async (VpndEngine *self, VpndSettings *settings, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = order (self, vpnd_engine_set_settings_async, cancellable, callback, user_data);

  g_task_set_task_data (task, vpnd_settings_ref (settings), (GDestroyNotify) vpnd_settings_unref);
  g_timeout_add (5, on_settings_saved, task);
}

gboolean
vpnd_engine_set_settings_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

VpndStatus *
vpnd_engine_dup_status (VpndEngine *self)
{
  VpndStatus *status = vpnd_status_new ();

  g_free (status->state);
  status->state = g_strdup (self->state);
  g_free (status->detail);
  status->detail = g_strdup_printf ("%u", self->changes);
  if (self->profile != NULL)
    {
      const VpndPeer *peer = vpnd_profile_primary_peer (self->profile);
      VpndStatusPeer *shown = vpnd_status_peer_new ();

      g_free (status->profile);
      status->profile = g_strdup (self->profile->name);
      status->blocking = TRUE;
      g_free (shown->public_key);
      shown->public_key = g_strdup (peer->public_key_text);
      if (peer->endpoints->len > 0)
        {
          g_free (shown->endpoint);
          shown->endpoint = vpnd_endpoint_to_string (&g_array_index (peer->endpoints, VpndEndpoint, 0));
        }
      g_ptr_array_add (status->peers, shown);
    }
  status->since_us = self->since_us;
  return status;
}

void
vpnd_engine_query_status_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_return_pointer (task, vpnd_engine_dup_status (self), (GDestroyNotify) vpnd_status_free);
}

VpndStatus *
vpnd_engine_query_status_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
vpnd_engine_query_dns_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_return_pointer (task, g_variant_ref_sink (g_variant_new_parsed ("{'owner': <'file'>}")), (GDestroyNotify) g_variant_unref);
}

GVariant *
vpnd_engine_query_dns_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* One finding that everybody may see, and one that is for administrators. */
static void
add_finding (GPtrArray *findings, VpndFindingCode code, gboolean is_private, const char *evidence)
{
  VpndFinding *finding = g_new0 (VpndFinding, 1);

  finding->code = code;
  finding->is_private = is_private;
  finding->evidence = g_strdup (evidence);
  finding->command = g_strdup_printf ("mend %s", evidence);
  g_ptr_array_add (findings, finding);
}

void
vpnd_engine_query_check_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GPtrArray *findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_finding_free);

  add_finding (findings, VPND_FINDING_FIREWALL_SUSPECT, TRUE, "table inet private");
  add_finding (findings, VPND_FINDING_RULE_FOREIGN, FALSE, "rule 100");
  g_task_return_pointer (task, findings, (GDestroyNotify) g_ptr_array_unref);
}

GPtrArray *
vpnd_engine_query_check_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
vpnd_engine_query_routes_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GPtrArray *entries = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_route_entry_free);
  VpndRouteEntry *entry = g_new0 (VpndRouteEntry, 1);

  entry->kind = VPND_ENTRY_RULE;
  entry->state = VPND_ENTRY_MISSING;
  entry->why = VPND_WHY_MARKED;
  entry->text = g_strdup ("4870 inet fwmark 0x56000000/0xff000000 lookup 254");
  g_ptr_array_add (entries, entry);
  g_task_return_pointer (task, entries, (GDestroyNotify) g_ptr_array_unref);
}

GPtrArray *
vpnd_engine_query_routes_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
