/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of split tunnelling with real packets: rules and routes as the daemon makes them, programs in cgroups, and what they send, as frames on the physical
 * link and as packets in the tunnel. The tunnel is a TUN device that this test reads; the world behind the physical link is a process in a namespace of its own that
 * answers. rp_filter is strict everywhere. Needs root.
 */
#include "config.h"

#include "firewall-nft.h"
#include "netns.h"
#include "policy.h"
#include "reserved.h"
#include "router-rtnl.h"
#include "tunnel-plan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ECHO_PORT 7777
#define DNS_PORT 53
#define SSH_PORT 2222
#define ANSWER_MS 5000 /* a bound for what takes less than one */

#define HOST4 "192.168.7.2"
#define GATEWAY4 "192.168.7.1"
#define HOST6 "fd07::2"
#define GATEWAY6 "fe80::1" /* as routers are known; neighbours of other addresses are not answered (rule 2) */
#define FAR4 "203.0.113.77"
#define FAR6 "2001:db8:77::7"
#define INNER4 "10.64.0.2"
#define INNER6 "fd00:64::2"
#define INNER_DNS "10.64.0.1"

enum /* of classes with net_cls */
{
  NUMBER_EXCLUDED = 0x570001,
  NUMBER_INCLUDED,
  NUMBER_BOUND,
};

typedef enum
{
  ECHOED,  /* the world has answered */
  REFUSED, /* an error at once */
  SILENT,
} Outcome;

/* --- the world --- */

static int
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

static void
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

/* --- the host --- */

typedef struct
{
  VpndSplitGround ground;
  char *folder; /* (owned): where its cgroups are mounted */
  char *excluded;
  char *included;
  char *bound;
  pid_t world;
  int commands;
  int answers;
  int eth;
  int tun;
  VpndFirewall *firewall;
  VpndRouter *router;
  VpndProfile *profile;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndTunnelConfig *config;
  VpndRoutePlan *routes;
  VpndDnsPlan *dns;
} Lab;

static VpndAddr
addr (const char *text)
{
  VpndAddr result;

  g_assert_true (vpnd_addr_parse (text, &result));
  return result;
}

static void
append_prefix (GArray *array, const char *text)
{
  VpndPrefix prefix;

  g_assert_true (vpnd_prefix_parse (text, &prefix));
  g_array_append_val (array, prefix);
}

static void
set_plans (Lab *lab)
{
  static const guint8 bytes[VPND_KEY_BYTES] = { 1 };
  VpndPeer *peer = vpnd_peer_new ();
  const VpndEndpoint endpoint = { addr ("203.0.113.2"), 51820 };
  const VpndAddr resolver = addr (INNER_DNS);
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
  lab->facts->default4 = (VpndDefaultRoute){ TRUE, if_nametoindex ("eth0"), "eth0", addr (GATEWAY4), 1500 };
  lab->facts->default6 = (VpndDefaultRoute){ TRUE, if_nametoindex ("eth0"), "eth0", addr (GATEWAY6), 1500 };
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
  char *path = g_strdup_printf ("%s/vpnd-split-%d/%s", folder, getpid (), name);

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

static void
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

static void
lab_init (Lab *lab)
{
  lab_init_on (lab, VPND_SPLIT_GROUND_CGROUP2);
}

static void
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

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Lab, lab_clear)

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

static VpndSplitPlan *
new_plan (const Lab *lab, VpndSplitMode mode, const char *uid, const char *subnet)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  g_autoptr (VpndSplitConfig) config = NULL;
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (lab->ground, vpnd_split_ground_level (lab->folder, lab->excluded));
  g_autoptr (GArray) outside_dns = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  const VpndSplitFacts facts = { .standing = standing, .outside_dns = outside_dns, .has_asked = TRUE };
  const VpndAddr server = addr (GATEWAY4);

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

static void
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

static void
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

static void
enter (const char *class)
{
  g_autofree char *path = g_build_filename (class, "cgroup.procs", NULL);
  const int fd = open (path, O_WRONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, "0", 1), ==, 1);
  close (fd);
}

/* It ends with a reset, so that nothing of it leaves later, when the frames of the next one are counted. */
static Outcome
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
static Outcome
begin (const char *address, guint16 port, int type)
{
  const int fd = new_socket (address, port, type | SOCK_NONBLOCK, FALSE);

  if (fd < 0)
    return REFUSED;
  if (type == SOCK_DGRAM && send (fd, "hello", 5, 0) != 5)
    return REFUSED;
  return SILENT;
}

typedef Outcome (*Act) (const char *address, guint16 port, int type);

/* What a program in @class (none when it is NULL) of user @uid comes to. */
static Outcome
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
static guint
count_sent (int fd, const char *destination, const char *source)
{
  const VpndAddr wanted = addr (destination);
  const VpndAddr expected = addr (source);
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

static void
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

static const int types[] = { SOCK_DGRAM, SOCK_STREAM };

static void
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

static void
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

static void
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

/* --- the tests --- */

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
