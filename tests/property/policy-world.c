/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See policy-world.h.
 */
#include "config.h"

#include "policy-world.h"

#include "random-values.h"
#include "reserved.h"
#include "tunnel-plan.h"

void
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

/* All of @world but its link and its rules. */
void
world_draw (World *world, VpndPolicyKind kind)
{
  VpndCause cause;

  world->profile = random_profile ("random");
  world->settings = random_settings ();
  world->facts = random_facts ();
  world->facts->default4.present = TRUE;
  world->facts->default6.present = TRUE;
  world->kind = kind;
  world->config = vpnd_tunnel_plan_build (world->profile, world->settings, world->facts, TRUE, VPND_LISTEN_PORT_FIRST, &cause);
  g_assert_nonnull (world->config);
  world->routes = vpnd_route_plan_build (world->profile, world->settings, world->facts);
  world->dns = vpnd_dns_plan_build (world->profile, world->settings);
}

/* Returns: (transfer full): what is in force in @world when @split is what goes beside the tunnel */
VpndRuleset *
world_rules (const World *world, const VpndSplitPlan *split)
{
  const VpndPolicyInput input = {
    .kind = world->kind,
    .config = world->config,
    .routes = world->routes,
    .dns = world->dns,
    .settings = world->settings,
    .facts = world->facts,
    .link_ifindex = world->link_ifindex,
    .split = split,
    .profile = world->profile->name,
  };

  return vpnd_policy_build (&input);
}

void
world_init (World *world, VpndPolicyKind kind)
{
  world_draw (world, kind);
  world->link_ifindex = random_boolean (3) ? 0 : RULESET_EVAL_LINK_IFINDEX;
  world->ruleset = world_rules (world, NULL);
}

/* Where the transport leaves this host to. */
VpndServicePort
first_hop_of (const World *world)
{
  if (vpnd_bridge_is_set (&world->profile->bridge))
    return world->profile->bridge.service;
  return (VpndServicePort){ ((const VpndTunnelPeer *) g_ptr_array_index (world->config->peers, 0))->endpoint, IPPROTO_UDP };
}

gboolean
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

Packet
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

int
random_family (void)
{
  return random_boolean (2) ? AF_INET : AF_INET6;
}

guint16
other_port (guint16 port)
{
  return port == 65535 ? 1 : port + 1;
}

guint32
our_mark (void)
{
  return VPND_MARK_VALUE | ((guint32) g_test_rand_int () & ~VPND_MARK_MASK); /* other tools' bits do not matter */
}

/* What the kernel's WireGuard makes of a packet inside the tunnel: a message with data. Its socket stays the one of the program inside. */
void
make_data (Packet *packet, guint16 listen_port)
{
  static const guint8 start[] = { 4, 0, 0, 0 };

  packet->l4proto = IPPROTO_UDP;
  packet->sport = listen_port;
  packet->mark = our_mark ();
  memcpy (&packet->udp_start, start, sizeof start);
}

void
assert_output (const World *world, Packet packet, Fate fate)
{
  g_assert_cmpint (ruleset_eval (world->ruleset, VPND_HOOK_OUTPUT, &packet), ==, fate);
}
