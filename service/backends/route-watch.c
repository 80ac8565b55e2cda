/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The watch of route-watch.h. Its socket for notifications lives as long as the watch, so nothing wakes the process up while there is no
 * tunnel or while we change things ourselves; routes of other tables are dropped inside the kernel. One look is under way at a time.
 */
#include "config.h"

#include "route-watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "reserved.h"
#include "route-reader.h"
#include "rtnl-decode.h"

#define TRANSACTION_TIMEOUT_MS 5000 /* the kernel answers inside send (); this only bounds a bug */
#define LOOKS_IN_A_ROW_MAX 8u       /* a dump is repeated when others change the tables meanwhile */

/**
 * VpndRouteWatch:
 * @notifications: (owned) (nullable): NULL when stopped
 * @questions: (owned): an unfiltered socket
 * @plan: (owned): what should be there
 * @cancellable: (owned): cancelled when stopped
 * @links: (element-type guint VpndRtnlLink) (owned): by ifindex, as read in the look under way
 * @found: (owned) (nullable): what the look under way has read; NULL when none is
 * @next: question that comes next
 * @lost: (element-type guint) (owned): links that were told to be down, or to have lost an address
 * @is_stale: something changed since the look began
 */
struct _VpndRouteWatch
{
  GObject parent_instance;

  VpndNlSocket *notifications;
  VpndNlSocket *questions;
  VpndRoutePlan *plan;
  VpndRouteWatchFunc func;
  gpointer func_data;
  GCancellable *cancellable;
  GHashTable *links;
  GHashTable *lost;
  VpndRoutePlan *found;
  gsize next;
  gboolean is_stale;
  guint looks;
};

G_DEFINE_FINAL_TYPE (VpndRouteWatch, vpnd_route_watch, G_TYPE_OBJECT)

static void look_step (VpndRouteWatch *self);

static const VpndRtnlLink *
find_own_link (VpndRouteWatch *self)
{
  GHashTableIter iter;
  gpointer link;

  g_hash_table_iter_init (&iter, self->links);
  while (g_hash_table_iter_next (&iter, NULL, &link))
    {
      if (strcmp (((VpndRtnlLink *) link)->name, self->plan->ifname) == 0)
        return link;
    }
  return NULL;
}

static gboolean
is_own_ifindex (VpndRouteWatch *self, guint ifindex)
{
  const VpndRtnlLink *link = g_hash_table_lookup (self->links, GUINT_TO_POINTER (ifindex));

  return link != NULL && strcmp (link->name, self->plan->ifname) == 0;
}

static void
add_route (VpndRouteWatch *self, const VpndRtnlRoute *seen)
{
  const VpndRtnlNextHop *hop = &g_array_index (seen->hops, VpndRtnlNextHop, 0);
  const VpndRtnlLink *link = g_hash_table_lookup (self->links, GUINT_TO_POINTER (hop->ifindex));
  VpndRoute route = { .destination = seen->destination, .table = seen->table, .gateway = hop->gateway, .metric = seen->metric, .mtu = seen->mtu };

  if (seen->protocol != VPND_RTPROT || seen->type != RTN_UNICAST || seen->hops->len != 1 || link == NULL)
    return;
  if (route.destination.addr.family == AF_INET6 && route.metric == VPND_ROUTE_METRIC_DEFAULT6)
    route.metric = 0;
  g_strlcpy (route.ifname, link->name, sizeof route.ifname);
  g_array_append_val (self->found->routes, route);
}

static void
add_message (VpndRouteWatch *self, const void *message, gsize length)
{
  g_auto (VpndRtnlRoute) route = { 0 };
  VpndRtnlAddress address;
  VpndRtnlLink link;
  VpndRtnlRule rule;

  if (vpnd_rtnl_decode_link (message, length, &link))
    g_hash_table_replace (self->links, GUINT_TO_POINTER (link.ifindex), g_memdup2 (&link, sizeof link));
  else if (vpnd_rtnl_decode_address (message, length, &address) && is_own_ifindex (self, address.ifindex))
    g_array_append_val (self->found->addresses, address.address);
  else if (vpnd_rtnl_decode_rule (message, length, &rule) && rule.action == FR_ACT_TO_TBL && !rule.has_other_selectors)
    g_array_append_val (self->found->rules, rule.rule);
  else if (vpnd_rtnl_decode_route (message, length, &route) && (route.table == VPND_TABLE_TUNNEL || route.table == VPND_TABLE_LOCAL))
    add_route (self, &route);
}

static int
compare_routes_cb (gconstpointer a, gconstpointer b)
{
  return vpnd_route_compare (a, b);
}

static int
compare_rules_cb (gconstpointer a, gconstpointer b)
{
  return vpnd_route_rule_compare (a, b);
}

/* A route of a link that is down cannot be there; the facts that follow will not want it any more. */
static guint
count_missing_routes (VpndRouteWatch *self, const GArray *missing)
{
  g_autoptr (GHashTable) up = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer value;
  guint count = 0;

  g_hash_table_iter_init (&iter, self->links);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      if ((((VpndRtnlLink *) value)->flags & IFF_UP) != 0)
        g_hash_table_add (up, ((VpndRtnlLink *) value)->name);
    }
  for (guint i = 0; i < missing->len; i++)
    count += g_hash_table_contains (up, g_array_index (missing, VpndRoute, i).ifname);
  return count;
}

static void
append_words (GString *text, guint count, const char *one, const char *many)
{
  if (count > 0)
    g_string_append_printf (text, "%s%u %s", text->len > 0 ? ", " : "", count, count == 1 ? one : many);
}

/* Returns: (transfer full) (nullable): NULL when nothing is missing */
static char *
describe_missing (VpndRouteWatch *self, const VpndRtnlLink *link)
{
  g_autoptr (VpndRouteDiff) diff = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  g_array_sort (self->found->routes, compare_routes_cb);
  g_array_sort (self->found->rules, compare_rules_cb);
  diff = vpnd_route_plan_diff (self->found, self->plan);
  append_words (text, diff->add_rules->len, "policy rule", "policy rules");
  append_words (text, count_missing_routes (self, diff->add_routes), "route", "routes");
  append_words (text, diff->add_addresses->len, "address", "addresses");
  append_words (text, (link->flags & IFF_UP) == 0, "link that is up", "");
  append_words (text, link->mtu != self->plan->mtu, "MTU", "");
  return text->len > 0 ? g_strdup (text->str) : NULL;
}

static void
begin_look (VpndRouteWatch *self)
{
  self->is_stale = FALSE;
  self->looks++;
  self->next = 0;
  g_hash_table_remove_all (self->links);
  g_clear_pointer (&self->found, vpnd_route_plan_unref);
  self->found = vpnd_route_plan_new (self->plan->ifname, 0);
  look_step (self);
}

static void
finish_look (VpndRouteWatch *self)
{
  const VpndRtnlLink *link = find_own_link (self);
  g_autofree char *missing = NULL;

  if (self->is_stale && self->looks < LOOKS_IN_A_ROW_MAX)
    {
      begin_look (self); /* what was read may be of two moments */
      return;
    }
  self->looks = 0;
  missing = link != NULL ? describe_missing (self, link) : NULL;
  g_clear_pointer (&self->found, vpnd_route_plan_unref);
  if (missing != NULL)
    self->func (missing, self->func_data);
}

static void
on_dumped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndRouteWatch) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (self->notifications == NULL)
    return; /* stopped meanwhile */
  if (reply == NULL || !vpnd_route_reply_is_usable (reply, NULL))
    {
      /* Nothing is known; the next notification looks again. */
      self->looks = 0;
      g_clear_pointer (&self->found, vpnd_route_plan_unref);
      return;
    }

  self->is_stale |= reply->overrun;
  for (guint i = 0; i < reply->messages->len; i++)
    {
      GBytes *message = g_ptr_array_index (reply->messages, i);

      add_message (self, g_bytes_get_data (message, NULL), g_bytes_get_size (message));
    }
  look_step (self);
}

static void
look_step (VpndRouteWatch *self)
{
  const gsize at = self->next++;

  if (vpnd_route_has_question (at, FALSE))
    vpnd_route_ask_async (self->questions, at, TRANSACTION_TIMEOUT_MS, self->cancellable, on_dumped, g_object_ref (self));
  else
    finish_look (self);
}

/* A link that goes down takes our routes by it along, and so does one that loses its last address of IPv4; those of IPv4 go without a word of the kernel's
 * (fib_sync_down_dev, fib_disable_ip). When it is back sooner than the facts are read again, they are the same as before, and nobody else would see that the routes
 * are not. */
static gboolean
has_come_back (VpndRouteWatch *self, guint ifindex, gboolean is_there)
{
  char name[IF_NAMESIZE];
  gboolean is_used = FALSE;

  if (!is_there)
    {
      g_hash_table_add (self->lost, GUINT_TO_POINTER (ifindex));
      return FALSE;
    }
  if (!g_hash_table_remove (self->lost, GUINT_TO_POINTER (ifindex)) || if_indextoname (ifindex, name) == NULL)
    return FALSE;
  for (guint i = 0; i < self->plan->routes->len && !is_used; i++)
    is_used = strcmp (g_array_index (self->plan->routes, VpndRoute, i).ifname, name) == 0;
  return is_used;
}

/* What cannot concern the plan is passed over: additions by others, other links that stay as they are, and traffic about a link that is as it should be. What cannot be
 * read may concern it. */
static gboolean
is_relevant (VpndRouteWatch *self, const struct nlmsghdr *message)
{
  guint own = if_nametoindex (self->plan->ifname);
  g_auto (VpndRtnlRoute) route = { 0 };
  VpndRtnlAddress address;
  VpndRtnlLink link;
  VpndRtnlRule rule;

  if (vpnd_rtnl_decode_rule (message, message->nlmsg_len, &rule))
    return rule.is_gone;
  if (vpnd_rtnl_decode_route (message, message->nlmsg_len, &route))
    return route.table == VPND_TABLE_TUNNEL || route.table == VPND_TABLE_LOCAL;
  if (vpnd_rtnl_decode_address (message, message->nlmsg_len, &address))
    return address.ifindex == own ? address.is_gone : has_come_back (self, address.ifindex, !address.is_gone);
  if (vpnd_rtnl_decode_link (message, message->nlmsg_len, &link))
    return link.ifindex == own ? !link.is_gone && ((link.flags & IFF_UP) == 0 || link.mtu != self->plan->mtu) : has_come_back (self, link.ifindex, (link.flags & IFF_UP) != 0);
  if (vpnd_rtnl_is_of_other_family (message, message->nlmsg_len))
    return FALSE;
  vpnd_nl_socket_tell_unreadable (self->questions, message->nlmsg_len); /* it outlives the watch, and remembers that it has been told */
  return TRUE;
}

static void
on_notify (const struct nlmsghdr *message, gpointer user_data)
{
  VpndRouteWatch *self = user_data;

  if (message != NULL && !is_relevant (self, message))
    return;
  if (self->found != NULL)
    self->is_stale = TRUE;
  else
    begin_look (self);
}

/* Routes are by far the most frequent notifications. Ours have tables above 255, which the byte of the header cannot hold; it then says
 * RT_TABLE_COMPAT (net/ipv4/fib_semantics.c, net/ipv6/route.c). Classic BPF loads in network order, a netlink header is in the host's. */
static gboolean
attach_filter (VpndNlSocket *socket, GError **error)
{
  const struct sock_filter filter[] = {
    BPF_STMT (BPF_LD | BPF_H | BPF_ABS, G_STRUCT_OFFSET (struct nlmsghdr, nlmsg_type)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, htons (RTM_NEWROUTE), 1, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, htons (RTM_DELROUTE), 0, 2),
    BPF_STMT (BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + G_STRUCT_OFFSET (struct rtmsg, rtm_table)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, RT_TABLE_COMPAT, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, G_MAXUINT32),
    BPF_STMT (BPF_RET | BPF_K, 0),
  };

  return vpnd_nl_socket_set_filter (socket, filter, G_N_ELEMENTS (filter), error);
}

/**
 * vpnd_route_watch_stop:
 * @self: the watch
 *
 * Ends it: its function is not called any more, and nothing wakes the process up.
 */
void
vpnd_route_watch_stop (VpndRouteWatch *self)
{
  if (self->notifications != NULL)
    vpnd_nl_socket_set_notify (self->notifications, NULL, NULL);
  g_clear_object (&self->notifications);
  g_cancellable_cancel (self->cancellable);
}

static void
vpnd_route_watch_dispose (GObject *object)
{
  VpndRouteWatch *self = VPND_ROUTE_WATCH (object);

  vpnd_route_watch_stop (self);
  g_clear_object (&self->questions);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (vpnd_route_watch_parent_class)->dispose (object);
}

static void
vpnd_route_watch_finalize (GObject *object)
{
  VpndRouteWatch *self = VPND_ROUTE_WATCH (object);

  g_clear_pointer (&self->plan, vpnd_route_plan_unref);
  g_clear_pointer (&self->found, vpnd_route_plan_unref);
  g_clear_pointer (&self->links, g_hash_table_unref);
  g_clear_pointer (&self->lost, g_hash_table_unref);
  G_OBJECT_CLASS (vpnd_route_watch_parent_class)->finalize (object);
}

static void
vpnd_route_watch_class_init (VpndRouteWatchClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_route_watch_dispose;
  G_OBJECT_CLASS (klass)->finalize = vpnd_route_watch_finalize;
}

static void
vpnd_route_watch_init (VpndRouteWatch *self)
{
  self->cancellable = g_cancellable_new ();
  self->links = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->lost = g_hash_table_new (NULL, NULL);
}

/**
 * vpnd_route_watch_new:
 * @questions: (transfer none): an unfiltered rtnetlink socket to read the tables with
 * @plan: (transfer none): what should be there
 * @func: called after each look that finds something missing; may stop the watch
 * @user_data: passed to @func
 * @error: return location for an error
 *
 * Begins to watch on the thread-default main context, with a first look at once.
 *
 * Returns: (transfer full): the watch, or NULL with @error set when the socket cannot be had
 */
VpndRouteWatch *
vpnd_route_watch_new (VpndNlSocket *questions, VpndRoutePlan *plan, VpndRouteWatchFunc func, gpointer user_data, GError **error)
{
  static const guint groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };
  g_autoptr (VpndRouteWatch) self = g_object_new (VPND_TYPE_ROUTE_WATCH, NULL);
  g_autoptr (VpndNlSocket) socket = vpnd_nl_socket_new (NETLINK_ROUTE, error);

  if (socket == NULL || !attach_filter (socket, error))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      if (!vpnd_nl_socket_join (socket, groups[i], error))
        return NULL;
    }
  self->questions = g_object_ref (questions);
  self->plan = vpnd_route_plan_ref (plan);
  self->func = func;
  self->func_data = user_data;
  self->notifications = g_steal_pointer (&socket);
  vpnd_nl_socket_set_notify (self->notifications, on_notify, self);
  begin_look (self);
  return g_steal_pointer (&self);
}
