/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See net-values.h.
 */
#include "config.h"

#include "net-values.h"

VpndAddr
addr_of (const char *text)
{
  VpndAddr result;

  g_assert_true (vpnd_addr_parse (text, &result));
  return result;
}

VpndPrefix
prefix_of (const char *text)
{
  VpndPrefix result;

  g_assert_true (vpnd_prefix_parse (text, &result));
  return result;
}

void
append_prefix (GArray *array, const char *text)
{
  VpndPrefix value = prefix_of (text);

  g_array_append_val (array, value);
}

VpndProfile *
profile_of (const char *addresses, const char *allowed)
{
  VpndProfile *profile = vpnd_profile_new ("test");
  VpndPeer *peer = vpnd_peer_new ();
  g_auto (GStrv) address_texts = g_strsplit (addresses, " ", -1);
  g_auto (GStrv) allowed_texts = g_strsplit (allowed, " ", -1);

  for (guint i = 0; address_texts[i] != NULL; i++)
    append_prefix (profile->addresses, address_texts[i]);
  for (guint i = 0; allowed_texts[i] != NULL; i++)
    append_prefix (peer->allowed_ips, allowed_texts[i]);
  g_ptr_array_add (profile->peers, peer);
  return profile;
}

void
add_endpoint (VpndProfile *profile, const char *addr)
{
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndEndpoint endpoint = { .port = 51820 };

  g_assert_true (vpnd_addr_parse (addr, &endpoint.addr));
  g_array_append_val (peer->endpoints, endpoint);
}

void
append_hop (GArray *hops, const char *text, guint ifindex, const char *ifname)
{
  VpndHop hop = { .prefix = prefix_of (text), .ifindex = ifindex };

  g_strlcpy (hop.ifname, ifname, sizeof hop.ifname);
  g_array_append_val (hops, hop);
}

VpndFacts *
home_facts (void)
{
  VpndFacts *facts = vpnd_facts_new ();

  facts->ipv6_enabled = TRUE;
  facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  facts->default6 = (VpndDefaultRoute){ .present = TRUE, .ifindex = 2, .ifname = "eth0", .mtu = 1500 };
  append_hop (facts->next_hops, "192.168.1.1/32", 2, "eth0");
  append_hop (facts->next_hops, "fe80::1/128", 2, "eth0");
  append_hop (facts->bridges, "172.17.0.0/16", 5, "docker0");
  return facts;
}

/* Either may be NULL. */
VpndDnsPlan *
dns_plan_of (const char *server, const char *search)
{
  VpndDnsPlan *plan = vpnd_dns_plan_new ("lo");

  if (server != NULL)
    {
      const VpndAddr addr = addr_of (server);

      g_array_append_val (plan->servers, addr);
    }
  if (search != NULL)
    g_ptr_array_add (plan->search, g_strdup (search));
  return plan;
}
