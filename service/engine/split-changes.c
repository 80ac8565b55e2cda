/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Changes of rules and mode, one after the other: the file; the classes; the rules of the firewall, which know them before anybody is led into one; launches;
 * processes that have to go elsewhere; and last what the rules may forget. Whatever fails leaves a process where it is or puts it back: in the tunnel.
 */
#include "config.h"

#include "split-private.h"

#include "error.h"
#include "log.h"

#define ROUNDS_MAX 8        /* processes that return may start others meanwhile */
#define WAITS_MAX 8         /* for word of those whom nobody knows */
#define WORD_MS 50          /* it comes in one or two, later where vpnd-classifier has much to do */
#define MOVES_PER_TURN 200u /* about 10 ms; then the rest of the loop has its turn */

/* The data of a change's task. */
typedef struct
{
  VpndSplitRule *rule; /* (owned) (nullable) */
  gboolean is_removal;
  gboolean is_anew;      /* nothing is to change, but who is launched has to be led into other cgroups */
  VpndSplitMode mode;    /* without all others */
  char *profile;         /* (owned) (nullable): that is renamed */
  char *new_name;        /* (owned) (nullable): its name from now on */
  char *lost_class;      /* (owned) (nullable): the class that @rule put its processes into before */
  VpndSplitConfig *next; /* (owned) (nullable): what is wanted when it is done */
  gboolean awaits_rules; /* the rules that know its classes are on their way */
} Change;

static void
change_free (Change *change)
{
  g_clear_pointer (&change->rule, vpnd_split_rule_unref);
  g_free (change->profile);
  g_free (change->new_name);
  g_free (change->lost_class);
  g_clear_pointer (&change->next, vpnd_split_config_unref);
  g_free (change);
}

static void begin_next (VpndSplitTunnel *self);
static void return_more (VpndSplitTunnel *self);

static void
finish_change (VpndSplitTunnel *self, GError *error)
{
  g_autoptr (GTask) task = NULL;

  if (error == NULL && self->names != NULL && vpnd_split_names_is_starting (self->names))
    {
      self->awaits_names = TRUE;
      return;
    }
  task = g_steal_pointer (&self->change);
  vpnd_split_tunnel_update_state (self);
  if (((const Change *) g_task_get_task_data (task))->is_anew)
    vpnd_split_tunnel_tell_plan_changed (self); /* else who asked sees to the rules */
  if (error != NULL)
    g_task_return_error (task, error);
  else
    {
      vpnd_split_tunnel_tell_rules_changed (self);
      g_task_return_boolean (task, TRUE);
    }
  begin_next (self);
}

/* It has turned out whether names can be watched. */
void
vpnd_split_tunnel_go_on_with_change (VpndSplitTunnel *self)
{
  if (!self->awaits_names)
    return;
  self->awaits_names = FALSE;
  finish_change (self, NULL);
}

/* Those who have to go; of whom nobody knows by which rule they came, only when there is no word of them either. */
static void
collect_returning (VpndSplitTunnel *self)
{
  const Change *change = g_task_get_task_data (self->change);

  vpnd_split_members_refresh (self->members);
  self->has_spared = vpnd_split_members_collect_lost (self->members, self->config, change->lost_class, self->waits < WAITS_MAX, self->returning);
  if (self->has_spared)
    self->waits++;
  else
    self->round++;
}

static gboolean
on_turn (gpointer user_data)
{
  VpndSplitTunnel *self = user_data;

  self->turn = 0;
  return_more (self);
  return G_SOURCE_REMOVE;
}

/* Makes the classes of two configurations and gives up all others. */
void
vpnd_split_tunnel_prepare_classes (VpndSplitTunnel *self, const VpndSplitConfig *config, const VpndSplitConfig *also)
{
  g_autoptr (GArray) bound = vpnd_split_config_dup_bound (config);
  g_autoptr (GArray) more = also != NULL ? vpnd_split_config_dup_bound (also) : vpnd_split_bound_array_new ();

  for (guint i = 0; i < more->len; i++)
    {
      const VpndSplitBound *it = &g_array_index (more, VpndSplitBound, i);

      if (vpnd_split_bound_array_find (bound, it->profile) == NULL)
        vpnd_split_bound_array_add (bound, it->profile, it->class_name);
    }
  vpnd_splitter_prepare (self->splitter, bound);
  vpnd_split_members_set_profiles (self->members, bound);
  g_clear_pointer (&self->prepared, g_array_unref);
  self->prepared = g_steal_pointer (&bound);
}

/* Nobody stands, or is led, where the new configuration has nobody: the rules of the firewall may forget it. */
static void
settle (VpndSplitTunnel *self)
{
  g_autoptr (GArray) bound = vpnd_split_config_dup_bound (self->config);

  if (!vpnd_split_bound_array_equal (bound, self->prepared))
    vpnd_split_tunnel_prepare_classes (self, self->config, NULL);
  g_clear_pointer (&self->interim, vpnd_split_config_unref);
  vpnd_split_tunnel_adopt_standing (self, FALSE);
  finish_change (self, NULL);
}

/* A part of those who have to go; when all have gone, another look, for they may have started others meanwhile. */
static void
return_more (VpndSplitTunnel *self)
{
  const guint n = MIN (self->returning->len, MOVES_PER_TURN);
  g_autoptr (GArray) part = NULL;

  if (n == 0 && self->has_spared)
    {
      self->has_spared = FALSE;
      self->turn = g_timeout_add (WORD_MS, on_turn, self);
      return;
    }
  if (n == 0 && self->round < ROUNDS_MAX)
    {
      collect_returning (self);
      if (self->returning->len > 0 || self->has_spared)
        {
          return_more (self);
          return;
        }
    }
  if (n == 0)
    {
      settle (self);
      return;
    }
  part = g_array_sized_new (FALSE, FALSE, sizeof (VpndSplitProcess), n);
  for (guint i = self->returning->len - n; i < self->returning->len; i++)
    if (!vpnd_split_members_follow (self->members, self->config, g_array_index (self->returning, VpndSplitProcess, i).pid))
      g_array_append_val (part, g_array_index (self->returning, VpndSplitProcess, i));
  (void) vpnd_splitter_leave (self->splitter, part);
  for (guint i = 0; i < part->len; i++)
    vpnd_split_members_forget (self->members, g_array_index (part, VpndSplitProcess, i).pid);
  g_array_set_size (self->returning, self->returning->len - n);
  self->turn = g_idle_add (on_turn, self);
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndSplitTunnel) self = user_data;
  Change *change = g_task_get_task_data (self->change);
  g_autoptr (GError) error = NULL;

  /* Without a ground the rules of users, subnets and domains still work; what does not, the standing tells. */
  if (!vpnd_splitter_apply_finish (self->splitter, result, &error))
    g_debug ("the classes: %s", error->message);
  vpnd_split_tunnel_adopt_standing (self, FALSE);
  self->round = self->waits = 0;
  self->has_spared = FALSE;
  if (change->lost_class != NULL)
    return_more (self);
  else
    settle (self);
}

/* The second half: launches are led by what is wanted. */
static void
lead (VpndSplitTunnel *self)
{
  Change *change = g_task_get_task_data (self->change);

  vpnd_split_tunnel_adopt_config (self, g_steal_pointer (&change->next));
  vpnd_splitter_apply_async (self->splitter, self->config, NULL, on_applied, g_object_ref (self));
}

/**
 * vpnd_split_tunnel_set_rules_func:
 * @self: the coordinator, before its start
 * @func: has the rules of the firewall made
 * @user_data: (unowned): passed to @func
 *
 * Without it nobody waits for the rules before a program is led into a class.
 */
void
vpnd_split_tunnel_set_rules_func (VpndSplitTunnel *self, VpndSplitRulesFunc func, gpointer user_data)
{
  self->rules_func = func;
  self->rules_data = user_data;
}

/**
 * vpnd_split_tunnel_rules_stand:
 * @self: the coordinator
 *
 * What VpndSplitRulesFunc was asked for has been done. Where the rules could not be made, the engine has told it and sees to them; what is wanted stands in the file, so
 * the change goes on: outside its class a program is no better off.
 */
void
vpnd_split_tunnel_rules_stand (VpndSplitTunnel *self)
{
  Change *change = self->change != NULL ? g_task_get_task_data (self->change) : NULL;

  if (change == NULL || !change->awaits_rules)
    return;
  change->awaits_rules = FALSE;
  lead (self);
}

/* Users, subnets and domains need no class, and into a unit's cgroup only systemd leads. */
static gboolean
leads_launches (const Change *change)
{
  return change->rule == NULL || change->rule->kind == VPND_SPLIT_PATH || change->rule->kind == VPND_SPLIT_APP;
}

static gboolean
has_class (VpndSplitTunnel *self, const char *profile)
{
  return vpnd_split_bound_array_find (self->prepared, profile) != NULL;
}

/* The class is the same by its new name, and so is who stands in it; to the rules it is one of a profile that is not connected, before and after. */
static void
rename_class (VpndSplitTunnel *self, const Change *change)
{
  vpnd_split_members_refresh (self->members);
  vpnd_split_tunnel_prepare_classes (self, change->next, NULL);
  vpnd_split_members_rename_profile (self->members, change->next, change->profile, change->new_name);
  lead (self);
}

/* The first half: the classes that are there now and those that are wanted stand, and the rules of the firewall know them. For all else the rules are those of
 * before, or tighter. */
static void
prepare (VpndSplitTunnel *self, Change *change)
{
  const VpndSplitMode mode = change->next->mode == VPND_SPLIT_MODE_EXCLUDE ? VPND_SPLIT_MODE_EXCLUDE : self->config->mode;

  if (change->profile != NULL && !has_class (self, change->new_name))
    {
      rename_class (self, change);
      return;
    }
  vpnd_split_tunnel_prepare_classes (self, self->config, change->next);
  if (!leads_launches (change))
    {
      lead (self);
      return;
    }
  self->interim = vpnd_split_config_with_mode (self->config, mode);
  vpnd_split_tunnel_adopt_standing (self, FALSE);
  change->awaits_rules = TRUE;
  if (self->rules_func != NULL)
    self->rules_func (self->rules_data);
  else
    vpnd_split_tunnel_rules_stand (self);
}

/* Returns: (transfer full) (nullable): the configuration that @change asks for */
static VpndSplitConfig *
make_config (VpndSplitTunnel *self, const Change *change, GError **error)
{
  if (change->is_anew)
    return vpnd_split_config_ref (self->config);
  if (change->profile != NULL)
    return vpnd_split_config_with_profile_renamed (self->config, change->profile, change->new_name);
  if (change->rule == NULL)
    return vpnd_split_config_with_mode (self->config, change->mode);
  if (change->is_removal)
    return vpnd_split_config_without (self->config, change->rule->kind, change->rule->value, change->rule->owner_uid, error);
  return vpnd_splitter_check (self->splitter, change->rule, error) ? vpnd_split_config_with (self->config, change->rule, error) : NULL;
}

/* While the parents of all are known. */
static void
note_lost_class (VpndSplitTunnel *self, Change *change)
{
  const VpndSplitRule *before = change->rule != NULL ? vpnd_split_config_find (self->config, change->rule->kind, change->rule->value, change->rule->owner_uid) : NULL;

  if (before != NULL)
    change->lost_class = vpnd_split_class_dup_word (before->class_, before->profile);
  else if (change->profile != NULL && has_class (self, change->new_name)) /* two classes become one */
    change->lost_class = vpnd_split_class_dup_word (VPND_SPLIT_BOUND, change->profile);
  else
    return;
  vpnd_split_members_refresh (self->members);
}

static void
begin_next (VpndSplitTunnel *self)
{
  Change *change;
  GError *error = NULL;

  if (self->change != NULL || g_queue_is_empty (&self->changes))
    return;
  self->change = g_queue_pop_head (&self->changes);
  change = g_task_get_task_data (self->change);
  change->next = make_config (self, change, &error);
  if (change->next == NULL && g_error_matches (error, VPND_ERROR, VPND_ERROR_EXISTS) && change->rule != NULL && !change->is_removal)
    {
      g_clear_error (&error); /* it is as it was asked for */
      finish_change (self, NULL);
      return;
    }
  if (change->next == NULL || (!change->is_anew && !vpnd_split_store_save (self->store, change->next, &error)))
    {
      finish_change (self, error);
      return;
    }
  if (!change->is_anew)
    g_clear_pointer (&self->trouble, g_free);
  note_lost_class (self, change);
  prepare (self, change);
}

static void
enqueue (VpndSplitTunnel *self, GTask *task, const Change *wanted)
{
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, g_memdup2 (wanted, sizeof *wanted), (GDestroyNotify) change_free);
  g_queue_push_tail (&self->changes, task);
  begin_next (self);
}

/**
 * vpnd_split_tunnel_add_async:
 * @self: the coordinator
 * @rule: (transfer none): what is wanted; of the same owner for the same thing it takes the place of the one that is there
 * @cancellable: (nullable): not heeded
 * @callback: called when it stands
 * @user_data: passed to @callback
 */
void
vpnd_split_tunnel_add_async (VpndSplitTunnel *self, VpndSplitRule *rule, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_split_tunnel_add_async);
  enqueue (self, task, &(Change){ .rule = vpnd_split_rule_ref (rule) });
}

/**
 * vpnd_split_tunnel_remove_async:
 * @self: the coordinator
 * @rule: (transfer none): its kind, value and owner count
 * @cancellable: (nullable): not heeded
 * @callback: called when it is gone, and its processes are back where they came from
 * @user_data: passed to @callback
 */
void
vpnd_split_tunnel_remove_async (VpndSplitTunnel *self, VpndSplitRule *rule, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_split_tunnel_remove_async);
  enqueue (self, task, &(Change){ .rule = vpnd_split_rule_ref (rule), .is_removal = TRUE });
}

/**
 * vpnd_split_tunnel_set_mode_async:
 * @self: the coordinator
 * @mode: what is wanted
 * @cancellable: (nullable): not heeded
 * @callback: called when it is so
 * @user_data: passed to @callback
 */
void
vpnd_split_tunnel_set_mode_async (VpndSplitTunnel *self, VpndSplitMode mode, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_split_tunnel_set_mode_async);
  enqueue (self, task, &(Change){ .mode = mode });
}

/**
 * vpnd_split_tunnel_rename_profile_async:
 * @self: the coordinator
 * @name: name of a profile until now
 * @new_name: its name from now on
 * @cancellable: (nullable): not heeded
 * @callback: called when the rules that are bound to it are so by its new name
 * @user_data: passed to @callback
 */
void
vpnd_split_tunnel_rename_profile_async (VpndSplitTunnel *self, const char *name, const char *new_name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_split_tunnel_rename_profile_async);
  enqueue (self, task, &(Change){ .profile = g_strdup (name), .new_name = g_strdup (new_name) });
}

static gboolean
is_remade (guint64 before, guint64 now)
{
  return now != 0 && now != before;
}

/* Whether a class has another number than before: nobody is led into it until that is asked for anew. One that is wanted for the first time is none. */
static gboolean
has_remade_class (const VpndSplitStanding *before, const VpndSplitStanding *now)
{
  if (is_remade (before->excluded_id, now->excluded_id) || is_remade (before->included_id, now->included_id))
    return TRUE;
  for (guint i = 0; i < now->bound->len; i++)
    for (guint k = 0; k < before->bound->len; k++)
      {
        const VpndSplitBoundId *a = &g_array_index (before->bound, VpndSplitBoundId, k);
        const VpndSplitBoundId *b = &g_array_index (now->bound, VpndSplitBoundId, i);

        if (strcmp (a->profile, b->profile) == 0 && is_remade (a->id, b->id))
          return TRUE;
      }
  return FALSE;
}

/* Where classes have been made anew the rules have to know them, and then launches are led into them. */
void
vpnd_split_tunnel_follow_classes (VpndSplitTunnel *self, const VpndSplitStanding *before)
{
  GTask *task;

  if (!has_remade_class (before, self->standing))
    return;
  task = g_task_new (self, NULL, NULL, NULL);
  g_task_set_source_tag (task, vpnd_split_tunnel_follow_classes);
  enqueue (self, task, &(Change){ .is_anew = TRUE });
}

/**
 * vpnd_split_tunnel_change_finish:
 * @self: the coordinator
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when nothing has changed. Errors: those of vpnd_split_config_with(), VpndSplitterInterface.check and VPND_ERROR_STORAGE
 */
gboolean
vpnd_split_tunnel_change_finish (VpndSplitTunnel *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* Rules are the last to follow a profile that is renamed. Returns: FALSE when they have, and cannot be written down so */
gboolean
vpnd_split_tunnel_follow_rename (VpndSplitTunnel *self, VpndSplitConfig **config)
{
  const VpndRename *rename = self->profiles != NULL ? vpnd_profile_store_get_interrupted_rename (self->profiles) : NULL;
  VpndSplitConfig *before = *config;
  g_autoptr (GError) error = NULL;

  if (rename == NULL || rename->is_back || self->trouble != NULL)
    return TRUE;
  *config = vpnd_split_config_with_profile_renamed (before, rename->from, rename->to);
  vpnd_split_config_unref (before);
  if (vpnd_split_store_save (self->store, *config, &error))
    return TRUE;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_STORAGE, "the rules of split tunnelling: %s", error->message);
  return FALSE;
}

static void
clear_process (VpndSplitProcess *process)
{
  g_ref_string_release ((char *) process->origin);
}

/* What vpnd_split_tunnel_drop_changes() undoes. */
void
vpnd_split_tunnel_init_changes (VpndSplitTunnel *self)
{
  g_queue_init (&self->changes);
  self->returning = g_array_new (FALSE, FALSE, sizeof (VpndSplitProcess));
  g_array_set_clear_func (self->returning, (GDestroyNotify) clear_process);
}

/* Nothing comes of those that wait. */
void
vpnd_split_tunnel_drop_changes (VpndSplitTunnel *self)
{
  g_clear_handle_id (&self->turn, g_source_remove);
  g_clear_pointer (&self->prepared, g_array_unref);
  g_queue_clear_full (&self->changes, g_object_unref);
  g_clear_object (&self->change);
}
