/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of route-reader.h: one dump after the other, links first because routes name them.
 */
#include "config.h"

#include "route-reader.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "error.h"
#include "reserved.h"
#include "rtnl-decode.h"
#include "rtnl-encode.h"

#define TRANSACTION_TIMEOUT_MS 1000 /* somebody waits for the answer; the kernel gives it inside send () */

typedef enum
{
  SUBJECT_LINKS,
  SUBJECT_ADDRESSES,
  SUBJECT_RULES,
  SUBJECT_ROUTES,
} Subject;

static const struct
{
  Subject subject;
  int family;
  guint32 table;
} questions[] = {
  { SUBJECT_LINKS, AF_UNSPEC, 0 },
  { SUBJECT_ADDRESSES, AF_UNSPEC, 0 },
  { SUBJECT_RULES, AF_INET, 0 },
  { SUBJECT_RULES, AF_INET6, 0 },
  { SUBJECT_ROUTES, AF_INET, VPND_TABLE_TUNNEL },
  { SUBJECT_ROUTES, AF_INET6, VPND_TABLE_TUNNEL },
  { SUBJECT_ROUTES, AF_INET, VPND_TABLE_LOCAL },
  { SUBJECT_ROUTES, AF_INET6, VPND_TABLE_LOCAL },
  { SUBJECT_ROUTES, AF_INET, RT_TABLE_MAIN },
  { SUBJECT_ROUTES, AF_INET6, RT_TABLE_MAIN },
};

/**
 * Reading:
 * @socket: (owned)
 * @survey: (owned)
 * @ifname: (owned): whose addresses are wanted
 * @next: question that comes next
 */
typedef struct
{
  VpndNlSocket *socket;
  VpndRouteSurvey *survey;
  char *ifname;
  gsize next;
} Reading;

static void ask_next (GTask *task);

/**
 * vpnd_route_has_question:
 * @at: a number from 0
 * @with_main: the main table is asked for, too
 *
 * Returns: TRUE while there is such a question
 */
gboolean
vpnd_route_has_question (gsize at, gboolean with_main)
{
  return at < G_N_ELEMENTS (questions) && (with_main || questions[at].table != RT_TABLE_MAIN);
}

/**
 * vpnd_route_ask_async:
 * @socket: a socket of NETLINK_ROUTE
 * @at: which question
 * @timeout_ms: how long the answer may take
 * @cancellable: (nullable): cancels the question
 * @callback: called with the reply, which is vpnd_nl_socket_transact_finish ()'s
 * @user_data: passed to @callback
 *
 * Asks the kernel for links, addresses, rules, the routes of our tables and those of the main table, in this order: routes name links, so links come first.
 */
void
vpnd_route_ask_async (VpndNlSocket *socket, gsize at, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) messages = NULL;
  guint32 seq;

  seq = vpnd_nl_socket_next_seq (socket, 1);
  switch (questions[at].subject)
    {
    case SUBJECT_LINKS:
      vpnd_rtnl_encode_dump_links (bytes, seq);
      break;
    case SUBJECT_ADDRESSES:
      vpnd_rtnl_encode_dump_addresses (bytes, seq, questions[at].family);
      break;
    case SUBJECT_RULES:
      vpnd_rtnl_encode_dump_rules (bytes, seq, questions[at].family);
      break;
    case SUBJECT_ROUTES:
      vpnd_rtnl_encode_dump_routes (bytes, seq, questions[at].family, questions[at].table);
      break;
    }
  messages = g_bytes_new (bytes->data, bytes->len);
  vpnd_nl_socket_transact_async (socket, messages, timeout_ms, cancellable, callback, user_data);
}

/**
 * vpnd_route_reply_is_usable:
 * @reply: to a question
 * @error: return location for VPND_ERROR_ROUTING
 *
 * A table that is empty, and a family that the kernel does not have, are read as empty.
 *
 * Returns: FALSE when the kernel refused for another reason
 */
gboolean
vpnd_route_reply_is_usable (const VpndNlReply *reply, GError **error)
{
  for (guint i = 0; i < reply->errors->len; i++)
    {
      int code = g_array_index (reply->errors, VpndNlError, i).error;

      if (code == ENOENT || code == EAFNOSUPPORT || code == EOPNOTSUPP || code == ENOPROTOOPT)
        continue;
      g_set_error (error, VPND_ERROR, VPND_ERROR_ROUTING, "reading rules and routes: %s", g_strerror (code));
      return FALSE;
    }
  return TRUE;
}

static void
reading_free (Reading *reading)
{
  g_object_unref (reading->socket);
  vpnd_route_survey_unref (reading->survey);
  g_free (reading->ifname);
  g_free (reading);
}

static const VpndSurveyLink *
find_link (const VpndRouteSurvey *survey, guint ifindex)
{
  for (guint i = 0; i < survey->links->len; i++)
    if (g_array_index (survey->links, VpndSurveyLink, i).ifindex == ifindex)
      return &g_array_index (survey->links, VpndSurveyLink, i);
  return NULL;
}

static void
add_link (Reading *reading, const VpndRtnlLink *seen)
{
  VpndSurveyLink link = { .ifindex = seen->ifindex, .type = seen->type, .is_up = (seen->flags & IFF_UP) != 0, .mtu = seen->mtu };

  g_strlcpy (link.ifname, seen->name, sizeof link.ifname);
  g_strlcpy (link.kind, seen->kind, sizeof link.kind);
  g_array_append_val (reading->survey->links, link);
}

static void
add_route (Reading *reading, const VpndRtnlRoute *seen)
{
  const VpndRtnlNextHop *hop = &g_array_index (seen->hops, VpndRtnlNextHop, 0);
  const VpndSurveyLink *link = find_link (reading->survey, hop->ifindex);
  gboolean is_ours = seen->table == VPND_TABLE_TUNNEL || seen->table == VPND_TABLE_LOCAL;
  VpndSurveyRoute route = {
    .route = { .destination = seen->destination, .table = seen->table, .gateway = hop->gateway, .metric = seen->metric, .mtu = seen->mtu },
    .protocol = seen->protocol,
    .type = seen->type,
  };

  if (seen->destination.addr.family == AF_INET6 && seen->metric == VPND_ROUTE_METRIC_DEFAULT6)
    route.route.metric = 0;
  g_strlcpy (route.route.ifname, link != NULL ? link->ifname : "", sizeof route.route.ifname);
  if (is_ours)
    g_array_append_val (reading->survey->routes, route);
  else if (seen->table == RT_TABLE_MAIN && seen->type == RTN_UNICAST && vpnd_prefix_is_default (&seen->destination))
    g_array_append_val (reading->survey->defaults, route);
}

static void
add_message (Reading *reading, const void *message, gsize length)
{
  g_auto (VpndRtnlRoute) route = { 0 };
  VpndRtnlAddress address;
  VpndRtnlLink link;
  VpndRtnlRule rule;

  if (vpnd_rtnl_decode_link (message, length, &link))
    add_link (reading, &link);
  else if (vpnd_rtnl_decode_address (message, length, &address))
    {
      const VpndSurveyLink *own = find_link (reading->survey, address.ifindex);

      if (own != NULL && strcmp (own->ifname, reading->ifname) == 0)
        g_array_append_val (reading->survey->addresses, address.address);
    }
  else if (vpnd_rtnl_decode_rule (message, length, &rule))
    {
      VpndSurveyRule seen = { .rule = rule.rule, .protocol = rule.protocol, .is_lookup = rule.action == FR_ACT_TO_TBL, .has_other_selectors = rule.has_other_selectors };

      g_array_append_val (reading->survey->rules, seen);
    }
  else if (vpnd_rtnl_decode_route (message, length, &route))
    add_route (reading, &route);
}

static void
on_dumped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Reading *reading = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL || !vpnd_route_reply_is_usable (reply, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < reply->messages->len; i++)
    {
      GBytes *message = g_ptr_array_index (reply->messages, i);

      add_message (reading, g_bytes_get_data (message, NULL), g_bytes_get_size (message));
    }
  ask_next (task);
}

static void
ask_next (GTask *task)
{
  Reading *reading = g_task_get_task_data (task);
  const gsize at = reading->next++;

  if (vpnd_route_has_question (at, TRUE))
    vpnd_route_ask_async (reading->socket, at, TRANSACTION_TIMEOUT_MS, g_task_get_cancellable (task), on_dumped, g_object_ref (task));
  else
    g_task_return_pointer (task, vpnd_route_survey_ref (reading->survey), (GDestroyNotify) vpnd_route_survey_unref);
}

/**
 * vpnd_route_read_async:
 * @source: (type GObject.Object): whom @callback is told of
 * @socket: a socket of NETLINK_ROUTE
 * @ifname: the link whose addresses are wanted
 * @cancellable: (nullable): cancels the questions
 * @callback: called with the survey
 * @user_data: passed to @callback
 */
void
vpnd_route_read_async (gpointer source, VpndNlSocket *socket, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (source, cancellable, callback, user_data);
  Reading *reading = g_new0 (Reading, 1);

  g_task_set_source_tag (task, vpnd_route_read_async);
  reading->socket = g_object_ref (socket);
  reading->survey = vpnd_route_survey_new ();
  reading->ifname = g_strdup (ifname);
  g_task_set_task_data (task, reading, (GDestroyNotify) reading_free);
  ask_next (task);
}

/**
 * vpnd_route_read_finish:
 * @result: what the callback received
 * @error: return location for an error: VPND_ERROR_ROUTING, G_IO_ERROR
 *
 * Returns: (transfer full) (nullable): what the kernel has
 */
VpndRouteSurvey *
vpnd_route_read_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
