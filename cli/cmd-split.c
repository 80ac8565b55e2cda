/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * split: rules of what goes beside the tunnel, the mode, and the processes that they hold for. A rule that was taken and has no effect is
 * a failure here, never a success in silence.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "failure.h"
#include "input.h"
#include "names.h"
#include "own-app.h"
#include "split-text.h"

static const char *const kind_words[] = {
  [VPND_RULE_PATH] = "path",
  [VPND_RULE_APP] = "app",
  [VPND_RULE_UNIT] = "unit",
  [VPND_RULE_UID] = "uid",
  [VPND_RULE_SUBNET] = "subnet",
  [VPND_RULE_DOMAIN] = "domain",
};
G_STATIC_ASSERT (G_N_ELEMENTS (kind_words) == VPND_N_RULE_OPTIONS);

static const char *const mode_words[] = { "exclude", "include", NULL };

/**
 * Change: what add or remove does to each rule of the command line.
 * @method: of org.vpnd1.SplitTunnel
 * @class_: (nullable): the class; %NULL to remove the rule
 */
typedef struct
{
  VpndCli *cli;
  VpndClient *client;
  const char *method;
  const char *class_;
  const char *profile;
  guint32 owner;
} Change;

static gboolean
fail_usage (GError **error, const char *message)
{
  g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, message);
  vpnd_failure_add_hint (error, _ ("See: vpnctl help %s"), "split");
  return FALSE;
}

static GVariant *
read_array (VpndClient *client, const char *method, GError **error)
{
  g_autoptr (GVariant) reply = vpnd_client_call (client, VPND_INTERFACE_SPLIT, method, NULL, "(aa{sv})", error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static GVariant *
find_rule (GVariant *rules, const char *kind, const char *value, guint32 owner)
{
  for (gsize i = 0; i < g_variant_n_children (rules); i++)
    {
      g_autoptr (GVariant) rule = g_variant_get_child_value (rules, i);

      if (g_str_equal (vpnd_split_text_get (rule, "kind"), kind) && vpnd_split_text_get_owner (rule) == owner &&
          g_str_equal (vpnd_split_text_get (rule, "value"), value))
        return g_steal_pointer (&rule);
    }
  return NULL;
}

static void
print_rule (const Change *change, GVariant *rule, VpndColor color, const char *text)
{
  if (vpnd_output_is_json (change->cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_variant (builder, change->class_ != NULL ? "added" : "removed", rule);
      vpnd_output_json_end (change->cli->output, builder);
      return;
    }
  vpnd_output_line (change->cli->output, color, text);
}

static void
explain_change (const Change *change, const char *kind, const char *value, GError **error)
{
  g_autofree char *program = g_str_equal (kind, "path") && strchr (value, '/') == NULL ? g_find_program_in_path (value) : NULL;
  gboolean may_be_own = change->owner == VPND_SPLIT_TEXT_EVERYBODY && (g_str_equal (kind, "path") || g_str_equal (kind, "app") || g_str_equal (kind, "unit"));

  if (program != NULL && vpnd_failure_is (*error, VPND_ERROR_INVALID_ARGUMENT))
    vpnd_failure_add_hint (error, _ ("Write: --path %s"), program);
  if (may_be_own && vpnd_failure_is (*error, VPND_ERROR_NOT_AUTHORIZED))
    vpnd_failure_add_hint (error, "%s", _ ("For your own programs alone, without an administrator: --own"));
  if (vpnd_failure_is (*error, VPND_ERROR_INVALID_ARGUMENT) && program == NULL && g_str_equal (kind, "path"))
    vpnd_failure_add_hint (error, "%s", _ ("Give the whole path of the file that is run, such as --path /usr/bin/env"));
  if (vpnd_failure_is (*error, VPND_ERROR_NOT_FOUND) && change->class_ == NULL)
    vpnd_failure_add_hint (error, "%s", _ ("See: vpnctl split list"));
  if (vpnd_failure_is (*error, VPND_ERROR_NOT_FOUND) && change->class_ != NULL && *change->profile != '\0')
    vpnd_failure_add_hint (error, "%s", _ ("The names of profiles: vpnctl list"));
  else if (vpnd_failure_is (*error, VPND_ERROR_NOT_FOUND) && change->class_ != NULL && g_str_equal (kind, "app"))
    vpnd_failure_add_hint (error, "%s", _ ("Name its program instead: --path FILE"));
}

/* Tells what stands now, and fails when it stands in vain. @value: in the form that it is kept in */
static gboolean
report_added (const Change *change, const char *kind, const char *value, GError **error)
{
  g_autoptr (GVariant) rules = read_array (change->client, "List", error);
  g_autoptr (GVariant) rule = rules != NULL ? find_rule (rules, kind, value, change->owner) : NULL;
  g_autofree char *name = vpnd_split_text_rule (kind, value);
  g_autofree char *text = NULL;
  gboolean is_effective = FALSE;

  if (rules == NULL)
    return FALSE;
  if (rule == NULL)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, _ ("the rule \"%s\" was removed again"), name);
      return FALSE;
    }
  (void) g_variant_lookup (rule, "effective", "b", &is_effective); /* absent: not known to be */
  text = *change->profile != '\0' ? g_strdup_printf ("%s: %s (%s)", name, vpnd_split_text_class (change->class_), change->profile) : g_strdup_printf ("%s: %s", name, vpnd_split_text_class (change->class_));
  print_rule (change, rule, is_effective ? VPND_COLOR_GOOD : VPND_COLOR_NONE, text);
  if (is_effective)
    return TRUE;
  g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, _ ("the rule \"%s\" is kept, but has no effect now: %s"), name, vpnd_split_text_get (rule, "reason"));
  vpnd_failure_add_hint (error, "%s", _ ("Until then what it names goes as without the rule. See: vpnctl split list"));
  return FALSE;
}

/* An application of the caller's own home is for the caller to look at: vpnd sees no homes. */
static GVariant *
call_add (const Change *change, const char *kind, const char *value, GError **error)
{
  const gboolean may_be_own = change->owner != VPND_SPLIT_TEXT_EVERYBODY && g_str_equal (kind, "app");
  g_auto (GStrv) programs = NULL;

  if (may_be_own && !vpnd_own_app_find (value, &programs, error))
    return NULL;
  if (programs == NULL)
    return vpnd_client_call (change->client, VPND_INTERFACE_SPLIT, change->method, g_variant_new ("(ssss)", kind, value, change->class_, change->profile), "(s)", error);
  return vpnd_client_call (change->client, VPND_INTERFACE_SPLIT, "AddOwnApp", g_variant_new ("(s^asss)", value, programs, change->class_, change->profile), "(s)", error);
}

static gboolean
add_rule (const Change *change, const char *kind, const char *value, GError **error)
{
  g_autoptr (GVariant) reply = call_add (change, kind, value, error);
  const char *kept;

  if (reply == NULL)
    {
      explain_change (change, kind, value, error);
      return FALSE;
    }
  g_variant_get (reply, "(&s)", &kept);
  return report_added (change, kind, kept, error);
}

static gboolean
remove_rule (const Change *change, const char *kind, const char *value, GError **error)
{
  g_autoptr (GVariant) reply = vpnd_client_call (change->client, VPND_INTERFACE_SPLIT, change->method, g_variant_new ("(ss)", kind, value), "()", error);
  g_autoptr (GVariant) removed = NULL;
  g_autofree char *name = vpnd_split_text_rule (kind, value);
  g_autofree char *text = g_strdup_printf (_ ("Removed: %s"), name);

  if (reply == NULL)
    {
      explain_change (change, kind, value, error);
      return FALSE;
    }
  removed = g_variant_ref_sink (g_variant_new_parsed ("{'kind': <%s>, 'value': <%s>}", kind, value));
  print_rule (change, removed, VPND_COLOR_NONE, text);
  return TRUE;
}

static gboolean
change_rule (const Change *change, const char *kind, const char *value, GError **error)
{
  return change->class_ != NULL ? add_rule (change, kind, value, error) : remove_rule (change, kind, value, error);
}

/* What somebody typed, as the method takes it. */
static char *
get_value (VpndRuleOption kind, const char *typed, GError **error)
{
  guint32 uid;

  if (!g_utf8_validate (typed, -1, NULL))
    {
      (void) fail_usage (error, _ ("the value of a rule must be UTF-8"));
      return NULL;
    }
  if (kind != VPND_RULE_UID)
    return g_strdup (typed);
  return vpnd_input_user (typed, &uid, error) ? g_strdup_printf ("%u", uid) : NULL;
}

/* What was typed wrong is found before anything is changed. */
static gboolean
check_values (const VpndOptions *options, GError **error)
{
  guint n = 0;

  for (guint kind = 0; kind < VPND_N_RULE_OPTIONS; kind++)
    for (char **typed = options->rules[kind]; typed != NULL && *typed != NULL; typed++, n++)
      {
        g_autofree char *value = get_value (kind, *typed, error);

        if (value == NULL)
          return FALSE;
      }
  return n > 0 || fail_usage (error, _ ("which rule? --path, --app, --unit, --uid, --subnet or --domain"));
}

/* All are tried; the first failure is told at the end, the others where they happen. */
static gboolean
change_rules (const Change *change, GError **error)
{
  g_autoptr (GError) first = NULL;

  for (guint kind = 0; kind < VPND_N_RULE_OPTIONS; kind++)
    for (char **typed = change->cli->options.rules[kind]; typed != NULL && *typed != NULL; typed++)
      {
        g_autoptr (GError) local_error = NULL;
        g_autofree char *value = get_value (kind, *typed, &local_error);

        if (value != NULL && change_rule (change, kind_words[kind], value, &local_error))
          continue;
        if (first == NULL)
          first = g_steal_pointer (&local_error);
        else
          vpnd_output_error (change->cli->output, local_error);
      }
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

static gboolean
run_add (VpndCli *cli, char **args, GError **error)
{
  const VpndOptions *options = &cli->options;
  Change change = { .cli = cli, .profile = options->profile != NULL ? options->profile : "" };

  if (options->exclude + options->include + (options->profile != NULL) > 1)
    return fail_usage (error, _ ("only one of --exclude, --include and --profile can hold"));
  if (!check_values (options, error))
    return FALSE;
  change.method = options->own ? "AddOwn" : "Add";
  change.class_ = options->profile != NULL ? "bound" : options->include ? "included"
                                                                        : "excluded";
  change.owner = options->own ? getuid () : VPND_SPLIT_TEXT_EVERYBODY;
  change.client = vpnd_cli_client (cli, error);
  return change.client != NULL && change_rules (&change, error);
}

static gboolean
run_remove (VpndCli *cli, char **args, GError **error)
{
  const VpndOptions *options = &cli->options;
  Change change = { .cli = cli, .method = options->own ? "RemoveOwn" : "Remove", .owner = options->own ? getuid () : VPND_SPLIT_TEXT_EVERYBODY };

  if (options->exclude || options->include || options->profile != NULL)
    return fail_usage (error, _ ("a rule is removed by what it names alone"));
  if (!check_values (options, error))
    return FALSE;
  change.client = vpnd_cli_client (cli, error);
  return change.client != NULL && change_rules (&change, error);
}

static void
print_array_json (VpndCli *cli, const char *key, GVariant *array)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  vpnd_output_json_variant (builder, key, array);
  vpnd_output_json_end (cli->output, builder);
}

static char **
make_rule_row (GVariant *rule)
{
  guint32 owner = vpnd_split_text_get_owner (rule);
  const char *profile = vpnd_split_text_get (rule, "profile");
  gboolean is_effective = FALSE;
  char **row = g_new0 (char *, 5);

  (void) g_variant_lookup (rule, "effective", "b", &is_effective); /* absent: not known to be */
  row[0] = vpnd_split_text_rule (vpnd_split_text_get (rule, "kind"), vpnd_split_text_get (rule, "value"));
  row[1] = *profile != '\0' ? g_strdup_printf (_ ("in the tunnel of %s only"), profile) : g_strdup (vpnd_split_text_class (vpnd_split_text_get (rule, "class")));
  row[2] = owner == VPND_SPLIT_TEXT_EVERYBODY ? g_strdup (_ ("everybody")) : vpnd_split_text_user (owner);
  row[3] = is_effective ? g_strdup (_ ("in force")) : g_strdup_printf (_ ("NO EFFECT: %s"), vpnd_split_text_get (rule, "reason"));
  return row;
}

static gboolean
run_list (VpndCli *cli, char **args, GError **error)
{
  const char *const headers[] = { _ ("Rule"), _ ("Goes"), _ ("For"), _ ("State"), NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) rules = client != NULL ? read_array (client, "List", error) : NULL;

  if (rules == NULL)
    return FALSE;
  if (vpnd_output_is_json (cli->output))
    {
      print_array_json (cli, "rules", rules);
      return TRUE;
    }
  for (gsize i = 0; i < g_variant_n_children (rules); i++)
    {
      g_autoptr (GVariant) rule = g_variant_get_child_value (rules, i);

      g_ptr_array_add (rows, make_rule_row (rule));
    }
  if (rows->len > 0)
    vpnd_output_fitting_table (cli->output, headers, rows);
  else
    vpnd_output_line (cli->output, VPND_COLOR_NONE, _ ("No rules. To make one: vpnctl split add --path FILE"));
  return TRUE;
}

static gboolean
check_mode (const char *word, GError **error)
{
  g_autofree char *given = NULL, *message = NULL, *modes = NULL;

  if (word == NULL || g_strv_contains (mode_words, word))
    return TRUE;
  given = g_utf8_make_valid (word, -1);
  message = g_strdup_printf (_ ("no mode named \"%s\""), given);
  modes = g_strjoinv (", ", (char **) mode_words);
  (void) fail_usage (error, message);
  vpnd_failure_add_hint (error, _ ("Modes: %s"), modes);
  return FALSE;
}

static gboolean
run_mode (VpndCli *cli, char **args, GError **error)
{
  g_autoptr (GVariant) properties = NULL;
  const char *mode = "";
  VpndClient *client;

  if (!check_mode (args[0], error))
    return FALSE;
  client = vpnd_cli_client (cli, error);
  if (client == NULL || (args[0] != NULL && !vpnd_client_set (client, VPND_INTERFACE_SPLIT, "Mode", g_variant_new_string (args[0]), error)))
    return FALSE;
  properties = vpnd_client_get_all (client, VPND_INTERFACE_SPLIT, error);
  if (properties == NULL)
    return FALSE;
  (void) g_variant_lookup (properties, "Mode", "&s", &mode); /* absent: "" */
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_string (builder, "mode", mode);
      vpnd_output_json_end (cli->output, builder);
    }
  else
    vpnd_output_line (cli->output, VPND_COLOR_NONE, mode);
  return TRUE;
}

static gboolean
run_ps (VpndCli *cli, char **args, GError **error)
{
  return vpnd_command_split_ps (cli, error);
}

static gboolean
run_watch (VpndCli *cli, char **args, GError **error)
{
  return vpnd_command_split_watch (cli, error);
}

/**
 * vpnd_command_split:
 *
 * vpnctl split add | remove | list | mode | ps | watch
 */
gboolean
vpnd_command_split (VpndCli *cli, char **args, GError **error)
{
  static const struct
  {
    const char *word;
    guint max_args;
    VpndCommandFunc run;
    gboolean takes_rules;
  } verbs[] = {
    { "add", 0, run_add, TRUE },
    { "remove", 0, run_remove, TRUE },
    { "list", 0, run_list, FALSE },
    { "mode", 1, run_mode, FALSE },
    { "ps", 0, run_ps, FALSE },
    { "watch", 0, run_watch, FALSE },
  };
  const VpndOptions *options = &cli->options;
  gboolean has_rules = options->exclude || options->include || options->own || options->profile != NULL;

  for (guint i = 0; i < VPND_N_RULE_OPTIONS; i++)
    has_rules = has_rules || options->rules[i] != NULL;
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      if (!g_str_equal (verbs[i].word, args[0]))
        continue;
      if (g_strv_length (args) > verbs[i].max_args + 1)
        return fail_usage (error, verbs[i].takes_rules ? _ ("what a rule names is the value of an option: --path FILE, --unit UNIT and so on") : _ ("too much for this command"));
      if ((has_rules && !verbs[i].takes_rules) || (options->all && verbs[i].run != run_ps))
        return fail_usage (error, _ ("an option that does not belong to this command"));
      return verbs[i].run (cli, args + 1, error);
    }
  return fail_usage (error, _ ("write: split add, remove, list, mode, ps or watch"));
}
