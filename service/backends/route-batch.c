/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The batch of route-batch.h: one message an entry of the difference, and for each of them what its errors mean.
 */
#include "config.h"

#include "route-batch.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "error.h"
#include "rtnl-encode.h"

#define LINK_MESSAGES_MAX 2

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
 * VpndRouteBatch:
 * @bytes: (owned): the messages
 * @entries: (element-type Entry) (owned): message i has sequence number @first_seq + i
 * @lists: (element-type GArray) (owned): keeps the lists of the difference alive
 * @ifindexes: (element-type utf8 guint) (owned): link names that were looked up
 * @last_offset: where the last message begins
 */
struct _VpndRouteBatch
{
  GByteArray *bytes;
  GArray *entries;
  GPtrArray *lists;
  GHashTable *ifindexes;
  guint32 first_seq;
  guint last_offset;
  char ifname[16];
  guint ifindex;
};

static guint
batch_ifindex (VpndRouteBatch *batch, const char *ifname)
{
  gpointer known;
  guint ifindex;

  if (g_hash_table_lookup_extended (batch->ifindexes, ifname, NULL, &known))
    return GPOINTER_TO_UINT (known);

  ifindex = if_nametoindex (ifname);
  g_hash_table_insert (batch->ifindexes, g_strdup (ifname), GUINT_TO_POINTER (ifindex));
  return ifindex;
}

/**
 * vpnd_route_batch_new:
 * @diff: a difference
 *
 * Makes an empty batch for @diff and looks its link up by if_nametoindex (), a call that does not wait.
 *
 * Returns: (transfer full): the batch
 */
VpndRouteBatch *
vpnd_route_batch_new (const VpndRouteDiff *diff)
{
  VpndRouteBatch *batch = g_new0 (VpndRouteBatch, 1);

  batch->bytes = g_byte_array_new ();
  batch->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  batch->lists = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  batch->ifindexes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_strlcpy (batch->ifname, diff->ifname, sizeof batch->ifname);
  batch->ifindex = batch_ifindex (batch, diff->ifname);
  return batch;
}

/**
 * vpnd_route_batch_free:
 * @batch: (transfer full) (nullable): a batch
 */
void
vpnd_route_batch_free (VpndRouteBatch *batch)
{
  if (batch == NULL)
    return;

  g_byte_array_unref (batch->bytes);
  g_array_unref (batch->entries);
  g_ptr_array_unref (batch->lists);
  g_hash_table_unref (batch->ifindexes);
  g_free (batch);
}

/**
 * vpnd_route_batch_has_link:
 * @batch: a batch
 *
 * Returns: TRUE when our link existed when the batch was made
 */
gboolean
vpnd_route_batch_has_link (const VpndRouteBatch *batch)
{
  return batch->ifindex != 0;
}

static guint32
batch_begin (VpndRouteBatch *batch, EntryKind kind, gboolean is_add, const GArray *list, guint index)
{
  Entry entry = { kind, is_add, list, index };

  batch->last_offset = batch->bytes->len;
  g_array_append_val (batch->entries, entry);
  return batch->first_seq + batch->entries->len - 1;
}

static void
batch_add_addresses (VpndRouteBatch *batch, gboolean is_add, const GArray *addresses)
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
batch_add_routes (VpndRouteBatch *batch, gboolean is_add, const GArray *routes)
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
batch_add_rules (VpndRouteBatch *batch, gboolean is_add, const GArray *rules)
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
batch_add_link (VpndRouteBatch *batch, const VpndRouteDiff *diff)
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

/**
 * vpnd_route_batch_max_messages:
 * @diff: a difference
 *
 * Returns: how many sequence numbers vpnd_route_batch_encode() needs at most
 */
guint
vpnd_route_batch_max_messages (const VpndRouteDiff *diff)
{
  return LINK_MESSAGES_MAX + diff->add_addresses->len + diff->add_routes->len + diff->add_rules->len + diff->delete_rules->len +
      diff->delete_routes->len + diff->delete_addresses->len;
}

/**
 * vpnd_route_batch_encode:
 * @batch: a new batch
 * @diff: the difference that it was made for; its lists are kept, so they must not change any more
 * @first_seq: first of vpnd_route_batch_max_messages() sequence numbers
 *
 * Encodes @diff in the order that VpndRouteDiff states and asks for the ack of the last message.
 *
 * Returns: (transfer full) (nullable): the messages; NULL when there is nothing to do
 */
GBytes *
vpnd_route_batch_encode (VpndRouteBatch *batch, const VpndRouteDiff *diff, guint32 first_seq)
{
  GArray *const lists[] = { diff->add_addresses, diff->add_routes, diff->add_rules, diff->delete_rules, diff->delete_routes, diff->delete_addresses };

  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++)
    g_ptr_array_add (batch->lists, g_array_ref (lists[i]));
  batch->first_seq = first_seq;

  batch_add_addresses (batch, TRUE, diff->add_addresses);
  batch_add_link (batch, diff);
  batch_add_routes (batch, TRUE, diff->add_routes);
  batch_add_rules (batch, TRUE, diff->add_rules);
  batch_add_rules (batch, FALSE, diff->delete_rules);
  batch_add_routes (batch, FALSE, diff->delete_routes);
  batch_add_addresses (batch, FALSE, diff->delete_addresses);
  if (batch->entries->len == 0)
    return NULL;

  ((struct nlmsghdr *) (batch->bytes->data + batch->last_offset))->nlmsg_flags |= NLM_F_ACK;
  return g_bytes_new (batch->bytes->data, batch->bytes->len);
}

static const VpndRoute *
entry_route (const Entry *entry)
{
  return &g_array_index (entry->list, VpndRoute, entry->index);
}

static char *
entry_to_string (const VpndRouteBatch *batch, const Entry *entry)
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

/**
 * vpnd_route_error_is_gone:
 * @error: errno of a removal or a dump
 *
 * What is not there cannot be removed, and a family that the kernel does not have holds nothing.
 *
 * Returns: TRUE when @error says so
 */
gboolean
vpnd_route_error_is_gone (int error)
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
entry_error_is_success (const VpndRouteBatch *batch, const Entry *entry, int error)
{
  if (!entry->is_add)
    return vpnd_route_error_is_gone (error);

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
set_entry_error (GError **error, const VpndRouteBatch *batch, const Entry *entry, const VpndNlError *refusal)
{
  g_autofree char *text = entry_to_string (batch, entry);
  gboolean is_missing = entry->kind == ENTRY_RULE && (refusal->error == EOPNOTSUPP || refusal->error == EAFNOSUPPORT);
  gboolean has_words = refusal->extack != NULL && refusal->extack[0] != '\0';

  if (is_missing)
    g_set_error (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "%s: the kernel has no policy rules for this family (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES)", text);
  else
    g_set_error (error, VPND_ERROR, VPND_ERROR_ROUTING, "%s: %s%s%s%s", text, g_strerror (refusal->error), has_words ? " (" : "", has_words ? refusal->extack : "", has_words ? ")" : "");
}

/**
 * vpnd_route_batch_judge:
 * @batch: a batch that was encoded and sent
 * @reply: what came back
 * @error: return location for an error
 *
 * EEXIST on an add is success: every entry is explicit in all that makes it unique (rules by priority and all selectors, routes in tables
 * of our own, addresses on our own link), so what exists already is what we want, left by an earlier instance.
 *
 * Returns: TRUE when the host now is as the difference wanted it. Errors: VPND_ERROR_ROUTING with the entry and the kernel's words,
 * VPND_ERROR_KERNEL_FEATURE when there are no policy rules at all
 */
gboolean
vpnd_route_batch_judge (const VpndRouteBatch *batch, const VpndNlReply *reply, GError **error)
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
