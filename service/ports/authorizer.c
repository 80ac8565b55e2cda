/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndAuthorizer: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "authorizer.h"

G_DEFINE_INTERFACE (VpndAuthorizer, vpnd_authorizer, G_TYPE_OBJECT)

static void
vpnd_authorizer_default_init (VpndAuthorizerInterface *iface)
{
}

/**
 * vpnd_authorizer_check_async:
 * @self: the port
 * @sender: see VpndAuthorizerInterface
 * @action: see VpndAuthorizerInterface
 * @details: see VpndAuthorizerInterface
 * @interactive: see VpndAuthorizerInterface
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndAuthorizerInterface.
 */
void
vpnd_authorizer_check_async (VpndAuthorizer *self, const char *sender, const char *action, GHashTable *details, gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_AUTHORIZER (self));

  VPND_AUTHORIZER_GET_IFACE (self)->check_async (self, sender, action, details, interactive, cancellable, callback, user_data);
}

/**
 * vpnd_authorizer_check_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * Dispatches; see VpndAuthorizerInterface.
 *
 * Returns: see VpndAuthorizerInterface
 */
gboolean
vpnd_authorizer_check_finish (VpndAuthorizer *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_AUTHORIZER (self), FALSE);

  return VPND_AUTHORIZER_GET_IFACE (self)->check_finish (self, result, error);
}
