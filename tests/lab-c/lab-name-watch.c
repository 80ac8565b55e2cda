/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers that the real kernel holds: real rules, real datagrams on loopback of a namespace of their own. The tests never wait for a time to pass to see
 * that nothing happens: they look after something else that comes later has happened.
 */
#include "config.h"

#include "name-watch-queue.h"

#include "dns-message.h"
#include "firewall-nft.h"
#include "net-values.h"
#include "netns.h"
#include "reserved.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOOD 400u
#define LARGE_FIRST 10000
#define LARGE_END 65000
#define LARGE_STEP 500
#define LATE_US (5 * G_USEC_PER_SEC) /* a bound for what takes VPND_NAME_WATCH_HOLD_MS on a quiet machine */

typedef struct
{
  VpndFirewall *firewall;
  VpndNameWatch *watch;
  VpndQueueForm form;
  GArray *known; /* (element-type VpndAddr) (owned): in the set of the rules */
  int server;    /* port 53 */
  int client;
  guint signals;
  guint64 ticket;
  VpndDnsAddress address; /* the first of the last answer */
  char *name;
} Rig;

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &error));
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

/* A set of known addresses, and a chain that holds answers. */
static void
apply (Rig *rig)
{
  g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new (VPND_NFT_TABLE);
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "names", VPND_CHAIN_FILTER, VPND_HOOK_INPUT, 10, VPND_VERDICT_ACCEPT);
  VpndSet *set = vpnd_ruleset_add_set (ruleset, "known", VPND_FIELD_IP_DADDR, TRUE, FALSE);
  gboolean is_applied = FALSE;

  for (guint i = 0; i < rig->known->len; i++)
    vpnd_set_add_addr (set, &g_array_index (rig->known, VpndAddr, i), NULL);
  vpnd_rule_queue (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_SPORT, 53), rig->form, VPND_NAME_QUEUE);
  vpnd_firewall_apply_async (rig->firewall, ruleset, NULL, on_applied, &is_applied);
  while (!is_applied)
    g_main_context_iteration (NULL, TRUE);
}

static void
on_answer (VpndNameWatch *watch, guint64 ticket, const VpndDnsAnswer *answer, gpointer user_data)
{
  Rig *rig = user_data;

  g_assert_cmpuint (ticket, >, rig->ticket);
  g_assert_cmpuint (answer->addresses->len, >, 0);
  rig->ticket = ticket;
  rig->address = g_array_index (answer->addresses, VpndDnsAddress, 0);
  g_free (rig->name);
  rig->name = g_strdup (g_ptr_array_index (answer->names, 0));
  rig->signals++;
}

static int
open_socket (guint16 port)
{
  const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  const int room = 4 * 1024 * 1024;
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), ==, 0);
  g_assert_cmpint (bind (fd, (const struct sockaddr *) &address, sizeof address), ==, 0);
  return fd;
}

static VpndQueueForm
start (VpndNameWatch *watch, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  vpnd_name_watch_start_async (watch, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  return vpnd_name_watch_start_finish (watch, result, error);
}

static void
rig_setup (Rig *rig, gconstpointer data)
{
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  g_autoptr (GError) error = NULL;

  netns_fresh ();
  rig->known = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  rig->firewall = vpnd_firewall_nft_new (&error);
  g_assert_no_error (error);
  rig->watch = vpnd_name_watch_queue_new ();
  g_signal_connect (rig->watch, "answer", G_CALLBACK (on_answer), rig);
  rig->form = start (rig->watch, &error);
  g_assert_no_error (error);
  g_assert_cmpint (rig->form, !=, VPND_QUEUE_NONE);
  rig->server = open_socket (53);
  rig->client = open_socket (0);
  g_assert_cmpint (getsockname (rig->client, (struct sockaddr *) &peer, &size), ==, 0);
  g_assert_cmpint (connect (rig->server, (const struct sockaddr *) &peer, size), ==, 0);
  apply (rig);
}

static void
rig_teardown (Rig *rig, gconstpointer data)
{
  g_clear_object (&rig->watch);
  g_clear_object (&rig->firewall);
  g_array_unref (rig->known);
  g_free (rig->name);
  close (rig->server);
  close (rig->client);
}

static void
send_answer (Rig *rig, const char *name, const char *address)
{
  g_autoptr (DnsMessage) message = dns_message_new (name, DNS_TYPE_A, TRUE);
  const VpndAddr target = addr_of (address);

  dns_message_add_address (message, name, 300, &target);
  g_assert_cmpint (send (rig->server, message->bytes->data, message->bytes->len, 0), ==, (gssize) message->bytes->len);
}

static gboolean
has_arrived (Rig *rig)
{
  char buffer[2048];

  return recv (rig->client, buffer, sizeof buffer, MSG_DONTWAIT) >= 0;
}

static void
wait_signal (Rig *rig, guint count)
{
  NETNS_WAIT (rig->signals >= count);
}

/* Lets the watch work until the datagram is there. */
static void
wait_arrival (Rig *rig)
{
  guint left = NETNS_DEADLINE_MS / NETNS_TICK_MS;
  const guint tick = netns_add_tick (&left);

  while (!has_arrived (rig))
    (void) g_main_context_iteration (NULL, FALSE);
  g_source_remove (tick);
}

static void
test_held_until_released (Rig *rig, gconstpointer data)
{
  const VpndAddr wanted = addr_of ("203.0.113.7");
  const gint64 start_us = g_get_monotonic_time ();

  send_answer (rig, "www.example.test", "203.0.113.7");
  wait_signal (rig, 1);
  g_assert_cmpstr (rig->name, ==, "www.example.test");
  g_assert_true (vpnd_addr_equal (&rig->address.addr, &wanted));
  g_assert_cmpuint (rig->address.ttl_s, ==, 300);
  if (g_get_monotonic_time () - start_us < VPND_NAME_WATCH_HOLD_MS * 1000)
    g_assert_false (has_arrived (rig));
  vpnd_name_watch_release (rig->watch, rig->ticket);
  wait_arrival (rig);
  g_test_message ("held for %" G_GINT64_FORMAT " us", g_get_monotonic_time () - start_us);
}

/* What the rules are changed by must not lose what is held: an address more in a set, and the packet is there still. */
static void
test_survives_a_new_address (Rig *rig, gconstpointer data)
{
  for (guint i = 1; i <= 5; i++)
    {
      g_autofree char *address = g_strdup_printf ("203.0.113.%u", 2 * i);
      g_autofree char *listing = NULL;

      send_answer (rig, "example.test", address);
      wait_signal (rig, i);
      g_array_append_val (rig->known, rig->address.addr);
      apply (rig);
      vpnd_name_watch_release (rig->watch, rig->ticket);
      wait_arrival (rig);
      g_array_remove_index (rig->known, 0); /* some go while others come */
      listing = netns_run ("nft list set inet vpnd known");
      g_assert_nonnull (strstr (listing, address));
    }
}

static void
test_never_longer_than_its_time (Rig *rig, gconstpointer data)
{
  const gint64 start_us = g_get_monotonic_time ();
  gint64 took_us;

  send_answer (rig, "example.test", "203.0.113.7");
  wait_arrival (rig);
  took_us = g_get_monotonic_time () - start_us;
  g_assert_cmpuint (rig->signals, ==, 1);
  g_assert_cmpint (took_us, >=, VPND_NAME_WATCH_HOLD_MS * 1000);
  g_assert_cmpint (took_us, <, LATE_US);
  vpnd_name_watch_release (rig->watch, rig->ticket); /* too late is no error */
  send_answer (rig, "example.test", "203.0.113.8");
  wait_signal (rig, 2);
}

static void
test_what_is_no_answer_goes_at_once (Rig *rig, gconstpointer data)
{
  g_autoptr (DnsMessage) empty = dns_message_new ("example.test", DNS_TYPE_A, TRUE);
  static const guint8 garbage[] = { 0xff, 0, 0xff };

  g_assert_cmpint (send (rig->server, garbage, sizeof garbage, 0), ==, sizeof garbage);
  wait_arrival (rig);
  g_assert_cmpint (send (rig->server, NULL, 0, 0), ==, 0);
  wait_arrival (rig);
  g_assert_cmpint (send (rig->server, empty->bytes->data, empty->bytes->len, 0), ==, (gssize) empty->bytes->len);
  wait_arrival (rig);
  g_assert_cmpuint (rig->signals, ==, 0);
}

/* Around what a netlink message may have, each a little longer than the one before, and more of them than the queue holds: all go on, and none keeps a place. */
static void
test_large_ones_keep_no_place (Rig *rig, gconstpointer data)
{
  g_autofree guint8 *buffer = g_malloc0 (G_MAXUINT16);

  for (gsize size = LARGE_FIRST; size < LARGE_END; size += LARGE_STEP)
    {
      g_assert_cmpint (send (rig->server, buffer, size, 0), ==, (gssize) size);
      wait_arrival (rig);
    }
  g_assert_cmpuint (rig->signals, ==, 0);
  send_answer (rig, "example.test", "203.0.113.7");
  wait_signal (rig, 1);
  vpnd_name_watch_release (rig->watch, rig->ticket);
  wait_arrival (rig);
}

/* With nobody listening the rule lets everything by: the main loop does not run here. */
static void
test_bypass (Rig *rig, gconstpointer data)
{
  struct pollfd wait = { .fd = rig->client, .events = POLLIN };

  vpnd_name_watch_stop (rig->watch);
  send_answer (rig, "example.test", "203.0.113.7");
  g_assert_cmpint (poll (&wait, 1, NETNS_DEADLINE_MS), ==, 1);
  g_assert_true (has_arrived (rig));
  g_assert_cmpuint (rig->signals, ==, 0);
}

/* What is held when the watch stops is let go, not lost. */
static void
test_stop_lets_go (Rig *rig, gconstpointer data)
{
  struct pollfd wait = { .fd = rig->client, .events = POLLIN };

  send_answer (rig, "example.test", "203.0.113.7");
  wait_signal (rig, 1);
  vpnd_name_watch_stop (rig->watch);
  g_assert_cmpint (poll (&wait, 1, NETNS_DEADLINE_MS), ==, 1);
}

/* More than the queue holds: the kernel lets by what has no room, and all arrive. */
static void
test_flood (Rig *rig, gconstpointer data)
{
  const gint64 start_us = g_get_monotonic_time ();
  guint arrived = 0;

  for (guint i = 0; i < FLOOD; i++)
    send_answer (rig, "example.test", "203.0.113.7");
  while (has_arrived (rig))
    arrived++;
  g_assert_cmpuint (arrived, >, 0);
  g_assert_cmpuint (arrived, <, FLOOD);
  for (; arrived < FLOOD; arrived++)
    wait_arrival (rig);
  g_assert_cmpuint (rig->signals, >, 0);
  g_assert_cmpuint (rig->signals, <, FLOOD);
  g_test_message ("%u of %u were seen, all had arrived after %" G_GINT64_FORMAT " us", rig->signals, FLOOD, g_get_monotonic_time () - start_us);
}

static void
test_somebody_else_listens (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndNameWatch) other = vpnd_name_watch_queue_new ();
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (start (other, &error), ==, VPND_QUEUE_NONE);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_cmpint (start (rig->watch, NULL), ==, rig->form); /* twice is no error */
  send_answer (rig, "example.test", "203.0.113.7");
  wait_signal (rig, 1);
  vpnd_name_watch_stop (rig->watch);
  g_clear_error (&error);
  g_assert_cmpint (start (other, &error), ==, rig->form);
  g_assert_no_error (error);
}

static void
test_trial_leaves_nothing (Rig *rig, gconstpointer data)
{
  g_autofree char *tables = netns_run ("nft list tables");

  g_assert_cmpstr (g_strchomp (tables), ==, "table inet vpnd");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/name-watch/" name, Rig, NULL, rig_setup, func, rig_teardown)
  ADD ("held-until-released", test_held_until_released);
  ADD ("survives-a-new-address", test_survives_a_new_address);
  ADD ("never-longer-than-its-time", test_never_longer_than_its_time);
  ADD ("what-is-no-answer-goes-at-once", test_what_is_no_answer_goes_at_once);
  ADD ("large-ones-keep-no-place", test_large_ones_keep_no_place);
  ADD ("bypass", test_bypass);
  ADD ("stop-lets-go", test_stop_lets_go);
  ADD ("flood", test_flood);
  ADD ("somebody-else-listens", test_somebody_else_listens);
  ADD ("trial-leaves-nothing", test_trial_leaves_nothing);
#undef ADD
  return g_test_run ();
}
