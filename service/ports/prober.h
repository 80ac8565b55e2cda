/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Port: sends one probe into the tunnel, so that a living peer has a reason to answer.
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
 */
struct _VpndProberInterface
{
  GTypeInterface parent_iface;

  gboolean (*probe) (VpndProber *self, const char *ifname, const VpndAddr *target, GError **error);
};

gboolean vpnd_prober_probe (VpndProber *self, const char *ifname, const VpndAddr *target, GError **error);

G_END_DECLS
