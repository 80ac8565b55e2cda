/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * routes: what is planned against what the kernel has, each entry with its reason.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"
#include "names.h"

/* The words of org.vpnd1.Diagnostics.Routes. */
static const struct
{
  const char *word;
  const char *sentence;
} reasons[] = {
  { "transport", N_ ("the tunnel's own packets leave here") },
  { "profile-address", N_ ("address of the profile") },
  { "allowed-ips", N_ ("AllowedIPs of the profile") },
  { "tunnel-host", N_ ("a server inside the tunnel that the LAN claims") },
  { "next-hop", N_ ("a gateway of the physical network") },
  { "internal-bridge", N_ ("containers and virtual machines") },
  { "local-network", N_ ("the setting allow-lan") },
  { "resolver", N_ ("the setting dns-servers") },
  { "marked-past-tunnel", N_ ("the tunnel's own packets go past it") },
  { "specific-first", N_ ("networks of the profile come first") },
  { "exceptions", N_ ("then what stays outside the tunnel") },
  { "everything-else", N_ ("everything else goes into the tunnel") },
  { "left-over", N_ ("left over from before") },
  { "other-program", N_ ("put there by another program") },
  { "earlier-rule", N_ ("of another program, asked before vpnd's") },
  { "exception", N_ ("stays outside the tunnel") },
};

static const struct
{
  const char *word;
  const char *title;
} states[] = {
  { "present", N_ ("present") },
  { "missing", N_ ("MISSING") },
  { "foreign", N_ ("FOREIGN") },
};

static const char *
get_string (GVariant *entry, const char *key)
{
  const char *value = "";

  (void) g_variant_lookup (entry, key, "&s", &value); /* absent: "" */
  return value;
}

static const char *
explain_reason (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (g_str_equal (reasons[i].word, word))
      return _ (reasons[i].sentence);
  return word;
}

static const char *
explain_state (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_str_equal (states[i].word, word))
      return _ (states[i].title);
  return word;
}

static char **
make_row (GVariant *entry, gboolean has_reason)
{
  char **row = g_new0 (char *, 5);

  row[0] = g_strdup (get_string (entry, "kind"));
  row[1] = g_strdup (get_string (entry, "entry"));
  row[2] = g_strdup (explain_state (get_string (entry, "state")));
  if (has_reason)
    row[3] = g_strdup (explain_reason (get_string (entry, "reason")));
  return row;
}

/* Where a line would not fit, the reason stands below its entry. */
static void
print_stacked (VpndCli *cli, GVariant *entries)
{
  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      g_autofree char *head = g_strdup_printf ("%s %s", get_string (entry, "kind"), get_string (entry, "entry"));
      g_autofree char *tail = g_strdup_printf ("    %s: %s", explain_state (get_string (entry, "state")), explain_reason (get_string (entry, "reason")));
      gboolean is_present = g_str_equal (get_string (entry, "state"), "present");

      vpnd_output_line (cli->output, VPND_COLOR_NONE, head);
      vpnd_output_line (cli->output, is_present ? VPND_COLOR_DIM : VPND_COLOR_BAD, tail);
    }
}

static void
print_table (VpndCli *cli, GVariant *entries)
{
  const char *const headers[] = { _ ("Kind"), _ ("Entry"), _ ("State"), _ ("Why"), NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  guint columns = vpnd_output_columns (cli->output);

  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);

      g_ptr_array_add (rows, make_row (entry, TRUE));
    }
  if (columns != 0 && vpnd_output_table_width ("", headers, rows) > columns)
    print_stacked (cli, entries);
  else
    vpnd_output_table (cli->output, "", headers, rows);
}

static void
print_summary (VpndCli *cli, GVariant *entries)
{
  guint missing = 0, foreign = 0, planned = 0;
  g_autofree char *text = NULL;

  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      const char *state = get_string (entry, "state");

      missing += g_str_equal (state, "missing");
      foreign += g_str_equal (state, "foreign");
      planned += !g_str_equal (get_string (entry, "kind"), "default") && !g_str_equal (state, "foreign");
    }
  if (missing == 0 && foreign == 0)
    {
      vpnd_output_line (cli->output, planned > 0 ? VPND_COLOR_GOOD : VPND_COLOR_NONE,
          planned > 0 ? _ ("Everything is as planned.") : _ ("vpnd has no routes in force, and has left none behind."));
      return;
    }
  text = g_strdup_printf (_ ("Missing: %u, foreign: %u. See: vpnctl doctor"), missing, foreign);
  vpnd_output_line (cli->output, VPND_COLOR_BAD, text);
}

/**
 * vpnd_command_routes:
 *
 * vpnctl routes
 */
gboolean
vpnd_command_routes (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = client != NULL ? vpnd_client_call (client, VPND_INTERFACE_DIAGNOSTICS, "Routes", NULL, "(aa{sv})", error) : NULL;
  g_autoptr (GVariant) entries = NULL;

  if (reply == NULL)
    return FALSE;
  entries = g_variant_get_child_value (reply, 0);
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_variant (builder, "routes", entries);
      vpnd_output_json_end (cli->output, builder);
      return TRUE;
    }
  if (g_variant_n_children (entries) > 0)
    print_table (cli, entries);
  print_summary (cli, entries);
  return TRUE;
}
