/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: the host's DNS setting.
 * Real: backends/resolver-resolved, -networkmanager, -resolvconf and -file, and backends/resolver-auto that asks who owns DNS at each apply.
 * Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "dns-plan.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_RESOLVER (vpnd_resolver_get_type ())
G_DECLARE_INTERFACE (VpndResolver, vpnd_resolver, VPND, RESOLVER, GObject)

/**
 * VpndResolverInterface:
 * @apply_async: make @plan the host's DNS, read it back and compare. Errors: VPND_ERROR_DNS
 * @restore_async: put back what was there before, to the byte; also after a crash of an earlier instance, from what that
 *   instance saved. Not an error when there is nothing to restore
 * @describe_async: say who owns DNS, what is set and what is there: a dictionary a{sv} as org.vpnd1.Diagnostics.Dns documents it.
 *   Changes nothing and starts no service
 * @dup_outside: (nullable): (transfer full) (nullable) (element-type VpndAddr): resolvers that the networks of this host gave, as far as they are known now;
 *   none on loopback. NULL while there is nothing to be seen but those that were set: what was known before holds
 *
 * Signal "overwritten" (utf8): another program changed the setting, or the service that held it began anew; the text says which.
 * Signal "untold" (utf8): a service that programs ask has come and has not been told; nobody changed anything. The text says which.
 * Signal "outside-changed": what @dup_outside returns may be another thing now. Emitted at any time after its first call.
 * The first two are emitted between a successful apply and the restore; the setting is not put back until it is applied again.
 */
struct _VpndResolverInterface
{
  GTypeInterface parent_iface;

  void (*apply_async) (VpndResolver *self, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*restore_async) (VpndResolver *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*describe_async) (VpndResolver *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  GArray *(*dup_outside) (VpndResolver *self);
};

void vpnd_resolver_apply_async (VpndResolver *self, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_resolver_apply_finish (VpndResolver *self, GAsyncResult *result, GError **error);
void vpnd_resolver_restore_async (VpndResolver *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_resolver_restore_finish (VpndResolver *self, GAsyncResult *result, GError **error);
void vpnd_resolver_describe_async (VpndResolver *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GVariant *vpnd_resolver_describe_finish (VpndResolver *self, GAsyncResult *result, GError **error);
GArray *vpnd_resolver_dup_outside (VpndResolver *self);
void vpnd_resolver_emit_overwritten (VpndResolver *self, const char *reason);
void vpnd_resolver_emit_untold (VpndResolver *self, const char *reason);
void vpnd_resolver_emit_outside_changed (VpndResolver *self);

G_END_DECLS
