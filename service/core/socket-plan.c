/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/socket-plan.h.
 */
#include "config.h"

#include "socket-plan.h"

#include "reserved.h"

#define DHCP4_CLIENT_PORT 68  /* RFC 2131 */
#define DHCP6_CLIENT_PORT 546 /* RFC 8415 */

/* Multicast groups and broadcast, which the policy lets through with the local network. */
static const VpndPrefix group_ranges[] = {
  { { AF_INET, { 224 } }, 4 },
  { { AF_INET, { 255, 255, 255, 255 } }, 32 },
  { { AF_INET6, { 0xff } }, 8 },
};

static VpndSocketPlan *
socket_plan_new (const GArray *addresses)
{
  VpndSocketPlan *plan = g_new0 (VpndSocketPlan, 1);

  g_atomic_ref_count_init (&plan->ref_count);
  plan->own = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  plan->bridges = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  for (guint i = 0; addresses != NULL && i < addresses->len; i++)
    g_array_append_val (plan->own, g_array_index (addresses, VpndPrefix, i).addr);
  return plan;
}

/**
 * vpnd_socket_plan_build_end:
 * @addresses: (element-type VpndPrefix): those of a tunnel that is taken down
 *
 * Returns: (transfer full): what to end with it. The kernel lets a socket of IPv6 go on with an address that the host no longer has
 */
VpndSocketPlan *
vpnd_socket_plan_build_end (const GArray *addresses)
{
  VpndSocketPlan *plan = socket_plan_new (addresses);

  plan->is_over = TRUE;
  return plan;
}

/**
 * vpnd_socket_plan_build:
 * @routes: (nullable): the route plan, for the tunnel's addresses; NULL when no tunnel is wanted
 * @bridge: (nullable): the profile's bridge, when it is let through
 * @settings: the settings
 * @facts: the facts, for the bridges
 * @split: (nullable): what goes beside the tunnel
 *
 * Returns: (transfer full): what to end when the host is closed
 */
VpndSocketPlan *
vpnd_socket_plan_build (const VpndRoutePlan *routes, const VpndBridge *bridge, const VpndSettings *settings, const VpndFacts *facts,
    const VpndSplitPlan *split)
{
  VpndSocketPlan *plan = socket_plan_new (routes != NULL ? routes->addresses : NULL);

  plan->allow_lan = settings->allow_lan;
  if (bridge != NULL)
    plan->bridge = *bridge;
  if (split != NULL)
    plan->split = vpnd_split_plan_ref ((VpndSplitPlan *) split);
  for (guint i = 0; i < facts->bridges->len; i++)
    g_array_append_val (plan->bridges, g_array_index (facts->bridges, VpndHop, i).prefix);
  return plan;
}

/**
 * vpnd_socket_plan_ref:
 * @plan: a plan
 *
 * Returns: (transfer full): @plan
 */
VpndSocketPlan *
vpnd_socket_plan_ref (VpndSocketPlan *plan)
{
  g_atomic_ref_count_inc (&plan->ref_count);
  return plan;
}

/**
 * vpnd_socket_plan_unref:
 * @plan: (transfer full) (nullable): a plan
 */
void
vpnd_socket_plan_unref (VpndSocketPlan *plan)
{
  if (plan == NULL || !g_atomic_ref_count_dec (&plan->ref_count))
    return;

  g_array_unref (plan->own);
  g_array_unref (plan->bridges);
  vpnd_split_plan_unref (plan->split);
  g_free (plan);
}

static gboolean
is_on_this_host (const VpndSocketPlan *plan, const VpndSocketInfo *socket)
{
  if (vpnd_addr_is_loopback (&socket->local) || vpnd_addr_is_loopback (&socket->remote) || vpnd_addr_equal (&socket->local, &socket->remote))
    return TRUE;
  for (guint i = 0; i < plan->bridges->len; i++)
    if (vpnd_prefix_contains (&g_array_index (plan->bridges, VpndPrefix, i), &socket->remote))
      return TRUE;
  return FALSE;
}

/* Somebody else's way to the bridge by the proxy of this host. */
static gboolean
is_to_proxy (const VpndSocketPlan *plan, const VpndSocketInfo *socket)
{
  return vpnd_bridge_is_set (&plan->bridge) && socket->remote_port == plan->bridge.local_port &&
      (vpnd_addr_is_loopback (&socket->remote) || vpnd_addr_equal (&socket->local, &socket->remote));
}

/* The proxy's own, where it runs as root; another one is known by its mark. */
static gboolean
is_of_proxy (const VpndSocketPlan *plan, const VpndSocketInfo *socket)
{
  VpndServicePort peer = { { socket->remote, socket->remote_port }, socket->protocol };

  return socket->uid == 0 && vpnd_bridge_is_set (&plan->bridge) && vpnd_service_port_equal (&plan->bridge.service, &peer);
}

static gboolean
is_in_tunnel (const VpndSocketPlan *plan, const VpndSocketInfo *socket)
{
  for (guint i = 0; i < plan->own->len; i++)
    if (vpnd_addr_equal (&g_array_index (plan->own, VpndAddr, i), &socket->local))
      return TRUE;
  return FALSE;
}

static gboolean
is_in_lan (const VpndSocketInfo *socket)
{
  if (vpnd_addr_is_private (&socket->remote))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (group_ranges); i++)
    if (vpnd_prefix_contains (&group_ranges[i], &socket->remote))
      return TRUE;
  return FALSE;
}

/**
 * vpnd_socket_plan_ends:
 * @plan: a plan
 * @socket: a socket
 *
 * The peer's address decides what is the local network: the address of this host is a private one behind every home router.
 *
 * Returns: TRUE when the socket is to be ended. At the end of a tunnel: it has an address of the tunnel, and a peer unless it is one of UDP. Else: it has a peer, and is neither within this host (but for one to the proxy of the bridge), nor in the
 *   tunnel, nor marked as the transport, nor the proxy's, nor a DHCP client's, nor to the local network where that is allowed, nor beside the tunnel by the users' wish
 */
gboolean
vpnd_socket_plan_ends (const VpndSocketPlan *plan, const VpndSocketInfo *socket)
{
  gboolean has_peer = vpnd_addr_is_set (&socket->remote) && socket->remote_port != 0;

  if ((socket->mark & VPND_MARK_MASK) == VPND_MARK_VALUE)
    return FALSE;
  if (plan->is_over)
    return is_in_tunnel (plan, socket) && (has_peer || socket->protocol == IPPROTO_UDP);
  if (!has_peer)
    return FALSE;
  if (is_to_proxy (plan, socket))
    return TRUE;
  if (is_on_this_host (plan, socket) || is_in_tunnel (plan, socket) || is_of_proxy (plan, socket))
    return FALSE;
  if (socket->protocol == IPPROTO_UDP && (socket->local_port == DHCP4_CLIENT_PORT || socket->local_port == DHCP6_CLIENT_PORT))
    return FALSE;
  if (plan->split != NULL && vpnd_split_plan_is_beside (plan->split, socket->cgroup, socket->uid, &socket->remote))
    return FALSE;
  return !plan->allow_lan || !is_in_lan (socket);
}
