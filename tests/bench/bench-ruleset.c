/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How long the firewall takes to put a ruleset in force and to read it back, in a network namespace of its own: while another process floods the
 * tunnel's link with packets, as nice as its unit makes vpnd, then at rest. First from a random blocked to a random connected one, then from connecting to connected on an ordinary host, and on one with
 * everything (bench-policy.h). Writes the random ruleset as text to the file that is named, so that nft(8) can be timed with the same. Prints for each of the three, in
 * milliseconds: the median and the 99th percentile under load, by the clock and by the time of the processor, in one line with the whole table made anew until the new
 * rules hold (the kernel has acknowledged them), in the next with what the firewall sends, a change where that is less, and in the third until it has been read back and
 * compared, too; then, at rest, the median of the latter with the whole table and with what the firewall sends.
 */
#include "config.h"

#include "firewall-nft.h"

#include "bench-link.h"
#include "bench-policy.h"
#include "nft-change.h"
#include "nft-encode.h"
#include "nft-reader.h"
#include "random-policy.h"

#include <linux/netlink.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 301
#define NICE_OF_VPND -10  /* data/systemd/vpnd.service.in */
#define FLOOD_SECONDS 180 /* at most */

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

typedef enum
{
  WAY_WHOLE,        /* the whole table anew, until the kernel has acknowledged it */
  WAY_SENT,         /* what the firewall sends, until then */
  WAY_READ_BACK,    /* what the firewall does */
  WAY_READ_BACK_ALL /* the same by one that knows of no rules before */
} Way;

typedef struct
{
  int netlink;
  VpndNlSocket *reader;
  VpndFirewall *firewall;
} Bench;

/* How long until the kernel has acknowledged @to. */
static double
send_ms (int netlink, VpndRuleset *from, VpndRuleset *to)
{
  static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  gint64 begun_us = g_get_monotonic_time ();
  g_autoptr (VpndNftChange) change = from != NULL ? vpnd_nft_change_new (from, to) : NULL;
  g_autoptr (GBytes) batch = change != NULL ? vpnd_nft_change_encode (change, 1) : vpnd_nft_encode_replace (to, 0, 0, 1);
  guint8 reply[4096];
  const struct nlmsgerr *error = (const struct nlmsgerr *) (reply + NLMSG_HDRLEN);

  if (sendto (netlink, g_bytes_get_data (batch, NULL), g_bytes_get_size (batch), 0, (const struct sockaddr *) &kernel, sizeof kernel) < 0 ||
      recv (netlink, reply, sizeof reply, 0) < (ssize_t) (NLMSG_HDRLEN + sizeof *error) || error->error != 0)
    g_error ("the batch was refused: %s", g_strerror (errno));
  return (double) (g_get_monotonic_time () - begun_us) / 1000;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

/* Returns: (transfer full): what is in force, with the kernel's numbers, like @ruleset */
static VpndRuleset *
read_back (VpndNlSocket *reader, const VpndRuleset *ruleset)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  VpndNftTable table;

  vpnd_nft_read_async (reader, ruleset, NULL, on_read, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  if (!vpnd_nft_read_finish (reader, result, &table, &error))
    g_error ("%s", error->message);
  return table.ruleset;
}

static double
change_ms (Bench *bench, Way way, VpndRuleset *from, VpndRuleset *to, double *out_processor_ms)
{
  g_autoptr (VpndRuleset) seen = way == WAY_SENT ? read_back (bench->reader, from) : NULL; /* the firewall has it from the change before */
  const double begun_ms = processor_ms ();
  double ms = 0;

  switch (way)
    {
    case WAY_WHOLE:
    case WAY_SENT:
      ms = send_ms (bench->netlink, seen, to);
      break;
    case WAY_READ_BACK_ALL:
    case WAY_READ_BACK:
      ms = apply_ms (bench->firewall, to);
      break;
    }
  *out_processor_ms = processor_ms () - begun_ms;
  return ms;
}

static void
renew_firewall (Bench *bench)
{
  g_autoptr (GError) error = NULL;

  g_clear_object (&bench->firewall);
  if ((bench->firewall = vpnd_firewall_nft_new (&error)) == NULL)
    g_error ("%s", error->message);
}

/* Changes to @after and back, ROUNDS times; @out_processor_ms gets the time of the processor. Both are sorted. */
static void
measure (Bench *bench, Way way, VpndRuleset *before, VpndRuleset *after, double *out_ms, double *out_processor_ms)
{
  (void) change_ms (bench, way == WAY_SENT ? WAY_WHOLE : way, before, after, out_processor_ms);
  for (guint i = 0; i < ROUNDS; i++)
    {
      (void) change_ms (bench, way, after, before, &out_processor_ms[i]);
      if (way == WAY_READ_BACK_ALL)
        renew_firewall (bench);
      out_ms[i] = change_ms (bench, way, before, after, &out_processor_ms[i]);
    }
  qsort (out_ms, ROUNDS, sizeof *out_ms, compare);
  qsort (out_processor_ms, ROUNDS, sizeof *out_processor_ms, compare);
}

static void
set_nice (int nice)
{
  if (setpriority (PRIO_PROCESS, 0, nice) != 0)
    g_error ("nice %d: %s", nice, g_strerror (errno));
}

/* A process that sends what it can for at most FLOOD_SECONDS; it ends with this one. */
static pid_t
flood (void)
{
  int flow = bench_flow_new (SOCK_DGRAM);
  pid_t pid = fork ();

  if (pid != 0)
    return pid;
  set_nice (0);
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  (void) alarm (FLOOD_SECONDS);
  for (;;)
    bench_flow_send (flow, 1);
}

/* In a namespace of their own. */
static void
measure_change (VpndRuleset *before, VpndRuleset *after)
{
  const int link = bench_link_new ();
  Bench bench = { .netlink = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) };
  g_autoptr (GError) error = NULL;
  double times[ROUNDS], processor[ROUNDS];
  pid_t child;

  if ((bench.reader = vpnd_nl_socket_new (NETLINK_NETFILTER, &error)) == NULL)
    g_error ("%s", error->message);
  renew_firewall (&bench);
  child = flood ();
  set_nice (NICE_OF_VPND);                               /* only here: at rest it is compared with programs that have none */
  for (Way way = WAY_WHOLE; way <= WAY_READ_BACK; way++) /* in this order: the table belongs to the firewall after its turn */
    {
      measure (&bench, way, before, after, times, processor);
      g_print ("%.4f %.4f %.4f %.4f\n", times[ROUNDS / 2], times[ROUNDS * 99 / 100], processor[ROUNDS / 2], processor[ROUNDS * 99 / 100]);
    }
  (void) kill (child, SIGKILL);
  (void) waitpid (child, NULL, 0);
  set_nice (0);
  measure (&bench, WAY_READ_BACK_ALL, before, after, times, processor);
  g_print ("%.4f\n", times[ROUNDS / 2]);
  measure (&bench, WAY_READ_BACK, before, after, times, processor);
  g_print ("%.4f\n", times[ROUNDS / 2]);
  g_clear_object (&bench.firewall);
  g_clear_object (&bench.reader);
  (void) close (bench.netlink);
  (void) close (link);
}

int
main (int argc, char **argv)
{
  static const BenchHost hosts[] = { BENCH_HOST_ORDINARY, BENCH_HOST_EVERYTHING };
  g_autoptr (VpndRuleset) blocked = NULL;
  g_autoptr (VpndRuleset) connected = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  char *words[] = { argv[0], (char *) "--seed=R02S000000010000000200000003000000ff", NULL };
  int n_words = 2;

  if (argc != 2)
    return 2;
  g_test_init (&n_words, &(char **){ words }, NULL); /* the generators draw from g_test: the same policy each time */
  blocked = random_policy_new (VPND_POLICY_BLOCKED);
  connected = random_policy_new (VPND_POLICY_CONNECTED);
  text = vpnd_ruleset_to_text (connected);
  if (!g_file_set_contents (argv[1], text, -1, &error))
    g_error ("%s", error->message);

  measure_change (blocked, connected);
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autoptr (VpndRuleset) before = bench_policy_new (hosts[i], VPND_POLICY_CONNECTING);
      g_autoptr (VpndRuleset) after = bench_policy_new (hosts[i], VPND_POLICY_CONNECTED);

      measure_change (before, after);
    }
  return 0;
}
