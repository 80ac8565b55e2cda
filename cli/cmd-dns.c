/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dns: who owns the host's DNS, what is set and what is there; and a question to the resolver of the host, asked as any program asks.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"
#include "failure.h"
#include "names.h"

#define QUERY_TIMEOUT_S 15 /* glibc's resolver: 5 s a server, twice (resolv.conf(5)); the option --timeout says otherwise */

static void
add_row (GPtrArray *rows, const char *label, const char *value)
{
  g_autofree char *head = NULL;
  char **row;

  if (value == NULL || *value == '\0')
    return;
  head = g_strconcat (label, ":", NULL);
  row = g_new0 (char *, 3);
  row[0] = g_steal_pointer (&head);
  row[1] = g_strdup (value);
  g_ptr_array_add (rows, row);
}

/* (transfer full): the strings under @key, separated by commas; "" for none. */
static char *
join (GVariant *dictionary, const char *key)
{
  g_autofree const char **strings = NULL;

  if (!g_variant_lookup (dictionary, key, "^a&s", &strings))
    return g_strdup ("");
  return g_strjoinv (", ", (char **) strings);
}

static const char *
get_string (GVariant *dictionary, const char *key)
{
  const char *value = "";

  (void) g_variant_lookup (dictionary, key, "&s", &value); /* absent: "" */
  return value;
}

static void
add_links (GPtrArray *rows, GVariant *report)
{
  g_autoptr (GVariant) links = g_variant_lookup_value (report, "links", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; links != NULL && i < g_variant_n_children (links); i++)
    {
      g_autoptr (GVariant) link = g_variant_get_child_value (links, i);
      const char *interface = get_string (link, "interface");
      g_autofree char *servers = join (link, "servers");
      g_autofree char *domains = join (link, "domains");
      g_autofree char *both = *domains != '\0' ? g_strdup_printf ("%s (%s)", servers, domains) : g_strdup (servers);

      add_row (rows, *interface != '\0' ? interface : _ ("All links"), both);
    }
}

static void
print_report (VpndCli *cli, GVariant *report)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autofree char *servers = join (report, "servers");
  g_autofree char *search = join (report, "search");
  g_autofree char *file_servers = join (report, "fileServers");
  const char *link = get_string (report, "link");
  gboolean is_in_force = FALSE;
  gboolean is_replaced = FALSE;

  (void) g_variant_lookup (report, "inForce", "b", &is_in_force);  /* absent: not */
  (void) g_variant_lookup (report, "replaced", "b", &is_replaced); /* absent: not */
  add_row (rows, _ ("Owner"), get_string (report, "owner"));
  add_row (rows, _ ("Because"), get_string (report, "reason"));
  add_row (rows, _ ("Way"), get_string (report, "way"));
  add_row (rows, _ ("File"), get_string (report, "path"));
  add_row (rows, is_replaced ? _ ("Link at the end") : _ ("Link to"), link);
  add_row (rows, _ ("It lists"), *file_servers != '\0' ? file_servers : _ ("no server"));
  add_row (rows, _ ("Set by vpnd"), *servers != '\0' ? servers : _ ("nothing"));
  add_row (rows, _ ("Search"), search);
  if (*servers != '\0')
    add_row (rows, _ ("Read back"), is_in_force ? _ ("as it was set") : _ ("NOT as it was set"));
  add_links (rows, report);
  vpnd_output_table (cli->output, "", NULL, rows);
}

static gboolean
show (VpndCli *cli, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariant) reply = client != NULL ? vpnd_client_call (client, VPND_INTERFACE_DIAGNOSTICS, "Dns", NULL, "(a{sv})", error) : NULL;
  g_autoptr (GVariant) report = NULL;

  if (reply == NULL)
    return FALSE;
  report = g_variant_get_child_value (reply, 0);
  if (vpnd_output_is_json (cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

      vpnd_output_json_variant (builder, "dns", report);
      vpnd_output_json_end (cli->output, builder);
    }
  else
    print_report (cli, report);
  return TRUE;
}

/**
 * Query: one that waits
 * @loop: (owned)
 * @cancellable: (owned): cancelled when the time is over
 * @addresses: (element-type GInetAddress) (owned) (nullable)
 * @error: (owned) (nullable)
 */
typedef struct
{
  GMainLoop *loop;
  GCancellable *cancellable;
  GList *addresses;
  GError *error;
} Query;

static void
query_clear (Query *query)
{
  g_clear_pointer (&query->loop, g_main_loop_unref);
  g_clear_object (&query->cancellable);
  g_resolver_free_addresses (query->addresses);
  g_clear_error (&query->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Query, query_clear)

static void
on_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Query *query = user_data;

  query->addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &query->error);
  g_main_loop_quit (query->loop);
}

static gboolean
on_time_over (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_CONTINUE; /* the caller removes it */
}

static gboolean
explain_failure (const Query *query, const char *name, guint seconds, GError **error)
{
  if (g_error_matches (query->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_TIMEOUT, ngettext ("not done within %u second", "not done within %u seconds", seconds), seconds);
  else if (g_error_matches (query->error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND))
    g_set_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND, _ ("there is no address for \"%s\""), name);
  else
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_DNS, query->error->message);
  return FALSE;
}

static void
print_addresses (VpndCli *cli, const char *name, GList *addresses)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin ();

  vpnd_output_json_string (builder, "name", name);
  json_builder_set_member_name (builder, "addresses");
  json_builder_begin_array (builder);
  for (GList *l = addresses; l != NULL; l = l->next)
    {
      g_autofree char *address = g_inet_address_to_string (l->data);

      json_builder_add_string_value (builder, address);
      if (!vpnd_output_is_json (cli->output))
        vpnd_output_line (cli->output, VPND_COLOR_NONE, address);
    }
  json_builder_end_array (builder);
  if (vpnd_output_is_json (cli->output))
    vpnd_output_json_end (cli->output, builder);
}

static gboolean
query_name (VpndCli *cli, const char *name, GError **error)
{
  g_autoptr (GResolver) resolver = g_resolver_get_default ();
  guint seconds = cli->options.timeout_s >= 0 ? (guint) cli->options.timeout_s : QUERY_TIMEOUT_S;
  g_auto (Query) query = { g_main_loop_new (NULL, FALSE), g_cancellable_new (), NULL, NULL };
  guint limit = seconds > 0 ? g_timeout_add_seconds (seconds, on_time_over, query.cancellable) : 0;

  g_resolver_lookup_by_name_async (resolver, name, query.cancellable, on_found, &query);
  g_main_loop_run (query.loop);
  if (limit != 0)
    g_source_remove (limit);
  if (query.error != NULL)
    return explain_failure (&query, name, seconds, error);
  print_addresses (cli, name, query.addresses);
  return TRUE;
}

/**
 * vpnd_command_dns:
 *
 * vpnctl dns [query NAME]
 */
gboolean
vpnd_command_dns (VpndCli *cli, char **args, GError **error)
{
  if (args[0] == NULL)
    return show (cli, error);
  if (g_str_equal (args[0], "query") && args[1] != NULL && *args[1] != '\0')
    return query_name (cli, args[1], error);
  g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_USAGE, _ ("write: dns, or dns query NAME"));
  vpnd_failure_add_hint (error, _ ("See: vpnctl help %s"), "dns");
  return FALSE;
}
