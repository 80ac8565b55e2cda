/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-registry.h.
 */
#include "config.h"

#include "split-registry.h"

struct _VpndSplitRegistry
{
  GHashTable *entries; /* (element-type gint32 VpndSplitEntry) (owned) */
};

static void
set_text (char **text, const char *value)
{
  char *next = g_ref_string_new_intern (value);

  g_clear_pointer (text, g_ref_string_release);
  *text = next;
}

static void
entry_free (VpndSplitEntry *entry)
{
  g_clear_pointer (&entry->rule, vpnd_split_rule_unref);
  g_ref_string_release (entry->executable);
  g_ref_string_release (entry->class_word);
  g_ref_string_release (entry->origin);
  g_free (entry);
}

/**
 * vpnd_split_registry_new:
 *
 * Returns: (transfer full): a registry of nobody
 */
VpndSplitRegistry *
vpnd_split_registry_new (void)
{
  VpndSplitRegistry *self = g_new0 (VpndSplitRegistry, 1);

  self->entries = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) entry_free);
  return self;
}

/**
 * vpnd_split_registry_free:
 * @self: (transfer full): a registry
 */
void
vpnd_split_registry_free (VpndSplitRegistry *self)
{
  g_hash_table_unref (self->entries);
  g_free (self);
}

/**
 * vpnd_split_registry_get_n:
 * @self: a registry
 *
 * Returns: how many processes it knows
 */
guint
vpnd_split_registry_get_n (const VpndSplitRegistry *self)
{
  return g_hash_table_size (self->entries);
}

/**
 * vpnd_split_registry_add:
 * @self: a registry
 * @pid: a process
 * @start_time: its start, which tells it from another of that number
 *
 * Returns: (transfer none): its entry: the one that is there, or a new one with empty texts
 */
VpndSplitEntry *
vpnd_split_registry_add (VpndSplitRegistry *self, gint32 pid, guint64 start_time)
{
  VpndSplitEntry *entry = vpnd_split_registry_lookup (self, pid);

  if (entry != NULL && entry->start_time == start_time)
    return entry;
  entry = g_new0 (VpndSplitEntry, 1);
  entry->pid = pid;
  entry->start_time = start_time;
  vpnd_split_entry_set_texts (entry, "", "", "");
  g_hash_table_replace (self->entries, GINT_TO_POINTER (pid), entry);
  return entry;
}

/**
 * vpnd_split_registry_lookup:
 * @self: a registry
 * @pid: a process
 *
 * Returns: (transfer none) (nullable): its entry
 */
VpndSplitEntry *
vpnd_split_registry_lookup (const VpndSplitRegistry *self, gint32 pid)
{
  return g_hash_table_lookup (self->entries, GINT_TO_POINTER (pid));
}

/**
 * vpnd_split_registry_remove:
 * @self: a registry
 * @pid: a process, known or not
 */
void
vpnd_split_registry_remove (VpndSplitRegistry *self, gint32 pid)
{
  g_hash_table_remove (self->entries, GINT_TO_POINTER (pid));
}

static gint
compare_entries (gconstpointer a, gconstpointer b)
{
  const VpndSplitEntry *x = *(const VpndSplitEntry *const *) a, *y = *(const VpndSplitEntry *const *) b;

  return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/**
 * vpnd_split_registry_dup_sorted:
 * @self: a registry
 *
 * Returns: (transfer container) (element-type VpndSplitEntry): all, by pid; valid until the next change
 */
GPtrArray *
vpnd_split_registry_dup_sorted (const VpndSplitRegistry *self)
{
  GPtrArray *entries = g_ptr_array_new_full (g_hash_table_size (self->entries), NULL);
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    g_ptr_array_add (entries, entry);
  g_ptr_array_sort (entries, compare_entries);
  return entries;
}

/**
 * vpnd_split_entry_set_rule:
 * @entry: an entry
 * @rule: (transfer none) (nullable): the rule that it came by
 */
void
vpnd_split_entry_set_rule (VpndSplitEntry *entry, VpndSplitRule *rule)
{
  if (rule != NULL)
    vpnd_split_rule_ref (rule);
  g_clear_pointer (&entry->rule, vpnd_split_rule_unref);
  entry->rule = rule;
}

/**
 * vpnd_split_entry_set_texts:
 * @entry: an entry
 * @executable: (nullable): its program; NULL leaves it as it is
 * @class_word: (nullable): the word of its class; NULL leaves it as it is
 * @origin: (nullable): where it came from; NULL leaves it as it is
 */
void
vpnd_split_entry_set_texts (VpndSplitEntry *entry, const char *executable, const char *class_word, const char *origin)
{
  if (executable != NULL)
    set_text (&entry->executable, executable);
  if (class_word != NULL)
    set_text (&entry->class_word, class_word);
  if (origin != NULL)
    set_text (&entry->origin, origin);
}

/**
 * vpnd_split_entry_dup_reason:
 * @entry: an entry
 *
 * Returns: (transfer full): why it stands there, as org.vpnd1.SplitTunnel.Processes documents it
 */
char *
vpnd_split_entry_dup_reason (const VpndSplitEntry *entry)
{
  if (entry->how == VPND_SPLIT_ASKED)
    return g_strdup ("asked");
  if (entry->how == VPND_SPLIT_INHERITED || entry->rule == NULL)
    return g_strdup ("inherited");
  return g_strdup_printf ("%s:%s", vpnd_split_kind_to_string (entry->rule->kind), entry->rule->value);
}

/**
 * vpnd_split_entry_is_private:
 * @entry: an entry
 *
 * Returns: whether it is a user's own matter: a rule of the user's own, or none
 */
gboolean
vpnd_split_entry_is_private (const VpndSplitEntry *entry)
{
  return entry->rule == NULL || entry->rule->owner_uid != VPND_SPLIT_OWNER_SYSTEM;
}
