/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ledger file. Each setter writes a whole new file first and takes the new values only when that succeeded, so what a getter
 * says is what a later instance will read. The copy in the state directory is for a file that is lost, and names the boot that it is about.
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
#define COPY_NAME "ledger-copy.json"
#define BOOT_ID "/proc/sys/kernel/random/boot_id" /* random(4) */
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
  int state_dirfd;
  char *boot; /* (owned) (nullable): of the running kernel; NULL when it cannot be known, and then there is no copy */
  Entries entries;
  char *trouble; /* (owned) (nullable) */
  gboolean is_complete;
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

/* @boot: (nullable): named in a copy */
static char *
entries_print (const Entries *entries, const char *boot)
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
  if (boot != NULL)
    json_object_set_string_member (object, "boot", boot);
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

/* @boot: (nullable): which one a copy has to be of */
static gboolean
entries_parse (Entries *entries, const char *text, gsize length, const char *boot)
{
  g_autoptr (JsonObject) object = vpnd_json_parse_object (text, (gssize) length, NULL);
  gint64 version, changes;
  const char *of_boot;

  if (boot != NULL && (object == NULL || !vpnd_json_get_string (object, "boot", TRUE, &of_boot, NULL) || strcmp (of_boot, boot) != 0))
    return FALSE;
  if (object == NULL || !vpnd_json_get_integer (object, "version", TRUE, FORMAT_VERSION, FORMAT_VERSION, &version, NULL) ||
      !vpnd_json_get_integer (object, "changes", TRUE, 0, VPND_HOST_ALL, &changes, NULL) ||
      !vpnd_json_get_boolean (object, "protected", TRUE, &entries->is_protected, NULL) ||
      !vpnd_json_get_boolean (object, "handover", TRUE, &entries->is_handover, NULL) ||
      !parse_sysctls (object, entries->sysctls) || !parse_crashes (object, entries->crashes))
    return FALSE;

  entries->changes = (guint) changes;
  return TRUE;
}

/* It serves a process that ends, not a machine: there is no need to wait for the disk. One that is out of date would mislead. */
static void
write_copy (VpndLedger *self)
{
  g_autofree char *text = NULL;

  if (self->boot == NULL)
    return;
  text = entries_print (&self->entries, self->boot);
  if (!vpnd_safe_file_write (self->state_dirfd, COPY_NAME, text, strlen (text), VPND_SAFE_FILE_NONE, NULL))
    (void) vpnd_safe_file_remove (self->state_dirfd, COPY_NAME, VPND_SAFE_FILE_NONE, NULL);
}

static gboolean
read_copy (VpndLedger *self, Entries *entries)
{
  gsize length;
  g_autofree char *text = self->boot != NULL ? vpnd_safe_file_read (self->state_dirfd, COPY_NAME, VPND_JSON_MAX_BYTES, &length, NULL) : NULL;

  return text != NULL && entries_parse (entries, text, length, self->boot);
}

/* The runtime directory is a tmpfs: there is no disk to wait for. */
static gboolean
commit (VpndLedger *self, Entries *next, GError **error)
{
  g_autofree char *text = entries_print (next, NULL);
  Entries old = self->entries;

  if (!vpnd_safe_file_write (self->dirfd, FILE_NAME, text, strlen (text), VPND_SAFE_FILE_NONE, error))
    return FALSE;

  self->entries = *next;
  *next = old;
  write_copy (self);
  return TRUE;
}

/* The file is not there. Mostly that is the first start of a boot. Else somebody has taken it away, and the copy says what it said. */
static void
take_copy (VpndLedger *self)
{
  g_auto (Entries) copy = { 0 };
  Entries old = self->entries;

  entries_init (&copy);
  if (!read_copy (self, &copy))
    return;
  if (copy.is_protected || copy.changes != 0 || g_hash_table_size (copy.sysctls) > 0)
    self->trouble = g_strdup ("ledger: its file is gone from the runtime directory; the copy in the state directory says what vpnd had changed");
  self->entries = copy;
  copy = old;
}

/* The file cannot be used: what the copy says of old values is better than nothing, and the rest is assumed. */
static void
assume_all (VpndLedger *self)
{
  g_auto (Entries) copy = { 0 };
  g_autofree char *aside = vpnd_safe_file_set_aside (self->dirfd, FILE_NAME, NULL); /* the next write replaces it in any case */

  entries_init (&copy);
  self->is_complete = read_copy (self, &copy);
  entries_clear (&self->entries);
  entries_init (&self->entries);
  if (self->is_complete)
    {
      Entries old = self->entries;

      self->entries = copy;
      copy = old;
    }
  self->entries.changes = VPND_HOST_ALL;
  self->entries.is_protected = TRUE;
  self->entries.is_handover = FALSE;
  self->trouble = g_strdup_printf ("ledger: its file could not be used and was kept aside as \"%s\"; %s", aside != NULL ? aside : "",
      self->is_complete ? "the copy in the state directory says what the host had before" : "there is no copy of it");
}

/**
 * vpnd_ledger_open:
 * @runtime_dirfd: the runtime directory; duplicated
 * @state_dirfd: the state directory, for the copy; duplicated
 * @error: return location for an error
 *
 * Reads the ledger of an earlier instance. One that cannot be read is kept aside, and counts as "everything may have been changed
 * and the host was protected". One that is gone counts as empty, unless there is a copy of this boot. See vpnd_ledger_get_trouble ().
 *
 * Returns: (transfer full) (nullable): the ledger; NULL with VPND_ERROR_STORAGE
 */
VpndLedger *
vpnd_ledger_open (int runtime_dirfd, int state_dirfd, GError **error)
{
  g_autoptr (VpndLedger) self = g_new0 (VpndLedger, 1);
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = NULL;
  g_auto (Entries) next = { 0 };
  gsize length;

  entries_init (&self->entries);
  self->is_complete = TRUE;
  self->state_dirfd = -1;
  self->dirfd = vpnd_safe_file_dup_dir (runtime_dirfd, error);
  if (self->dirfd < 0)
    return NULL;
  self->state_dirfd = vpnd_safe_file_dup_dir (state_dirfd, error);
  if (self->state_dirfd < 0)
    return NULL;
  if (g_file_get_contents (BOOT_ID, &self->boot, NULL, NULL))
    g_strchomp (self->boot);

  text = vpnd_safe_file_read (self->dirfd, FILE_NAME, VPND_JSON_MAX_BYTES, &length, &local_error);
  if (text != NULL && entries_parse (&self->entries, text, length, NULL))
    return g_steal_pointer (&self);
  if (g_error_matches (local_error, VPND_ERROR, VPND_ERROR_NOT_FOUND))
    take_copy (self);
  else
    assume_all (self);
  if (self->trouble == NULL)
    return g_steal_pointer (&self);

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
  if (ledger->state_dirfd >= 0)
    close (ledger->state_dirfd);
  g_free (ledger->boot);
  g_free (ledger->trouble);
  g_free (ledger);
}

/**
 * vpnd_ledger_get_trouble:
 * @ledger: a ledger
 *
 * Returns: (transfer none) (nullable): how the ledger of the earlier instance was lost, one sentence; NULL when it was not
 */
const char *
vpnd_ledger_get_trouble (VpndLedger *ledger)
{
  return ledger->trouble;
}

/**
 * vpnd_ledger_is_complete:
 * @ledger: a ledger
 *
 * Returns: FALSE when old values that an earlier instance wrote down are lost
 */
gboolean
vpnd_ledger_is_complete (VpndLedger *ledger)
{
  return ledger->is_complete;
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
