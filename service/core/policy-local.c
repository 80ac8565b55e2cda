/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the policy allows on the links of the host themselves: getting an address, finding neighbours, and the local network where the settings allow it.
 * Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy-rules.h"

#include <linux/netfilter.h>
#include <netinet/icmp6.h>

#define SET_LAN4 "lan4"
#define SET_LAN6 "lan6"
#define SET_MULTICAST4 "multicast4"
#define SET_MULTICAST6 "multicast6"

#define DHCP6_CLIENT_PORT 546 /* RFC 8415 */
#define DHCP6_SERVER_PORT 547

/* 2: DHCP client. The reply to a DHCPv4 request may come from any server and go to any address: the client has none yet. */

/**
 * vpnd_policy_add_dhcp:
 * @chains: the chains of a ruleset that is being filled
 *
 * Adds what a DHCPv4 and a DHCPv6 client need (RFC 2131, RFC 8415).
 */
void
vpnd_policy_add_dhcp (VpndPolicyChains *chains)
{
  static const char *const servers6[] = { "ff02::1:2/128", "ff05::1:3/128" };
  VpndRule *rule;

  rule = vpnd_policy_match_destination (vpnd_chain_add_rule (chains->output), "255.255.255.255/32");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_CLIENT_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_SERVER_PORT));

  rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->input), VPND_FIELD_NFPROTO, NFPROTO_IPV4);
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_SERVER_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_CLIENT_PORT));

  for (guint i = 0; i < G_N_ELEMENTS (servers6); i++)
    {
      rule = vpnd_policy_match_destination (vpnd_policy_match_source (vpnd_chain_add_rule (chains->output), "fe80::/10"), servers6[i]);
      vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP6_CLIENT_PORT);
      vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP6_SERVER_PORT));
    }

  rule = vpnd_policy_match_destination (vpnd_policy_match_source (vpnd_chain_add_rule (chains->input), "fe80::/10"), "fe80::/10");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP6_SERVER_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP6_CLIENT_PORT));
}

/* 2: the subset of neighbour discovery (RFC 4861) that a host needs, exact in direction, type, code and address. */

/**
 * vpnd_policy_add_ndp:
 * @chains: the chains of a ruleset that is being filled
 *
 * Adds what a host needs of neighbour discovery.
 */
void
vpnd_policy_add_ndp (VpndPolicyChains *chains)
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
        vpnd_policy_match_source (rule, table[i].network);
      else if (table[i].network != NULL)
        vpnd_policy_match_destination (rule, table[i].network);
      vpnd_rule_match_u8 (rule, VPND_FIELD_ICMPV6_TYPE, table[i].type);
      vpnd_rule_accept (vpnd_rule_match_u8 (rule, VPND_FIELD_ICMPV6_CODE, 0));
    }
}

/* 7: the local network, where the settings allow it. After the refusal of DNS: the resolver of a LAN is not part of it. What is forwarded goes from a
 * local network to a local network: a packet that claims to come from elsewhere is not the LAN's. */

/**
 * vpnd_policy_add_lan:
 * @chains: the chains of a ruleset that is being filled
 *
 * Adds the private networks, link-local multicast, and the answers of a DHCPv4 server.
 */
void
vpnd_policy_add_lan (VpndPolicyChains *chains)
{
  static const struct
  {
    const char *name;
    const char *sources; /* the set of who may send there when it is forwarded */
    VpndField source;
    VpndField destination;
    gboolean is_incoming; /* new connections from there are let in, too */
    const char *networks[6];
  } sets[] = {
    { SET_LAN4, SET_LAN4, VPND_FIELD_IP_SADDR, VPND_FIELD_IP_DADDR, TRUE, { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16" } },
    { SET_LAN6, SET_LAN6, VPND_FIELD_IP6_SADDR, VPND_FIELD_IP6_DADDR, TRUE, { "fe80::/10", "fc00::/7" } },
    { SET_MULTICAST4, SET_LAN4, VPND_FIELD_IP_SADDR, VPND_FIELD_IP_DADDR, FALSE, { "224.0.0.0/24", "239.0.0.0/8", "255.255.255.255/32" } },
    { SET_MULTICAST6, SET_LAN6, VPND_FIELD_IP6_SADDR, VPND_FIELD_IP6_DADDR, FALSE, { "ff01::/16", "ff02::/16", "ff03::/16", "ff04::/16", "ff05::/16" } },
  };
  VpndRule *rule;

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    {
      VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, sets[i].name, sets[i].destination, TRUE, FALSE);

      for (guint j = 0; j < G_N_ELEMENTS (sets[i].networks) && sets[i].networks[j] != NULL; j++)
        {
          VpndPrefix network = vpnd_policy_prefix (sets[i].networks[j]);

          vpnd_set_add_prefix (set, &network, NULL);
        }
      vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chains->output), sets[i].destination, VPND_OP_IN, sets[i].name));
      rule = vpnd_rule_match_set (vpnd_chain_add_rule (chains->forward), sets[i].source, VPND_OP_IN, sets[i].sources);
      vpnd_rule_accept (vpnd_rule_match_set (rule, sets[i].destination, VPND_OP_IN, sets[i].name));
      if (sets[i].is_incoming)
        vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chains->input), sets[i].source, VPND_OP_IN, sets[i].name));
    }

  rule = vpnd_policy_match_destination (vpnd_chain_add_rule (chains->input), "255.255.255.255/32");
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_CLIENT_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_SERVER_PORT));
  rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->output), VPND_FIELD_NFPROTO, NFPROTO_IPV4);
  vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DHCP4_SERVER_PORT);
  vpnd_rule_accept (vpnd_rule_match_port (rule, VPND_FIELD_UDP_DPORT, DHCP4_CLIENT_PORT));
}
