/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndProber: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "prober.h"

G_DEFINE_INTERFACE (VpndProber, vpnd_prober, G_TYPE_OBJECT)

static void
vpnd_prober_default_init (VpndProberInterface *iface)
{
}

/**
 * vpnd_prober_probe:
 * @self: the port
 * @ifname: see VpndProberInterface
 * @target: see VpndProberInterface
 * @error: return location for an error
 *
 * Dispatches; see VpndProberInterface.
 *
 * Returns: see VpndProberInterface
 */
gboolean
vpnd_prober_probe (VpndProber *self, const char *ifname, const VpndAddr *target, GError **error)
{
  g_return_val_if_fail (VPND_IS_PROBER (self), FALSE);

  return VPND_PROBER_GET_IFACE (self)->probe (self, ifname, target, error);
}

/**
 * vpnd_prober_read_path_mtu:
 * @self: the port
 * @peer: see VpndProberInterface
 * @fwmark: see VpndProberInterface
 *
 * Dispatches; see VpndProberInterface.
 *
 * Returns: see VpndProberInterface
 */
guint32
vpnd_prober_read_path_mtu (VpndProber *self, const VpndEndpoint *peer, guint32 fwmark)
{
  g_return_val_if_fail (VPND_IS_PROBER (self), 0);

  return VPND_PROBER_GET_IFACE (self)->read_path_mtu (self, peer, fwmark);
}

/**
 * vpnd_prober_try_size_async:
 * @self: the port
 * @ifname: see VpndProberInterface
 * @targets: (array length=n_targets): see VpndProberInterface
 * @n_targets: how many
 * @bytes: see VpndProberInterface
 * @timeout_ms: see VpndProberInterface
 * @cancellable: (nullable): ends the waiting
 * @callback: called with the result
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndProberInterface.
 */
void
vpnd_prober_try_size_async (VpndProber *self, const char *ifname, const VpndAddr *targets, guint n_targets, guint32 bytes, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_PROBER (self));

  VPND_PROBER_GET_IFACE (self)->try_size_async (self, ifname, targets, n_targets, bytes, timeout_ms, cancellable, callback, user_data);
}

/**
 * vpnd_prober_try_size_finish:
 * @self: the port
 * @result: what the callback received
 * @error: return location for an error: G_IO_ERROR_CANCELLED
 *
 * What the implementation answered; see VpndProberInterface.
 *
 * Returns: see VpndProberInterface
 */
gboolean
vpnd_prober_try_size_finish (VpndProber *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_PROBER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_prober_find_port:
 * @self: the port
 * @first: the lowest UDP port that is wanted, host byte order
 * @last: the highest
 *
 * Dispatches; see VpndProberInterface.
 *
 * Returns: see VpndProberInterface
 */
guint16
vpnd_prober_find_port (VpndProber *self, guint16 first, guint16 last)
{
  g_return_val_if_fail (VPND_IS_PROBER (self), first);
  g_return_val_if_fail (first <= last, first);

  return VPND_PROBER_GET_IFACE (self)->find_port (self, first, last);
}
