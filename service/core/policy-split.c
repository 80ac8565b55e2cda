/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the policy does with what goes beside the tunnel by the users' wish (core/split-plan.h): which flows these are, and that they leave by any link
 * but the tunnel's while all others leave by none but it. A flow is known by its mark in conntrack, which no program can set, so answers, and packets after
 * the process is gone, are of the class that the flow began in. A packet that has a socket is judged by that socket nevertheless: a flow outlives it.
 * Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy-split-dns.h"
#include "policy-split-who.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "reserved.h"

#define CHAIN_BESIDE "beside"
#define CHAIN_BESIDE_NAME "beside_name"
#define CHAIN_BESIDE_WAY "beside_way"
#define CHAIN_KEPT "kept"
#define CHAIN_UNOWNED "unowned"
#define CHAIN_SPLIT_OUT "split_out"
#define CHAIN_SPLIT_IN "split_in"
#define CHAIN_SPLIT_CLOSED "split_closed"

#define DISCARD_PORT 9 /* RFC 863: what the tunnel is probed with (backends/prober-udp) */
#define NO_UID G_MAXUINT32
#define PRIORITY_BEFORE (-150) /* before the chain that drops, for what is held goes through one chain anew */
#define LOOPBACK_IFINDEX 1     /* net/flow.h of Linux: in each namespace it is the first; a number is compared sooner than a name */

static VpndRule *
new_rule_off_loopback (VpndPolicyChains *chains, VpndChain *chain)
{
  return vpnd_rule_match_u32 (vpnd_chain_add_rule (chain), VPND_FIELD_OIF, VPND_OP_NE, LOOPBACK_IFINDEX);
}

static VpndRule *
new_rule_off_tunnel (VpndPolicyChains *chains, VpndChain *chain)
{
  return vpnd_rule_match_ifname (new_rule_off_loopback (chains, chain), VPND_FIELD_OIFNAME, VPND_OP_NE, VPND_IFNAME);
}

static gboolean
has_default (const VpndPolicyInput *input, int family)
{
  return family == AF_INET ? input->facts->default4.present : input->facts->default6.present;
}

static const struct
{
  int family;
  guint8 nfproto;
} families[] = { { AF_INET, NFPROTO_IPV4 }, { AF_INET6, NFPROTO_IPV6 } };

/* 8: the mark of the packet, which leads to the routes of the host. Without a physical way of the family a packet that would go into the tunnel is left to that,
 * where it is refused: the kernel would only drop it for want of a route, and the program would hang. */
static void
add_beside_way (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_BESIDE_WAY);

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    if (!has_default (input, families[i].family))
      {
        VpndRule *rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_NFPROTO, families[i].nfproto);

        vpnd_rule_accept (vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME));
      }
  vpnd_rule_accept (vpnd_rule_set_mark (vpnd_chain_add_rule (chain), VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK));
}

/* 8 and 10: with an address of the tunnel a flow leaves only when another one takes its place (add_translation()). A flow that began inside the tunnel has no
 * other one, so it ends. */
static void
refuse_untranslated (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (input->routes->addresses, VpndPrefix, i).addr);
      VpndRule *rule = vpnd_rule_match_status (vpnd_chain_add_rule (chain), IPS_CONFIRMED, IPS_CONFIRMED | IPS_SRC_NAT);

      vpnd_rule_goto (vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &host), CHAIN_REFUSE);
    }
}

/* 8 and 10: so does one that somebody else's rules translate inside the tunnel, mostly to the very address that it had: what a flow was given at its beginning it
 * keeps by whatever link it leaves, and add_translation() comes too late for it. */
static void
refuse_begun_inside (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (input->routes->addresses, VpndPrefix, i).addr);
      VpndRule *rule = vpnd_rule_match_mark (vpnd_chain_add_rule (chain), VPND_FIELD_CT_MARK, VPND_OP_NE, VPND_CT_MARK_VALUE, VPND_CT_MARK_EITHER);

      vpnd_rule_match_status (rule, IPS_CONFIRMED, IPS_CONFIRMED);
      vpnd_rule_goto (vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &host), CHAIN_REFUSE);
    }
}

/* A TCP connection that conntrack meets in its middle, with an address of the tunnel: it began inside, before anything on this host was tracked. */
static VpndRule *
match_untracked_before (VpndRule *rule, const VpndAddr *address)
{
  VpndPrefix host = vpnd_prefix_host (address);

  vpnd_rule_match_status (rule, 0, IPS_CONFIRMED | IPS_SRC_NAT);
  return vpnd_rule_match_prefix (vpnd_rule_match_no_syn (rule), TRUE, VPND_OP_EQ, &host);
}

/* A mark that a user's socket has is not the transport's (refuse_marks_of_users()), and none of ours. @rule: about packets of a flow beside the tunnel */
static void
strip_marks_of_users (VpndRule *rule)
{
  vpnd_rule_match_u32 (vpnd_policy_match_marked (rule), VPND_FIELD_SKUID, VPND_OP_NE, 0);
  vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, 0, VPND_MARK_MASK);
}

/* 6: the daemon's own probes are of the tunnel whatever class root is of; their hop limit lets them go no farther than its far end. */
static void
keep_probes (VpndChain *chain)
{
  VpndRule *rule = vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, DISCARD_PORT);

  vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME);
  vpnd_rule_accept (vpnd_rule_match_u32 (rule, VPND_FIELD_SKUID, VPND_OP_EQ, 0)); /* last: it takes a lock of the socket */
}

/* 8: the mark of the flow; not of one inside the tunnel, which may be somebody else's. Neither the transport nor the daemon's probes are of a class: that is asked
 * here, where only what would go beside the tunnel comes, and not of every packet. */
static void
add_beside (VpndPolicyChains *chains, const VpndPolicyInput *input, const char *name, guint32 ct_mark)
{
  VpndChain *chain = vpnd_policy_add_chain (chains, name);

  strip_marks_of_users (vpnd_policy_match_beside (vpnd_chain_add_rule (chain)));
  vpnd_rule_accept (vpnd_policy_match_marked (vpnd_chain_add_rule (chain)));
  if (input->kind != VPND_POLICY_BLOCKED)
    keep_probes (chain);
  refuse_begun_inside (chain, input);
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    vpnd_rule_goto (match_untracked_before (vpnd_chain_add_rule (chain), &g_array_index (input->routes->addresses, VpndPrefix, i).addr), CHAIN_REFUSE);
  vpnd_rule_goto (vpnd_rule_set_mark (vpnd_chain_add_rule (chain), VPND_STATEMENT_SET_CT_MARK, ct_mark, VPND_CT_MARK_MASK), CHAIN_BESIDE_WAY);
}

/* 8: what leaves beside the tunnel. To this hook the link of a packet with our mark is still the one of before the mark, so whether it leaves by the tunnel for
 * all that is asked later (add_last_guard()). What is to be in the tunnel or nowhere is not let through with a flow that began when it was not. What is of such
 * a flow and not marked was judged to be none of its (add_kept_flows()): there is no way for it in the tunnel, and the flow opens none outside. */
static void
add_split_out (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  const VpndSplitPlan *plan = input->split;
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_SPLIT_OUT);
  VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME);

  vpnd_rule_goto (vpnd_rule_match_mark (rule, VPND_FIELD_MARK, VPND_OP_NE, VPND_MARK_VALUE, VPND_MARK_MASK), CHAIN_REFUSE);
  vpnd_rule_return (vpnd_rule_match_mark (vpnd_chain_add_rule (chain), VPND_FIELD_MARK, VPND_OP_NE, VPND_MARK_VALUE, VPND_MARK_MASK));
  refuse_untranslated (chain, input);
  if (vpnd_policy_holds_unseen (input))
    vpnd_rule_jump (vpnd_chain_add_rule (chain), VPND_POLICY_CHAIN_UNSEEN);
  vpnd_policy_refuse_inner_resolvers (chain, input);
  vpnd_policy_add_groups (chains, chain, input, VPND_POLICY_GROUPS_TO_TUNNEL, vpnd_policy_new_rule, CHAIN_REFUSE);
  if (plan->included_uids->len + plan->included_prefixes->len > 0)
    {
      vpnd_policy_add_groups (chains, chain, input, VPND_POLICY_GROUPS_EXCLUDED, vpnd_policy_new_rule, NULL);
      vpnd_policy_add_uids (chains, chain, plan->included_uids, "split_included_uids", CHAIN_REFUSE);
      vpnd_policy_add_prefixes (chains, chain, plan->included_prefixes, "split_included", CHAIN_REFUSE);
    }
  vpnd_rule_accept (vpnd_chain_add_rule (chain));
  rule = vpnd_policy_match_beside (vpnd_chain_add_rule (chains->output));
  vpnd_rule_jump (vpnd_rule_match_u32 (rule, VPND_FIELD_OIF, VPND_OP_NE, LOOPBACK_IFINDEX), CHAIN_SPLIT_OUT);
}

/* 8: what comes back, and the errors about it; never by the tunnel. */
static void
add_split_in (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  static const guint8 protocols[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_SPLIT_IN);

  vpnd_rule_drop (vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_IIFNAME, VPND_OP_EQ, VPND_IFNAME));
  vpnd_rule_accept (vpnd_rule_match_established (vpnd_chain_add_rule (chain)));
  for (guint i = 0; i < G_N_ELEMENTS (protocols); i++)
    vpnd_rule_accept (vpnd_rule_match_related (vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, protocols[i])));
  if (input->split->mode == VPND_SPLIT_MODE_INCLUDE)
    vpnd_rule_accept (vpnd_chain_add_rule (chain)); /* the beginning was let in by vpnd_policy_add_split_inbound() */
  vpnd_rule_jump (vpnd_policy_match_beside (vpnd_chain_add_rule (chains->input)), CHAIN_SPLIT_IN);
}

/**
 * vpnd_policy_has_split:
 * @input: what the policy depends on
 *
 * Returns: TRUE when something goes beside the tunnel by the users' wish, or is bound to a profile
 */
gboolean
vpnd_policy_has_split (const VpndPolicyInput *input)
{
  return !vpnd_split_plan_is_empty (input->split);
}

/* 8: a unit that may be bound to a profile which is not connected. What goes into the tunnel of another one is asked with the first packet of a flow, for most packets do. */
static void
hold_unseen_bound (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndRule *rule;

  if (input->kind != VPND_POLICY_CONNECTED)
    {
      vpnd_rule_jump (new_rule_off_loopback (chains, chains->output), VPND_POLICY_CHAIN_UNSEEN);
      return;
    }
  vpnd_rule_jump (new_rule_off_tunnel (chains, chains->output), VPND_POLICY_CHAIN_UNSEEN);
  rule = vpnd_rule_match_status (vpnd_chain_add_rule (chains->output), 0, IPS_CONFIRMED);
  vpnd_rule_jump (vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME), VPND_POLICY_CHAIN_UNSEEN);
}

/**
 * vpnd_policy_asks_transport:
 * @input: what the policy depends on
 *
 * Returns: TRUE when what vpnd_policy_add_split_first() adds asks each packet that leaves beside the tunnel for its class: the transport's, too
 */
gboolean
vpnd_policy_asks_transport (const VpndPolicyInput *input)
{
  return input->kind != VPND_POLICY_BLOCKED && vpnd_policy_has_split (input) && (vpnd_split_plan_has_class (input->split, VPND_SPLIT_BOUND) || vpnd_policy_holds_unseen_bound (input));
}

/**
 * vpnd_policy_add_split_first:
 * @chains: the chains of a ruleset that is being filled; empty but for what guards the loopback interface
 * @input: what the policy depends on
 *
 * Adds what decides about flows of before: those beside the tunnel, and programs that are bound to a profile.
 */
void
vpnd_policy_add_split_first (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  if (!vpnd_policy_has_split (input))
    return;
  if (vpnd_policy_asks_transport (input))
    vpnd_policy_add_kernel_transport (chains, input->config, input->routes);
  vpnd_policy_add_groups (chains, chains->output, input, VPND_POLICY_GROUPS_REFUSED, new_rule_off_loopback, CHAIN_REFUSE);
  vpnd_policy_add_groups (chains, chains->output, input, VPND_POLICY_GROUPS_BOUND, new_rule_off_tunnel, CHAIN_REFUSE);
  if (vpnd_policy_holds_unseen (input))
    vpnd_policy_add_unseen (chains, input);
  if (vpnd_policy_holds_unseen_bound (input))
    hold_unseen_bound (chains, input);
  add_split_out (chains, input);
  add_split_in (chains, input);
  vpnd_policy_add_beside_guard (chains, input->routes);
}

static VpndRule *
new_translation (VpndPolicyChains *chains, const VpndAddr *address)
{
  VpndPrefix host = vpnd_prefix_host (address);
  VpndRule *rule = vpnd_rule_match_prefix (vpnd_policy_match_beside (vpnd_chain_add_rule (chains->postrouting)), TRUE, VPND_OP_EQ, &host);

  vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_NE, VPND_IFNAME);
  return vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_NE, "lo");
}

/* 8: the source of a packet was chosen when its way still led into the tunnel. So was the port of a TCP connection, which is mostly the one behind that of the last connection from
 * that address to that peer (inet_hash_connect()), inside the tunnel or not: the peer would see that both are one. The port of a datagram is a random one, or one that somebody chose. */
static void
add_translation (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    {
      const VpndAddr *address = &g_array_index (input->routes->addresses, VpndPrefix, i).addr;

      vpnd_policy_want_postrouting (chains);
      vpnd_rule_statement (vpnd_rule_match_u8 (new_translation (chains, address), VPND_FIELD_L4PROTO, IPPROTO_TCP), VPND_STATEMENT_MASQUERADE_RANDOM);
      vpnd_rule_statement (new_translation (chains, address), VPND_STATEMENT_MASQUERADE);
    }
}

/* A flow that began inside the tunnel stays there when its user or its peer has become one that is beside it; it is also what most packets are of, so this
 * comes as soon as the process is known not to be of a class. One that goes beside the tunnel from such an address has another one outside. */
static void
keep_flows_inside (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (input->routes->addresses, VpndPrefix, i).addr);
      VpndRule *rule = vpnd_rule_match_status (vpnd_chain_add_rule (chain), IPS_CONFIRMED, IPS_CONFIRMED | IPS_SRC_NAT);

      vpnd_rule_accept (vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &host));
    }
}

/* So does one that somebody else's rules translate inside the tunnel, and one that began before anything was tracked. */
static void
keep_old_flows (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (input->routes->addresses, VpndPrefix, i).addr);
      VpndRule *rule = vpnd_rule_match_mark (vpnd_chain_add_rule (chain), VPND_FIELD_CT_MARK, VPND_OP_NE, VPND_CT_MARK_VALUE, VPND_CT_MARK_EITHER);

      vpnd_rule_match_status (rule, IPS_CONFIRMED, IPS_CONFIRMED);
      vpnd_rule_accept (vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &host));
      vpnd_rule_accept (match_untracked_before (vpnd_chain_add_rule (chain), &host.addr));
    }
}

/* In include mode: all that somebody sends, and what begins without anybody, goes beside the tunnel; a flow whose owner is gone stays where it is. Neighbour
 * discovery, which conntrack does not follow, has no class. Nor has the answer to who begins a TCP connection by the tunnel's link: its socket is none yet, of which the kernel
 * tells the user and not the cgroup. Who was let in there is inside the tunnel (add_inward()). */
static void
add_rest_beside (VpndChain *chain)
{
  VpndRule *rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, IPPROTO_ICMPV6);

  vpnd_rule_accept (vpnd_rule_match_u32 (rule, VPND_FIELD_CT_STATE, VPND_OP_EQ, NF_CT_STATE_UNTRACKED_BIT));
  rule = vpnd_rule_match_mark (vpnd_chain_add_rule (chain), VPND_FIELD_CT_MARK, VPND_OP_NE, VPND_CT_MARK_VALUE, VPND_CT_MARK_EITHER);
  vpnd_rule_accept (vpnd_rule_match_second_syn (vpnd_rule_match_status (rule, IPS_CONFIRMED, IPS_CONFIRMED)));
  vpnd_rule_goto (vpnd_rule_match_u32 (vpnd_chain_add_rule (chain), VPND_FIELD_SKUID, VPND_OP_NE, NO_UID), CHAIN_BESIDE);
  vpnd_rule_accept (vpnd_rule_match_status (vpnd_chain_add_rule (chain), IPS_CONFIRMED, IPS_CONFIRMED));
  vpnd_rule_goto (vpnd_chain_add_rule (chain), CHAIN_BESIDE);
}

/* A flow outlives its socket, and another program may come to have its port; it also outlives the rules that led it out, and the mode. What has a socket is
 * judged by that each time, and where the flow is of another class it goes no way. What has none goes with its flow: the process is gone, or the kernel
 * answers. */
static void
add_kept_flows (VpndPolicyChains *chains)
{
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_KEPT);

  strip_marks_of_users (vpnd_chain_add_rule (chain));
  vpnd_rule_return (vpnd_rule_match_u32 (vpnd_chain_add_rule (chain), VPND_FIELD_SKUID, VPND_OP_NE, NO_UID));
  vpnd_rule_goto (vpnd_chain_add_rule (chain), CHAIN_BESIDE_WAY);
  vpnd_rule_jump (vpnd_policy_match_beside (vpnd_chain_add_rule (chains->mangle)), CHAIN_KEPT);
}

/* Of another way that the kernel begins for a connection of MPTCP, because the peer or the administrator has named an address, nobody knows the user until it stands
 * (__mptcp_subflow_connect()): it would leave the way of its connection, whose peer would see that both are one. The connection goes on without. */
static void
refuse_unowned (VpndPolicyChains *chains, VpndChain *chain)
{
  VpndChain *unowned = vpnd_policy_add_chain (chains, CHAIN_UNOWNED);

  vpnd_rule_return (vpnd_rule_match_u32 (vpnd_chain_add_rule (unowned), VPND_FIELD_SKUID, VPND_OP_NE, NO_UID));
  vpnd_rule_goto (vpnd_chain_add_rule (unowned), CHAIN_REFUSE);
  vpnd_rule_jump (vpnd_rule_match_first_mptcp (vpnd_chain_add_rule (chain)), CHAIN_UNOWNED);
}

/* The addresses of a name run out while flows to them go on, so here the flow is asked: whoever sends, the peer is the same. */
static void
add_excluded_names (VpndPolicyChains *chains, VpndChain *chain, const VpndSplitPlan *plan)
{
  VpndRule *rule = vpnd_rule_match_mark (vpnd_chain_add_rule (chain), VPND_FIELD_CT_MARK, VPND_OP_EQ, VPND_CT_MARK_NAME, VPND_CT_MARK_MASK);

  vpnd_rule_goto (rule, CHAIN_BESIDE_NAME);
  vpnd_policy_add_names (chains, chain, plan->excluded_addrs, "split_names_out", CHAIN_BESIDE_NAME);
}

/* What was decided about the process itself goes before what was about its user and its peer; the tunnel goes before the way beside it. */
static void
add_classes (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input)
{
  const VpndSplitPlan *plan = input->split;
  const gboolean is_include = plan->mode == VPND_SPLIT_MODE_INCLUDE;

  vpnd_rule_accept (vpnd_rule_match_u32 (vpnd_chain_add_rule (chain), VPND_FIELD_OIF, VPND_OP_EQ, LOOPBACK_IFINDEX));
  vpnd_policy_add_classes_of (chains, chain, input, CHAIN_BESIDE);
  if (!is_include)
    keep_flows_inside (chain, input);
  add_kept_flows (chains);
  if (!is_include)
    keep_old_flows (chain, input);
  if (plan->included_uids->len + plan->excluded_uids->len > 0)
    refuse_unowned (chains, chain);
  vpnd_policy_add_uids (chains, chain, plan->included_uids, "split_included_uids", NULL);
  vpnd_policy_add_prefixes (chains, chain, plan->included_prefixes, "split_included", NULL);
  if (plan->watches_names)
    vpnd_policy_add_names (chains, chain, plan->included_addrs, "split_names_in", NULL);
  if (is_include && input->kind == VPND_POLICY_CONNECTED)
    vpnd_policy_keep_inner_resolvers (chain, input);
  if (vpnd_policy_holds_unseen (input) && plan->hold != VPND_QUEUE_NONE)
    {
      vpnd_policy_add_held (chains, input);
      vpnd_rule_jump (vpnd_chain_add_rule (chain), VPND_POLICY_CHAIN_HELD);
    }
  if (is_include)
    {
      add_rest_beside (chain);
      return;
    }
  vpnd_policy_add_uids (chains, chain, plan->excluded_uids, "split_excluded_uids", CHAIN_BESIDE);
  vpnd_policy_add_prefixes (chains, chain, plan->excluded_prefixes, "split_excluded", CHAIN_BESIDE);
  if (plan->watches_names)
    add_excluded_names (chains, chain, plan);
}

/**
 * vpnd_policy_add_split_classes:
 * @chains: the chains of a ruleset that is being filled; what sends the transport's own packets another way stands there
 * @input: what the policy depends on
 *
 * Adds what decides of which class a packet of this host is, and what becomes of its addresses.
 */
void
vpnd_policy_add_split_classes (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  if (!vpnd_policy_has_split (input))
    return;
  vpnd_policy_want_mangle (chains);
  add_beside_way (chains, input);
  add_beside (chains, input, CHAIN_BESIDE, VPND_CT_MARK_VALUE);
  if (input->split->watches_names && input->split->mode == VPND_SPLIT_MODE_EXCLUDE)
    add_beside (chains, input, CHAIN_BESIDE_NAME, VPND_CT_MARK_NAME);
  add_classes (chains, chains->mangle, input);
  add_translation (chains, input);
  if (input->split->mode == VPND_SPLIT_MODE_EXCLUDE || input->kind != VPND_POLICY_CONNECTED)
    vpnd_policy_add_split_redirection (chains, input);
  if (input->split->watches_names)
    vpnd_policy_add_name_watch (chains, input);
}

/* A strict rp_filter looks for the way back; without the mark that is into the tunnel. */
static void
look_up_inbound (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  const VpndDefaultRoute *const ways[] = { &input->facts->default4, &input->facts->default6 };

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    if (ways[i]->present && (i == 0 || !ways[0]->present || !g_str_equal (ways[0]->ifname, ways[1]->ifname)))
      {
        VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->prerouting), VPND_FIELD_IIFNAME, VPND_OP_EQ, ways[i]->ifname);

        vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_MARK, VPND_MARK_VALUE, VPND_MARK_MASK);
      }
}

/**
 * vpnd_policy_tells_inward:
 * @input: what the policy depends on
 *
 * Whose socket a packet is for is known of cgroups alone: net_cls and users are of what is sent.
 *
 * Returns: TRUE when the chain CHAIN_SPLIT_INWARD judges what comes by the tunnel's link
 */
gboolean
vpnd_policy_tells_inward (const VpndPolicyInput *input)
{
  if (input->kind == VPND_POLICY_BLOCKED || !vpnd_policy_has_split (input) || input->split->ground != VPND_SPLIT_GROUND_CGROUP2)
    return FALSE;
  if (input->split->mode == VPND_SPLIT_MODE_INCLUDE)
    return input->split->included_uids->len == 0;
  return vpnd_split_plan_has_class (input->split, VPND_SPLIT_EXCLUDED);
}

/* What begins with a peer of what is set to be inside the tunnel, and what is for a program of it. */
static void
add_inward_included (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input)
{
  static const struct
  {
    VpndField source;
    const char *sets[2];
  } peers[] = {
    { VPND_FIELD_IP_SADDR, { "split_included4", "split_names_in4" } },
    { VPND_FIELD_IP6_SADDR, { "split_included6", "split_names_in6" } },
  };

  vpnd_policy_add_groups (chains, chain, input, VPND_POLICY_GROUPS_TO_TUNNEL, vpnd_policy_new_rule, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    for (guint j = 0; j < G_N_ELEMENTS (peers[i].sets); j++)
      if (vpnd_ruleset_find_set (chains->ruleset, peers[i].sets[j]) != NULL)
        vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chain), peers[i].source, VPND_OP_IN, peers[i].sets[j]));
  vpnd_rule_drop (vpnd_chain_add_rule (chain));
}

/* Nearly all that comes in is an answer. A flow of UDP outlives its socket, and goes on as long as the peer sends: so there the socket is asked for each packet, but for
 * those from a port of resolvers in include mode, where everybody asks that of the tunnel. */
static void
add_inward_answers (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input)
{
  static const guint8 udp = IPPROTO_UDP;

  vpnd_rule_accept (vpnd_rule_match_established (vpnd_rule_match (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, VPND_OP_NE, &udp))); /* in this order: it is known sooner */
  if (input->split->mode == VPND_SPLIT_MODE_INCLUDE)
    vpnd_rule_accept (vpnd_rule_match_set (vpnd_rule_match_established (vpnd_chain_add_rule (chain)), VPND_FIELD_UDP_SPORT, VPND_OP_IN, SET_DNS_PORTS));
}

/* Each socket of a port gets its own copy of a datagram to a group, or to all of a link, and the kernel tells the cgroup of one of them alone. */
static void
drop_to_several (VpndChain *chain)
{
  const guint32 begins = NF_CT_STATE_BIT (IP_CT_NEW) | NF_CT_STATE_BIT (IP_CT_RELATED) | NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT;
  VpndRule *rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, IPPROTO_UDP);

  vpnd_rule_match_u32 (rule, VPND_FIELD_CT_STATE, VPND_OP_EQ, begins); /* in include mode most are answers, for which nothing is looked up */
  vpnd_rule_drop (vpnd_rule_match_u32 (rule, VPND_FIELD_FIB_DADDR_TYPE, VPND_OP_NE, RTN_LOCAL));
}

/* Of those sockets that users may have the kernel finds none but TCP's and UDP's (nf_sk_lookup_slow_v4()). */
static void
drop_without_a_cgroup (VpndChain *chain)
{
  static const guint8 protocols[] = { IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP };

  for (guint i = 0; i < G_N_ELEMENTS (protocols); i++)
    vpnd_rule_drop (vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, protocols[i]));
}

/* 8: who is inside the tunnel begins nothing with what is beside it: that would answer, from another socket or later, by a physical link, and so tell whose the tunnel's
 * address is. */
static void
add_inward (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  static const guint8 protocols[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };
  VpndChain *chain = vpnd_policy_add_chain (chains, CHAIN_SPLIT_INWARD);

  add_inward_answers (chains, chain, input);
  if (input->split->mode == VPND_SPLIT_MODE_INCLUDE)
    {
      drop_to_several (chain);
      for (guint i = 0; i < G_N_ELEMENTS (protocols); i++)
        vpnd_rule_accept (vpnd_rule_match_related (vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, protocols[i])));
      add_inward_included (chains, chain, input);
      return;
    }
  vpnd_policy_add_groups (chains, chain, input, VPND_POLICY_GROUPS_EXCLUDED, vpnd_policy_new_rule, CHAIN_SPLIT_CLOSED);
  vpnd_rule_accept (vpnd_rule_match_established (vpnd_chain_add_rule (chain))); /* of UDP; what is below is asked of what begins alone */
  drop_to_several (chain);
  drop_without_a_cgroup (chain);
  vpnd_rule_accept (vpnd_chain_add_rule (chain));
}

/**
 * vpnd_policy_add_split_inbound:
 * @chains: the chains of a ruleset that is being filled; all else that lets something in stands there
 * @input: what the policy depends on
 *
 * Adds what becomes of what comes by the tunnel for programs beside it; and what lets in from outside the tunnel when all but the listed programs are beside it.
 */
void
vpnd_policy_add_split_inbound (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  const gboolean is_include = vpnd_policy_has_split (input) && input->split->mode == VPND_SPLIT_MODE_INCLUDE;
  const gboolean tells = vpnd_policy_has_split (input) && input->split->ground == VPND_SPLIT_GROUND_CGROUP2;
  VpndRule *rule;

  if (tells && (is_include || vpnd_policy_tells_inward (input)))
    vpnd_rule_drop (vpnd_chain_add_rule (vpnd_policy_add_chain (chains, CHAIN_SPLIT_CLOSED)));
  if (vpnd_policy_tells_inward (input))
    add_inward (chains, input);
  if (!is_include)
    return;
  vpnd_rule_drop (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_EQ, VPND_IFNAME));
  if (tells)
    vpnd_policy_add_groups (chains, chains->input, input, VPND_POLICY_GROUPS_TO_TUNNEL, vpnd_policy_new_rule, CHAIN_SPLIT_CLOSED);
  if (tells && vpnd_policy_holds_unseen (input))
    vpnd_rule_jump (vpnd_chain_add_rule (chains->input), VPND_POLICY_CHAIN_UNSEEN);
  look_up_inbound (chains, input);
  rule = vpnd_chain_add_rule (chains->input);
  vpnd_rule_accept (vpnd_rule_set_mark (rule, VPND_STATEMENT_SET_CT_MARK, VPND_CT_MARK_VALUE, VPND_CT_MARK_MASK));
}

/**
 * vpnd_policy_build_open:
 * @split: (nullable): the plan
 *
 * The rules of a host that nobody wants protected: what is bound to a profile is refused, all else is as without us.
 *
 * Returns: (transfer full) (nullable): the ruleset; NULL when nothing is bound
 */
VpndRuleset *
vpnd_policy_build_open (const VpndSplitPlan *split)
{
  const VpndPolicyInput input = { .kind = VPND_POLICY_BLOCKED, .split = split };
  g_autoptr (VpndRuleset) ruleset = NULL;
  VpndPolicyChains chains = { NULL };

  if (split == NULL || !vpnd_split_plan_has_class (split, VPND_SPLIT_BOUND))
    return NULL;
  ruleset = vpnd_ruleset_new (VPND_NFT_TABLE);
  chains.ruleset = ruleset;
  chains.refuse = vpnd_policy_add_chain (&chains, CHAIN_REFUSE);
  chains.output = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, -1, VPND_VERDICT_ACCEPT);
  vpnd_policy_add_groups (&chains, chains.output, &input, VPND_POLICY_GROUPS_REFUSED, new_rule_off_loopback, CHAIN_REFUSE);
  if (vpnd_policy_holds_unseen_bound (&input))
    {
      vpnd_policy_add_unseen (&chains, &input);
      hold_unseen_bound (&chains, &input);
      if (split->hold != VPND_QUEUE_NONE)
        {
          VpndChain *before = vpnd_ruleset_add_chain (ruleset, "before", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, PRIORITY_BEFORE, VPND_VERDICT_ACCEPT);

          vpnd_policy_add_held (&chains, &input);
          vpnd_rule_jump (new_rule_off_loopback (&chains, before), VPND_POLICY_CHAIN_HELD);
        }
    }
  vpnd_policy_add_refusal (&chains, FALSE);
  return g_steal_pointer (&ruleset);
}
