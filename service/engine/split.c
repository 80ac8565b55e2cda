/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split.h. State, plan and what everybody hears; changes of the rules stand in split-changes.c, who is in which class in split-members.c.
 */
#include "config.h"

#include "split-private.h"

#include "log.h"

#include <errno.h>
#include <string.h>

#define WARNINGS_NAMED 3u
#define NO_PROFILE_REASON "there is no profile of that name any more, so what the rule names is refused the network"
#define LOST_REASON "launches were too many to follow, or vpnd-classifier stood still: a program that was started meanwhile uses the tunnel until it is started anew"

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

/* --- state and plan --- */

void
vpnd_split_tunnel_update_state (VpndSplitTunnel *self)
{
  const VpndSplitStateInput input = {
    .has_ground = self->standing->ground != VPND_SPLIT_GROUND_NONE && self->standing->excluded_id != 0,
    .needs_launches = vpnd_split_config_needs_launches (self->config),
    .holds_launches = self->standing->holds_launches,
    .has_rules = !vpnd_split_config_is_empty (self->config) || vpnd_split_members_get_n (self->members) > 0,
    .is_protected = self->is_protected,
  };
  VpndSplitState next;

  while ((next = vpnd_split_state_step (self->state, &input)) != self->state)
    {
      self->state = next;
      g_signal_emit (self, signals[SIGNAL_STATE_CHANGED], 0);
    }
}

/* Returns: TRUE when it is another one */
static gboolean
make_plan (VpndSplitTunnel *self)
{
  const VpndSplitFacts facts = {
    .standing = self->standing,
    .names = self->names != NULL ? vpnd_split_names_get_names (self->names) : NULL,
    .queue = self->names != NULL ? vpnd_split_names_get_queue (self->names) : VPND_QUEUE_NONE,
    .outside_dns = self->outside_dns,
    .has_asked = self->has_asked || self->interim != NULL,
  };
  VpndSplitPlan *plan = vpnd_split_plan_build (self->interim != NULL ? self->interim : self->config, &facts);
  const gboolean is_same = vpnd_split_plan_equal (plan, self->plan);

  vpnd_split_plan_unref (self->plan);
  self->plan = plan;
  return !is_same;
}

static void
update_plan (VpndSplitTunnel *self)
{
  if (make_plan (self) && self->change == NULL && self->is_started)
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

void
vpnd_split_tunnel_adopt_standing (VpndSplitTunnel *self, gboolean is_told)
{
  g_autoptr (VpndSplitStanding) before = self->standing;

  self->standing = vpnd_splitter_dup_standing (self->splitter);
  if (is_told && g_hash_table_size (self->standing->reasons) > 0)
    tell_lost_rules (self, before);
  if (*self->standing->trouble != '\0' && strcmp (before->trouble, self->standing->trouble) != 0)
    vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_SPLIT, "Split tunnelling: %s", self->standing->trouble);
  update_plan (self);
  vpnd_split_tunnel_update_state (self);
  if (self->is_started)
    vpnd_split_tunnel_follow_classes (self, before);
  if (is_told && vpnd_split_standing_differs_for_users (self->standing, before))
    g_signal_emit (self, signals[SIGNAL_RULES_CHANGED], 0);
}

/* Also at the end of a change. */
void
vpnd_split_tunnel_tell_rules_changed (VpndSplitTunnel *self)
{
  g_signal_emit (self, signals[SIGNAL_RULES_CHANGED], 0);
}

/* At the end of a change that nobody asked for. */
void
vpnd_split_tunnel_tell_plan_changed (VpndSplitTunnel *self)
{
  g_signal_emit (self, signals[SIGNAL_PLAN_CHANGED], 0);
}

static void
on_standing_changed (VpndSplitTunnel *self)
{
  vpnd_split_tunnel_adopt_standing (self, TRUE);
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
on_member (const VpndSplitEntry *entry, gboolean has_come, gpointer user_data)
{
  announce (user_data, has_come ? SIGNAL_EXCLUDED : SIGNAL_RETURNED, entry);
}

static void
on_counted (gpointer user_data)
{
  vpnd_split_tunnel_update_state (user_data);
}

/* Returns: (transfer full): why a process does not stand where its rule wants it */
static char *
failure_reason (int code)
{
  if (code == ETIMEDOUT)
    return g_strdup ("it went on before it stood in its class: vpnd-classifier did not answer in time; its connections of before are ended");
  if (code == ECANCELED)
    return g_strdup ("it was not started: vpnd-classifier did not answer in time, and outside its class it would not be in its tunnel. Start it again");
  if (code == EXDEV)
    return g_strdup ("it was launched in another mount namespace, as units with a sandbox (PrivateTmp= and its like) and containers have, where rules by path do not hold: name its unit");
  return g_strdup_printf ("it could not be put into its class: %s", g_strerror (code));
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
      vpnd_split_members_add_report (self->members, self->standing, report);
      break;
    case VPND_SPLITTER_FAILED:
      is_private = report->rule == NULL || report->rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM;
      reason = failure_reason (report->code);
      vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_SPLIT, "Split tunnelling: process %d: %s%s%s%s", report->pid, reason, is_private ? "" : " (", is_private ? "" : report->path, is_private ? "" : ")");
      g_signal_emit (self, signals[SIGNAL_FAILED], 0, (guint) report->pid, is_private ? "" : report->path, reason);
      break;
    case VPND_SPLITTER_DEPARTED:
      vpnd_split_members_forget (self->members, report->pid);
      break;
    case VPND_SPLITTER_SEEN:
      vpnd_split_members_name_program (self->members, report);
      break;
    case VPND_SPLITTER_LOST:
      vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_SPLIT, "Split tunnelling: %s", LOST_REASON);
      g_signal_emit (self, signals[SIGNAL_FAILED], 0, 0, "", LOST_REASON);
      vpnd_split_members_refresh (self->members);
      break;
    case VPND_N_SPLITTER_REPORTS:
      break;
    }
}

static void
on_names_changed (gpointer user_data)
{
  VpndSplitTunnel *self = user_data;

  update_plan (self);
  vpnd_split_tunnel_go_on_with_change (self);
}

void
vpnd_split_tunnel_adopt_config (VpndSplitTunnel *self, VpndSplitConfig *config)
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

/**
 * vpnd_split_tunnel_start:
 * @self: the coordinator
 *
 * Reads the rules and makes the classes; who ran before is moved soon after. The plan is there on return.
 *
 * Returns: FALSE when rules have followed a rename that was cut off, and cannot be written down so
 */
gboolean
vpnd_split_tunnel_start (VpndSplitTunnel *self)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_store_load (self->store, &self->trouble);
  const gboolean is_kept = vpnd_split_tunnel_follow_rename (self, &config);

  if (self->trouble != NULL)
    vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_STORAGE, "%s", self->trouble);
  vpnd_split_tunnel_adopt_config (self, g_steal_pointer (&config));
  vpnd_split_tunnel_prepare_classes (self, self->config, NULL);
  vpnd_splitter_apply_async (self->splitter, self->config, NULL, NULL, NULL); /* at once: launches go on while the first rules are made */
  self->has_asked = vpnd_split_members_has_any (self->members);
  vpnd_split_tunnel_adopt_standing (self, FALSE);
  self->is_started = TRUE;
  return is_kept;
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
 * vpnd_split_tunnel_want_classes:
 * @self: the coordinator
 *
 * Somebody is going to enter a class. From now on the plan has all of them, until the host is open again and nobody stands there. The rules of the firewall
 * come next; who asked sees to that.
 */
void
vpnd_split_tunnel_want_classes (VpndSplitTunnel *self)
{
  self->has_asked = TRUE;
  (void) make_plan (self);
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
 * After vpnd_split_tunnel_want_classes(), and with the rules in force.
 *
 * Returns: TRUE when it stands there. Errors: VPND_ERROR_NOT_FOUND when it is gone, or another user's; VPND_ERROR_NOT_AUTHORIZED when a system-wide
 *   rule says where it belongs; VPND_ERROR_LIMITS_EXCEEDED; VPND_ERROR_KERNEL_FEATURE
 */
gboolean
vpnd_split_tunnel_enter (VpndSplitTunnel *self, gint32 pid, guint64 start_time, guint32 uid, VpndSplitClass class_, GError **error)
{
  if (!vpnd_split_members_enter (self->members, self->config, pid, start_time, uid, class_, error))
    return FALSE;
  self->has_asked = TRUE; /* the rules may have gone while it waited: then they come again */
  update_plan (self);
  vpnd_split_tunnel_update_state (self);
  return TRUE;
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
  return vpnd_split_members_leave (self->members, self->config, pid, start_time, error);
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
  return vpnd_split_members_dup_sorted (self->members);
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
 * vpnd_split_tunnel_set_profiles:
 * @self: the coordinator
 * @profiles: what is stored
 *
 * So that a rule that is bound to a profile which is gone can be told.
 */
void
vpnd_split_tunnel_set_profiles (VpndSplitTunnel *self, VpndProfileStore *profiles)
{
  g_set_object (&self->profiles, profiles);
}

/* Of all kinds but domains, for which one reason holds. */
static const char *
find_reason (VpndSplitTunnel *self, const VpndSplitRule *rule)
{
  g_autoptr (VpndProfile) profile = rule->profile != NULL && self->profiles != NULL ? vpnd_profile_store_lookup (self->profiles, rule->profile, NULL) : NULL;
  const char *reason;

  if (rule->profile != NULL && self->profiles != NULL && profile == NULL)
    return NO_PROFILE_REASON;
  reason = vpnd_split_standing_get_reason (self->standing, rule);
  return reason != NULL ? reason : vpnd_split_plan_get_overruled_reason (self->plan, self->config, rule);
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
    return find_reason (self, rule);
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
  if (!is_protected && self->has_asked && !vpnd_split_members_has_any (self->members))
    {
      self->has_asked = FALSE;
      update_plan (self);
    }
  vpnd_split_tunnel_update_state (self);
}

/**
 * vpnd_split_tunnel_add_troubles:
 * @self: the coordinator
 * @troubles: (element-type utf8): gets what does not work, owned
 */
void
vpnd_split_tunnel_add_troubles (VpndSplitTunnel *self, GPtrArray *troubles)
{
  guint n = 0, named = 0;

  if (self->trouble != NULL)
    g_ptr_array_add (troubles, g_strdup (self->trouble));
  if (self->names != NULL && vpnd_split_names_get_problem (self->names) != NULL)
    g_ptr_array_add (troubles, g_strdup_printf ("split: rules by domain take no effect: %s", vpnd_split_names_get_problem (self->names)));
  if (*self->standing->trouble != '\0' && vpnd_split_config_needs_launches (self->config))
    {
      g_ptr_array_add (troubles, g_strdup_printf ("split: %s", self->standing->trouble));
      return;
    }
  for (guint i = 0; i < self->config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (self->config->rules, i);
      const char *reason = rule->kind != VPND_SPLIT_DOMAIN ? find_reason (self, rule) : NULL;

      n += reason != NULL;
      if (reason == NULL || named == WARNINGS_NAMED || rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM) /* everybody reads the status */
        continue;
      g_ptr_array_add (troubles, g_strdup_printf ("split: %s %s takes no effect: %s", vpnd_split_kind_to_string (rule->kind), rule->value, reason));
      named++;
    }
  if (n > named) /* of users' own rules no more than how many there are */
    g_ptr_array_add (troubles, g_strdup_printf (named > 0 ? "split: %u more rules take no effect (vpnctl split list)" : "split: rules of users that take no effect: %u (vpnctl split list)", n - named));
}

/**
 * vpnd_split_tunnel_add_warnings:
 * @self: the coordinator
 * @warnings: (element-type utf8): gets what the user should know, owned
 */
void
vpnd_split_tunnel_add_warnings (VpndSplitTunnel *self, GPtrArray *warnings)
{
  if (self->config->mode == VPND_SPLIT_MODE_INCLUDE)
    g_ptr_array_add (warnings, g_strdup ("split: the mode is include, so what has no rule does not use the tunnel (vpnctl split mode)"));
  vpnd_split_tunnel_add_troubles (self, warnings);
}

/* --- the object --- */

static void
vpnd_split_tunnel_dispose (GObject *object)
{
  VpndSplitTunnel *self = VPND_SPLIT_TUNNEL (object);

  g_clear_object (&self->names);
  if (self->splitter != NULL)
    g_signal_handlers_disconnect_by_data (self->splitter, self);
  vpnd_split_tunnel_drop_changes (self);
  g_clear_object (&self->splitter);
  g_clear_object (&self->profiles);
  g_clear_object (&self->store);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (vpnd_split_tunnel_parent_class)->dispose (object);
}

static void
vpnd_split_tunnel_finalize (GObject *object)
{
  VpndSplitTunnel *self = VPND_SPLIT_TUNNEL (object);

  vpnd_split_config_unref (self->config);
  g_clear_pointer (&self->interim, vpnd_split_config_unref);
  vpnd_split_standing_unref (self->standing);
  vpnd_split_plan_unref (self->plan);
  g_clear_pointer (&self->members, vpnd_split_members_free);
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

  self->config = vpnd_split_config_new ();
  self->standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_NONE, 0);
  self->plan = vpnd_split_plan_build (self->config, &nothing);
  self->outside_dns = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  vpnd_split_tunnel_init_changes (self);
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
  self->members = vpnd_split_members_new (splitter, clock, on_member, on_counted, self);
  g_signal_connect_swapped (splitter, "standing-changed", G_CALLBACK (on_standing_changed), self);
  g_signal_connect (splitter, "report", G_CALLBACK (on_report), self);
  return self;
}
