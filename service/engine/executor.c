/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The executor of engine/executor.h. Each kind of effect is a row of one table: how it starts and how its result is read.
 */
#include "config.h"

#include "executor.h"

#include "error.h"
#include "fault-point.h"
#include "reserved.h"
#include "sysctl-plan.h"

struct _VpndExecutor
{
  GObject parent_instance;

  VpndFirewall *firewall;          /* (owned) */
  VpndTunnel *tunnel;              /* (owned) */
  VpndRouter *router;              /* (owned) */
  VpndResolver *resolver;          /* (owned) */
  VpndSocketKiller *socket_killer; /* (owned) */
  VpndLedger *ledger;              /* (unowned) */
  VpndProfileStore *profiles;      /* (owned) */
  VpndLocalEffectFunc local_func;
  gpointer local_data;
  gboolean is_blocking; /* our rules are in force, as read back */
};

G_DEFINE_FINAL_TYPE (VpndExecutor, vpnd_executor, G_TYPE_OBJECT)

enum
{
  SIGNAL_BLOCKING, /* our rules have come into force */
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration */

/* One run: the data of its GTask. */
typedef struct
{
  GPtrArray *effects; /* (element-type VpndEffect) (owned) */
  guint next;
  guint changes;    /* VpndHostChange bits that are on the host as far as this run got */
  GArray *failures; /* (element-type VpndExecutorFailure) (owned) */
} Run;

typedef void (*StartFunc) (VpndExecutor *self, const VpndEffect *effect, GTask *task);
typedef gboolean (*FinishFunc) (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error);
typedef gboolean (*NowFunc) (VpndExecutor *self, const VpndEffect *effect, GError **error);

static void on_effect_ready (GObject *source, GAsyncResult *result, gpointer user_data);
static void run_next (GTask *task);

static void
clear_failure (VpndExecutorFailure *failure)
{
  g_clear_error (&failure->error);
}

static void
run_free (Run *run)
{
  g_ptr_array_unref (run->effects);
  g_clear_pointer (&run->failures, g_array_unref);
  g_free (run);
}

/* --- effects that are done at once --- */

static gboolean
set_wanted (VpndExecutor *self, const VpndEffect *effect, GError **error)
{
  if (!vpnd_profile_store_set_wanted (self->profiles, effect->profile, error))
    return FALSE;

  vpnd_fault_point ("amid", effect);
  return vpnd_ledger_set_target (self->ledger, TRUE, FALSE, error);
}

/* The other way round than set_wanted (): a start in between must not look for a profile that is named no more. */
static gboolean
clear_wanted (VpndExecutor *self, const VpndEffect *effect, GError **error)
{
  if (!vpnd_ledger_set_target (self->ledger, FALSE, FALSE, error))
    return FALSE;

  vpnd_fault_point ("amid", effect);
  return vpnd_profile_store_set_wanted (self->profiles, NULL, error);
}

static gboolean
tell_engine (VpndExecutor *self, const VpndEffect *effect, GError **error)
{
  self->local_func (effect, self->local_data);
  return TRUE;
}

/* --- the firewall --- */

static void
start_apply_ruleset (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_firewall_apply_async (self->firewall, effect->ruleset, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_apply_ruleset (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  if (!vpnd_firewall_apply_finish (self->firewall, result, error))
    return FALSE; /* the former rules may still be in force: what was known of them stays known */

  if (!vpnd_ruleset_is_closed (effect->ruleset))
    {
      self->is_blocking = FALSE; /* the rules of an open host, for programs that are bound to a profile */
    }
  else if (!self->is_blocking)
    {
      self->is_blocking = TRUE;
      g_signal_emit (self, signals[SIGNAL_BLOCKING], 0);
    }
  return TRUE;
}

static void
start_remove_ruleset (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_firewall_remove_async (self->firewall, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_remove_ruleset (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  if (!vpnd_firewall_remove_finish (self->firewall, result, error))
    return FALSE;

  self->is_blocking = FALSE;
  return TRUE;
}

/* --- sysctls: the old value stands in the ledger before the new one is written --- */

static void
start_write_sysctls (VpndExecutor *self, GHashTable *values, GTask *task)
{
  vpnd_router_write_sysctls_async (self->router, values, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
record_sysctls (VpndExecutor *self, const VpndEffect *effect, GError **error)
{
  g_autoptr (GHashTable) old_values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  guint n;
  const VpndSysctl *plan = vpnd_sysctl_plan (&n);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *present = vpnd_router_read_sysctl (self->router, plan[i].name);

      if (vpnd_sysctl_needs_change (&plan[i], present))
        g_hash_table_insert (old_values, g_strdup (plan[i].name), g_steal_pointer (&present));
    }
  return g_hash_table_size (old_values) == 0 || vpnd_ledger_set_sysctls (self->ledger, old_values, error);
}

static void
start_set_sysctls (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  g_autoptr (GHashTable) values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  guint n;
  const VpndSysctl *plan = vpnd_sysctl_plan (&n);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *present = vpnd_router_read_sysctl (self->router, plan[i].name);

      if (vpnd_sysctl_needs_change (&plan[i], present))
        g_hash_table_insert (values, g_strdup (plan[i].name), g_strdup_printf ("%" G_GINT64_FORMAT, plan[i].value));
    }
  start_write_sysctls (self, values, task);
}

static void
start_restore_sysctls (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  start_write_sysctls (self, vpnd_ledger_get_sysctls (self->ledger), task);
}

static gboolean
finish_sysctls (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  if (!vpnd_router_write_sysctls_finish (self->router, result, error))
    return FALSE;

  vpnd_fault_point ("amid", effect);
  return effect->kind == VPND_EFFECT_SET_SYSCTLS || vpnd_ledger_set_sysctls (self->ledger, NULL, error);
}

/* --- the device --- */

static void
start_create_link (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_tunnel_create_async (self->tunnel, VPND_IFNAME, effect->backend, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_create_link (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_tunnel_create_finish (self->tunnel, result, error);
}

static void
start_configure_device (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_tunnel_configure_async (self->tunnel, VPND_IFNAME, effect->config, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_configure_device (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_tunnel_configure_finish (self->tunnel, result, error);
}

static void
start_delete_link (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_tunnel_destroy_async (self->tunnel, VPND_IFNAME, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_delete_link (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_tunnel_destroy_finish (self->tunnel, result, error);
}

/* --- routes --- */

static void
start_apply_routes (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_router_apply_async (self->router, effect->diff, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_apply_routes (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_router_apply_finish (self->router, result, error);
}

static void
start_clear_routes (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_router_clear_async (self->router, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_clear_routes (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_router_clear_finish (self->router, result, error);
}

/* --- DNS --- */

static void
start_apply_dns (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_resolver_apply_async (self->resolver, effect->dns, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_apply_dns (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_resolver_apply_finish (self->resolver, result, error);
}

static void
start_restore_dns (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_resolver_restore_async (self->resolver, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_restore_dns (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_resolver_restore_finish (self->resolver, result, error);
}

/* --- sockets --- */

static void
start_end_sockets (VpndExecutor *self, const VpndEffect *effect, GTask *task)
{
  vpnd_socket_killer_end_async (self->socket_killer, effect->sockets, g_task_get_cancellable (task), on_effect_ready, g_object_ref (task));
}

static gboolean
finish_end_sockets (VpndExecutor *self, const VpndEffect *effect, GAsyncResult *result, GError **error)
{
  return vpnd_socket_killer_end_finish (self->socket_killer, result, error);
}

/* @now is done at once; @start and @finish follow when they are given. */
static const struct
{
  NowFunc now;
  StartFunc start;
  FinishFunc finish;
} actions[] = {
  [VPND_EFFECT_SET_WANTED] = { .now = set_wanted },
  [VPND_EFFECT_CLEAR_WANTED] = { .now = clear_wanted },
  [VPND_EFFECT_APPLY_RULESET] = { NULL, start_apply_ruleset, finish_apply_ruleset },
  [VPND_EFFECT_REMOVE_RULESET] = { NULL, start_remove_ruleset, finish_remove_ruleset },
  [VPND_EFFECT_SET_SYSCTLS] = { record_sysctls, start_set_sysctls, finish_sysctls },
  [VPND_EFFECT_RESTORE_SYSCTLS] = { NULL, start_restore_sysctls, finish_sysctls },
  [VPND_EFFECT_CREATE_LINK] = { NULL, start_create_link, finish_create_link },
  [VPND_EFFECT_CONFIGURE_DEVICE] = { NULL, start_configure_device, finish_configure_device },
  [VPND_EFFECT_DELETE_LINK] = { NULL, start_delete_link, finish_delete_link },
  [VPND_EFFECT_APPLY_ROUTES] = { NULL, start_apply_routes, finish_apply_routes },
  [VPND_EFFECT_CLEAR_ROUTES] = { NULL, start_clear_routes, finish_clear_routes },
  [VPND_EFFECT_APPLY_DNS] = { NULL, start_apply_dns, finish_apply_dns },
  [VPND_EFFECT_RESTORE_DNS] = { NULL, start_restore_dns, finish_restore_dns },
  [VPND_EFFECT_END_SOCKETS] = { NULL, start_end_sockets, finish_end_sockets },
  [VPND_EFFECT_WATCH_ESTABLISH] = { .now = tell_engine },
  [VPND_EFFECT_WATCH_LIVENESS] = { .now = tell_engine },
  [VPND_EFFECT_WATCH_STOP] = { .now = tell_engine },
  [VPND_EFFECT_PROBE] = { .now = tell_engine },
  [VPND_EFFECT_MEASURE_PATH] = { .now = tell_engine },
  [VPND_EFFECT_RETRY_AFTER] = { .now = tell_engine },
  [VPND_EFFECT_LOOK_UP] = { .now = tell_engine },
  [VPND_EFFECT_EMIT_CONNECTED] = { .now = tell_engine },
  [VPND_EFFECT_EMIT_DISCONNECTED] = { .now = tell_engine },
};
G_STATIC_ASSERT (G_N_ELEMENTS (actions) == VPND_N_EFFECTS);

static void
finish_run (GTask *task)
{
  VpndExecutor *self = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);

  vpnd_fault_point ("done", NULL);
  /* A ledger that lists too much is harmless: the next start undoes what is not there. */
  if (run->changes != vpnd_ledger_get_changes (self->ledger))
    (void) vpnd_ledger_set_changes (self->ledger, run->changes, NULL);
  g_task_return_pointer (task, g_steal_pointer (&run->failures), (GDestroyNotify) g_array_unref);
}

/* Takes @error. Returns TRUE when the run goes on. */
static gboolean
note_result (GTask *task, const VpndEffect *effect, GError *error)
{
  Run *run = g_task_get_task_data (task);
  const VpndEffectInfo *info = vpnd_effect_info (effect->kind);
  VpndExecutorFailure failure = { effect->kind, effect->keep_going, error };

  run->changes |= info->makes; /* also when it failed: it may be half there */
  if (error == NULL)
    {
      run->changes &= ~info->undoes;
      return TRUE;
    }
  g_array_append_val (run->failures, failure);
  return effect->keep_going;
}

static void
on_effect_ready (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndExecutor *self = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);
  const VpndEffect *effect = g_ptr_array_index (run->effects, run->next - 1);
  GError *error = NULL;

  vpnd_fault_point ("performed", effect);
  (void) actions[effect->kind].finish (self, effect, result, &error);
  vpnd_fault_point ("after", effect);
  if (note_result (task, effect, error))
    run_next (task);
  else
    finish_run (task);
}

static void
run_next (GTask *task)
{
  VpndExecutor *self = g_task_get_source_object (task);
  Run *run = g_task_get_task_data (task);

  while (run->next < run->effects->len)
    {
      const VpndEffect *effect = g_ptr_array_index (run->effects, run->next++);
      GError *error = NULL;

      vpnd_fault_point ("before", effect);
      if (actions[effect->kind].now != NULL)
        (void) actions[effect->kind].now (self, effect, &error);
      if (error == NULL && actions[effect->kind].start != NULL)
        {
          actions[effect->kind].start (self, effect, task);
          return;
        }
      if (!note_result (task, effect, error))
        break;
    }
  finish_run (task);
}

/**
 * vpnd_executor_run_async:
 * @self: the executor; one run at a time
 * @effects: (transfer none) (element-type VpndEffect): what to do, in order
 * @cancellable: (nullable): given to the ports
 * @callback: called when all is done, or at the first failure that stops
 * @user_data: passed to @callback
 *
 * Writes into the ledger what the whole run may change, performs it, and strikes out what was undone.
 */
void
vpnd_executor_run_async (VpndExecutor *self, GPtrArray *effects, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Run *run = g_new0 (Run, 1);
  g_autoptr (GError) error = NULL;
  guint makes = 0;

  g_task_set_source_tag (task, vpnd_executor_run_async);
  g_task_set_check_cancellable (task, FALSE); /* what was done is done; the failures say what was not */
  run->effects = g_ptr_array_ref (effects);
  run->failures = g_array_new (FALSE, FALSE, sizeof (VpndExecutorFailure));
  g_array_set_clear_func (run->failures, (GDestroyNotify) clear_failure);
  run->changes = vpnd_ledger_get_changes (self->ledger);
  g_task_set_task_data (task, run, (GDestroyNotify) run_free);

  for (guint i = 0; i < effects->len; i++)
    makes |= vpnd_effect_info (((VpndEffect *) g_ptr_array_index (effects, i))->kind)->makes;

  if ((run->changes | makes) != run->changes && !vpnd_ledger_set_changes (self->ledger, run->changes | makes, &error))
    {
      VpndExecutorFailure failure = { ((VpndEffect *) g_ptr_array_index (effects, 0))->kind, FALSE, g_steal_pointer (&error) };

      g_array_append_val (run->failures, failure);
      finish_run (task);
      return;
    }
  run_next (task);
}

/**
 * vpnd_executor_run_finish:
 * @self: the executor
 * @result: what the callback received
 *
 * Returns: (transfer full) (element-type VpndExecutorFailure): the failures, in order; empty when all went well
 */
GArray *
vpnd_executor_run_finish (VpndExecutor *self, GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}

/**
 * vpnd_executor_is_blocking:
 * @self: the executor
 *
 * Returns: TRUE when our rules are in force, judged by what was read back last
 */
gboolean
vpnd_executor_is_blocking (VpndExecutor *self)
{
  return self->is_blocking;
}

/**
 * vpnd_executor_doubt_blocking:
 * @self: the executor
 *
 * Says that the rules are not what was read back last; until the next success nobody is told that they are.
 */
void
vpnd_executor_doubt_blocking (VpndExecutor *self)
{
  self->is_blocking = FALSE;
}

/**
 * vpnd_executor_sysctls_hold:
 * @self: the executor
 *
 * Returns: TRUE when every sysctl is as the tunnel needs it
 */
gboolean
vpnd_executor_sysctls_hold (VpndExecutor *self)
{
  guint n;
  const VpndSysctl *plan = vpnd_sysctl_plan (&n);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *present = vpnd_router_read_sysctl (self->router, plan[i].name);

      if (vpnd_sysctl_needs_change (&plan[i], present))
        return FALSE;
    }
  return TRUE;
}

static void
vpnd_executor_dispose (GObject *object)
{
  VpndExecutor *self = VPND_EXECUTOR (object);

  g_clear_object (&self->firewall);
  g_clear_object (&self->tunnel);
  g_clear_object (&self->router);
  g_clear_object (&self->resolver);
  g_clear_object (&self->socket_killer);
  g_clear_object (&self->profiles);
  G_OBJECT_CLASS (vpnd_executor_parent_class)->dispose (object);
}

static void
vpnd_executor_class_init (VpndExecutorClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_executor_dispose;

  signals[SIGNAL_BLOCKING] = g_signal_new ("blocking", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
vpnd_executor_init (VpndExecutor *self)
{
}

/**
 * vpnd_executor_new:
 * @ports: the ports
 * @ledger: (transfer none): the ledger; outlives the executor
 * @profiles: the profile store
 * @local_func: called for effects that concern the daemon itself
 * @user_data: passed to @local_func
 *
 * Returns: (transfer full): an executor
 */
VpndExecutor *
vpnd_executor_new (const VpndExecutorPorts *ports, VpndLedger *ledger, VpndProfileStore *profiles, VpndLocalEffectFunc local_func, gpointer user_data)
{
  VpndExecutor *self = g_object_new (VPND_TYPE_EXECUTOR, NULL);

  self->firewall = g_object_ref (ports->firewall);
  self->tunnel = g_object_ref (ports->tunnel);
  self->router = g_object_ref (ports->router);
  self->resolver = g_object_ref (ports->resolver);
  self->socket_killer = g_object_ref (ports->socket_killer);
  self->ledger = ledger;
  self->profiles = g_object_ref (profiles);
  self->local_func = local_func;
  self->local_data = user_data;
  return self;
}
