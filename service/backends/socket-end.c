/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See socket-end.h. Lists the sockets of each family and protocol, one after the other, then names those that are to be ended in batches. A socket
 * that is gone by then is no failure.
 */
#include "config.h"

#include "socket-end.h"

#include "diag-encode.h"
#include "error.h"

#include <errno.h>

#define TIMEOUT_MS 5000    /* the kernel answers inside send (); this only bounds a bug */
#define BATCH_SOCKETS 500u /* 36 KB a batch: below the least send buffer (net.core.wmem_default, 208 KB) */

static const struct
{
  int family;
  guint8 protocol;
} lists[] = { { AF_INET, IPPROTO_TCP }, { AF_INET6, IPPROTO_TCP }, { AF_INET, IPPROTO_UDP }, { AF_INET6, IPPROTO_UDP } };

/**
 * Run: the data of a task
 * @with_unconnected: sockets of UDP without a peer are listed, too
 * @pick: says which are to be ended
 * @data: for @pick
 * @list: which of lists is asked for
 * @sockets: (element-type VpndDiagSocket) (owned): to be ended
 * @sent: how many of them were named
 * @error: errno of the first refusal that counts, 0 for none
 */
typedef struct
{
  gboolean with_unconnected;
  VpndSocketPick pick;
  gconstpointer data;
  guint list;
  GArray *sockets;
  guint sent;
  int error;
} Run;

static void list_next (GTask *task);
static void end_next (GTask *task);

static void
run_free (Run *run)
{
  g_array_unref (run->sockets);
  g_free (run);
}

static void
note_refusals (Run *run, const VpndNlReply *reply, int harmless)
{
  for (guint i = 0; i < reply->errors->len && run->error == 0; i++)
    {
      int code = g_array_index (reply->errors, VpndNlError, i).error;

      if (code != harmless)
        run->error = code;
    }
  if (run->error == 0 && reply->overrun)
    run->error = ENOBUFS;
}

static void
finish (GTask *task)
{
  const Run *run = g_task_get_task_data (task);

  if (run->error == 0)
    g_task_return_boolean (task, TRUE);
  else if (run->error == EOPNOTSUPP || run->error == ENOENT)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE,
        "connections of before may go on: the kernel lacks CONFIG_INET_DIAG_DESTROY, CONFIG_INET_TCP_DIAG or CONFIG_INET_UDP_DIAG");
  else
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_FAILED, "connections of before may go on: %s", g_strerror (run->error));
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  note_refusals (g_task_get_task_data (task), reply, ENOENT); /* gone by itself */
  end_next (task);
}

static void
end_next (GTask *task)
{
  VpndNlSocket *netlink = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);
  const guint n = MIN (BATCH_SOCKETS, run->sockets->len - run->sent);
  g_autoptr (GByteArray) batch = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  guint32 seq;

  if (n == 0)
    {
      finish (task);
      return;
    }
  seq = vpnd_nl_socket_next_seq (netlink, n);
  for (guint i = 0; i < n; i++)
    vpnd_diag_append_destroy (batch, &g_array_index (run->sockets, VpndDiagSocket, run->sent + i), seq + i);
  run->sent += n;
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&batch));
  vpnd_nl_socket_transact_async (netlink, bytes, TIMEOUT_MS, g_task_get_cancellable (task), on_ended, g_object_ref (task));
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Run *run = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  note_refusals (run, reply, 0);
  for (guint i = 0; i < reply->messages->len; i++)
    {
      VpndDiagSocket socket;
      gsize size;
      const void *data = g_bytes_get_data (g_ptr_array_index (reply->messages, i), &size);

      if (vpnd_diag_decode_socket (data, size, lists[run->list].protocol, &socket) && run->pick (&socket, run->data))
        g_array_append_val (run->sockets, socket);
    }
  run->list++;
  list_next (task);
}

static void
list_next (GTask *task)
{
  VpndNlSocket *netlink = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);
  g_autoptr (GBytes) request = NULL;

  if (run->list == G_N_ELEMENTS (lists))
    {
      end_next (task);
      return;
    }
  request = vpnd_diag_encode_dump (lists[run->list].family, lists[run->list].protocol, run->with_unconnected, vpnd_nl_socket_next_seq (netlink, 1));
  vpnd_nl_socket_transact_async (netlink, request, TIMEOUT_MS, g_task_get_cancellable (task), on_listed, g_object_ref (task));
}

/**
 * vpnd_socket_end_async:
 * @netlink: of NETLINK_SOCK_DIAG
 * @with_unconnected: sockets of UDP without a peer are looked at, too
 * @pick: (scope notified): says which sockets are to be ended; asked until the callback
 * @data: for @pick; the caller keeps it until the callback
 * @cancellable: (nullable): cancels what has not been named yet
 * @callback: called when all that were there are ended
 * @user_data: passed to @callback
 *
 * Ends what is there now. Fails with VPND_ERROR_KERNEL_FEATURE where the kernel cannot list or end sockets, with VPND_ERROR_FAILED when it refuses.
 */
void
vpnd_socket_end_async (VpndNlSocket *netlink, gboolean with_unconnected, VpndSocketPick pick, gconstpointer data, GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (netlink, cancellable, callback, user_data);
  Run *run = g_new0 (Run, 1);

  g_task_set_source_tag (task, vpnd_socket_end_async);
  run->with_unconnected = with_unconnected;
  run->pick = pick;
  run->data = data;
  run->sockets = g_array_new (FALSE, FALSE, sizeof (VpndDiagSocket));
  g_task_set_task_data (task, run, (GDestroyNotify) run_free);
  list_next (task);
}

/**
 * vpnd_socket_end_finish:
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when some may go on
 */
gboolean
vpnd_socket_end_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
