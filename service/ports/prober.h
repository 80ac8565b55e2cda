/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: sends probes into the tunnel, so that a living peer has a reason to answer, or to see which size arrives.
 * Real: backends/prober-udp. Fake: in tests/fakes/fake-host.
 */
#pragma once

#include "addr.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_PROBER (vpnd_prober_get_type ())
G_DECLARE_INTERFACE (VpndProber, vpnd_prober, VPND, PROBER, GObject)

/**
 * VpndProberInterface:
 * @probe: send one datagram with TTL 1 to @target, bound to the link @ifname. Never blocks. A failure to send is
 *   not a failed tunnel: it is reported as FALSE and ignored by the caller
 * @read_path_mtu: how large a packet to @peer may be that carries the mark @fwmark, as far as the host knows now: bytes, with its IP header; 0 for
 *   unknown. Never blocks, sends nothing
 * @try_size_async: send a packet of @bytes (with its IP header) that must not be cut up to each of @targets, with TTL 1 and bound to the link @ifname, and
 *   wait at most @timeout_ms for any answer to one of them
 *   Answers: TRUE when an answer came; FALSE without an error when none did
 * @find_port: a UDP port from @first to @last that nobody has now, of both families; another one each time. Where all are taken, any that is free; @first when
 *   nothing can be asked. Never blocks
 */
struct _VpndProberInterface
{
  GTypeInterface parent_iface;

  gboolean (*probe) (VpndProber *self, const char *ifname, const VpndAddr *target, GError **error);
  guint32 (*read_path_mtu) (VpndProber *self, const VpndEndpoint *peer, guint32 fwmark);
  void (*try_size_async) (VpndProber *self, const char *ifname, const VpndAddr *targets, guint n_targets, guint32 bytes, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  guint16 (*find_port) (VpndProber *self, guint16 first, guint16 last);
};

gboolean vpnd_prober_probe (VpndProber *self, const char *ifname, const VpndAddr *target, GError **error);
guint32 vpnd_prober_read_path_mtu (VpndProber *self, const VpndEndpoint *peer, guint32 fwmark);
void vpnd_prober_try_size_async (VpndProber *self, const char *ifname, const VpndAddr *targets, guint n_targets, guint32 bytes, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_prober_try_size_finish (VpndProber *self, GAsyncResult *result, GError **error);
guint16 vpnd_prober_find_port (VpndProber *self, guint16 first, guint16 last);

G_END_DECLS
