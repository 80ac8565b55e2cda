/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Everything a diagnosis looks at, as one value: what the daemon knows of itself, and what the host shows. Collected by others
 * (ports/inspector, engine/check); judged by core/doctor.
 */
#pragma once

#include "route-report.h"
#include "state.h"

G_BEGIN_DECLS

/**
 * VpndForeignTable: a table of nftables that is not ours and sees packets of this host
 * @family: "inet", "ip" or "ip6"
 * @name: its name, cut where it is too long
 * @drops: rules that drop or reject, and base chains that drop by default, on the way of packets from or to this host
 * @marks: rules that write a packet's mark without sparing the bits that are ours
 */
typedef struct
{
  char family[8];
  char name[64];
  guint drops;
  guint marks;
} VpndForeignTable;

/* What became of something that was asked over the bus. */
typedef enum
{
  VPND_SERVICE_ABSENT,
  VPND_SERVICE_PRESENT,
  VPND_SERVICE_HANGS, /* on the bus, and no answer in time */
} VpndServicePresence;

/* NetworkManager's own word for the network (NMConnectivityState), as far as it matters. */
#define VPND_CONNECTIVITY_PORTAL 2u

/**
 * VpndEvidence:
 * @kind: the state
 * @cause: why, in VPND_STATE_ERROR
 * @detail: (owned): one sentence on the last failure
 * @profile: (owned): name of the profile in use, "" for none
 * @state_s: how long it has been so, in seconds
 * @attempt: attempts to connect since the last success
 * @is_blocking: our rules are in force, as read back
 * @must_block: they should be
 * @lockdown, @auto_connect, @destroy_sockets: the settings
 * @backend: the setting
 * @profile_has_ipv6: the profile in use has an IPv6 address
 * @has_internet_route: the plan in force routes the internet
 * @tunnel_mtu: MTU of the plan in force, 0 for no plan
 * @outer_overhead: what the transport adds to a packet of the tunnel, in bytes; 0 for no plan
 * @handshake_s: seconds since the last handshake; -1 for none, and less for one that lies in the future
 * @rx_bytes, @tx_bytes: counters of all peers
 * @repairs: how often something of ours was put back since the activation
 * @dns_repairs: whether DNS was among it
 * @entries: (element-type VpndRouteEntry) (owned): plan against kernel
 * @lan_claims: (element-type utf8) (owned): local networks that the profile takes into the tunnel
 * @facts: (owned): the physical network
 * @survey: (owned) (nullable): what the kernel has; %NULL when it could not be read
 * @has_kernel_wireguard, @has_wireguard_go, @has_tun: what could carry the tunnel
 * @rp_filter: the strictest net.ipv4.conf.{all,LINK}.rp_filter of the physical link
 * @src_valid_mark: net.ipv4.conf.all.src_valid_mark
 * @conntrack_count, @conntrack_max: entries of the connection table; 0 and 0 when there is none
 * @tables: (element-type VpndForeignTable) (owned)
 * @has_iptables_legacy: rules of the old kind, which nftables does not show, are loaded
 * @clock_behind_s: how far the wall clock is behind what it has shown before, in seconds; 0 for not
 * @polkit, @resolved, @firewalld: services on the bus
 * @has_bus: the bus could be asked
 * @connectivity: NetworkManager's; 0 for unknown
 * @early_boot_state: (owned): what systemd says of vpnd-early-boot.service; "" where nobody can be asked
 * @service_state: (owned): and of vpnd.service
 * @resolv_conf_link: (owned): where /etc/resolv.conf is a link to without us, "" for no link
 * @has_resolv_conf: something can be read there
 * @resolv_conf_is_locked: it is immutable, or its file system is read-only
 * @dns_owner: (owned): the word of org.vpnd1.Diagnostics.Dns; "" when not known
 * @dns_servers: (element-type utf8) (owned): set by us
 * @dns_in_force: and read back
 * @local_resolver: (owned): a loopback server that the host asks without us; "" for none
 * @split_troubles: (element-type utf8) (owned): why rules of split tunnelling take no effect, as the status says it
 * @has_capability: the process may change the network
 * @sysctl_is_read_only, @runtime_is_read_only: a sandbox that is too tight
 * @fds, @fds_max: open descriptors and their limit
 * @state_free_bytes, @state_free_files: room for our files; G_MAXUINT64 where there is no limit
 * @state_is_read_only: the file system of the state directory
 * @pid: our process
 */
typedef struct
{
  VpndStateKind kind;
  VpndCause cause;
  char *detail;
  char *profile;
  gint64 state_s;
  guint attempt;
  gboolean is_blocking;
  gboolean must_block;
  gboolean lockdown;
  gboolean auto_connect;
  gboolean destroy_sockets;
  VpndBackend backend;
  gboolean profile_has_ipv6;
  gboolean has_internet_route;
  guint32 tunnel_mtu;
  guint32 outer_overhead;
  gint64 handshake_s;
  guint64 rx_bytes;
  guint64 tx_bytes;
  guint repairs;
  gboolean dns_repairs;
  GPtrArray *entries;
  GPtrArray *lan_claims;
  VpndFacts *facts;

  VpndRouteSurvey *survey;
  gboolean has_kernel_wireguard;
  gboolean has_wireguard_go;
  gboolean has_tun;
  int rp_filter;
  int src_valid_mark;
  guint64 conntrack_count;
  guint64 conntrack_max;
  GArray *tables;
  gboolean has_iptables_legacy;
  gint64 clock_behind_s;
  gboolean has_bus;
  VpndServicePresence polkit;
  VpndServicePresence resolved;
  VpndServicePresence firewalld;
  guint connectivity;
  char *early_boot_state;
  char *service_state;
  char *resolv_conf_link;
  gboolean has_resolv_conf;
  gboolean resolv_conf_is_locked;
  char *dns_owner;
  GPtrArray *dns_servers;
  gboolean dns_in_force;
  char *local_resolver;
  GPtrArray *split_troubles;
  gboolean has_capability;
  gboolean sysctl_is_read_only;
  gboolean runtime_is_read_only;
  guint fds;
  guint fds_max;
  guint64 state_free_bytes;
  guint64 state_free_files;
  gboolean state_is_read_only;
  guint pid;
} VpndEvidence;

VpndEvidence *vpnd_evidence_new (void);
void vpnd_evidence_free (VpndEvidence *evidence);
void vpnd_evidence_take (char **field, char *value);
void vpnd_evidence_set_state (VpndEvidence *evidence, const VpndState *state, const VpndSettings *settings, VpndFacts *facts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndEvidence, vpnd_evidence_free)

G_END_DECLS
