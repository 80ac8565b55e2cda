/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one error domain of the project and the one table of its D-Bus names.
 * Links without GIO; dbus/error-bus.h registers the table with GDBus.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VpndError: every documented way in which a request can fail. The D-Bus name is "org.vpnd1.Error." plus the word in brackets.
 * @VPND_ERROR_FAILED: [Failed] an internal error; a bug if a user sees it
 * @VPND_ERROR_INVALID_ARGUMENT: [InvalidArgument] a value is malformed; the message names the key
 * @VPND_ERROR_INVALID_JSON: [InvalidJson] the text is not the strict JSON that is accepted
 * @VPND_ERROR_INVALID_PROFILE: [InvalidProfile] a .conf text is malformed; the message names line and column
 * @VPND_ERROR_TOO_LARGE: [TooLarge] over a size limit
 * @VPND_ERROR_NOT_AUTHORIZED: [NotAuthorized] polkit said no
 * @VPND_ERROR_NOT_FOUND: [NotFound] no such profile, setting or member
 * @VPND_ERROR_EXISTS: [Exists] the name is taken
 * @VPND_ERROR_LIMITS_EXCEEDED: [LimitsExceeded] a quota of the sender or of the whole is used up
 * @VPND_ERROR_NOT_SUPPORTED: [NotSupported] understood, but not done here; the message says what
 * @VPND_ERROR_NOT_CONNECTED: [NotConnected] the request needs an active tunnel
 * @VPND_ERROR_FIREWALL: [FirewallFailed] the ruleset could not be put in force
 * @VPND_ERROR_TUNNEL: [TunnelFailed] the device could not be made or configured
 * @VPND_ERROR_ROUTING: [RoutingFailed] addresses, routes or rules
 * @VPND_ERROR_DNS: [DnsFailed] the DNS setting
 * @VPND_ERROR_KERNEL_FEATURE: [KernelFeatureMissing] the message names the CONFIG_ option
 * @VPND_ERROR_OFFLINE: [Offline] the host has no route to any network; vpnctl fails so when a wait ends in the state error, vpnd itself never
 * @VPND_ERROR_ENDPOINT_UNRESOLVABLE: [EndpointUnresolvable] the endpoint's host name has no address
 * @VPND_ERROR_STORAGE: [StorageFailed] a file could not be read or written
 * @VPND_ERROR_CANCELLED: [Cancelled] a later request replaced this one
 */
typedef enum
{
  VPND_ERROR_FAILED,
  VPND_ERROR_INVALID_ARGUMENT,
  VPND_ERROR_INVALID_JSON,
  VPND_ERROR_INVALID_PROFILE,
  VPND_ERROR_TOO_LARGE,
  VPND_ERROR_NOT_AUTHORIZED,
  VPND_ERROR_NOT_FOUND,
  VPND_ERROR_EXISTS,
  VPND_ERROR_LIMITS_EXCEEDED,
  VPND_ERROR_NOT_SUPPORTED,
  VPND_ERROR_NOT_CONNECTED,
  VPND_ERROR_FIREWALL,
  VPND_ERROR_TUNNEL,
  VPND_ERROR_ROUTING,
  VPND_ERROR_DNS,
  VPND_ERROR_KERNEL_FEATURE,
  VPND_ERROR_OFFLINE,
  VPND_ERROR_ENDPOINT_UNRESOLVABLE,
  VPND_ERROR_STORAGE,
  VPND_ERROR_CANCELLED,
  VPND_N_ERRORS
} VpndError;

#define VPND_ERROR (vpnd_error_quark ())
GQuark vpnd_error_quark (void);

const char *vpnd_error_bus_name (VpndError code);

G_END_DECLS
