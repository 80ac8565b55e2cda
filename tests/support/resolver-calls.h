/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The calls of a resolver as a test makes them: each waits for its end. And a wait for what it tells by itself.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

#define RESOLVER_DEADLINE_MS 20000 /* for what must come: at most a second later on a machine with nothing else to do */

gboolean resolver_apply (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GError **error);
gboolean resolver_restore (VpndResolver *resolver, GError **error);
char *resolver_first_outside (VpndResolver *resolver);
void resolver_on_outside_changed (VpndResolver *resolver, gpointer user_data);
void resolver_on_done (GObject *source, GAsyncResult *result, gpointer user_data);
void resolver_on_overwritten (VpndResolver *resolver, const char *reason, gpointer user_data);
gboolean resolver_on_tick (gpointer user_data);
void resolver_run_until (const guint *count, guint wanted, guint ms);

/* Runs the main loop until @condition holds, which must come; looks after each dispatch, and each 10 ms. */
#define RESOLVER_WAIT(condition)                                                        \
  G_STMT_START                                                                          \
  {                                                                                     \
    const gint64 resolver_end = g_get_monotonic_time () + RESOLVER_DEADLINE_MS * 1000L; \
    const guint resolver_tick = g_timeout_add (10, resolver_on_tick, NULL);             \
                                                                                        \
    while (!(condition))                                                                \
      {                                                                                 \
        g_assert_cmpint (g_get_monotonic_time (), <, resolver_end);                     \
        g_main_context_iteration (NULL, TRUE);                                          \
      }                                                                                 \
    g_source_remove (resolver_tick);                                                    \
  }                                                                                     \
  G_STMT_END

G_END_DECLS
