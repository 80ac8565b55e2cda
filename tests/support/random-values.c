/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The generators of tests/support/random-values.h.
 */
#include "config.h"

#include "random-values.h"

static guint8
random_byte (void)
{
  return g_test_rand_int_range (0, 256);
}

gboolean
random_boolean (guint one_in)
{
  return g_test_rand_int_range (0, one_in) == 0;
}

VpndAddr
random_addr (int family)
{
  guint8 bytes[16];

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = random_byte ();
  return vpnd_addr_from_bytes (family, bytes);
}

/* Unicast, neither private nor loopback: what the internet looks like. */
VpndAddr
random_public_addr (int family)
{
  VpndAddr addr = random_addr (family);

  addr.bytes[0] = family == AF_INET ? 198 : 0x20;
  addr.bytes[1] = family == AF_INET ? 51 : 0x01;
  return addr;
}

static VpndPeer *
random_peer (gboolean is_primary, gboolean v4, gboolean v6)
{
  VpndPeer *peer = vpnd_peer_new ();
  VpndPrefix all4 = { { AF_INET, { 0 } }, 0 };
  VpndPrefix all6 = { { AF_INET6, { 0 } }, 0 };

  for (guint i = 0; i < VPND_KEY_BYTES; i++)
    peer->public_key.bytes[i] = random_byte ();
  g_free (peer->public_key_text);
  peer->public_key_text = vpnd_public_key_to_base64 (&peer->public_key);
  peer->port = g_test_rand_int_range (1, 65536);
  if (v4)
    {
      VpndEndpoint endpoint = { random_public_addr (AF_INET), peer->port };

      g_array_append_val (peer->endpoints, endpoint);
    }
  if (v6)
    {
      VpndEndpoint endpoint = { random_public_addr (AF_INET6), peer->port };

      g_array_append_val (peer->endpoints, endpoint);
    }
  if (is_primary)
    {
      g_array_append_val (peer->allowed_ips, all4);
      g_array_append_val (peer->allowed_ips, all6);
    }
  else
    {
      VpndAddr addr = random_public_addr (AF_INET);
      VpndPrefix some = vpnd_prefix_host (&addr);

      g_array_append_val (peer->allowed_ips, some);
    }
  peer->persistent_keepalive_s = random_boolean (2) ? 25 : 0;
  return peer;
}

VpndBridge
random_bridge (void)
{
  VpndBridge bridge = { .local_port = g_test_rand_int_range (1, 65536) };

  bridge.service.endpoint.addr = random_public_addr (random_boolean (2) ? AF_INET : AF_INET6);
  bridge.service.endpoint.port = g_test_rand_int_range (1, 65536);
  bridge.service.protocol = random_boolean (2) ? IPPROTO_UDP : IPPROTO_TCP;
  bridge.uid = random_boolean (2) ? 0 : g_test_rand_int_range (1, G_MAXINT32);
  return bridge;
}

VpndProfile *
random_profile (const char *name)
{
  VpndProfile *profile = vpnd_profile_new (name);
  guint8 key[VPND_KEY_BYTES];
  VpndPrefix address4 = { random_addr (AF_INET), 32 };
  VpndPrefix address6 = { random_addr (AF_INET6), 128 };
  guint families = g_test_rand_int_range (1, 4);

  for (guint i = 0; i < sizeof key; i++)
    key[i] = random_byte ();
  profile->private_key = vpnd_secret_new (key);
  address4.addr.bytes[0] = 10;
  address6.addr.bytes[0] = 0xfd;
  g_array_append_val (profile->addresses, address4);
  if (random_boolean (2))
    g_array_append_val (profile->addresses, address6);
  g_ptr_array_add (profile->peers, random_peer (TRUE, families & 1, families & 2));
  if (random_boolean (4))
    profile->bridge = random_bridge ();
  if (random_boolean (3))
    g_ptr_array_add (profile->peers, random_peer (FALSE, !vpnd_bridge_is_set (&profile->bridge), FALSE));
  if (!random_boolean (4))
    {
      VpndAddr server = random_addr (AF_INET);

      server.bytes[0] = 10;
      g_array_append_val (profile->dns_servers, server);
    }
  return profile;
}

VpndSettings *
random_settings (void)
{
  static const char *const resolvers[] = { "192.168.7.53", "192.168.9.53", "fd07::53", "203.0.113.53", "2001:db8::53", "127.0.0.1" }; /* none of random_public_addr () */
  static const char *const guests[] = { "docker0", "virbr0", "ve-guest" };
  VpndSettings *settings = vpnd_settings_new_default ();

  settings->lockdown = random_boolean (2);
  settings->auto_connect = random_boolean (2);
  settings->allow_lan = random_boolean (2);
  settings->ipv6 = random_boolean (2);
  settings->dns_resolver_uid = random_boolean (2) ? 0 : 970; /* no user of the random packets */
  settings->destroy_sockets = random_boolean (2);
  settings->crash_recovery = g_test_rand_int_range (0, 3);
  for (guint i = 0; i < G_N_ELEMENTS (resolvers) && random_boolean (3); i++)
    {
      VpndAddr resolver;

      g_assert_true (vpnd_addr_parse (resolvers[g_test_rand_int_range (0, G_N_ELEMENTS (resolvers))], &resolver));
      g_array_append_val (settings->dns_servers, resolver);
    }
  for (guint i = 0; i < G_N_ELEMENTS (guests); i++)
    {
      VpndForwardEntry entry = { "", g_test_rand_int_range (VPND_FORWARD_TUNNEL, VPND_FORWARD_BLOCK + 1) };

      g_strlcpy (entry.ifname, guests[i], sizeof entry.ifname);
      if (random_boolean (3))
        g_array_append_val (settings->forward, entry);
    }
  return settings;
}

static void
random_default (VpndDefaultRoute *route, int family, guint ifindex)
{
  route->present = !random_boolean (4);
  if (!route->present)
    return;
  route->ifindex = ifindex;
  g_snprintf (route->ifname, sizeof route->ifname, "eth%u", ifindex);
  route->gateway = random_addr (family);
  route->mtu = 1500;
  route->sources = (guint32) g_test_rand_int_range (1, 4);
}

VpndFacts *
random_facts (void)
{
  VpndFacts *facts = vpnd_facts_new ();

  random_default (&facts->default4, AF_INET, g_test_rand_int_range (2, 4));
  random_default (&facts->default6, AF_INET6, g_test_rand_int_range (2, 4));
  if (facts->default4.present)
    {
      VpndHop hop = { vpnd_prefix_host (&facts->default4.gateway), facts->default4.ifindex, "eth0" };

      g_array_append_val (facts->next_hops, hop);
    }
  if (random_boolean (3))
    {
      VpndHop bridge = { { { AF_INET, { 172, 17, 0, 0 } }, 16 }, 8, "docker0" };

      g_array_append_val (facts->bridges, bridge);
    }
  if (random_boolean (2))
    {
      VpndHop lan = { { { AF_INET, { 192, 168, 7, 0 } }, 24 }, 2, "eth0", random_boolean (2) ? 0 : 100 };
      VpndHop lan6 = { { { AF_INET6, { 0xfd, 7 } }, 64 }, 2, "eth0", random_boolean (2) ? 256 : 1024 };

      g_array_append_val (facts->lans, lan);
      g_array_append_val (facts->lans, lan6);
    }
  facts->forwards = random_boolean (2);
  facts->ipv6_enabled = !random_boolean (4);
  return facts;
}

static void
add_split_rule (GPtrArray *rules, VpndSplitKind kind, const char *value, VpndSplitClass class_, const char *profile, guint32 owner_uid)
{
  VpndSplitRule *rule;

  if (random_boolean (2))
    return;
  rule = vpnd_split_rule_new (kind, value, class_, profile, owner_uid, NULL);
  g_assert_nonnull (rule);
  g_ptr_array_add (rules, rule);
}

static VpndSplitConfig *
random_split_config (const char *bound_profile)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  VpndSplitConfig *config;

  add_split_rule (rules, VPND_SPLIT_UID, G_STRINGIFY (SPLIT_UID_EXCLUDED), VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_UID, "1003", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_UID, G_STRINGIFY (SPLIT_UID_INCLUDED), VPND_SPLIT_INCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_SUBNET, "198.51.100.0/24", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_SUBNET, "2001:db8:e::/48", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_SUBNET, "192.0.2.0/24", VPND_SPLIT_INCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_SUBNET, "2001:db8:a::/48", VPND_SPLIT_INCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_DOMAIN, "out.example", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  add_split_rule (rules, VPND_SPLIT_DOMAIN, "in.example", VPND_SPLIT_INCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM);
  if (random_boolean (2))
    add_split_rule (rules, VPND_SPLIT_UNIT, "out@1.service", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM); /* which stands at SPLIT_UNIT_LEVEL when it runs */
  if (random_boolean (3))
    add_split_rule (rules, VPND_SPLIT_UNIT, "in@1.service", VPND_SPLIT_INCLUDED, NULL, random_boolean (2) ? SPLIT_MANAGER : VPND_SPLIT_OWNER_SYSTEM);
  if (random_boolean (3))
    add_split_rule (rules, VPND_SPLIT_UNIT, "bound@1.service", VPND_SPLIT_BOUND, random_boolean (2) ? bound_profile : "another", random_boolean (2) ? SPLIT_MANAGER : VPND_SPLIT_OWNER_SYSTEM);
  config = vpnd_split_config_new_from_rules (random_boolean (2) ? VPND_SPLIT_MODE_EXCLUDE : VPND_SPLIT_MODE_INCLUDE, rules, NULL);
  g_assert_nonnull (config);
  return config;
}

static VpndSplitStanding *
random_standing (const char *bound_profile)
{
  const VpndSplitGround ground = random_boolean (4) ? VPND_SPLIT_GROUND_NET_CLS : VPND_SPLIT_GROUND_CGROUP2;
  VpndSplitStanding *standing = vpnd_split_standing_new (ground, SPLIT_LEVEL);

  standing->excluded_id = random_boolean (6) ? 0 : SPLIT_ID_EXCLUDED;
  standing->included_id = random_boolean (6) ? 0 : SPLIT_ID_INCLUDED;
  if (random_boolean (2))
    vpnd_split_standing_add_bound (standing, bound_profile, SPLIT_ID_BOUND_FIRST);
  if (random_boolean (2))
    vpnd_split_standing_add_bound (standing, "another", SPLIT_ID_BOUND_OTHER);
  if (random_boolean (2) && ground == VPND_SPLIT_GROUND_CGROUP2)
    vpnd_split_standing_add_unit (standing, VPND_SPLIT_EXCLUDED, NULL, SPLIT_UNIT_LEVEL, SPLIT_ID_UNIT_EXCLUDED);
  vpnd_split_standing_add_folder (standing, VPND_SPLIT_OWNER_SYSTEM, 0, 1);
  vpnd_split_standing_add_folder (standing, VPND_SPLIT_OWNER_SYSTEM, 1, SPLIT_FOLDER_SYSTEM);
  vpnd_split_standing_add_folder (standing, SPLIT_MANAGER, 2, SPLIT_FOLDER_USER);
  standing->newest = random_boolean (6) ? 0 : SPLIT_NEWEST;
  standing->hold = random_boolean (2) ? VPND_QUEUE_NONE : VPND_QUEUE_TARGET;
  return standing;
}

/* A plan with any of what there may be. */
VpndSplitPlan *
random_split_plan (const char *bound_profile)
{
  g_autoptr (VpndSplitConfig) config = random_split_config (bound_profile);
  g_autoptr (VpndSplitStanding) standing = random_standing (bound_profile);
  g_autoptr (GArray) outside_dns = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_autoptr (GArray) names = g_array_new (FALSE, FALSE, sizeof (VpndSplitName));
  g_autoptr (GArray) out = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_autoptr (GArray) in = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  const VpndSplitName both[] = { { "out.example", out }, { "in.example", in } };
  const VpndSplitFacts facts = { standing, names, random_boolean (3) ? VPND_QUEUE_NONE : VPND_QUEUE_TARGET, outside_dns, TRUE };

  g_array_append_vals (names, both, G_N_ELEMENTS (both));
  for (guint i = 0; i < 4; i++)
    {
      VpndAddr addr = random_public_addr (random_boolean (2) ? AF_INET : AF_INET6);

      if (random_boolean (2))
        g_array_append_val (out, addr);
      addr = random_public_addr (addr.family);
      if (random_boolean (2))
        g_array_append_val (in, addr);
      addr = random_public_addr (addr.family);
      if (random_boolean (3))
        g_array_append_val (outside_dns, addr);
    }
  return vpnd_split_plan_build (config, &facts);
}
