/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How long the firewall takes to put a ruleset in force and to read it back, in a network namespace of its own: at rest, then while another process floods the
 * tunnel's link with packets. Writes the ruleset as text to the file that is named, so that nft(8) can be timed with the same. Prints the median at rest, and
 * under load the median and the 99th percentile, by the clock and by the time of the processor, all in milliseconds.
 */
#include "config.h"

#include "firewall-nft.h"

#include "bench-link.h"
#include "random-policy.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 301
#define FLOOD_SECONDS 60

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

static double
processor_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

/* Changes to @connected and back, ROUNDS times; @out_processor_ms gets the time of the processor. Both are sorted. */
static void
measure (VpndFirewall *firewall, VpndRuleset *blocked, VpndRuleset *connected, double *out_ms, double *out_processor_ms)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      double begun_ms;

      (void) apply_ms (firewall, blocked);
      begun_ms = processor_ms ();
      out_ms[i] = apply_ms (firewall, connected);
      out_processor_ms[i] = processor_ms () - begun_ms;
    }
  qsort (out_ms, ROUNDS, sizeof *out_ms, compare);
  qsort (out_processor_ms, ROUNDS, sizeof *out_processor_ms, compare);
}

/* A process that sends what it can for at most FLOOD_SECONDS; it ends with this one. */
static pid_t
flood (void)
{
  int flow = bench_flow_new ();
  pid_t pid = fork ();

  if (pid != 0)
    return pid;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  (void) alarm (FLOOD_SECONDS);
  for (;;)
    bench_flow_send (flow, 1);
}

int
main (int argc, char **argv)
{
  g_autoptr (VpndFirewall) firewall = NULL;
  g_autoptr (VpndRuleset) blocked = NULL;
  g_autoptr (VpndRuleset) connected = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  double times[ROUNDS], processor[ROUNDS];
  char *words[] = { argv[0], (char *) "--seed=R02S000000010000000200000003000000ff", NULL };
  int n_words = 2;
  pid_t child;

  if (argc != 2)
    return 2;
  g_test_init (&n_words, &(char **){ words }, NULL); /* the generators draw from g_test: the same policy each time */
  (void) bench_link_new ();
  if ((firewall = vpnd_firewall_nft_new (&error)) == NULL)
    g_error ("%s", error->message);

  blocked = random_policy_new (VPND_POLICY_BLOCKED);
  connected = random_policy_new (VPND_POLICY_CONNECTED);
  text = vpnd_ruleset_to_text (connected);
  if (!g_file_set_contents (argv[1], text, -1, &error))
    g_error ("%s", error->message);

  measure (firewall, blocked, connected, times, processor);
  g_print ("%.4f\n", times[ROUNDS / 2]);
  child = flood ();
  measure (firewall, blocked, connected, times, processor);
  (void) kill (child, SIGKILL);
  g_print ("%.4f %.4f %.4f %.4f\n", times[ROUNDS / 2], times[ROUNDS * 99 / 100], processor[ROUNDS / 2], processor[ROUNDS * 99 / 100]);
  return 0;
}
