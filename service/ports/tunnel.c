/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndTunnel: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "tunnel.h"

G_DEFINE_INTERFACE (VpndTunnel, vpnd_tunnel, G_TYPE_OBJECT)

enum
{
  SIGNAL_LOST,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration, never written again */

static void
vpnd_tunnel_default_init (VpndTunnelInterface *iface)
{
  signals[SIGNAL_LOST] = g_signal_new ("lost", VPND_TYPE_TUNNEL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

/**
 * vpnd_tunnel_create_async:
 * @self: the port
 * @ifname: see VpndTunnelInterface
 * @backend: see VpndTunnelInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndTunnelInterface.
 */
void
vpnd_tunnel_create_async (VpndTunnel *self, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_TUNNEL (self));

  VPND_TUNNEL_GET_IFACE (self)->create_async (self, ifname, backend, cancellable, callback, user_data);
}

/**
 * vpnd_tunnel_create_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndTunnelInterface.
 *
 * Returns: see VpndTunnelInterface
 */
gboolean
vpnd_tunnel_create_finish (VpndTunnel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_TUNNEL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_tunnel_configure_async:
 * @self: the port
 * @ifname: see VpndTunnelInterface
 * @config: see VpndTunnelInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndTunnelInterface.
 */
void
vpnd_tunnel_configure_async (VpndTunnel *self, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_TUNNEL (self));

  VPND_TUNNEL_GET_IFACE (self)->configure_async (self, ifname, config, cancellable, callback, user_data);
}

/**
 * vpnd_tunnel_configure_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndTunnelInterface.
 *
 * Returns: see VpndTunnelInterface
 */
gboolean
vpnd_tunnel_configure_finish (VpndTunnel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_TUNNEL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_tunnel_read_stats_async:
 * @self: the port
 * @ifname: see VpndTunnelInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndTunnelInterface.
 */
void
vpnd_tunnel_read_stats_async (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_TUNNEL (self));

  VPND_TUNNEL_GET_IFACE (self)->read_stats_async (self, ifname, cancellable, callback, user_data);
}

/**
 * vpnd_tunnel_read_stats_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndTunnelInterface.
 *
 * Returns: see VpndTunnelInterface
 */
GArray *
vpnd_tunnel_read_stats_finish (VpndTunnel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_TUNNEL (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * vpnd_tunnel_destroy_async:
 * @self: the port
 * @ifname: see VpndTunnelInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndTunnelInterface.
 */
void
vpnd_tunnel_destroy_async (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_TUNNEL (self));

  VPND_TUNNEL_GET_IFACE (self)->destroy_async (self, ifname, cancellable, callback, user_data);
}

/**
 * vpnd_tunnel_destroy_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndTunnelInterface.
 *
 * Returns: see VpndTunnelInterface
 */
gboolean
vpnd_tunnel_destroy_finish (VpndTunnel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_TUNNEL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_tunnel_get_active:
 * @self: the port
 *
 * Dispatches; see VpndTunnelInterface.
 *
 * Returns: see VpndTunnelInterface
 */
VpndBackend
vpnd_tunnel_get_active (VpndTunnel *self)
{
  g_return_val_if_fail (VPND_IS_TUNNEL (self), VPND_BACKEND_AUTO);

  return VPND_TUNNEL_GET_IFACE (self)->get_active (self);
}

/**
 * vpnd_tunnel_get_ifindex:
 * @self: the port
 *
 * Dispatches; see VpndTunnelInterface.
 *
 * Returns: see VpndTunnelInterface
 */
guint
vpnd_tunnel_get_ifindex (VpndTunnel *self)
{
  g_return_val_if_fail (VPND_IS_TUNNEL (self), 0);

  return VPND_TUNNEL_GET_IFACE (self)->get_ifindex (self);
}

/**
 * vpnd_tunnel_emit_lost:
 * @self: the port
 * @reason: see VpndTunnelInterface
 *
 * For implementations: emits the signal "lost".
 */
void
vpnd_tunnel_emit_lost (VpndTunnel *self, const char *reason)
{
  g_return_if_fail (VPND_IS_TUNNEL (self));

  g_signal_emit (self, signals[SIGNAL_LOST], 0, reason);
}
