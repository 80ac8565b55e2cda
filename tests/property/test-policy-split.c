/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rule 8 of docs/security.md as properties of packets, over random plans, profiles, settings and facts: which way a packet goes that begins something, out and in,
 * by the class of its program, its user and its peer. Flows that go on, names and units have programs of their own: test-policy-split-*.c.
 */
#include "config.h"

#include "policy-split-world.h"

#include "net-values.h"
#include "random-values.h"
#include "reserved.h"

#include <linux/netfilter/nf_conntrack_common.h>

/* What is beside the tunnel leaves, by a physical link, with an address of that link; all else leaves by the tunnel or not at all. So does what is in a cgroup
 * that is no class (SPLIT_ID_NONE): one that was made anew has another number. */
static void
test_each_on_its_side (void)
{
  guint beside = 0, inside = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
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
  g_assert_cmpuint (beside, >, SPLIT_ROUNDS);
  g_assert_cmpuint (inside, >, SPLIT_ROUNDS);
}

/* A link without an address is given one of the tunnel's by the kernel: with that nothing leaves by it. */
static void
test_link_without_address (void)
{
  guint translated = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), TRUE);
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
  g_assert_cmpuint (translated, >, SPLIT_ROUNDS);
}

/* A program that binds itself to the tunnel's link does not get around its class. */
static void
test_bound_to_the_link (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, VPND_POLICY_CONNECTED, TRUE);
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

/* Neither the transport nor the daemon's probes are of a class, whatever cgroup they come from, whatever root is set to, and wherever they go. */
static void
test_own_packets (void)
{
  guint beside = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, (VpndPolicyKind) g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), TRUE);
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
  g_assert_cmpuint (beside, >, SPLIT_ROUNDS);
}

/* Whoever the kernel's WireGuard sends it for, of whatever class and user: what is inside the tunnel already gets to the server. */
static void
test_sent_for_somebody (void)
{
  guint bound = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const VpndTunnelPeer *peer;

      split_world_init (&world, (VpndPolicyKind) g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), TRUE);
      peer = g_ptr_array_index (world.config->peers, 0);
      for (guint i = 0; i < PACKETS && !vpnd_bridge_is_set (&world.profile->bridge) && vpnd_addr_is_set (&peer->endpoint.addr); i++)
        {
          Departure departure = random_departure (&world);
          Packet *packet = &departure.packet;
          Fate fate;

          if (is_refused (&world, packet) || is_excluded_program (&world, packet))
            continue; /* that is not inside */
          bound += has_group (&world, packet->cgroups[SPLIT_LEVEL]) && packet->cgroups[SPLIT_LEVEL] == SPLIT_ID_BOUND_FIRST;
          packet->destination = peer->endpoint.addr;
          packet->dport = peer->endpoint.port;
          packet->source = random_public_addr (packet->destination.family);
          make_data (packet, world.config->listen_port);
          departure.initial = "eth0";
          g_assert_cmpstr (send_packet (&world, &departure, &fate), ==, "eth0");
          g_assert_cmphex (packet->ct_mark, ==, 0);
        }
    }
  g_assert_cmpuint (bound, >, SPLIT_ROUNDS / 10);
}

/* The loopback interface is everybody's, and nobody there is of a class. */
static void
test_loopback (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Fate fate;

          departure.initial = "lo";
          departure.packet.destination = addr_of (departure.packet.destination.family == AF_INET ? "127.0.0.1" : "::1");
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
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), FALSE);
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

/* Exclude mode lets nobody in. Include mode lets in to what is beside the tunnel, and nobody to what is inside it; net_cls tells nothing of what comes in. */
static void
test_inbound (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
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

static VpndAddr
tunnel_address_or_other (const World *world, int family)
{
  return has_address (world, family) ? tunnel_address (world, family) : random_public_addr (family);
}

/* Who is inside the tunnel begins nothing with a program that is beside it, and goes on with what that one's neighbours have begun. */
static void
test_inward (void)
{
  guint n_dropped = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_boolean (2) ? VPND_POLICY_CONNECTED : VPND_POLICY_CONNECTING, TRUE);
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

/* Nor with one of which the kernel does not tell: it has not the socket that is looked up, or the protocol is none of those whose sockets are. */
static void
test_inward_unseen (void)
{
  static const guint8 others[] = { IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP };
  guint n_told = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      gboolean tells;

      split_world_init (&world, random_boolean (2) ? VPND_POLICY_CONNECTED : VPND_POLICY_CONNECTING, TRUE);
      tells = world.split->ground == VPND_SPLIT_GROUND_CGROUP2 &&
          (world.split->mode == VPND_SPLIT_MODE_INCLUDE ? world.split->included_uids->len == 0 : vpnd_split_plan_has_class (world.split, VPND_SPLIT_EXCLUDED));
      n_told += tells;
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Packet packet = departure.packet;

          memset (packet.cgroups, 0, sizeof packet.cgroups);
          packet.source = random_public_addr (packet.source.family);
          packet.destination = tunnel_address_or_other (&world, packet.source.family);
          packet.uid = NO_UID;
          packet.oifname = "";
          packet.iifname = VPND_IFNAME;
          packet.sport = 4444;
          packet.dport = 6881;
          packet.l4proto = IPPROTO_UDP;
          packet.is_to_several = TRUE;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, tells ? FATE_DROP : FATE_ACCEPT);
          packet.is_to_several = FALSE;
          packet.l4proto = others[g_test_rand_int_range (0, G_N_ELEMENTS (others))];
          if (world.split->mode != VPND_SPLIT_MODE_INCLUDE)
            g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, tells ? FATE_DROP : FATE_ACCEPT);
          packet.is_established = TRUE;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, FATE_ACCEPT);
        }
    }
  g_assert_cmpuint (n_told, >, 0);
}

/* Nothing beside the tunnel: the rules are those of a host without split tunnelling. */
static void
test_empty_plan (void)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndSplitPlan) empty = vpnd_split_plan_build (config, &(VpndSplitFacts){ NULL });
      g_autoptr (VpndRuleset) without = NULL;
      g_autoptr (VpndRuleset) with = NULL;

      split_world_init (&world, random_kind (), TRUE);
      without = world_rules (&world, NULL);
      with = world_rules (&world, empty);
      g_assert_true (vpnd_ruleset_equal (with, without));
      g_assert_false (vpnd_ruleset_equal (with, world.ruleset));
      g_assert_null (vpnd_policy_build_open (empty));
    }
}

/* An open host refuses what is bound to a profile, and nothing else. */
static void
test_open (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) open = NULL;

      split_world_init (&world, VPND_POLICY_BLOCKED, TRUE);
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

/* Of a packet inside the tunnel, which most are, two things are asked beside its class: whether it stays within this host, and whether its flow is inside. Neither
 * users nor addresses, however many. */
static void
test_short_way (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const VpndChain *mangle;
      guint n = 0;

      split_world_init (&world, VPND_POLICY_CONNECTED, TRUE);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy-split/each-on-its-side", test_each_on_its_side);
  g_test_add_func ("/policy-split/bound-to-the-link", test_bound_to_the_link);
  g_test_add_func ("/policy-split/link-without-address", test_link_without_address);
  g_test_add_func ("/policy-split/own-packets", test_own_packets);
  g_test_add_func ("/policy-split/sent-for-somebody", test_sent_for_somebody);
  g_test_add_func ("/policy-split/loopback", test_loopback);
  g_test_add_func ("/policy-split/no-way", test_no_way);
  g_test_add_func ("/policy-split/inbound", test_inbound);
  g_test_add_func ("/policy-split/inward", test_inward);
  g_test_add_func ("/policy-split/inward-unseen", test_inward_unseen);
  g_test_add_func ("/policy-split/empty-plan", test_empty_plan);
  g_test_add_func ("/policy-split/open", test_open);
  g_test_add_func ("/policy-split/short-way", test_short_way);
  return g_test_run ();
}
