/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What stays near as properties of packets: the LAN, DHCP and neighbour discovery, loopback and bridges of the host.
 */
#include "config.h"

#include "policy-world.h"

#include "random-values.h"

#include <netinet/icmp6.h>

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/lan", test_lan);
  g_test_add_func ("/policy/dhcp-and-ndp", test_dhcp_and_ndp);
  g_test_add_func ("/policy/loopback-and-bridges", test_loopback_and_bridges);
  return g_test_run ();
}
