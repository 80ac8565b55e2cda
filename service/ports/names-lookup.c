/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndNamesLookup: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "names-lookup.h"

G_DEFINE_INTERFACE (VpndNamesLookup, vpnd_names_lookup, G_TYPE_OBJECT)

static void
vpnd_names_lookup_default_init (VpndNamesLookupInterface *iface)
{
}

/**
 * vpnd_names_lookup_lookup_async:
 * @self: the port
 * @host: see VpndNamesLookupInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndNamesLookupInterface.
 */
void
vpnd_names_lookup_lookup_async (VpndNamesLookup *self, const char *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_NAMES_LOOKUP (self));

  VPND_NAMES_LOOKUP_GET_IFACE (self)->lookup_async (self, host, cancellable, callback, user_data);
}

/**
 * vpnd_names_lookup_lookup_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndNamesLookupInterface.
 *
 * Returns: see VpndNamesLookupInterface
 */
GArray *
vpnd_names_lookup_lookup_finish (VpndNamesLookup *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_NAMES_LOOKUP (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
