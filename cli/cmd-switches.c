/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * lockdown, lan, auto-connect: settings that have a word of their own; emergency-unlock: the way out.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "failure.h"
#include "names.h"
#include "profiles.h"
#include "settings-text.h"
#include "status-view.h"
#include "wait.h"

/**
 * Switch:
 * @verb: the command
 * @property: the boolean setting behind it
 * @on: word for TRUE
 * @off: word for FALSE
 * @profile_property: (nullable): the setting that takes the operand after @on
 */
typedef struct
{
  const char *verb;
  const char *property;
  const char *on;
  const char *off;
  const char *profile_property;
} Switch;

static const Switch lockdown_switch = { "lockdown", "Lockdown", "on", "off", NULL };
static const Switch lan_switch = { "lan", "AllowLan", "allow", "block", NULL };
static const Switch auto_connect_switch = { "auto-connect", "AutoConnect", "on", "off", "AutoConnectProfile" };

static void
print_json (VpndCli *cli, const Switch *row, GVariant *settings)
{
  const char *const properties[] = { row->property, row->profile_property };
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  json_builder_set_member_name (builder, "settings");
  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (properties) && properties[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (settings, properties[i], NULL);
      g_autofree char *key = vpnd_settings_text_key (properties[i]);

      if (value != NULL)
        vpnd_output_json_variant (builder, key, value);
    }
  json_builder_end_object (builder);
  vpnd_output_json_end (cli->output, builder);
}

/* The word of the switch, then the profile, where one is set. */
static gboolean
print_switch (VpndCli *cli, VpndClient *client, const Switch *row, GError **error)
{
  g_autoptr (GVariant) settings = vpnd_client_get_all (client, VPND_INTERFACE_SETTINGS, error);
  g_autofree char *line = NULL;
  const char *profile = "";
  gboolean is_on;

  if (settings == NULL)
    return FALSE;
  if (!g_variant_lookup (settings, row->property, "b", &is_on))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, _ ("this vpnd has no setting %s"), row->property);
      return FALSE;
    }
  if (vpnd_output_is_json (cli->output))
    {
      print_json (cli, row, settings);
      return TRUE;
    }
  if (is_on && row->profile_property != NULL)
    (void) g_variant_lookup (settings, row->profile_property, "&s", &profile); /* absent counts as none */
  line = g_strjoin (*profile != '\0' ? " " : NULL, is_on ? row->on : row->off, *profile != '\0' ? profile : NULL, NULL);
  vpnd_output_line (cli->output, VPND_COLOR_NONE, line);
  return TRUE;
}

/* Whether the rules are in force where they should be; a person who closes the network must not believe it in vain. */
static gboolean
check_blocking (VpndClient *client, GError **error)
{
  g_autoptr (VpndStatus) status = vpnd_read_status (client, NULL, error);

  return status != NULL && vpnd_status_view_check (status->state, status->lockdown, status->blocking, error);
}

/* The profile first: the moment auto-connect is on it may be needed. */
static gboolean
set_switch (VpndClient *client, const Switch *row, gboolean value, const char *profile, GError **error)
{
  if (profile != NULL && !vpnd_client_set (client, VPND_INTERFACE_SETTINGS, row->profile_property, g_variant_new_string (profile), error))
    {
      vpnd_profiles_explain_missing (client, profile, error);
      return FALSE;
    }
  return vpnd_client_set (client, VPND_INTERFACE_SETTINGS, row->property, g_variant_new_boolean (value), error);
}

static gboolean
run_switch (VpndCli *cli, const Switch *row, char **args, GError **error)
{
  gboolean is_get = args[0] == NULL || g_str_equal (args[0], "get");
  gboolean is_on = !is_get && g_str_equal (args[0], row->on);
  gboolean is_off = !is_get && g_str_equal (args[0], row->off);
  gboolean has_more = args[0] != NULL && args[1] != NULL;
  VpndClient *client;

  if ((!is_get && !is_on && !is_off) || (has_more && !is_on))
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("write: %s %s, %s %s, or %s get"), row->verb, row->on, row->verb, row->off, row->verb);
      vpnd_failure_add_hint (error, _ ("See: vpnctl help %s"), row->verb);
      return FALSE;
    }
  client = vpnd_cli_client (cli, error);
  if (client == NULL)
    return FALSE;
  if (!is_get && !set_switch (client, row, is_on, has_more ? args[1] : NULL, error))
    return FALSE;
  return print_switch (cli, client, row, error) && check_blocking (client, error);
}

/**
 * vpnd_command_lockdown:
 *
 * vpnctl lockdown [on | off | get]
 */
gboolean
vpnd_command_lockdown (VpndCli *cli, char **args, GError **error)
{
  return run_switch (cli, &lockdown_switch, args, error);
}

/**
 * vpnd_command_lan:
 *
 * vpnctl lan [allow | block | get]
 */
gboolean
vpnd_command_lan (VpndCli *cli, char **args, GError **error)
{
  return run_switch (cli, &lan_switch, args, error);
}

/**
 * vpnd_command_auto_connect:
 *
 * vpnctl auto-connect [on [PROFILE] | off | get]
 */
gboolean
vpnd_command_auto_connect (VpndCli *cli, char **args, GError **error)
{
  return run_switch (cli, &auto_connect_switch, args, error);
}

/* Settings before the connection: its end must find nothing that closes the network again. */
static gboolean
unlock (VpndCli *cli, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (VpndWait) wait = NULL;

  if (client == NULL || !set_switch (client, &lockdown_switch, FALSE, NULL, error) || !set_switch (client, &auto_connect_switch, FALSE, NULL, error))
    return FALSE;
  wait = vpnd_wait_new (cli, client, VPND_STATE_WORD_DISCONNECTED);
  reply = vpnd_client_call (client, VPND_INTERFACE_DAEMON, "deactivate", NULL, "(b)", error);
  return reply != NULL && vpnd_wait_run (wait, error);
}

static gboolean
check_open (VpndCli *cli, GError **error)
{
  g_autoptr (VpndStatus) status = vpnd_read_status (cli->client, NULL, error);

  if (status == NULL)
    return FALSE;
  if (!status->blocking)
    return TRUE;
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_FIREWALL, _ ("the rules are still in force"));
  return FALSE;
}

/* Becomes vpnd's own way out, which needs no daemon, no bus and no settings, refuses where a daemon is alive after all, and says how it ended. Returns only
   where that is not to be had. */
static void
unlock_alone (VpndCli *cli)
{
  gboolean is_json = vpnd_output_is_json (cli->output);

  if (geteuid () != 0 || access (VPND_DAEMON_PATH, X_OK) != 0)
    return;
  if (!is_json)
    vpnd_output_line (cli->output, VPND_COLOR_NONE, _ ("vpnd cannot be reached: opening the network without it."));
  (void) fflush (NULL);
  (void) execl (VPND_DAEMON_PATH, VPND_DAEMON_PATH, "--emergency-unlock", is_json ? "--json" : NULL, NULL);
}

static void
print_unlocked (VpndCli *cli)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (!vpnd_output_is_json (cli->output))
    {
      vpnd_output_line (cli->output, VPND_COLOR_NONE, _ ("The network is open. Lockdown and auto-connect are off."));
      return;
    }
  builder = vpnd_output_json_begin ();
  json_builder_set_member_name (builder, "unlocked");
  json_builder_add_boolean_value (builder, TRUE);
  vpnd_output_json_end (cli->output, builder);
}

/**
 * vpnd_command_emergency_unlock:
 *
 * vpnctl emergency-unlock
 */
gboolean
vpnd_command_emergency_unlock (VpndCli *cli, char **args, GError **error)
{
  if (unlock (cli, error) && check_open (cli, error))
    {
      print_unlocked (cli);
      return TRUE;
    }
  if (vpnd_failure_exit (*error) == VPND_EXIT_UNREACHABLE)
    unlock_alone (cli);
  if (vpnd_failure_exit (*error) != VPND_EXIT_NOT_AUTHORIZED)
    {
      vpnd_failure_add_hint (error, "%s", _ ("The network can be opened without vpnd. As root:"));
      vpnd_failure_add_hint (error, "  systemctl stop vpnd; %s --emergency-unlock", VPND_DAEMON_PATH);
    }
  return FALSE;
}
