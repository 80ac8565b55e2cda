/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the policy does with what is forwarded for others: containers and virtual machines of this host, behind bridges and other links.
 * Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy-rules.h"

#include "reserved.h"

#define MAP_FORWARD_LINKS "forward_links"
#define SET_BRIDGES "bridges"
#define SET_DIRECT "direct"
#define SET_BLOCKED "blocked"
#define CHAIN_FROM_TUNNEL "from_tunnel"
#define CHAIN_FROM_BRIDGE "from_bridge"
#define CHAIN_FROM_DIRECT "from_direct"
#define CHAIN_FROM_BLOCKED "from_blocked"

static gboolean
has_policy (const VpndPolicyInput *input, VpndForwardPolicy policy)
{
  for (guint i = 0; i < input->settings->forward->len; i++)
    if (g_array_index (input->settings->forward, VpndForwardEntry, i).policy == policy)
      return TRUE;
  return FALSE;
}

/* 6: what is forwarded into the tunnel and out of it was sized for another link; the two ends of a TCP connection learn here what fits. */
static void
add_mss (VpndPolicyChains *chains, const char *ifname)
{
  static const VpndField sides[] = { VPND_FIELD_OIFNAME, VPND_FIELD_IIFNAME };

  for (guint i = 0; i < G_N_ELEMENTS (sides); i++)
    {
      VpndRule *rule = vpnd_rule_match_syn (vpnd_chain_add_rule (chains->forward));

      vpnd_rule_statement (vpnd_rule_match_ifname (rule, sides[i], VPND_OP_EQ, ifname), VPND_STATEMENT_CLAMP_MSS);
    }
}

/* 6: only answers come out of the tunnel for others, and never those of flows that go beside it. A host that forwards nothing has no others, and need not
 * track what it sends to know an answer. */
static void
add_from_tunnel (VpndPolicyChains *chains, const VpndFacts *facts, gboolean has_direct)
{
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_FROM_TUNNEL);

  if (has_direct)
    vpnd_rule_drop (vpnd_rule_match_mark (vpnd_chain_add_rule (chain), VPND_FIELD_CT_MARK, VPND_OP_EQ, VPND_CT_MARK_VALUE, VPND_CT_MARK_EITHER));
  if (facts->forwards)
    vpnd_rule_accept (vpnd_rule_match_established (vpnd_chain_add_rule (chain)));
  vpnd_policy_refuse_rest (chain);
}

/* 9: bridges without a physical port lead nowhere but to containers and guests of this host. */
static void
add_bridges (VpndPolicyChains *chains, const VpndFacts *facts)
{
  VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, SET_BRIDGES, VPND_FIELD_OIFNAME, FALSE, FALSE);
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_FROM_BRIDGE);

  for (guint i = 0; i < facts->bridges->len; i++)
    vpnd_set_add_ifname (set, g_array_index (facts->bridges, VpndHop, i).ifname, NULL);
  if (chains->tunnel_out != NULL)
    vpnd_rule_goto (vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME), CHAIN_TUNNEL_OUT);
  vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_OIFNAME, VPND_OP_IN, SET_BRIDGES));
}

/* The links whose policy is @policy. */
static void
add_links_of (VpndPolicyChains *chains, const char *name, const GArray *entries, VpndForwardPolicy policy)
{
  VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, name, VPND_FIELD_IIFNAME, FALSE, FALSE);

  for (guint i = 0; i < entries->len; i++)
    {
      const VpndForwardEntry *entry = &g_array_index (entries, VpndForwardEntry, i);

      if (entry->policy == policy)
        vpnd_set_add_ifname (set, entry->ifname, NULL);
    }
}

/* 9: guests whose policy is "direct" leave as if there were no tunnel, in every state: our mark leads to the routes of the host, and never into the
 * tunnel, where it is dropped. The flow is marked, too, so that its answers find the same way back; nobody outside begins one. */
static void
add_direct (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_FROM_DIRECT);

  add_links_of (chains, SET_DIRECT, input->settings->forward, VPND_FORWARD_DIRECT);
  vpnd_rule_goto (vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME), CHAIN_REFUSE);
  vpnd_rule_accept (vpnd_chain_add_rule (chain));
}

/* 9: guests whose policy is "block" reach this host and other guests. */
static void
add_blocked (VpndPolicyChains *chains, const VpndPolicyInput *input, gboolean has_bridges)
{
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_FROM_BLOCKED);

  add_links_of (chains, SET_BLOCKED, input->settings->forward, VPND_FORWARD_BLOCK);

  if (has_bridges)
    vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chain), VPND_FIELD_OIFNAME, VPND_OP_IN, SET_BRIDGES));
  vpnd_policy_refuse_rest (chain);
}

/* By the link that a packet comes from: the tunnel, the links of the settings, then the bridges that the settings do not name. */
static void
add_forward_links (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  static const VpndVerdict verdicts[] = {
    [VPND_FORWARD_TUNNEL] = { .kind = VPND_VERDICT_JUMP, .chain = CHAIN_FROM_BRIDGE },
    [VPND_FORWARD_DIRECT] = { .kind = VPND_VERDICT_GOTO, .chain = CHAIN_FROM_DIRECT },
    [VPND_FORWARD_BLOCK] = { .kind = VPND_VERDICT_GOTO, .chain = CHAIN_FROM_BLOCKED },
  };
  const VpndVerdict from_tunnel = { .kind = VPND_VERDICT_GOTO, .chain = CHAIN_FROM_TUNNEL };
  const VpndVerdict refuse = { .kind = VPND_VERDICT_GOTO, .chain = CHAIN_REFUSE };
  VpndSet *map;

  if (input->settings->forward->len == 0 && input->facts->bridges->len == 0)
    {
      if (chains->tunnel_out != NULL)
        vpnd_rule_goto (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->forward), VPND_FIELD_IIFNAME, VPND_OP_EQ, input->routes->ifname), CHAIN_FROM_TUNNEL);
      return;
    }

  map = vpnd_ruleset_add_set (chains->ruleset, MAP_FORWARD_LINKS, VPND_FIELD_IIFNAME, FALSE, TRUE);
  if (chains->tunnel_out != NULL)
    vpnd_set_add_ifname (map, input->routes->ifname, &from_tunnel);
  else
    vpnd_set_add_ifname (map, VPND_IFNAME, &refuse); /* a link that is still there in a state without a tunnel leads nowhere */
  for (guint i = 0; i < input->settings->forward->len; i++)
    {
      const VpndForwardEntry *entry = &g_array_index (input->settings->forward, VpndForwardEntry, i);

      if (entry->policy != VPND_FORWARD_TUNNEL)
        vpnd_set_add_ifname (map, entry->ifname, &verdicts[entry->policy]);
    }
  for (guint i = 0; i < input->facts->bridges->len; i++)
    vpnd_set_add_ifname (map, g_array_index (input->facts->bridges, VpndHop, i).ifname, &verdicts[VPND_FORWARD_TUNNEL]);
  vpnd_rule_vmap (vpnd_chain_add_rule (chains->forward), VPND_FIELD_IIFNAME, MAP_FORWARD_LINKS);
}

/* 9: what answers the flows of guests whose policy is "direct", and the errors about them. */
static void
add_to_direct (VpndPolicyChains *chains)
{
  static const guint8 protocols[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };

  vpnd_rule_accept (vpnd_rule_match_established (vpnd_rule_match_set (vpnd_chain_add_rule (chains->forward), VPND_FIELD_OIFNAME, VPND_OP_IN, SET_DIRECT)));
  for (guint i = 0; i < G_N_ELEMENTS (protocols); i++)
    {
      VpndRule *rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->forward), VPND_FIELD_L4PROTO, protocols[i]);

      vpnd_rule_accept (vpnd_rule_match_related (vpnd_rule_match_set (rule, VPND_FIELD_OIFNAME, VPND_OP_IN, SET_DIRECT)));
    }
}

/**
 * vpnd_policy_add_direct_marks:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on
 *
 * Marks the answers to what goes beside the tunnel, of guests whose policy is "direct" and of programs of this host, before anything looks at where they
 * claim to come from; and what these guests send, before anything of it is let through. Whose makers give them an address of this host get none of the tunnel's.
 */
void
vpnd_policy_add_direct_marks (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndRule *rule;

  if (!has_policy (input, VPND_FORWARD_DIRECT) && !vpnd_policy_has_split (input))
    return;
  rule = vpnd_rule_match_mark (vpnd_chain_add_rule (chains->prerouting), VPND_FIELD_CT_MARK, VPND_OP_EQ, VPND_CT_MARK_VALUE, VPND_CT_MARK_EITHER);
  if (chains->tunnel_out != NULL)
    vpnd_rule_match_ifname (rule, VPND_FIELD_IIFNAME, VPND_OP_NE, input->routes->ifname);
  vpnd_rule_accept (vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK));

  if (!has_policy (input, VPND_FORWARD_DIRECT))
    return; /* there is no such set */
  if (!vpnd_policy_has_split (input))
    vpnd_policy_add_beside_guard (chains, input->routes);
  rule = vpnd_rule_match_set (vpnd_chain_add_rule (chains->prerouting), VPND_FIELD_IIFNAME, VPND_OP_IN, SET_DIRECT);
  vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_CT_MARK, VPND_CT_MARK_VALUE, VPND_CT_MARK_MASK);
  vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
}

/**
 * vpnd_policy_add_guests:
 * @chains: the chains of a ruleset that is being filled
 * @input: what the policy depends on
 *
 * Adds the beginning of the forward chain: what the link decides that a packet comes from, or goes to.
 */
void
vpnd_policy_add_guests (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  gboolean has_bridges = input->facts->bridges->len > 0;
  gboolean has_direct = has_policy (input, VPND_FORWARD_DIRECT);
  gboolean has_blocked = has_policy (input, VPND_FORWARD_BLOCK);

  if (has_bridges)
    add_bridges (chains, input->facts);
  if (has_direct)
    add_direct (chains, input);
  if (has_blocked)
    add_blocked (chains, input, has_bridges);
  if (chains->tunnel_out != NULL)
    {
      add_from_tunnel (chains, input->facts, has_direct);
      add_mss (chains, input->routes->ifname);
    }
  add_forward_links (chains, input);
  if (chains->tunnel_out != NULL)
    vpnd_rule_goto (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->forward), VPND_FIELD_OIFNAME, VPND_OP_EQ, input->routes->ifname), CHAIN_TUNNEL_OUT);
  if (has_blocked)
    vpnd_rule_goto (vpnd_rule_match_set (vpnd_chain_add_rule (chains->forward), VPND_FIELD_OIFNAME, VPND_OP_IN, SET_BLOCKED), CHAIN_REFUSE);
  if (has_direct)
    add_to_direct (chains);
}

/* 9: the peer knows the tunnel's address and no other, so what guests of this host send into the tunnel leaves with it. By source and not by
 * incoming link: kernels before 5.7 do not tell that one here. */

/**
 * vpnd_policy_add_masquerade:
 * @chains: the chains of a ruleset that is being filled
 * @routes: the route plan
 *
 * Gives the address of the tunnel to what leaves by it and has another one.
 */
void
vpnd_policy_add_masquerade (VpndPolicyChains *chains, const VpndRoutePlan *routes)
{
  static const int families[] = { AF_INET, AF_INET6 };

  vpnd_policy_want_postrouting (chains);
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
