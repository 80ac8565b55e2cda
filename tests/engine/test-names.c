/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine on a host in memory, and names: servers and bridges that are known by one, and rules of split tunnelling by domain.
 */
#include "config.h"

#include "engine-rig.h"

#include "error.h"
#include "random-values.h"
#include "transition.h"

#include <string.h>

static void
test_lookup (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndAddr addr = random_public_addr (AF_INET);
  g_autoptr (GError) error = NULL;

  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  g_assert_false (activate (rig, profile, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE);
  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));

  rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_array_append_val (rig->host->lookup, addr);
  g_ptr_array_set_size (rig->host->journal, 0);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_cmpint (find_call (rig->host, "names.lookup"), <, find_call (rig->host, "firewall.apply")); /* before the lock */
  g_assert_true (vpnd_addr_equal (&((VpndTunnelPeer *) g_ptr_array_index (rig->host->config->peers, 0))->endpoint.addr, &addr));

  /* A closed host can ask for no name: the address of the last time is taken. One that never was looked up stays refused. */
  deactivate (rig);
  g_clear_error (&error);
  g_clear_pointer (&rig->host->lookup, g_array_unref);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_true (vpnd_addr_equal (&((VpndTunnelPeer *) g_ptr_array_index (rig->host->config->peers, 0))->endpoint.addr, &addr));
  g_free (peer->host);
  peer->host = g_strdup ("other.example");
  g_assert_false (activate (rig, profile, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE);
}

/* A start that connects by itself closes the host before anything else, and asks for no name. */
static void
test_auto_connect_by_name (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndAddr addr = random_public_addr (AF_INET);

  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_array_append_val (rig->host->lookup, addr);
  g_assert_true (vpnd_profile_store_save (rig->profiles, profile, FALSE, NULL));
  g_assert_true (activate (rig, profile, NULL));
  deactivate (rig);
  set_setting (rig, "auto-connect", g_variant_new_boolean (TRUE));
  set_setting (rig, "auto-connect-profile", g_variant_new_string ("home"));
  rig_crash (rig);
  g_ptr_array_set_size (rig->host->journal, 0);
  rig_boot (rig);
  assert_status (rig, "connecting", "", TRUE);
  for (guint i = 0; i < rig->host->journal->len; i++)
    g_assert_cmpstr (g_ptr_array_index (rig->host->journal, i), !=, "names.lookup");
  g_assert_cmpint (find_call (rig->host, "firewall.apply"), ==, find_call (rig->host, "split.apply") + 1); /* before that there are classes, and nothing else */
  g_assert_cmpint (find_call (rig->host, "split.apply"), ==, 1);
  deactivate (rig);

  set_setting (rig, "auto-connect-profile", g_variant_new_string ("gone"));
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "error", "profile-unusable", TRUE);
}

/* A start whose server has a name that nobody knows: closed, and asked for ever more slowly until it is known, or until the user ends it. */
static void
test_unknown_name_is_asked_for_again (void)
{
  for (guint round = 0; round < 2; round++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
      VpndAddr addr = random_public_addr (AF_INET);
      guint asked;

      g_array_set_size (peer->endpoints, 0);
      peer->host = g_strdup ("never.example");
      g_assert_true (vpnd_profile_store_save (rig->profiles, profile, FALSE, NULL));
      set_setting (rig, "auto-connect", g_variant_new_boolean (TRUE));
      set_setting (rig, "auto-connect-profile", g_variant_new_string ("home"));
      rig_crash (rig);
      rig_boot (rig);
      g_ptr_array_set_size (rig->host->journal, 0);
      for (guint second = 0; second < 120; second++)
        {
          fake_host_advance (rig->host, 1000);
          settle ();
        }
      assert_status (rig, "error", "endpoint-unresolvable", TRUE);
      asked = count_calls (rig->host, "names.lookup");
      g_assert_cmpuint (asked, >=, 6); /* after 1, 3, 7, 15, 31, 61, 91 s */
      g_assert_cmpuint (asked, <=, 8);

      rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
      g_array_append_val (rig->host->lookup, addr);
      if (round == 1)
        deactivate (rig);
      fake_host_advance (rig->host, VPND_LOOKUP_MAX_MS);
      settle ();
      if (round == 1)
        g_assert_cmpuint (count_calls (rig->host, "names.lookup"), ==, asked);
      assert_status (rig, round == 0 ? "connecting" : "disconnected", "", round == 0);
    }
}

/* What the device is told, and what the rules and the sockets are judged by. */
static void
assert_bridged (Rig *rig, const VpndBridge *bridge)
{
  VpndEndpoint local = vpnd_bridge_local_endpoint (bridge);
  g_autoptr (VpndStatus) status = vpnd_engine_dup_status (rig->engine);
  g_autofree char *service = vpnd_service_port_to_string (&bridge->service);

  g_assert_true (vpnd_endpoint_equal (&((VpndTunnelPeer *) g_ptr_array_index (rig->host->config->peers, 0))->endpoint, &local));
  g_assert_true (vpnd_bridge_equal (&rig->host->config->bridge, bridge));
  g_assert_true (vpnd_bridge_equal (&rig->host->sockets->bridge, bridge));
  g_assert_cmpstr (status->bridge, ==, service);
}

/* A bridge stays the first hop whatever happens, nobody looks the server's name up, and it is the bridge that needs a network. */
static void
test_bridge (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) plain = make_profile ("home");
  const VpndBridge bridge = { { { random_public_addr (AF_INET), 443 }, IPPROTO_TCP }, 1020, 0 };
  g_autoptr (VpndProfile) profile = vpnd_profile_dup_with_bridge (plain, &bridge);
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndFacts *online = vpnd_facts_ref (rig->host->facts);
  VpndFacts *other_family = vpnd_facts_new ();

  while (profile->peers->len > 1)
    g_ptr_array_remove_index (profile->peers, 1);
  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  g_assert_true (activate (rig, profile, NULL));
  assert_bridged (rig, &bridge);
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);

  /* The proxy dies: what is sent is not answered. */
  for (guint i = 0; i < 40; i++)
    {
      rig->host->tx_bytes += 100;
      rig->host->handshake_s = 0;
      fake_host_advance (rig->host, 1000);
    }
  assert_status (rig, "connecting", "", TRUE);
  assert_bridged (rig, &bridge);
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);

  other_family->ipv6_enabled = TRUE;
  other_family->default6 = (VpndDefaultRoute){ TRUE, 3, "wlan0", { AF_INET6, { 0xfe, 0x80 } }, 1500 };
  fake_host_set_facts (rig->host, other_family);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "ip-family-unavailable", TRUE);
  fake_host_set_facts (rig->host, online);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "connecting", "", TRUE);
  assert_bridged (rig, &bridge);

  set_setting (rig, "crash-recovery", g_variant_new_string ("reconnect"));
  rig_crash (rig);
  rig_boot (rig);
  assert_status (rig, "connecting", "", TRUE);
  assert_bridged (rig, &bridge);
  for (guint i = 0; i < rig->host->journal->len; i++)
    g_assert_cmpstr (g_ptr_array_index (rig->host->journal, i), !=, "names.lookup");
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* A profile without a server is refused, and takes nothing from the connection that there is. */
static void
test_no_server (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) home = make_profile ("home"), serverless = make_profile ("serverless");
  VpndPeer *peer = g_ptr_array_index (serverless->peers, 0);
  g_autoptr (GError) error = NULL;

  g_array_set_size (peer->endpoints, 0);
  g_assert_true (activate (rig, home, NULL));
  g_ptr_array_set_size (rig->host->journal, 0);
  g_assert_false (activate (rig, serverless, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_ENDPOINT_UNRESOLVABLE);
  g_assert_cmpuint (rig->host->journal->len, ==, 0);
  assert_status (rig, "connecting", "", TRUE);
}

/* Who asks to disconnect while a name is being looked up is not connected afterwards. */
static void
test_lookup_is_withdrawn (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndAddr addr = random_public_addr (AF_INET);
  g_auto (Answer) first = { 0 };
  g_auto (Answer) second = { 0 };
  g_auto (Answer) end = { 0 };

  g_array_set_size (peer->endpoints, 0);
  peer->host = g_strdup ("vpn.example");
  rig->host->lookup = g_array_new (FALSE, FALSE, sizeof (VpndAddr));
  g_array_append_val (rig->host->lookup, addr);
  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &first);
  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &second);
  vpnd_engine_deactivate_async (rig->engine, NULL, on_answer, &end);
  wait_for (&first);
  wait_for (&second);
  wait_for (&end);
  g_assert_error (first.error, VPND_ERROR, VPND_ERROR_CANCELLED);
  g_assert_error (second.error, VPND_ERROR, VPND_ERROR_CANCELLED);
  fake_host_advance (rig->host, 1000);
  assert_status (rig, "disconnected", "", FALSE);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* --- rules by domain --- */

static const char *
add_domain (Rig *rig, const char *domain)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_DOMAIN, domain, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, &error);
  const VpndSplitChange change = { .rule = rule };
  g_auto (Answer) answer = { 0 };

  g_assert_no_error (error);
  vpnd_engine_change_split_async (rig->engine, &change, NULL, on_answer, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
  return vpnd_split_tunnel_get_reason (vpnd_engine_get_split (rig->engine), rule);
}

static guint64
resolver_says (Rig *rig, const char *name, const VpndAddr *addr)
{
  g_autoptr (VpndDnsAnswer) answer = g_new0 (VpndDnsAnswer, 1);
  const VpndDnsAddress address = { .addr = *addr, .ttl_s = 60 };

  answer->names = g_ptr_array_new_with_free_func (g_free);
  answer->addresses = g_array_new (FALSE, FALSE, sizeof (VpndDnsAddress));
  g_ptr_array_add (answer->names, g_strdup (name));
  g_array_append_val (answer->addresses, address);
  return fake_host_answer (rig->host, answer);
}

static guint
known_addresses (Rig *rig)
{
  const VpndSet *set = vpnd_ruleset_find_set (rig->host->ruleset, "split_names_out4");

  g_assert_nonnull (set);
  return set->elements->len;
}

/* The address stands in the rules before the answer goes on; the tunnel's own never do. */
static void
test_domains (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  const VpndAddr public_addr = { AF_INET, { 203, 0, 113, 200 } };
  VpndAddr server = { 0 };
  g_autoptr (GError) error = NULL;
  guint applied;

  g_assert_true (activate (rig, profile, &error));
  g_assert_no_error (error);
  rig->host->handshake_s = 1000;
  fake_host_advance (rig->host, 20);
  g_assert_null (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  g_assert_null (add_domain (rig, "example.test"));
  g_assert_true (rig->host->listens);
  g_assert_nonnull (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  g_assert_cmpuint (known_addresses (rig), ==, 0);

  g_assert_cmpuint (resolver_says (rig, "www.example.test", &public_addr), >, 0);
  g_assert_cmpuint (rig->host->held->len, ==, 1);
  fake_host_advance (rig->host, VPND_SPLIT_NAMES_PAUSE_MS + 1);
  g_assert_cmpuint (known_addresses (rig), ==, 1);
  g_assert_cmpuint (rig->host->held->len, ==, 0);

  applied = rig->host->calls;
  (void) resolver_says (rig, "www.example.test", &public_addr); /* known already */
  (void) resolver_says (rig, "www.other.test", &public_addr);
  for (guint i = 0; i < profile->dns_servers->len; i++)
    {
      server = g_array_index (profile->dns_servers, VpndAddr, i);
      (void) resolver_says (rig, "www.example.test", &server);
    }
  fake_host_advance (rig->host, 100);
  g_assert_cmpuint (rig->host->held->len, ==, 0);
  g_assert_cmpuint (rig->host->calls, ==, applied);
  g_assert_cmpuint (known_addresses (rig), ==, 1);

  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* What the kernel cannot do is told. A ruleset that it does not take gives way to one without any of this: then there is nothing to wait for. */
static void
test_domains_refused (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  const VpndAddr public_addr = { AF_INET, { 203, 0, 113, 200 } };
  g_autoptr (GError) error = NULL;

  rig->host->queue = VPND_QUEUE_NONE;
  g_assert_true (activate (rig, profile, &error));
  g_assert_no_error (error);
  rig->host->handshake_s = 1000;
  fake_host_advance (rig->host, 20);
  g_assert_nonnull (strstr (add_domain (rig, "example.test"), "CONFIG_NFT_QUEUE")); /* who set it is told */
  g_assert_null (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));

  rig->host->queue = VPND_QUEUE_TARGET;
  g_assert_null (add_domain (rig, "other.test"));
  g_assert_nonnull (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  rig->host->fail_at = rig->host->calls + 1;
  (void) resolver_says (rig, "other.test", &public_addr);
  fake_host_advance (rig->host, VPND_SPLIT_NAMES_PAUSE_MS + 1);
  g_assert_null (vpnd_ruleset_find_chain (rig->host->ruleset, "names"));
  g_assert_cmpuint (rig->host->held->len, ==, 0);
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/domains", test_domains);
  g_test_add_func ("/engine/domains-refused", test_domains_refused);
  g_test_add_func ("/engine/lookup", test_lookup);
  g_test_add_func ("/engine/bridge", test_bridge);
  g_test_add_func ("/engine/no-server", test_no_server);
  g_test_add_func ("/engine/auto-connect-by-name", test_auto_connect_by_name);
  g_test_add_func ("/engine/unknown-name-is-asked-for-again", test_unknown_name_is_asked_for_again);
  g_test_add_func ("/engine/lookup-is-withdrawn", test_lookup_is_withdrawn);
  return rig_run (ring);
}
