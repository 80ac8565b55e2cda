/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndRouter by rtnetlink. A difference is one send (route-batch); removing everything is a loop of reading and deleting until nothing of
 * ours is read.
 */
#include "config.h"

#include "router-rtnl.h"

#include <errno.h>
#include <string.h>

#include "error.h"
#include "nl-socket.h"
#include "reserved.h"
#include "route-batch.h"
#include "route-watch.h"
#include "rtnl-decode.h"
#include "rtnl-encode.h"
#include "sysctl.h"

#define TRANSACTION_TIMEOUT_MS 5000 /* the kernel answers inside send (); this only bounds a bug */
#define CLEAR_PASSES_MAX 8u         /* a dump is repeated when others change the tables meanwhile */
/* The kernel removes inside send (), and each removal waits for the lock that all network namespaces share: as many at a time as take some milliseconds, so that the main
 * loop is not away for as long as all of them take. */
#define REMOVALS_AT_ONCE 256u

struct _VpndRouterRtnl
{
  GObject parent_instance;

  VpndNlSocket *socket;  /* (owned) (nullable) until constructed */
  VpndRouteWatch *watch; /* (owned) (nullable) */
};

static void vpnd_router_rtnl_iface_init (VpndRouterInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndRouterRtnl, vpnd_router_rtnl, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_ROUTER, vpnd_router_rtnl_iface_init))

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL || !vpnd_route_batch_judge (g_task_get_task_data (task), reply, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

/* Settings of our own link; they die with it. */
static void
prepare_link (const VpndRouteDiff *diff)
{
  g_autofree char *disable_ipv6 = g_strconcat ("ipv6/conf/", diff->ifname, "/disable_ipv6", NULL);
  g_autofree char *promote = g_strconcat ("ipv4/conf/", diff->ifname, "/promote_secondaries", NULL);
  gboolean adds_ipv6 = FALSE, deletes_ipv4 = FALSE;

  for (guint i = 0; i < diff->add_addresses->len; i++)
    adds_ipv6 |= g_array_index (diff->add_addresses, VpndPrefix, i).addr.family == AF_INET6;
  for (guint i = 0; i < diff->delete_addresses->len; i++)
    deletes_ipv4 |= g_array_index (diff->delete_addresses, VpndPrefix, i).addr.family == AF_INET;

  /* Results are not needed: an address that cannot be set says so itself.
   * Hosts that set default/disable_ipv6 mean the links of others; the plan has IPv6 only where profile, setting and kernel agree. */
  if (adds_ipv6)
    (void) vpnd_sysctl_write (disable_ipv6, "0");
  /* Without it the kernel takes all addresses of a network away with the first of them. */
  if (deletes_ipv4)
    (void) vpnd_sysctl_write (promote, "1");
}

static gboolean
needs_link (const VpndRouteDiff *diff)
{
  if (diff->link_up || diff->mtu != 0 || diff->add_addresses->len > 0)
    return TRUE;
  for (guint i = 0; i < diff->add_routes->len; i++)
    {
      if (strcmp (g_array_index (diff->add_routes, VpndRoute, i).ifname, diff->ifname) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
vpnd_router_rtnl_apply_async (VpndRouter *router, const VpndRouteDiff *diff, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndRouterRtnl *self = VPND_ROUTER_RTNL (router);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GBytes) bytes = NULL;
  VpndRouteBatch *batch = vpnd_route_batch_new (diff);

  g_task_set_source_tag (task, vpnd_router_rtnl_apply_async);
  g_task_set_task_data (task, batch, (GDestroyNotify) vpnd_route_batch_free);
  if (!vpnd_route_batch_has_link (batch) && needs_link (diff))
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ROUTING, "link %s: %s", diff->ifname, g_strerror (ENODEV));
      return;
    }

  prepare_link (diff);
  bytes = vpnd_route_batch_encode (batch, diff, vpnd_nl_socket_next_seq (self->socket, vpnd_route_batch_max_messages (diff)));
  if (bytes == NULL)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  vpnd_nl_socket_transact_async (self->socket, bytes, TRANSACTION_TIMEOUT_MS, cancellable, on_applied, g_steal_pointer (&task));
}

/* What is asked for when everything of ours is to go: all rules, and both tables, of both families. */
typedef struct
{
  int family;
  guint32 table; /* 0: the rules */
} Question;

static const Question questions[] = {
  { AF_INET, 0 },
  { AF_INET6, 0 },
  { AF_INET, VPND_TABLE_TUNNEL },
  { AF_INET6, VPND_TABLE_TUNNEL },
  { AF_INET, VPND_TABLE_LOCAL },
  { AF_INET6, VPND_TABLE_LOCAL },
};

/**
 * Clearing:
 * @next: question that comes next
 * @found: (element-type GBytes) (owned): what is ours
 * @removed: how many of @found the kernel was asked to remove
 * @passes: how often the questions were asked
 * @is_unsure: others changed the tables during a dump
 */
typedef struct
{
  gsize next;
  GPtrArray *found;
  guint removed;
  guint passes;
  gboolean is_unsure;
} Clearing;

static void clearing_step (GTask *task);
static void clearing_remove (GTask *task, Clearing *clearing);

static void
clearing_free (gpointer data)
{
  Clearing *clearing = data;

  g_ptr_array_unref (clearing->found);
  g_free (clearing);
}

static gboolean
is_ours (const void *message, gsize length)
{
  g_auto (VpndRtnlRoute) route = { 0 };
  VpndRtnlRule rule;

  if (vpnd_rtnl_decode_rule (message, length, &rule))
    return !rule.is_gone && rule.protocol == VPND_RTPROT;
  return vpnd_rtnl_decode_route (message, length, &route) && !route.is_gone && route.protocol == VPND_RTPROT &&
      (route.table == VPND_TABLE_TUNNEL || route.table == VPND_TABLE_LOCAL);
}

static gboolean
only_gone_errors (const VpndNlReply *reply, const char *what, GError **error)
{
  for (guint i = 0; i < reply->errors->len; i++)
    {
      const VpndNlError *refusal = &g_array_index (reply->errors, VpndNlError, i);

      if (vpnd_route_error_is_gone (refusal->error))
        continue;
      g_set_error (error, VPND_ERROR, VPND_ERROR_ROUTING, "%s: %s", what, g_strerror (refusal->error));
      return FALSE;
    }
  return TRUE;
}

static void
on_dumped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Clearing *clearing = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL || !only_gone_errors (reply, "reading rules and routes", &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }

  clearing->is_unsure |= reply->overrun;
  for (guint i = 0; i < reply->messages->len; i++)
    {
      GBytes *message = g_ptr_array_index (reply->messages, i);

      if (is_ours (g_bytes_get_data (message, NULL), g_bytes_get_size (message)))
        g_ptr_array_add (clearing->found, g_bytes_ref (message));
    }
  clearing_step (task);
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Clearing *clearing = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL || !only_gone_errors (reply, "removing rules and routes", &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else if (clearing->found->len > 0)
    clearing_remove (task, clearing);
  else
    clearing_step (task);
}

static void
clearing_ask (GTask *task, const Question *question)
{
  VpndRouterRtnl *self = g_task_get_source_object (task);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) messages = NULL;
  guint32 seq = vpnd_nl_socket_next_seq (self->socket, 1);

  if (question->table == 0)
    vpnd_rtnl_encode_dump_rules (bytes, seq, question->family);
  else
    vpnd_rtnl_encode_dump_routes (bytes, seq, question->family, question->table);
  messages = g_bytes_new (bytes->data, bytes->len);
  vpnd_nl_socket_transact_async (self->socket, messages, TRANSACTION_TIMEOUT_MS, g_task_get_cancellable (task), on_dumped, g_object_ref (task));
}

static void
clearing_remove (GTask *task, Clearing *clearing)
{
  VpndRouterRtnl *self = g_task_get_source_object (task);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) messages = NULL;
  const guint count = MIN (clearing->found->len - clearing->removed, REMOVALS_AT_ONCE);
  guint32 seq = vpnd_nl_socket_next_seq (self->socket, count);
  guint last_offset = 0;

  for (guint i = 0; i < count; i++)
    {
      GBytes *message = g_ptr_array_index (clearing->found, clearing->removed++);

      last_offset = bytes->len;
      (void) vpnd_rtnl_encode_delete_of (bytes, seq + i, 0, g_bytes_get_data (message, NULL), g_bytes_get_size (message)); /* is_ours () saw it whole */
    }
  if (clearing->removed == clearing->found->len)
    {
      g_ptr_array_set_size (clearing->found, 0);
      clearing->removed = 0;
    }
  ((struct nlmsghdr *) (bytes->data + last_offset))->nlmsg_flags |= NLM_F_ACK;
  messages = g_bytes_new (bytes->data, bytes->len);
  vpnd_nl_socket_transact_async (self->socket, messages, TRANSACTION_TIMEOUT_MS, g_task_get_cancellable (task), on_removed, g_object_ref (task));
}

/* Asks all questions, removes what was found, and asks again until a pass finds nothing: success is judged on what was read. */
static void
clearing_step (GTask *task)
{
  Clearing *clearing = g_task_get_task_data (task);

  if (clearing->next < G_N_ELEMENTS (questions))
    {
      clearing_ask (task, &questions[clearing->next++]);
      return;
    }
  if (clearing->found->len == 0 && !clearing->is_unsure)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (++clearing->passes > CLEAR_PASSES_MAX)
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ROUTING, "rules and routes of ours are still there after %u attempts to remove them", CLEAR_PASSES_MAX);
      return;
    }
  clearing->next = 0;
  clearing->is_unsure = FALSE;
  if (clearing->found->len > 0)
    clearing_remove (task, clearing);
  else
    clearing_step (task);
}

static void
vpnd_router_rtnl_clear_async (VpndRouter *router, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (router, cancellable, callback, user_data);
  Clearing *clearing = g_new0 (Clearing, 1);

  g_task_set_source_tag (task, vpnd_router_rtnl_clear_async);
  clearing->found = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_task_set_task_data (task, clearing, clearing_free);
  clearing_step (task);
}

static char *
vpnd_router_rtnl_read_sysctl (VpndRouter *router, const char *name)
{
  return vpnd_sysctl_read (name);
}

/* Writes all, whatever happens to one of them, and reports the first that failed. */
static void
vpnd_router_rtnl_write_sysctls_async (VpndRouter *router, GHashTable *values, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (router, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer name, value;

  g_task_set_source_tag (task, vpnd_router_rtnl_write_sysctls_async);
  g_hash_table_iter_init (&iter, values);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      int code = vpnd_sysctl_write (name, value);

      if (code != 0 && code != ENOENT && error == NULL)
        g_set_error (&error, VPND_ERROR, VPND_ERROR_ROUTING, "sysctl net/%s = %s: %s", (const char *) name, (const char *) value, g_strerror (code));
    }
  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
on_disturbed (const char *what, gpointer user_data)
{
  vpnd_router_emit_disturbed (VPND_ROUTER (user_data), what);
}

static void
vpnd_router_rtnl_watch (VpndRouter *router, VpndRoutePlan *plan)
{
  VpndRouterRtnl *self = VPND_ROUTER_RTNL (router);
  g_autoptr (GError) error = NULL;

  if (self->watch != NULL)
    vpnd_route_watch_stop (self->watch);
  g_clear_object (&self->watch);
  if (plan == NULL)
    return;
  self->watch = vpnd_route_watch_new (self->socket, plan, on_disturbed, self, &error);
  if (self->watch == NULL)
    g_warning ("Rules and routes are not watched: %s", error->message);
}

static void
vpnd_router_rtnl_dispose (GObject *object)
{
  VpndRouterRtnl *self = VPND_ROUTER_RTNL (object);

  vpnd_router_rtnl_watch (VPND_ROUTER (self), NULL);
  g_clear_object (&self->socket);
  G_OBJECT_CLASS (vpnd_router_rtnl_parent_class)->dispose (object);
}

static void
vpnd_router_rtnl_class_init (VpndRouterRtnlClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_router_rtnl_dispose;
}

static void
vpnd_router_rtnl_init (VpndRouterRtnl *self)
{
}

static void
vpnd_router_rtnl_iface_init (VpndRouterInterface *iface)
{
  iface->apply_async = vpnd_router_rtnl_apply_async;
  iface->clear_async = vpnd_router_rtnl_clear_async;
  iface->read_sysctl = vpnd_router_rtnl_read_sysctl;
  iface->write_sysctls_async = vpnd_router_rtnl_write_sysctls_async;
  iface->watch = vpnd_router_rtnl_watch;
}

/**
 * vpnd_router_rtnl_new:
 * @error: return location for an error
 *
 * Makes a router for the network namespace of the calling thread, on its thread-default main context.
 *
 * Returns: (transfer full): the router, or NULL with @error set when there is no rtnetlink
 */
VpndRouter *
vpnd_router_rtnl_new (GError **error)
{
  g_autoptr (VpndRouterRtnl) self = g_object_new (VPND_TYPE_ROUTER_RTNL, NULL);

  self->socket = vpnd_nl_socket_new (NETLINK_ROUTE, error);
  return self->socket != NULL ? VPND_ROUTER (g_steal_pointer (&self)) : NULL;
}
