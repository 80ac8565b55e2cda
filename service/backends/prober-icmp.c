/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndProber by ICMP (RFC 792) and ICMPv6 (RFC 4443). The socket lives for one request and is bound to the tunnel's link, so a probe cannot
 * leave by another; its hop limit of 1 keeps it from travelling beyond the far end of the tunnel.
 */
#include "config.h"

#include "prober-icmp.h"

#include <errno.h>
#include <net/if.h> /* before the kernel's headers, which then leave its definitions alone (libc-compat.h) */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOP_LIMIT 1
#define ECHO_HEADER_BYTES 8 /* type, code, checksum, identifier, sequence; no data: the smallest echo request there is */

struct _VpndProberIcmp
{
  GObject parent_instance;

  guint16 identifier;
  guint16 sequence;
};

static void vpnd_prober_icmp_iface_init (VpndProberInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndProberIcmp, vpnd_prober_icmp, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_PROBER, vpnd_prober_icmp_iface_init))

/* RFC 1071. Only IPv4 needs it; of a raw ICMPv6 socket the kernel makes the checksum (RFC 3542, 3.1). */
static guint16
internet_checksum (const guint8 *bytes, gsize size)
{
  guint32 sum = 0;

  for (gsize i = 0; i + 1 < size; i += 2)
    sum += (guint32) (bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return (guint16) ~sum;
}

static void
make_request (VpndProberIcmp *self, gboolean is_v4, guint8 request[ECHO_HEADER_BYTES])
{
  guint16 checksum;

  memset (request, 0, ECHO_HEADER_BYTES);
  self->sequence++;
  request[0] = is_v4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST;
  request[4] = (guint8) (self->identifier >> 8);
  request[5] = (guint8) self->identifier;
  request[6] = (guint8) (self->sequence >> 8);
  request[7] = (guint8) self->sequence;
  checksum = is_v4 ? internet_checksum (request, ECHO_HEADER_BYTES) : 0;
  request[2] = (guint8) (checksum >> 8);
  request[3] = (guint8) checksum;
}

/* Nothing is to be read: every kind of answer is filtered before it is queued. */
static gboolean
set_options (int fd, gboolean is_v4, const char *ifname)
{
  const struct icmp_filter filter4 = { .data = G_MAXUINT32 };
  struct icmp6_filter filter6;
  int hops = HOP_LIMIT;

  memset (&filter6, 0xff, sizeof filter6);
  if (setsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t) strlen (ifname)) < 0)
    return FALSE;
  if (is_v4)
    return setsockopt (fd, SOL_RAW, ICMP_FILTER, &filter4, sizeof filter4) == 0 && setsockopt (fd, IPPROTO_IP, IP_TTL, &hops, sizeof hops) == 0;
  return setsockopt (fd, IPPROTO_ICMPV6, ICMPV6_FILTER, &filter6, sizeof filter6) == 0 &&
      setsockopt (fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops) == 0;
}

static gboolean
send_request (int fd, const VpndAddr *target, const char *ifname, const guint8 request[ECHO_HEADER_BYTES])
{
  struct sockaddr_in v4 = { .sin_family = AF_INET };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

  if (target->family == AF_INET)
    {
      memcpy (&v4.sin_addr, target->bytes, sizeof v4.sin_addr);
      return sendto (fd, request, ECHO_HEADER_BYTES, 0, (struct sockaddr *) &v4, sizeof v4) == ECHO_HEADER_BYTES;
    }
  memcpy (&v6.sin6_addr, target->bytes, sizeof v6.sin6_addr);
  if (IN6_IS_ADDR_LINKLOCAL (&v6.sin6_addr))
    v6.sin6_scope_id = if_nametoindex (ifname);
  return sendto (fd, request, ECHO_HEADER_BYTES, 0, (struct sockaddr *) &v6, sizeof v6) == ECHO_HEADER_BYTES;
}

static gboolean
vpnd_prober_icmp_probe (VpndProber *prober, const char *ifname, const VpndAddr *target, GError **error)
{
  VpndProberIcmp *self = VPND_PROBER_ICMP (prober);
  gboolean is_v4 = target->family == AF_INET;
  guint8 request[ECHO_HEADER_BYTES];
  gboolean is_sent;
  int fd, code;

  g_return_val_if_fail (vpnd_addr_is_set (target), FALSE);

  fd = socket (target->family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  make_request (self, is_v4, request);
  is_sent = fd >= 0 && set_options (fd, is_v4, ifname) && send_request (fd, target, ifname, request);
  code = errno;
  if (fd >= 0)
    close (fd);
  if (!is_sent)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "sending a probe by %s: %s", ifname, g_strerror (code));
  return is_sent;
}

static void
vpnd_prober_icmp_class_init (VpndProberIcmpClass *klass)
{
}

static void
vpnd_prober_icmp_init (VpndProberIcmp *self)
{
  self->identifier = (guint16) g_random_int ();
}

static void
vpnd_prober_icmp_iface_init (VpndProberInterface *iface)
{
  iface->probe = vpnd_prober_icmp_probe;
}

/**
 * vpnd_prober_icmp_new:
 *
 * Returns: (transfer full): a prober; whether the process may send at all shows with the first probe
 */
VpndProber *
vpnd_prober_icmp_new (void)
{
  return g_object_new (VPND_TYPE_PROBER_ICMP, NULL);
}
