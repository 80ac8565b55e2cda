/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where split tunnelling meets the engine: what goes beside the tunnel has changed, so the rules are made anew; who asked for it is answered
 * when they are in force.
 */
#include "config.h"

#include "engine-private.h"

#include "error.h"

/**
 * vpnd_engine_get_split:
 * @self: the engine
 *
 * Returns: (transfer none) (nullable): the coordinator of split tunnelling; NULL for an engine without its port
 */
VpndSplitTunnel *
vpnd_engine_get_split (VpndEngine *self)
{
  return self->split;
}

static void
on_split_changed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (vpnd_split_tunnel_change_finish (VPND_SPLIT_TUNNEL (source), result, &error))
    vpnd_engine_post_request (self, vpnd_engine_item_new (VPND_EVENT_SPLIT_CHANGED, NULL, task));
  else
    g_task_return_error (task, error);
}

/**
 * vpnd_engine_change_split_async:
 * @self: the engine
 * @change: what is to change
 * @cancellable: (nullable): not heeded
 * @callback: called when it is in force, in the rules of the firewall, too
 * @user_data: passed to @callback
 */
void
vpnd_engine_change_split_async (VpndEngine *self, const VpndSplitChange *change, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_change_split_async);
  g_task_set_check_cancellable (task, FALSE);
  if (self->split == NULL)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "programs cannot be told apart here");
  else if (change->rule == NULL)
    vpnd_split_tunnel_set_mode_async (self->split, change->mode, NULL, on_split_changed, g_steal_pointer (&task));
  else if (change->is_removal)
    vpnd_split_tunnel_remove_async (self->split, change->rule, NULL, on_split_changed, g_steal_pointer (&task));
  else
    vpnd_split_tunnel_add_async (self->split, change->rule, NULL, on_split_changed, g_steal_pointer (&task));
}

/**
 * vpnd_engine_change_split_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when it is not in force. Errors: those of vpnd_split_tunnel_change_finish(), and VPND_ERROR_FIREWALL
 */
gboolean
vpnd_engine_change_split_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
on_plan_changed (VpndEngine *self)
{
  vpnd_engine_post (self, VPND_EVENT_SPLIT_CHANGED);
}

/**
 * vpnd_engine_make_split:
 * @self: the engine, with its ports
 * @store: where the rules are kept
 */
void
vpnd_engine_make_split (VpndEngine *self, VpndSplitStore *store)
{
  self->split = vpnd_split_tunnel_new (self->ports.splitter, store, self->ports.clock);
  g_signal_connect_swapped (self->split, "plan-changed", G_CALLBACK (on_plan_changed), self);
}

/**
 * vpnd_engine_drop_split:
 * @self: the engine
 */
void
vpnd_engine_drop_split (VpndEngine *self)
{
  if (self->split != NULL)
    g_signal_handlers_disconnect_by_data (self->split, self);
  g_clear_object (&self->split);
}
