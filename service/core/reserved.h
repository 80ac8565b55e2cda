/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The numbers and names on the host that are ours, each stated once (design: "numbers reserved for us").
 * Everything we create carries one of them, so that removing is exact and nothing foreign is ever touched.
 */
#pragma once

#define VPND_IFNAME "vpnd0"
#define VPND_NFT_TABLE "vpnd"

#define VPND_MARK_VALUE 0x56000000u /* fwmark of the tunnel's own packets; masked, so other tools' bits survive */
#define VPND_MARK_MASK 0xff000000u

#define VPND_CT_MARK_VALUE 0x57000000u /* mark of flows that go beside the tunnel on purpose, in connection tracking */
#define VPND_CT_MARK_NAME 0x5f000000u  /* the same, of flows that do so only because a watched name had the address of their peer */
#define VPND_CT_MARK_MASK 0xff000000u
#define VPND_CT_MARK_EITHER 0xf7000000u /* mask under which both have VPND_CT_MARK_VALUE */

#define VPND_TABLE_TUNNEL 22096u
#define VPND_TABLE_LOCAL 22097u

#define VPND_RULE_PRIORITY_MARKED 4870u   /* marked -> main */
#define VPND_RULE_PRIORITY_SPECIFIC 4875u /* tunnel table, suppress_prefixlength 0: the profile's specific routes */
#define VPND_RULE_PRIORITY_LOCAL 4880u    /* local exceptions */
#define VPND_RULE_PRIORITY_TUNNEL 4890u   /* tunnel table whole */

/* UDP ports of our device where the profile names none: above those that Linux gives by itself (net.ipv4.ip_local_port_range, 32768 to 60999), so nobody has one by
 * chance. */
#define VPND_LISTEN_PORT_FIRST 61000
#define VPND_LISTEN_PORT_LAST 65535

#define VPND_NAME_QUEUE 22096u /* number of the netfilter queue that holds DNS answers */
#define VPND_UNIT_QUEUE 22097u /* of the one that holds what units send which nobody has looked at yet */

#define VPND_RTPROT 86 /* rtm_protocol and FRA_PROTOCOL of everything we add */
