/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a ruleset costs each packet that a program sends into the tunnel. Every file of rules that is named gets a network namespace of its own with a
 * link called like the tunnel's, behind which packets vanish, and a UDP flow through it that was answered. Rounds of packets then alternate between the
 * namespaces, so that whatever else the machine does hits all alike. "@connected" instead of a file are our rules as the firewall makes them, "@router" those of a host
 * that forwards, which asks connection tracking, "@split" those with 50 rules of split tunnelling and 500 subnets, none of which is about the flow: nft(8) has no words
 * for the numbers of cgroups; "@programs" the same without units, "@program" with one program and nothing else, "@program-net-cls" that by net_cls. Prints for each file the median time of the
 * processor per packet in nanoseconds. With "udp" or "tcp" before the files it is what comes out of the tunnel that is measured: answers of such a flow, up to its socket.
 */
#include "config.h"

#include "firewall-nft.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench-link.h"
#include "bench-policy.h"

#define BATCHES 48 /* about five milliseconds: shorter than a slice of the scheduler, longer than the noise of the clock */
#define ROUNDS 401
#define VARIANTS_MAX 9
#define PATIENCE_S 5
#define FIRST_SEQ 1000

typedef enum
{
  OUT,
  IN_UDP,
  IN_TCP,
} Direction;

typedef struct
{
  int flow;
  int link;
  guint8 answer[128]; /* an IP packet */
  gsize size;
  double samples[ROUNDS];
} Variant;

/* Waits for a packet at the far side, and makes the head of its answer of it. */
static void
turn (Variant *variant, guint8 protocol)
{
  struct iphdr *ip = (struct iphdr *) variant->answer;
  guint16 *ports = (guint16 *) (variant->answer + sizeof *ip);
  guint32 address;
  guint16 port;
  ssize_t size;

  do /* the kernel's own router solicitations come first */
    size = read (variant->link, variant->answer, sizeof variant->answer);
  while (size > 0 && (ip->version != 4 || ip->protocol != protocol));
  if (size <= 0)
    g_error ("no packet came out of the tunnel: %s", g_strerror (errno));
  address = ip->saddr; /* the checksums do not care about the order of addresses and ports */
  ip->saddr = ip->daddr;
  ip->daddr = address;
  port = ports[0];
  ports[0] = ports[1];
  ports[1] = port;
  variant->size = (gsize) size;
}

static void
answer (const Variant *variant)
{
  if (write (variant->link, variant->answer, variant->size) != (ssize_t) variant->size)
    g_error ("the answer: %s", g_strerror (errno));
}

/* RFC 1071 */
static guint16
fold (guint32 sum)
{
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return (guint16) ~sum;
}

static guint32
add_words (guint32 sum, const void *data, gsize size)
{
  const guint16 *words = data;

  for (gsize i = 0; i < size / sizeof *words; i++)
    sum += words[i];
  return sum;
}

/* A segment without options and data, in the place of the one that was turned. */
static void
make_segment (Variant *variant, guint32 seq, guint32 ack, gboolean is_syn)
{
  struct iphdr *ip = (struct iphdr *) variant->answer;
  struct tcphdr *tcp = (struct tcphdr *) (variant->answer + sizeof *ip);
  const guint16 pseudo[] = { g_htons (IPPROTO_TCP), g_htons (sizeof *tcp) };

  *tcp = (struct tcphdr){ .source = tcp->source, .dest = tcp->dest, .seq = g_htonl (seq), .ack_seq = g_htonl (ack), .doff = sizeof *tcp / 4, .syn = is_syn, .ack = 1, .window = g_htons (G_MAXUINT16) };
  tcp->check = fold (add_words (add_words (add_words (0, &ip->saddr, 2 * sizeof ip->saddr), pseudo, sizeof pseudo), tcp, sizeof *tcp));
  variant->size = sizeof *ip + sizeof *tcp;
  ip->tot_len = g_htons ((guint16) variant->size);
  ip->check = 0;
  ip->check = fold (add_words (0, ip, sizeof *ip));
}

/* What is measured then is an acknowledgement that says nothing new. */
static void
shake_hands (Variant *variant)
{
  const struct tcphdr *tcp = (const struct tcphdr *) (variant->answer + sizeof (struct iphdr));
  struct pollfd wait = { .fd = variant->flow, .events = POLLOUT };
  guint32 seq;

  turn (variant, IPPROTO_TCP);
  seq = g_ntohl (tcp->seq) + 1;
  make_segment (variant, FIRST_SEQ, seq, TRUE);
  answer (variant);
  if (poll (&wait, 1, PATIENCE_S * 1000) != 1 || wait.revents != POLLOUT)
    g_error ("the connection was not made");
  make_segment (variant, FIRST_SEQ + 1, seq, FALSE);
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
    { "@program-net-cls", BENCH_HOST_PROGRAM_NET_CLS },
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
make_variant (Variant *variant, const char *rules, Direction direction)
{
  struct timeval patience = { .tv_sec = PATIENCE_S };
  char byte = 0;

  variant->link = bench_link_new ();
  if (rules[0] == '@')
    apply_ours (rules);
  else
    bench_run ("nft", "-f", rules, NULL);
  variant->flow = bench_flow_new (direction == IN_TCP ? SOCK_STREAM : SOCK_DGRAM);
  if (direction == IN_TCP)
    {
      shake_hands (variant);
      return;
    }
  if (send (variant->flow, &byte, 1, 0) != 1)
    g_error ("%s: sending: %s", rules, g_strerror (errno));
  turn (variant, IPPROTO_UDP);
  answer (variant);                                                                       /* so that connection tracking calls the flow established */
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
measure_ns (const Variant *variant, Direction direction)
{
  double begun_ns = now_ns ();

  if (direction == OUT)
    bench_flow_send (variant->flow, BATCHES);
  else
    for (guint i = 0; i < BENCH_BATCH * BATCHES; i++)
      answer (variant); /* a socket that is full drops it */
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
  Direction direction = OUT;
  int n;

  if (argc > 1 && (g_str_equal (argv[1], "udp") || g_str_equal (argv[1], "tcp")))
    {
      direction = g_str_equal (argv[1], "udp") ? IN_UDP : IN_TCP;
      argv++;
      argc--;
    }
  n = argc - 1;
  if (n < 1 || n > VARIANTS_MAX)
    return 2;
  for (int i = 0; i < n; i++)
    make_variant (&variants[i], argv[i + 1], direction);
  for (guint round = 0; round < ROUNDS; round++)
    for (int i = 0; i < n; i++)
      variants[i].samples[round] = measure_ns (&variants[i], direction);
  for (int i = 0; i < n; i++)
    {
      qsort (variants[i].samples, ROUNDS, sizeof (double), compare);
      g_print ("%.1f\n", variants[i].samples[ROUNDS / 2]);
    }
  return 0;
}
