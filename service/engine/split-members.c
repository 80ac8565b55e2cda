/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-members.h. Of a process that nobody reported, what is known of the process that it comes from holds as well.
 */
#include "config.h"

#include "split-members.h"

#include "error.h"

#include <string.h>

#define PARENTS_MAX 16        /* generations that are looked up for where a process comes from */
#define NAMED_AFTER_MS 500    /* vpnctl, which asks for itself, has become its command by then */
#define PROCESSES_MAX 100000u /* known at a time; a host has 32768 of them as a rule (kernel.pid_max) */

struct _VpndSplitMembers
{
  VpndSplitter *splitter;      /* (owned) */
  VpndClock *clock;            /* (owned) */
  VpndSplitRegistry *registry; /* (owned) */
  GArray *askers;              /* (element-type VpndSplitProcess) (owned): who have asked a moment ago, and may have become another program since */
  guint naming;                /* the timer of @askers, or 0 */
  GPtrArray *profiles;         /* (element-type utf8) (owned): those that have a class */
  VpndSplitMemberFunc tell;
  VpndSplitCountFunc counted;
  gpointer user_data; /* (unowned): of both */
};

/**
 * vpnd_split_members_new:
 * @splitter: the port
 * @clock: the clock
 * @tell: called when somebody has come or gone whom everybody may hear of
 * @counted: called when the first has come, and when the last has gone
 * @user_data: (unowned): passed to both
 *
 * Returns: (transfer full): nobody
 */
VpndSplitMembers *
vpnd_split_members_new (VpndSplitter *splitter, VpndClock *clock, VpndSplitMemberFunc tell, VpndSplitCountFunc counted, gpointer user_data)
{
  VpndSplitMembers *self = g_new0 (VpndSplitMembers, 1);

  self->splitter = g_object_ref (splitter);
  self->clock = g_object_ref (clock);
  self->registry = vpnd_split_registry_new ();
  self->askers = g_array_new (FALSE, FALSE, sizeof (VpndSplitProcess));
  self->profiles = g_ptr_array_new_with_free_func (g_free);
  self->tell = tell;
  self->counted = counted;
  self->user_data = user_data;
  return self;
}

/**
 * vpnd_split_members_free:
 * @self: (transfer full): those who are known; nobody hears that they go
 */
void
vpnd_split_members_free (VpndSplitMembers *self)
{
  if (self->naming != 0)
    vpnd_clock_cancel (self->clock, self->naming);
  g_array_unref (self->askers);
  vpnd_split_registry_free (self->registry);
  g_ptr_array_unref (self->profiles);
  g_object_unref (self->clock);
  g_object_unref (self->splitter);
  g_free (self);
}

/**
 * vpnd_split_members_get_n:
 * @self: those who are known
 *
 * Returns: how many
 */
guint
vpnd_split_members_get_n (const VpndSplitMembers *self)
{
  return vpnd_split_registry_get_n (self->registry);
}

/**
 * vpnd_split_members_forget:
 * @self: those who are known
 * @pid: one who has left its class, or ended; or anybody
 */
void
vpnd_split_members_forget (VpndSplitMembers *self, gint32 pid)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, pid);

  if (entry == NULL)
    return;
  if (entry->is_announced)
    self->tell (entry, FALSE, self->user_data);
  vpnd_split_registry_remove (self->registry, pid);
  if (vpnd_split_registry_get_n (self->registry) == 0)
    self->counted (self->user_data);
}

/* The entry of the nearest process above @pid that is known, NULL when there is none. */
static const VpndSplitEntry *
find_ancestor (VpndSplitMembers *self, gint32 parent)
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
find_origin (VpndSplitMembers *self, const VpndSplitStanding *standing, const VpndSplitterReport *report)
{
  const VpndSplitEntry *ancestor;
  g_auto (VpndSplitLook) look = { 0 };

  if (strcmp (report->origin, standing->excluded_path) != 0 && strcmp (report->origin, standing->included_path) != 0 &&
      strstr (report->origin, "/vpnd-bound-") == NULL)
    return report->origin;
  if (!vpnd_splitter_look (self->splitter, report->pid, &look))
    return "";
  ancestor = find_ancestor (self, look.parent);
  return ancestor != NULL ? ancestor->origin : "";
}

/* One that was gone before we could look at it has come and gone all the same. Of a number that is known the end is told by itself. */
static void
tell_brief (VpndSplitMembers *self, const VpndSplitterReport *report)
{
  g_autofree char *class_word = vpnd_split_class_dup_word (report->rule->class_, report->rule->profile);
  VpndSplitEntry *entry;

  if (report->kind != VPND_SPLITTER_ARRIVED || vpnd_split_registry_lookup (self->registry, report->pid) != NULL)
    return;
  entry = vpnd_split_registry_add (self->registry, report->pid, 0);
  vpnd_split_entry_set_texts (entry, report->path, class_word, NULL);
  vpnd_split_entry_set_rule (entry, report->rule);
  entry->how = VPND_SPLIT_BY_RULE;
  self->tell (entry, TRUE, self->user_data);
  self->tell (entry, FALSE, self->user_data);
  vpnd_split_registry_remove (self->registry, report->pid);
}

/* Who asked for another class while it was launched may have been moved there behind vpnd-classifier's move: the rule's class is the later word. */
static void
put_where_launched (VpndSplitMembers *self, const VpndSplitterReport *report)
{
  const VpndSplitProcess process = { report->pid, report->start_time, "" };
  g_autofree char *origin = NULL;

  (void) vpnd_splitter_enter (self->splitter, &process, report->rule->class_, report->rule->profile, &origin, NULL); /* it fails when it is gone */
}

/**
 * vpnd_split_members_add_report:
 * @self: those who are known
 * @standing: what stands on the host
 * @report: somebody has come by a rule, or was found in its class
 */
void
vpnd_split_members_add_report (VpndSplitMembers *self, const VpndSplitStanding *standing, const VpndSplitterReport *report)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, report->pid);
  g_autofree char *class_word = NULL;
  gboolean is_known;

  if (report->rule == NULL || vpnd_split_registry_get_n (self->registry) >= PROCESSES_MAX)
    return;
  if (report->start_time == 0)
    {
      tell_brief (self, report);
      return;
    }
  class_word = vpnd_split_class_dup_word (report->rule->class_, report->rule->profile);
  is_known = entry != NULL && entry->start_time == report->start_time;
  if (is_known && entry->how == VPND_SPLIT_BY_RULE && entry->rule != NULL && vpnd_split_rule_equal (entry->rule, report->rule) && strcmp (entry->executable, report->path) == 0)
    return; /* the table was sent again */
  if (entry != NULL && !is_known)
    vpnd_split_members_forget (self, report->pid);
  else if (is_known && entry->how == VPND_SPLIT_ASKED && strcmp (entry->class_word, class_word) != 0)
    put_where_launched (self, report);
  entry = vpnd_split_registry_add (self->registry, report->pid, report->start_time);
  vpnd_split_entry_set_texts (entry, report->path, class_word, is_known && *entry->origin != '\0' ? NULL : find_origin (self, standing, report));
  vpnd_split_entry_set_rule (entry, report->rule);
  entry->uid = report->uid;
  entry->how = VPND_SPLIT_BY_RULE;
  entry->is_asked = FALSE;
  entry->since_us = vpnd_clock_wall_us (self->clock);
  entry->is_announced = TRUE;
  self->tell (entry, TRUE, self->user_data);
  if (vpnd_split_registry_get_n (self->registry) == 1)
    self->counted (self->user_data);
}

/**
 * vpnd_split_members_name_program:
 * @self: those who are known
 * @report: somebody runs a program
 *
 * Who was launched by a rule keeps the program of that rule.
 */
void
vpnd_split_members_name_program (VpndSplitMembers *self, const VpndSplitterReport *report)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, report->pid);

  if (entry != NULL && entry->start_time == report->start_time && entry->how != VPND_SPLIT_BY_RULE)
    vpnd_split_entry_set_texts (entry, report->path, NULL, NULL);
}

/* Whose parents have ended is the child of whoever has asked the kernel for such (PR_SET_CHILD_SUBREAPER), who may stand elsewhere, and by another right. */
static void
inherit (VpndSplitMembers *self, VpndSplitEntry *entry, gint32 parent)
{
  const VpndSplitEntry *ancestor = find_ancestor (self, parent);

  if (ancestor == NULL)
    return;
  vpnd_split_entry_set_texts (entry, NULL, NULL, ancestor->origin);
  if (strcmp (ancestor->class_word, entry->class_word) != 0)
    return;
  vpnd_split_entry_set_rule (entry, ancestor->rule);
  entry->is_asked = ancestor->is_asked;
}

/* Who stands in a class without having been reported was started by somebody there. */
static void
take_in (VpndSplitMembers *self, gint32 pid, const char *class_word)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, pid);
  g_auto (VpndSplitLook) look = { 0 };

  if (entry != NULL || vpnd_split_registry_get_n (self->registry) >= PROCESSES_MAX || !vpnd_splitter_look (self->splitter, pid, &look))
    return;
  entry = vpnd_split_registry_add (self->registry, pid, look.start_time);
  vpnd_split_entry_set_texts (entry, look.executable, class_word, NULL);
  inherit (self, entry, look.parent);
  entry->uid = look.uid;
  entry->how = VPND_SPLIT_INHERITED;
  entry->since_us = vpnd_clock_wall_us (self->clock);
}

static void
take_in_class (VpndSplitMembers *self, VpndSplitClass class_, const char *profile, GHashTable *present)
{
  g_autoptr (GArray) pids = vpnd_splitter_list (self->splitter, class_, profile);
  g_autofree char *class_word = vpnd_split_class_dup_word (class_, profile);

  for (guint i = 0; i < pids->len; i++)
    {
      g_hash_table_add (present, GINT_TO_POINTER (g_array_index (pids, gint32, i)));
      take_in (self, g_array_index (pids, gint32, i), class_word);
    }
}

static void
drop_absent (VpndSplitMembers *self, GHashTable *present)
{
  g_autoptr (GPtrArray) entries = vpnd_split_registry_dup_sorted (self->registry);

  for (guint i = 0; i < entries->len; i++)
    {
      const gint32 pid = ((const VpndSplitEntry *) g_ptr_array_index (entries, i))->pid;

      if (!g_hash_table_contains (present, GINT_TO_POINTER (pid)))
        vpnd_split_members_forget (self, pid);
    }
}

/**
 * vpnd_split_members_set_profiles:
 * @self: those who are known
 * @bound: (element-type VpndSplitBound): those that have a class of their own from now on
 */
void
vpnd_split_members_set_profiles (VpndSplitMembers *self, const GArray *bound)
{
  g_ptr_array_set_size (self->profiles, 0);
  for (guint i = 0; i < bound->len; i++)
    g_ptr_array_add (self->profiles, g_strdup (g_array_index (bound, VpndSplitBound, i).profile));
}

/**
 * vpnd_split_members_refresh:
 * @self: those who are known
 *
 * Looks who stands in the classes now.
 */
void
vpnd_split_members_refresh (VpndSplitMembers *self)
{
  g_autoptr (GHashTable) present = g_hash_table_new (NULL, NULL);

  take_in_class (self, VPND_SPLIT_EXCLUDED, NULL, present);
  take_in_class (self, VPND_SPLIT_INCLUDED, NULL, present);
  for (guint i = 0; i < self->profiles->len; i++)
    take_in_class (self, VPND_SPLIT_BOUND, g_ptr_array_index (self->profiles, i), present);
  drop_absent (self, present);
}

/**
 * vpnd_split_members_has_any:
 * @self: those who are known
 *
 * Returns: whether anybody stands in a class that needs no rule, known or not
 */
gboolean
vpnd_split_members_has_any (VpndSplitMembers *self)
{
  g_autoptr (GArray) excluded = vpnd_splitter_list (self->splitter, VPND_SPLIT_EXCLUDED, NULL);
  g_autoptr (GArray) included = vpnd_splitter_list (self->splitter, VPND_SPLIT_INCLUDED, NULL);

  return excluded->len > 0 || included->len > 0;
}

static void
on_naming_due (gpointer user_data)
{
  VpndSplitMembers *self = user_data;

  self->naming = 0;
  for (guint i = 0; i < self->askers->len; i++)
    {
      const VpndSplitProcess *process = &g_array_index (self->askers, VpndSplitProcess, i);
      const VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, process->pid);
      g_auto (VpndSplitLook) look = { 0 };

      if (entry != NULL && entry->start_time == process->start_time && entry->how == VPND_SPLIT_ASKED)
        (void) vpnd_splitter_look (self->splitter, process->pid, &look); /* its program is told later */
    }
  g_array_set_size (self->askers, 0);
}

/* Of one that stood there before we started, or whose parents have ended, nobody knows why: out of the tunnel it never gets that way. */
static gboolean
may_go_out (const VpndSplitConfig *config, const VpndSplitEntry *entry)
{
  if (strcmp (entry->class_word, vpnd_split_class_to_string (VPND_SPLIT_EXCLUDED)) == 0)
    return TRUE;
  return strcmp (entry->class_word, vpnd_split_class_to_string (VPND_SPLIT_INCLUDED)) == 0 && !vpnd_split_config_has_system_programs (config, VPND_SPLIT_INCLUDED);
}

static gboolean
may_enter (const VpndSplitConfig *config, const VpndSplitEntry *entry, const char *class_word)
{
  if (entry->is_asked || strcmp (entry->class_word, class_word) == 0)
    return TRUE;
  return entry->rule != NULL ? entry->rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM : may_go_out (config, entry);
}

/* Who asked, and who comes from there. */
static gboolean
may_leave (const VpndSplitConfig *config, const VpndSplitEntry *entry)
{
  return entry->is_asked || (entry->how == VPND_SPLIT_INHERITED && entry->rule == NULL && may_go_out (config, entry));
}

/**
 * vpnd_split_members_enter:
 * @self: those who are known
 * @config: what the users want
 * @pid: the process that asks
 * @start_time: its start, when it asked
 * @uid: its user, as the bus says
 * @class_: where it wants to be
 * @error: return location for an error
 *
 * Returns: TRUE when it stands there. Errors: those of vpnd_split_tunnel_enter()
 */
gboolean
vpnd_split_members_enter (VpndSplitMembers *self, const VpndSplitConfig *config, gint32 pid, guint64 start_time, guint32 uid, VpndSplitClass class_,
    GError **error)
{
  VpndSplitEntry *entry;
  g_auto (VpndSplitLook) look = { 0 };
  g_autofree char *origin = NULL;
  const char *class_word = vpnd_split_class_to_string (class_);
  const VpndSplitProcess process = { pid, start_time, "" };

  vpnd_split_members_refresh (self); /* a child of a program that a rule names */
  if (!vpnd_splitter_look (self->splitter, pid, &look) || look.start_time != start_time || look.uid != uid)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "the process that asked is gone, or is not of the user who asked");
      return FALSE;
    }
  entry = vpnd_split_registry_lookup (self->registry, pid);
  if (entry != NULL && !may_enter (config, entry, class_word))
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
  g_array_append_val (self->askers, process);
  if (self->naming == 0)
    self->naming = vpnd_clock_schedule (self->clock, NAMED_AFTER_MS, on_naming_due, self);
  entry->is_announced = TRUE;
  self->tell (entry, TRUE, self->user_data);
  return TRUE;
}

/**
 * vpnd_split_members_leave:
 * @self: those who are known
 * @config: what the users want
 * @pid: the process that asks
 * @start_time: its start, when it asked
 * @error: return location for an error
 *
 * Returns: TRUE when it is out of its class. Errors: those of vpnd_split_tunnel_leave()
 */
gboolean
vpnd_split_members_leave (VpndSplitMembers *self, const VpndSplitConfig *config, gint32 pid, guint64 start_time, GError **error)
{
  const VpndSplitEntry *entry;
  g_autoptr (GArray) processes = g_array_new (FALSE, FALSE, sizeof (VpndSplitProcess));
  VpndSplitProcess process;

  vpnd_split_members_refresh (self); /* its children keep what is known of it; one that entered before we started is not known yet */
  entry = vpnd_split_registry_lookup (self->registry, pid);
  if (entry == NULL || entry->start_time != start_time || !may_leave (config, entry))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, "this process is in no class that it asked for");
      return FALSE;
    }
  process = (VpndSplitProcess){ pid, start_time, entry->origin };
  g_array_append_val (processes, process);
  (void) vpnd_splitter_leave (self->splitter, processes);
  vpnd_split_members_forget (self, pid);
  return TRUE;
}

/**
 * vpnd_split_members_dup_sorted:
 * @self: those who are known
 *
 * Returns: (transfer container) (element-type VpndSplitEntry): who stands in a class now, by pid; valid until anybody comes or goes
 */
GPtrArray *
vpnd_split_members_dup_sorted (VpndSplitMembers *self)
{
  vpnd_split_members_refresh (self);
  return vpnd_split_registry_dup_sorted (self->registry);
}

/* The rule of @config that is about @entry now, NULL for none: of the same thing as the one that it came by. */
static VpndSplitRule *
find_rule_now (const VpndSplitConfig *config, const VpndSplitEntry *entry)
{
  return entry->rule != NULL ? (VpndSplitRule *) vpnd_split_config_find (config, entry->rule->kind, entry->rule->value, entry->rule->owner_uid) : NULL;
}

/* Whether what put the process where it is holds no more: its rule is gone or says another class, or nobody knows any. */
static gboolean
has_to_go (const VpndSplitConfig *config, const VpndSplitEntry *entry, const char *lost_class)
{
  const VpndSplitRule *rule = find_rule_now (config, entry);
  g_autofree char *class_word = rule != NULL ? vpnd_split_class_dup_word (rule->class_, rule->profile) : NULL;

  if (entry->is_asked)
    return FALSE;
  if (entry->rule == NULL)
    return strcmp (entry->class_word, lost_class) == 0; /* in doubt, it goes with those of its class */
  return g_strcmp0 (class_word, entry->class_word) != 0;
}

/* Whether it may have been launched by a rule that holds a moment ago, of which there is no word yet: vpnd-classifier moves first, and tells then. Once it is waited for. */
static gboolean
is_to_be_spared (VpndSplitMembers *self, VpndSplitEntry *entry, const char *lost_class)
{
  g_auto (VpndSplitLook) look = { 0 };

  if (entry->is_asked || entry->rule != NULL || strcmp (entry->class_word, lost_class) != 0)
    return FALSE;
  if (!entry->is_spared)
    return entry->is_spared = TRUE;
  if (vpnd_splitter_look (self->splitter, entry->pid, &look))
    inherit (self, entry, look.parent);
  return FALSE;
}

/**
 * vpnd_split_members_rename_profile:
 * @self: those who are known
 * @config: what the users want, in which it has its new name
 * @name: name of a profile until now
 * @new_name: its name from now on
 *
 * Who is bound to it stays where it is and is bound to it all the same.
 */
void
vpnd_split_members_rename_profile (VpndSplitMembers *self, const VpndSplitConfig *config, const char *name, const char *new_name)
{
  g_autoptr (GPtrArray) entries = vpnd_split_registry_dup_sorted (self->registry);
  g_autofree char *before = vpnd_split_class_dup_word (VPND_SPLIT_BOUND, name);
  g_autofree char *after = vpnd_split_class_dup_word (VPND_SPLIT_BOUND, new_name);

  for (guint i = 0; i < entries->len; i++)
    {
      VpndSplitEntry *entry = g_ptr_array_index (entries, i);

      if (strcmp (entry->class_word, before) != 0)
        continue;
      vpnd_split_entry_set_texts (entry, NULL, after, NULL);
      vpnd_split_entry_set_rule (entry, find_rule_now (config, entry));
    }
}

/**
 * vpnd_split_members_follow:
 * @self: those who are known
 * @config: what the users want
 * @pid: one who has to go (vpnd_split_members_collect_lost())
 *
 * Whose rule says another class now goes there with it, and not back: bound to something, it is never without.
 *
 * Returns: TRUE when it stands there, or is gone; FALSE when no rule is about it, or it cannot be moved
 */
gboolean
vpnd_split_members_follow (VpndSplitMembers *self, const VpndSplitConfig *config, gint32 pid)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self->registry, pid);
  VpndSplitRule *rule = entry != NULL ? find_rule_now (config, entry) : NULL;
  g_autofree char *class_word = rule != NULL ? vpnd_split_class_dup_word (rule->class_, rule->profile) : NULL;
  g_autofree char *origin = NULL;
  g_autoptr (GError) error = NULL;

  if (rule == NULL)
    return FALSE;
  if (!vpnd_splitter_enter (self->splitter, &(VpndSplitProcess){ pid, entry->start_time, "" }, rule->class_, rule->profile, &origin, &error))
    {
      if (!g_error_matches (error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
        return FALSE;
      vpnd_split_members_forget (self, pid);
      return TRUE;
    }
  vpnd_split_entry_set_texts (entry, NULL, class_word, NULL);
  vpnd_split_entry_set_rule (entry, rule);
  return TRUE;
}

/**
 * vpnd_split_members_collect_lost:
 * @self: those who are known
 * @config: what the users want
 * @lost_class: the class that a rule put its processes into before
 * @spares: whether those of whom nobody knows why they are there are left alone the first time
 * @lost: (element-type VpndSplitProcess): becomes those who have to go; origins are shared texts, owned
 *
 * Returns: whether some were spared: look again a moment later
 */
gboolean
vpnd_split_members_collect_lost (VpndSplitMembers *self, const VpndSplitConfig *config, const char *lost_class, gboolean spares, GArray *lost)
{
  g_autoptr (GPtrArray) entries = vpnd_split_registry_dup_sorted (self->registry);
  gboolean has_spared = FALSE;

  g_array_set_size (lost, 0);
  for (guint i = 0; i < entries->len; i++)
    {
      VpndSplitEntry *entry = g_ptr_array_index (entries, i);
      VpndSplitProcess process = { entry->pid, entry->start_time, NULL };

      if (spares && is_to_be_spared (self, entry, lost_class))
        has_spared = TRUE;
      else if (has_to_go (config, entry, lost_class))
        {
          process.origin = g_ref_string_acquire (entry->origin);
          g_array_append_val (lost, process);
        }
    }
  return has_spared;
}
