/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndProber by UDP to the discard port (RFC 863). A living host answers with an ICMP error, a living WireGuard peer at least with a
 * keepalive; both count as received. The socket lives for one datagram and is bound to the tunnel's link, so a probe cannot leave by another;
 * its hop limit of 1 keeps it from travelling beyond the far end of the tunnel. A size is tried the same way: any ICMP error that comes back is the proof that the packet
 * has arrived.
 */
#include "config.h"

#include "prober-udp.h"

#include "mtu.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOP_LIMIT 1
#define PORT_TRIES 8
#define DISCARD_PORT 9 /* RFC 863 */

#define IP_HEADER_BYTES 20  /* RFC 791, without options */
#define IP6_HEADER_BYTES 40 /* RFC 8200, without extensions */
#define UDP_HEADER_BYTES 8  /* RFC 768 */

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
connect_to (int fd, const VpndAddr *target, guint16 port, const char *ifname)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = g_htons (port) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = g_htons (port) };

  if (target->family == AF_INET)
    {
      memcpy (&v4.sin_addr, target->bytes, sizeof v4.sin_addr);
      return connect (fd, (struct sockaddr *) &v4, sizeof v4) == 0;
    }
  memcpy (&v6.sin6_addr, target->bytes, sizeof v6.sin6_addr);
  if (IN6_IS_ADDR_LINKLOCAL (&v6.sin6_addr))
    v6.sin6_scope_id = if_nametoindex (ifname);
  return connect (fd, (struct sockaddr *) &v6, sizeof v6) == 0;
}

static gboolean
vpnd_prober_udp_probe (VpndProber *prober, const char *ifname, const VpndAddr *target, GError **error)
{
  gboolean is_v4 = target->family == AF_INET;
  gboolean is_sent;
  int fd, code;

  g_return_val_if_fail (vpnd_addr_is_set (target), FALSE);

  fd = socket (target->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  is_sent = fd >= 0 && set_options (fd, is_v4, ifname) && connect_to (fd, target, DISCARD_PORT, ifname) && send (fd, "", 0, 0) == 0;
  code = errno;
  if (fd >= 0)
    close (fd);
  if (!is_sent)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "sending a probe by %s: %s", ifname, g_strerror (code));
  return is_sent;
}

/* --- which size arrives --- */

/* One try: its sockets, until an answer or the end of waiting. */
typedef struct
{
  int fds[VPND_PATH_TARGETS_MAX];
  GSource *sources[VPND_PATH_TARGETS_MAX + 2]; /* (owned) (nullable): of the sockets, the time and the cancellable */
  guint n_fds;
} Try;

static void
try_free (Try *try)
{
  for (guint i = 0; i < G_N_ELEMENTS (try->sources); i++)
    if (try->sources[i] != NULL)
      {
        g_source_destroy (try->sources[i]);
        g_source_unref (try->sources[i]);
      }
  for (guint i = 0; i < try->n_fds; i++)
    close (try->fds[i]);
  g_free (try);
}

static void
try_return (GTask *task, gboolean has_arrived)
{
  Try *try = g_task_get_task_data (task);

  for (guint i = 0; i < G_N_ELEMENTS (try->sources); i++)
    if (try->sources[i] != NULL)
      g_source_destroy (try->sources[i]);
  g_task_return_boolean (task, has_arrived);
}

/* TRUE when the far side of the tunnel has said something: an error that this host made itself (ee_origin LOCAL) says nothing of the path. */
static gboolean
has_answer (int fd)
{
  char data[64], control[512];
  struct iovec vector = { data, sizeof data };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };

  if (recvmsg (fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
    return recv (fd, data, sizeof data, MSG_DONTWAIT) >= 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR (&message); part != NULL; part = CMSG_NXTHDR (&message, part))
    {
      gboolean is_error = (part->cmsg_level == SOL_IP && part->cmsg_type == IP_RECVERR) || (part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_RECVERR);
      struct sock_extended_err error;

      if (!is_error || part->cmsg_len < CMSG_LEN (sizeof error))
        continue;
      memcpy (&error, CMSG_DATA (part), sizeof error);
      if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6)
        return TRUE;
    }
  return FALSE;
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (user_data));

  if (!has_answer (fd))
    return G_SOURCE_CONTINUE;
  try_return (task, TRUE);
  return G_SOURCE_REMOVE;
}

static gboolean
on_silence (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (user_data));

  try_return (task, FALSE);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (user_data));

  try_return (task, FALSE); /* the task itself turns this into the error */
  return G_SOURCE_REMOVE;
}

static void
attach (GTask *task, guint slot, GSource *source, GSourceFunc func)
{
  Try *try = g_task_get_task_data (task);

  g_source_set_callback (source, func, g_object_ref (task), g_object_unref);
  g_source_attach (source, g_task_get_context (task));
  try->sources[slot] = source;
}

/* A packet of exactly @bytes that no router may cut up, whatever this host believes about the path (IP_PMTUDISC_PROBE). */
static gboolean
send_size (int fd, const char *ifname, const VpndAddr *target, guint32 bytes)
{
  gboolean is_v4 = target->family == AF_INET;
  guint32 headers = (is_v4 ? IP_HEADER_BYTES : IP6_HEADER_BYTES) + UDP_HEADER_BYTES;
  int discover = is_v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
  int on = 1;
  g_autofree guint8 *payload = g_malloc0 (bytes);

  return bytes >= headers && set_options (fd, is_v4, ifname) &&
      setsockopt (fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &discover, sizeof discover) == 0 &&
      setsockopt (fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on) == 0 && connect_to (fd, target, DISCARD_PORT, ifname) &&
      send (fd, payload, bytes - headers, 0) >= 0;
}

static void
vpnd_prober_udp_try_size_async (VpndProber *prober, const char *ifname, const VpndAddr *targets, guint n_targets, guint32 bytes, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (prober, cancellable, callback, user_data);
  Try *try = g_new0 (Try, 1);

  g_task_set_source_tag (task, vpnd_prober_udp_try_size_async);
  g_task_set_task_data (task, try, (GDestroyNotify) try_free);
  for (guint i = 0; i < MIN (n_targets, VPND_PATH_TARGETS_MAX); i++)
    {
      int fd = socket (targets[i].family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

      if (fd < 0)
        continue;
      try->fds[try->n_fds++] = fd;
      if (send_size (fd, ifname, &targets[i], bytes))
        attach (task, i, g_unix_fd_source_new (fd, G_IO_IN | G_IO_ERR), G_SOURCE_FUNC (on_readable));
    }
  attach (task, VPND_PATH_TARGETS_MAX, g_timeout_source_new (timeout_ms), on_silence);
  if (cancellable != NULL)
    attach (task, VPND_PATH_TARGETS_MAX + 1, g_cancellable_source_new (cancellable), G_SOURCE_FUNC (on_cancelled));
}

/* The host's answer for a socket that goes the transport's way: the route's MTU, or what a router has said. */
static guint32
vpnd_prober_udp_read_path_mtu (VpndProber *prober, const VpndEndpoint *peer, guint32 fwmark)
{
  gboolean is_v4 = peer->addr.family == AF_INET;
  int fd = socket (peer->addr.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int mtu = 0;
  socklen_t size = sizeof mtu;

  if (fd < 0)
    return 0;
  if (setsockopt (fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark) < 0 || !connect_to (fd, &peer->addr, peer->port, "") ||
      getsockopt (fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MTU : IPV6_MTU, &mtu, &size) < 0 || mtu < 0)
    mtu = 0;
  close (fd);
  return (guint32) mtu;
}

static void
vpnd_prober_udp_class_init (VpndProberUdpClass *klass)
{
}

static void
vpnd_prober_udp_init (VpndProberUdp *self)
{
}

/* Returns: the port that a socket of @family got, 0 when it got none; @port 0 asks for any */
static guint16
bind_once (int family, guint16 port)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = g_htons (port) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = g_htons (port) };
  struct sockaddr *address = family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
  socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
  const int fd = socket (family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  guint16 bound = 0;

  if (fd < 0)
    return 0;
  if (bind (fd, address, size) == 0 && getsockname (fd, address, &size) == 0)
    bound = g_ntohs (family == AF_INET ? v4.sin_port : v6.sin6_port);
  close (fd);
  return bound;
}

/* A socket of IPv6 that is bound to no address takes the port for both families; a host without IPv6 has the other one. */
static guint16
vpnd_prober_udp_find_port (VpndProber *prober, guint16 first, guint16 last)
{
  const int family = bind_once (AF_INET6, 0) != 0 ? AF_INET6 : AF_INET;
  guint16 port = 0;

  for (guint i = 0; i < PORT_TRIES && port == 0; i++)
    port = bind_once (family, (guint16) g_random_int_range (first, last + 1));
  if (port == 0)
    port = bind_once (family, 0);
  return port != 0 ? port : first;
}

static void
vpnd_prober_udp_iface_init (VpndProberInterface *iface)
{
  iface->find_port = vpnd_prober_udp_find_port;
  iface->probe = vpnd_prober_udp_probe;
  iface->read_path_mtu = vpnd_prober_udp_read_path_mtu;
  iface->try_size_async = vpnd_prober_udp_try_size_async;
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
