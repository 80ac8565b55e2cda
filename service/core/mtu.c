/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arithmetic of core/mtu.h.
 */
#include "config.h"

#include "mtu.h"

#include <sys/socket.h>

#define WIREGUARD_OVERHEAD_BYTES 40 /* UDP header 8, WireGuard data header 16, Poly1305 tag 16 */
#define HEADER_V4_BYTES 20          /* RFC 791, without options */
#define HEADER_V6_BYTES 40          /* RFC 8200, without extensions */
#define PATH_UNKNOWN_BYTES 1500     /* Ethernet */

#define SEARCH_TRIES 2       /* one loss may be chance */
#define SEARCH_STEP_BYTES 16 /* WireGuard pads what it carries to a multiple of it: nothing between arrives otherwise than the next multiple */

/**
 * vpnd_mtu_overhead:
 * @families: AF_INET or AF_INET6 for each hop: the family of what carries its packets
 * @n_families: how many hops, at least 1
 *
 * Returns: the bytes that the hops together put around a packet
 */
guint32
vpnd_mtu_overhead (const int *families, guint n_families)
{
  guint32 bytes = 0;

  for (guint i = 0; i < n_families; i++)
    bytes += WIREGUARD_OVERHEAD_BYTES + (families[i] == AF_INET ? HEADER_V4_BYTES : HEADER_V6_BYTES);
  return bytes;
}

/**
 * vpnd_mtu_of_path:
 * @path: MTU of the path outside in bytes, 0 for unknown
 * @overhead: see vpnd_mtu_overhead ()
 *
 * Returns: the largest packet inside that needs no fragments outside, bytes; an unknown or absurd path counts as Ethernet
 */
guint32
vpnd_mtu_of_path (guint32 path, guint32 overhead)
{
  return (path > overhead ? path : PATH_UNKNOWN_BYTES) - overhead;
}

/**
 * vpnd_mtu_choose:
 * @input: what is known
 *
 * A wish is only raised to what the kernel needs; only the automatic value has an upper bound. Where the path carries less than IPv6 demands of a
 * link, IPv4 at least goes without fragments.
 *
 * Returns: the MTU of the link and of its IPv4 routes
 */
VpndMtu
vpnd_mtu_choose (const VpndMtuInput *input)
{
  guint32 lowest = input->has_ipv6 ? VPND_MTU_MIN_V6_BYTES : VPND_MTU_MIN_V4_BYTES;
  guint32 fitting = vpnd_mtu_of_path (input->path, input->overhead);
  VpndMtu result = { 0 };

  if (input->wish != 0)
    {
      result.link = MAX (input->wish, lowest);
      return result;
    }
  if (input->measured != 0)
    fitting = MIN (fitting, input->measured);
  result.link = CLAMP (fitting, lowest, VPND_MTU_AUTO_MAX_BYTES);
  if (fitting < result.link)
    result.route4 = MAX (fitting, VPND_MTU_MIN_V4_BYTES);
  return result.route4 == result.link ? (VpndMtu){ .link = result.link } : result;
}

/**
 * vpnd_mtu_search_next:
 * @search: a search
 *
 * The size in use first, for mostly that is the answer; then the two sizes that every path should carry, so that a target that never answers is told from
 * a path that is small; then by halves.
 *
 * Returns: the size to be tried now, in bytes; 0 when it is over: @passed is the answer then, 0 when nothing is known
 */
guint32
vpnd_mtu_search_next (const VpndMtuSearch *search)
{
  static const guint32 floors[] = { VPND_MTU_MIN_V6_BYTES, VPND_MTU_MIN_V4_BYTES };

  if (search->lost == 0)
    return search->passed == 0 ? search->top : 0;
  for (guint i = 0; search->passed == 0 && i < G_N_ELEMENTS (floors); i++)
    if (floors[i] < search->lost)
      return floors[i];
  if (search->passed == 0 || search->lost - search->passed <= SEARCH_STEP_BYTES) /* what passed is a multiple of the step */
    return 0;
  return MAX ((search->passed + search->lost) / 2 / SEARCH_STEP_BYTES * SEARCH_STEP_BYTES, search->passed + SEARCH_STEP_BYTES);
}

/**
 * vpnd_mtu_search_note:
 * @search: a search that is not over
 * @has_arrived: whether the size of vpnd_mtu_search_next () did
 */
void
vpnd_mtu_search_note (VpndMtuSearch *search, gboolean has_arrived)
{
  guint32 bytes = vpnd_mtu_search_next (search);

  if (!has_arrived && ++search->tries < SEARCH_TRIES)
    return;
  search->tries = 0;
  if (has_arrived)
    search->passed = bytes;
  else
    search->lost = bytes;
}
