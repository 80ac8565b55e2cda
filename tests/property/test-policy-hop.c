/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The way to the server as properties of packets: endpoint, bridge, API endpoints and the messages that a path needs are exact.
 */
#include "config.h"

#include "policy-world.h"

#include "random-values.h"
#include "reserved.h"

#include <netinet/icmp6.h>

static guint8
other_protocol (guint8 protocol)
{
  return protocol == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
}

/* Never ours: bit 30 is set in it. */
static guint32
foreign_mark (void)
{
  return (guint32) g_test_rand_int () & ~(1u << 30);
}

static Packet
packet_to (const VpndServicePort *service)
{
  Packet packet = random_packet ("eth0", service->endpoint.addr);

  packet.l4proto = service->protocol;
  packet.sport = 40000; /* not 67: being a DHCPv4 server is part of a LAN that is allowed */
  packet.dport = service->endpoint.port;
  packet.mark = our_mark ();
  packet.uid = 0;
  return packet;
}

/* At the address of the first hop exactly its port and its protocol, of @right's user and mark. */
static void
assert_exact (const World *world, const Packet *right)
{
  Packet wrong = *right;

  assert_output (world, *right, FATE_ACCEPT);
  wrong.dport = other_port (right->dport);
  assert_output (world, wrong, FATE_REJECT);
  wrong = *right;
  wrong.l4proto = other_protocol (right->l4proto);
  assert_output (world, wrong, FATE_REJECT);
  wrong = *right;
  wrong.destination = random_public_addr (right->destination.family);
  wrong.destination.bytes[2] = right->destination.bytes[2] ^ 1;
  assert_output (world, wrong, FATE_REJECT);
  wrong = *right;
  wrong.uid = (guint32) g_test_rand_int_range (1, G_MAXINT32); /* a user's program that may set marks */
  if (wrong.uid != world->profile->bridge.uid)
    assert_output (world, wrong, FATE_REJECT);
}

/* 3 and 10: the transport never has an address of the tunnel, which a link without one of its own would get. */
static void
assert_not_from_tunnel (const World *world, const Packet *right)
{
  Packet wrong = *right;

  for (guint i = 0; i < world->routes->addresses->len && !vpnd_bridge_is_set (&world->profile->bridge); i++)
    {
      wrong.source = g_array_index (world->routes->addresses, VpndPrefix, i).addr;
      if (wrong.source.family == right->destination.family)
        assert_output (world, wrong, FATE_REJECT);
    }
}

/* 3: what the kernel's WireGuard sends for a program has the socket of that program, whose ever it is. What a user sends who has got our mark by some raw socket is
 * nothing like it, also with the port of the tunnel's device and a filling of ones own choice. */
static void
test_sent_for_somebody (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      VpndServicePort hop;
      gboolean has_bridge;
      Packet right, wrong;

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1));
      has_bridge = vpnd_bridge_is_set (&world.profile->bridge);
      hop = has_bridge ? (VpndServicePort){ vpnd_bridge_local_endpoint (&world.profile->bridge), IPPROTO_UDP } : first_hop_of (&world);
      right = packet_to (&hop);
      right.oifname = has_bridge ? "lo" : "eth0";
      right.uid = (guint32) g_test_rand_int_range (1, G_MAXINT32);
      make_data (&right, world.config->listen_port);
      assert_output (&world, right, FATE_ACCEPT);
      if (!has_bridge)
        assert_not_from_tunnel (&world, &right);
      wrong = right;
      wrong.sport = other_port (right.sport);
      assert_output (&world, wrong, FATE_REJECT);
      wrong = right;
      memset (&wrong.udp_start, g_test_rand_int_range (0, 256), sizeof wrong.udp_start);
      assert_output (&world, wrong, FATE_REJECT);
      wrong = right;
      wrong.mark = foreign_mark ();
      assert_output (&world, wrong, FATE_REJECT);
      if (has_bridge)
        continue;
      wrong = right;
      wrong.dport = other_port (right.dport);
      assert_output (&world, wrong, FATE_REJECT);
      wrong = right;
      wrong.destination.bytes[2] ^= 1;
      assert_output (&world, wrong, FATE_REJECT);
    }
}

/* 3, L8: at the first hop's address exactly (port, protocol, mark, root) leaves, and what comes from there comes to the port of our device. A bridge may be reached
 * by root without a mark, and by the user that it names with one; only established answers come back from it. */
static void
test_endpoint_is_exact (void)
{
  guint bridges = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      VpndServicePort hop;
      Packet right;

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1));
      hop = first_hop_of (&world);
      right = packet_to (&hop);
      assert_exact (&world, &right);
      assert_not_from_tunnel (&world, &right);
      right.mark = foreign_mark ();
      if (!vpnd_bridge_is_set (&world.profile->bridge))
        assert_output (&world, right, FATE_REJECT);
      else
        {
          bridges++;
          right.oifname = random_boolean (2) ? VPND_IFNAME : "eth0"; /* the hook is told the link of before the mark */
          assert_output (&world, right, FATE_ACCEPT);
          right.oifname = "eth0";
          assert_exact (&world, &right);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &right), ==, FATE_ACCEPT);
          g_assert_cmphex (right.mark & VPND_MARK_MASK, ==, VPND_MARK_VALUE); /* and so it is routed */
          right = packet_to (&hop);
          right.uid = world.profile->bridge.uid;
          assert_output (&world, right, FATE_ACCEPT);
          right.mark = foreign_mark ();
          assert_output (&world, right, right.uid == 0 ? FATE_ACCEPT : FATE_REJECT);
        }

      right = random_packet ("", random_public_addr (hop.endpoint.addr.family));
      right.iifname = "eth0";
      right.source = hop.endpoint.addr;
      right.l4proto = hop.protocol;
      right.sport = hop.endpoint.port;
      right.dport = vpnd_bridge_is_set (&world.profile->bridge) ? (world.profile->bridge.local_port == 40000 ? 40001 : 40000) /* nothing comes to the proxy's port from elsewhere */
                                                                : world.config->listen_port;
      right.is_established = vpnd_bridge_is_set (&world.profile->bridge) || right.source.family == AF_INET6;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &right), ==, FATE_ACCEPT);
      g_assert_cmphex (right.mark & VPND_MARK_MASK, ==, VPND_MARK_VALUE);
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &right), ==, FATE_ACCEPT);
      right.is_established = FALSE;
      if (!vpnd_bridge_is_set (&world.profile->bridge))
        right.dport = other_port (right.dport);
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &right), ==, FATE_DROP);
    }
  g_assert_cmpuint (bridges, >, 0);
}

/* 3: behind a bridge the server is nobody: not even the transport's mark leads there. */
static void
test_server_behind_bridge (void)
{
  guint seen = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const GArray *endpoints;

      world_init (&world, g_test_rand_int_range (0, 3));
      endpoints = vpnd_profile_primary_peer (world.profile)->endpoints;
      for (guint i = 0; vpnd_bridge_is_set (&world.profile->bridge) && i < endpoints->len; i++)
        {
          VpndServicePort server = { g_array_index (endpoints, VpndEndpoint, i), random_boolean (2) ? IPPROTO_UDP : IPPROTO_TCP };
          Packet packet = packet_to (&server);

          seen++;
          assert_output (&world, packet, FATE_REJECT);
          packet.mark = 0;
          assert_output (&world, packet, FATE_REJECT);
        }
    }
  g_assert_cmpuint (seen, >, 0);
}

/* 1, 3: the proxy's port takes the transport and nobody else's packets, whatever local address they go to; from elsewhere nothing begins there. */
static void
test_proxy_port_is_the_transports (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const VpndBridge *bridge;
      Packet right, wrong;

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1));
      bridge = &world.profile->bridge;
      if (!vpnd_bridge_is_set (bridge))
        continue;
      right = packet_to (&(VpndServicePort){ vpnd_bridge_local_endpoint (bridge), IPPROTO_UDP });
      right.oifname = "lo";
      right.is_established = random_boolean (2);
      assert_output (&world, right, FATE_ACCEPT);
      right.destination = random_addr (random_family ());
      wrong = right;
      wrong.mark = foreign_mark ();
      assert_output (&world, wrong, FATE_REJECT);
      wrong = right;
      wrong.uid = (guint32) g_test_rand_int_range (1, G_MAXINT32);
      assert_output (&world, wrong, FATE_REJECT);
      wrong = right;
      wrong.l4proto = IPPROTO_TCP;
      wrong.is_established = FALSE;
      assert_output (&world, wrong, FATE_REJECT);
      wrong.is_established = TRUE; /* somebody's own connection that has the number by chance */
      assert_output (&world, wrong, FATE_ACCEPT);
      wrong = right;
      wrong.dport = other_port (right.dport);
      wrong.mark = 0;
      assert_output (&world, wrong, FATE_ACCEPT);

      right.iifname = random_boolean (2) ? "docker0" : VPND_IFNAME;
      right.oifname = "";
      right.l4proto = random_boolean (2) ? IPPROTO_TCP : IPPROTO_UDP;
      right.is_established = FALSE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &right), ==, FATE_DROP);
    }
}

/* While blocked not even the endpoint can be reached, and the tunnel's link leads nowhere. */
static void
test_blocked_has_no_first_hop (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      VpndServicePort hop;
      Packet packet;

      world_init (&world, VPND_POLICY_BLOCKED);
      hop = first_hop_of (&world);
      assert_output (&world, packet_to (&hop), FATE_REJECT);
      packet = random_packet (VPND_IFNAME, random_public_addr (random_family ()));
      packet.sport = 40000;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);
    }
}

/* 4: a service of the settings is for root's programs, at exactly its port and protocol, and only as long as there is no tunnel for it. */
static void
test_api_is_exact (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      VpndServicePort api = { { random_public_addr (random_family ()), 4433 }, random_boolean (2) ? IPPROTO_TCP : IPPROTO_UDP };
      Packet right, wrong;

      world_init (&world, g_test_rand_int_range (0, 3));
      g_array_append_val (world.settings->api_endpoints, api);
      vpnd_ruleset_unref (world.ruleset);
      world.ruleset = vpnd_policy_build (&(VpndPolicyInput){ world.kind, world.config, world.routes, world.dns, world.settings, world.facts });
      if (is_an_endpoint (&world, &api.endpoint.addr))
        continue;
      right = random_packet ("eth0", api.endpoint.addr);
      right.l4proto = api.protocol;
      right.sport = 40000;
      right.dport = api.endpoint.port;
      right.uid = 0;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &right), ==, world.kind == VPND_POLICY_CONNECTED ? FATE_REJECT : FATE_ACCEPT);
      right.mark = 0;
      wrong = right;
      wrong.uid = 1000;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &wrong), ==, FATE_REJECT);
      wrong = right;
      wrong.dport++;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &wrong), ==, FATE_REJECT);
      wrong = right;
      wrong.l4proto = api.protocol == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &wrong), ==, FATE_REJECT);

      right.iifname = "eth0";
      right.oifname = "";
      right.source = api.endpoint.addr;
      right.sport = api.endpoint.port;
      right.dport = 40000;
      right.is_established = FALSE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &right), ==, FATE_DROP);
      right.is_established = TRUE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &right), ==, world.kind == VPND_POLICY_CONNECTED ? FATE_DROP : FATE_ACCEPT);
    }
}

/* Whether conntrack, and not the packet, says what an error is about. */
static gboolean
tracks_errors (const World *world)
{
  return vpnd_bridge_is_set (&world->profile->bridge) || first_hop_of (world).endpoint.addr.family == AF_INET6 || (world->kind == VPND_POLICY_CONNECTING && world->settings->api_endpoints->len > 0);
}

static void
spoil (Packet *packet, gboolean is_tracked)
{
  gboolean is_v4 = packet->destination.family == AF_INET;

  switch (g_test_rand_int_range (is_tracked ? 3 : 0, 8))
    {
    case 0:
      packet->inner.dport = other_port (packet->inner.dport);
      break;
    case 1:
      packet->inner.destination.bytes[2] ^= 1;
      break;
    case 2:
      packet->inner.l4proto = IPPROTO_TCP;
      break;
    case 3:
      packet->icmp_type = is_v4 ? 5 : ICMP6_TIME_EXCEEDED;
      break;
    case 4:
      packet->icmp_code = is_v4 ? 3 : 1;
      break;
    case 5:
      packet->l4proto = IPPROTO_UDP;
      packet->sport = 443;
      break;
    default:
      packet->inner.sport = other_port (packet->inner.sport);
      packet->is_related = FALSE;
      break;
    }
}

/* 3: of what a router says about a packet of ours only this comes in: that one of the transport was too large. Without a tunnel nothing does. */
static void
test_too_large_is_exact (void)
{
  guint seen[2] = { 0, 0 };

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      gboolean is_tracked, is_let_in;

      world_init (&world, g_test_rand_int_range (0, 3));
      is_tracked = tracks_errors (&world);
      is_let_in = world.kind != VPND_POLICY_BLOCKED;
      seen[is_tracked] += is_let_in;
      for (guint i = 0; i < PACKETS; i++)
        {
          VpndServicePort hop = first_hop_of (&world);
          Packet packet = random_packet ("", random_public_addr (hop.endpoint.addr.family));
          gboolean is_v4 = packet.destination.family == AF_INET;
          Packet wrong;

          packet.iifname = "eth0";
          packet.is_established = FALSE;
          packet.is_related = TRUE;
          packet.l4proto = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
          packet.icmp_type = is_v4 ? 3 : ICMP6_PACKET_TOO_BIG;
          packet.icmp_code = is_v4 ? 4 : 0;
          packet.inner = (InnerPacket){ hop.endpoint.addr, IPPROTO_UDP, world.config->listen_port, hop.endpoint.port };
          if (is_an_endpoint (&world, &packet.source) || is_an_endpoint (&world, &packet.destination))
            continue;
          wrong = packet;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &packet), ==, FATE_ACCEPT);
          g_assert_cmpuint (packet.mark, ==, is_let_in ? VPND_MARK_VALUE : 0);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, is_let_in ? FATE_ACCEPT : FATE_DROP);

          spoil (&wrong, is_tracked);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &wrong), ==, FATE_ACCEPT);
          g_assert_cmpuint (wrong.mark, ==, 0);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &wrong), ==, FATE_DROP);
        }
    }
  g_assert_cmpuint (MIN (seen[0], seen[1]), >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/endpoint-is-exact", test_endpoint_is_exact);
  g_test_add_func ("/policy/sent-for-somebody", test_sent_for_somebody);
  g_test_add_func ("/policy/server-behind-bridge", test_server_behind_bridge);
  g_test_add_func ("/policy/proxy-port-is-the-transports", test_proxy_port_is_the_transports);
  g_test_add_func ("/policy/blocked-has-no-first-hop", test_blocked_has_no_first_hop);
  g_test_add_func ("/policy/api-is-exact", test_api_is_exact);
  g_test_add_func ("/policy/too-large-is-exact", test_too_large_is_exact);
  return g_test_run ();
}
