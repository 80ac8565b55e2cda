/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See tunnel-kernel.h.
 */
#include "config.h"

#include "tunnel-kernel.h"

#include "error.h"
#include "genl.h"
#include "rtnl-encode.h"
#include "tunnel-link.h"
#include "wg-decode.h"
#include "wg-encode.h"

#include <errno.h>
#include <gio/gio.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>

static const char *const replaceable_kinds[] = { VPND_LINK_KIND_WIREGUARD, VPND_LINK_KIND_TUN, NULL };
static const char *const own_kinds[] = { VPND_LINK_KIND_WIREGUARD, NULL };

/**
 * VpndTunnelKernel:
 * @route: (owned) (nullable): rtnetlink, with the notifications of links; opened at the first use
 * @generic: (owned) (nullable): generic netlink; opened at the first use
 * @family: number of the family "wireguard", 0 while unknown
 * @ifname: (owned) (nullable): name of our link
 * @ifindex: our link, 0 when we have none or are removing it
 * @is_fresh: the device was made and never configured since
 */
struct _VpndTunnelKernel
{
  GObject parent_instance;

  VpndNlSocket *route;
  VpndNlSocket *generic;
  guint16 family;
  char *ifname;
  guint ifindex;
  gboolean is_fresh;
};

static void tunnel_iface_init (VpndTunnelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndTunnelKernel, vpnd_tunnel_kernel, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_TUNNEL, tunnel_iface_init))

static void
lose (VpndTunnelKernel *self)
{
  self->ifindex = 0;
  vpnd_tunnel_emit_lost (VPND_TUNNEL (self), "the WireGuard link was removed by another program");
}

static void
on_link_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (VpndTunnelKernel) self = user_data;
  VpndRtnlLink link;

  /* A link that cannot be looked up is not known to be gone. */
  if (vpnd_tunnel_link_find_finish (VPND_NL_SOCKET (source), result, &link, NULL) && self->ifindex != 0 && link.ifindex != self->ifindex)
    lose (self);
}

static void
on_link_notification (const struct nlmsghdr *message, gpointer user_data)
{
  VpndTunnelKernel *self = user_data;
  VpndRtnlLink link;

  if (self->ifindex == 0)
    return;
  if (message == NULL) /* notifications were dropped: ours may have been among them */
    vpnd_tunnel_link_find_async (self->route, self->ifname, NULL, on_link_checked, g_object_ref (self));
  else if (message->nlmsg_type == RTM_DELLINK && vpnd_rtnl_decode_link (message, message->nlmsg_len, &link) && link.is_gone && link.ifindex == self->ifindex)
    lose (self);
}

static gboolean
ensure_sockets (VpndTunnelKernel *self, GError **error)
{
  if (self->route == NULL)
    {
      g_autoptr (VpndNlSocket) route = vpnd_nl_socket_new (NETLINK_ROUTE, error);

      if (route == NULL || !vpnd_nl_socket_join (route, RTNLGRP_LINK, error))
        return FALSE;
      vpnd_nl_socket_set_notify (route, on_link_notification, self);
      self->route = g_steal_pointer (&route);
    }
  if (self->generic == NULL)
    self->generic = vpnd_nl_socket_new (NETLINK_GENERIC, error);
  return self->generic != NULL;
}

/* What a call needs until it ends. */
typedef struct
{
  char *ifname;             /* (owned) */
  VpndTunnelConfig *config; /* (owned) (nullable) */
  VpndWgEncoder *encoder;   /* (owned) (nullable) */
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->ifname);
  g_clear_pointer (&call->config, vpnd_tunnel_config_unref);
  g_clear_pointer (&call->encoder, vpnd_wg_encoder_free);
  g_free (call);
}

/* Returns: (transfer full) (nullable): NULL when the call has ended already because there is no socket. */
static GTask *
begin (VpndTunnel *tunnel, const char *ifname, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (tunnel, cancellable, callback, user_data);
  Call *call = g_new0 (Call, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, tag);
  call->ifname = g_strdup (ifname);
  g_task_set_task_data (task, call, call_free);
  if (!ensure_sockets (VPND_TUNNEL_KERNEL (tunnel), &error))
    {
      g_task_return_error (task, error);
      return NULL;
    }
  return g_steal_pointer (&task);
}

/* Sends @bytes by generic netlink; the task goes on in @callback. */
static void
send_generic (GTask *task, GBytes *bytes, GAsyncReadyCallback callback)
{
  VpndTunnelKernel *self = g_task_get_source_object (task);

  vpnd_nl_socket_transact_async (self->generic, bytes, VPND_NETLINK_TIMEOUT_MS, g_task_get_cancellable (task), callback, g_object_ref (task));
}

/* Takes the answer to a transaction. Returns: (transfer full) (nullable): NULL when the task has ended by an error. */
static VpndNlReply *
take_reply (GTask *task, GObject *source, GAsyncResult *result, const char *what)
{
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply != NULL && (reply->errors->len > 0 || reply->overrun))
    vpnd_tunnel_set_reply_error (&error, what, reply);
  if (error == NULL)
    return g_steal_pointer (&reply);
  g_task_return_error (task, error);
  return NULL;
}

static GError *
no_wireguard_error (void)
{
  return g_error_new_literal (VPND_ERROR, VPND_ERROR_KERNEL_FEATURE, "the kernel has no WireGuard (CONFIG_WIREGUARD): use a kernel that has it, or install wireguard-go");
}

static void
on_family (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelKernel *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);

  if (reply == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self->family = vpnd_genl_decode_family (reply->messages, WG_GENL_NAME);
  if (self->family != 0)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  self->ifindex = 0;
  g_task_return_error (task, no_wireguard_error ());
}

/* The answer to the new link and to the look at it, sent together. */
static void
on_link_added (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelKernel *self = g_task_get_source_object (task);
  const Call *call = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (VpndNlReply) reply = vpnd_nl_socket_transact_finish (VPND_NL_SOCKET (source), result, &error);
  g_autoptr (GBytes) request = NULL;
  VpndRtnlLink link = { 0 };

  if (reply != NULL && vpnd_tunnel_reply_errno (reply) == EOPNOTSUPP)
    error = no_wireguard_error ();
  else if (reply != NULL && vpnd_tunnel_reply_errno (reply) == EEXIST)
    g_set_error (&error, VPND_ERROR, VPND_ERROR_TUNNEL, "a link named %s exists and is not ours: rename or remove it", call->ifname);
  else if (reply != NULL && (reply->errors->len > 0 || reply->messages->len == 0))
    vpnd_tunnel_set_reply_error (&error, "creating the WireGuard link", reply);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  for (guint i = 0; i < reply->messages->len; i++)
    {
      gsize size;
      const void *data = g_bytes_get_data (g_ptr_array_index (reply->messages, i), &size);

      (void) vpnd_rtnl_decode_link (data, size, &link); /* its ifindex stays 0 when it fails: then only "lost" is missing */
    }
  g_free (self->ifname);
  self->ifname = g_strdup (call->ifname);
  self->ifindex = link.ifindex;
  self->is_fresh = TRUE;
  if (self->family != 0)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  request = vpnd_genl_encode_get_family (WG_GENL_NAME, vpnd_nl_socket_next_seq (self->generic, 1));
  send_generic (task, request, on_family);
}

static void
on_stale_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelKernel *self = g_task_get_source_object (task);
  const Call *call = g_task_get_task_data (task);
  const guint32 seq = vpnd_nl_socket_next_seq (self->route, 2);
  g_autoptr (GBytes) bytes = NULL;
  GByteArray *messages;
  GError *error = NULL;

  if (!vpnd_tunnel_link_remove_finish (VPND_NL_SOCKET (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  messages = g_byte_array_new ();
  vpnd_rtnl_encode_link_add (messages, seq, 0, call->ifname, VPND_LINK_KIND_WIREGUARD, 0);
  vpnd_rtnl_encode_link_get (messages, seq + 1, 0, call->ifname);
  bytes = g_byte_array_free_to_bytes (messages);
  vpnd_nl_socket_transact_async (self->route, bytes, VPND_NETLINK_TIMEOUT_MS, g_task_get_cancellable (task), on_link_added, g_object_ref (task));
}

static void
create_async (VpndTunnel *tunnel, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndTunnelKernel *self = VPND_TUNNEL_KERNEL (tunnel);
  GTask *task = begin (tunnel, ifname, create_async, cancellable, callback, user_data);

  if (task == NULL)
    return;

  self->ifindex = 0;
  vpnd_tunnel_link_remove_async (self->route, ifname, replaceable_kinds, cancellable, on_stale_removed, task);
}

static void send_next (GTask *task);

static void
on_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (VpndNlReply) reply = take_reply (task, source, result, "configuring the WireGuard device");

  if (reply != NULL)
    send_next (task);
}

/* One message at a time: a later one must not be applied when an earlier one was refused. */
static void
send_next (GTask *task)
{
  VpndTunnelKernel *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  g_autoptr (GBytes) bytes = vpnd_wg_encoder_next (call->encoder, vpnd_nl_socket_next_seq (self->generic, 1));

  if (bytes == NULL)
    {
      self->is_fresh = FALSE;
      g_task_return_boolean (task, TRUE);
      return;
    }
  send_generic (task, bytes, on_set);
}

static void
on_present (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelKernel *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  g_autoptr (VpndNlReply) reply = take_reply (task, source, result, "reading the WireGuard device");
  g_autoptr (VpndWgDevice) present = NULL;
  GError *error = NULL;

  if (reply == NULL)
    return;

  present = vpnd_wg_decode_device (reply->messages, &error);
  if (present == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  call->encoder = vpnd_wg_encoder_new (self->family, call->ifname, call->config, present, VPND_WG_MESSAGE_MAX_BYTES);
  send_next (task);
}

/* Returns: FALSE when the task has ended by an error, because nothing was created yet. */
static gboolean
send_get (GTask *task, GAsyncReadyCallback callback)
{
  VpndTunnelKernel *self = g_task_get_source_object (task);
  const Call *call = g_task_get_task_data (task);
  g_autoptr (GBytes) bytes = NULL;

  if (self->family == 0)
    {
      g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_TUNNEL, "there is no WireGuard device %s", call->ifname);
      return FALSE;
    }
  bytes = vpnd_wg_encode_get (self->family, call->ifname, vpnd_nl_socket_next_seq (self->generic, 1));
  send_generic (task, bytes, callback);
  return TRUE;
}

static void
configure_async (VpndTunnel *tunnel, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndTunnelKernel *self = VPND_TUNNEL_KERNEL (tunnel);
  g_autoptr (GTask) task = begin (tunnel, ifname, configure_async, cancellable, callback, user_data);
  Call *call;

  if (task == NULL)
    return;

  call = g_task_get_task_data (task);
  call->config = vpnd_tunnel_config_ref (config);
  if (!self->is_fresh || self->family == 0)
    {
      (void) send_get (task, on_present);
      return;
    }
  call->encoder = vpnd_wg_encoder_new (self->family, ifname, config, NULL, VPND_WG_MESSAGE_MAX_BYTES);
  send_next (task);
}

static void
on_stats (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (VpndNlReply) reply = take_reply (task, source, result, "reading the WireGuard device");
  g_autoptr (VpndWgDevice) device = NULL;
  GError *error = NULL;

  if (reply == NULL)
    return;

  device = vpnd_wg_decode_device (reply->messages, &error);
  if (device == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_array_ref (device->peers), (GDestroyNotify) g_array_unref);
}

static void
read_stats_async (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (tunnel, ifname, read_stats_async, cancellable, callback, user_data);

  if (task != NULL)
    (void) send_get (task, on_stats);
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!vpnd_tunnel_link_remove_finish (VPND_NL_SOCKET (source), result, &error))
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
destroy_async (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndTunnelKernel *self = VPND_TUNNEL_KERNEL (tunnel);
  GTask *task = begin (tunnel, ifname, destroy_async, cancellable, callback, user_data);

  if (task == NULL)
    return;

  self->ifindex = 0; /* our own removal is no loss */
  self->is_fresh = FALSE;
  vpnd_tunnel_link_remove_async (self->route, ifname, own_kinds, cancellable, on_removed, task);
}

static VpndBackend
get_active (VpndTunnel *tunnel)
{
  return VPND_TUNNEL_KERNEL (tunnel)->ifindex != 0 ? VPND_BACKEND_KERNEL : VPND_BACKEND_AUTO;
}

static guint
get_ifindex (VpndTunnel *tunnel)
{
  return VPND_TUNNEL_KERNEL (tunnel)->ifindex;
}

static void
tunnel_iface_init (VpndTunnelInterface *iface)
{
  iface->create_async = create_async;
  iface->configure_async = configure_async;
  iface->read_stats_async = read_stats_async;
  iface->destroy_async = destroy_async;
  iface->get_active = get_active;
  iface->get_ifindex = get_ifindex;
}

static void
vpnd_tunnel_kernel_dispose (GObject *object)
{
  VpndTunnelKernel *self = VPND_TUNNEL_KERNEL (object);

  if (self->route != NULL)
    vpnd_nl_socket_set_notify (self->route, NULL, NULL);
  g_clear_object (&self->route);
  g_clear_object (&self->generic);
  g_clear_pointer (&self->ifname, g_free);
  G_OBJECT_CLASS (vpnd_tunnel_kernel_parent_class)->dispose (object);
}

static void
vpnd_tunnel_kernel_class_init (VpndTunnelKernelClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_tunnel_kernel_dispose;
}

static void
vpnd_tunnel_kernel_init (VpndTunnelKernel *self)
{
}

/**
 * vpnd_tunnel_kernel_new:
 *
 * Its sockets are opened at the first call, in the network namespace of that moment.
 *
 * Returns: (transfer full): a tunnel on kernel WireGuard. Disposing of it leaves the device as it is
 */
VpndTunnel *
vpnd_tunnel_kernel_new (void)
{
  return g_object_new (VPND_TYPE_TUNNEL_KERNEL, NULL);
}
