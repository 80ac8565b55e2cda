/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of docs/security.md as properties of packets, over random profiles, settings and facts: what holds over all of them, and the tunnel itself.
 */
#include "config.h"

#include "policy-world.h"

#include "random-values.h"
#include "reserved.h"

#include <netinet/icmp6.h>

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

static gboolean
asks_conntrack (const VpndRuleset *ruleset)
{
  for (guint i = 0; i < ruleset->chains->len; i++)
    {
      const VpndChain *chain = g_ptr_array_index (ruleset->chains, i);

      if (chain->type == VPND_CHAIN_NAT)
        return TRUE;
      for (guint j = 0; j < chain->rules->len; j++)
        {
          const VpndRule *rule = g_ptr_array_index (chain->rules, j);

          for (guint k = 0; k < rule->matches->len; k++)
            {
              VpndField field = g_array_index (rule->matches, VpndMatch, k).field;

              if (field == VPND_FIELD_CT_MARK || field == VPND_FIELD_CT_STATE || field == VPND_FIELD_CT_STATUS)
                return TRUE;
            }
          for (guint k = 0; k < rule->statements->len; k++)
            if (g_array_index (rule->statements, VpndStatement, k).kind == VPND_STATEMENT_SET_CT_MARK)
              return TRUE;
        }
    }
  return FALSE;
}

static gboolean
has_peer_of_ipv6 (const VpndTunnelConfig *config)
{
  for (guint i = 0; i < config->peers->len; i++)
    if (((const VpndTunnelPeer *) g_ptr_array_index (config->peers, i))->endpoint.addr.family == AF_INET6)
      return TRUE;
  return FALSE;
}

/* The kernel tracks all packets of a network namespace as soon as one rule asks. Only what forwards for others, and what lets other programs out, does. */
static void
test_conntrack_is_for_others (void)
{
  guint seen = 0;

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      world_init (&world, g_test_rand_int_range (0, 3));
      if (world.facts->forwards || world.settings->forward->len > 0 || world.settings->api_endpoints->len > 0 || vpnd_bridge_is_set (&world.profile->bridge) ||
          world.dns->outside->len > 0 || has_peer_of_ipv6 (world.config))
        continue;
      seen++;
      g_assert_false (asks_conntrack (world.ruleset));
    }
  g_assert_cmpuint (seen, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/nothing-leaves", test_nothing_leaves);
  g_test_add_func ("/policy/nothing-enters", test_nothing_enters);
  g_test_add_func ("/policy/tunnel", test_tunnel);
  g_test_add_func ("/policy/tunnel-address-guard", test_tunnel_address_guard);
  g_test_add_func ("/policy/source-guard", test_source_guard);
  g_test_add_func ("/policy/departure-guard", test_departure_guard);
  g_test_add_func ("/policy/lost-address", test_lost_address);
  g_test_add_func ("/policy/short-ways-mean-the-same", test_short_ways_mean_the_same);
  g_test_add_func ("/policy/families-are-symmetric", test_families_are_symmetric);
  g_test_add_func ("/policy/conntrack-is-for-others", test_conntrack_is_for_others);
  return g_test_run ();
}
