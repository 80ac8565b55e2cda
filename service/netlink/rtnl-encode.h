/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Links, addresses, routes and policy rules -> rtnetlink messages.
 * Pure: appends one message to a byte array; the caller gives the sequence number and puts NLM_F_ACK on the last message of a
 * transaction. Everything it adds carries VPND_RTPROT where the kernel has a place for it. Never opens a socket, never resolves a name.
 */
#pragma once

#include "route-plan.h"

#include <linux/netlink.h>

G_BEGIN_DECLS

void vpnd_rtnl_encode_link_add (GByteArray *out, guint32 seq, guint16 flags, const char *ifname, const char *kind, guint32 mtu);
void vpnd_rtnl_encode_link_set (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, guint32 mtu, gboolean up);
void vpnd_rtnl_encode_link_no_link_local (GByteArray *out, guint32 seq, guint16 flags, guint ifindex);
void vpnd_rtnl_encode_link_delete (GByteArray *out, guint32 seq, guint16 flags, guint ifindex);
void vpnd_rtnl_encode_link_get (GByteArray *out, guint32 seq, guint16 flags, const char *ifname);

void vpnd_rtnl_encode_address_add (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndPrefix *address);
void vpnd_rtnl_encode_address_delete (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndPrefix *address);

void vpnd_rtnl_encode_route_add (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndRoute *route);
void vpnd_rtnl_encode_route_delete (GByteArray *out, guint32 seq, guint16 flags, guint ifindex, const VpndRoute *route);

void vpnd_rtnl_encode_rule_add (GByteArray *out, guint32 seq, guint16 flags, const VpndRouteRule *rule);
void vpnd_rtnl_encode_rule_delete (GByteArray *out, guint32 seq, guint16 flags, const VpndRouteRule *rule);

gboolean vpnd_rtnl_encode_delete_of (GByteArray *out, guint32 seq, guint16 flags, const void *message, gsize length_bytes);

void vpnd_rtnl_encode_dump_links (GByteArray *out, guint32 seq);
void vpnd_rtnl_encode_dump_addresses (GByteArray *out, guint32 seq, int family);
void vpnd_rtnl_encode_dump_routes (GByteArray *out, guint32 seq, int family, guint32 table);
void vpnd_rtnl_encode_dump_rules (GByteArray *out, guint32 seq, int family);

G_END_DECLS
