/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndRouter by rtnetlink. A difference is one send; what the kernel refused is judged entry by entry. EEXIST on an add is success: every
 * entry is explicit in all that makes it unique (rules by priority and all selectors, routes in tables of our own, addresses on our own
 * link), so what exists already is what we want, left by an earlier instance.
 */
#include "config.h"

#include "router-rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "nl-socket.h"
#include "reserved.h"
#include "rtnl-decode.h"
#include "rtnl-encode.h"

#define SYSCTL_ROOT "/proc/sys/net/"
#define SYSCTL_VALUE_MAX_BYTES 256  /* the longest of /proc/sys/net, a list of numbers, is far below */
#define TRANSACTION_TIMEOUT_MS 5000 /* the kernel answers inside send (); this only bounds a bug */
#define CLEAR_PASSES_MAX 8u         /* a dump is repeated when others change the tables meanwhile */

struct _VpndRouterRtnl
{
  GObject parent_instance;

  VpndNlSocket *socket; /* (owned) (nullable) until constructed */
};

static void vpnd_router_rtnl_iface_init (VpndRouterInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndRouterRtnl, vpnd_router_rtnl, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (VPND_TYPE_ROUTER, vpnd_router_rtnl_iface_init))

typedef enum
{
  ENTRY_ADDRESS,
  ENTRY_LINK_LOCAL, /* no IPv6 link-local address on our link */
  ENTRY_LINK,
  ENTRY_ROUTE,
  ENTRY_RULE,
} EntryKind;

/**
 * Entry: one message of a batch
 * @is_add: FALSE for a removal
 * @list: (unowned) (nullable): the list of the difference that it stands in
 * @index: where
 */
typedef struct
{
  EntryKind kind;
  gboolean is_add;
  const GArray *list;
  guint index;
} Entry;

/**
 * Batch:
 * @bytes: (owned): the messages
 * @entries: (element-type Entry) (owned): message i has sequence number @first_seq + i
 * @lists: (element-type GArray) (owned): keeps the lists of the difference alive
 * @ifindexes: (element-type utf8 guint) (owned): link names that were looked up
 * @last_offset: where the last message begins
 */
typedef struct
{
  GByteArray *bytes;
  GArray *entries;
  GPtrArray *lists;
  GHashTable *ifindexes;
  guint32 first_seq;
  guint last_offset;
  char ifname[16];
  guint ifindex;
} Batch;

static guint
batch_ifindex (Batch *batch, const char *ifname)
{
  gpointer known;
  guint ifindex;

  if (g_hash_table_lookup_extended (batch->ifindexes, ifname, NULL, &known))
    return GPOINTER_TO_UINT (known);

  ifindex = if_nametoindex (ifname);
  g_hash_table_insert (batch->ifindexes, g_strdup (ifname), GUINT_TO_POINTER (ifindex));
  return ifindex;
}

static Batch *
batch_new (const char *ifname)
{
  Batch *batch = g_new0 (Batch, 1);

  batch->bytes = g_byte_array_new ();
  batch->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  batch->lists = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  batch->ifindexes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_strlcpy (batch->ifname, ifname, sizeof batch->ifname);
  batch->ifindex = batch_ifindex (batch, ifname);
  return batch;
}

static void
batch_free (gpointer data)
{
  Batch *batch = data;

  g_byte_array_unref (batch->bytes);
  g_array_unref (batch->entries);
  g_ptr_array_unref (batch->lists);
  g_hash_table_unref (batch->ifindexes);
  g_free (batch);
}

static guint32
batch_begin (Batch *batch, EntryKind kind, gboolean is_add, const GArray *list, guint index)
{
  Entry entry = { kind, is_add, list, index };

  batch->last_offset = batch->bytes->len;
  g_array_append_val (batch->entries, entry);
  return batch->first_seq + batch->entries->len - 1;
}

static void
batch_add_addresses (Batch *batch, gboolean is_add, const GArray *addresses)
{
  if (batch->ifindex == 0)
    return; /* addresses went with the link */

  for (guint i = 0; i < addresses->len; i++)
    {
      guint32 seq = batch_begin (batch, ENTRY_ADDRESS, is_add, addresses, i);
      const VpndPrefix *address = &g_array_index (addresses, VpndPrefix, i);

      if (is_add)
        vpnd_rtnl_encode_address_add (batch->bytes, seq, 0, batch->ifindex, address);
      else
        vpnd_rtnl_encode_address_delete (batch->bytes, seq, 0, batch->ifindex, address);
    }
}

static void
batch_add_routes (Batch *batch, gboolean is_add, const GArray *routes)
{
  for (guint i = 0; i < routes->len; i++)
    {
      const VpndRoute *route = &g_array_index (routes, VpndRoute, i);
      guint ifindex = batch_ifindex (batch, route->ifname);
      guint32 seq;

      if (ifindex == 0)
        continue; /* routes went with their link; the next facts will not have it */
      seq = batch_begin (batch, ENTRY_ROUTE, is_add, routes, i);
      if (is_add)
        vpnd_rtnl_encode_route_add (batch->bytes, seq, 0, ifindex, route);
      else
        vpnd_rtnl_encode_route_delete (batch->bytes, seq, 0, ifindex, route);
    }
}

static void
batch_add_rules (Batch *batch, gboolean is_add, const GArray *rules)
{
  for (guint i = 0; i < rules->len; i++)
    {
      guint32 seq = batch_begin (batch, ENTRY_RULE, is_add, rules, i);
      const VpndRouteRule *rule = &g_array_index (rules, VpndRouteRule, i);

      if (is_add)
        vpnd_rtnl_encode_rule_add (batch->bytes, seq, 0, rule);
      else
        vpnd_rtnl_encode_rule_delete (batch->bytes, seq, 0, rule);
    }
}

static void
batch_add_link (Batch *batch, const VpndRouteDiff *diff)
{
  if (diff->link_up)
    {
      guint32 seq = batch_begin (batch, ENTRY_LINK_LOCAL, TRUE, NULL, 0);

      vpnd_rtnl_encode_link_no_link_local (batch->bytes, seq, 0, batch->ifindex);
    }
  if (diff->link_up || diff->mtu != 0)
    {
      guint32 seq = batch_begin (batch, ENTRY_LINK, TRUE, NULL, 0);

      vpnd_rtnl_encode_link_set (batch->bytes, seq, 0, batch->ifindex, diff->mtu, diff->link_up);
    }
}

/* The order is that of VpndRouteDiff. */
static void
batch_add_diff (Batch *batch, VpndNlSocket *socket, const VpndRouteDiff *diff)
{
  GArray *const lists[] = { diff->add_addresses, diff->add_routes, diff->add_rules, diff->delete_rules, diff->delete_routes, diff->delete_addresses };
  guint count = 2; /* the messages of the link */

  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      count += lists[i]->len;
      g_ptr_array_add (batch->lists, g_array_ref (lists[i]));
    }
  batch->first_seq = vpnd_nl_socket_next_seq (socket, count);

  batch_add_addresses (batch, TRUE, diff->add_addresses);
  batch_add_link (batch, diff);
  batch_add_routes (batch, TRUE, diff->add_routes);
  batch_add_rules (batch, TRUE, diff->add_rules);
  batch_add_rules (batch, FALSE, diff->delete_rules);
  batch_add_routes (batch, FALSE, diff->delete_routes);
  batch_add_addresses (batch, FALSE, diff->delete_addresses);
}

/* Asks for the ack of the last message, then takes the bytes. */
static GBytes *
seal (GByteArray *bytes, guint last_offset)
{
  struct nlmsghdr *last = (struct nlmsghdr *) (bytes->data + last_offset);

  last->nlmsg_flags |= NLM_F_ACK;
  return g_bytes_new (bytes->data, bytes->len);
}

static const VpndRoute *
entry_route (const Entry *entry)
{
  return &g_array_index (entry->list, VpndRoute, entry->index);
}

static char *
entry_to_string (const Batch *batch, const Entry *entry)
{
  g_autofree char *text = NULL;

  switch (entry->kind)
    {
    case ENTRY_ADDRESS:
      text = vpnd_prefix_to_string (&g_array_index (entry->list, VpndPrefix, entry->index));
      return g_strdup_printf ("address %s dev %s", text, batch->ifname);
    case ENTRY_LINK_LOCAL:
    case ENTRY_LINK:
      return g_strdup_printf ("link %s", batch->ifname);
    case ENTRY_ROUTE:
      text = vpnd_route_to_string (entry_route (entry));
      return g_strdup_printf ("route %s", text);
    case ENTRY_RULE:
      text = vpnd_route_rule_to_string (&g_array_index (entry->list, VpndRouteRule, entry->index));
      return g_strdup_printf ("rule %s", text);
    }
  g_assert_not_reached ();
}

/* What is not there cannot be removed; a family that the kernel does not have holds nothing. */
static gboolean
is_gone_error (int error)
{
  return error == ESRCH || error == ENOENT || error == ENODEV || error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == EOPNOTSUPP ||
      error == ENOPROTOOPT;
}

/* A physical link may go down or lose IPv6 between the facts and now; the facts that follow leave it out. */
static gboolean
is_vanished_link_error (int error)
{
  return error == ENODEV || error == ENETDOWN || error == EACCES;
}

static gboolean
entry_error_is_success (const Batch *batch, const Entry *entry, int error)
{
  if (!entry->is_add)
    return is_gone_error (error);

  switch (entry->kind)
    {
    case ENTRY_ADDRESS:
    case ENTRY_RULE:
      return error == EEXIST;
    case ENTRY_LINK_LOCAL:
      return TRUE; /* a link without IPv6 has no link-local address anyway */
    case ENTRY_LINK:
      return FALSE;
    case ENTRY_ROUTE:
      return error == EEXIST || (strcmp (entry_route (entry)->ifname, batch->ifname) != 0 && is_vanished_link_error (error));
    }
  g_assert_not_reached ();
}

static void
set_entry_error (GError **error, const Batch *batch, const Entry *entry, const VpndNlError *refusal)
{
  g_autofree char *text = entry_to_string (batch, entry);
  gboolean is_missing = entry->kind == ENTRY_RULE && (refusal->error == EOPNOTSUPP || refusal->error == EAFNOSUPPORT);
  gboolean has_words = refusal->extack != NULL && refusal->extack[0] != '\0';

  if (is_missing)
    g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "%s: the kernel has no policy rules for this family (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES)", text);
  else
    g_set_error (error, VPND_ERROR, VPND_ERROR_ROUTING, "%s: %s%s%s%s", text, g_strerror (refusal->error), has_words ? " (" : "", has_words ? refusal->extack : "", has_words ? ")" : "");
}

static gboolean
judge (const Batch *batch, const VpndNlReply *reply, GError **error)
{
  for (guint i = 0; i < reply->errors->len; i++)
    {
      const VpndNlError *refusal = &g_array_index (reply->errors, VpndNlError, i);
      guint place = refusal->seq - batch->first_seq;
      const Entry *entry;

      if (place >= batch->entries->len)
        continue;
      entry = &g_array_index (batch->entries, Entry, place);
      if (!entry_error_is_success (batch, entry, refusal->error))
        {
          set_entry_error (error, batch, entry, refusal);
          return FALSE;
        }
    }
  if (reply->overrun)
    {
      g_set_error_literal (error, VPND_ERROR, VPND_ERROR_ROUTING, "the kernel dropped its answer about routes and rules: their state is unknown");
      return FALSE;
    }
  return TRUE;
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL || !judge (g_task_get_task_data (task), reply, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

static char *
sysctl_path (const char *name)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);

  if (parts[0] == NULL)
    return NULL;
  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (parts[i][0] == '\0' || parts[i][0] == '.' || strstr (parts[i], "..") != NULL)
        return NULL;
      for (const char *c = parts[i]; *c != '\0'; c++)
        {
          if (!g_ascii_isalnum (*c) && strchr ("_-.:@", *c) == NULL) /* names of links are parts, too */
            return NULL;
        }
    }
  return g_strconcat (SYSCTL_ROOT, name, NULL);
}

/* 0 or errno. Files of /proc/sys are answered by a function call: neither open nor write waits for anything. */
static int
sysctl_write (const char *name, const char *value)
{
  g_autofree char *path = sysctl_path (name);
  int fd, result = 0;

  if (path == NULL)
    return EINVAL;
  fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return errno;
  if (write (fd, value, strlen (value)) < 0)
    result = errno;
  close (fd);
  return result;
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
    (void) sysctl_write (disable_ipv6, "0");
  /* Without it the kernel takes all addresses of a network away with the first of them. */
  if (deletes_ipv4)
    (void) sysctl_write (promote, "1");
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
  Batch *batch = batch_new (diff->ifname);

  g_task_set_source_tag (task, vpnd_router_rtnl_apply_async);
  g_task_set_task_data (task, batch, batch_free);
  if (batch->ifindex == 0 && needs_link (diff))
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_ROUTING, "link %s: %s", diff->ifname, g_strerror (ENODEV));
      return;
    }

  prepare_link (diff);
  batch_add_diff (batch, self->socket, diff);
  if (batch->entries->len == 0)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  bytes = seal (batch->bytes, batch->last_offset);
  vpnd_nl_socket_transact_async (self->socket, bytes, TRANSACTION_TIMEOUT_MS, cancellable, on_applied, g_steal_pointer (&task));
}

static gboolean
vpnd_router_rtnl_boolean_finish (VpndRouter *router, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, router), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
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
 * @passes: how often the questions were asked
 * @is_unsure: others changed the tables during a dump
 */
typedef struct
{
  gsize next;
  GPtrArray *found;
  guint passes;
  gboolean is_unsure;
} Clearing;

static void clearing_step (GTask *task);

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

      if (is_gone_error (refusal->error))
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
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL || !only_gone_errors (reply, "removing rules and routes", &error))
    g_task_return_error (task, g_steal_pointer (&error));
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
  guint32 seq = vpnd_nl_socket_next_seq (self->socket, clearing->found->len);
  guint last_offset = 0;

  for (guint i = 0; i < clearing->found->len; i++)
    {
      GBytes *message = g_ptr_array_index (clearing->found, i);

      last_offset = bytes->len;
      (void) vpnd_rtnl_encode_delete_of (bytes, seq + i, 0, g_bytes_get_data (message, NULL), g_bytes_get_size (message)); /* is_ours () saw it whole */
    }
  g_ptr_array_set_size (clearing->found, 0);
  messages = seal (bytes, last_offset);
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
  g_autofree char *path = sysctl_path (name);
  char buffer[SYSCTL_VALUE_MAX_BYTES];
  ssize_t size;
  int fd;

  if (path == NULL)
    return NULL;
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return NULL;
  size = read (fd, buffer, sizeof buffer - 1);
  close (fd);
  if (size < 0)
    return NULL;
  buffer[size] = '\0';
  return g_strdup (g_strchomp (buffer));
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
      int code = sysctl_write (name, value);

      if (code != 0 && code != ENOENT && error == NULL)
        g_set_error (&error, VPND_ERROR, VPND_ERROR_ROUTING, "sysctl net/%s = %s: %s", (const char *) name, (const char *) value, g_strerror (code));
    }
  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
vpnd_router_rtnl_dispose (GObject *object)
{
  VpndRouterRtnl *self = VPND_ROUTER_RTNL (object);

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
  iface->apply_finish = vpnd_router_rtnl_boolean_finish;
  iface->clear_async = vpnd_router_rtnl_clear_async;
  iface->clear_finish = vpnd_router_rtnl_boolean_finish;
  iface->read_sysctl = vpnd_router_rtnl_read_sysctl;
  iface->write_sysctls_async = vpnd_router_rtnl_write_sysctls_async;
  iface->write_sysctls_finish = vpnd_router_rtnl_boolean_finish;
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
