/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Questions for names as properties of packets: they go to the resolvers of the setting alone.
 */
#include "config.h"

#include "policy-world.h"

#include "random-values.h"
#include "reserved.h"

#include <netinet/icmp6.h>

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/dns", test_dns);
  g_test_add_func ("/policy/names-of-a-link", test_names_of_a_link);
  g_test_add_func ("/policy/local-resolver", test_local_resolver);
  g_test_add_func ("/policy/outside-resolver-is-exact", test_outside_resolver_is_exact);
  return g_test_run ();
}
