/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ledger file. Each setter writes a whole new file first and takes the new values only when that succeeded, so what a getter
 * says is what a later instance will read.
 */
#include "config.h"

#include "ledger.h"

#include "error.h"
#include "json.h"
#include "safe-file.h"
#include "state.h"

#include <string.h>
#include <unistd.h>

#define FILE_NAME "ledger.json"
#define FORMAT_VERSION 1
#define CRASHES_KEPT 8 /* the rule needs two */

/* The values of the file. */
typedef struct
{
  guint changes;
  gboolean is_protected;
  gboolean is_handover;
  GHashTable *sysctls; /* (owned) (element-type utf8 utf8) */
  GArray *crashes;     /* (owned) (element-type gint64): oldest first */
} Entries;

struct _VpndLedger
{
  int dirfd;
  Entries entries;
};

static void
entries_init (Entries *entries)
{
  *entries = (Entries){ 0 };
  entries->sysctls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  entries->crashes = g_array_new (FALSE, TRUE, sizeof (gint64));
}

static void
entries_clear (Entries *entries)
{
  g_clear_pointer (&entries->sysctls, g_hash_table_unref);
  g_clear_pointer (&entries->crashes, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Entries, entries_clear)

static void
entries_copy (const Entries *from, Entries *to)
{
  GHashTableIter iter;
  gpointer name, value;

  entries_init (to);
  to->changes = from->changes;
  to->is_protected = from->is_protected;
  to->is_handover = from->is_handover;
  g_array_append_vals (to->crashes, from->crashes->data, from->crashes->len);
  g_hash_table_iter_init (&iter, from->sysctls);
  while (g_hash_table_iter_next (&iter, &name, &value))
    g_hash_table_insert (to->sysctls, g_strdup (name), g_strdup (value));
}

static char *
entries_print (const Entries *entries)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_alloc ();
  JsonObject *sysctls = json_object_new ();
  JsonArray *crashes = json_array_new ();
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, entries->sysctls);
  while (g_hash_table_iter_next (&iter, &name, &value))
    json_object_set_string_member (sysctls, name, value);
  for (guint i = 0; i < entries->crashes->len; i++)
    json_array_add_int_element (crashes, g_array_index (entries->crashes, gint64, i));

  json_object_set_int_member (object, "version", FORMAT_VERSION);
  json_object_set_int_member (object, "changes", entries->changes);
  json_object_set_boolean_member (object, "protected", entries->is_protected);
  json_object_set_boolean_member (object, "handover", entries->is_handover);
  json_object_set_object_member (object, "sysctls", sysctls);
  json_object_set_array_member (object, "crashes", crashes);
  json_node_init_object (node, object);
  return vpnd_json_to_string (node, TRUE);
}

static gboolean
parse_sysctls (JsonObject *object, GHashTable *sysctls)
{
  g_autoptr (GList) names = NULL;
  JsonNode *node = json_object_get_member (object, "sysctls");

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;

  names = json_object_get_members (json_node_get_object (node));
  for (GList *l = names; l != NULL; l = l->next)
    {
      const char *value;

      if (!vpnd_json_get_string (json_node_get_object (node), l->data, TRUE, &value, NULL))
        return FALSE;
      g_hash_table_insert (sysctls, g_strdup (l->data), g_strdup (value));
    }
  return TRUE;
}

static gboolean
parse_crashes (JsonObject *object, GArray *crashes)
{
  JsonArray *array;

  if (!vpnd_json_get_array (object, "crashes", TRUE, CRASHES_KEPT, &array, NULL))
    return FALSE;

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      gint64 when_us;

      if (json_node_get_value_type (node) != G_TYPE_INT64)
        return FALSE;
      when_us = json_node_get_int (node);
      g_array_append_val (crashes, when_us);
    }
  return TRUE;
}

static gboolean
entries_parse (Entries *entries, const char *text, gsize length)
{
  g_autoptr (JsonObject) object = vpnd_json_parse_object (text, (gssize) length, NULL);
  gint64 version, changes;

  if (object == NULL || !vpnd_json_get_integer (object, "version", TRUE, FORMAT_VERSION, FORMAT_VERSION, &version, NULL) ||
      !vpnd_json_get_integer (object, "changes", TRUE, 0, VPND_HOST_ALL, &changes, NULL) ||
      !vpnd_json_get_boolean (object, "protected", TRUE, &entries->is_protected, NULL) ||
      !vpnd_json_get_boolean (object, "handover", TRUE, &entries->is_handover, NULL) ||
      !parse_sysctls (object, entries->sysctls) || !parse_crashes (object, entries->crashes))
    return FALSE;

  entries->changes = (guint) changes;
  return TRUE;
}

/* The runtime directory is a tmpfs: there is no disk to wait for. */
static gboolean
commit (VpndLedger *self, Entries *next, GError **error)
{
  g_autofree char *text = entries_print (next);
  Entries old = self->entries;

  if (!vpnd_safe_file_write (self->dirfd, FILE_NAME, text, strlen (text), VPND_SAFE_FILE_NONE, error))
    return FALSE;

  self->entries = *next;
  *next = old;
  return TRUE;
}

/**
 * vpnd_ledger_open:
 * @runtime_dirfd: the runtime directory; duplicated
 * @error: return location for an error
 *
 * Reads the ledger of an earlier instance. One that cannot be read is kept aside, and counts as "everything may have been changed
 * and the host was protected".
 *
 * Returns: (transfer full) (nullable): the ledger; NULL with VPND_ERROR_STORAGE
 */
VpndLedger *
vpnd_ledger_open (int runtime_dirfd, GError **error)
{
  g_autoptr (VpndLedger) self = g_new0 (VpndLedger, 1);
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *aside = NULL;
  g_auto (Entries) next = { 0 };
  gsize length;

  entries_init (&self->entries);
  self->dirfd = vpnd_safe_file_dup_dir (runtime_dirfd, error);
  if (self->dirfd < 0)
    return NULL;

  text = vpnd_safe_file_read (self->dirfd, FILE_NAME, VPND_JSON_MAX_BYTES, &length, &local_error);
  if (g_error_matches (local_error, VPND_ERROR, VPND_ERROR_NOT_FOUND) || (text != NULL && entries_parse (&self->entries, text, length)))
    return g_steal_pointer (&self);

  entries_clear (&self->entries);
  entries_init (&self->entries);
  self->entries.changes = VPND_HOST_ALL;
  self->entries.is_protected = TRUE;
  aside = vpnd_safe_file_set_aside (self->dirfd, FILE_NAME, NULL); /* the next write replaces it in any case */

  /* Written down at once: an instance that ends before its next write must not leave a host that looks as if it had never been protected. */
  entries_copy (&self->entries, &next);
  return commit (self, &next, error) ? g_steal_pointer (&self) : NULL;
}

/**
 * vpnd_ledger_free:
 * @ledger: (transfer full) (nullable): a ledger
 *
 * Forgets the value; the file stays.
 */
void
vpnd_ledger_free (VpndLedger *ledger)
{
  if (ledger == NULL)
    return;

  entries_clear (&ledger->entries);
  if (ledger->dirfd >= 0)
    close (ledger->dirfd);
  g_free (ledger);
}

/**
 * vpnd_ledger_get_changes:
 * @ledger: a ledger
 *
 * Returns: set of VpndHostChange: what of ours may be on the host
 */
guint
vpnd_ledger_get_changes (VpndLedger *ledger)
{
  return ledger->entries.changes;
}

/**
 * vpnd_ledger_set_changes:
 * @ledger: a ledger
 * @changes: set of VpndHostChange
 * @error: return location for an error
 *
 * Returns: TRUE when it is written; else FALSE with VPND_ERROR_STORAGE, and nothing has changed
 */
gboolean
vpnd_ledger_set_changes (VpndLedger *ledger, guint changes, GError **error)
{
  g_auto (Entries) next = { 0 };

  g_return_val_if_fail ((changes & ~(guint) VPND_HOST_ALL) == 0, FALSE);

  entries_copy (&ledger->entries, &next);
  next.changes = changes;
  return commit (ledger, &next, error);
}

/**
 * vpnd_ledger_get_sysctls:
 * @ledger: a ledger
 *
 * Returns: (transfer none) (element-type utf8 utf8): sysctl name -> value from before us; valid until the next setter
 */
GHashTable *
vpnd_ledger_get_sysctls (VpndLedger *ledger)
{
  return ledger->entries.sysctls;
}

/**
 * vpnd_ledger_set_sysctls:
 * @ledger: a ledger
 * @old_values: (nullable) (element-type utf8 utf8): sysctl name -> value, to be merged: a name that is there keeps its oldest value; NULL
 *   clears
 * @error: return location for an error
 *
 * Returns: TRUE when it is written; else FALSE with VPND_ERROR_STORAGE, and nothing has changed
 */
gboolean
vpnd_ledger_set_sysctls (VpndLedger *ledger, GHashTable *old_values, GError **error)
{
  g_auto (Entries) next = { 0 };
  GHashTableIter iter;
  gpointer name, value;

  entries_copy (&ledger->entries, &next);
  if (old_values == NULL)
    g_hash_table_remove_all (next.sysctls);
  else
    {
      g_hash_table_iter_init (&iter, old_values);
      while (g_hash_table_iter_next (&iter, &name, &value))
        if (!g_hash_table_contains (next.sysctls, name))
          g_hash_table_insert (next.sysctls, g_strdup (name), g_strdup (value));
    }
  return commit (ledger, &next, error);
}

/**
 * vpnd_ledger_get_protected:
 * @ledger: a ledger
 *
 * Returns: TRUE when protection is (or was, for an earlier instance) wanted
 */
gboolean
vpnd_ledger_get_protected (VpndLedger *ledger)
{
  return ledger->entries.is_protected;
}

/**
 * vpnd_ledger_get_handover:
 * @ledger: a ledger
 *
 * Returns: TRUE when the instance before ended in order and left its rules for the next
 */
gboolean
vpnd_ledger_get_handover (VpndLedger *ledger)
{
  return ledger->entries.is_handover;
}

/**
 * vpnd_ledger_set_target:
 * @ledger: a ledger
 * @is_protected: protection is wanted
 * @is_handover: we end in order and leave our rules for the next instance
 * @error: return location for an error
 *
 * Returns: TRUE when it is written; else FALSE with VPND_ERROR_STORAGE, and nothing has changed
 */
gboolean
vpnd_ledger_set_target (VpndLedger *ledger, gboolean is_protected, gboolean is_handover, GError **error)
{
  g_auto (Entries) next = { 0 };

  entries_copy (&ledger->entries, &next);
  next.is_protected = is_protected;
  next.is_handover = is_handover;
  return commit (ledger, &next, error);
}

/**
 * vpnd_ledger_count_crashes:
 * @ledger: a ledger
 * @since_us: wall clock, microseconds since 1970
 *
 * Returns: how many crashes of the newest eight were at @since_us or later
 */
guint
vpnd_ledger_count_crashes (VpndLedger *ledger, gint64 since_us)
{
  guint n = 0;

  for (guint i = 0; i < ledger->entries.crashes->len; i++)
    if (g_array_index (ledger->entries.crashes, gint64, i) >= since_us)
      n++;
  return n;
}

/**
 * vpnd_ledger_add_crash:
 * @ledger: a ledger
 * @now_us: wall clock, microseconds since 1970
 * @error: return location for an error
 *
 * Returns: TRUE when it is written; else FALSE with VPND_ERROR_STORAGE, and nothing has changed
 */
gboolean
vpnd_ledger_add_crash (VpndLedger *ledger, gint64 now_us, GError **error)
{
  g_auto (Entries) next = { 0 };

  entries_copy (&ledger->entries, &next);
  g_array_append_val (next.crashes, now_us);
  if (next.crashes->len > CRASHES_KEPT)
    g_array_remove_index (next.crashes, 0);
  return commit (ledger, &next, error);
}
