/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Profiles as values, what makes them valid, and the DNS plan that follows from them.
 */
#include "config.h"

#include "dns-plan.h"
#include "error.h"
#include "net-values.h"
#include "reserved.h"
#include "profile.h"

#include <string.h>

static void
append_addr (GArray *array, const char *text)
{
  VpndAddr value = addr_of (text);

  g_array_append_val (array, value);
}

static VpndPeer *
make_peer (guint8 number)
{
  VpndPeer *peer = vpnd_peer_new ();
  VpndEndpoint endpoint = { addr_of ("192.0.2.1"), 51820 };

  peer->public_key.bytes[0] = number;
  g_free (peer->public_key_text);
  peer->public_key_text = vpnd_public_key_to_base64 (&peer->public_key);
  peer->port = 51820;
  g_array_append_val (peer->endpoints, endpoint);
  append_prefix (peer->allowed_ips, "0.0.0.0/0");
  append_prefix (peer->allowed_ips, "::/0");
  return peer;
}

static VpndProfile *
make_profile (void)
{
  static const guint8 key[VPND_KEY_BYTES] = { 1, 2, 3 };
  VpndProfile *profile = vpnd_profile_new ("home");

  profile->private_key = vpnd_secret_new (key);
  append_prefix (profile->addresses, "10.64.0.2/32");
  append_prefix (profile->addresses, "fc00::2/128");
  append_addr (profile->dns_servers, "10.64.0.1");
  append_addr (profile->dns_servers, "fc00::1");
  g_ptr_array_add (profile->dns_search, g_strdup ("example.net"));
  g_ptr_array_add (profile->peers, make_peer (1));
  return profile;
}

typedef void (*Change) (VpndProfile *profile);

static VpndPeer *
first_peer (VpndProfile *profile)
{
  return g_ptr_array_index (profile->peers, 0);
}

static void
no_key (VpndProfile *p)
{
  g_clear_pointer (&p->private_key, vpnd_secret_unref);
}
static void
no_address (VpndProfile *p)
{
  g_array_set_size (p->addresses, 0);
}
static void
multicast_address (VpndProfile *p)
{
  append_prefix (p->addresses, "224.0.0.1/32");
}
static void
no_peer (VpndProfile *p)
{
  g_ptr_array_set_size (p->peers, 0);
}
static void
same_peer (VpndProfile *p)
{
  g_ptr_array_add (p->peers, make_peer (1));
}
static void
small_mtu (VpndProfile *p)
{
  p->mtu = 1279;
}
static void
large_mtu (VpndProfile *p)
{
  p->mtu = 65536;
}
static void
dns_multicast (VpndProfile *p)
{
  append_addr (p->dns_servers, "224.0.0.251");
}
static void
search_bad (VpndProfile *p)
{
  g_ptr_array_add (p->dns_search, g_strdup ("a b"));
}
static void
name_bad (VpndProfile *p)
{
  g_free (p->name);
  p->name = g_strdup ("../x");
}
static void
zero_public (VpndProfile *p)
{
  first_peer (p)->public_key.bytes[0] = 0;
}
static void
host_bits (VpndProfile *p)
{
  append_prefix (first_peer (p)->allowed_ips, "10.0.0.1/8");
}
static void
zero_port (VpndProfile *p)
{
  g_array_index (first_peer (p)->endpoints, VpndEndpoint, 0).port = 0;
}
static void
broadcast_endpoint (VpndProfile *p)
{
  g_array_index (first_peer (p)->endpoints, VpndEndpoint, 0).addr = addr_of ("255.255.255.255");
}
static void
same_family (VpndProfile *p)
{
  VpndEndpoint again = g_array_index (first_peer (p)->endpoints, VpndEndpoint, 0);

  g_array_append_val (first_peer (p)->endpoints, again);
}
static void
host_bad (VpndProfile *p)
{
  first_peer (p)->host = g_strdup ("a;b");
}
static void
host_no_port (VpndProfile *p)
{
  first_peer (p)->host = g_strdup ("a.example");
  first_peer (p)->port = 0;
}

static void
set_bridge (VpndProfile *p, const char *address, guint16 port, guint16 local_port)
{
  p->bridge = (VpndBridge){ { { addr_of (address), port }, IPPROTO_TCP }, local_port, 0 };
}
static void
bridge_here (VpndProfile *p)
{
  set_bridge (p, "127.0.0.1", 443, 1080);
}
static void
bridge_no_port (VpndProfile *p)
{
  set_bridge (p, "203.0.113.9", 0, 1080);
}
static void
bridge_no_proxy (VpndProfile *p)
{
  set_bridge (p, "203.0.113.9", 443, 0);
}
static void
bridge_no_protocol (VpndProfile *p)
{
  set_bridge (p, "203.0.113.9", 443, 1080);
  p->bridge.service.protocol = IPPROTO_SCTP;
}
static void
bridge_two_servers (VpndProfile *p)
{
  VpndPeer *peer = make_peer (77);

  set_bridge (p, "203.0.113.9", 443, 1080);
  g_array_set_size (peer->allowed_ips, 0);
  g_ptr_array_add (p->peers, peer);
}

static void
many_peers (VpndProfile *p)
{
  for (guint i = 0; i < VPND_PROFILE_PEERS_MAX; i++)
    {
      VpndPeer *peer = make_peer ((guint8) i);

      peer->public_key.bytes[1] = 1;
      g_ptr_array_add (p->peers, peer);
    }
}

static void
many_networks (VpndProfile *p)
{
  VpndPrefix network = prefix_of ("10.0.0.0/8");

  for (guint i = 0; i < VPND_PROFILE_ALLOWED_MAX; i++)
    g_array_append_val (first_peer (p)->allowed_ips, network);
}

static const struct
{
  Change change;
  const char *key;
  VpndError code;
} refusals[] = {
  { no_key, "PrivateKey", VPND_ERROR_INVALID_ARGUMENT },
  { no_address, "Address", VPND_ERROR_INVALID_ARGUMENT },
  { multicast_address, "Address", VPND_ERROR_INVALID_ARGUMENT },
  { no_peer, "Peer", VPND_ERROR_INVALID_ARGUMENT },
  { same_peer, "PublicKey", VPND_ERROR_INVALID_ARGUMENT },
  { small_mtu, "MTU", VPND_ERROR_INVALID_ARGUMENT },
  { large_mtu, "MTU", VPND_ERROR_INVALID_ARGUMENT },
  { dns_multicast, "DNS", VPND_ERROR_INVALID_ARGUMENT },
  { search_bad, "DNS", VPND_ERROR_INVALID_ARGUMENT },
  { name_bad, "name", VPND_ERROR_INVALID_ARGUMENT },
  { zero_public, "PublicKey", VPND_ERROR_INVALID_ARGUMENT },
  { host_bits, "AllowedIPs", VPND_ERROR_INVALID_ARGUMENT },
  { zero_port, "Endpoint", VPND_ERROR_INVALID_ARGUMENT },
  { broadcast_endpoint, "Endpoint", VPND_ERROR_INVALID_ARGUMENT },
  { same_family, "Endpoint", VPND_ERROR_INVALID_ARGUMENT },
  { host_bad, "Endpoint", VPND_ERROR_INVALID_ARGUMENT },
  { host_no_port, "Endpoint", VPND_ERROR_INVALID_ARGUMENT },
  { bridge_here, "bridge.address", VPND_ERROR_INVALID_ARGUMENT },
  { bridge_no_port, "bridge.port", VPND_ERROR_INVALID_ARGUMENT },
  { bridge_no_proxy, "bridge.localPort", VPND_ERROR_INVALID_ARGUMENT },
  { bridge_no_protocol, "bridge.protocol", VPND_ERROR_INVALID_ARGUMENT },
  { bridge_two_servers, "bridge:", VPND_ERROR_INVALID_ARGUMENT },
  { many_peers, "Peer", VPND_ERROR_TOO_LARGE },
  { many_networks, "AllowedIPs", VPND_ERROR_TOO_LARGE },
};

/* Every change that makes a profile invalid also makes it another profile. */
static void
test_validate (void)
{
  g_autoptr (VpndProfile) good = make_profile ();
  g_autoptr (GError) error = NULL;

  g_assert_true (vpnd_profile_validate (good, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autoptr (VpndProfile) bad = make_profile ();

      refusals[i].change (bad);
      g_assert_false (vpnd_profile_validate (bad, &error));
      g_assert_error (error, VPND_ERROR, (int) refusals[i].code);
      g_assert_true (g_str_has_prefix (error->message, refusals[i].key));
      g_assert_false (vpnd_profile_equal (good, bad));
      g_clear_error (&error);
    }
}

static void
test_bridge (void)
{
  g_autoptr (VpndProfile) plain = make_profile ();
  g_autoptr (VpndProfile) bridged = NULL;
  g_autoptr (VpndProfile) named = NULL;
  g_autoptr (VpndProfile) back = NULL;
  const VpndBridge bridge = { { { addr_of ("2001:db8::9"), 443 }, IPPROTO_TCP }, 1080, 998 };

  bridged = vpnd_profile_dup_with_bridge (plain, &bridge);
  named = vpnd_profile_dup_named (bridged, "home");
  back = vpnd_profile_dup_with_bridge (named, NULL);
  g_assert_true (vpnd_profile_validate (bridged, NULL));
  g_assert_false (vpnd_profile_equal (plain, bridged));
  g_assert_true (vpnd_profile_equal (bridged, named));
  g_assert_true (vpnd_profile_equal (plain, back));
  g_assert_true (vpnd_bridge_is_set (&bridged->bridge) && !vpnd_bridge_is_set (&back->bridge));
}

static void
test_dup_named (void)
{
  g_autoptr (VpndProfile) profile = make_profile ();
  g_autoptr (VpndProfile) again = make_profile ();
  g_autoptr (VpndProfile) other = NULL;
  g_autoptr (VpndProfile) back = NULL;

  profile->gateway4 = addr_of ("10.64.0.1");
  profile->mtu = 1400;
  profile->listen_port = 7;
  profile->routes_off = TRUE;
  g_assert_false (vpnd_profile_equal (profile, again));
  other = vpnd_profile_dup_named (profile, "other");
  back = vpnd_profile_dup_named (other, "home");
  g_assert_false (vpnd_profile_equal (profile, other));
  g_assert_true (vpnd_profile_equal (profile, back));

  /* The copy shares nothing that could change under it. */
  g_array_set_size (first_peer (other)->allowed_ips, 0);
  g_assert_true (vpnd_profile_equal (profile, back));
}

static void
test_names (void)
{
  static const char *const good[] = { "a", "A9", "a.b_c-d", "_x", "9", "a..b" };
  static const char *const bad[] = { "", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "a\\b", "a$b", "\xc3\xa9", "a:b", "a*" };
  static const char *const good_hosts[] = { "a", "vpn.example.net", "a-b.c_d.example", "1.example", "example.", "3d" };
  static const char *const bad_hosts[] = { "", ".", "a..b", ".a", "-a", "a-", "10.1", "1.2.3.4", "0x7f000001", "a b", "a;b", "$(id)", "a/b", "a%b", "[::1]", "\xc3\xa9.example" };
  g_autofree char *longest = g_strnfill (VPND_PROFILE_NAME_MAX, 'x');
  g_autofree char *too_long = g_strnfill (VPND_PROFILE_NAME_MAX + 1, 'x');

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (vpnd_profile_name_is_valid (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (vpnd_profile_name_is_valid (bad[i]));
  g_assert_true (vpnd_profile_name_is_valid (longest));
  g_assert_false (vpnd_profile_name_is_valid (too_long));
  for (guint i = 0; i < G_N_ELEMENTS (good_hosts); i++)
    g_assert_true (vpnd_host_name_is_valid (good_hosts[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad_hosts); i++)
    g_assert_false (vpnd_host_name_is_valid (bad_hosts[i]));
  for (guint i = 0; i < G_N_ELEMENTS (good_hosts); i++)
    {
      g_autofree char *routed = g_strconcat ("~", good_hosts[i], NULL);

      g_assert_true (vpnd_search_domain_is_valid (good_hosts[i]) && vpnd_search_domain_is_valid (routed));
      g_assert_false (vpnd_host_name_is_valid (routed)); /* an endpoint is not routed */
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad_hosts); i++)
    {
      g_autofree char *routed = g_strconcat ("~", bad_hosts[i], NULL);

      g_assert_false (vpnd_search_domain_is_valid (bad_hosts[i]));
      g_assert_true (!vpnd_search_domain_is_valid (routed) || strcmp (routed, "~.") == 0);
    }
  g_assert_true (vpnd_search_domain_is_valid ("~."));
  g_assert_false (vpnd_search_domain_is_valid ("~"));
  g_assert_false (vpnd_search_domain_is_valid ("~~a.example"));
}

static void
test_primary_peer (void)
{
  g_autoptr (VpndProfile) profile = make_profile ();
  VpndPeer *lan = make_peer (2);

  g_assert_true (vpnd_profile_primary_peer (profile) == first_peer (profile));
  g_array_set_size (lan->allowed_ips, 0);
  append_prefix (lan->allowed_ips, "10.0.0.0/8");
  g_ptr_array_insert (profile->peers, 0, lan);
  g_assert_true (vpnd_profile_primary_peer (profile) == g_ptr_array_index (profile->peers, 1));
  g_ptr_array_remove_index (profile->peers, 1);
  g_assert_true (vpnd_profile_primary_peer (profile) == lan);
  g_assert_true (vpnd_profile_routes_family (profile, AF_INET));
  g_assert_false (vpnd_profile_routes_family (profile, AF_INET6));
  g_assert_true (vpnd_profile_has_address (profile, AF_INET6));
  no_address (profile);
  g_assert_false (vpnd_profile_has_address (profile, AF_INET6));
}

static void
assert_servers (const VpndProfile *profile, const VpndSettings *settings, const char *expected)
{
  g_autoptr (VpndDnsPlan) plan = vpnd_dns_plan_build (profile, settings);
  g_autoptr (VpndDnsPlan) again = vpnd_dns_plan_build (profile, settings);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < plan->servers->len; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", vpnd_addr_format (&g_array_index (plan->servers, VpndAddr, i), buffer));
    }
  g_assert_cmpstr (text->str, ==, expected);
  g_assert_cmpstr (plan->ifname, ==, VPND_IFNAME);
  g_assert_true (vpnd_dns_plan_equal (plan, again));
  g_assert_cmpint (vpnd_dns_plan_is_empty (plan), ==, expected[0] == '\0');
  g_assert_cmpuint (plan->search->len, ==, expected[0] == '\0' ? 0 : profile->dns_search->len);
}

static void
test_dns_plan (void)
{
  g_autoptr (VpndProfile) profile = make_profile ();
  g_autoptr (VpndSettings) defaults = vpnd_settings_new_default ();
  g_autoptr (VpndSettings) no_v6 = vpnd_settings_with (defaults, vpnd_setting_info_by_key ("ipv6"), g_variant_new_boolean (FALSE), NULL);
  g_autoptr (VpndSettings) custom = vpnd_settings_with (defaults, vpnd_setting_info_by_key ("dns-servers"),
      g_variant_new_parsed ("['2001:db8::53', '127.0.0.1', '192.0.2.53']"), NULL);

  assert_servers (profile, defaults, "10.64.0.1 fc00::1");
  assert_servers (profile, no_v6, "10.64.0.1");
  assert_servers (profile, custom, "2001:db8::53 127.0.0.1 192.0.2.53");

  g_array_remove_index (profile->addresses, 1);
  assert_servers (profile, defaults, "10.64.0.1");
  assert_servers (profile, custom, "127.0.0.1 192.0.2.53");

  g_array_remove_index (first_peer (profile)->allowed_ips, 0);
  assert_servers (profile, defaults, "");
  assert_servers (profile, custom, "127.0.0.1");

  profile->routes_off = TRUE;
  assert_servers (profile, custom, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/profile/validate", test_validate);
  g_test_add_func ("/profile/bridge", test_bridge);
  g_test_add_func ("/profile/dup-named", test_dup_named);
  g_test_add_func ("/profile/names", test_names);
  g_test_add_func ("/profile/primary-peer", test_primary_peer);
  g_test_add_func ("/profile/dns-plan", test_dns_plan);
  return g_test_run ();
}
