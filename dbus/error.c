/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of dbus/error.h.
 */
#include "config.h"

#include "error.h"

#define ERROR_PREFIX "org.vpnd1.Error."

static const char *const bus_names[] = {
  [VPND_ERROR_FAILED] = ERROR_PREFIX "Failed",
  [VPND_ERROR_INVALID_ARGUMENT] = ERROR_PREFIX "InvalidArgument",
  [VPND_ERROR_INVALID_JSON] = ERROR_PREFIX "InvalidJson",
  [VPND_ERROR_INVALID_PROFILE] = ERROR_PREFIX "InvalidProfile",
  [VPND_ERROR_TOO_LARGE] = ERROR_PREFIX "TooLarge",
  [VPND_ERROR_NOT_AUTHORIZED] = ERROR_PREFIX "NotAuthorized",
  [VPND_ERROR_NOT_FOUND] = ERROR_PREFIX "NotFound",
  [VPND_ERROR_EXISTS] = ERROR_PREFIX "Exists",
  [VPND_ERROR_LIMITS_EXCEEDED] = ERROR_PREFIX "LimitsExceeded",
  [VPND_ERROR_NOT_SUPPORTED] = ERROR_PREFIX "NotSupported",
  [VPND_ERROR_NOT_CONNECTED] = ERROR_PREFIX "NotConnected",
  [VPND_ERROR_FIREWALL] = ERROR_PREFIX "FirewallFailed",
  [VPND_ERROR_TUNNEL] = ERROR_PREFIX "TunnelFailed",
  [VPND_ERROR_ROUTING] = ERROR_PREFIX "RoutingFailed",
  [VPND_ERROR_DNS] = ERROR_PREFIX "DnsFailed",
  [VPND_ERROR_KERNEL_FEATURE] = ERROR_PREFIX "KernelFeatureMissing",
  [VPND_ERROR_OFFLINE] = ERROR_PREFIX "Offline",
  [VPND_ERROR_ENDPOINT_UNRESOLVABLE] = ERROR_PREFIX "EndpointUnresolvable",
  [VPND_ERROR_STORAGE] = ERROR_PREFIX "StorageFailed",
  [VPND_ERROR_CANCELLED] = ERROR_PREFIX "Cancelled",
};
G_STATIC_ASSERT (G_N_ELEMENTS (bus_names) == VPND_N_ERRORS);

G_DEFINE_QUARK (vpnd - error, vpnd_error)

/**
 * vpnd_error_bus_name:
 * @code: a code of the domain
 *
 * Returns: (transfer none): the D-Bus error name of @code
 */
const char *
vpnd_error_bus_name (VpndError code)
{
  g_return_val_if_fail (code < VPND_N_ERRORS, bus_names[VPND_ERROR_FAILED]);

  return bus_names[code];
}
