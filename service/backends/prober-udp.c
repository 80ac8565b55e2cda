/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndProber by UDP to the discard port (RFC 863). A living host answers with an ICMP error, a living WireGuard peer at least with a
 * keepalive; both count as received. The socket lives for one datagram and is bound to the tunnel's link, so a probe cannot leave by another;
 * its hop limit of 1 keeps it from travelling beyond the far end of the tunnel.
 */
#include "config.h"

#include "prober-udp.h"

#include <errno.h>
#include <gio/gio.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOP_LIMIT 1
#define DISCARD_PORT 9 /* RFC 863 */

struct _VpndProberUdp
{
  GObject parent_instance;
};

static void vpnd_prober_udp_iface_init (VpndProberInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndProberUdp, vpnd_prober_udp, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_PROBER, vpnd_prober_udp_iface_init))

static gboolean
set_options (int fd, gboolean is_v4, const char *ifname)
{
  int hops = HOP_LIMIT;

  /* Binding to a link asks for no capability on a socket that is bound to none yet (Linux 5.7). */
  if (setsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t) strlen (ifname)) < 0)
    return FALSE;
  return setsockopt (fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_TTL : IPV6_UNICAST_HOPS, &hops, sizeof hops) == 0;
}

static gboolean
send_nothing (int fd, const VpndAddr *target, const char *ifname)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = g_htons (DISCARD_PORT) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = g_htons (DISCARD_PORT) };

  if (target->family == AF_INET)
    {
      memcpy (&v4.sin_addr, target->bytes, sizeof v4.sin_addr);
      return sendto (fd, "", 0, 0, (struct sockaddr *) &v4, sizeof v4) == 0;
    }
  memcpy (&v6.sin6_addr, target->bytes, sizeof v6.sin6_addr);
  if (IN6_IS_ADDR_LINKLOCAL (&v6.sin6_addr))
    v6.sin6_scope_id = if_nametoindex (ifname);
  return sendto (fd, "", 0, 0, (struct sockaddr *) &v6, sizeof v6) == 0;
}

static gboolean
vpnd_prober_udp_probe (VpndProber *prober, const char *ifname, const VpndAddr *target, GError **error)
{
  gboolean is_v4 = target->family == AF_INET;
  gboolean is_sent;
  int fd, code;

  g_return_val_if_fail (vpnd_addr_is_set (target), FALSE);

  fd = socket (target->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  is_sent = fd >= 0 && set_options (fd, is_v4, ifname) && send_nothing (fd, target, ifname);
  code = errno;
  if (fd >= 0)
    close (fd);
  if (!is_sent)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "sending a probe by %s: %s", ifname, g_strerror (code));
  return is_sent;
}

static void
vpnd_prober_udp_class_init (VpndProberUdpClass *klass)
{
}

static void
vpnd_prober_udp_init (VpndProberUdp *self)
{
}

static void
vpnd_prober_udp_iface_init (VpndProberInterface *iface)
{
  iface->probe = vpnd_prober_udp_probe;
}

/**
 * vpnd_prober_udp_new:
 *
 * Returns: (transfer full): a prober; whether the process may send at all shows with the first probe
 */
VpndProber *
vpnd_prober_udp_new (void)
{
  return g_object_new (VPND_TYPE_PROBER_UDP, NULL);
}
