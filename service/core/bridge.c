/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/bridge.h.
 */
#include "config.h"

#include "bridge.h"

/* No scope goes with an address, so a link-local one leads nowhere. */
static const VpndPrefix link_local6 = { { AF_INET6, { 0xfe, 0x80 } }, 10 };

/**
 * vpnd_bridge_is_set:
 * @bridge: a bridge
 *
 * Returns: FALSE for the zero value: the server itself is the first hop
 */
gboolean
vpnd_bridge_is_set (const VpndBridge *bridge)
{
  return vpnd_addr_is_set (&bridge->service.endpoint.addr);
}

/**
 * vpnd_bridge_equal:
 * @a: a bridge
 * @b: a bridge
 *
 * Returns: TRUE when both are the same, or both are not set
 */
gboolean
vpnd_bridge_equal (const VpndBridge *a, const VpndBridge *b)
{
  return vpnd_service_port_equal (&a->service, &b->service) && a->local_port == b->local_port && a->uid == b->uid;
}

/**
 * vpnd_bridge_find_fault:
 * @bridge: a bridge that is set
 *
 * Returns: (transfer none) (nullable): what makes it useless, "KEY: expected ..." with the key of activate's JSON; NULL when it is valid
 */
const char *
vpnd_bridge_find_fault (const VpndBridge *bridge)
{
  const VpndEndpoint *endpoint = &bridge->service.endpoint;

  if (!vpnd_addr_is_unicast (&endpoint->addr) || vpnd_addr_is_loopback (&endpoint->addr) || vpnd_prefix_contains (&link_local6, &endpoint->addr))
    return "address: expected the address of another host";
  if (endpoint->port == 0)
    return "port: expected 1 to 65535";
  if (bridge->service.protocol != IPPROTO_UDP && bridge->service.protocol != IPPROTO_TCP)
    return "protocol: expected \"udp\" or \"tcp\"";
  if (bridge->local_port == 0)
    return "localPort: expected 1 to 65535";
  if (bridge->uid > VPND_BRIDGE_UID_MAX)
    return "user: expected the number of a user";
  return NULL;
}

/**
 * vpnd_bridge_local_endpoint:
 * @bridge: a bridge that is set
 *
 * Returns: where the proxy takes the transport: 127.0.0.1, and its port
 */
VpndEndpoint
vpnd_bridge_local_endpoint (const VpndBridge *bridge)
{
  return (VpndEndpoint){ { AF_INET, { 127, 0, 0, 1 } }, bridge->local_port };
}
