/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See router-host.h.
 */
#include "config.h"

#include "router-host.h"

#include "net-values.h"
#include "netns.h"
#include "nl-socket.h"
#include "reserved.h"
#include "router-rtnl.h"
#include "rtnl-decode.h"
#include "rtnl-encode.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#define IPV6_METRIC_DEFAULT 1024 /* IP6_RT_PRIO_USER: what the kernel makes of metric 0 */
#define TIMEOUT_MS 20000

/* By a link that is there. */
void
append_hop_by (GArray *hops, const char *text, const char *ifname)
{
  append_hop (hops, text, if_nametoindex (ifname), ifname);
}

/* A host with an uplink, a hostile one: routes for everything and for a single host point at the LAN. */
void
make_host (void)
{
  netns_fresh ();
  netns_add_link ("eth0");
  NETNS_DO ("ip link add vpnd0 type veth peer name far");
  NETNS_DO ("ip link set far addrgenmode none");
  NETNS_DO ("ip link set far up");
  NETNS_DO ("ip addr add 192.168.1.2/24 dev eth0");
  NETNS_DO ("ip addr add 2001:db8:1::2/64 dev eth0 nodad");
  NETNS_DO ("ip route add default via 192.168.1.1");
  NETNS_DO ("ip -6 route add default via 2001:db8:1::1");
}

VpndFacts *
host_facts (void)
{
  VpndFacts *facts = vpnd_facts_new ();

  facts->ipv6_enabled = TRUE;
  facts->default4 = (VpndDefaultRoute){ .present = TRUE, .ifindex = if_nametoindex ("eth0"), .mtu = 1500 };
  facts->default6 = facts->default4;
  append_hop_by (facts->next_hops, "192.168.1.1/32", "eth0");
  append_hop_by (facts->next_hops, "2001:db8:1::1/128", "eth0");
  return facts;
}

VpndRoutePlan *
full_plan (void)
{
  g_autoptr (VpndProfile) profile = profile_of ("10.64.0.2/32 10.65.0.2/24 fc00:bbbb::2/64", "0.0.0.0/0 ::/0 10.64.0.1/32");
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();
  g_autoptr (VpndFacts) facts = host_facts ();

  return vpnd_route_plan_build (profile, settings, facts);
}

VpndRouter *
new_router (void)
{
  g_autoptr (GError) error = NULL;
  VpndRouter *router = vpnd_router_rtnl_new (&error);

  g_assert_no_error (error);
  return router;
}

gboolean
apply (VpndRouter *router, const VpndRoutePlan *from, const VpndRoutePlan *to, GError **error)
{
  g_autoptr (VpndRouteDiff) diff = vpnd_route_plan_diff (from, to);
  g_autoptr (GAsyncResult) result = NULL;

  vpnd_router_apply_async (router, diff, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  return vpnd_router_apply_finish (router, result, error);
}

void
must_apply (VpndRouter *router, const VpndRoutePlan *from, const VpndRoutePlan *to)
{
  g_autoptr (GError) error = NULL;

  apply (router, from, to, &error);
  g_assert_no_error (error);
}

void
must_clear (VpndRouter *router)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  vpnd_router_clear_async (router, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  vpnd_router_clear_finish (router, result, &error);
  g_assert_no_error (error);
}

static void
ask (VpndNlSocket *socket, GByteArray *request, GPtrArray *out_messages)
{
  g_autoptr (GBytes) bytes = g_bytes_new (request->data, request->len);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = NULL;

  g_byte_array_set_size (request, 0);
  vpnd_nl_socket_transact_async (socket, bytes, TIMEOUT_MS, NULL, netns_on_result, &result);
  netns_wait_result (&result);
  reply = vpnd_nl_socket_transact_finish (socket, result, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < reply->messages->len; i++)
    g_ptr_array_add (out_messages, g_bytes_ref (g_ptr_array_index (reply->messages, i)));
}

static void
read_route (VpndRoutePlan *host, const VpndRtnlRoute *seen)
{
  const VpndRtnlNextHop *hop = &g_array_index (seen->hops, VpndRtnlNextHop, 0);
  VpndRoute route = { .destination = seen->destination, .table = seen->table, .gateway = hop->gateway, .metric = seen->metric, .mtu = seen->mtu };

  if (seen->protocol != VPND_RTPROT)
    return;
  if (route.destination.addr.family == AF_INET6 && route.metric == IPV6_METRIC_DEFAULT)
    route.metric = 0;
  g_assert_nonnull (if_indextoname (hop->ifindex, route.ifname));
  g_array_append_val (host->routes, route);
}

/* The plan that the kernel is in, as far as it carries our number. */
VpndRoutePlan *
read_host (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlSocket) socket = vpnd_nl_socket_new (NETLINK_ROUTE, &error);
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GByteArray) request = g_byte_array_new ();
  VpndRoutePlan *host = vpnd_route_plan_new (VPND_IFNAME, 0);
  guint own = if_nametoindex (VPND_IFNAME);

  g_assert_no_error (error);
  for (gsize i = 0; i < 2; i++)
    {
      int family = i == 0 ? AF_INET : AF_INET6;

      vpnd_rtnl_encode_dump_rules (request, vpnd_nl_socket_next_seq (socket, 1), family);
      ask (socket, request, messages);
      vpnd_rtnl_encode_dump_routes (request, vpnd_nl_socket_next_seq (socket, 1), family, 0);
      ask (socket, request, messages);
    }
  vpnd_rtnl_encode_dump_addresses (request, vpnd_nl_socket_next_seq (socket, 1), AF_UNSPEC);
  ask (socket, request, messages);
  vpnd_rtnl_encode_dump_links (request, vpnd_nl_socket_next_seq (socket, 1));
  ask (socket, request, messages);

  for (guint i = 0; i < messages->len; i++)
    {
      gsize length;
      const void *message = g_bytes_get_data (g_ptr_array_index (messages, i), &length);
      g_auto (VpndRtnlRoute) route = { 0 };
      VpndRtnlAddress address;
      VpndRtnlLink link;
      VpndRtnlRule rule;

      if (vpnd_rtnl_decode_rule (message, length, &rule) && rule.protocol == VPND_RTPROT)
        {
          g_assert_false (rule.has_other_selectors);
          g_array_append_val (host->rules, rule.rule);
        }
      else if (vpnd_rtnl_decode_route (message, length, &route))
        read_route (host, &route);
      else if (vpnd_rtnl_decode_address (message, length, &address) && address.ifindex == own)
        g_array_append_val (host->addresses, address.address);
      else if (vpnd_rtnl_decode_link (message, length, &link) && link.ifindex == own)
        host->mtu = link.mtu;
    }
  vpnd_route_sort (host->routes);
  vpnd_route_rule_sort (host->rules);
  return host;
}

void
assert_host_is (const VpndRoutePlan *plan)
{
  g_autoptr (VpndRoutePlan) host = read_host ();

  if (!vpnd_route_plan_equal (host, plan))
    {
      g_autofree char *got = vpnd_route_plan_to_text (host);
      g_autofree char *wanted = vpnd_route_plan_to_text (plan);

      g_error ("the kernel has\n%s\nwanted\n%s", got, wanted);
    }
}
