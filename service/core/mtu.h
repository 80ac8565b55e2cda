/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How large a packet may be inside the tunnel: from the path outside and what is put around each packet, and the search for the answer where only
 * trying tells. Never sends (ports/prober does) and never says which routes get the answer (core/route-plan does).
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

#define VPND_MTU_MIN_V4_BYTES 576    /* RFC 791: what every host must accept */
#define VPND_MTU_MIN_V6_BYTES 1280   /* RFC 8200, 5: below it the kernel takes IPv6 off the link */
#define VPND_MTU_AUTO_MAX_BYTES 1420 /* 1500 - 80: a larger link of ours says nothing about the path behind it; wg-quick's default, too */

/**
 * VpndMtuInput:
 * @wish: what the user or the profile asks for in bytes, 0 for nothing
 * @path: MTU of the path outside as far as the host knows it, bytes; 0 for unknown
 * @overhead: what is put around each packet, see vpnd_mtu_overhead ()
 * @measured: the largest packet inside that is known to arrive, bytes; 0 for unknown
 * @has_ipv6: the tunnel has an IPv6 address
 */
typedef struct
{
  guint32 wish;
  guint32 path;
  guint32 overhead;
  guint32 measured;
  gboolean has_ipv6;
} VpndMtuInput;

/**
 * VpndMtu:
 * @link: MTU of the tunnel's link in bytes
 * @route4: MTU of the IPv4 routes through it in bytes, where the path carries less than IPv6 lets a link have; 0 for that of the link
 */
typedef struct
{
  guint32 link;
  guint32 route4;
} VpndMtu;

/**
 * VpndMtuSearch: a search under way; all zero but for @top when it begins
 * @top: the size wished for in bytes, tried first
 * @passed: the largest size that arrived, 0 for none
 * @lost: the smallest size that did not, 0 for none
 * @tries: how often the present size was lost so far
 */
typedef struct
{
  guint32 top;
  guint32 passed;
  guint32 lost;
  guint tries;
} VpndMtuSearch;

#define VPND_PATH_TARGETS_MAX 2

/**
 * VpndPathProbe: what a measurement of the path needs to know
 * @peer: far end of the transport
 * @overhead: see VpndMtuInput
 * @top: the size that is in use, bytes
 * @targets: inside the tunnel, for trying; each may answer or not
 * @n_targets: how many
 */
typedef struct
{
  VpndEndpoint peer;
  guint32 overhead;
  guint32 top;
  VpndAddr targets[VPND_PATH_TARGETS_MAX];
  guint n_targets;
} VpndPathProbe;

guint32 vpnd_mtu_overhead (const int *families, guint n_families);
VpndMtu vpnd_mtu_choose (const VpndMtuInput *input);
guint32 vpnd_mtu_of_path (guint32 path, guint32 overhead);

guint32 vpnd_mtu_search_next (const VpndMtuSearch *search);
void vpnd_mtu_search_note (VpndMtuSearch *search, gboolean has_arrived);

G_END_DECLS
