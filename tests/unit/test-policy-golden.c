/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of each policy against the reviewed one in tests/golden. A change of the rules shows there as a change of words that a human reads;
 * with UPDATE_GOLDEN=1 in the environment the files are written anew. That nft(8) and the kernel read these texts as we do is proved in tests/lab-c.
 */
#include "config.h"

#include "policy.h"

#include "tunnel-plan.h"

#define HEAD "# SPDX-FileCopyrightText: 2026 The vpnd authors\n# SPDX-License-Identifier: GPL-3.0-or-later\n"

typedef struct
{
  const char *name;
  VpndPolicyKind kind;
  gboolean allow_lan;
  const char *resolvers; /* of the settings, separated by blanks */
  gboolean has_guests;
  gboolean has_api;
  const char *bridge; /* address, port and protocol; NULL for none */
  guint32 bridge_uid;
  const char *direct;  /* a link of guests that go beside the tunnel */
  const char *blocked; /* and one of guests that go nowhere */
} Case;

static const Case cases[] = {
  { "blocked", VPND_POLICY_BLOCKED, FALSE, "", FALSE },
  { "blocked-lan", VPND_POLICY_BLOCKED, TRUE, "", FALSE },
  { "connecting", VPND_POLICY_CONNECTING, FALSE, "", FALSE },
  { "blocked-api", VPND_POLICY_BLOCKED, FALSE, "", FALSE, TRUE },
  { "connecting-api", VPND_POLICY_CONNECTING, FALSE, "", FALSE, TRUE },
  { "connected", VPND_POLICY_CONNECTED, FALSE, "", FALSE },
  { "connected-lan", VPND_POLICY_CONNECTED, TRUE, "", FALSE },
  { "connected-custom-dns", VPND_POLICY_CONNECTED, FALSE, "198.51.100.53 192.168.7.53 fd07::53 127.0.0.1", FALSE },
  { "connected-guests", VPND_POLICY_CONNECTED, FALSE, "", TRUE },
  { "connecting-bridge", VPND_POLICY_CONNECTING, FALSE, "", FALSE, TRUE, "198.51.100.9:8388/udp" },
  { "connected-bridge", VPND_POLICY_CONNECTED, FALSE, "", FALSE, FALSE, "[2001:db8::9]:443/tcp", 998 },
  { "blocked-forward", VPND_POLICY_BLOCKED, FALSE, "", TRUE, FALSE, NULL, 0, "virbr0", "docker0" },
  { "connected-forward", VPND_POLICY_CONNECTED, FALSE, "", TRUE, FALSE, NULL, 0, "virbr0", "ve-guest" },
};

static VpndAddr
addr (const char *text)
{
  VpndAddr result;

  g_assert_true (vpnd_addr_parse (text, &result));
  return result;
}

static VpndPrefix
prefix (const char *text)
{
  VpndPrefix result;

  g_assert_true (vpnd_prefix_parse (text, &result));
  return result;
}

static VpndProfile *
new_profile (void)
{
  static const guint8 bytes[VPND_KEY_BYTES] = { 1 };
  VpndProfile *profile = vpnd_profile_new ("golden");
  VpndPeer *peer = vpnd_peer_new ();
  VpndPrefix prefixes[] = { prefix ("10.64.0.2/32"), prefix ("fd00:64::2/128"), prefix ("0.0.0.0/0"), prefix ("::/0") };
  VpndEndpoint endpoint = { addr ("203.0.113.2"), 51820 };
  VpndAddr resolver = addr ("10.64.0.1");

  profile->private_key = vpnd_secret_new (bytes);
  g_array_append_vals (profile->addresses, prefixes, 2);
  g_array_append_vals (peer->allowed_ips, prefixes + 2, 2);
  g_array_append_val (peer->endpoints, endpoint);
  g_array_append_val (profile->dns_servers, resolver);
  g_ptr_array_add (profile->peers, peer);
  return profile;
}

static void
add_forward (VpndSettings *settings, const char *ifname, VpndForwardPolicy policy)
{
  VpndForwardEntry entry = { "", policy };

  if (ifname == NULL)
    return;
  g_strlcpy (entry.ifname, ifname, sizeof entry.ifname);
  g_array_append_val (settings->forward, entry);
}

static char *
build_text (const Case *one)
{
  g_autoptr (VpndProfile) profile = new_profile ();
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  g_autoptr (VpndTunnelConfig) config = NULL;
  g_autoptr (VpndRoutePlan) routes = NULL;
  g_autoptr (VpndDnsPlan) dns = NULL;
  g_autoptr (VpndRuleset) ruleset = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) resolvers = g_strsplit (one->resolvers, " ", 0);
  VpndHop guests = { prefix ("172.17.0.0/16"), 5, "docker0" };
  VpndServicePort api = { { addr ("198.51.100.44"), 443 }, IPPROTO_TCP };
  VpndCause cause;

  facts->ipv6_enabled = TRUE;
  facts->default4 = (VpndDefaultRoute){ TRUE, 2, "eth0", addr ("192.168.7.1"), 1500 };
  if (one->has_guests)
    g_array_append_val (facts->bridges, guests);
  settings->allow_lan = one->allow_lan;
  for (guint i = 0; resolvers[i] != NULL; i++)
    {
      VpndAddr resolver = addr (resolvers[i]);

      g_array_append_val (settings->dns_servers, resolver);
    }
  add_forward (settings, one->direct, VPND_FORWARD_DIRECT);
  add_forward (settings, one->blocked, VPND_FORWARD_BLOCK);
  if (one->has_api)
    g_array_append_val (settings->api_endpoints, api);
  if (one->bridge != NULL)
    {
      g_assert_true (vpnd_service_port_parse (one->bridge, &profile->bridge.service));
      profile->bridge.local_port = 1080;
      profile->bridge.uid = one->bridge_uid;
      facts->default6.present = TRUE;
    }
  config = vpnd_tunnel_plan_build (profile, settings, facts, FALSE, &cause);
  g_assert_nonnull (config);
  routes = vpnd_route_plan_build (profile, settings, facts);
  dns = vpnd_dns_plan_build (profile, settings);
  ruleset = vpnd_policy_build (&(VpndPolicyInput){ one->kind, config, routes, dns, settings, facts, 10 });
  text = vpnd_ruleset_to_text (ruleset);
  return g_strconcat (HEAD, text, NULL);
}

static void
test_golden (gconstpointer data)
{
  const Case *one = data;
  g_autofree char *text = build_text (one);
  g_autofree char *name = g_strdup_printf ("policy-%s.nft", one->name);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "golden", name, NULL);
  g_autofree char *expected = NULL;
  g_autoptr (GError) error = NULL;

  if (g_strcmp0 (g_getenv ("UPDATE_GOLDEN"), "1") == 0)
    {
      g_file_set_contents (path, text, -1, &error);
      g_assert_no_error (error);
    }
  g_file_get_contents (path, &expected, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/policy-golden/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_golden);
    }
  return g_test_run ();
}
