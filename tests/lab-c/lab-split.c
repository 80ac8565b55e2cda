/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of split tunnelling with real packets: what programs in each class send, in each state of a connection, and where it goes (split-host.h,
 * split-world.h). Needs root.
 */
#include "config.h"

#include "split-host.h"

#include "netns.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const VpndPolicyKind kinds[] = { VPND_POLICY_BLOCKED, VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED };

/* Sets the host into the states of one connection, one after the other. */
static void
enter_state (Lab *lab, VpndPolicyKind kind, const VpndSplitPlan *split)
{
  apply_rules (lab, kind, split);
  if (kind == VPND_POLICY_CONNECTING)
    apply_routes (lab);
}

static void
test_exclude (gconstpointer ground)
{
  g_auto (Lab) lab = { VPND_SPLIT_GROUND_NONE };
  g_autoptr (VpndSplitPlan) split = NULL;

  lab_init_on (&lab, (VpndSplitGround) GPOINTER_TO_INT (ground));
  split = new_plan (&lab, VPND_SPLIT_MODE_EXCLUDE, "1000", "192.168.50.0/24");
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      enter_state (&lab, kinds[i], split);
      assert_beside (&lab, lab.excluded, 0);
      assert_beside (&lab, NULL, 1000);
      if (kinds[i] == VPND_POLICY_BLOCKED)
        assert_refused (&lab, NULL);
      else
        assert_inside (&lab, NULL, 0);
      if (kinds[i] == VPND_POLICY_CONNECTED)
        assert_inside (&lab, lab.bound, 0);
      else
        assert_refused (&lab, lab.bound);
      g_assert_cmpint (run (lab.excluded, 0, exchange, "127.0.0.1", 1, SOCK_STREAM), ==, REFUSED); /* by nobody who listens there */
    }

  /* A class that somebody made anew is no class: its programs go the safe way. */
  g_assert_no_errno (rmdir (lab.excluded));
  g_assert_no_errno (mkdir (lab.excluded, 0755));
  assert_inside (&lab, lab.excluded, 0);
}

static void
test_subnet (void)
{
  g_auto (Lab) lab = { VPND_SPLIT_GROUND_NONE };
  g_autoptr (VpndSplitPlan) split = NULL;

  lab_init (&lab);
  split = new_plan (&lab, VPND_SPLIT_MODE_EXCLUDE, NULL, "203.0.113.64/26");
  enter_state (&lab, VPND_POLICY_CONNECTING, split);
  enter_state (&lab, VPND_POLICY_CONNECTED, split);
  forget (&lab);
  g_assert_cmpint (run (NULL, 0, exchange, FAR4, ECHO_PORT, SOCK_STREAM), ==, ECHOED);
  g_assert_cmpuint (count_sent (lab.eth, FAR4, HOST4), >, 0);
  g_assert_cmpuint (count_sent (lab.tun, FAR4, INNER4), ==, 0);
  g_assert_cmpint (run (NULL, 0, begin, "203.0.113.9", ECHO_PORT, SOCK_STREAM), ==, SILENT); /* beside that network */
  g_assert_cmpuint (count_sent (lab.tun, "203.0.113.9", INNER4), ==, 1);
  g_assert_cmpuint (count_sent (lab.eth, "203.0.113.9", HOST4), ==, 0);
}

/* Routes that a hostile network gives the host lead nobody out of the tunnel, and nobody into it. */
static void
test_hostile_routes (void)
{
  g_auto (Lab) lab = { VPND_SPLIT_GROUND_NONE };
  g_autoptr (VpndSplitPlan) split = NULL;

  lab_init (&lab);
  split = new_plan (&lab, VPND_SPLIT_MODE_EXCLUDE, NULL, NULL);
  NETNS_DO ("ip route add 128.0.0.0/1 via " GATEWAY4);
  NETNS_DO ("ip route add " FAR4 "/32 via " GATEWAY4);
  NETNS_DO ("ip -6 route add " FAR6 "/128 via " GATEWAY6 " dev eth0");
  enter_state (&lab, VPND_POLICY_CONNECTING, split);
  enter_state (&lab, VPND_POLICY_CONNECTED, split);
  assert_beside (&lab, lab.excluded, 0);
  assert_inside (&lab, NULL, 0);
}

static int
receive_socket (int channel)
{
  char control[CMSG_SPACE (sizeof (int))] = { 0 };
  char byte;
  struct iovec vector = { &byte, 1 };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
  int fd;

  g_assert_cmpint (recvmsg (channel, &message, MSG_CMSG_CLOEXEC), ==, 1);
  memcpy (&fd, CMSG_DATA (CMSG_FIRSTHDR (&message)), sizeof fd);
  return fd;
}

static void
hand_over (int channel, int fd)
{
  char control[CMSG_SPACE (sizeof (int))] = { 0 };
  char byte = 's';
  struct iovec vector = { &byte, 1 };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);

  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (header), &fd, sizeof fd);
  g_assert_cmpint (sendmsg (channel, &message, 0), ==, 1);
}

/* A connection of a program in @class that has ended; somebody outside it goes on with it. */
static int
inherited_connection (const char *class)
{
  int channel[2];
  int status, fd;
  pid_t pid;

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel));
  pid = fork ();
  if (pid == 0)
    {
      enter (class);
      hand_over (channel[1], new_socket (FAR4, ECHO_PORT, SOCK_STREAM, FALSE));
      _exit (0);
    }
  fd = receive_socket (channel[0]);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  close (channel[0]);
  close (channel[1]);
  return fd;
}

/* A flow keeps its class when the program is gone, and through every change of the rules. */
static void
test_program_gone (void)
{
  g_auto (Lab) lab = { VPND_SPLIT_GROUND_NONE };
  g_autoptr (VpndSplitPlan) split = NULL;
  char data[8];
  int fd;

  lab_init (&lab);
  split = new_plan (&lab, VPND_SPLIT_MODE_EXCLUDE, NULL, NULL);
  enter_state (&lab, VPND_POLICY_CONNECTING, split);
  enter_state (&lab, VPND_POLICY_CONNECTED, split);
  fd = inherited_connection (lab.excluded);
  for (guint i = 0; i < 6; i++)
    {
      forget (&lab);
      g_assert_cmpint (send (fd, "hello", 5, 0), ==, 5);
      g_assert_cmpint (recv (fd, data, sizeof data, 0), ==, 5);
      g_assert_cmpuint (count_sent (lab.eth, FAR4, HOST4), >, 0);
      g_assert_cmpuint (count_sent (lab.tun, FAR4, INNER4), ==, 0);
      apply_rules (&lab, kinds[i % G_N_ELEMENTS (kinds)], split);
    }
  forget (&lab);
  close (fd); /* nobody has it any more: the kernel ends it */
  g_assert_cmpuint (count_sent (lab.eth, FAR4, HOST4), >, 0);
  g_assert_cmpuint (count_sent (lab.tun, FAR4, INNER4), ==, 0);
}

static void
test_names (void)
{
  g_auto (Lab) lab = { VPND_SPLIT_GROUND_NONE };
  g_autoptr (VpndSplitPlan) split = NULL;

  lab_init (&lab);
  split = new_plan (&lab, VPND_SPLIT_MODE_EXCLUDE, NULL, NULL);
  enter_state (&lab, VPND_POLICY_CONNECTING, split);
  enter_state (&lab, VPND_POLICY_CONNECTED, split);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      forget (&lab);
      g_assert_cmpint (run (lab.excluded, 0, exchange, INNER_DNS, DNS_PORT, types[i]), ==, ECHOED);
      g_assert_cmpuint (count_sent (lab.eth, GATEWAY4, HOST4), >, 0);
      g_assert_cmpuint (count_sent (lab.tun, INNER_DNS, INNER4), ==, 0);
      g_assert_cmpint (run (NULL, 0, begin, INNER_DNS, DNS_PORT, types[i]), ==, SILENT);
      g_assert_cmpuint (count_sent (lab.tun, INNER_DNS, INNER4), ==, 1);
      g_assert_cmpuint (count_sent (lab.eth, GATEWAY4, HOST4), ==, 0);
    }
  g_assert_cmpint (run (lab.excluded, 0, exchange, INNER_DNS, 853, SOCK_STREAM), ==, REFUSED); /* what is encrypted cannot be redirected */
  g_assert_cmpuint (count_sent (lab.eth, INNER_DNS, HOST4), ==, 0);
}

/* A host without IPv6: what is excluded learns so at once, and nothing of it gets into the tunnel. */
static void
test_no_way (void)
{
  g_auto (Lab) lab = { VPND_SPLIT_GROUND_NONE };
  g_autoptr (VpndSplitPlan) split = NULL;

  lab_init (&lab);
  split = new_plan (&lab, VPND_SPLIT_MODE_EXCLUDE, NULL, NULL);
  NETNS_DO ("ip -6 route del default");
  lab.facts->default6 = (VpndDefaultRoute){ FALSE };
  enter_state (&lab, VPND_POLICY_CONNECTING, split);
  enter_state (&lab, VPND_POLICY_CONNECTED, split);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      forget (&lab);
      g_assert_cmpint (run (lab.excluded, 0, exchange, FAR6, ECHO_PORT, types[i]), ==, REFUSED);
      g_assert_cmpuint (count_sent (lab.tun, FAR6, INNER6), ==, 0);
      g_assert_cmpint (run (NULL, 0, begin, FAR6, ECHO_PORT, types[i]), ==, SILENT);
      g_assert_cmpuint (count_sent (lab.tun, FAR6, INNER6), ==, 1);
      g_assert_cmpint (run (lab.excluded, 0, exchange, FAR4, ECHO_PORT, types[i]), ==, ECHOED);
    }
}

/* The server is there for that moment: with net_cls a program that changes its class takes the sockets along that it has inherited. */
static gboolean
world_reaches_us (const Lab *lab)
{
  const int server = new_socket (HOST4, SSH_PORT, SOCK_STREAM, TRUE);
  char byte;

  g_assert_cmpint (write (lab->commands, "c", 1), ==, 1);
  g_assert_cmpint (read (lab->answers, &byte, 1), ==, 1);
  close (server);
  return byte == 'y';
}

static void
test_include (gconstpointer ground)
{
  g_auto (Lab) lab = { VPND_SPLIT_GROUND_NONE };
  g_autoptr (VpndSplitPlan) split = NULL;
  g_autoptr (VpndSplitPlan) exclude = NULL;

  lab_init_on (&lab, (VpndSplitGround) GPOINTER_TO_INT (ground));
  split = new_plan (&lab, VPND_SPLIT_MODE_INCLUDE, NULL, NULL);
  exclude = new_plan (&lab, VPND_SPLIT_MODE_EXCLUDE, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      enter_state (&lab, kinds[i], split);
      assert_beside (&lab, NULL, 0);
      assert_beside (&lab, lab.excluded, 0);
      if (kinds[i] == VPND_POLICY_BLOCKED)
        assert_refused (&lab, lab.included);
      else
        assert_inside (&lab, lab.included, 0);
      if (kinds[i] == VPND_POLICY_CONNECTED)
        assert_inside (&lab, lab.bound, 0);
      else
        assert_refused (&lab, lab.bound);
      g_assert_true (world_reaches_us (&lab));
    }
  apply_rules (&lab, VPND_POLICY_CONNECTED, exclude);
  g_assert_false (world_reaches_us (&lab));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNS)); /* what a test that fails has mounted goes with it */
  g_assert_no_errno (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  g_test_add_data_func ("/split/exclude", GINT_TO_POINTER (VPND_SPLIT_GROUND_CGROUP2), test_exclude);
  g_test_add_data_func ("/split/exclude-net-cls", GINT_TO_POINTER (VPND_SPLIT_GROUND_NET_CLS), test_exclude);
  g_test_add_func ("/split/subnet", test_subnet);
  g_test_add_func ("/split/hostile-routes", test_hostile_routes);
  g_test_add_func ("/split/program-gone", test_program_gone);
  g_test_add_func ("/split/names", test_names);
  g_test_add_func ("/split/no-way", test_no_way);
  g_test_add_data_func ("/split/include", GINT_TO_POINTER (VPND_SPLIT_GROUND_CGROUP2), test_include);
  g_test_add_data_func ("/split/include-net-cls", GINT_TO_POINTER (VPND_SPLIT_GROUND_NET_CLS), test_include);
  return g_test_run ();
}
