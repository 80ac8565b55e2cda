/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndFirewall: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "firewall.h"

G_DEFINE_INTERFACE (VpndFirewall, vpnd_firewall, G_TYPE_OBJECT)

enum
{
  SIGNAL_TAMPERED,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration, never written again */

static void
vpnd_firewall_default_init (VpndFirewallInterface *iface)
{
  signals[SIGNAL_TAMPERED] = g_signal_new ("tampered", VPND_TYPE_FIREWALL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

/**
 * vpnd_firewall_apply_async:
 * @self: the port
 * @ruleset: see VpndFirewallInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndFirewallInterface.
 */
void
vpnd_firewall_apply_async (VpndFirewall *self, VpndRuleset *ruleset, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_FIREWALL (self));

  VPND_FIREWALL_GET_IFACE (self)->apply_async (self, ruleset, cancellable, callback, user_data);
}

/**
 * vpnd_firewall_apply_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndFirewallInterface.
 *
 * Returns: see VpndFirewallInterface
 */
gboolean
vpnd_firewall_apply_finish (VpndFirewall *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_FIREWALL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_firewall_remove_async:
 * @self: the port
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndFirewallInterface.
 */
void
vpnd_firewall_remove_async (VpndFirewall *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_FIREWALL (self));

  VPND_FIREWALL_GET_IFACE (self)->remove_async (self, cancellable, callback, user_data);
}

/**
 * vpnd_firewall_remove_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndFirewallInterface.
 *
 * Returns: see VpndFirewallInterface
 */
gboolean
vpnd_firewall_remove_finish (VpndFirewall *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_FIREWALL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_firewall_emit_tampered:
 * @self: the port
 *
 * For implementations: emits the signal "tampered".
 */
void
vpnd_firewall_emit_tampered (VpndFirewall *self)
{
  g_return_if_fail (VPND_IS_FIREWALL (self));

  g_signal_emit (self, signals[SIGNAL_TAMPERED], 0);
}
