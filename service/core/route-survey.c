/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/route-survey.h, and how its routes and rules are named to people and to ip(8).
 */
#include "config.h"

#include "route-survey.h"

#include <linux/rtnetlink.h>
#include <string.h>

/**
 * vpnd_route_survey_new:
 *
 * Makes an empty survey. Who reads the kernel fills it before sharing it.
 *
 * Returns: (transfer full): a new survey
 */
VpndRouteSurvey *
vpnd_route_survey_new (void)
{
  VpndRouteSurvey *survey = g_new0 (VpndRouteSurvey, 1);

  g_atomic_ref_count_init (&survey->ref_count);
  survey->links = g_array_new (FALSE, TRUE, sizeof (VpndSurveyLink));
  survey->addresses = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  survey->routes = g_array_new (FALSE, TRUE, sizeof (VpndSurveyRoute));
  survey->defaults = g_array_new (FALSE, TRUE, sizeof (VpndSurveyRoute));
  survey->rules = g_array_new (FALSE, TRUE, sizeof (VpndSurveyRule));
  return survey;
}

/**
 * vpnd_route_survey_ref:
 * @survey: a survey
 *
 * Returns: (transfer full): @survey
 */
VpndRouteSurvey *
vpnd_route_survey_ref (VpndRouteSurvey *survey)
{
  g_atomic_ref_count_inc (&survey->ref_count);
  return survey;
}

/**
 * vpnd_route_survey_unref:
 * @survey: (transfer full) (nullable): a survey
 */
void
vpnd_route_survey_unref (VpndRouteSurvey *survey)
{
  if (survey == NULL || !g_atomic_ref_count_dec (&survey->ref_count))
    return;

  g_array_unref (survey->links);
  g_array_unref (survey->addresses);
  g_array_unref (survey->routes);
  g_array_unref (survey->defaults);
  g_array_unref (survey->rules);
  g_free (survey);
}

/**
 * vpnd_route_survey_find_link:
 * @survey: a survey
 * @ifname: a name
 *
 * Returns: (transfer none) (nullable): the link of that name
 */
const VpndSurveyLink *
vpnd_route_survey_find_link (const VpndRouteSurvey *survey, const char *ifname)
{
  for (guint i = 0; i < survey->links->len; i++)
    {
      const VpndSurveyLink *link = &g_array_index (survey->links, VpndSurveyLink, i);

      if (strcmp (link->ifname, ifname) == 0)
        return link;
    }
  return NULL;
}

/* The words of ip-route(8) for types that are no way to anywhere; "" for a unicast route, which needs none. */
static const char *
type_word (guint8 type)
{
  static const char *const words[] = {
    [RTN_UNSPEC] = "",
    [RTN_UNICAST] = "",
    [RTN_LOCAL] = "local ",
    [RTN_BROADCAST] = "broadcast ",
    [RTN_ANYCAST] = "anycast ",
    [RTN_MULTICAST] = "multicast ",
    [RTN_BLACKHOLE] = "blackhole ",
    [RTN_UNREACHABLE] = "unreachable ",
    [RTN_PROHIBIT] = "prohibit ",
    [RTN_THROW] = "throw ",
  };

  return type < G_N_ELEMENTS (words) ? words[type] : "";
}

/**
 * vpnd_survey_route_to_string:
 * @route: a route
 *
 * Returns: (transfer full): one line in the words of ip-route(8), e.g. "blackhole 192.0.2.0/24 table 22096"
 */
char *
vpnd_survey_route_to_string (const VpndSurveyRoute *route)
{
  g_autofree char *text = vpnd_route_to_string (&route->route);

  return g_strconcat (type_word (route->type), text, NULL);
}

/**
 * vpnd_survey_route_removal:
 * @route: a route
 *
 * Returns: (transfer full): what ip(8) must be told to take it away
 */
char *
vpnd_survey_route_removal (const VpndSurveyRoute *route)
{
  g_autofree char *text = vpnd_survey_route_to_string (route);

  return g_strconcat (route->route.destination.addr.family == AF_INET6 ? "-6 " : "", "route del ", text, NULL);
}

/**
 * vpnd_survey_rule_to_string:
 * @rule: a rule
 *
 * Returns: (transfer full): one line, e.g. "100 inet lookup 254 (for some packets only)"
 */
char *
vpnd_survey_rule_to_string (const VpndSurveyRule *rule)
{
  g_autofree char *text = vpnd_route_rule_to_string (&rule->rule);

  return g_strconcat (text, rule->has_other_selectors ? " (for some packets only)" : "", rule->is_lookup ? "" : " (no lookup)", NULL);
}

/**
 * vpnd_survey_rule_removal:
 * @rule: a rule
 *
 * Names the family, else ip(8) takes the rule of IPv4 with that priority, and the mark and the table, because one of ours may have the same
 * priority. Other selectors are not known here; without them the first rule is meant for which the rest holds.
 *
 * Returns: (transfer full): what ip(8) must be told to take it away
 */
char *
vpnd_survey_rule_removal (const VpndSurveyRule *rule)
{
  g_autoptr (GString) text = g_string_new (rule->rule.family == AF_INET6 ? "-6 " : "");

  g_string_append_printf (text, "rule del priority %u", rule->rule.priority);
  if (rule->rule.fwmask != 0)
    g_string_append_printf (text, " fwmark 0x%x/0x%x", rule->rule.fwmark, rule->rule.fwmask);
  if (rule->is_lookup)
    g_string_append_printf (text, " lookup %u", rule->rule.table);
  return g_string_free (g_steal_pointer (&text), FALSE);
}
