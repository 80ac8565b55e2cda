/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine of engine/engine.h. A queue of events; each goes through core/transition, its effects through the executor, and the outcome
 * is the next event, ahead of all that wait. A request is answered when no effect follows any more.
 */
#include "config.h"

#include "engine.h"

#include "backoff.h"
#include "error.h"
#include "executor.h"
#include "handshake.h"
#include "log.h"
#include "reserved.h"
#include "resolve.h"
#include "state.h"
#include "status-build.h"
#include "transition.h"

#define CRASH_WINDOW_US (60 * G_USEC_PER_SEC) /* two crashes within it end in block */
#define WARNINGS_MAX 16                       /* a status stays readable, however much goes wrong */
#define REPAIR_WARNING "repaired: "

struct _VpndEngine
{
  GObject parent_instance;

  VpndEnginePorts ports;             /* each (owned) */
  VpndLedger *ledger;                /* (unowned) */
  VpndProfileStore *profiles;        /* (owned) */
  VpndSettingsStore *settings_store; /* (owned) */
  VpndExecutor *executor;            /* (owned) */
  VpndHandshake *handshake;          /* (owned) */
  GCancellable *cancellable;         /* (owned): cancelled at dispose */
  GCancellable *lookup;              /* (owned) (nullable): of the lookup for the latest activation */

  VpndState *state;       /* (owned) */
  VpndState *shown;       /* (owned): the state that status tells */
  VpndSettings *settings; /* (owned) */
  GQueue queue;           /* (element-type Item) (owned) */
  GTask *request;         /* (owned) (nullable): what is being worked at, until nothing follows */
  GError *request_error;  /* (owned) (nullable): the first failure on the way */
  gboolean is_busy;       /* effects are being performed */
  gboolean is_started;    /* the event of the start has been posted; until then everything else waits */

  gint64 since_us;           /* wall clock */
  gint64 attempt_started_us; /* clock */
  guint retry;               /* id of the clock's schedule, 0 for none */
  guint dns_repair;          /* id of the clock's schedule, 0 for none */
  VpndBackoff dns_backoff;   /* of the repairs of DNS */
  char *detail;              /* (owned): one sentence on the last failure, "" for none */
  GPtrArray *warnings;       /* (element-type utf8) (owned): what could not be undone, what had to be repaired; at most WARNINGS_MAX */

  gboolean is_watching; /* the router watches what is in force */
  VpndBackoff backoff;  /* of repairs */
  guint repair;         /* id of the clock's schedule, 0 for none */
  guint repairs;        /* since the last activation */
};

G_DEFINE_FINAL_TYPE (VpndEngine, vpnd_engine, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  SIGNAL_CONNECTED,
  SIGNAL_DISCONNECTED,
  SIGNAL_SETTINGS_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS]; /* filled once at type registration */

/* An event that waits, with the request that it came from. */
typedef struct
{
  VpndEvent event;
  VpndProfile *profile; /* (owned) (nullable): what event.profile points to */
  GTask *task;          /* (owned) (nullable) */
} Item;

static void process (VpndEngine *self);

static void
item_free (Item *item)
{
  g_clear_pointer (&item->profile, vpnd_profile_unref);
  g_clear_object (&item->task);
  g_free (item);
}

static Item *
item_new (VpndEventKind kind, VpndProfile *profile, GTask *task)
{
  Item *item = g_new0 (Item, 1);

  item->event.kind = kind;
  if (profile != NULL)
    item->profile = vpnd_profile_ref (profile);
  item->event.profile = item->profile;
  if (task != NULL)
    item->task = g_object_ref (task);
  return item;
}

static void
post (VpndEngine *self, VpndEventKind kind)
{
  g_queue_push_tail (&self->queue, item_new (kind, NULL, NULL));
  process (self);
}

static void
post_request (VpndEngine *self, Item *item)
{
  g_queue_push_tail (&self->queue, item);
  process (self);
}

/* From here on status tells the present state. "connected" is told when names can be asked for, "disconnected" when the host is open again,
 * and a protected state when its rules are in force: nobody may be told more than is so. */
static void
publish (VpndEngine *self)
{
  if (self->shown->kind != self->state->kind || self->shown->cause != self->state->cause)
    self->since_us = vpnd_clock_wall_us (self->ports.clock);
  vpnd_state_ref (self->state);
  vpnd_state_unref (self->shown);
  self->shown = self->state;
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

static gboolean
may_publish_early (VpndEngine *self)
{
  switch (self->state->kind)
    {
    case VPND_STATE_DISCONNECTED:
    case VPND_STATE_CONNECTED:
      return FALSE;
    case VPND_STATE_CONNECTING:
    case VPND_STATE_DISCONNECTING:
    case VPND_STATE_ERROR:
      return !vpnd_state_is_protected (self->state) || vpnd_executor_is_blocking (self->executor);
    case VPND_N_STATES:
      break;
    }
  g_assert_not_reached ();
}

static VpndContext
make_context (VpndEngine *self, VpndFacts *facts)
{
  return (VpndContext){
    .settings = self->settings,
    .facts = facts,
    .attempt_age_ms = (guint64) (vpnd_clock_now_us (self->ports.clock) - self->attempt_started_us) / 1000,
  };
}

/* --- effects that concern the daemon itself --- */

static void
on_retry (gpointer user_data)
{
  VpndEngine *self = user_data;

  self->retry = 0;
  post (self, VPND_EVENT_RETRY);
}

static void
cancel_retry (VpndEngine *self)
{
  if (self->retry != 0)
    vpnd_clock_cancel (self->ports.clock, self->retry);
  self->retry = 0;
}

static void
on_local_effect (const VpndEffect *effect, gpointer user_data)
{
  VpndEngine *self = user_data;

  if (effect->kind == VPND_EFFECT_WATCH_ESTABLISH)
    {
      cancel_retry (self);
      self->attempt_started_us = vpnd_clock_now_us (self->ports.clock);
      vpnd_handshake_watch_establish (self->handshake, self->state->profile, effect->delay_ms);
    }
  else if (effect->kind == VPND_EFFECT_WATCH_LIVENESS)
    vpnd_handshake_watch_liveness (self->handshake, self->state->profile);
  else if (effect->kind == VPND_EFFECT_WATCH_STOP)
    vpnd_handshake_stop (self->handshake);
  else if (effect->kind == VPND_EFFECT_PROBE)
    vpnd_handshake_probe (self->handshake);
  else if (effect->kind == VPND_EFFECT_RETRY_AFTER)
    {
      cancel_retry (self);
      self->retry = vpnd_clock_schedule (self->ports.clock, effect->delay_ms, on_retry, self);
    }
  else if (effect->kind == VPND_EFFECT_EMIT_CONNECTED)
    {
      publish (self);
      g_signal_emit (self, signals[SIGNAL_CONNECTED], 0, effect->text);
    }
  else if (effect->kind == VPND_EFFECT_EMIT_DISCONNECTED)
    {
      publish (self);
      g_signal_emit (self, signals[SIGNAL_DISCONNECTED], 0);
    }
}

/* --- what the status tells beside the state --- */

static void
add_warning (VpndEngine *self, const char *text)
{
  if (g_ptr_array_find_with_equal_func (self->warnings, text, g_str_equal, NULL))
    return;
  if (self->warnings->len == WARNINGS_MAX)
    g_ptr_array_remove_index (self->warnings, 0);
  g_ptr_array_add (self->warnings, g_strdup (text));
}

/* One line stands for all repairs; in the log each has its own. */
static void
note_repair (VpndEngine *self, const char *what)
{
  g_autofree char *text = NULL;

  self->repairs++;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_REPAIRED, "Another program has taken away: %s; putting it back", what);
  for (guint i = self->warnings->len; i > 0; i--)
    {
      if (g_str_has_prefix (g_ptr_array_index (self->warnings, i - 1), REPAIR_WARNING))
        g_ptr_array_remove_index (self->warnings, i - 1);
    }
  text = g_strdup_printf (REPAIR_WARNING "another program took away %s (%u %s in all)", what, self->repairs, self->repairs == 1 ? "time" : "times");
  add_warning (self, text);
}

/* --- repairs: what is in force is watched whenever we do not change it ourselves --- */

static void
on_repair_due (gpointer user_data)
{
  VpndEngine *self = user_data;

  self->repair = 0;
  post (self, VPND_EVENT_DISTURBED);
}

static void
cancel_repair (VpndEngine *self)
{
  if (self->repair != 0)
    vpnd_clock_cancel (self->ports.clock, self->repair);
  self->repair = 0;
}

static void
repair (VpndEngine *self, const char *what)
{
  guint delay_ms;

  if (self->repair != 0 || self->is_busy || self->state->routes == NULL)
    return;

  note_repair (self, what);
  delay_ms = vpnd_backoff_next (&self->backoff, vpnd_clock_now_us (self->ports.clock) / 1000);
  if (delay_ms == 0)
    post (self, VPND_EVENT_DISTURBED);
  else
    self->repair = vpnd_clock_schedule (self->ports.clock, delay_ms, on_repair_due, self);
}

static void
watch_router (VpndEngine *self, VpndRoutePlan *plan)
{
  if (plan == NULL && !self->is_watching)
    return;
  self->is_watching = plan != NULL;
  vpnd_router_watch (self->ports.router, plan);
}

/* --- one event --- */

static void
finish_request (VpndEngine *self)
{
  g_autoptr (GTask) request = g_steal_pointer (&self->request);

  if (request != NULL && self->request_error != NULL)
    g_task_return_error (request, g_steal_pointer (&self->request_error));
  else if (request != NULL)
    g_task_return_boolean (request, TRUE);
  g_clear_error (&self->request_error);
}

static void repair_dns (VpndEngine *self);
static void cancel_dns_repair (VpndEngine *self);

static void
note_failure (VpndEngine *self, const VpndExecutorFailure *failure)
{
  const char *name = vpnd_effect_info (failure->effect)->name;

  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_EFFECT_FAILED, "%s failed: %s", name, failure->error->message);
  if (self->request_error == NULL && !failure->keep_going)
    self->request_error = g_error_copy (failure->error);
  if (failure->keep_going && failure->effect != VPND_EFFECT_APPLY_RULESET)
    {
      g_autofree char *text = g_strdup_printf ("%s: %s", name, failure->error->message);

      add_warning (self, text);
    }
  else
    {
      g_free (self->detail);
      self->detail = g_strdup (failure->error->message);
    }
}

/* The failure that is an event: one that stopped the run, or rules that are not in force. */
static const VpndExecutorFailure *
find_decisive (GArray *failures)
{
  for (guint i = 0; i < failures->len; i++)
    {
      const VpndExecutorFailure *failure = &g_array_index (failures, VpndExecutorFailure, i);

      if (!failure->keep_going || failure->effect == VPND_EFFECT_APPLY_RULESET || failure->effect == VPND_EFFECT_REMOVE_RULESET)
        return failure;
    }
  return NULL;
}

static void
on_effects_performed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndEngine) self = user_data;
  g_autoptr (GArray) failures = vpnd_executor_run_finish (VPND_EXECUTOR (source), result);
  const VpndExecutorFailure *decisive = find_decisive (failures);
  Item *item = item_new (decisive == NULL ? VPND_EVENT_EFFECTS_DONE : VPND_EVENT_EFFECT_FAILED, NULL, NULL);

  for (guint i = 0; i < failures->len; i++)
    {
      const VpndExecutorFailure *failure = &g_array_index (failures, VpndExecutorFailure, i);

      note_failure (self, failure);
      if (failure->keep_going && failure->effect == VPND_EFFECT_APPLY_DNS)
        repair_dns (self);
    }
  if (decisive != NULL)
    item->event.effect = decisive->effect;
  if (vpnd_state_is_protected (self->state) && !vpnd_executor_is_blocking (self->executor))
    vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_NOT_BLOCKING, "The rules are NOT in force: traffic can leave outside the tunnel");

  self->is_busy = FALSE;
  g_queue_push_head (&self->queue, item);
  publish (self);
  process (self);
}

static void
adopt_state (VpndEngine *self, VpndState *next)
{
  gboolean is_new = next->kind != self->state->kind || next->cause != self->state->cause;

  if (is_new)
    vpnd_log_event (G_LOG_LEVEL_MESSAGE, VPND_MESSAGE_STATE_CHANGED, "%s -> %s%s%s", vpnd_state_word (self->state->kind), vpnd_state_word (next->kind),
        next->cause != VPND_CAUSE_NONE ? ", because " : "", vpnd_cause_word (next->cause));
  if (is_new && (next->kind == VPND_STATE_CONNECTED || next->kind == VPND_STATE_DISCONNECTED))
    {
      g_free (self->detail);
      self->detail = g_strdup ("");
    }
  vpnd_state_unref (self->state);
  self->state = next;
  if (!(next->host & VPND_HOST_DNS))
    cancel_dns_repair (self);
}

/* The rules have come into force in the middle of a run, which may take a while yet. */
static void
on_blocking (VpndEngine *self)
{
  if (may_publish_early (self))
    publish (self);
}

/* Works at the queue until effects are under way or nothing is left. An event that follows from effects stands first, so a request is
 * finished when an event of its own leads to no more effects. */
static void
process (VpndEngine *self)
{
  while (self->is_started && !self->is_busy && !g_queue_is_empty (&self->queue))
    {
      Item *item = g_queue_pop_head (&self->queue);
      g_autoptr (VpndFacts) facts = vpnd_facts_source_get (self->ports.facts_source);
      g_autoptr (GPtrArray) effects = NULL;
      VpndContext context = make_context (self, facts);
      VpndState *next = vpnd_transition (self->state, &item->event, &context, &effects);

      if (item->event.kind == VPND_EVENT_ACTIVATE)
        {
          g_ptr_array_set_size (self->warnings, 0);
          self->repairs = 0;
        }
      if (item->event.kind != VPND_EVENT_EFFECTS_DONE && item->event.kind != VPND_EVENT_EFFECT_FAILED)
        {
          g_clear_error (&self->request_error);
          self->request = g_steal_pointer (&item->task);
        }
      item_free (item);
      adopt_state (self, next);

      self->is_busy = effects->len > 0;
      if (!self->is_busy || may_publish_early (self))
        publish (self);
      if (self->is_busy)
        watch_router (self, NULL);
      if (self->is_busy)
        vpnd_executor_run_async (self->executor, effects, self->cancellable, on_effects_performed, g_object_ref (self));
      else
        finish_request (self);
    }
  if (self->is_busy)
    return;
  if (self->state->routes == NULL)
    cancel_repair (self);
  if (!self->is_watching && !self->state->is_waiting)
    watch_router (self, self->state->routes);
}

/* --- what comes from the ports --- */

static void
on_handshake_report (VpndHandshakeReport what, gpointer user_data)
{
  static const VpndEventKind events[] = {
    [VPND_HANDSHAKE_ESTABLISHED] = VPND_EVENT_HANDSHAKE,
    [VPND_HANDSHAKE_TIMED_OUT] = VPND_EVENT_ESTABLISH_TIMEOUT,
    [VPND_HANDSHAKE_PEER_LOST] = VPND_EVENT_PEER_LOST,
    [VPND_HANDSHAKE_SLEPT] = VPND_EVENT_RESUMED,
  };
  VpndEngine *self = user_data;

  if (what != VPND_HANDSHAKE_POLLED)
    post (self, events[what]);
  else if (!vpnd_executor_sysctls_hold (self->executor))
    repair (self, "sysctls"); /* the kernel does not tell when one of ours is written, so they are read with the counters */
}

static void
on_facts_changed (VpndFactsSource *source, gpointer user_data)
{
  post (VPND_ENGINE (user_data), VPND_EVENT_FACTS_CHANGED);
}

static void
on_tunnel_lost (VpndTunnel *tunnel, const char *reason, gpointer user_data)
{
  VpndEngine *self = user_data;

  g_message ("The tunnel's device is gone: %s", reason);
  post (self, VPND_EVENT_LINK_LOST);
}

static void
on_dns_repair_due (gpointer user_data)
{
  VpndEngine *self = user_data;

  self->dns_repair = 0;
  post (self, VPND_EVENT_DNS_OVERWRITTEN);
}

/* At once, or when the back-off says so: two programs that both insist cost little. */
static void
repair_dns (VpndEngine *self)
{
  if (self->dns_repair == 0 && (self->state->host & VPND_HOST_DNS))
    self->dns_repair = vpnd_clock_schedule (self->ports.clock, vpnd_backoff_next (&self->dns_backoff, vpnd_clock_now_us (self->ports.clock) / 1000), on_dns_repair_due, self);
}

static void
cancel_dns_repair (VpndEngine *self)
{
  if (self->dns_repair != 0)
    vpnd_clock_cancel (self->ports.clock, self->dns_repair);
  self->dns_repair = 0;
}

static void
on_dns_overwritten (VpndResolver *resolver, const char *reason, gpointer user_data)
{
  VpndEngine *self = user_data;

  if (!(self->state->host & VPND_HOST_DNS))
    return;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_REPAIRED, "Another program has taken away: the DNS setting (%s); putting it back", reason);
  add_warning (self, "dns: another program changed the DNS setting; ours was put back");
  repair_dns (self);
}

static void
on_firewall_tampered (VpndFirewall *firewall, gpointer user_data)
{
  VpndEngine *self = user_data;

  if (self->state->ruleset == NULL)
    return;
  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_TAMPERED, "Another program changed our rules; putting them back");
  vpnd_executor_doubt_blocking (self->executor);
  post (self, VPND_EVENT_TAMPERED);
}

static void
on_router_disturbed (VpndRouter *router, const char *what, gpointer user_data)
{
  repair (VPND_ENGINE (user_data), what);
}

/* --- requests --- */

/* An activation whose names are still being looked up is withdrawn by whatever is asked for after it. */
static void
withdraw_lookup (VpndEngine *self)
{
  g_cancellable_cancel (self->lookup);
  g_clear_object (&self->lookup);
}

/* @cancellable: (owned): of the lookup; @profile: (owned): whose names are looked up */
typedef struct
{
  GCancellable *cancellable;
  VpndProfile *profile;
} Lookup;

static void
lookup_free (Lookup *lookup)
{
  g_object_unref (lookup->cancellable);
  vpnd_profile_unref (lookup->profile);
  g_free (lookup);
}

/* The result of a lookup; where it failed, because the host is closed or the resolver away, the addresses of the last time. */
static VpndProfile *
finish_lookup (VpndEngine *self, GAsyncResult *result, VpndProfile *unresolved, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (VpndProfile) profile = vpnd_resolve_profile_finish (result, &local_error);

  if (profile != NULL)
    return g_steal_pointer (&profile);
  profile = vpnd_profile_store_complete (self->profiles, unresolved);
  if (profile == NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else
    g_message ("The endpoint's name cannot be looked up; taking the address that it had last");
  return g_steal_pointer (&profile);
}

static void
on_resolved_for_activate (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  Lookup *lookup = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndProfile) profile = NULL;

  if (g_cancellable_is_cancelled (lookup->cancellable))
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_CANCELLED, "A later request came before the endpoint's name was looked up");
      return;
    }
  profile = finish_lookup (self, result, lookup->profile, &error);
  if (profile == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    post_request (self, item_new (VPND_EVENT_ACTIVATE, profile, task));
}

/* A peer that only answers is allowed in a profile, and is none to connect to. */
static gboolean
has_server (const VpndProfile *profile)
{
  const VpndPeer *primary = vpnd_profile_primary_peer (profile);

  return primary != NULL && (primary->host != NULL || primary->endpoints->len > 0);
}

/**
 * vpnd_engine_activate_async:
 * @self: the engine
 * @profile: what to activate; endpoints given by name are looked up first, and where that fails have the addresses of the last time
 * @cancellable: (nullable): cancels the lookup; what has begun after it runs to its end
 * @callback: called when the tunnel is set up and protection is in force
 * @user_data: passed to @callback
 */
void
vpnd_engine_activate_async (VpndEngine *self, VpndProfile *profile, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Lookup *lookup;

  g_task_set_source_tag (task, vpnd_engine_activate_async);
  g_task_set_check_cancellable (task, FALSE);
  if (!has_server (profile))
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE, "Endpoint: the profile names no server to connect to");
      g_object_unref (task);
      return;
    }
  withdraw_lookup (self);
  if (!vpnd_resolve_profile_is_needed (profile))
    {
      post_request (self, item_new (VPND_EVENT_ACTIVATE, profile, task));
      g_object_unref (task);
      return;
    }
  self->lookup = g_cancellable_new ();
  lookup = g_new0 (Lookup, 1);
  lookup->cancellable = g_object_ref (self->lookup);
  lookup->profile = vpnd_profile_ref (profile);
  g_task_set_task_data (task, lookup, (GDestroyNotify) lookup_free);
  if (cancellable != NULL)
    g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (g_cancellable_cancel), self->lookup, G_CONNECT_SWAPPED);
  vpnd_resolve_profile_async (self->ports.names_lookup, profile, self->lookup, on_resolved_for_activate, task);
}

/**
 * vpnd_engine_activate_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_FIREWALL, _TUNNEL, _ROUTING, _DNS, _KERNEL_FEATURE, _ENDPOINT_UNRESOLVABLE, _STORAGE
 *
 * Returns: FALSE when the activation failed; the state is then what it was before
 */
gboolean
vpnd_engine_activate_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
request_event (VpndEngine *self, VpndEventKind kind, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE);
  post_request (self, item_new (kind, NULL, task));
}

/**
 * vpnd_engine_deactivate_async:
 * @self: the engine
 * @cancellable: (nullable): not heeded; what has begun runs to its end
 * @callback: called when the host is as before, or closed with lockdown
 * @user_data: passed to @callback
 */
void
vpnd_engine_deactivate_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  withdraw_lookup (self);
  request_event (self, VPND_EVENT_DEACTIVATE, vpnd_engine_deactivate_async, cancellable, callback, user_data);
}

/**
 * vpnd_engine_deactivate_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: TRUE when nothing is active any more
 */
gboolean
vpnd_engine_deactivate_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_engine_reconnect_async:
 * @self: the engine
 * @cancellable: (nullable): not heeded
 * @callback: called when the new session has been started
 * @user_data: passed to @callback
 */
void
vpnd_engine_reconnect_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  if (self->state->profile == NULL || !vpnd_state_is_protected (self->state))
    {
      g_task_report_new_error (self, callback, user_data, vpnd_engine_reconnect_async, VPND_ERROR, VPND_ERROR_NOT_CONNECTED,
          "No connection is active; activate a profile first");
      return;
    }
  request_event (self, VPND_EVENT_RECONNECT, vpnd_engine_reconnect_async, cancellable, callback, user_data);
}

/**
 * vpnd_engine_reconnect_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_NOT_CONNECTED and those of activate
 *
 * Returns: TRUE when a new session has been started
 */
gboolean
vpnd_engine_reconnect_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_engine_suspend_async:
 * @self: the engine
 * @cancellable: (nullable): not heeded
 * @callback: called when nothing is under way any more
 * @user_data: passed to @callback
 *
 * The host is about to sleep: what was asked for before is finished.
 */
void
vpnd_engine_suspend_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  request_event (self, VPND_EVENT_SUSPENDING, vpnd_engine_suspend_async, cancellable, callback, user_data);
}

/**
 * vpnd_engine_suspend_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: TRUE
 */
gboolean
vpnd_engine_suspend_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * vpnd_engine_resume:
 * @self: the engine
 *
 * The host has slept: whether the peer still knows us is found out at once.
 */
void
vpnd_engine_resume (VpndEngine *self)
{
  post (self, VPND_EVENT_RESUMED);
}

/**
 * vpnd_engine_get_settings:
 * @self: the engine
 *
 * Returns: (transfer none): the settings in force
 */
VpndSettings *
vpnd_engine_get_settings (VpndEngine *self)
{
  return self->settings;
}

static void
adopt_settings (VpndEngine *self, VpndSettings *settings)
{
  vpnd_settings_ref (settings);
  g_clear_pointer (&self->settings, vpnd_settings_unref);
  self->settings = settings;
  g_signal_emit (self, signals[SIGNAL_SETTINGS_CHANGED], 0);
}

static void
on_settings_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = VPND_ENGINE (source);
  VpndSettings *former = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (!vpnd_settings_store_save (self->settings_store, former, NULL))
    g_ptr_array_add (self->warnings, g_strdup ("settings: the file holds a value that could not be applied"));
  adopt_settings (self, former);
  post (self, VPND_EVENT_SETTINGS_CHANGED);
  g_task_return_error (task, g_steal_pointer (&error));
}

/**
 * vpnd_engine_set_settings_async:
 * @self: the engine
 * @settings: the new settings
 * @cancellable: (nullable): not heeded
 * @callback: called when they are saved and applied
 * @user_data: passed to @callback
 *
 * Saves, then applies. When applying fails the former settings are saved and applied again.
 */
void
vpnd_engine_set_settings_async (VpndEngine *self, VpndSettings *settings, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;

  g_task_set_source_tag (task, vpnd_engine_set_settings_async);
  g_task_set_check_cancellable (task, FALSE);
  if (vpnd_settings_equal (settings, self->settings))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (!vpnd_settings_store_save (self->settings_store, settings, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_task_set_task_data (task, vpnd_settings_ref (self->settings), (GDestroyNotify) vpnd_settings_unref);
  adopt_settings (self, settings);
  request_event (self, VPND_EVENT_SETTINGS_CHANGED, vpnd_engine_set_settings_async, cancellable, on_settings_applied, g_steal_pointer (&task));
}

/**
 * vpnd_engine_set_settings_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_STORAGE, or what applying met
 *
 * Returns: FALSE when nothing has changed
 */
gboolean
vpnd_engine_set_settings_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- start and stop --- */

/* A stored profile that vanished without a word would be looked for in vain. */
static void
tell_broken_profiles (VpndEngine *self)
{
  const GPtrArray *broken = vpnd_profile_store_get_broken (self->profiles);

  for (guint i = 0; i < broken->len; i++)
    {
      g_autofree char *text = g_strdup_printf ("profiles: a file could not be used and was kept aside as \"%s\"", (const char *) g_ptr_array_index (broken, i));

      vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_STORAGE, "%s", text);
      add_warning (self, text);
    }
}

static void
post_start (VpndEngine *self, VpndRecovery recovery, VpndProfile *profile, GTask *task)
{
  Item *item = item_new (VPND_EVENT_START, profile, task);

  item->event.recovery = recovery;
  if (recovery != VPND_RECOVERY_NONE)
    vpnd_log_event (G_LOG_LEVEL_MESSAGE, VPND_MESSAGE_RECOVERED, "An earlier instance left the host protected, or the settings ask for it");
  tell_broken_profiles (self);
  self->is_started = TRUE;
  g_queue_push_head (&self->queue, item);
  process (self);
}

static VpndProfile *
find_profile_for_start (VpndEngine *self)
{
  g_autoptr (VpndProfile) wanted = vpnd_profile_store_get_wanted (self->profiles);

  if (vpnd_ledger_get_protected (self->ledger) && wanted != NULL)
    return g_steal_pointer (&wanted);
  if (self->settings->auto_connect && *self->settings->auto_connect_profile != '\0')
    return vpnd_profile_store_lookup (self->profiles, self->settings->auto_connect_profile, NULL);
  if (self->settings->auto_connect)
    return vpnd_profile_store_get_last (self->profiles);
  return NULL;
}

static void
recover (VpndEngine *self, gboolean settings_broken, GTask *task)
{
  g_autoptr (VpndProfile) profile = find_profile_for_start (self);
  g_autoptr (VpndProfile) complete = NULL;
  gint64 now_us = vpnd_clock_wall_us (self->ports.clock);
  VpndRecoveryInput input = {
    .was_protected = vpnd_ledger_get_protected (self->ledger),
    .was_handover = vpnd_ledger_get_handover (self->ledger),
    .has_profile = profile != NULL,
    .settings_broken = settings_broken,
  };
  VpndRecovery recovery;

  if (input.was_protected && !input.was_handover)
    (void) vpnd_ledger_add_crash (self->ledger, now_us, NULL);
  else if (input.was_handover)
    (void) vpnd_ledger_set_target (self->ledger, TRUE, FALSE, NULL); /* taken over: from here on an end without order is a crash */
  input.crashes = vpnd_ledger_count_crashes (self->ledger, now_us - CRASH_WINDOW_US);
  recovery = vpnd_recovery_decide (&input, self->settings);

  /* The host is closed first, and then no name can be asked for: an endpoint known by name has the address of the last time. Without one
   * the state is error, closed, and says so. */
  if (recovery == VPND_RECOVERY_RECONNECT && vpnd_resolve_profile_is_needed (profile))
    complete = vpnd_profile_store_complete (self->profiles, profile);
  post_start (self, recovery, complete != NULL ? complete : profile, task);
}

static void
on_facts_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSettings) settings = NULL;
  gboolean settings_broken = FALSE;

  if (!vpnd_facts_source_start_finish (VPND_FACTS_SOURCE (source), result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  settings = vpnd_settings_store_load (self->settings_store, &settings_broken, &error);
  if (settings_broken)
    {
      vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_STORAGE, "%s", error != NULL ? error->message : "The settings cannot be read");
      g_free (self->detail);
      self->detail = g_strdup (error != NULL ? error->message : "");
    }
  if (settings != NULL)
    adopt_settings (self, settings);
  recover (self, settings_broken, task);
}

/**
 * vpnd_engine_start_async:
 * @self: the engine
 * @cancellable: (nullable): cancels reading the facts
 * @callback: called when the host is in the state that the ledger and the settings demand
 * @user_data: passed to @callback
 */
void
vpnd_engine_start_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_start_async);
  g_task_set_check_cancellable (task, FALSE);
  vpnd_facts_source_start_async (self->ports.facts_source, cancellable, on_facts_started, task);
}

/**
 * vpnd_engine_start_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when the daemon cannot work
 */
gboolean
vpnd_engine_start_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* What could not be undone stands in the warnings: nobody reads a status here. */
static void
on_released (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = VPND_ENGINE (source);
  g_autoptr (GError) error = NULL;

  g_autoptr (GString) all = g_string_new (NULL);

  (void) g_task_propagate_boolean (G_TASK (result), &error);
  for (guint i = 0; i < self->warnings->len; i++)
    g_string_append_printf (all, "%s%s", i > 0 ? "; " : "", (const char *) g_ptr_array_index (self->warnings, i));
  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (all->len > 0)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_FAILED, "%s", all->str);
  else
    g_task_return_boolean (task, TRUE);
}

/* The settings with nothing in them that closes the network, saved. A disk that takes nothing is no reason to keep it closed. */
static void
loosen_settings (VpndEngine *self)
{
  static const char *const keys[] = { "lockdown", "auto-connect" };
  g_autoptr (GError) error = NULL;
  gboolean is_broken;
  g_autoptr (VpndSettings) settings = vpnd_settings_store_load (self->settings_store, &is_broken, NULL);

  if (settings == NULL)
    settings = vpnd_settings_new_default ();
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      VpndSettings *looser = vpnd_settings_with (settings, vpnd_setting_info_by_key (keys[i]), g_variant_new_boolean (FALSE), NULL);

      vpnd_settings_unref (settings);
      settings = looser;
    }
  adopt_settings (self, settings);
  if (!vpnd_settings_store_save (self->settings_store, settings, &error))
    g_ptr_array_add (self->warnings, g_strdup_printf ("lockdown and auto-connect could not be turned off: %s", error->message));
}

/**
 * vpnd_engine_release_async:
 * @self: an engine, instead of starting it
 * @cancellable: (nullable): not heeded
 * @callback: called when everything has been tried
 * @user_data: passed to @callback
 *
 * The way out when the daemon cannot be started: undoes whatever an earlier instance left on the host, and turns lockdown and
 * auto-connect off. Goes on after a failure.
 */
void
vpnd_engine_release_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GTask) start = g_task_new (self, NULL, on_released, task);

  g_task_set_source_tag (task, vpnd_engine_release_async);
  g_task_set_source_tag (start, vpnd_engine_release_async);
  g_task_set_check_cancellable (task, FALSE);
  loosen_settings (self);
  post_start (self, VPND_RECOVERY_RELEASE, NULL, start);
}

/**
 * vpnd_engine_release_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_FAILED with all that could not be undone
 *
 * Returns: TRUE when the host is as if vpnd had never run
 */
gboolean
vpnd_engine_release_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
keeps_rules (VpndEngine *self, VpndStopReason reason)
{
  gboolean is_protected = vpnd_state_is_protected (self->state);

  switch (reason)
    {
    case VPND_STOP_REQUESTED:
      return FALSE;
    case VPND_STOP_RESTART:
      return is_protected;
    case VPND_STOP_GOING_DOWN:
      return is_protected || self->settings->auto_connect;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_engine_stop_async:
 * @self: the engine
 * @reason: why the daemon ends
 * @cancellable: (nullable): not heeded
 * @callback: called when the host may be left alone
 * @user_data: passed to @callback
 */
void
vpnd_engine_stop_async (VpndEngine *self, VpndStopReason reason, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Item *item = item_new (VPND_EVENT_STOP, NULL, task);

  withdraw_lookup (self);
  g_task_set_source_tag (task, vpnd_engine_stop_async);
  g_task_set_check_cancellable (task, FALSE);
  item->event.keep_rules = keeps_rules (self, reason);
  if (item->event.keep_rules && vpnd_state_is_protected (self->state))
    (void) vpnd_ledger_set_target (self->ledger, TRUE, TRUE, NULL); /* when it fails, the next start sees a crash and stays closed */
  post_request (self, item);
}

/**
 * vpnd_engine_stop_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: FALSE when something could not be undone
 */
gboolean
vpnd_engine_stop_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- status --- */

/**
 * vpnd_engine_dup_status:
 * @self: the engine
 *
 * Returns: (transfer full): the status with the counters of the last reading; no I/O
 */
VpndStatus *
vpnd_engine_dup_status (VpndEngine *self)
{
  VpndStatusInput input = {
    .state = self->shown,
    .settings = self->settings,
    .is_blocking = vpnd_executor_is_blocking (self->executor),
    .since_us = self->since_us,
    .detail = self->detail,
    .warnings = self->warnings,
    .backend = vpnd_tunnel_get_active (self->ports.tunnel),
    .stats = vpnd_handshake_get_stats (self->handshake),
  };

  return vpnd_status_build (&input);
}

static void
on_stats_for_status (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndEngine *self = g_task_get_source_object (task);
  g_autoptr (GArray) stats = vpnd_tunnel_read_stats_finish (VPND_TUNNEL (source), result, NULL);

  /* A device that cannot be read just now leaves the counters of the last reading. */
  if (stats != NULL)
    vpnd_handshake_set_stats (self->handshake, stats);
  g_task_return_boolean (task, TRUE);
}

/**
 * vpnd_engine_query_status_async:
 * @self: the engine
 * @cancellable: (nullable): cancels the reading
 * @callback: called with the status
 * @user_data: passed to @callback
 */
void
vpnd_engine_query_status_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_query_status_async);
  if (self->state->kind == VPND_STATE_CONNECTED)
    {
      vpnd_tunnel_read_stats_async (self->ports.tunnel, VPND_IFNAME, cancellable, on_stats_for_status, task);
      return;
    }
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

/**
 * vpnd_engine_query_status_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the status with fresh counters; NULL only when cancelled
 */
VpndStatus *
vpnd_engine_query_status_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  /* Taken now and not when the reading ended: signals that were sent in between must not be contradicted. */
  return g_task_propagate_boolean (G_TASK (result), error) ? vpnd_engine_dup_status (self) : NULL;
}

static void
on_dns_described (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GVariant *report = vpnd_resolver_describe_finish (VPND_RESOLVER (source), result, &error);

  if (report != NULL)
    g_task_return_pointer (task, report, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

/**
 * vpnd_engine_query_dns_async:
 * @self: the engine
 * @cancellable: (nullable): cancels the questions
 * @callback: called with the report
 * @user_data: passed to @callback
 */
void
vpnd_engine_query_dns_async (VpndEngine *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_engine_query_dns_async);
  vpnd_resolver_describe_async (self->ports.resolver, cancellable, on_dns_described, task);
}

/**
 * vpnd_engine_query_dns_finish:
 * @self: the engine
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): a{sv}; NULL when cancelled, or where nobody can tell
 */
GVariant *
vpnd_engine_query_dns_finish (VpndEngine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
vpnd_engine_dispose (GObject *object)
{
  VpndEngine *self = VPND_ENGINE (object);

  if (self->ports.clock != NULL)
    {
      cancel_retry (self);
      cancel_repair (self);
      cancel_dns_repair (self);
    }
  withdraw_lookup (self);
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_queue_clear_full (&self->queue, (GDestroyNotify) item_free);
  if (self->handshake != NULL)
    vpnd_handshake_stop (self->handshake); /* a reading under way may outlive us */
  g_clear_object (&self->handshake);
  if (self->executor != NULL)
    g_signal_handlers_disconnect_by_data (self->executor, self);
  g_clear_object (&self->executor);
  if (self->ports.facts_source != NULL)
    g_signal_handlers_disconnect_by_data (self->ports.facts_source, self);
  if (self->ports.tunnel != NULL)
    g_signal_handlers_disconnect_by_data (self->ports.tunnel, self);
  if (self->ports.firewall != NULL)
    g_signal_handlers_disconnect_by_data (self->ports.firewall, self);
  if (self->ports.router != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->ports.router, self);
      watch_router (self, NULL);
    }
  if (self->ports.resolver != NULL)
    g_signal_handlers_disconnect_by_data (self->ports.resolver, self);
  g_clear_object (&self->ports.firewall);
  g_clear_object (&self->ports.tunnel);
  g_clear_object (&self->ports.router);
  g_clear_object (&self->ports.resolver);
  g_clear_object (&self->ports.facts_source);
  g_clear_object (&self->ports.names_lookup);
  g_clear_object (&self->ports.prober);
  g_clear_object (&self->ports.clock);
  g_clear_object (&self->ports.socket_killer);
  g_clear_object (&self->profiles);
  g_clear_object (&self->settings_store);
  G_OBJECT_CLASS (vpnd_engine_parent_class)->dispose (object);
}

static void
vpnd_engine_finalize (GObject *object)
{
  VpndEngine *self = VPND_ENGINE (object);

  g_clear_pointer (&self->state, vpnd_state_unref);
  g_clear_pointer (&self->shown, vpnd_state_unref);
  g_clear_pointer (&self->settings, vpnd_settings_unref);
  g_clear_pointer (&self->warnings, g_ptr_array_unref);
  g_clear_error (&self->request_error);
  g_free (self->detail);
  G_OBJECT_CLASS (vpnd_engine_parent_class)->finalize (object);
}

static void
vpnd_engine_class_init (VpndEngineClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GType type = G_TYPE_FROM_CLASS (klass);

  object_class->dispose = vpnd_engine_dispose;
  object_class->finalize = vpnd_engine_finalize;

  signals[SIGNAL_CHANGED] = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_CONNECTED] = g_signal_new ("connected", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[SIGNAL_DISCONNECTED] = g_signal_new ("disconnected", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_SETTINGS_CHANGED] = g_signal_new ("settings-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
vpnd_engine_init (VpndEngine *self)
{
  g_queue_init (&self->queue);
  self->state = vpnd_state_new ();
  self->shown = vpnd_state_ref (self->state);
  self->settings = vpnd_settings_new_default ();
  self->detail = g_strdup ("");
  self->warnings = g_ptr_array_new_with_free_func (g_free);
  self->cancellable = g_cancellable_new ();
}

/**
 * vpnd_engine_new:
 * @ports: the ports
 * @ledger: (transfer none): the ledger; outlives the engine
 * @profiles: the profile store
 * @settings_store: the settings store
 *
 * Returns: (transfer full): an engine that has not started
 */
VpndEngine *
vpnd_engine_new (const VpndEnginePorts *ports, VpndLedger *ledger, VpndProfileStore *profiles, VpndSettingsStore *settings_store)
{
  VpndEngine *self = g_object_new (VPND_TYPE_ENGINE, NULL);
  VpndExecutorPorts executor_ports = { ports->firewall, ports->tunnel, ports->router, ports->resolver, ports->socket_killer };

  self->ports.firewall = g_object_ref (ports->firewall);
  self->ports.tunnel = g_object_ref (ports->tunnel);
  self->ports.router = g_object_ref (ports->router);
  self->ports.resolver = g_object_ref (ports->resolver);
  self->ports.facts_source = g_object_ref (ports->facts_source);
  self->ports.names_lookup = g_object_ref (ports->names_lookup);
  self->ports.prober = g_object_ref (ports->prober);
  self->ports.clock = g_object_ref (ports->clock);
  self->ports.socket_killer = g_object_ref (ports->socket_killer);
  self->ledger = ledger;
  self->profiles = g_object_ref (profiles);
  self->settings_store = g_object_ref (settings_store);
  self->since_us = vpnd_clock_wall_us (self->ports.clock);
  self->executor = vpnd_executor_new (&executor_ports, ledger, profiles, on_local_effect, self);
  g_signal_connect_swapped (self->executor, "blocking", G_CALLBACK (on_blocking), self);
  self->handshake = vpnd_handshake_new (ports->tunnel, ports->prober, ports->clock, on_handshake_report, self);

  g_signal_connect (self->ports.facts_source, "changed", G_CALLBACK (on_facts_changed), self);
  g_signal_connect (self->ports.tunnel, "lost", G_CALLBACK (on_tunnel_lost), self);
  g_signal_connect (self->ports.resolver, "overwritten", G_CALLBACK (on_dns_overwritten), self);
  g_signal_connect (self->ports.firewall, "tampered", G_CALLBACK (on_firewall_tampered), self);
  g_signal_connect (self->ports.router, "disturbed", G_CALLBACK (on_router_disturbed), self);
  return self;
}
