/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The policy of core/policy.h. Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy.h"

#include "reserved.h"

#include <linux/netfilter.h>
#include <netinet/icmp6.h>

/* One before "filter" (0): an accept here ends only our own chains, a drop is final everywhere, so the administrator's own chains
 * keep their meaning and do not even see what we refuse. */
#define PRIORITY_FILTER (-1)
#define PRIORITY_PREROUTING (-150) /* "mangle": after conntrack (-200), before routing */

#define PRIORITY_POSTROUTING 100 /* "srcnat" */

#define PRIORITY_MANGLE (-150) /* "mangle" of the output hook, where a new mark makes the kernel look for the way again */

#define CHAIN_TUNNEL_OUT "tunnel_out"
#define SET_BRIDGES "bridges"
#define SET_DNS_PORTS "dns_ports"
#define SET_DNS4 "dns4"
#define SET_DNS6 "dns6"
#define SET_OUTSIDE4 "dns_outside4"
#define SET_OUTSIDE6 "dns_outside6"
#define SET_LAN4 "lan4"
#define SET_LAN6 "lan6"
#define SET_MULTICAST4 "multicast4"
#define SET_MULTICAST6 "multicast6"

#define ICMP_UNREACH 3          /* RFC 792: destination unreachable ... */
#define ICMP_UNREACH_NEEDFRAG 4 /* ... because the packet is too large and must not be cut up */

#define DHCP4_SERVER_PORT 67 /* RFC 2131 */
#define DHCP4_CLIENT_PORT 68
#define DHCP6_CLIENT_PORT 546 /* RFC 8415 */
#define DHCP6_SERVER_PORT 547
#define DNS_PORT 53
#define DNS_TLS_PORT 853 /* RFC 7858, also DNS over QUIC, RFC 9250 */

typedef struct
{
  VpndChain *prerouting;
  VpndChain *input;
  VpndChain *output;
  VpndChain *forward;
  VpndChain *tunnel_out;  /* NULL while there is no tunnel */
  VpndChain *postrouting; /* NULL where nothing needs another source */
  VpndChain *mangle;      /* NULL where nothing needs another way */
} Chains;

static VpndPrefix
prefix (const char *text)
{
  VpndPrefix result;

  g_assert (vpnd_prefix_parse (text, &result)); /* only ever called with the literals of this file */
  return result;
}

static VpndRule *
match_source (VpndRule *rule, const char *network)
{
  VpndPrefix source = prefix (network);

  return vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &source);
}

static VpndRule *
match_destination (VpndRule *rule, const char *network)
{
  VpndPrefix destination = prefix (network);

  return vpnd_rule_match_prefix (rule, FALSE, VPND_OP_EQ, &destination);
}

/* 1: loopback */
static void
add_loopback (Chains *chains)
{
  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_EQ, "lo"));
  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo"));
}

/* 2: DHCP client. The reply to a DHCPv4 request may come from any server and go to any address: the client has none yet. */
static void
add_dhcp (Chains *chains)
{
  static const char *const servers6[] = { "ff02::1:2/128", "ff05::1:3/128" };
  VpndRule *rule;

  rule = match_destination (vpnd_chain_add_rule (chains->output), "255.255.255.255/32");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_CLIENT_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_SERVER_PORT));

  rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->input), VPND_FIELD_NFPROTO, NFPROTO_IPV4);
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_SERVER_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_CLIENT_PORT));

  for (guint i = 0; i < G_N_ELEMENTS (servers6); i++)
    {
      rule = match_destination (match_source (vpnd_chain_add_rule (chains->output), "fe80::/10"), servers6[i]);
      vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP6_CLIENT_PORT);
      vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP6_SERVER_PORT));
    }

  rule = match_destination (match_source (vpnd_chain_add_rule (chains->input), "fe80::/10"), "fe80::/10");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP6_SERVER_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP6_CLIENT_PORT));
}

/* 2: the subset of neighbour discovery (RFC 4861) that a host needs, exact in direction, type, code and address. */
static void
add_ndp (Chains *chains)
{
  static const struct
  {
    gboolean is_incoming;
    guint8 type;
    const char *network; /* of the source when incoming, of the destination when outgoing; NULL for any */
  } table[] = {
    { FALSE, ND_ROUTER_SOLICIT, "ff02::2/128" },
    { TRUE, ND_ROUTER_ADVERT, "fe80::/10" },
    { TRUE, ND_REDIRECT, "fe80::/10" },
    { FALSE, ND_NEIGHBOR_SOLICIT, "ff02::1:ff00:0/104" },
    { FALSE, ND_NEIGHBOR_SOLICIT, "fe80::/10" },
    { TRUE, ND_NEIGHBOR_SOLICIT, "fe80::/10" },
    { FALSE, ND_NEIGHBOR_ADVERT, "fe80::/10" },
    { TRUE, ND_NEIGHBOR_ADVERT, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      VpndRule *rule = vpnd_chain_add_rule (table[i].is_incoming ? chains->input : chains->output);

      if (table[i].network != NULL && table[i].is_incoming)
        match_source (rule, table[i].network);
      else if (table[i].network != NULL)
        match_destination (rule, table[i].network);
      vpnd_rule_match_u8 (rule, VPND_FIELD_ICMPV6_TYPE, table[i].type);
      vpnd_rule_accept (vpnd_rule_match_u8 (rule, VPND_FIELD_ICMPV6_CODE, 0));
    }
}

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

static void
want_postrouting (VpndRuleset *ruleset, Chains *chains)
{
  if (chains->postrouting == NULL)
    chains->postrouting = vpnd_ruleset_add_chain (ruleset, "postrouting", VPND_CHAIN_NAT, VPND_HOOK_POSTROUTING, PRIORITY_POSTROUTING, VPND_VERDICT_ACCEPT);
}

static void
want_mangle (VpndRuleset *ruleset, Chains *chains)
{
  if (chains->mangle == NULL)
    chains->mangle = vpnd_ruleset_add_chain (ruleset, "mangle", VPND_CHAIN_ROUTE, VPND_HOOK_OUTPUT, PRIORITY_MANGLE, VPND_VERDICT_ACCEPT);
}

/* What programs of root exchange with @service. */
static void
accept_root (Chains *chains, const VpndServicePort *service)
{
  VpndRule *rule = vpnd_rule_match_u32 (vpnd_chain_add_rule (chains->output), VPND_FIELD_SKUID, VPND_OP_EQ, 0);

  vpnd_rule_accept (match_service (rule, service, FALSE));
  vpnd_rule_accept (vpnd_rule_match_established (match_service (vpnd_chain_add_rule (chains->input), service, TRUE)));
}

/* Turns what programs of root send to @service back from the tunnel's link: a mark makes the kernel look for the way again, and the packets get
 * the address of the link that they leave by. The answers are marked before routing, so that a strict rp_filter looks them up like the requests. */
static void
route_outside (VpndRuleset *ruleset, Chains *chains, const VpndServicePort *service, const char *ifname)
{
  VpndRule *rule;

  want_postrouting (ruleset, chains);
  want_mangle (ruleset, chains);
  rule = vpnd_rule_match_u32 (vpnd_chain_add_rule (chains->mangle), VPND_FIELD_SKUID, VPND_OP_EQ, 0);
  vpnd_rule_set_mark (match_service (rule, service, FALSE), VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
  rule = match_service (vpnd_chain_add_rule (chains->prerouting), service, TRUE);
  vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->postrouting), VPND_FIELD_OIFNAME, VPND_OP_NE, ifname);
  vpnd_rule_statement (match_service (rule, service, FALSE), VPND_STATEMENT_MASQUERADE);
}

static VpndRule *
match_marked (VpndRule *rule)
{
  return vpnd_rule_match_mark (rule, VPND_FIELD_MARK, VPND_OP_EQ, VPND_MARK_VALUE, VPND_MARK_MASK);
}

/* The capability for raw sockets is enough to set a mark (Linux 5.17), and users have it by way of mtr-packet(8): a socket that is known to be
 * somebody else's than root's is not the transport's. A kernel socket has no user, so the rule passes it by. */
static void
refuse_marks_of_users (Chains *chains)
{
  VpndRule *rule = vpnd_rule_match_u32 (match_marked (vpnd_chain_add_rule (chains->output)), VPND_FIELD_SKUID, VPND_OP_NE, 0);

  vpnd_rule_statement (rule, VPND_STATEMENT_REJECT);
}

/* 3: the first hop, and nothing else at its address. Replies are marked before routing, so that a strict rp_filter looks
 * them up like the requests (src_valid_mark). */
static void
add_first_hop (Chains *chains, const VpndTunnelConfig *config)
{
  for (guint i = 0; i < config->peers->len; i++)
    {
      const VpndTunnelPeer *peer = g_ptr_array_index (config->peers, i);
      VpndPrefix host;
      VpndRule *rule;

      if (!vpnd_addr_is_set (&peer->endpoint.addr))
        continue;
      host = vpnd_prefix_host (&peer->endpoint.addr);

      rule = vpnd_rule_match_prefix (vpnd_chain_add_rule (chains->prerouting), TRUE, VPND_OP_EQ, &host);
      vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, peer->endpoint.port);
      vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);

      rule = vpnd_rule_match_prefix (vpnd_chain_add_rule (chains->input), TRUE, VPND_OP_EQ, &host);
      vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, peer->endpoint.port);
      vpnd_rule_accept (vpnd_rule_match_established (rule));

      rule = vpnd_rule_match_prefix (match_marked (vpnd_chain_add_rule (chains->output)), FALSE, VPND_OP_EQ, &host);
      vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, peer->endpoint.port));
    }
}

/* 1 and 3: whoever sends to the proxy sends to the bridge, so on this host nobody may but the transport: with our mark, and not from a socket that is known
 * to be a user's. Proxies that carry UDP often listen for TCP, too. Flows of others that use the number by chance go on; guests and the local
 * network begin none. Before all that accepts. */
static void
add_proxy_guard (Chains *chains, const VpndBridge *bridge)
{
  static const VpndField ports[] = { VPND_FIELD_UDP_DPORT, VPND_FIELD_TCP_DPORT };
  VpndRule *rule;

  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, bridge->local_port);
  vpnd_rule_match_mark (rule, VPND_FIELD_MARK, VPND_OP_NE, VPND_MARK_VALUE, VPND_MARK_MASK);
  vpnd_rule_statement (rule, VPND_STATEMENT_REJECT);
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, bridge->local_port);
  vpnd_rule_statement (vpnd_rule_match_u32 (rule, VPND_FIELD_SKUID, VPND_OP_NE, 0), VPND_STATEMENT_REJECT);
  rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, "lo");
  vpnd_rule_match_new (vpnd_rule_match_port (rule, VPND_FIELD_TCP_DPORT, bridge->local_port));
  vpnd_rule_statement (rule, VPND_STATEMENT_REJECT_TCP_RESET);

  for (guint i = 0; i < G_N_ELEMENTS (ports); i++)
    {
      rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_NE, "lo");
      vpnd_rule_drop (vpnd_rule_match_new (vpnd_rule_match_port (rule, ports[i], bridge->local_port)));
    }
}

/* 3: with a bridge, that is the first hop, and the server is nobody to this host. The proxy runs as root, or as the user that the bridge names and
 * then marks its packets itself. Before the rules of the tunnel, like the services of rule 4. */
static void
add_bridge_hop (VpndRuleset *ruleset, Chains *chains, const VpndBridge *bridge, const char *ifname)
{
  accept_root (chains, &bridge->service);
  route_outside (ruleset, chains, &bridge->service, ifname);
  if (bridge->uid != 0)
    {
      VpndRule *rule = vpnd_rule_match_u32 (match_marked (vpnd_chain_add_rule (chains->output)), VPND_FIELD_SKUID, VPND_OP_EQ, bridge->uid);
      vpnd_rule_accept (match_service (rule, &bridge->service, FALSE));
    }
}

/* 5: names. Both DNS and DNS over TLS or QUIC; refused at once, so that a resolver tries its next server. */
static void
add_dns_reject (VpndChain *chain)
{
  vpnd_rule_statement (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, VPND_OP_IN, SET_DNS_PORTS), VPND_STATEMENT_REJECT);
  vpnd_rule_statement (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_TCP_DPORT, VPND_OP_IN, SET_DNS_PORTS), VPND_STATEMENT_REJECT_TCP_RESET);
}

static gboolean
is_outside (const VpndDnsPlan *dns, const VpndAddr *server)
{
  for (guint i = 0; i < dns->outside->len; i++)
    if (vpnd_addr_equal (&g_array_index (dns->outside, VpndAddr, i), server))
      return TRUE;
  return FALSE;
}

static void
add_dns_sets (VpndRuleset *ruleset, const VpndDnsPlan *dns)
{
  VpndSet *ports = vpnd_ruleset_add_set (ruleset, SET_DNS_PORTS, VPND_FIELD_UDP_DPORT, FALSE, FALSE);
  VpndSet *servers4 = vpnd_ruleset_add_set (ruleset, SET_DNS4, VPND_FIELD_IP_DADDR, FALSE, FALSE);
  VpndSet *servers6 = vpnd_ruleset_add_set (ruleset, SET_DNS6, VPND_FIELD_IP6_DADDR, FALSE, FALSE);

  vpnd_set_add_port (ports, DNS_PORT, NULL);
  vpnd_set_add_port (ports, DNS_TLS_PORT, NULL);
  for (guint i = 0; dns != NULL && i < dns->servers->len; i++)
    {
      const VpndAddr *server = &g_array_index (dns->servers, VpndAddr, i);

      if (!is_outside (dns, server))
        vpnd_set_add_addr (server->family == AF_INET ? servers4 : servers6, server, NULL);
    }
}

/* 5: resolvers of a network of one's own: names and nothing else, and only what answers comes back. The tunnel's link has been decided upon
 * before these rules. */
static void
add_outside_dns (VpndRuleset *ruleset, Chains *chains, const VpndDnsPlan *dns)
{
  static const struct
  {
    int family;
    const char *set;
    VpndField source;
    VpndField destination;
  } families[] = {
    { AF_INET, SET_OUTSIDE4, VPND_FIELD_IP_SADDR, VPND_FIELD_IP_DADDR },
    { AF_INET6, SET_OUTSIDE6, VPND_FIELD_IP6_SADDR, VPND_FIELD_IP6_DADDR },
  };
  static const VpndField ports[][2] = { { VPND_FIELD_UDP_SPORT, VPND_FIELD_UDP_DPORT }, { VPND_FIELD_TCP_SPORT, VPND_FIELD_TCP_DPORT } };
  VpndChain *const out[] = { chains->output, chains->forward };
  VpndChain *const in[] = { chains->input, chains->forward };

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      VpndSet *set = NULL;

      for (guint j = 0; j < dns->outside->len; j++)
        {
          const VpndAddr *server = &g_array_index (dns->outside, VpndAddr, j);

          if (server->family != families[i].family)
            continue;
          if (set == NULL)
            set = vpnd_ruleset_add_set (ruleset, families[i].set, families[i].destination, FALSE, FALSE);
          vpnd_set_add_addr (set, server, NULL);
        }
      for (guint j = 0; set != NULL && j < G_N_ELEMENTS (ports) * G_N_ELEMENTS (out); j++)
        {
          VpndRule *rule = vpnd_rule_match_set (vpnd_chain_add_rule (out[j / 2]), families[i].destination, VPND_OP_IN, families[i].set);

          vpnd_rule_accept (vpnd_rule_match_set (rule, ports[j % 2][1], VPND_OP_IN, SET_DNS_PORTS));
          rule = vpnd_rule_match_set (vpnd_chain_add_rule (in[j / 2]), families[i].source, VPND_OP_IN, families[i].set);
          vpnd_rule_accept (vpnd_rule_match_established (vpnd_rule_match_set (rule, ports[j % 2][0], VPND_OP_IN, SET_DNS_PORTS)));
        }
    }
}

/* 3: the way says that a packet is too large for it (RFC 1191, RFC 8201). Without this the transport sends on into nothing. Only what conntrack knows
 * as the answer to a packet of this host, and marked like the transport's replies: the sender is any router between here and the first hop. */
static void
add_path_mtu (Chains *chains, const char *ifname)
{
  static const struct
  {
    VpndField type_field;
    VpndField code_field;
    guint8 type;
    guint8 code;
  } table[] = {
    { VPND_FIELD_ICMP_TYPE, VPND_FIELD_ICMP_CODE, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG },
    { VPND_FIELD_ICMPV6_TYPE, VPND_FIELD_ICMPV6_CODE, ICMP6_PACKET_TOO_BIG, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->prerouting), VPND_FIELD_IIFNAME, VPND_OP_NE, ifname);

      vpnd_rule_match_u8 (rule, table[i].type_field, table[i].type);
      vpnd_rule_match_related (vpnd_rule_match_u8 (rule, table[i].code_field, table[i].code));
      vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
      rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->input), table[i].type_field, table[i].type);
      vpnd_rule_accept (vpnd_rule_match_related (vpnd_rule_match_u8 (rule, table[i].code_field, table[i].code)));
    }
}

/* 6: what is forwarded into the tunnel and out of it was sized for another link; the two ends of a TCP connection learn here what fits. */
static void
add_mss (Chains *chains, const char *ifname)
{
  static const VpndField sides[] = { VPND_FIELD_OIFNAME, VPND_FIELD_IIFNAME };

  for (guint i = 0; i < G_N_ELEMENTS (sides); i++)
    {
      VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->forward), sides[i], VPND_OP_EQ, ifname);

      vpnd_rule_statement (vpnd_rule_match_syn (rule), VPND_STATEMENT_CLAMP_MSS);
    }
}

/* 6: inside the tunnel. The transport's own packets never (they would loop); flows that were let through before without
 * a further look; then DNS; then all the rest. */
static void
add_tunnel (Chains *chains, const VpndPolicyInput *input)
{
  static const struct
  {
    VpndField address;
    const char *set;
  } families[] = { { VPND_FIELD_IP_DADDR, SET_DNS4 }, { VPND_FIELD_IP6_DADDR, SET_DNS6 } };
  const char *ifname = input->routes->ifname;
  gboolean has_dns = input->dns != NULL && !vpnd_dns_plan_is_empty (input->dns);
  gboolean is_connected = input->kind == VPND_POLICY_CONNECTED;

  vpnd_rule_accept (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_EQ, ifname));
  vpnd_rule_jump (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_EQ, ifname), CHAIN_TUNNEL_OUT);
  vpnd_rule_accept (vpnd_rule_match_established (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->forward), VPND_FIELD_IIFNAME, VPND_OP_EQ, ifname)));
  vpnd_rule_jump (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->forward), VPND_FIELD_OIFNAME, VPND_OP_EQ, ifname), CHAIN_TUNNEL_OUT);

  vpnd_rule_drop (vpnd_rule_match_mark (vpnd_chain_add_rule (chains->tunnel_out), VPND_FIELD_MARK, VPND_OP_EQ, VPND_MARK_VALUE, VPND_MARK_MASK));
  if (is_connected)
    vpnd_rule_accept (vpnd_rule_match_established (vpnd_chain_add_rule (chains->tunnel_out)));
  if (!is_connected || has_dns)
    {
      for (guint i = 0; is_connected && i < G_N_ELEMENTS (families); i++)
        {
          VpndRule *rule = vpnd_rule_match_set (vpnd_chain_add_rule (chains->tunnel_out), families[i].address, VPND_OP_IN, families[i].set);

          vpnd_rule_accept (vpnd_rule_match_set (rule, VPND_FIELD_UDP_DPORT, VPND_OP_IN, SET_DNS_PORTS));
          rule = vpnd_rule_match_set (vpnd_chain_add_rule (chains->tunnel_out), families[i].address, VPND_OP_IN, families[i].set);
          vpnd_rule_accept (vpnd_rule_match_set (rule, VPND_FIELD_TCP_DPORT, VPND_OP_IN, SET_DNS_PORTS));
        }
      add_dns_reject (chains->tunnel_out);
    }
  vpnd_rule_accept (vpnd_chain_add_rule (chains->tunnel_out));
}

/* 10: nobody outside the tunnel may even learn that the tunnel's addresses are here (CVE-2019-14899). */
static void
add_tunnel_address_guard (Chains *chains, const VpndRoutePlan *routes)
{
  for (guint i = 0; i < routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (routes->addresses, VpndPrefix, i).addr);
      VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->prerouting), VPND_FIELD_IIFNAME, VPND_OP_NE, routes->ifname);

      vpnd_rule_match_ifname (rule, VPND_FIELD_IIFNAME, VPND_OP_NE, "lo");
      vpnd_rule_drop (vpnd_rule_match_prefix (rule, FALSE, VPND_OP_EQ, &host));
    }
}

/* 7: the local network, where the settings allow it. After the refusal of DNS: the resolver of a LAN is not part of it. */
static void
add_lan (VpndRuleset *ruleset, Chains *chains)
{
  static const struct
  {
    const char *name;
    VpndField source;
    VpndField destination;
    gboolean is_incoming; /* new connections from there are let in, too */
    const char *networks[6];
  } sets[] = {
    { SET_LAN4, VPND_FIELD_IP_SADDR, VPND_FIELD_IP_DADDR, TRUE, { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16" } },
    { SET_LAN6, VPND_FIELD_IP6_SADDR, VPND_FIELD_IP6_DADDR, TRUE, { "fe80::/10", "fc00::/7" } },
    { SET_MULTICAST4, VPND_FIELD_IP_SADDR, VPND_FIELD_IP_DADDR, FALSE, { "224.0.0.0/24", "239.0.0.0/8", "255.255.255.255/32" } },
    { SET_MULTICAST6, VPND_FIELD_IP6_SADDR, VPND_FIELD_IP6_DADDR, FALSE, { "ff01::/16", "ff02::/16", "ff03::/16", "ff04::/16", "ff05::/16" } },
  };
  VpndRule *rule;

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    {
      VpndSet *set = vpnd_ruleset_add_set (ruleset, sets[i].name, sets[i].destination, TRUE, FALSE);

      for (guint j = 0; j < G_N_ELEMENTS (sets[i].networks) && sets[i].networks[j] != NULL; j++)
        {
          VpndPrefix network = prefix (sets[i].networks[j]);

          vpnd_set_add_prefix (set, &network, NULL);
        }
      vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chains->output), sets[i].destination, VPND_OP_IN, sets[i].name));
      vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chains->forward), sets[i].destination, VPND_OP_IN, sets[i].name));
      if (sets[i].is_incoming)
        vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chains->input), sets[i].source, VPND_OP_IN, sets[i].name));
    }

  rule = match_destination (vpnd_chain_add_rule (chains->input), "255.255.255.255/32");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_CLIENT_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_SERVER_PORT));
  rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->output), VPND_FIELD_NFPROTO, NFPROTO_IPV4);
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_SERVER_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_CLIENT_PORT));
}

/* 9: bridges without a physical port lead nowhere but to containers and guests of this host. */
static void
add_bridges (VpndRuleset *ruleset, Chains *chains, const VpndFacts *facts)
{
  VpndSet *set = vpnd_ruleset_add_set (ruleset, SET_BRIDGES, VPND_FIELD_IIFNAME, FALSE, FALSE);
  VpndRule *rule;

  for (guint i = 0; i < facts->bridges->len; i++)
    vpnd_set_add_ifname (set, g_array_index (facts->bridges, VpndHop, i).ifname, NULL);

  vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_IN, SET_BRIDGES));
  vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chains->output), VPND_FIELD_OIFNAME, VPND_OP_IN, SET_BRIDGES));
  rule = vpnd_rule_match_set (vpnd_chain_add_rule (chains->forward), VPND_FIELD_IIFNAME, VPND_OP_IN, SET_BRIDGES);
  vpnd_rule_accept (vpnd_rule_match_set (rule, VPND_FIELD_OIFNAME, VPND_OP_IN, SET_BRIDGES));
}

/* 9: the peer knows the tunnel's address and no other, so what guests of this host send into the tunnel leaves with it. By source and not by
 * incoming link: kernels before 5.7 do not tell that one here. */
static void
add_masquerade (VpndRuleset *ruleset, Chains *chains, const VpndRoutePlan *routes)
{
  static const int families[] = { AF_INET, AF_INET6 };

  want_postrouting (ruleset, chains);
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      VpndRule *rule = NULL;

      for (guint j = 0; j < routes->addresses->len; j++)
        {
          VpndPrefix host = vpnd_prefix_host (&g_array_index (routes->addresses, VpndPrefix, j).addr);

          if (host.addr.family != families[i])
            continue;
          if (rule == NULL)
            rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->postrouting), VPND_FIELD_OIFNAME, VPND_OP_EQ, routes->ifname);
          vpnd_rule_match_prefix (rule, TRUE, VPND_OP_NE, &host);
        }
      if (rule != NULL)
        vpnd_rule_statement (rule, VPND_STATEMENT_MASQUERADE);
    }
}

/* 4: services that root's programs reach beside the tunnel as long as it does not carry anything: a provider's API, to get new keys. While
 * connecting the routes lead into the tunnel already. Before the rules of the tunnel, for the output hook goes on calling its link the outgoing one. */
static void
add_api (VpndRuleset *ruleset, Chains *chains, const VpndPolicyInput *input)
{
  const GArray *services = input->settings->api_endpoints;
  gboolean is_routed = input->kind == VPND_POLICY_CONNECTING;

  for (guint i = 0; i < services->len; i++)
    {
      const VpndServicePort *service = &g_array_index (services, VpndServicePort, i);

      accept_root (chains, service);
      if (is_routed)
        route_outside (ruleset, chains, service, input->routes->ifname);
    }
}

/* 11: TCP by a reset: the kernel does not give an ICMPv6 error to a socket that is bound to a physical link, which would hang. */
static void
add_reject (VpndChain *chain)
{
  vpnd_rule_statement (vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, IPPROTO_TCP), VPND_STATEMENT_REJECT_TCP_RESET);
  vpnd_rule_statement (vpnd_chain_add_rule (chain), VPND_STATEMENT_REJECT);
}

static void
add_chains (VpndRuleset *ruleset, Chains *chains, gboolean has_tunnel)
{
  if (has_tunnel)
    chains->tunnel_out = vpnd_ruleset_add_chain (ruleset, CHAIN_TUNNEL_OUT, VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT);
  chains->prerouting = vpnd_ruleset_add_chain (ruleset, "prerouting", VPND_CHAIN_FILTER, VPND_HOOK_PREROUTING, PRIORITY_PREROUTING, VPND_VERDICT_ACCEPT);
  chains->input = vpnd_ruleset_add_chain (ruleset, "input", VPND_CHAIN_FILTER, VPND_HOOK_INPUT, PRIORITY_FILTER, VPND_VERDICT_DROP);
  chains->output = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, PRIORITY_FILTER, VPND_VERDICT_DROP);
  chains->forward = vpnd_ruleset_add_chain (ruleset, "forward", VPND_CHAIN_FILTER, VPND_HOOK_FORWARD, PRIORITY_FILTER, VPND_VERDICT_DROP);
}

/**
 * vpnd_policy_build:
 * @input: what the policy depends on
 *
 * Builds the rules of docs/security.md for one state. Every base chain that filters ends in drop; what leaves and is not allowed is refused at
 * once, so that no application hangs (rule 11).
 *
 * Returns: (transfer full): the ruleset of the table VPND_NFT_TABLE
 */
VpndRuleset *
vpnd_policy_build (const VpndPolicyInput *input)
{
  VpndRuleset *ruleset = vpnd_ruleset_new (VPND_NFT_TABLE);
  gboolean has_tunnel = input->kind != VPND_POLICY_BLOCKED;
  gboolean has_bridge = has_tunnel && input->config != NULL && vpnd_bridge_is_set (&input->config->bridge);
  Chains chains = { NULL };

  g_assert (!has_tunnel || (input->config != NULL && input->routes != NULL));

  add_chains (ruleset, &chains, has_tunnel);
  add_dns_sets (ruleset, has_tunnel ? input->dns : NULL);
  if (has_bridge)
    add_proxy_guard (&chains, &input->config->bridge);
  add_loopback (&chains);
  if (input->kind != VPND_POLICY_CONNECTED)
    add_api (ruleset, &chains, input);
  if (has_tunnel)
    {
      add_tunnel_address_guard (&chains, input->routes);
      add_mss (&chains, input->routes->ifname);
      if (has_bridge)
        add_bridge_hop (ruleset, &chains, &input->config->bridge, input->routes->ifname);
      add_tunnel (&chains, input);
      refuse_marks_of_users (&chains);
      if (!has_bridge)
        add_first_hop (&chains, input->config);
      add_path_mtu (&chains, input->routes->ifname);
    }
  add_dhcp (&chains);
  add_ndp (&chains);
  if (input->facts->bridges->len > 0)
    add_bridges (ruleset, &chains, input->facts);
  if (has_tunnel && input->facts->bridges->len > 0)
    add_masquerade (ruleset, &chains, input->routes);
  if (input->kind == VPND_POLICY_CONNECTED && input->dns != NULL)
    add_outside_dns (ruleset, &chains, input->dns);
  add_dns_reject (chains.output);
  add_dns_reject (chains.forward);
  if (input->settings->allow_lan)
    add_lan (ruleset, &chains);
  add_reject (chains.output);
  add_reject (chains.forward);
  return ruleset;
}
