/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: ends connections that programs opened before the lock.
 * Real: backends/socket-killer-diag. Fake: tests/fakes/fake-host.
 */
#pragma once

#include "socket-plan.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_SOCKET_KILLER (vpnd_socket_killer_get_type ())
G_DECLARE_INTERFACE (VpndSocketKiller, vpnd_socket_killer, VPND, SOCKET_KILLER, GObject)

/**
 * VpndSocketKillerInterface:
 * @end_async: end every TCP connection and every connected UDP socket of this network namespace that @plan ends; their programs are told
 *   ECONNABORTED
 *   Answers: FALSE with VPND_ERROR_KERNEL_FEATURE where the kernel cannot, VPND_ERROR_FAILED where it did not; what could be ended has been
 */
struct _VpndSocketKillerInterface
{
  GTypeInterface parent_iface;

  void (*end_async) (VpndSocketKiller *self, VpndSocketPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
};

void vpnd_socket_killer_end_async (VpndSocketKiller *self, VpndSocketPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_socket_killer_end_finish (VpndSocketKiller *self, GAsyncResult *result, GError **error);

G_END_DECLS
