/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See resolver-calls.h.
 */
#include "config.h"

#include "resolver-calls.h"

/* For RESOLVER_WAIT(). */
gboolean
resolver_on_tick (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* For a call that is not waited for at once: @user_data is where the result goes. */
void
resolver_on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out_result = user_data;

  *out_result = g_object_ref (result);
}

gboolean
resolver_apply (VpndResolver *resolver, VpndDnsPlan *plan, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  vpnd_resolver_apply_async (resolver, plan, cancellable, resolver_on_done, &result);
  RESOLVER_WAIT (result != NULL);
  return vpnd_resolver_apply_finish (resolver, result, error);
}

gboolean
resolver_restore (VpndResolver *resolver, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  vpnd_resolver_restore_async (resolver, NULL, resolver_on_done, &result);
  RESOLVER_WAIT (result != NULL);
  return vpnd_resolver_restore_finish (resolver, result, error);
}

/* For the signal: @user_data is a guint that counts. */
void
resolver_on_overwritten (VpndResolver *resolver, const char *reason, gpointer user_data)
{
  g_assert_cmpint (reason[0], !=, '\0');
  (*(guint *) user_data)++;
}

/* The same of "outside-changed". */
void
resolver_on_outside_changed (VpndResolver *resolver, gpointer user_data)
{
  (*(guint *) user_data)++;
}

/* Returns: the first of the resolvers that the host's networks gave; empty for none */
char *
resolver_first_outside (VpndResolver *resolver)
{
  g_autoptr (GArray) servers = vpnd_resolver_dup_outside (resolver);
  char text[VPND_ADDR_STRLEN] = "";

  if (servers != NULL && servers->len > 0)
    vpnd_addr_format (&g_array_index (servers, VpndAddr, 0), text);
  return g_strdup (text);
}

static gboolean
on_deadline (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Runs the main loop until @count has come to @wanted, or for @ms. */
void
resolver_run_until (const guint *count, guint wanted, guint ms)
{
  gboolean is_late = FALSE;
  guint id = g_timeout_add (ms, on_deadline, &is_late);

  while (*count < wanted && !is_late)
    g_main_context_iteration (NULL, TRUE);
  if (!is_late)
    g_source_remove (id);
}
