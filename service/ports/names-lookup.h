/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: addresses of a host name (for endpoints that are given by name).
 * Real: backends/names-lookup-gio (GResolver). Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "addr.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_NAMES_LOOKUP (vpnd_names_lookup_get_type ())
G_DECLARE_INTERFACE (VpndNamesLookup, vpnd_names_lookup, VPND, NAMES_LOOKUP, GObject)

/**
 * VpndNamesLookupInterface:
 *   Answers: (transfer container) (element-type VpndAddr): at least one address, in the order answered.
 *   Errors: VPND_ERROR_ENDPOINT_UNRESOLVABLE
 */
struct _VpndNamesLookupInterface
{
  GTypeInterface parent_iface;

  void (*lookup_async) (VpndNamesLookup *self, const char *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
};

void vpnd_names_lookup_lookup_async (VpndNamesLookup *self, const char *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GArray *vpnd_names_lookup_lookup_finish (VpndNamesLookup *self, GAsyncResult *result, GError **error);

G_END_DECLS
