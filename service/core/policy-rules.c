/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The chains of the policy and the matches that several of its files need. Decides nothing.
 */
#include "config.h"

#include "policy-rules.h"

#include <linux/rtnetlink.h>

#include "reserved.h"

/* One before "filter" (0): an accept here ends only our own chains, a drop is final everywhere, so the administrator's own chains
 * keep their meaning and do not even see what we refuse. */
#define PRIORITY_FILTER (-1)
#define PRIORITY_PREROUTING (-150) /* "mangle": after conntrack (-200), before routing */

#define PRIORITY_POSTROUTING 100                    /* "srcnat" */
#define PRIORITY_LEAVING (PRIORITY_POSTROUTING + 1) /* behind all translation of sources, anybody's */

#define PRIORITY_MANGLE (-150) /* "mangle" of the output hook, where a new mark makes the kernel look for the way again */

/**
 * vpnd_policy_add_chain:
 * @chains: the chains of a ruleset that is being filled
 * @name: name of a chain that is only jumped to
 *
 * Returns: (transfer none): the chain
 */
VpndChain *
vpnd_policy_add_chain (VpndPolicyChains *chains, const char *name)
{
  return vpnd_ruleset_add_chain (chains->ruleset, name, VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT);
}

/**
 * vpnd_policy_chains_init:
 * @chains: (out): the chains
 * @ruleset: an empty ruleset
 * @has_tunnel: whether packets may leave by the tunnel
 *
 * Adds the chains that every state has to @ruleset. Each one that filters ends in drop.
 */
void
vpnd_policy_chains_init (VpndPolicyChains *chains, VpndRuleset *ruleset, gboolean has_tunnel)
{
  *chains = (VpndPolicyChains){ .ruleset = ruleset };
  chains->refuse = vpnd_policy_add_chain (chains, CHAIN_REFUSE);
  if (has_tunnel)
    chains->tunnel_out = vpnd_policy_add_chain (chains, CHAIN_TUNNEL_OUT);
  chains->prerouting = vpnd_ruleset_add_chain (ruleset, "prerouting", VPND_CHAIN_FILTER, VPND_HOOK_PREROUTING, PRIORITY_PREROUTING, VPND_VERDICT_ACCEPT);
  chains->input = vpnd_ruleset_add_chain (ruleset, "input", VPND_CHAIN_FILTER, VPND_HOOK_INPUT, PRIORITY_FILTER, VPND_VERDICT_DROP);
  chains->output = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, PRIORITY_FILTER, VPND_VERDICT_DROP);
  chains->forward = vpnd_ruleset_add_chain (ruleset, "forward", VPND_CHAIN_FILTER, VPND_HOOK_FORWARD, PRIORITY_FILTER, VPND_VERDICT_DROP);
}

/**
 * vpnd_policy_want_postrouting:
 * @chains: the chains of a ruleset that is being filled
 *
 * Makes sure that there is the chain that gives packets another source.
 */
void
vpnd_policy_want_postrouting (VpndPolicyChains *chains)
{
  if (chains->postrouting == NULL)
    chains->postrouting = vpnd_ruleset_add_chain (chains->ruleset, "postrouting", VPND_CHAIN_NAT, VPND_HOOK_POSTROUTING, PRIORITY_POSTROUTING, VPND_VERDICT_ACCEPT);
}

/**
 * vpnd_policy_want_leaving:
 * @chains: the chains of a ruleset that is being filled
 *
 * Makes sure that there is the chain that sees packets as they leave. A link that has no address of its own, as between two leases, is given any other one of the
 * host for what is translated, also the tunnel's (inet_select_addr()): that is seen only here.
 *
 * Returns: (transfer none): the chain
 */
VpndChain *
vpnd_policy_want_leaving (VpndPolicyChains *chains)
{
  if (chains->leaving == NULL)
    chains->leaving = vpnd_ruleset_add_chain (chains->ruleset, "leaving", VPND_CHAIN_FILTER, VPND_HOOK_POSTROUTING, PRIORITY_LEAVING, VPND_VERDICT_ACCEPT);
  return chains->leaving;
}

/**
 * vpnd_policy_want_mangle:
 * @chains: the chains of a ruleset that is being filled
 *
 * Makes sure that there is the chain that sends packets of this host another way.
 */
void
vpnd_policy_want_mangle (VpndPolicyChains *chains)
{
  if (chains->mangle == NULL)
    chains->mangle = vpnd_ruleset_add_chain (chains->ruleset, "mangle", VPND_CHAIN_ROUTE, VPND_HOOK_OUTPUT, PRIORITY_MANGLE, VPND_VERDICT_ACCEPT);
}

/**
 * vpnd_policy_refuse_rest:
 * @chain: a chain that only packets reach that leave or are forwarded
 *
 * Ends @chain with the refusal of whatever comes so far.
 */
void
vpnd_policy_refuse_rest (VpndChain *chain)
{
  vpnd_rule_goto (vpnd_chain_add_rule (chain), CHAIN_REFUSE);
}

/* 11: TCP by a reset: the kernel does not give an ICMPv6 error to a socket that is bound to a physical link, which would hang.
 *
 * A socket of IPv6 keeps an address that the host has lost (a network renumbered). What tells of the refusal would go there, with the first bytes of what was
 * refused, and a local network that is open lets it: so there it is dropped, and the sender gets its error (EPERM) all the same. Who has no address of this host
 * and has not come by a link is one of these; what is forwarded has come by one, and is told. */

/**
 * vpnd_policy_add_refusal:
 * @chains: the chains of a ruleset that is being filled
 * @lan_is_open: whether private addresses are reached outside the tunnel
 *
 * Fills the chain that ends what leaves or is forwarded and has not been allowed.
 */
void
vpnd_policy_add_refusal (VpndPolicyChains *chains, gboolean lan_is_open)
{
  VpndRule *rule;

  if (lan_is_open)
    {
      rule = vpnd_rule_match_u32 (vpnd_chain_add_rule (chains->refuse), VPND_FIELD_IIF, VPND_OP_EQ, 0);
      vpnd_rule_drop (vpnd_rule_match_u32 (rule, VPND_FIELD_FIB_SADDR_TYPE, VPND_OP_NE, RTN_LOCAL));
    }
  vpnd_rule_statement (vpnd_rule_match_u8 (vpnd_chain_add_rule (chains->refuse), VPND_FIELD_L4PROTO, IPPROTO_TCP), VPND_STATEMENT_REJECT_TCP_RESET);
  vpnd_rule_statement (vpnd_chain_add_rule (chains->refuse), VPND_STATEMENT_REJECT);
}

/**
 * vpnd_policy_prefix:
 * @text: a literal
 *
 * Returns: the network that @text names
 */
VpndPrefix
vpnd_policy_prefix (const char *text)
{
  VpndPrefix result;

  g_assert (vpnd_prefix_parse (text, &result)); /* only ever called with literals */
  return result;
}

/**
 * vpnd_policy_match_source:
 * @rule: a rule
 * @network: a literal
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_policy_match_source (VpndRule *rule, const char *network)
{
  VpndPrefix source = vpnd_policy_prefix (network);

  return vpnd_rule_match_prefix (rule, TRUE, VPND_OP_EQ, &source);
}

/**
 * vpnd_policy_match_destination:
 * @rule: a rule
 * @network: a literal
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_policy_match_destination (VpndRule *rule, const char *network)
{
  VpndPrefix destination = vpnd_policy_prefix (network);

  return vpnd_rule_match_prefix (rule, FALSE, VPND_OP_EQ, &destination);
}

/**
 * vpnd_policy_match_beside:
 * @rule: a rule
 *
 * Returns: (transfer none): @rule, about flows that go beside the tunnel by the users' wish
 */
VpndRule *
vpnd_policy_match_beside (VpndRule *rule)
{
  return vpnd_rule_match_mark (rule, VPND_FIELD_CT_MARK, VPND_OP_EQ, VPND_CT_MARK_VALUE, VPND_CT_MARK_EITHER);
}

/**
 * vpnd_policy_match_marked:
 * @rule: a rule, for packets with our mark
 *
 * Returns: (transfer none): @rule
 */
VpndRule *
vpnd_policy_match_marked (VpndRule *rule)
{
  return vpnd_rule_match_mark (rule, VPND_FIELD_MARK, VPND_OP_EQ, VPND_MARK_VALUE, VPND_MARK_MASK);
}
