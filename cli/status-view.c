/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Aligned lines under a first line that is one of: Connected, Connecting, Disconnecting, Disconnected, Blocked: CAUSE.
 */
#include "config.h"

#include "status-view.h"

#include <glib/gi18n.h>

#include "failure.h"
#include "names.h"

typedef struct
{
  const char *state;
  const char *line;
  VpndColor color;
} StateLine;

static const StateLine state_lines[] = {
  { VPND_STATE_WORD_DISCONNECTED, "Disconnected", VPND_COLOR_NONE },
  { VPND_STATE_WORD_CONNECTING, "Connecting", VPND_COLOR_BUSY },
  { VPND_STATE_WORD_CONNECTED, "Connected", VPND_COLOR_GOOD },
  { VPND_STATE_WORD_DISCONNECTING, "Disconnecting", VPND_COLOR_BUSY },
  { VPND_STATE_WORD_ERROR, "Blocked", VPND_COLOR_BAD },
};

/**
 * vpnd_status_view_first_line:
 * @state: the property State
 * @cause: the property Cause
 *
 * Returns: (transfer full): the first line of vpnctl status, the same in every language
 */
char *
vpnd_status_view_first_line (const char *state, const char *cause)
{
  for (guint i = 0; i < G_N_ELEMENTS (state_lines); i++)
    if (g_strcmp0 (state, state_lines[i].state) == 0)
      return g_str_equal (state, VPND_STATE_WORD_ERROR) ? g_strdup_printf ("%s: %s", state_lines[i].line, cause) : g_strdup (state_lines[i].line);
  return g_strdup (state);
}

/**
 * vpnd_status_view_color:
 * @state: the property State
 *
 * Returns: its colour
 */
VpndColor
vpnd_status_view_color (const char *state)
{
  for (guint i = 0; i < G_N_ELEMENTS (state_lines); i++)
    if (g_strcmp0 (state, state_lines[i].state) == 0)
      return state_lines[i].color;
  return VPND_COLOR_NONE;
}

/**
 * vpnd_status_view_is_leaking:
 * @state: the property State
 * @lockdown: the setting
 * @blocking: the property Blocking
 *
 * Returns: whether the rules should be in force and are not. While disconnecting they are being taken away on request.
 */
gboolean
vpnd_status_view_is_leaking (const char *state, gboolean lockdown, gboolean blocking)
{
  if (blocking)
    return FALSE;
  if (g_strcmp0 (state, VPND_STATE_WORD_DISCONNECTED) == 0 || g_strcmp0 (state, VPND_STATE_WORD_DISCONNECTING) == 0)
    return lockdown;
  return TRUE;
}

/**
 * vpnd_status_view_check:
 * @state: the property State
 * @lockdown: the setting
 * @blocking: the property Blocking
 * @error: return location
 *
 * Returns: %FALSE with %VPND_CLI_ERROR_BLOCKING, a message of two lines, if vpnd_status_view_is_leaking()
 */
gboolean
vpnd_status_view_check (const char *state, gboolean lockdown, gboolean blocking, GError **error)
{
  if (!vpnd_status_view_is_leaking (state, lockdown, blocking))
    return TRUE;
  g_set_error_literal (error, VPND_CLI_ERROR, VPND_CLI_ERROR_BLOCKING, _ ("WARNING: BLOCKING IS NOT IN FORCE. Traffic may leave this machine outside the tunnel."));
  vpnd_failure_add_hint (error, "%s", _ ("Unplug the network if that matters. The kernel may lack nftables, or another program removes the rules: see vpnctl logs."));
  return FALSE;
}

/**
 * vpnd_status_view_duration:
 * @seconds: a time span
 *
 * Returns: (transfer full): it in its two largest units, e.g. "3 min 20 s"
 */
char *
vpnd_status_view_duration (gint64 seconds)
{
  const gint64 s = MAX (seconds, 0);
  const gint64 minute = 60, hour = 60 * minute, day = 24 * hour;

  if (s < minute)
    return g_strdup_printf (_ ("%d s"), (int) s);
  if (s < hour)
    return g_strdup_printf (_ ("%d min %d s"), (int) (s / minute), (int) (s % minute));
  if (s < day)
    return g_strdup_printf (_ ("%d h %d min"), (int) (s / hour), (int) (s % hour / minute));
  return g_strdup_printf (_ ("%d d %d h"), (int) MIN (s / day, G_MAXINT), (int) (s % day / hour));
}

/**
 * vpnd_status_view_bytes:
 * @bytes: a count
 *
 * Returns: (transfer full): it in binary units
 */
char *
vpnd_status_view_bytes (guint64 bytes)
{
  return g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);
}

/**
 * vpnd_status_view_head:
 * @output: an output
 * @status: the status
 *
 * Writes the first line, and an indented one for each thing that a user has to know at once.
 */
void
vpnd_status_view_head (VpndOutput *output, const VpndStatus *status)
{
  g_autofree char *first = vpnd_status_view_first_line (status->state, status->cause);

  vpnd_output_line (output, vpnd_status_view_color (status->state), first);
  if (g_str_equal (status->state, VPND_STATE_WORD_ERROR))
    {
      g_autofree char *sentence = g_strconcat ("  ", vpnd_cause_sentence (status->cause), NULL);
      g_autofree char *detail = g_strconcat ("  ", status->detail, NULL);
      g_autofree char *remedy = g_strconcat ("  ", vpnd_cause_remedy (status->cause), NULL);

      vpnd_output_paragraph (output, VPND_COLOR_NONE, sentence);
      if (*status->detail != '\0')
        vpnd_output_paragraph (output, VPND_COLOR_NONE, detail);
      vpnd_output_paragraph (output, VPND_COLOR_NONE, remedy);
    }
  if (status->lockdown && g_str_equal (status->state, VPND_STATE_WORD_DISCONNECTED))
    vpnd_output_paragraph (output, VPND_COLOR_NONE, _ ("  The network is blocked: lockdown is on (to open it: vpnctl lockdown off)"));
}

static void
add_row (GPtrArray *rows, const char *label, const char *value)
{
  char **row;

  if (value == NULL || *value == '\0')
    return;
  row = g_new0 (char *, 3);
  row[0] = g_strconcat (label, ":", NULL);
  row[1] = g_strdup (value);
  g_ptr_array_add (rows, row);
}

static char *
join_two (const char *first, const char *second)
{
  return g_strconcat (first, *first != '\0' && *second != '\0' ? ", " : "", second, NULL);
}

static void
add_since (GPtrArray *rows, const VpndStatus *status, gint64 now_us)
{
  g_autoptr (GDateTime) utc = status->since_us > 0 ? g_date_time_new_from_unix_utc (status->since_us / G_USEC_PER_SEC) : NULL;
  g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_local (utc) : NULL;
  g_autofree char *text = local != NULL ? g_date_time_format (local, "%Y-%m-%d %H:%M:%S") : NULL;
  g_autofree char *age = vpnd_status_view_duration ((now_us - status->since_us) / G_USEC_PER_SEC);
  g_autofree char *both = text != NULL ? g_strdup_printf ("%s (%s)", text, age) : NULL;

  add_row (rows, _ ("Since"), both);
}

static void
add_traffic (GPtrArray *rows, const VpndStatusPeer *peer, gint64 now_us)
{
  g_autofree char *received = vpnd_status_view_bytes (peer->rx_bytes);
  g_autofree char *sent = vpnd_status_view_bytes (peer->tx_bytes);
  g_autofree char *both = g_strdup_printf (_ ("%s received, %s sent"), received, sent);
  g_autofree char *age = vpnd_status_view_duration ((now_us - peer->handshake_us) / G_USEC_PER_SEC);
  g_autofree char *ago = g_strdup_printf (_ ("%s ago"), age);

  add_row (rows, _ ("Handshake"), peer->handshake_us != 0 ? ago : _ ("none yet"));
  add_row (rows, _ ("Transferred"), both);
}

static void
add_verbose (GPtrArray *rows, const VpndStatus *status, gint64 now_us)
{
  g_autofree char *gateways = join_two (status->gateway4, status->gateway6);
  g_autofree char *mtu = status->mtu != 0 ? g_strdup_printf ("%u", status->mtu) : NULL;

  add_row (rows, _ ("Interface"), status->interface);
  add_row (rows, "MTU", mtu);
  add_row (rows, _ ("Gateways"), gateways);
  add_row (rows, _ ("Blocking"), status->blocking ? _ ("in force") : _ ("not in force"));
  add_row (rows, _ ("Lockdown"), status->lockdown ? _ ("on") : _ ("off"));
  add_row (rows, _ ("Version"), status->version);
  for (guint i = 0; i < status->peers->len; i++)
    {
      const VpndStatusPeer *peer = status->peers->pdata[i];

      add_row (rows, _ ("Peer"), peer->public_key);
      if (i > 0)
        {
          add_row (rows, _ ("Server"), peer->endpoint);
          add_traffic (rows, peer, now_us);
        }
    }
}

/**
 * vpnd_status_view_details:
 * @output: an output
 * @status: the status
 * @verbose: everything that vpnd tells
 * @now_us: wall clock, microseconds since 1970
 *
 * Writes the lines under the head; what is not known has no line.
 */
void
vpnd_status_view_details (VpndOutput *output, const VpndStatus *status, gboolean verbose, gint64 now_us)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autofree char *addresses = join_two (status->address4, status->address6);
  g_autofree char *dns = g_strjoinv (", ", status->dns);
  g_autofree char *attempt = status->attempt != 0 ? g_strdup_printf ("%u", status->attempt) : NULL;

  add_row (rows, _ ("Profile"), status->profile);
  if (!g_str_equal (status->state, VPND_STATE_WORD_DISCONNECTED) || verbose)
    add_since (rows, status, now_us);
  add_row (rows, _ ("Attempt"), attempt);
  if (status->peers->len > 0)
    add_row (rows, _ ("Server"), ((const VpndStatusPeer *) status->peers->pdata[0])->endpoint);
  add_row (rows, _ ("Bridge"), status->bridge);
  add_row (rows, _ ("Addresses"), addresses);
  add_row (rows, "DNS", dns);
  if (status->peers->len > 0)
    add_traffic (rows, status->peers->pdata[0], now_us);
  add_row (rows, _ ("Backend"), status->backend);
  if (verbose)
    add_verbose (rows, status, now_us);
  for (guint i = 0; status->warnings[i] != NULL; i++)
    add_row (rows, _ ("Warning"), status->warnings[i]);
  vpnd_output_table (output, "  ", NULL, rows);
}
