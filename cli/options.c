/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Options may stand before or after the verb. Nothing here talks to anyone.
 */
#include "config.h"

#include "options.h"

#include <glib/gi18n.h>

#include "failure.h"
#include "suggest.h"

#define TIMEOUT_MAX_S (7 * 24 * 60 * 60) /* a week; g_timeout_source_new() counts milliseconds in 32 bits */
#define MAX_ENTRIES 28

/* Fills @entries with the options of @command, the targets in @options. */
static void
fill_entries (const VpndCommand *command, VpndOptions *options, GOptionEntry *entries)
{
  const GOptionEntry common[] = {
    { "json", 'j', 0, G_OPTION_ARG_NONE, &options->json, N_ ("Write JSON, for programs"), NULL },
    { "timeout", 't', 0, G_OPTION_ARG_INT, &options->timeout_s, N_ ("Give up after SECONDS, 0 for never"), N_ ("SECONDS") },
    { "no-color", 0, 0, G_OPTION_ARG_NONE, &options->no_color, N_ ("No colors, also on a terminal"), NULL },
    { "help", 'h', 0, G_OPTION_ARG_NONE, &options->help, N_ ("Show this help"), NULL },
  };
  const struct
  {
    VpndOptionFlags flag;
    GOptionEntry entry;
  } special[] = {
    { VPND_OPTION_WAIT, { "wait", 'w', 0, G_OPTION_ARG_NONE, &options->wait, N_ ("Wait until it is done, at most 60 s unless --timeout says otherwise"), NULL } },
    { VPND_OPTION_VERBOSE, { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose, N_ ("Show everything that vpnd tells"), NULL } },
    { VPND_OPTION_REPLACE, { "replace", 0, 0, G_OPTION_ARG_NONE, &options->replace, N_ ("Replace a profile of the same name"), NULL } },
    { VPND_OPTION_CLEAR, { "clear", 0, 0, G_OPTION_ARG_NONE, &options->clear, N_ ("Empty the log instead of showing it"), NULL } },
    { VPND_OPTION_RULE, { "path", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rules[VPND_RULE_PATH], N_ ("A program, by the file that is run"), N_ ("FILE") } },
    { VPND_OPTION_RULE, { "app", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->rules[VPND_RULE_APP], N_ ("An application: the id of its .desktop file, Flatpak or snap"), N_ ("ID") } },
    { VPND_OPTION_RULE, { "unit", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->rules[VPND_RULE_UNIT], N_ ("A unit of systemd"), N_ ("UNIT") } },
    { VPND_OPTION_RULE, { "uid", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->rules[VPND_RULE_UID], N_ ("All programs of a user"), N_ ("USER") } },
    { VPND_OPTION_RULE, { "subnet", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->rules[VPND_RULE_SUBNET], N_ ("What goes to an address or a subnet"), N_ ("ADDRESS[/LENGTH]") } },
    { VPND_OPTION_RULE, { "domain", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->rules[VPND_RULE_DOMAIN], N_ ("What goes to a domain and those below it"), N_ ("NAME") } },
    { VPND_OPTION_RULE, { "exclude", 0, 0, G_OPTION_ARG_NONE, &options->exclude, N_ ("It goes beside the tunnel (the default)"), NULL } },
    { VPND_OPTION_RULE, { "include", 0, 0, G_OPTION_ARG_NONE, &options->include, N_ ("It uses the tunnel, and nothing while vpnd connects or blocks"), NULL } },
    { VPND_OPTION_RULE, { "profile", 0, 0, G_OPTION_ARG_STRING, &options->profile, N_ ("It uses the tunnel of that profile, and nothing else"), N_ ("NAME") } },
    { VPND_OPTION_RULE, { "own", 0, 0, G_OPTION_ARG_NONE, &options->own, N_ ("A rule for your own programs, which needs no administrator"), NULL } },
    { VPND_OPTION_ALL, { "all", 0, 0, G_OPTION_ARG_NONE, &options->all, N_ ("With ps: the processes of every user"), NULL } },
    { VPND_OPTION_NAMES, { "names", 0, 0, G_OPTION_ARG_NONE, &options->names, N_ ("Show only the names, one a line"), NULL } },
  };
  guint n = 0;

  G_STATIC_ASSERT (G_N_ELEMENTS (common) + G_N_ELEMENTS (special) < MAX_ENTRIES);
  for (guint i = 0; i < G_N_ELEMENTS (special); i++)
    if (command->flags & special[i].flag)
      entries[n++] = special[i].entry;
  for (guint i = 0; i < G_N_ELEMENTS (common); i++)
    entries[n++] = common[i];
}

static GOptionContext *
make_context (const VpndCommand *command, VpndOptions *options)
{
  GOptionEntry entries[MAX_ENTRIES] = { 0 };
  g_autofree char *name = g_strconcat ("vpnctl ", command->name, NULL);
  GOptionContext *context = g_option_context_new (command->synopsis);

  fill_entries (command, options, entries);
  g_set_prgname (name); /* the usage line starts with it */
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_strict_posix (context, (command->flags & VPND_COMMAND_RUNS) != 0); /* what follows the command is the command's */
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, command->summary);
  g_option_context_set_description (context, *command->description != '\0' ? command->description : NULL);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  return context;
}

/**
 * vpnd_options_help:
 * @command: a verb
 *
 * Returns: (transfer full): its help
 */
char *
vpnd_options_help (const VpndCommand *command)
{
  VpndOptions options = { 0 };
  g_autoptr (GOptionContext) context = make_context (command, &options);

  return g_option_context_get_help (context, TRUE, NULL);
}

/**
 * vpnd_options_names:
 * @command: a verb
 *
 * Returns: (transfer full): its options, "--json" and so on, sorted
 */
char **
vpnd_options_names (const VpndCommand *command)
{
  VpndOptions options = { 0 };
  GOptionEntry entries[MAX_ENTRIES] = { 0 };
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  fill_entries (command, &options, entries);
  for (guint i = 0; entries[i].long_name != NULL; i++)
    {
      g_autofree char *name = g_strconcat ("--", entries[i].long_name, NULL);

      g_strv_builder_add (names, name);
    }
  return g_strv_builder_end (names);
}

static gboolean
fail_usage (const char *verb, GError **error)
{
  if (verb != NULL)
    vpnd_failure_add_hint (error, _ ("See: vpnctl help %s"), verb);
  else
    vpnd_failure_add_hint (error, "%s", _ ("See: vpnctl help"));
  return FALSE;
}

/* Index of the verb: the first word that is no option and no value of one; 0 if there is none. */
static guint
find_verb (char **argv)
{
  static const char *const with_value[] = { "--timeout", "-t", "--path", "--app", "--unit", "--uid", "--subnet", "--domain", "--profile", NULL };

  for (guint i = 1; argv[i] != NULL; i++)
    {
      if (g_strv_contains (with_value, argv[i]))
        {
          if (argv[i + 1] == NULL)
            return 0;
          i++;
        }
      else if (*argv[i] != '-' || argv[i][1] == '\0')
        return i;
    }
  return 0;
}

static const VpndCommand *
find_command (char **argv, guint verb, GError **error)
{
  const VpndCommand *command = verb != 0 ? vpnd_command_by_name (argv[verb]) : NULL;
  g_autofree const char **names = NULL;
  const char *near;
  guint n;

  if (command != NULL)
    return command;
  if (verb == 0)
    {
      if (g_strv_contains ((const char *const *) argv, "--version"))
        return vpnd_command_by_name ("version");
      if (argv[1] == NULL || g_strv_contains ((const char *const *) argv, "--help") || g_strv_contains ((const char *const *) argv, "-h"))
        return vpnd_command_by_name ("help");
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("which command?"));
      (void) fail_usage (NULL, error);
      return NULL;
    }
  (void) vpnd_commands (&n);
  names = g_new0 (const char *, n + 1);
  for (guint i = 0; i < n; i++)
    names[i] = vpnd_commands (&n)[i].name;
  near = vpnd_suggest (argv[verb], names);
  g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("no command named \"%s\""), argv[verb]);
  if (near != NULL)
    vpnd_failure_add_hint (error, _ ("Did you mean %s?"), near);
  (void) fail_usage (NULL, error);
  return NULL;
}

/* argv without the verb, the words after "--" kept. */
static char **
without_verb (char **argv, guint verb)
{
  g_autoptr (GStrvBuilder) rest = g_strv_builder_new ();

  for (guint i = 0; argv[i] != NULL; i++)
    if ((i == 0 || i != verb) && !(verb == 0 && (g_str_equal (argv[i], "--version") || g_str_equal (argv[i], "--"))))
      g_strv_builder_add (rest, argv[i]);
  return g_strv_builder_end (rest);
}

/* Of a command line that ends in another one only the first part counts. */
static gboolean
asks_for_json (char **argv, guint verb)
{
  gboolean runs = verb != 0 && vpnd_command_by_name (argv[verb]) != NULL && (vpnd_command_by_name (argv[verb])->flags & VPND_COMMAND_RUNS) != 0;

  for (guint i = 1; argv[i] != NULL && !(runs && i > verb && (*argv[i] != '-' || g_str_equal (argv[i], "--"))); i++)
    if (g_str_equal (argv[i], "--json") || g_str_equal (argv[i], "-j"))
      return TRUE;
  return FALSE;
}

static gboolean
check (const VpndCommand *command, const VpndOptions *options, char **args, GError **error)
{
  guint n = g_strv_length (args);

  if (options->timeout_s != VPND_TIMEOUT_NOT_GIVEN && (options->timeout_s < 0 || options->timeout_s > TIMEOUT_MAX_S))
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("--timeout is 0 to %d seconds"), TIMEOUT_MAX_S);
      return fail_usage (command->name, error);
    }
  if (!options->help && (n < command->min_args || n > command->max_args))
    {
      g_autofree char *usage = g_strchomp (g_strjoin (" ", command->name, command->synopsis, NULL));

      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, n < command->min_args ? _ ("%s needs more: vpnctl %s") : _ ("too much for %s: vpnctl %s"), command->name, usage);
      return fail_usage (command->name, error);
    }
  return TRUE;
}

/**
 * vpnd_options_parse:
 * @argv: (array zero-terminated=1): the command line
 * @out_command: (out) (transfer none) (nullable): the verb, also when the rest of the line is wrong; %NULL without one
 * @out_options: (out): the options, complete also when FALSE is returned for the sake of --json
 * @out_args: (out) (transfer full): the operands
 * @error: return location
 *
 * Returns: %FALSE with %VPND_CLI_ERROR_USAGE
 */
gboolean
vpnd_options_parse (char **argv, const VpndCommand **out_command, VpndOptions *out_options, char ***out_args, GError **error)
{
  guint verb = find_verb (argv);
  const VpndCommand *command;
  g_autoptr (GOptionContext) context = NULL;
  g_auto (GStrv) rest = NULL;
  g_autoptr (GError) local_error = NULL;
  guint first = 1;

  *out_options = (VpndOptions){ .timeout_s = VPND_TIMEOUT_NOT_GIVEN };
  /* Before parsing, so that a wrong command line is told in the form that was asked for. */
  out_options->json = asks_for_json (argv, verb);
  command = find_command (argv, verb, error);
  *out_command = command;
  if (command == NULL)
    return FALSE;
  rest = without_verb (argv, verb);
  context = make_context (command, out_options);
  if (!g_option_context_parse_strv (context, &rest, &local_error))
    {
      out_options->json = asks_for_json (argv, verb); /* GOption has undone what it had set */
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, local_error->message);
      return fail_usage (command->name, error);
    }
  if (rest[first] != NULL && g_str_equal (rest[first], "--"))
    first++;
  if (!check (command, out_options, rest + first, error))
    return FALSE;
  if (verb == 0)
    out_options->help = FALSE; /* "vpnctl --help" is the help of all, not that of the verb help */
  *out_args = g_strdupv (rest + first);
  return TRUE;
}

/**
 * vpnd_options_clear:
 * @options: from vpnd_options_parse()
 *
 * Frees what they hold.
 */
void
vpnd_options_clear (VpndOptions *options)
{
  for (guint i = 0; i < VPND_N_RULE_OPTIONS; i++)
    g_clear_pointer (&options->rules[i], g_strfreev);
  g_clear_pointer (&options->profile, g_free);
}
