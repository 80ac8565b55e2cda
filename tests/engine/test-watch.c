/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine on a host in memory that others work on, too: rules, routes, sysctls and DNS are put back, and trouble that goes by itself is noticed.
 */
#include "config.h"

#include "engine-rig.h"

#include <string.h>

/* Watched while there is a tunnel, and only then. */
static void
test_router_is_watched (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_null (rig->host->watched);
  g_assert_true (activate (rig, profile, NULL));
  g_assert_nonnull (rig->host->watched);
  shake_hands (rig);
  settle ();
  g_assert_nonnull (rig->host->watched);
  g_assert_cmpint (rig->host->n_routes, ==, rig->host->watched->routes->len + rig->host->watched->rules->len);
  deactivate (rig);
  g_assert_null (rig->host->watched);
  fake_host_disturb (rig->host);
  settle ();
  g_assert_cmpint (rig->host->n_routes, ==, 0);
}

/* Put back at once; one that goes on tearing is answered ever less often, down to once a second; the tunnel stays all the while. */
static void
test_repair (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndStatus) status = NULL;
  int n_routes;
  guint n_warnings = 0;

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  settle ();
  n_routes = rig->host->n_routes;
  g_ptr_array_set_size (rig->host->journal, 0);

  fake_host_disturb (rig->host);
  settle ();
  g_assert_cmpint (rig->host->n_routes, ==, n_routes);
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), ==, 1);
  g_assert_cmpuint (count_calls (rig->host, "firewall.apply"), ==, 0);
  g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), ==, 0);

  for (guint ms = 0; ms < 20000; ms += 10)
    {
      fake_host_disturb (rig->host);
      rig->host->rx_bytes++; /* the peer lives */
      fake_host_advance (rig->host, 10);
      settle ();
    }
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), >=, 20);
  g_assert_cmpuint (count_calls (rig->host, "router.apply"), <=, 20 + 10);
  assert_status (rig, "connected", "", TRUE);
  g_assert_cmpuint (rig->connected, ==, 1);

  status = vpnd_engine_dup_status (rig->engine);
  for (guint i = 0; status->warnings[i] != NULL; i++)
    n_warnings += strstr (status->warnings[i], "took away") != NULL;
  g_assert_cmpuint (n_warnings, ==, 1); /* however often */

  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
  g_assert_cmpuint (rig->host->timers->len, ==, 0);
}

/* The kernel tells nobody that these were written; they come back with the next reading of the counters, and at the end the host has its own. */
static void
test_sysctls_come_back (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  g_assert_cmpstr (g_hash_table_lookup (rig->host->sysctls, "ipv4/conf/all/src_valid_mark"), ==, "1");
  g_hash_table_insert (rig->host->sysctls, g_strdup ("ipv4/conf/all/src_valid_mark"), g_strdup ("0"));
  fake_host_advance (rig->host, 1000);
  settle ();
  g_assert_cmpstr (g_hash_table_lookup (rig->host->sysctls, "ipv4/conf/all/src_valid_mark"), ==, "1");
  g_assert_cmpstr (g_hash_table_lookup (rig->host->sysctls, "ipv4/conf/all/arp_ignore"), ==, "2");
  assert_status (rig, "connected", "", TRUE);
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
}

/* Whichever call of a repair fails: told, and the tunnel stays. */
static void
test_every_call_of_a_repair_fails (void)
{
  for (guint n = 1;; n++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");

      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      settle ();
      rig->host->calls = 0;
      rig->host->fail_at = n;
      fake_host_disturb (rig->host);
      settle ();
      assert_status (rig, "connected", "", TRUE);
      if (rig->host->calls < n)
        return;
      fake_host_disturb (rig->host); /* what a router that watches finds again */
      fake_host_advance (rig->host, 1000);
      settle ();
      g_assert_cmpint (rig->host->n_routes, >, 0);
    }
}

/* Trouble of the host itself ends by itself when it is over, is asked after ever more seldom until then, and leaves the host closed. */
static void
test_trouble_goes (void)
{
  static const char *const troubles[][2] = {
    { "firewall.apply", "firewall-failed" },
    { "tunnel.create", "tunnel-failed" },
    { "router.apply", "routing-failed" },
    { "resolver.apply", "dns-failed" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (troubles); i++)
    {
      g_autoptr (Rig) rig = rig_new ();
      g_autoptr (VpndProfile) profile = make_profile ("home");
      g_auto (Answer) answer = { 0 };

      g_assert_true (activate (rig, profile, NULL));
      shake_hands (rig);
      rig->host->fail_name = troubles[i][0];
      vpnd_engine_reconnect_async (rig->engine, NULL, on_answer, &answer);
      wait_for (&answer);
      g_assert_nonnull (answer.error);
      assert_status (rig, "error", troubles[i][1], TRUE);

      g_ptr_array_set_size (rig->host->journal, 0);
      for (guint second = 0; second < 120; second++)
        {
          fake_host_advance (rig->host, 1000);
          settle ();
          assert_status (rig, "error", troubles[i][1], TRUE);
          g_assert_nonnull (rig->host->ruleset);
        }
      g_assert_cmpuint (count_calls (rig->host, troubles[i][0]), >, 4);
      g_assert_cmpuint (count_calls (rig->host, "tunnel.create"), <, 10);

      rig->host->fail_name = NULL;
      fake_host_advance (rig->host, 1000);
      settle ();
      fake_host_advance (rig->host, 30000);
      settle ();
      assert_status (rig, "connecting", "", TRUE);
      shake_hands (rig);
      assert_status (rig, "connected", "", TRUE);
    }
}

static void
test_tampering (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndRuleset) ruleset = NULL;

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  ruleset = g_steal_pointer (&rig->host->ruleset);
  vpnd_firewall_emit_tampered (rig->host->firewall);
  fake_host_advance (rig->host, 0);
  g_assert_nonnull (rig->host->ruleset);
  g_assert_true (vpnd_ruleset_equal (ruleset, rig->host->ruleset));
  assert_status (rig, "connected", "", TRUE);
  g_assert_true (warns_of (rig, "rules: "));

  /* When it cannot be put back, nobody is told that it is there. */
  g_clear_pointer (&rig->host->ruleset, vpnd_ruleset_unref);
  rig->host->calls = 0;
  rig->host->fail_at = 1;
  vpnd_firewall_emit_tampered (rig->host->firewall);
  while (rig->host->calls < 1)
    g_main_context_iteration (NULL, TRUE);
  fake_host_advance (rig->host, 0);
  g_assert_nonnull (rig->host->ruleset); /* the blocking one, at once */
  assert_status (rig, "error", "firewall-failed", TRUE);
}

static void
overwrite_dns (Rig *rig)
{
  fake_host_overwrite_dns (rig->host);
  fake_host_advance (rig->host, 0);
}

static void
test_dns_overwritten (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (VpndDnsPlan) plan = NULL;
  guint before;

  vpnd_resolver_emit_overwritten (rig->host->resolver, "nothing of ours is there");
  fake_host_advance (rig->host, 2000);
  g_assert_cmpuint (count_calls (rig->host, "resolver.apply"), ==, 0);

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  g_assert_nonnull (rig->host->dns);
  plan = vpnd_dns_plan_ref (rig->host->dns);
  g_assert_false (warns_of (rig, "DNS setting"));

  /* At once the first time, and said in the status. */
  overwrite_dns (rig);
  g_assert_nonnull (rig->host->dns);
  g_assert_true (vpnd_dns_plan_equal (plan, rig->host->dns));
  g_assert_true (warns_of (rig, "DNS setting"));
  assert_status (rig, "connected", "", TRUE);

  /* Then less and less often, but always within a second. */
  before = count_calls (rig->host, "resolver.apply");
  for (guint i = 0; i < 1000; i++)
    {
      overwrite_dns (rig);
      fake_host_advance (rig->host, 10);
    }
  g_assert_cmpuint (count_calls (rig->host, "resolver.apply") - before, <, 25);
  fake_host_advance (rig->host, 1000);
  g_assert_nonnull (rig->host->dns);

  /* One that fails is tried again, and the tunnel stays. */
  fake_host_advance (rig->host, 10000);
  rig->host->calls = 0;
  rig->host->fail_at = 1;
  overwrite_dns (rig);
  fake_host_advance (rig->host, 1000);
  g_assert_nonnull (rig->host->dns);
  assert_status (rig, "connected", "", TRUE);

  overwrite_dns (rig);
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
  g_assert_cmpuint (rig->host->timers->len, ==, 0);
}

/* A service that has come is told, and nobody is accused of it. */
static void
test_dns_untold (void)
{
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndProfile) profile = make_profile ("home");

  vpnd_resolver_emit_untold (rig->host->resolver, "nothing of ours is there");
  fake_host_advance (rig->host, 2000);
  g_assert_cmpuint (count_calls (rig->host, "resolver.apply"), ==, 0);

  g_assert_true (activate (rig, profile, NULL));
  shake_hands (rig);
  g_clear_pointer (&rig->host->dns, vpnd_dns_plan_unref);
  vpnd_resolver_emit_untold (rig->host->resolver, "a test did it");
  fake_host_advance (rig->host, 0);
  g_assert_nonnull (rig->host->dns);
  g_assert_false (warns_of (rig, "DNS setting"));
  assert_status (rig, "connected", "", TRUE);
  deactivate (rig);
  g_assert_true (fake_host_is_clean (rig->host));
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/router-is-watched", test_router_is_watched);
  g_test_add_func ("/engine/repair", test_repair);
  g_test_add_func ("/engine/sysctls-come-back", test_sysctls_come_back);
  g_test_add_func ("/engine/every-call-of-a-repair-fails", test_every_call_of_a_repair_fails);
  g_test_add_func ("/engine/trouble-goes", test_trouble_goes);
  g_test_add_func ("/engine/tampering", test_tampering);
  g_test_add_func ("/engine/dns-overwritten", test_dns_overwritten);
  g_test_add_func ("/engine/dns-untold", test_dns_untold);
  return rig_run (ring);
}
