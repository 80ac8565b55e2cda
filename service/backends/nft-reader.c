/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All requests are queued at once; the socket lets the dumps take turns. Each answer carries the generation of the ruleset that it was
 * read from: when they differ, somebody changed something between two of them, and all is read again.
 */
#include "config.h"

#include "nft-reader.h"

#include "error.h"
#include "nft-encode.h"

#include <errno.h>

#define TIMEOUT_MS 5000 /* the kernel answers inside send (); this only bounds a bug */
#define ATTEMPTS_MAX 8  /* a host whose ruleset changes faster than it is read eight times cannot be judged */

/* table, chains, rules, sets; then the elements of each set */
#define FIXED_REQUESTS 4u

/**
 * Read:
 * @table: (owned): its name
 * @sets: (element-type utf8) (owned): whose elements are read
 * @replies: (element-type VpndNlReply) (owned): one a request, NULL until it came
 * @pending: how many have not come
 * @error: (owned) (nullable): the first failure
 */
typedef struct
{
  char *table;
  GPtrArray *sets;
  GPtrArray *replies;
  guint pending;
  guint attempts;
  GError *error;
} Read;

typedef struct
{
  GTask *task;
  guint index;
} Slot;

static void start (GTask *task);

static void
read_free (gpointer data)
{
  Read *reading = data;

  g_free (reading->table);
  g_ptr_array_unref (reading->sets);
  g_ptr_array_unref (reading->replies);
  g_clear_error (&reading->error);
  g_free (reading);
}

static void
table_free (gpointer data)
{
  vpnd_nft_table_clear (data);
  g_free (data);
}

static gboolean
is_consistent (const Read *reading)
{
  guint16 first = 0;
  gboolean has_first = FALSE;

  for (guint i = 0; i < reading->replies->len; i++)
    {
      const VpndNlReply *reply = g_ptr_array_index (reading->replies, i);

      if (reply->overrun)
        return FALSE;
      for (guint j = 0; j < reply->messages->len; j++)
        {
          guint16 generation;

          if (!vpnd_nft_message_generation (g_bytes_get_data (g_ptr_array_index (reply->messages, j), NULL), &generation))
            continue;
          if (has_first && generation != first)
            return FALSE;
          first = generation;
          has_first = TRUE;
        }
    }
  return TRUE;
}

/* ENOENT is an answer: no such table, or no such set in it, which the comparison will show. */
static gboolean
find_refusal (const Read *reading, GError **error)
{
  for (guint i = 0; i < reading->replies->len; i++)
    {
      const VpndNlReply *reply = g_ptr_array_index (reading->replies, i);

      for (guint j = 0; j < reply->errors->len; j++)
        {
          const VpndNlError *refusal = &g_array_index (reply->errors, VpndNlError, j);

          if (refusal->error == ENOENT)
            continue;
          g_set_error (error, VPND_ERROR, refusal->error == EOPNOTSUPP ? VPND_ERROR_KERNEL_FEATURE : VPND_ERROR_FIREWALL,
              "reading table inet %s: %s%s", reading->table, g_strerror (refusal->error), refusal->error == EOPNOTSUPP ? " (CONFIG_NF_TABLES)" : "");
          return FALSE;
        }
    }
  return TRUE;
}

static void
finish (GTask *task)
{
  Read *reading = g_task_get_task_data (task);
  g_autoptr (GPtrArray) messages = g_ptr_array_new ();
  VpndNftTable *table;
  GError *error = NULL;

  if (reading->error != NULL)
    {
      g_task_return_error (task, g_steal_pointer (&reading->error));
      return;
    }
  if (!is_consistent (reading))
    {
      if (reading->attempts < ATTEMPTS_MAX)
        start (task);
      else
        g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_FIREWALL, "table inet %s changes faster than it can be read", reading->table);
      return;
    }
  if (!find_refusal (reading, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  for (guint i = 0; i < reading->replies->len; i++)
    {
      const VpndNlReply *reply = g_ptr_array_index (reading->replies, i);

      for (guint j = 0; j < reply->messages->len; j++)
        g_ptr_array_add (messages, g_ptr_array_index (reply->messages, j));
    }
  table = g_new0 (VpndNftTable, 1);
  if (vpnd_nft_decode (messages, reading->table, table, &error))
    {
      g_task_return_pointer (task, table, table_free);
    }
  else
    {
      table_free (table);
      g_task_return_error (task, error);
    }
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Slot *slot = user_data;
  g_autoptr (GTask) task = slot->task;
  Read *reading = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  VpndNlReply *reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply != NULL)
    reading->replies->pdata[slot->index] = reply;
  else if (reading->error == NULL)
    reading->error = g_steal_pointer (&error);
  g_free (slot);
  if (--reading->pending == 0)
    finish (task);
}

static GBytes *
encode_request (const Read *reading, guint index, guint32 seq)
{
  switch (index)
    {
    case 0:
      return vpnd_nft_encode_get_table (reading->table, seq);
    case 1:
      return vpnd_nft_encode_dump_chains (seq);
    case 2:
      return vpnd_nft_encode_dump_rules (reading->table, seq);
    case 3:
      return vpnd_nft_encode_dump_sets (reading->table, seq);
    default:
      return vpnd_nft_encode_dump_elements (reading->table, g_ptr_array_index (reading->sets, index - FIXED_REQUESTS), seq);
    }
}

static void
start (GTask *task)
{
  VpndNlSocket *sock = g_task_get_source_object (task);
  Read *reading = g_task_get_task_data (task);
  guint count = FIXED_REQUESTS + reading->sets->len;
  guint32 seq = vpnd_nl_socket_next_seq (sock, count);

  reading->attempts++;
  g_ptr_array_set_size (reading->replies, 0);
  g_ptr_array_set_size (reading->replies, (gint) count);
  reading->pending = count;
  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GBytes) request = encode_request (reading, i, seq + i);
      Slot *slot = g_new0 (Slot, 1);

      slot->task = g_object_ref (task);
      slot->index = i;
      vpnd_nl_socket_transact_async (sock, request, TIMEOUT_MS, g_task_get_cancellable (task), on_reply, slot);
    }
}

/**
 * vpnd_nft_read_async:
 * @socket: a socket of NETLINK_NETFILTER
 * @expected: names the table, and the sets whose elements are read; further sets of the table show without their elements
 * @cancellable: (nullable): cancels the reading
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Reads a table.
 */
void
vpnd_nft_read_async (VpndNlSocket *socket, const VpndRuleset *expected, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (socket, cancellable, callback, user_data);
  Read *reading = g_new0 (Read, 1);

  g_task_set_source_tag (task, vpnd_nft_read_async);
  g_task_set_check_cancellable (task, FALSE); /* the transactions say it */
  reading->table = g_strdup (expected->table);
  reading->sets = g_ptr_array_new_with_free_func (g_free);
  reading->replies = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_nl_reply_free);
  for (guint i = 0; i < expected->sets->len; i++)
    g_ptr_array_add (reading->sets, g_strdup (((const VpndSet *) g_ptr_array_index (expected->sets, i))->name));
  g_task_set_task_data (task, reading, read_free);
  start (task);
}

/**
 * vpnd_nft_read_finish:
 * @socket: the socket
 * @result: what the callback received
 * @out_table: (out caller-allocates): what is in force; a missing table is no error
 * @error: return location for an error
 *
 * Returns: FALSE with VPND_ERROR_FIREWALL when the table holds what vpnd does not make or could not be read, VPND_ERROR_KERNEL_FEATURE, or
 *   an error of the socket
 */
gboolean
vpnd_nft_read_finish (VpndNlSocket *socket, GAsyncResult *result, VpndNftTable *out_table, GError **error)
{
  VpndNftTable *table = g_task_propagate_pointer (G_TASK (result), error);

  if (table == NULL)
    return FALSE;
  *out_table = *table;
  g_free (table);
  return TRUE;
}
