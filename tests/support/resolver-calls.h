/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The calls of a resolver as a test makes them: each waits for its end. And a wait for what it tells by itself.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

gboolean resolver_apply (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GError **error);
gboolean resolver_restore (VpndResolver *resolver, GError **error);
void resolver_on_done (GObject *source, GAsyncResult *result, gpointer user_data);
void resolver_on_overwritten (VpndResolver *resolver, const char *reason, gpointer user_data);
void resolver_run_until (const guint *count, guint wanted, guint ms);

G_END_DECLS
