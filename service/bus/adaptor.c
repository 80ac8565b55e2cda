/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See adaptor.h. Registers the interfaces, hands every call to the gate, and turns the signals of the engine into signals on the
 * bus. Those are broadcasts: everybody sees them, so they carry no endpoint, no address and no user.
 */
#include "config.h"

#include "adaptor.h"

#include "actions.h"
#include "admission.h"
#include "error-bus.h"
#include "gate.h"
#include "names.h"
#include "properties.h"

#include <malloc.h>

#define PROCESSES_AT_ONCE 16u /* told before the bus has taken them; ten thousand at once would fill memory and hold up whoever asks for something */

/* An interface whose PropertiesChanged we emit. */
typedef struct
{
  const char *interface;
  GVariant *announced; /* (owned) (nullable): type a{sv}, what everybody was told last */
} Announced;

/* A process that came into a class or left it, and is to be told. */
typedef struct
{
  const char *signal;
  guint pid;
  char *path;   /* (owned): a shared text */
  char *reason; /* (owned): a shared text */
} Told;

struct _VpndAdaptor
{
  GObject parent_instance;

  VpndServices services;       /* (owned) */
  VpndGate *gate;              /* (owned) */
  GDBusConnection *connection; /* (owned) (nullable) */
  GArray *registrations;       /* (element-type guint) (owned) */
  guint admission;             /* id of the filter of @connection */
  GSource *announce_source;    /* (owned) (nullable): pending PropertiesChanged */
  Announced daemon;
  Announced settings;
  Announced split;
  GArray *waiting; /* (element-type Told) (owned): processes that are told as soon as the bus has taken those before */
  guint n_told;    /* of @waiting */
  guint n_on_way;  /* signals of processes that the bus has not taken yet */
};

G_DEFINE_FINAL_TYPE (VpndAdaptor, vpnd_adaptor, G_TYPE_OBJECT)

static void
emit (VpndAdaptor *self, const char *interface, const char *name, GVariant *parameters)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (parameters);

  if (self->connection != NULL)
    (void) g_dbus_connection_emit_signal (self->connection, NULL, VPND_OBJECT_PATH, interface, name, owned, NULL); /* fails only when the bus is gone */
}

/* One message with all that changed since the last one. */
static void
announce (VpndAdaptor *self, Announced *announced)
{
  g_autoptr (GVariant) now = vpnd_properties_get_all (&self->services, announced->interface);
  g_autoptr (GVariant) changes = vpnd_properties_changes (announced->announced, now);

  if (changes != NULL)
    emit (self, VPND_INTERFACE_PROPERTIES, "PropertiesChanged", g_variant_new ("(s@a{sv}as)", announced->interface, changes, NULL));
  g_clear_pointer (&announced->announced, g_variant_unref);
  announced->announced = g_steal_pointer (&now);
}

static void
announce_all (VpndAdaptor *self)
{
  if (self->announce_source != NULL)
    {
      g_source_destroy (self->announce_source);
      g_clear_pointer (&self->announce_source, g_source_unref);
    }
  if (self->connection == NULL)
    return;
  announce (self, &self->daemon);
  announce (self, &self->settings);
  announce (self, &self->split);
}

static gboolean
on_announce_idle (gpointer user_data)
{
  announce_all (VPND_ADAPTOR (user_data));
  return G_SOURCE_REMOVE;
}

/* Several changes of one turn of the main loop make one message. */
static void
on_changed (VpndEngine *engine, VpndAdaptor *self)
{
  if (self->announce_source != NULL || self->connection == NULL)
    return;

  self->announce_source = g_idle_source_new ();
  g_source_set_priority (self->announce_source, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->announce_source, on_announce_idle, self, NULL);
  g_source_attach (self->announce_source, g_main_context_get_thread_default ());
}

/* The properties come first: who hears "connected" and then reads the state must not see an older one. */
static void
on_connected (VpndEngine *engine, const char *public_key, VpndAdaptor *self)
{
  announce_all (self);
  emit (self, VPND_INTERFACE_DAEMON, "connected", g_variant_new ("(s)", public_key));
}

static void
on_disconnected (VpndEngine *engine, VpndAdaptor *self)
{
  announce_all (self);
  emit (self, VPND_INTERFACE_DAEMON, "disconnected", g_variant_new ("()"));
}

/* Each step of the state is told, also where the next one follows at once. */
static void
on_split_state_changed (VpndSplitTunnel *split, VpndAdaptor *self)
{
  if (self->connection != NULL)
    announce (self, &self->split);
}

static void
on_split_rules_changed (VpndSplitTunnel *split, VpndAdaptor *self)
{
  on_split_state_changed (split, self);
  emit (self, VPND_INTERFACE_SPLIT, "RulesChanged", g_variant_new ("()"));
}

static void
clear_told (Told *told)
{
  g_ref_string_release (told->path);
  g_ref_string_release (told->reason);
}

static void
forget_waiting (VpndAdaptor *self)
{
  g_clear_pointer (&self->waiting, g_array_unref); /* anew: an array never gets smaller */
  self->waiting = g_array_new (FALSE, FALSE, sizeof (Told));
  g_array_set_clear_func (self->waiting, (GDestroyNotify) clear_told);
  self->n_told = 0;
}

static void tell_more (VpndAdaptor *self);

static void
on_taken (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndAdaptor) self = user_data;
  GVariant *answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL); /* NULL only when the bus is gone, or does not answer */

  g_clear_pointer (&answer, g_variant_unref);
  self->n_on_way = 0;
  tell_more (self);
}

/* It answers when it has taken what was sent before. g_dbus_connection_flush() would tell the same, in two threads: where the host has no room for another, it never ends, and
 * nothing is sent meanwhile. */
static void
ask_bus (VpndAdaptor *self)
{
  g_dbus_connection_call (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_taken,
      g_object_ref (self));
}

static void
tell_more (VpndAdaptor *self)
{
  const gboolean were_many = self->waiting->len > PROCESSES_AT_ONCE;

  while (self->n_told < self->waiting->len && self->n_on_way < PROCESSES_AT_ONCE)
    {
      const Told *told = &g_array_index (self->waiting, Told, self->n_told);
      g_autofree char *shown = g_utf8_make_valid (told->path, -1);

      emit (self, VPND_INTERFACE_SPLIT, told->signal, g_variant_new ("(uss)", told->pid, shown, told->reason));
      self->n_told++;
      if (self->n_on_way++ == 0 && self->connection != NULL)
        ask_bus (self);
    }
  if (self->n_told < self->waiting->len)
    return;
  forget_waiting (self);
  if (were_many)
    (void) malloc_trim (0); /* what so many reports took is not needed again soon */
}

static void
emit_process (VpndAdaptor *self, const char *name, guint pid, const char *path, const char *reason)
{
  const Told told = { name, pid, g_ref_string_new_intern (path), g_ref_string_new_intern (reason) };

  g_array_append_val (self->waiting, told);
  tell_more (self);
}

static void
on_split_excluded (VpndSplitTunnel *split, guint pid, const char *path, const char *reason, VpndAdaptor *self)
{
  emit_process (self, "ProcessExcluded", pid, path, reason);
}

static void
on_split_returned (VpndSplitTunnel *split, guint pid, const char *path, const char *reason, VpndAdaptor *self)
{
  emit_process (self, "ProcessReturned", pid, path, reason);
}

static void
on_split_failed (VpndSplitTunnel *split, guint pid, const char *path, const char *reason, VpndAdaptor *self)
{
  emit_process (self, "ExclusionFailed", pid, path, reason);
}

static void
follow_split (VpndAdaptor *self, VpndSplitTunnel *split)
{
  if (split == NULL)
    return;
  g_signal_connect (split, "state-changed", G_CALLBACK (on_split_state_changed), self);
  g_signal_connect (split, "rules-changed", G_CALLBACK (on_split_rules_changed), self);
  g_signal_connect (split, "excluded", G_CALLBACK (on_split_excluded), self);
  g_signal_connect (split, "returned", G_CALLBACK (on_split_returned), self);
  g_signal_connect (split, "failed", G_CALLBACK (on_split_failed), self);
}

static void
on_profiles_changed (gpointer user_data)
{
  emit (VPND_ADAPTOR (user_data), VPND_INTERFACE_PROFILES, "Changed", g_variant_new ("()"));
}

static void
vpnd_adaptor_dispose (GObject *object)
{
  VpndAdaptor *self = VPND_ADAPTOR (object);

  vpnd_adaptor_unexport (self);
  if (self->gate != NULL)
    vpnd_gate_close (self->gate);
  g_clear_pointer (&self->gate, vpnd_gate_unref);
  if (self->services.engine != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->services.engine, self);
      if (vpnd_engine_get_split (self->services.engine) != NULL)
        g_signal_handlers_disconnect_by_data (vpnd_engine_get_split (self->services.engine), self);
    }
  g_clear_object (&self->services.settings_writer);
  g_clear_object (&self->services.engine);
  g_clear_object (&self->services.profiles);
  g_clear_pointer (&self->services.ring, vpnd_log_ring_unref);
  G_OBJECT_CLASS (vpnd_adaptor_parent_class)->dispose (object);
}

static void
vpnd_adaptor_finalize (GObject *object)
{
  VpndAdaptor *self = VPND_ADAPTOR (object);

  g_array_unref (self->registrations);
  g_array_unref (self->waiting);
  g_clear_pointer (&self->daemon.announced, g_variant_unref);
  g_clear_pointer (&self->settings.announced, g_variant_unref);
  g_clear_pointer (&self->split.announced, g_variant_unref);
  G_OBJECT_CLASS (vpnd_adaptor_parent_class)->finalize (object);
}

static void
vpnd_adaptor_class_init (VpndAdaptorClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_adaptor_dispose;
  G_OBJECT_CLASS (klass)->finalize = vpnd_adaptor_finalize;
}

static void
vpnd_adaptor_init (VpndAdaptor *self)
{
  self->registrations = g_array_new (FALSE, FALSE, sizeof (guint));
  forget_waiting (self);
  self->daemon.interface = VPND_INTERFACE_DAEMON;
  self->settings.interface = VPND_INTERFACE_SETTINGS;
  self->split.interface = VPND_INTERFACE_SPLIT;
}

/**
 * vpnd_adaptor_new:
 * @engine: (transfer none): what the API shows and moves
 * @profiles: (transfer none): stored profiles
 * @ring: (transfer none): the log of getLogs
 * @authorizer: (transfer none): who decides
 * @clock: (transfer none): time for quotas and deadlines
 * @asking: (transfer none): a connection to the same bus by which nobody calls us, for questions about senders
 *
 * Returns: (transfer full): an adaptor that is on no bus yet
 */
VpndAdaptor *
vpnd_adaptor_new (VpndEngine *engine, VpndProfileStore *profiles, VpndLogRing *ring, VpndAuthorizer *authorizer, VpndClock *clock, GDBusConnection *asking)
{
  VpndAdaptor *self = g_object_new (VPND_TYPE_ADAPTOR, NULL);

  vpnd_error_register_bus ();
  self->services.engine = g_object_ref (engine);
  self->services.profiles = g_object_ref (profiles);
  self->services.ring = vpnd_log_ring_ref (ring);
  self->services.settings_writer = vpnd_settings_writer_new (engine, profiles);
  self->services.profiles_changed = on_profiles_changed;
  self->services.user_data = G_OBJECT (self);
  self->gate = vpnd_gate_new (&self->services, authorizer, clock, asking);
  g_signal_connect (engine, "changed", G_CALLBACK (on_changed), self);
  g_signal_connect (engine, "settings-changed", G_CALLBACK (on_changed), self);
  g_signal_connect (engine, "connected", G_CALLBACK (on_connected), self);
  g_signal_connect (engine, "disconnected", G_CALLBACK (on_disconnected), self);
  follow_split (self, vpnd_engine_get_split (engine));
  return self;
}

static void
on_method_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  VpndAdaptor *self = VPND_ADAPTOR (user_data);

  vpnd_gate_pass (self->gate, invocation);
}

/**
 * vpnd_adaptor_export:
 * @self: an adaptor
 * @connection: (transfer none): a message bus connection, for nothing else
 * @error: return location for an error
 *
 * Registers the object with all of its interfaces. Do it before the name is asked for, so that nobody who sees the name finds
 * nothing behind it.
 *
 * Returns: TRUE when every interface is there; on FALSE none is
 */
gboolean
vpnd_adaptor_export (VpndAdaptor *self, GDBusConnection *connection, GError **error)
{
  /* Without get_property and set_property GDBus gives the calls of org.freedesktop.DBus.Properties to method_call. */
  static const GDBusInterfaceVTable vtable = { .method_call = on_method_call };
  guint n;
  GDBusInterfaceInfo *const *interfaces = vpnd_actions_interfaces (&n);

  g_return_val_if_fail (self->connection == NULL, FALSE);

  self->connection = g_object_ref (connection);
  self->admission = vpnd_admission_add (connection);
  for (guint i = 0; i < n; i++)
    {
      guint id = g_dbus_connection_register_object (connection, VPND_OBJECT_PATH, interfaces[i], &vtable, self, NULL, error);

      if (id == 0)
        {
          vpnd_adaptor_unexport (self);
          return FALSE;
        }
      g_array_append_val (self->registrations, id);
    }
  self->daemon.announced = vpnd_properties_get_all (&self->services, VPND_INTERFACE_DAEMON);
  self->settings.announced = vpnd_properties_get_all (&self->services, VPND_INTERFACE_SETTINGS);
  self->split.announced = vpnd_properties_get_all (&self->services, VPND_INTERFACE_SPLIT);
  return TRUE;
}

/**
 * vpnd_adaptor_unexport:
 * @self: an adaptor
 *
 * Takes the object off the bus; does nothing when it is on none. What was asked before is still answered.
 */
void
vpnd_adaptor_unexport (VpndAdaptor *self)
{
  for (guint i = 0; i < self->registrations->len; i++)
    (void) g_dbus_connection_unregister_object (self->connection, g_array_index (self->registrations, guint, i));
  g_array_set_size (self->registrations, 0);
  if (self->connection != NULL)
    g_dbus_connection_remove_filter (self->connection, self->admission);
  if (self->announce_source != NULL)
    {
      g_source_destroy (self->announce_source);
      g_clear_pointer (&self->announce_source, g_source_unref);
    }
  forget_waiting (self);
  self->n_on_way = 0;
  g_clear_object (&self->connection);
  g_clear_pointer (&self->daemon.announced, g_variant_unref);
  g_clear_pointer (&self->settings.announced, g_variant_unref);
  g_clear_pointer (&self->split.announced, g_variant_unref);
}

/**
 * vpnd_adaptor_own_name:
 * @self: an adaptor that was exported
 * @acquired: called when the name is ours
 * @lost: called when it is not or no longer, also when the connection to the bus was lost
 * @user_data: passed to both
 *
 * Asks for VPND_BUS_NAME, neither replacing another owner nor waiting for it to leave.
 *
 * Returns: an id for g_bus_unown_name()
 */
guint
vpnd_adaptor_own_name (VpndAdaptor *self, GBusNameAcquiredCallback acquired, GBusNameLostCallback lost, gpointer user_data)
{
  g_return_val_if_fail (self->connection != NULL, 0);

  return g_bus_own_name_on_connection (self->connection, VPND_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, acquired, lost, user_data, NULL);
}
