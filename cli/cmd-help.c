/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * help: all of it made of the tables that parse and dispatch.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "command.h"
#include "failure.h"
#include "options.h"

#define SYNOPSIS_MAX 14 /* "[on | off]" and a little more */

/* @only: (nullable): the one command that was asked for, else all */
static void
print_json (VpndCli *cli, const VpndCommand *only)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();
  guint n_commands, n_codes;
  const VpndCommand *commands = vpnd_commands (&n_commands);
  const VpndExit *codes = vpnd_exit_codes (&n_codes);

  json_builder_set_member_name (builder, "commands");
  json_builder_begin_array (builder);
  for (guint i = 0; i < n_commands; i++)
    {
      g_auto (GStrv) names = NULL;

      if (only != NULL && only != &commands[i])
        continue;
      names = vpnd_options_names (&commands[i]);
      json_builder_begin_object (builder);
      vpnd_output_json_string (builder, "name", commands[i].name);
      vpnd_output_json_string (builder, "synopsis", commands[i].synopsis);
      vpnd_output_json_string (builder, "summary", _ (commands[i].summary));
      vpnd_output_json_variant (builder, "options", g_variant_new_strv ((const char *const *) names, -1));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "exitCodes");
  json_builder_begin_object (builder);
  for (guint i = 0; i < n_codes; i++)
    {
      g_autofree char *number = g_strdup_printf ("%d", (int) codes[i]);

      vpnd_output_json_string (builder, number, vpnd_exit_meaning (codes[i]));
    }
  json_builder_end_object (builder);
  vpnd_output_json_end (cli->output, builder);
}

static void
print_text (VpndCli *cli)
{
  g_autoptr (GPtrArray) commands_rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autoptr (GPtrArray) exit_rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  guint n_commands, n_codes;
  const VpndCommand *commands = vpnd_commands (&n_commands);
  const VpndExit *codes = vpnd_exit_codes (&n_codes);

  for (guint i = 0; i < n_commands; i++)
    {
      char **row = g_new0 (char *, 3);

      /* A long one stands in the command's own help; here it would push all summaries off the terminal. */
      row[0] = *commands[i].synopsis != '\0' && strlen (commands[i].synopsis) <= SYNOPSIS_MAX ? g_strjoin (" ", commands[i].name, commands[i].synopsis, NULL) : g_strdup (commands[i].name);
      row[1] = g_strdup (_ (commands[i].summary));
      g_ptr_array_add (commands_rows, row);
    }
  for (guint i = 0; i < n_codes; i++)
    {
      char **row = g_new0 (char *, 3);

      row[0] = g_strdup_printf ("%3d", (int) codes[i]);
      row[1] = g_strdup (vpnd_exit_meaning (codes[i]));
      g_ptr_array_add (exit_rows, row);
    }
  vpnd_output_paragraph (cli->output, VPND_COLOR_NONE, _ ("Usage: vpnctl COMMAND [OPTION...]\n\nControls vpnd, the VPN service of this machine.\n"));
  vpnd_output_line (cli->output, VPND_COLOR_BOLD, _ ("Commands:"));
  vpnd_output_table (cli->output, "  ", NULL, commands_rows);
  vpnd_output_paragraph (cli->output, VPND_COLOR_NONE, _ ("\nEvery command takes --json, --timeout SECONDS, --no-color and --help.\n"));
  vpnd_output_line (cli->output, VPND_COLOR_BOLD, _ ("Exit codes:"));
  vpnd_output_table (cli->output, "  ", NULL, exit_rows);
  vpnd_output_paragraph (cli->output, VPND_COLOR_NONE, _ ("\nTo start: vpnctl import FILE.conf, then vpnctl connect --wait"));
}

/**
 * vpnd_command_help:
 *
 * vpnctl help [COMMAND]
 */
gboolean
vpnd_command_help (VpndCli *cli, char **args, GError **error)
{
  const VpndCommand *command = args[0] != NULL ? vpnd_command_by_name (args[0]) : NULL;
  g_autofree char *text = NULL;

  if (args[0] != NULL && command == NULL)
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("no command named \"%s\""), args[0]);
      vpnd_failure_add_hint (error, "%s", _ ("See: vpnctl help"));
      return FALSE;
    }
  if (vpnd_output_is_json (cli->output))
    {
      print_json (cli, command);
      return TRUE;
    }
  if (command == NULL)
    {
      print_text (cli);
      return TRUE;
    }
  text = g_strchomp (vpnd_options_help (command));
  vpnd_output_paragraph (cli->output, VPND_COLOR_NONE, text);
  return TRUE;
}
