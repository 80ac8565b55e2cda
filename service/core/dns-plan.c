/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/dns-plan.h and how it follows from profile and settings.
 */
#include "config.h"

#include "dns-plan.h"

#include "reserved.h"

#include <string.h>

/**
 * vpnd_dns_plan_new:
 * @ifname: our link; longer names than IFNAMSIZ - 1 are cut
 *
 * Returns: (transfer full): a plan that leaves DNS alone; the caller fills it before it shares it
 */
VpndDnsPlan *
vpnd_dns_plan_new (const char *ifname)
{
  VpndDnsPlan *plan = g_new0 (VpndDnsPlan, 1);

  g_atomic_ref_count_init (&plan->ref_count);
  g_strlcpy (plan->ifname, ifname, sizeof plan->ifname);
  plan->servers = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  plan->outside = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  plan->search = g_ptr_array_new_with_free_func (g_free);
  return plan;
}

static gboolean
addrs_contain (const GArray *addrs, const VpndAddr *addr)
{
  for (guint i = 0; i < addrs->len; i++)
    if (vpnd_addr_equal (&g_array_index (addrs, VpndAddr, i), addr))
      return TRUE;
  return FALSE;
}

static gboolean
networks_contain (const GArray *networks, const VpndAddr *addr)
{
  for (guint i = 0; i < networks->len; i++)
    {
      VpndPrefix network = vpnd_prefix_masked (&g_array_index (networks, VpndPrefix, i));

      if (vpnd_prefix_is_private (&network) && vpnd_prefix_contains (&network, addr))
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_dns_server_is_outside:
 * @server: a resolver
 * @profile: the profile in use
 *
 * A resolver with a private address is one of the user's own network, and asked there; unless the profile itself has it: as its resolver
 * or gateway, or inside a private network that its address or its peers name.
 *
 * Returns: TRUE when @server is to be asked beside the tunnel
 */
gboolean
vpnd_dns_server_is_outside (const VpndAddr *server, const VpndProfile *profile)
{
  if (!vpnd_addr_is_private (server) || addrs_contain (profile->dns_servers, server) || vpnd_addr_equal (server, &profile->gateway4) ||
      vpnd_addr_equal (server, &profile->gateway6) || networks_contain (profile->addresses, server))
    return FALSE;

  for (guint i = 0; i < profile->peers->len; i++)
    if (networks_contain (((const VpndPeer *) g_ptr_array_index (profile->peers, i))->allowed_ips, server))
      return FALSE;
  return TRUE;
}

/* A server is of use where the tunnel carries its family; one on loopback or on a network of one's own needs no tunnel at all. */
static gboolean
is_usable (const VpndAddr *server, const VpndProfile *profile, const VpndSettings *settings)
{
  if (vpnd_addr_is_loopback (server) || vpnd_dns_server_is_outside (server, profile))
    return TRUE;
  if (server->family == AF_INET6 && !settings->ipv6)
    return FALSE;

  return vpnd_profile_has_address (profile, server->family) && vpnd_profile_routes_family (profile, server->family);
}

/**
 * vpnd_dns_plan_build:
 * @profile: the profile in use
 * @settings: the settings
 *
 * Decides which resolvers the host shall use: the custom ones of the settings, else those of the profile, each only where
 * the tunnel carries its address family, or where it is asked beside the tunnel. Search domains come from the profile and only along with a server. A profile with
 * Table = off has no DNS of ours, as its routes are none of ours either.
 *
 * Returns: (transfer full): the plan
 */
VpndDnsPlan *
vpnd_dns_plan_build (const VpndProfile *profile, const VpndSettings *settings)
{
  VpndDnsPlan *plan = vpnd_dns_plan_new (VPND_IFNAME);
  const GArray *wanted = settings->dns_servers->len > 0 ? settings->dns_servers : profile->dns_servers;

  if (profile->routes_off)
    return plan;

  for (guint i = 0; i < wanted->len; i++)
    {
      const VpndAddr *server = &g_array_index (wanted, VpndAddr, i);

      if (!is_usable (server, profile, settings))
        continue;
      g_array_append_vals (plan->servers, server, 1);
      if (vpnd_dns_server_is_outside (server, profile))
        g_array_append_vals (plan->outside, server, 1);
    }
  for (guint i = 0; plan->servers->len > 0 && i < profile->dns_search->len; i++)
    g_ptr_array_add (plan->search, g_strdup (g_ptr_array_index (profile->dns_search, i)));
  return plan;
}

/**
 * vpnd_dns_plan_ref:
 * @plan: a plan
 *
 * Returns: (transfer full): @plan
 */
VpndDnsPlan *
vpnd_dns_plan_ref (VpndDnsPlan *plan)
{
  g_atomic_ref_count_inc (&plan->ref_count);
  return plan;
}

/**
 * vpnd_dns_plan_unref:
 * @plan: (transfer full) (nullable): a plan
 */
void
vpnd_dns_plan_unref (VpndDnsPlan *plan)
{
  if (plan == NULL || !g_atomic_ref_count_dec (&plan->ref_count))
    return;

  g_array_unref (plan->servers);
  g_array_unref (plan->outside);
  g_ptr_array_unref (plan->search);
  g_free (plan);
}

/**
 * vpnd_dns_plan_equal:
 * @a: a plan
 * @b: a plan
 *
 * Returns: TRUE when both ask for the same, in the same order
 */
gboolean
vpnd_dns_plan_equal (const VpndDnsPlan *a, const VpndDnsPlan *b)
{
  if (strcmp (a->ifname, b->ifname) != 0 || a->servers->len != b->servers->len || a->outside->len != b->outside->len || a->search->len != b->search->len)
    return FALSE;

  for (guint i = 0; i < a->servers->len; i++)
    if (!vpnd_addr_equal (&g_array_index (a->servers, VpndAddr, i), &g_array_index (b->servers, VpndAddr, i)))
      return FALSE;
  for (guint i = 0; i < a->outside->len; i++)
    if (!vpnd_addr_equal (&g_array_index (a->outside, VpndAddr, i), &g_array_index (b->outside, VpndAddr, i)))
      return FALSE;
  for (guint i = 0; i < a->search->len; i++)
    if (!g_str_equal (g_ptr_array_index (a->search, i), g_ptr_array_index (b->search, i)))
      return FALSE;
  return TRUE;
}

/**
 * vpnd_dns_plan_is_empty:
 * @plan: a plan
 *
 * Returns: TRUE when DNS shall be left alone
 */
gboolean
vpnd_dns_plan_is_empty (const VpndDnsPlan *plan)
{
  return plan->servers->len == 0;
}
