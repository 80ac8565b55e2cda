/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * split watch: mode and state, then every process and rule that comes and goes, until it is interrupted. Subscribes before it reads.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "command.h"
#include "failure.h"
#include "names.h"
#include "split-text.h"

/**
 * Watch:
 * @properties: (owned): those of org.vpnd1.SplitTunnel as known now
 * @is_started: the first state has been printed; earlier changes are in it
 * @is_returning: vpnd has come back and has to be read again
 */
typedef struct
{
  VpndCli *cli;
  VpndClient *client;
  GVariantDict *properties;
  gboolean is_started;
  gboolean is_returning;
} Watch;

/* The signals about a process. */
static const struct
{
  const char *member;
  const char *event;
  const char *text; /* (translatable) */
  VpndColor color;
  gboolean is_by_rule; /* its reason is that of Processes; else a sentence */
} process_events[] = {
  { "ProcessExcluded", "entered", N_ ("entered"), VPND_COLOR_NONE, TRUE },
  { "ProcessReturned", "returned", N_ ("returned"), VPND_COLOR_DIM, TRUE },
  { "ExclusionFailed", "failed", N_ ("FAILED"), VPND_COLOR_BAD, FALSE },
};

static const char *
get_property (Watch *watch, const char *name)
{
  const char *value = "";

  (void) g_variant_dict_lookup (watch->properties, name, "&s", &value); /* absent: "" */
  return value;
}

static void
print_state (Watch *watch)
{
  const char *mode = get_property (watch, "Mode");
  const char *state = get_property (watch, "State");
  const char *ground = get_property (watch, "Ground");
  g_autofree char *text = g_strdup_printf (_ ("mode %s, state %s, by %s"), mode, state, ground);

  if (vpnd_output_is_json (watch->cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event ("state");

      vpnd_output_json_string (builder, "mode", mode);
      vpnd_output_json_string (builder, "state", state);
      vpnd_output_json_string (builder, "ground", ground);
      vpnd_output_json_end (watch->cli->output, builder);
    }
  else
    vpnd_output_event_line (watch->cli->output, g_str_equal (state, "engaged") ? VPND_COLOR_GOOD : VPND_COLOR_NONE, text);
}

static void
on_changed (Watch *watch, GVariant *changed)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    g_variant_dict_insert_value (watch->properties, name, value);
  if (watch->is_started)
    print_state (watch);
}

static void
on_process (Watch *watch, guint row, GVariant *params)
{
  guint32 pid;
  const char *path;
  const char *reason;
  g_autofree char *shown = NULL, *text = NULL;

  if (!g_variant_is_of_type (params, G_VARIANT_TYPE ("(uss)")))
    return;
  g_variant_get (params, "(u&s&s)", &pid, &path, &reason);
  if (vpnd_output_is_json (watch->cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event (process_events[row].event);

      json_builder_set_member_name (builder, "pid");
      json_builder_add_int_value (builder, pid);
      vpnd_output_json_string (builder, "path", path);
      vpnd_output_json_string (builder, "reason", reason);
      vpnd_output_json_end (watch->cli->output, builder);
      return;
    }
  shown = process_events[row].is_by_rule ? vpnd_split_text_reason (reason) : g_strdup (reason);
  text = g_strdup_printf ("%-9s  %7u  %s  (%s)", _ (process_events[row].text), pid, *path != '\0' ? path : "-", shown);
  vpnd_output_event_line (watch->cli->output, process_events[row].color, text);
}

static void
print_plain (Watch *watch, const char *event, VpndColor color, const char *text)
{
  if (vpnd_output_is_json (watch->cli->output))
    {
      g_autoptr (JsonBuilder) builder = vpnd_output_json_begin_event (event);

      vpnd_output_json_end (watch->cli->output, builder);
    }
  else
    vpnd_output_event_line (watch->cli->output, color, text);
}

static void
on_presence (Watch *watch, GVariant *params)
{
  gboolean is_there;

  g_variant_get (params, "(b)", &is_there);
  if (!watch->is_started)
    return; /* the first call may make the bus start it; its end fails the call */
  watch->is_returning = is_there;
  print_plain (watch, is_there ? "daemon-started" : "daemon-ended", is_there ? VPND_COLOR_NONE : VPND_COLOR_BAD, is_there ? _ ("vpnd is running") : _ ("vpnd has ended"));
}

static void
on_signal (const char *interface, const char *member, GVariant *params, gpointer user_data)
{
  Watch *watch = user_data;

  if (g_str_equal (member, "NameOwnerChanged"))
    {
      on_presence (watch, params);
      return;
    }
  if (!g_str_equal (interface, VPND_INTERFACE_SPLIT))
    return;
  if (g_str_equal (member, "PropertiesChanged"))
    on_changed (watch, params);
  else if (g_str_equal (member, "RulesChanged") && watch->is_started)
    print_plain (watch, "rules", VPND_COLOR_NONE, _ ("the rules have changed"));
  for (guint i = 0; i < G_N_ELEMENTS (process_events); i++)
    if (watch->is_started && g_str_equal (process_events[i].member, member))
      on_process (watch, i, params);
}

static gboolean
start (Watch *watch, GError **error)
{
  g_autoptr (GVariant) properties = NULL;

  watch->is_started = FALSE;
  watch->is_returning = FALSE;
  properties = vpnd_client_get_all (watch->client, VPND_INTERFACE_SPLIT, error);
  if (properties == NULL)
    return FALSE;
  on_changed (watch, properties);
  print_state (watch);
  watch->is_started = TRUE;
  return TRUE;
}

/**
 * vpnd_command_split_watch:
 * @cli: the context
 * @error: return location
 *
 * vpnctl split watch
 *
 * Returns: %FALSE; it ends by a time limit, the end of the bus, or a signal
 */
gboolean
vpnd_command_split_watch (VpndCli *cli, GError **error)
{
  VpndClient *client = vpnd_cli_client (cli, error);
  g_autoptr (GVariantDict) properties = g_variant_dict_new (NULL);
  Watch watch = { .cli = cli, .client = client, .properties = properties };
  gboolean goes_on;

  if (client == NULL)
    return FALSE;
  vpnd_client_subscribe (client, on_signal, &watch);
  goes_on = start (&watch, error);
  while (goes_on && vpnd_client_iterate (client, error))
    {
      g_autoptr (GError) local_error = NULL;

      if (!watch.is_returning || start (&watch, &local_error))
        continue;
      watch.is_started = TRUE;
      if (vpnd_failure_exit (local_error) == VPND_EXIT_UNREACHABLE)
        continue; /* it ended again before it answered; its next start is the next event */
      g_propagate_error (error, g_steal_pointer (&local_error));
      goes_on = FALSE;
    }
  vpnd_client_unsubscribe (client);
  return FALSE;
}
