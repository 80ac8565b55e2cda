/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The interpreter of tests/support/ruleset-eval.h, after nft(8).
 */
#include "config.h"

#include "ruleset-eval.h"

#include "reserved.h"

#include <linux/if_arp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <string.h>

typedef enum
{
  STEP_NEXT, /* no verdict: go on */
  STEP_RETURN,
  STEP_DONE,
} Step;

/* The bytes of @field in @packet; FALSE when the packet has no such field. */
static gboolean
load (const Packet *packet, VpndField field, guint8 *out)
{
  guint8 nfproto = vpnd_field_implied_nfproto (field);
  guint8 l4proto = vpnd_field_implied_l4proto (field);
  guint8 family = packet->destination.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
  guint16 sport = g_htons (packet->sport);
  guint16 dport = g_htons (packet->dport);
  guint16 inner_ports[] = { g_htons (packet->inner.sport), g_htons (packet->inner.dport) };
  guint32 ifindex;
  guint32 source_type, destination_type;
  guint16 type;
  guint32 state = packet->is_related ? NF_CT_STATE_BIT (IP_CT_RELATED) : packet->is_established ? NF_CT_STATE_BIT (IP_CT_ESTABLISHED)
                                                                                                : NF_CT_STATE_BIT (IP_CT_NEW);

  if ((nfproto != 0 && nfproto != family) || (l4proto != 0 && l4proto != packet->l4proto))
    return FALSE;

  memset (out, 0, VPND_FIELD_MAX_BYTES);
  switch (field)
    {
    case VPND_FIELD_IIFNAME:
      g_strlcpy ((char *) out, packet->iifname, VPND_FIELD_MAX_BYTES);
      return TRUE;
    case VPND_FIELD_OIFNAME:
      g_strlcpy ((char *) out, packet->oifname, VPND_FIELD_MAX_BYTES);
      return TRUE;
    case VPND_FIELD_IIF: /* others are not told apart */
      ifindex = packet->iifname[0] == '\0' ? 0 : 1;
      memcpy (out, &ifindex, sizeof ifindex);
      return TRUE;
    case VPND_FIELD_OIF:
      ifindex = g_str_equal (packet->oifname, "lo")                            ? 1
          : g_str_equal (packet->oifname, VPND_IFNAME) != packet->is_made_anew ? RULESET_EVAL_LINK_IFINDEX
                                                                               : RULESET_EVAL_LINK_IFINDEX + 1;
      memcpy (out, &ifindex, sizeof ifindex);
      return TRUE;
    case VPND_FIELD_OIFTYPE:
      type = g_str_equal (packet->oifname, VPND_IFNAME) ? ARPHRD_NONE : ARPHRD_ETHER;
      memcpy (out, &type, sizeof type);
      return TRUE;
    case VPND_FIELD_NFPROTO:
      *out = family;
      return TRUE;
    case VPND_FIELD_L4PROTO:
      *out = packet->l4proto;
      return TRUE;
    case VPND_FIELD_IP_SADDR:
    case VPND_FIELD_IP6_SADDR:
      memcpy (out, packet->source.bytes, VPND_FIELD_MAX_BYTES);
      return TRUE;
    case VPND_FIELD_IP_DADDR:
    case VPND_FIELD_IP6_DADDR:
      memcpy (out, packet->destination.bytes, VPND_FIELD_MAX_BYTES);
      return TRUE;
    case VPND_FIELD_UDP_SPORT:
    case VPND_FIELD_TCP_SPORT:
      memcpy (out, &sport, sizeof sport);
      return TRUE;
    case VPND_FIELD_UDP_DPORT:
    case VPND_FIELD_TCP_DPORT:
      memcpy (out, &dport, sizeof dport);
      return TRUE;
    case VPND_FIELD_TH_DPORT:
      memcpy (out, &dport, sizeof dport);
      return TRUE;
    case VPND_FIELD_ICMP_INNER_START:
      *out = 0x45;
      return TRUE;
    case VPND_FIELD_ICMP_INNER_L4PROTO:
      *out = packet->inner.l4proto;
      return TRUE;
    case VPND_FIELD_ICMP_INNER_DADDR:
      memcpy (out, packet->inner.destination.bytes, VPND_FIELD_MAX_BYTES);
      return TRUE;
    case VPND_FIELD_ICMP_INNER_PORTS:
      memcpy (out, inner_ports, sizeof inner_ports);
      return TRUE;
    case VPND_FIELD_UDP_START:
      memcpy (out, &packet->udp_start, sizeof packet->udp_start);
      return TRUE;
    case VPND_FIELD_TCP_FLAGS:
      *out = packet->is_second_syn ? 0x12 : packet->is_established && !packet->is_first_syn ? 0x10
                                                                                            : 0x02; /* both, ACK, or the SYN that begins a connection */
      return TRUE;
    case VPND_FIELD_TCP_MPTCP:
      *out = packet->is_mptcp;
      return TRUE;
    case VPND_FIELD_ICMP_TYPE:
    case VPND_FIELD_ICMPV6_TYPE:
      *out = packet->icmp_type;
      return TRUE;
    case VPND_FIELD_ICMP_CODE:
    case VPND_FIELD_ICMPV6_CODE:
      *out = packet->icmp_code;
      return TRUE;
    case VPND_FIELD_MARK:
      memcpy (out, &packet->mark, sizeof packet->mark);
      return TRUE;
    case VPND_FIELD_CT_STATE:
      memcpy (out, &state, sizeof state);
      return TRUE;
    case VPND_FIELD_SKUID:
      memcpy (out, &packet->uid, sizeof packet->uid);
      return TRUE;
    case VPND_FIELD_CT_MARK:
      memcpy (out, &packet->ct_mark, sizeof packet->ct_mark);
      return TRUE;
    case VPND_FIELD_CT_STATUS:
      memcpy (out, &packet->ct_status, sizeof packet->ct_status);
      return TRUE;
    case VPND_FIELD_NET_CLS:
      memcpy (out, &packet->net_cls, sizeof packet->net_cls);
      return TRUE;
    case VPND_FIELD_FIB_SADDR_TYPE:
      source_type = packet->has_lost_source ? RTN_UNICAST : RTN_LOCAL;
      memcpy (out, &source_type, sizeof source_type);
      return TRUE;
    case VPND_FIELD_FIB_DADDR_TYPE: /* asked of what comes in only */
      destination_type = packet->is_to_several ? RTN_MULTICAST : RTN_LOCAL;
      memcpy (out, &destination_type, sizeof destination_type);
      return TRUE;
    case VPND_FIELD_SOCKET_CGROUP: /* the level is the match's: load_at () */
    case VPND_N_FIELDS:
      break;
    }
  g_error ("the interpreter does not know %s", vpnd_field_name (field));
}

static gboolean
load_at (const Packet *packet, VpndField field, guint level, guint8 *out)
{
  if (field != VPND_FIELD_SOCKET_CGROUP)
    return load (packet, field, out);
  if (level >= PACKET_LEVELS || packet->cgroups[level] == 0)
    return FALSE; /* no socket, or one that stands less deep */
  memcpy (out, &packet->cgroups[level], sizeof packet->cgroups[level]);
  return TRUE;
}

static const VpndSetElement *
find_element (const VpndSet *set, const guint8 *key)
{
  gsize size = vpnd_field_size_bytes (set->field);

  for (guint i = 0; i < set->elements->len; i++)
    {
      const VpndSetElement *element = &g_array_index (set->elements, VpndSetElement, i);

      if (memcmp (key, element->key, size) >= 0 && memcmp (key, element->key_end, size) <= 0)
        return element;
    }
  return NULL;
}

static gboolean
matches (const VpndRuleset *ruleset, const Packet *packet, const VpndMatch *match)
{
  guint8 bytes[VPND_FIELD_MAX_BYTES];
  gsize size = vpnd_field_size_bytes (match->field);
  gboolean equal = TRUE;

  if (!load_at (packet, match->field, match->level, bytes))
    return FALSE;
  if (match->op == VPND_OP_IN || match->op == VPND_OP_NOT_IN)
    return (find_element (vpnd_ruleset_find_set (ruleset, match->set), bytes) != NULL) == (match->op == VPND_OP_IN);

  if (match->op == VPND_OP_GT)
    {
      guint64 number, limit;

      memcpy (&number, bytes, sizeof number);
      memcpy (&limit, match->value, sizeof limit);
      return number > limit;
    }

  if (match->field == VPND_FIELD_CT_STATE)
    {
      equal = FALSE;
      for (gsize i = 0; i < size; i++)
        equal |= (bytes[i] & match->value[i]) != 0;
    }
  else
    for (gsize i = 0; i < size; i++)
      equal &= (bytes[i] & match->mask[i]) == match->value[i];
  return equal == (match->op == VPND_OP_EQ);
}

static Step eval_chain (const VpndRuleset *ruleset, const VpndChain *chain, Packet *packet, Fate *out_fate);

static Step
take_verdict (const VpndRuleset *ruleset, const VpndVerdict *verdict, Packet *packet, Fate *out_fate)
{
  switch (verdict->kind)
    {
    case VPND_VERDICT_ACCEPT:
    case VPND_VERDICT_DROP:
      *out_fate = verdict->kind == VPND_VERDICT_ACCEPT ? FATE_ACCEPT : FATE_DROP;
      return STEP_DONE;
    case VPND_VERDICT_JUMP:
      return eval_chain (ruleset, vpnd_ruleset_find_chain (ruleset, verdict->chain), packet, out_fate) == STEP_DONE ? STEP_DONE : STEP_NEXT;
    case VPND_VERDICT_GOTO:
      return eval_chain (ruleset, vpnd_ruleset_find_chain (ruleset, verdict->chain), packet, out_fate) == STEP_DONE ? STEP_DONE : STEP_RETURN;
    case VPND_VERDICT_RETURN:
      return STEP_RETURN;
    }
  g_assert_not_reached ();
}

static Step
perform (const VpndRuleset *ruleset, const VpndStatement *statement, Packet *packet, Fate *out_fate)
{
  guint8 bytes[VPND_FIELD_MAX_BYTES];
  const VpndSetElement *element;

  switch (statement->kind)
    {
    case VPND_STATEMENT_VERDICT:
      return take_verdict (ruleset, &statement->verdict, packet, out_fate);
    case VPND_STATEMENT_REJECT:
    case VPND_STATEMENT_REJECT_NO_ROUTE:
    case VPND_STATEMENT_REJECT_TCP_RESET:
      *out_fate = FATE_REJECT;
      return STEP_DONE;
    case VPND_STATEMENT_SET_MARK:
      packet->mark = (packet->mark & ~statement->mask) | statement->value;
      return STEP_NEXT;
    case VPND_STATEMENT_SET_CT_MARK:
      packet->ct_mark = (packet->ct_mark & ~statement->mask) | statement->value;
      return STEP_NEXT;
    case VPND_STATEMENT_VMAP:
      element = load_at (packet, statement->field, statement->level, bytes) ? find_element (vpnd_ruleset_find_set (ruleset, statement->map), bytes) : NULL;
      return element != NULL ? take_verdict (ruleset, &element->verdict, packet, out_fate) : STEP_NEXT;
    case VPND_STATEMENT_MASQUERADE:
    case VPND_STATEMENT_MASQUERADE_RANDOM:
      packet->is_masqueraded = TRUE;
      packet->source = packet->link_source.family != 0 ? packet->link_source : (VpndAddr){ .family = packet->source.family };
      return STEP_DONE; /* these two are verdicts: accept, with another address */
    case VPND_STATEMENT_DNAT:
      packet->destination = statement->addr;
      return STEP_DONE;
    case VPND_STATEMENT_CLAMP_MSS:
      return STEP_NEXT;
    case VPND_STATEMENT_QUEUE:
    case VPND_STATEMENT_QUEUE_TARGET: /* in the end it is accepted, whoever listens */
      packet->queue = statement->value;
      *out_fate = FATE_ACCEPT;
      return STEP_DONE;
    }
  g_assert_not_reached ();
}

static Step
eval_chain (const VpndRuleset *ruleset, const VpndChain *chain, Packet *packet, Fate *out_fate)
{
  for (guint i = 0; i < chain->rules->len; i++)
    {
      const VpndRule *rule = g_ptr_array_index (chain->rules, i);
      gboolean all = TRUE;

      for (guint j = 0; all && j < rule->matches->len; j++)
        all = matches (ruleset, packet, &g_array_index (rule->matches, VpndMatch, j));
      for (guint j = 0; all && j < rule->statements->len; j++)
        {
          Step step = perform (ruleset, &g_array_index (rule->statements, VpndStatement, j), packet, out_fate);

          if (step != STEP_NEXT)
            return step;
        }
    }
  return STEP_NEXT;
}

static gint
compare_priority (gconstpointer a, gconstpointer b)
{
  const VpndChain *x = *(VpndChain *const *) a;
  const VpndChain *y = *(VpndChain *const *) b;

  return (x->priority > y->priority) - (x->priority < y->priority);
}

/* The fate of @packet in the chains of one hook whose priorities are from @from up to and with @to, in that order; what rules set stays in @packet. */
Fate
ruleset_eval_part (const VpndRuleset *ruleset, VpndHook hook, gint32 from, gint32 to, Packet *packet)
{
  g_autoptr (GPtrArray) chains = g_ptr_array_new ();

  for (guint i = 0; ruleset != NULL && i < ruleset->chains->len; i++)
    {
      VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

      if (chain->hook == hook && chain->priority >= from && chain->priority <= to)
        g_ptr_array_add (chains, chain);
    }
  g_ptr_array_sort (chains, compare_priority);
  for (guint i = 0; i < chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (chains, i);
      Fate fate = chain->policy == VPND_VERDICT_DROP ? FATE_DROP : FATE_ACCEPT;

      (void) eval_chain (ruleset, chain, packet, &fate);
      if (fate != FATE_ACCEPT)
        return fate;
    }
  return FATE_ACCEPT;
}

/* The fate of @packet at one hook. A ruleset without a chain there lets everything pass. */
Fate
ruleset_eval (const VpndRuleset *ruleset, VpndHook hook, Packet *packet)
{
  return ruleset_eval_part (ruleset, hook, G_MININT32, G_MAXINT32, packet);
}
