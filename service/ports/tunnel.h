/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: one WireGuard device.
 * Real: backends/tunnel-kernel, backends/tunnel-userspace, and backends/tunnel-auto that picks one of them.
 * Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "settings.h"
#include "tunnel-config.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_TUNNEL (vpnd_tunnel_get_type ())
G_DECLARE_INTERFACE (VpndTunnel, vpnd_tunnel, VPND, TUNNEL, GObject)

/**
 * VpndTunnelInterface:
 * @create_async: make the link @ifname, down and without configuration. A stale link of that name that is ours (a WireGuard
 *   device, or our tun device) is replaced. Errors: VPND_ERROR_TUNNEL, VPND_ERROR_KERNEL_FEATURE
 * @configure_async: give the device its key, mark and whole set of peers. Works on a device that is up: a peer that stays keeps
 *   its session
 * @read_stats_async: counters and handshake times
 *   Answers: (transfer container) (element-type VpndPeerStats): one entry a peer
 * @destroy_async: remove the link and whatever serves it; not an error when it is missing
 * @get_active: which backend serves the device now; VPND_BACKEND_AUTO for none
 * @get_ifindex: index of the link that create has made, 0 for none
 *
 * Signal "lost" (with the reason, utf8): the device or the process behind it went away by itself; destroy must still be called.
 */
struct _VpndTunnelInterface
{
  GTypeInterface parent_iface;

  void (*create_async) (VpndTunnel *self, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*configure_async) (VpndTunnel *self, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*read_stats_async) (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*destroy_async) (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  VpndBackend (*get_active) (VpndTunnel *self);
  guint (*get_ifindex) (VpndTunnel *self);
};

void vpnd_tunnel_create_async (VpndTunnel *self, const char *ifname, VpndBackend backend, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_tunnel_create_finish (VpndTunnel *self, GAsyncResult *result, GError **error);
void vpnd_tunnel_configure_async (VpndTunnel *self, const char *ifname, VpndTunnelConfig *config, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_tunnel_configure_finish (VpndTunnel *self, GAsyncResult *result, GError **error);
void vpnd_tunnel_read_stats_async (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GArray *vpnd_tunnel_read_stats_finish (VpndTunnel *self, GAsyncResult *result, GError **error);
void vpnd_tunnel_destroy_async (VpndTunnel *self, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_tunnel_destroy_finish (VpndTunnel *self, GAsyncResult *result, GError **error);
VpndBackend vpnd_tunnel_get_active (VpndTunnel *self);
guint vpnd_tunnel_get_ifindex (VpndTunnel *self);
void vpnd_tunnel_emit_lost (VpndTunnel *self, const char *reason);

G_END_DECLS
