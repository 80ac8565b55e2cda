/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The state that counts is the one read after the request was answered and what came later; what came before belongs to an older one.
 */
#include "config.h"

#include "wait.h"

#include <glib/gi18n.h>

#include "failure.h"
#include "json.h"
#include "names.h"
#include "status-view.h"

#define DEFAULT_LIMIT_S 60 /* four attempts of the daemon (4, 8, 15, 15 s); --timeout changes it */
#define SPINNER_MS 100

/**
 * VpndWait:
 * @goal: the word of the state to wait for
 * @state: (owned): the word of the present one
 * @cause: (owned): and its cause
 * @is_gone: vpnd left the bus
 * @ticker: (owned) (nullable): source of the progress line
 * @start_us: monotonic time of the start
 * @ticks: how often the progress line was drawn
 */
struct _VpndWait
{
  VpndCli *cli;
  VpndClient *client;
  const char *goal;
  char *state;
  char *cause;
  gboolean is_gone;
  GSource *ticker;
  gint64 start_us;
  guint ticks;
};

/**
 * vpnd_read_status:
 * @client: a client
 * @out_json: (out) (optional) (transfer full): the object as vpnd sent it, so that keys newer than this program are kept
 * @error: return location
 *
 * Returns: (transfer full): the status
 */
VpndStatus *
vpnd_read_status (VpndClient *client, JsonNode **out_json, GError **error)
{
  g_autoptr (GVariant) reply = vpnd_client_call (client, VPND_INTERFACE_DAEMON, "status", NULL, "(s)", error);
  g_autoptr (VpndStatus) status = NULL;
  const char *text;

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(&s)", &text);
  status = vpnd_status_from_json (text, error);
  if (status == NULL)
    return NULL;
  if (out_json != NULL)
    {
      *out_json = json_from_string (text, error); /* vpnd_status_from_json() has found it well-formed and shallow */
      if (*out_json == NULL)
        return NULL;
    }
  return g_steal_pointer (&status);
}

static void
take_properties (VpndWait *wait, GVariant *values)
{
  const char *word;

  if (g_variant_lookup (values, "State", "&s", &word))
    {
      g_free (wait->state);
      wait->state = g_strdup (word);
    }
  if (g_variant_lookup (values, "Cause", "&s", &word))
    {
      g_free (wait->cause);
      wait->cause = g_strdup (word);
    }
}

static void
on_signal (const char *interface, const char *member, GVariant *params, gpointer user_data)
{
  VpndWait *wait = user_data;
  gboolean present;

  if (g_str_equal (member, "PropertiesChanged") && g_str_equal (interface, VPND_INTERFACE_DAEMON))
    take_properties (wait, params);
  else if (g_str_equal (member, "NameOwnerChanged"))
    {
      g_variant_get (params, "(b)", &present);
      wait->is_gone = !present;
    }
}

static gboolean
on_tick (gpointer user_data)
{
  static const char *const dots[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };
  static const char *const plain[] = { "-", "\\", "|", "/" };
  VpndWait *wait = user_data;
  g_autofree char *line = vpnd_status_view_first_line (wait->state != NULL ? wait->state : VPND_STATE_WORD_CONNECTING, wait->cause);
  g_autofree char *age = vpnd_status_view_duration ((g_get_monotonic_time () - wait->start_us) / G_USEC_PER_SEC);
  const char *mark = g_get_charset (NULL) ? dots[wait->ticks % G_N_ELEMENTS (dots)] : plain[wait->ticks % G_N_ELEMENTS (plain)];
  g_autofree char *text = g_strdup_printf (_ ("%s %s, %s (Ctrl-C stops waiting)"), mark, line, age);

  wait->ticks++;
  vpnd_output_progress (wait->cli->output, text);
  return G_SOURCE_CONTINUE;
}

/**
 * vpnd_wait_new:
 * @cli: the context
 * @client: a client that nobody subscribed yet
 * @goal: word of the state to wait for
 *
 * Subscribes. To be called before the request that leads to @goal.
 *
 * Returns: (transfer full): the wait
 */
VpndWait *
vpnd_wait_new (VpndCli *cli, VpndClient *client, const char *goal)
{
  VpndWait *wait = g_new0 (VpndWait, 1);

  wait->cli = cli;
  wait->client = client;
  wait->goal = goal;
  wait->start_us = g_get_monotonic_time ();
  vpnd_client_subscribe (client, on_signal, wait);
  vpnd_client_catch_interrupt (client);
  if (vpnd_output_has_progress (cli->output))
    {
      wait->ticker = g_timeout_source_new (SPINNER_MS);
      g_source_set_callback (wait->ticker, on_tick, wait, NULL);
      g_source_attach (wait->ticker, NULL);
    }
  return wait;
}

/**
 * vpnd_wait_free:
 * @wait: (nullable) (transfer full): a wait
 */
void
vpnd_wait_free (VpndWait *wait)
{
  if (wait == NULL)
    return;
  vpnd_client_unsubscribe (wait->client);
  if (wait->ticker != NULL)
    g_source_destroy (wait->ticker);
  g_clear_pointer (&wait->ticker, g_source_unref);
  vpnd_output_progress (wait->cli->output, NULL);
  g_free (wait->state);
  g_free (wait->cause);
  g_free (wait);
}

/* What the daemon itself says of the error, for the message. */
static void
set_state_error (VpndWait *wait, GError **error)
{
  g_autoptr (VpndStatus) status = vpnd_read_status (wait->client, NULL, NULL);
  g_autofree char *line = vpnd_status_view_first_line (wait->state, wait->cause);

  g_set_error (error, VPND_ERROR, (int) vpnd_cause_to_error (wait->cause), "%s (%s)", line, vpnd_cause_sentence (wait->cause));
  if (status == NULL)
    return;
  if (*status->detail != '\0')
    vpnd_failure_add_hint (error, "%s", status->detail);
  if (vpnd_status_view_is_leaking (status->state, status->lockdown, status->blocking))
    {
      g_clear_error (error);
      (void) vpnd_status_view_check (status->state, status->lockdown, status->blocking, error);
    }
  else
    {
      vpnd_failure_add_hint (error, "%s", vpnd_cause_remedy (wait->cause));
      vpnd_failure_add_hint (error, "%s", _ ("The network stays blocked. To open it: vpnctl disconnect"));
    }
}

/* -1: go on; 0: failed; 1: reached */
static int
judge (VpndWait *wait, GError **error)
{
  gboolean wants_connected = g_str_equal (wait->goal, VPND_STATE_WORD_CONNECTED);

  if (wait->is_gone)
    {
      g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_UNREACHABLE, _ ("vpnd ended while vpnctl waited"));
      vpnd_failure_add_hint (error, "%s", _ ("See \"systemctl status vpnd\" for the reason."));
      return 0;
    }
  if (g_strcmp0 (wait->state, wait->goal) == 0)
    return 1;
  if (!wants_connected)
    return -1;
  if (g_strcmp0 (wait->state, VPND_STATE_WORD_ERROR) == 0)
    {
      set_state_error (wait, error);
      return 0;
    }
  if (g_strcmp0 (wait->state, VPND_STATE_WORD_DISCONNECTED) == 0)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_CANCELLED, _ ("the connection was ended while vpnctl waited for it"));
      return 0;
    }
  return -1;
}

static void
explain_stop (VpndWait *wait, GError **error)
{
  gboolean wants_connected = g_str_equal (wait->goal, VPND_STATE_WORD_CONNECTED);

  if (error == NULL || *error == NULL || (*error)->domain != VPND_CLI_ERROR || (*error)->code == VPND_CLI_ERROR_UNREACHABLE)
    return;
  if ((*error)->code == VPND_CLI_ERROR_TIMEOUT && wants_connected)
    vpnd_failure_add_hint (error, "%s", _ ("The server has not answered yet: its address, port or keys may be wrong, or a firewall is in the way."));
  if (wants_connected)
    {
      vpnd_failure_add_hint (error, "%s", _ ("vpnd goes on trying, and the network stays blocked meanwhile."));
      vpnd_failure_add_hint (error, "%s", _ ("To see: vpnctl status. To stop: vpnctl disconnect"));
    }
  else
    vpnd_failure_add_hint (error, "%s", _ ("vpnd goes on with it. To see: vpnctl status"));
}

/**
 * vpnd_wait_run:
 * @wait: a wait whose request has been answered
 * @error: return location
 *
 * Returns: %TRUE in the goal; %FALSE at the state error, the time limit, SIGINT, or when vpnd ends
 */
gboolean
vpnd_wait_run (VpndWait *wait, GError **error)
{
  g_autoptr (GVariant) properties = NULL;
  int verdict;

  if (wait->cli->options.timeout_s < 0)
    vpnd_client_set_time_limit (wait->client, DEFAULT_LIMIT_S);
  wait->is_gone = FALSE; /* starting vpnd by the bus makes it come; only from here on its end is news */
  properties = vpnd_client_get_all (wait->client, VPND_INTERFACE_DAEMON, error);
  if (properties == NULL)
    {
      explain_stop (wait, error);
      return FALSE;
    }
  take_properties (wait, properties);

  while ((verdict = judge (wait, error)) < 0)
    if (!vpnd_client_iterate (wait->client, error))
      {
        explain_stop (wait, error);
        return FALSE;
      }
  return verdict > 0;
}
