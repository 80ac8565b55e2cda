/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tunnel backends and what an instance that died has left: its device, its process, its record of that; and the choice between the backends, since after a crash
 * nobody knows which it was.
 */
#include "config.h"

#include "tunnel-host.h"

#include "error.h"
#include "tunnel-auto.h"
#include "tunnel-kernel.h"
#include "tunnel-userspace.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void
assert_ends (int pidfd)
{
  struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

  g_assert_cmpint (poll (&poll_fd, 1, DEADLINE_MS), ==, 1);
  close (pidfd);
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
  Lab lab = { .backend = backend_of (argc, argv) };

  for (int i = 1; i < argc; i++)
    if (strcmp (argv[i], "--crash") == 0)
      return crash (&lab);

  g_test_init (&argc, &argv, NULL);
  set_up (&lab);
  g_test_add_data_func ("/tunnel/leftover/destroyed", &lab, test_leftover_destroyed);
  g_test_add_data_func ("/tunnel/leftover/replaced", &lab, test_leftover_replaced);
  if (lab.backend == VPND_BACKEND_KERNEL)
    {
      g_test_add_data_func ("/tunnel/auto/kernel", &lab, test_kernel_with);
      return g_test_run ();
    }
  g_test_add_data_func ("/tunnel/leftover/unrecorded", &lab, test_leftover_unrecorded);
  g_test_add_data_func ("/tunnel/leftover/record-of-another", &lab, test_record_of_another);
  g_test_add_data_func ("/tunnel/auto/kernel-without", &lab, test_kernel_without);
  return g_test_run ();
}
