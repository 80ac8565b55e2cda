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

typedef struct
{
  VpndSplitRule *rule; /* (owned) (nullable) */
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;

  g_clear_pointer (&request->rule, vpnd_split_rule_unref);
  g_free (request);
}

static VpndSplitRule *
parse_rule (const char *kind_word, const char *value, const char *class_word, const char *profile, GError **error)
{
  VpndSplitKind kind;
  VpndSplitClass class_;

  if (!vpnd_split_kind_from_string (kind_word, &kind))
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "kind: expected path, app, unit, uid, subnet or domain");
  else if (!vpnd_split_class_from_string (class_word, &class_))
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "class: expected excluded, included or bound");
  else
    return vpnd_split_rule_new (kind, value, class_, profile, VPND_SPLIT_OWNER_SYSTEM, error);
  return NULL;
}

static gpointer
decode_add (const VpndServices *services, GVariant *parameters, GError **error)
{
  const char *kind;
  const char *value;
  const char *class_;
  const char *profile;
  g_autoptr (VpndSplitRule) rule = NULL;
  Request *request;

  g_variant_get (parameters, "(&s&s&s&s)", &kind, &value, &class_, &profile);
  rule = parse_rule (kind, value, class_, profile, error);
  if (rule == NULL)
    return NULL;
  request = g_new0 (Request, 1);
  request->rule = g_steal_pointer (&rule);
  return request;
}

static gpointer
decode_remove (const VpndServices *services, GVariant *parameters, GError **error)
{
  const char *kind;
  const char *value;
  g_autoptr (VpndSplitRule) rule = NULL;
  Request *request;

  g_variant_get (parameters, "(&s&s)", &kind, &value);
  rule = parse_rule (kind, value, vpnd_split_class_to_string (VPND_SPLIT_EXCLUDED), NULL, error);
  if (rule == NULL)
    return NULL;
  request = g_new0 (Request, 1);
  request->rule = g_steal_pointer (&rule);
  return request;
}

static void
run_change (const VpndServices *services, gpointer request, GTask *task)
{
  vpnd_method_return_error (task, g_error_new_literal (VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "programs cannot be told apart on this host"));
}

static GVariant *
read_none (const VpndServices *services, gconstpointer request, GError **error)
{
  return g_variant_new ("(aa{sv})", NULL);
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
    { VPND_INTERFACE_SPLIT, "Add", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_add, request_free, NULL, run_change, NULL },
    { VPND_INTERFACE_SPLIT, "AddOwn", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_add, request_free, NULL, run_change, NULL },
    { VPND_INTERFACE_SPLIT, "Remove", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_remove, request_free, NULL, run_change, NULL },
    { VPND_INTERFACE_SPLIT, "RemoveOwn", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, decode_remove, request_free, NULL, run_change, NULL },
    { VPND_INTERFACE_SPLIT, "List", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, NULL, read_none },
    { VPND_INTERFACE_SPLIT, "Enter", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_change, NULL },
    { VPND_INTERFACE_SPLIT, "Leave", VPND_METHOD_CHANGES, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, run_change, NULL },
    { VPND_INTERFACE_SPLIT, "Processes", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, NULL, read_none },
    { VPND_INTERFACE_SPLIT, "ProcessesAll", VPND_METHOD_READS, VPND_DIALOG_IF_ALLOWED, FALSE, VPND_BODY_MAX_BYTES, VPND_DEADLINE_MS, NULL, NULL, NULL, NULL, read_none },
  };

  *out_n = G_N_ELEMENTS (methods);
  return methods;
}
