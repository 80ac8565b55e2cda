/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the policy share: the chains that they fill, the names and priorities of these, and the matches that several of them need.
 * Private to service/core/policy*.c.
 */
#pragma once

#include "policy.h"

G_BEGIN_DECLS

#define CHAIN_TUNNEL_OUT "tunnel_out"
#define CHAIN_REFUSE "refuse"
#define CHAIN_SPLIT_INWARD "split_inward"
#define SET_DNS_PORTS "dns_ports"

#define DHCP4_SERVER_PORT 67 /* RFC 2131 */
#define DHCP4_CLIENT_PORT 68

/**
 * VpndPolicyChains: the chains of a ruleset that is being filled; all (unowned)
 * @ruleset: whose chains they are
 * @tunnel_out: what leaves by the tunnel; NULL while there is none
 * @refuse: the end of what leaves or is forwarded and has not been allowed
 * @postrouting: NULL where nothing needs another source
 * @mangle: NULL where nothing needs another way
 * @leaving: NULL where nothing is translated that leaves beside the tunnel
 */
typedef struct
{
  VpndRuleset *ruleset;
  VpndChain *prerouting;
  VpndChain *input;
  VpndChain *output;
  VpndChain *forward;
  VpndChain *tunnel_out;
  VpndChain *refuse;
  VpndChain *postrouting;
  VpndChain *mangle;
  VpndChain *leaving;
} VpndPolicyChains;

void vpnd_policy_chains_init (VpndPolicyChains *chains, VpndRuleset *ruleset, gboolean has_tunnel);
void vpnd_policy_want_postrouting (VpndPolicyChains *chains);
void vpnd_policy_want_mangle (VpndPolicyChains *chains);
VpndChain *vpnd_policy_want_leaving (VpndPolicyChains *chains);
VpndChain *vpnd_policy_add_chain (VpndPolicyChains *chains, const char *name);
void vpnd_policy_refuse_rest (VpndChain *chain);
void vpnd_policy_add_refusal (VpndPolicyChains *chains, gboolean lan_is_open);

VpndPrefix vpnd_policy_prefix (const char *text);
VpndRule *vpnd_policy_match_source (VpndRule *rule, const char *network);
VpndRule *vpnd_policy_match_destination (VpndRule *rule, const char *network);
VpndRule *vpnd_policy_match_marked (VpndRule *rule);
VpndRule *vpnd_policy_match_beside (VpndRule *rule);

/* policy-local.c */
void vpnd_policy_add_dhcp (VpndPolicyChains *chains);
void vpnd_policy_add_ndp (VpndPolicyChains *chains);
void vpnd_policy_add_lan (VpndPolicyChains *chains);

/* policy-guard.c */
void vpnd_policy_add_address_guard (VpndPolicyChains *chains, const VpndRoutePlan *routes);
VpndRule *vpnd_policy_match_not_from_tunnel (VpndRule *rule, const VpndRoutePlan *routes, int family);
void vpnd_policy_add_departure_guard (VpndPolicyChains *chains, const VpndRoutePlan *routes);
void vpnd_policy_add_source_guard (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_beside_guard (VpndPolicyChains *chains, const VpndRoutePlan *routes);

/* policy-hop.c */
void vpnd_policy_add_kernel_transport (VpndPolicyChains *chains, const VpndTunnelConfig *config, const VpndRoutePlan *routes);
void vpnd_policy_add_proxy_guard (VpndPolicyChains *chains, const VpndTunnelConfig *config);
void vpnd_policy_add_api (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_bridge_hop (VpndPolicyChains *chains, const VpndBridge *bridge, const VpndRoutePlan *routes);
void vpnd_policy_add_first_hop (VpndPolicyChains *chains, const VpndTunnelConfig *config, const VpndRoutePlan *routes);
void vpnd_policy_add_path_mtu (VpndPolicyChains *chains, const VpndPolicyInput *input);

/* policy-split.c */
gboolean vpnd_policy_has_split (const VpndPolicyInput *input);
gboolean vpnd_policy_asks_transport (const VpndPolicyInput *input);
void vpnd_policy_add_split_first (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_split_classes (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_split_inbound (VpndPolicyChains *chains, const VpndPolicyInput *input);
gboolean vpnd_policy_tells_inward (const VpndPolicyInput *input);

/* policy-guests.c */
void vpnd_policy_add_direct_marks (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_guests (VpndPolicyChains *chains, const VpndPolicyInput *input);
void vpnd_policy_add_masquerade (VpndPolicyChains *chains, const VpndRoutePlan *routes);

G_END_DECLS
