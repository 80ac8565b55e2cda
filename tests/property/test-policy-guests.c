/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Forwarded packets as properties: guests go where their policy says, and nothing is begun from the tunnel.
 */
#include "config.h"

#include "policy-world.h"

#include "random-values.h"
#include "reserved.h"

#include <netinet/icmp6.h>

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
      gboolean has_bridge, has_guests;

      world_init (&world, g_test_rand_int_range (0, 3));
      chain = vpnd_ruleset_find_chain (world.ruleset, "postrouting");
      has_bridge = vpnd_bridge_is_set (&world.profile->bridge);
      has_guests = world.facts->forwards && world.facts->bridges->len > 0;
      g_assert_cmpint (chain != NULL, ==, world.kind != VPND_POLICY_BLOCKED && (has_guests || has_bridge));
      for (guint i = 0; chain != NULL && i < chain->rules->len; i++)
        {
          const VpndRule *rule = g_ptr_array_index (chain->rules, i);
          const VpndMatch *link = &g_array_index (rule->matches, VpndMatch, 0);

          g_assert_cmpint (link->field, ==, VPND_FIELD_OIFNAME);
          g_assert_cmpstr ((const char *) link->value, ==, VPND_IFNAME);
          g_assert_cmpuint (rule->matches->len, >=, 2);
          g_assert_cmpint (g_array_index (rule->statements, VpndStatement, 0).kind, ==, VPND_STATEMENT_MASQUERADE);
          g_assert_true (link->op == VPND_OP_EQ ? has_guests : has_bridge);
          for (guint j = 1; link->op == VPND_OP_EQ && j < rule->matches->len; j++)
            g_assert_cmpint (g_array_index (rule->matches, VpndMatch, j).op, ==, VPND_OP_NE);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/guests-go-where-their-policy-says", test_guests_go_where_their_policy_says);
  g_test_add_func ("/policy/direct-goes-out-and-back", test_direct_goes_out_and_back);
  g_test_add_func ("/policy/tunnel-begins-nothing-behind-the-host", test_tunnel_begins_nothing_behind_the_host);
  g_test_add_func ("/policy/lan-forwards-only-lan", test_lan_forwards_only_lan);
  g_test_add_func ("/policy/guests-are-masqueraded", test_guests_are_masqueraded);
  g_test_add_func ("/policy/forwarded-segments-fit", test_forwarded_segments_fit);
  return g_test_run ();
}
