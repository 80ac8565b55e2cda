/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndNameWatch: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "name-watch.h"

G_DEFINE_INTERFACE (VpndNameWatch, vpnd_name_watch, G_TYPE_OBJECT)

enum
{
  SIGNAL_ANSWER,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration, never written again */

static void
vpnd_name_watch_default_init (VpndNameWatchInterface *iface)
{
  signals[SIGNAL_ANSWER] =
      g_signal_new ("answer", VPND_TYPE_NAME_WATCH, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_UINT64, G_TYPE_POINTER);
}

/**
 * vpnd_name_watch_start_async:
 * @self: the port
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Dispatches; see VpndNameWatchInterface.
 */
void
vpnd_name_watch_start_async (VpndNameWatch *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (VPND_IS_NAME_WATCH (self));

  VPND_NAME_WATCH_GET_IFACE (self)->start_async (self, cancellable, callback, user_data);
}

/**
 * vpnd_name_watch_start_finish:
 * @self: the port
 * @result: what @callback received
 * @error: return location for an error
 *
 * What the implementation answered; see VpndNameWatchInterface.
 *
 * Returns: see VpndNameWatchInterface
 */
VpndQueueForm
vpnd_name_watch_start_finish (VpndNameWatch *self, GAsyncResult *result, GError **error)
{
  gssize form;

  g_return_val_if_fail (VPND_IS_NAME_WATCH (self), VPND_QUEUE_NONE);
  g_return_val_if_fail (g_task_is_valid (result, self), VPND_QUEUE_NONE);

  form = g_task_propagate_int (G_TASK (result), error);
  return form > 0 ? (VpndQueueForm) form : VPND_QUEUE_NONE;
}

/**
 * vpnd_name_watch_stop:
 * @self: the port
 *
 * Dispatches; see VpndNameWatchInterface.
 */
void
vpnd_name_watch_stop (VpndNameWatch *self)
{
  g_return_if_fail (VPND_IS_NAME_WATCH (self));

  VPND_NAME_WATCH_GET_IFACE (self)->stop (self);
}

/**
 * vpnd_name_watch_release:
 * @self: the port
 * @ticket: see VpndNameWatchInterface
 *
 * Dispatches; see VpndNameWatchInterface.
 */
void
vpnd_name_watch_release (VpndNameWatch *self, guint64 ticket)
{
  g_return_if_fail (VPND_IS_NAME_WATCH (self));

  VPND_NAME_WATCH_GET_IFACE (self)->release (self, ticket);
}

/**
 * vpnd_name_watch_emit_answer:
 * @self: the port
 * @ticket: number of the held packet
 * @answer: what is in it; valid during the call only
 *
 * For implementations: emits the signal "answer".
 */
void
vpnd_name_watch_emit_answer (VpndNameWatch *self, guint64 ticket, const VpndDnsAnswer *answer)
{
  g_return_if_fail (VPND_IS_NAME_WATCH (self));

  g_signal_emit (self, signals[SIGNAL_ANSWER], 0, ticket, answer);
}
