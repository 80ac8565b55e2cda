/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * monitor: the state, then every change of it, until it is interrupted. Subscribes before it reads, so nothing falls between.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"
#include "failure.h"
#include "names.h"
#include "settings-text.h"
#include "status-view.h"
#include "wait.h"

typedef struct
{
  const char *interface;
  const char *member;
  const char *event;
  const char *text;
} SignalEvent;

static const SignalEvent signal_events[] = {
  { VPND_INTERFACE_DAEMON, "connected", "connected", N_ ("The server has answered") },
  { VPND_INTERFACE_DAEMON, "disconnected", "disconnected", N_ ("The connection has ended") },
  { VPND_INTERFACE_PROFILES, "Changed", "profiles", N_ ("The stored profiles have changed") },
};

/**
 * Monitor:
 * @daemon: (owned): the properties of org.vpnd1.Daemon as known now
 * @line: (owned): the state line that was printed last
 * @is_started: the first status has been printed; earlier changes of properties are in it
 * @is_returning: vpnd has come back and has to be read again
 */
typedef struct
{
  VpndCli *cli;
  VpndClient *client;
  GVariantDict *daemon;
  char *line;
  gboolean lockdown;
  gboolean is_started;
  gboolean is_returning;
} Monitor;

static const char *
daemon_string (Monitor *monitor, const char *property)
{
  const char *value = "";

  (void) g_variant_dict_lookup (monitor->daemon, property, "&s", &value); /* absent counts as "" */
  return value;
}

static gboolean
daemon_blocking (Monitor *monitor)
{
  gboolean value = FALSE;

  (void) g_variant_dict_lookup (monitor->daemon, "Blocking", "b", &value); /* absent counts as not in force */
  return value;
}

static void
print_state_json (Monitor *monitor)
{
  static const char *const keys[][2] = { { "state", "State" }, { "cause", "Cause" }, { "blocking", "Blocking" }, { "profile", "Profile" }, { "since", "Since" } };
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event ("state");

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GVariant) value = g_variant_dict_lookup_value (monitor->daemon, keys[i][1], NULL);

      if (value != NULL)
        vpnd_output_json_variant (builder, keys[i][0], value);
    }
  vpnd_output_json_end (monitor->cli->output, builder);
}

/* A state that was printed already is not printed again. */
static void
print_state_text (Monitor *monitor)
{
  const char *state = daemon_string (monitor, "State");
  const char *profile = daemon_string (monitor, "Profile");
  g_autofree char *first = vpnd_status_view_first_line (state, daemon_string (monitor, "Cause"));
  g_autofree char *line = *profile != '\0' ? g_strdup_printf ("%s (%s)", first, profile) : g_strdup (first);

  if (g_strcmp0 (line, monitor->line) == 0)
    return;
  g_free (monitor->line);
  monitor->line = g_steal_pointer (&line);
  vpnd_output_event_line (monitor->cli->output, vpnd_status_view_color (state), monitor->line);
}

static void
warn_if_leaking (Monitor *monitor)
{
  g_autoptr (GError) warning = NULL;

  if (!vpnd_status_view_check (daemon_string (monitor, "State"), monitor->lockdown, daemon_blocking (monitor), &warning))
    vpnd_output_error (monitor->cli->output, warning);
}

static void
on_daemon_changed (Monitor *monitor, GVariant *changed)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    g_variant_dict_insert_value (monitor->daemon, name, value);
  if (!monitor->is_started)
    return;
  if (vpnd_output_is_json (monitor->cli->output))
    print_state_json (monitor);
  else
    print_state_text (monitor);
  warn_if_leaking (monitor);
}

static void
on_settings_changed (Monitor *monitor, GVariant *changed)
{
  g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event ("settings");
  GVariantIter iter;
  const char *name;
  GVariant *value;

  (void) g_variant_lookup (changed, "Lockdown", "b", &monitor->lockdown); /* keeps its value when it is not among the changed */
  if (!monitor->is_started)
    return;
  json_builder_set_member_name (builder, "settings");
  json_builder_begin_object (builder);
  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *key = vpnd_settings_text_key (name);
      g_autofree char *printed = vpnd_settings_text_print (value);
      g_autofree char *text = g_strdup_printf (_ ("Setting %s: %s"), key, *printed != '\0' ? printed : "-");

      vpnd_output_json_variant (builder, key, value);
      if (!vpnd_output_is_json (monitor->cli->output))
        vpnd_output_event_line (monitor->cli->output, VPND_COLOR_NONE, text);
    }
  json_builder_end_object (builder);
  if (vpnd_output_is_json (monitor->cli->output))
    vpnd_output_json_end (monitor->cli->output, builder);
}

static void
print_presence (Monitor *monitor, gboolean present)
{
  if (vpnd_output_is_json (monitor->cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event ("daemon");

      json_builder_set_member_name (builder, "running");
      json_builder_add_boolean_value (builder, present);
      vpnd_output_json_end (monitor->cli->output, builder);
    }
  else
    vpnd_output_event_line (monitor->cli->output, present ? VPND_COLOR_NONE : VPND_COLOR_BAD, present ? _ ("vpnd is running") : _ ("vpnd has ended"));
}

static void
on_presence (Monitor *monitor, GVariant *params)
{
  gboolean present;

  g_variant_get (params, "(b)", &present);
  if (!monitor->is_started)
    return; /* the first call may make the bus start it; its end fails the call */
  monitor->is_returning = present;
  print_presence (monitor, present);
}

static void
on_plain_signal (Monitor *monitor, const SignalEvent *event, GVariant *params)
{
  const char *pubkey = NULL;

  if (g_str_equal (event->member, "connected") && g_variant_is_of_type (params, G_VARIANT_TYPE ("(s)")))
    g_variant_get (params, "(&s)", &pubkey);
  if (vpnd_output_is_json (monitor->cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event (event->event);

      if (pubkey != NULL)
        vpnd_output_json_string (builder, "publicKey", pubkey);
      vpnd_output_json_end (monitor->cli->output, builder);
    }
  else
    {
      g_autofree char *text = pubkey != NULL ? g_strdup_printf ("%s: %s", _ (event->text), pubkey) : g_strdup (_ (event->text));

      vpnd_output_event_line (monitor->cli->output, VPND_COLOR_NONE, text);
    }
}

static void
on_signal (const char *interface, const char *member, GVariant *params, gpointer user_data)
{
  Monitor *monitor = user_data;

  if (g_str_equal (member, "NameOwnerChanged"))
    on_presence (monitor, params);
  else if (g_str_equal (member, "PropertiesChanged") && g_str_equal (interface, VPND_INTERFACE_DAEMON))
    on_daemon_changed (monitor, params);
  else if (g_str_equal (member, "PropertiesChanged") && g_str_equal (interface, VPND_INTERFACE_SETTINGS))
    on_settings_changed (monitor, params);
  for (guint i = 0; i < G_N_ELEMENTS (signal_events) && monitor->is_started; i++)
    if (g_str_equal (signal_events[i].interface, interface) && g_str_equal (signal_events[i].member, member))
      on_plain_signal (monitor, &signal_events[i], params);
}

/* Reads the whole status and prints it as the event that all later ones build on. What came before its reply is in it. */
static gboolean
start (Monitor *monitor, GError **error)
{
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (JsonNode) json = NULL;
  g_autoptr (VpndStatus) status = NULL;

  monitor->is_started = FALSE;
  monitor->is_returning = FALSE;
  properties = vpnd_client_get_all (monitor->client, VPND_INTERFACE_DAEMON, error);
  if (properties == NULL)
    return FALSE;
  on_daemon_changed (monitor, properties);
  status = vpnd_read_status (monitor->client, &json, error);
  if (status == NULL)
    return FALSE;
  monitor->lockdown = status->lockdown;
  if (vpnd_output_is_json (monitor->cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event ("status");

      json_builder_set_member_name (builder, "status");
      json_builder_add_value (builder, g_steal_pointer (&json));
      vpnd_output_json_end (monitor->cli->output, builder);
    }
  else
    print_state_text (monitor);
  warn_if_leaking (monitor);
  monitor->is_started = TRUE;
  return TRUE;
}

static gboolean
follow (Monitor *monitor, GError **error)
{
  if (!start (monitor, error))
    return FALSE;
  while (vpnd_client_iterate (monitor->client, error))
    {
      g_autoptr (GError) local_error = NULL;

      if (!monitor->is_returning || start (monitor, &local_error))
        continue;
      if (vpnd_failure_exit (local_error) != VPND_EXIT_UNREACHABLE)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      monitor->is_started = TRUE;
      print_presence (monitor, FALSE); /* it ended again before it answered; its next start is the next event */
    }
  return FALSE;
}

/**
 * vpnd_command_monitor:
 *
 * vpnctl monitor
 */
gboolean
vpnd_command_monitor (VpndCli *cli, char **args, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariantDict) daemon = g_variant_dict_new (NULL);
  g_autofree char *line = NULL;
  Monitor monitor = { .cli = cli, .client = client, .daemon = daemon };
  gboolean done;

  if (client == NULL)
    return FALSE;
  vpnd_client_subscribe (client, on_signal, &monitor);
  done = follow (&monitor, error);
  vpnd_client_unsubscribe (client);
  line = monitor.line;
  return done;
}
