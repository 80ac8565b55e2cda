/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a ruleset costs each packet that a program sends into the tunnel. Every file of rules that is named gets a network namespace of its own with a
 * link called like the tunnel's, behind which packets vanish, and a UDP flow through it that was answered. Rounds of packets then alternate between the
 * namespaces, so that whatever else the machine does hits all alike. "@connected" instead of a file are our rules as the firewall makes them, "@router" those of a host
 * that forwards, which asks connection tracking, "@split" those with 50 rules of split tunnelling and 500 subnets, none of which is about the flow: nft(8) has no words
 * for the numbers of cgroups; "@programs" the same without units, "@program" with one program and nothing else. Prints for each file the median time of the processor per packet in nanoseconds.
 */
#include "config.h"

#include "firewall-nft.h"

#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench-link.h"
#include "bench-policy.h"

#define BATCHES 48 /* about five milliseconds: shorter than a slice of the scheduler, longer than the noise of the clock */
#define ROUNDS 401
#define VARIANTS_MAX 9

typedef struct
{
  int flow;
  double samples[ROUNDS];
} Variant;

/* Answers the packet that waits at the far side, so that connection tracking calls the flow established. */
static void
answer (int link)
{
  guint8 packet[128];
  struct iphdr *ip = (struct iphdr *) packet;
  struct udphdr *udp = (struct udphdr *) (packet + sizeof *ip);
  guint32 address;
  guint16 port;
  ssize_t size;

  do /* the kernel's own router solicitations come first */
    size = read (link, packet, sizeof packet);
  while (size > 0 && (ip->version != 4 || ip->protocol != IPPROTO_UDP));
  if (size <= 0)
    g_error ("no packet came out of the tunnel: %s", g_strerror (errno));
  address = ip->saddr; /* the checksums do not care about the order of addresses and ports */
  ip->saddr = ip->daddr;
  ip->daddr = address;
  port = udp->source;
  udp->source = udp->dest;
  udp->dest = port;
  if (write (link, packet, (gsize) size) != size)
    g_error ("the answer: %s", g_strerror (errno));
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &error))
    g_error ("the rules: %s", error->message);
  *(gboolean *) user_data = TRUE;
}

/* The rules stay as long as the process does. */
static void
apply_ours (const char *name)
{
  static const struct
  {
    const char *name;
    BenchHost host;
  } hosts[] = {
    { "@connected", BENCH_HOST_ORDINARY },
    { "@router", BENCH_HOST_ROUTER },
    { "@program", BENCH_HOST_PROGRAM },
    { "@programs", BENCH_HOST_PROGRAMS },
    { "@split", BENCH_HOST_SPLIT },
  };
  g_autoptr (VpndRuleset) ruleset = NULL;
  g_autoptr (GError) error = NULL;
  VpndFirewall *firewall = vpnd_firewall_nft_new (&error); /* never freed: it owns the table */
  gboolean is_done = FALSE;

  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    if (g_str_equal (name, hosts[i].name))
      ruleset = bench_policy_new (hosts[i].host, VPND_POLICY_CONNECTED);
  if (ruleset == NULL)
    g_error ("no rules are called %s", name);
  vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &is_done);
  while (!is_done)
    g_main_context_iteration (NULL, TRUE);
}

static void
make_variant (Variant *variant, const char *rules)
{
  struct timeval patience = { .tv_sec = 5 };
  int link = bench_link_new ();
  char byte = 0;

  if (rules[0] == '@')
    apply_ours (rules);
  else
    bench_run ("nft", "-f", rules, NULL);
  variant->flow = bench_flow_new ();
  if (send (variant->flow, &byte, 1, 0) != 1)
    g_error ("%s: sending: %s", rules, g_strerror (errno));
  answer (link);
  (void) setsockopt (variant->flow, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience); /* else the line below waits for ever */
  if (recv (variant->flow, &byte, 1, 0) != 1)
    g_error ("%s: the answer was not let in", rules);
}

static double
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static double
measure_ns (int flow)
{
  double begun_ns = now_ns ();

  bench_flow_send (flow, BATCHES);
  return (now_ns () - begun_ns) / (BENCH_BATCH * BATCHES);
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
  g_autofree Variant *variants = g_new0 (Variant, VARIANTS_MAX);
  int n = argc - 1;

  if (n < 1 || n > VARIANTS_MAX)
    return 2;
  for (int i = 0; i < n; i++)
    make_variant (&variants[i], argv[i + 1]);
  for (guint round = 0; round < ROUNDS; round++)
    for (int i = 0; i < n; i++)
      variants[i].samples[round] = measure_ns (variants[i].flow);
  for (int i = 0; i < n; i++)
    {
      qsort (variants[i].samples, ROUNDS, sizeof (double), compare);
      g_print ("%.1f\n", variants[i].samples[ROUNDS / 2]);
    }
  return 0;
}
