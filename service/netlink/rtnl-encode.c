/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The encoder of netlink/rtnl-encode.h. Formats: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/fib_rules.h.
 */
#include "config.h"

#include "rtnl-encode.h"

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "reserved.h"

#define MESSAGE_MAX_BYTES 512 /* the largest, a link with name, kind and MTU, takes less than 128 */

typedef union
{
  struct nlmsghdr header; /* for its alignment */
  char bytes[MESSAGE_MAX_BYTES];
} Message;

static void *
begin (Message *message, guint16 type, guint16 flags, guint32 seq, gsize extra_size)
{
  struct nlmsghdr *header = mnl_nlmsg_put_header (message->bytes);

  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | flags;
  header->nlmsg_seq = seq;
  return mnl_nlmsg_put_extra_header (header, extra_size);
}

static void
finish (GByteArray *out, const Message *message)
{
  g_assert (message->header.nlmsg_len <= sizeof message->bytes);
  g_byte_array_append (out, (const guint8 *) message->bytes, message->header.nlmsg_len);
}

static void
put_addr (Message *message, guint16 type, const VpndAddr *addr)
{
  mnl_attr_put (&message->header, type, vpnd_addr_size (addr), addr->bytes);
}

static void
put_ifname (Message *message, const char *ifname)
{
  mnl_attr_put_strz (&message->header, IFLA_IFNAME, ifname);
}

/**
 * vpnd_rtnl_encode_link_add:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header, usually 0 or NLM_F_ACK
 * @ifname: name of the new link, at most 15 bytes
 * @kind: kind of the link, e.g. "wireguard"
 * @mtu: its MTU in bytes, 0 for the driver's default
 *
 * Appends RTM_NEWLINK that makes a link, down. The kernel answers EEXIST when the name is taken and EOPNOTSUPP when it does not
 * know the kind.
 */
void
vpnd_rtnl_encode_link_add (GByteArray *out, guint32 seq, guint16 flags, const char *ifname, const char *kind, guint32 mtu)
{
  Message message = { 0 };
  struct nlattr *info;

  g_return_if_fail (strlen (ifname) < IFNAMSIZ && strlen (kind) < IFNAMSIZ);

  begin (&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | flags, seq, sizeof (struct ifinfomsg));
  put_ifname (&message, ifname);
  if (mtu != 0)
    mnl_attr_put_u32 (&message.header, IFLA_MTU, mtu);
  info = mnl_attr_nest_start (&message.header, IFLA_LINKINFO);
  mnl_attr_put_strz (&message.header, IFLA_INFO_KIND, kind);
  mnl_attr_nest_end (&message.header, info);
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_link_set:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifindex: the link
 * @mtu: new MTU in bytes, 0 to leave it
 * @up: TRUE to set the link up, and into our group, FALSE to leave it
 *
 * Appends RTM_NEWLINK that changes an existing link.
 */
void
vpnd_rtnl_encode_link_set (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, guint32 mtu, gboolean up)
{
  Message message = { 0 };
  struct ifinfomsg *info = begin (&message, RTM_NEWLINK, flags, seq, sizeof *info);

  info->ifi_index = (int) ifindex;
  if (up)
    info->ifi_flags = info->ifi_change = IFF_UP;
  if (mtu != 0)
    mnl_attr_put_u32 (&message.header, IFLA_MTU, mtu);
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_link_no_link_local:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifindex: the link
 *
 * Appends RTM_NEWLINK that keeps the kernel from giving the link an IPv6 link-local address (and with it a route in table main) when it
 * comes up, as WireGuard's own driver does and a tun device does not. The kernel answers EAFNOSUPPORT when the link has no IPv6.
 */
void
vpnd_rtnl_encode_link_no_link_local (GByteArray *out, guint32 seq, guint16 flags, guint ifindex)
{
  Message message = { 0 };
  struct ifinfomsg *info = begin (&message, RTM_NEWLINK, flags, seq, sizeof *info);
  struct nlattr *spec, *inet6;

  info->ifi_index = (int) ifindex;
  spec = mnl_attr_nest_start (&message.header, IFLA_AF_SPEC);
  inet6 = mnl_attr_nest_start (&message.header, AF_INET6);
  mnl_attr_put_u8 (&message.header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end (&message.header, inet6);
  mnl_attr_nest_end (&message.header, spec);
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_link_delete:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifindex: the link, never 0
 *
 * Appends RTM_DELLINK. The kernel answers ENODEV when the link is gone.
 */
void
vpnd_rtnl_encode_link_delete (GByteArray *out, guint32 seq, guint16 flags, guint ifindex)
{
  Message message = { 0 };
  struct ifinfomsg *info = begin (&message, RTM_DELLINK, flags, seq, sizeof *info);

  g_return_if_fail (ifindex != 0);

  info->ifi_index = (int) ifindex;
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_link_get:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifname: name of the link, at most 15 bytes
 *
 * Appends RTM_GETLINK for one link. The kernel answers RTM_NEWLINK, or ENODEV when there is none of that name.
 */
void
vpnd_rtnl_encode_link_get (GByteArray *out, guint32 seq, guint16 flags, const char *ifname)
{
  Message message = { 0 };

  g_return_if_fail (strlen (ifname) < IFNAMSIZ);

  begin (&message, RTM_GETLINK, flags, seq, sizeof (struct ifinfomsg));
  put_ifname (&message, ifname);
  mnl_attr_put_u32 (&message.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  finish (out, &message);
}

/* IFA_F_NOPREFIXROUTE: the connected network would otherwise become a route in table main, which is not ours.
 * IFA_F_NODAD: nobody else can have the address inside the tunnel, and a tentative address cannot send. */
static void
encode_address (GByteArray *out, guint16 type, guint32 seq, guint16 flags, guint ifindex, const VpndPrefix *address)
{
  Message message = { 0 };
  struct ifaddrmsg *info = begin (&message, type, flags, seq, sizeof *info);

  info->ifa_family = address->addr.family;
  info->ifa_prefixlen = address->length;
  info->ifa_scope = RT_SCOPE_UNIVERSE;
  info->ifa_index = ifindex;
  put_addr (&message, IFA_LOCAL, &address->addr);
  put_addr (&message, IFA_ADDRESS, &address->addr);
  if (type == RTM_NEWADDR)
    mnl_attr_put_u32 (&message.header, IFA_FLAGS, IFA_F_NOPREFIXROUTE | (address->addr.family == AF_INET6 ? IFA_F_NODAD : 0));
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_address_add:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifindex: the link
 * @address: the address with its prefix length
 *
 * Appends RTM_NEWADDR for an address that makes no route in table main and (IPv6) is usable at once. The kernel answers EEXIST when the
 * link has it.
 */
void
vpnd_rtnl_encode_address_add (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndPrefix *address)
{
  encode_address (out, RTM_NEWADDR, seq, NLM_F_CREATE | NLM_F_EXCL | flags, ifindex, address);
}

/**
 * vpnd_rtnl_encode_address_delete:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifindex: the link
 * @address: the address with its prefix length
 *
 * Appends RTM_DELADDR. The kernel answers EADDRNOTAVAIL when the link has no such address.
 */
void
vpnd_rtnl_encode_address_delete (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndPrefix *address)
{
  encode_address (out, RTM_DELADDR, seq, flags, ifindex, address);
}

static void
put_gateway (Message *message, int family, const VpndAddr *gateway)
{
  guint8 via[sizeof (struct rtvia) + sizeof gateway->bytes] = { 0 };
  struct rtvia head = { .rtvia_family = gateway->family };
  gsize size = vpnd_addr_size (gateway);

  if (gateway->family == family)
    {
      put_addr (message, RTA_GATEWAY, gateway);
      return;
    }
  memcpy (via, &head, offsetof (struct rtvia, rtvia_addr));
  memcpy (via + offsetof (struct rtvia, rtvia_addr), gateway->bytes, size);
  mnl_attr_put (&message->header, RTA_VIA, offsetof (struct rtvia, rtvia_addr) + size, via);
}

static void
encode_route (GByteArray *out, guint16 type, guint32 seq, guint16 flags, guint ifindex, const VpndRoute *route)
{
  Message message = { 0 };
  struct rtmsg *info = begin (&message, type, flags, seq, sizeof *info);
  gboolean has_gateway = vpnd_addr_is_set (&route->gateway);
  guint32 metric = route->metric;

  info->rtm_family = route->destination.addr.family;
  info->rtm_dst_len = route->destination.length;
  info->rtm_table = route->table < 256 ? route->table : RT_TABLE_UNSPEC;
  info->rtm_protocol = VPND_RTPROT;
  info->rtm_type = RTN_UNICAST;
  /* IPv6 has no scopes: the kernel reports universe for every route. */
  info->rtm_scope = info->rtm_family == AF_INET && !has_gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  mnl_attr_put_u32 (&message.header, RTA_TABLE, route->table);
  if (route->destination.length > 0)
    put_addr (&message, RTA_DST, &route->destination.addr);
  mnl_attr_put_u32 (&message.header, RTA_OIF, ifindex);
  if (has_gateway)
    put_gateway (&message, info->rtm_family, &route->gateway);
  if (metric == 0 && type == RTM_DELROUTE && info->rtm_family == AF_INET6)
    metric = VPND_ROUTE_METRIC_DEFAULT6; /* none would mean any */
  if (metric != 0)
    mnl_attr_put_u32 (&message.header, RTA_PRIORITY, metric);
  if (route->mtu != 0)
    {
      struct nlattr *metrics = mnl_attr_nest_start (&message.header, RTA_METRICS);

      mnl_attr_put_u32 (&message.header, RTAX_MTU, route->mtu);
      mnl_attr_nest_end (&message.header, metrics);
    }
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_route_add:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifindex: index of the link that @route names
 * @route: the route
 *
 * Appends RTM_NEWROUTE. A route with the same table, destination and metric is replaced, so that a changed link or gateway leaves no
 * moment without a route.
 */
void
vpnd_rtnl_encode_route_add (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndRoute *route)
{
  encode_route (out, RTM_NEWROUTE, seq, NLM_F_CREATE | NLM_F_REPLACE | flags, ifindex, route);
}

/**
 * vpnd_rtnl_encode_route_delete:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @ifindex: index of the link that @route names
 * @route: the route
 *
 * Appends RTM_DELROUTE. The kernel answers ESRCH when there is no such route.
 */
void
vpnd_rtnl_encode_route_delete (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndRoute *route)
{
  encode_route (out, RTM_DELROUTE, seq, flags, ifindex, route);
}

static void
encode_rule (GByteArray *out, guint16 type, guint32 seq, guint16 flags, const VpndRouteRule *rule)
{
  Message message = { 0 };
  struct fib_rule_hdr *info = begin (&message, type, flags, seq, sizeof *info);

  info->family = rule->family;
  info->action = FR_ACT_TO_TBL;
  info->table = rule->table < 256 ? rule->table : RT_TABLE_UNSPEC;
  mnl_attr_put_u32 (&message.header, FRA_PRIORITY, rule->priority);
  mnl_attr_put_u32 (&message.header, FRA_TABLE, rule->table);
  mnl_attr_put_u8 (&message.header, FRA_PROTOCOL, VPND_RTPROT);
  if (rule->fwmask != 0)
    {
      mnl_attr_put_u32 (&message.header, FRA_FWMARK, rule->fwmark);
      mnl_attr_put_u32 (&message.header, FRA_FWMASK, rule->fwmask);
    }
  if (rule->suppress_prefixlength >= 0)
    mnl_attr_put_u32 (&message.header, FRA_SUPPRESS_PREFIXLEN, (guint32) rule->suppress_prefixlength);
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_rule_add:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @rule: the rule
 *
 * Appends RTM_NEWRULE. The kernel answers EEXIST when a rule exists that agrees in everything.
 */
void
vpnd_rtnl_encode_rule_add (GByteArray *out, guint32 seq, guint16 flags, const VpndRouteRule *rule)
{
  encode_rule (out, RTM_NEWRULE, seq, NLM_F_CREATE | NLM_F_EXCL | flags, rule);
}

/**
 * vpnd_rtnl_encode_rule_delete:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @rule: the rule
 *
 * Appends RTM_DELRULE. The kernel answers ENOENT when there is no such rule.
 */
void
vpnd_rtnl_encode_rule_delete (GByteArray *out, guint32 seq, guint16 flags, const VpndRouteRule *rule)
{
  encode_rule (out, RTM_DELRULE, seq, flags, rule);
}

/**
 * vpnd_rtnl_encode_delete_of:
 * @out: receives the message
 * @seq: its sequence number
 * @flags: further flags of the header
 * @message: RTM_NEWRULE, RTM_NEWROUTE or RTM_NEWADDR as the kernel dumped it
 * @length_bytes: its length
 *
 * Appends the request that removes exactly the object that @message shows, whatever attributes it has (as ip-route(8) flush does).
 *
 * Returns: FALSE, and nothing appended, when @message is something else
 */
gboolean
vpnd_rtnl_encode_delete_of (GByteArray *out, guint32 seq, guint16 flags, const void *message, gsize length_bytes)
{
  struct nlmsghdr header;

  if (length_bytes < sizeof header)
    return FALSE;
  memcpy (&header, message, sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > length_bytes ||
      (header.nlmsg_type != RTM_NEWRULE && header.nlmsg_type != RTM_NEWROUTE && header.nlmsg_type != RTM_NEWADDR))
    return FALSE;

  header.nlmsg_type += 1; /* RTM_DEL* follows RTM_NEW* in every group of rtnetlink */
  header.nlmsg_flags = NLM_F_REQUEST | flags;
  header.nlmsg_seq = seq;
  header.nlmsg_pid = 0;
  g_byte_array_append (out, (const guint8 *) &header, sizeof header);
  g_byte_array_append (out, (const guint8 *) message + sizeof header, header.nlmsg_len - sizeof header);
  while (out->len % NLMSG_ALIGNTO != 0)
    g_byte_array_append (out, (const guint8 *) "", 1);
  return TRUE;
}

/**
 * vpnd_rtnl_encode_dump_links:
 * @out: receives the message
 * @seq: its sequence number
 *
 * Appends RTM_GETLINK for all links, without statistics.
 */
void
vpnd_rtnl_encode_dump_links (GByteArray *out, guint32 seq)
{
  Message message = { 0 };

  begin (&message, RTM_GETLINK, NLM_F_DUMP, seq, sizeof (struct ifinfomsg));
  mnl_attr_put_u32 (&message.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_dump_addresses:
 * @out: receives the message
 * @seq: its sequence number
 * @family: AF_INET, AF_INET6 or AF_UNSPEC for both
 *
 * Appends RTM_GETADDR for all links.
 */
void
vpnd_rtnl_encode_dump_addresses (GByteArray *out, guint32 seq, int family)
{
  Message message = { 0 };
  struct ifaddrmsg *info = begin (&message, RTM_GETADDR, NLM_F_DUMP, seq, sizeof *info);

  info->ifa_family = family;
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_dump_routes:
 * @out: receives the message
 * @seq: its sequence number
 * @family: AF_INET or AF_INET6
 * @table: the table, 0 for all. A socket without NETLINK_GET_STRICT_CHK gets all of them in any case. The kernel answers ENOENT when the
 *   table was never used
 *
 * Appends RTM_GETROUTE.
 */
void
vpnd_rtnl_encode_dump_routes (GByteArray *out, guint32 seq, int family, guint32 table)
{
  Message message = { 0 };
  struct rtmsg *info = begin (&message, RTM_GETROUTE, NLM_F_DUMP, seq, sizeof *info);

  info->rtm_family = family;
  if (table != 0)
    mnl_attr_put_u32 (&message.header, RTA_TABLE, table);
  finish (out, &message);
}

/**
 * vpnd_rtnl_encode_dump_rules:
 * @out: receives the message
 * @seq: its sequence number
 * @family: AF_INET or AF_INET6
 *
 * Appends RTM_GETRULE.
 */
void
vpnd_rtnl_encode_dump_rules (GByteArray *out, guint32 seq, int family)
{
  Message message = { 0 };
  struct fib_rule_hdr *info = begin (&message, RTM_GETRULE, NLM_F_DUMP, seq, sizeof *info);

  info->family = family;
  finish (out, &message);
}
