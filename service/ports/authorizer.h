/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: may this sender do this?
 * Real: backends/authorizer-polkit. Fake: tests/bus/scripted_polkit.py, on the bus of the tests.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_AUTHORIZER (vpnd_authorizer_get_type ())
G_DECLARE_INTERFACE (VpndAuthorizer, vpnd_authorizer, VPND, AUTHORIZER, GObject)

/**
 * VpndAuthorizerInterface:
 * @check_async: ask whether the owner of the unique bus name @sender holds polkit action @action; @details (nullable)
 *   (element-type utf8 utf8) are shown in the dialog; @interactive allows one. @cancellable is cancelled when the sender leaves
 * @check_finish: TRUE when authorised. FALSE with VPND_ERROR_NOT_AUTHORIZED when not, and on any failure whatsoever
 */
struct _VpndAuthorizerInterface
{
  GTypeInterface parent_iface;

  void (*check_async) (VpndAuthorizer *self, const char *sender, const char *action, GHashTable *details, gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*check_finish) (VpndAuthorizer *self, GAsyncResult *result, GError **error);
};

void vpnd_authorizer_check_async (VpndAuthorizer *self, const char *sender, const char *action, GHashTable *details, gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_authorizer_check_finish (VpndAuthorizer *self, GAsyncResult *result, GError **error);

G_END_DECLS
