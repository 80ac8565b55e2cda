/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * import, export, list, show, remove, rename. The text of a profile passes through unseen; its keys are never printed.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "command.h"
#include "failure.h"
#include "input.h"
#include "names.h"
#include "profiles.h"
#include "status-view.h"
#include "wait.h"

#define CONF_MAX_BYTES (256 * 1024) /* Profiles.Import refuses more */
#define NAME_MAX_LENGTH 64          /* and longer names */

static gboolean
name_is_valid (const char *name)
{
  return *name != '\0' && *name != '.' && *name != '-' && strlen (name) <= NAME_MAX_LENGTH &&
      strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == strlen (name);
}

/* NAME as given, else the name of the file without ".conf". */
static char *
import_name (const char *path, const char *given, GError **error)
{
  g_autofree char *name = given != NULL ? g_strdup (given) : g_path_get_basename (path);

  if (given == NULL && g_str_equal (path, "-"))
    {
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("a profile from standard input needs a name"));
      vpnd_failure_add_hint (error, "%s", _ ("Write: vpnctl import - NAME"));
      return NULL;
    }
  if (given == NULL && g_str_has_suffix (name, ".conf"))
    name[strlen (name) - strlen (".conf")] = '\0';
  if (!name_is_valid (name))
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("\"%s\" cannot be the name of a profile"), name);
      vpnd_failure_add_hint (error, _ ("A name has 1 to %d letters, digits, \".\", \"_\" or \"-\" and starts with a letter, a digit or \"_\"."), NAME_MAX_LENGTH);
      vpnd_failure_add_hint (error, "%s", _ ("Choose one: vpnctl import FILE NAME"));
      return NULL;
    }
  return g_steal_pointer (&name);
}

static char *
joined_value (GVariant *dictionary, const char *key)
{
  g_autofree const char **values = NULL;

  return g_variant_lookup (dictionary, key, "^a&s", &values) ? g_strjoinv (", ", (char **) values) : g_strdup ("");
}

static void
add_row (GPtrArray *rows, const char *label, const char *value)
{
  char **row;

  if (value == NULL || *value == '\0')
    return;
  row = g_new0 (char *, 3);
  row[0] = g_strconcat (label, ":", NULL);
  row[1] = g_strdup (value);
  g_ptr_array_add (rows, row);
}

/* The rows that a report of Import and an element of List share. */
static GPtrArray *
describe (GVariant *dictionary)
{
  GPtrArray *rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autofree char *addresses = joined_value (dictionary, "addresses");
  g_autofree char *endpoints = joined_value (dictionary, "endpoints");
  g_autofree char *dns = joined_value (dictionary, "dns");
  g_autofree char *bridge = vpnd_profiles_describe_bridge (dictionary);
  g_autofree char *peers_text = NULL;
  g_autofree char *mtu_text = NULL;
  guint32 peers = 0, mtu = 0;

  if (g_variant_lookup (dictionary, "peers", "u", &peers))
    peers_text = g_strdup_printf ("%u", peers);
  if (g_variant_lookup (dictionary, "mtu", "u", &mtu))
    mtu_text = mtu != 0 ? g_strdup_printf ("%u", mtu) : g_strdup (_ ("automatic"));
  add_row (rows, _ ("Addresses"), addresses);
  add_row (rows, "DNS", dns);
  add_row (rows, _ ("Servers"), endpoints);
  add_row (rows, _ ("Bridge"), bridge);
  add_row (rows, _ ("Peers"), peers_text);
  add_row (rows, "MTU", mtu_text);
  return rows;
}

static void
print_report (VpndCli *cli, const char *name, GVariant *report)
{
  g_autofree char *line = g_strdup_printf (_ ("Imported %s"), name);
  g_autoptr (GPtrArray) rows = describe (report);
  g_autofree const char **dropped = NULL;

  vpnd_output_line (cli->output, VPND_COLOR_GOOD, line);
  vpnd_output_table (cli->output, "  ", NULL, rows);
  if (!g_variant_lookup (report, "dropped", "^a&s", &dropped) || dropped[0] == NULL)
    return;
  vpnd_output_line (cli->output, VPND_COLOR_BUSY, _ ("  Dropped:"));
  for (guint i = 0; dropped[i] != NULL; i++)
    {
      g_autofree char *item = g_strconcat ("    ", dropped[i], NULL);

      vpnd_output_line (cli->output, VPND_COLOR_NONE, item);
    }
}

/* The keys of a dictionary in an order that does not depend on who made it. */
static void
json_dictionary (JsonBuilder *builder, const char *key, GVariant *dictionary)
{
  g_autoptr (GVariantDict) dict = g_variant_dict_new (dictionary);
  static const char *const order[] = { "name", "active", "addresses", "endpoints", "dns", "peers", "mtu", "bridge", "bridgeLocalPort", "bridgeUser", "dropped" };

  if (key != NULL)
    json_builder_set_member_name (builder, key);
  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      g_autoptr (GVariant) value = g_variant_dict_lookup_value (dict, order[i], NULL);

      if (value != NULL)
        vpnd_output_json_variant (builder, order[i], value);
    }
  json_builder_end_object (builder);
}

/**
 * vpnd_command_import:
 *
 * vpnctl import FILE [NAME]
 */
gboolean
vpnd_command_import (VpndCli *cli, char **args, GError **error)
{
  g_autofree char *name = import_name (args[0], args[1], error);
  g_autoptr (GBytes) bytes = name != NULL ? vpnd_input_read (args[0], CONF_MAX_BYTES, error) : NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) report = NULL;
  VpndClient *client = bytes != NULL ? vpnd_cli_client (cli, error) : NULL;

  if (client == NULL)
    return FALSE;
  reply = vpnd_client_call (client, VPND_INTERFACE_PROFILES, "Import",
      g_variant_new ("(s@ayb)", name, g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE), cli->options.replace), "(a{sv})", error);
  if (reply == NULL)
    {
      if (error != NULL && vpnd_failure_is (*error, VPND_ERROR_EXISTS))
        vpnd_failure_add_hint (error, "%s", _ ("To replace it: vpnctl import --replace FILE NAME"));
      vpnd_input_name (args[0], error);
      return FALSE;
    }
  report = g_variant_get_child_value (reply, 0);
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_string (builder, "profile", name);
      json_dictionary (builder, "report", report);
      vpnd_output_json_end (cli->output, builder);
    }
  else
    print_report (cli, name, report);
  return TRUE;
}

/**
 * vpnd_command_export:
 *
 * vpnctl export NAME
 */
gboolean
vpnd_command_export (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = client != NULL ? vpnd_client_call (client, VPND_INTERFACE_PROFILES, "Export", g_variant_new ("(s)", args[0]), "(ay)", error) : NULL;
  g_autoptr (GVariant) conf = NULL;
  g_autofree char *text = NULL;
  gconstpointer data;
  gsize length;

  if (reply == NULL)
    {
      if (client != NULL)
        vpnd_profiles_explain_missing (client, args[0], error);
      return FALSE;
    }
  conf = g_variant_get_child_value (reply, 0);
  data = g_variant_get_fixed_array (conf, &length, 1);
  text = g_strndup (data != NULL ? data : "", length);
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_string (builder, "profile", args[0]);
      vpnd_output_json_string (builder, "conf", text);
      vpnd_output_json_end (cli->output, builder);
    }
  else
    vpnd_output_raw (cli->output, text, strlen (text));
  return TRUE;
}

static void
print_list (VpndCli *cli, GVariant *profiles)
{
  const char *const headers[] = { _ ("Name"), _ ("Active"), _ ("Servers"), _ ("Addresses"), NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);

  for (gsize i = 0; i < g_variant_n_children (profiles); i++)
    {
      g_autoptr (GVariant) profile = g_variant_get_child_value (profiles, i);
      gboolean active = FALSE;
      const char *name = "";
      char **row;

      (void) g_variant_lookup (profile, "name", "&s", &name); /* documented keys; an absent one shows as empty */
      (void) g_variant_lookup (profile, "active", "b", &active);
      if (cli->options.names)
        {
          vpnd_output_line (cli->output, VPND_COLOR_NONE, name);
          continue;
        }
      row = g_new0 (char *, 5);
      row[0] = g_strdup (name);
      row[1] = g_strdup (active ? _ ("yes") : "-");
      row[2] = joined_value (profile, "endpoints");
      row[3] = joined_value (profile, "addresses");
      g_ptr_array_add (rows, row);
    }
  if (cli->options.names)
    return;
  if (rows->len == 0)
    vpnd_output_note (cli->output, VPND_COLOR_NONE, _ ("No profile is stored. To import one: vpnctl import FILE.conf"));
  else
    vpnd_output_table (cli->output, "", headers, rows);
}

/* A list of names is read by programs, which ask for nothing else. */
static gboolean
check_blocking (VpndCli *cli, GError **error)
{
  g_autoptr (VpndStatus) status = NULL;

  if (cli->options.names)
    return TRUE;
  status = vpnd_read_status (cli->client, NULL, error);
  return status != NULL && vpnd_status_view_check (status->state, status->lockdown, status->blocking, error);
}

/**
 * vpnd_command_list:
 *
 * vpnctl list
 */
gboolean
vpnd_command_list (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) profiles = client != NULL ? vpnd_profiles_list (client, error) : NULL;
  g_autoptr (JsonBuilder) builder = NULL;

  if (profiles == NULL)
    return FALSE;
  if (!vpnd_output_is_json (cli->output))
    {
      print_list (cli, profiles);
      return check_blocking (cli, error);
    }
  builder = vpnd_output_json_begin ();
  json_builder_set_member_name (builder, "profiles");
  json_builder_begin_array (builder);
  for (gsize i = 0; i < g_variant_n_children (profiles); i++)
    {
      g_autoptr (GVariant) profile = g_variant_get_child_value (profiles, i);

      json_dictionary (builder, NULL, profile);
    }
  json_builder_end_array (builder);
  vpnd_output_json_end (cli->output, builder);
  return check_blocking (cli, error);
}

/**
 * vpnd_command_show:
 *
 * vpnctl show NAME
 */
gboolean
vpnd_command_show (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) profile = client != NULL ? vpnd_profiles_find (client, args[0], error) : NULL;
  g_autoptr (GPtrArray) rows = NULL;
  gboolean active = FALSE;

  if (profile == NULL)
    return FALSE;
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      json_dictionary (builder, "profile", profile);
      vpnd_output_json_end (cli->output, builder);
      return TRUE;
    }
  (void) g_variant_lookup (profile, "active", "b", &active); /* absent: not active */
  rows = describe (profile);
  add_row (rows, _ ("Active"), active ? _ ("yes") : _ ("no"));
  vpnd_output_line (cli->output, VPND_COLOR_BOLD, args[0]);
  vpnd_output_table (cli->output, "  ", NULL, rows);
  return TRUE;
}

/**
 * vpnd_command_remove:
 *
 * vpnctl remove NAME
 */
gboolean
vpnd_command_remove (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = client != NULL ? vpnd_client_call (client, VPND_INTERFACE_PROFILES, "Remove", g_variant_new ("(s)", args[0]), "()", error) : NULL;
  g_autofree char *line = g_strdup_printf (_ ("Removed %s"), args[0]);

  if (reply == NULL)
    {
      vpnd_profiles_explain_change (client, args[0], error);
      return FALSE;
    }
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_string (builder, "removed", args[0]);
      vpnd_output_json_end (cli->output, builder);
    }
  else
    vpnd_output_line (cli->output, VPND_COLOR_NONE, line);
  return TRUE;
}

/**
 * vpnd_command_rename:
 *
 * vpnctl rename OLD NEW
 */
gboolean
vpnd_command_rename (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = client != NULL ? vpnd_client_call (client, VPND_INTERFACE_PROFILES, "Rename", g_variant_new ("(ss)", args[0], args[1]), "()", error) : NULL;
  g_autofree char *line = g_strdup_printf (_ ("Renamed %s to %s"), args[0], args[1]);

  if (reply == NULL)
    {
      vpnd_profiles_explain_change (client, args[0], error);
      return FALSE;
    }
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      json_builder_set_member_name (builder, "renamed");
      json_builder_begin_object (builder);
      vpnd_output_json_string (builder, "from", args[0]);
      vpnd_output_json_string (builder, "to", args[1]);
      json_builder_end_object (builder);
      vpnd_output_json_end (cli->output, builder);
    }
  else
    vpnd_output_line (cli->output, VPND_COLOR_NONE, line);
  return TRUE;
}
