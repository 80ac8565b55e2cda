/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The comparisons of core/peer-way.h.
 */
#include "config.h"

#include "peer-way.h"

#include "tunnel-plan.h"

/**
 * vpnd_peer_way_note:
 * @state: the state that is being made
 * @facts: the facts
 *
 * Remembers the way to the peer as it is now.
 */
void
vpnd_peer_way_note (VpndState *state, const VpndFacts *facts)
{
  state->way4 = facts->default4;
  state->way6 = facts->default6;
}

static gboolean
is_same_way (const VpndDefaultRoute *a, const VpndDefaultRoute *b)
{
  return a->present == b->present && a->ifindex == b->ifindex && vpnd_addr_equal (&a->gateway, &b->gateway);
}

/**
 * vpnd_peer_way_is_other:
 * @state: a state
 * @facts: the facts
 *
 * The way itself is another, not only the addresses on it. Addresses come and go while a link comes up (SLAAC, DHCPv6), and a handshake that
 * was answered must not be thrown away for them: the peer answers no second one within 5 s.
 *
 * Returns: TRUE when it is
 */
gboolean
vpnd_peer_way_is_other (const VpndState *state, const VpndFacts *facts)
{
  return !is_same_way (&state->way4, &facts->default4) || !is_same_way (&state->way6, &facts->default6);
}

/**
 * vpnd_peer_way_has_moved:
 * @state: a state
 * @facts: the facts
 *
 * The way to the peer is another one: another route, link or source address. Of either family: the device follows the packets of the peer, and may have
 * its other address by now.
 *
 * Returns: TRUE when it is
 */
gboolean
vpnd_peer_way_has_moved (const VpndState *state, const VpndFacts *facts)
{
  return !vpnd_default_route_equal (&state->way4, &facts->default4) || !vpnd_default_route_equal (&state->way6, &facts->default6);
}

/* Whether packets of the transport leave this host by @family, as the device was told. */
static gboolean
is_used (const VpndTunnelConfig *config, int family)
{
  if (vpnd_bridge_is_set (&config->bridge))
    return config->bridge.service.endpoint.addr.family == family;
  for (guint i = 0; i < config->peers->len; i++)
    if (((const VpndTunnelPeer *) g_ptr_array_index (config->peers, i))->endpoint.addr.family == family)
      return TRUE;
  return FALSE;
}

/**
 * vpnd_peer_way_is_lost:
 * @state: a state with a configuration
 * @facts: the facts
 *
 * What a device that has not been answered yet has sent went by a way that is no more.
 *
 * Returns: TRUE when it did
 */
gboolean
vpnd_peer_way_is_lost (const VpndState *state, const VpndFacts *facts)
{
  return (is_used (state->config, AF_INET) && !is_same_way (&state->way4, &facts->default4)) ||
      (is_used (state->config, AF_INET6) && !is_same_way (&state->way6, &facts->default6));
}

/**
 * vpnd_peer_way_has_nearer_endpoint:
 * @state: a state with a configuration and its profile
 * @facts: the facts
 *
 * Returns: TRUE when the primary peer has an address in the profile that the network of now leads to rather than to the one that the device has
 */
gboolean
vpnd_peer_way_has_nearer_endpoint (const VpndState *state, const VpndFacts *facts)
{
  const VpndPeer *primary = vpnd_profile_primary_peer (state->profile);
  const VpndEndpoint outer = vpnd_tunnel_plan_outer (state->profile, facts);

  if (vpnd_bridge_is_set (&state->config->bridge) || !vpnd_addr_is_set (&outer.addr))
    return FALSE;
  for (guint i = 0; i < state->config->peers->len; i++)
    {
      const VpndTunnelPeer *peer = g_ptr_array_index (state->config->peers, i);

      if (vpnd_public_key_equal (&peer->public_key, &primary->public_key))
        return !vpnd_endpoint_equal (&peer->endpoint, &outer);
    }
  return FALSE;
}
