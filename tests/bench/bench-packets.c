/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a ruleset costs each packet that a program sends into the tunnel. Every file of rules that is named gets a network namespace of its own with a
 * link called like the tunnel's, behind which packets vanish, and a UDP flow through it that was answered. Rounds of packets then alternate between the
 * namespaces, so that whatever else the machine does hits all alike. "@connected" instead of a file are our rules as the firewall makes them, "@router" those of a host
 * that forwards, which asks connection tracking, "@split" those with 50 rules of split tunnelling and 500 subnets, none of which is about the flow: nft(8) has no words
 * for the numbers of cgroups. Prints for each file the median time of the processor per packet in nanoseconds.
 */
#include "config.h"

#include "firewall-nft.h"
#include "policy.h"
#include "reserved.h"
#include "tunnel-plan.h"

#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench-link.h"

#define BATCHES 48 /* about five milliseconds: shorter than a slice of the scheduler, longer than the noise of the clock */
#define ROUNDS 401
#define VARIANTS_MAX 8
#define UNITS 40
#define UIDS 10
#define SUBNETS 500

typedef struct
{
  int flow;
  double samples[ROUNDS];
} Variant;

/* Answers the packet that waits at the far side, so that connection tracking calls the flow established. */
static void
answer (int link)
{
  guint8 packet[128];
  struct iphdr *ip = (struct iphdr *) packet;
  struct udphdr *udp = (struct udphdr *) (packet + sizeof *ip);
  guint32 address;
  guint16 port;
  ssize_t size;

  do /* the kernel's own router solicitations come first */
    size = read (link, packet, sizeof packet);
  while (size > 0 && (ip->version != 4 || ip->protocol != IPPROTO_UDP));
  if (size <= 0)
    g_error ("no packet came out of the tunnel: %s", g_strerror (errno));
  address = ip->saddr; /* the checksums do not care about the order of addresses and ports */
  ip->saddr = ip->daddr;
  ip->daddr = address;
  port = udp->source;
  udp->source = udp->dest;
  udp->dest = port;
  if (write (link, packet, (gsize) size) != size)
    g_error ("the answer: %s", g_strerror (errno));
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!vpnd_firewall_apply_finish (VPND_FIREWALL (source), result, &error))
    g_error ("the rules: %s", error->message);
  *(gboolean *) user_data = TRUE;
}

static void
append_prefix (GArray *prefixes, const char *text)
{
  VpndPrefix prefix;

  g_assert_true (vpnd_prefix_parse (text, &prefix));
  g_array_append_val (prefixes, prefix);
}

static VpndProfile *
new_profile (void)
{
  static const guint8 bytes[VPND_KEY_BYTES] = { 1 };
  VpndProfile *profile = vpnd_profile_new ("bench");
  VpndPeer *peer = vpnd_peer_new ();
  VpndEndpoint endpoint = { .port = 51820 };
  VpndAddr resolver;

  g_assert_true (vpnd_addr_parse ("203.0.113.2", &endpoint.addr) && vpnd_addr_parse ("10.64.0.1", &resolver));
  profile->private_key = vpnd_secret_new (bytes);
  append_prefix (profile->addresses, "10.64.0.2/32");
  append_prefix (profile->addresses, "fd00:64::2/128");
  append_prefix (peer->allowed_ips, "0.0.0.0/0");
  append_prefix (peer->allowed_ips, "::/0");
  g_array_append_val (peer->endpoints, endpoint);
  g_array_append_val (profile->dns_servers, resolver);
  g_ptr_array_add (profile->peers, peer);
  return profile;
}

static VpndSplitPlan *
new_split_plan (void)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 2);
  g_autoptr (VpndSplitConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < UIDS + SUBNETS; i++)
    {
      g_autofree char *uid = g_strdup_printf ("%u", 2000 + i);
      g_autofree char *subnet = i % 2 == 0 ? g_strdup_printf ("198.%u.%u.0/28", 18 + i / 512, i / 2 % 256) : g_strdup_printf ("2001:db8:%x::/48", i);

      g_ptr_array_add (rules, vpnd_split_rule_new (i < UIDS ? VPND_SPLIT_UID : VPND_SPLIT_SUBNET, i < UIDS ? uid : subnet, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL));
    }
  config = vpnd_split_config_new_from_rules (VPND_SPLIT_MODE_EXCLUDE, rules, &error);
  g_assert_no_error (error);
  standing->excluded_id = 1;
  standing->included_id = 2;
  for (guint i = 0; i < UNITS; i++)
    vpnd_split_standing_add_unit (standing, VPND_SPLIT_EXCLUDED, NULL, 2, 1000 + i);
  return vpnd_split_plan_build (config, &(VpndSplitFacts){ .standing = standing, .has_asked = TRUE });
}

/* The rules stay as long as the process does. */
static void
apply_ours (const char *name)
{
  g_autoptr (VpndProfile) profile = new_profile ();
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  g_autoptr (VpndTunnelConfig) config = NULL;
  g_autoptr (VpndRoutePlan) routes = NULL;
  g_autoptr (VpndDnsPlan) dns = NULL;
  g_autoptr (VpndSplitPlan) split = g_str_equal (name, "@split") ? new_split_plan () : NULL;
  g_autoptr (VpndRuleset) ruleset = NULL;
  g_autoptr (GError) error = NULL;
  VpndFirewall *firewall = vpnd_firewall_nft_new (&error); /* never freed: it owns the table */
  gboolean is_done = FALSE;
  VpndCause cause;

  g_assert_no_error (error);
  facts->ipv6_enabled = TRUE;
  facts->forwards = g_str_equal (name, "@router");
  facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  config = vpnd_tunnel_plan_build (profile, settings, facts, FALSE, VPND_LISTEN_PORT_FIRST, &cause);
  g_assert_nonnull (config);
  routes = vpnd_route_plan_build (profile, settings, facts);
  dns = vpnd_dns_plan_build (profile, settings);
  ruleset = vpnd_policy_build (&(VpndPolicyInput){ VPND_POLICY_CONNECTED, config, routes, dns, settings, facts, BENCH_LINK_IFINDEX, split, "bench" });
  vpnd_firewall_apply_async (firewall, ruleset, NULL, on_applied, &is_done);
  while (!is_done)
    g_main_context_iteration (NULL, TRUE);
}

static void
make_variant (Variant *variant, const char *rules)
{
  struct timeval patience = { .tv_sec = 5 };
  int link = bench_link_new ();
  char byte = 0;

  if (rules[0] == '@')
    apply_ours (rules);
  else
    bench_run ("nft", "-f", rules, NULL);
  variant->flow = bench_flow_new ();
  if (send (variant->flow, &byte, 1, 0) != 1)
    g_error ("%s: sending: %s", rules, g_strerror (errno));
  answer (link);
  (void) setsockopt (variant->flow, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience); /* else the line below waits for ever */
  if (recv (variant->flow, &byte, 1, 0) != 1)
    g_error ("%s: the answer was not let in", rules);
}

static double
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static double
measure_ns (int flow)
{
  double begun_ns = now_ns ();

  bench_flow_send (flow, BATCHES);
  return (now_ns () - begun_ns) / (BENCH_BATCH * BATCHES);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const double *x = a;
  const double *y = b;

  return (*x > *y) - (*x < *y);
}

int
main (int argc, char **argv)
{
  g_autofree Variant *variants = g_new0 (Variant, VARIANTS_MAX);
  int n = argc - 1;

  if (n < 1 || n > VARIANTS_MAX)
    return 2;
  for (int i = 0; i < n; i++)
    make_variant (&variants[i], argv[i + 1]);
  for (guint round = 0; round < ROUNDS; round++)
    for (int i = 0; i < n; i++)
      variants[i].samples[round] = measure_ns (variants[i].flow);
  for (int i = 0; i < n; i++)
    {
      qsort (variants[i].samples, ROUNDS, sizeof (double), compare);
      g_print ("%.1f\n", variants[i].samples[ROUNDS / 2]);
    }
  return 0;
}
