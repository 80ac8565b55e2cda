/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndResolver: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "resolver.h"

#include "error.h"

G_DEFINE_INTERFACE (VpndResolver, vpnd_resolver, G_TYPE_OBJECT)

enum
{
  SIGNAL_OVERWRITTEN,
  SIGNAL_UNTOLD,
  SIGNAL_OUTSIDE_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration, never written again */

static void
vpnd_resolver_default_init (VpndResolverInterface *iface)
{
  signals[SIGNAL_OVERWRITTEN] = g_signal_new ("overwritten", VPND_TYPE_RESOLVER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[SIGNAL_UNTOLD] = g_signal_new ("untold", VPND_TYPE_RESOLVER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[SIGNAL_OUTSIDE_CHANGED] = g_signal_new ("outside-changed", VPND_TYPE_RESOLVER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

/**
 * vpnd_resolver_apply_async:
 * @self: the port
 * @plan: see VpndResolverInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndResolverInterface.
 */
void
vpnd_resolver_apply_async (VpndResolver *self, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_RESOLVER (self));

  VPND_RESOLVER_GET_IFACE (self)->apply_async (self, plan, cancellable, callback, user_data);
}

/**
 * vpnd_resolver_apply_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndResolverInterface.
 *
 * Returns: see VpndResolverInterface
 */
gboolean
vpnd_resolver_apply_finish (VpndResolver *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_RESOLVER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_resolver_restore_async:
 * @self: the port
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndResolverInterface.
 */
void
vpnd_resolver_restore_async (VpndResolver *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_RESOLVER (self));

  VPND_RESOLVER_GET_IFACE (self)->restore_async (self, cancellable, callback, user_data);
}

/**
 * vpnd_resolver_restore_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndResolverInterface.
 *
 * Returns: see VpndResolverInterface
 */
gboolean
vpnd_resolver_restore_finish (VpndResolver *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_RESOLVER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_resolver_describe_async:
 * @self: the port
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndResolverInterface. One backend alone cannot tell who owns DNS: VPND_ERROR_NOT_SUPPORTED.
 */
void
vpnd_resolver_describe_async (VpndResolver *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_RESOLVER (self));

  if (VPND_RESOLVER_GET_IFACE (self)->describe_async == NULL)
    g_task_report_new_error (self, callback, user_data, vpnd_resolver_describe_async, VPND_ERROR, VPND_ERROR_NOT_SUPPORTED, "who owns DNS is not known here");
  else
    VPND_RESOLVER_GET_IFACE (self)->describe_async (self, cancellable, callback, user_data);
}

/**
 * vpnd_resolver_describe_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndResolverInterface.
 *
 * Returns: (transfer full) (nullable): a{sv}
 */
GVariant *
vpnd_resolver_describe_finish (VpndResolver *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_RESOLVER (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * vpnd_resolver_dup_outside:
 * @self: the port
 *
 * Dispatches; see VpndResolverInterface.
 *
 * Returns: (transfer full) (nullable) (element-type VpndAddr): see VpndResolverInterface; empty where that is not implemented
 */
GArray *
vpnd_resolver_dup_outside (VpndResolver *self)
{
  VpndResolverInterface *iface;

  g_return_val_if_fail (VPND_IS_RESOLVER (self), NULL);

  iface = VPND_RESOLVER_GET_IFACE (self);
  return iface->dup_outside != NULL ? iface->dup_outside (self) : g_array_new (FALSE, FALSE, sizeof (VpndAddr));
}

/**
 * vpnd_resolver_emit_overwritten:
 * @self: the port
 * @reason: what happened, a clause for the log
 *
 * For implementations: emits the signal "overwritten".
 */
void
vpnd_resolver_emit_overwritten (VpndResolver *self, const char *reason)
{
  g_return_if_fail (VPND_IS_RESOLVER (self));

  g_signal_emit (self, signals[SIGNAL_OVERWRITTEN], 0, reason);
}

/**
 * vpnd_resolver_emit_untold:
 * @self: the port
 * @reason: what happened, a clause for the log
 *
 * For implementations: emits the signal "untold".
 */
void
vpnd_resolver_emit_untold (VpndResolver *self, const char *reason)
{
  g_return_if_fail (VPND_IS_RESOLVER (self));

  g_signal_emit (self, signals[SIGNAL_UNTOLD], 0, reason);
}

/**
 * vpnd_resolver_emit_outside_changed:
 * @self: the port
 *
 * For implementations: emits the signal "outside-changed".
 */
void
vpnd_resolver_emit_outside_changed (VpndResolver *self)
{
  g_return_if_fail (VPND_IS_RESOLVER (self));

  g_signal_emit (self, signals[SIGNAL_OUTSIDE_CHANGED], 0);
}
