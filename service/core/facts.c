/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/facts.h.
 */
#include "config.h"

#include "facts.h"

#include <string.h>

/**
 * vpnd_facts_new:
 *
 * Makes facts that say: no network at all. The caller fills them before it shares them.
 *
 * Returns: (transfer full): new facts
 */
VpndFacts *
vpnd_facts_new (void)
{
  VpndFacts *facts = g_new0 (VpndFacts, 1);

  g_atomic_ref_count_init (&facts->ref_count);
  facts->next_hops = g_array_new (FALSE, TRUE, sizeof (VpndHop));
  facts->bridges = g_array_new (FALSE, TRUE, sizeof (VpndHop));
  facts->lans = g_array_new (FALSE, TRUE, sizeof (VpndHop));
  return facts;
}

/**
 * vpnd_facts_ref:
 * @facts: facts
 *
 * Returns: (transfer full): @facts
 */
VpndFacts *
vpnd_facts_ref (VpndFacts *facts)
{
  g_atomic_ref_count_inc (&facts->ref_count);
  return facts;
}

/**
 * vpnd_facts_unref:
 * @facts: (transfer full) (nullable): facts
 */
void
vpnd_facts_unref (VpndFacts *facts)
{
  if (facts == NULL || !g_atomic_ref_count_dec (&facts->ref_count))
    return;

  g_array_unref (facts->next_hops);
  g_array_unref (facts->bridges);
  g_array_unref (facts->lans);
  g_free (facts);
}

/**
 * vpnd_default_route_equal:
 * @a: a default route
 * @b: a default route
 *
 * Returns: TRUE when packets take the same way by both
 */
gboolean
vpnd_default_route_equal (const VpndDefaultRoute *a, const VpndDefaultRoute *b)
{
  return a->present == b->present && a->ifindex == b->ifindex && strcmp (a->ifname, b->ifname) == 0 &&
      vpnd_addr_equal (&a->gateway, &b->gateway) && a->mtu == b->mtu && a->sources == b->sources;
}

static gboolean
hops_equal (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return FALSE;

  for (guint i = 0; i < a->len; i++)
    {
      const VpndHop *x = &g_array_index (a, VpndHop, i);
      const VpndHop *y = &g_array_index (b, VpndHop, i);

      if (!vpnd_prefix_equal (&x->prefix, &y->prefix) || x->ifindex != y->ifindex || strcmp (x->ifname, y->ifname) != 0 || x->metric != y->metric)
        return FALSE;
    }
  return TRUE;
}

/**
 * vpnd_facts_equal:
 * @a: facts
 * @b: facts
 *
 * Returns: TRUE when no plan could differ between the two
 */
gboolean
vpnd_facts_equal (const VpndFacts *a, const VpndFacts *b)
{
  return vpnd_default_route_equal (&a->default4, &b->default4) && vpnd_default_route_equal (&a->default6, &b->default6) &&
      hops_equal (a->next_hops, b->next_hops) && hops_equal (a->bridges, b->bridges) && hops_equal (a->lans, b->lans) &&
      a->forwards == b->forwards && a->ipv6_enabled == b->ipv6_enabled;
}

/**
 * vpnd_facts_is_online:
 * @facts: facts
 *
 * Returns: TRUE when any family has a default route outside the tunnel
 */
gboolean
vpnd_facts_is_online (const VpndFacts *facts)
{
  return facts->default4.present || facts->default6.present;
}
