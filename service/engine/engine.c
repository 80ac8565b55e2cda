/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine of engine/engine.h. A queue of events; each goes through core/transition, its effects through the executor, and the outcome
 * is the next event, ahead of all that wait. A request is answered when no effect follows any more.
 */
#include "config.h"

#include "engine-private.h"

#include "error.h"
#include "log.h"
#include "reserved.h"

#define WARNINGS_MAX 16 /* a status stays readable, however much goes wrong */

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

static void
item_free (VpndEngineItem *item)
{
  g_clear_pointer (&item->profile, vpnd_profile_unref);
  g_clear_object (&item->task);
  g_free (item);
}

/**
 * vpnd_engine_item_new:
 * @kind: what happened
 * @profile: (nullable): its profile
 * @task: (nullable): the request that it came from
 *
 * Returns: (transfer full): an event that waits
 */
VpndEngineItem *
vpnd_engine_item_new (VpndEventKind kind, VpndProfile *profile, GTask *task)
{
  VpndEngineItem *item = g_new0 (VpndEngineItem, 1);

  item->event.kind = kind;
  if (profile != NULL)
    item->profile = vpnd_profile_ref (profile);
  item->event.profile = item->profile;
  if (task != NULL)
    item->task = g_object_ref (task);
  return item;
}

/**
 * vpnd_engine_post:
 * @self: the engine
 * @kind: what happened
 *
 * Appends an event that nobody asked for.
 */
void
vpnd_engine_post (VpndEngine *self, VpndEventKind kind)
{
  VpndEngineItem *item = vpnd_engine_item_new (kind, NULL, NULL);

  item->event.watch = self->watch;
  g_queue_push_tail (&self->queue, item);
  vpnd_engine_process (self);
}

/**
 * vpnd_engine_post_request:
 * @self: the engine
 * @item: (transfer full): an event with its request
 */
void
vpnd_engine_post_request (VpndEngine *self, VpndEngineItem *item)
{
  g_queue_push_tail (&self->queue, item);
  vpnd_engine_process (self);
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
  if (self->split != NULL)
    vpnd_split_tunnel_set_protected (self->split, vpnd_state_is_protected (self->state) && vpnd_executor_is_blocking (self->executor));
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
    .split = self->split != NULL ? vpnd_split_tunnel_get_plan (self->split) : NULL,
    .attempt_age_ms = (guint64) (vpnd_clock_now_us (self->ports.clock) - self->attempt_started_us) / 1000,
    .link_ifindex = vpnd_tunnel_get_ifindex (self->ports.tunnel),
  };
}

static VpndState *
decide (VpndEngine *self, const VpndEvent *event, GPtrArray **out_effects)
{
  g_autoptr (VpndFacts) facts = vpnd_facts_source_get (self->ports.facts_source);
  VpndContext context = make_context (self, facts);
  VpndState *next = vpnd_transition (self->state, event, &context, out_effects);

  if (next != NULL)
    return next;
  context.listen_port = vpnd_prober_find_port (self->ports.prober, VPND_LISTEN_PORT_FIRST, VPND_LISTEN_PORT_LAST);
  return vpnd_transition (self->state, event, &context, out_effects);
}

/* --- effects that concern the daemon itself --- */

static void
on_retry (gpointer user_data)
{
  VpndEngine *self = user_data;

  self->retry = 0;
  vpnd_engine_post (self, VPND_EVENT_RETRY);
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
      vpnd_path_mtu_stop (self->path_mtu); /* of another attempt, and maybe of another path */
      self->watch = effect->watch;
      vpnd_handshake_watch_establish (self->handshake, self->state->profile, effect->delay_ms);
    }
  else if (effect->kind == VPND_EFFECT_WATCH_LIVENESS)
    {
      self->watch = effect->watch;
      vpnd_handshake_watch_liveness (self->handshake, self->state->profile);
    }
  else if (effect->kind == VPND_EFFECT_WATCH_STOP)
    {
      vpnd_handshake_stop (self->handshake);
      vpnd_path_mtu_stop (self->path_mtu);
    }
  else if (effect->kind == VPND_EFFECT_MEASURE_PATH)
    vpnd_path_mtu_begin (self->path_mtu, effect->path);
  else if (effect->kind == VPND_EFFECT_PROBE)
    vpnd_handshake_probe (self->handshake);
  else if (effect->kind == VPND_EFFECT_RETRY_AFTER)
    {
      cancel_retry (self);
      self->retry = vpnd_clock_schedule (self->ports.clock, effect->delay_ms, on_retry, self);
    }
  else if (effect->kind == VPND_EFFECT_LOOK_UP)
    vpnd_engine_look_up_later (self, effect->delay_ms);
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

/**
 * vpnd_engine_add_warning:
 * @self: the engine
 * @text: one sentence; told in status until the next activation
 */
void
vpnd_engine_add_warning (VpndEngine *self, const char *text)
{
  if (g_ptr_array_find_with_equal_func (self->warnings, text, g_str_equal, NULL))
    return;
  if (self->warnings->len == WARNINGS_MAX)
    g_ptr_array_remove_index (self->warnings, 0);
  g_ptr_array_add (self->warnings, g_strdup (text));
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
  if (self->is_settled)
    return;

  self->is_settled = TRUE;
  for (guint i = 0; i < self->early->len; i++)
    g_task_return_boolean (g_ptr_array_index (self->early, i), TRUE);
  g_ptr_array_set_size (self->early, 0);
}

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

      vpnd_engine_add_warning (self, text);
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
  VpndEngineItem *item = vpnd_engine_item_new (decisive == NULL ? VPND_EVENT_EFFECTS_DONE : VPND_EVENT_EFFECT_FAILED, NULL, NULL);

  for (guint i = 0; i < failures->len; i++)
    {
      const VpndExecutorFailure *failure = &g_array_index (failures, VpndExecutorFailure, i);

      note_failure (self, failure);
      if (failure->keep_going && failure->effect == VPND_EFFECT_APPLY_DNS)
        vpnd_engine_repair_dns (self);
    }
  if (decisive != NULL)
    item->event.effect = decisive->effect;
  vpnd_engine_settle_split (self, failures);
  if (vpnd_state_is_protected (self->state) && !vpnd_executor_is_blocking (self->executor))
    vpnd_log_event (G_LOG_LEVEL_CRITICAL, VPND_MESSAGE_NOT_BLOCKING, "The rules are NOT in force: traffic can leave outside the tunnel");

  self->is_busy = FALSE;
  g_queue_push_head (&self->queue, item);
  publish (self);
  vpnd_engine_process (self);
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
    vpnd_engine_cancel_dns_repair (self);
}

/* The rules have come into force in the middle of a run, which may take a while yet. */
static void
on_blocking (VpndEngine *self)
{
  if (may_publish_early (self))
    publish (self);
}

/**
 * vpnd_engine_process:
 * @self: the engine
 *
 * Works at the queue until effects are under way or nothing is left. An event that follows from effects stands first, so a request is finished when an event of its own leads to no more effects.
 */
void
vpnd_engine_process (VpndEngine *self)
{
  while (self->is_started && !self->is_busy && !g_queue_is_empty (&self->queue))
    {
      VpndEngineItem *item = g_queue_pop_head (&self->queue);
      g_autoptr (GPtrArray) effects = NULL;
      VpndState *next = decide (self, &item->event, &effects);

      g_debug ("%s while %s: %u effects", vpnd_event_name (item->event.kind), vpnd_state_word (self->state->kind), effects->len);
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
      adopt_state (self, next);
      vpnd_engine_note_split (self, item->event.kind, effects);
      item_free (item);

      self->is_busy = effects->len > 0;
      if (!self->is_busy || may_publish_early (self))
        publish (self);
      if (self->is_busy)
        vpnd_engine_watch_router (self, NULL);
      if (self->is_busy)
        vpnd_executor_run_async (self->executor, effects, self->cancellable, on_effects_performed, g_object_ref (self));
      else
        finish_request (self);
    }
  if (self->is_busy)
    return;
  if (self->state->routes == NULL)
    vpnd_engine_cancel_repair (self);
  if (!self->is_watching && !self->state->is_waiting)
    vpnd_engine_watch_router (self, self->state->routes);
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
    vpnd_engine_post (self, events[what]);
  else if (!vpnd_executor_sysctls_hold (self->executor))
    vpnd_engine_repair (self, "sysctls"); /* the kernel does not tell when one of ours is written, so they are read with the counters */
}

static void
on_path_measured (guint32 mtu, gpointer user_data)
{
  VpndEngine *self = user_data;
  VpndEngineItem *item = vpnd_engine_item_new (VPND_EVENT_PATH_MEASURED, NULL, NULL);

  g_message ("The path of the tunnel carries packets of %u bytes", mtu);
  if (mtu < VPND_MTU_MIN_V6_BYTES && self->state->profile != NULL && vpnd_profile_has_address (self->state->profile, AF_INET6))
    {
      g_autofree char *text = g_strdup_printf ("mtu: the path carries packets of %u bytes inside the tunnel, and IPv6 needs %u: larger ones leave in fragments, or are lost", mtu, VPND_MTU_MIN_V6_BYTES);

      vpnd_engine_add_warning (self, text);
    }
  item->event.mtu = mtu;
  vpnd_engine_post_request (self, item);
}

static void
on_facts_changed (VpndFactsSource *source, gpointer user_data)
{
  vpnd_engine_look_for_outside_dns (VPND_ENGINE (user_data)); /* networks come with resolvers */
  vpnd_engine_post (VPND_ENGINE (user_data), VPND_EVENT_FACTS_CHANGED);
}

static void
on_tunnel_lost (VpndTunnel *tunnel, const char *reason, gpointer user_data)
{
  VpndEngine *self = user_data;

  vpnd_log_event (G_LOG_LEVEL_WARNING, VPND_MESSAGE_REPAIRED, "The tunnel's device is gone: %s; making it anew", reason);
  self->repairs++;
  vpnd_engine_add_warning (self, "link: the tunnel's device went away, and was made anew");
  vpnd_engine_post (self, VPND_EVENT_LINK_LOST);
}

static void
vpnd_engine_dispose (GObject *object)
{
  VpndEngine *self = VPND_ENGINE (object);

  if (self->ports.clock != NULL)
    {
      cancel_retry (self);
      vpnd_engine_ignore_others (self);
    }
  vpnd_engine_withdraw_lookup (self);
  vpnd_engine_drop_split (self);
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_queue_clear_full (&self->queue, (GDestroyNotify) item_free);
  if (self->handshake != NULL)
    vpnd_handshake_stop (self->handshake); /* a reading under way may outlive us */
  g_clear_object (&self->handshake);
  if (self->path_mtu != NULL)
    vpnd_path_mtu_stop (self->path_mtu); /* a trial under way may outlive us */
  g_clear_object (&self->path_mtu);
  if (self->executor != NULL)
    g_signal_handlers_disconnect_by_data (self->executor, self);
  g_clear_object (&self->executor);
  if (self->ports.facts_source != NULL)
    g_signal_handlers_disconnect_by_data (self->ports.facts_source, self);
  if (self->ports.tunnel != NULL)
    g_signal_handlers_disconnect_by_data (self->ports.tunnel, self);
  g_clear_object (&self->ports.firewall);
  g_clear_object (&self->ports.tunnel);
  g_clear_object (&self->ports.router);
  g_clear_object (&self->ports.resolver);
  g_clear_object (&self->ports.facts_source);
  g_clear_object (&self->ports.names_lookup);
  g_clear_object (&self->ports.prober);
  g_clear_object (&self->ports.clock);
  g_clear_object (&self->ports.socket_killer);
  g_clear_object (&self->ports.inspector);
  g_clear_object (&self->ports.splitter);
  g_clear_object (&self->ports.name_watch);
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
  g_assert (self->routes_waiters == NULL && self->check_waiters == NULL); /* they hold a reference */
  g_clear_pointer (&self->early, g_ptr_array_unref);
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
  self->early = g_ptr_array_new_with_free_func (g_object_unref);
  self->warnings = g_ptr_array_new_with_free_func (g_free);
  self->cancellable = g_cancellable_new ();
}

/**
 * vpnd_engine_new:
 * @ports: the ports
 * @ledger: (transfer none): the ledger; outlives the engine
 * @profiles: the profile store
 * @settings_store: the settings store
 * @split_store: (nullable): the store of split tunnelling; NULL only without its port
 *
 * Returns: (transfer full): an engine that has not started
 */
VpndEngine *
vpnd_engine_new (const VpndEnginePorts *ports, VpndLedger *ledger, VpndProfileStore *profiles, VpndSettingsStore *settings_store, VpndSplitStore *split_store)
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
  self->ports.inspector = g_object_ref (ports->inspector);
  self->profiles = g_object_ref (profiles);
  if (ports->splitter != NULL)
    {
      self->ports.splitter = g_object_ref (ports->splitter);
      self->ports.name_watch = ports->name_watch != NULL ? g_object_ref (ports->name_watch) : NULL;
      vpnd_engine_make_split (self, split_store);
    }
  self->ledger = ledger;
  self->settings_store = g_object_ref (settings_store);
  self->since_us = vpnd_clock_wall_us (self->ports.clock);
  self->executor = vpnd_executor_new (&executor_ports, ledger, profiles, on_local_effect, self);
  g_signal_connect_swapped (self->executor, "blocking", G_CALLBACK (on_blocking), self);
  self->handshake = vpnd_handshake_new (ports->tunnel, ports->prober, ports->clock, on_handshake_report, self);

  self->path_mtu = vpnd_path_mtu_new (ports->prober, ports->clock, on_path_measured, self);

  g_signal_connect (self->ports.facts_source, "changed", G_CALLBACK (on_facts_changed), self);
  g_signal_connect (self->ports.tunnel, "lost", G_CALLBACK (on_tunnel_lost), self);
  vpnd_engine_watch_for_others (self);
  return self;
}
