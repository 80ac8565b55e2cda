/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine on a host in memory whose network changes: other networks and none, a lost peer or device, a narrow path, sleep.
 */
#include "config.h"

#include "engine-rig.h"

#include "engine-private.h"
#include "reserved.h"
#include "transition.h"

/* An address that arrives just when the peer has answered does not throw the answer away; another way does. */
static void
test_address_arrives_while_connecting (void)
{
  for (guint other_way = 0; other_way < 2; other_way++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      VpndFacts *facts = vpnd_facts_new ();

      g_assert_true (activate (rig, profile, NULL));
      rig->host->handshake_s = 1000;
      facts->default4 = rig->host->facts->default4;
      facts->default4.sources = 4711;
      if (other_way)
        facts->default4.gateway.bytes[3]++;
      facts->ipv6_enabled = rig->host->facts->ipv6_enabled;
      fake_host_set_facts (rig->host, facts);
      if (other_way)
        vpnd_engine_post (rig->engine, VPND_EVENT_HANDSHAKE); /* the watch saw it a moment ago; the session is being forgotten */
      settle ();
      g_assert_cmpint (rig->host->handshake_s, ==, other_way ? 0 : 1000);
      fake_host_advance (rig->host, 20);
      g_assert_cmpuint (rig->connected, ==, other_way ? 0 : 1);
    }
}

/* A router of IPv6 is heard while a server of IPv4 is asked, as at boot: that is another way, but not the one to the server. */
static void
test_other_family_while_connecting (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  const VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndFacts *facts = vpnd_facts_new ();

  g_assert_cmpint (g_array_index (peer->endpoints, VpndEndpoint, 0).addr.family, ==, AF_INET);
  g_assert_true (activate (rig, profile, NULL));
  rig->host->handshake_s = 1000;
  facts->default4 = rig->host->facts->default4;
  facts->default6 = (VpndDefaultRoute){ .present = !rig->host->facts->default6.present, .ifindex = 2, .ifname = "eth0", .mtu = 1500, .sources = 1 };
  facts->ipv6_enabled = TRUE;
  g_ptr_array_set_size (rig->host->journal, 0);
  fake_host_set_facts (rig->host, facts);
  settle ();
  g_assert_cmpint (rig->host->handshake_s, ==, 1000); /* not forgotten */
  fake_host_advance (rig->host, 20);
  g_assert_cmpuint (rig->connected, ==, 1);
}

/* The server has addresses of both families, IPv6 first: when a way to that one is there before the other has answered, it is asked there. */
static void
test_nearer_address_while_connecting (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  GArray *endpoints = ((VpndPeer *) g_ptr_array_index (profile->peers, 0))->endpoints;
  VpndFacts *facts = vpnd_facts_new ();
  VpndEndpoint six = { .port = 51820 };
  const VpndTunnelPeer *peer;

  g_assert_true (vpnd_addr_parse ("2001:db8::51", &six.addr));
  g_array_prepend_val (endpoints, six);
  facts->default4 = rig->host->facts->default4;
  facts->ipv6_enabled = TRUE;
  fake_host_set_facts (rig->host, facts);
  settle ();
  g_assert_true (activate (rig, profile, NULL));
  peer = g_ptr_array_index (rig->host->config->peers, 0);
  g_assert_cmpint (peer->endpoint.addr.family, ==, AF_INET);

  facts = vpnd_facts_new ();
  facts->default4 = rig->host->facts->default4;
  facts->default6 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  facts->ipv6_enabled = TRUE;
  rig->host->handshake_s = 1000; /* of the address of before */
  fake_host_set_facts (rig->host, facts);
  settle ();
  peer = g_ptr_array_index (rig->host->config->peers, 0);
  g_assert_true (vpnd_endpoint_equal (&peer->endpoint, &six));
  g_assert_cmpint (rig->host->handshake_s, ==, 0); /* another attempt */
}

/* The address of the uplink changes, and nothing else: the device is told anew where the peer is, the peer where we are, and nobody that the
 * tunnel was ever gone. The same facts once more are no reason for anything. */
static void
test_network_moves (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndFacts *facts;
  guint probes;

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  settle ();
  for (guint round = 0; round < 2; round++)
    {
      probes = rig->host->probes;
      g_ptr_array_set_size (rig->host->journal, 0);
      facts = vpnd_facts_new ();
      facts->default4 = rig->host->facts->default4;
      facts->default4.sources = 4711;
      facts->ipv6_enabled = rig->host->facts->ipv6_enabled;
      fake_host_set_facts (rig->host, facts);
      settle ();
      g_assert_cmpuint (rig->host->probes - probes, ==, round == 0 ? 1 : 0);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.configure"), ==, round == 0 ? 1 : 0);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 0);
    }
  assert_status (rig, "connected", "", TRUE);
  g_assert_cmpuint (rig->connected, ==, 1);
}

/* A free port is looked for when a device is made, and at no other event; the device keeps it. */
static void
test_port_of_the_device (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndProfile) other = make_profile ("office");
  VpndFacts *facts = vpnd_facts_new ();
  guint16 port;

  profile->listen_port = 0;
  other->listen_port = 4711;
  g_assert_cmpuint (count_calls (rig->host, "prober.find-port"), ==, 0);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_cmpuint (count_calls (rig->host, "prober.find-port"), ==, 1);
  port = rig->host->config->listen_port;
  g_assert_cmpuint (port, >=, VPND_LISTEN_PORT_FIRST);

  shake_hands (rig);
  facts->default4 = rig->host->facts->default4;
  facts->default4.gateway.bytes[3]++;
  facts->ipv6_enabled = TRUE;
  fake_host_set_facts (rig->host, facts);
  settle ();
  vpnd_engine_resume (rig->engine);
  settle ();
  assert_status (rig, "connecting", "", TRUE); /* another attempt, on the device of before */
  g_assert_cmpuint (count_calls (rig->host, "prober.find-port"), ==, 1);
  g_assert_cmpuint (rig->host->config->listen_port, ==, port);

  vpnd_engine_post (rig->engine, VPND_EVENT_RECONNECT);
  settle ();
  g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 2);
  g_assert_cmpuint (count_calls (rig->host, "prober.find-port"), ==, 2);

  g_assert_true (activate (rig, other, NULL));
  g_assert_cmpuint (count_calls (rig->host, "prober.find-port"), ==, 2);
  g_assert_cmpuint (rig->host->config->listen_port, ==, 4711);
}

/* A path that is smaller than it looks: by what a router said, or by trying, the link is made to fit, and the tunnel stays. A profile's own MTU is
 * none of our business. */
static void
test_path_is_small (void)
{
  static const struct
  {
    guint32 path;
    guint32 profile;
    gboolean is_known;
    guint32 lowest;
    guint32 highest;
  } cases[] = {
    { 0, 0, FALSE, 1420, 1420 },
    { 1400, 0, TRUE, 1340, 1340 },
    { 1400, 0, FALSE, 1325, 1340 },
    { 1400, 1400, TRUE, 1400, 1400 },
    { 100, 0, FALSE, 1420, 1420 }, /* nobody answers anything: nothing is known */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      VpndStatus *status = NULL;

      profile->mtu = cases[i].profile;
      rig->host->path_bytes = cases[i].path;
      rig->host->knows_path = cases[i].is_known;
      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      settle ();
      assert_status (rig, "connected", "", TRUE);
      vpnd_engine_query_status_async (rig->engine, NULL, on_early_status, &status);
      while (status == NULL)
        g_main_context_iteration (NULL, TRUE);
      g_test_message ("case %u", i);
      g_assert_cmpuint (status->mtu, >=, cases[i].lowest);
      g_assert_cmpuint (status->mtu, <=, cases[i].highest);
      vpnd_status_free (status);
      g_assert_cmpuint (rig->connected, ==, 1);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 1);
    }
}

/* After a sleep a new handshake is asked for on the same link; it is up as soon as the peer answers, and says "connecting" until then. */
static void
test_resume (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  settle ();
  rig->host->rx_bytes++;
  fake_host_advance (rig->host, 1000);
  settle ();
  g_ptr_array_set_size (rig->host->journal, 0);
  rig->host->now_us += 10 * G_USEC_PER_SEC; /* nothing runs meanwhile */
  fake_host_advance (rig->host, 100);
  settle ();
  assert_status (rig, "connecting", "", TRUE);
  g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 0);
  g_assert_cmpuint (count_calls (rig->host, "tunnel.configure"), ==, 2); /* sessions forgotten, then the peers once more */
  fake_host_advance (rig->host, VPND_ESTABLISH_AGAIN_MS);
  settle ();
  g_assert_cmpuint (count_calls (rig->host, "tunnel.configure"), ==, 4); /* the answer may have been lost */
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), ==, 0);
  assert_status (rig, "connecting", "", TRUE);
  shake_hands (rig);
  settle ();
  assert_status (rig, "connected", "", TRUE);
}

/* The host may sleep when what was asked for before is done; waking up asks for a new handshake, and on an idle host for nothing. */
static void
test_suspend (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_auto (Answer) activated = { 0 };
  g_auto (Answer) settled = { 0 };

  vpnd_engine_resume (rig->engine);
  assert_status (rig, "disconnected", "", FALSE);
  vpnd_engine_activate_async (rig->engine, profile, NULL, on_answer, &activated);
  while (rig->host->ruleset == NULL)
    g_main_context_iteration (NULL, TRUE); /* it is under way */
  vpnd_engine_suspend_async (rig->engine, NULL, on_answer, &settled);
  g_assert_false (activated.is_done || settled.is_done);
  wait_for (&settled);
  g_assert_true (activated.is_done && activated.ok && rig->host->has_link && rig->host->dns != NULL);

  shake_hands (rig);
  settle ();
  assert_status (rig, "connected", "", TRUE);
  rig->host->now_us += G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;
  vpnd_engine_resume (rig->engine);
  settle ();
  assert_status (rig, "connecting", "", TRUE);
  shake_hands (rig);
  settle ();
  assert_status (rig, "connected", "", TRUE);
}

static void
test_peer_dies_and_returns (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
  for (guint second = 0; second < 25; second++)
    {
      rig->host->tx_bytes += 100; /* the user goes on sending */
      fake_host_advance (rig->host, 1000);
      if (rig->host->handshake_s == 0)
        break;
    }
  g_assert_cmpuint (rig->host->probes, >, 0);
  assert_status (rig, "connecting", "", TRUE);
  g_assert_nonnull (rig->host->ruleset);
  fake_host_advance (rig->host, 300 * 1000);
  assert_status (rig, "connecting", "", TRUE); /* for ever */
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
  g_assert_cmpuint (rig->connected, ==, 2);
}

static void
test_device_dies (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  for (guint i = 0; i < 5; i++)
    {
      guint calls = rig->host->calls;

      vpnd_tunnel_emit_lost (rig->host->tunnel, "killed");
      fake_host_advance (rig->host, 10);
      g_assert_nonnull (rig->host->ruleset);
      g_assert_cmpuint (rig->host->calls - calls, <, 12); /* one that dies at once does not spin */
      fake_host_advance (rig->host, 1000);
      assert_status (rig, "connecting", "", TRUE);
      g_assert_true (rig->host->has_link);
      g_assert_true (warns_of (rig, "link: "));
    }
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
}

static void
test_offline_and_back (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndFacts *offline = vpnd_facts_new ();
  VpndFacts *online = vpnd_facts_new ();

  offline->ipv6_enabled = TRUE;
  online->ipv6_enabled = TRUE;
  online->default4 = (VpndDefaultRoute){ TRUE, 3, "wlan0", { AF_INET, { 192, 0, 2, 9 } }, 1500 };
  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  fake_host_set_facts (rig->host, offline);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "offline", TRUE);
  g_assert_nonnull (rig->host->ruleset);
  fake_host_set_facts (rig->host, online);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "connecting", "", TRUE);
  shake_hands (rig);
  assert_status (rig, "connected", "", TRUE);
}

/* The cause that is told is that of now: a network of the other family came and went while we waited for ours. */
static void
test_cause_follows_the_network (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  VpndFacts *offline[] = { vpnd_facts_new (), vpnd_facts_new () };
  VpndFacts *other = vpnd_facts_new ();
  GArray *endpoints = vpnd_profile_primary_peer (profile)->endpoints;

  offline[0]->ipv6_enabled = offline[1]->ipv6_enabled = other->ipv6_enabled = TRUE;
  other->default6 = (VpndDefaultRoute){ TRUE, 3, "wlan0", { AF_INET6, { 0xfe, 0x80, [15] = 1 } }, 1500 };
  g_array_remove_index (endpoints, g_array_index (endpoints, VpndEndpoint, 0).addr.family == AF_INET ? 1 : 0); /* a server with IPv4 only */
  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  fake_host_set_facts (rig->host, offline[0]);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "offline", TRUE);
  fake_host_set_facts (rig->host, other);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "ip-family-unavailable", TRUE);
  fake_host_set_facts (rig->host, offline[1]);
  fake_host_advance (rig->host, 10);
  assert_status (rig, "error", "offline", TRUE);
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/address-arrives-while-connecting", test_address_arrives_while_connecting);
  g_test_add_func ("/engine/other-family-while-connecting", test_other_family_while_connecting);
  g_test_add_func ("/engine/nearer-address-while-connecting", test_nearer_address_while_connecting);
  g_test_add_func ("/engine/network-moves", test_network_moves);
  g_test_add_func ("/engine/port-of-the-device", test_port_of_the_device);
  g_test_add_func ("/engine/path-is-small", test_path_is_small);
  g_test_add_func ("/engine/resume", test_resume);
  g_test_add_func ("/engine/suspend", test_suspend);
  g_test_add_func ("/engine/peer-dies-and-returns", test_peer_dies_and_returns);
  g_test_add_func ("/engine/device-dies", test_device_dies);
  g_test_add_func ("/engine/offline-and-back", test_offline_and_back);
  g_test_add_func ("/engine/cause-follows-the-network", test_cause_follows_the_network);
  return rig_run (ring);
}
