/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndProber: type registration and dispatch. The contract stands in the header.
 */
#include "config.h"

#include "prober.h"

G_DEFINE_INTERFACE (VpndProber, vpnd_prober, G_TYPE_OBJECT)

static void
vpnd_prober_default_init (VpndProberInterface *iface)
{
}

/**
 * vpnd_prober_probe:
 * @self: the port
 * @ifname: see VpndProberInterface
 * @target: see VpndProberInterface
 * @error: return location for an error
 *
 * Dispatches; see VpndProberInterface.
 *
 * Returns: see VpndProberInterface
 */
gboolean
vpnd_prober_probe (VpndProber *self, const char *ifname, const VpndAddr *target, GError **error)
{
  g_return_val_if_fail (VPND_IS_PROBER (self), FALSE);

  return VPND_PROBER_GET_IFACE (self)->probe (self, ifname, target, error);
}
