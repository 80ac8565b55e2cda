/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decoder of netlink/rtnl-decode.h. Formats: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/fib_rules.h, linux/netconf.h.
 * Everything is read through one bounded cursor by memcpy, so neither length nor alignment of the input is trusted. (libmnl's own
 * iteration rounds the end of a message up and so may read up to three bytes beyond it.)
 */
#include "config.h"

#include "rtnl-decode.h"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define IP_RULE_ANY_PREFIX G_MAXUINT32 /* the kernel dumps "no suppress_prefixlength" as -1 */

typedef struct
{
  const guint8 *bytes;
  gsize left;
} Cursor;

typedef struct
{
  guint16 type;
  const guint8 *bytes;
  gsize size;
} Attr;

static gboolean
take (Cursor *cursor, void *out, gsize size)
{
  if (cursor->left < size)
    return FALSE;

  memcpy (out, cursor->bytes, size);
  cursor->bytes += size;
  cursor->left -= size;
  return TRUE;
}

static void
skip_aligned (Cursor *cursor, gsize size)
{
  gsize padded = MIN (NLMSG_ALIGN (size), cursor->left);

  cursor->bytes += padded;
  cursor->left -= padded;
}

/* Takes the header of the message and, into @out_body, the fixed part that follows it. */
static gboolean
open_message (const void *message, gsize length_bytes, guint16 type_new, guint16 type_del, void *out_body, gsize body_size, gboolean *out_is_gone, Cursor *out_attrs)
{
  Cursor cursor = { message, length_bytes };
  struct nlmsghdr header;

  if (!take (&cursor, &header, sizeof header) || header.nlmsg_len < sizeof header || header.nlmsg_len > length_bytes)
    return FALSE;
  if (header.nlmsg_type != type_new && header.nlmsg_type != type_del)
    return FALSE;

  cursor.left = header.nlmsg_len - sizeof header;
  if (!take (&cursor, out_body, body_size))
    return FALSE;
  skip_aligned (&cursor, NLMSG_ALIGN (body_size) - body_size);
  *out_is_gone = header.nlmsg_type == type_del;
  *out_attrs = cursor;
  return TRUE;
}

static gboolean
next_attr (Cursor *cursor, Attr *out_attr)
{
  struct nlattr head;

  if (cursor->left < sizeof head)
    return FALSE;
  memcpy (&head, cursor->bytes, sizeof head);
  if (head.nla_len < sizeof head || head.nla_len > cursor->left)
    return FALSE;

  out_attr->type = head.nla_type & NLA_TYPE_MASK;
  out_attr->bytes = cursor->bytes + NLA_HDRLEN;
  out_attr->size = head.nla_len - NLA_HDRLEN;
  skip_aligned (cursor, head.nla_len);
  return TRUE;
}

static gboolean
attr_u8 (const Attr *attr, guint8 *out_value)
{
  if (attr->size < sizeof *out_value)
    return FALSE;
  memcpy (out_value, attr->bytes, sizeof *out_value);
  return TRUE;
}

static gboolean
attr_u32 (const Attr *attr, guint32 *out_value)
{
  if (attr->size < sizeof *out_value)
    return FALSE;
  memcpy (out_value, attr->bytes, sizeof *out_value);
  return TRUE;
}

static gboolean
attr_name (const Attr *attr, char out_name[16])
{
  gsize length = strnlen ((const char *) attr->bytes, attr->size);

  if (length >= 16)
    return FALSE;
  memset (out_name, 0, 16);
  memcpy (out_name, attr->bytes, length);
  return TRUE;
}

static gsize
family_size (int family)
{
  return family == AF_INET ? 4 : family == AF_INET6 ? 16
                                                    : 0;
}

static gboolean
attr_addr (const Attr *attr, int family, VpndAddr *out_addr)
{
  if (family_size (family) == 0 || attr->size != family_size (family))
    return FALSE;
  *out_addr = vpnd_addr_from_bytes (family, attr->bytes);
  return TRUE;
}

static gboolean
decode_link_info (const Attr *info, VpndRtnlLink *link)
{
  Cursor cursor = { info->bytes, info->size };
  Attr attr;

  while (next_attr (&cursor, &attr))
    {
      if (attr.type == IFLA_INFO_KIND && !attr_name (&attr, link->kind))
        return FALSE;
    }
  return TRUE;
}

/* The sysctls of a link, as arrays in the order of linux/ip.h and linux/ipv6.h: forwarding is the first of both. */
static gboolean
decode_link_family (const Attr *family, VpndRtnlLink *link)
{
  const guint16 wanted = family->type == AF_INET ? IFLA_INET_CONF : IFLA_INET6_CONF;
  Cursor cursor = { family->bytes, family->size };
  Attr attr;

  G_STATIC_ASSERT (IPV4_DEVCONF_FORWARDING == 1 && DEVCONF_FORWARDING == 0); /* the array of IPv4 leaves the number 0 out */
  while ((family->type == AF_INET || family->type == AF_INET6) && next_attr (&cursor, &attr))
    {
      guint32 forwarding = 0;

      if (attr.type == wanted && !attr_u32 (&attr, &forwarding))
        return FALSE;
      link->forwards = link->forwards || forwarding != 0;
    }
  return TRUE;
}

static gboolean
decode_link_families (const Attr *spec, VpndRtnlLink *link)
{
  Cursor cursor = { spec->bytes, spec->size };
  Attr family;

  while (next_attr (&cursor, &family))
    if (!decode_link_family (&family, link))
      return FALSE;
  return TRUE;
}

static gboolean
decode_link_attr (const Attr *attr, VpndRtnlLink *link)
{
  guint32 master;

  switch (attr->type)
    {
    case IFLA_IFNAME:
      return attr_name (attr, link->name);
    case IFLA_MTU:
      return attr_u32 (attr, &link->mtu);
    case IFLA_OPERSTATE:
      return attr_u8 (attr, &link->operstate);
    case IFLA_LINKINFO:
      return decode_link_info (attr, link);
    case IFLA_AF_SPEC:
      return decode_link_families (attr, link);
    case IFLA_MASTER:
      if (!attr_u32 (attr, &master))
        return FALSE;
      link->master = master;
      return TRUE;
    default:
      return TRUE;
    }
}

/**
 * vpnd_rtnl_decode_link:
 * @message: bytes of a netlink message
 * @length_bytes: their number
 * @out_link: (out): the link; written only on success
 *
 * Returns: TRUE when @message is a well-formed RTM_NEWLINK or RTM_DELLINK
 */
gboolean
vpnd_rtnl_decode_link (const void *message, gsize length_bytes, VpndRtnlLink *out_link)
{
  VpndRtnlLink link = { 0 };
  struct ifinfomsg info;
  Cursor cursor;
  Attr attr;

  if (!open_message (message, length_bytes, RTM_NEWLINK, RTM_DELLINK, &info, sizeof info, &link.is_gone, &cursor) || info.ifi_index < 0)
    return FALSE;

  /* A bridge reports its ports on the same group in family AF_BRIDGE; a DELLINK there means "no longer a port". */
  if (info.ifi_family != AF_UNSPEC)
    return FALSE;

  link.ifindex = (guint) info.ifi_index;
  link.type = info.ifi_type;
  link.flags = info.ifi_flags;
  while (next_attr (&cursor, &attr))
    {
      if (!decode_link_attr (&attr, &link))
        return FALSE;
    }
  *out_link = link;
  return TRUE;
}

/**
 * vpnd_rtnl_decode_address:
 * @message: bytes of a netlink message
 * @length_bytes: their number
 * @out_address: (out): the address; written only on success
 *
 * Returns: TRUE when @message is a well-formed RTM_NEWADDR or RTM_DELADDR
 */
gboolean
vpnd_rtnl_decode_address (const void *message, gsize length_bytes, VpndRtnlAddress *out_address)
{
  VpndRtnlAddress address = { 0 };
  VpndAddr local = { 0 }, far = { 0 };
  struct ifaddrmsg info;
  Cursor cursor;
  Attr attr;

  if (!open_message (message, length_bytes, RTM_NEWADDR, RTM_DELADDR, &info, sizeof info, &address.is_gone, &cursor) ||
      info.ifa_prefixlen > family_size (info.ifa_family) * 8)
    return FALSE;

  address.ifindex = info.ifa_index;
  address.scope = info.ifa_scope;
  address.flags = info.ifa_flags;
  while (next_attr (&cursor, &attr))
    {
      if ((attr.type == IFA_LOCAL && !attr_addr (&attr, info.ifa_family, &local)) ||
          (attr.type == IFA_ADDRESS && !attr_addr (&attr, info.ifa_family, &far)) ||
          (attr.type == IFA_FLAGS && !attr_u32 (&attr, &address.flags)))
        return FALSE;
    }

  /* IPv6 has IFA_ADDRESS alone where there is no far end; IPv4 has both, equal. */
  if (!vpnd_addr_is_set (&local))
    local = far;
  if (!vpnd_addr_is_set (&local))
    return FALSE;
  if (vpnd_addr_is_set (&far) && !vpnd_addr_equal (&local, &far))
    address.peer = far;
  address.address.addr = local;
  address.address.length = info.ifa_prefixlen;
  *out_address = address;
  return TRUE;
}

static gboolean
attr_via (const Attr *attr, VpndAddr *out_addr)
{
  Attr inner = *attr;
  guint16 family;

  if (attr->size < sizeof family)
    return FALSE;
  memcpy (&family, attr->bytes, sizeof family);
  inner.bytes += sizeof family;
  inner.size -= sizeof family;
  return attr_addr (&inner, family, out_addr);
}

static gboolean
decode_gateway (const Attr *attr, int family, VpndAddr *out_gateway)
{
  if (attr->type == RTA_GATEWAY)
    return attr_addr (attr, family, out_gateway);
  if (attr->type == RTA_VIA)
    return attr_via (attr, out_gateway);
  return TRUE;
}

static gboolean
decode_multipath (const Attr *attr, int family, GArray *hops)
{
  Cursor cursor = { attr->bytes, attr->size };
  struct rtnexthop head;

  while (cursor.left >= sizeof head)
    {
      VpndRtnlNextHop hop = { 0 };
      Cursor inner;
      Attr gateway;

      memcpy (&head, cursor.bytes, sizeof head);
      if (head.rtnh_len < sizeof head || head.rtnh_len > cursor.left || head.rtnh_ifindex < 0)
        return FALSE;
      inner.bytes = cursor.bytes + sizeof head;
      inner.left = head.rtnh_len - sizeof head;
      hop.ifindex = (guint) head.rtnh_ifindex;
      hop.flags = head.rtnh_flags;
      while (next_attr (&inner, &gateway))
        {
          if (!decode_gateway (&gateway, family, &hop.gateway))
            return FALSE;
        }
      g_array_append_val (hops, hop);
      skip_aligned (&cursor, head.rtnh_len);
    }
  return TRUE;
}

static gboolean
decode_metrics (const Attr *attr, guint32 *out_mtu)
{
  Cursor cursor = { attr->bytes, attr->size };
  Attr metric;

  while (next_attr (&cursor, &metric))
    {
      if (metric.type == RTAX_MTU && !attr_u32 (&metric, out_mtu))
        return FALSE;
    }
  return TRUE;
}

static gboolean
decode_route_attr (const Attr *attr, int family, VpndRtnlRoute *route, VpndRtnlNextHop *single)
{
  switch (attr->type)
    {
    case RTA_DST:
      return attr_addr (attr, family, &route->destination.addr);
    case RTA_TABLE:
      return attr_u32 (attr, &route->table);
    case RTA_PRIORITY:
      return attr_u32 (attr, &route->metric);
    case RTA_OIF:
      return attr_u32 (attr, &single->ifindex);
    case RTA_GATEWAY:
    case RTA_VIA:
      return decode_gateway (attr, family, &single->gateway);
    case RTA_METRICS:
      return decode_metrics (attr, &route->mtu);
    case RTA_MULTIPATH:
      return decode_multipath (attr, family, route->hops);
    default:
      return TRUE;
    }
}

/**
 * vpnd_rtnl_decode_route:
 * @message: bytes of a netlink message
 * @length_bytes: their number
 * @out_route: (out): the route, to be cleared with vpnd_rtnl_route_clear(); written only on success
 *
 * Returns: TRUE when @message is a well-formed RTM_NEWROUTE or RTM_DELROUTE of IPv4 or IPv6
 */
gboolean
vpnd_rtnl_decode_route (const void *message, gsize length_bytes, VpndRtnlRoute *out_route)
{
  g_auto (VpndRtnlRoute) route = { 0 };
  VpndRtnlNextHop single = { 0 };
  struct rtmsg info;
  Cursor cursor;
  Attr attr;

  if (!open_message (message, length_bytes, RTM_NEWROUTE, RTM_DELROUTE, &info, sizeof info, &route.is_gone, &cursor) ||
      family_size (info.rtm_family) == 0 || info.rtm_dst_len > family_size (info.rtm_family) * 8)
    return FALSE;

  route.destination.addr.family = info.rtm_family;
  route.destination.length = info.rtm_dst_len;
  route.table = info.rtm_table;
  route.protocol = info.rtm_protocol;
  route.type = info.rtm_type;
  route.scope = info.rtm_scope;
  route.hops = g_array_new (FALSE, TRUE, sizeof (VpndRtnlNextHop));
  single.flags = info.rtm_flags;
  while (next_attr (&cursor, &attr))
    {
      if (!decode_route_attr (&attr, info.rtm_family, &route, &single))
        return FALSE;
    }

  route.destination = vpnd_prefix_masked (&route.destination);
  if (route.hops->len == 0)
    g_array_append_val (route.hops, single);
  *out_route = route;
  route.hops = NULL;
  return TRUE;
}

/**
 * vpnd_rtnl_route_clear:
 * @route: a route as decoded; all zero is fine
 *
 * Frees what @route owns.
 */
void
vpnd_rtnl_route_clear (VpndRtnlRoute *route)
{
  g_clear_pointer (&route->hops, g_array_unref);
}

static gboolean
decode_rule_attr (const Attr *attr, VpndRtnlRule *rule)
{
  guint32 suppress;

  switch (attr->type)
    {
    case FRA_PRIORITY:
      return attr_u32 (attr, &rule->rule.priority);
    case FRA_TABLE:
      return attr_u32 (attr, &rule->rule.table);
    case FRA_FWMARK:
      return attr_u32 (attr, &rule->rule.fwmark);
    case FRA_FWMASK:
      return attr_u32 (attr, &rule->rule.fwmask);
    case FRA_PROTOCOL:
      return attr_u8 (attr, &rule->protocol);
    case FRA_SUPPRESS_PREFIXLEN:
      if (!attr_u32 (attr, &suppress))
        return FALSE;
      rule->rule.suppress_prefixlength = suppress == IP_RULE_ANY_PREFIX ? -1 : (gint32) (suppress & G_MAXINT32);
      return TRUE;
    case FRA_DST:
    case FRA_SRC:
    case FRA_IIFNAME:
    case FRA_OIFNAME:
    case FRA_TUN_ID:
    case FRA_L3MDEV:
    case FRA_UID_RANGE:
    case FRA_IP_PROTO:
    case FRA_SPORT_RANGE:
    case FRA_DPORT_RANGE:
      rule->has_other_selectors = TRUE;
      return TRUE;
    default:
      return TRUE;
    }
}

/**
 * vpnd_rtnl_decode_rule:
 * @message: bytes of a netlink message
 * @length_bytes: their number
 * @out_rule: (out): the rule; written only on success
 *
 * Returns: TRUE when @message is a well-formed RTM_NEWRULE or RTM_DELRULE of IPv4 or IPv6
 */
gboolean
vpnd_rtnl_decode_rule (const void *message, gsize length_bytes, VpndRtnlRule *out_rule)
{
  VpndRtnlRule rule = { 0 };
  struct fib_rule_hdr info;
  Cursor cursor;
  Attr attr;

  if (!open_message (message, length_bytes, RTM_NEWRULE, RTM_DELRULE, &info, sizeof info, &rule.is_gone, &cursor) ||
      family_size (info.family) == 0)
    return FALSE;

  rule.rule.family = info.family;
  rule.rule.table = info.table;
  rule.rule.suppress_prefixlength = -1;
  rule.action = info.action;
  rule.has_other_selectors = info.tos != 0 || (info.flags & FIB_RULE_INVERT) != 0;
  while (next_attr (&cursor, &attr))
    {
      if (!decode_rule_attr (&attr, &rule))
        return FALSE;
    }
  *out_rule = rule;
  return TRUE;
}

/**
 * vpnd_rtnl_is_forwarding_change:
 * @message: bytes of a netlink message
 * @length_bytes: their number
 *
 * Returns: TRUE when @message is a well-formed RTM_NEWNETCONF or RTM_DELNETCONF (linux/netconf.h) that tells whether a link forwards. Which one, and whether,
 *   stands in the list of links
 */
gboolean
vpnd_rtnl_is_forwarding_change (const void *message, gsize length_bytes)
{
  struct netconfmsg info;
  gboolean is_gone;
  Cursor cursor;
  Attr attr;

  if (!open_message (message, length_bytes, RTM_NEWNETCONF, RTM_DELNETCONF, &info, sizeof info, &is_gone, &cursor))
    return FALSE;
  while (next_attr (&cursor, &attr))
    if (attr.type == NETCONFA_FORWARDING)
      return TRUE;
  return FALSE;
}

/**
 * vpnd_rtnl_is_of_other_family:
 * @message: bytes of a netlink message
 * @length_bytes: their number
 *
 * Returns: TRUE when @message is of a kind that is decoded here, but of a family that is not: ports of a bridge, multicast routing. All payloads begin
 *   with the family (struct rtgenmsg)
 */
gboolean
vpnd_rtnl_is_of_other_family (const void *message, gsize length_bytes)
{
  struct rtgenmsg family;
  struct nlmsghdr header;

  if (length_bytes < NLMSG_HDRLEN + sizeof family)
    return FALSE;
  memcpy (&header, message, sizeof header);
  memcpy (&family, (const guint8 *) message + NLMSG_HDRLEN, sizeof family);
  if (header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK)
    return family.rtgen_family != AF_UNSPEC;
  return header.nlmsg_type > RTM_DELLINK && header.nlmsg_type <= RTM_DELRULE && family_size (family.rtgen_family) == 0;
}
