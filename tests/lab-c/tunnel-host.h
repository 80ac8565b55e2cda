/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where the tunnel backends are tried: two network namespaces of this process, "host" and "peer", joined by a veth pair, and calls that wait, each in the namespace
 * where it belongs. One body for both backends: wireguard-go, or with "--backend=kernel" or VPND_TEST_BACKEND=kernel the kernel's own WireGuard, which the
 * kernel must have. /run is a tmpfs of its own, so nothing of the machine is touched.
 */
#pragma once

#include "tunnel.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define DEADLINE_MS 30000L /* of everything that ought to take some milliseconds */
#define HOST_IF "vpnd0"
#define RUNTIME "/run/vpnd"

typedef struct
{
  VpndBackend backend;
  int host_ns;
  int peer_ns;
  int runtime_dirfd;
} Lab;

void on_done (GObject *source, GAsyncResult *result, gpointer user_data);
void wait_until_set (gpointer *place);
void enter (int ns);
gboolean create (int ns, VpndTunnel *tunnel, const char *ifname, VpndBackend backend, GError **error);
gboolean configure (int ns, VpndTunnel *tunnel, const char *ifname, VpndTunnelConfig *config, GError **error);
gboolean destroy (int ns, VpndTunnel *tunnel, const char *ifname, GError **error);
void run (int ns, const char *command);
gboolean has_link (int ns, const char *ifname);
GPid recorded_pid (const char *ifname);
void assert_nothing_left (int ns, const char *ifname);
VpndTunnel *tunnel_new (const Lab *lab);
void set_up (Lab *lab);
VpndBackend backend_of (int argc, char **argv);

G_END_DECLS
