/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tunnel backends against a real device: two of them, in two network namespaces of this process, joined by a veth pair.
 * One body for both backends: wireguard-go, or with "--backend=kernel" or VPND_TEST_BACKEND=kernel the kernel's own WireGuard, which the
 * kernel must have. /run is a tmpfs of its own, so nothing of the machine is touched.
 */
#include "config.h"

#include "error.h"
#include "tunnel-auto.h"
#include "tunnel-kernel.h"
#include "tunnel-userspace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 30000L /* of everything that ought to take some milliseconds */
#define HOST_IF "vpnd0"
#define PEER_IF "peer0"
#define PEER_PORT 51820
#define RUNTIME "/run/vpnd"

typedef struct
{
  VpndBackend backend;
  int host_ns;
  int peer_ns;
  int runtime_dirfd;
} Lab;

/* --- calls made to look synchronous, in the namespace where they belong --- */

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static gboolean
on_deadline (gpointer user_data)
{
  g_error ("nothing happened within the deadline");
  return G_SOURCE_REMOVE;
}

static void
wait_until_set (gpointer *place)
{
  const guint deadline = g_timeout_add (DEADLINE_MS, on_deadline, NULL);

  while (*place == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

static void
enter (int ns)
{
  g_assert_no_errno (setns (ns, CLONE_NEWNET));
}

static gboolean
create (int ns, VpndTunnel *tunnel, const char *ifname, VpndBackend backend, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  enter (ns);
  vpnd_tunnel_create_async (tunnel, ifname, backend, NULL, on_done, &result);
  wait_until_set ((gpointer *) &result);
  return vpnd_tunnel_create_finish (tunnel, result, error);
}

static gboolean
configure (int ns, VpndTunnel *tunnel, const char *ifname, VpndTunnelConfig *config, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  enter (ns);
  vpnd_tunnel_configure_async (tunnel, ifname, config, NULL, on_done, &result);
  wait_until_set ((gpointer *) &result);
  return vpnd_tunnel_configure_finish (tunnel, result, error);
}

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
destroy (int ns, VpndTunnel *tunnel, const char *ifname, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  enter (ns);
  vpnd_tunnel_destroy_async (tunnel, ifname, NULL, on_done, &result);
  wait_until_set ((gpointer *) &result);
  return vpnd_tunnel_destroy_finish (tunnel, result, error);
}

static void
run (int ns, const char *command)
{
  g_auto (GStrv) argv = g_strsplit (command, " ", -1);
  g_autofree char *stderr_text = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  enter (ns);
  g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &stderr_text, &status, &error);
  g_assert_no_error (error);
  if (status != 0)
    g_error ("%s: %s", command, stderr_text);
}

/* --- what can be seen from outside --- */

static gboolean
has_link (int ns, const char *ifname)
{
  enter (ns);
  return if_nametoindex (ifname) != 0;
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

static GPid
recorded_pid (const char *ifname)
{
  g_autofree char *path = g_strdup_printf (RUNTIME "/userspace-%s.pid", ifname);
  g_autofree char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? (GPid) g_ascii_strtoll (text, NULL, 10) : 0;
}

static void
assert_nothing_left (int ns, const char *ifname)
{
  g_autofree char *socket_path = g_strdup_printf ("/run/wireguard/%s.sock", ifname);

  g_assert_false (has_link (ns, ifname));
  g_assert_cmpint (recorded_pid (ifname), ==, 0);
  g_assert_false (g_file_test (socket_path, G_FILE_TEST_EXISTS));
}

static void
assert_ends (int pidfd)
{
  struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

  g_assert_cmpint (poll (&poll_fd, 1, DEADLINE_MS), ==, 1);
  close (pidfd);
}

/* --- configurations --- */

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

static VpndTunnel *
tunnel_new (const Lab *lab)
{
  return lab->backend == VPND_BACKEND_KERNEL ? vpnd_tunnel_kernel_new () : vpnd_tunnel_userspace_new (lab->runtime_dirfd);
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

/* --- the tests --- */

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

/* Runs this program again as an instance that makes a device and dies. */
static void
leave_behind (const Lab *lab)
{
  const char *argv[] = { "/proc/self/exe", lab->backend == VPND_BACKEND_KERNEL ? "--backend=kernel" : "--backend=userspace", "--crash", NULL };
  g_autoptr (GError) error = NULL;
  int status;

  enter (lab->host_ns);
  g_spawn_sync (NULL, (char **) argv, NULL, 0, NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
  g_assert_true (has_link (lab->host_ns, HOST_IF));
}

static void
test_leftover_destroyed (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autoptr (GError) error = NULL;
  int pidfd = -1;

  leave_behind (lab);
  if (lab->backend == VPND_BACKEND_USERSPACE)
    {
      pidfd = pidfd_open (recorded_pid (HOST_IF), 0);
      g_assert_no_errno (pidfd);
    }
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);
  if (pidfd >= 0)
    assert_ends (pidfd);
}

static void
test_leftover_replaced (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autoptr (GError) error = NULL;
  const GPid old_pid = (leave_behind (lab), recorded_pid (HOST_IF));

  g_assert_true (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  if (lab->backend == VPND_BACKEND_USERSPACE)
    g_assert_cmpint (recorded_pid (HOST_IF), !=, old_pid);
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);
}

/* We died after starting the process and before recording it: it ends because its device is taken away. */
static void
test_leftover_unrecorded (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autoptr (GError) error = NULL;
  int pidfd;

  leave_behind (lab);
  pidfd = pidfd_open (recorded_pid (HOST_IF), 0);
  g_assert_no_errno (pidfd);
  g_assert_no_errno (unlink (RUNTIME "/userspace-" HOST_IF ".pid"));
  g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);
  assert_ends (pidfd);
}

/* A record whose number now belongs to somebody else: here it names this test, with a wrong and with its right time of start. */
static void
test_record_of_another (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) tunnel = tunnel_new (lab);
  g_autofree char *stat = NULL;
  g_auto (GStrv) fields = NULL;
  g_autofree char *right = NULL;
  g_autofree char *wrong = g_strdup_printf ("%d 1\n", getpid ());
  const char *texts[6];

  g_assert_true (g_file_get_contents ("/proc/self/stat", &stat, NULL, NULL));
  fields = g_strsplit (strrchr (stat, ')'), " ", -1);
  right = g_strdup_printf ("%d %s\n", getpid (), fields[20]);
  texts[0] = wrong;
  texts[1] = right;
  texts[2] = "1 1\n";
  texts[3] = "";
  texts[4] = "-1 -1\n";
  texts[5] = "words";
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (RUNTIME "/userspace-" HOST_IF ".pid", texts[i], -1, NULL));
      g_assert_true (destroy (lab->host_ns, tunnel, HOST_IF, &error)); /* and this test lives */
      assert_nothing_left (lab->host_ns, HOST_IF);
    }
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

/* On a kernel without WireGuard: the kernel's backend says which option is missing, and the automatic one goes on without it. */
static void
test_kernel_without (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) kernel = vpnd_tunnel_kernel_new ();
  g_autoptr (VpndTunnel) userspace = vpnd_tunnel_userspace_new (lab->runtime_dirfd);
  g_autoptr (VpndTunnel) chooser = vpnd_tunnel_auto_new (kernel, userspace);
  g_autoptr (GError) error = NULL;

  g_assert_false (create (lab->host_ns, kernel, HOST_IF, VPND_BACKEND_KERNEL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE);
  g_assert_nonnull (strstr (error->message, "CONFIG_WIREGUARD"));
  g_clear_error (&error);
  g_assert_false (create (lab->host_ns, chooser, HOST_IF, VPND_BACKEND_KERNEL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE);
  g_clear_error (&error);
  g_assert_true (create (lab->host_ns, chooser, HOST_IF, VPND_BACKEND_AUTO, &error));
  g_assert_cmpint (vpnd_tunnel_get_active (chooser), ==, VPND_BACKEND_USERSPACE);
  g_assert_true (destroy (lab->host_ns, chooser, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);

  /* After a crash nobody knows who made it. */
  leave_behind (lab);
  g_assert_true (destroy (lab->host_ns, chooser, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);
}

static void
test_kernel_with (gconstpointer data)
{
  const Lab *lab = data;
  g_autoptr (VpndTunnel) kernel = vpnd_tunnel_kernel_new ();
  g_autoptr (VpndTunnel) userspace = vpnd_tunnel_userspace_new (lab->runtime_dirfd);
  g_autoptr (VpndTunnel) chooser = vpnd_tunnel_auto_new (kernel, userspace);
  g_autoptr (GError) error = NULL;

  g_assert_true (create (lab->host_ns, chooser, HOST_IF, VPND_BACKEND_AUTO, &error));
  g_assert_cmpint (vpnd_tunnel_get_active (chooser), ==, VPND_BACKEND_KERNEL);
  g_assert_true (destroy (lab->host_ns, chooser, HOST_IF, &error));
  leave_behind (lab);
  g_assert_true (destroy (lab->host_ns, chooser, HOST_IF, &error));
  assert_nothing_left (lab->host_ns, HOST_IF);
}

/* --- the place --- */

static void
set_up (Lab *lab)
{
  g_autofree char *move = NULL;

  g_assert_no_errno (unshare (CLONE_NEWNS));
  g_assert_no_errno (mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
  g_assert_no_errno (mount ("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"));
  g_assert_no_errno (mkdir (RUNTIME, 0700));
  lab->runtime_dirfd = open (RUNTIME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_no_errno (lab->runtime_dirfd);

  g_assert_no_errno (unshare (CLONE_NEWNET));
  lab->peer_ns = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  g_assert_no_errno (unshare (CLONE_NEWNET));
  lab->host_ns = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  move = g_strdup_printf ("ip link set veth-peer netns /proc/%d/fd/%d", getpid (), lab->peer_ns);
  run (lab->host_ns, "ip link set lo up");
  run (lab->host_ns, "ip link add veth-host type veth peer name veth-peer");
  run (lab->host_ns, move);
  run (lab->host_ns, "ip address add 192.0.2.1/24 dev veth-host");
  run (lab->host_ns, "ip link set veth-host up");
  run (lab->peer_ns, "ip link set lo up");
  run (lab->peer_ns, "ip address add 192.0.2.2/24 dev veth-peer");
  run (lab->peer_ns, "ip link set veth-peer up");
}

static int
crash (Lab *lab)
{
  g_autoptr (VpndTunnel) tunnel = NULL;
  g_autoptr (GError) error = NULL;

  lab->host_ns = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  lab->runtime_dirfd = open (RUNTIME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  tunnel = tunnel_new (lab);
  g_assert_true (create (lab->host_ns, tunnel, HOST_IF, lab->backend, &error));
  raise (SIGKILL);
  return 1;
}

int
main (int argc, char **argv)
{
  Lab lab = { .backend = g_strcmp0 (g_getenv ("VPND_TEST_BACKEND"), "kernel") == 0 ? VPND_BACKEND_KERNEL : VPND_BACKEND_USERSPACE };
  gboolean is_crash = FALSE;

  for (int i = 1; i < argc; i++)
    {
      if (strcmp (argv[i], "--backend=kernel") == 0)
        lab.backend = VPND_BACKEND_KERNEL;
      is_crash |= strcmp (argv[i], "--crash") == 0;
    }
  if (is_crash)
    return crash (&lab);

  g_test_init (&argc, &argv, NULL);
  set_up (&lab);
  g_test_add_data_func ("/tunnel/life", &lab, test_life);
  g_test_add_data_func ("/tunnel/large", &lab, test_large);
  g_test_add_data_func ("/tunnel/lost", &lab, test_lost);
  g_test_add_data_func ("/tunnel/leftover/destroyed", &lab, test_leftover_destroyed);
  g_test_add_data_func ("/tunnel/leftover/replaced", &lab, test_leftover_replaced);
  g_test_add_data_func ("/tunnel/foreign-link", &lab, test_foreign_link);
  if (lab.backend == VPND_BACKEND_KERNEL)
    {
      g_test_add_data_func ("/tunnel/auto/kernel", &lab, test_kernel_with);
      return g_test_run ();
    }
  g_test_add_data_func ("/tunnel/leftover/unrecorded", &lab, test_leftover_unrecorded);
  g_test_add_data_func ("/tunnel/leftover/record-of-another", &lab, test_record_of_another);
  g_test_add_data_func ("/tunnel/directory", &lab, test_directory);
  g_test_add_data_func ("/tunnel/auto/kernel-without", &lab, test_kernel_without);
  return g_test_run ();
}
