/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rule 8 of docs/security.md as properties of packets, over random plans, profiles, settings and facts: what becomes of a flow whose class has changed, whose
 * program has gone, or which another socket had. What begins is in test-policy-split.c.
 */
#include "config.h"

#include "policy-split-world.h"

#include "net-values.h"
#include "random-values.h"
#include "reserved.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

/* A flow keeps its class without the process: by its mark. Its answers come in by any link but the tunnel's, and are looked up where they are expected. */
static void
test_old_flows (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
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
          if (vpnd_prefix_contains (&(VpndPrefix){ addr_of ("192.0.2.0"), 24 }, &packet->destination) ||
              vpnd_prefix_contains (&(VpndPrefix){ addr_of ("2001:db8:a::"), 48 }, &packet->destination))
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

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1), TRUE);
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
  g_assert_cmpuint (ended, >, SPLIT_ROUNDS);
}

/* What is inside the tunnel or nowhere does not go on with a flow of before either. */
static void
test_included_leaves_nothing_behind (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
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

  if (addrs->len == 0)
    return;
  departure->packet.destination = g_array_index (addrs, VpndAddr, g_test_rand_int_range (0, (gint32) addrs->len));
  look_up (world, departure);
}

/* Whoever has the port and the peer of a flow that another socket had goes by what it is itself: never beside the tunnel because the other one did, except to what
 * was the address of an excluded name; and a mark that its socket has is no way out. What goes no way is told so. */
static void
test_flows_of_others (void)
{
  guint beside = 0, by_name = 0, refused = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const gboolean has_ways = !random_boolean (4);

      split_world_init (&world, random_kind (), has_ways);
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
  g_assert_cmpuint (MIN (MIN (beside, refused), by_name), >, SPLIT_ROUNDS / 10);
}

/* What the kernel still sends for a program that is gone goes on with its flow, wherever it goes, unless that is set to be inside the tunnel. */
static void
test_connections_go_on (void)
{
  guint kept = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world);
          Fate fate;

          if (contains (world.split->included_addrs, &departure.packet.destination))
            continue; /* a name is about what begins */
          memset (departure.packet.cgroups, 0, sizeof departure.packet.cgroups);
          departure.packet.net_cls = 0;
          departure.packet.uid = NO_UID;
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
  g_assert_cmpuint (kept, >, SPLIT_ROUNDS);
}

/* A flow inside the tunnel that somebody else's rules translate there stays inside as well when its user or its peer becomes one that is beside it. */
static void
test_translated_inside (void)
{
  guint kept = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, VPND_POLICY_CONNECTED, TRUE);
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
  g_assert_cmpuint (kept, >, SPLIT_ROUNDS);
}

/* The answer to a TCP connection that somebody inside the tunnel begins: the kernel knows the user of its socket, not the cgroup. It goes inside; one to somebody outside does not. */
static void
test_second_syn (void)
{
  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, VPND_POLICY_CONNECTED, TRUE);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy-split/old-flows", test_old_flows);
  g_test_add_func ("/policy-split/changed-class", test_changed_class);
  g_test_add_func ("/policy-split/included-leaves-nothing-behind", test_included_leaves_nothing_behind);
  g_test_add_func ("/policy-split/flows-of-others", test_flows_of_others);
  g_test_add_func ("/policy-split/connections-go-on", test_connections_go_on);
  g_test_add_func ("/policy-split/translated-inside", test_translated_inside);
  g_test_add_func ("/policy-split/second-syn", test_second_syn);
  return g_test_run ();
}
