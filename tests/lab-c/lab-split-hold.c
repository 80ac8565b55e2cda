/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Packets of units that nobody has looked at, held by the real kernel: real rules, real cgroups, real sockets on loopback of a namespace of their own. What the kernel holds is read from
 * /proc/net/netfilter/nfnetlink_queue. Nothing here waits for a time to pass: a packet that is held has met its rules again when the kernel has counted it anew. Needs root.
 */
#include "config.h"

#include "split-hold.h"

#include "firewall-nft.h"
#include "net-values.h"
#include "netns.h"
#include "nl-socket.h"
#include "queue-encode.h"
#include "reserved.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT 7777
#define TOP_LEVEL 1
#define UNIT_LEVEL 2
#define BESIDE_MARK 0x57000000u
#define PRIORITY_BEFORE (-150)
#define PRIORITY_NAT_OUTPUT (-100)
#define SLOTS 1024u /* docs/split-tunnel.md */
#define MANY 300u   /* of each of three units: nearly all the slots */
#define ROUNDS 3u
#define SEGMENT_BYTES 1000
#define SEGMENTS 20u
#define LARGE_FIRST 30000u /* around what a netlink message of vpnd's sockets may have at first */
#define LARGE_STEP 500u
#define LARGE_N 70u
#define ROOM_BYTES 16384 /* of a socket that few messages have room in */

/* The units that the rules of the test may know. */
typedef enum
{
  UNIT_PLAIN,   /* of no class: it goes where it wants to */
  UNIT_BESIDE,  /* another way: to another address, by a mark */
  UNIT_REFUSED, /* no way */
  N_UNITS,
} Unit;

static const char *const unit_names[N_UNITS] = { "plain.service", "beside.service", "refused.service" };

typedef struct
{
  VpndFirewall *firewall;
  VpndSplitHold *hold;
  guint answers; /* how often the hold said in which form the kernel holds */
  char *folder;  /* where cgroup2 is mounted */
  char *own;     /* cgroup.procs of where this process was */
  char *top;     /* of ours */
  guint64 top_id;
  guint64 ids[N_UNITS];
  int plain;  /* server at 127.0.0.1 */
  int beside; /* server at 127.0.0.2 */
} Rig;

typedef int Descriptor;

static void
descriptor_close (Descriptor *fd)
{
  if (*fd >= 0)
    close (*fd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Descriptor, descriptor_close)

static guint n_told; /* lines that say that something was dropped */

static GLogWriterOutput
count_lines (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE") && strstr (fields[i].value, "the rest is dropped") != NULL)
      {
        n_told++;
        return G_LOG_WRITER_HANDLED;
      }
  return g_log_writer_default (level, fields, n_fields, user_data);
}

/* --- what the kernel says --- */

typedef struct
{
  guint port; /* netlink port of who listens; 0: nobody */
  guint total;
  guint dropped;      /* for want of slots */
  guint user_dropped; /* for want of room in the socket */
  guint last;         /* number of the newest packet */
} Held;

static Held
read_held (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  Held held = { 0 };

  g_assert_true (g_file_get_contents ("/proc/net/netfilter/nfnetlink_queue", &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      Held line;
      guint queue, mode, range;

      if (sscanf (lines[i], "%u %u %u %u %u %u %u %u", &queue, &line.port, &line.total, &mode, &range, &line.dropped, &line.user_dropped, &line.last) == 8 && queue == VPND_UNIT_QUEUE)
        held = line;
    }
  return held;
}

/* The socket of this process that has a netlink port. */
static int
find_socket (guint port)
{
  for (int fd = 3; fd < 1024; fd++)
    {
      struct sockaddr_nl address = { 0 };
      socklen_t size = sizeof address;

      if (getsockname (fd, (struct sockaddr *) &address, &size) == 0 && address.nl_family == AF_NETLINK && address.nl_pid == port)
        return fd;
    }
  g_assert_not_reached ();
}

/* --- the host --- */

static void
move_to (const char *procs)
{
  int fd = open (procs, O_WRONLY | O_CLOEXEC);

  g_assert_no_errno (fd);
  g_assert_cmpint (write (fd, "0", 1), ==, 1);
  g_assert_no_errno (close (fd));
}

static guint64
make_cgroup (const char *path)
{
  struct stat info;

  g_assert_no_errno (mkdir (path, 0755));
  g_assert_no_errno (stat (path, &info));
  return info.st_ino;
}

static void
make_cgroups (Rig *rig)
{
  g_autofree char *text = NULL, *name = g_strdup_printf ("lab-hold-%d.slice", getpid ());
  const char *place;

  rig->folder = g_dir_make_tmp ("vpnd-hold-XXXXXX", NULL);
  g_assert_no_errno (mount ("none", rig->folder, "cgroup2", 0, NULL));
  g_assert_true (g_file_get_contents ("/proc/self/cgroup", &text, NULL, NULL));
  place = strstr (text, "0::");
  g_assert_nonnull (place);
  *strchrnul (place, '\n') = '\0';
  rig->own = g_strconcat (rig->folder, place + strlen ("0::"), "/cgroup.procs", NULL);
  rig->top = g_build_filename (rig->folder, name, NULL);
  rig->top_id = make_cgroup (rig->top);
  for (guint i = 0; i < N_UNITS; i++)
    {
      g_autofree char *path = g_build_filename (rig->top, unit_names[i], NULL);

      rig->ids[i] = make_cgroup (path);
    }
}

static void
remove_cgroups (Rig *rig)
{
  for (guint i = 0; i < N_UNITS; i++)
    {
      g_autofree char *path = g_build_filename (rig->top, unit_names[i], NULL);

      g_assert_no_errno (rmdir (path));
    }
  g_assert_no_errno (rmdir (rig->top));
  g_assert_no_errno (umount (rig->folder));
  g_assert_no_errno (rmdir (rig->folder));
  g_free (rig->folder);
  g_free (rig->own);
  g_free (rig->top);
}

/* A socket that is made in the cgroup of a unit, and stays of it. */
static int
open_socket_of (const Rig *rig, Unit unit, int type)
{
  g_autofree char *procs = g_build_filename (rig->top, unit_names[unit], "cgroup.procs", NULL);
  const struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons (PORT), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  const int room = 64 * 1024 * 1024;
  int fd;

  move_to (procs);
  fd = socket (AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  move_to (rig->own);
  g_assert_no_errno (fd);
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room));
  if (type == SOCK_DGRAM)
    g_assert_no_errno (connect (fd, (const struct sockaddr *) &server, sizeof server));
  return fd;
}

static int
open_server (guint32 address, int type)
{
  const struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons (PORT), .sin_addr.s_addr = htonl (address) };
  const int room = 64 * 1024 * 1024;
  int fd = socket (AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  g_assert_no_errno (fd);
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room));
  g_assert_no_errno (bind (fd, (const struct sockaddr *) &place, sizeof place));
  if (type == SOCK_STREAM)
    g_assert_no_errno (listen (fd, 8));
  return fd;
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &error));
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

/* As the policy has it: what stands below the top and has a greater number than @newest is held, and after that it is decided by the unit. With the address that it goes to the
 * packet gets a place in connection tracking and in the NAT, as all that goes beside a tunnel. */
static void
apply (Rig *rig, guint64 newest)
{
  g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new (VPND_NFT_TABLE);
  VpndChain *before = vpnd_ruleset_add_chain (ruleset, "before", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, PRIORITY_BEFORE, VPND_VERDICT_ACCEPT);
  VpndChain *nat = vpnd_ruleset_add_chain (ruleset, "nat", VPND_CHAIN_NAT, VPND_HOOK_OUTPUT, PRIORITY_NAT_OUTPUT, VPND_VERDICT_ACCEPT);
  const VpndAddr other = addr_of ("127.0.0.2");
  gboolean is_applied = FALSE;
  VpndRule *rule = vpnd_rule_match_cgroup (vpnd_chain_add_rule (before), TOP_LEVEL, rig->top_id);

  vpnd_rule_queue (vpnd_rule_match_newer_cgroup (rule, UNIT_LEVEL, newest), vpnd_split_hold_get_form (rig->hold), VPND_UNIT_QUEUE);
  vpnd_rule_drop (vpnd_rule_match_cgroup (vpnd_chain_add_rule (before), UNIT_LEVEL, rig->ids[UNIT_REFUSED]));
  rule = vpnd_rule_match_cgroup (vpnd_chain_add_rule (before), UNIT_LEVEL, rig->ids[UNIT_BESIDE]);
  vpnd_rule_accept (vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, BESIDE_MARK, G_MAXUINT32));
  rule = vpnd_rule_match_mark (vpnd_chain_add_rule (nat), VPND_FIELD_MARK, VPND_OP_EQ, BESIDE_MARK, G_MAXUINT32);
  vpnd_rule_dnat (vpnd_rule_match_u8 (rule, VPND_FIELD_NFPROTO, NFPROTO_IPV4), &other);
  vpnd_firewall_apply_async (rig->firewall, ruleset, NULL, on_applied, &is_applied);
  while (!is_applied)
    g_main_context_iteration (NULL, TRUE);
}

/* The units have been looked at. */
static void
know_all (Rig *rig)
{
  apply (rig, rig->ids[N_UNITS - 1]);
}

static void
on_form (gpointer user_data)
{
  Rig *rig = user_data;

  rig->answers++;
}

static void
start (Rig *rig)
{
  const guint answers = rig->answers;

  vpnd_split_hold_set (rig->hold, TRUE);
  NETNS_WAIT (rig->answers > answers);
  g_assert_cmpint (vpnd_split_hold_get_form (rig->hold), !=, VPND_QUEUE_NONE);
}

static void
rig_setup (Rig *rig, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  netns_fresh ();
  n_told = 0;
  make_cgroups (rig);
  rig->firewall = vpnd_firewall_nft_new (&error);
  g_assert_no_error (error);
  rig->hold = vpnd_split_hold_new (on_form, rig);
  start (rig);
  rig->plain = open_server (INADDR_LOOPBACK, SOCK_DGRAM);
  rig->beside = open_server (INADDR_LOOPBACK + 1, SOCK_DGRAM);
  apply (rig, rig->top_id);
}

static void
rig_teardown (Rig *rig, gconstpointer data)
{
  g_clear_pointer (&rig->hold, vpnd_split_hold_free);
  g_clear_object (&rig->firewall);
  close (rig->plain);
  close (rig->beside);
  while (g_main_context_iteration (NULL, FALSE)) /* who waits for an answer has a socket of the namespace */
    ;
  remove_cgroups (rig);
}

/* --- packets --- */

static void
send_number (int fd, guint number)
{
  g_assert_cmpint (send (fd, &number, sizeof number, 0), ==, sizeof number);
}

/* Returns: FALSE when nothing is there; a datagram has to be the one with that number */
static gboolean
take_number (int fd, guint number)
{
  guint found;
  const gssize size = recv (fd, &found, sizeof found, 0);

  if (size < 0)
    return FALSE;
  g_assert_cmpint (size, ==, sizeof found);
  g_assert_cmpuint (found, ==, number);
  return TRUE;
}

static void
take_numbers (int fd, guint n)
{
  for (guint i = 0; i < n; i++)
    NETNS_WAIT (take_number (fd, i));
}

static void
assert_nothing (int fd)
{
  char byte;

  g_assert_cmpint (recv (fd, &byte, 1, MSG_DONTWAIT), <, 0);
  g_assert_cmpint (errno, ==, EAGAIN);
}

/* So that all have met the rules again, and are held still. */
static void
wait_rounds (guint n_held, guint rounds)
{
  const guint last = read_held ().last;

  NETNS_WAIT (read_held ().last >= last + rounds * n_held);
  g_assert_cmpuint (read_held ().total, ==, n_held);
}

/* A later packet of a unit that was looked at shows that nothing of before is still on its way. */
static void
assert_all_came (Rig *rig)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);

  NETNS_WAIT (read_held ().total == 0);
  send_number (fd, 0);
  NETNS_WAIT (take_number (rig->plain, 0));
  assert_nothing (rig->plain);
  assert_nothing (rig->beside);
}

/* --- the tests --- */

/* Of three units, by turns: each waits until the rules know its unit, meets them as often as they are asked meanwhile, and goes its own way then, in the order in which it was sent. */
static void
test_many (Rig *rig, gconstpointer data)
{
  int fds[N_UNITS];

  for (guint i = 0; i < N_UNITS; i++)
    fds[i] = open_socket_of (rig, (Unit) i, SOCK_DGRAM);
  for (guint i = 0; i < MANY; i++)
    for (guint j = 0; j < N_UNITS; j++)
      send_number (fds[j], i);
  g_assert_cmpuint (read_held ().total, ==, N_UNITS * MANY);
  wait_rounds (N_UNITS * MANY, ROUNDS);
  assert_nothing (rig->plain);
  assert_nothing (rig->beside);

  apply (rig, rig->ids[UNIT_PLAIN]); /* one more: the others wait on */
  take_numbers (rig->plain, MANY);
  NETNS_WAIT (read_held ().total == (N_UNITS - 1) * MANY);
  assert_nothing (rig->beside);

  know_all (rig);
  take_numbers (rig->beside, MANY);
  assert_all_came (rig);
  g_assert_cmpuint (read_held ().dropped + read_held ().user_dropped + n_told, ==, 0);
  for (guint i = 0; i < N_UNITS; i++)
    close (fds[i]);
}

/* A program sees no more of it than that its connection takes a moment. */
static void
test_connection (Rig *rig, gconstpointer data)
{
  const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (PORT), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  g_auto (Descriptor) server = open_server (INADDR_LOOPBACK + 1, SOCK_STREAM);
  g_auto (Descriptor) client = open_socket_of (rig, UNIT_BESIDE, SOCK_STREAM);
  g_auto (Descriptor) accepted = -1;
  struct tcp_info info = { 0 };
  socklen_t size = sizeof info;

  g_assert_cmpint (connect (client, (const struct sockaddr *) &address, sizeof address), <, 0);
  g_assert_cmpint (errno, ==, EINPROGRESS);
  wait_rounds (1, 1);
  know_all (rig);
  NETNS_WAIT ((accepted = accept4 (server, NULL, NULL, SOCK_CLOEXEC)) >= 0);
  g_assert_no_errno (getsockopt (client, IPPROTO_TCP, TCP_INFO, &info, &size));
  g_assert_cmpuint (info.tcpi_state, ==, TCP_ESTABLISHED);
  g_assert_cmpuint (info.tcpi_total_retrans, ==, 0);
}

/* As long as a datagram can be, and each a little longer than the one before. */
static void
test_large (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);
  g_autofree guint8 *buffer = g_malloc0 (G_MAXUINT16);

  for (guint i = 0; i < LARGE_N; i++)
    g_assert_cmpint (send (fd, buffer, LARGE_FIRST + i * LARGE_STEP, 0), ==, LARGE_FIRST + i * LARGE_STEP);
  wait_rounds (LARGE_N, 1);
  know_all (rig);
  for (guint i = 0; i < LARGE_N; i++)
    {
      gssize size = -1;

      NETNS_WAIT ((size = recv (rig->plain, buffer, G_MAXUINT16, 0)) >= 0);
      g_assert_cmpint (size, ==, LARGE_FIRST + i * LARGE_STEP);
    }
  assert_all_came (rig);
  g_assert_cmpuint (n_told, ==, 0);
}

/* What a program has given to the kernel at once, to be cut later (UDP_SEGMENT), is one packet until then: it takes one place, and no part of it is lost. */
static void
test_segments (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_BESIDE, SOCK_DGRAM);
  const int segment = SEGMENT_BYTES;
  guint8 buffer[SEGMENTS * SEGMENT_BYTES];

  for (guint i = 0; i < SEGMENTS; i++)
    memset (buffer + i * SEGMENT_BYTES, (int) i, SEGMENT_BYTES);
  g_assert_no_errno (setsockopt (fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment));
  g_assert_cmpint (send (fd, buffer, sizeof buffer, 0), ==, sizeof buffer);
  g_assert_cmpuint (read_held ().total, ==, 1);
  wait_rounds (1, 1);
  know_all (rig);
  for (guint i = 0; i < SEGMENTS; i++)
    {
      gssize size = -1;

      NETNS_WAIT ((size = recv (rig->beside, buffer, sizeof buffer, 0)) >= 0);
      g_assert_cmpint (size, ==, SEGMENT_BYTES);
      g_assert_cmpuint (buffer[0], ==, i);
    }
  assert_all_came (rig);
}

/* More than there are slots: those that have one keep it, the others are dropped, which is told once, and later ones are held as before. */
static void
test_full (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);
  g_auto (Descriptor) later = open_socket_of (rig, UNIT_BESIDE, SOCK_DGRAM);

  for (guint i = 0; i < SLOTS + MANY; i++)
    send_number (fd, i);
  g_assert_cmpuint (read_held ().total, ==, SLOTS);
  g_assert_cmpuint (read_held ().dropped, ==, MANY);
  wait_rounds (SLOTS, ROUNDS);
  g_assert_cmpuint (n_told, ==, 1);
  apply (rig, rig->ids[UNIT_PLAIN]);
  take_numbers (rig->plain, SLOTS);
  NETNS_WAIT (read_held ().total == 0);
  for (guint i = 0; i < MANY; i++)
    send_number (later, i);
  g_assert_cmpuint (read_held ().total, ==, MANY);
  know_all (rig);
  take_numbers (rig->beside, MANY);
  assert_all_came (rig);
  g_assert_cmpuint (n_told, ==, 1);
}

/* Somebody fills all the slots. Who was looked at does not come by them; who was not has to send again, and does not go another way meanwhile. */
static void
test_full_by_somebody (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) known = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);
  g_auto (Descriptor) flooding = open_socket_of (rig, UNIT_REFUSED, SOCK_DGRAM);
  g_auto (Descriptor) unknown = open_socket_of (rig, UNIT_BESIDE, SOCK_DGRAM);

  apply (rig, rig->ids[UNIT_PLAIN]);
  for (guint i = 0; i < SLOTS + MANY; i++)
    send_number (flooding, i);
  for (guint i = 0; i < MANY; i++)
    {
      send_number (known, i);
      g_assert_true (take_number (rig->plain, i)); /* at once: the main loop does not run */
      send_number (unknown, MANY + i);
    }
  g_assert_cmpuint (read_held ().total, ==, SLOTS);
  g_assert_cmpuint (read_held ().dropped, ==, 2 * MANY);
  wait_rounds (SLOTS, ROUNDS);
  assert_nothing (rig->plain);
  assert_nothing (rig->beside);
  know_all (rig);
  NETNS_WAIT (read_held ().total == 0);
  send_number (unknown, 0);
  NETNS_WAIT (take_number (rig->beside, 0));
  assert_all_came (rig);
}

/* The socket has room for few messages: the kernel holds no packet that it could not tell of, the hold says that some are lost, and those that are held go. */
static void
test_no_room (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);
  const int few = ROOM_BYTES, room = 64 * 1024 * 1024;
  Held held;

  g_assert_no_errno (setsockopt (find_socket (read_held ().port), SOL_SOCKET, SO_RCVBUFFORCE, &few, sizeof few));
  for (guint i = 0; i < MANY; i++)
    send_number (fd, i);
  held = read_held ();
  g_assert_cmpuint (held.total, >, 0);
  g_assert_cmpuint (held.user_dropped, >, 0);
  g_assert_cmpuint (held.total + held.user_dropped, ==, MANY);
  NETNS_WAIT (n_told > 0);
  g_assert_no_errno (setsockopt (find_socket (held.port), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room));
  know_all (rig);
  take_numbers (rig->plain, held.total);
  assert_all_came (rig);
  apply (rig, rig->top_id);
  for (guint i = 0; i < MANY; i++)
    send_number (fd, i);
  g_assert_cmpuint (read_held ().total, ==, MANY);
  know_all (rig);
  take_numbers (rig->plain, MANY);
  assert_all_came (rig);
  g_assert_cmpuint (n_told, ==, 1);
}

/* Messages that were never read, whatever took them: their packets go with the next one that is told of. */
static void
test_lost_messages (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);
  const int netlink = find_socket (read_held ().port);
  char byte;

  for (guint i = 0; i < MANY; i++)
    send_number (fd, i);
  for (guint i = 0; i < MANY; i++)
    g_assert_cmpint (recv (netlink, &byte, 1, MSG_DONTWAIT | MSG_TRUNC), >, 0);
  g_assert_cmpuint (read_held ().total, ==, MANY);
  send_number (fd, MANY);
  NETNS_WAIT (read_held ().last == 2 * (MANY + 1)); /* they have met the rules again */
  g_assert_cmpuint (read_held ().total, ==, MANY + 1);
  know_all (rig);
  take_numbers (rig->plain, MANY + 1);
  assert_all_came (rig);
}

/* Who listens no more leaves nothing: what waited is dropped, what comes then is not held, and somebody may listen anew. */
static void
test_stop (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);

  for (guint i = 0; i < MANY; i++)
    send_number (fd, i + 1);
  g_assert_cmpuint (read_held ().total, ==, MANY);
  vpnd_split_hold_set (rig->hold, FALSE);
  g_assert_cmpint (vpnd_split_hold_get_form (rig->hold), ==, VPND_QUEUE_NONE);
  g_assert_cmpuint (read_held ().port, ==, 0);
  send_number (fd, 0);
  NETNS_WAIT (take_number (rig->plain, 0)); /* none of those before */
  assert_nothing (rig->plain);

  start (rig);
  for (guint i = 0; i < MANY; i++)
    send_number (fd, i);
  wait_rounds (MANY, ROUNDS);
  know_all (rig);
  take_numbers (rig->plain, MANY);
  assert_all_came (rig);

  apply (rig, rig->top_id);
  for (guint i = 0; i < MANY; i++)
    send_number (fd, i + 1);
  g_clear_pointer (&rig->hold, vpnd_split_hold_free);
  g_assert_cmpuint (read_held ().port, ==, 0);
  send_number (fd, 0);
  NETNS_WAIT (take_number (rig->plain, 0));
  assert_nothing (rig->plain);
  rig->hold = vpnd_split_hold_new (on_form, rig);
}

/* The queue is somebody else's: nothing is held for us, who listens goes on, and it is ours when that one has gone. */
static void
test_somebody_else (Rig *rig, gconstpointer data)
{
  g_auto (Descriptor) fd = open_socket_of (rig, UNIT_PLAIN, SOCK_DGRAM);
  Rig other = { 0 };

  other.hold = vpnd_split_hold_new (on_form, &other);
  vpnd_split_hold_set (other.hold, TRUE);
  for (guint i = 0; i < MANY; i++)
    send_number (fd, i);
  wait_rounds (MANY, ROUNDS);
  g_assert_cmpuint (other.answers, ==, 0);
  g_assert_cmpint (vpnd_split_hold_get_form (other.hold), ==, VPND_QUEUE_NONE);
  know_all (rig);
  take_numbers (rig->plain, MANY);
  vpnd_split_hold_set (rig->hold, FALSE);
  start (&other);
  vpnd_split_hold_free (other.hold);
}

/* What goes to loopback waits for its receiver at the processor that has sent it, and in order at that one alone. */
static void
stay_at_one_processor (void)
{
  cpu_set_t set;

  CPU_ZERO (&set);
  CPU_SET (sched_getcpu (), &set);
  g_assert_no_errno (sched_setaffinity (0, sizeof set, &set));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  stay_at_one_processor ();
  g_log_set_writer_func (count_lines, NULL, NULL);
#define ADD(name, func) g_test_add ("/split-hold/" name, Rig, NULL, rig_setup, func, rig_teardown)
  ADD ("many", test_many);
  ADD ("connection", test_connection);
  ADD ("large", test_large);
  ADD ("segments", test_segments);
  ADD ("full", test_full);
  ADD ("full-by-somebody", test_full_by_somebody);
  ADD ("no-room", test_no_room);
  ADD ("lost-messages", test_lost_messages);
  ADD ("stop", test_stop);
  ADD ("somebody-else", test_somebody_else);
#undef ADD
  return g_test_run ();
}
