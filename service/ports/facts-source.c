/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndFactsSource: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "facts-source.h"

G_DEFINE_INTERFACE (VpndFactsSource, vpnd_facts_source, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration, never written again */

static void
vpnd_facts_source_default_init (VpndFactsSourceInterface *iface)
{
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", VPND_TYPE_FACTS_SOURCE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

/**
 * vpnd_facts_source_start_async:
 * @self: the port
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndFactsSourceInterface.
 */
void
vpnd_facts_source_start_async (VpndFactsSource *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_FACTS_SOURCE (self));

  VPND_FACTS_SOURCE_GET_IFACE (self)->start_async (self, cancellable, callback, user_data);
}

/**
 * vpnd_facts_source_start_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndFactsSourceInterface.
 *
 * Returns: see VpndFactsSourceInterface
 */
gboolean
vpnd_facts_source_start_finish (VpndFactsSource *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (VPND_IS_FACTS_SOURCE (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_facts_source_get:
 * @self: the port
 *
 * Dispatches; see VpndFactsSourceInterface.
 *
 * Returns: see VpndFactsSourceInterface
 */
VpndFacts *
vpnd_facts_source_get (VpndFactsSource *self)
{
  g_return_val_if_fail (VPND_IS_FACTS_SOURCE (self), NULL);

  return VPND_FACTS_SOURCE_GET_IFACE (self)->get (self);
}

/**
 * vpnd_facts_source_emit_changed:
 * @self: the port
 *
 * For implementations: emits the signal "changed".
 */
void
vpnd_facts_source_emit_changed (VpndFactsSource *self)
{
  g_return_if_fail (VPND_IS_FACTS_SOURCE (self));

  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}
