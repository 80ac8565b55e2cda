/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See tunnel-link.h.
 */
#include "config.h"

#include "tunnel-link.h"

#include "error.h"
#include "rtnl-encode.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

/**
 * vpnd_tunnel_reply_errno:
 * @reply: what the kernel said
 *
 * Returns: errno of the first message that failed, 0 when none did
 */
int
vpnd_tunnel_reply_errno (const VpndNlReply *reply)
{
  return reply->errors->len > 0 ? g_array_index (reply->errors, VpndNlError, 0).error : 0;
}

/**
 * vpnd_tunnel_set_reply_error:
 * @error: return location for an error
 * @what: what was tried, e.g. "creating the link vpnd0"
 * @reply: what the kernel said; not a success
 *
 * Sets VPND_ERROR_TUNNEL with @what and the kernel's own words.
 */
void
vpnd_tunnel_set_reply_error (GError **error, const char *what, const VpndNlReply *reply)
{
  const VpndNlError *first = reply->errors->len > 0 ? &g_array_index (reply->errors, VpndNlError, 0) : NULL;

  if (first == NULL)
    g_set_error (error, VPND_ERROR, VPND_ERROR_TUNNEL, "%s: the kernel's answer was lost", what);
  else if (first->extack != NULL)
    g_set_error (error, VPND_ERROR, VPND_ERROR_TUNNEL, "%s: %s (%s)", what, g_strerror (first->error), first->extack);
  else
    g_set_error (error, VPND_ERROR, VPND_ERROR_TUNNEL, "%s: %s", what, g_strerror (first->error));
}

static void
on_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);
  g_autofree VpndRtnlLink *link = g_new0 (VpndRtnlLink, 1);

  if (reply == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < reply->messages->len; i++)
    {
      gsize size;
      const void *data = g_bytes_get_data (g_ptr_array_index (reply->messages, i), &size);

      if (vpnd_rtnl_decode_link (data, size, link))
        {
          g_task_return_pointer (task, g_steal_pointer (&link), g_free);
          return;
        }
    }
  if (vpnd_tunnel_reply_errno (reply) == ENODEV)
    {
      memset (link, 0, sizeof *link);
      g_task_return_pointer (task, g_steal_pointer (&link), g_free);
      return;
    }
  vpnd_tunnel_set_reply_error (&error, "looking up the tunnel's link", reply);
  g_task_return_error (task, g_steal_pointer (&error));
}

/**
 * vpnd_tunnel_link_find_async:
 * @route: a socket of NETLINK_ROUTE
 * @ifname: name of a link
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Asks the kernel for the link @ifname.
 */
void
vpnd_tunnel_link_find_async (VpndNlSocket *route, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (route, cancellable, callback, user_data);
  GByteArray *message = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;

  g_task_set_source_tag (task, vpnd_tunnel_link_find_async);
  vpnd_rtnl_encode_link_get (message, vpnd_nl_socket_next_seq (route, 1), 0, ifname);
  bytes = g_byte_array_free_to_bytes (message);
  vpnd_nl_socket_transact_async (route, bytes, VPND_NETLINK_TIMEOUT_MS, cancellable, on_found, task);
}

/**
 * vpnd_tunnel_link_find_finish:
 * @route: a socket of NETLINK_ROUTE
 * @result: what the callback received
 * @out_link: (out): the link; its ifindex is 0 when there is none
 * @error: return location for an error
 *
 * Returns: TRUE when the kernel told, also that there is none. Errors: VPND_ERROR_TUNNEL, G_IO_ERROR
 */
gboolean
vpnd_tunnel_link_find_finish (VpndNlSocket *route, GAsyncResult *result, VpndRtnlLink *out_link, GError **error)
{
  g_autofree VpndRtnlLink *link = NULL;

  g_return_val_if_fail (g_task_is_valid (result, route), FALSE);

  link = g_task_propagate_pointer (G_TASK (result), error);
  if (link == NULL)
    return FALSE;
  *out_link = *link;
  return TRUE;
}

static void
on_deleted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (vpnd_tunnel_reply_errno (reply) != 0 && vpnd_tunnel_reply_errno (reply) != ENODEV)
    {
      vpnd_tunnel_set_reply_error (&error, "removing the tunnel's link", reply);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_task_return_boolean (task, TRUE);
}

static void
on_found_for_removal (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndNlSocket *route = VPND_NL_SOCKET (source);
  GByteArray *message;
  g_autoptr (GBytes) bytes = NULL;
  VpndRtnlLink link;
  GError *error = NULL;

  if (!vpnd_tunnel_link_find_finish (route, result, &link, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (link.ifindex == 0 || !g_strv_contains (g_task_get_task_data (task), link.kind))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  message = g_byte_array_new ();
  vpnd_rtnl_encode_link_delete (message, vpnd_nl_socket_next_seq (route, 1), NLM_F_ACK, link.ifindex);
  bytes = g_byte_array_free_to_bytes (message);
  vpnd_nl_socket_transact_async (route, bytes, VPND_NETLINK_TIMEOUT_MS, g_task_get_cancellable (task), on_deleted, g_object_ref (task));
}

/**
 * vpnd_tunnel_link_remove_async:
 * @route: a socket of NETLINK_ROUTE
 * @ifname: name of a link
 * @kinds: (array zero-terminated=1): kinds that are ours; must outlive the call
 * @cancellable: (nullable): cancels the call
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Deletes the link @ifname if it is of one of @kinds. A link of another kind stays, and that is no error here: making one of the same
 * name will fail and say so.
 */
void
vpnd_tunnel_link_remove_async (VpndNlSocket *route, const char *ifname, const char *const *kinds, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (route, cancellable, callback, user_data);

  g_task_set_source_tag (task, vpnd_tunnel_link_remove_async);
  g_task_set_task_data (task, (gpointer) kinds, NULL);
  vpnd_tunnel_link_find_async (route, ifname, cancellable, on_found_for_removal, task);
}

/**
 * vpnd_tunnel_link_remove_finish:
 * @route: a socket of NETLINK_ROUTE
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: TRUE when no link of our kinds has the name now. Errors: VPND_ERROR_TUNNEL, G_IO_ERROR
 */
gboolean
vpnd_tunnel_link_remove_finish (VpndNlSocket *route, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, route), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
