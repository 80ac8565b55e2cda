/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the policy allows outside the tunnel for its own sake: the first hop of the transport, a bridge before it, and the services of the settings that
 * root's programs reach while there is no tunnel. Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy-rules.h"

#include <netinet/icmp6.h>

#include "reserved.h"

#define ICMP_UNREACH 3          /* RFC 792: destination unreachable ... */
#define ICMP_UNREACH_NEEDFRAG 4 /* ... because the packet is too large and must not be cut up */

/* @is_back: what the service answers, else what goes to it. */
static VpndRule *
match_service (VpndRule *rule, const VpndServicePort *service, gboolean is_back)
{
  VpndPrefix host = vpnd_prefix_host (&service->endpoint.addr);
  gboolean is_tcp = service->protocol == IPPROTO_TCP;
  VpndField source = is_tcp ? VPND_FIELD_TCP_SPORT : VPND_FIELD_UDP_SPORT;
  VpndField destination = is_tcp ? VPND_FIELD_TCP_DPORT : VPND_FIELD_UDP_DPORT;

  return vpnd_rule_match_port (vpnd_rule_match_prefix (rule, is_back, VPND_OP_EQ, &host), is_back ? source : destination, service->endpoint.port);
}

/* What programs of root exchange with @service. */
static void
accept_root (VpndPolicyChains *chains, const VpndServicePort *service)
{
  VpndRule *rule = vpnd_rule_match_u32 (vpnd_chain_add_rule (chains->output), VPND_FIELD_SKUID, VPND_OP_EQ, 0);

  vpnd_rule_accept (match_service (rule, service, FALSE));
  vpnd_rule_accept (vpnd_rule_match_established (match_service (vpnd_chain_add_rule (chains->input), service, TRUE)));
}

/* Turns what programs of root send to @service back from the tunnel's link: a mark makes the kernel look for the way again, and the packets get
 * the address of the link that they leave by, or do not leave where that is the tunnel's (10). The answers are marked before routing, so that a strict rp_filter
 * looks them up like the requests. */
static void
route_outside (VpndPolicyChains *chains, const VpndServicePort *service, const VpndRoutePlan *routes)
{
  VpndRule *rule;

  vpnd_policy_want_postrouting (chains);
  vpnd_policy_want_mangle (chains);
  rule = vpnd_rule_match_u32 (vpnd_chain_add_rule (chains->mangle), VPND_FIELD_SKUID, VPND_OP_EQ, 0);
  vpnd_rule_set_mark (match_service (rule, service, FALSE), VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
  rule = match_service (vpnd_chain_add_rule (chains->prerouting), service, TRUE);
  vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->postrouting), VPND_FIELD_OIFNAME, VPND_OP_NE, routes->ifname);
  vpnd_rule_statement (match_service (rule, service, FALSE), VPND_STATEMENT_MASQUERADE);
  for (guint i = 0; i < routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (routes->addresses, VpndPrefix, i).addr);

      if (host.addr.family != service->endpoint.addr.family)
        continue;
      rule = match_service (vpnd_rule_match_prefix (vpnd_chain_add_rule (vpnd_policy_want_leaving (chains)), TRUE, VPND_OP_EQ, &host), service, FALSE);
      vpnd_rule_drop (vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_NE, routes->ifname));
    }
}

/* What the kernel's WireGuard sends for a program keeps the socket of that program (skb_scrub_packet() leaves it), so to rules about users and classes it is the
 * program's, and not the transport's. It is known by its mark and its port, where no program can have a socket beside the kernel's; and by the beginning of a
 * message with data (type 4 and three zero bytes), for who lends raw sockets to users, as mtr-packet(8) does, may let them choose the port, too, and a byte to
 * fill datagrams with. Other messages are nobody's. */
static VpndRule *
match_sent_for_somebody (VpndRule *rule, const VpndTunnelConfig *config)
{
  static const guint8 start[] = { 4, 0, 0, 0 };

  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, config->listen_port);
  return vpnd_rule_match (rule, VPND_FIELD_UDP_START, VPND_OP_EQ, start);
}

/* Returns: (nullable): where the transport of that peer is sent; NULL when a bridge is in its place, or it is not known yet */
static const VpndEndpoint *
get_endpoint (const VpndTunnelConfig *config, guint peer)
{
  const VpndEndpoint *endpoint = &((const VpndTunnelPeer *) g_ptr_array_index (config->peers, peer))->endpoint;

  return vpnd_bridge_is_set (&config->bridge) || !vpnd_addr_is_set (&endpoint->addr) ? NULL : endpoint;
}

static VpndRule *
new_rule_to_endpoint (VpndPolicyChains *chains, const VpndEndpoint *endpoint)
{
  VpndPrefix host = vpnd_prefix_host (&endpoint->addr);
  VpndRule *rule = vpnd_rule_match_prefix (vpnd_policy_match_marked (vpnd_chain_add_rule (chains->output)), FALSE, VPND_OP_EQ, &host);

  return vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, endpoint->port);
}

/**
 * vpnd_policy_add_kernel_transport:
 * @chains: the chains of a ruleset that is being filled
 * @config: the tunnel's configuration
 * @routes: the route plan
 *
 * Lets out what the kernel's WireGuard sends to its peers, whoever it sends it for. Before all that asks for the user or the class of a socket.
 */
void
vpnd_policy_add_kernel_transport (VpndPolicyChains *chains, const VpndTunnelConfig *config, const VpndRoutePlan *routes)
{
  for (guint i = 0; i < config->peers->len; i++)
    {
      const VpndEndpoint *endpoint = get_endpoint (config, i);

      if (endpoint != NULL)
        vpnd_rule_accept (vpnd_policy_match_not_from_tunnel (match_sent_for_somebody (new_rule_to_endpoint (chains, endpoint), config), routes, endpoint->addr.family));
    }
}

/* The capability for raw sockets is enough to set a mark (Linux 5.17), and users have it by way of mtr-packet(8): a socket that is known to be
 * somebody else's than root's is not the transport's, but for what the kernel sends for it (vpnd_policy_add_kernel_transport()). A kernel socket has no user, so the rule passes it by. */
static void
refuse_marks_of_users (VpndPolicyChains *chains)
{
  VpndRule *rule = vpnd_rule_match_u32 (vpnd_policy_match_marked (vpnd_chain_add_rule (chains->output)), VPND_FIELD_SKUID, VPND_OP_NE, 0);

  vpnd_rule_goto (rule, CHAIN_REFUSE);
}

/* 3: the first hop, and nothing else at its address. What it sends comes to the port of the tunnel's device alone, which believes nobody without a key; so
 * nobody has to remember that it answers. Replies are marked before routing, so that a strict rp_filter looks them up like the requests (src_valid_mark);
 * also those that come in pieces, of which the first only has ports. Pieces of IPv4 have been put together when they come to the input hook, those of IPv6 only
 * if connection tracking does it; so a peer of IPv6 is tracked. */

/**
 * vpnd_policy_add_first_hop:
 * @chains: the chains of a ruleset that is being filled
 * @config: the tunnel's configuration
 * @routes: the route plan; the address guard has been added for it
 *
 * Lets the transport reach its peers, unless a bridge is in their place, and nobody else.
 */
void
vpnd_policy_add_first_hop (VpndPolicyChains *chains, const VpndTunnelConfig *config, const VpndRoutePlan *routes)
{
  refuse_marks_of_users (chains);
  for (guint i = 0; i < config->peers->len; i++)
    {
      const VpndEndpoint *endpoint = get_endpoint (config, i);
      VpndPrefix host;
      VpndRule *rule;

      if (endpoint == NULL)
        continue;
      host = vpnd_prefix_host (&endpoint->addr);

      rule = vpnd_rule_match_prefix (vpnd_chain_add_rule (chains->prerouting), TRUE, VPND_OP_EQ, &host);
      vpnd_rule_match_u8 (rule, VPND_FIELD_L4PROTO, IPPROTO_UDP);
      vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);

      rule = vpnd_rule_match_prefix (vpnd_chain_add_rule (chains->input), TRUE, VPND_OP_EQ, &host);
      vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, endpoint->port);
      if (host.addr.family == AF_INET6)
        vpnd_rule_match_established (rule);
      vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, config->listen_port));

      vpnd_rule_accept (vpnd_policy_match_not_from_tunnel (new_rule_to_endpoint (chains, endpoint), routes, host.addr.family));
    }
}

/* 1 and 3: whoever sends to the proxy sends to the bridge, so on this host nobody may but the transport: with our mark, and not from a socket that is known
 * to be a user's. Proxies that carry UDP often listen for TCP, too; what answers a client that has the number by chance goes through. Guests and the
 * local network begin nothing there. Nothing here asks conntrack, for people keep it off the loopback interface. Before all that accepts. */

/**
 * vpnd_policy_add_proxy_guard:
 * @chains: the chains of a ruleset that is being filled
 * @config: the tunnel's configuration, with a bridge
 *
 * Keeps everybody but the transport away from the proxy of the bridge.
 */
void
vpnd_policy_add_proxy_guard (VpndPolicyChains *chains, const VpndTunnelConfig *config)
{
  const VpndBridge *bridge = &config->bridge;
  VpndRule *rule;

  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, bridge->local_port);
  vpnd_rule_match_mark (rule, VPND_FIELD_MARK, VPND_OP_NE, VPND_MARK_VALUE, VPND_MARK_MASK);
  vpnd_rule_statement (rule, VPND_STATEMENT_REJECT);
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, bridge->local_port);
  vpnd_rule_accept (vpnd_policy_match_marked (match_sent_for_somebody (rule, config)));
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, bridge->local_port);
  vpnd_rule_statement (vpnd_rule_match_u32 (rule, VPND_FIELD_SKUID, VPND_OP_NE, 0), VPND_STATEMENT_REJECT);
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo");
  vpnd_rule_match_first_syn (vpnd_rule_match_port (rule, VPND_FIELD_TCP_DPORT, bridge->local_port));
  vpnd_rule_statement (rule, VPND_STATEMENT_REJECT_TCP_RESET);

  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_NE, "lo");
  vpnd_rule_drop (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, bridge->local_port));
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_NE, "lo");
  vpnd_rule_drop (vpnd_rule_match_first_syn (vpnd_rule_match_port (rule, VPND_FIELD_TCP_DPORT, bridge->local_port)));
}

/* 3: with a bridge, that is the first hop, and the server is nobody to this host. The proxy runs as root, or as the user that the bridge names and
 * then marks its packets itself. Before the rules of the tunnel, like the services of rule 4. */

/**
 * vpnd_policy_add_bridge_hop:
 * @chains: the chains of a ruleset that is being filled
 * @bridge: a bridge that is set
 * @routes: the route plan
 *
 * Lets the proxy of @bridge reach it.
 */
void
vpnd_policy_add_bridge_hop (VpndPolicyChains *chains, const VpndBridge *bridge, const VpndRoutePlan *routes)
{
  accept_root (chains, &bridge->service);
  route_outside (chains, &bridge->service, routes);
  if (bridge->uid != 0)
    {
      VpndRule *rule = vpnd_rule_match_u32 (vpnd_policy_match_marked (vpnd_chain_add_rule (chains->output)), VPND_FIELD_SKUID, VPND_OP_EQ, bridge->uid);
      vpnd_rule_accept (match_service (rule, &bridge->service, FALSE));
    }
}

/* Lets in the error of @family that says that a packet is too large. @endpoint: (nullable): only about what was sent there from @port, else about what conntrack knows
 * as a packet of this host. */
static void
accept_too_large (VpndPolicyChains *chains, int family, guint16 port, const VpndEndpoint *endpoint, const char *ifname)
{
  VpndChain *const in[] = { chains->prerouting, chains->input };

  for (guint i = 0; i < G_N_ELEMENTS (in); i++)
    {
      VpndRule *rule = vpnd_chain_add_rule (in[i]);

      vpnd_rule_match_u8 (rule, family == AF_INET ? VPND_FIELD_ICMP_TYPE : VPND_FIELD_ICMPV6_TYPE, family == AF_INET ? ICMP_UNREACH : ICMP6_PACKET_TOO_BIG);
      vpnd_rule_match_u8 (rule, family == AF_INET ? VPND_FIELD_ICMP_CODE : VPND_FIELD_ICMPV6_CODE, family == AF_INET ? ICMP_UNREACH_NEEDFRAG : 0);
      if (endpoint != NULL)
        vpnd_rule_match_about (rule, port, endpoint);
      else
        vpnd_rule_match_related (rule);
      if (in[i] == chains->input)
        vpnd_rule_accept (rule);
      else
        vpnd_rule_set_mark (vpnd_rule_match_ifname (rule, VPND_FIELD_IIFNAME, VPND_OP_NE, ifname), VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
    }
}

/* 3: the way says that a packet is too large for it (RFC 1191, RFC 8201). Without this the transport sends on into nothing. Only about what it sent, and
 * marked like its replies: the sender is any router between here and the first hop. Where other programs have a way outside, too, conntrack knows what is
 * about something that was sent. */

/**
 * vpnd_policy_add_path_mtu:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on; with a tunnel
 *
 * Lets the errors in that say that a packet is too large.
 */
void
vpnd_policy_add_path_mtu (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  const char *ifname = input->routes->ifname;

  if (vpnd_bridge_is_set (&input->config->bridge) || (input->kind == VPND_POLICY_CONNECTING && input->settings->api_endpoints->len > 0))
    {
      accept_too_large (chains, AF_INET, 0, NULL, ifname);
      accept_too_large (chains, AF_INET6, 0, NULL, ifname);
      return;
    }
  for (guint i = 0; i < input->config->peers->len; i++)
    {
      const VpndEndpoint *endpoint = &((const VpndTunnelPeer *) g_ptr_array_index (input->config->peers, i))->endpoint;

      if (vpnd_addr_is_set (&endpoint->addr)) /* what an IPv6 packet that was sent in pieces is quoted by has no ports in the place of ports */
        accept_too_large (chains, endpoint->addr.family, input->config->listen_port, endpoint->addr.family == AF_INET ? endpoint : NULL, ifname);
    }
}

/* 4: services that root's programs reach beside the tunnel as long as it does not carry anything: a provider's API, to get new keys. While
 * connecting the routes lead into the tunnel already. Before the rules of the tunnel, for the output hook goes on calling its link the outgoing one. */

/**
 * vpnd_policy_add_api:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on
 *
 * Adds the services of the settings, for a state without a working tunnel.
 */
void
vpnd_policy_add_api (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  const GArray *services = input->settings->api_endpoints;
  gboolean is_routed = input->kind == VPND_POLICY_CONNECTING;

  for (guint i = 0; i < services->len; i++)
    {
      const VpndServicePort *service = &g_array_index (services, VpndServicePort, i);

      accept_root (chains, service);
      if (is_routed)
        route_outside (chains, service, input->routes);
    }
}
