/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: where the facts about the host's network come from.
 * Real: backends/facts-rtnl. Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "facts.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_FACTS_SOURCE (vpnd_facts_source_get_type ())
G_DECLARE_INTERFACE (VpndFactsSource, vpnd_facts_source, VPND, FACTS_SOURCE, GObject)

/**
 * VpndFactsSourceInterface:
 * @start_async: read everything once and keep watching
 * @get: Returns: (transfer full): the facts as known now; never NULL after start
 *
 * Signal "changed": get () now returns something that is not equal to what it returned before (debounced).
 */
struct _VpndFactsSourceInterface
{
  GTypeInterface parent_iface;

  void (*start_async) (VpndFactsSource *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  VpndFacts *(*get) (VpndFactsSource *self);
};

void vpnd_facts_source_start_async (VpndFactsSource *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_facts_source_start_finish (VpndFactsSource *self, GAsyncResult *result, GError **error);
VpndFacts *vpnd_facts_source_get (VpndFactsSource *self);
void vpnd_facts_source_emit_changed (VpndFactsSource *self);

G_END_DECLS
