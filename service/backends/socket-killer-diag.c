/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The socket killer of socket-killer-diag.h. Connections that begin after the kernel's lists were read meet the rules, which are in force before this
 * is called.
 */
#include "config.h"

#include "socket-killer-diag.h"

#include "socket-end.h"

#include <linux/netlink.h>

struct _VpndSocketKillerDiag
{
  GObject parent_instance;

  VpndNlSocket *socket; /* (owned) */
};

static void vpnd_socket_killer_diag_iface_init (VpndSocketKillerInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndSocketKillerDiag, vpnd_socket_killer_diag, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_SOCKET_KILLER, vpnd_socket_killer_diag_iface_init))

static gboolean
is_planned (const VpndDiagSocket *socket, gconstpointer data)
{
  return vpnd_socket_plan_ends (data, &socket->info);
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (vpnd_socket_end_finish (result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
vpnd_socket_killer_diag_end_async (VpndSocketKiller *killer, VpndSocketPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (killer, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_socket_killer_diag_end_async);
  g_task_set_task_data (task, vpnd_socket_plan_ref (plan), (GDestroyNotify) vpnd_socket_plan_unref);
  vpnd_socket_end_async (VPND_SOCKET_KILLER_DIAG (killer)->socket, plan->is_over, is_planned, plan, cancellable, on_ended, task);
}

/**
 * vpnd_socket_killer_diag_new:
 * @error: return location for an error
 *
 * Returns: (transfer full): a socket killer; NULL with VPND_ERROR_KERNEL_FEATURE or a G_IO_ERROR of the socket
 */
VpndSocketKiller *
vpnd_socket_killer_diag_new (GError **error)
{
  g_autoptr (VpndSocketKillerDiag) self = g_object_new (VPND_TYPE_SOCKET_KILLER_DIAG, NULL);

  self->socket = vpnd_nl_socket_new (NETLINK_SOCK_DIAG, error);
  return self->socket != NULL ? VPND_SOCKET_KILLER (g_steal_pointer (&self)) : NULL;
}

static void
vpnd_socket_killer_diag_dispose (GObject *object)
{
  VpndSocketKillerDiag *self = VPND_SOCKET_KILLER_DIAG (object);

  g_clear_object (&self->socket);
  G_OBJECT_CLASS (vpnd_socket_killer_diag_parent_class)->dispose (object);
}

static void
vpnd_socket_killer_diag_class_init (VpndSocketKillerDiagClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_socket_killer_diag_dispose;
}

static void
vpnd_socket_killer_diag_iface_init (VpndSocketKillerInterface *iface)
{
  iface->end_async = vpnd_socket_killer_diag_end_async;
}

static void
vpnd_socket_killer_diag_init (VpndSocketKillerDiag *self)
{
}
