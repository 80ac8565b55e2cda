/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host of tests/fakes/fake-host.h. Every fake port is one GObject class that points back to it. Programs and names stand in fake-host-programs.c.
 */
#include "config.h"

#include "fake-host-private.h"

#include "error.h"
#include "reserved.h"

#include <linux/rtnetlink.h>

/* One class for all ports: what differs is which interfaces a call comes through. */
#define FAKE_TYPE_PORTS (fake_ports_get_type ())
G_DECLARE_FINAL_TYPE (FakePorts, fake_ports, FAKE, PORTS, GObject)

struct _FakePorts
{
  GObject parent_instance;
  FakeHost *host; /* (unowned) */
};

typedef struct
{
  guint id;
  gint64 due_us;
  VpndClockFunc func;
  gpointer user_data;
} Timer;

FakeHost *
fake_host_of (gpointer port)
{
  return FAKE_PORTS (port)->host;
}

/* Tasks of crashed instances, for the rest of the process: reachable, so that they are no leak, and never answered. */
static GPtrArray *
graveyard (void)
{
  static GPtrArray *tasks = NULL;

  if (tasks == NULL)
    tasks = g_ptr_array_new ();
  return tasks;
}

/* Counts one call. FALSE, with the task answered, when it is the one that fails. */
static gboolean
begin (gpointer port, const char *name, VpndError code, GTask *task)
{
  FakeHost *host = fake_host_of (port);

  if (host->is_dead)
    {
      g_ptr_array_add (graveyard (), g_object_ref (task));
      return FALSE;
    }
  host->calls++;
  g_ptr_array_add (host->journal, g_strdup (name));
  if (host->calls != host->fail_at && g_strcmp0 (host->fail_name, name) != 0)
    return TRUE;
  g_task_return_new_error (task, VPND_ERROR, code, "%s: made to fail", name);
  return FALSE;
}

/* --- firewall --- */

static void
firewall_apply_async (VpndFirewall *self, VpndRuleset *ruleset, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  if (!begin (self, "firewall.apply", VPND_ERROR_FIREWALL, task))
    return;
  vpnd_ruleset_ref (ruleset);
  g_clear_pointer (&host->ruleset, vpnd_ruleset_unref);
  host->ruleset = ruleset;
  g_task_return_boolean (task, TRUE);
}

static void
firewall_remove_async (VpndFirewall *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  if (!begin (self, "firewall.remove", VPND_ERROR_FIREWALL, task))
    return;
  g_clear_pointer (&fake_host_of (self)->ruleset, vpnd_ruleset_unref);
  g_task_return_boolean (task, TRUE);
}

static void
firewall_iface_init (VpndFirewallInterface *iface)
{
  iface->apply_async = firewall_apply_async;
  iface->remove_async = firewall_remove_async;
}

/* --- tunnel --- */

static void
forget_device (FakeHost *host)
{
  host->has_link = FALSE;
  host->handshake_s = 0;
  g_clear_pointer (&host->config, vpnd_tunnel_config_unref);
}

static void
tunnel_create_async (VpndTunnel *self, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  if (!begin (self, "tunnel.create", VPND_ERROR_TUNNEL, task))
    return;
  forget_device (host);
  host->has_link = TRUE;
  g_task_return_boolean (task, TRUE);
}

static void
tunnel_configure_async (VpndTunnel *self, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  if (!begin (self, "tunnel.configure", VPND_ERROR_TUNNEL, task))
    return;
  g_assert_true (host->has_link);
  vpnd_tunnel_config_ref (config);
  g_clear_pointer (&host->config, vpnd_tunnel_config_unref);
  host->config = config;
  if (config->peers->len == 0)
    host->handshake_s = 0;
  g_task_return_boolean (task, TRUE);
}

static void
tunnel_read_stats_async (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);
  GArray *stats = g_array_new (FALSE, TRUE, sizeof (VpndPeerStats));

  for (guint i = 0; host->config != NULL && i < host->config->peers->len; i++)
    {
      VpndTunnelPeer *peer = g_ptr_array_index (host->config->peers, i);
      VpndPeerStats entry = { peer->public_key, host->rx_bytes, host->tx_bytes, host->handshake_s, 0, peer->endpoint };

      g_array_append_val (stats, entry);
    }
  g_task_return_pointer (task, stats, (GDestroyNotify) g_array_unref);
}

static void
tunnel_destroy_async (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  if (!begin (self, "tunnel.destroy", VPND_ERROR_TUNNEL, task))
    return;
  forget_device (fake_host_of (self));
  g_task_return_boolean (task, TRUE);
}

static VpndBackend
tunnel_get_active (VpndTunnel *self)
{
  return fake_host_of (self)->has_link ? VPND_BACKEND_KERNEL : VPND_BACKEND_AUTO;
}

static guint
tunnel_get_ifindex (VpndTunnel *self)
{
  return fake_host_of (self)->has_link ? 7 : 0;
}

static void
tunnel_iface_init (VpndTunnelInterface *iface)
{
  iface->create_async = tunnel_create_async;
  iface->configure_async = tunnel_configure_async;
  iface->read_stats_async = tunnel_read_stats_async;
  iface->destroy_async = tunnel_destroy_async;
  iface->get_active = tunnel_get_active;
  iface->get_ifindex = tunnel_get_ifindex;
}

/* --- router --- */

static void
router_apply_async (VpndRouter *self, const VpndRouteDiff *diff, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  if (!begin (self, "router.apply", VPND_ERROR_ROUTING, task))
    return;
  if (diff->link_up)
    host->n_routes = 0; /* the whole plan: what is there already is not there twice */
  host->n_routes += (int) (diff->add_routes->len + diff->add_rules->len) - (int) (diff->delete_routes->len + diff->delete_rules->len);
  g_assert_cmpint (host->n_routes, >=, 0);
  g_task_return_boolean (task, TRUE);
}

static void
router_clear_async (VpndRouter *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  if (!begin (self, "router.clear", VPND_ERROR_ROUTING, task))
    return;
  fake_host_of (self)->n_routes = 0;
  g_task_return_boolean (task, TRUE);
}

static char *
router_read_sysctl (VpndRouter *self, const char *name)
{
  return g_strdup (g_hash_table_lookup (fake_host_of (self)->sysctls, name));
}

static void
router_write_sysctls_async (VpndRouter *self, GHashTable *values, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GHashTableIter iter;
  gpointer name, value;

  if (!begin (self, "router.write-sysctls", VPND_ERROR_ROUTING, task))
    return;
  g_hash_table_iter_init (&iter, values);
  while (g_hash_table_iter_next (&iter, &name, &value))
    g_hash_table_insert (fake_host_of (self)->sysctls, g_strdup (name), g_strdup (value));
  g_task_return_boolean (task, TRUE);
}

static void
router_watch (VpndRouter *self, VpndRoutePlan *plan)
{
  FakeHost *host = fake_host_of (self);

  if (plan != NULL)
    vpnd_route_plan_ref (plan);
  g_clear_pointer (&host->watched, vpnd_route_plan_unref);
  host->watched = plan;
}

static void
router_iface_init (VpndRouterInterface *iface)
{
  iface->watch = router_watch;
  iface->apply_async = router_apply_async;
  iface->clear_async = router_clear_async;
  iface->read_sysctl = router_read_sysctl;
  iface->write_sysctls_async = router_write_sysctls_async;
}

/* --- resolver --- */

static void
resolver_apply_async (VpndResolver *self, VpndDnsPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  if (!begin (self, "resolver.apply", VPND_ERROR_DNS, task))
    return;
  vpnd_dns_plan_ref (plan);
  g_clear_pointer (&host->dns, vpnd_dns_plan_unref);
  if (vpnd_dns_plan_is_empty (plan))
    vpnd_dns_plan_unref (plan);
  else
    host->dns = plan;
  g_task_return_boolean (task, TRUE);
}

static void
resolver_restore_async (VpndResolver *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  if (!begin (self, "resolver.restore", VPND_ERROR_DNS, task))
    return;
  g_clear_pointer (&fake_host_of (self)->dns, vpnd_dns_plan_unref);
  g_task_return_boolean (task, TRUE);
}

static GArray *
resolver_dup_outside (VpndResolver *self)
{
  return g_array_copy (fake_host_of (self)->outside);
}

static void
resolver_iface_init (VpndResolverInterface *iface)
{
  iface->dup_outside = resolver_dup_outside;
  iface->apply_async = resolver_apply_async;
  iface->restore_async = resolver_restore_async;
}

/* --- facts --- */

static void
facts_start_async (VpndFactsSource *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static VpndFacts *
facts_get (VpndFactsSource *self)
{
  return vpnd_facts_ref (fake_host_of (self)->facts);
}

static void
facts_iface_init (VpndFactsSourceInterface *iface)
{
  iface->start_async = facts_start_async;
  iface->get = facts_get;
}

/* --- names --- */

static void
names_lookup_async (VpndNamesLookup *self, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  g_ptr_array_add (host->journal, g_strdup ("names.lookup"));
  if (host->lookup == NULL)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE, "Endpoint: %s has no address", name);
  else
    g_task_return_pointer (task, g_array_ref (host->lookup), (GDestroyNotify) g_array_unref);
}

static void
names_iface_init (VpndNamesLookupInterface *iface)
{
  iface->lookup_async = names_lookup_async;
}

/* --- prober --- */

static gboolean
prober_probe (VpndProber *self, const char *ifname, const VpndAddr *target, GError **error)
{
  g_assert_true (vpnd_addr_is_set (target));
  fake_host_of (self)->probes++;
  return TRUE;
}

static guint32
prober_read_path_mtu (VpndProber *self, const VpndEndpoint *peer, guint32 fwmark)
{
  FakeHost *host = fake_host_of (self);

  g_assert_true (vpnd_addr_is_set (&peer->addr));
  return host->knows_path ? host->path_bytes : 0;
}

/* Silence is told at once: that time passes is the backend's business. */
static void
prober_try_size_async (VpndProber *self, const char *ifname, const VpndAddr *targets, guint n_targets, guint32 bytes, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  g_assert_cmpuint (n_targets, >, 0);
  g_assert_cmpuint (timeout_ms, >, 0);
  g_task_return_boolean (task, host->path_bytes == 0 || bytes + 60 <= host->path_bytes); /* the overhead over IPv4 */
}

static guint16
prober_find_port (VpndProber *self, guint16 first, guint16 last)
{
  g_ptr_array_add (fake_host_of (self)->journal, g_strdup ("prober.find-port"));
  return (guint16) g_test_rand_int_range (first, last + 1);
}

static void
prober_iface_init (VpndProberInterface *iface)
{
  iface->find_port = prober_find_port;
  iface->probe = prober_probe;
  iface->read_path_mtu = prober_read_path_mtu;
  iface->try_size_async = prober_try_size_async;
}

/* --- sockets --- */

static void
sockets_end_async (VpndSocketKiller *self, VpndSocketPlan *plan, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  FakeHost *host = fake_host_of (self);

  if (host->is_dead)
    {
      g_ptr_array_add (graveyard (), g_object_ref (task));
      return;
    }
  g_assert_true (plan->is_over || host->ruleset != NULL); /* a program would open the next one at once */
  g_ptr_array_add (host->journal, g_strdup ("sockets.end"));
  vpnd_socket_plan_ref (plan);
  g_clear_pointer (&host->sockets, vpnd_socket_plan_unref);
  host->sockets = plan;
  if (host->fail_sockets)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "sockets.end: made to fail");
  else
    g_task_return_boolean (task, TRUE);
}

static void
sockets_iface_init (VpndSocketKillerInterface *iface)
{
  iface->end_async = sockets_end_async;
}

/* --- inspector: what the router was told last, and a host without fault --- */

static VpndRouteSurvey *
take_survey (FakeHost *host)
{
  VpndRouteSurvey *survey = vpnd_route_survey_new ();

  if (host->watched == NULL)
    return survey;
  g_array_append_vals (survey->addresses, host->watched->addresses->data, host->watched->addresses->len);
  for (guint i = 0; i < host->watched->routes->len; i++)
    {
      VpndSurveyRoute seen = { g_array_index (host->watched->routes, VpndRoute, i), VPND_RTPROT, RTN_UNICAST };

      g_array_append_val (survey->routes, seen);
    }
  for (guint i = 0; i < host->watched->rules->len; i++)
    {
      VpndSurveyRule seen = { g_array_index (host->watched->rules, VpndRouteRule, i), VPND_RTPROT, TRUE, FALSE };

      g_array_append_val (survey->rules, seen);
    }
  if (host->has_link)
    {
      VpndSurveyLink link = { .ifindex = 7, .ifname = VPND_IFNAME, .is_up = TRUE, .mtu = host->watched->mtu };

      g_array_append_val (survey->links, link);
    }
  return survey;
}

static void
inspector_survey_async (VpndInspector *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  fake_host_of (self)->looks++;
  g_task_return_pointer (task, take_survey (fake_host_of (self)), (GDestroyNotify) vpnd_route_survey_unref);
}

static void
inspector_inspect_async (VpndInspector *self, const char *ifname, const char *physical, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  VpndEvidence *evidence = vpnd_evidence_new ();

  fake_host_of (self)->looks++;
  evidence->survey = take_survey (fake_host_of (self));
  evidence->has_bus = TRUE;
  g_task_return_pointer (task, evidence, (GDestroyNotify) vpnd_evidence_free);
}

static void
inspector_iface_init (VpndInspectorInterface *iface)
{
  iface->survey_async = inspector_survey_async;
  iface->inspect_async = inspector_inspect_async;
}

/* --- clock --- */

static gint64
clock_now_us (VpndClock *self)
{
  return fake_host_of (self)->now_us;
}

static guint
clock_schedule (VpndClock *self, guint delay_ms, VpndClockFunc func, gpointer user_data)
{
  FakeHost *host = fake_host_of (self);
  Timer timer = { ++host->last_timer, host->now_us + delay_ms * G_GINT64_CONSTANT (1000), func, user_data };

  g_array_append_val (host->timers, timer);
  return timer.id;
}

static void
clock_cancel (VpndClock *self, guint id)
{
  GArray *timers = fake_host_of (self)->timers;

  for (guint i = 0; i < timers->len; i++)
    if (g_array_index (timers, Timer, i).id == id)
      {
        g_array_remove_index (timers, i);
        return;
      }
}

static void
clock_iface_init (VpndClockInterface *iface)
{
  iface->now_us = clock_now_us;
  iface->wall_us = clock_now_us;
  iface->schedule = clock_schedule;
  iface->cancel = clock_cancel;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FakePorts, fake_ports, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_FIREWALL, firewall_iface_init)
        G_IMPLEMENT_INTERFACE (VPND_TYPE_TUNNEL, tunnel_iface_init)
            G_IMPLEMENT_INTERFACE (VPND_TYPE_ROUTER, router_iface_init)
                G_IMPLEMENT_INTERFACE (VPND_TYPE_RESOLVER, resolver_iface_init)
                    G_IMPLEMENT_INTERFACE (VPND_TYPE_FACTS_SOURCE, facts_iface_init)
                        G_IMPLEMENT_INTERFACE (VPND_TYPE_NAMES_LOOKUP, names_iface_init)
                            G_IMPLEMENT_INTERFACE (VPND_TYPE_PROBER, prober_iface_init)
                                G_IMPLEMENT_INTERFACE (VPND_TYPE_CLOCK, clock_iface_init)
                                    G_IMPLEMENT_INTERFACE (VPND_TYPE_SOCKET_KILLER, sockets_iface_init)
                                        G_IMPLEMENT_INTERFACE (VPND_TYPE_INSPECTOR, inspector_iface_init)
                                            G_IMPLEMENT_INTERFACE (VPND_TYPE_NAME_WATCH, fake_host_name_watch_iface_init)
                                                G_IMPLEMENT_INTERFACE (VPND_TYPE_SPLITTER, fake_host_splitter_iface_init))

static void
fake_ports_class_init (FakePortsClass *klass)
{
}

static void
fake_ports_init (FakePorts *self)
{
}

/* --- the host --- */

static gpointer
new_port (FakeHost *host)
{
  FakePorts *port = g_object_new (FAKE_TYPE_PORTS, NULL);

  port->host = host;
  return port;
}

FakeHost *
fake_host_new (void)
{
  FakeHost *host = g_new0 (FakeHost, 1);

  host->now_us = 1000 * G_USEC_PER_SEC;
  host->sysctls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_insert (host->sysctls, g_strdup ("ipv4/conf/all/src_valid_mark"), g_strdup ("0"));
  g_hash_table_insert (host->sysctls, g_strdup ("ipv4/conf/all/arp_ignore"), g_strdup ("1"));
  host->journal = g_ptr_array_new_with_free_func (g_free);
  host->outside = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  host->bound = vpnd_split_bound_array_new ();
  host->timers = g_array_new (FALSE, FALSE, sizeof (Timer));
  host->facts = vpnd_facts_new ();
  host->facts->default4 = (VpndDefaultRoute){ TRUE, 2, "eth0", { AF_INET, { 192, 0, 2, 1 } }, 1500 };
  host->facts->ipv6_enabled = TRUE;
  host->firewall = new_port (host);
  host->tunnel = new_port (host);
  host->router = new_port (host);
  host->resolver = new_port (host);
  host->facts_source = new_port (host);
  host->names_lookup = new_port (host);
  host->prober = new_port (host);
  host->clock = new_port (host);
  host->socket_killer = new_port (host);
  host->inspector = new_port (host);
  host->splitter = new_port (host);
  host->standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_NONE, 0);
  host->processes = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) fake_process_free);
  host->name_watch = new_port (host);
  host->queue = VPND_QUEUE_NATIVE;
  host->held = g_array_new (FALSE, FALSE, sizeof (guint64));
  return host;
}

void
fake_host_free (FakeHost *host)
{
  g_clear_object (&host->firewall);
  g_clear_object (&host->tunnel);
  g_clear_object (&host->router);
  g_clear_object (&host->resolver);
  g_clear_object (&host->facts_source);
  g_clear_object (&host->names_lookup);
  g_clear_object (&host->prober);
  g_clear_object (&host->clock);
  g_clear_object (&host->socket_killer);
  g_clear_object (&host->inspector);
  g_clear_object (&host->splitter);
  g_clear_pointer (&host->split_config, vpnd_split_config_unref);
  g_clear_pointer (&host->ruleset_of_leading, vpnd_ruleset_unref);
  g_clear_pointer (&host->standing, vpnd_split_standing_unref);
  g_hash_table_unref (host->processes);
  g_clear_object (&host->name_watch);
  g_array_unref (host->held);
  g_clear_pointer (&host->sockets, vpnd_socket_plan_unref);
  g_clear_pointer (&host->ruleset, vpnd_ruleset_unref);
  g_clear_pointer (&host->config, vpnd_tunnel_config_unref);
  g_clear_pointer (&host->dns, vpnd_dns_plan_unref);
  g_array_unref (host->outside);
  g_clear_pointer (&host->facts, vpnd_facts_unref);
  g_clear_pointer (&host->watched, vpnd_route_plan_unref);
  g_clear_pointer (&host->lookup, g_array_unref);
  g_hash_table_unref (host->sysctls);
  g_ptr_array_unref (host->journal);
  g_array_unref (host->bound);
  g_array_unref (host->timers);
  g_free (host);
}

/* Moves the clock and fires what falls due, in order; timers that are set meanwhile count, too. Callbacks of ports run as well. */
void
fake_host_advance (FakeHost *host, guint ms)
{
  gint64 end_us = host->now_us + ms * G_GINT64_CONSTANT (1000);

  for (;;)
    {
      int first = -1;
      Timer timer;

      while (g_main_context_iteration (NULL, FALSE))
        ;
      for (guint i = 0; i < host->timers->len; i++)
        if (first < 0 || g_array_index (host->timers, Timer, i).due_us < g_array_index (host->timers, Timer, first).due_us)
          first = (int) i;
      if (first < 0 || g_array_index (host->timers, Timer, first).due_us > end_us)
        break;
      timer = g_array_index (host->timers, Timer, first);
      g_array_remove_index (host->timers, first);
      host->now_us = MAX (host->now_us, timer.due_us);
      timer.func (timer.user_data);
    }
  host->now_us = end_us;
}

/* @facts: (transfer full) */
void
fake_host_set_facts (FakeHost *host, VpndFacts *facts)
{
  vpnd_facts_unref (host->facts);
  host->facts = facts;
  vpnd_facts_source_emit_changed (host->facts_source);
}

/* TRUE when nothing of ours is there and the sysctls are as fake_host_new () made them. */
gboolean
fake_host_is_clean (FakeHost *host)
{
  return host->ruleset == NULL && !host->has_link && host->n_routes == 0 && host->dns == NULL &&
      g_strcmp0 (g_hash_table_lookup (host->sysctls, "ipv4/conf/all/src_valid_mark"), "0") == 0 &&
      g_strcmp0 (g_hash_table_lookup (host->sysctls, "ipv4/conf/all/arp_ignore"), "1") == 0;
}

/* Another program has removed the routes and rules; a router that watches tells it. */
void
fake_host_disturb (FakeHost *host)
{
  host->n_routes = 0;
  if (host->watched != NULL)
    vpnd_router_emit_disturbed (host->router, "routes");
}

/* Another program has put its own DNS setting in the place of ours. */
void
fake_host_overwrite_dns (FakeHost *host)
{
  const gboolean is_ours = host->dns != NULL;

  g_clear_pointer (&host->dns, vpnd_dns_plan_unref);
  if (is_ours)
    vpnd_resolver_emit_overwritten (host->resolver, "another program has its own");
}

/* @servers: (array zero-terminated=1): what a network that has come says */
void
fake_host_set_outside (FakeHost *host, const char *const *servers)
{
  g_array_set_size (host->outside, 0);
  for (guint i = 0; servers[i] != NULL; i++)
    {
      VpndAddr addr;

      g_assert_true (vpnd_addr_parse (servers[i], &addr));
      g_array_append_val (host->outside, addr);
    }
  vpnd_resolver_emit_outside_changed (host->resolver);
}
