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

#define PROCESSES_TYPE "(auatauauauauatas)"

/**
 * Process: one of what org.vpnd1.SplitTunnel.Processes returns; the texts belong to the reply.
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

enum
{
  PIDS,
  START_TIMES,
  UIDS,
  EXECUTABLES,
  CLASSES,
  REASONS,
  SINCE,
  TEXTS,
  N_COLUMNS
};

/**
 * Processes: the columns of the reply
 * @columns: (owned): each by itself
 * @data: (unowned): the elements of each but the texts
 * @texts: (owned) (element-type utf8): belong to the reply
 * @n: of processes
 * @n_texts: of @texts
 */
typedef struct
{
  GVariant *columns[N_COLUMNS];
  gconstpointer data[TEXTS];
  const char **texts;
  gsize n;
  gsize n_texts;
} Processes;

static void
clear_processes (Processes *self)
{
  for (guint i = 0; i < N_COLUMNS; i++)
    g_clear_pointer (&self->columns[i], g_variant_unref);
  g_free (self->texts);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Processes, clear_processes)

static void
take_columns (GVariant *value, Processes *out)
{
  gsize n = G_MAXSIZE;

  for (guint i = 0; i < N_COLUMNS; i++)
    out->columns[i] = g_variant_get_child_value (value, i);
  for (guint i = 0; i < TEXTS; i++)
    {
      gsize length;

      out->data[i] = g_variant_get_fixed_array (out->columns[i], &length, i == START_TIMES || i == SINCE ? sizeof (guint64) : sizeof (guint32));
      n = MIN (n, length);
    }
  out->n = n;
  out->texts = g_variant_get_strv (out->columns[TEXTS], &out->n_texts);
}

static const char *
get_text (const Processes *self, guint column, gsize i)
{
  const guint32 number = ((const guint32 *) self->data[column])[i];

  return number < self->n_texts ? self->texts[number] : "";
}

static Process
get_process (const Processes *self, gsize i)
{
  return (Process){
    .pid = ((const guint32 *) self->data[PIDS])[i],
    .start_time = ((const guint64 *) self->data[START_TIMES])[i],
    .uid = ((const guint32 *) self->data[UIDS])[i],
    .executable = get_text (self, EXECUTABLES, i),
    .class_ = get_text (self, CLASSES, i),
    .reason = get_text (self, REASONS, i),
    .since_us = ((const guint64 *) self->data[SINCE])[i],
  };
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
print_json (VpndCli *cli, const Processes *processes)
{
  g_autoptr (GString) json = g_string_new ("{\"schema\":1,\"processes\":[");

  for (gsize i = 0; i < processes->n; i++)
    {
      const Process process = get_process (processes, i);

      g_string_append_printf (json, "%s{\"pid\":%u,\"startTime\":%" G_GUINT64_FORMAT ",\"uid\":%u", i == 0 ? "" : ",", process.pid, process.start_time, process.uid);
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
  row[5] = vpnd_split_text_reason (process->reason);
  return row;
}

static void
print_text (VpndCli *cli, const Processes *processes)
{
  const char *const headers[] = { "PID", _ ("User"), _ ("Class"), _ ("Since"), _ ("Program"), _ ("Why"), NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autoptr (GHashTable) users = g_hash_table_new_full (NULL, NULL, NULL, g_free);

  for (gsize i = 0; i < processes->n; i++)
    {
      const Process process = get_process (processes, i);

      g_ptr_array_add (rows, make_row (&process, users));
    }
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
  g_autoptr (GVariant) value = NULL;
  g_auto (Processes) processes = { 0 };

  if (reply == NULL)
    return FALSE;
  value = g_variant_get_child_value (reply, 0);
  take_columns (value, &processes);
  if (vpnd_output_is_json (cli->output))
    print_json (cli, &processes);
  else if (processes.n > 0)
    print_text (cli, &processes);
  else
    vpnd_output_line (cli->output, VPND_COLOR_NONE, sees_all ? _ ("No process is in a class.") : _ ("None of your processes is in a class."));
  return TRUE;
}
