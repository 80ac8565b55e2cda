/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-sockets.h. The sockets of all who are moved in one turn of the main loop are ended together, after one look at the kernel's lists:
 * moving ten thousand processes costs no more of them than moving one.
 */
#include "config.h"

#include "split-sockets.h"

#include "diag-encode.h"
#include "log.h"
#include "nl-socket.h"

#include <linux/netlink.h>

#define TIMEOUT_MS 5000    /* the kernel answers inside send (); this only bounds a bug */
#define BATCH_SOCKETS 500u /* 36 KB a batch: below the least send buffer (net.core.wmem_default, 208 KB) */

static const struct
{
  int family;
  guint8 protocol;
} lists[] = { { AF_INET, IPPROTO_TCP }, { AF_INET6, IPPROTO_TCP }, { AF_INET, IPPROTO_UDP }, { AF_INET6, IPPROTO_UDP } };

struct _VpndSplitSockets
{
  GObject parent_instance;

  VpndNlSocket *netlink; /* (owned) */
  GHashTable *inodes;    /* (element-type guint) (owned): a set: what is to be ended next */
  guint turn;
  gboolean is_busy;
};

G_DEFINE_FINAL_TYPE (VpndSplitSockets, vpnd_split_sockets, G_TYPE_OBJECT)

/**
 * Run: the data of a task
 * @inodes: (owned): what is to be ended
 * @sockets: (element-type VpndDiagSocket) (owned): they, as far as they were found
 * @list: which of lists is asked for
 * @sent: how many were named
 */
typedef struct
{
  GHashTable *inodes;
  GArray *sockets;
  guint list;
  guint sent;
} Run;

static void
run_free (Run *run)
{
  g_hash_table_unref (run->inodes);
  g_array_unref (run->sockets);
  g_free (run);
}

static void begin (VpndSplitSockets *self);
static void list_next (GTask *task);

static gboolean
is_outside (const VpndDiagSocket *socket)
{
  return !vpnd_addr_is_loopback (&socket->info.local) && !vpnd_addr_is_loopback (&socket->info.remote) && !(socket->info.remote.family != AF_UNSPEC && vpnd_addr_equal (&socket->info.local, &socket->info.remote));
}

static void
end_run (GTask *task)
{
  VpndSplitSockets *self = g_task_get_source_object (task);

  self->is_busy = FALSE;
  g_task_return_boolean (task, TRUE);
  begin (self);
}

static void end_next (GTask *task);

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  for (guint i = 0; reply != NULL && i < reply->errors->len; i++)
    if (g_array_index (reply->errors, VpndNlError, i).error == EOPNOTSUPP)
      {
        g_warning ("Connections of programs that changed their class may go on: the kernel lacks CONFIG_INET_DIAG_DESTROY");
        break;
      }
  if (error != NULL)
    g_warning ("Connections of programs that changed their class may go on: %s", error->message);
  if (reply != NULL)
    end_next (task);
  else
    end_run (task);
}

static void
end_next (GTask *task)
{
  VpndSplitSockets *self = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);
  const guint n = MIN (BATCH_SOCKETS, run->sockets->len - run->sent);
  g_autoptr (GByteArray) batch = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  guint32 seq;

  if (n == 0)
    {
      end_run (task);
      return;
    }
  seq = vpnd_nl_socket_next_seq (self->netlink, n);
  for (guint i = 0; i < n; i++)
    vpnd_diag_append_destroy (batch, &g_array_index (run->sockets, VpndDiagSocket, run->sent + i), seq + i);
  run->sent += n;
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&batch));
  vpnd_nl_socket_transact_async (self->netlink, bytes, TIMEOUT_MS, NULL, on_ended, g_object_ref (task));
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Run *run = g_task_get_task_data (task);
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, NULL);

  for (guint i = 0; reply != NULL && i < reply->messages->len; i++)
    {
      VpndDiagSocket socket;
      gsize size;
      const void *data = g_bytes_get_data (g_ptr_array_index (reply->messages, i), &size);

      if (vpnd_diag_decode_socket (data, size, lists[run->list].protocol, &socket) && g_hash_table_contains (run->inodes, GUINT_TO_POINTER (socket.inode)) && is_outside (&socket))
        g_array_append_val (run->sockets, socket);
    }
  run->list++;
  list_next (task);
}

static void
list_next (GTask *task)
{
  VpndSplitSockets *self = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);
  g_autoptr (GBytes) request = NULL;

  if (run->list == G_N_ELEMENTS (lists))
    {
      end_next (task);
      return;
    }
  request = vpnd_diag_encode_dump (lists[run->list].family, lists[run->list].protocol, TRUE, vpnd_nl_socket_next_seq (self->netlink, 1));
  vpnd_nl_socket_transact_async (self->netlink, request, TIMEOUT_MS, NULL, on_listed, g_object_ref (task));
}

static gboolean
on_turn (gpointer user_data)
{
  VpndSplitSockets *self = user_data;
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);
  Run *run = g_new0 (Run, 1);

  self->turn = 0;
  self->is_busy = TRUE;
  g_task_set_source_tag (task, on_turn);
  run->inodes = g_steal_pointer (&self->inodes);
  self->inodes = g_hash_table_new (NULL, NULL);
  run->sockets = g_array_new (FALSE, FALSE, sizeof (VpndDiagSocket));
  g_task_set_task_data (task, run, (GDestroyNotify) run_free);
  list_next (task);
  return G_SOURCE_REMOVE;
}

static void
begin (VpndSplitSockets *self)
{
  if (self->turn == 0 && !self->is_busy && g_hash_table_size (self->inodes) > 0)
    self->turn = g_idle_add_full (G_PRIORITY_DEFAULT, on_turn, self, NULL);
}

/**
 * vpnd_split_sockets_end:
 * @self: the object
 * @inodes: (element-type guint32): sockets of a process that stands in its new class already: what it opens from now on is of that class
 *
 * Ends them soon, together with others of this turn of the main loop.
 */
void
vpnd_split_sockets_end (VpndSplitSockets *self, const GArray *inodes)
{
  g_return_if_fail (VPND_IS_SPLIT_SOCKETS (self));

  for (guint i = 0; i < inodes->len; i++)
    g_hash_table_add (self->inodes, GUINT_TO_POINTER (g_array_index (inodes, guint32, i)));
  begin (self);
}

/**
 * vpnd_split_sockets_new:
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the object; NULL with a G_IO_ERROR of the socket
 */
VpndSplitSockets *
vpnd_split_sockets_new (GError **error)
{
  g_autoptr (VpndSplitSockets) self = g_object_new (VPND_TYPE_SPLIT_SOCKETS, NULL);

  self->netlink = vpnd_nl_socket_new (NETLINK_SOCK_DIAG, error);
  return self->netlink != NULL ? g_steal_pointer (&self) : NULL;
}

static void
vpnd_split_sockets_dispose (GObject *object)
{
  VpndSplitSockets *self = VPND_SPLIT_SOCKETS (object);

  g_clear_handle_id (&self->turn, g_source_remove);
  g_clear_object (&self->netlink);
  g_clear_pointer (&self->inodes, g_hash_table_unref);
  G_OBJECT_CLASS (vpnd_split_sockets_parent_class)->dispose (object);
}

static void
vpnd_split_sockets_class_init (VpndSplitSocketsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_split_sockets_dispose;
}

static void
vpnd_split_sockets_init (VpndSplitSockets *self)
{
  self->inodes = g_hash_table_new (NULL, NULL);
}
