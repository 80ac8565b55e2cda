/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-sockets.h. The sockets of all who are moved in one turn of the main loop are ended together, after one look at the kernel's lists:
 * moving ten thousand processes costs no more of them than moving one.
 */
#include "config.h"

#include "split-sockets.h"

#include "socket-end.h"

#include <linux/netlink.h>
#include <string.h>

/* The cgroups in which a process stands since it was moved; 0 for none. */
typedef struct
{
  guint64 cgroups[VPND_SPLIT_SOCKETS_SPARED];
} Spared;

/**
 * VpndSplitSockets:
 * @netlink: (owned)
 * @inodes: (element-type guint Spared) (owned): what is to be ended next
 * @ending: (element-type guint Spared) (owned) (nullable): what is being ended
 * @turn: source that begins, 0 for none
 */
struct _VpndSplitSockets
{
  GObject parent_instance;

  VpndNlSocket *netlink;
  GHashTable *inodes;
  GHashTable *ending;
  guint turn;
};

G_DEFINE_FINAL_TYPE (VpndSplitSockets, vpnd_split_sockets, G_TYPE_OBJECT)

static void begin (VpndSplitSockets *self);

/* What stays inside this host carries nothing outside, of whatever class it is. */
static gboolean
is_outside (const VpndDiagSocket *socket)
{
  return !vpnd_addr_is_loopback (&socket->info.local) && !vpnd_addr_is_loopback (&socket->info.remote) && !(socket->info.remote.family != AF_UNSPEC && vpnd_addr_equal (&socket->info.local, &socket->info.remote));
}

/* Between the move and now the process may have opened new ones, which are where they belong. */
static gboolean
is_spared (const VpndDiagSocket *socket, const Spared *spared)
{
  for (guint i = 0; socket->info.cgroup != 0 && i < VPND_SPLIT_SOCKETS_SPARED; i++)
    if (spared->cgroups[i] == socket->info.cgroup)
      return TRUE;
  return FALSE;
}

static gboolean
is_moved (const VpndDiagSocket *socket, gconstpointer data)
{
  const VpndSplitSockets *self = data;
  const Spared *spared = g_hash_table_lookup (self->ending, GUINT_TO_POINTER (socket->inode));

  return spared != NULL && is_outside (socket) && !is_spared (socket, spared);
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndSplitSockets) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!vpnd_socket_end_finish (result, &error))
    g_warning ("After a change of class %s", error->message);
  g_clear_pointer (&self->ending, g_hash_table_unref);
  begin (self);
}

static gboolean
on_turn (gpointer user_data)
{
  VpndSplitSockets *self = user_data;

  self->turn = 0;
  self->ending = g_steal_pointer (&self->inodes);
  self->inodes = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  vpnd_socket_end_async (self->netlink, TRUE, is_moved, self, NULL, on_ended, g_object_ref (self));
  return G_SOURCE_REMOVE;
}

static void
begin (VpndSplitSockets *self)
{
  if (self->turn == 0 && self->ending == NULL && g_hash_table_size (self->inodes) > 0)
    self->turn = g_idle_add_full (G_PRIORITY_DEFAULT, on_turn, self, NULL);
}

/**
 * vpnd_split_sockets_end:
 * @self: the object
 * @inodes: (element-type guint32): sockets of a process that stands in its new class already: what it opens from now on is of that class
 * @cgroups: (array fixed-size=VPND_SPLIT_SOCKETS_SPARED): where it has stood since, 0 for none: what it has opened there goes on
 *
 * Ends the others soon, together with others of this turn of the main loop.
 */
void
vpnd_split_sockets_end (VpndSplitSockets *self, const GArray *inodes, const guint64 *cgroups)
{
  g_return_if_fail (VPND_IS_SPLIT_SOCKETS (self));

  for (guint i = 0; i < inodes->len; i++)
    {
      Spared *spared = g_new (Spared, 1);

      memcpy (spared->cgroups, cgroups, sizeof spared->cgroups);
      g_hash_table_insert (self->inodes, GUINT_TO_POINTER (g_array_index (inodes, guint32, i)), spared);
    }
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
  self->inodes = g_hash_table_new_full (NULL, NULL, NULL, g_free);
}
