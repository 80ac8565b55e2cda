/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See tunnel-auto.h.
 */
#include "config.h"

#include "tunnel-auto.h"

#include "error.h"

#include <gio/gio.h>

/**
 * VpndTunnelAuto:
 * @kernel: (owned)
 * @userspace: (owned)
 * @active: (unowned) (nullable): the one of them that made the device
 */
struct _VpndTunnelAuto
{
  GObject parent_instance;

  VpndTunnel *kernel;
  VpndTunnel *userspace;
  VpndTunnel *active;
};

static void tunnel_iface_init (VpndTunnelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndTunnelAuto, vpnd_tunnel_auto, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_TUNNEL, tunnel_iface_init))

static GTask *
begin (VpndTunnel *tunnel, const char *ifname, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (tunnel, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_task_data (task, g_strdup (ifname), g_free);
  return task;
}

static void
return_boolean (GTask *task, gboolean success, GError *error)
{
  if (success)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* --- create --- */

static void
on_forced_created (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelAuto *self = g_task_get_source_object (task);
  GError *error = NULL;
  const gboolean success = vpnd_tunnel_create_finish (VPND_TUNNEL (source), result, &error);

  if (success)
    self->active = VPND_TUNNEL (source);
  return_boolean (task, success, error);
}

static void
on_kernel_tried (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelAuto *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (vpnd_tunnel_create_finish (VPND_TUNNEL (source), result, &error))
    {
      self->active = VPND_TUNNEL (source);
      g_task_return_boolean (task, TRUE);
    }
  else if (g_error_matches (error, VPND_ERROR, VPND_ERROR_KERNEL_FEATURE))
    {
      g_clear_error (&error);
      vpnd_tunnel_create_async (self->userspace, g_task_get_task_data (task), VPND_BACKEND_USERSPACE, g_task_get_cancellable (task), on_forced_created, g_object_ref (task));
    }
  else
    {
      g_task_return_error (task, error);
    }
}

static void
create_async (VpndTunnel *tunnel, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndTunnelAuto *self = VPND_TUNNEL_AUTO (tunnel);
  GTask *task = begin (tunnel, ifname, create_async, cancellable, callback, user_data);

  self->active = NULL;
  switch (backend)
    {
    case VPND_BACKEND_AUTO:
      vpnd_tunnel_create_async (self->kernel, ifname, VPND_BACKEND_KERNEL, cancellable, on_kernel_tried, task);
      break;
    case VPND_BACKEND_KERNEL:
      vpnd_tunnel_create_async (self->kernel, ifname, backend, cancellable, on_forced_created, task);
      break;
    case VPND_BACKEND_USERSPACE:
      vpnd_tunnel_create_async (self->userspace, ifname, backend, cancellable, on_forced_created, task);
      break;
    }
}

/* --- configure, read_stats: those of the active one --- */

/* Returns: FALSE when there is no device, and the task has ended by that error. */
static gboolean
has_active (GTask *task)
{
  const VpndTunnelAuto *self = g_task_get_source_object (task);

  if (self->active == NULL)
    g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_TUNNEL, "there is no WireGuard device %s", (const char *) g_task_get_task_data (task));
  return self->active != NULL;
}

static void
on_configured (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  const gboolean success = vpnd_tunnel_configure_finish (VPND_TUNNEL (source), result, &error);

  return_boolean (task, success, error);
}

static void
configure_async (VpndTunnel *tunnel, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (tunnel, ifname, configure_async, cancellable, callback, user_data);

  if (has_active (task))
    vpnd_tunnel_configure_async (VPND_TUNNEL_AUTO (tunnel)->active, ifname, config, cancellable, on_configured, g_object_ref (task));
}

static void
on_stats (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GArray *stats = vpnd_tunnel_read_stats_finish (VPND_TUNNEL (source), result, &error);

  if (stats != NULL)
    g_task_return_pointer (task, stats, (GDestroyNotify) g_array_unref);
  else
    g_task_return_error (task, error);
}

static void
read_stats_async (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (tunnel, ifname, read_stats_async, cancellable, callback, user_data);

  if (has_active (task))
    vpnd_tunnel_read_stats_async (VPND_TUNNEL_AUTO (tunnel)->active, ifname, cancellable, on_stats, g_object_ref (task));
}

/* --- destroy: the active one, or both, since an earlier instance may have used either --- */

static void
on_destroyed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelAuto *self = g_task_get_source_object (task);
  GError *error = NULL;
  const gboolean success = vpnd_tunnel_destroy_finish (VPND_TUNNEL (source), result, &error);

  if (success && self->active == VPND_TUNNEL (source))
    self->active = NULL;
  return_boolean (task, success, error);
}

static void
on_kernel_destroyed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelAuto *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!vpnd_tunnel_destroy_finish (VPND_TUNNEL (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  vpnd_tunnel_destroy_async (self->userspace, g_task_get_task_data (task), g_task_get_cancellable (task), on_destroyed, g_object_ref (task));
}

static void
destroy_async (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VpndTunnelAuto *self = VPND_TUNNEL_AUTO (tunnel);
  GTask *task = begin (tunnel, ifname, destroy_async, cancellable, callback, user_data);

  if (self->active != NULL)
    vpnd_tunnel_destroy_async (self->active, ifname, cancellable, on_destroyed, task);
  else
    vpnd_tunnel_destroy_async (self->kernel, ifname, cancellable, on_kernel_destroyed, task);
}

static VpndBackend
get_active (VpndTunnel *tunnel)
{
  const VpndTunnelAuto *self = VPND_TUNNEL_AUTO (tunnel);

  if (self->active == NULL)
    return VPND_BACKEND_AUTO;
  return self->active == self->kernel ? VPND_BACKEND_KERNEL : VPND_BACKEND_USERSPACE;
}

static guint
get_ifindex (VpndTunnel *tunnel)
{
  const VpndTunnelAuto *self = VPND_TUNNEL_AUTO (tunnel);

  return self->active != NULL ? vpnd_tunnel_get_ifindex (self->active) : 0;
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
on_lost (VpndTunnel *source, const char *reason, gpointer user_data)
{
  VpndTunnelAuto *self = user_data;

  if (source == self->active)
    vpnd_tunnel_emit_lost (VPND_TUNNEL (self), reason);
}

static void
vpnd_tunnel_auto_dispose (GObject *object)
{
  VpndTunnelAuto *self = VPND_TUNNEL_AUTO (object);

  self->active = NULL;
  g_clear_object (&self->kernel);
  g_clear_object (&self->userspace);
  G_OBJECT_CLASS (vpnd_tunnel_auto_parent_class)->dispose (object);
}

static void
vpnd_tunnel_auto_class_init (VpndTunnelAutoClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_tunnel_auto_dispose;
}

static void
vpnd_tunnel_auto_init (VpndTunnelAuto *self)
{
}

/**
 * vpnd_tunnel_auto_new:
 * @kernel: (transfer none): tunnel on kernel WireGuard
 * @userspace: (transfer none): tunnel on user-space WireGuard
 *
 * Returns: (transfer full): a tunnel that uses one of them at a time
 */
VpndTunnel *
vpnd_tunnel_auto_new (VpndTunnel *kernel, VpndTunnel *userspace)
{
  VpndTunnelAuto *self = g_object_new (VPND_TYPE_TUNNEL_AUTO, NULL);

  self->kernel = g_object_ref (kernel);
  self->userspace = g_object_ref (userspace);
  g_signal_connect_object (kernel, "lost", G_CALLBACK (on_lost), self, G_CONNECT_DEFAULT);
  g_signal_connect_object (userspace, "lost", G_CALLBACK (on_lost), self, G_CONNECT_DEFAULT);
  return VPND_TUNNEL (self);
}
