/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of each policy against the reviewed one in tests/golden. A change of the rules shows there as a change of words that a human reads;
 * with UPDATE_GOLDEN=1 in the environment the files are written anew. That nft(8) and the kernel read these texts as we do is proved in tests/lab-c.
 */
#include "config.h"

#include "policy.h"

#include "net-values.h"
#include "reserved.h"
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
  gboolean has_split;
  VpndSplitMode mode;
  const char *split; /* rules: kind, value, class, profile; a ";" behind each */
} Case;

#define ALL_KINDS "uid 1000 excluded;uid 1002 excluded;uid 1001 included;subnet 198.51.100.0/24 excluded;subnet 2001:db8:1::/48 excluded;domain example.org excluded;"

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
  { "blocked-split", VPND_POLICY_BLOCKED, .has_split = TRUE, .split = "" },
  { "connecting-split", VPND_POLICY_CONNECTING, .has_split = TRUE, .split = "" },
  { "connected-split", VPND_POLICY_CONNECTED, .has_split = TRUE, .split = ALL_KINDS },
  { "connecting-include", VPND_POLICY_CONNECTING, .has_split = TRUE, .mode = VPND_SPLIT_MODE_INCLUDE, .split = "" },
  { "connected-include", VPND_POLICY_CONNECTED, .has_split = TRUE, .mode = VPND_SPLIT_MODE_INCLUDE, .split = "uid 1001 included;subnet 198.51.100.0/24 included;" },
  { "connected-include-unit", VPND_POLICY_CONNECTED, .has_split = TRUE, .mode = VPND_SPLIT_MODE_INCLUDE, .split = "unit mail.service included;" },
};

static VpndProfile *
new_profile (void)
{
  static const guint8 bytes[VPND_KEY_BYTES] = { 1 };
  VpndProfile *profile = vpnd_profile_new ("golden");
  VpndPeer *peer = vpnd_peer_new ();
  VpndPrefix prefixes[] = { prefix_of ("10.64.0.2/32"), prefix_of ("fd00:64::2/128"), prefix_of ("0.0.0.0/0"), prefix_of ("::/0") };
  VpndEndpoint endpoint = { addr_of ("203.0.113.2"), 51820 };
  VpndAddr resolver = addr_of ("10.64.0.1");

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

static VpndSplitConfig *
new_split_config (const Case *one)
{
  g_auto (GStrv) texts = g_strsplit (one->split, ";", 0);
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  g_autoptr (GError) error = NULL;
  VpndSplitConfig *config;

  for (guint i = 0; texts[i] != NULL && *texts[i] != '\0'; i++)
    {
      g_auto (GStrv) words = g_strsplit (texts[i], " ", 0);
      VpndSplitKind kind;
      VpndSplitClass class_;

      g_assert_true (vpnd_split_kind_from_string (words[0], &kind));
      g_assert_true (vpnd_split_class_from_string (words[2], &class_));
      g_ptr_array_add (rules, vpnd_split_rule_new (kind, words[1], class_, NULL, VPND_SPLIT_OWNER_SYSTEM, &error));
      g_assert_no_error (error);
    }
  config = vpnd_split_config_new_from_rules (one->mode, rules, &error);
  g_assert_no_error (error);
  return config;
}

static VpndSplitPlan *
new_split_plan (const Case *one)
{
  g_autoptr (VpndSplitConfig) config = NULL;
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 2);
  g_autoptr (GArray) outside_dns = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_autoptr (GArray) names = g_array_new (FALSE, FALSE, sizeof (VpndSplitName));
  g_autoptr (GArray) addrs = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  const VpndSplitFacts facts = { .standing = standing, .names = names, .queue = VPND_QUEUE_NATIVE, .outside_dns = outside_dns, .has_asked = TRUE };
  const VpndAddr server = addr_of ("192.168.7.1");
  const VpndAddr host = addr_of ("192.0.2.80");
  const VpndSplitName name = { "example.org", addrs };

  if (!one->has_split)
    return NULL;
  config = new_split_config (one);
  standing->excluded_id = 4711;
  standing->included_id = 4712;
  vpnd_split_standing_add_bound (standing, "golden", 4713);
  vpnd_split_standing_add_bound (standing, "other", 4714);
  vpnd_split_standing_add_unit (standing, VPND_SPLIT_EXCLUDED, NULL, 3, 5000);
  vpnd_split_standing_add_folder (standing, VPND_SPLIT_OWNER_SYSTEM, 0, 1);
  vpnd_split_standing_add_folder (standing, VPND_SPLIT_OWNER_SYSTEM, 1, 5001);
  vpnd_split_standing_add_folder (standing, VPND_SPLIT_OWNER_SYSTEM, 1, 5002);
  vpnd_split_standing_add_folder (standing, 1000, 4, 5003); /* of a manager that no rule is about */
  standing->newest = 6000;
  standing->hold = VPND_QUEUE_NATIVE;
  g_array_append_val (outside_dns, server);
  g_array_append_val (addrs, host);
  g_array_append_val (names, name);
  return vpnd_split_plan_build (config, &facts);
}

static char *
build_text (const Case *one)
{
  g_autoptr (VpndSplitPlan) split = new_split_plan (one);
  g_autoptr (VpndProfile) profile = new_profile ();
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = vpnd_facts_new ();
  g_autoptr (VpndTunnelConfig) config = NULL;
  g_autoptr (VpndRoutePlan) routes = NULL;
  g_autoptr (VpndDnsPlan) dns = NULL;
  g_autoptr (VpndRuleset) ruleset = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) resolvers = g_strsplit (one->resolvers != NULL ? one->resolvers : "", " ", 0);
  VpndHop guests = { prefix_of ("172.17.0.0/16"), 5, "docker0" };
  VpndServicePort api = { { addr_of ("198.51.100.44"), 443 }, IPPROTO_TCP };
  VpndCause cause;

  facts->ipv6_enabled = TRUE;
  facts->default4 = (VpndDefaultRoute){ TRUE, 2, "eth0", addr_of ("192.168.7.1"), 1500 };
  if (one->has_guests)
    {
      g_array_append_val (facts->bridges, guests);
      facts->forwards = TRUE;
    }
  settings->allow_lan = one->allow_lan;
  for (guint i = 0; resolvers[i] != NULL; i++)
    {
      VpndAddr resolver = addr_of (resolvers[i]);

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
  config = vpnd_tunnel_plan_build (profile, settings, facts, FALSE, VPND_LISTEN_PORT_FIRST, &cause);
  g_assert_nonnull (config);
  routes = vpnd_route_plan_build (profile, settings, facts);
  dns = vpnd_dns_plan_build (profile, settings);
  ruleset = vpnd_policy_build (&(VpndPolicyInput){ one->kind, config, routes, dns, settings, facts, 10, split, profile->name });
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
