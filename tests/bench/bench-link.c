/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What bench-link.h promises. Whatever fails ends the program: it measures, it does not test.
 */
#include "config.h"

#include "bench-link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reserved.h"

/* Runs @program with the arguments that follow, up to a NULL. */
void
bench_run (const char *program, ...)
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

/* Puts the caller into a namespace of its own with the link in it, where everything is routed; returns the far side of the link. Nobody need read there:
 * a full queue drops. */
int
bench_link_new (void)
{
  const unsigned int ifindex = BENCH_LINK_IFINDEX;
  struct ifreq request = { .ifr_name = VPND_IFNAME, .ifr_flags = IFF_TUN | IFF_NO_PI };
  int link;

  if (unshare (CLONE_NEWNET) != 0)
    g_error ("a network namespace needs root");
  link = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (link < 0 || ioctl (link, TUNSETIFINDEX, &ifindex) != 0 || ioctl (link, TUNSETIFF, &request) != 0)
    g_error ("/dev/net/tun: %s", g_strerror (errno));
  bench_run ("ip", "address", "add", "10.64.0.2/32", "dev", VPND_IFNAME, NULL);
  bench_run ("ip", "link", "set", VPND_IFNAME, "up", NULL);
  bench_run ("ip", "route", "add", "default", "dev", VPND_IFNAME, NULL);
  return link;
}

/* A socket whose packets go into the link; one of SOCK_STREAM is on its way to be connected. */
int
bench_flow_new (int type)
{
  struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = g_htons (4433), .sin_addr.s_addr = inet_addr ("203.0.113.7") };
  int flow = socket (AF_INET, type | SOCK_CLOEXEC | (type == SOCK_STREAM ? SOCK_NONBLOCK : 0), 0);

  if (flow < 0 || (connect (flow, (struct sockaddr *) &server, sizeof server) != 0 && errno != EINPROGRESS))
    g_error ("a socket: %s", g_strerror (errno));
  return flow;
}

/* Sends @batches times BENCH_BATCH packets of one byte; refused ones count as sent. */
void
bench_flow_send (int flow, guint batches)
{
  struct mmsghdr messages[BENCH_BATCH] = { 0 };
  char byte = 0;
  struct iovec data = { &byte, 1 };

  for (guint i = 0; i < BENCH_BATCH; i++)
    {
      messages[i].msg_hdr.msg_iov = &data;
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  for (guint i = 0; i < batches; i++)
    if (sendmmsg (flow, messages, BENCH_BATCH, 0) < 0 && errno != EPERM && errno != ECONNREFUSED)
      g_error ("sendmmsg: %s", g_strerror (errno));
}
