/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * bridge: which server a proxy of this machine carries the connections of a profile to. Never starts a proxy.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"
#include "failure.h"
#include "input.h"
#include "names.h"
#include "profiles.h"

/* The bridge of a profile as List has it: "" without one. */
typedef struct
{
  const char *service;
  guint32 local_port;
  guint32 uid;
} Bridge;

static gboolean
fail_usage (GError **error)
{
  g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("write: bridge NAME, bridge NAME ADDRESS:PORT/PROTOCOL LOCALPORT [USER], or bridge NAME off"));
  vpnd_failure_add_hint (error, _ ("See: vpnctl help %s"), "bridge");
  return FALSE;
}

static gboolean
parse_port (const char *text, guint16 *out_port, GError **error)
{
  guint64 port;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &port, NULL))
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("the port of the proxy on this machine is a number from 1 to 65535, not \"%s\""), text);
      return FALSE;
    }
  *out_port = (guint16) port;
  return TRUE;
}

static gboolean
set_bridge (VpndClient *client, const char *name, const char *service, guint16 local_port, guint32 uid, GError **error)
{
  g_autoptr (GVariant) reply = vpnd_client_call (client, VPND_INTERFACE_PROFILES, "SetBridge", g_variant_new ("(ssqu)", name, service, local_port, uid), "()", error);

  if (reply == NULL)
    vpnd_profiles_explain_missing (client, name, error);
  return reply != NULL;
}

static void
print_json (VpndCli *cli, const char *name, const Bridge *bridge)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  vpnd_output_json_string (builder, "profile", name);
  vpnd_output_json_string (builder, "bridge", bridge->service);
  json_builder_set_member_name (builder, "localPort");
  json_builder_add_int_value (builder, bridge->local_port);
  json_builder_set_member_name (builder, "user");
  json_builder_add_int_value (builder, bridge->uid);
  vpnd_output_json_end (cli->output, builder);
}

/* What holds now, read back. */
static gboolean
show (VpndCli *cli, VpndClient *client, const char *name, GError **error)
{
  g_autoptr (GVariant) profile = vpnd_profiles_find (client, name, error);
  g_autofree char *text = NULL;
  Bridge bridge = { .service = "" };

  if (profile == NULL)
    return FALSE;
  (void) g_variant_lookup (profile, "bridge", "&s", &bridge.service); /* absent: none */
  (void) g_variant_lookup (profile, "bridgeLocalPort", "u", &bridge.local_port);
  (void) g_variant_lookup (profile, "bridgeUser", "u", &bridge.uid);
  if (vpnd_output_is_json (cli->output))
    {
      print_json (cli, name, &bridge);
      return TRUE;
    }
  text = vpnd_profiles_describe_bridge (profile);
  vpnd_output_line (cli->output, VPND_COLOR_NONE, text != NULL ? text : "off");
  return TRUE;
}

/**
 * vpnd_command_bridge:
 *
 * vpnctl bridge NAME [ADDRESS:PORT/PROTOCOL LOCALPORT [USER] | off]
 */
gboolean
vpnd_command_bridge (VpndCli *cli, char **args, GError **error)
{
  gboolean is_off = args[1] != NULL && g_str_equal (args[1], "off");
  guint n = g_strv_length (args);
  guint16 local_port = 0;
  guint32 uid = 0;
  VpndClient *client;

  if (is_off ? n != 2 : n == 2)
    return fail_usage (error);
  if (n > 2 && !parse_port (args[2], &local_port, error))
    return FALSE;
  if (n > 3 && !vpnd_input_user (args[3], &uid, error))
    return FALSE;
  client = vpnd_cli_client (cli, error);
  if (client == NULL || (n > 1 && !set_bridge (client, args[0], is_off ? "" : args[1], local_port, uid, error)))
    return FALSE;
  return show (cli, client, args[0], error);
}
