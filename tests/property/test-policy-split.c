/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rule 8 of docs/security.md as properties of packets, over random plans, profiles, settings and facts: a packet of this host is sent through the hooks in the
 * kernel's order, with the look for the way that a new mark leads to.
 */
#include "config.h"

#include "policy.h"
#include "random-values.h"
#include "reserved.h"
#include "ruleset-eval.h"
#include "tunnel-plan.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#define ROUNDS 500
#define PACKETS 60
#define NO_UID G_MAXUINT32
#define PRIORITY_ROUTE (-150)

typedef struct
{
  VpndProfile *profile;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndTunnelConfig *config;
  VpndRoutePlan *routes;
  VpndDnsPlan *dns;
  VpndSplitPlan *split;
  VpndPolicyKind kind;
  VpndRuleset *ruleset;
} World;

static void
world_clear (World *world)
{
  vpnd_profile_unref (world->profile);
  vpnd_settings_unref (world->settings);
  vpnd_facts_unref (world->facts);
  vpnd_tunnel_config_unref (world->config);
  vpnd_route_plan_unref (world->routes);
  vpnd_dns_plan_unref (world->dns);
  vpnd_split_plan_unref (world->split);
  vpnd_ruleset_unref (world->ruleset);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

static VpndPolicyInput
input_of (const World *world)
{
  return (VpndPolicyInput){
    .kind = world->kind,
    .config = world->config,
    .routes = world->routes,
    .dns = world->dns,
    .settings = world->settings,
    .facts = world->facts,
    .link_ifindex = RULESET_EVAL_LINK_IFINDEX,
    .split = world->split,
    .profile = world->profile->name,
  };
}

static void
world_init (World *world, VpndPolicyKind kind, gboolean has_ways)
{
  VpndCause cause;
  VpndPolicyInput input;

  world->profile = random_profile ("random");
  world->settings = random_settings ();
  world->facts = random_facts ();
  world->facts->default4.present = world->facts->default6.present = TRUE;
  world->kind = kind;
  world->config = vpnd_tunnel_plan_build (world->profile, world->settings, world->facts, TRUE, VPND_LISTEN_PORT_FIRST, &cause);
  g_assert_nonnull (world->config);
  world->routes = vpnd_route_plan_build (world->profile, world->settings, world->facts);
  world->dns = vpnd_dns_plan_build (world->profile, world->settings);
  do
    {
      g_clear_pointer (&world->split, vpnd_split_plan_unref);
      world->split = random_split_plan ("random");
    }
  while (vpnd_split_plan_is_empty (world->split));
  if (!has_ways)
    world->facts->default4.present = world->facts->default6.present = FALSE;
  input = input_of (world);
  world->ruleset = vpnd_policy_build (&input);
}

static VpndPolicyKind
random_kind (void)
{
  return (VpndPolicyKind) g_test_rand_int_range (0, 3);
}

static VpndAddr
addr (const char *text)
{
  VpndAddr result;

  g_assert_true (vpnd_addr_parse (text, &result));
  return result;
}

/* --- the model of the output path --- */

typedef struct
{
  Packet packet;
  gboolean is_bound;   /* to the tunnel's link */
  const char *initial; /* the link of the first look */
} Departure;

static gboolean
has_address (const World *world, int family)
{
  for (guint i = 0; i < world->routes->addresses->len; i++)
    if (g_array_index (world->routes->addresses, VpndPrefix, i).addr.family == family)
      return TRUE;
  return FALSE;
}

static VpndAddr
tunnel_address (const World *world, int family)
{
  for (guint i = 0; i < world->routes->addresses->len; i++)
    if (g_array_index (world->routes->addresses, VpndPrefix, i).addr.family == family)
      return g_array_index (world->routes->addresses, VpndPrefix, i).addr;
  g_assert_not_reached ();
}

static VpndAddr
tunnel_address_or_other (const World *world, int family)
{
  return has_address (world, family) ? tunnel_address (world, family) : random_public_addr (family);
}

/* Sends @departure. Returns: the link that it leaves by; "" when it is refused or dropped, which @out_fate tells apart */
static const char *
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
static Departure
random_departure (const World *world)
{
  static const guint32 uids[] = { 0, 1000, SPLIT_UID_EXCLUDED, SPLIT_UID_INCLUDED };
  static const char *const peers[] = { "198.51.100.7", "192.0.2.7", "2001:db8:e::7", "2001:db8:a::7", "203.0.113.77", "2001:db8:77::7" };
  Departure departure = { .packet = { .iifname = "", .l4proto = random_boolean (2) ? IPPROTO_TCP : IPPROTO_UDP, .sport = 40000, .dport = 443 } };
  Packet *packet = &departure.packet;

  packet->destination = addr (peers[g_test_rand_int_range (0, G_N_ELEMENTS (peers))]);
  packet->uid = uids[g_test_rand_int_range (0, G_N_ELEMENTS (uids))];
  packet->cgroups[1] = SPLIT_FOLDER_SYSTEM;
  packet->cgroups[SPLIT_LEVEL] = g_test_rand_int_range (SPLIT_ID_NONE, SPLIT_ID_UNIT_EXCLUDED);
  packet->net_cls = (guint32) packet->cgroups[SPLIT_LEVEL]; /* which of the two counts is the plan's */
  packet->cgroups[SPLIT_UNIT_LEVEL] = packet->cgroups[SPLIT_LEVEL] == SPLIT_ID_NONE && random_boolean (3) ? SPLIT_ID_UNIT_EXCLUDED : 0;
  departure.initial = world->kind != VPND_POLICY_BLOCKED && has_address (world, packet->destination.family) ? VPND_IFNAME : "eth0";
  packet->source = g_str_equal (departure.initial, VPND_IFNAME) ? tunnel_address (world, packet->destination.family)
                                                                : random_public_addr (packet->destination.family);
  return departure;
}

static gboolean
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

static gboolean
has_group (const World *world, guint64 id)
{
  for (guint i = 0; i < world->split->groups->len; i++)
    if (id != 0 && g_array_index (world->split->groups, VpndSplitGroup, i).id == id)
      return TRUE;
  return FALSE;
}

/* Of an excluded class by its process, whatever its user and its peer are. */
static gboolean
is_excluded_program (const World *world, const Packet *packet)
{
  return (packet->cgroups[SPLIT_LEVEL] == SPLIT_ID_EXCLUDED && has_group (world, SPLIT_ID_EXCLUDED)) ||
      (world->split->ground == VPND_SPLIT_GROUND_CGROUP2 && packet->cgroups[SPLIT_UNIT_LEVEL] != 0 && has_group (world, SPLIT_ID_UNIT_EXCLUDED));
}

/* Bound to a profile that is not the connected one. */
static gboolean
is_refused (const World *world, const Packet *packet)
{
  guint64 id = packet->cgroups[SPLIT_LEVEL];

  return has_group (world, id) && (id == SPLIT_ID_BOUND_OTHER || (id == SPLIT_ID_BOUND_FIRST && world->kind != VPND_POLICY_CONNECTED));
}

static gboolean
contains (const GArray *addrs, const VpndAddr *one)
{
  for (guint i = 0; i < addrs->len; i++)
    if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), one))
      return TRUE;
  return FALSE;
}

/* Of a flow that somebody had beside the tunnel. */
static guint32
random_flow_mark (void)
{
  return random_boolean (2) ? VPND_CT_MARK_VALUE : VPND_CT_MARK_NAME;
}

/* Set to be inside the tunnel, and not only there for want of a rule. */
static gboolean
is_set_inside (const World *world, const Packet *packet)
{
  const VpndSplitMode mode = world->split->mode;
  gboolean is_inside;

  world->split->mode = VPND_SPLIT_MODE_INCLUDE; /* all else is beside it then */
  is_inside = !is_beside (world, packet);
  world->split->mode = mode;
  return is_inside;
}

/* --- the properties --- */

/* What is beside the tunnel leaves, by a physical link, with an address of that link; all else leaves by the tunnel or not at all. So does what is in a cgroup
 * that is no class (SPLIT_ID_NONE): one that was made anew has another number. */
static void
test_each_on_its_side (void)
{
  guint beside = 0, inside = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          const gboolean wants_out = is_beside (&world, &departure.packet);
          const gboolean is_blocked_program = is_refused (&world, &departure.packet);
          Fate fate;
          const char *link = send_packet (&world, &departure, &fate);

          if (is_blocked_program)
            g_assert_cmpint (fate, ==, FATE_REJECT);
          else if (wants_out)
            {
              g_assert_cmpstr (link, ==, "eth0");
              g_assert_cmphex (departure.packet.ct_mark & VPND_CT_MARK_EITHER, ==, VPND_CT_MARK_VALUE);
              g_assert_true (departure.packet.is_masqueraded == g_str_equal (departure.initial, VPND_IFNAME));
              beside++;
            }
          else
            {
              g_assert_cmpstr (link, ==, g_str_equal (departure.initial, VPND_IFNAME) ? VPND_IFNAME : "");
              g_assert_cmphex (departure.packet.ct_mark, ==, 0);
              inside += *link != '\0';
            }
        }
    }
  g_assert_cmpuint (beside, >, ROUNDS);
  g_assert_cmpuint (inside, >, ROUNDS);
}

/* A link without an address is given one of the tunnel's by the kernel: with that nothing leaves by it. */
static void
test_link_without_address (void)
{
  guint translated = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet *packet = &departure.packet;
          Fate fate;

          if (!g_str_equal (departure.initial, VPND_IFNAME))
            continue;
          packet->link_source = tunnel_address (&world, packet->destination.family);
          packet->ct_mark = random_boolean (2) ? random_flow_mark () : 0;
          packet->ct_status = packet->ct_mark != 0 ? IPS_CONFIRMED | IPS_SRC_NAT : 0;
          g_assert_cmpstr (send_packet (&world, &departure, &fate), !=, "eth0");
          translated += packet->is_masqueraded;
        }
    }
  g_assert_cmpuint (translated, >, ROUNDS);
}

/* A program that binds itself to the tunnel's link does not get around its class. */
static void
test_bound_to_the_link (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, VPND_POLICY_CONNECTED, TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          const gboolean wants_out = is_beside (&world, &departure.packet);
          Fate fate;

          departure.initial = VPND_IFNAME;
          departure.is_bound = TRUE;
          if (wants_out)
            g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "");
        }
    }
}

/* A flow keeps its class without the process: by its mark. Its answers come in by any link but the tunnel's, and are looked up where they are expected. */
static void
test_old_flows (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet *packet = &departure.packet;
          Packet answer = { .oifname = "", .iifname = "eth0", .source = packet->destination, .destination = random_public_addr (packet->destination.family) };
          guint32 ct_mark;
          Fate fate;

          memset (packet->cgroups, 0, sizeof packet->cgroups);
          packet->net_cls = 0;
          packet->uid = NO_UID;
          packet->ct_mark = random_flow_mark () | 5;
          ct_mark = packet->ct_mark;
          packet->ct_status = IPS_CONFIRMED | IPS_SRC_NAT;
          packet->is_established = TRUE;
          if (vpnd_prefix_contains (&(VpndPrefix){ addr ("192.0.2.0"), 24 }, &packet->destination) ||
              vpnd_prefix_contains (&(VpndPrefix){ addr ("2001:db8:a::"), 48 }, &packet->destination))
            continue; /* may have become a network of the tunnel's */
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "eth0");
          g_assert_cmphex (packet->ct_mark, ==, ct_mark);

          answer.l4proto = packet->l4proto;
          answer.sport = packet->dport;
          answer.dport = packet->sport;
          answer.ct_mark = packet->ct_mark;
          answer.is_established = TRUE;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &answer), ==, FATE_ACCEPT);
          g_assert_cmphex (answer.mark & VPND_MARK_MASK, ==, VPND_MARK_VALUE);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &answer), ==, FATE_ACCEPT);
          answer.iifname = VPND_IFNAME;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &answer), ==, FATE_DROP);
        }
    }
}

/* A flow that began inside the tunnel has no other address, nor gets one if somebody else's rules translate it there, so it does not go on beside it: it ends when its
 * program is one that goes beside the tunnel, also when the flow is another's whose port it has; it stays when only its user or its peer is. */
static void
test_changed_class (void)
{
  guint ended = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Fate fate;
          const char *link;

          if (!g_str_equal (departure.initial, VPND_IFNAME))
            continue;
          departure.packet.ct_status = IPS_CONFIRMED | (random_boolean (2) ? IPS_SRC_NAT : 0);
          departure.packet.is_established = TRUE;
          link = send_packet (&world, &departure, &fate);
          g_assert_cmpstr (link, !=, "eth0");
          if (*link == '\0')
            g_assert_cmpint (fate, ==, FATE_REJECT);
          if (is_excluded_program (&world, &departure.packet))
            g_assert_cmpstr (link, ==, "");
          g_assert_cmphex (departure.packet.ct_mark, ==, 0); /* it stays somebody's */
          ended += *link == '\0';
        }
    }
  g_assert_cmpuint (ended, >, ROUNDS);
}

/* What is inside the tunnel or nowhere does not go on with a flow of before either. */
static void
test_included_leaves_nothing_behind (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          const guint64 id = departure.packet.cgroups[SPLIT_LEVEL];
          Fate fate;

          departure.packet.ct_mark = random_flow_mark ();
          departure.packet.ct_status = IPS_CONFIRMED | IPS_SRC_NAT;
          departure.packet.is_established = TRUE;
          if (has_group (&world, id) && id != SPLIT_ID_EXCLUDED)
            g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "");
        }
    }
}

/* To an address of a watched name, where there is one. */
static void
send_to_a_name (const World *world, Departure *departure)
{
  const GArray *addrs = random_boolean (2) ? world->split->excluded_addrs : world->split->included_addrs;
  Packet *packet = &departure->packet;

  if (addrs->len == 0)
    return;
  packet->destination = g_array_index (addrs, VpndAddr, g_test_rand_int_range (0, (gint32) addrs->len));
  departure->initial = world->kind != VPND_POLICY_BLOCKED && has_address (world, packet->destination.family) ? VPND_IFNAME : "eth0";
  packet->source = g_str_equal (departure->initial, VPND_IFNAME) ? tunnel_address (world, packet->destination.family)
                                                                 : random_public_addr (packet->destination.family);
}

/* Whoever has the port and the peer of a flow that another socket had goes by what it is itself: never beside the tunnel because the other one did, except to what
 * was the address of an excluded name; and a mark that its socket has is no way out. What goes no way is told so. */
static void
test_flows_of_others (void)
{
  guint beside = 0, by_name = 0, refused = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const gboolean has_ways = !random_boolean (4);

      world_init (&world, random_kind (), has_ways);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet *packet = &departure.packet;
          gboolean wants_out, goes_out;
          const char *link;
          Fate fate;

          if (random_boolean (3))
            send_to_a_name (&world, &departure);
          packet->ct_mark = random_flow_mark () | 5;
          packet->ct_status = IPS_CONFIRMED | IPS_SRC_NAT;
          packet->is_established = random_boolean (2);
          packet->is_first_syn = packet->l4proto == IPPROTO_TCP && random_boolean (2);
          packet->mark = packet->uid != 0 && random_boolean (4) ? VPND_MARK_VALUE : 0;
          wants_out = is_beside (&world, packet);
          goes_out = wants_out || ((packet->ct_mark & VPND_CT_MARK_MASK) == VPND_CT_MARK_NAME && world.split->mode == VPND_SPLIT_MODE_EXCLUDE && world.split->watches_names && !is_set_inside (&world, packet));
          goes_out = goes_out && !is_refused (&world, packet) && (has_ways || !g_str_equal (departure.initial, VPND_IFNAME));
          link = send_packet (&world, &departure, &fate);
          g_assert_cmpstr (link, ==, goes_out ? "eth0" : "");
          if (!goes_out)
            g_assert_cmpint (fate, ==, FATE_REJECT);
          beside += goes_out && wants_out;
          by_name += goes_out && !wants_out;
          refused += !goes_out;
        }
    }
  g_assert_cmpuint (MIN (MIN (beside, refused), by_name), >, ROUNDS / 10);
}

/* What the kernel still sends for a program that is gone goes on with its flow, wherever it goes, unless that is set to be inside the tunnel. */
static void
test_connections_go_on (void)
{
  guint kept = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Fate fate;

          if (contains (world.split->included_addrs, &departure.packet.destination))
            continue; /* a name is about what begins */
          memset (departure.packet.cgroups, 0, sizeof departure.packet.cgroups);
          departure.packet.net_cls = 0;
          departure.packet.uid = G_MAXUINT32;
          departure.packet.ct_mark = random_flow_mark ();
          departure.packet.ct_status = IPS_CONFIRMED | IPS_SRC_NAT;
          departure.packet.is_established = TRUE;
          if (is_set_inside (&world, &departure.packet))
            {
              g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "");
              continue;
            }
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "eth0");
          kept++;
        }
    }
  g_assert_cmpuint (kept, >, ROUNDS);
}

/* A flow inside the tunnel that somebody else's rules translate there stays inside as well when its user or its peer becomes one that is beside it. */
static void
test_translated_inside (void)
{
  guint kept = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, VPND_POLICY_CONNECTED, TRUE);
      for (guint i = 0; world.split->mode == VPND_SPLIT_MODE_EXCLUDE && i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet *packet = &departure.packet;
          Fate fate;

          if (!g_str_equal (departure.initial, VPND_IFNAME))
            continue;
          memset (packet->cgroups, 0, sizeof packet->cgroups);
          packet->net_cls = 0;
          packet->ct_mark = random_boolean (2) ? 5 : 0;
          packet->ct_status = IPS_CONFIRMED | IPS_SRC_NAT;
          packet->is_established = TRUE;
          kept += is_beside (&world, packet);
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, VPND_IFNAME);
          g_assert_cmphex (packet->mark | (packet->ct_mark & VPND_CT_MARK_MASK), ==, 0);
        }
    }
  g_assert_cmpuint (kept, >, ROUNDS);
}

/* Neither the transport nor the daemon's probes are of a class, whatever cgroup they come from, whatever root is set to, and wherever they go. */
static void
test_own_packets (void)
{
  guint beside = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, (VpndPolicyKind) g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          const VpndTunnelPeer *peer = g_ptr_array_index (world.config->peers, 0);
          Packet *packet = &departure.packet;
          const gboolean is_probe = random_boolean (2);
          Fate fate;

          packet->uid = 0;
          packet->l4proto = IPPROTO_UDP;
          if (is_refused (&world, packet) || (is_probe && !g_str_equal (departure.initial, VPND_IFNAME)))
            continue;
          beside += is_beside (&world, packet);
          if (is_probe)
            {
              Departure named = departure;

              packet->dport = 9;
              named.packet = *packet;
              named.packet.ct_mark = VPND_CT_MARK_NAME; /* whatever its flow was taken for */
              g_assert_cmpstr (send_packet (&world, &named, &fate), !=, "eth0");
              g_assert_cmphex (named.packet.mark, ==, 0);
              g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, VPND_IFNAME);
              g_assert_cmphex (packet->mark | packet->ct_mark, ==, 0);
              continue;
            }
          if (vpnd_bridge_is_set (&world.profile->bridge) || !vpnd_addr_is_set (&peer->endpoint.addr) || is_set_inside (&world, packet))
            continue;
          packet->destination = peer->endpoint.addr;
          packet->dport = peer->endpoint.port;
          packet->source = random_public_addr (packet->destination.family);
          packet->mark = VPND_MARK_VALUE;
          departure.initial = "eth0";
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "eth0");
          g_assert_cmphex (packet->ct_mark, ==, 0);
          g_assert_cmphex (packet->mark, ==, VPND_MARK_VALUE);
        }
    }
  g_assert_cmpuint (beside, >, ROUNDS);
}

/* The loopback interface is everybody's, and nobody there is of a class. */
static void
test_loopback (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Fate fate;

          departure.initial = "lo";
          departure.packet.destination = addr (departure.packet.destination.family == AF_INET ? "127.0.0.1" : "::1");
          departure.packet.dport = random_boolean (2) ? 53 : 8080;
          if (vpnd_bridge_is_set (&world.profile->bridge) && departure.packet.dport == world.profile->bridge.local_port)
            continue;
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "lo");
          g_assert_cmphex (departure.packet.mark | departure.packet.ct_mark, ==, 0);
          g_assert_false (departure.packet.is_masqueraded);
        }
    }
}

/* Without a physical way of its family, what is beside the tunnel is told so at once. */
static void
test_no_way (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), FALSE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          const gboolean wants_out = is_beside (&world, &departure.packet);
          Fate fate;

          departure.packet.ct_mark = random_boolean (2) ? random_flow_mark () : 0;
          if (!wants_out || !g_str_equal (departure.initial, VPND_IFNAME))
            continue;
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "");
          g_assert_cmpint (fate, ==, FATE_REJECT);
        }
    }
}

static const VpndAddr *
first_of_family (const GArray *addrs, int family)
{
  for (guint i = 0; i < addrs->len; i++)
    if (g_array_index (addrs, VpndAddr, i).family == family)
      return &g_array_index (addrs, VpndAddr, i);
  return NULL;
}

/* A question for a resolver of the tunnel is asked outside by what is beside it; a private one's address leaves by no physical link. In include mode the tunnel's
 * resolver is everybody's while the tunnel works. */
static void
test_names (void)
{
  guint redirected = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < world.dns->servers->len * 8; i++)
        {
          Departure departure = random_departure (&world);
          const VpndAddr server = g_array_index (world.dns->servers, VpndAddr, i / 8);
          const VpndAddr *outside = first_of_family (world.split->outside_dns, server.family);
          gboolean is_plain, keeps_inside;
          const char *link;
          Fate fate;

          if (vpnd_addr_is_loopback (&server) || contains (world.dns->outside, &server) || contains (world.split->outside_dns, &server))
            continue;
          departure.initial = world.kind != VPND_POLICY_BLOCKED && has_address (&world, server.family) ? VPND_IFNAME : "eth0";
          departure.packet.source = g_str_equal (departure.initial, VPND_IFNAME) ? tunnel_address (&world, server.family) : random_public_addr (server.family);
          departure.packet.destination = server;
          departure.packet.dport = random_boolean (4) ? 853 : 53;
          if (!is_beside (&world, &departure.packet) || world.kind == VPND_POLICY_BLOCKED || is_refused (&world, &departure.packet))
            continue;
          keeps_inside = world.split->mode == VPND_SPLIT_MODE_INCLUDE && world.kind == VPND_POLICY_CONNECTED && !is_excluded_program (&world, &departure.packet);
          is_plain = departure.packet.dport == 53;
          link = send_packet (&world, &departure, &fate);
          if (keeps_inside)
            {
              g_assert_cmpstr (link, !=, "eth0");
              continue;
            }
          g_assert_cmpstr (link, !=, VPND_IFNAME);
          if (world.split->mode == VPND_SPLIT_MODE_INCLUDE && world.kind == VPND_POLICY_CONNECTED)
            continue;
          if (is_plain && outside != NULL)
            {
              g_assert_true (vpnd_addr_equal (&departure.packet.destination, outside));
              g_assert_cmpstr (link, ==, "eth0");
              redirected++;
            }
          else if (vpnd_addr_is_private (&server))
            g_assert_cmpint (fate, ==, FATE_REJECT);
        }
    }
  g_assert_cmpuint (redirected, >, 0);
}

/* A network that says that its own resolver has the address of the tunnel's changes neither where that one is asked nor whether its answers are held. */
static void
test_claimed_resolver (void)
{
  guint asked = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) claimed = NULL;
      VpndPolicyInput input;

      world_init (&world, VPND_POLICY_CONNECTED, TRUE);
      g_array_append_vals (world.split->outside_dns, world.dns->servers->data, world.dns->servers->len);
      input = input_of (&world);
      claimed = vpnd_policy_build (&input);
      if (world.split->mode == VPND_SPLIT_MODE_EXCLUDE && world.split->watches_names)
        g_assert_cmpuint (vpnd_ruleset_find_chain (claimed, "names")->rules->len, ==, vpnd_ruleset_find_chain (world.ruleset, "names")->rules->len);
      for (guint i = 0; world.split->mode == VPND_SPLIT_MODE_INCLUDE && i < world.dns->servers->len; i++)
        {
          Departure departure = random_departure (&world);
          const VpndAddr server = g_array_index (world.dns->servers, VpndAddr, i);
          Fate fate;

          if (vpnd_addr_is_loopback (&server) || contains (world.dns->outside, &server) || !has_address (&world, server.family))
            continue;
          departure.initial = VPND_IFNAME;
          departure.packet.source = tunnel_address (&world, server.family);
          departure.packet.destination = server;
          departure.packet.dport = 53;
          departure.packet.cgroups[SPLIT_LEVEL] = departure.packet.cgroups[SPLIT_UNIT_LEVEL] = departure.packet.net_cls = 0;
          vpnd_ruleset_unref (world.ruleset);
          world.ruleset = vpnd_ruleset_ref (claimed);
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, VPND_IFNAME);
          asked++;
        }
    }
  g_assert_cmpuint (asked, >, 0);
}

static gboolean
asks (const VpndRule *rule, VpndField field)
{
  for (guint i = 0; i < rule->matches->len; i++)
    if (g_array_index (rule->matches, VpndMatch, i).field == field)
      return TRUE;
  return FALSE;
}

static gboolean
is_of_the_tunnels_resolver (const World *world, const VpndRule *rule)
{
  gboolean by_tunnel = FALSE, from_resolver = FALSE;

  for (guint i = 0; i < rule->matches->len; i++)
    {
      const VpndMatch *match = &g_array_index (rule->matches, VpndMatch, i);

      by_tunnel = by_tunnel || (match->field == VPND_FIELD_IIFNAME && match->op == VPND_OP_EQ && strcmp ((const char *) match->value, VPND_IFNAME) == 0);
      for (guint j = 0; j < world->dns->servers->len; j++)
        {
          const VpndAddr *server = &g_array_index (world->dns->servers, VpndAddr, j);
          const VpndField field = server->family == AF_INET ? VPND_FIELD_IP_SADDR : VPND_FIELD_IP6_SADDR;

          from_resolver = from_resolver || (match->field == field && match->op == VPND_OP_EQ && memcmp (match->value, server->bytes, vpnd_addr_size (server)) == 0);
        }
    }
  return by_tunnel && from_resolver;
}

/* Answers are held only where they may say which addresses leave; nothing else is, and to hold one never drops it. What is learnt changes elements alone: the kernel
 * drops what is held when a chain goes. */
static void
test_held_answers (void)
{
  guint held = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { 0 };
      g_autoptr (VpndRuleset) later = NULL;
      VpndPolicyInput input;

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < world.ruleset->chains->len; i++)
        {
          const VpndChain *chain = g_ptr_array_index (world.ruleset->chains, i);

          for (guint j = 0; j < chain->rules->len; j++)
            {
              const VpndRule *rule = g_ptr_array_index (chain->rules, j);
              const VpndStatement *last = rule->statements->len > 0 ? &g_array_index (rule->statements, VpndStatement, rule->statements->len - 1) : NULL;

              if (last == NULL || (last->kind != VPND_STATEMENT_QUEUE && last->kind != VPND_STATEMENT_QUEUE_TARGET) || last->value == VPND_UNIT_QUEUE)
                continue;
              g_assert_true (world.split->watches_names);
              g_assert_cmpuint (last->value, ==, VPND_NAME_QUEUE);
              g_assert_cmpint (chain->hook, ==, VPND_HOOK_INPUT);
              g_assert_cmpint (chain->policy, ==, VPND_VERDICT_ACCEPT);
              g_assert_cmpint (chain->priority, >, vpnd_ruleset_find_chain (world.ruleset, "input")->priority); /* our filter has let it in */
              if (world.split->mode == VPND_SPLIT_MODE_EXCLUDE)
                g_assert_true (is_of_the_tunnels_resolver (&world, rule));
              else
                g_assert_true (asks (rule, VPND_FIELD_CT_STATE)); /* anybody may send to this host */
              held++;
            }
        }
      g_array_set_size (world.split->excluded_addrs, 0);
      g_array_set_size (world.split->included_addrs, 0);
      input = input_of (&world);
      later = vpnd_policy_build (&input);
      if (world.split->watches_names)
        g_assert_true (vpnd_ruleset_equal_but_elements (world.ruleset, later));
    }
  g_assert_cmpuint (held, >, 0);
}

/* Exclude mode lets nobody in. Include mode lets in to what is beside the tunnel, and nobody to what is inside it; net_cls tells nothing of what comes in. */
static void
test_inbound (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet packet = departure.packet;
          const gboolean is_inner = world.split->ground == VPND_SPLIT_GROUND_CGROUP2 && has_group (&world, packet.cgroups[SPLIT_LEVEL]) && packet.cgroups[SPLIT_LEVEL] != SPLIT_ID_EXCLUDED;
          const gboolean is_let_in = world.split->mode == VPND_SPLIT_MODE_INCLUDE && !is_inner;

          packet.oifname = "";
          packet.iifname = "eth0";
          packet.destination = random_public_addr (packet.source.family);
          packet.source = random_public_addr (packet.source.family);
          packet.dport = 22;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, is_let_in ? FATE_ACCEPT : FATE_DROP);
          g_assert_cmphex (packet.ct_mark, ==, is_let_in ? VPND_CT_MARK_VALUE : 0);
        }
    }
}

/* Who is inside the tunnel begins nothing with a program that is beside it, and goes on with what that one's neighbours have begun. */
static void
test_inward (void)
{
  guint n_dropped = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_boolean (2) ? VPND_POLICY_CONNECTED : VPND_POLICY_CONNECTING, TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet packet = departure.packet;
          const gboolean is_known = has_group (&world, packet.cgroups[SPLIT_LEVEL]);
          const gboolean is_excluded = (is_known && packet.cgroups[SPLIT_LEVEL] == SPLIT_ID_EXCLUDED) || has_group (&world, packet.cgroups[SPLIT_UNIT_LEVEL]);
          const gboolean is_include = world.split->mode == VPND_SPLIT_MODE_INCLUDE;
          gboolean is_let_in = is_include ? (is_known && !is_excluded) || world.split->included_uids->len > 0 : !is_excluded;

          packet.source = departure.packet.destination;
          packet.destination = tunnel_address_or_other (&world, packet.source.family);
          packet.uid = NO_UID; /* a listening socket's is not known */
          packet.oifname = "";
          packet.iifname = VPND_IFNAME;
          packet.sport = 4444;
          packet.dport = 6881;
          for (guint j = 0; is_include && j < world.split->included_prefixes->len; j++)
            is_let_in |= vpnd_prefix_contains (&g_array_index (world.split->included_prefixes, VpndPrefix, j), &packet.source);
          for (guint j = 0; is_include && world.split->watches_names && j < world.split->included_addrs->len; j++)
            is_let_in |= vpnd_addr_equal (&g_array_index (world.split->included_addrs, VpndAddr, j), &packet.source);
          is_let_in |= world.split->ground != VPND_SPLIT_GROUND_CGROUP2;
          n_dropped += !is_let_in;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, is_let_in ? FATE_ACCEPT : FATE_DROP);
          packet.is_established = TRUE; /* perhaps with a program that had the port before */
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, is_let_in || packet.l4proto != IPPROTO_UDP ? FATE_ACCEPT : FATE_DROP);
        }
    }
  g_assert_cmpuint (n_dropped, >, 0);
}

/* The answer to a TCP connection that somebody inside the tunnel begins: the kernel knows the user of its socket, not the cgroup. It goes inside; one to somebody outside does not. */
static void
test_second_syn (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, VPND_POLICY_CONNECTED, TRUE);
      if (world.split->mode != VPND_SPLIT_MODE_INCLUDE)
        continue;
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet *packet = &departure.packet;
          const gboolean is_inside = random_boolean (2);
          Fate fate;

          memset (packet->cgroups, 0, sizeof packet->cgroups);
          packet->net_cls = 0;
          if (!g_str_equal (departure.initial, VPND_IFNAME) || !is_beside (&world, packet))
            continue;
          packet->l4proto = IPPROTO_TCP;
          packet->sport = 6881;
          packet->is_established = packet->is_second_syn = TRUE;
          packet->ct_status = IPS_CONFIRMED;
          packet->ct_mark = is_inside ? 0 : VPND_CT_MARK_VALUE;
          if (!is_inside || random_boolean (2))
            packet->source = random_public_addr (packet->source.family); /* another address of the host */
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, is_inside ? VPND_IFNAME : "eth0");
        }
    }
}

/* Nothing beside the tunnel: the rules are those of a host without split tunnelling. */
static void
test_empty_plan (void)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndSplitPlan) empty = vpnd_split_plan_build (config, &(VpndSplitFacts){ NULL });
      g_autoptr (VpndRuleset) without = NULL;
      g_autoptr (VpndRuleset) with = NULL;
      VpndPolicyInput input;

      world_init (&world, random_kind (), TRUE);
      input = input_of (&world);
      input.split = NULL;
      without = vpnd_policy_build (&input);
      input.split = empty;
      with = vpnd_policy_build (&input);
      g_assert_true (vpnd_ruleset_equal (with, without));
      g_assert_false (vpnd_ruleset_equal (with, world.ruleset));
      g_assert_null (vpnd_policy_build_open (empty));
    }
}

/* An open host refuses what is bound to a profile, and nothing else. */
static void
test_open (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) open = NULL;

      world_init (&world, VPND_POLICY_BLOCKED, TRUE);
      open = vpnd_policy_build_open (world.split);
      g_assert_true ((open != NULL) == vpnd_split_plan_has_class (world.split, VPND_SPLIT_BOUND));
      for (guint i = 0; open != NULL && i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          const guint64 id = departure.packet.cgroups[SPLIT_LEVEL];
          const gboolean is_bound = has_group (&world, id) && (id == SPLIT_ID_BOUND_FIRST || id == SPLIT_ID_BOUND_OTHER);

          g_assert_false (vpnd_ruleset_is_closed (open));
          departure.packet.oifname = "eth0";
          g_assert_cmpint (ruleset_eval (open, VPND_HOOK_OUTPUT, &departure.packet), ==, is_bound ? FATE_REJECT : FATE_ACCEPT);
          departure.packet.oifname = "lo";
          g_assert_cmpint (ruleset_eval (open, VPND_HOOK_OUTPUT, &departure.packet), ==, FATE_ACCEPT);
          g_assert_cmpint (ruleset_eval (open, VPND_HOOK_INPUT, &departure.packet), ==, FATE_ACCEPT);
        }
    }
}

/* --- what nobody has looked at --- */

#define NEW (SPLIT_NEWEST + 7)

static const struct
{
  guint64 cgroups[PACKET_LEVELS];
  guint8 level;            /* of the folder that it stands in, if that is one */
  gboolean is_of_user;     /* a unit of the user's manager */
  gboolean stands_nowhere; /* it is no unit's */
} places[] = {
  { { 0, NEW }, 0, FALSE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, NEW }, 1, FALSE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, NEW, NEW + 1 }, 1, FALSE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER, NEW }, 2, TRUE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER, NEW, NEW + 1 }, 2, TRUE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM }, 0, FALSE, TRUE },                                                /* in a folder itself */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER }, 0, FALSE, TRUE },                             /* the same */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_ID_NONE, NEW }, 0, FALSE, TRUE },                            /* what a unit makes below itself */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER, SPLIT_NEWEST, NEW, NEW + 1 }, 0, FALSE, TRUE }, /* the same */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_NEWEST }, 0, FALSE, TRUE },
};

static gboolean
has_folder (const World *world, guint level, gboolean for_bound)
{
  for (guint i = 0; i < world->split->folders->len; i++)
    {
      const VpndSplitFolder *folder = &g_array_index (world->split->folders, VpndSplitFolder, i);

      if (folder->level == level && (!for_bound || folder->holds_bound))
        return TRUE;
    }
  return FALSE;
}

/* Whether a rule is for a unit that may come, of a class that is not to be beside the tunnel; or that is bound to a profile which is not the one of @connected. */
static gboolean
awaits (const VpndSplitPlan *plan, gboolean only_bound, const char *connected)
{
  for (guint i = 0; i < plan->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (plan->groups, VpndSplitGroup, i);

      if (group->id == 0 && (only_bound ? group->class_ == VPND_SPLIT_BOUND && g_strcmp0 (group->profile, connected) != 0 : group->class_ != VPND_SPLIT_EXCLUDED))
        return TRUE;
    }
  return FALSE;
}

/* A unit that has come and was not looked at may be one that a rule names: it sends nothing beside the tunnel until it was, and where a rule binds one to a profile which is
 * not connected, nothing at all. What is no unit, and what was looked at, is not held. Where
 * the kernel can, its packets are held before a way is chosen, and when nobody listens they take none beside the tunnel for all that. */
static void
test_unseen (void)
{
  guint dropped = 0, held = 0, let = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world), seen;
          const guint place = (guint) g_test_rand_int_range (0, G_N_ELEMENTS (places));
          const char *connected = world.kind == VPND_POLICY_CONNECTED ? "random" : NULL;
          const gboolean waits_for_bound = awaits (world.split, TRUE, connected);
          const gboolean leads_out = world.split->mode == VPND_SPLIT_MODE_INCLUDE || world.split->excluded_uids->len + world.split->excluded_prefixes->len > 0 || world.split->watches_names;
          const gboolean waits = leads_out && awaits (world.split, FALSE, NULL);
          const gboolean is_held_at_all = !places[place].stands_nowhere && waits_for_bound && has_folder (&world, places[place].level, !leads_out);
          const gboolean is_held_outside = !places[place].stands_nowhere && (waits || waits_for_bound) && has_folder (&world, places[place].level, !leads_out);
          Fate fate, seen_fate;
          const char *link, *seen_link;

          memcpy (departure.packet.cgroups, places[place].cgroups, sizeof departure.packet.cgroups);
          departure.packet.net_cls = SPLIT_ID_NONE;
          seen = departure;
          memset (seen.packet.cgroups, 0, sizeof seen.packet.cgroups);
          seen.packet.cgroups[1] = SPLIT_ID_NONE;
          link = send_packet (&world, &departure, &fate);
          seen_link = send_packet (&world, &seen, &seen_fate);
          if (is_held_at_all && world.split->mode == VPND_SPLIT_MODE_EXCLUDE)
            g_assert_cmpint (fate, ==, FATE_DROP);
          else if (is_held_outside && g_str_equal (seen_link, "eth0") && world.split->hold == VPND_QUEUE_NONE)
            g_assert_cmpint (fate, ==, FATE_DROP);
          else if (is_held_outside && g_str_equal (seen_link, "eth0"))
            g_assert_cmpuint (departure.packet.queue, ==, VPND_UNIT_QUEUE);
          else if (!is_held_at_all)
            g_assert_true (fate == seen_fate && g_str_equal (link, seen_link));
          g_assert_false (is_held_outside && g_str_equal (link, "eth0"));
          g_assert_true (departure.packet.queue == 0 || is_held_outside);
          g_assert_cmpuint (seen.packet.queue, ==, 0);
          held += departure.packet.queue != 0;
          dropped += fate == FATE_DROP;
          let += places[place].stands_nowhere && g_str_equal (link, "eth0");
        }
    }
  g_assert_cmpuint (dropped, >, ROUNDS);
  g_assert_cmpuint (held, >, ROUNDS / 5);
  g_assert_cmpuint (let, >, ROUNDS);
}

/* So it is on a host that nobody wants protected, where all but what is bound is in the clear. */
static void
test_unseen_while_open (void)
{
  guint dropped = 0, let = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) open = NULL;

      world_init (&world, VPND_POLICY_BLOCKED, TRUE);
      open = vpnd_policy_build_open (world.split);
      for (guint i = 0; open != NULL && i < G_N_ELEMENTS (places); i++)
        {
          const gboolean leads_out = world.split->mode == VPND_SPLIT_MODE_INCLUDE || world.split->excluded_uids->len + world.split->excluded_prefixes->len > 0 || world.split->watches_names;
          const gboolean is_held = !places[i].stands_nowhere && awaits (world.split, TRUE, NULL) && has_folder (&world, places[i].level, !leads_out);
          Departure departure = random_departure (&world);

          memcpy (departure.packet.cgroups, places[i].cgroups, sizeof departure.packet.cgroups);
          departure.packet.net_cls = SPLIT_ID_NONE;
          departure.packet.oifname = "lo";
          g_assert_cmpint (ruleset_eval (open, VPND_HOOK_OUTPUT, &departure.packet), ==, FATE_ACCEPT);
          departure.packet.oifname = "eth0";
          g_assert_cmpint (ruleset_eval (open, VPND_HOOK_OUTPUT, &departure.packet), ==, is_held ? FATE_DROP : FATE_ACCEPT);
          g_assert_true ((departure.packet.queue != 0) == (is_held && world.split->hold != VPND_QUEUE_NONE));
          dropped += is_held;
          let += !is_held;
        }
    }
  g_assert_cmpuint (dropped, >, 0);
  g_assert_cmpuint (let, >, 0);
}

/* Only the rules that hold back say which the newest is, and there is one for each level: that is all that a unit which no rule names changes. */
static void
test_unseen_costs_little (void)
{
  guint compared = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) later = NULL;
      VpndPolicyInput input;

      world_init (&world, random_kind (), TRUE);
      if (world.split->folders->len == 0)
        continue;
      world.split->newest++;
      input = input_of (&world);
      later = vpnd_policy_build (&input);
      for (guint i = 0; i < later->chains->len; i++)
        {
          const VpndChain *chain = g_ptr_array_index (later->chains, i), *before = vpnd_ruleset_find_chain (world.ruleset, chain->name);

          g_assert_true (vpnd_chain_equal (chain, before) == (!g_str_equal (chain->name, "unseen") && !g_str_equal (chain->name, "held")));
          g_assert_true (vpnd_chain_equal (chain, before) || chain->rules->len <= 3);
          compared++;
        }
    }
  g_assert_cmpuint (compared, >, 0);
}

/* One rule for a class, however many units are in it, and one for all users and all networks. */
static void
test_size (void)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();
  g_autoptr (VpndSplitStanding) few = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, SPLIT_LEVEL);
  g_autoptr (VpndSplitStanding) many = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, SPLIT_LEVEL);
  g_auto (World) world = { NULL };
  guint rules[2] = { 0 };

  for (guint i = 0; i < 500; i++)
    vpnd_split_standing_add_unit (many, VPND_SPLIT_EXCLUDED, NULL, SPLIT_LEVEL, 1000 + i);
  vpnd_split_standing_add_unit (few, VPND_SPLIT_EXCLUDED, NULL, SPLIT_LEVEL, 1000);
  world_init (&world, VPND_POLICY_CONNECTED, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (VpndSplitPlan) plan = vpnd_split_plan_build (config, &(VpndSplitFacts){ .standing = i == 0 ? few : many, .has_asked = TRUE });
      g_autoptr (VpndRuleset) ruleset = NULL;
      VpndPolicyInput input = input_of (&world);

      input.split = plan;
      ruleset = vpnd_policy_build (&input);
      for (guint j = 0; j < ruleset->chains->len; j++)
        rules[i] += ((const VpndChain *) g_ptr_array_index (ruleset->chains, j))->rules->len;
    }
  g_assert_cmpuint (rules[0], ==, rules[1]);
}

/* Of a packet inside the tunnel, which most are, two things are asked beside its class: whether it stays within this host, and whether its flow is inside. Neither
 * users nor addresses, however many. */
static void
test_short_way (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const VpndChain *mangle;
      guint n = 0;

      world_init (&world, VPND_POLICY_CONNECTED, TRUE);
      if (world.split->mode != VPND_SPLIT_MODE_EXCLUDE || vpnd_bridge_is_set (&world.profile->bridge))
        continue;
      mangle = vpnd_ruleset_find_chain (world.ruleset, "mangle");
      while (n < mangle->rules->len && !asks (g_ptr_array_index (mangle->rules, n), VPND_FIELD_CT_STATUS))
        {
          const VpndRule *rule = g_ptr_array_index (mangle->rules, n);
          const VpndStatement *last = &g_array_index (rule->statements, VpndStatement, rule->statements->len - 1);
          const gboolean is_of_a_class = asks (rule, VPND_FIELD_SOCKET_CGROUP) || asks (rule, VPND_FIELD_NET_CLS) || last->kind == VPND_STATEMENT_VMAP;

          g_assert_true (n == 0 ? asks (rule, VPND_FIELD_OIF) : is_of_a_class);
          n++;
        }
      g_assert_cmpuint (n, <, mangle->rules->len);
    }
}

static VpndSplitPlan *
plan_with_units (const VpndSplitConfig *config, const VpndSplitRule *const *rules, const guint *levels, guint n_rules)
{
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, SPLIT_LEVEL);

  standing->excluded_id = SPLIT_ID_EXCLUDED;
  vpnd_split_standing_add_bound (standing, "random", SPLIT_ID_BOUND_FIRST);
  vpnd_split_standing_add_bound (standing, "another", SPLIT_ID_BOUND_OTHER);
  for (guint i = 0; i < n_rules; i++)
    for (guint k = g_test_rand_int_range (0, 3); k > 0; k--)
      vpnd_split_standing_add_unit (standing, rules[i]->class_, rules[i]->profile, levels[i], 1000 + 10 * i + k);
  return vpnd_split_plan_build (config, &(VpndSplitFacts){ .standing = standing });
}

/* A unit that starts does not wait for the rules: whichever units run, where systemd puts them, only elements differ, which are in force soonest. */
static void
test_units_come_and_go (void)
{
  static const struct
  {
    VpndSplitKind kind;
    const char *value;
    guint32 owner_uid;
    guint level;
  } names[] = {
    { VPND_SPLIT_UNIT, "a.service", VPND_SPLIT_OWNER_SYSTEM, 2 },
    { VPND_SPLIT_UNIT, "b@1.service", VPND_SPLIT_OWNER_SYSTEM, 3 },
    { VPND_SPLIT_UNIT, "c.slice", VPND_SPLIT_OWNER_SYSTEM, 1 },
    { VPND_SPLIT_UNIT, "c-d.slice", VPND_SPLIT_OWNER_SYSTEM, 2 },
    { VPND_SPLIT_UNIT, "e.scope", 1000, 5 },
    { VPND_SPLIT_APP, "org.example.App", VPND_SPLIT_OWNER_SYSTEM, 5 },
    { VPND_SPLIT_APP, "org.example.Own", 1000, 5 },
  };
  static const char *const profiles[] = { "random", "another" };

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
      g_autoptr (VpndSplitConfig) config = NULL;
      g_autoptr (VpndSplitPlan) plan = NULL;
      g_autoptr (VpndSplitPlan) later_plan = NULL;
      g_autoptr (VpndRuleset) ruleset = NULL;
      g_autoptr (VpndRuleset) later = NULL;
      VpndPolicyInput input;
      guint levels[G_N_ELEMENTS (names)];

      for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        {
          const VpndSplitClass class_ = (VpndSplitClass) g_test_rand_int_range (0, VPND_N_SPLIT_CLASSES);
          const char *profile = class_ == VPND_SPLIT_BOUND ? profiles[g_test_rand_int_range (0, 2)] : NULL;

          if (random_boolean (2))
            continue;
          levels[rules->len] = names[i].level;
          g_ptr_array_add (rules, vpnd_split_rule_new (names[i].kind, names[i].value, class_, profile, names[i].owner_uid, NULL));
          g_assert_nonnull (g_ptr_array_index (rules, rules->len - 1));
        }
      config = vpnd_split_config_new_from_rules (random_boolean (2) ? VPND_SPLIT_MODE_EXCLUDE : VPND_SPLIT_MODE_INCLUDE, rules, NULL);
      g_assert_nonnull (config);
      world_init (&world, random_kind (), TRUE);
      input = input_of (&world);
      input.split = plan = plan_with_units (config, (const VpndSplitRule *const *) rules->pdata, levels, rules->len);
      ruleset = vpnd_policy_build (&input);
      input.split = later_plan = plan_with_units (config, (const VpndSplitRule *const *) rules->pdata, levels, rules->len);
      later = vpnd_policy_build (&input);
      g_assert_true (vpnd_ruleset_equal_but_elements (ruleset, later));
      g_assert_true (vpnd_split_plan_equal (plan, later_plan) || !vpnd_ruleset_equal (ruleset, later));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy-split/each-on-its-side", test_each_on_its_side);
  g_test_add_func ("/policy-split/bound-to-the-link", test_bound_to_the_link);
  g_test_add_func ("/policy-split/old-flows", test_old_flows);
  g_test_add_func ("/policy-split/changed-class", test_changed_class);
  g_test_add_func ("/policy-split/included-leaves-nothing-behind", test_included_leaves_nothing_behind);
  g_test_add_func ("/policy-split/flows-of-others", test_flows_of_others);
  g_test_add_func ("/policy-split/connections-go-on", test_connections_go_on);
  g_test_add_func ("/policy-split/translated-inside", test_translated_inside);
  g_test_add_func ("/policy-split/link-without-address", test_link_without_address);
  g_test_add_func ("/policy-split/own-packets", test_own_packets);
  g_test_add_func ("/policy-split/loopback", test_loopback);
  g_test_add_func ("/policy-split/no-way", test_no_way);
  g_test_add_func ("/policy-split/names", test_names);
  g_test_add_func ("/policy-split/claimed-resolver", test_claimed_resolver);
  g_test_add_func ("/policy-split/held-answers", test_held_answers);
  g_test_add_func ("/policy-split/inbound", test_inbound);
  g_test_add_func ("/policy-split/inward", test_inward);
  g_test_add_func ("/policy-split/second-syn", test_second_syn);
  g_test_add_func ("/policy-split/empty-plan", test_empty_plan);
  g_test_add_func ("/policy-split/units-come-and-go", test_units_come_and_go);
  g_test_add_func ("/policy-split/open", test_open);
  g_test_add_func ("/policy-split/unseen", test_unseen);
  g_test_add_func ("/policy-split/unseen-while-open", test_unseen_while_open);
  g_test_add_func ("/policy-split/unseen-costs-little", test_unseen_costs_little);
  g_test_add_func ("/policy-split/size", test_size);
  g_test_add_func ("/policy-split/short-way", test_short_way);
  return g_test_run ();
}
