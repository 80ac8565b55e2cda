/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * split ps: the processes that are in a class. There may be ten thousand, so the JSON is written as they come and no tree of it is made.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <unistd.h>

#include "command.h"
#include "names.h"
#include "split-text.h"

#define PROCESSES_TYPE "a(utussst)"

/**
 * Process: an element of what org.vpnd1.SplitTunnel.Processes returns; the texts belong to the reply.
 */
typedef struct
{
  guint32 pid;
  guint64 start_time;
  guint32 uid;
  const char *executable;
  const char *class_;
  const char *reason;
  guint64 since_us;
} Process;

static gboolean
next_process (GVariantIter *iter, Process *out)
{
  return g_variant_iter_next (iter, "(utu&s&s&st)", &out->pid, &out->start_time, &out->uid, &out->executable, &out->class_, &out->reason, &out->since_us);
}

/* RFC 8259, 7: what must be escaped. */
static void
append_json_text (GString *json, const char *key, const char *text)
{
  g_string_append_printf (json, ",\"%s\":\"", key);
  for (; *text != '\0'; text++)
    {
      if (*text == '"' || *text == '\\')
        g_string_append_c (json, '\\');
      if ((guchar) *text < ' ' || *text == 0x7f)
        g_string_append_printf (json, "\\u%04x", (guint) (guchar) *text);
      else
        g_string_append_c (json, *text);
    }
  g_string_append_c (json, '"');
}

static void
print_json (VpndCli *cli, GVariant *processes)
{
  g_autoptr (GString) json = g_string_new ("{\"schema\":1,\"processes\":[");
  GVariantIter iter;
  Process process;

  g_variant_iter_init (&iter, processes);
  for (gboolean is_first = TRUE; next_process (&iter, &process); is_first = FALSE)
    {
      g_string_append_printf (json, "%s{\"pid\":%u,\"startTime\":%" G_GUINT64_FORMAT ",\"uid\":%u", is_first ? "" : ",", process.pid, process.start_time, process.uid);
      append_json_text (json, "executable", process.executable);
      append_json_text (json, "class", process.class_);
      append_json_text (json, "reason", process.reason);
      g_string_append_printf (json, ",\"since\":%" G_GUINT64_FORMAT "}", process.since_us);
    }
  g_string_append (json, "]}\n");
  vpnd_output_raw (cli->output, json->str, json->len);
}

static char **
make_row (const Process *process, GHashTable *users)
{
  g_autoptr (GDateTime) since = g_date_time_new_from_unix_local ((gint64) (process->since_us / G_USEC_PER_SEC));
  const char *user = g_hash_table_lookup (users, GUINT_TO_POINTER (process->uid));
  char **row = g_new0 (char *, 7);

  if (user == NULL)
    {
      user = vpnd_split_text_user (process->uid);
      g_hash_table_insert (users, GUINT_TO_POINTER (process->uid), (gpointer) user);
    }
  row[0] = g_strdup_printf ("%u", process->pid);
  row[1] = g_strdup (user);
  row[2] = g_strdup (process->class_);
  row[3] = since != NULL ? g_date_time_format (since, "%F %T") : g_strdup ("");
  row[4] = g_strdup (process->executable);
  row[5] = g_strdup (process->reason);
  return row;
}

static void
print_text (VpndCli *cli, GVariant *processes)
{
  const char *const headers[] = { "PID", _ ("User"), _ ("Class"), _ ("Since"), _ ("Program"), _ ("Why"), NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autoptr (GHashTable) users = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  GVariantIter iter;
  Process process;

  g_variant_iter_init (&iter, processes);
  while (next_process (&iter, &process))
    g_ptr_array_add (rows, make_row (&process, users));
  vpnd_output_fitting_table (cli->output, headers, rows);
}

/**
 * vpnd_command_split_ps:
 * @cli: the context
 * @error: return location
 *
 * vpnctl split ps
 *
 * Returns: %TRUE on success
 */
gboolean
vpnd_command_split_ps (VpndCli *cli, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  gboolean sees_all = cli->options.all || getuid () == 0;
  g_autoptr (GVariant) reply = client != NULL ? vpnd_client_call (client, VPND_INTERFACE_SPLIT, sees_all ? "ProcessesAll" : "Processes", NULL, "(" PROCESSES_TYPE ")", error) : NULL;
  g_autoptr (GVariant) processes = NULL;

  if (reply == NULL)
    return FALSE;
  processes = g_variant_get_child_value (reply, 0);
  if (vpnd_output_is_json (cli->output))
    print_json (cli, processes);
  else if (g_variant_n_children (processes) > 0)
    print_text (cli, processes);
  else
    vpnd_output_line (cli->output, VPND_COLOR_NONE, sees_all ? _ ("No process is in a class.") : _ ("None of your processes is in a class."));
  return TRUE;
}
