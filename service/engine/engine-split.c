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
  else if (change->profile != NULL)
    vpnd_split_tunnel_rename_profile_async (self->split, change->profile, change->new_name, NULL, on_split_changed, g_steal_pointer (&task));
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

/**
 * vpnd_engine_want_split_classes_async:
 * @self: the engine
 * @cancellable: (nullable): not heeded
 * @callback: called when the classes stand in the rules of the firewall, where they are not as long as nobody needs them
 * @user_data: passed to @callback
 */
void
vpnd_engine_want_split_classes_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_want_split_classes_async);
  g_task_set_check_cancellable (task, FALSE);
  vpnd_split_tunnel_want_classes (self->split);
  vpnd_engine_post_request (self, vpnd_engine_item_new (VPND_EVENT_SPLIT_CHANGED, NULL, task));
}

/**
 * vpnd_engine_want_split_classes_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when they do not. Errors: VPND_ERROR_FIREWALL
 */
gboolean
vpnd_engine_want_split_classes_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
on_plan_changed (VpndEngine *self)
{
  vpnd_engine_post (self, VPND_EVENT_SPLIT_CHANGED);
}

/* A failure is told, and tried again, as every one of the firewall's. */
static void
on_rules_stand (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndSplitTunnel) split = user_data;

  (void) g_task_propagate_boolean (G_TASK (result), NULL);
  vpnd_split_tunnel_rules_stand (split);
}

static void
make_rules (gpointer user_data)
{
  VpndEngine *self = user_data;
  g_autoptr (GTask) task = g_task_new (self, NULL, on_rules_stand, g_object_ref (self->split));

  g_task_set_source_tag (task, make_rules);
  vpnd_engine_post_request (self, vpnd_engine_item_new (VPND_EVENT_SPLIT_CHANGED, NULL, task));
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
  vpnd_split_tunnel_set_profiles (self->split, self->profiles);
  vpnd_split_tunnel_set_rules_func (self->split, make_rules, self);
  if (self->ports.name_watch != NULL)
    vpnd_split_tunnel_watch_names (self->split, self->ports.name_watch);
  g_signal_connect_swapped (self->split, "plan-changed", G_CALLBACK (on_plan_changed), self);
}

static gboolean
is_of_tunnel (VpndEngine *self, const VpndAddr *addr)
{
  for (guint i = 0; self->state->dns != NULL && i < self->state->dns->servers->len; i++)
    if (vpnd_addr_equal (&g_array_index (self->state->dns->servers, VpndAddr, i), addr))
      return TRUE;
  return FALSE;
}

/**
 * vpnd_engine_look_for_outside_dns:
 * @self: the engine
 *
 * Tells the coordinator which resolvers the networks gave, without those that the tunnel brought.
 */
void
vpnd_engine_look_for_outside_dns (VpndEngine *self)
{
  g_autoptr (GArray) servers = NULL;

  if (self->split == NULL)
    return;
  servers = vpnd_resolver_dup_outside (self->ports.resolver);
  if (servers == NULL)
    return;
  for (guint i = servers->len; i > 0; i--)
    if (is_of_tunnel (self, &g_array_index (servers, VpndAddr, i - 1)))
      g_array_remove_index (servers, i - 1);
  vpnd_split_tunnel_set_outside_dns (self->split, servers);
}

/**
 * vpnd_engine_drop_split:
 * @self: the engine
 */
void
vpnd_engine_drop_split (VpndEngine *self)
{
  if (self->split != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->split, self);
      vpnd_split_tunnel_set_rules_func (self->split, NULL, NULL);
    }
  g_clear_object (&self->split);
  g_clear_pointer (&self->split_sent, vpnd_split_plan_unref);
}

/* What no name may have the address of, whatever a resolver says. */
static void
protect_tunnel (VpndEngine *self, VpndSplitNames *names)
{
  g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (VpndPrefix));

  if (self->state->routes != NULL && self->state->routes->addresses->len > 0)
    g_array_append_vals (prefixes, self->state->routes->addresses->data, self->state->routes->addresses->len);
  for (guint i = 0; self->state->dns != NULL && i < self->state->dns->servers->len; i++)
    {
      const VpndPrefix host = vpnd_prefix_host (&g_array_index (self->state->dns->servers, VpndAddr, i));

      g_array_append_val (prefixes, host);
    }
  vpnd_split_names_set_protected (names, prefixes);
}

/**
 * vpnd_engine_note_split:
 * @self: the engine, in its new state
 * @kind: the event that led to it
 * @effects: (element-type VpndEffect): what follows
 *
 * Remembers what the ruleset among @effects is made of. When a new plan leads to none, all of it that can be in force is.
 */
void
vpnd_engine_note_split (VpndEngine *self, VpndEventKind kind, const GPtrArray *effects)
{
  VpndSplitNames *names = self->split != NULL ? vpnd_split_tunnel_get_names (self->split) : NULL;
  VpndSplitPlan *plan;

  if (names == NULL)
    return;
  protect_tunnel (self, names);
  plan = self->state->ruleset != NULL && !self->state->is_split_refused ? (VpndSplitPlan *) vpnd_split_tunnel_get_plan (self->split) : NULL;
  for (guint i = 0; i < effects->len; i++)
    {
      const VpndEffect *effect = g_ptr_array_index (effects, i);

      if (effect->kind != VPND_EFFECT_APPLY_RULESET && effect->kind != VPND_EFFECT_REMOVE_RULESET)
        continue;
      g_clear_pointer (&self->split_sent, vpnd_split_plan_unref);
      self->split_sent = plan != NULL ? vpnd_split_plan_ref (plan) : NULL;
      self->is_split_sent = TRUE;
    }
  if (kind == VPND_EVENT_SPLIT_CHANGED && effects->len == 0)
    vpnd_split_names_in_force (names, plan);
}

/**
 * vpnd_engine_settle_split:
 * @self: the engine
 * @failures: (element-type VpndExecutorFailure): of the effects that have been performed
 *
 * Lets the answers of resolvers go that have waited for the ruleset.
 */
void
vpnd_engine_settle_split (VpndEngine *self, const GArray *failures)
{
  VpndSplitNames *names = self->split != NULL ? vpnd_split_tunnel_get_names (self->split) : NULL;
  gboolean is_in_force = self->is_split_sent;

  self->is_split_sent = FALSE;
  for (guint i = 0; i < failures->len; i++)
    if (g_array_index (failures, VpndExecutorFailure, i).effect == VPND_EFFECT_APPLY_RULESET)
      is_in_force = FALSE;
  if (names != NULL && is_in_force)
    vpnd_split_names_in_force (names, self->split_sent);
}
