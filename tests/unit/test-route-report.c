/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Plan against kernel: what is there, what is missing, what is foreign, and why each entry exists.
 */
#include "config.h"

#include "evidence.h"
#include "profile-conf.h"
#include "reserved.h"
#include "route-report.h"

#include <linux/rtnetlink.h>
#include <string.h>

#define CONF                                                                                                         \
  "[Interface]\nPrivateKey = cGFzc3dvcmRwYXNzd29yZHBhc3N3b3JkcGFzc3dvcmQ=\nAddress = 10.64.0.2/32, fd00:64::2/128\n" \
  "[Peer]\nPublicKey = cGFzc3dvcmRwYXNzd29yZHBhc3N3b3JkcGFzc3dvcmQ=\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = 203.0.113.2:51820\n"

typedef struct
{
  VpndProfile *profile;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndRoutePlan *plan;
  VpndRouteSurvey *survey;
} Rig;

static void
add_hop (GArray *hops, const char *prefix, const char *ifname)
{
  VpndHop hop = { .ifindex = 2 };

  g_assert_true (vpnd_prefix_parse (prefix, &hop.prefix));
  g_strlcpy (hop.ifname, ifname, sizeof hop.ifname);
  g_array_append_val (hops, hop);
}

static void
add_rule (Rig *rig, VpndRouteRule rule, guint8 protocol, gboolean has_other_selectors)
{
  VpndSurveyRule seen = { rule, protocol, TRUE, has_other_selectors };

  g_array_append_val (rig->survey->rules, seen);
}

static void
add_route (Rig *rig, VpndRoute route, guint8 protocol)
{
  VpndSurveyRoute seen = { route, protocol, RTN_UNICAST };

  g_array_append_val (rig->survey->routes, seen);
}

/* A kernel that has exactly what was planned, and its own rules. */
static void
rig_init (Rig *rig)
{
  g_autoptr (GError) error = NULL;

  rig->profile = vpnd_profile_conf_parse ("test", CONF, strlen (CONF), NULL, &error);
  g_assert_no_error (error);
  rig->settings = vpnd_settings_new_default ();
  rig->facts = vpnd_facts_new ();
  rig->facts->ipv6_enabled = TRUE;
  rig->facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  add_hop (rig->facts->next_hops, "198.51.100.1/32", "eth0");
  add_hop (rig->facts->bridges, "172.17.0.0/16", "docker0");
  rig->plan = vpnd_route_plan_build (rig->profile, rig->settings, rig->facts);
  rig->survey = vpnd_route_survey_new ();
  g_array_append_vals (rig->survey->addresses, rig->plan->addresses->data, rig->plan->addresses->len);
  for (guint i = 0; i < rig->plan->routes->len; i++)
    add_route (rig, g_array_index (rig->plan->routes, VpndRoute, i), VPND_RTPROT);
  for (guint i = 0; i < rig->plan->rules->len; i++)
    add_rule (rig, g_array_index (rig->plan->rules, VpndRouteRule, i), VPND_RTPROT, FALSE);
  add_rule (rig, (VpndRouteRule){ .family = AF_INET, .table = 255, .suppress_prefixlength = -1 }, RTPROT_KERNEL, FALSE);
  add_rule (rig, (VpndRouteRule){ .family = AF_INET, .priority = 32766, .table = 254, .suppress_prefixlength = -1 }, RTPROT_KERNEL, FALSE);
}

static void
rig_clear (Rig *rig)
{
  vpnd_profile_unref (rig->profile);
  vpnd_settings_unref (rig->settings);
  vpnd_facts_unref (rig->facts);
  vpnd_route_plan_unref (rig->plan);
  vpnd_route_survey_unref (rig->survey);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Rig, rig_clear)

static GPtrArray *
report (const Rig *rig)
{
  return vpnd_route_report_build (rig->plan, rig->profile, rig->settings, rig->facts, rig->survey);
}

static guint
count_state (const GPtrArray *entries, VpndEntryState state)
{
  guint count = 0;

  for (guint i = 0; i < entries->len; i++)
    count += ((VpndRouteEntry *) g_ptr_array_index (entries, i))->state == state;
  return count;
}

static const VpndRouteEntry *
find_why (const GPtrArray *entries, VpndEntryWhy why)
{
  for (guint i = 0; i < entries->len; i++)
    if (((VpndRouteEntry *) g_ptr_array_index (entries, i))->why == why)
      return g_ptr_array_index (entries, i);
  return NULL;
}

static void
test_as_planned (void)
{
  static const VpndEntryWhy reasons[] = { VPND_WHY_TRANSPORT, VPND_WHY_PROFILE_ADDRESS, VPND_WHY_ALLOWED_IPS, VPND_WHY_NEXT_HOP, VPND_WHY_BRIDGE,
    VPND_WHY_MARKED, VPND_WHY_SPECIFIC, VPND_WHY_EXCEPTIONS, VPND_WHY_EVERYTHING };
  g_auto (Rig) rig;
  g_autoptr (GPtrArray) entries = NULL;

  rig_init (&rig);
  entries = report (&rig);
  g_assert_cmpuint (entries->len, ==, 1 + rig.plan->addresses->len + rig.plan->routes->len + rig.plan->rules->len);
  g_assert_cmpuint (count_state (entries, VPND_ENTRY_PRESENT), ==, entries->len);
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    {
      g_test_message ("%s", vpnd_entry_why_word (reasons[i]));
      g_assert_nonnull (find_why (entries, reasons[i]));
    }
  g_assert_true (find_why (entries, VPND_WHY_NEXT_HOP)->follows_default);
  g_assert_false (find_why (entries, VPND_WHY_ALLOWED_IPS)->follows_default);
  g_assert_cmpstr (find_why (entries, VPND_WHY_NEXT_HOP)->text, ==, "198.51.100.1/32 dev eth0 table 22097");
}

/* Each planned entry that the kernel has not is missing, and nothing else. */
static void
test_missing (void)
{
  g_auto (Rig) rig;

  rig_init (&rig);
  for (guint i = 0; i < rig.plan->routes->len + rig.plan->rules->len + rig.plan->addresses->len; i++)
    {
      g_auto (Rig) other;
      g_autoptr (GPtrArray) entries = NULL;

      rig_init (&other);
      if (i < rig.plan->routes->len)
        g_array_remove_index (other.survey->routes, i);
      else if (i < rig.plan->routes->len + rig.plan->rules->len)
        g_array_remove_index (other.survey->rules, i - rig.plan->routes->len);
      else
        g_array_remove_index (other.survey->addresses, i - rig.plan->routes->len - rig.plan->rules->len);
      entries = report (&other);
      g_assert_cmpuint (count_state (entries, VPND_ENTRY_MISSING), ==, 1);
      g_assert_cmpuint (count_state (entries, VPND_ENTRY_FOREIGN), ==, 0);
    }
}

static void
test_foreign (void)
{
  g_auto (Rig) rig;
  g_autoptr (GPtrArray) entries = NULL;
  VpndRoute route = { .table = VPND_TABLE_TUNNEL, .ifname = "eth0" };

  rig_init (&rig);
  g_assert_true (vpnd_prefix_parse ("192.0.2.0/24", &route.destination));
  add_route (&rig, route, RTPROT_STATIC);
  g_assert_true (vpnd_prefix_parse ("192.0.3.0/24", &route.destination));
  add_route (&rig, route, VPND_RTPROT);
  add_rule (&rig, (VpndRouteRule){ .family = AF_INET, .priority = 100, .table = 254, .suppress_prefixlength = -1 }, RTPROT_STATIC, TRUE);
  add_rule (&rig, (VpndRouteRule){ .family = AF_INET, .priority = 30000, .table = 254, .suppress_prefixlength = -1 }, RTPROT_STATIC, FALSE);
  entries = report (&rig);
  g_assert_cmpuint (count_state (entries, VPND_ENTRY_FOREIGN), ==, 3);
  g_assert_cmpstr (find_why (entries, VPND_WHY_OTHER_PROGRAM)->text, ==, "192.0.2.0/24 dev eth0 table 22096");
  g_assert_cmpstr (find_why (entries, VPND_WHY_OTHER_PROGRAM)->removal, ==, "route del 192.0.2.0/24 dev eth0 table 22096");
  g_assert_cmpstr (find_why (entries, VPND_WHY_LEFT_OVER)->text, ==, "192.0.3.0/24 dev eth0 table 22096");
  g_assert_cmpstr (find_why (entries, VPND_WHY_EARLIER_RULE)->text, ==, "100 inet lookup 254 (for some packets only)");
  g_assert_cmpstr (find_why (entries, VPND_WHY_EARLIER_RULE)->removal, ==, "rule del priority 100 lookup 254");
}

/* Routes of types that lead nowhere have no link, and a rule that looks nothing up has no table: ip(8) takes no "none" and no "table 0". */
static void
test_removals (void)
{
  static const struct
  {
    const char *destination;
    const char *ifname;
    guint8 type;
    const char *removal;
  } cases[] = {
    { "192.0.2.0/24", "", RTN_BLACKHOLE, "route del blackhole 192.0.2.0/24 table 22097" },
    { "192.0.2.0/24", "", RTN_UNREACHABLE, "route del unreachable 192.0.2.0/24 table 22097" },
    { "192.0.2.0/24", "", RTN_PROHIBIT, "route del prohibit 192.0.2.0/24 table 22097" },
    { "192.0.2.0/24", "", RTN_THROW, "route del throw 192.0.2.0/24 table 22097" },
    { "192.0.2.1/32", "lo", RTN_LOCAL, "route del local 192.0.2.1/32 dev lo table 22097" },
    { "::/0", "eth0", RTN_UNICAST, "-6 route del ::/0 dev eth0 table 22097 metric 1024" },
  };
  VpndSurveyRule rule = { .rule = { .family = AF_INET6, .priority = 7, .fwmark = 1, .fwmask = 0xff } };
  g_autofree char *removal = vpnd_survey_rule_removal (&rule);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      VpndSurveyRoute seen = { .route = { .table = VPND_TABLE_LOCAL }, .protocol = RTPROT_STATIC, .type = cases[i].type };
      g_autofree char *text = NULL;

      g_assert_true (vpnd_prefix_parse (cases[i].destination, &seen.route.destination));
      g_strlcpy (seen.route.ifname, cases[i].ifname, sizeof seen.route.ifname);
      text = vpnd_survey_route_removal (&seen);
      g_assert_cmpstr (text, ==, cases[i].removal);
    }
  g_assert_cmpstr (removal, ==, "-6 rule del priority 7 fwmark 0x1/0xff");
}

/* Nothing is planned: rules of others are their own affair, and what carries our number was left behind. */
static void
test_without_plan (void)
{
  g_auto (Rig) rig;
  g_autoptr (GPtrArray) entries = NULL;
  guint left;

  rig_init (&rig);
  left = rig.survey->routes->len + rig.plan->rules->len;
  add_rule (&rig, (VpndRouteRule){ .family = AF_INET, .priority = 100, .table = 254, .suppress_prefixlength = -1 }, RTPROT_STATIC, FALSE);
  g_clear_pointer (&rig.plan, vpnd_route_plan_unref);
  entries = report (&rig);
  g_assert_cmpuint (count_state (entries, VPND_ENTRY_FOREIGN), ==, left);
  g_assert_nonnull (find_why (entries, VPND_WHY_LEFT_OVER));
  g_assert_null (find_why (entries, VPND_WHY_EARLIER_RULE));
}

/* The profile's private network is also the local one. */
static void
test_lan_claims (void)
{
  g_auto (Rig) rig;
  g_autoptr (VpndState) state = vpnd_state_new ();
  g_autoptr (VpndEvidence) evidence = vpnd_evidence_new ();
  VpndPeer *peer;
  VpndPrefix claimed;

  rig_init (&rig);
  add_hop (rig.facts->lans, "192.168.7.0/24", "eth0");
  vpnd_evidence_set_state (evidence, state, rig.settings, rig.facts);
  g_assert_cmpuint (evidence->lan_claims->len, ==, 0);
  peer = g_ptr_array_index (rig.profile->peers, 0);
  g_assert_true (vpnd_prefix_parse ("192.168.0.0/16", &claimed));
  g_array_append_val (peer->allowed_ips, claimed);
  state->profile = vpnd_profile_ref (rig.profile);
  state->routes = vpnd_route_plan_build (rig.profile, rig.settings, rig.facts);
  vpnd_evidence_set_state (evidence, state, rig.settings, rig.facts);
  g_assert_cmpuint (evidence->lan_claims->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (evidence->lan_claims, 0), ==, "192.168.7.0/24 dev eth0 is inside 192.168.0.0/16 of the profile");
  g_assert_true (evidence->has_internet_route && evidence->profile_has_ipv6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/route-report/as-planned", test_as_planned);
  g_test_add_func ("/route-report/missing", test_missing);
  g_test_add_func ("/route-report/foreign", test_foreign);
  g_test_add_func ("/route-report/removals", test_removals);
  g_test_add_func ("/route-report/without-plan", test_without_plan);
  g_test_add_func ("/route-report/lan-claims", test_lan_claims);
  return g_test_run ();
}
