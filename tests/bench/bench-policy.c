/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What bench-policy.h promises.
 */
#include "config.h"

#include "bench-policy.h"

#include <netinet/in.h>

#include "bench-link.h"
#include "reserved.h"
#include "tunnel-plan.h"

#define UNITS 40
#define UIDS 10
#define SUBNETS 500

static void
append_prefix (GArray *prefixes, const char *text)
{
  VpndPrefix prefix;

  g_assert_true (vpnd_prefix_parse (text, &prefix));
  g_array_append_val (prefixes, prefix);
}

static void
append_addr (GArray *addrs, const char *text)
{
  VpndAddr addr;

  g_assert_true (vpnd_addr_parse (text, &addr));
  g_array_append_val (addrs, addr);
}

static VpndProfile *
new_profile (void)
{
  static const guint8 bytes[VPND_KEY_BYTES] = { 1 };
  VpndProfile *profile = vpnd_profile_new ("bench");
  VpndPeer *peer = vpnd_peer_new ();
  VpndEndpoint endpoint = { .port = 51820 };

  g_assert_true (vpnd_addr_parse ("203.0.113.2", &endpoint.addr));
  profile->private_key = vpnd_secret_new (bytes);
  append_prefix (profile->addresses, "10.64.0.2/32");
  append_prefix (profile->addresses, "fd00:64::2/128");
  append_prefix (peer->allowed_ips, "0.0.0.0/0");
  append_prefix (peer->allowed_ips, "::/0");
  g_array_append_val (peer->endpoints, endpoint);
  append_addr (profile->dns_servers, "10.64.0.1");
  g_ptr_array_add (profile->peers, peer);
  return profile;
}

static void
add_forward (VpndSettings *settings, const char *ifname, VpndForwardPolicy policy)
{
  VpndForwardEntry entry = { .policy = policy };

  g_strlcpy (entry.ifname, ifname, sizeof entry.ifname);
  g_array_append_val (settings->forward, entry);
}

static VpndSettings *
new_settings (BenchHost host)
{
  VpndSettings *settings = vpnd_settings_new_default ();
  VpndServicePort api = { .endpoint.port = 443, .protocol = IPPROTO_TCP };

  if (host != BENCH_HOST_EVERYTHING)
    return settings;
  settings->allow_lan = TRUE;
  settings->dns_resolver_uid = 970;
  append_addr (settings->dns_servers, "9.9.9.9");
  append_addr (settings->dns_servers, "2620:fe::fe");
  append_addr (settings->dns_servers, "192.168.1.53");
  g_assert_true (vpnd_addr_parse ("198.51.100.20", &api.endpoint.addr));
  g_array_append_val (settings->api_endpoints, api);
  g_assert_true (vpnd_addr_parse ("2001:db8:20::20", &api.endpoint.addr));
  g_array_append_val (settings->api_endpoints, api);
  add_forward (settings, "docker0", VPND_FORWARD_DIRECT);
  add_forward (settings, "virbr0", VPND_FORWARD_BLOCK);
  return settings;
}

static VpndFacts *
new_facts (BenchHost host)
{
  VpndFacts *facts = vpnd_facts_new ();
  VpndHop bridge = { .ifindex = 8, .ifname = "docker0" };

  facts->ipv6_enabled = TRUE;
  facts->forwards = host == BENCH_HOST_ROUTER || host == BENCH_HOST_EVERYTHING;
  facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  if (host == BENCH_HOST_EVERYTHING)
    {
      g_assert_true (vpnd_prefix_parse ("172.17.0.0/16", &bridge.prefix));
      g_array_append_val (facts->bridges, bridge);
    }
  return facts;
}

static GPtrArray *
new_rules (BenchHost host)
{
  GPtrArray *rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);

  for (guint i = 0; host >= BENCH_HOST_PROGRAMS && host != BENCH_HOST_PROGRAM_NET_CLS && i < UIDS + SUBNETS; i++)
    {
      g_autofree char *uid = g_strdup_printf ("%u", 2000 + i);
      g_autofree char *subnet = i % 2 == 0 ? g_strdup_printf ("198.%u.%u.0/28", 18 + i / 512, i / 2 % 256) : g_strdup_printf ("2001:db8:%x::/48", i);

      g_ptr_array_add (rules, vpnd_split_rule_new (i < UIDS ? VPND_SPLIT_UID : VPND_SPLIT_SUBNET, i < UIDS ? uid : subnet, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL));
    }
  if (host == BENCH_HOST_EVERYTHING)
    g_ptr_array_add (rules, vpnd_split_rule_new (VPND_SPLIT_DOMAIN, "out.example", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL));
  return rules;
}

static VpndSplitPlan *
new_split_plan (BenchHost host)
{
  const gboolean has_domain = host == BENCH_HOST_EVERYTHING;
  const gboolean is_net_cls = host == BENCH_HOST_PROGRAM_NET_CLS;
  const guint n_units = host <= BENCH_HOST_PROGRAMS || is_net_cls ? 0 : UNITS;
  g_autoptr (GPtrArray) rules = new_rules (host);
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (is_net_cls ? VPND_SPLIT_GROUND_NET_CLS : VPND_SPLIT_GROUND_CGROUP2, 2);
  g_autoptr (GArray) outside_dns = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_autoptr (VpndSplitConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  config = vpnd_split_config_new_from_rules (VPND_SPLIT_MODE_EXCLUDE, rules, &error);
  g_assert_no_error (error);
  standing->excluded_id = 1;
  for (guint i = 0; i < n_units; i++)
    vpnd_split_standing_add_unit (standing, VPND_SPLIT_EXCLUDED, NULL, 2, 1000 + i);
  if (has_domain)
    append_addr (outside_dns, "192.168.1.1");
  return vpnd_split_plan_build (config,
      &(VpndSplitFacts){ .standing = standing, .has_asked = TRUE, .queue = has_domain ? VPND_QUEUE_TARGET : VPND_QUEUE_NONE, .outside_dns = has_domain ? outside_dns : NULL });
}

/**
 * bench_policy_new:
 * @host: which host
 * @kind: which policy
 *
 * Returns: (transfer full): its rules
 */
VpndRuleset *
bench_policy_new (BenchHost host, VpndPolicyKind kind)
{
  g_autoptr (VpndProfile) profile = new_profile ();
  g_autoptr (VpndSettings) settings = new_settings (host);
  g_autoptr (VpndFacts) facts = new_facts (host);
  g_autoptr (VpndTunnelConfig) config = NULL;
  g_autoptr (VpndRoutePlan) routes = NULL;
  g_autoptr (VpndDnsPlan) dns = NULL;
  g_autoptr (VpndSplitPlan) split = host >= BENCH_HOST_PROGRAM ? new_split_plan (host) : NULL;
  VpndCause cause;

  config = vpnd_tunnel_plan_build (profile, settings, facts, FALSE, VPND_LISTEN_PORT_FIRST, &cause);
  g_assert_nonnull (config);
  routes = vpnd_route_plan_build (profile, settings, facts);
  dns = vpnd_dns_plan_build (profile, settings);
  return vpnd_policy_build (&(VpndPolicyInput){ kind, config, routes, dns, settings, facts, BENCH_LINK_IFINDEX, split, "bench" });
}
