/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The executor: performs a list of effects through the ports, one after the other, with the ledger written before and after.
 * Stops at the first failure unless the effect says to keep going. Decides nothing and knows no state.
 */
#pragma once

#include "effect.h"

#include "firewall.h"
#include "resolver.h"
#include "router.h"
#include "socket-killer.h"
#include "tunnel.h"

#include "ledger.h"
#include "profile-store.h"

G_BEGIN_DECLS

/* Effects that concern nothing but the daemon itself (watches, timers, signals) are handed back to the engine. */
typedef void (*VpndLocalEffectFunc) (const VpndEffect *effect, gpointer user_data);

/**
 * VpndExecutorPorts: all (unowned); the executor takes references
 */
typedef struct
{
  VpndFirewall *firewall;
  VpndTunnel *tunnel;
  VpndRouter *router;
  VpndResolver *resolver;
  VpndSocketKiller *socket_killer;
} VpndExecutorPorts;

/**
 * VpndExecutorFailure:
 * @effect: the effect that failed
 * @keep_going: the effects after it were performed all the same
 * @error: (owned): why
 */
typedef struct
{
  VpndEffectKind effect;
  gboolean keep_going;
  GError *error;
} VpndExecutorFailure;

#define VPND_TYPE_EXECUTOR (vpnd_executor_get_type ())
/* Signal "blocking" (): our rules have come into force; vpnd_executor_is_blocking () says so from here on. */
G_DECLARE_FINAL_TYPE (VpndExecutor, vpnd_executor, VPND, EXECUTOR, GObject)

VpndExecutor *vpnd_executor_new (const VpndExecutorPorts *ports, VpndLedger *ledger, VpndProfileStore *profiles, VpndLocalEffectFunc local_func, gpointer user_data);

void vpnd_executor_run_async (VpndExecutor *self, GPtrArray *effects, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GArray *vpnd_executor_run_finish (VpndExecutor *self, GAsyncResult *result);

gboolean vpnd_executor_is_blocking (VpndExecutor *self);
void vpnd_executor_doubt_blocking (VpndExecutor *self);
gboolean vpnd_executor_sysctls_hold (VpndExecutor *self);

G_END_DECLS
