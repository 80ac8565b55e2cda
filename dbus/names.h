/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every public string of the D-Bus API that is not a member name, stated once.
 */
#pragma once

#define VPND_BUS_NAME "org.vpnd1"
#define VPND_OBJECT_PATH "/org/vpnd1"

#define VPND_INTERFACE_DAEMON "org.vpnd1.Daemon"
#define VPND_INTERFACE_PROFILES "org.vpnd1.Profiles"
#define VPND_INTERFACE_SETTINGS "org.vpnd1.Settings"
#define VPND_INTERFACE_DIAGNOSTICS "org.vpnd1.Diagnostics"
#define VPND_INTERFACE_SPLIT "org.vpnd1.SplitTunnel"

/* The annotation that names a member's polkit action; "none" must be written out, a member without one is denied. */
#define VPND_ANNOTATION_POLKIT_ACTION "org.vpnd1.PolkitAction"
#define VPND_POLKIT_NONE "none"

#define VPND_ACTION_READ "org.vpnd1.read"
#define VPND_ACTION_ACTIVATE "org.vpnd1.activate"
#define VPND_ACTION_DEACTIVATE "org.vpnd1.deactivate"
#define VPND_ACTION_CONFIGURE "org.vpnd1.configure"
#define VPND_ACTION_WEAKEN "org.vpnd1.weaken"
#define VPND_ACTION_LOGS "org.vpnd1.logs"
#define VPND_ACTION_SPLIT "org.vpnd1.split"

/* The words of the property State, of status and of the first line of vpnctl status (there capitalised). */
#define VPND_STATE_WORD_DISCONNECTED "disconnected"
#define VPND_STATE_WORD_CONNECTING "connecting"
#define VPND_STATE_WORD_CONNECTED "connected"
#define VPND_STATE_WORD_DISCONNECTING "disconnecting"
#define VPND_STATE_WORD_ERROR "error"

/* The words of the property Cause: why the state is error; "" in every other state. */
#define VPND_CAUSE_WORD_OFFLINE "offline"
#define VPND_CAUSE_WORD_FIREWALL "firewall-failed"
#define VPND_CAUSE_WORD_TUNNEL "tunnel-failed"
#define VPND_CAUSE_WORD_ROUTING "routing-failed"
#define VPND_CAUSE_WORD_DNS "dns-failed"
#define VPND_CAUSE_WORD_ENDPOINT "endpoint-unresolvable"
#define VPND_CAUSE_WORD_FAMILY "ip-family-unavailable"
#define VPND_CAUSE_WORD_PROFILE "profile-unusable"
#define VPND_CAUSE_WORD_CRASHED "crashed"
#define VPND_CAUSE_WORD_SETTINGS "settings-unreadable"
