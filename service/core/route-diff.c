/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Plans of core/route-plan.h as values: in which order their routes and rules stand, when two are the same, and what turns one into the other. Knows
 * no profile and no facts.
 */
#include "config.h"

#include "route-plan.h"

#include <string.h>

#include "reserved.h"

static int
compare_u32 (guint32 a, guint32 b)
{
  return (a > b) - (a < b);
}

/**
 * vpnd_route_compare_place:
 * @a: a route
 * @b: a route
 *
 * By the kernel's key of a route: what a second route of the same table cannot share (fib_table_insert, fib6_add_rt2node).
 *
 * Returns: negative, zero or positive as @a is before, in the place of or after @b
 */
int
vpnd_route_compare_place (const VpndRoute *a, const VpndRoute *b)
{
  int order = compare_u32 (a->table, b->table);

  if (order == 0)
    order = vpnd_prefix_compare (&a->destination, &b->destination);
  if (order == 0)
    order = compare_u32 (a->metric, b->metric);
  return order;
}

/**
 * vpnd_route_compare:
 * @a: a route
 * @b: a route
 *
 * A total order: table, destination, metric, then the rest.
 *
 * Returns: negative, zero or positive as @a is before, equal to or after @b
 */
int
vpnd_route_compare (const VpndRoute *a, const VpndRoute *b)
{
  int order = vpnd_route_compare_place (a, b);

  if (order == 0)
    order = strcmp (a->ifname, b->ifname);
  if (order == 0)
    order = vpnd_addr_compare (&a->gateway, &b->gateway);
  if (order == 0)
    order = compare_u32 (a->mtu, b->mtu);
  return order;
}

/**
 * vpnd_route_rule_compare:
 * @a: a rule
 * @b: a rule
 *
 * A total order: family, priority, then the rest.
 *
 * Returns: negative, zero or positive as @a is before, equal to or after @b
 */
int
vpnd_route_rule_compare (const VpndRouteRule *a, const VpndRouteRule *b)
{
  int order = compare_u32 (a->family, b->family);

  if (order == 0)
    order = compare_u32 (a->priority, b->priority);
  if (order == 0)
    order = compare_u32 (a->fwmark, b->fwmark);
  if (order == 0)
    order = compare_u32 (a->fwmask, b->fwmask);
  if (order == 0)
    order = compare_u32 (a->table, b->table);
  if (order == 0)
    order = (a->suppress_prefixlength > b->suppress_prefixlength) - (a->suppress_prefixlength < b->suppress_prefixlength);
  return order;
}

static int
compare_routes_cb (gconstpointer a, gconstpointer b)
{
  return vpnd_route_compare (a, b);
}

static int
compare_route_keys_cb (gconstpointer a, gconstpointer b)
{
  return vpnd_route_compare_place (a, b);
}

static int
compare_rules_cb (gconstpointer a, gconstpointer b)
{
  return vpnd_route_rule_compare (a, b);
}

/**
 * vpnd_route_sort:
 * @routes: (element-type VpndRoute): comes into the order of vpnd_route_compare()
 */
void
vpnd_route_sort (GArray *routes)
{
  g_array_sort (routes, compare_routes_cb);
}

/**
 * vpnd_route_rule_sort:
 * @rules: (element-type VpndRouteRule): comes into the order of vpnd_route_rule_compare()
 */
void
vpnd_route_rule_sort (GArray *rules)
{
  g_array_sort (rules, compare_rules_cb);
}

/**
 * vpnd_route_plan_has_address:
 * @plan: a plan
 * @address: with its prefix length
 *
 * Returns: whether our link is to have it
 */
gboolean
vpnd_route_plan_has_address (const VpndRoutePlan *plan, const VpndPrefix *address)
{
  for (guint i = 0; i < plan->addresses->len; i++)
    {
      if (vpnd_prefix_equal (&g_array_index (plan->addresses, VpndPrefix, i), address))
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_route_plan_equal:
 * @a: a plan
 * @b: a plan
 *
 * Returns: TRUE when both put the host into the same state; the order of addresses does not count
 */
gboolean
vpnd_route_plan_equal (const VpndRoutePlan *a, const VpndRoutePlan *b)
{
  if (a->mtu != b->mtu || strcmp (a->ifname, b->ifname) != 0 || a->addresses->len != b->addresses->len ||
      a->routes->len != b->routes->len || a->rules->len != b->rules->len)
    return FALSE;

  for (guint i = 0; i < a->addresses->len; i++)
    {
      if (!vpnd_route_plan_has_address (b, &g_array_index (a->addresses, VpndPrefix, i)))
        return FALSE;
    }
  for (guint i = 0; i < a->routes->len; i++)
    {
      if (vpnd_route_compare (&g_array_index (a->routes, VpndRoute, i), &g_array_index (b->routes, VpndRoute, i)) != 0)
        return FALSE;
    }
  for (guint i = 0; i < a->rules->len; i++)
    {
      if (vpnd_route_rule_compare (&g_array_index (a->rules, VpndRouteRule, i), &g_array_index (b->rules, VpndRouteRule, i)) != 0)
        return FALSE;
    }
  return TRUE;
}

/* Appends to @out what stands in @from but not in @minus; both are sorted in an order that refines @compare. */
static void
append_difference (GArray *out, const GArray *from, const GArray *minus, GCompareFunc compare)
{
  gsize size = g_array_get_element_size ((GArray *) from);
  guint j = 0;

  for (guint i = 0; i < from->len; i++)
    {
      const char *element = from->data + i * size;

      while (j < minus->len && compare (minus->data + j * size, element) < 0)
        j++;
      if (j == minus->len || compare (minus->data + j * size, element) != 0)
        g_array_append_vals (out, element, 1);
    }
}

static void
append_missing_addresses (GArray *out, const VpndRoutePlan *from, const VpndRoutePlan *minus)
{
  for (guint i = 0; i < from->addresses->len; i++)
    {
      const VpndPrefix *address = &g_array_index (from->addresses, VpndPrefix, i);

      if (!vpnd_route_plan_has_address (minus, address))
        g_array_append_vals (out, address, 1);
    }
}

static VpndRouteDiff *
route_diff_new (const char *ifname)
{
  VpndRouteDiff *diff = g_new0 (VpndRouteDiff, 1);

  g_strlcpy (diff->ifname, ifname, sizeof diff->ifname);
  diff->add_addresses = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  diff->add_routes = g_array_new (FALSE, TRUE, sizeof (VpndRoute));
  diff->add_rules = g_array_new (FALSE, TRUE, sizeof (VpndRouteRule));
  diff->delete_rules = g_array_new (FALSE, TRUE, sizeof (VpndRouteRule));
  diff->delete_routes = g_array_new (FALSE, TRUE, sizeof (VpndRoute));
  diff->delete_addresses = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  return diff;
}

/**
 * vpnd_route_plan_diff:
 * @from: (nullable): the plan in force; NULL for none
 * @to: (nullable): the wanted plan, of the same link; NULL for none
 *
 * Says what turns @from into @to. A route that changes but keeps its table, destination and metric is only added: adding a route
 * replaces the one that has its place (VpndRouter), so there is no moment without it.
 *
 * Returns: (transfer full): the difference; empty when both are equal
 */
VpndRouteDiff *
vpnd_route_plan_diff (const VpndRoutePlan *from, const VpndRoutePlan *to)
{
  g_autoptr (VpndRoutePlan) none = vpnd_route_plan_new (to != NULL ? to->ifname : from != NULL ? from->ifname
                                                                                               : VPND_IFNAME,
      0);
  const VpndRoutePlan *old = from != NULL ? from : none;
  const VpndRoutePlan *new = to != NULL ? to : none;
  g_autoptr (VpndRouteDiff) diff = route_diff_new (none->ifname);

  g_return_val_if_fail (strcmp (old->ifname, new->ifname) == 0, NULL);

  diff->mtu = to != NULL && old->mtu != new->mtu ? new->mtu : 0;
  diff->link_up = from == NULL && to != NULL;
  append_missing_addresses (diff->add_addresses, new, old);
  append_missing_addresses (diff->delete_addresses, old, new);
  append_difference (diff->add_routes, new->routes, old->routes, compare_routes_cb);
  append_difference (diff->delete_routes, old->routes, new->routes, compare_route_keys_cb);
  append_difference (diff->add_rules, new->rules, old->rules, compare_rules_cb);
  append_difference (diff->delete_rules, old->rules, new->rules, compare_rules_cb);
  return g_steal_pointer (&diff);
}

/**
 * vpnd_route_diff_free:
 * @diff: (transfer full) (nullable): a difference
 */
void
vpnd_route_diff_free (VpndRouteDiff *diff)
{
  if (diff == NULL)
    return;

  g_array_unref (diff->add_addresses);
  g_array_unref (diff->add_routes);
  g_array_unref (diff->add_rules);
  g_array_unref (diff->delete_rules);
  g_array_unref (diff->delete_routes);
  g_array_unref (diff->delete_addresses);
  g_free (diff);
}

/**
 * vpnd_route_diff_is_empty:
 * @diff: a difference
 *
 * Returns: TRUE when there is nothing to do
 */
gboolean
vpnd_route_diff_is_empty (const VpndRouteDiff *diff)
{
  return diff->mtu == 0 && !diff->link_up && diff->add_addresses->len == 0 && diff->add_routes->len == 0 &&
      diff->add_rules->len == 0 && diff->delete_rules->len == 0 && diff->delete_routes->len == 0 &&
      diff->delete_addresses->len == 0;
}
