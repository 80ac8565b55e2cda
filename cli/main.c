/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnctl: parse, run one verb, tell how it ended. Everything else is in the verbs.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <locale.h>

#include "command.h"
#include "failure.h"
#include "options.h"

/**
 * vpnd_cli_client:
 * @cli: the context
 * @error: return location
 *
 * Connects on the first call; a time limit on the command line starts here.
 *
 * Returns: (transfer none) (nullable): the client of @cli
 */
VpndClient *
vpnd_cli_client (VpndCli *cli, GError **error)
{
  if (cli->client == NULL)
    {
      cli->client = vpnd_client_new (error);
      if (cli->client != NULL && cli->options.timeout_s > 0)
        vpnd_client_set_time_limit (cli->client, (guint) cli->options.timeout_s);
    }
  return cli->client;
}

static gboolean
run (char **argv, VpndCli *cli, GError **error)
{
  const VpndCommand *command;
  g_auto (GStrv) args = NULL;
  gboolean parsed = vpnd_options_parse (argv, &command, &cli->options, &args, error);
  char *help_args[2] = { NULL, NULL };

  cli->output = vpnd_output_new (cli->options.json, cli->options.no_color);
  if (!parsed && command != NULL && (command->flags & VPND_COMMAND_RUNS) != 0)
    vpnd_failure_not_started (error);
  if (!parsed)
    return FALSE;
  if (!cli->options.help)
    return command->run (cli, args, error);
  help_args[0] = (char *) command->name;
  return vpnd_command_help (cli, help_args, error);
}

static int
finish (VpndCli *cli, const GError *error)
{
  if (error != NULL)
    vpnd_output_error (cli->output, error);
  if (!vpnd_output_flush (cli->output) && error == NULL)
    {
      g_autoptr (GError) write_error = g_error_new_literal (VPND_ERROR, VPND_ERROR_STORAGE, _ ("cannot write to standard output"));

      vpnd_output_error (cli->output, write_error);
      return (int) vpnd_failure_exit (write_error);
    }
  return error != NULL ? (int) vpnd_failure_exit (error) : VPND_EXIT_OK;
}

int
main (int argc, char **argv)
{
  VpndCli cli = { 0 };
  g_autoptr (GError) error = NULL;
  int status;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, VPND_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);

  (void) run (argv, &cli, &error); /* failed if error is set */
  status = finish (&cli, error);
  vpnd_client_free (cli.client);
  vpnd_output_free (cli.output);
  vpnd_options_clear (&cli.options);
  return status;
}
