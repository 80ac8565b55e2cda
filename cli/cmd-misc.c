/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * logs and version.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "command.h"
#include "failure.h"
#include "names.h"

static gboolean
clear_logs (VpndCli *cli, VpndClient *client, GError **error)
{
  g_autoptr (GVariant) reply = vpnd_client_call (client, VPND_INTERFACE_DAEMON, "cleanupLogs", NULL, "()", error);
  g_autoptr (JsonBuilder) builder = NULL;

  if (reply == NULL)
    return FALSE;
  if (!vpnd_output_is_json (cli->output))
    return TRUE;
  builder = vpnd_output_json_begin ();
  json_builder_set_member_name (builder, "cleared");
  json_builder_add_boolean_value (builder, TRUE);
  vpnd_output_json_end (cli->output, builder);
  return TRUE;
}

static void
print_logs (VpndCli *cli, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  json_builder_set_member_name (builder, "lines");
  json_builder_begin_array (builder);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *valid = g_utf8_make_valid (lines[i], -1);

      if (*lines[i] == '\0' && lines[i + 1] == NULL)
        break;
      json_builder_add_string_value (builder, valid);
      if (!vpnd_output_is_json (cli->output))
        vpnd_output_line (cli->output, VPND_COLOR_NONE, lines[i]);
    }
  json_builder_end_array (builder);
  if (vpnd_output_is_json (cli->output))
    vpnd_output_json_end (cli->output, builder);
}

/**
 * vpnd_command_logs:
 *
 * vpnctl logs [--clear]
 */
gboolean
vpnd_command_logs (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = NULL;
  const char *text;

  if (client == NULL)
    return FALSE;
  if (cli->options.clear)
    return clear_logs (cli, client, error);
  reply = vpnd_client_call (client, VPND_INTERFACE_DAEMON, "getLogs", NULL, "(s)", error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&s)", &text);
  print_logs (cli, text);
  return TRUE;
}

/**
 * vpnd_command_version:
 *
 * vpnctl version: that of this program, then that of the daemon
 */
gboolean
vpnd_command_version (VpndCli *cli, char **args, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  VpndClient *client = vpnd_cli_client (cli, &local_error);
  g_autoptr (GVariant) properties = client != NULL ? vpnd_client_get_all (client, VPND_INTERFACE_DAEMON, &local_error) : NULL;
  const char *version = NULL;

  if (properties != NULL)
    (void) g_variant_lookup (properties, "Version", "&s", &version); /* absent: not known */
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_string (builder, "vpnctl", VPND_VERSION);
      vpnd_output_json_string (builder, "vpnd", version);
      vpnd_output_json_end (cli->output, builder);
    }
  else
    {
      g_autofree char *line = g_strdup_printf ("vpnd %s", version != NULL ? version : "?");

      vpnd_output_line (cli->output, VPND_COLOR_NONE, "vpnctl " VPND_VERSION);
      if (properties != NULL)
        vpnd_output_line (cli->output, VPND_COLOR_NONE, line);
    }
  if (local_error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}
