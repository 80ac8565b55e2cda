/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndSocketKiller: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "socket-killer.h"

G_DEFINE_INTERFACE (VpndSocketKiller, vpnd_socket_killer, G_TYPE_OBJECT)

static void
vpnd_socket_killer_default_init (VpndSocketKillerInterface *iface)
{
}

/**
 * vpnd_socket_killer_end_async:
 * @self: the port
 * @plan: see VpndSocketKillerInterface
 * @cancellable: (nullable): cancels what has not been sent
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndSocketKillerInterface.
 */
void
vpnd_socket_killer_end_async (VpndSocketKiller *self, VpndSocketPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_SOCKET_KILLER (self));

  VPND_SOCKET_KILLER_GET_IFACE (self)->end_async (self, plan, cancellable, callback, user_data);
}

/**
 * vpnd_socket_killer_end_finish:
 * @self: the port
 * @result: what the callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndSocketKillerInterface.
 *
 * Returns: see VpndSocketKillerInterface
 */
gboolean
vpnd_socket_killer_end_finish (VpndSocketKiller *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_SOCKET_KILLER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
