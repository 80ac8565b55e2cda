/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Routes, rules and plans as text, in the words of ip-route(8) and ip-rule(8): for error messages, golden files and people.
 */
#include "config.h"

#include "route-plan.h"

/**
 * vpnd_route_to_string:
 * @route: a route
 *
 * Returns: (transfer full): one line in the words of ip-route(8), e.g. "0.0.0.0/0 dev vpnd0 table 22096"
 */
char *
vpnd_route_to_string (const VpndRoute *route)
{
  g_autofree char *destination = vpnd_prefix_to_string (&route->destination);
  g_autoptr (GString) text = g_string_new (destination);

  if (vpnd_addr_is_set (&route->gateway))
    {
      g_autofree char *gateway = vpnd_addr_to_string (&route->gateway);

      g_string_append_printf (text, " via %s", gateway);
    }
  if (route->ifname[0] != '\0')
    g_string_append_printf (text, " dev %s", route->ifname);
  g_string_append_printf (text, " table %u", route->table);
  if (route->metric != 0 || route->destination.addr.family == AF_INET6)
    g_string_append_printf (text, " metric %u", route->metric != 0 ? route->metric : VPND_ROUTE_METRIC_DEFAULT6);
  if (route->mtu != 0)
    g_string_append_printf (text, " mtu %u", route->mtu);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/**
 * vpnd_route_rule_to_string:
 * @rule: a rule
 *
 * Returns: (transfer full): one line, e.g. "4890 inet lookup 22096"
 */
char *
vpnd_route_rule_to_string (const VpndRouteRule *rule)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (text, "%u %s", rule->priority, rule->family == AF_INET ? "inet" : "inet6");
  if (rule->fwmask != 0)
    g_string_append_printf (text, " fwmark 0x%08x/0x%08x", rule->fwmark, rule->fwmask);
  g_string_append_printf (text, " lookup %u", rule->table);
  if (rule->suppress_prefixlength >= 0)
    g_string_append_printf (text, " suppress_prefixlength %d", rule->suppress_prefixlength);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/**
 * vpnd_route_plan_to_text:
 * @plan: a plan
 *
 * Writes the plan for people and for golden files: one entry a line.
 *
 * Returns: (transfer full): the text
 */
char *
vpnd_route_plan_to_text (const VpndRoutePlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (text, "link %s mtu %u\n", plan->ifname, plan->mtu);
  for (guint i = 0; i < plan->addresses->len; i++)
    {
      g_autofree char *address = vpnd_prefix_to_string (&g_array_index (plan->addresses, VpndPrefix, i));

      g_string_append_printf (text, "address %s\n", address);
    }
  for (guint i = 0; i < plan->routes->len; i++)
    {
      g_autofree char *route = vpnd_route_to_string (&g_array_index (plan->routes, VpndRoute, i));

      g_string_append_printf (text, "route %s\n", route);
    }
  for (guint i = 0; i < plan->rules->len; i++)
    {
      g_autofree char *rule = vpnd_route_rule_to_string (&g_array_index (plan->rules, VpndRouteRule, i));

      g_string_append_printf (text, "rule %s\n", rule);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
