/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split.h. Changes go one after the other: file, classes, processes that have to go back, plan. Whatever fails leaves a process where it
 * is or puts it back: in the tunnel.
 */
#include "config.h"

#include "split.h"

#include "error.h"
#include "log.h"

#include <string.h>

#define PARENTS_MAX 16        /* generations that are looked up for where a process comes from */
#define ROUNDS_MAX 8          /* processes that return may start others meanwhile */
#define MOVES_PER_TURN 200u   /* about 10 ms; then the rest of the loop has its turn */
#define PROCESSES_MAX 100000u /* known at a time; a host has 32768 of them as a rule (kernel.pid_max) */
#define WARNINGS_NAMED 3u

struct _VpndSplitTunnel
{
  GObject parent_instance;

  VpndSplitter *splitter;      /* (owned) */
  VpndSplitStore *store;       /* (owned) */
  VpndClock *clock;            /* (owned) */
  VpndSplitConfig *config;     /* (owned) */
  VpndSplitStanding *standing; /* (owned) */
  VpndSplitPlan *plan;         /* (owned) */
  VpndSplitRegistry *registry; /* (owned) */
  GArray *outside_dns;         /* (element-type VpndAddr) (owned): resolvers of the physical links */
  VpndSplitNames *names;       /* (owned) (nullable) */
  gboolean awaits_names;       /* the change under way is done as soon as it is known whether names can be watched */
  VpndSplitState state;
  gboolean is_protected;
  gboolean is_started;
  char *trouble;     /* (owned) (nullable): with the file */
  GQueue changes;    /* (element-type GTask) (owned): that wait */
  GTask *change;     /* (owned) (nullable): under way */
  GArray *returning; /* (element-type VpndSplitProcess) (owned): who is on the way back; origins are shared texts */
  guint round;
  guint turn;
};

/* The data of a change's task. */
typedef struct
{
  VpndSplitRule *rule; /* (owned) (nullable) */
  gboolean is_removal;
  VpndSplitMode mode; /* without @rule */
  char *lost_class;   /* (owned) (nullable): the class that @rule put its processes into before */
} Change;

enum
{
  SIGNAL_PLAN_CHANGED,
  SIGNAL_RULES_CHANGED,
  SIGNAL_STATE_CHANGED,
  SIGNAL_EXCLUDED,
  SIGNAL_RETURNED,
  SIGNAL_FAILED,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration */

G_DEFINE_FINAL_TYPE (VpndSplitTunnel, vpnd_split_tunnel, G_TYPE_OBJECT)

static void
change_free (Change *change)
{
  g_clear_pointer (&change->rule, vpnd_split_rule_unref);
  g_free (change->lost_class);
  g_free (change);
}

/* --- state and plan --- */

static gboolean
needs_launches (const VpndSplitConfig *config)
{
  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if (rule->kind == VPND_SPLIT_PATH || rule->kind == VPND_SPLIT_APP)
        return TRUE;
    }
  return FALSE;
}

static void
update_state (VpndSplitTunnel *self)
{
  const VpndSplitStateInput input = {
    .has_ground = self->standing->ground != VPND_SPLIT_GROUND_NONE && self->standing->excluded_id != 0,
    .needs_launches = needs_launches (self->config),
    .holds_launches = self->standing->holds_launches,
    .has_rules = !vpnd_split_config_is_empty (self->config) || vpnd_split_registry_get_n (self->registry) > 0,
    .is_protected = self->is_protected,
  };
  VpndSplitState next;

  while ((next = vpnd_split_state_step (self->state, &input)) != self->state)
    {
      self->state = next;
      g_signal_emit (self, signals[SIGNAL_STATE_CHANGED], 0);
    }
}

static void
update_plan (VpndSplitTunnel *self)
{
  const VpndSplitFacts facts = {
    .standing = self->standing,
    .names = self->names != NULL ? vpnd_split_names_get_names (self->names) : NULL,
    .queue = self->names != NULL ? vpnd_split_names_get_queue (self->names) : VPND_QUEUE_NONE,
    .outside_dns = self->outside_dns,
  };
  VpndSplitPlan *plan = vpnd_split_plan_build (self->config, &facts);
  const gboolean is_same = vpnd_split_plan_equal (plan, self->plan);

  vpnd_split_plan_unref (self->plan);
  self->plan = plan;
  if (!is_same && self->change == NULL && self->is_started)
    g_signal_emit (self, signals[SIGNAL_PLAN_CHANGED], 0); /* who asked for a change takes the plan with the answer */
}

/* A rule that worked and does not any more is told: nobody looks at the list all the time. */
static void
tell_lost_rules (VpndSplitTunnel *self, const VpndSplitStanding *before)
{
  for (guint i = 0; i < self->config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (self->config->rules, i);
      const char *reason = vpnd_split_standing_get_reason (self->standing, rule);

      if (reason == NULL || vpnd_split_standing_get_reason (before, rule) != NULL)
        continue;
      g_signal_emit (self, signals[SIGNAL_FAILED], 0, 0, rule->kind == VPND_SPLIT_PATH && rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM ? rule->value : "", reason);
    }
}

static void
adopt_standing (VpndSplitTunnel *self, gboolean is_told)
{
  g_autoptr (VpndSplitStanding) before = self->standing;

  self->standing = vpnd_splitter_dup_standing (self->splitter);
  if (is_told && g_hash_table_size (self->standing->reasons) > 0)
    tell_lost_rules (self, before);
  if (*self->standing->trouble != '\0' && strcmp (before->trouble, self->standing->trouble) != 0)
    vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_SPLIT, "Split tunnelling: %s", self->standing->trouble);
  update_plan (self);
  update_state (self);
  if (is_told)
    g_signal_emit (self, signals[SIGNAL_RULES_CHANGED], 0);
}

static void
on_standing_changed (VpndSplitTunnel *self)
{
  adopt_standing (self, TRUE);
}

/* --- the registry --- */

static char *
dup_class_word (VpndSplitClass class_, const char *profile)
{
  return profile != NULL ? g_strdup_printf ("%s:%s", vpnd_split_class_to_string (class_), profile) : g_strdup (vpnd_split_class_to_string (class_));
}

/* Everybody hears these: what a user does with own programs is told without the program. */
static void
announce (VpndSplitTunnel *self, guint signal, const VpndSplitEntry *entry)
{
  g_autofree char *reason = vpnd_split_entry_dup_reason (entry);
  const gboolean is_private = vpnd_split_entry_is_private (entry);
  char *colon = is_private ? strchr (reason, ':') : NULL;

  if (colon != NULL)
    *colon = '\0';
  g_signal_emit (self, signals[signal], 0, (guint) entry->pid, is_private ? "" : entry->executable, reason);
}

static void
forget (VpndSplitTunnel *self, gint32 pid)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, pid);

  if (entry == NULL)
    return;
  if (entry->is_announced)
    announce (self, SIGNAL_RETURNED, entry);
  vpnd_split_registry_remove (self->registry, pid);
  if (vpnd_split_registry_get_n (self->registry) == 0)
    update_state (self);
}

/* The entry of the nearest process above @pid that is known, NULL when there is none. */
static const VpndSplitEntry *
find_ancestor (VpndSplitTunnel *self, gint32 parent)
{
  for (guint i = 0; i < PARENTS_MAX && parent > 1; i++)
    {
      const VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, parent);
      g_auto (VpndSplitLook) look = { 0 };

      if (entry != NULL)
        return entry;
      if (!vpnd_splitter_look (self->splitter, parent, &look))
        return NULL;
      parent = look.parent;
    }
  return NULL;
}

/* Where a process comes from that was in a class already when it came into this one. */
static const char *
find_origin (VpndSplitTunnel *self, const VpndSplitterReport *report)
{
  const VpndSplitEntry *ancestor;
  g_auto (VpndSplitLook) look = { 0 };

  if (strcmp (report->origin, self->standing->excluded_path) != 0 && strcmp (report->origin, self->standing->included_path) != 0 &&
      strstr (report->origin, "/vpnd-bound-") == NULL)
    return report->origin;
  if (!vpnd_splitter_look (self->splitter, report->pid, &look))
    return "";
  ancestor = find_ancestor (self, look.parent);
  return ancestor != NULL ? ancestor->origin : "";
}

static void
register_report (VpndSplitTunnel *self, const VpndSplitterReport *report)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, report->pid);
  g_autofree char *class_word = NULL;
  gboolean is_known;

  if (report->rule == NULL || report->start_time == 0 || vpnd_split_registry_get_n (self->registry) >= PROCESSES_MAX)
    return;
  class_word = dup_class_word (report->rule->class_, report->rule->profile);
  is_known = entry != NULL && entry->start_time == report->start_time;
  if (is_known && entry->how == VPND_SPLIT_BY_RULE && entry->rule != NULL && vpnd_split_rule_equal (entry->rule, report->rule) && strcmp (entry->executable, report->path) == 0)
    return; /* the table was sent again */
  if (entry != NULL && !is_known)
    forget (self, report->pid);
  entry = vpnd_split_registry_add (self->registry, report->pid, report->start_time);
  vpnd_split_entry_set_texts (entry, report->path, class_word, is_known && *entry->origin != '\0' ? NULL : find_origin (self, report));
  vpnd_split_entry_set_rule (entry, report->rule);
  entry->uid = report->uid;
  entry->how = VPND_SPLIT_BY_RULE;
  entry->is_asked = FALSE;
  entry->since_us = vpnd_clock_wall_us (self->clock);
  entry->is_announced = TRUE;
  announce (self, SIGNAL_EXCLUDED, entry);
  if (vpnd_split_registry_get_n (self->registry) == 1)
    update_state (self);
}

static void refresh_members (VpndSplitTunnel *self, const VpndSplitConfig *config);

/* Who was launched by a rule keeps the program of that rule. */
static void
name_program (VpndSplitTunnel *self, const VpndSplitterReport *report)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, report->pid);

  if (entry != NULL && entry->start_time == report->start_time && entry->how != VPND_SPLIT_BY_RULE)
    vpnd_split_entry_set_texts (entry, report->path, NULL, NULL);
}

static void
on_report (VpndSplitter *splitter, gpointer data, VpndSplitTunnel *self)
{
  const VpndSplitterReport *report = data;
  g_autofree char *reason = NULL;
  gboolean is_private;

  switch (report->kind)
    {
    case VPND_SPLITTER_ARRIVED:
    case VPND_SPLITTER_FOUND:
      register_report (self, report);
      break;
    case VPND_SPLITTER_FAILED:
      is_private = report->rule == NULL || report->rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM;
      reason = g_strdup_printf ("it could not be put into its class: %s", g_strerror (report->code));
      g_signal_emit (self, signals[SIGNAL_FAILED], 0, (guint) report->pid, is_private ? "" : report->path, reason);
      break;
    case VPND_SPLITTER_DEPARTED:
      forget (self, report->pid);
      break;
    case VPND_SPLITTER_SEEN:
      name_program (self, report);
      break;
    case VPND_SPLITTER_LOST:
      vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_SPLIT, "Split tunnelling: launches were too many to follow; who was missed goes by the tunnel");
      refresh_members (self, self->config);
      break;
    case VPND_N_SPLITTER_REPORTS:
      break;
    }
}

/* Who stands in a class without having been reported was started by somebody there. */
static void
take_in (VpndSplitTunnel *self, gint32 pid, const char *class_word)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, pid);
  const VpndSplitEntry *ancestor;
  g_auto (VpndSplitLook) look = { 0 };

  if (entry != NULL || vpnd_split_registry_get_n (self->registry) >= PROCESSES_MAX || !vpnd_splitter_look (self->splitter, pid, &look))
    return;
  ancestor = find_ancestor (self, look.parent);
  entry = vpnd_split_registry_add (self->registry, pid, look.start_time);
  vpnd_split_entry_set_texts (entry, look.executable, class_word, ancestor != NULL ? ancestor->origin : "");
  vpnd_split_entry_set_rule (entry, ancestor != NULL ? ancestor->rule : NULL);
  entry->uid = look.uid;
  entry->how = VPND_SPLIT_INHERITED;
  entry->is_asked = ancestor != NULL && ancestor->is_asked;
  entry->since_us = vpnd_clock_wall_us (self->clock);
}

static void
take_in_class (VpndSplitTunnel *self, VpndSplitClass class_, const char *profile, GHashTable *present)
{
  g_autoptr (GArray) pids = vpnd_splitter_list (self->splitter, class_, profile);
  g_autofree char *class_word = dup_class_word (class_, profile);

  for (guint i = 0; i < pids->len; i++)
    {
      g_hash_table_add (present, GINT_TO_POINTER (g_array_index (pids, gint32, i)));
      take_in (self, g_array_index (pids, gint32, i), class_word);
    }
}

static void
drop_absent (VpndSplitTunnel *self, GHashTable *present)
{
  g_autoptr (GPtrArray) entries = vpnd_split_registry_dup_sorted (self->registry);

  for (guint i = 0; i < entries->len; i++)
    {
      const gint32 pid = ((const VpndSplitEntry *) g_ptr_array_index (entries, i))->pid;

      if (!g_hash_table_contains (present, GINT_TO_POINTER (pid)))
        forget (self, pid);
    }
}

static void
refresh_members (VpndSplitTunnel *self, const VpndSplitConfig *config)
{
  g_autoptr (GPtrArray) profiles = vpnd_split_config_dup_profiles (config);
  g_autoptr (GHashTable) present = g_hash_table_new (NULL, NULL);

  take_in_class (self, VPND_SPLIT_EXCLUDED, NULL, present);
  take_in_class (self, VPND_SPLIT_INCLUDED, NULL, present);
  for (guint i = 0; i < profiles->len; i++)
    take_in_class (self, VPND_SPLIT_BOUND, g_ptr_array_index (profiles, i), present);
  drop_absent (self, present);
}

/* --- changes --- */

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
  update_state (self);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    {
      g_signal_emit (self, signals[SIGNAL_RULES_CHANGED], 0);
      g_task_return_boolean (task, TRUE);
    }
  begin_next (self);
}

/* Addresses came or went, or it has turned out whether names can be watched. */
static void
on_names_changed (gpointer user_data)
{
  VpndSplitTunnel *self = user_data;

  update_plan (self);
  if (!self->awaits_names)
    return;
  self->awaits_names = FALSE;
  finish_change (self, NULL);
}

static void
adopt_config (VpndSplitTunnel *self, VpndSplitConfig *config)
{
  vpnd_split_config_unref (self->config);
  self->config = config;
  if (self->names != NULL)
    vpnd_split_names_set_rules (self->names, config);
}

/**
 * vpnd_split_tunnel_watch_names:
 * @self: the coordinator, before its start
 * @watch: the port
 *
 * Without it rules by domain take no effect.
 */
void
vpnd_split_tunnel_watch_names (VpndSplitTunnel *self, VpndNameWatch *watch)
{
  g_return_if_fail (self->names == NULL);

  self->names = vpnd_split_names_new (watch, self->clock, on_names_changed, self);
}

/**
 * vpnd_split_tunnel_get_names:
 * @self: the coordinator
 *
 * Returns: (transfer none) (nullable): what it knows of domains
 */
VpndSplitNames *
vpnd_split_tunnel_get_names (VpndSplitTunnel *self)
{
  return self->names;
}

/* Whether what put the process where it is holds no more: its rule is gone or says another class, or nobody knows any. */
static gboolean
has_to_go (VpndSplitTunnel *self, const VpndSplitEntry *entry, const char *lost_class)
{
  const VpndSplitRule *rule;
  g_autofree char *class_word = NULL;

  if (entry->is_asked)
    return FALSE;
  if (entry->rule == NULL)
    return strcmp (entry->class_word, lost_class) == 0; /* in doubt, it goes with those of its class */
  rule = vpnd_split_config_find (self->config, entry->rule->kind, entry->rule->value, entry->rule->owner_uid);
  class_word = rule != NULL ? dup_class_word (rule->class_, rule->profile) : NULL;
  return g_strcmp0 (class_word, entry->class_word) != 0;
}

static void
collect_returning (VpndSplitTunnel *self)
{
  g_autoptr (GPtrArray) entries = vpnd_split_registry_dup_sorted (self->registry);
  const Change *change = g_task_get_task_data (self->change);

  g_array_set_size (self->returning, 0);
  for (guint i = 0; i < entries->len; i++)
    {
      const VpndSplitEntry *entry = g_ptr_array_index (entries, i);
      const VpndSplitProcess process = { entry->pid, entry->start_time, g_ref_string_acquire (entry->origin) };

      if (has_to_go (self, entry, change->lost_class))
        g_array_append_val (self->returning, process);
      else
        g_ref_string_release ((char *) process.origin);
    }
}

static void
clear_process (VpndSplitProcess *process)
{
  g_ref_string_release ((char *) process->origin);
}

static gboolean
on_turn (gpointer user_data)
{
  VpndSplitTunnel *self = user_data;

  self->turn = 0;
  return_more (self);
  return G_SOURCE_REMOVE;
}

/* A part of those who go back; when all have gone, another look, for they may have started others meanwhile. */
static void
return_more (VpndSplitTunnel *self)
{
  const guint n = MIN (self->returning->len, MOVES_PER_TURN);
  g_autoptr (GArray) part = NULL;

  if (n == 0 && self->round < ROUNDS_MAX)
    {
      self->round++;
      refresh_members (self, self->config);
      collect_returning (self);
      if (self->returning->len > 0)
        {
          return_more (self);
          return;
        }
    }
  if (n == 0)
    {
      finish_change (self, NULL);
      return;
    }
  part = g_array_sized_new (FALSE, FALSE, sizeof (VpndSplitProcess), n);
  g_array_append_vals (part, &g_array_index (self->returning, VpndSplitProcess, self->returning->len - n), n);
  (void) vpnd_splitter_leave (self->splitter, part);
  for (guint i = 0; i < n; i++)
    forget (self, g_array_index (part, VpndSplitProcess, i).pid);
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
  adopt_standing (self, FALSE);
  self->round = 0;
  if (change->lost_class != NULL)
    return_more (self);
  else
    finish_change (self, NULL);
}

/* Returns: (transfer full) (nullable): the configuration that @change asks for */
static VpndSplitConfig *
make_config (VpndSplitTunnel *self, const Change *change, GError **error)
{
  if (change->rule == NULL)
    return vpnd_split_config_with_mode (self->config, change->mode);
  if (change->is_removal)
    return vpnd_split_config_without (self->config, change->rule->kind, change->rule->value, change->rule->owner_uid, error);
  return vpnd_splitter_check (self->splitter, change->rule, error) ? vpnd_split_config_with (self->config, change->rule, error) : NULL;
}

static void
begin_next (VpndSplitTunnel *self)
{
  Change *change;
  const VpndSplitRule *before;
  GError *error = NULL;
  VpndSplitConfig *config;

  if (self->change != NULL || g_queue_is_empty (&self->changes))
    return;
  self->change = g_queue_pop_head (&self->changes);
  change = g_task_get_task_data (self->change);
  config = make_config (self, change, &error);
  if (config == NULL && g_error_matches (error, VPND_ERROR, VPND_ERROR_EXISTS) && !change->is_removal)
    {
      g_clear_error (&error); /* it is as it was asked for */
      finish_change (self, NULL);
      return;
    }
  if (config == NULL || !vpnd_split_store_save (self->store, config, &error))
    {
      g_clear_pointer (&config, vpnd_split_config_unref);
      finish_change (self, error);
      return;
    }
  g_clear_pointer (&self->trouble, g_free);
  before = change->rule != NULL ? vpnd_split_config_find (self->config, change->rule->kind, change->rule->value, change->rule->owner_uid) : NULL;
  if (before != NULL)
    {
      change->lost_class = dup_class_word (before->class_, before->profile);
      refresh_members (self, self->config); /* while the parents of all are known */
    }
  adopt_config (self, config);
  vpnd_splitter_apply_async (self->splitter, config, NULL, on_applied, g_object_ref (self));
}

static void
enqueue (VpndSplitTunnel *self, GTask *task, VpndSplitRule *rule, gboolean is_removal, VpndSplitMode mode)
{
  Change *change = g_new0 (Change, 1);

  g_task_set_check_cancellable (task, FALSE);
  change->rule = rule != NULL ? vpnd_split_rule_ref (rule) : NULL;
  change->is_removal = is_removal;
  change->mode = mode;
  g_task_set_task_data (task, change, (GDestroyNotify) change_free);
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
  enqueue (self, task, rule, FALSE, VPND_SPLIT_MODE_EXCLUDE);
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
  enqueue (self, task, rule, TRUE, VPND_SPLIT_MODE_EXCLUDE);
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
  enqueue (self, task, NULL, FALSE, mode);
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

/**
 * vpnd_split_tunnel_check:
 * @self: the coordinator
 * @rule: a rule that somebody wants
 * @error: return location for an error
 *
 * Before anybody is asked for a password.
 *
 * Returns: FALSE when it would be refused
 */
gboolean
vpnd_split_tunnel_check (VpndSplitTunnel *self, const VpndSplitRule *rule, GError **error)
{
  return vpnd_splitter_check (self->splitter, rule, error);
}

/**
 * vpnd_split_tunnel_start:
 * @self: the coordinator
 *
 * Reads the rules and makes the classes; who ran before is moved soon after. The plan is there on return.
 */
void
vpnd_split_tunnel_start (VpndSplitTunnel *self)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_store_load (self->store, &self->trouble);

  if (self->trouble != NULL)
    vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_STORAGE, "%s", self->trouble);
  adopt_config (self, g_steal_pointer (&config));
  vpnd_splitter_apply_async (self->splitter, self->config, NULL, NULL, NULL);
  adopt_standing (self, FALSE);
  self->is_started = TRUE;
}

/* --- processes --- */

/**
 * vpnd_split_tunnel_look:
 * @self: the coordinator
 * @pid: a process
 * @out_look: (out caller-allocates): what is told of it
 *
 * Returns: FALSE when it is gone
 */
gboolean
vpnd_split_tunnel_look (VpndSplitTunnel *self, gint32 pid, VpndSplitLook *out_look)
{
  return vpnd_splitter_look (self->splitter, pid, out_look);
}

/**
 * vpnd_split_tunnel_enter:
 * @self: the coordinator
 * @pid: the process that asks
 * @start_time: its start, when it asked
 * @uid: its user, as the bus says
 * @class_: where it wants to be
 * @error: return location for an error
 *
 * Returns: TRUE when it stands there. Errors: VPND_ERROR_NOT_FOUND when it is gone, or another user's; VPND_ERROR_NOT_AUTHORIZED when a system-wide
 *   rule says where it belongs; VPND_ERROR_LIMITS_EXCEEDED; VPND_ERROR_KERNEL_FEATURE
 */
gboolean
vpnd_split_tunnel_enter (VpndSplitTunnel *self, gint32 pid, guint64 start_time, guint32 uid, VpndSplitClass class_, GError **error)
{
  VpndSplitEntry *entry;
  g_auto (VpndSplitLook) look = { 0 };
  g_autofree char *origin = NULL;
  const char *class_word = vpnd_split_class_to_string (class_);
  const VpndSplitProcess process = { pid, start_time, "" };

  refresh_members (self, self->config); /* a child of a program that a rule names */
  if (!vpnd_splitter_look (self->splitter, pid, &look) || look.start_time != start_time || look.uid != uid)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "the process that asked is gone, or is not of the user who asked");
      return FALSE;
    }
  entry = vpnd_split_registry_lookup (self->registry, pid);
  if (entry != NULL && entry->rule != NULL && entry->rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM && strcmp (entry->class_word, class_word) != 0)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_AUTHORIZED, "a system-wide rule says that this program is %s", entry->class_word);
      return FALSE;
    }
  if (entry == NULL && vpnd_split_registry_get_n (self->registry) >= PROCESSES_MAX)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED, "there are %u processes in classes already", PROCESSES_MAX);
      return FALSE;
    }
  if (!vpnd_splitter_enter (self->splitter, &process, class_, NULL, &origin, error))
    return FALSE;
  entry = vpnd_split_registry_add (self->registry, pid, start_time);
  vpnd_split_entry_set_texts (entry, look.executable, class_word, *entry->origin == '\0' ? origin : NULL);
  vpnd_split_entry_set_rule (entry, NULL);
  entry->uid = uid;
  entry->how = VPND_SPLIT_ASKED;
  entry->is_asked = TRUE;
  entry->since_us = vpnd_clock_wall_us (self->clock);
  entry->is_announced = TRUE;
  announce (self, SIGNAL_EXCLUDED, entry);
  update_state (self);
  return TRUE;
}

/* Whether programs come into the class by the administrator's will: then one of which nobody knows why it stands there may be of these. */
static gboolean
has_system_programs (VpndSplitTunnel *self, const char *class_word)
{
  for (guint i = 0; i < self->config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (self->config->rules, i);

      if (rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM && (rule->kind == VPND_SPLIT_PATH || rule->kind == VPND_SPLIT_APP) &&
          strcmp (vpnd_split_class_to_string (rule->class_), class_word) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Who asked, and who comes from there. Of one that stood there before we started nobody knows: out of the tunnel it never gets that way. */
static gboolean
may_leave (VpndSplitTunnel *self, const VpndSplitEntry *entry)
{
  if (entry->is_asked)
    return TRUE;
  if (entry->how != VPND_SPLIT_INHERITED || entry->rule != NULL)
    return FALSE;
  if (strcmp (entry->class_word, vpnd_split_class_to_string (VPND_SPLIT_EXCLUDED)) == 0)
    return TRUE;
  return strcmp (entry->class_word, vpnd_split_class_to_string (VPND_SPLIT_INCLUDED)) == 0 && !has_system_programs (self, entry->class_word);
}

/**
 * vpnd_split_tunnel_leave:
 * @self: the coordinator
 * @pid: the process that asks
 * @start_time: its start, when it asked
 * @error: return location for an error
 *
 * Returns: TRUE when it is out of its class, on the way back to where it was. Errors: VPND_ERROR_NOT_FOUND when it did not come by
 *   vpnd_split_tunnel_enter(), itself or the process that it comes from
 */
gboolean
vpnd_split_tunnel_leave (VpndSplitTunnel *self, gint32 pid, guint64 start_time, GError **error)
{
  const VpndSplitEntry *entry;
  g_autoptr (GArray) processes = g_array_new (FALSE, FALSE, sizeof (VpndSplitProcess));
  VpndSplitProcess process;

  refresh_members (self, self->config); /* its children keep what is known of it; one that entered before we started is not known yet */
  entry = vpnd_split_registry_lookup (self->registry, pid);
  if (entry == NULL || entry->start_time != start_time || !may_leave (self, entry))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "this process is in no class that it asked for");
      return FALSE;
    }
  process = (VpndSplitProcess){ pid, start_time, entry->origin };
  g_array_append_val (processes, process);
  (void) vpnd_splitter_leave (self->splitter, processes);
  forget (self, pid);
  return TRUE;
}

/**
 * vpnd_split_tunnel_dup_processes:
 * @self: the coordinator
 *
 * Returns: (transfer container) (element-type VpndSplitEntry): who stands in a class now, by pid; valid until the main loop runs again
 */
GPtrArray *
vpnd_split_tunnel_dup_processes (VpndSplitTunnel *self)
{
  refresh_members (self, self->config);
  return vpnd_split_registry_dup_sorted (self->registry);
}

/* --- what others read --- */

/**
 * vpnd_split_tunnel_get_plan:
 * @self: the coordinator
 *
 * Returns: (transfer none): what the rules of the firewall are made of
 */
const VpndSplitPlan *
vpnd_split_tunnel_get_plan (VpndSplitTunnel *self)
{
  return self->plan;
}

/**
 * vpnd_split_tunnel_get_config:
 * @self: the coordinator
 *
 * Returns: (transfer none): what the users want
 */
const VpndSplitConfig *
vpnd_split_tunnel_get_config (VpndSplitTunnel *self)
{
  return self->config;
}

/**
 * vpnd_split_tunnel_get_standing:
 * @self: the coordinator
 *
 * Returns: (transfer none): what stands on the host
 */
const VpndSplitStanding *
vpnd_split_tunnel_get_standing (VpndSplitTunnel *self)
{
  return self->standing;
}

/**
 * vpnd_split_tunnel_get_reason:
 * @self: the coordinator
 * @rule: a rule
 *
 * Returns: (nullable): why it takes no effect; NULL when it does
 */
const char *
vpnd_split_tunnel_get_reason (VpndSplitTunnel *self, const VpndSplitRule *rule)
{
  if (rule->kind != VPND_SPLIT_DOMAIN)
    return vpnd_split_standing_get_reason (self->standing, rule);
  return self->names != NULL ? vpnd_split_names_get_problem (self->names) : "names cannot be watched here";
}

/**
 * vpnd_split_tunnel_get_state:
 * @self: the coordinator
 *
 * Returns: how far it has come
 */
VpndSplitState
vpnd_split_tunnel_get_state (VpndSplitTunnel *self)
{
  return self->state;
}

/**
 * vpnd_split_tunnel_set_outside_dns:
 * @self: the coordinator
 * @servers: (element-type VpndAddr): resolvers of the physical links
 *
 * What goes beside the tunnel asks these.
 */
void
vpnd_split_tunnel_set_outside_dns (VpndSplitTunnel *self, const GArray *servers)
{
  g_array_set_size (self->outside_dns, 0);
  if (servers->len > 0)
    g_array_append_vals (self->outside_dns, servers->data, servers->len);
  update_plan (self);
}

/**
 * vpnd_split_tunnel_set_protected:
 * @self: the coordinator
 * @is_protected: rules of the firewall are in force for a tunnel that is wanted
 */
void
vpnd_split_tunnel_set_protected (VpndSplitTunnel *self, gboolean is_protected)
{
  if (self->is_protected == is_protected)
    return;
  self->is_protected = is_protected;
  update_state (self);
}

/**
 * vpnd_split_tunnel_add_warnings:
 * @self: the coordinator
 * @warnings: (element-type utf8): gets what the user should know, owned
 */
void
vpnd_split_tunnel_add_warnings (VpndSplitTunnel *self, GPtrArray *warnings)
{
  const guint n = g_hash_table_size (self->standing->reasons);
  guint named = 0;

  if (self->trouble != NULL)
    g_ptr_array_add (warnings, g_strdup (self->trouble));
  if (self->names != NULL && vpnd_split_names_get_problem (self->names) != NULL)
    g_ptr_array_add (warnings, g_strdup_printf ("split: rules by domain take no effect: %s", vpnd_split_names_get_problem (self->names)));
  if (*self->standing->trouble != '\0' && needs_launches (self->config))
    {
      g_ptr_array_add (warnings, g_strdup_printf ("split: %s", self->standing->trouble));
      return;
    }
  for (guint i = 0; i < self->config->rules->len && named < MIN (n, WARNINGS_NAMED); i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (self->config->rules, i);
      const char *reason = rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM ? vpnd_split_standing_get_reason (self->standing, rule) : NULL; /* everybody reads the status */

      if (reason == NULL)
        continue;
      g_ptr_array_add (warnings, g_strdup_printf ("split: %s %s takes no effect: %s", vpnd_split_kind_to_string (rule->kind), rule->value, reason));
      named++;
    }
  if (n > named && named == WARNINGS_NAMED)
    g_ptr_array_add (warnings, g_strdup_printf ("split: %u more rules take no effect (vpnctl split list)", n - named));
}

/* --- the object --- */

static void
vpnd_split_tunnel_dispose (GObject *object)
{
  VpndSplitTunnel *self = VPND_SPLIT_TUNNEL (object);

  g_clear_handle_id (&self->turn, g_source_remove);
  g_clear_object (&self->names);
  if (self->splitter != NULL)
    g_signal_handlers_disconnect_by_data (self->splitter, self);
  g_queue_clear_full (&self->changes, g_object_unref);
  g_clear_object (&self->change);
  g_clear_object (&self->splitter);
  g_clear_object (&self->store);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vpnd_split_tunnel_parent_class)->dispose (object);
}

static void
vpnd_split_tunnel_finalize (GObject *object)
{
  VpndSplitTunnel *self = VPND_SPLIT_TUNNEL (object);

  vpnd_split_config_unref (self->config);
  vpnd_split_standing_unref (self->standing);
  vpnd_split_plan_unref (self->plan);
  vpnd_split_registry_free (self->registry);
  g_array_unref (self->outside_dns);
  g_array_unref (self->returning);
  g_free (self->trouble);
  G_OBJECT_CLASS (vpnd_split_tunnel_parent_class)->finalize (object);
}

static void
vpnd_split_tunnel_class_init (VpndSplitTunnelClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GType type = G_TYPE_FROM_CLASS (klass);

  object_class->dispose = vpnd_split_tunnel_dispose;
  object_class->finalize = vpnd_split_tunnel_finalize;

  signals[SIGNAL_PLAN_CHANGED] = g_signal_new ("plan-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_RULES_CHANGED] = g_signal_new ("rules-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_STATE_CHANGED] = g_signal_new ("state-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_EXCLUDED] = g_signal_new ("excluded", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_UINT, G_TYPE_STRING, G_TYPE_STRING);
  signals[SIGNAL_RETURNED] = g_signal_new ("returned", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_UINT, G_TYPE_STRING, G_TYPE_STRING);
  signals[SIGNAL_FAILED] = g_signal_new ("failed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_UINT, G_TYPE_STRING, G_TYPE_STRING);
}

static void
vpnd_split_tunnel_init (VpndSplitTunnel *self)
{
  const VpndSplitFacts nothing = { 0 };

  g_queue_init (&self->changes);
  self->config = vpnd_split_config_new ();
  self->standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_NONE, 0);
  self->plan = vpnd_split_plan_build (self->config, &nothing);
  self->registry = vpnd_split_registry_new ();
  self->outside_dns = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  self->returning = g_array_new (FALSE, FALSE, sizeof (VpndSplitProcess));
  g_array_set_clear_func (self->returning, (GDestroyNotify) clear_process);
}

/**
 * vpnd_split_tunnel_new:
 * @splitter: the port
 * @store: where the rules are kept
 * @clock: the clock
 *
 * Returns: (transfer full): a coordinator that has not started
 */
VpndSplitTunnel *
vpnd_split_tunnel_new (VpndSplitter *splitter, VpndSplitStore *store, VpndClock *clock)
{
  VpndSplitTunnel *self = g_object_new (VPND_TYPE_SPLIT_TUNNEL, NULL);

  self->splitter = g_object_ref (splitter);
  self->store = g_object_ref (store);
  self->clock = g_object_ref (clock);
  g_signal_connect_swapped (splitter, "standing-changed", G_CALLBACK (on_standing_changed), self);
  g_signal_connect (splitter, "report", G_CALLBACK (on_report), self);
  return self;
}
