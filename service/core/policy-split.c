/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the policy does with what goes beside the tunnel by the users' wish (core/split-plan.h): which flows these are, and that they leave by any link
 * but the tunnel's while all others leave by none but it. A flow is known by its mark in conntrack, which no program can set, so answers, and packets after
 * the process is gone, are of the class that the flow began in. A packet that has a socket is judged by that socket nevertheless: a flow outlives it.
 * Numbers in comments are the rules of docs/security.md.
 */
#include "config.h"

#include "policy-rules.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>

#include "reserved.h"

#define CHAIN_BESIDE "beside"
#define CHAIN_BESIDE_NAME "beside_name"
#define CHAIN_BESIDE_WAY "beside_way"
#define CHAIN_KEPT "kept"
#define CHAIN_SPLIT_OUT "split_out"
#define CHAIN_SPLIT_IN "split_in"
#define CHAIN_SPLIT_NAT "split_nat"
#define CHAIN_NAMES "names"
#define CHAIN_LEAVING "leaving"
#define CHAIN_LEAVING_BESIDE "leaving_beside"

#define SET_TO_TUNNEL "split_tunnel"
#define SET_EXCLUDED "split_excluded"
#define SET_BOUND "split_bound"
#define SET_REFUSED "split_refused"

#define PRIORITY_NAT_OUTPUT (-100) /* "dstnat" */
#define PRIORITY_LEAVING 101       /* behind all translation of sources ("srcnat" is 100) */
#define PRIORITY_NAMES 1           /* behind our filter: what a listener lets go is looked at by no further rule of the chain that held it */

#define DNS_PORT 53
#define DISCARD_PORT 9 /* RFC 863: what the tunnel is probed with (backends/prober-udp) */
#define NO_UID G_MAXUINT32
#define LOOPBACK_IFINDEX 1 /* net/flow.h of Linux: in each namespace it is the first; a number is compared sooner than a name */

typedef enum
{
  GROUPS_TO_TUNNEL, /* in the tunnel or nowhere */
  GROUPS_EXCLUDED,
  GROUPS_BOUND,   /* to the profile that is connected */
  GROUPS_REFUSED, /* bound to a profile that is not connected */
} Groups;

static const struct
{
  int family;
  guint8 nfproto;
  VpndField source;
  VpndField destination;
  const char *suffix;
} families[] = {
  { AF_INET, NFPROTO_IPV4, VPND_FIELD_IP_SADDR, VPND_FIELD_IP_DADDR, "4" },
  { AF_INET6, NFPROTO_IPV6, VPND_FIELD_IP6_SADDR, VPND_FIELD_IP6_DADDR, "6" },
};

/* Ends @rule: with a look at the rest of the rules in @chain, or with accept when it is NULL. */
static void
finish (VpndRule *rule, const char *chain)
{
  if (chain != NULL)
    vpnd_rule_goto (rule, chain);
  else
    vpnd_rule_accept (rule);
}

static gboolean
is_connected_to (const VpndPolicyInput *input, const char *profile)
{
  return input->kind == VPND_POLICY_CONNECTED && g_strcmp0 (input->profile, profile) == 0;
}

static gboolean
is_among (const VpndSplitGroup *group, Groups groups, const VpndPolicyInput *input)
{
  const gboolean is_bound = group->class_ == VPND_SPLIT_BOUND;

  switch (groups)
    {
    case GROUPS_TO_TUNNEL:
      return group->class_ != VPND_SPLIT_EXCLUDED;
    case GROUPS_EXCLUDED:
      return group->class_ == VPND_SPLIT_EXCLUDED;
    case GROUPS_BOUND:
      return is_bound && is_connected_to (input, group->profile);
    case GROUPS_REFUSED:
      return is_bound && !is_connected_to (input, group->profile);
    }
  g_assert_not_reached ();
}

/* The cgroups of one level among @groups; sockets are looked up once a level. */
static VpndSet *
fill_set (VpndPolicyChains *chains, const char *name, GArray *ids)
{
  VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, name, VPND_FIELD_SOCKET_CGROUP, FALSE, FALSE);

  for (guint i = 0; i < ids->len; i++)
    vpnd_set_add_u64 (set, g_array_index (ids, guint64, i), NULL);
  return set;
}

/* @out_is_awaited: (out): others come and go */
static GArray *
ids_of_level (const VpndPolicyInput *input, Groups groups, guint level, gboolean *out_is_awaited)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint64));

  *out_is_awaited = FALSE;
  for (guint i = 0; i < input->split->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (input->split->groups, VpndSplitGroup, i);

      if (group->level != level || !is_among (group, groups, input))
        continue;
      if (group->id == 0)
        *out_is_awaited = TRUE;
      else
        g_array_append_val (ids, group->id);
    }
  return ids;
}

static guint
highest_level (const VpndSplitPlan *plan)
{
  guint level = 0;

  for (guint i = 0; i < plan->groups->len; i++)
    level = MAX (level, g_array_index (plan->groups, VpndSplitGroup, i).level);
  return level;
}

typedef VpndRule *(*NewRuleFunc) (VpndPolicyChains *chains, VpndChain *chain);

static VpndRule *
new_rule (VpndPolicyChains *chains, VpndChain *chain)
{
  return vpnd_chain_add_rule (chain);
}

/* Adds what becomes of the packets of the processes in @groups; @begin makes each rule. Where units come and go these are elements of a set, also while there
 * is none: that is in force sooner than a rule, and a unit does not wait. */
static void
add_groups (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input, Groups groups, const char *name, NewRuleFunc begin, const char *target)
{
  for (guint level = 0; level <= highest_level (input->split); level++)
    {
      gboolean is_awaited;
      g_autoptr (GArray) ids = ids_of_level (input, groups, level, &is_awaited);
      g_autofree char *set = g_strdup_printf ("%s_%u", name, level);

      if (input->split->ground == VPND_SPLIT_GROUND_NET_CLS)
        {
          for (guint i = 0; i < ids->len; i++)
            finish (vpnd_rule_match_u32 (begin (chains, chain), VPND_FIELD_NET_CLS, VPND_OP_EQ, (guint32) g_array_index (ids, guint64, i)), target);
        }
      else if (ids->len == 1 && !is_awaited)
        {
          finish (vpnd_rule_match_cgroup (begin (chains, chain), level, g_array_index (ids, guint64, 0)), target);
        }
      else if (ids->len > 1 || is_awaited)
        {
          if (vpnd_ruleset_find_set (chains->ruleset, set) == NULL)
            (void) fill_set (chains, set, ids);
          finish (vpnd_rule_match_cgroup_set (begin (chains, chain), level, set), target);
        }
    }
}

static void
add_uids (VpndPolicyChains *chains, VpndChain *chain, const GArray *uids, const char *name, const char *target)
{
  VpndRule *rule;

  if (uids->len == 0)
    return;
  rule = vpnd_chain_add_rule (chain);
  if (uids->len == 1)
    {
      finish (vpnd_rule_match_u32 (rule, VPND_FIELD_SKUID, VPND_OP_EQ, g_array_index (uids, guint32, 0)), target);
      return;
    }
  if (vpnd_ruleset_find_set (chains->ruleset, name) == NULL)
    {
      VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, name, VPND_FIELD_SKUID, FALSE, FALSE);

      for (guint i = 0; i < uids->len; i++)
        vpnd_set_add_u32 (set, g_array_index (uids, guint32, i), NULL);
    }
  finish (vpnd_rule_match_set (rule, VPND_FIELD_SKUID, VPND_OP_IN, name), target);
}

static void
add_prefixes (VpndPolicyChains *chains, VpndChain *chain, const GArray *prefixes, const char *name, const char *target)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autofree char *set_name = g_strconcat (name, families[i].suffix, NULL);
      VpndSet *set = NULL;
      gboolean is_known = vpnd_ruleset_find_set (chains->ruleset, set_name) != NULL;

      for (guint j = 0; j < prefixes->len; j++)
        {
          const VpndPrefix *prefix = &g_array_index (prefixes, VpndPrefix, j);

          if (prefix->addr.family != families[i].family)
            continue;
          if (set == NULL && !is_known)
            set = vpnd_ruleset_add_set (chains->ruleset, set_name, families[i].destination, TRUE, FALSE);
          if (set != NULL)
            vpnd_set_add_prefix (set, prefix, NULL);
        }
      if (set != NULL || is_known)
        finish (vpnd_rule_match_set (vpnd_chain_add_rule (chain), families[i].destination, VPND_OP_IN, set_name), target);
    }
}

/* The sets stand there without elements, too: what is known of a domain changes often, and only elements come and go then. */
static void
add_names (VpndPolicyChains *chains, VpndChain *chain, const GArray *addrs, const char *name, const char *target)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autofree char *set_name = g_strconcat (name, families[i].suffix, NULL);
      VpndSet *set = vpnd_ruleset_add_set (chains->ruleset, set_name, families[i].destination, FALSE, FALSE);

      for (guint j = 0; j < addrs->len; j++)
        if (g_array_index (addrs, VpndAddr, j).family == families[i].family)
          vpnd_set_add_addr (set, &g_array_index (addrs, VpndAddr, j), NULL);
      finish (vpnd_rule_match_set (vpnd_chain_add_rule (chain), families[i].destination, VPND_OP_IN, set_name), target);
    }
}

static VpndRule *
match_beside (VpndRule *rule)
{
  return vpnd_rule_match_mark (rule, VPND_FIELD_CT_MARK, VPND_OP_EQ, VPND_CT_MARK_VALUE, VPND_CT_MARK_EITHER);
}

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

  strip_marks_of_users (match_beside (vpnd_chain_add_rule (chain)));
  vpnd_rule_accept (vpnd_policy_match_marked (vpnd_chain_add_rule (chain)));
  if (input->kind != VPND_POLICY_BLOCKED)
    keep_probes (chain);
  refuse_begun_inside (chain, input);
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    vpnd_rule_goto (match_untracked_before (vpnd_chain_add_rule (chain), &g_array_index (input->routes->addresses, VpndPrefix, i).addr), CHAIN_REFUSE);
  vpnd_rule_goto (vpnd_rule_set_mark (vpnd_chain_add_rule (chain), VPND_STATEMENT_SET_CT_MARK, ct_mark, VPND_CT_MARK_MASK), CHAIN_BESIDE_WAY);
}

static gboolean
contains_addr (const GArray *addrs, const VpndAddr *addr)
{
  for (guint i = 0; i < addrs->len; i++)
    if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), addr))
      return TRUE;
  return FALSE;
}

/* The resolvers that are asked inside the tunnel; without @outside_too those that are nowhere else: the network's may have the address of one. */
static GArray *
inner_resolvers (const VpndPolicyInput *input, int family, gboolean only_private, gboolean outside_too)
{
  GArray *servers = g_array_new (FALSE, FALSE, sizeof (VpndAddr));

  for (guint i = 0; input->kind != VPND_POLICY_BLOCKED && input->dns != NULL && i < input->dns->servers->len; i++)
    {
      const VpndAddr *server = &g_array_index (input->dns->servers, VpndAddr, i);

      if (server->family == family && !vpnd_addr_is_loopback (server) && !contains_addr (input->dns->outside, server) &&
          (outside_too || !contains_addr (input->split->outside_dns, server)) && (!only_private || vpnd_addr_is_private (server)))
        g_array_append_vals (servers, server, 1);
    }
  return servers;
}

static VpndRule *
match_server (VpndRule *rule, const VpndAddr *server)
{
  VpndPrefix host = vpnd_prefix_host (server);

  return vpnd_rule_match_prefix (rule, FALSE, VPND_OP_EQ, &host);
}

static const VpndField dns_ports[] = { VPND_FIELD_UDP_DPORT, VPND_FIELD_TCP_DPORT };

/* 8: what asks a resolver of the tunnel and goes beside it asks one of the physical links instead; in include mode that is so until the tunnel works, for the
 * host's resolver is the tunnel's then, whoever asks. */
static void
add_redirection (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndChain *chain = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i].family, FALSE, FALSE);
      const VpndAddr *outside = NULL;

      for (guint j = 0; j < input->split->outside_dns->len && outside == NULL; j++)
        if (g_array_index (input->split->outside_dns, VpndAddr, j).family == families[i].family)
          outside = &g_array_index (input->split->outside_dns, VpndAddr, j);
      for (guint j = 0; outside != NULL && j < servers->len * G_N_ELEMENTS (dns_ports); j++)
        {
          VpndRule *rule;

          if (chain == NULL)
            chain = vpnd_ruleset_add_chain (chains->ruleset, CHAIN_SPLIT_NAT, VPND_CHAIN_NAT, VPND_HOOK_OUTPUT, PRIORITY_NAT_OUTPUT, VPND_VERDICT_ACCEPT);
          rule = match_server (match_beside (vpnd_chain_add_rule (chain)), &g_array_index (servers, VpndAddr, j / 2));
          vpnd_rule_dnat (vpnd_rule_match_port (rule, dns_ports[j % 2], DNS_PORT), outside);
        }
    }
}

/* 8: the private resolvers of the tunnel are nobody's outside it. */
static void
refuse_inner_resolvers (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i].family, TRUE, FALSE);

      for (guint j = 0; j < servers->len * G_N_ELEMENTS (dns_ports); j++)
        {
          VpndRule *rule = match_server (vpnd_chain_add_rule (chain), &g_array_index (servers, VpndAddr, j / 2));

          vpnd_rule_goto (vpnd_rule_match_set (rule, dns_ports[j % 2], VPND_OP_IN, SET_DNS_PORTS), CHAIN_REFUSE);
        }
    }
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
  refuse_inner_resolvers (chain, input);
  add_groups (chains, chain, input, GROUPS_TO_TUNNEL, SET_TO_TUNNEL, new_rule, CHAIN_REFUSE);
  if (plan->included_uids->len + plan->included_prefixes->len > 0)
    {
      add_groups (chains, chain, input, GROUPS_EXCLUDED, SET_EXCLUDED, new_rule, NULL);
      add_uids (chains, chain, plan->included_uids, "split_included_uids", CHAIN_REFUSE);
      add_prefixes (chains, chain, plan->included_prefixes, "split_included", CHAIN_REFUSE);
    }
  vpnd_rule_accept (vpnd_chain_add_rule (chain));
  rule = match_beside (vpnd_chain_add_rule (chains->output));
  vpnd_rule_jump (vpnd_rule_match_u32 (rule, VPND_FIELD_OIF, VPND_OP_NE, LOOPBACK_IFINDEX), CHAIN_SPLIT_OUT);
}

/* 8: a program that binds itself to the tunnel's link does not get around its class, nor does a route that somebody put into the host's own table. And a link that has
 * no address of its own is given any other one of the host for what is translated, as the tunnel's (inet_select_addr()), so that is looked at behind the translation. */
static void
add_last_guard (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndChain *chain = vpnd_ruleset_add_chain (chains->ruleset, CHAIN_LEAVING, VPND_CHAIN_FILTER, VPND_HOOK_POSTROUTING, PRIORITY_LEAVING, VPND_VERDICT_ACCEPT);
  VpndChain *beside = vpnd_policy_add_chain (chains, CHAIN_LEAVING_BESIDE);

  vpnd_rule_drop (vpnd_rule_match_ifname (vpnd_chain_add_rule (beside), VPND_FIELD_OIFNAME, VPND_OP_EQ, VPND_IFNAME));
  vpnd_rule_accept (vpnd_rule_match_u32 (vpnd_chain_add_rule (beside), VPND_FIELD_OIF, VPND_OP_EQ, LOOPBACK_IFINDEX));
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (input->routes->addresses, VpndPrefix, i).addr);

      vpnd_rule_drop (vpnd_rule_match_prefix (vpnd_chain_add_rule (beside), TRUE, VPND_OP_EQ, &host));
    }
  vpnd_rule_goto (match_beside (vpnd_chain_add_rule (chain)), CHAIN_LEAVING_BESIDE);
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
  vpnd_rule_jump (match_beside (vpnd_chain_add_rule (chains->input)), CHAIN_SPLIT_IN);
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
  add_groups (chains, chains->output, input, GROUPS_REFUSED, SET_REFUSED, new_rule_off_loopback, CHAIN_REFUSE);
  add_groups (chains, chains->output, input, GROUPS_BOUND, SET_BOUND, new_rule_off_tunnel, CHAIN_REFUSE);
  add_split_out (chains, input);
  add_split_in (chains, input);
  add_last_guard (chains, input);
}

/* 8: the source of a packet was chosen when its way still led into the tunnel. */
static void
add_translation (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  for (guint i = 0; input->routes != NULL && i < input->routes->addresses->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (input->routes->addresses, VpndPrefix, i).addr);
      VpndRule *rule;

      vpnd_policy_want_postrouting (chains);
      rule = vpnd_rule_match_prefix (match_beside (vpnd_chain_add_rule (chains->postrouting)), TRUE, VPND_OP_EQ, &host);
      vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_NE, VPND_IFNAME);
      vpnd_rule_statement (vpnd_rule_match_ifname (rule, VPND_FIELD_OIFNAME, VPND_OP_NE, "lo"), VPND_STATEMENT_MASQUERADE);
    }
}

/* The resolvers of the tunnel are the host's while it works, whoever asks, and whatever a network says of their addresses. */
static void
keep_inner_resolvers (VpndChain *chain, const VpndPolicyInput *input)
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i].family, FALSE, TRUE);

      for (guint j = 0; j < servers->len * G_N_ELEMENTS (dns_ports); j++)
        {
          VpndRule *rule = match_server (vpnd_chain_add_rule (chain), &g_array_index (servers, VpndAddr, j / 2));

          vpnd_rule_accept (vpnd_rule_match_set (rule, dns_ports[j % 2], VPND_OP_IN, SET_DNS_PORTS));
        }
    }
}

/* The classes of one level are one look at the socket. So few are compared instead: measured, a look into a map takes as long as three comparisons. */
#define GROUPS_COMPARED 2

static guint
count_groups (const VpndSplitPlan *plan, guint level, gboolean *out_is_awaited)
{
  guint n_groups = 0;

  *out_is_awaited = FALSE;
  for (guint i = 0; i < plan->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (plan->groups, VpndSplitGroup, i);

      n_groups += group->level == level;
      *out_is_awaited |= group->level == level && group->id == 0;
    }
  return n_groups;
}

static void
add_groups_of_level (VpndPolicyChains *chains, VpndChain *chain, const VpndSplitPlan *plan, guint level)
{
  const VpndVerdict inside = { .kind = VPND_VERDICT_ACCEPT };
  const VpndVerdict beside = { .kind = VPND_VERDICT_GOTO, .chain = CHAIN_BESIDE };
  g_autofree char *name = g_strdup_printf ("split_classes_%u", level);
  gboolean is_awaited;
  guint n_groups = count_groups (plan, level, &is_awaited);
  VpndSet *map = NULL;

  if (n_groups > GROUPS_COMPARED || is_awaited)
    map = vpnd_ruleset_add_set (chains->ruleset, name, VPND_FIELD_SOCKET_CGROUP, FALSE, TRUE);
  for (guint i = 0; i < plan->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (plan->groups, VpndSplitGroup, i);
      const VpndVerdict *verdict = group->class_ == VPND_SPLIT_EXCLUDED ? &beside : &inside;

      if (group->level != level || group->id == 0)
        continue;
      if (map != NULL)
        vpnd_set_add_u64 (map, group->id, verdict);
      else
        finish (vpnd_rule_match_cgroup (vpnd_chain_add_rule (chain), level, group->id), verdict->kind == VPND_VERDICT_GOTO ? verdict->chain : NULL);
    }
  if (map != NULL)
    vpnd_rule_vmap_cgroup (vpnd_chain_add_rule (chain), level, name);
}

static void
add_group_map (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input)
{
  if (input->split->ground == VPND_SPLIT_GROUND_NET_CLS)
    {
      add_groups (chains, chain, input, GROUPS_TO_TUNNEL, SET_TO_TUNNEL, new_rule, NULL);
      add_groups (chains, chain, input, GROUPS_EXCLUDED, SET_EXCLUDED, new_rule, CHAIN_BESIDE);
      return;
    }
  for (guint level = 0; level <= highest_level (input->split); level++)
    add_groups_of_level (chains, chain, input->split, level);
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
 * discovery, which conntrack does not follow, has no class. */
static void
add_rest_beside (VpndChain *chain)
{
  VpndRule *rule = vpnd_rule_match_u8 (vpnd_chain_add_rule (chain), VPND_FIELD_L4PROTO, IPPROTO_ICMPV6);

  vpnd_rule_accept (vpnd_rule_match_u32 (rule, VPND_FIELD_CT_STATE, VPND_OP_EQ, NF_CT_STATE_UNTRACKED_BIT));
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
  vpnd_rule_jump (match_beside (vpnd_chain_add_rule (chains->mangle)), CHAIN_KEPT);
}

/* The addresses of a name run out while flows to them go on, so here the flow is asked: whoever sends, the peer is the same. */
static void
add_excluded_names (VpndPolicyChains *chains, VpndChain *chain, const VpndSplitPlan *plan)
{
  VpndRule *rule = vpnd_rule_match_mark (vpnd_chain_add_rule (chain), VPND_FIELD_CT_MARK, VPND_OP_EQ, VPND_CT_MARK_NAME, VPND_CT_MARK_MASK);

  vpnd_rule_goto (rule, CHAIN_BESIDE_NAME);
  add_names (chains, chain, plan->excluded_addrs, "split_names_out", CHAIN_BESIDE_NAME);
}

/* What was decided about the process itself goes before what was about its user and its peer; the tunnel goes before the way beside it. */
static void
add_classes (VpndPolicyChains *chains, VpndChain *chain, const VpndPolicyInput *input)
{
  const VpndSplitPlan *plan = input->split;
  const gboolean is_include = plan->mode == VPND_SPLIT_MODE_INCLUDE;

  vpnd_rule_accept (vpnd_rule_match_u32 (vpnd_chain_add_rule (chain), VPND_FIELD_OIF, VPND_OP_EQ, LOOPBACK_IFINDEX));
  add_group_map (chains, chain, input);
  if (!is_include)
    keep_flows_inside (chain, input);
  add_kept_flows (chains);
  if (!is_include)
    keep_old_flows (chain, input);
  add_uids (chains, chain, plan->included_uids, "split_included_uids", NULL);
  add_prefixes (chains, chain, plan->included_prefixes, "split_included", NULL);
  if (plan->watches_names)
    add_names (chains, chain, plan->included_addrs, "split_names_in", NULL);
  if (is_include)
    {
      if (input->kind == VPND_POLICY_CONNECTED)
        keep_inner_resolvers (chain, input);
      add_rest_beside (chain);
      return;
    }
  add_uids (chains, chain, plan->excluded_uids, "split_excluded_uids", CHAIN_BESIDE);
  add_prefixes (chains, chain, plan->excluded_prefixes, "split_excluded", CHAIN_BESIDE);
  if (plan->watches_names)
    add_excluded_names (chains, chain, plan);
}

/* Answers with addresses of watched names wait until these stand in the sets. Only a resolver inside the tunnel is believed where an address opens a way out:
 * whoever runs the local network could otherwise name any address that it wants to see beside the tunnel. In include mode an address only leads into it, and
 * who was not asked is not heard: what others send could drive out the addresses that lead there. */
static void
add_name_watch (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndChain *chain = vpnd_ruleset_add_chain (chains->ruleset, CHAIN_NAMES, VPND_CHAIN_FILTER, VPND_HOOK_INPUT, PRIORITY_NAMES, VPND_VERDICT_ACCEPT);
  VpndQueueForm form = input->split->queue;

  if (input->split->mode == VPND_SPLIT_MODE_INCLUDE)
    {
      VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_IIFNAME, VPND_OP_NE, "lo");

      vpnd_rule_match_established (vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DNS_PORT));
      vpnd_rule_queue (rule, form, VPND_NAME_QUEUE);
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GArray) servers = inner_resolvers (input, families[i].family, FALSE, TRUE);

      for (guint j = 0; j < servers->len; j++)
        {
          VpndPrefix host = vpnd_prefix_host (&g_array_index (servers, VpndAddr, j));
          VpndRule *rule = vpnd_rule_match_ifname (vpnd_chain_add_rule (chain), VPND_FIELD_IIFNAME, VPND_OP_EQ, VPND_IFNAME);

          vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &host);
          vpnd_rule_queue (vpnd_rule_match_port (rule, VPND_FIELD_UDP_SPORT, DNS_PORT), form, VPND_NAME_QUEUE);
        }
    }
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
    add_redirection (chains, input);
  if (input->split->watches_names)
    add_name_watch (chains, input);
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
 * vpnd_policy_add_split_inbound:
 * @chains: the chains of a ruleset that is being filled; all else that lets something in stands there
 * @input: what the policy depends on
 *
 * Adds what lets in from outside the tunnel when all but the listed programs are beside it.
 */
void
vpnd_policy_add_split_inbound (VpndPolicyChains *chains, const VpndPolicyInput *input)
{
  VpndRule *rule;

  if (!vpnd_policy_has_split (input) || input->split->mode != VPND_SPLIT_MODE_INCLUDE)
    return;
  vpnd_rule_drop (vpnd_rule_match_ifname (vpnd_chain_add_rule (chains->input), VPND_FIELD_IIFNAME, VPND_OP_EQ, VPND_IFNAME));
  if (input->split->ground == VPND_SPLIT_GROUND_CGROUP2)
    {
      VpndChain *drop = vpnd_policy_add_chain (chains, "split_closed");

      vpnd_rule_drop (vpnd_chain_add_rule (drop));
      add_groups (chains, chains->input, input, GROUPS_TO_TUNNEL, SET_TO_TUNNEL, new_rule, drop->name);
    }
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
  add_groups (&chains, chains.output, &input, GROUPS_REFUSED, SET_REFUSED, new_rule_off_loopback, CHAIN_REFUSE);
  vpnd_policy_add_refusal (&chains, FALSE);
  return g_steal_pointer (&ruleset);
}
