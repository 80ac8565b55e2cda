/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See split-host.h. rp_filter is strict everywhere.
 */
#include "config.h"

#include "split-host.h"

#include "firewall-nft.h"
#include "leftovers.h"
#include "net-values.h"
#include "netns.h"
#include "reserved.h"
#include "router-rtnl.h"
#include "tunnel-plan.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 5000 /* a bound for what takes less than one */

enum /* of classes with net_cls */
{
  NUMBER_EXCLUDED = 0x570001,
  NUMBER_INCLUDED,
  NUMBER_BOUND,
};

static void
set_plans (Lab *lab)
{
  static const guint8 bytes[VPND_KEY_BYTES] = { 1 };
  VpndPeer *peer = vpnd_peer_new ();
  const VpndEndpoint endpoint = { addr_of ("203.0.113.2"), 51820 };
  const VpndAddr resolver = addr_of (INNER_DNS);
  VpndCause cause;

  lab->profile = vpnd_profile_new ("work");
  lab->profile->private_key = vpnd_secret_new (bytes);
  append_prefix (lab->profile->addresses, INNER4 "/32");
  append_prefix (lab->profile->addresses, INNER6 "/128");
  append_prefix (peer->allowed_ips, "0.0.0.0/0");
  append_prefix (peer->allowed_ips, "::/0");
  g_array_append_val (peer->endpoints, endpoint);
  g_array_append_val (lab->profile->dns_servers, resolver);
  g_ptr_array_add (lab->profile->peers, peer);
  lab->settings = vpnd_settings_new_default ();
  lab->facts = vpnd_facts_new ();
  lab->facts->ipv6_enabled = TRUE;
  lab->facts->default4 = (VpndDefaultRoute){ TRUE, if_nametoindex ("eth0"), "eth0", addr_of (GATEWAY4), 1500 };
  lab->facts->default6 = (VpndDefaultRoute){ TRUE, if_nametoindex ("eth0"), "eth0", addr_of (GATEWAY6), 1500 };
  lab->config = vpnd_tunnel_plan_build (lab->profile, lab->settings, lab->facts, FALSE, VPND_LISTEN_PORT_FIRST, &cause);
  g_assert_nonnull (lab->config);
  lab->routes = vpnd_route_plan_build (lab->profile, lab->settings, lab->facts);
  lab->dns = vpnd_dns_plan_build (lab->profile, lab->settings);
}

static int
open_tun (void)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
  const int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

  g_assert_cmpint (fd, >=, 0);
  g_strlcpy (request.ifr_name, VPND_IFNAME, sizeof request.ifr_name);
  g_assert_no_errno (ioctl (fd, TUNSETIFF, &request));
  return fd;
}

static int
open_capture (const char *ifname)
{
  const struct sockaddr_ll name = { .sll_family = AF_PACKET, .sll_protocol = htons (ETH_P_ALL), .sll_ifindex = (int) if_nametoindex (ifname) };
  const int fd = socket (AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons (ETH_P_ALL));

  g_assert_cmpint (fd, >=, 0);
  g_assert_no_errno (bind (fd, (const struct sockaddr *) &name, sizeof name));
  return fd;
}

static char *
new_class (const char *folder, const char *name)
{
  g_autofree char *top = leftovers_new_name ("classes");
  char *path = g_build_filename (folder, top, name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (path, 0755), ==, 0);
  return path;
}

static void
start_world (Lab *lab)
{
  int down[2], up[2];
  char byte;

  g_assert_no_errno (pipe2 (down, O_CLOEXEC));
  g_assert_no_errno (pipe2 (up, O_CLOEXEC));
  lab->world = fork ();
  g_assert_cmpint (lab->world, >=, 0);
  if (lab->world == 0)
    {
      close (down[1]);
      close (up[0]);
      world_main (down[0], up[1]);
    }
  close (down[0]);
  close (up[1]);
  lab->commands = down[1];
  lab->answers = up[0];
  g_assert_cmpint (read (lab->answers, &byte, 1), ==, 1);
  NETNS_DO ("ip link add eth0 type veth peer name world netns %d", lab->world);
  netns_batch ("-4", "link set eth0 addrgenmode none\nlink set eth0 up\naddr add " HOST4 "/24 dev eth0\nroute add default via " GATEWAY4 "\n");
  netns_batch ("-6", "addr add " HOST6 "/64 dev eth0 nodad\naddr add fe80::2/64 dev eth0 nodad\nroute add default via " GATEWAY6 " dev eth0\n");
  g_assert_cmpint (write (lab->commands, "g", 1), ==, 1);
  g_assert_cmpint (read (lab->answers, &byte, 1), ==, 1);
}

/* In the namespace of mounts that is this test's. Where another one has it, net_cls is there together with net_prio. */
static void
mount_ground (const Lab *lab)
{
  if (lab->ground == VPND_SPLIT_GROUND_CGROUP2)
    g_assert_no_errno (mount ("none", lab->folder, "cgroup2", 0, NULL));
  else if (mount ("none", lab->folder, "cgroup", 0, "net_cls") != 0)
    g_assert_no_errno (mount ("none", lab->folder, "cgroup", 0, "net_cls,net_prio"));
}

/* With net_cls a class is what its number says. */
static void
set_number (const Lab *lab, const char *class, guint32 number)
{
  g_autofree char *path = g_build_filename (class, "net_cls.classid", NULL);
  g_autofree char *text = g_strdup_printf ("%u", number);
  int fd;

  if (lab->ground != VPND_SPLIT_GROUND_NET_CLS)
    return;
  fd = open (path, O_WRONLY | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (ssize_t) strlen (text));
  close (fd);
}

void
lab_init_on (Lab *lab, VpndSplitGround ground)
{
  g_autoptr (GError) error = NULL;

  lab->ground = ground;
  netns_fresh ();
  NETNS_DO ("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv4.conf.all.src_valid_mark=1");
  start_world (lab);
  lab->folder = g_dir_make_tmp ("vpnd-split-XXXXXX", &error);
  g_assert_no_error (error);
  mount_ground (lab);
  leftovers_remove (lab->folder);
  lab->excluded = new_class (lab->folder, "excluded");
  lab->included = new_class (lab->folder, "included");
  lab->bound = new_class (lab->folder, "bound");
  set_number (lab, lab->excluded, NUMBER_EXCLUDED);
  set_number (lab, lab->included, NUMBER_INCLUDED);
  set_number (lab, lab->bound, NUMBER_BOUND);
  set_plans (lab);
  lab->firewall = vpnd_firewall_nft_new (&error);
  g_assert_no_error (error);
  lab->router = vpnd_router_rtnl_new (&error);
  g_assert_no_error (error);
  lab->eth = open_capture ("eth0");
  lab->tun = open_tun ();
}

void
lab_init (Lab *lab)
{
  lab_init_on (lab, VPND_SPLIT_GROUND_CGROUP2);
}

void
lab_clear (Lab *lab)
{
  g_autofree char *root = g_path_get_dirname (lab->excluded);

  kill (lab->world, SIGKILL);
  g_assert_cmpint (waitpid (lab->world, NULL, 0), ==, lab->world);
  close (lab->commands);
  close (lab->answers);
  close (lab->eth);
  close (lab->tun);
  (void) rmdir (lab->excluded);
  (void) rmdir (lab->included);
  (void) rmdir (lab->bound);
  g_assert_no_errno (rmdir (root));
  g_assert_no_errno (umount (lab->folder));
  g_assert_no_errno (rmdir (lab->folder));
  g_free (lab->folder);
  g_free (lab->excluded);
  g_free (lab->included);
  g_free (lab->bound);
  g_object_unref (lab->firewall);
  g_object_unref (lab->router);
  vpnd_profile_unref (lab->profile);
  vpnd_settings_unref (lab->settings);
  vpnd_facts_unref (lab->facts);
  vpnd_tunnel_config_unref (lab->config);
  vpnd_route_plan_unref (lab->routes);
  vpnd_dns_plan_unref (lab->dns);
}

static guint64
id_of (const Lab *lab, const char *class, guint32 number)
{
  struct stat status;

  if (lab->ground == VPND_SPLIT_GROUND_NET_CLS)
    return number;
  g_assert_no_errno (stat (class, &status));
  return status.st_ino;
}

static void
add_rule (GPtrArray *rules, VpndSplitKind kind, const char *value, VpndSplitClass class_)
{
  if (value != NULL)
    g_ptr_array_add (rules, vpnd_split_rule_new (kind, value, class_, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL));
}

VpndSplitPlan *
new_plan (const Lab *lab, VpndSplitMode mode, const char *uid, const char *subnet)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  g_autoptr (VpndSplitConfig) config = NULL;
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (lab->ground, vpnd_split_ground_level (lab->folder, lab->excluded));
  g_autoptr (GArray) outside_dns = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  const VpndSplitFacts facts = { .standing = standing, .outside_dns = outside_dns, .has_asked = TRUE };
  const VpndAddr server = addr_of (GATEWAY4);

  add_rule (rules, VPND_SPLIT_UID, uid, VPND_SPLIT_EXCLUDED);
  add_rule (rules, VPND_SPLIT_SUBNET, subnet, VPND_SPLIT_EXCLUDED);
  config = vpnd_split_config_new_from_rules (mode, rules, NULL);
  g_assert_nonnull (config);
  standing->excluded_id = id_of (lab, lab->excluded, NUMBER_EXCLUDED);
  standing->included_id = id_of (lab, lab->included, NUMBER_INCLUDED);
  vpnd_split_standing_add_bound (standing, "work", id_of (lab, lab->bound, NUMBER_BOUND));
  g_array_append_val (outside_dns, server);
  return vpnd_split_plan_build (config, &facts);
}

void
apply_rules (Lab *lab, VpndPolicyKind kind, const VpndSplitPlan *split)
{
  const VpndPolicyInput input = {
    .kind = kind,
    .config = lab->config,
    .routes = lab->routes,
    .dns = lab->dns,
    .settings = lab->settings,
    .facts = lab->facts,
    .link_ifindex = if_nametoindex (VPND_IFNAME),
    .split = split,
    .profile = lab->profile->name,
  };
  g_autoptr (VpndRuleset) ruleset = vpnd_policy_build (&input);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  vpnd_firewall_apply_async (lab->firewall, ruleset, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  (void) vpnd_firewall_apply_finish (lab->firewall, result, &error); /* read back and compared */
  g_assert_no_error (error);
}

/* The kernel has an IPv6 address as a source at once, but takes packets to it only from when its own worker has made the local route, some milliseconds later on
 * a busy machine (addrconf_dad_start()). The world of this test answers sooner than that. */
static void
wait_for_inner6 (void)
{
  const gint64 deadline = g_get_monotonic_time () + NETNS_DEADLINE_MS * (gint64) 1000;

  for (;;)
    {
      g_autofree char *routes = netns_run ("ip -6 route show table local dev " VPND_IFNAME);

      if (strstr (routes, "local " INNER6) != NULL)
        return;
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    }
}

void
apply_routes (Lab *lab)
{
  g_autoptr (VpndRouteDiff) diff = vpnd_route_plan_diff (NULL, lab->routes);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  vpnd_router_apply_async (lab->router, diff, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  (void) vpnd_router_apply_finish (lab->router, result, &error);
  g_assert_no_error (error);
  wait_for_inner6 ();
}

/* --- programs --- */

void
enter (const char *class)
{
  g_autofree char *path = g_build_filename (class, "cgroup.procs", NULL);
  const int fd = open (path, O_WRONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, "0", 1), ==, 1);
  close (fd);
}

/* It ends with a reset, so that nothing of it leaves later, when the frames of the next one are counted. */
Outcome
exchange (const char *address, guint16 port, int type)
{
  const int fd = new_socket (address, port, type, FALSE);
  const struct linger at_once = { .l_onoff = 1 };
  struct pollfd wait = { .fd = fd, .events = POLLIN };
  char data[16];

  if (fd >= 0)
    g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
  if (fd < 0 || send (fd, "hello", 5, MSG_NOSIGNAL) != 5)
    return REFUSED;
  if (poll (&wait, 1, ANSWER_MS) != 1)
    return SILENT;
  return recv (fd, data, sizeof data, 0) == 5 ? ECHOED : REFUSED;
}

/* The first packet goes out; nobody waits for an answer. */
Outcome
begin (const char *address, guint16 port, int type)
{
  const int fd = new_socket (address, port, type | SOCK_NONBLOCK, FALSE);

  if (fd < 0)
    return REFUSED;
  if (type == SOCK_DGRAM && send (fd, "hello", 5, 0) != 5)
    return REFUSED;
  return SILENT;
}

/* What a program in @class (none when it is NULL) of user @uid comes to. */
Outcome
run (const char *class, uid_t uid, Act act, const char *address, guint16 port, int type)
{
  int status;
  const pid_t pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      if (class != NULL)
        enter (class);
      if (uid != 0)
        g_assert_no_errno (setuid (uid));
      _exit (act (address, port, type));
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  return (Outcome) WEXITSTATUS (status);
}

/* --- frames --- */

static gboolean
parse (const guint8 *data, gsize size, VpndAddr *out_source, VpndAddr *out_destination)
{
  if (size >= 20 && data[0] >> 4 == 4)
    {
      *out_source = vpnd_addr_from_bytes (AF_INET, data + 12);
      *out_destination = vpnd_addr_from_bytes (AF_INET, data + 16);
      return TRUE;
    }
  if (size >= 40 && data[0] >> 4 == 6)
    {
      *out_source = vpnd_addr_from_bytes (AF_INET6, data + 8);
      *out_destination = vpnd_addr_from_bytes (AF_INET6, data + 24);
      return TRUE;
    }
  return FALSE;
}

/* How many packets to @destination have left by @fd since the last look, all of them with the source @source. */
guint
count_sent (int fd, const char *destination, const char *source)
{
  const VpndAddr wanted = addr_of (destination);
  const VpndAddr expected = addr_of (source);
  guint n = 0;

  for (;;)
    {
      guint8 data[4096];
      struct sockaddr_ll from = { .sll_pkttype = PACKET_OUTGOING };
      socklen_t size = sizeof from;
      ssize_t length = recvfrom (fd, data, sizeof data, 0, (struct sockaddr *) &from, &size);
      VpndAddr sent_to, sent_from;

      if (length < 0 && errno == ENOTSOCK)
        length = read (fd, data, sizeof data); /* the tunnel */
      if (length <= 0)
        return n;
      if (from.sll_pkttype != PACKET_OUTGOING || !parse (data, (gsize) length, &sent_from, &sent_to) || !vpnd_addr_equal (&sent_to, &wanted))
        continue;
      g_assert_true (vpnd_addr_equal (&sent_from, &expected));
      n++;
    }
}

void
forget (const Lab *lab)
{
  (void) count_sent (lab->eth, "0.0.0.1", "0.0.0.1");
  (void) count_sent (lab->tun, "0.0.0.1", "0.0.0.1");
}

static const struct
{
  const char *far;
  const char *host;
  const char *inner;
} families[] = { { FAR4, HOST4, INNER4 }, { FAR6, HOST6, INNER6 } };

const int types[2] = { SOCK_DGRAM, SOCK_STREAM };

void
assert_beside (const Lab *lab, const char *class, uid_t uid)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    for (guint j = 0; j < G_N_ELEMENTS (types); j++)
      {
        forget (lab);
        g_assert_cmpint (run (class, uid, exchange, families[i].far, ECHO_PORT, types[j]), ==, ECHOED);
        g_assert_cmpuint (count_sent (lab->eth, families[i].far, families[i].host), >, 0);
        g_assert_cmpuint (count_sent (lab->tun, families[i].far, families[i].inner), ==, 0);
      }
}

void
assert_inside (const Lab *lab, const char *class, uid_t uid)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    for (guint j = 0; j < G_N_ELEMENTS (types); j++)
      {
        forget (lab);
        g_assert_cmpint (run (class, uid, begin, families[i].far, ECHO_PORT, types[j]), ==, SILENT);
        g_assert_cmpuint (count_sent (lab->tun, families[i].far, families[i].inner), >, 0);
        g_assert_cmpuint (count_sent (lab->eth, families[i].far, families[i].host), ==, 0);
      }
}

void
assert_refused (const Lab *lab, const char *class)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    for (guint j = 0; j < G_N_ELEMENTS (types); j++)
      {
        forget (lab);
        g_assert_cmpint (run (class, 0, exchange, families[i].far, ECHO_PORT, types[j]), ==, REFUSED);
        g_assert_cmpuint (count_sent (lab->eth, families[i].far, families[i].host), ==, 0);
        g_assert_cmpuint (count_sent (lab->tun, families[i].far, families[i].inner), ==, 0);
      }
}
