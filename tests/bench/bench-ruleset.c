/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How long the firewall takes to put a ruleset in force and to read it back, in a network namespace of its own. Writes the ruleset as text to the
 * file that is named, so that nft(8) can be timed with the same; prints the median in milliseconds.
 */
#include "config.h"

#include "firewall-nft.h"

#include "random-policy.h"

#include <sched.h>
#include <stdlib.h>

#define ROUNDS 301

typedef struct
{
  gboolean is_done;
  GError *error;
} Outcome;

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  (void) vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &outcome->error);
  outcome->is_done = TRUE;
}

static double
apply_ms (VpndFirewall *firewall, VpndRuleset *ruleset)
{
  gint64 begun_us = g_get_monotonic_time ();
  Outcome outcome = { 0 };

  vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &outcome);
  while (!outcome.is_done)
    g_main_context_iteration (NULL, TRUE);
  if (outcome.error != NULL)
    g_error ("%s", outcome.error->message);
  return (double) (g_get_monotonic_time () - begun_us) / 1000;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const double *x = a;
  const double *y = b;

  return (*x > *y) - (*x < *y);
}

int
main (int argc, char **argv)
{
  g_autoptr (VpndFirewall) firewall = NULL;
  g_autoptr (VpndRuleset) blocked = NULL;
  g_autoptr (VpndRuleset) connected = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  double times[ROUNDS];

  if (argc != 2)
    return 2;
  g_test_init (&(int){ 1 }, &(char **){ argv }, NULL); /* the generators draw from g_test */
  if (unshare (CLONE_NEWNET) != 0 || (firewall = vpnd_firewall_nft_new (&error)) == NULL)
    g_error ("a namespace and a firewall need root");

  blocked = random_policy_new (VPND_POLICY_BLOCKED);
  connected = random_policy_new (VPND_POLICY_CONNECTED);
  text = vpnd_ruleset_to_text (connected);
  if (!g_file_set_contents (argv[1], text, -1, &error))
    g_error ("%s", error->message);
  for (guint i = 0; i < ROUNDS; i++)
    {
      (void) apply_ms (firewall, blocked);
      times[i] = apply_ms (firewall, connected);
    }
  qsort (times, ROUNDS, sizeof *times, compare);
  g_print ("%.4f\n", times[ROUNDS / 2]);
  return 0;
}
