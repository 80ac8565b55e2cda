/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What people ask of the engine when they want to understand a host: routes, and what is wrong. Collects from the ports and hands it to
 * core; decides nothing and changes nothing.
 */
#include "config.h"

#include "engine-private.h"

#include <string.h>

#include "doctor.h"
#include "reserved.h"
#include "route-report.h"

/* --- one look for all who ask meanwhile: anybody may ask, as often as they like, and a look costs the host something --- */

/* Takes @task. Returns: TRUE when nobody waited before, and a look is to be begun. */
static gboolean
join (GPtrArray **waiters, GTask *task)
{
  const gboolean is_first = *waiters == NULL;

  if (is_first)
    *waiters = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (*waiters, task);
  return is_first;
}

/* Gives all of @waiters what the look found; who asks from now on begins another. */
static void
answer_all (GPtrArray **waiters, GAsyncResult *look)
{
  g_autoptr (GPtrArray) waiting = g_steal_pointer (waiters);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = g_task_propagate_pointer (G_TASK (look), &error);

  for (guint i = 0; i < waiting->len; i++)
    {
      GTask *task = g_ptr_array_index (waiting, i);

      if (found != NULL)
        g_task_return_pointer (task, g_ptr_array_ref (found), (GDestroyNotify) g_ptr_array_unref);
      else
        g_task_return_error (task, g_error_copy (error));
    }
}

/* --- routes --- */

static void
on_surveyed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  g_autoptr (VpndFacts) facts = vpnd_facts_source_get (self->ports.facts_source);
  g_autoptr (VpndRouteSurvey) survey = NULL;
  GError *error = NULL;

  survey = vpnd_inspector_survey_finish (VPND_INSPECTOR (source), result, &error);
  if (survey == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, vpnd_route_report_build (self->state->routes, self->state->profile, self->settings, facts, survey), (GDestroyNotify) g_ptr_array_unref);
}

static void
on_routes_looked (GObject *source, GAsyncResult *look, gpointer user_data)
{
  answer_all (&VPND_ENGINE (source)->routes_waiters, look);
}

/**
 * vpnd_engine_query_routes_async:
 * @self: the engine
 * @cancellable: (nullable): ends the waiting
 * @callback: called with the report
 * @user_data: passed to @callback
 */
void
vpnd_engine_query_routes_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_query_routes_async);
  if (join (&self->routes_waiters, task))
    vpnd_inspector_survey_async (self->ports.inspector, VPND_IFNAME, NULL, on_surveyed, g_task_new (self, NULL, on_routes_looked, NULL));
}

/**
 * vpnd_engine_query_routes_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_ROUTING
 *
 * Returns: (transfer full) (nullable) (element-type VpndRouteEntry): plan against kernel
 */
GPtrArray *
vpnd_engine_query_routes_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- the diagnosis --- */

static void
add_counters (VpndEvidence *evidence, const GArray *stats, gint64 wall_us)
{
  gint64 newest_s = 0;

  evidence->rx_bytes = evidence->tx_bytes = 0;
  for (guint i = 0; stats != NULL && i < stats->len; i++)
    {
      const VpndPeerStats *peer = &g_array_index (stats, VpndPeerStats, i);

      evidence->rx_bytes += peer->rx_bytes;
      evidence->tx_bytes += peer->tx_bytes;
      newest_s = MAX (newest_s, peer->last_handshake_s);
    }
  if (newest_s == 0)
    return;
  evidence->handshake_s = wall_us / G_USEC_PER_SEC - newest_s;
  if (evidence->handshake_s == -1)
    evidence->handshake_s = 0; /* -1 means none; clocks may differ by that much */
}

static void
add_state (VpndEngine *self, VpndEvidence *evidence)
{
  g_autoptr (VpndFacts) facts = vpnd_facts_source_get (self->ports.facts_source);
  gint64 wall_us = vpnd_clock_wall_us (self->ports.clock);

  vpnd_evidence_set_state (evidence, self->state, self->settings, facts);
  vpnd_evidence_take (&evidence->detail, g_strdup (self->detail));
  evidence->state_s = (wall_us - self->since_us) / G_USEC_PER_SEC;
  evidence->is_blocking = vpnd_executor_is_blocking (self->executor);
  evidence->repairs = self->repairs;
  if (self->split != NULL)
    vpnd_split_tunnel_add_troubles (self->split, evidence->split_troubles);
  for (guint i = 0; i < self->warnings->len; i++)
    evidence->dns_repairs |= g_str_has_prefix (g_ptr_array_index (self->warnings, i), VPND_ENGINE_DNS_WARNING);
  add_counters (evidence, vpnd_handshake_get_stats (self->handshake), wall_us);
}

static gboolean
is_loopback (const char *text)
{
  VpndAddr addr;

  return vpnd_addr_parse (text, &addr) && vpnd_addr_is_loopback (&addr);
}

/* The dictionary of org.vpnd1.Diagnostics.Dns. */
static void
add_dns (VpndEvidence *evidence, GVariant *report)
{
  g_autofree const char **servers = NULL;
  g_autofree const char **file_servers = NULL;
  gboolean is_replaced = FALSE;
  const char *text;

  if (g_variant_lookup (report, "owner", "&s", &text))
    vpnd_evidence_take (&evidence->dns_owner, g_strdup (text));
  if (g_variant_lookup (report, "link", "&s", &text))
    vpnd_evidence_take (&evidence->resolv_conf_link, g_strdup (text));
  if (strcmp (evidence->dns_owner, "systemd-resolved") == 0)
    evidence->resolv_conf_is_locked = FALSE;                                 /* nobody writes the file then */
  (void) g_variant_lookup (report, "inForce", "b", &evidence->dns_in_force); /* absent: nothing is known against it */
  (void) g_variant_lookup (report, "replaced", "b", &is_replaced);
  if (g_variant_lookup (report, "servers", "^a&s", &servers))
    for (guint i = 0; servers[i] != NULL; i++)
      g_ptr_array_add (evidence->dns_servers, g_strdup (servers[i]));
  if (is_replaced || strcmp (evidence->dns_owner, "systemd-resolved") == 0 || !g_variant_lookup (report, "fileServers", "^a&s", &file_servers))
    return;
  for (guint i = 0; file_servers[i] != NULL && *evidence->local_resolver == '\0'; i++)
    if (is_loopback (file_servers[i]))
      vpnd_evidence_take (&evidence->local_resolver, g_strdup (file_servers[i]));
}

static void
on_stats_for_check (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  VpndEvidence *evidence = g_task_get_task_data (task);
  g_autoptr (GArray) stats = vpnd_tunnel_read_stats_finish (VPND_TUNNEL (source), result, NULL);

  add_state (self, evidence);
  if (stats != NULL)
    add_counters (evidence, stats, vpnd_clock_wall_us (self->ports.clock));
  g_task_return_pointer (task, vpnd_doctor_examine (evidence), (GDestroyNotify) g_ptr_array_unref);
}

static void
on_dns_for_check (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  g_autoptr (GVariant) report = vpnd_resolver_describe_finish (VPND_RESOLVER (source), result, NULL);

  if (report != NULL)
    add_dns (g_task_get_task_data (task), report);
  vpnd_tunnel_read_stats_async (self->ports.tunnel, VPND_IFNAME, g_task_get_cancellable (task), on_stats_for_check, g_object_ref (task));
}

static void
on_inspected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  GError *error = NULL;
  VpndEvidence *evidence = vpnd_inspector_inspect_finish (VPND_INSPECTOR (source), result, &error);

  if (evidence == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, evidence, (GDestroyNotify) vpnd_evidence_free);
  vpnd_resolver_describe_async (self->ports.resolver, g_task_get_cancellable (task), on_dns_for_check, g_object_ref (task));
}

static void
on_check_looked (GObject *source, GAsyncResult *look, gpointer user_data)
{
  answer_all (&VPND_ENGINE (source)->check_waiters, look);
}

/**
 * vpnd_engine_query_check_async:
 * @self: the engine
 * @cancellable: (nullable): ends the waiting
 * @callback: called with the findings
 * @user_data: passed to @callback
 */
void
vpnd_engine_query_check_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (VpndFacts) facts = vpnd_facts_source_get (self->ports.facts_source);
  const VpndDefaultRoute *physical = facts->default4.present ? &facts->default4 : &facts->default6;

  g_task_set_source_tag (task, vpnd_engine_query_check_async);
  if (join (&self->check_waiters, task))
    vpnd_inspector_inspect_async (self->ports.inspector, VPND_IFNAME, physical->ifname, NULL, on_inspected, g_task_new (self, NULL, on_check_looked, NULL));
}

/**
 * vpnd_engine_query_check_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable) (element-type VpndFinding): what is wrong; NULL only when cancelled
 */
GPtrArray *
vpnd_engine_query_check_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
