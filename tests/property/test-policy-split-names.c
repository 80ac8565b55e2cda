/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rule 8 of docs/security.md as properties of packets and rules, over random plans, profiles, settings and facts: which resolver is asked by whom, and whose
 * answers are held. What becomes of an answer is in tests/engine/test-split-names.c.
 */
#include "config.h"

#include "policy-split-world.h"

#include "random-values.h"
#include "reserved.h"

#include <string.h>

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

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
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
          departure.packet.destination = server;
          look_up (&world, &departure);
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

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) claimed = NULL;

      split_world_init (&world, VPND_POLICY_CONNECTED, TRUE);
      g_array_append_vals (world.split->outside_dns, world.dns->servers->data, world.dns->servers->len);
      claimed = world_rules (&world, world.split);
      if (world.split->mode == VPND_SPLIT_MODE_EXCLUDE && world.split->watches_names)
        g_assert_cmpuint (vpnd_ruleset_find_chain (claimed, "names")->rules->len, ==, vpnd_ruleset_find_chain (world.ruleset, "names")->rules->len);
      for (guint i = 0; world.split->mode == VPND_SPLIT_MODE_INCLUDE && i < world.dns->servers->len; i++)
        {
          Departure departure = random_departure (&world);
          const VpndAddr server = g_array_index (world.dns->servers, VpndAddr, i);
          Fate fate;

          if (vpnd_addr_is_loopback (&server) || contains (world.dns->outside, &server) || !has_address (&world, server.family))
            continue;
          departure.packet.destination = server;
          look_up (&world, &departure);
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

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { 0 };
      g_autoptr (VpndRuleset) later = NULL;

      split_world_init (&world, random_kind (), TRUE);
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
      later = world_rules (&world, world.split);
      if (world.split->watches_names)
        g_assert_true (vpnd_ruleset_equal_but_elements (world.ruleset, later));
    }
  g_assert_cmpuint (held, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy-split/names", test_names);
  g_test_add_func ("/policy-split/claimed-resolver", test_claimed_resolver);
  g_test_add_func ("/policy-split/held-answers", test_held_answers);
  return g_test_run ();
}
