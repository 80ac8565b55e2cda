/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndRouter: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "router.h"

G_DEFINE_INTERFACE (VpndRouter, vpnd_router, G_TYPE_OBJECT)

enum
{
  SIGNAL_DISTURBED,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration, never written again */

static void
vpnd_router_default_init (VpndRouterInterface *iface)
{
  signals[SIGNAL_DISTURBED] = g_signal_new ("disturbed", VPND_TYPE_ROUTER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

/**
 * vpnd_router_apply_async:
 * @self: the port
 * @diff: see VpndRouterInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndRouterInterface.
 */
void
vpnd_router_apply_async (VpndRouter *self, const VpndRouteDiff *diff, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_ROUTER (self));

  VPND_ROUTER_GET_IFACE (self)->apply_async (self, diff, cancellable, callback, user_data);
}

/**
 * vpnd_router_apply_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndRouterInterface.
 *
 * Returns: see VpndRouterInterface
 */
gboolean
vpnd_router_apply_finish (VpndRouter *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_ROUTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_router_clear_async:
 * @self: the port
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndRouterInterface.
 */
void
vpnd_router_clear_async (VpndRouter *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_ROUTER (self));

  VPND_ROUTER_GET_IFACE (self)->clear_async (self, cancellable, callback, user_data);
}

/**
 * vpnd_router_clear_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndRouterInterface.
 *
 * Returns: see VpndRouterInterface
 */
gboolean
vpnd_router_clear_finish (VpndRouter *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_ROUTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_router_read_sysctl:
 * @self: the port
 * @name: see VpndRouterInterface
 *
 * Dispatches; see VpndRouterInterface.
 *
 * Returns: see VpndRouterInterface
 */
char *
vpnd_router_read_sysctl (VpndRouter *self, const char *name)
{
  g_return_val_if_fail (VPND_IS_ROUTER (self), NULL);

  return VPND_ROUTER_GET_IFACE (self)->read_sysctl (self, name);
}

/**
 * vpnd_router_write_sysctls_async:
 * @self: the port
 * @values: see VpndRouterInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndRouterInterface.
 */
void
vpnd_router_write_sysctls_async (VpndRouter *self, GHashTable *values, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_ROUTER (self));

  VPND_ROUTER_GET_IFACE (self)->write_sysctls_async (self, values, cancellable, callback, user_data);
}

/**
 * vpnd_router_write_sysctls_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndRouterInterface.
 *
 * Returns: see VpndRouterInterface
 */
gboolean
vpnd_router_write_sysctls_finish (VpndRouter *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_ROUTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_router_watch:
 * @self: the port
 * @plan: (nullable): see VpndRouterInterface
 *
 * Dispatches; see VpndRouterInterface.
 */
void
vpnd_router_watch (VpndRouter *self, VpndRoutePlan *plan)
{
  g_return_if_fail (VPND_IS_ROUTER (self));

  VPND_ROUTER_GET_IFACE (self)->watch (self, plan);
}

/**
 * vpnd_router_emit_disturbed:
 * @self: the port
 * @what: see VpndRouterInterface
 *
 * For implementations: emits the signal "disturbed".
 */
void
vpnd_router_emit_disturbed (VpndRouter *self, const char *what)
{
  g_return_if_fail (VPND_IS_ROUTER (self));

  g_signal_emit (self, signals[SIGNAL_DISTURBED], 0, what);
}
