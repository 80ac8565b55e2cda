/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * connect, disconnect, reconnect, activate, status.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "command.h"
#include "failure.h"
#include "input.h"
#include "json.h"
#include "names.h"
#include "profiles.h"
#include "status-view.h"
#include "wait.h"

static void
print_status (VpndCli *cli, const VpndStatus *status, JsonNode *json, gboolean with_details)
{
  if (vpnd_output_is_json (cli->output))
    {
      g_autofree char *text = vpnd_json_to_string (json, FALSE);
      g_autofree char *line = g_strconcat (text, "\n", NULL);

      vpnd_output_raw (cli->output, line, strlen (line));
      return;
    }
  vpnd_status_view_head (cli->output, status);
  if (with_details)
    vpnd_status_view_details (cli->output, status, cli->options.verbose, g_get_real_time ());
}

static gboolean
show_status (VpndCli *cli, VpndClient *client, gboolean with_details, GError **error)
{
  g_autoptr (JsonNode) json = NULL;
  g_autoptr (VpndStatus) status = vpnd_read_status (client, &json, error);

  if (status == NULL)
    return FALSE;
  vpnd_output_progress (cli->output, NULL);
  print_status (cli, status, json, with_details);
  return vpnd_status_view_check (status->state, status->lockdown, status->blocking, error);
}

/**
 * vpnd_command_status:
 *
 * vpnctl status
 */
gboolean
vpnd_command_status (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);

  return client != NULL && show_status (cli, client, TRUE, error);
}

/* Sends a request of which @goal is the wanted end, waits for it if asked to, and shows where it got. */
static gboolean
request (VpndCli *cli, VpndClient *client, const char *interface, const char *member, GVariant *params, const char *reply_type, const char *goal, GError **error)
{
  g_autoptr (GVariant) held = params != NULL ? g_variant_ref_sink (params) : NULL;
  g_autoptr (VpndWait) wait = cli->options.wait ? vpnd_wait_new (cli, client, goal) : NULL;
  g_autoptr (GVariant) reply = vpnd_client_call (client, interface, member, held, reply_type, error);

  if (reply == NULL)
    {
      if (error != NULL && (g_error_matches (*error, VPND_CLI_ERROR, VPND_CLI_ERROR_INTERRUPTED) || g_error_matches (*error, VPND_CLI_ERROR, VPND_CLI_ERROR_TIMEOUT)))
        vpnd_failure_add_hint (error, "%s", _ ("vpnd has not answered the request, and may still carry it out. To see: vpnctl status"));
      return FALSE;
    }
  if (wait != NULL && !vpnd_wait_run (wait, error))
    return FALSE;
  return show_status (cli, client, FALSE, error);
}

/**
 * vpnd_command_connect:
 *
 * vpnctl connect [PROFILE]
 */
gboolean
vpnd_command_connect (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autofree char *name = NULL;

  if (client == NULL)
    return FALSE;
  name = args[0] != NULL ? g_strdup (args[0]) : vpnd_profiles_choose (client, error);
  if (name == NULL)
    return FALSE;
  if (!request (cli, client, VPND_INTERFACE_PROFILES, "Activate", g_variant_new ("(s)", name), "()", VPND_STATE_WORD_CONNECTED, error))
    {
      vpnd_profiles_explain_missing (client, name, error);
      return FALSE;
    }
  return TRUE;
}

/**
 * vpnd_command_disconnect:
 *
 * vpnctl disconnect
 */
gboolean
vpnd_command_disconnect (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);

  return client != NULL && request (cli, client, VPND_INTERFACE_DAEMON, "deactivate", NULL, "(b)", VPND_STATE_WORD_DISCONNECTED, error);
}

/**
 * vpnd_command_reconnect:
 *
 * vpnctl reconnect
 */
gboolean
vpnd_command_reconnect (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);

  if (client == NULL)
    return FALSE;
  if (request (cli, client, VPND_INTERFACE_PROFILES, "Reconnect", NULL, "()", VPND_STATE_WORD_CONNECTED, error))
    return TRUE;
  if (error != NULL && vpnd_failure_is (*error, VPND_ERROR_NOT_CONNECTED))
    vpnd_failure_add_hint (error, "%s", _ ("To connect: vpnctl connect PROFILE"));
  return FALSE;
}

/**
 * vpnd_command_activate:
 *
 * vpnctl activate FILE
 */
gboolean
vpnd_command_activate (VpndCli *cli, char **args, GError **error)
{
  g_autoptr (GBytes) bytes = vpnd_input_read (args[0], VPND_JSON_MAX_BYTES, error);
  g_autofree char *text = NULL;
  VpndClient *client;
  gsize length;
  const char *data;
  gboolean done;

  if (bytes == NULL)
    return FALSE;
  data = g_bytes_get_data (bytes, &length);
  if (length == 0 || !g_utf8_validate_len (data, length, NULL))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON, length == 0 ? _ ("%s is empty") : _ ("%s is not UTF-8 text"), args[0]);
      return FALSE;
    }
  client = vpnd_cli_client (cli, error);
  if (client == NULL)
    return FALSE;
  text = g_strndup (data, length);
  done = request (cli, client, VPND_INTERFACE_DAEMON, "activate", g_variant_new ("(s)", text), "(b)", VPND_STATE_WORD_CONNECTED, error);
  explicit_bzero (text, length);
  if (!done)
    vpnd_input_name (args[0], error);
  return done;
}
