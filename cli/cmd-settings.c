/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * settings [get KEY | set KEY VALUE... | reset]
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"
#include "failure.h"
#include "interfaces.h"
#include "names.h"
#include "settings-text.h"
#include "suggest.h"

static char **
known_keys (void)
{
  g_autoptr (GStrvBuilder) keys = g_strv_builder_new ();

  for (GDBusPropertyInfo **p = org_vpnd1_settings_interface.properties; *p != NULL; p++)
    {
      g_autofree char *key = vpnd_settings_text_key ((*p)->name);

      g_strv_builder_add (keys, key);
    }
  return g_strv_builder_end (keys);
}

/* Settings in the order of the interface; then those that this version does not know. */
static GPtrArray *
ordered_properties (GVariant *settings)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  GVariantIter iter;
  const char *name;

  for (GDBusPropertyInfo **p = org_vpnd1_settings_interface.properties; *p != NULL; p++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (settings, (*p)->name, NULL);

      if (value != NULL)
        g_ptr_array_add (names, g_strdup ((*p)->name));
    }
  g_variant_iter_init (&iter, settings);
  while (g_variant_iter_next (&iter, "{&sv}", &name, NULL))
    if (!g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
      g_ptr_array_add (names, g_strdup (name));
  return names;
}

static void
print_settings (VpndCli *cli, GVariant *settings)
{
  const char *const headers[] = { _ ("Setting"), _ ("Value"), _ ("Meaning"), NULL };
  g_autoptr (GPtrArray) names = ordered_properties (settings);
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  json_builder_set_member_name (builder, "settings");
  json_builder_begin_object (builder);
  for (guint i = 0; i < names->len; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (settings, names->pdata[i], NULL);
      g_autofree char *key = vpnd_settings_text_key (names->pdata[i]);
      char **row = g_new0 (char *, 4);

      row[0] = g_strdup (key);
      row[1] = vpnd_settings_text_print (value);
      row[2] = g_strdup (vpnd_settings_text_description (key));
      if (*row[1] == '\0')
        {
          g_free (row[1]);
          row[1] = g_strdup ("-");
        }
      g_ptr_array_add (rows, row);
      vpnd_output_json_variant (builder, key, value);
    }
  json_builder_end_object (builder);
  if (vpnd_output_is_json (cli->output))
    vpnd_output_json_end (cli->output, builder);
  else
    vpnd_output_table (cli->output, "", headers, rows);
}

static void
print_one (VpndCli *cli, const char *key, GVariant *value)
{
  g_autofree char *text = vpnd_settings_text_print (value);
  g_autoptr (JsonBuilder) builder = NULL;

  if (!vpnd_output_is_json (cli->output))
    {
      vpnd_output_line (cli->output, VPND_COLOR_NONE, text);
      return;
    }
  builder = vpnd_output_json_begin ();
  json_builder_set_member_name (builder, "settings");
  json_builder_begin_object (builder);
  vpnd_output_json_variant (builder, key, value);
  json_builder_end_object (builder);
  vpnd_output_json_end (cli->output, builder);
}

/* The property whose key is @key, with its value. */
static char *
find_property (GVariant *settings, const char *key, GVariant **out_value, GError **error)
{
  g_auto (GStrv) keys = known_keys ();
  g_autofree char *joined = g_strjoinv (", ", keys);
  GVariantIter iter;
  const char *name;
  GVariant *value;
  const char *near;

  g_variant_iter_init (&iter, settings);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *candidate = vpnd_settings_text_key (name);

      if (g_str_equal (candidate, key))
        {
          *out_value = value;
          return g_strdup (name);
        }
      g_variant_unref (value);
    }
  near = vpnd_suggest (key, (const char *const *) keys);
  g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, _ ("no setting named \"%s\""), key);
  if (near != NULL)
    vpnd_failure_add_hint (error, _ ("Did you mean %s?"), near);
  vpnd_failure_add_hint (error, _ ("Settings: %s"), joined);
  return NULL;
}

static gboolean
get_or_set (VpndCli *cli, VpndClient *client, const char *key, const char *const *words, GError **error)
{
  g_autoptr (GVariant) settings = vpnd_client_get_all (client, VPND_INTERFACE_SETTINGS, error);
  g_autoptr (GVariant) value = NULL;
  g_autofree char *property = settings != NULL ? find_property (settings, key, &value, error) : NULL;

  if (property == NULL)
    return FALSE;
  if (words != NULL)
    {
      GVariant *wanted = vpnd_settings_text_parse (key, g_variant_get_type (value), words, error);

      if (wanted == NULL || !vpnd_client_set (client, VPND_INTERFACE_SETTINGS, property, wanted, error))
        return FALSE;
      g_clear_pointer (&settings, g_variant_unref);
      g_clear_pointer (&value, g_variant_unref);
      settings = vpnd_client_get_all (client, VPND_INTERFACE_SETTINGS, error);
      value = settings != NULL ? g_variant_lookup_value (settings, property, NULL) : NULL;
      if (value == NULL)
        return FALSE;
    }
  print_one (cli, key, value);
  return TRUE;
}

static gboolean
show_all (VpndCli *cli, VpndClient *client, GError **error)
{
  g_autoptr (GVariant) settings = vpnd_client_get_all (client, VPND_INTERFACE_SETTINGS, error);

  if (settings == NULL)
    return FALSE;
  print_settings (cli, settings);
  return TRUE;
}

static gboolean
reset (VpndCli *cli, VpndClient *client, GError **error)
{
  g_autoptr (GVariant) reply = vpnd_client_call (client, VPND_INTERFACE_SETTINGS, "Reset", NULL, "()", error);

  return reply != NULL && show_all (cli, client, error);
}

/**
 * vpnd_command_settings:
 *
 * vpnctl settings [get KEY | set KEY VALUE... | reset]
 */
gboolean
vpnd_command_settings (VpndCli *cli, char **args, GError **error)
{
  guint n = g_strv_length (args);
  gboolean is_all = n == 0 || (n == 1 && g_str_equal (args[0], "get"));
  gboolean is_get = n == 2 && g_str_equal (args[0], "get");
  gboolean is_set = n >= 3 && g_str_equal (args[0], "set");
  gboolean is_reset = n == 1 && g_str_equal (args[0], "reset");
  VpndClient *client;

  if (!is_all && !is_get && !is_set && !is_reset)
    {
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("write: settings, settings get KEY, settings set KEY VALUE, or settings reset"));
      vpnd_failure_add_hint (error, "%s", _ ("See: vpnctl help settings"));
      return FALSE;
    }
  client = vpnd_cli_client (cli, error);
  if (client == NULL)
    return FALSE;
  if (is_all)
    return show_all (cli, client, error);
  if (is_reset)
    return reset (cli, client, error);
  return get_or_set (cli, client, args[1], is_set ? (const char *const *) args + 2 : NULL, error);
}
