/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See policy-split-world.h.
 */
#include "config.h"

#include "policy-split-world.h"

#include "net-values.h"
#include "random-values.h"
#include "reserved.h"

#define PRIORITY_ROUTE (-150)

/* A host on which something goes beside the tunnel, or is bound to a profile. */
void
split_world_init (World *world, VpndPolicyKind kind, gboolean has_ways)
{
  world_draw (world, kind);
  world->link_ifindex = RULESET_EVAL_LINK_IFINDEX;
  do
    {
      g_clear_pointer (&world->split, vpnd_split_plan_unref);
      world->split = random_split_plan ("random");
    }
  while (vpnd_split_plan_is_empty (world->split));
  if (!has_ways)
    world->facts->default4.present = world->facts->default6.present = FALSE;
  world->ruleset = world_rules (world, world->split);
}

VpndPolicyKind
random_kind (void)
{
  return (VpndPolicyKind) g_test_rand_int_range (0, 3);
}

gboolean
has_address (const World *world, int family)
{
  for (guint i = 0; i < world->routes->addresses->len; i++)
    if (g_array_index (world->routes->addresses, VpndPrefix, i).addr.family == family)
      return TRUE;
  return FALSE;
}

VpndAddr
tunnel_address (const World *world, int family)
{
  for (guint i = 0; i < world->routes->addresses->len; i++)
    if (g_array_index (world->routes->addresses, VpndPrefix, i).addr.family == family)
      return g_array_index (world->routes->addresses, VpndPrefix, i).addr;
  g_assert_not_reached ();
}

/* The kernel's first look for the way of @departure, and the address that it has from there. */
void
look_up (const World *world, Departure *departure)
{
  const int family = departure->packet.destination.family;

  departure->initial = world->kind != VPND_POLICY_BLOCKED && has_address (world, family) ? VPND_IFNAME : "eth0";
  departure->packet.source = g_str_equal (departure->initial, VPND_IFNAME) ? tunnel_address (world, family) : random_public_addr (family);
}

/* Sends @departure. Returns: the link that it leaves by; "" when it is refused or dropped, which @out_fate tells apart */
const char *
send_packet (const World *world, Departure *departure, Fate *out_fate)
{
  Packet *packet = &departure->packet;
  const char *last;

  packet->oifname = departure->initial;
  *out_fate = ruleset_eval_part (world->ruleset, VPND_HOOK_OUTPUT, G_MININT32, PRIORITY_ROUTE, packet);
  if (*out_fate != FATE_ACCEPT)
    return "";
  last = !departure->is_bound && (packet->mark & VPND_MARK_MASK) == VPND_MARK_VALUE ? "eth0" : departure->initial;
  *out_fate = ruleset_eval_part (world->ruleset, VPND_HOOK_OUTPUT, PRIORITY_ROUTE + 1, G_MAXINT32, packet); /* the hook still says the first link */
  if (*out_fate != FATE_ACCEPT)
    return "";
  packet->oifname = last;
  *out_fate = ruleset_eval (world->ruleset, VPND_HOOK_POSTROUTING, packet);
  return *out_fate == FATE_ACCEPT ? last : "";
}

/* A new flow of some program to a public address that nothing but the plan names. */
Departure
random_departure (const World *world)
{
  static const guint32 uids[] = { 0, 1000, SPLIT_UID_EXCLUDED, SPLIT_UID_INCLUDED };
  static const char *const peers[] = { "198.51.100.7", "192.0.2.7", "2001:db8:e::7", "2001:db8:a::7", "203.0.113.77", "2001:db8:77::7" };
  Departure departure = { .packet = { .iifname = "", .l4proto = random_boolean (2) ? IPPROTO_TCP : IPPROTO_UDP, .sport = 40000, .dport = 443 } };
  Packet *packet = &departure.packet;

  packet->destination = addr_of (peers[g_test_rand_int_range (0, G_N_ELEMENTS (peers))]);
  packet->uid = uids[g_test_rand_int_range (0, G_N_ELEMENTS (uids))];
  packet->cgroups[1] = SPLIT_FOLDER_SYSTEM;
  packet->cgroups[SPLIT_LEVEL] = g_test_rand_int_range (SPLIT_ID_NONE, SPLIT_ID_UNIT_EXCLUDED);
  packet->net_cls = (guint32) packet->cgroups[SPLIT_LEVEL]; /* which of the two counts is the plan's */
  packet->cgroups[SPLIT_UNIT_LEVEL] = packet->cgroups[SPLIT_LEVEL] == SPLIT_ID_NONE && random_boolean (3) ? SPLIT_ID_UNIT_EXCLUDED : 0;
  look_up (world, &departure);
  return departure;
}

gboolean
is_beside (const World *world, const Packet *packet)
{
  guint64 cgroup = packet->cgroups[SPLIT_UNIT_LEVEL] != 0 ? packet->cgroups[SPLIT_UNIT_LEVEL] : packet->cgroups[SPLIT_LEVEL];
  const VpndSplitGround ground = world->split->ground;
  gboolean result;

  world->split->ground = VPND_SPLIT_GROUND_CGROUP2; /* only of that does the question know numbers */
  result = vpnd_split_plan_is_beside (world->split, cgroup, packet->uid, &packet->destination);
  world->split->ground = ground;
  return result;
}

gboolean
has_group (const World *world, guint64 id)
{
  for (guint i = 0; i < world->split->groups->len; i++)
    if (id != 0 && g_array_index (world->split->groups, VpndSplitGroup, i).id == id)
      return TRUE;
  return FALSE;
}

/* Of an excluded class by its process, whatever its user and its peer are. */
gboolean
is_excluded_program (const World *world, const Packet *packet)
{
  return (packet->cgroups[SPLIT_LEVEL] == SPLIT_ID_EXCLUDED && has_group (world, SPLIT_ID_EXCLUDED)) ||
      (world->split->ground == VPND_SPLIT_GROUND_CGROUP2 && packet->cgroups[SPLIT_UNIT_LEVEL] != 0 && has_group (world, SPLIT_ID_UNIT_EXCLUDED));
}

/* Bound to a profile that is not the connected one. */
gboolean
is_refused (const World *world, const Packet *packet)
{
  guint64 id = packet->cgroups[SPLIT_LEVEL];

  return has_group (world, id) && (id == SPLIT_ID_BOUND_OTHER || (id == SPLIT_ID_BOUND_FIRST && world->kind != VPND_POLICY_CONNECTED));
}

/* Set to be inside the tunnel, and not only there for want of a rule. */
gboolean
is_set_inside (const World *world, const Packet *packet)
{
  const VpndSplitMode mode = world->split->mode;
  gboolean is_inside;

  world->split->mode = VPND_SPLIT_MODE_INCLUDE; /* all else is beside it then */
  is_inside = !is_beside (world, packet);
  world->split->mode = mode;
  return is_inside;
}

gboolean
contains (const GArray *addrs, const VpndAddr *one)
{
  for (guint i = 0; i < addrs->len; i++)
    if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), one))
      return TRUE;
  return FALSE;
}

/* Of a flow that somebody had beside the tunnel. */
guint32
random_flow_mark (void)
{
  return random_boolean (2) ? VPND_CT_MARK_VALUE : VPND_CT_MARK_NAME;
}

gboolean
asks (const VpndRule *rule, VpndField field)
{
  for (guint i = 0; i < rule->matches->len; i++)
    if (g_array_index (rule->matches, VpndMatch, i).field == field)
      return TRUE;
  return FALSE;
}
