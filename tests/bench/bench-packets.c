/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a ruleset costs each packet that a program sends into the tunnel. Every file of rules that is named gets a network namespace of its own with a
 * link called like the tunnel's, behind which packets vanish, and a UDP flow through it that was answered. Rounds of packets then alternate between the
 * namespaces, so that whatever else the machine does hits all alike. Prints for each file the median time of the processor per packet in nanoseconds.
 */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "reserved.h"

#define BATCH 64
#define BATCHES 48 /* about two milliseconds: shorter than a slice of the scheduler, longer than the clock's noise */
#define ROUNDS 401
#define VARIANTS_MAX 8

typedef struct
{
  int link; /* the far side of the tunnel */
  int flow;
  double samples[ROUNDS];
} Variant;

static void
run (const char *program, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  va_list words;
  int status;

  g_ptr_array_add (argv, (gpointer) program);
  va_start (words, program);
  do
    g_ptr_array_add (argv, va_arg (words, char *));
  while (g_ptr_array_index (argv, argv->len - 1) != NULL);
  va_end (words);
  if (!g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error) ||
      !g_spawn_check_wait_status (status, &error))
    g_error ("%s: %s", program, error->message);
}

static int
make_link (void)
{
  struct ifreq request = { .ifr_name = VPND_IFNAME, .ifr_flags = IFF_TUN | IFF_NO_PI };
  int link = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);

  if (link < 0 || ioctl (link, TUNSETIFF, &request) != 0)
    g_error ("/dev/net/tun: %s", g_strerror (errno));
  return link;
}

/* Answers the packet that waits at the far side, so that connection tracking calls the flow established. */
static void
answer (int link)
{
  guint8 packet[128];
  struct iphdr *ip = (struct iphdr *) packet;
  struct udphdr *udp = (struct udphdr *) (packet + sizeof *ip);
  ssize_t size;

  do /* the kernel's own router solicitations come first */
    size = read (link, packet, sizeof packet);
  while (size > 0 && (ip->version != 4 || ip->protocol != IPPROTO_UDP));
  if (size <= 0)
    g_error ("no packet came out of the tunnel: %s", g_strerror (errno));
  ip->saddr ^= ip->daddr; /* the checksums do not care about the order of the addresses and ports */
  ip->daddr ^= ip->saddr;
  ip->saddr ^= ip->daddr;
  udp->source ^= udp->dest;
  udp->dest ^= udp->source;
  udp->source ^= udp->dest;
  if (write (link, packet, (gsize) size) != size)
    g_error ("the answer: %s", g_strerror (errno));
}

static void
make_variant (Variant *variant, const char *rules)
{
  struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = g_htons (4433), .sin_addr.s_addr = inet_addr ("203.0.113.7") };
  struct timeval patience = { .tv_sec = 5 };
  g_autofree char *group = g_strdup_printf ("%u", VPND_LINK_GROUP);
  char byte = 0;

  if (unshare (CLONE_NEWNET) != 0)
    g_error ("a network namespace needs root");
  variant->link = make_link ();
  run ("ip", "address", "add", "10.64.0.2/32", "dev", VPND_IFNAME, NULL);
  run ("ip", "link", "set", VPND_IFNAME, "group", group, "up", NULL);
  run ("ip", "route", "add", "default", "dev", VPND_IFNAME, NULL);
  run ("nft", "-f", rules, NULL);
  variant->flow = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (connect (variant->flow, (struct sockaddr *) &server, sizeof server) != 0 || send (variant->flow, &byte, 1, 0) != 1)
    g_error ("%s: sending: %s", rules, g_strerror (errno));
  answer (variant->link);
  (void) setsockopt (variant->flow, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (recv (variant->flow, &byte, 1, 0) != 1)
    g_error ("%s: the answer was not let in", rules);
}

static double
measure_ns (int flow)
{
  struct mmsghdr messages[BATCH] = { 0 };
  struct timespec begin, end;
  char byte = 0;
  struct iovec data = { &byte, 1 };

  for (guint i = 0; i < BATCH; i++)
    {
      messages[i].msg_hdr.msg_iov = &data;
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &begin);
  for (guint i = 0; i < BATCHES; i++)
    if (sendmmsg (flow, messages, BATCH, 0) != BATCH)
      g_error ("sendmmsg: %s", g_strerror (errno));
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &end);
  return ((double) (end.tv_sec - begin.tv_sec) * 1e9 + (double) (end.tv_nsec - begin.tv_nsec)) / (BATCH * BATCHES);
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
  static Variant variants[VARIANTS_MAX];
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
      g_print ("%.1f %.1f %s\n", variants[i].samples[ROUNDS / 2], variants[i].samples[ROUNDS / 10], argv[i + 1]);
    }
  return 0;
}
