/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: addresses, routes, policy rules and the network sysctls that go with them.
 * Real: backends/router-rtnl. Fake: tests/fakes/fake-router.
 */
#pragma once

#include "route-plan.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_ROUTER (vpnd_router_get_type ())
G_DECLARE_INTERFACE (VpndRouter, vpnd_router, VPND, ROUTER, GObject)

/**
 * VpndRouterInterface:
 * @apply_async: perform @diff in one send, in the order that VpndRouteDiff states; an entry that exists already (add) or is
 *   gone already (delete) is success. Errors: VPND_ERROR_ROUTING with the entry's text and the kernel's word
 * @clear_async: remove every rule and route that carries our protocol number (also those of an earlier instance); our link's
 *   addresses go with the link
 * @set_sysctls_async: write each name=value of @wanted (element-type utf8, names relative to /proc/sys/net, e.g.
 *   "ipv4/conf/all/src_valid_mark" -> "1"); a name that does not exist is skipped
 * @set_sysctls_finish: Returns: (transfer container) (element-type utf8 utf8): the values from before, of those that were changed
 */
struct _VpndRouterInterface
{
  GTypeInterface parent_iface;

  void (*apply_async) (VpndRouter *self, const VpndRouteDiff *diff, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*apply_finish) (VpndRouter *self, GAsyncResult *result, GError **error);
  void (*clear_async) (VpndRouter *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*clear_finish) (VpndRouter *self, GAsyncResult *result, GError **error);
  void (*set_sysctls_async) (VpndRouter *self, GHashTable *wanted, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  GHashTable *(*set_sysctls_finish) (VpndRouter *self, GAsyncResult *result, GError **error);
};

void vpnd_router_apply_async (VpndRouter *self, const VpndRouteDiff *diff, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_router_apply_finish (VpndRouter *self, GAsyncResult *result, GError **error);
void vpnd_router_clear_async (VpndRouter *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_router_clear_finish (VpndRouter *self, GAsyncResult *result, GError **error);
void vpnd_router_set_sysctls_async (VpndRouter *self, GHashTable *wanted, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GHashTable *vpnd_router_set_sysctls_finish (VpndRouter *self, GAsyncResult *result, GError **error);

G_END_DECLS
