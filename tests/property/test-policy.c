/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of docs/security.md as properties of packets, over random profiles, settings and facts.
 */
#include "config.h"

#include "policy.h"
#include "random-values.h"
#include "reserved.h"
#include "ruleset-eval.h"
#include "tunnel-plan.h"

#include <netinet/icmp6.h>

#define ROUNDS 400
#define PACKETS 60

typedef struct
{
  VpndProfile *profile;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndTunnelConfig *config;
  VpndRoutePlan *routes;
  VpndDnsPlan *dns;
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
  vpnd_ruleset_unref (world->ruleset);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

static void
world_init (World *world, VpndPolicyKind kind)
{
  VpndCause cause;
  VpndPolicyInput input;

  world->profile = random_profile ("random");
  world->settings = random_settings ();
  world->facts = random_facts ();
  world->facts->default4.present = TRUE;
  world->facts->default6.present = TRUE;
  world->kind = kind;
  world->config = vpnd_tunnel_plan_build (world->profile, world->settings, world->facts, TRUE, &cause);
  g_assert_nonnull (world->config);
  world->routes = vpnd_route_plan_build (world->profile, world->settings, world->facts);
  world->dns = vpnd_dns_plan_build (world->profile, world->settings);
  input = (VpndPolicyInput){ kind, world->config, world->routes, world->dns, world->settings, world->facts, random_boolean (3) ? 0 : RULESET_EVAL_LINK_IFINDEX };
  world->ruleset = vpnd_policy_build (&input);
}

/* Where the transport leaves this host to. */
static VpndServicePort
first_hop_of (const World *world)
{
  if (vpnd_bridge_is_set (&world->profile->bridge))
    return world->profile->bridge.service;
  return (VpndServicePort){ ((const VpndTunnelPeer *) g_ptr_array_index (world->config->peers, 0))->endpoint, IPPROTO_UDP };
}

static gboolean
is_an_endpoint (const World *world, const VpndAddr *addr)
{
  VpndServicePort hop = first_hop_of (world);

  if (vpnd_addr_equal (&hop.endpoint.addr, addr))
    return TRUE;
  for (guint i = 0; i < world->config->peers->len; i++)
    if (vpnd_addr_equal (&((const VpndTunnelPeer *) g_ptr_array_index (world->config->peers, i))->endpoint.addr, addr))
      return TRUE;
  return FALSE;
}

static Packet
random_packet (const char *oifname, VpndAddr destination)
{
  static const guint8 protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_GRE, 255 };
  static const guint16 ports[] = { 53, 67, 68, 80, 443, 546, 547, 853, 5353, 51820 };

  return (Packet){
    .iifname = "",
    .oifname = oifname,
    .source = random_public_addr (destination.family),
    .destination = destination,
    .l4proto = protocols[g_test_rand_int_range (0, G_N_ELEMENTS (protocols))],
    .sport = random_boolean (2) ? ports[g_test_rand_int_range (0, G_N_ELEMENTS (ports))] : g_test_rand_int_range (1, 65536),
    .dport = random_boolean (2) ? ports[g_test_rand_int_range (0, G_N_ELEMENTS (ports))] : g_test_rand_int_range (1, 65536),
    .icmp_type = g_test_rand_int_range (0, 256),
    .icmp_code = g_test_rand_int_range (0, 2),
    .uid = random_boolean (2) ? 0 : 1000,
    .is_established = random_boolean (4),
  };
}

static int
random_family (void)
{
  return random_boolean (2) ? AF_INET : AF_INET6;
}

/* 11, L2: whatever the state, nothing leaves to a public address by a physical link, and nothing is forwarded there. */
static void
test_nothing_leaves (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (0, 3));
      for (guint i = 0; i < PACKETS; i++)
        {
          Packet packet = random_packet ("eth0", random_public_addr (random_family ()));
          Packet forwarded = packet;

          if (is_an_endpoint (&world, &packet.destination))
            continue;
          if (world.settings->allow_lan && packet.l4proto == IPPROTO_UDP && packet.sport == 67 && packet.dport == 68)
            continue; /* being a DHCPv4 server is part of a LAN that is allowed */
          packet.mark = random_boolean (2) ? VPND_MARK_VALUE : 0;
          forwarded.iifname = "eth1";
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &forwarded), ==, FATE_REJECT);
        }
    }
}

/* 11: what comes from a public address by a physical link is dropped without a word. */
static void
test_nothing_enters (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (0, 3));
      for (guint i = 0; i < PACKETS; i++)
        {
          Packet packet = random_packet ("", random_addr (random_family ()));
          gboolean is_dhcp = packet.l4proto == IPPROTO_UDP && packet.sport == 67 && packet.dport == 68;
          gboolean is_dhcp_server = packet.l4proto == IPPROTO_UDP && packet.sport == 68 && packet.dport == 67;
          gboolean is_advert = packet.l4proto == IPPROTO_ICMPV6 && packet.icmp_type == ND_NEIGHBOR_ADVERT && packet.icmp_code == 0;

          packet.iifname = "eth0";
          if (is_dhcp || is_dhcp_server || is_advert || is_an_endpoint (&world, &packet.source))
            continue;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, FATE_DROP);
        }
    }
}

static guint8
other_protocol (guint8 protocol)
{
  return protocol == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
}

static guint16
other_port (guint16 port)
{
  return port == 65535 ? 1 : port + 1;
}

/* Never ours: bit 30 is set in it. */
static guint32
foreign_mark (void)
{
  return (guint32) g_test_rand_int () & ~(1u << 30);
}

static guint32
our_mark (void)
{
  return VPND_MARK_VALUE | ((guint32) g_test_rand_int () & ~VPND_MARK_MASK); /* other tools' bits do not matter */
}

static void
assert_output (const World *world, Packet packet, Fate fate)
{
  g_assert_cmpint (ruleset_eval (world->ruleset, VPND_HOOK_OUTPUT, &packet), ==, fate);
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

/* 3, L8: at the first hop's address exactly (port, protocol, mark, root) leaves, and only established answers come back. A bridge may be reached by root
 * without a mark, and by the user that it names with one. */
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
      right.dport = world.profile->bridge.local_port == 40000 ? 40001 : 40000; /* nothing comes to the proxy's port from elsewhere */
      right.is_established = TRUE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &right), ==, FATE_ACCEPT);
      g_assert_cmphex (right.mark & VPND_MARK_MASK, ==, VPND_MARK_VALUE);
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &right), ==, FATE_ACCEPT);
      right.is_established = FALSE;
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

/* 5, L7: names are asked for inside the tunnel, of its resolvers, when connected; never elsewhere, LAN allowed or not. */
static void
test_dns (void)
{
  static const guint16 ports[] = { 53, 853 };
  static const guint8 protocols[] = { IPPROTO_UDP, IPPROTO_TCP };

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      gboolean has_dns;

      world_init (&world, g_test_rand_int_range (0, 3));
      has_dns = !vpnd_dns_plan_is_empty (world.dns);
      for (guint i = 0; i < 4; i++)
        {
          Packet packet = random_packet ("eth0", random_boolean (2) ? random_public_addr (random_family ()) : random_addr (random_family ()));
          Packet inside;

          packet.l4proto = protocols[i % 2];
          packet.dport = ports[i / 2];
          packet.is_established = FALSE;
          inside = packet;
          if (!is_an_endpoint (&world, &packet.destination))
            g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);

          inside.oifname = VPND_IFNAME;
          inside.destination = random_public_addr (random_family ());
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &inside), ==,
              world.kind == VPND_POLICY_CONNECTED && !has_dns ? FATE_ACCEPT : FATE_REJECT);
          for (guint j = 0; j < world.dns->servers->len; j++)
            {
              gboolean is_outside = vpnd_dns_server_is_outside (&g_array_index (world.dns->servers, VpndAddr, j), world.profile);

              inside.destination = packet.destination = g_array_index (world.dns->servers, VpndAddr, j);
              g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &inside), ==,
                  world.kind == VPND_POLICY_CONNECTED && !is_outside ? FATE_ACCEPT : FATE_REJECT);
              g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==,
                  world.kind == VPND_POLICY_CONNECTED && is_outside ? FATE_ACCEPT : FATE_REJECT);
            }
        }
    }
}

/* 5: the names of a link do not go into the tunnel, neither to a group nor to anybody's address, from nobody, unless a resolver of the tunnel's is asked;
 * on a link they are the local network's. */
static void
test_names_of_a_link (void)
{
  static const VpndAddr groups[] = { { AF_INET, { 224, 0, 0, 251 } }, { AF_INET6, { 0xff, 2, [15] = 0xfb } }, { AF_INET, { 224, 0, 0, 252 } }, { AF_INET6, { 0xff, 2, [13] = 1, [15] = 3 } } };
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const GArray *servers;

      world_init (&world, g_test_rand_int_range (0, 3));
      for (guint i = 0; i < 8; i++)
        {
          gboolean is_group = random_boolean (2);
          Packet packet = random_packet (VPND_IFNAME, is_group ? groups[i % G_N_ELEMENTS (groups)] : random_public_addr (random_family ()));
          Packet forwarded;

          packet.l4proto = random_boolean (4) ? IPPROTO_TCP : IPPROTO_UDP;
          packet.dport = random_boolean (2) ? 5353 : 5355;
          packet.sport = 40000;
          packet.uid = 1; /* no resolver's of random_settings () */
          packet.is_established = FALSE;
          forwarded = packet;
          forwarded.iifname = "docker7";
          if (world.kind != VPND_POLICY_BLOCKED) /* without a first hop the link leads nowhere */
            {
              assert_output (&world, packet, FATE_REJECT);
              g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &forwarded), ==, FATE_REJECT);
            }
          packet.oifname = "eth0";
          if (is_group)
            assert_output (&world, packet, world.settings->allow_lan ? FATE_ACCEPT : FATE_REJECT);
        }
      servers = world.dns->servers;
      for (guint i = 0; world.kind == VPND_POLICY_CONNECTED && i < servers->len; i++)
        {
          Packet packet = random_packet (VPND_IFNAME, g_array_index (servers, VpndAddr, i));
          gboolean is_outside = vpnd_dns_server_is_outside (&packet.destination, world.profile);

          packet.l4proto = IPPROTO_UDP;
          packet.dport = 5353;
          packet.uid = 1;
          packet.is_established = FALSE;
          assert_output (&world, packet, is_outside ? FATE_REJECT : FATE_ACCEPT);
        }
    }
}

/* 5: a recursive resolver of the host asks whomever it will, inside the tunnel; neither before there is one, nor outside, nor anything but names. */
static void
test_local_resolver (void)
{
  guint seen = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      Packet packet;

      world_init (&world, g_test_rand_int_range (0, 3));
      if (world.settings->dns_resolver_uid == 0 || vpnd_dns_plan_is_empty (world.dns))
        continue;
      seen++;
      packet = random_packet (VPND_IFNAME, random_public_addr (random_family ()));
      packet.l4proto = random_boolean (2) ? IPPROTO_UDP : IPPROTO_TCP;
      packet.dport = random_boolean (2) ? 53 : 853;
      packet.is_established = FALSE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);
      packet.uid = world.settings->dns_resolver_uid;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, world.kind == VPND_POLICY_CONNECTED ? FATE_ACCEPT : FATE_REJECT);
      packet.oifname = "eth0";
      if (!is_an_endpoint (&world, &packet.destination))
        g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);
    }
  g_assert_cmpuint (seen, >, 10);
}

/* 5: a resolver beside the tunnel may answer and may not speak first, and nothing but names may be asked of it. */
static void
test_outside_resolver_is_exact (void)
{
  guint seen = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, VPND_POLICY_CONNECTED);
      for (guint i = 0; !world.settings->allow_lan && i < world.dns->outside->len; i++)
        {
          Packet packet = random_packet ("eth0", g_array_index (world.dns->outside, VpndAddr, i));

          seen++;
          packet.l4proto = random_boolean (2) ? IPPROTO_UDP : IPPROTO_TCP;
          packet.dport = 443;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);
          packet.source = packet.destination;
          packet.iifname = "eth0";
          packet.oifname = "";
          packet.sport = random_boolean (2) ? 53 : 853;
          packet.dport = 40000;
          packet.is_established = FALSE;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, FATE_DROP);
          packet.is_established = TRUE;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, FATE_ACCEPT);
          packet.sport = 54;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, FATE_DROP);
        }
    }
  g_assert_cmpuint (seen, >, 0);
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

/* 6: inside the tunnel all else passes; the transport's own packets never. */
static void
test_tunnel (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      Packet packet;

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1));
      packet = random_packet (VPND_IFNAME, random_public_addr (random_family ()));
      packet.dport = 443;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_ACCEPT);
      packet.mark = VPND_MARK_VALUE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_DROP);
      packet.mark = 0;
      packet.oifname = "";
      packet.iifname = VPND_IFNAME;
      packet.dport = other_port (world.profile->bridge.local_port);
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, FATE_ACCEPT);
    }
}

/* 10: the tunnel's addresses do not exist for anybody outside it. */
static void
test_tunnel_address_guard (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1));
      for (guint i = 0; i < world.routes->addresses->len; i++)
        {
          Packet packet = random_packet ("", g_array_index (world.routes->addresses, VpndPrefix, i).addr);

          packet.iifname = "eth0";
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &packet), ==, FATE_DROP);
          packet.iifname = VPND_IFNAME;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &packet), ==, FATE_ACCEPT);
          packet.iifname = "lo";
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &packet), ==, FATE_ACCEPT);
        }
    }
}

/* 7: the private networks, exactly by the setting. */
static void
test_lan (void)
{
  static const struct
  {
    const char *addr;
    gboolean is_lan;
    gboolean may_enter;
  } cases[] = {
    { "10.1.2.3", TRUE, TRUE },
    { "172.16.0.1", TRUE, TRUE },
    { "172.31.255.255", TRUE, TRUE },
    { "172.32.0.1", FALSE, FALSE },
    { "192.168.1.1", TRUE, TRUE },
    { "169.254.7.7", TRUE, TRUE },
    { "224.0.0.251", TRUE, FALSE },
    { "224.0.1.1", FALSE, FALSE },
    { "239.255.255.250", TRUE, FALSE },
    { "255.255.255.255", TRUE, FALSE },
    { "100.64.0.1", FALSE, FALSE },
    { "fe80::1", TRUE, TRUE },
    { "fd00::1", TRUE, TRUE },
    { "ff02::fb", TRUE, FALSE },
    { "ff05::2", TRUE, FALSE },
    { "ff0e::1", FALSE, FALSE },
    { "2001:db8::1", FALSE, FALSE },
  };

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (0, 3));
      for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        {
          Packet packet = { .iifname = "", .oifname = "eth0", .l4proto = IPPROTO_UDP, .sport = 1900, .dport = 1900 };

          g_assert_true (vpnd_addr_parse (cases[i].addr, &packet.destination));
          packet.source = random_public_addr (packet.destination.family);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, world.settings->allow_lan && cases[i].is_lan ? FATE_ACCEPT : FATE_REJECT);
          packet.source = packet.destination;
          packet.oifname = "";
          packet.iifname = "eth0";
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, world.settings->allow_lan && cases[i].may_enter ? FATE_ACCEPT : FATE_DROP);
        }
    }
}

/* 2: DHCP and neighbour discovery, in every state; one step beside the exact values is refused. */
static void
test_dhcp_and_ndp (void)
{
  static const struct
  {
    gboolean is_incoming;
    const char *source;
    const char *destination;
    guint8 l4proto;
    guint16 sport_or_type;
    guint16 dport_or_code;
    gboolean passes;
  } cases[] = {
    { FALSE, "0.0.0.0", "255.255.255.255", IPPROTO_UDP, 68, 67, TRUE },
    { FALSE, "0.0.0.0", "255.255.255.255", IPPROTO_UDP, 69, 67, FALSE },
    { FALSE, "192.0.2.2", "198.51.100.1", IPPROTO_UDP, 68, 67, FALSE },
    { TRUE, "198.51.100.1", "198.51.100.2", IPPROTO_UDP, 67, 68, TRUE },
    { TRUE, "2001:db8::1", "2001:db8::2", IPPROTO_UDP, 67, 68, FALSE },
    { FALSE, "fe80::2", "ff02::1:2", IPPROTO_UDP, 546, 547, TRUE },
    { FALSE, "fe80::2", "ff05::1:3", IPPROTO_UDP, 546, 547, TRUE },
    { FALSE, "2001:db8::2", "ff02::1:2", IPPROTO_UDP, 546, 547, FALSE },
    { TRUE, "fe80::1", "fe80::2", IPPROTO_UDP, 547, 546, TRUE },
    { TRUE, "2001:db8::1", "fe80::2", IPPROTO_UDP, 547, 546, FALSE },
    { FALSE, "fe80::2", "ff02::2", IPPROTO_ICMPV6, ND_ROUTER_SOLICIT, 0, TRUE },
    { FALSE, "fe80::2", "ff02::2", IPPROTO_ICMPV6, ND_ROUTER_SOLICIT, 1, FALSE },
    { FALSE, "fe80::2", "2001:db8::2", IPPROTO_ICMPV6, ND_ROUTER_SOLICIT, 0, FALSE },
    { TRUE, "fe80::1", "ff02::1", IPPROTO_ICMPV6, ND_ROUTER_ADVERT, 0, TRUE },
    { TRUE, "2001:db8::1", "2001:db8::9", IPPROTO_ICMPV6, ND_ROUTER_ADVERT, 0, FALSE },
    { TRUE, "fe80::1", "fe80::2", IPPROTO_ICMPV6, ND_REDIRECT, 0, TRUE },
    { FALSE, "fe80::2", "ff02::1:ff12:3456", IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT, 0, TRUE },
    { FALSE, "fe80::2", "fe80::1", IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT, 0, TRUE },
    { FALSE, "fe80::2", "2001:db8::1", IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT, 0, FALSE },
    { TRUE, "fe80::1", "ff02::1:ff12:3456", IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT, 0, TRUE },
    { TRUE, "2001:db8::1", "ff02::1:ff12:3456", IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT, 0, FALSE },
    { FALSE, "fe80::2", "fe80::1", IPPROTO_ICMPV6, ND_NEIGHBOR_ADVERT, 0, TRUE },
    { FALSE, "fe80::2", "2001:db8::1", IPPROTO_ICMPV6, ND_NEIGHBOR_ADVERT, 0, FALSE },
    { TRUE, "2001:db8::1", "fe80::2", IPPROTO_ICMPV6, ND_NEIGHBOR_ADVERT, 0, TRUE },
    { FALSE, "2001:db8::2", "2001:db8::1", IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST, 0, FALSE },
  };

  for (guint kind = 0; kind < 3; kind++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, kind);
      world.settings->allow_lan = FALSE;
      vpnd_ruleset_unref (world.ruleset);
      world.ruleset = vpnd_policy_build (&(VpndPolicyInput){ kind, world.config, world.routes, world.dns, world.settings, world.facts });
      for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        {
          Packet packet = { .iifname = cases[i].is_incoming ? "eth0" : "", .oifname = cases[i].is_incoming ? "" : "eth0", .l4proto = cases[i].l4proto };
          Fate refused = cases[i].is_incoming ? FATE_DROP : FATE_REJECT;

          g_assert_true (vpnd_addr_parse (cases[i].source, &packet.source));
          g_assert_true (vpnd_addr_parse (cases[i].destination, &packet.destination));
          packet.sport = packet.icmp_type = cases[i].sport_or_type;
          packet.sport = cases[i].sport_or_type;
          packet.dport = cases[i].dport_or_code;
          packet.icmp_code = cases[i].dport_or_code;
          g_assert_cmpint (ruleset_eval (world.ruleset, cases[i].is_incoming ? VPND_HOOK_INPUT : VPND_HOOK_OUTPUT, &packet), ==, cases[i].passes ? FATE_ACCEPT : refused);
        }
    }
}

/* 1 and 9: loopback always; a bridge that leads nowhere but to guests of this host stays usable. */
static void
test_loopback_and_bridges (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      Packet packet;
      Fate expected;

      world_init (&world, g_test_rand_int_range (0, 3));
      packet = random_packet ("lo", random_addr (random_family ()));
      if (packet.dport == world.profile->bridge.local_port)
        packet.dport = other_port (packet.dport); /* the proxy's is the transport's */
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_ACCEPT);

      expected = world.facts->bridges->len > 0 ? FATE_ACCEPT : FATE_REJECT;
      packet = random_packet ("docker0", (VpndAddr){ AF_INET, { 172, 17, 0, 2 } });
      packet.l4proto = IPPROTO_TCP;
      packet.dport = 8080;
      if (!world.settings->allow_lan)
        g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, expected);
    }
}

static VpndForwardPolicy
policy_of (const World *world, const char *ifname)
{
  for (guint i = 0; i < world->settings->forward->len; i++)
    if (g_str_equal (g_array_index (world->settings->forward, VpndForwardEntry, i).ifname, ifname))
      return g_array_index (world->settings->forward, VpndForwardEntry, i).policy;
  return VPND_FORWARD_TUNNEL;
}

/* 9: where guests may go, by the policy of the link they are behind: into the tunnel, with its limits on names; out of the host; to no one. */
static void
test_guests_go_where_their_policy_says (void)
{
  static const char *const links[] = { "docker0", "virbr0", "ve-guest", "eth1" };

  for (guint round = 0; round < ROUNDS * 4; round++)
    {
      g_auto (World) world = { NULL };
      const char *link = links[g_test_rand_int_range (0, G_N_ELEMENTS (links))];
      VpndForwardPolicy policy;
      Packet out, inside;

      world_init (&world, g_test_rand_int_range (0, 3));
      policy = policy_of (&world, link);
      out = random_packet ("eth0", random_public_addr (random_family ()));
      out.iifname = link;
      out.source = random_boolean (2) ? random_public_addr (out.destination.family) : random_addr (out.destination.family);
      inside = out;
      inside.oifname = VPND_IFNAME;
      inside.dport = 443;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &out), ==, policy == VPND_FORWARD_DIRECT ? FATE_ACCEPT : FATE_REJECT);
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &inside), ==,
          policy == VPND_FORWARD_TUNNEL && world.kind != VPND_POLICY_BLOCKED ? FATE_ACCEPT : FATE_REJECT);
    }
}

/* 9: packets of "direct" guests get the mark that leads to the host's own routes, their flows a mark of their own by which answers are known. Nobody
 * outside begins a flow, and the tunnel carries none of them in either direction. */
static void
test_direct_goes_out_and_back (void)
{
  guint seen = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      Packet out, back;

      world_init (&world, g_test_rand_int_range (0, 3));
      if (policy_of (&world, "virbr0") != VPND_FORWARD_DIRECT)
        continue;
      seen++;
      out = random_packet ("", random_public_addr (random_family ()));
      out.iifname = "virbr0";
      if (random_boolean (4)) /* what a DHCP server says, which is let through early */
        {
          out.l4proto = IPPROTO_UDP;
          out.sport = 67;
          out.dport = 68;
        }
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &out), ==, FATE_ACCEPT);
      g_assert_cmphex (out.mark & VPND_MARK_MASK, ==, VPND_MARK_VALUE);
      g_assert_cmphex (out.ct_mark & VPND_CT_MARK_MASK, ==, VPND_CT_MARK_VALUE);
      out.oifname = VPND_IFNAME;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &out), ==, FATE_REJECT);

      back = random_packet ("", out.source);
      back.iifname = "eth0";
      back.source = out.destination;
      back.ct_mark = out.ct_mark;
      back.mark = 0;
      back.is_established = TRUE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &back), ==, FATE_ACCEPT);
      g_assert_cmphex (back.mark & VPND_MARK_MASK, ==, VPND_MARK_VALUE);
      back.oifname = "virbr0";
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &back), ==, FATE_ACCEPT);
      back.is_established = FALSE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &back), ==, FATE_REJECT);
      back.is_established = TRUE;
      back.iifname = VPND_IFNAME;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &back), ==, world.kind == VPND_POLICY_BLOCKED ? FATE_REJECT : FATE_DROP);
    }
  g_assert_cmpuint (seen, >, 0);
}

/* 6: what comes out of the tunnel and is for others is let through as an answer only, LAN allowed or not. */
static void
test_tunnel_begins_nothing_behind_the_host (void)
{
  static const char *const links[] = { "docker0", "virbr0", "eth0", "eth1" };

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      Packet packet;

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1));
      packet = random_packet (links[g_test_rand_int_range (0, G_N_ELEMENTS (links))], random_boolean (2) ? random_addr (random_family ()) : random_public_addr (random_family ()));
      packet.source = random_boolean (2) ? random_addr (packet.destination.family) : random_public_addr (packet.destination.family);
      packet.iifname = VPND_IFNAME;
      packet.is_established = FALSE;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &packet), ==, FATE_REJECT);
    }
}

/* 10: nobody outside passes for the tunnel's addresses, its private resolvers or the private networks behind it; inside and on loopback all may. */
static void
test_source_guard (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (VPND_POLICY_CONNECTING, VPND_POLICY_CONNECTED + 1));
      for (guint i = 0; i < world.routes->addresses->len + world.dns->servers->len; i++)
        {
          gboolean is_own = i < world.routes->addresses->len;
          const VpndAddr *source = is_own ? &g_array_index (world.routes->addresses, VpndPrefix, i).addr : &g_array_index (world.dns->servers, VpndAddr, i - world.routes->addresses->len);
          Packet packet = random_packet ("", random_public_addr (source->family));
          gboolean is_dhcp, is_outside = FALSE;

          for (guint j = 0; j < world.dns->outside->len; j++)
            is_outside |= vpnd_addr_equal (source, &g_array_index (world.dns->outside, VpndAddr, j));
          for (guint j = 0; j < world.facts->next_hops->len; j++)
            is_outside |= vpnd_prefix_contains (&g_array_index (world.facts->next_hops, VpndHop, j).prefix, source);
          for (guint j = 0; j < world.facts->bridges->len; j++)
            is_outside |= vpnd_prefix_contains (&g_array_index (world.facts->bridges, VpndHop, j).prefix, source);
          if (!is_own && (is_outside || !vpnd_addr_is_private (source) || is_an_endpoint (&world, source)))
            continue;
          packet.source = *source;
          packet.iifname = "eth0";
          is_dhcp = source->family == AF_INET && packet.l4proto == IPPROTO_UDP && packet.sport == 67 && packet.dport == 68;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &packet), ==, is_dhcp ? FATE_ACCEPT : FATE_DROP);
          packet.iifname = random_boolean (2) ? "lo" : VPND_IFNAME;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &packet), ==, FATE_ACCEPT);
        }
    }
}

/* 10: nothing leaves from or to the tunnel's addresses by another link, not even to a resolver or a local network that the settings let through. */
static void
test_departure_guard (void)
{
  guint seen = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (VPND_POLICY_BLOCKED, VPND_POLICY_CONNECTED + 1)); /* blocked: a profile is wanted still */
      for (guint i = 0; i < world.routes->addresses->len; i++)
        {
          const VpndAddr *source = &g_array_index (world.routes->addresses, VpndPrefix, i).addr;
          const char *private = source->family == AF_INET ? "192.168.9.9" : "fd09::9";
          Packet packet;
          VpndAddr target;

          g_assert_true (vpnd_addr_parse (private, &target));
          for (guint j = 0; j < world.dns->outside->len && random_boolean (2); j++)
            if (g_array_index (world.dns->outside, VpndAddr, j).family == source->family)
              target = g_array_index (world.dns->outside, VpndAddr, j);
          packet = random_packet ("eth0", target);
          packet.mark = 0;
          packet.dport = random_boolean (2) ? 53 : 9999;
          if (is_an_endpoint (&world, &target) || packet.l4proto == IPPROTO_ICMPV6)
            continue;
          packet.source = *source;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);
          packet.destination = *source; /* what tells of it, when the address is not the host's any more */
          packet.source = target;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet), ==, FATE_REJECT);
          seen++;
        }
    }
  g_assert_cmpuint (seen, >, 0);
}

/* 11: who has lost the address that a packet is from is not told of its refusal by a packet to that address, which an open local network would let out. What is
 * forwarded is told, and so is everybody whose address the host has. */
static void
test_lost_address (void)
{
  guint seen = 0, told = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      Packet packet;
      Fate fate, kept;

      world_init (&world, g_test_rand_int_range (VPND_POLICY_BLOCKED, VPND_POLICY_CONNECTED + 1));
      for (guint i = 0; i < PACKETS; i++)
        {
          packet = random_packet (random_boolean (3) ? VPND_IFNAME : "eth0", random_public_addr (AF_INET6));
          g_assert_true (vpnd_addr_parse (random_boolean (2) ? "fd09::9" : "fe80::9", &packet.source));
          packet.mark = random_boolean (4) ? our_mark () : 0;
          kept = ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet);
          packet.has_lost_source = TRUE;
          fate = ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &packet);
          g_assert_cmpint (fate, ==, kept == FATE_REJECT && world.settings->allow_lan ? FATE_DROP : kept);
          seen += fate != kept;

          packet.iifname = "eth1";
          packet.oifname = "eth0";
          told += ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &packet) == FATE_REJECT;
        }
    }
  g_assert_cmpuint (seen, >, 0);
  g_assert_cmpuint (told, >, 0);
}

/* 7: what is forwarded to the local network comes from a local network. */
static void
test_lan_forwards_only_lan (void)
{
  static const VpndAddr targets[] = { { AF_INET, { 192, 168, 9, 9 } }, { AF_INET6, { 0xfd, 9 } }, { AF_INET, { 239, 1, 1, 1 } }, { AF_INET6, { 0xff, 5 } } };
  static const VpndAddr sources[] = { { AF_INET, { 10, 9, 9, 9 } }, { AF_INET6, { 0xfd, 8 } } };

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      guint target = g_test_rand_int_range (0, G_N_ELEMENTS (targets));
      Packet packet;

      world_init (&world, g_test_rand_int_range (0, 3));
      packet = random_packet ("eth0", targets[target]);
      packet.iifname = "eth1";
      packet.dport = 9999;
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &packet), ==, FATE_REJECT);
      packet.source = sources[target % 2];
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &packet), ==, world.settings->allow_lan ? FATE_ACCEPT : FATE_REJECT);

      packet.l4proto = g_test_rand_bit () ? IPPROTO_UDP : IPPROTO_TCP;
      packet.dport = g_test_rand_bit () ? 53 : 853; /* 5 stands before 7 for others, too */
      g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_FORWARD, &packet), ==, FATE_REJECT);
    }
}

/* 9: where there are guests, and only there, what leaves by the tunnel with another source than the tunnel's gets the tunnel's; 3: what goes to a bridge
 * gets that of the link it leaves by. */
static void
test_guests_are_masqueraded (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      const VpndChain *chain;
      gboolean has_bridge;

      world_init (&world, g_test_rand_int_range (0, 3));
      chain = vpnd_ruleset_find_chain (world.ruleset, "postrouting");
      has_bridge = vpnd_bridge_is_set (&world.profile->bridge);
      g_assert_cmpint (chain != NULL, ==, world.kind != VPND_POLICY_BLOCKED && (world.facts->bridges->len > 0 || has_bridge));
      for (guint i = 0; chain != NULL && i < chain->rules->len; i++)
        {
          const VpndRule *rule = g_ptr_array_index (chain->rules, i);
          const VpndMatch *link = &g_array_index (rule->matches, VpndMatch, 0);

          g_assert_cmpint (link->field, ==, VPND_FIELD_OIFNAME);
          g_assert_cmpstr ((const char *) link->value, ==, VPND_IFNAME);
          g_assert_cmpuint (rule->matches->len, >=, 2);
          g_assert_cmpint (g_array_index (rule->statements, VpndStatement, 0).kind, ==, VPND_STATEMENT_MASQUERADE);
          g_assert_true (link->op == VPND_OP_EQ ? world.facts->bridges->len > 0 : has_bridge);
          for (guint j = 1; link->op == VPND_OP_EQ && j < rule->matches->len; j++)
            g_assert_cmpint (g_array_index (rule->matches, VpndMatch, j).op, ==, VPND_OP_NE);
        }
    }
}

/* 3: of what a router says about a packet of ours only this comes in: that it was too large. Without a tunnel nothing does. */
static void
test_too_large_is_exact (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (0, 3));
      for (guint i = 0; i < PACKETS; i++)
        {
          Packet packet = random_packet ("", random_public_addr (random_family ()));
          gboolean is_v4 = packet.destination.family == AF_INET;
          Packet wrong;

          packet.iifname = "eth0";
          packet.is_established = FALSE;
          packet.is_related = TRUE;
          packet.l4proto = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
          packet.icmp_type = is_v4 ? 3 : ICMP6_PACKET_TOO_BIG;
          packet.icmp_code = is_v4 ? 4 : 0;
          if (is_an_endpoint (&world, &packet.source) || is_an_endpoint (&world, &packet.destination))
            continue;
          wrong = packet;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &packet), ==, FATE_ACCEPT);
          g_assert_cmpuint (packet.mark, ==, world.kind == VPND_POLICY_BLOCKED ? 0 : VPND_MARK_VALUE);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &packet), ==, world.kind == VPND_POLICY_BLOCKED ? FATE_DROP : FATE_ACCEPT);

          switch (g_test_rand_int_range (0, 4))
            {
            case 0:
              wrong.is_related = FALSE;
              break;
            case 1:
              wrong.icmp_type = is_v4 ? 5 : ICMP6_TIME_EXCEEDED;
              break;
            case 2:
              wrong.icmp_code = is_v4 ? 3 : 1;
              break;
            case 3:
              wrong.l4proto = IPPROTO_UDP;
              wrong.sport = 443;
              break;
            }
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_PREROUTING, &wrong), ==, FATE_ACCEPT);
          g_assert_cmpuint (wrong.mark, ==, 0);
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_INPUT, &wrong), ==, FATE_DROP);
        }
    }
}

/* 6: before anything is let through, forwarded connections of both directions learn what fits into the tunnel. */
static void
test_forwarded_segments_fit (void)
{
  static const VpndField sides[] = { VPND_FIELD_OIFNAME, VPND_FIELD_IIFNAME };

  for (guint kind = 0; kind < 3; kind++)
    {
      g_auto (World) world = { NULL };
      const VpndChain *forward;

      world_init (&world, kind);
      forward = vpnd_ruleset_find_chain (world.ruleset, "forward");
      for (guint i = 0; i < G_N_ELEMENTS (sides); i++)
        {
          const VpndRule *rule = g_ptr_array_index (forward->rules, i);
          const VpndMatch *link = &g_array_index (rule->matches, VpndMatch, 1);
          gboolean is_clamp = g_array_index (rule->statements, VpndStatement, 0).kind == VPND_STATEMENT_CLAMP_MSS;

          g_assert_cmpint (is_clamp, ==, kind != VPND_POLICY_BLOCKED);
          if (!is_clamp)
            continue;
          g_assert_cmpint (link->field, ==, sides[i]);
          g_assert_cmpstr ((const char *) link->value, ==, VPND_IFNAME);
          g_assert_cmpint (g_array_index (rule->matches, VpndMatch, 0).field, ==, VPND_FIELD_TCP_FLAGS);
          g_assert_cmpuint (rule->statements->len, ==, 1);
        }
    }
}

/* 6: the index of the tunnel's link is a short way to what its name says, and to nothing else: a link that was made anew carries the same. */
static void
test_short_ways_mean_the_same (void)
{
  static const VpndHook hooks[] = { VPND_HOOK_PREROUTING, VPND_HOOK_INPUT, VPND_HOOK_OUTPUT, VPND_HOOK_FORWARD };
  static const char *const links[] = { "eth0", "docker0", "virbr0", VPND_IFNAME };

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (0, 3));
      for (guint i = 0; i < PACKETS; i++)
        {
          VpndHook hook = hooks[i % G_N_ELEMENTS (hooks)];
          Packet with = random_packet ("", random_boolean (2) ? random_addr (random_family ()) : random_public_addr (random_family ()));
          Packet without;

          if (hook != VPND_HOOK_PREROUTING && hook != VPND_HOOK_INPUT)
            with.oifname = links[g_test_rand_int_range (0, G_N_ELEMENTS (links))];
          if (hook != VPND_HOOK_OUTPUT)
            with.iifname = links[g_test_rand_int_range (0, G_N_ELEMENTS (links))];
          with.mark = random_boolean (3) ? VPND_MARK_VALUE : 0;
          with.ct_mark = random_boolean (3) ? VPND_CT_MARK_VALUE : 0;
          without = with;
          without.is_made_anew = TRUE;
          g_assert_cmpint (ruleset_eval (world.ruleset, hook, &with), ==, ruleset_eval (world.ruleset, hook, &without));
        }
    }
}

/* L9: what an IPv4 packet may do, an IPv6 packet with the same ports may do, too. */
static void
test_families_are_symmetric (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      static const char *const links[] = { "eth0", "lo", VPND_IFNAME, "wlan0" };

      world_init (&world, g_test_rand_int_range (0, 3));
      for (guint i = 0; i < PACKETS; i++)
        {
          const char *link = links[g_test_rand_int_range (0, G_N_ELEMENTS (links))];
          Packet four = random_packet (link, random_public_addr (AF_INET));
          Packet six = four;

          if (four.l4proto == IPPROTO_ICMPV6 || (four.l4proto == IPPROTO_UDP && four.sport == 67 && four.dport == 68))
            continue; /* neighbour discovery has no twin, and DHCPv4 works in its own way */
          six.source = random_public_addr (AF_INET6);
          six.destination = random_public_addr (AF_INET6);
          if (is_an_endpoint (&world, &four.destination) || is_an_endpoint (&world, &six.destination))
            continue;
          g_assert_cmpint (ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &four), ==, ruleset_eval (world.ruleset, VPND_HOOK_OUTPUT, &six));
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/nothing-leaves", test_nothing_leaves);
  g_test_add_func ("/policy/nothing-enters", test_nothing_enters);
  g_test_add_func ("/policy/endpoint-is-exact", test_endpoint_is_exact);
  g_test_add_func ("/policy/server-behind-bridge", test_server_behind_bridge);
  g_test_add_func ("/policy/proxy-port-is-the-transports", test_proxy_port_is_the_transports);
  g_test_add_func ("/policy/blocked-has-no-first-hop", test_blocked_has_no_first_hop);
  g_test_add_func ("/policy/dns", test_dns);
  g_test_add_func ("/policy/names-of-a-link", test_names_of_a_link);
  g_test_add_func ("/policy/local-resolver", test_local_resolver);
  g_test_add_func ("/policy/outside-resolver-is-exact", test_outside_resolver_is_exact);
  g_test_add_func ("/policy/api-is-exact", test_api_is_exact);
  g_test_add_func ("/policy/tunnel", test_tunnel);
  g_test_add_func ("/policy/tunnel-address-guard", test_tunnel_address_guard);
  g_test_add_func ("/policy/lan", test_lan);
  g_test_add_func ("/policy/dhcp-and-ndp", test_dhcp_and_ndp);
  g_test_add_func ("/policy/loopback-and-bridges", test_loopback_and_bridges);
  g_test_add_func ("/policy/guests-go-where-their-policy-says", test_guests_go_where_their_policy_says);
  g_test_add_func ("/policy/direct-goes-out-and-back", test_direct_goes_out_and_back);
  g_test_add_func ("/policy/tunnel-begins-nothing-behind-the-host", test_tunnel_begins_nothing_behind_the_host);
  g_test_add_func ("/policy/source-guard", test_source_guard);
  g_test_add_func ("/policy/departure-guard", test_departure_guard);
  g_test_add_func ("/policy/lost-address", test_lost_address);
  g_test_add_func ("/policy/lan-forwards-only-lan", test_lan_forwards_only_lan);
  g_test_add_func ("/policy/guests-are-masqueraded", test_guests_are_masqueraded);
  g_test_add_func ("/policy/too-large-is-exact", test_too_large_is_exact);
  g_test_add_func ("/policy/forwarded-segments-fit", test_forwarded_segments_fit);
  g_test_add_func ("/policy/short-ways-mean-the-same", test_short_ways_mean_the_same);
  g_test_add_func ("/policy/families-are-symmetric", test_families_are_symmetric);
  return g_test_run ();
}
