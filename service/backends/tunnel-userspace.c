/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See tunnel-userspace.h.
 * We keep a descriptor of the tun device: when wireguard-go dies, the link and the routes over it stay, and what is sent into it goes
 * nowhere until the engine has acted on "lost".
 */
#include "config.h"

#include "tunnel-userspace.h"

#include "error.h"
#include "tunnel-link.h"
#include "uapi-client.h"
#include "uapi.h"
#include "userspace-process.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UAPI_DIRECTORY "/run/wireguard" /* fixed in wireguard-go (as /var/run), which watches the socket's path; wg(8) looks there, too */
#define UAPI_TIMEOUT_MS 1000            /* "set" takes 1 ms, the first answer after the start 6 ms */
#define UAPI_BACKLOG 8

static const char *const replaceable_kinds[] = { VPND_LINK_KIND_TUN, VPND_LINK_KIND_WIREGUARD, NULL };
static const char *const own_kinds[] = { VPND_LINK_KIND_TUN, NULL };

/**
 * VpndTunnelUserspace:
 * @runtime_dirfd: directory of the process record
 * @route: (owned) (nullable): rtnetlink; opened at the first use
 * @tun_fd: our hold on the tun device, -1 for none
 * @ifindex: index of the device, 0 for none
 * @process: (owned) (nullable): wireguard-go; kept when it has ended, until destroy
 * @is_serving: it was configured once; from then on its end is a loss, before that it is a failure to configure
 * @is_fresh: the device was made and never configured since
 */
struct _VpndTunnelUserspace
{
  GObject parent_instance;

  int runtime_dirfd;
  VpndNlSocket *route;
  int tun_fd;
  guint ifindex;
  VpndUserspaceProcess *process;
  gboolean is_serving;
  gboolean is_fresh;
};

static void tunnel_iface_init (VpndTunnelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VpndTunnelUserspace, vpnd_tunnel_userspace, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (VPND_TYPE_TUNNEL, tunnel_iface_init))

static void
set_errno_error (GError **error, VpndError code, const char *what, int number)
{
  g_set_error (error, VPND_ERROR, code, "%s: %s", what, g_strerror (number));
}

static gboolean
ensure_route (VpndTunnelUserspace *self, GError **error)
{
  if (self->route == NULL)
    self->route = vpnd_nl_socket_new (NETLINK_ROUTE, error);
  return self->route != NULL;
}

static char *
socket_path (const char *ifname)
{
  return g_strdup_printf (UAPI_DIRECTORY "/%s.sock", ifname);
}

/* --- removing: the process, then its traces, then the link --- */

typedef struct
{
  char *ifname;             /* (owned) */
  const char *const *kinds; /* (unowned): kinds of link that may be removed */
} Removal;

static void
removal_free (gpointer data)
{
  g_free (((Removal *) data)->ifname);
  g_free (data);
}

static void
on_link_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!vpnd_tunnel_link_remove_finish (VPND_NL_SOCKET (source), result, &error))
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
remove_traces (GTask *task)
{
  VpndTunnelUserspace *self = g_task_get_source_object (task);
  const Removal *removal = g_task_get_task_data (task);
  g_autofree char *path = socket_path (removal->ifname);
  GError *error = NULL;

  vpnd_userspace_process_forget (self->runtime_dirfd, removal->ifname);
  (void) unlink (path); /* wireguard-go removes it, too, when it ends in peace */
  if (!ensure_route (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  /* Our descriptor and the process are gone, and the device with them, as a rule. What is left is a device of an unrecorded process
   * (we died between starting and recording it): it ends when its device is taken away. */
  vpnd_tunnel_link_remove_async (self->route, removal->ifname, removal->kinds, g_task_get_cancellable (task), on_link_removed, g_object_ref (task));
}

static void
on_stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!vpnd_userspace_process_stop_finish (VPND_USERSPACE_PROCESS (source), result, &error))
    g_task_return_error (task, error);
  else
    remove_traces (task);
}

/* Leaves nothing of the device @ifname, whether this instance made it or an earlier one. */
static void
remove_async (VpndTunnelUserspace *self, const char *ifname, const char *const *kinds, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (VpndUserspaceProcess) process = g_steal_pointer (&self->process);
  Removal *removal = g_new0 (Removal, 1);

  g_task_set_source_tag (task, remove_async);
  removal->ifname = g_strdup (ifname);
  removal->kinds = kinds;
  g_task_set_task_data (task, removal, removal_free);
  self->is_serving = FALSE;
  self->is_fresh = FALSE;
  if (self->tun_fd >= 0)
    close (g_steal_fd (&self->tun_fd));
  self->ifindex = 0;
  if (process == NULL)
    process = vpnd_userspace_process_find_recorded (self->runtime_dirfd, ifname);
  if (process != NULL)
    vpnd_userspace_process_stop_async (process, cancellable, on_stopped, g_object_ref (task));
  else
    remove_traces (task);
}

static gboolean
remove_finish (VpndTunnelUserspace *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- making: the device, the socket, the process --- */

/* Returns: a descriptor of the new tun device @ifname, down; -1 on failure. wireguard-go 0.0.20220316 expects the packet information
 * header, so IFF_NO_PI is not set. */
static int
open_tun (const char *ifname, GError **error)
{
  struct ifreq request = { .ifr_flags = IFF_TUN };
  int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0)
    {
      set_errno_error (error, VPND_ERROR_KERNEL_FEATURE, "opening /dev/net/tun (CONFIG_TUN)", errno);
      return -1;
    }
  g_strlcpy (request.ifr_name, ifname, sizeof request.ifr_name);
  if (ioctl (fd, TUNSETIFF, &request) < 0)
    {
      if (errno == EINVAL || errno == EBUSY)
        g_set_error (error, VPND_ERROR, VPND_ERROR_TUNNEL, "a link named %s exists and is not ours: rename or remove it", ifname);
      else
        set_errno_error (error, VPND_ERROR_TUNNEL, "creating the tun device", errno);
      close (g_steal_fd (&fd));
    }
  return fd;
}

/* Makes the directory of the sockets, or accepts one that only root can write to. */
static gboolean
ensure_directory (GError **error)
{
  struct stat info;

  if (mkdir (UAPI_DIRECTORY, 0700) < 0 && errno != EEXIST)
    set_errno_error (error, VPND_ERROR_TUNNEL, "making " UAPI_DIRECTORY, errno);
  else if (lstat (UAPI_DIRECTORY, &info) < 0)
    set_errno_error (error, VPND_ERROR_TUNNEL, "looking at " UAPI_DIRECTORY, errno);
  else if (!S_ISDIR (info.st_mode) || info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    g_set_error_literal (error, VPND_ERROR, VPND_ERROR_TUNNEL, UAPI_DIRECTORY " is not a directory that only root can write to");
  else
    return TRUE;
  return FALSE;
}

/* Returns: a listening socket at @path, for root only; -1 on failure. It listens at once, so a client may connect before wireguard-go runs. */
static int
open_uapi_socket (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (!ensure_directory (error))
    return -1;

  g_assert (strlen (path) < sizeof address.sun_path);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  /* Nobody can connect before listen(), so there is no moment at which the mode matters and is not yet set. */
  if (fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && chmod (path, 0600) == 0 && listen (fd, UAPI_BACKLOG) == 0)
    return fd;

  set_errno_error (error, VPND_ERROR_TUNNEL, "making the control socket of wireguard-go", errno);
  if (fd >= 0)
    close (fd);
  return -1;
}

static void
on_exited (VpndUserspaceProcess *process, const char *reason, gpointer user_data)
{
  VpndTunnelUserspace *self = user_data;

  if (self->is_serving)
    vpnd_tunnel_emit_lost (VPND_TUNNEL (self), reason);
}

static gboolean
build (VpndTunnelUserspace *self, const char *ifname, GError **error)
{
  g_autofree char *path = socket_path (ifname);
  int uapi_fd;

  self->tun_fd = open_tun (ifname, error);
  if (self->tun_fd < 0)
    return FALSE;
  self->ifindex = if_nametoindex (ifname);
  uapi_fd = open_uapi_socket (path, error);
  if (uapi_fd < 0)
    return FALSE;

  self->process = vpnd_userspace_process_spawn (self->runtime_dirfd, ifname, self->tun_fd, uapi_fd, error);
  close (uapi_fd); /* only the process listens: when it dies, who waits for it hears of it */
  if (self->process == NULL)
    return FALSE;
  g_signal_connect_object (self->process, "exited", G_CALLBACK (on_exited), self, G_CONNECT_DEFAULT);
  self->is_fresh = TRUE;
  return TRUE;
}

/* --- the calls --- */

typedef struct
{
  char *ifname;             /* (owned) */
  VpndTunnelConfig *config; /* (owned) (nullable) */
  GError *error;            /* (owned) (nullable): why a half-made device is being removed */
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->ifname);
  g_clear_pointer (&call->config, vpnd_tunnel_config_unref);
  g_clear_error (&call->error);
  g_free (call);
}

static GTask *
begin (VpndTunnel *tunnel, const char *ifname, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (tunnel, cancellable, callback, user_data);
  Call *call = g_new0 (Call, 1);

  g_task_set_source_tag (task, tag);
  call->ifname = g_strdup (ifname);
  g_task_set_task_data (task, call, call_free);
  return task;
}

static void
request (GTask *task, GBytes *bytes, GAsyncReadyCallback callback)
{
  const Call *call = g_task_get_task_data (task);
  g_autofree char *path = socket_path (call->ifname);

  vpnd_uapi_client_request_async (path, bytes, UAPI_TIMEOUT_MS, g_task_get_cancellable (task), callback, g_object_ref (task));
}

static void
request_get (GTask *task, GAsyncReadyCallback callback)
{
  g_autoptr (GBytes) get = vpnd_uapi_encode_get ();

  request (task, get, callback);
}

static VpndWgDevice *
take_answer (GAsyncResult *result, GError **error)
{
  g_autoptr (GBytes) answer = vpnd_uapi_client_request_finish (result, error);
  gsize size;
  const char *text;

  if (answer == NULL)
    return NULL;
  text = g_bytes_get_data (answer, &size);
  return vpnd_uapi_parse_answer (text, size, error);
}

static void
on_half_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Call *call = g_task_get_task_data (task);

  (void) remove_finish (VPND_TUNNEL_USERSPACE (source), result, NULL); /* the first error is the one to tell; destroy meets this one again */
  g_task_return_error (task, g_steal_pointer (&call->error));
}

static void
fail_create (GTask *task, GError *error)
{
  Call *call = g_task_get_task_data (task);

  call->error = error;
  remove_async (g_task_get_source_object (task), call->ifname, own_kinds, NULL, on_half_removed, g_object_ref (task));
}

static void
on_stale_removed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelUserspace *self = VPND_TUNNEL_USERSPACE (source);
  const Call *call = g_task_get_task_data (task);
  GError *error = NULL;

  if (!remove_finish (self, result, &error))
    g_task_return_error (task, error);
  else if (!build (self, call->ifname, &error))
    fail_create (task, error);
  else
    g_task_return_boolean (task, TRUE); /* its socket listens; "set" waits there until the process has come up */
}

static void
create_async (VpndTunnel *tunnel, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin (tunnel, ifname, create_async, cancellable, callback, user_data);

  remove_async (VPND_TUNNEL_USERSPACE (tunnel), ifname, replaceable_kinds, cancellable, on_stale_removed, task);
}

static void
on_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  VpndTunnelUserspace *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (VpndWgDevice) answer = take_answer (result, &error);

  if (answer == NULL)
    {
      if (self->process == NULL || !vpnd_userspace_process_is_running (self->process))
        g_prefix_error_literal (&error, "wireguard-go ended at once: ");
      g_prefix_error_literal (&error, "configuring the WireGuard device: ");
      g_task_return_error (task, error);
      return;
    }
  self->is_fresh = FALSE;
  self->is_serving = TRUE;
  g_task_return_boolean (task, TRUE);
}

static void
request_set (GTask *task, const VpndWgDevice *present)
{
  const Call *call = g_task_get_task_data (task);
  g_autoptr (GBytes) set = vpnd_uapi_encode_set (call->config, present);

  request (task, set, on_set);
}

static void
on_present (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (VpndWgDevice) present = take_answer (result, &error);

  if (present == NULL)
    g_task_return_error (task, error);
  else
    request_set (task, present);
}

static void
configure_async (VpndTunnel *tunnel, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (tunnel, ifname, configure_async, cancellable, callback, user_data);
  Call *call = g_task_get_task_data (task);

  call->config = vpnd_tunnel_config_ref (config);
  if (VPND_TUNNEL_USERSPACE (tunnel)->is_fresh)
    request_set (task, NULL);
  else
    request_get (task, on_present);
}

static void
on_stats (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (VpndWgDevice) device = take_answer (result, &error);

  if (device == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_array_ref (device->peers), (GDestroyNotify) g_array_unref);
}

static void
read_stats_async (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (tunnel, ifname, read_stats_async, cancellable, callback, user_data);

  request_get (task, on_stats);
}

static void
on_destroyed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!remove_finish (VPND_TUNNEL_USERSPACE (source), result, &error))
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
destroy_async (VpndTunnel *tunnel, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin (tunnel, ifname, destroy_async, cancellable, callback, user_data);

  remove_async (VPND_TUNNEL_USERSPACE (tunnel), ifname, own_kinds, cancellable, on_destroyed, task);
}

static VpndBackend
get_active (VpndTunnel *tunnel)
{
  return VPND_TUNNEL_USERSPACE (tunnel)->process != NULL ? VPND_BACKEND_USERSPACE : VPND_BACKEND_AUTO;
}

static guint
get_ifindex (VpndTunnel *tunnel)
{
  return VPND_TUNNEL_USERSPACE (tunnel)->ifindex;
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
vpnd_tunnel_userspace_dispose (GObject *object)
{
  VpndTunnelUserspace *self = VPND_TUNNEL_USERSPACE (object);

  g_clear_object (&self->process);
  g_clear_object (&self->route);
  if (self->tun_fd >= 0)
    close (g_steal_fd (&self->tun_fd));
  if (self->runtime_dirfd >= 0)
    close (g_steal_fd (&self->runtime_dirfd));
  G_OBJECT_CLASS (vpnd_tunnel_userspace_parent_class)->dispose (object);
}

static void
vpnd_tunnel_userspace_class_init (VpndTunnelUserspaceClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vpnd_tunnel_userspace_dispose;
}

static void
vpnd_tunnel_userspace_init (VpndTunnelUserspace *self)
{
  self->runtime_dirfd = -1;
  self->tun_fd = -1;
}

/**
 * vpnd_tunnel_userspace_new:
 * @runtime_dirfd: (transfer none): directory for the record of the process, e.g. /run/vpnd; a copy of the descriptor is kept
 *
 * Returns: (transfer full): a tunnel on wireguard-go. Disposing of it leaves the process and its device as they are, as a crash would:
 *   the record tells the next instance's destroy or create
 */
VpndTunnel *
vpnd_tunnel_userspace_new (int runtime_dirfd)
{
  VpndTunnelUserspace *self = g_object_new (VPND_TYPE_TUNNEL_USERSPACE, NULL);

  self->runtime_dirfd = fcntl (runtime_dirfd, F_DUPFD_CLOEXEC, 0);
  return VPND_TUNNEL (self);
}
