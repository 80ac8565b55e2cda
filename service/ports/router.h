/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: addresses, routes, policy rules and the network sysctls that go with them.
 * Real: backends/router-rtnl. Fake: in tests/fakes/fake-host.
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
 * @read_sysctl: Returns: (transfer full) (nullable): value of a name relative to /proc/sys/net ("ipv4/conf/all/src_valid_mark"), without the
 *   newline; NULL when there is no such name. Synchronous: procfs does not block
 * @write_sysctls_async: write each name -> value of @values (element-type utf8 utf8); a name that does not exist is skipped
 * @watch: compare the host with @plan now and whenever it may have changed; NULL ends that. Replaces any former watch. Only what is
 *   missing counts, and not a link that is gone (the tunnel port tells that). Whoever changes the host through this port ends the watch before
 *
 * Signal "disturbed" (with what is missing, utf8, without addresses): the host is not what @watch was told. It is told once for each
 * time that the host was looked at; who repairs calls @watch again.
 */
struct _VpndRouterInterface
{
  GTypeInterface parent_iface;

  void (*apply_async) (VpndRouter *self, const VpndRouteDiff *diff, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*clear_async) (VpndRouter *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  char *(*read_sysctl) (VpndRouter *self, const char *name);
  void (*write_sysctls_async) (VpndRouter *self, GHashTable *values, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*watch) (VpndRouter *self, VpndRoutePlan *plan);
};

void vpnd_router_apply_async (VpndRouter *self, const VpndRouteDiff *diff, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_router_apply_finish (VpndRouter *self, GAsyncResult *result, GError **error);
void vpnd_router_clear_async (VpndRouter *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_router_clear_finish (VpndRouter *self, GAsyncResult *result, GError **error);
char *vpnd_router_read_sysctl (VpndRouter *self, const char *name);
void vpnd_router_write_sysctls_async (VpndRouter *self, GHashTable *values, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_router_write_sysctls_finish (VpndRouter *self, GAsyncResult *result, GError **error);
void vpnd_router_watch (VpndRouter *self, VpndRoutePlan *plan);
void vpnd_router_emit_disturbed (VpndRouter *self, const char *what);

G_END_DECLS
