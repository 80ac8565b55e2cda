/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tunnel backends against a real device: its life, what it carries, its loss, and who may stand in its way. What is left of an instance that died is in
 * lab-tunnel-leftover.c.
 */
#include "config.h"

#include "tunnel-host.h"

#include "error.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEER_IF "peer0"
#define PEER_PORT 51820

static GArray *
read_stats (int ns, VpndTunnel *tunnel, const char *ifname)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  GArray *stats;

  enter (ns);
  vpnd_tunnel_read_stats_async (tunnel, ifname, NULL, on_done, &result);
  wait_until_set ((gpointer *) &result);
  stats = vpnd_tunnel_read_stats_finish (tunnel, result, &error);
  g_assert_no_error (error);
  return stats;
}

static gboolean
is_up (int ns, const char *ifname)
{
  struct ifreq request = { 0 };
  int fd;

  enter (ns);
  fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_strlcpy (request.ifr_name, ifname, sizeof request.ifr_name);
  g_assert_no_errno (ioctl (fd, SIOCGIFFLAGS, &request));
  close (fd);
  return (request.ifr_flags & IFF_UP) != 0;
}

static VpndSecret *
secret (guint8 number)
{
  guint8 bytes[VPND_KEY_BYTES] = { 0x40, number };

  bytes[31] = 0x40;
  return vpnd_secret_new (bytes);
}

static VpndPublicKey
public_key (guint8 number)
{
  g_autoptr (VpndSecret) key = secret (number);

  return vpnd_secret_public_key (key);
}

enum
{
  HOST_KEY = 1,
  PEER_KEY,
  OTHER_KEY,
  SHARED_KEY,
};

static VpndTunnelConfig *
config_new (guint8 key, guint32 fwmark, guint16 port)
{
  g_autoptr (VpndSecret) own = secret (key);

  return vpnd_tunnel_config_new (own, fwmark, port);
}

static VpndTunnelPeer *
add_peer (VpndTunnelConfig *config, guint8 key, const char *endpoint, const char *allowed_ip, guint16 keepalive_s)
{
  VpndTunnelPeer *peer = vpnd_tunnel_peer_new ();
  VpndPrefix prefix;

  peer->public_key = public_key (key);
  peer->preshared_key = secret (SHARED_KEY);
  peer->persistent_keepalive_s = keepalive_s;
  if (endpoint != NULL)
    {
      g_assert_true (vpnd_addr_parse (endpoint, &peer->endpoint.addr));
      peer->endpoint.port = PEER_PORT;
    }
  g_assert_true (vpnd_prefix_parse (allowed_ip, &prefix));
  g_array_append_val (peer->allowed_ips, prefix);
  g_ptr_array_add (config->peers, peer);
  return peer;
}

static const VpndPeerStats *
find_stats (GArray *stats, guint8 key)
{
  const VpndPublicKey wanted = public_key (key);

  for (guint i = 0; i < stats->len; i++)
    if (vpnd_public_key_equal (&g_array_index (stats, VpndPeerStats, i).public_key, &wanted))
      return &g_array_index (stats, VpndPeerStats, i);
  return NULL;
}

/* One iteration of the handshake poll at a time, until the peer has answered. */
static gint64
await_handshake (const Lab *lab, VpndTunnel *tunnel)
{
  const gint64 start_us = g_get_monotonic_time ();

  for (;;)
    {
      g_autoptr (GArray) stats = read_stats (lab->host_ns, tunnel, HOST_IF);
      const VpndPeerStats *peer = find_stats (stats, PEER_KEY);

      g_assert_nonnull (peer);
      if (peer->last_handshake_s != 0)
        return peer->last_handshake_s * 1000000000 + peer->last_handshake_ns;
      g_assert_cmpint (g_get_monotonic_time () - start_us, <, DEADLINE_MS * 1000);
    }
}

/* A datagram through the tunnel: what is sent at 10.7.0.1 arrives at 10.7.0.2 as it was. */
static void
assert_carries (const Lab *lab)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (4242) };
  char received[8] = "";
  struct pollfd poll_fd = { .events = POLLIN };
  int sender;

  inet_pton (AF_INET, "10.7.0.2", &address.sin_addr);
  enter (lab->peer_ns);
  poll_fd.fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (bind (poll_fd.fd, (struct sockaddr *) &address, sizeof address));
  enter (lab->host_ns);
  sender = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (sendto (sender, "tunnel", 7, 0, (struct sockaddr *) &address, sizeof address), ==, 7);
  g_assert_cmpint (poll (&poll_fd, 1, DEADLINE_MS), ==, 1);
  g_assert_cmpint (recv (poll_fd.fd, received, sizeof received, 0), ==, 7);
  g_assert_cmpstr (received, ==, "tunnel");
  close (sender);
  close (poll_fd.fd);
}

static void
test_life (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) host = tunnel_new (lab);
  g_autoptr (VpndTunnel) peer = tunnel_new (lab);
  g_autoptr (VpndTunnelConfig) host_config = config_new (HOST_KEY, 0x56000000, 0);
  g_autoptr (VpndTunnelConfig) peer_config = config_new (PEER_KEY, 0, PEER_PORT);
  g_autoptr (VpndTunnelConfig) both = config_new (HOST_KEY, 0x56000000, 0);
  g_autoptr (VpndTunnelConfig) only = config_new (HOST_KEY, 0x56000000, 0);
  g_autoptr (VpndTunnelConfig) none = config_new (HOST_KEY, 0x56000000, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) stats = NULL;
  gint64 start_us, created_us, configured_us, up_us, handshake_us, first_handshake;
  guint64 rx_bytes;

  add_peer (host_config, PEER_KEY, "192.0.2.2", "10.7.0.2/32", 1);
  add_peer (peer_config, HOST_KEY, NULL, "10.7.0.1/32", 0);
  add_peer (both, OTHER_KEY, "192.0.2.9", "10.7.0.9/32", 0);
  add_peer (both, PEER_KEY, "192.0.2.2", "10.7.0.2/32", 0);
  add_peer (only, PEER_KEY, "192.0.2.2", "10.7.0.2/32", 0);

  g_assert_true (create (lab->peer_ns, peer, PEER_IF, lab->backend, &error));
  g_assert_true (configure (lab->peer_ns, peer, PEER_IF, peer_config, &error));
  run (lab->peer_ns, "ip address add 10.7.0.2/24 dev " PEER_IF);
  run (lab->peer_ns, "ip link set " PEER_IF " up");

  g_assert_cmpint (vpnd_tunnel_get_active (host), ==, VPND_BACKEND_AUTO);
  start_us = g_get_monotonic_time ();
  g_assert_true (create (lab->host_ns, host, HOST_IF, lab->backend, &error));
  created_us = g_get_monotonic_time ();
  g_assert_cmpint (vpnd_tunnel_get_active (host), ==, lab->backend);
  g_assert_true (has_link (lab->host_ns, HOST_IF));
  g_assert_false (is_up (lab->host_ns, HOST_IF));
  start_us += g_get_monotonic_time () - created_us;
  created_us = g_get_monotonic_time ();
  g_assert_true (configure (lab->host_ns, host, HOST_IF, host_config, &error));
  configured_us = g_get_monotonic_time ();
  run (lab->host_ns, "ip address add 10.7.0.1/24 dev " HOST_IF);
  run (lab->host_ns, "ip link set " HOST_IF " up");
  up_us = g_get_monotonic_time ();
  first_handshake = await_handshake (lab, host);
  handshake_us = g_get_monotonic_time ();
  g_test_message ("create %.2f ms, configure %.2f ms, handshake after up %.2f ms", (created_us - start_us) / 1e3, (configured_us - created_us) / 1e3, (handshake_us - up_us) / 1e3);
  assert_carries (lab);

  /* A second peer comes: the first keeps its session, its counters and its endpoint. */
  stats = read_stats (lab->host_ns, host, HOST_IF);
  g_assert_cmpuint (stats->len, ==, 1);
  rx_bytes = find_stats (stats, PEER_KEY)->rx_bytes;
  g_assert_cmpuint (rx_bytes, >, 0);
  g_assert_cmpuint (find_stats (stats, PEER_KEY)->tx_bytes, >, 0);
  g_assert_cmpuint (find_stats (stats, PEER_KEY)->endpoint.port, ==, PEER_PORT);
  g_assert_true (configure (lab->host_ns, host, HOST_IF, both, &error));
  assert_carries (lab);
  g_clear_pointer (&stats, g_array_unref);
  stats = read_stats (lab->host_ns, host, HOST_IF);
  g_assert_cmpuint (stats->len, ==, 2);
  g_assert_cmpint (find_stats (stats, PEER_KEY)->last_handshake_s * 1000000000 + find_stats (stats, PEER_KEY)->last_handshake_ns, ==, first_handshake);
  g_assert_cmpuint (find_stats (stats, PEER_KEY)->rx_bytes, >=, rx_bytes);
  g_assert_cmpint (find_stats (stats, OTHER_KEY)->last_handshake_s, ==, 0);

  /* It goes again, and then the first one, too. */
  g_assert_true (configure (lab->host_ns, host, HOST_IF, only, &error));
  assert_carries (lab);
  g_clear_pointer (&stats, g_array_unref);
  stats = read_stats (lab->host_ns, host, HOST_IF);
  g_assert_cmpuint (stats->len, ==, 1);
  g_assert_cmpint (find_stats (stats, PEER_KEY)->last_handshake_s * 1000000000 + find_stats (stats, PEER_KEY)->last_handshake_ns, ==, first_handshake);
  g_assert_true (configure (lab->host_ns, host, HOST_IF, none, &error));
  g_clear_pointer (&stats, g_array_unref);
  stats = read_stats (lab->host_ns, host, HOST_IF);
  g_assert_cmpuint (stats->len, ==, 0);

  start_us = g_get_monotonic_time ();
  g_assert_true (destroy (lab->host_ns, host, HOST_IF, &error));
  g_test_message ("destroy %.2f ms", (g_get_monotonic_time () - start_us) / 1e3);
  g_assert_true (destroy (lab->peer_ns, peer, PEER_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);
  assert_nothing_left (lab->peer_ns, PEER_IF);
  g_assert_cmpint (vpnd_tunnel_get_active (host), ==, VPND_BACKEND_AUTO);
  g_assert_true (destroy (lab->host_ns, host, HOST_IF, &error)); /* nothing there is no error */
  g_assert_no_error (error);
}

static void
test_large (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autoptr (VpndTunnelConfig) config = config_new (HOST_KEY, 0, 0);
  g_autoptr (GArray) stats = NULL;
  g_autoptr (GError) error = NULL;
  gint64 start_us;

  for (guint8 i = 0; i < 5; i++)
    {
      VpndTunnelPeer *peer = add_peer (config, 10 + i, NULL, "10.8.0.1/32", 0);

      for (guint j = 0; j < 2000; j++)
        {
          const guint32 address = htonl (0x0b000000u + i * 65536u + j);
          VpndPrefix prefix = { vpnd_addr_from_bytes (AF_INET, &address), 32 };

          g_array_append_val (peer->allowed_ips, prefix);
        }
    }
  g_assert_true (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  start_us = g_get_monotonic_time ();
  g_assert_true (configure (lab->host_ns, tunnel, HOST_IF, config, &error));
  g_test_message ("10 000 allowed-ips: %.2f ms", (g_get_monotonic_time () - start_us) / 1e3);
  stats = read_stats (lab->host_ns, tunnel, HOST_IF);
  g_assert_cmpuint (stats->len, ==, 5);
  g_assert_true (configure (lab->host_ns, tunnel, HOST_IF, config, &error));
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);
}

typedef struct
{
  char *reason; /* (owned) (nullable) */
  guint n;
} Loss;

static void
on_lost (VpndTunnel *tunnel, const char *reason, gpointer user_data)
{
  Loss *loss = user_data;

  loss->n++;
  g_free (loss->reason);
  loss->reason = g_strdup (reason);
}

static void
test_lost (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autoptr (VpndTunnelConfig) config = config_new (HOST_KEY, 0, 0);
  Loss loss = { 0 };
  g_autoptr (GError) error = NULL;

  g_signal_connect (tunnel, "lost", G_CALLBACK (on_lost), &loss);
  g_assert_true (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  g_assert_true (configure (lab->host_ns, tunnel, HOST_IF, config, &error));
  if (lab->backend == VPND_BACKEND_KERNEL)
    run (lab->host_ns, "ip link delete " HOST_IF);
  else
    g_assert_no_errno (kill (recorded_pid (HOST_IF), SIGKILL));
  wait_until_set ((gpointer *) &loss.reason);
  g_assert_cmpuint (loss.n, ==, 1);
  g_test_message ("lost: %s", loss.reason);
  if (lab->backend == VPND_BACKEND_USERSPACE)
    {
      g_assert_nonnull (strstr (loss.reason, "signal 9"));
      g_assert_true (has_link (lab->host_ns, HOST_IF)); /* fail closed: its routes still lead into it */
      g_assert_false (configure (lab->host_ns, tunnel, HOST_IF, config, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
      g_clear_error (&error);
    }
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);

  /* One that ends before it was configured is a failure to configure, and no loss. */
  if (lab->backend == VPND_BACKEND_USERSPACE)
    {
      g_assert_true (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
      g_assert_no_errno (kill (recorded_pid (HOST_IF), SIGKILL));
      g_assert_false (configure (lab->host_ns, tunnel, HOST_IF, config, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
      g_clear_error (&error);
      g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
    }

  /* It can be made again, and its orderly end is no loss. */
  g_assert_true (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  g_assert_cmpuint (loss.n, ==, 1);
  assert_nothing_left (lab->host_ns, HOST_IF);
  g_assert_no_error (error);
  g_free (loss.reason);
}

/* A link of our name that we did not make stays. */
static void
test_foreign_link (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autoptr (GError) error = NULL;

  run (lab->host_ns, "ip link add " HOST_IF " type bridge");
  g_assert_false (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
  g_assert_nonnull (strstr (error->message, "not ours"));
  g_clear_error (&error);
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  g_assert_true (has_link (lab->host_ns, HOST_IF));
  run (lab->host_ns, "ip link delete " HOST_IF);
  assert_nothing_left (lab->host_ns, HOST_IF);
}

/* The directory of the sockets is not a place where others may put one. */
static void
test_directory (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autoptr (GError) error = NULL;
  struct stat info;

  g_assert_true (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  g_assert_no_errno (stat ("/run/wireguard", &info));
  g_assert_cmpuint (info.st_mode & 07777, ==, 0700);
  g_assert_no_errno (stat ("/run/wireguard/" HOST_IF ".sock", &info));
  g_assert_cmpuint (info.st_mode & 07777, ==, 0600);
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  g_assert_no_errno (chmod ("/run/wireguard", 0777));
  g_assert_false (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
  assert_nothing_left (lab->host_ns, HOST_IF);
  g_assert_no_errno (chmod ("/run/wireguard", 0700));
}

int
main (int argc, char **argv)
{
  Lab lab = { .backend = backend_of (argc, argv) };

  g_test_init (&argc, &argv, NULL);
  set_up (&lab);
  g_test_add_data_func ("/tunnel/life", &lab, test_life);
  g_test_add_data_func ("/tunnel/large", &lab, test_large);
  g_test_add_data_func ("/tunnel/lost", &lab, test_lost);
  g_test_add_data_func ("/tunnel/foreign-link", &lab, test_foreign_link);
  if (lab.backend == VPND_BACKEND_USERSPACE)
    g_test_add_data_func ("/tunnel/directory", &lab, test_directory);
  return g_test_run ();
}
