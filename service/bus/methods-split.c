/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The methods of org.vpnd1.SplitTunnel: rules of programs, and the caller's own process. Who the caller is comes from the bus, never from a
 * parameter.
 */
#include "config.h"

#include "methods.h"

#include "error.h"
#include "names.h"
#include "split-rule.h"

#include <string.h>

/**
 * Request:
 * @kind_word: (owned) (nullable): of a rule, as sent
 * @value: (owned) (nullable): of a rule, as sent
 * @class_word: (owned) (nullable): of a rule or of Enter, as sent; NULL when a rule goes
 * @profile: (owned) (nullable): of a rule, as sent
 * @programs: (owned) (nullable): of an application of the caller's own, as sent
 * @rule: (owned) (nullable): the rule
 * @class_: of Enter
 * @caller: who calls, for what depends on it
 * @start_time: of the caller's process, when it called
 */
typedef struct
{
  char *kind_word;
  char *value;
  char *class_word;
  char *profile;
  char **programs;
  VpndSplitRule *rule;
  VpndSplitClass class_;
  VpndCaller caller;
  guint64 start_time;
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;

  g_free (request->kind_word);
  g_free (request->value);
  g_free (request->class_word);
  g_free (request->profile);
  g_strfreev (request->programs);
  g_clear_pointer (&request->rule, vpnd_split_rule_unref);
  g_free (request);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Request, request_free)

static gboolean
has_split (const VpndServices *services, GError **error)
{
  if (vpnd_engine_get_split (services->engine) != NULL)
    return TRUE;
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "programs cannot be told apart on this host");
  return FALSE;
}

/* --- rules --- */

static gboolean
make_rule (const VpndServices *services, Request *request, guint32 owner_uid, GError **error)
{
  VpndSplitKind kind;
  VpndSplitClass class_ = VPND_SPLIT_EXCLUDED; /* what goes is known by its kind, value and owner */
  g_autoptr (VpndProfile) profile = NULL;

  if (!has_split (services, error))
    return FALSE;
  if (!vpnd_split_kind_from_string (request->kind_word, &kind))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "kind: expected path, app, unit, uid, subnet or domain");
      return FALSE;
    }
  if (request->class_word != NULL && !vpnd_split_class_from_string (request->class_word, &class_))
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "class: expected excluded, included or bound");
      return FALSE;
    }
  request->rule = request->programs != NULL ? vpnd_split_rule_new_own_app (request->value, (const char *const *) request->programs, class_, request->profile, owner_uid, error)
                                            : vpnd_split_rule_new (kind, request->value, class_, request->profile, owner_uid, error);
  if (request->rule == NULL || request->rule->profile == NULL)
    return request->rule != NULL;
  profile = vpnd_profile_store_lookup (services->profiles, request->rule->profile, error);
  return profile != NULL;
}

static Request *
take_words (GVariant *parameters)
{
  Request *request = g_new0 (Request, 1);

  if (g_variant_n_children (parameters) == 4)
    g_variant_get (parameters, "(ssss)", &request->kind_word, &request->value, &request->class_word, &request->profile);
  else
    g_variant_get (parameters, "(ss)", &request->kind_word, &request->value);
  return request;
}

static gpointer
decode_rule (const VpndServices *services, GVariant *parameters, GError **error)
{
  g_autoptr (Request) request = take_words (parameters);

  return make_rule (services, request, VPND_SPLIT_OWNER_SYSTEM, error) ? g_steal_pointer (&request) : NULL;
}

static gpointer
decode_own_rule (const VpndServices *services, GVariant *parameters, GError **error)
{
  return take_words (parameters);
}

static gpointer
decode_own_app (const VpndServices *services, GVariant *parameters, GError **error)
{
  Request *request = g_new0 (Request, 1);

  request->kind_word = g_strdup (vpnd_split_kind_to_string (VPND_SPLIT_APP));
  g_variant_get (parameters, "(s^asss)", &request->value, &request->programs, &request->class_word, &request->profile);
  return request;
}

static gboolean
set_owner (const VpndServices *services, gpointer data, const VpndCaller *caller, GError **error)
{
  return make_rule (services, data, caller->uid, error);
}

/* What is answered when a change is done. */
typedef struct
{
  GTask *task;
  char *value; /* (owned) (nullable): of the rule that stands now, in the form that it is kept in; NULL when one goes */
} Answer;

static void
on_changed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Answer *answer = user_data;
  g_autofree char *value = g_steal_pointer (&answer->value);
  GError *error = NULL;

  if (!vpnd_engine_change_split_finish (VPND_ENGINE (source), result, &error))
    vpnd_method_return_error (answer->task, error);
  else
    vpnd_method_return (answer->task, value != NULL ? g_variant_new ("(s)", value) : g_variant_new ("()"));
}

static void
run_change (const VpndServices *services, gpointer data, GTask *task)
{
  const Request *request = data;
  const VpndSplitChange change = { .rule = request->rule, .is_removal = request->class_word == NULL };
  Answer *answer = g_new0 (Answer, 1);

  answer->task = task;
  answer->value = change.is_removal ? NULL : g_strdup (request->rule->value);
  vpnd_engine_change_split_async (services->engine, &change, NULL, on_changed, answer);
}

/* --- the caller --- */

static gpointer
decode_caller (const VpndServices *services, GVariant *parameters, GError **error)
{
  return has_split (services, error) ? g_new0 (Request, 1) : NULL;
}

static gpointer
decode_enter (const VpndServices *services, GVariant *parameters, GError **error)
{
  g_autoptr (Request) request = g_new0 (Request, 1);

  if (!has_split (services, error))
    return NULL;
  g_variant_get (parameters, "(s)", &request->class_word);
  if (vpnd_split_class_from_string (request->class_word, &request->class_) && request->class_ != VPND_SPLIT_BOUND)
    return g_steal_pointer (&request);
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "class: expected excluded or included");
  return NULL;
}

static gboolean
set_caller (const VpndServices *services, gpointer data, const VpndCaller *caller, GError **error)
{
  Request *request = data;

  request->caller = *caller;
  return TRUE;
}

/* The number and the start of the process: while the call waits for somebody's password the number may come to mean another one. */
static gboolean
set_process (const VpndServices *services, gpointer data, const VpndCaller *caller, GError **error)
{
  Request *request = data;
  g_auto (VpndSplitLook) look = { 0 };

  request->caller = *caller;
  if (vpnd_split_tunnel_look (vpnd_engine_get_split (services->engine), caller->pid, &look) && look.uid == caller->uid)
    {
      request->start_time = look.start_time;
      return TRUE;
    }
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "the process that calls is not one of this host, or runs as another user than the one who called");
  return FALSE;
}

/* An Enter that waits for the rules; @request lives until @task has returned. */
typedef struct
{
  const VpndServices *services;
  const Request *request;
  GTask *task;
} Entry;

static void
on_classes_in_force (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Entry *entry = user_data;
  const Request *request = entry->request;
  VpndSplitTunnel *split = vpnd_engine_get_split (entry->services->engine);
  GError *error = NULL;

  if (vpnd_engine_want_split_classes_finish (VPND_ENGINE (source), result, &error) &&
      vpnd_split_tunnel_enter (split, request->caller.pid, request->start_time, request->caller.uid, request->class_, &error))
    vpnd_method_return (entry->task, g_variant_new ("()"));
  else
    vpnd_method_return_error (entry->task, error);
}

static void
run_enter (const VpndServices *services, gpointer data, GTask *task)
{
  Entry *entry = g_new (Entry, 1);

  *entry = (Entry){ services, data, task };
  vpnd_engine_want_split_classes_async (services->engine, NULL, on_classes_in_force, entry);
}

static void
run_leave (const VpndServices *services, gpointer data, GTask *task)
{
  const Request *request = data;
  GError *error = NULL;

  if (vpnd_split_tunnel_leave (vpnd_engine_get_split (services->engine), request->caller.pid, request->start_time, &error))
    vpnd_method_return (task, g_variant_new ("()"));
  else
    vpnd_method_return_error (task, error);
}

/* --- lists --- */

static void
add_rule (GVariantBuilder *list, VpndSplitTunnel *split, const VpndSplitRule *rule)
{
  const char *reason = vpnd_split_tunnel_get_reason (split, rule);

  g_variant_builder_open (list, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (list, "{sv}", "kind", g_variant_new_string (vpnd_split_kind_to_string (rule->kind)));
  g_variant_builder_add (list, "{sv}", "value", g_variant_new_string (rule->value));
  g_variant_builder_add (list, "{sv}", "class", g_variant_new_string (vpnd_split_class_to_string (rule->class_)));
  g_variant_builder_add (list, "{sv}", "profile", g_variant_new_string (rule->profile != NULL ? rule->profile : ""));
  g_variant_builder_add (list, "{sv}", "owner", g_variant_new_uint32 (rule->owner_uid));
  g_variant_builder_add (list, "{sv}", "effective", g_variant_new_boolean (reason == NULL));
  g_variant_builder_add (list, "{sv}", "reason", g_variant_new_string (reason != NULL ? reason : ""));
  if (rule->programs != NULL)
    g_variant_builder_add (list, "{sv}", "programs", g_variant_new_strv ((const char *const *) rule->programs, -1));
  g_variant_builder_close (list);
}

static GVariant *
read_rules (const VpndServices *services, gconstpointer data, GError **error)
{
  const Request *request = data;
  VpndSplitTunnel *split = vpnd_engine_get_split (services->engine);
  const VpndSplitConfig *config = vpnd_split_tunnel_get_config (split);
  g_auto (GVariantBuilder) list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < config->rules->len; i++)
    {
      const VpndSplitRule *rule = g_ptr_array_index (config->rules, i);

      if (request->caller.uid == 0 || rule->owner_uid == VPND_SPLIT_OWNER_SYSTEM || rule->owner_uid == request->caller.uid)
        add_rule (&list, split, rule);
    }
  return g_variant_new ("(aa{sv})", &list);
}

/**
 * Columns: GDBus copies an array of numbers as it is, and makes an object of every other value: of ten thousand processes these would take longer than all else.
 */
typedef struct
{
  GArray *pids;        /* (element-type guint32) */
  GArray *start_times; /* (element-type guint64) */
  GArray *uids;        /* (element-type guint32) */
  GArray *executables; /* (element-type guint32): numbers of texts, as the next two */
  GArray *classes;     /* (element-type guint32) */
  GArray *reasons;     /* (element-type guint32) */
  GArray *since;       /* (element-type guint64) */
  GPtrArray *texts;    /* (element-type utf8) (owned) */
  GHashTable *numbers; /* (element-type utf8 guint): of texts; the keys belong to @texts */
} Columns;

static GArray *
new_column (gsize size, guint n)
{
  return g_array_sized_new (FALSE, FALSE, (guint) size, n);
}

static void
add_text (Columns *columns, GArray *column, char *text)
{
  g_autofree char *owned = text;
  gpointer known;
  guint32 number;

  if (g_hash_table_lookup_extended (columns->numbers, text, NULL, &known))
    number = GPOINTER_TO_UINT (known);
  else
    {
      number = columns->texts->len;
      g_hash_table_insert (columns->numbers, owned, GUINT_TO_POINTER (number));
      g_ptr_array_add (columns->texts, g_steal_pointer (&owned));
    }
  g_array_append_val (column, number);
}

static void
add_process (Columns *columns, const VpndSplitEntry *entry)
{
  const guint32 pid = (guint32) entry->pid;
  const guint64 since = (guint64) entry->since_us;

  g_array_append_val (columns->pids, pid);
  g_array_append_val (columns->start_times, entry->start_time);
  g_array_append_val (columns->uids, entry->uid);
  add_text (columns, columns->executables, g_utf8_make_valid (entry->executable, -1));
  add_text (columns, columns->classes, g_strdup (entry->class_word));
  add_text (columns, columns->reasons, vpnd_split_entry_dup_reason (entry));
  g_array_append_val (columns->since, since);
}

/* Takes @column. */
static GVariant *
end_column (GArray *column, const GVariantType *type)
{
  GVariant *value = g_variant_new_fixed_array (type, column->data, column->len, g_array_get_element_size (column));

  g_array_unref (column);
  return value;
}

static GVariant *
end_columns (Columns *columns)
{
  GVariant *const values[] = {
    end_column (columns->pids, G_VARIANT_TYPE_UINT32),
    end_column (columns->start_times, G_VARIANT_TYPE_UINT64),
    end_column (columns->uids, G_VARIANT_TYPE_UINT32),
    end_column (columns->executables, G_VARIANT_TYPE_UINT32),
    end_column (columns->classes, G_VARIANT_TYPE_UINT32),
    end_column (columns->reasons, G_VARIANT_TYPE_UINT32),
    end_column (columns->since, G_VARIANT_TYPE_UINT64),
    g_variant_new_strv ((const char *const *) columns->texts->pdata, columns->texts->len),
  };

  g_hash_table_unref (columns->numbers);
  g_ptr_array_unref (columns->texts);
  return g_variant_new_tuple (values, G_N_ELEMENTS (values));
}

static GVariant *
list_processes (const VpndServices *services, const Request *of_caller)
{
  g_autoptr (GPtrArray) entries = vpnd_split_tunnel_dup_processes (vpnd_engine_get_split (services->engine));
  const guint n = entries->len;
  Columns columns = {
    .pids = new_column (sizeof (guint32), n),
    .start_times = new_column (sizeof (guint64), n),
    .uids = new_column (sizeof (guint32), n),
    .executables = new_column (sizeof (guint32), n),
    .classes = new_column (sizeof (guint32), n),
    .reasons = new_column (sizeof (guint32), n),
    .since = new_column (sizeof (guint64), n),
    .texts = g_ptr_array_new_full (16, g_free),
    .numbers = g_hash_table_new (g_str_hash, g_str_equal),
  };
  GVariant *value;

  for (guint i = 0; i < n; i++)
    {
      const VpndSplitEntry *entry = g_ptr_array_index (entries, i);

      if (of_caller == NULL || entry->uid == of_caller->caller.uid)
        add_process (&columns, entry);
    }
  value = end_columns (&columns);
  return g_variant_new_tuple (&value, 1);
}

static GVariant *
read_own_processes (const VpndServices *services, gconstpointer data, GError **error)
{
  return list_processes (services, data);
}

static GVariant *
read_processes (const VpndServices *services, gconstpointer data, GError **error)
{
  return list_processes (services, NULL);
}

#define ROW(name, kind, decode, run, read, caller)                                                                                                        \
  {                                                                                                                                                       \
    VPND_INTERFACE_SPLIT, name, kind, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode, request_free, NULL, run, read, caller \
  }

/**
 * vpnd_methods_split:
 * @out_n: (out): length of the table
 *
 * Returns: (transfer none) (array length=out_n): the methods of org.vpnd1.SplitTunnel
 */
const VpndMethod *
vpnd_methods_split (guint *out_n)
{
  static const VpndMethod methods[] = {
    ROW ("Add", VPND_METHOD_CHANGES, decode_rule, run_change, NULL, NULL),
    ROW ("AddOwn", VPND_METHOD_CHANGES, decode_own_rule, run_change, NULL, set_owner),
    ROW ("AddOwnApp", VPND_METHOD_CHANGES, decode_own_app, run_change, NULL, set_owner),
    ROW ("Remove", VPND_METHOD_CHANGES, decode_rule, run_change, NULL, NULL),
    ROW ("RemoveOwn", VPND_METHOD_CHANGES, decode_own_rule, run_change, NULL, set_owner),
    ROW ("List", VPND_METHOD_READS, decode_caller, NULL, read_rules, set_caller),
    ROW ("Enter", VPND_METHOD_CHANGES, decode_enter, run_enter, NULL, set_process),
    ROW ("Leave", VPND_METHOD_CHANGES, decode_caller, run_leave, NULL, set_process),
    ROW ("Processes", VPND_METHOD_READS, decode_caller, NULL, read_own_processes, set_caller),
    ROW ("ProcessesAll", VPND_METHOD_READS, decode_caller, NULL, read_processes, NULL),
  };

  *out_n = G_N_ELEMENTS (methods);
  return methods;
}
