/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Netlink messages that are cut short, or of a type that nobody knows, and questions that are refused: told once, and everything goes on. The kernel is the real one, and what it
 * says is damaged between it and us: this program's recvmsg () stands before that of the C library.
 */
#include "config.h"

#include "facts-rtnl.h"
#include "netns.h"
#include "reserved.h"
#include "route-watch.h"
#include "rtnl-encode.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TYPE_OF_NOBODY 1000
#define ROUNDS 5

typedef enum
{
  DAMAGE_NONE,
  DAMAGE_CUT,     /* the last bytes are missing */
  DAMAGE_UNKNOWN, /* each message is of a type that nobody knows */
  DAMAGE_REFUSED, /* each message is an error */
} Damage;

/* recvmsg () and the log have no user data. */
static struct
{
  Damage answers;
  Damage notifications;
  guint damaged;
  guint told;
  guint told_blind;
  guint told_sighted;
} world;

static gboolean
is_notification (struct msghdr *header)
{
  for (struct cmsghdr *control = CMSG_FIRSTHDR (header); control != NULL; control = CMSG_NXTHDR (header, control))
    {
      struct nl_pktinfo info;

      if (control->cmsg_level != SOL_NETLINK || control->cmsg_type != NETLINK_PKTINFO)
        continue;
      memcpy (&info, CMSG_DATA (control), sizeof info);
      return info.group != 0;
    }
  return FALSE;
}

/* What comes behind the first one answers no question that is still open. */
static void
refuse (guint8 *bytes, ssize_t size)
{
  const int error = -ENOMEM;
  struct nlmsghdr header;

  g_assert_cmpint (size, >=, NLMSG_LENGTH (sizeof error)); /* the end of a list has as much */
  memcpy (&header, bytes, sizeof header);
  header.nlmsg_type = NLMSG_ERROR;
  memcpy (bytes, &header, sizeof header);
  memcpy (bytes + sizeof header, &error, sizeof error);
}

static ssize_t
damage (Damage how, guint8 *bytes, ssize_t size)
{
  if (how == DAMAGE_NONE)
    return size;
  world.damaged++;
  if (how == DAMAGE_CUT)
    return size - 2;
  if (how == DAMAGE_REFUSED)
    {
      refuse (bytes, size);
      return size;
    }
  for (ssize_t at = 0; at + (ssize_t) sizeof (struct nlmsghdr) <= size;)
    {
      struct nlmsghdr header;

      memcpy (&header, bytes + at, sizeof header);
      if (header.nlmsg_type >= NLMSG_MIN_TYPE)
        header.nlmsg_type = TYPE_OF_NOBODY;
      memcpy (bytes + at, &header, sizeof header);
      at += NLMSG_ALIGN (header.nlmsg_len);
    }
  return size;
}

ssize_t
recvmsg (int fd, struct msghdr *header, int flags)
{
  ssize_t size = syscall (SYS_recvmsg, fd, header, flags);
  int domain = 0;
  socklen_t length = sizeof domain;

  if (size <= 0 || getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 || domain != AF_NETLINK || (gsize) size > header->msg_iov->iov_len)
    return size;
  return damage (is_notification (header) ? world.notifications : world.answers, header->msg_iov->iov_base, size);
}

static GLogWriterOutput
count_lines (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      {
        world.told += strstr (fields[i].value, "does not understand") != NULL;
        world.told_blind += strstr (fields[i].value, "cannot be read") != NULL;
        world.told_sighted += strstr (fields[i].value, "can be read again") != NULL;
      }
  return (level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) != 0 ? g_log_writer_default (level, fields, n_fields, user_data) : G_LOG_WRITER_HANDLED;
}

static void
begin (void)
{
  netns_fresh ();
  memset (&world, 0, sizeof world);
}

static VpndNlSocket *
new_socket (void)
{
  g_autoptr (GError) error = NULL;
  VpndNlSocket *sock = vpnd_nl_socket_new (NETLINK_ROUTE, &error);

  g_assert_no_error (error);
  return sock;
}

static VpndNlReply *
dump_links (VpndNlSocket *sock)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) messages = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  VpndNlReply *reply;

  vpnd_rtnl_encode_dump_links (bytes, vpnd_nl_socket_next_seq (sock, 1));
  messages = g_bytes_new (bytes->data, bytes->len);
  vpnd_nl_socket_transact_async (sock, messages, NETNS_DEADLINE_MS, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  reply = vpnd_nl_socket_transact_finish (sock, result, &error);
  g_assert_no_error (error);
  return reply;
}

/* Whoever asked learns that something is missing, at once and each time. */
static void
test_answers_cut_short (void)
{
  g_autoptr (VpndNlSocket) sock = NULL;
  g_autoptr (VpndNlReply) whole = NULL;

  begin ();
  sock = new_socket ();
  world.answers = DAMAGE_CUT;
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (VpndNlReply) reply = dump_links (sock);

      g_assert_true (reply->overrun);
    }
  g_assert_cmpuint (world.damaged, >=, ROUNDS);
  g_assert_cmpuint (world.told, ==, 1);

  world.answers = DAMAGE_NONE;
  whole = dump_links (sock);
  g_assert_false (whole->overrun);
  g_assert_cmpuint (whole->messages->len, ==, 1);
}

static void
start (VpndFactsSource *source)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  vpnd_facts_source_start_async (source, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  vpnd_facts_source_start_finish (source, result, &error);
  g_assert_no_error (error);
}

static gboolean
says_online (VpndFactsSource *source)
{
  g_autoptr (VpndFacts) facts = vpnd_facts_source_get (source);

  return facts->default4.present;
}

static void
wait_online (VpndFactsSource *source, gboolean is_online)
{
  NETNS_WAIT (says_online (source) == is_online);
}

/* What was damaged says at least that something happened: everything is read, and the picture is right. */
static void
test_facts_from_damaged_notifications (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndFactsSource) source = NULL;

  begin ();
  netns_add_link ("eth0");
  NETNS_DO ("ip addr add 192.0.2.2/24 dev eth0");
  source = vpnd_facts_rtnl_new (VPND_IFNAME, &error);
  g_assert_no_error (error);
  start (source);
  world.notifications = (Damage) GPOINTER_TO_INT (data);
  for (guint i = 0; i < ROUNDS; i++)
    {
      NETNS_DO ("ip route add default via 192.0.2.1 dev eth0");
      wait_online (source, TRUE);
      NETNS_DO ("ip route del default");
      wait_online (source, FALSE);
    }
  g_assert_cmpuint (world.damaged, >=, 2 * ROUNDS);
  g_assert_cmpuint (world.told, ==, 1);
}

/* In a network of its own, with a way out. */
static VpndFactsSource *
new_online_source (void)
{
  g_autoptr (GError) error = NULL;
  VpndFactsSource *source;

  begin ();
  netns_add_link ("eth0");
  NETNS_DO ("ip addr add 192.0.2.2/24 dev eth0");
  NETNS_DO ("ip route add default via 192.0.2.1 dev eth0");
  source = vpnd_facts_rtnl_new (VPND_IFNAME, &error);
  g_assert_no_error (error);
  start (source);
  wait_online (source, TRUE);
  return source;
}

/* A list with entries that nobody understands is a list of the others; when they can be understood again, so is the network. */
static void
test_facts_from_damaged_answers (gconstpointer data)
{
  g_autoptr (VpndFactsSource) source = new_online_source ();

  world.answers = (Damage) GPOINTER_TO_INT (data);
  for (guint i = 0; i < ROUNDS; i++)
    {
      guint before = world.damaged;

      NETNS_DO ("ip addr add 192.0.2.%u/24 dev eth0", 10 + i);
      while (world.damaged < before + 6) /* one list of each kind */
        g_main_context_iteration (NULL, TRUE);
    }
  g_assert_cmpuint (world.told, ==, 1);
  world.answers = DAMAGE_NONE;
  NETNS_DO ("ip addr add 192.0.2.100/24 dev eth0");
  wait_online (source, TRUE);
}

/* Without an answer what was known holds, and it is asked again; somebody who reads the journal learns of it once, and of its end. */
static void
test_facts_from_refused_answers (void)
{
  const GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  g_autoptr (VpndFactsSource) source = new_online_source ();

  for (guint i = 1; i <= 2; i++)
    {
      guint before = world.damaged;

      world.answers = DAMAGE_REFUSED;
      NETNS_DO ("ip route del default");
      while (world.damaged < before + 2) /* refused, and again when it has waited */
        g_main_context_iteration (NULL, TRUE);
      g_assert_true (says_online (source));
      g_assert_cmpuint (world.told_blind, ==, i);
      g_assert_cmpuint (world.told_sighted, ==, i - 1);
      world.answers = DAMAGE_NONE;
      wait_online (source, FALSE);
      g_assert_cmpuint (world.told_sighted, ==, i);
      NETNS_DO ("ip route add default via 192.0.2.1 dev eth0");
      wait_online (source, TRUE);
    }
  g_assert_cmpuint (world.told_blind, ==, 2);
  g_log_set_always_fatal (fatal);
}

static void
on_missing (const char *what, gpointer user_data)
{
  g_assert_cmpstr (what, ==, "1 MTU");
  (*(guint *) user_data)++;
}

/* A change of our link that cannot be read is looked at, by one watch after the other. */
static void
test_watch_of_damaged_notifications (gconstpointer data)
{
  g_autoptr (VpndNlSocket) questions = NULL;
  g_autoptr (VpndRoutePlan) plan = vpnd_route_plan_new (VPND_IFNAME, 1500);
  guint found = 0;

  begin ();
  netns_add_link (VPND_IFNAME);
  questions = new_socket ();
  world.notifications = (Damage) GPOINTER_TO_INT (data);
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndRouteWatch) watch = vpnd_route_watch_new (questions, plan, on_missing, &found, &error);

      g_assert_no_error (error);
      while (g_main_context_iteration (NULL, FALSE)) /* the first look, which finds nothing missing */
        ;
      g_assert_cmpuint (found, ==, i);
      NETNS_DO ("ip link set " VPND_IFNAME " mtu 1400");
      NETNS_WAIT (found != i);
      vpnd_route_watch_stop (watch);
      NETNS_DO ("ip link set " VPND_IFNAME " mtu 1500");
    }
  g_assert_cmpuint (world.damaged, >=, ROUNDS);
  if (world.notifications == DAMAGE_UNKNOWN)
    g_assert_cmpuint (world.told, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_lines, NULL, NULL);
  g_test_add_func ("/unreadable/answers-cut-short", test_answers_cut_short);
  g_test_add_data_func ("/unreadable/facts/notifications-cut-short", GINT_TO_POINTER (DAMAGE_CUT), test_facts_from_damaged_notifications);
  g_test_add_data_func ("/unreadable/facts/notifications-of-nobody", GINT_TO_POINTER (DAMAGE_UNKNOWN), test_facts_from_damaged_notifications);
  g_test_add_data_func ("/unreadable/facts/answers-cut-short", GINT_TO_POINTER (DAMAGE_CUT), test_facts_from_damaged_answers);
  g_test_add_data_func ("/unreadable/facts/answers-of-nobody", GINT_TO_POINTER (DAMAGE_UNKNOWN), test_facts_from_damaged_answers);
  g_test_add_func ("/unreadable/facts/answers-refused", test_facts_from_refused_answers);
  g_test_add_data_func ("/unreadable/watch/notifications-cut-short", GINT_TO_POINTER (DAMAGE_CUT), test_watch_of_damaged_notifications);
  g_test_add_data_func ("/unreadable/watch/notifications-of-nobody", GINT_TO_POINTER (DAMAGE_UNKNOWN), test_watch_of_damaged_notifications);
  return g_test_run ();
}
