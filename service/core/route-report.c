/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The function of core/route-report.h.
 */
#include "config.h"

#include "route-report.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "reserved.h"

/**
 * vpnd_route_entry_free:
 * @entry: (transfer full) (nullable): an entry
 */
void
vpnd_route_entry_free (VpndRouteEntry *entry)
{
  if (entry == NULL)
    return;
  g_free (entry->text);
  g_free (entry->removal);
  g_free (entry);
}

/**
 * vpnd_entry_kind_word:
 * @kind: a kind
 *
 * Returns: (transfer none): its word in the D-Bus API
 */
const char *
vpnd_entry_kind_word (VpndEntryKind kind)
{
  static const char *const words[] = {
    [VPND_ENTRY_DEFAULT] = "default",
    [VPND_ENTRY_ADDRESS] = "address",
    [VPND_ENTRY_ROUTE] = "route",
    [VPND_ENTRY_RULE] = "rule",
  };

  G_STATIC_ASSERT (G_N_ELEMENTS (words) == VPND_N_ENTRY_KINDS);
  return words[kind];
}

/**
 * vpnd_entry_state_word:
 * @state: a state
 *
 * Returns: (transfer none): its word in the D-Bus API
 */
const char *
vpnd_entry_state_word (VpndEntryState state)
{
  static const char *const words[] = {
    [VPND_ENTRY_PRESENT] = "present",
    [VPND_ENTRY_MISSING] = "missing",
    [VPND_ENTRY_FOREIGN] = "foreign",
  };

  G_STATIC_ASSERT (G_N_ELEMENTS (words) == VPND_N_ENTRY_STATES);
  return words[state];
}

/**
 * vpnd_entry_why_word:
 * @why: a reason
 *
 * Returns: (transfer none): its word in the D-Bus API
 */
const char *
vpnd_entry_why_word (VpndEntryWhy why)
{
  static const char *const words[] = {
    [VPND_WHY_TRANSPORT] = "transport",
    [VPND_WHY_PROFILE_ADDRESS] = "profile-address",
    [VPND_WHY_ALLOWED_IPS] = "allowed-ips",
    [VPND_WHY_TUNNEL_HOST] = "tunnel-host",
    [VPND_WHY_NEXT_HOP] = "next-hop",
    [VPND_WHY_BRIDGE] = "internal-bridge",
    [VPND_WHY_LOCAL_NETWORK] = "local-network",
    [VPND_WHY_RESOLVER] = "resolver",
    [VPND_WHY_MARKED] = "marked-past-tunnel",
    [VPND_WHY_SPECIFIC] = "specific-first",
    [VPND_WHY_EXCEPTIONS] = "exceptions",
    [VPND_WHY_EVERYTHING] = "everything-else",
    [VPND_WHY_LEFT_OVER] = "left-over",
    [VPND_WHY_OTHER_PROGRAM] = "other-program",
    [VPND_WHY_EARLIER_RULE] = "earlier-rule",
    [VPND_WHY_EXCEPTION] = "exception",
  };

  G_STATIC_ASSERT (G_N_ELEMENTS (words) == VPND_N_WHYS);
  return words[why];
}

static VpndRouteEntry *
add (GPtrArray *entries, VpndEntryKind kind, VpndEntryState state, VpndEntryWhy why, char *text)
{
  VpndRouteEntry *entry = g_new0 (VpndRouteEntry, 1);

  entry->kind = kind;
  entry->state = state;
  entry->why = why;
  entry->follows_default = why == VPND_WHY_TRANSPORT || why == VPND_WHY_NEXT_HOP || why == VPND_WHY_BRIDGE || why == VPND_WHY_LOCAL_NETWORK || why == VPND_WHY_RESOLVER;
  entry->text = text;
  g_ptr_array_add (entries, entry);
  return entry;
}

static void
add_default (GPtrArray *entries, const VpndDefaultRoute *physical, const char *destination)
{
  g_autofree char *gateway = vpnd_addr_is_set (&physical->gateway) ? vpnd_addr_to_string (&physical->gateway) : NULL;

  if (physical->present)
    add (entries, VPND_ENTRY_DEFAULT, VPND_ENTRY_PRESENT, VPND_WHY_TRANSPORT,
        g_strdup_printf ("%s%s%s dev %s", destination, gateway != NULL ? " via " : "", gateway != NULL ? gateway : "", physical->ifname));
}

static void
add_addresses (GPtrArray *entries, const VpndRoutePlan *plan, const VpndRouteSurvey *survey)
{
  for (guint i = 0; i < plan->addresses->len; i++)
    {
      const VpndPrefix *address = &g_array_index (plan->addresses, VpndPrefix, i);
      g_autofree char *text = vpnd_prefix_to_string (address);
      gboolean is_present = FALSE;

      for (guint j = 0; j < survey->addresses->len; j++)
        is_present |= vpnd_prefix_equal (address, &g_array_index (survey->addresses, VpndPrefix, j));
      add (entries, VPND_ENTRY_ADDRESS, is_present ? VPND_ENTRY_PRESENT : VPND_ENTRY_MISSING, VPND_WHY_PROFILE_ADDRESS,
          g_strdup_printf ("%s dev %s", text, plan->ifname));
    }
}

/* Ten thousand allowed networks against as many routes: everything that is looked for is sorted first. */
static int
compare_prefixes_cb (gconstpointer a, gconstpointer b)
{
  return vpnd_prefix_compare (a, b);
}

static int
compare_routes_cb (gconstpointer a, gconstpointer b)
{
  return vpnd_route_compare (a, b);
}

static GArray *
sorted_allowed_ips (const VpndProfile *profile)
{
  GArray *allowed = g_array_new (FALSE, FALSE, sizeof (VpndPrefix));

  for (guint i = 0; profile != NULL && i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      for (guint j = 0; j < peer->allowed_ips->len; j++)
        {
          VpndPrefix prefix = vpnd_prefix_masked (&g_array_index (peer->allowed_ips, VpndPrefix, j));

          g_array_append_val (allowed, prefix);
        }
    }
  g_array_sort (allowed, compare_prefixes_cb);
  return allowed;
}

static gboolean
is_ours (const VpndSurveyRoute *seen)
{
  return seen->protocol == VPND_RTPROT && seen->type == RTN_UNICAST;
}

static GArray *
sorted_own_routes (const VpndRouteSurvey *survey)
{
  GArray *routes = g_array_new (FALSE, FALSE, sizeof (VpndRoute));

  for (guint i = 0; i < survey->routes->len; i++)
    {
      const VpndSurveyRoute *seen = &g_array_index (survey->routes, VpndSurveyRoute, i);

      if (is_ours (seen))
        g_array_append_val (routes, seen->route);
    }
  g_array_sort (routes, compare_routes_cb);
  return routes;
}

static gboolean
hops_have (const GArray *hops, const VpndPrefix *prefix)
{
  for (guint i = 0; i < hops->len; i++)
    if (vpnd_prefix_equal (&g_array_index (hops, VpndHop, i).prefix, prefix))
      return TRUE;
  return FALSE;
}

static gboolean
is_custom_resolver (const VpndSettings *settings, const VpndPrefix *prefix)
{
  for (guint i = 0; i < settings->dns_servers->len; i++)
    {
      VpndPrefix host = vpnd_prefix_host (&g_array_index (settings->dns_servers, VpndAddr, i));

      if (vpnd_prefix_equal (&host, prefix))
        return TRUE;
    }
  return FALSE;
}

static VpndEntryWhy
why_route (const VpndRoute *route, const VpndRoutePlan *plan, const GArray *allowed, const VpndSettings *settings, const VpndFacts *facts)
{
  if (strcmp (route->ifname, plan->ifname) == 0)
    return g_array_binary_search ((GArray *) allowed, &route->destination, compare_prefixes_cb, NULL) ? VPND_WHY_ALLOWED_IPS : VPND_WHY_TUNNEL_HOST;
  if (hops_have (facts->next_hops, &route->destination))
    return VPND_WHY_NEXT_HOP;
  if (hops_have (facts->bridges, &route->destination))
    return VPND_WHY_BRIDGE;
  if (hops_have (facts->lans, &route->destination))
    return VPND_WHY_LOCAL_NETWORK;
  return is_custom_resolver (settings, &route->destination) ? VPND_WHY_RESOLVER : VPND_WHY_EXCEPTION;
}

static VpndEntryWhy
why_rule (const VpndRouteRule *rule)
{
  static const struct
  {
    guint32 priority;
    VpndEntryWhy why;
  } reasons[] = {
    { VPND_RULE_PRIORITY_MARKED, VPND_WHY_MARKED },
    { VPND_RULE_PRIORITY_SPECIFIC, VPND_WHY_SPECIFIC },
    { VPND_RULE_PRIORITY_LOCAL, VPND_WHY_EXCEPTIONS },
    { VPND_RULE_PRIORITY_TUNNEL, VPND_WHY_EVERYTHING },
  };

  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (reasons[i].priority == rule->priority)
      return reasons[i].why;
  return VPND_WHY_EXCEPTION;
}

static gboolean
is_same_rule (const VpndSurveyRule *seen, const VpndRouteRule *rule)
{
  return seen->is_lookup && !seen->has_other_selectors && vpnd_route_rule_compare (&seen->rule, rule) == 0;
}

static gboolean
survey_has_rule (const VpndRouteSurvey *survey, const VpndRouteRule *rule)
{
  for (guint i = 0; i < survey->rules->len; i++)
    if (is_same_rule (&g_array_index (survey->rules, VpndSurveyRule, i), rule))
      return TRUE;
  return FALSE;
}

static gboolean
plan_has_route (const VpndRoutePlan *plan, const VpndSurveyRoute *seen)
{
  return plan != NULL && is_ours (seen) && g_array_binary_search (plan->routes, &seen->route, compare_routes_cb, NULL);
}

static void
add_foreign_routes (GPtrArray *entries, const VpndRoutePlan *plan, const VpndRouteSurvey *survey)
{
  for (guint i = 0; i < survey->routes->len; i++)
    {
      const VpndSurveyRoute *seen = &g_array_index (survey->routes, VpndSurveyRoute, i);

      VpndEntryWhy why = seen->protocol == VPND_RTPROT ? VPND_WHY_LEFT_OVER : VPND_WHY_OTHER_PROGRAM;

      if (!plan_has_route (plan, seen))
        add (entries, VPND_ENTRY_ROUTE, VPND_ENTRY_FOREIGN, why, vpnd_survey_route_to_string (seen))->removal = vpnd_survey_route_removal (seen);
    }
}

static gboolean
plan_has_rule (const VpndRoutePlan *plan, const VpndSurveyRule *seen)
{
  for (guint i = 0; plan != NULL && i < plan->rules->len; i++)
    if (is_same_rule (seen, &g_array_index (plan->rules, VpndRouteRule, i)))
      return TRUE;
  return FALSE;
}

/* Rules behind ours are never asked; the kernel's own (local, l3mdev) belong there. */
static void
add_foreign_rules (GPtrArray *entries, const VpndRoutePlan *plan, const VpndRouteSurvey *survey)
{
  for (guint i = 0; i < survey->rules->len; i++)
    {
      const VpndSurveyRule *seen = &g_array_index (survey->rules, VpndSurveyRule, i);
      gboolean is_left_over = seen->protocol == VPND_RTPROT;
      VpndEntryWhy why = is_left_over ? VPND_WHY_LEFT_OVER : VPND_WHY_EARLIER_RULE;

      if (plan_has_rule (plan, seen) || seen->protocol == RTPROT_KERNEL || (!is_left_over && (plan == NULL || seen->rule.priority > VPND_RULE_PRIORITY_TUNNEL)))
        continue;
      add (entries, VPND_ENTRY_RULE, VPND_ENTRY_FOREIGN, why, vpnd_survey_rule_to_string (seen))->removal = vpnd_survey_rule_removal (seen);
    }
}

static void
add_routes (GPtrArray *entries, const VpndRoutePlan *plan, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, const VpndRouteSurvey *survey)
{
  g_autoptr (GArray) allowed = sorted_allowed_ips (profile);
  g_autoptr (GArray) present = sorted_own_routes (survey);

  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VpndRoute *route = &g_array_index (plan->routes, VpndRoute, i);

      add (entries, VPND_ENTRY_ROUTE, g_array_binary_search (present, route, compare_routes_cb, NULL) ? VPND_ENTRY_PRESENT : VPND_ENTRY_MISSING,
          why_route (route, plan, allowed, settings, facts), vpnd_route_to_string (route));
    }
}

static void
add_rules (GPtrArray *entries, const VpndRoutePlan *plan, const VpndRouteSurvey *survey)
{
  for (guint i = 0; i < plan->rules->len; i++)
    {
      const VpndRouteRule *rule = &g_array_index (plan->rules, VpndRouteRule, i);

      add (entries, VPND_ENTRY_RULE, survey_has_rule (survey, rule) ? VPND_ENTRY_PRESENT : VPND_ENTRY_MISSING, why_rule (rule), vpnd_route_rule_to_string (rule));
    }
}

/**
 * vpnd_route_report_build:
 * @plan: (nullable): what is in force; %NULL for nothing
 * @profile: (nullable): the profile that @plan was made from
 * @settings: the settings
 * @facts: the physical network
 * @survey: what the kernel has
 *
 * Compares. Default routes first, then addresses, routes and rules of the plan in its order, then what is foreign.
 *
 * Returns: (transfer full) (element-type VpndRouteEntry): the entries
 */
GPtrArray *
vpnd_route_report_build (const VpndRoutePlan *plan, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts,
    const VpndRouteSurvey *survey)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_route_entry_free);

  add_default (entries, &facts->default4, "0.0.0.0/0");
  add_default (entries, &facts->default6, "::/0");
  if (plan != NULL)
    {
      add_addresses (entries, plan, survey);
      add_routes (entries, plan, profile, settings, facts, survey);
      add_rules (entries, plan, survey);
    }
  add_foreign_routes (entries, plan, survey);
  add_foreign_rules (entries, plan, survey);
  return entries;
}
