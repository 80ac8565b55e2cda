/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * GDBus delivers signals and replies of one connection to one main context in the order of their arrival. All waiting here runs that
 * context, so a state read after a request is newer than every signal handled before, and older than every one handled after. One turn
 * of the context may bring a reply and the signals behind it: those are held until the reply has been used.
 */
#include "config.h"

#include "client.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>

#include "failure.h"
#include "interfaces.h"
#include "names.h"

#define READ_LIMIT_MS (25 * 1000)       /* the usual limit of D-Bus: a read asks nobody */
#define CHANGE_LIMIT_MS (5 * 60 * 1000) /* polkit may have to ask a person for a password first */

typedef enum
{
  STOP_NONE,
  STOP_TIME_LIMIT,
  STOP_INTERRUPT,
  STOP_CLOSED,
} Stop;

typedef struct
{
  char *interface;
  char *member;
  GVariant *params;
} Held;

/**
 * VpndClient:
 * @bus: (owned): the system bus
 * @cancellable: (owned): cancelled when @stop is set
 * @time_limit: (owned) (nullable): source
 * @interrupt: (owned) (nullable): source of SIGINT
 * @is_answered: a reply has come that its caller has not got yet
 * @held: (element-type Held) (owned): signals from behind that reply
 * @func: (nullable): receiver of signals
 */
struct _VpndClient
{
  GDBusConnection *bus;
  GCancellable *cancellable;
  GSource *time_limit;
  GSource *interrupt;
  guint time_limit_s;
  guint signal_ids[2];
  Stop stop;
  gboolean is_answered;
  GQueue held;
  VpndClientSignalFunc func;
  gpointer user_data;
};

static void
stop_client (VpndClient *client, Stop stop)
{
  if (client->stop == STOP_NONE)
    client->stop = stop;
  g_cancellable_cancel (client->cancellable);
}

static gboolean
on_time_limit (gpointer user_data)
{
  stop_client (user_data, STOP_TIME_LIMIT);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt (gpointer user_data)
{
  stop_client (user_data, STOP_INTERRUPT);
  return G_SOURCE_CONTINUE;
}

static void
on_closed (GDBusConnection *bus, gboolean remote_peer_vanished, GError *error, gpointer user_data)
{
  stop_client (user_data, STOP_CLOSED);
}

static gboolean
check_stop (VpndClient *client, GError **error)
{
  switch (client->stop)
    {
    case STOP_NONE:
      return TRUE;
    case STOP_TIME_LIMIT:
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_TIMEOUT, ngettext ("not done within %u second", "not done within %u seconds", client->time_limit_s), client->time_limit_s);
      return FALSE;
    case STOP_INTERRUPT:
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_INTERRUPTED, _ ("stopped waiting"));
      return FALSE;
    case STOP_CLOSED:
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_UNREACHABLE, _ ("the connection to the system bus was closed"));
      return FALSE;
    }
  g_assert_not_reached ();
}

/**
 * vpnd_client_new:
 * @error: return location
 *
 * Connects to the system bus (or DBUS_SYSTEM_BUS_ADDRESS). Whether vpnd is there shows with the first call.
 *
 * Returns: (transfer full): the client; %NULL with %VPND_CLI_ERROR_UNREACHABLE
 */
VpndClient *
vpnd_client_new (GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &local_error);
  VpndClient *client;

  (void) signal (SIGPIPE, SIG_DFL); /* GSocket ignores it for the process; a closed standard output has to end us quietly */
  if (bus == NULL)
    {
      g_set_error (error, VPND_CLI_ERROR, VPND_CLI_ERROR_UNREACHABLE, _ ("cannot connect to the system bus: %s"), local_error->message);
      vpnd_failure_add_hint (error, "%s", _ ("Is dbus running? Is DBUS_SYSTEM_BUS_ADDRESS right?"));
      return NULL;
    }
  g_dbus_connection_set_exit_on_close (bus, FALSE);

  client = g_new0 (VpndClient, 1);
  client->bus = g_steal_pointer (&bus);
  client->cancellable = g_cancellable_new ();
  g_signal_connect (client->bus, "closed", G_CALLBACK (on_closed), client);
  return client;
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/**
 * vpnd_client_free:
 * @client: (nullable) (transfer full): a client
 */
void
vpnd_client_free (VpndClient *client)
{
  if (client == NULL)
    return;
  vpnd_client_unsubscribe (client);
  clear_source (&client->time_limit);
  clear_source (&client->interrupt);
  g_signal_handlers_disconnect_by_data (client->bus, client);
  g_clear_object (&client->cancellable);
  g_clear_object (&client->bus);
  g_free (client);
}

/**
 * vpnd_client_set_time_limit:
 * @client: a client
 * @seconds: from now on; 0 for no limit
 */
void
vpnd_client_set_time_limit (VpndClient *client, guint seconds)
{
  clear_source (&client->time_limit);
  client->time_limit_s = seconds;
  if (seconds == 0)
    return;
  client->time_limit = g_timeout_source_new (seconds * 1000);
  g_source_set_callback (client->time_limit, on_time_limit, client, NULL);
  g_source_attach (client->time_limit, NULL);
}

/**
 * vpnd_client_catch_interrupt:
 * @client: a client
 *
 * From now on SIGINT ends the wait with %VPND_CLI_ERROR_INTERRUPTED instead of the process.
 */
void
vpnd_client_catch_interrupt (VpndClient *client)
{
  if (client->interrupt != NULL)
    return;
  client->interrupt = g_unix_signal_source_new (SIGINT);
  g_source_set_callback (client->interrupt, on_interrupt, client, NULL);
  g_source_attach (client->interrupt, NULL);
}

static void
held_free (gpointer data)
{
  Held *held = data;

  g_free (held->interface);
  g_free (held->member);
  g_variant_unref (held->params);
  g_free (held);
}

static void
deliver (VpndClient *client, const char *interface, const char *member, GVariant *params)
{
  Held *held;

  if (!client->is_answered)
    {
      client->func (interface, member, params, client->user_data);
      return;
    }
  held = g_new0 (Held, 1);
  held->interface = g_strdup (interface);
  held->member = g_strdup (member);
  held->params = g_variant_ref (params);
  g_queue_push_tail (&client->held, held);
}

/* Hands out what was held. Returns whether there was anything. */
static gboolean
deliver_held (VpndClient *client)
{
  gboolean any = FALSE;
  Held *held;

  while (client->func != NULL && (held = g_queue_pop_head (&client->held)) != NULL)
    {
      client->func (held->interface, held->member, held->params, client->user_data);
      held_free (held);
      any = TRUE;
    }
  return any;
}

static void
on_signal (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member, GVariant *params, gpointer user_data)
{
  VpndClient *client = user_data;

  if (g_str_equal (member, "PropertiesChanged") && g_variant_is_of_type (params, G_VARIANT_TYPE ("(sa{sv}as)")))
    {
      const char *owner_interface;
      g_autoptr (GVariant) changed = NULL;

      g_variant_get (params, "(&s@a{sv}as)", &owner_interface, &changed, NULL);
      deliver (client, owner_interface, member, changed);
    }
  else if (g_str_has_prefix (interface, VPND_BUS_NAME "."))
    deliver (client, interface, member, params);
}

static void
on_owner_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member, GVariant *params, gpointer user_data)
{
  VpndClient *client = user_data;
  const char *owner;
  g_autoptr (GVariant) present = NULL;

  g_variant_get (params, "(&s&s&s)", NULL, NULL, &owner);
  present = g_variant_ref_sink (g_variant_new ("(b)", *owner != '\0'));
  deliver (client, VPND_BUS_NAME, member, present);
}

/**
 * vpnd_client_subscribe:
 * @client: a client
 * @func: called for every signal of vpnd from now on
 * @user_data: for @func
 *
 * To be called before the request whose consequences matter.
 */
void
vpnd_client_subscribe (VpndClient *client, VpndClientSignalFunc func, gpointer user_data)
{
  g_return_if_fail (client->func == NULL);

  client->func = func;
  client->user_data = user_data;
  client->signal_ids[0] = g_dbus_connection_signal_subscribe (client->bus, VPND_BUS_NAME, NULL, NULL, VPND_OBJECT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, client, NULL);
  client->signal_ids[1] = g_dbus_connection_signal_subscribe (client->bus, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", "/org/freedesktop/DBus",
      VPND_BUS_NAME, G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, client, NULL);
}

/**
 * vpnd_client_unsubscribe:
 * @client: a client
 *
 * The function of vpnd_client_subscribe() is not called again.
 */
void
vpnd_client_unsubscribe (VpndClient *client)
{
  for (guint i = 0; i < G_N_ELEMENTS (client->signal_ids); i++)
    {
      if (client->signal_ids[i] != 0)
        g_dbus_connection_signal_unsubscribe (client->bus, client->signal_ids[i]);
      client->signal_ids[i] = 0;
    }
  g_queue_clear_full (&client->held, held_free);
  client->func = NULL;
}

/**
 * vpnd_client_iterate:
 * @client: a client
 * @error: return location
 *
 * Sleeps until something happens and handles it.
 *
 * Returns: %FALSE when the time limit, SIGINT or the end of the bus says to stop
 */
gboolean
vpnd_client_iterate (VpndClient *client, GError **error)
{
  if (!check_stop (client, error))
    return FALSE;
  if (!deliver_held (client))
    g_main_context_iteration (NULL, TRUE);
  return check_stop (client, error);
}

typedef struct
{
  VpndClient *client;
  GAsyncResult *result;
} Call;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;

  call->result = g_object_ref (result);
  call->client->is_answered = TRUE;
}

static GVariant *
call_and_wait (VpndClient *client, const char *interface, const char *member, GVariant *params, const GVariantType *reply_type, int limit_ms, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) local_error = NULL;
  Call call = { .client = client };
  GVariant *reply;

  (void) deliver_held (client); /* older than this call */
  /* With a limit of our own that one decides; it may be longer. */
  g_dbus_connection_call (client->bus, VPND_BUS_NAME, VPND_OBJECT_PATH, interface, member, params, reply_type, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
      client->time_limit != NULL ? G_MAXINT : limit_ms, client->cancellable, on_reply, &call);
  while (call.result == NULL)
    g_main_context_iteration (NULL, TRUE);
  client->is_answered = FALSE;
  result = call.result;

  reply = g_dbus_connection_call_finish (client->bus, result, &local_error);
  if (reply != NULL)
    return reply;
  if (!check_stop (client, error))
    return NULL;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

static const char *
annotated_action (const char *interface, const char *member, gboolean is_property)
{
  const GDBusInterfaceInfo *const infos[] = { &org_vpnd1_daemon_interface, &org_vpnd1_profiles_interface, &org_vpnd1_settings_interface,
    &org_vpnd1_diagnostics_interface, &org_vpnd1_split_tunnel_interface };

  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    {
      GDBusInterfaceInfo *info = (GDBusInterfaceInfo *) infos[i];
      GDBusMethodInfo *method = is_property ? NULL : g_dbus_interface_info_lookup_method (info, member);
      GDBusPropertyInfo *property = is_property ? g_dbus_interface_info_lookup_property (info, member) : NULL;

      if (!g_str_equal (info->name, interface))
        continue;
      if (method != NULL)
        return g_dbus_annotation_info_lookup (method->annotations, VPND_ANNOTATION_POLKIT_ACTION);
      if (property != NULL)
        return g_dbus_annotation_info_lookup (property->annotations, VPND_ANNOTATION_POLKIT_ACTION);
    }
  return NULL;
}

static void
explain (GError **error, const char *action)
{
  if (error == NULL || *error == NULL)
    return;
  if (vpnd_failure_exit (*error) == VPND_EXIT_NOT_AUTHORIZED)
    vpnd_failure_add_hint (error, _ ("This needs the polkit action %s: run it as root (sudo), or ask an administrator."), action != NULL ? action : VPND_ACTION_READ);
  else if (vpnd_failure_exit (*error) == VPND_EXIT_UNREACHABLE)
    vpnd_failure_add_hint (error, "%s", _ ("vpnd is not running: start it with \"systemctl start vpnd\", and see \"systemctl status vpnd\" if that fails."));
}

/**
 * vpnd_client_call:
 * @client: a client
 * @interface: an interface of vpnd
 * @member: a method of it
 * @params: (nullable) (transfer floating): the arguments
 * @reply_type: type of the reply, a tuple
 * @error: return location
 *
 * Returns: (transfer full): the reply; %NULL with the error of vpnd, or with one of %VPND_CLI_ERROR; its message says what to do next
 */
GVariant *
vpnd_client_call (VpndClient *client, const char *interface, const char *member, GVariant *params, const char *reply_type, GError **error)
{
  const char *action = annotated_action (interface, member, FALSE);
  gboolean is_read = g_strcmp0 (action, VPND_ACTION_READ) == 0 || g_strcmp0 (action, VPND_POLKIT_NONE) == 0;
  GVariant *reply = call_and_wait (client, interface, member, params, G_VARIANT_TYPE (reply_type), is_read ? READ_LIMIT_MS : CHANGE_LIMIT_MS, error);

  if (reply == NULL)
    explain (error, action);
  return reply;
}

/**
 * vpnd_client_get_all:
 * @client: a client
 * @interface: an interface of vpnd
 * @error: return location
 *
 * Returns: (transfer full): its properties, a{sv}
 */
GVariant *
vpnd_client_get_all (VpndClient *client, const char *interface, GError **error)
{
  g_autoptr (GVariant) reply = call_and_wait (client, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", interface), G_VARIANT_TYPE ("(a{sv})"), READ_LIMIT_MS, error);

  if (reply == NULL)
    {
      explain (error, NULL);
      return NULL;
    }
  return g_variant_get_child_value (reply, 0);
}

/**
 * vpnd_client_set:
 * @client: a client
 * @interface: an interface of vpnd
 * @property: a writable property of it
 * @value: (transfer floating): of the property's type
 * @error: return location
 *
 * Returns: whether vpnd took it
 */
gboolean
vpnd_client_set (VpndClient *client, const char *interface, const char *property, GVariant *value, GError **error)
{
  g_autoptr (GVariant) reply = call_and_wait (client, "org.freedesktop.DBus.Properties", "Set", g_variant_new ("(ssv)", interface, property, value), G_VARIANT_TYPE_UNIT, CHANGE_LIMIT_MS, error);

  if (reply == NULL)
    explain (error, annotated_action (interface, property, TRUE));
  return reply != NULL;
}
