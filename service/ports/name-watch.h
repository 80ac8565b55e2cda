/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: sees the DNS answers that the rules hold (VPND_STATEMENT_QUEUE with VPND_NAME_QUEUE), tells what is in them, and lets them go.
 * Decides nothing about names: which of them count is core/name-table's. Real: backends/name-watch-queue. Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "dns-answer.h"
#include "ruleset.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_NAME_WATCH_HOLD_MS 50u /* an answer is let go after this time whatever happens */

#define VPND_TYPE_NAME_WATCH (vpnd_name_watch_get_type ())
G_DECLARE_INTERFACE (VpndNameWatch, vpnd_name_watch, VPND, NAME_WATCH, GObject)

/**
 * VpndNameWatchInterface:
 * @start_async: listen to the queue and find out in which form the kernel holds packets; starting twice is no error
 *   Answers: the form that rules have to use; VPND_QUEUE_NONE with VPND_ERROR_KERNEL_FEATURE (names the CONFIG_ option) or a
 *   G_IO_ERROR, and then nothing is listened to
 * @stop: let everything go and listen no more; rules that still hold packets hold none from then on
 * @release: let the answer go that has this ticket; a no-op when it is gone
 *
 * Signal "answer" (ticket: guint64, answer: VpndDnsAnswer): an answer with addresses in it has come and is held until release () or until VPND_NAME_WATCH_HOLD_MS
 * are over. Tickets grow by the order of arrival. What is no answer, or has no address in it, is let go without a signal.
 */
struct _VpndNameWatchInterface
{
  GTypeInterface parent_iface;

  void (*start_async) (VpndNameWatch *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*stop) (VpndNameWatch *self);
  void (*release) (VpndNameWatch *self, guint64 ticket);
};

void vpnd_name_watch_start_async (VpndNameWatch *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndQueueForm vpnd_name_watch_start_finish (VpndNameWatch *self, GAsyncResult *result, GError **error);
void vpnd_name_watch_stop (VpndNameWatch *self);
void vpnd_name_watch_release (VpndNameWatch *self, guint64 ticket);
void vpnd_name_watch_emit_answer (VpndNameWatch *self, guint64 ticket, const VpndDnsAnswer *answer);

G_END_DECLS
