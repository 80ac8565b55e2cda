/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The settings of the daemon as an immutable value, and the one table that names them.
 * The table drives the D-Bus properties, the settings file, the CLI and the validation.
 * Never reads or writes a file (store/ does).
 */
#pragma once

#include "addr.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_CRASH_RECOVERY_BLOCK,     /* stay closed, error state, nothing re-activated */
  VPND_CRASH_RECOVERY_RECONNECT, /* activate again what was active */
  VPND_CRASH_RECOVERY_RELEASE,   /* back to an open network */
} VpndCrashRecovery;

typedef enum
{
  VPND_BACKEND_AUTO, /* kernel WireGuard where the kernel has it, else wireguard-go */
  VPND_BACKEND_KERNEL,
  VPND_BACKEND_USERSPACE,
} VpndBackend;

typedef enum
{
  VPND_FORWARD_TUNNEL, /* into the tunnel, as everything */
  VPND_FORWARD_DIRECT, /* beside the tunnel, in every state */
  VPND_FORWARD_BLOCK,  /* nowhere but within this host */
} VpndForwardPolicy;

/**
 * VpndForwardEntry: what happens to packets of guests of this host
 * @ifname: the link that they come by
 * @policy: where they may go
 */
typedef struct
{
  char ifname[16];
  VpndForwardPolicy policy;
} VpndForwardEntry;

/**
 * VpndSettings:
 * @lockdown: disconnected blocks like error
 * @auto_connect: activate @auto_connect_profile at start
 * @auto_connect_profile: (owned): profile of auto-connect; "" for the last one activated
 * @allow_lan: rule 7 of the security model
 * @ipv6: use IPv6 in the tunnel where the profile has it
 * @mtu: MTU override in bytes, 0 for automatic
 * @dns_servers: (element-type VpndAddr) (owned): custom resolvers; empty for those of the profile
 * @api_endpoints: (element-type VpndServicePort) (owned): rule 4: what programs of root reach outside the tunnel while there is none
 * @forward: (element-type VpndForwardEntry) (owned): rule 9: the links whose guests are treated in a way of their own; each link once
 * @crash_recovery: what a start after a crash does
 * @backend: which WireGuard to use
 * @dns_resolver_uid: user of a recursive resolver on this host, which may ask any server of names inside the tunnel; 0 for none
 * @destroy_sockets: end the connections of programs that were there before the lock
 */
typedef struct
{
  gatomicrefcount ref_count;
  gboolean lockdown;
  gboolean auto_connect;
  char *auto_connect_profile;
  gboolean allow_lan;
  gboolean ipv6;
  guint32 mtu;
  GArray *dns_servers;
  GArray *api_endpoints;
  GArray *forward;
  VpndCrashRecovery crash_recovery;
  VpndBackend backend;
  guint32 dns_resolver_uid;
  gboolean destroy_sockets;
} VpndSettings;

/**
 * VpndSettingInfo:
 * @key: name in the settings file and of vpnctl settings, e.g. "crash-recovery"
 * @property: name of the D-Bus property on org.vpnd1.Settings, e.g. "CrashRecovery"
 * @signature: D-Bus type of the property: "b", "u", "s" or "as"
 * @choices: (nullable) (array zero-terminated=1): the legal words of an "s" setting that is an enumeration
 */
typedef struct
{
  const char *key;
  const char *property;
  const char *signature;
  const char *const *choices;
} VpndSettingInfo;

const VpndSettingInfo *vpnd_setting_infos (guint *out_n);
const VpndSettingInfo *vpnd_setting_info_by_key (const char *key);
const VpndSettingInfo *vpnd_setting_info_by_property (const char *property);

VpndSettings *vpnd_settings_new_default (void);
VpndSettings *vpnd_settings_ref (VpndSettings *settings);
void vpnd_settings_unref (VpndSettings *settings);
gboolean vpnd_settings_equal (const VpndSettings *a, const VpndSettings *b);
GVariant *vpnd_settings_get (const VpndSettings *settings, const VpndSettingInfo *info);
VpndSettings *vpnd_settings_with (const VpndSettings *settings, const VpndSettingInfo *info, GVariant *value, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSettings, vpnd_settings_unref)

G_END_DECLS
