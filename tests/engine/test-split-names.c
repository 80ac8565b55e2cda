/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rules by domain with a watch and a clock in memory: when the rules are made anew, and when an answer goes on.
 */
#include "config.h"

#include "split-names.h"

#include "fake-host.h"
#include "name-table.h"

#include <string.h>

typedef struct
{
  FakeHost *host;
  VpndSplitNames *names;
  VpndSplitConfig *config;
  guint calls;
} Rig;

static void
on_changed (gpointer user_data)
{
  ((Rig *) user_data)->calls++;
}

static VpndSplitConfig *
make_config (const char *domain)
{
  g_autoptr (VpndSplitConfig) empty = vpnd_split_config_new ();
  g_autoptr (VpndSplitRule) rule = NULL;
  g_autoptr (GError) error = NULL;
  VpndSplitConfig *config;

  if (domain == NULL)
    return g_steal_pointer (&empty);
  rule = vpnd_split_rule_new (VPND_SPLIT_DOMAIN, domain, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, &error);
  g_assert_no_error (error);
  config = vpnd_split_config_with (empty, rule, &error);
  g_assert_no_error (error);
  return config;
}

static void
set_domain (Rig *rig, const char *domain)
{
  g_clear_pointer (&rig->config, vpnd_split_config_unref);
  rig->config = make_config (domain);
  vpnd_split_names_set_rules (rig->names, rig->config);
  fake_host_advance (rig->host, 0);
}

static void
rig_setup (Rig *rig, gconstpointer data)
{
  rig->host = fake_host_new ();
  rig->names = vpnd_split_names_new (rig->host->name_watch, rig->host->clock, on_changed, rig);
}

static void
rig_teardown (Rig *rig, gconstpointer data)
{
  g_clear_object (&rig->names);
  g_clear_pointer (&rig->config, vpnd_split_config_unref);
  fake_host_free (rig->host);
}

static guint64
answer (Rig *rig, const char *name, guint32 ttl_s, const char *text)
{
  g_autoptr (VpndDnsAnswer) said = g_new0 (VpndDnsAnswer, 1);
  VpndDnsAddress address = { .ttl_s = ttl_s };

  g_assert_true (vpnd_addr_parse (text, &address.addr));
  said->names = g_ptr_array_new_with_free_func (g_free);
  said->addresses = g_array_new (FALSE, FALSE, sizeof (VpndDnsAddress));
  g_ptr_array_add (said->names, g_strdup (name));
  g_array_append_val (said->addresses, address);
  return fake_host_answer (rig->host, said);
}

static VpndSplitPlan *
make_plan (Rig *rig)
{
  const VpndSplitFacts facts = { .names = vpnd_split_names_get_names (rig->names), .queue = vpnd_split_names_get_queue (rig->names) };

  return vpnd_split_plan_build (rig->config, &facts);
}

static void
put_in_force (Rig *rig)
{
  g_autoptr (VpndSplitPlan) plan = make_plan (rig);

  vpnd_split_names_in_force (rig->names, plan);
}

static void
test_listens_as_long_as_needed (Rig *rig, gconstpointer data)
{
  g_assert_false (rig->host->listens);
  set_domain (rig, "example.test");
  g_assert_true (rig->host->listens);
  g_assert_cmpint (vpnd_split_names_get_queue (rig->names), ==, VPND_QUEUE_NATIVE);
  g_assert_null (vpnd_split_names_get_problem (rig->names));
  g_assert_cmpuint (rig->calls, ==, 1); /* the rules have to hold answers now */
  set_domain (rig, "other.test");
  g_assert_cmpuint (rig->calls, ==, 1);
  set_domain (rig, NULL);
  g_assert_false (rig->host->listens);
  g_assert_cmpint (vpnd_split_names_get_queue (rig->names), ==, VPND_QUEUE_NONE);
}

static void
test_kernel_cannot (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitPlan) plan = NULL;

  rig->host->queue = VPND_QUEUE_NONE;
  set_domain (rig, "example.test");
  g_assert_cmpuint (rig->calls, ==, 1);
  g_assert_nonnull (strstr (vpnd_split_names_get_problem (rig->names), "CONFIG_NFT_QUEUE"));
  plan = make_plan (rig);
  g_assert_false (plan->watches_names);
  rig->host->queue = VPND_QUEUE_TARGET; /* a later change of the rules tries again */
  set_domain (rig, "other.test");
  g_assert_null (vpnd_split_names_get_problem (rig->names));
  g_assert_cmpint (vpnd_split_names_get_queue (rig->names), ==, VPND_QUEUE_TARGET);
}

static void
test_waits_for_its_address (Rig *rig, gconstpointer data)
{
  set_domain (rig, "example.test");
  put_in_force (rig);
  answer (rig, "www.example.test", 60, "198.51.100.1");
  g_assert_cmpuint (rig->host->held->len, ==, 1);
  fake_host_advance (rig->host, VPND_SPLIT_NAMES_PAUSE_MS);
  g_assert_cmpuint (rig->calls, ==, 2);
  g_assert_cmpuint (rig->host->held->len, ==, 1); /* that the rules are being made is not enough */
  put_in_force (rig);
  g_assert_cmpuint (rig->host->held->len, ==, 0);
  answer (rig, "www.example.test", 60, "198.51.100.1"); /* known: goes at once, and nothing has to be made */
  g_assert_cmpuint (rig->host->held->len, ==, 0);
  fake_host_advance (rig->host, 1000);
  g_assert_cmpuint (rig->calls, ==, 2);
}

/* A ruleset that was on its way when the answer came does not have its address. */
static void
test_an_older_plan_is_not_enough (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitPlan) older = NULL;
  guint64 second;

  set_domain (rig, "example.test");
  answer (rig, "example.test", 60, "198.51.100.1");
  older = make_plan (rig);
  second = answer (rig, "example.test", 60, "198.51.100.2");
  vpnd_split_names_in_force (rig->names, older);
  g_assert_cmpuint (rig->host->held->len, ==, 1);
  g_assert_cmpuint (g_array_index (rig->host->held, guint64, 0), ==, second);
  put_in_force (rig);
  g_assert_cmpuint (rig->host->held->len, ==, 0);
}

static void
test_others_go_at_once (Rig *rig, gconstpointer data)
{
  g_autoptr (GArray) own = g_array_new (FALSE, FALSE, sizeof (VpndPrefix));
  VpndPrefix prefix;

  set_domain (rig, "example.test");
  g_assert_true (vpnd_prefix_parse ("198.51.100.53/32", &prefix));
  g_array_append_val (own, prefix);
  vpnd_split_names_set_protected (rig->names, own);
  answer (rig, "example.test", 60, "198.51.100.1");
  answer (rig, "other.test", 60, "198.51.100.2");
  answer (rig, "example.test", 60, "192.168.1.1");
  answer (rig, "example.test", 60, "198.51.100.53");
  g_assert_cmpuint (rig->host->held->len, ==, 1); /* the first, which is not let go with the others */
  vpnd_split_names_in_force (rig->names, NULL);
  g_assert_cmpuint (rig->host->held->len, ==, 0);
}

static void
test_a_flood_is_merged (Rig *rig, gconstpointer data)
{
  guint before;

  set_domain (rig, "example.test");
  fake_host_advance (rig->host, 1000);
  before = rig->calls;
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *text = g_strdup_printf ("198.51.100.%u", i);

      answer (rig, "example.test", 60, text);
      fake_host_advance (rig->host, 1);
    }
  g_assert_cmpuint (rig->calls - before, <=, 200 / VPND_SPLIT_NAMES_PAUSE_MS + 2);
  g_assert_cmpuint (rig->calls - before, >=, 200 / VPND_SPLIT_NAMES_PAUSE_MS - 2);
  put_in_force (rig);
  fake_host_advance (rig->host, 1000);
  {
    g_autoptr (VpndSplitPlan) plan = make_plan (rig);

    g_assert_cmpuint (plan->excluded_addrs->len, ==, 200);
  }
}

/* One after the other without a pause while they are few, for a page of the web asks for many names; then not above the rate. */
static void
test_calls_without_a_pause (Rig *rig, gconstpointer data)
{
  guint before;

  set_domain (rig, "example.test");
  put_in_force (rig);
  fake_host_advance (rig->host, 10000);
  before = rig->calls;
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *text = g_strdup_printf ("198.51.100.%u", i);

      answer (rig, "example.test", 60, text);
      fake_host_advance (rig->host, 1);
      if (i < 20)
        g_assert_cmpuint (rig->calls, ==, before + i + 1);
      put_in_force (rig);
      if (i < 20)
        g_assert_cmpuint (rig->host->held->len, ==, 0);
    }
  g_assert_cmpuint (rig->calls - before, <=, 200 / VPND_SPLIT_NAMES_PAUSE_MS + 32);
}

static void
test_expiry (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitPlan) plan = NULL;
  guint before;

  set_domain (rig, "example.test");
  answer (rig, "example.test", 600, "198.51.100.1");
  answer (rig, "example.test", 5, "198.51.100.2");
  fake_host_advance (rig->host, 100);
  before = rig->calls;
  fake_host_advance (rig->host, (5 + VPND_NAME_TABLE_GRACE_S) * 1000 - 200);
  g_assert_cmpuint (rig->calls, ==, before);
  fake_host_advance (rig->host, 1200);
  g_assert_cmpuint (rig->calls, ==, before + 1);
  plan = make_plan (rig);
  g_assert_cmpuint (plan->excluded_addrs->len, ==, 1);
  fake_host_advance (rig->host, 700 * 1000);
  g_assert_cmpuint (rig->calls, ==, before + 2);
  g_assert_cmpuint (rig->host->timers->len, ==, 0); /* nothing known, nothing to wake for */
}

/* Gone in the middle of everything. */
static void
test_dispose (Rig *rig, gconstpointer data)
{
  g_autoptr (VpndSplitConfig) config = make_config ("example.test");

  set_domain (rig, "example.test");
  answer (rig, "example.test", 60, "198.51.100.1");
  g_clear_object (&rig->names);
  g_assert_false (rig->host->listens);
  fake_host_advance (rig->host, 100000);
  g_assert_cmpuint (rig->calls, ==, 1);

  rig->names = vpnd_split_names_new (rig->host->name_watch, rig->host->clock, on_changed, rig);
  vpnd_split_names_set_rules (rig->names, config);
  g_object_run_dispose (G_OBJECT (rig->names));
  fake_host_advance (rig->host, 100);
  g_assert_cmpuint (rig->calls, ==, 1);
  g_clear_object (&rig->names);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/split-names/" name, Rig, NULL, rig_setup, func, rig_teardown)
  ADD ("listens-as-long-as-needed", test_listens_as_long_as_needed);
  ADD ("kernel-cannot", test_kernel_cannot);
  ADD ("waits-for-its-address", test_waits_for_its_address);
  ADD ("an-older-plan-is-not-enough", test_an_older_plan_is_not_enough);
  ADD ("others-go-at-once", test_others_go_at_once);
  ADD ("a-flood-is-merged", test_a_flood_is_merged);
  ADD ("calls-without-a-pause", test_calls_without_a_pause);
  ADD ("expiry", test_expiry);
  ADD ("dispose", test_dispose);
#undef ADD
  return g_test_run ();
}
