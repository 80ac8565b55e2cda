/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * decode (encode (x)) == x for everything the daemon sends by rtnetlink, and refusal of what is not whole.
 */
#include "config.h"

#include "rtnl-decode.h"
#include "rtnl-encode.h"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "reserved.h"

#define ROUNDS 500

static VpndAddr
random_addr (int family)
{
  guint8 bytes[16];

  for (gsize i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) g_test_rand_int_range (0, 256);
  return vpnd_addr_from_bytes (family, bytes);
}

static int
random_family (void)
{
  return g_test_rand_bit () ? AF_INET : AF_INET6;
}

static VpndPrefix
random_prefix (int family)
{
  return (VpndPrefix){ .addr = random_addr (family), .length = (guint8) g_test_rand_int_range (0, family == AF_INET ? 33 : 129) };
}

static guint32
random_u32_or_0 (void)
{
  return g_test_rand_bit () ? 0 : (guint32) g_test_rand_int ();
}

static void
assert_header (const GByteArray *message, guint16 type, guint16 flags, guint32 seq)
{
  const struct nlmsghdr *header = (const struct nlmsghdr *) message->data;

  g_assert_cmpuint (message->len % NLMSG_ALIGNTO, ==, 0);
  g_assert_cmpuint (header->nlmsg_len, ==, message->len);
  g_assert_cmpuint (header->nlmsg_type, ==, type);
  g_assert_cmphex (header->nlmsg_flags, ==, NLM_F_REQUEST | flags);
  g_assert_cmpuint (header->nlmsg_seq, ==, seq);
}

static void
test_routes (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (GByteArray) add = g_byte_array_new ();
      g_autoptr (GByteArray) delete = g_byte_array_new ();
      g_autoptr (GByteArray) echo = g_byte_array_new ();
      g_auto (VpndRtnlRoute) back = { 0 };
      g_auto (VpndRtnlRoute) gone = { 0 };
      VpndPrefix destination = random_prefix (random_family ());
      VpndRoute route = { .destination = vpnd_prefix_masked (&destination), .table = (guint32) g_test_rand_int (), .metric = random_u32_or_0 (), .mtu = random_u32_or_0 () };
      guint ifindex = (guint) g_test_rand_int_range (1, G_MAXINT);
      const VpndRtnlNextHop *hop;

      if (g_test_rand_bit ())
        route.gateway = random_addr (random_family ()); /* also of the other family */
      vpnd_rtnl_encode_route_add (add, 7, NLM_F_ACK, ifindex, &route);
      vpnd_rtnl_encode_route_delete (delete, 8, 0, ifindex, &route);
      assert_header (add, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, 7);
      assert_header (delete, RTM_DELROUTE, 0, 8);

      g_assert_true (vpnd_rtnl_decode_route (add->data, add->len, &back));
      g_assert_false (back.is_gone);
      g_assert_true (vpnd_prefix_equal (&back.destination, &route.destination));
      g_assert_cmpuint (back.table, ==, route.table);
      g_assert_cmpuint (back.metric, ==, route.metric);
      g_assert_cmpuint (back.mtu, ==, route.mtu);
      g_assert_cmpuint (back.protocol, ==, VPND_RTPROT);
      g_assert_cmpuint (back.type, ==, RTN_UNICAST);
      g_assert_cmpuint (back.hops->len, ==, 1);
      hop = &g_array_index (back.hops, VpndRtnlNextHop, 0);
      g_assert_cmpuint (hop->ifindex, ==, ifindex);
      g_assert_true (vpnd_addr_equal (&hop->gateway, &route.gateway));

      g_assert_true (vpnd_rtnl_decode_route (delete->data, delete->len, &gone));
      g_assert_true (gone.is_gone);
      /* Without a metric the kernel deletes a route of IPv6 of any metric. */
      g_assert_cmpuint (gone.metric, ==, route.metric == 0 && destination.addr.family == AF_INET6 ? VPND_ROUTE_METRIC_DEFAULT6 : route.metric);
      g_assert_true (vpnd_rtnl_encode_delete_of (echo, 8, 0, add->data, add->len));
      if (gone.metric == route.metric)
        g_assert_cmpmem (echo->data, echo->len, delete->data, delete->len);
    }
}

static void
test_rules (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (GByteArray) add = g_byte_array_new ();
      g_autoptr (GByteArray) delete = g_byte_array_new ();
      g_autoptr (GByteArray) echo = g_byte_array_new ();
      VpndRtnlRule back, gone;
      VpndRouteRule rule = { .family = random_family (), .priority = (guint32) g_test_rand_int (), .table = (guint32) g_test_rand_int (), .suppress_prefixlength = g_test_rand_int_range (-1, 129) };

      if (g_test_rand_bit ())
        {
          rule.fwmask = (guint32) g_test_rand_int () | 1;
          rule.fwmark = (guint32) g_test_rand_int () & rule.fwmask;
        }
      vpnd_rtnl_encode_rule_add (add, 1, 0, &rule);
      vpnd_rtnl_encode_rule_delete (delete, 2, NLM_F_ACK, &rule);
      assert_header (add, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, 1);
      assert_header (delete, RTM_DELRULE, NLM_F_ACK, 2);
      g_assert_true (vpnd_rtnl_decode_rule (add->data, add->len, &back));
      g_assert_cmpint (vpnd_route_rule_compare (&back.rule, &rule), ==, 0);
      g_assert_cmpuint (back.protocol, ==, VPND_RTPROT);
      g_assert_cmpuint (back.action, ==, FR_ACT_TO_TBL);
      g_assert_false (back.has_other_selectors);
      g_assert_false (back.is_gone);
      g_assert_true (vpnd_rtnl_decode_rule (delete->data, delete->len, &gone));
      g_assert_true (gone.is_gone);
      g_assert_true (vpnd_rtnl_encode_delete_of (echo, 2, NLM_F_ACK, add->data, add->len));
      g_assert_cmpmem (echo->data, echo->len, delete->data, delete->len);
    }
}

static void
test_addresses (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (GByteArray) add = g_byte_array_new ();
      g_autoptr (GByteArray) delete = g_byte_array_new ();
      VpndRtnlAddress back, gone;
      VpndPrefix address = random_prefix (random_family ());
      guint ifindex = (guint) g_test_rand_int_range (1, G_MAXINT);

      vpnd_rtnl_encode_address_add (add, 1, 0, ifindex, &address);
      vpnd_rtnl_encode_address_delete (delete, 2, 0, ifindex, &address);
      assert_header (add, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, 1);
      assert_header (delete, RTM_DELADDR, 0, 2);
      g_assert_true (vpnd_rtnl_decode_address (add->data, add->len, &back));
      g_assert_true (vpnd_prefix_equal (&back.address, &address));
      g_assert_cmpuint (back.ifindex, ==, ifindex);
      g_assert_false (vpnd_addr_is_set (&back.peer));
      g_assert_cmphex (back.flags, ==, IFA_F_NOPREFIXROUTE | (address.addr.family == AF_INET6 ? IFA_F_NODAD : 0));
      g_assert_true (vpnd_rtnl_decode_address (delete->data, delete->len, &gone));
      g_assert_true (gone.is_gone);
    }
}

static void
test_links (void)
{
  g_autoptr (GByteArray) add = g_byte_array_new ();
  g_autoptr (GByteArray) set = g_byte_array_new ();
  g_autoptr (GByteArray) delete = g_byte_array_new ();
  g_autoptr (GByteArray) get = g_byte_array_new ();
  VpndRtnlLink link;

  vpnd_rtnl_encode_link_add (add, 1, 0, "vpnd0", "wireguard", 1420);
  assert_header (add, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 1);
  g_assert_true (vpnd_rtnl_decode_link (add->data, add->len, &link));
  g_assert_cmpstr (link.name, ==, "vpnd0");
  g_assert_cmpstr (link.kind, ==, "wireguard");
  g_assert_cmpuint (link.mtu, ==, 1420);
  g_assert_cmphex (link.flags, ==, 0);

  vpnd_rtnl_encode_link_set (set, 2, NLM_F_ACK, 9, 1380, TRUE);
  assert_header (set, RTM_NEWLINK, NLM_F_ACK, 2);
  g_assert_true (vpnd_rtnl_decode_link (set->data, set->len, &link));
  g_assert_cmpuint (link.ifindex, ==, 9);
  g_assert_cmpuint (link.mtu, ==, 1380);
  g_assert_cmphex (link.flags, ==, IFF_UP);

  vpnd_rtnl_encode_link_delete (delete, 3, 0, 9);
  assert_header (delete, RTM_DELLINK, 0, 3);
  g_assert_true (vpnd_rtnl_decode_link (delete->data, delete->len, &link));
  g_assert_true (link.is_gone);

  vpnd_rtnl_encode_link_get (get, 4, 0, "vpnd0");
  assert_header (get, RTM_GETLINK, 0, 4);
  g_assert_false (vpnd_rtnl_decode_link (get->data, get->len, &link)); /* a question is no link */
}

static void
test_dumps (void)
{
  g_autoptr (GByteArray) links = g_byte_array_new ();
  g_autoptr (GByteArray) addresses = g_byte_array_new ();
  g_autoptr (GByteArray) routes = g_byte_array_new ();
  g_autoptr (GByteArray) rules = g_byte_array_new ();

  vpnd_rtnl_encode_dump_links (links, 1);
  vpnd_rtnl_encode_dump_addresses (addresses, 2, AF_UNSPEC);
  vpnd_rtnl_encode_dump_routes (routes, 3, AF_INET6, VPND_TABLE_LOCAL);
  vpnd_rtnl_encode_dump_rules (rules, 4, AF_INET);
  assert_header (links, RTM_GETLINK, NLM_F_DUMP, 1);
  assert_header (addresses, RTM_GETADDR, NLM_F_DUMP, 2);
  assert_header (routes, RTM_GETROUTE, NLM_F_DUMP, 3);
  assert_header (rules, RTM_GETRULE, NLM_F_DUMP, 4);
}

/* Every proper beginning of a message is refused, and no output is written. */
static void
test_truncation (void)
{
  g_autoptr (GByteArray) whole = g_byte_array_new ();
  VpndRoute route = { .table = 22096, .mtu = 1400 };
  VpndRtnlRoute untouched = { .table = 77 };

  g_assert_true (vpnd_prefix_parse ("2001:db8::/48", &route.destination));
  vpnd_rtnl_encode_route_add (whole, 1, 0, 3, &route);
  for (guint length = 0; length < whole->len; length++)
    {
      g_autofree guint8 *part = g_memdup2 (whole->data, length);

      g_assert_false (vpnd_rtnl_decode_route (part, length, &untouched));
      g_assert_cmpuint (untouched.table, ==, 77);
      g_assert_null (untouched.hops);
    }
}

/* An attribute of a wrong size must not be half believed. */
static void
test_wrong_sizes (void)
{
  static const guint8 octets[16] = { 10 };
  static const guint16 types[] = { RTA_DST, RTA_GATEWAY, RTA_TABLE, RTA_OIF, RTA_VIA, RTA_MULTIPATH };

  for (gsize t = 0; t < G_N_ELEMENTS (types); t++)
    {
      struct
      {
        struct nlmsghdr header;
        struct rtmsg body;
        struct nlattr attr;
        guint8 payload[4];
      } message = { .header = { .nlmsg_type = RTM_NEWROUTE }, .body = { .rtm_family = AF_INET }, .attr = { .nla_type = types[t], .nla_len = NLA_HDRLEN + 3 } };
      g_auto (VpndRtnlRoute) route = { 0 };

      message.header.nlmsg_len = sizeof message;
      memcpy (message.payload, octets, sizeof message.payload);
      if (types[t] != RTA_MULTIPATH) /* three bytes hold no next hop: an empty list */
        g_assert_false (vpnd_rtnl_decode_route (&message, sizeof message, &route));
      else
        g_assert_true (vpnd_rtnl_decode_route (&message, sizeof message, &route));
    }
}

/* A port that leaves a bridge is announced as RTM_DELLINK in family AF_BRIDGE: the link itself is still there. */
static void
test_bridge_family_is_no_link (void)
{
  struct
  {
    struct nlmsghdr header;
    struct ifinfomsg body;
  } message = { .header = { .nlmsg_len = sizeof message, .nlmsg_type = RTM_DELLINK }, .body = { .ifi_family = AF_BRIDGE, .ifi_index = 3 } };
  VpndRtnlLink link;

  g_assert_false (vpnd_rtnl_decode_link (&message, sizeof message, &link));
  message.body.ifi_family = AF_UNSPEC;
  g_assert_true (vpnd_rtnl_decode_link (&message, sizeof message, &link));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtnl-codec/routes", test_routes);
  g_test_add_func ("/rtnl-codec/rules", test_rules);
  g_test_add_func ("/rtnl-codec/addresses", test_addresses);
  g_test_add_func ("/rtnl-codec/links", test_links);
  g_test_add_func ("/rtnl-codec/dumps", test_dumps);
  g_test_add_func ("/rtnl-codec/truncation", test_truncation);
  g_test_add_func ("/rtnl-codec/wrong-sizes", test_wrong_sizes);
  g_test_add_func ("/rtnl-codec/bridge-family-is-no-link", test_bridge_family_is_no_link);
  return g_test_run ();
}
