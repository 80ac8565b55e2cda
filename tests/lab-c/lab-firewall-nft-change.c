/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The firewall on the real kernel, in a network namespace of its own, from one state to the next: what stays where it is in the table, and that no packet meets
 * something between the two.
 */
#include "config.h"

#include "firewall-host.h"

#include "netns.h"
#include "random-policy.h"
#include "random-values.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHANGES 150

/* A map whose elements change at random, and with them what becomes of one key. */
static void
add_map (VpndRuleset *ruleset, VpndChain *chain)
{
  VpndSet *map = vpnd_ruleset_add_set (ruleset, "map", VPND_FIELD_SKUID, FALSE, TRUE);
  VpndVerdict verdicts[] = { { .kind = VPND_VERDICT_ACCEPT }, { .kind = VPND_VERDICT_DROP }, { .kind = VPND_VERDICT_GOTO, .chain = "other" } };

  vpnd_rule_accept (vpnd_chain_add_rule (vpnd_ruleset_add_chain (ruleset, "other", VPND_CHAIN_FILTER, VPND_HOOK_NONE, 0, VPND_VERDICT_ACCEPT)));
  for (guint32 i = 0; i < 20; i++)
    if (random_boolean (2))
      vpnd_set_add_u32 (map, i, &verdicts[g_test_rand_int_range (0, G_N_ELEMENTS (verdicts))]);
  vpnd_rule_vmap (vpnd_chain_add_rule (chain), VPND_FIELD_SKUID, "map");
}

/* Sets of addresses whose elements change at random, some of which touch each other. */
static VpndRuleset *
make_with_sets (void)
{
  VpndRuleset *ruleset = vpnd_ruleset_new ("vpnd");
  VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);
  static const VpndField fields[] = { VPND_FIELD_IP_DADDR, VPND_FIELD_IP6_DADDR };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (fields); i++)
    {
      g_autofree char *name = g_strdup_printf ("set%u", i);
      VpndSet *set = vpnd_ruleset_add_set (ruleset, name, fields[i / 2], i % 2 == 0, FALSE);

      for (guint j = 0; j < 40; j++)
        {
          VpndAddr addr = { .family = i / 2 == 0 ? AF_INET : AF_INET6 };

          addr.bytes[0] = 0x20;
          addr.bytes[vpnd_addr_size (&addr) - 1] = (guint8) (3 * j + (j % 3 == 0 ? 0 : 1));
          if (random_boolean (2))
            vpnd_set_add_addr (set, &addr, NULL);
        }
      vpnd_rule_accept (vpnd_rule_match_set (vpnd_chain_add_rule (chain), fields[i / 2], VPND_OP_IN, name));
    }
  add_map (ruleset, chain);
  return ruleset;
}

static char *
table_handle (void)
{
  g_autofree char *listing = nft ("-j list tables");

  g_assert_nonnull (listing);
  return g_steal_pointer (&listing);
}

/* A ruleset that differs in elements alone leaves chains and rules where they are; what was changed behind our back does not stay so. */
static void
test_elements_alone (void)
{
  for (guint owner = 0; owner < 2; owner++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndFirewall) firewall = vpnd_firewall_nft_new_full (owner == 0, &error);
      g_autoptr (VpndRuleset) first = make_with_sets ();
      g_autofree char *before = NULL;
      g_autofree char *after = NULL;

      g_assert_no_error (error);
      apply_ok (firewall, first);
      before = table_handle ();
      for (guint i = 0; i < 60; i++)
        {
          g_autoptr (VpndRuleset) next = make_with_sets ();

          apply_ok (firewall, next); /* it has been read back */
        }
      after = table_handle ();
      g_assert_cmpstr (after, ==, before);
      if (owner == 1)
        {
          g_autoptr (VpndRuleset) next = make_with_sets ();
          g_autofree char *flushed = nft ("flush set inet vpnd set0");
          g_autofree char *whole = NULL;

          g_assert_nonnull (flushed);
          apply_ok (firewall, next);
          whole = table_handle ();
          g_assert_cmpstr (whole, !=, before);
        }
      remove_ok (firewall);
    }
}

/* The next state leaves the table where it is. */
static void
test_states_have_one_table (void)
{
  static const guint16 ports[][4] = { { 1, 2, 3 }, { 1, 4, 2, 3 }, { 4, 2, 3 }, { 2 }, { 1, 2, 3, 4 } };
  g_autoptr (VpndFirewall) firewall = new_firewall (FALSE);
  g_autofree char *first = NULL;

  for (guint i = 0; i < 4 * G_N_ELEMENTS (ports); i++)
    {
      const guint16 *port = ports[i % G_N_ELEMENTS (ports)];
      g_autoptr (VpndRuleset) ruleset = vpnd_ruleset_new ("vpnd");
      VpndChain *chain = vpnd_ruleset_add_chain (ruleset, "output", VPND_CHAIN_FILTER, VPND_HOOK_OUTPUT, 0, VPND_VERDICT_ACCEPT);
      g_autofree char *table = NULL;

      for (guint r = 0; r < 10; r++) /* most is in all of them */
        vpnd_rule_accept (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_UDP_DPORT, (guint16) (r + 1)));
      for (guint r = 0; r < G_N_ELEMENTS (ports[0]) && port[r] != 0; r++)
        vpnd_rule_accept (vpnd_rule_match_port (vpnd_chain_add_rule (chain), VPND_FIELD_TCP_DPORT, port[r]));
      apply_ok (firewall, ruleset);
      table = table_handle ();
      if (first == NULL)
        first = g_strdup (table);
      g_assert_cmpstr (table, ==, first);
    }
  remove_ok (firewall);
}

/* What comes out of the far end of the link: IPv4, so neither ARP nor what the kernel tells neighbours. */
static int
capture_new (void)
{
  const struct sockaddr_ll far = { .sll_family = AF_PACKET, .sll_protocol = g_htons (ETH_P_IP), .sll_ifindex = (int) if_nametoindex ("far") };
  const int capture = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, g_htons (ETH_P_IP));

  g_assert_no_errno (capture);
  g_assert_no_errno (bind (capture, (const struct sockaddr *) &far, sizeof far));
  return capture;
}

/* Since the last call, whether there was room for them or not. */
static guint
count_captured (int capture)
{
  struct tpacket_stats stats;
  socklen_t size = sizeof stats;

  g_assert_no_errno (getsockopt (capture, SOL_PACKET, PACKET_STATISTICS, &stats, &size));
  return stats.tp_packets;
}

/* A process of root that sends to a host that no state lets it reach; it ends with this one. */
static pid_t
flood_new (void)
{
  const struct sockaddr_in host = { .sin_family = AF_INET, .sin_port = g_htons (9999), .sin_addr.s_addr = g_htonl (0xcb007163) }; /* 203.0.113.99 */
  const pid_t pid = fork ();
  int flow;

  g_assert_no_errno (pid);
  if (pid != 0)
    return pid;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  flow = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (;;)
    (void) sendto (flow, "", 1, MSG_DONTWAIT, (const struct sockaddr *) &host, sizeof host);
}

/* Whatever state follows on which, in part or in whole, no packet meets something between the two. */
static void
test_nothing_gets_out_between (void)
{
  g_autoptr (VpndFirewall) firewall = new_firewall (TRUE);
  g_autoptr (VpndRuleset) first = random_policy_new (VPND_POLICY_BLOCKED);
  pid_t flood;
  int capture;

  NETNS_DO ("ip link add near type veth peer name far");
  NETNS_DO ("ip addr add 192.0.2.1/24 dev near");
  NETNS_DO ("ip link set far up");
  NETNS_DO ("ip link set near up");
  NETNS_DO ("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev near");
  NETNS_DO ("ip route add default via 192.0.2.2");
  capture = capture_new ();
  flood = flood_new ();
  while (count_captured (capture) == 0) /* the capture sees it */
    g_thread_yield ();

  apply_ok (firewall, first);
  (void) count_captured (capture);
  for (guint i = 0; i < CHANGES; i++)
    {
      g_autoptr (VpndRuleset) next = random_policy_new ((VpndPolicyKind) (i % 3));

      apply_ok (firewall, next);
      g_assert_cmpuint (count_captured (capture), ==, 0);
    }

  remove_ok (firewall);
  while (count_captured (capture) == 0) /* and it went on all the time */
    g_thread_yield ();
  g_assert_no_errno (kill (flood, SIGKILL));
  g_assert_no_errno (waitpid (flood, NULL, 0));
  g_assert_no_errno (close (capture));
  NETNS_DO ("ip link del near");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (unshare (CLONE_NEWNET));
  g_test_add_func ("/firewall-nft/elements-alone", test_elements_alone);
  g_test_add_func ("/firewall-nft/states-have-one-table", test_states_have_one_table);
  g_test_add_func ("/firewall-nft/nothing-gets-out-between", test_nothing_gets_out_between);
  return g_test_run ();
}
