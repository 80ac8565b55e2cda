/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The calls of a resolver as a test makes them: each waits for its end. And a wait for what it tells by itself.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

#define RESOLVER_DEADLINE_MS 20000             /* for resolver_run_until(): a bound for what comes, at most a second later on a machine with nothing else to do */
#define RESOLVER_HELD_US (15 * G_USEC_PER_SEC) /* by a service that does not answer, which is waited for a second at each step; GDBus would wait for 25 */

gboolean resolver_apply (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GError **error);
gboolean resolver_restore (VpndResolver *resolver, GError **error);
void resolver_on_done (GObject *source, GAsyncResult *result, gpointer user_data);
void resolver_on_overwritten (VpndResolver *resolver, const char *reason, gpointer user_data);
void resolver_run_until (const guint *count, guint wanted, guint ms);

/* Runs the main loop until @condition holds, which must come. */
#define RESOLVER_WAIT(condition)                                                        \
  G_STMT_START                                                                          \
  {                                                                                     \
    const gint64 resolver_end = g_get_monotonic_time () + RESOLVER_DEADLINE_MS * 1000L; \
    const guint resolver_never = 0;                                                     \
                                                                                        \
    while (!(condition))                                                                \
      {                                                                                 \
        g_assert_cmpint (g_get_monotonic_time (), <, resolver_end);                     \
        resolver_run_until (&resolver_never, 1, 10);                                    \
      }                                                                                 \
  }                                                                                     \
  G_STMT_END

G_END_DECLS
