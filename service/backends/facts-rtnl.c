/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndFactsSource by rtnetlink. Notifications say only that something changed; what is there is always read whole, so that a lost
 * notification, an interrupted dump or a burst can never leave a wrong picture. Bursts are gathered for 20 ms, and reading
 * never takes more than about a fifth of the time, however busy the tables are. Without events there is no timer.
 */
#include "config.h"

#include "facts-rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "facts-digest.h"
#include "nl-socket.h"
#include "reserved.h"
#include "rtnl-decode.h"
#include "rtnl-encode.h"

#define DEBOUNCE_MS 20              /* one DHCP renewal or one link going up is a burst of about ten messages within a few milliseconds */
#define READ_SHARE 4                /* a read that took t is followed by a pause of at least 4 t */
#define RETRY_MS 1000               /* after a failed read */
#define TRANSACTION_TIMEOUT_MS 5000 /* a million routes take about a second; beyond it something is broken */
#define DISABLE_IPV6_PATH "/proc/sys/net/ipv6/conf/all/disable_ipv6"

/**
 * Reading: one pass over everything
 * @links: (element-type VpndFactsLink) (owned)
 * @addresses: (element-type VpndFactsAddress) (owned)
 * @routes: (element-type VpndFactsRoute) (owned)
 * @next: question that comes next
 * @started_us: monotonic time
 */
typedef struct
{
  GArray *links;
  GArray *addresses;
  GArray *routes;
  gsize next;
  gint64 started_us;
} Reading;

/**
 * VpndFactsRtnl:
 * @own_ifname: (owned): never a fact
 * @facts: (owned): as known now
 * @reading: (owned) (nullable): the pass under way
 * @start_task: (owned) (nullable): waits for the first pass
 * @timer: (owned) (nullable): the next pass
 * @is_stale: something changed since @reading began
 * @is_blind: the last pass failed, which was told
 * @rest_until_us: monotonic time before which no pass begins: however busy the network is, reading it takes a bounded share of time
 */
struct _VpndFactsRtnl
{
  GObject parent_instance;

  char *own_ifname;
  VpndNlSocket *socket;
  GMainContext *context;
  VpndFacts *facts;
  Reading *reading;
  GTask *start_task;
  GSource *timer;
  gboolean is_stale;
  gboolean is_blind;
  gboolean is_started;
  gint64 rest_until_us;
};

static void vpnd_facts_rtnl_iface_init (VpndFactsSourceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndFactsRtnl, vpnd_facts_rtnl, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_FACTS_SOURCE, vpnd_facts_rtnl_iface_init))

/* What is read, in this order. Links come last: a route whose link is known and gone is passed over, and never the other way round. */
typedef struct
{
  guint16 type;
  int family;
  guint32 table;
} Question;

static const Question questions[] = {
  { RTM_GETROUTE, AF_INET, RT_TABLE_MAIN },
  { RTM_GETROUTE, AF_INET6, RT_TABLE_MAIN },
  { RTM_GETROUTE, AF_INET, RT_TABLE_DEFAULT },
  { RTM_GETROUTE, AF_INET6, RT_TABLE_DEFAULT },
  { RTM_GETADDR, AF_UNSPEC, 0 },
  { RTM_GETLINK, AF_UNSPEC, 0 },
};

static void reading_step (VpndFactsRtnl *self);

static Reading *
reading_new (void)
{
  Reading *reading = g_new0 (Reading, 1);

  reading->links = g_array_new (FALSE, TRUE, sizeof (VpndFactsLink));
  reading->addresses = g_array_new (FALSE, TRUE, sizeof (VpndFactsAddress));
  reading->routes = g_array_new (FALSE, TRUE, sizeof (VpndFactsRoute));
  reading->started_us = g_get_monotonic_time ();
  return reading;
}

static void
reading_free (Reading *reading)
{
  g_array_unref (reading->links);
  g_array_unref (reading->addresses);
  g_array_unref (reading->routes);
  g_free (reading);
}

static VpndLinkKind
link_kind (const VpndRtnlLink *link)
{
  static const char *const internal_kinds[] = { "veth", "tun", "dummy", NULL };

  if ((link->flags & IFF_LOOPBACK) != 0)
    return VPND_LINK_KIND_LOOPBACK;
  if (strcmp (link->kind, "bridge") == 0)
    return VPND_LINK_KIND_BRIDGE;
  return g_strv_contains (internal_kinds, link->kind) ? VPND_LINK_KIND_INTERNAL : VPND_LINK_KIND_OTHER;
}

static void
reading_add_link (Reading *reading, const VpndRtnlLink *link)
{
  VpndFactsLink row = {
    .ifindex = link->ifindex,
    .kind = link_kind (link),
    .master = link->master,
    .mtu = link->mtu,
    .is_up = (link->flags & IFF_UP) != 0,
    .is_running = (link->flags & IFF_UP) != 0 && (link->flags & IFF_RUNNING) != 0,
    .forwards = link->forwards,
  };

  g_strlcpy (row.ifname, link->name, sizeof row.ifname);
  g_array_append_val (reading->links, row);
}

static void
reading_add_address (Reading *reading, const VpndRtnlAddress *address)
{
  VpndPrefix on_link = address->address;
  VpndFactsAddress row = { .ifindex = address->ifindex };

  if (vpnd_addr_is_set (&address->peer))
    on_link.addr = address->peer; /* the prefix length of a point-to-point address belongs to the far end */
  row.network = vpnd_prefix_masked (&on_link);
  /* Until duplicate address detection is over nothing can be sent from it; its end is told. */
  if (address->scope == RT_SCOPE_UNIVERSE && (address->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0)
    row.source = address->address.addr;
  g_array_append_val (reading->addresses, row);
}

static gboolean
is_relevant_route (const VpndRtnlRoute *route)
{
  return (route->table == RT_TABLE_MAIN || route->table == RT_TABLE_DEFAULT) && route->type == RTN_UNICAST && route->protocol != VPND_RTPROT;
}

static void
reading_add_route (Reading *reading, const VpndRtnlRoute *route)
{
  if (!is_relevant_route (route))
    return;

  for (guint i = 0; i < route->hops->len; i++)
    {
      const VpndRtnlNextHop *hop = &g_array_index (route->hops, VpndRtnlNextHop, i);
      VpndFactsRoute row = {
        .destination = route->destination,
        .ifindex = hop->ifindex,
        .gateway = hop->gateway,
        .metric = route->metric,
        .position = i,
        .protocol = route->protocol,
        .mtu = route->mtu,
      };

      if ((hop->flags & RTNH_F_DEAD) == 0)
        g_array_append_val (reading->routes, row);
    }
}

/* FALSE when the message is none that was asked for, or is cut short. */
static gboolean
reading_add (Reading *reading, const void *message, gsize length)
{
  g_auto (VpndRtnlRoute) route = { 0 };
  VpndRtnlAddress address;
  VpndRtnlLink link;

  if (vpnd_rtnl_decode_route (message, length, &route))
    reading_add_route (reading, &route);
  else if (vpnd_rtnl_decode_address (message, length, &address))
    reading_add_address (reading, &address);
  else if (vpnd_rtnl_decode_link (message, length, &link))
    reading_add_link (reading, &link);
  else
    return FALSE;
  return TRUE;
}

/* A kernel without IPv6 has no such file. */
static gboolean
read_ipv6_enabled (void)
{
  int fd = open (DISABLE_IPV6_PATH, O_RDONLY | O_CLOEXEC);
  char value = '1';

  if (fd < 0)
    return FALSE;
  if (read (fd, &value, 1) != 1)
    value = '1';
  close (fd);
  return value == '0';
}

static void
clear_timer (VpndFactsRtnl *self)
{
  if (self->timer != NULL)
    g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
}

static void
start_reading (VpndFactsRtnl *self)
{
  clear_timer (self);
  self->is_stale = FALSE;
  self->reading = reading_new ();
  reading_step (self);
}

static gboolean
on_timer (gpointer user_data)
{
  start_reading (user_data);
  return G_SOURCE_REMOVE;
}

static void
schedule_reading (VpndFactsRtnl *self, guint delay_ms)
{
  gint64 pause_ms;

  self->is_stale = TRUE;
  if (self->reading != NULL || self->timer != NULL)
    return;

  pause_ms = MAX (self->rest_until_us - g_get_monotonic_time (), 0) / 1000;
  self->timer = g_timeout_source_new (MAX (delay_ms, (guint) pause_ms));
  g_source_set_callback (self->timer, on_timer, self, NULL);
  g_source_attach (self->timer, self->context);
}

static void
reading_failed (VpndFactsRtnl *self, const GError *error)
{
  g_clear_pointer (&self->reading, reading_free);
  if (self->start_task != NULL)
    {
      g_autoptr (GTask) task = g_steal_pointer (&self->start_task);

      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_FAILED, "reading the host's network: %s", error->message);
      return;
    }
  if (!self->is_blind)
    g_warning ("The network of this host cannot be read: %s. vpnd goes on with what it knew, and tries again", error->message);
  self->is_blind = TRUE;
  /* What is known stays known; an event that comes meanwhile does not hurry it. */
  self->rest_until_us = g_get_monotonic_time () + RETRY_MS * G_TIME_SPAN_MILLISECOND;
  schedule_reading (self, RETRY_MS);
}

static void
reading_done (VpndFactsRtnl *self)
{
  Reading *reading = self->reading;
  g_autoptr (VpndFacts) facts = vpnd_facts_digest (self->own_ifname, read_ipv6_enabled (), reading->links, reading->addresses, reading->routes);
  g_autoptr (VpndFacts) before = g_steal_pointer (&self->facts);
  gboolean is_changed = !vpnd_facts_equal (before, facts);
  gint64 now_us;

  now_us = g_get_monotonic_time ();
  self->rest_until_us = now_us + (now_us - reading->started_us) * READ_SHARE;
  g_clear_pointer (&self->reading, reading_free);
  self->facts = g_steal_pointer (&facts);
  if (self->is_stale)
    schedule_reading (self, DEBOUNCE_MS);
  if (self->is_blind)
    g_message ("The network of this host can be read again");
  self->is_blind = FALSE;

  if (self->start_task != NULL)
    {
      g_autoptr (GTask) task = g_steal_pointer (&self->start_task);

      g_task_return_boolean (task, TRUE);
    }
  else if (is_changed)
    {
      vpnd_facts_source_emit_changed (VPND_FACTS_SOURCE (self));
    }
}

/* A table that was never used and a family that the kernel does not have are empty. */
static gboolean
reply_is_usable (const VpndNlReply *reply, GError **error)
{
  for (guint i = 0; i < reply->errors->len; i++)
    {
      int code = g_array_index (reply->errors, VpndNlError, i).error;

      if (code == ENOENT || code == EAFNOSUPPORT || code == EOPNOTSUPP || code == ENOPROTOOPT)
        continue;
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_FAILED, g_strerror (code));
      return FALSE;
    }
  return TRUE;
}

static void
on_dumped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndFactsRtnl) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (self->reading == NULL)
    return; /* disposed meanwhile */
  if (reply == NULL || !reply_is_usable (reply, &error))
    {
      reading_failed (self, error);
      return;
    }

  self->is_stale |= reply->overrun;
  for (guint i = 0; i < reply->messages->len; i++)
    {
      GBytes *message = g_ptr_array_index (reply->messages, i);

      if (!reading_add (self->reading, g_bytes_get_data (message, NULL), g_bytes_get_size (message)))
        vpnd_nl_socket_tell_unreadable (self->socket, g_bytes_get_size (message));
    }
  reading_step (self);
}

static void
ask (VpndFactsRtnl *self, const Question *question)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) messages = NULL;
  guint32 seq = vpnd_nl_socket_next_seq (self->socket, 1);

  if (question->type == RTM_GETLINK)
    vpnd_rtnl_encode_dump_links (bytes, seq);
  else if (question->type == RTM_GETADDR)
    vpnd_rtnl_encode_dump_addresses (bytes, seq, question->family);
  else
    vpnd_rtnl_encode_dump_routes (bytes, seq, question->family, question->table);
  messages = g_bytes_new (bytes->data, bytes->len);
  vpnd_nl_socket_transact_async (self->socket, messages, TRANSACTION_TIMEOUT_MS, NULL, on_dumped, g_object_ref (self));
}

static void
reading_step (VpndFactsRtnl *self)
{
  if (self->reading->next < G_N_ELEMENTS (questions))
    ask (self, &questions[self->reading->next++]);
  else
    reading_done (self);
}

/* Routes are by far the most frequent; those of other tables, and our own, are none of our business. What cannot be read may be. */
static gboolean
is_relevant_message (VpndFactsRtnl *self, const struct nlmsghdr *message)
{
  g_auto (VpndRtnlRoute) route = { 0 };
  VpndRtnlAddress address;
  VpndRtnlLink link;

  if (vpnd_rtnl_decode_route (message, message->nlmsg_len, &route))
    return is_relevant_route (&route);
  if (message->nlmsg_type == RTM_NEWNETCONF || message->nlmsg_type == RTM_DELNETCONF)
    return vpnd_rtnl_is_forwarding_change (message, message->nlmsg_len);
  if (!vpnd_rtnl_decode_link (message, message->nlmsg_len, &link) && !vpnd_rtnl_decode_address (message, message->nlmsg_len, &address) &&
      !vpnd_rtnl_is_of_other_family (message, message->nlmsg_len))
    vpnd_nl_socket_tell_unreadable (self->socket, message->nlmsg_len);
  return TRUE;
}

static void
on_notify (const struct nlmsghdr *message, gpointer user_data)
{
  VpndFactsRtnl *self = user_data;

  if (self->is_started && (message == NULL || is_relevant_message (self, message)))
    schedule_reading (self, DEBOUNCE_MS);
}

static void
vpnd_facts_rtnl_start_async (VpndFactsSource *source, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  static const guint groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF };
  VpndFactsRtnl *self = VPND_FACTS_RTNL (source);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_return_if_fail (!self->is_started);

  g_task_set_source_tag (task, vpnd_facts_rtnl_start_async);
  vpnd_nl_socket_set_notify (self->socket, on_notify, self);
  for (gsize i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      if (!vpnd_nl_socket_join (self->socket, groups[i], &error))
        {
          g_task_return_error (task, error);
          return;
        }
    }
  self->is_started = TRUE;
  self->start_task = g_steal_pointer (&task);
  start_reading (self);
}

static VpndFacts *
vpnd_facts_rtnl_get (VpndFactsSource *source)
{
  return vpnd_facts_ref (VPND_FACTS_RTNL (source)->facts);
}

static void
vpnd_facts_rtnl_dispose (GObject *object)
{
  VpndFactsRtnl *self = VPND_FACTS_RTNL (object);

  clear_timer (self);
  if (self->socket != NULL)
    vpnd_nl_socket_set_notify (self->socket, NULL, NULL);
  g_clear_object (&self->socket);
  g_clear_pointer (&self->reading, reading_free);
  G_OBJECT_CLASS (vpnd_facts_rtnl_parent_class)->dispose (object);
}

static void
vpnd_facts_rtnl_finalize (GObject *object)
{
  VpndFactsRtnl *self = VPND_FACTS_RTNL (object);

  g_clear_pointer (&self->facts, vpnd_facts_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->own_ifname, g_free);
  G_OBJECT_CLASS (vpnd_facts_rtnl_parent_class)->finalize (object);
}

static void
vpnd_facts_rtnl_class_init (VpndFactsRtnlClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_facts_rtnl_dispose;
  G_OBJECT_CLASS (klass)->finalize = vpnd_facts_rtnl_finalize;
}

static void
vpnd_facts_rtnl_init (VpndFactsRtnl *self)
{
  self->context = g_main_context_ref_thread_default ();
  self->facts = vpnd_facts_new ();
}

static void
vpnd_facts_rtnl_iface_init (VpndFactsSourceInterface *iface)
{
  iface->start_async = vpnd_facts_rtnl_start_async;
  iface->get = vpnd_facts_rtnl_get;
}

/**
 * vpnd_facts_rtnl_new:
 * @own_ifname: name of our link, which is never a fact
 * @error: return location for an error
 *
 * Makes a source of facts about the network namespace of the calling thread, on its thread-default main context. Until it is started the
 * facts say: no network at all.
 *
 * Returns: (transfer full): the source, or NULL with @error set when there is no rtnetlink
 */
VpndFactsSource *
vpnd_facts_rtnl_new (const char *own_ifname, GError **error)
{
  g_autoptr (VpndFactsRtnl) self = g_object_new (VPND_TYPE_FACTS_RTNL, NULL);

  self->own_ifname = g_strdup (own_ifname);
  self->socket = vpnd_nl_socket_new (NETLINK_ROUTE, error);
  return self->socket != NULL ? VPND_FACTS_SOURCE (g_steal_pointer (&self)) : NULL;
}
