/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sockets: which are ended, and the messages that list and end them. The bytes that are expected are written out here as the kernel's
 * headers lay them out.
 */
#include "config.h"

#include "diag-encode.h"
#include "net-values.h"
#include "reserved.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>

/* None, where there is no text. */
static VpndAddr
maybe_addr_of (const char *text)
{
  return text != NULL ? addr_of (text) : (VpndAddr){ AF_UNSPEC };
}

static VpndSocketPlan *
make_plan (const VpndBridge *bridge, gboolean allow_lan)
{
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  g_autoptr (VpndRoutePlan) routes = vpnd_route_plan_new (VPND_IFNAME, 1420);
  const VpndAddr own[] = { addr_of ("10.64.0.2"), addr_of ("fd00:64::2") };
  VpndHop guests = { .ifindex = 9 };

  for (guint i = 0; i < G_N_ELEMENTS (own); i++)
    {
      VpndPrefix prefix = vpnd_prefix_host (&own[i]);

      g_array_append_val (routes->addresses, prefix);
    }
  g_assert_true (vpnd_prefix_parse ("172.17.0.0/16", &guests.prefix));
  g_array_append_val (facts->bridges, guests);
  settings->allow_lan = allow_lan;
  return vpnd_socket_plan_build (routes, bridge, settings, facts, NULL);
}

static void
test_plan (void)
{
  static const struct
  {
    guint8 protocol;
    const char *local;
    guint16 local_port;
    const char *remote;
    guint16 remote_port;
    guint32 mark;
    gboolean ends;        /* with the local network blocked */
    gboolean ends_in_lan; /* with it allowed */
  } cases[] = {
    { IPPROTO_TCP, "192.0.2.2", 40000, "203.0.113.7", 443, 0, TRUE, TRUE },
    { IPPROTO_TCP, "192.168.1.5", 40000, "203.0.113.7", 443, 0, TRUE, TRUE }, /* the own address of a LAN says nothing */
    { IPPROTO_UDP, "2001:db8::5", 40000, "2001:db8:2::7", 443, 0, TRUE, TRUE },
    { IPPROTO_TCP, "192.168.1.5", 40000, "192.168.1.1", 22, 0, TRUE, FALSE },
    { IPPROTO_TCP, "fe80::5", 40000, "fe80::1", 22, 0, TRUE, FALSE },
    { IPPROTO_UDP, "192.168.1.5", 5353, "224.0.0.251", 5353, 0, TRUE, FALSE },
    { IPPROTO_UDP, "fe80::5", 5353, "ff02::fb", 5353, 0, TRUE, FALSE },
    { IPPROTO_TCP, "127.0.0.1", 40000, "127.0.0.1", 631, 0, FALSE, FALSE },
    { IPPROTO_TCP, "::1", 40000, "::1", 631, 0, FALSE, FALSE },
    { IPPROTO_TCP, "192.0.2.2", 40000, "192.0.2.2", 631, 0, FALSE, FALSE },
    { IPPROTO_TCP, "172.17.0.1", 40000, "172.17.0.2", 5432, 0, FALSE, FALSE },
    { IPPROTO_TCP, "10.64.0.2", 40000, "203.0.113.7", 443, 0, FALSE, FALSE },
    { IPPROTO_UDP, "fd00:64::2", 40000, "2001:db8:2::7", 443, 0, FALSE, FALSE },
    { IPPROTO_UDP, "192.0.2.2", 51820, "203.0.113.2", 51820, VPND_MARK_VALUE | 0x1234, FALSE, FALSE },
    { IPPROTO_UDP, "192.0.2.2", 51820, "203.0.113.2", 51820, 0x1234, TRUE, TRUE },
    { IPPROTO_UDP, "192.0.2.2", 68, "192.0.2.1", 67, 0, FALSE, FALSE },
    { IPPROTO_UDP, "fe80::5", 546, "fe80::1", 547, 0, FALSE, FALSE },
    { IPPROTO_TCP, "192.0.2.2", 68, "203.0.113.7", 443, 0, TRUE, TRUE },
    { IPPROTO_UDP, "192.0.2.2", 40000, NULL, 0, 0, FALSE, FALSE },
    { IPPROTO_UDP, NULL, 40000, "203.0.113.7", 0, 0, FALSE, FALSE },
  };
  const VpndBridge none = { 0 };
  g_autoptr (VpndSocketPlan) closed = make_plan (&none, FALSE);
  g_autoptr (VpndSocketPlan) open = make_plan (&none, TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const VpndSocketInfo info = { cases[i].protocol, maybe_addr_of (cases[i].local), cases[i].local_port, maybe_addr_of (cases[i].remote), cases[i].remote_port, cases[i].mark };

      g_test_message ("case %u: %s", i, cases[i].remote != NULL ? cases[i].remote : "no peer");
      g_assert_cmpint (vpnd_socket_plan_ends (closed, &info), ==, cases[i].ends);
      g_assert_cmpint (vpnd_socket_plan_ends (open, &info), ==, cases[i].ends_in_lan);
    }
}

/* The proxy's connection to its bridge goes on; another one to there, or by way of the proxy, does not. */
static void
test_plan_with_bridge (void)
{
  static const struct
  {
    guint8 protocol;
    const char *local;
    const char *remote;
    guint16 remote_port;
    guint32 mark;
    guint32 uid;
    gboolean ends;
  } cases[] = {
    { IPPROTO_TCP, "192.0.2.2", "203.0.113.9", 443, 0, 0, FALSE },
    { IPPROTO_TCP, "192.0.2.2", "203.0.113.9", 443, 0, 1000, TRUE },
    { IPPROTO_TCP, "192.0.2.2", "203.0.113.9", 443, 0, 998, TRUE },
    { IPPROTO_TCP, "192.0.2.2", "203.0.113.9", 443, VPND_MARK_VALUE, 998, FALSE },
    { IPPROTO_TCP, "192.0.2.2", "203.0.113.9", 444, 0, 0, TRUE },
    { IPPROTO_UDP, "192.0.2.2", "203.0.113.9", 443, 0, 0, TRUE },
    { IPPROTO_TCP, "192.0.2.2", "203.0.113.8", 443, 0, 0, TRUE },
    { IPPROTO_TCP, "127.0.0.1", "127.0.0.1", 1080, 0, 1000, TRUE },
    { IPPROTO_UDP, "127.0.0.1", "127.0.0.1", 1080, 0, 0, TRUE },
    { IPPROTO_UDP, "::1", "::1", 1080, 0, 1000, TRUE },
    { IPPROTO_TCP, "192.0.2.2", "192.0.2.2", 1080, 0, 1000, TRUE },
    { IPPROTO_UDP, "127.0.0.1", "127.0.0.1", 1080, VPND_MARK_VALUE, 0, FALSE },
    { IPPROTO_TCP, "127.0.0.1", "127.0.0.1", 1081, 0, 1000, FALSE },
    { IPPROTO_TCP, "172.17.0.1", "172.17.0.2", 1080, 0, 1000, FALSE },
  };
  const VpndBridge bridge = { { { addr_of ("203.0.113.9"), 443 }, IPPROTO_TCP }, 1080, 998 };
  g_autoptr (VpndSocketPlan) plan = make_plan (&bridge, FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const VpndSocketInfo info = { cases[i].protocol, maybe_addr_of (cases[i].local), 40000, maybe_addr_of (cases[i].remote), cases[i].remote_port, cases[i].mark, cases[i].uid };

      g_test_message ("case %u: %s", i, cases[i].remote);
      g_assert_cmpint (vpnd_socket_plan_ends (plan, &info), ==, cases[i].ends);
    }
}

/* At the end: what has one of the tunnel's addresses, of UDP also without a peer; nothing else, and never the transport. */
static void
test_plan_of_an_end (void)
{
  static const struct
  {
    guint8 protocol;
    const char *local;
    const char *remote;
    guint32 mark;
    gboolean ends;
  } cases[] = {
    { IPPROTO_TCP, "fd00:64::2", "2001:db8::9", 0, TRUE },
    { IPPROTO_UDP, "fd00:64::2", "2001:db8::9", 0, TRUE },
    { IPPROTO_UDP, "fd00:64::2", NULL, 0, TRUE },
    { IPPROTO_TCP, "fd00:64::2", NULL, 0, FALSE },
    { IPPROTO_UDP, "fd00:64::2", NULL, VPND_MARK_VALUE, FALSE },
    { IPPROTO_UDP, "2001:db8::2", NULL, 0, FALSE },
    { IPPROTO_UDP, "2001:db8::2", "2001:db8::9", 0, FALSE },
  };
  g_autoptr (GArray) addresses = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  const VpndPrefix own = { addr_of ("fd00:64::2"), 64 };
  g_autoptr (VpndSocketPlan) plan = NULL;

  g_array_append_val (addresses, own);
  plan = vpnd_socket_plan_build_end (addresses);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      VpndSocketInfo info = { .protocol = cases[i].protocol, .local = maybe_addr_of (cases[i].local), .local_port = 40000, .mark = cases[i].mark };

      if (cases[i].remote != NULL)
        {
          info.remote = maybe_addr_of (cases[i].remote);
          info.remote_port = 443;
        }
      g_test_message ("case %u", i);
      g_assert_cmpint (vpnd_socket_plan_ends (plan, &info), ==, cases[i].ends);
    }
}

/* A socket as the kernel lists it: header, message, and one attribute. */
typedef struct
{
  struct nlmsghdr nlh;
  struct inet_diag_msg message;
  struct nlattr attr;
  guint32 mark;
} Listed;

static Listed
make_listed (guint8 family, const char *local, const char *remote, guint32 mark)
{
  Listed listed = { 0 };
  VpndAddr source = maybe_addr_of (local), destination = maybe_addr_of (remote);

  listed.nlh = (struct nlmsghdr){ .nlmsg_len = sizeof listed, .nlmsg_type = SOCK_DIAG_BY_FAMILY };
  listed.message.idiag_family = family;
  listed.message.idiag_uid = 998;
  listed.message.id.idiag_sport = g_htons (40000);
  listed.message.id.idiag_dport = g_htons (443);
  listed.message.id.idiag_if = 7;
  listed.message.id.idiag_cookie[0] = 0x01020304;
  listed.message.id.idiag_cookie[1] = 0x05060708;
  memcpy (listed.message.id.idiag_src, source.bytes, 16);
  memcpy (listed.message.id.idiag_dst, destination.bytes, 16);
  listed.attr = (struct nlattr){ .nla_len = sizeof listed.attr + sizeof mark, .nla_type = INET_DIAG_MARK };
  listed.mark = mark;
  return listed;
}

static void
test_decode (void)
{
  Listed listed = make_listed (AF_INET6, "2001:db8::1", "2001:db8::2", 0x56000007);
  VpndDiagSocket socket;
  VpndAddr expected = addr_of ("2001:db8::2");

  g_assert_true (vpnd_diag_decode_socket (&listed, sizeof listed, IPPROTO_UDP, &socket));
  g_assert_cmpint (socket.family, ==, AF_INET6);
  g_assert_cmpint (socket.info.protocol, ==, IPPROTO_UDP);
  g_assert_true (vpnd_addr_equal (&socket.info.remote, &expected));
  g_assert_cmpuint (socket.info.local_port, ==, 40000);
  g_assert_cmpuint (socket.info.remote_port, ==, 443);
  g_assert_cmphex (socket.info.mark, ==, 0x56000007);
  g_assert_cmpuint (socket.info.uid, ==, 998);
  g_assert_cmpmem (socket.id, sizeof socket.id, &listed.message.id, sizeof listed.message.id);

  /* An IPv6 socket with an IPv4 peer is judged by the IPv4 addresses, and named as what it is. */
  listed = make_listed (AF_INET6, "::ffff:192.0.2.1", "::ffff:127.0.0.1", 0);
  expected = addr_of ("127.0.0.1");
  g_assert_true (vpnd_diag_decode_socket (&listed, sizeof listed, IPPROTO_TCP, &socket));
  g_assert_cmpint (socket.family, ==, AF_INET6);
  g_assert_true (vpnd_addr_equal (&socket.info.remote, &expected));

  listed = make_listed (AF_INET, "0.0.0.0", "192.0.2.9", 0);
  g_assert_true (vpnd_diag_decode_socket (&listed, sizeof listed, IPPROTO_TCP, &socket));
  g_assert_false (vpnd_addr_is_set (&socket.info.local));

  /* Every shorter message is refused or has no attribute; nothing is read behind its end. */
  for (gsize size = 0; size < sizeof listed; size++)
    {
      g_autofree guint8 *copy = g_memdup2 (&listed, size);

      if (size >= sizeof listed.nlh)
        ((struct nlmsghdr *) copy)->nlmsg_len = (guint32) size;
      g_assert_cmpint (vpnd_diag_decode_socket (copy, size, IPPROTO_TCP, &socket), ==, size >= G_STRUCT_OFFSET (Listed, attr));
    }
  listed.message.idiag_family = AF_UNIX;
  g_assert_false (vpnd_diag_decode_socket (&listed, sizeof listed, IPPROTO_TCP, &socket));
  listed.message.idiag_family = AF_INET;
  listed.nlh.nlmsg_type = NLMSG_ERROR;
  g_assert_false (vpnd_diag_decode_socket (&listed, sizeof listed, IPPROTO_TCP, &socket));
}

typedef struct
{
  struct nlmsghdr nlh;
  struct inet_diag_req_v2 request;
} Request;

static void
test_encode (void)
{
  g_autoptr (GBytes) dump = vpnd_diag_encode_dump (AF_INET6, IPPROTO_UDP, FALSE, 77);
  g_autoptr (GBytes) all = vpnd_diag_encode_dump (AF_INET6, IPPROTO_UDP, TRUE, 78);
  g_autoptr (GBytes) tcp = vpnd_diag_encode_dump (AF_INET6, IPPROTO_TCP, TRUE, 79);
  g_autoptr (GByteArray) batch = g_byte_array_new ();
  Listed listed = make_listed (AF_INET, "192.0.2.1", "192.0.2.9", 0);
  VpndDiagSocket socket;
  const Request *request;
  gsize size;

  request = g_bytes_get_data (dump, &size);
  g_assert_cmpuint (size, ==, sizeof *request);
  g_assert_cmpuint (request->nlh.nlmsg_len, ==, size);
  g_assert_cmpint (request->nlh.nlmsg_type, ==, SOCK_DIAG_BY_FAMILY);
  g_assert_cmphex (request->nlh.nlmsg_flags, ==, NLM_F_REQUEST | NLM_F_DUMP);
  g_assert_cmpuint (request->nlh.nlmsg_seq, ==, 77);
  g_assert_cmpint (request->request.sdiag_family, ==, AF_INET6);
  g_assert_cmpint (request->request.sdiag_protocol, ==, IPPROTO_UDP);
  g_assert_true (request->request.idiag_states & (1 << 1));   /* established */
  g_assert_true (request->request.idiag_states & (1 << 2));   /* a SYN was sent */
  g_assert_false (request->request.idiag_states & (1 << 10)); /* listening */
  g_assert_false (request->request.idiag_states & (1 << 7));  /* closed: unconnected UDP */
  request = g_bytes_get_data (all, NULL);
  g_assert_true (request->request.idiag_states & (1 << 7));
  request = g_bytes_get_data (tcp, NULL);
  g_assert_false (request->request.idiag_states & (1 << 7 | 1 << 10));
  g_assert_true (vpnd_diag_decode_socket (&listed, sizeof listed, IPPROTO_TCP, &socket));
  vpnd_diag_append_destroy (batch, &socket, 78);
  vpnd_diag_append_destroy (batch, &socket, 79);
  g_assert_cmpuint (batch->len, ==, 2 * sizeof *request);
  for (guint i = 0; i < 2; i++)
    {
      request = (const Request *) (batch->data + i * sizeof *request);
      g_assert_cmpuint (request->nlh.nlmsg_len, ==, sizeof *request);
      g_assert_cmpint (request->nlh.nlmsg_type, ==, SOCK_DESTROY);
      g_assert_cmphex (request->nlh.nlmsg_flags, ==, NLM_F_REQUEST | NLM_F_ACK);
      g_assert_cmpuint (request->nlh.nlmsg_seq, ==, 78 + i);
      g_assert_cmpint (request->request.sdiag_family, ==, AF_INET);
      g_assert_cmpint (request->request.sdiag_protocol, ==, IPPROTO_TCP);
      g_assert_cmpmem (&request->request.id, sizeof request->request.id, &listed.message.id, sizeof listed.message.id); /* cookie and link, too */
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/diag/plan", test_plan);
  g_test_add_func ("/diag/plan-of-an-end", test_plan_of_an_end);
  g_test_add_func ("/diag/plan-with-bridge", test_plan_with_bridge);
  g_test_add_func ("/diag/decode", test_decode);
  g_test_add_func ("/diag/encode", test_encode);
  return g_test_run ();
}
