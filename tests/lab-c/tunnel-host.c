/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See tunnel-host.h.
 */
#include "config.h"

#include "tunnel-host.h"

#include "tunnel-kernel.h"
#include "tunnel-userspace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* @user_data is where the result goes. */
void
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

void
wait_until_set (gpointer *place)
{
  const guint deadline = g_timeout_add (DEADLINE_MS, on_deadline, NULL);

  while (*place == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

void
enter (int ns)
{
  g_assert_no_errno (setns (ns, CLONE_NEWNET));
}

gboolean
create (int ns, VpndTunnel *tunnel, const char *ifname, VpndBackend backend, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  enter (ns);
  vpnd_tunnel_create_async (tunnel, ifname, backend, NULL, on_done, &result);
  wait_until_set ((gpointer *) &result);
  return vpnd_tunnel_create_finish (tunnel, result, error);
}

gboolean
configure (int ns, VpndTunnel *tunnel, const char *ifname, VpndTunnelConfig *config, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  enter (ns);
  vpnd_tunnel_configure_async (tunnel, ifname, config, NULL, on_done, &result);
  wait_until_set ((gpointer *) &result);
  return vpnd_tunnel_configure_finish (tunnel, result, error);
}

gboolean
destroy (int ns, VpndTunnel *tunnel, const char *ifname, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  enter (ns);
  vpnd_tunnel_destroy_async (tunnel, ifname, NULL, on_done, &result);
  wait_until_set ((gpointer *) &result);
  return vpnd_tunnel_destroy_finish (tunnel, result, error);
}

void
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

gboolean
has_link (int ns, const char *ifname)
{
  enter (ns);
  return if_nametoindex (ifname) != 0;
}

GPid
recorded_pid (const char *ifname)
{
  g_autofree char *path = g_strdup_printf (RUNTIME "/userspace-%s.pid", ifname);
  g_autofree char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? (GPid) g_ascii_strtoll (text, NULL, 10) : 0;
}

void
assert_nothing_left (int ns, const char *ifname)
{
  g_autofree char *socket_path = g_strdup_printf ("/run/wireguard/%s.sock", ifname);

  g_assert_false (has_link (ns, ifname));
  g_assert_cmpint (recorded_pid (ifname), ==, 0);
  g_assert_false (g_file_test (socket_path, G_FILE_TEST_EXISTS));
}

VpndTunnel *
tunnel_new (const Lab *lab)
{
  return lab->backend == VPND_BACKEND_KERNEL ? vpnd_tunnel_kernel_new () : vpnd_tunnel_userspace_new (lab->runtime_dirfd);
}

void
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

VpndBackend
backend_of (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    if (strcmp (argv[i], "--backend=kernel") == 0)
      return VPND_BACKEND_KERNEL;
  return g_strcmp0 (g_getenv ("VPND_TEST_BACKEND"), "kernel") == 0 ? VPND_BACKEND_KERNEL : VPND_BACKEND_USERSPACE;
}
