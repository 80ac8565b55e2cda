/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-world.h.
 */
#include "config.h"

#include "split-world.h"

#include "netns.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int
new_socket (const char *address, guint16 port, int type, gboolean is_server)
{
  const gboolean is_v4 = strchr (address, ':') == NULL;
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons (port) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons (port) };
  const struct sockaddr *name = is_v4 ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
  const socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
  const int on = 1;
  const int fd = socket (is_v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (inet_pton (is_v4 ? AF_INET : AF_INET6, address, is_v4 ? (void *) &v4.sin_addr : (void *) &v6.sin6_addr), ==, 1);
  if (is_server)
    {
      g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
      g_assert_no_errno (bind (fd, name, size));
      if (type == SOCK_STREAM)
        g_assert_no_errno (listen (fd, 8));
      return fd;
    }
  if (connect (fd, name, size) == 0 || errno == EINPROGRESS)
    return fd;
  close (fd);
  return -1;
}

static void
answer_datagram (int fd)
{
  struct sockaddr_storage from;
  socklen_t size = sizeof from;
  char data[2048];
  const ssize_t length = recvfrom (fd, data, sizeof data, 0, (struct sockaddr *) &from, &size);

  if (length > 0)
    (void) !sendto (fd, data, (gsize) length, 0, (struct sockaddr *) &from, size);
}

/* From an address that is not on the link, so that the way back is a question of routes. */
static gboolean
world_connects (void)
{
  const int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in name = { .sin_family = AF_INET };
  const struct timeval limit = { .tv_sec = 1 };
  gboolean is_good;

  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
  name.sin_addr.s_addr = inet_addr (FAR4);
  g_assert_no_errno (bind (fd, (struct sockaddr *) &name, sizeof name));
  name.sin_addr.s_addr = inet_addr (HOST4);
  name.sin_port = htons (SSH_PORT);
  is_good = connect (fd, (struct sockaddr *) &name, sizeof name) == 0;
  close (fd);
  return is_good;
}

static void
world_serve (int commands, int answers)
{
  static const struct
  {
    const char *address;
    guint16 port;
  } services[] = { { FAR4, ECHO_PORT }, { FAR6, ECHO_PORT }, { GATEWAY4, DNS_PORT } };
  struct pollfd fds[64] = { { .fd = commands, .events = POLLIN } };
  guint n = 1;

  for (guint i = 0; i < G_N_ELEMENTS (services); i++)
    {
      fds[n++] = (struct pollfd){ new_socket (services[i].address, services[i].port, SOCK_DGRAM, TRUE), POLLIN, 0 };
      fds[n++] = (struct pollfd){ new_socket (services[i].address, services[i].port, SOCK_STREAM, TRUE), POLLIN, 0 };
    }
  g_assert_cmpint (write (answers, "r", 1), ==, 1);
  for (;;)
    {
      char data[4096];

      (void) poll (fds, n, -1);
      if (fds[0].revents != 0)
        {
          if (read (commands, data, 1) != 1)
            _exit (0);
          g_assert_cmpint (write (answers, world_connects () ? "y" : "n", 1), ==, 1);
        }
      for (guint i = 1; i < n; i++)
        {
          if (fds[i].revents == 0)
            continue;
          if (i > 2 * G_N_ELEMENTS (services))
            {
              const ssize_t length = read (fds[i].fd, data, sizeof data);

              if (length > 0)
                (void) !write (fds[i].fd, data, (gsize) length);
              else
                {
                  close (fds[i].fd);
                  fds[i] = fds[--n];
                }
            }
          else if (i % 2 == 1)
            answer_datagram (fds[i].fd);
          else if (n < G_N_ELEMENTS (fds))
            fds[n++] = (struct pollfd){ accept (fds[i].fd, NULL, NULL), POLLIN, 0 };
        }
    }
}

void
world_main (int commands, int answers)
{
  char byte;

  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  netns_fresh ();
  g_assert_cmpint (write (answers, "n", 1), ==, 1);
  g_assert_cmpint (read (commands, &byte, 1), ==, 1); /* the link is here */
  NETNS_DO ("ip link set world up");                  /* one by one: batches need GIO's thread, which is not in a forked process */
  NETNS_DO ("ip addr add " GATEWAY4 "/24 dev world");
  NETNS_DO ("ip addr add " FAR4 "/32 dev lo");
  NETNS_DO ("ip route add " INNER4 "/32 via " HOST4);
  NETNS_DO ("ip -6 addr add " GATEWAY6 "/64 dev world nodad");
  NETNS_DO ("ip -6 route add fd07::/64 dev world");
  NETNS_DO ("ip -6 addr add " FAR6 "/128 dev lo nodad");
  NETNS_DO ("ip -6 route add " INNER6 "/128 via " HOST6);
  world_serve (commands, answers);
}
