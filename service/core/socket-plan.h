/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which sockets that programs opened before the lock are ended by it, as an immutable value. Such a connection could not go on anyway, and would
 * resume in the clear when the network is open again. Never looks at a socket of the host (backends/socket-killer-diag does).
 */
#pragma once

#include "bridge.h"
#include "facts.h"
#include "route-plan.h"
#include "settings.h"
#include "split-plan.h"

G_BEGIN_DECLS

/**
 * VpndSocketPlan:
 * @own: (element-type VpndAddr) (owned): the tunnel's addresses
 * @bridges: (element-type VpndPrefix) (owned): networks of this host's containers and guests
 * @allow_lan: connections to the local network go on
 * @bridge: the bridge of the profile; not set without one
 * @split: (owned) (nullable): what goes beside the tunnel goes on
 * @is_over: the tunnel is taken down: only what has one of its addresses is ended
 */
typedef struct
{
  gatomicrefcount ref_count;
  GArray *own;
  GArray *bridges;
  gboolean allow_lan;
  VpndBridge bridge;
  VpndSplitPlan *split;
  gboolean is_over;
} VpndSocketPlan;

/**
 * VpndSocketInfo: a socket of this host
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @local: its address; an IPv4-mapped one is given as IPv4
 * @local_port: its port, host byte order
 * @remote: the peer's address; not set where there is none
 * @remote_port: the peer's port
 * @mark: SO_MARK
 * @uid: whose it is
 * @cgroup: number of the cgroup2 that it was made in; 0 when the kernel does not tell
 */
typedef struct
{
  guint8 protocol;
  VpndAddr local;
  guint16 local_port;
  VpndAddr remote;
  guint16 remote_port;
  guint32 mark;
  guint32 uid;
  guint64 cgroup;
} VpndSocketInfo;

VpndSocketPlan *vpnd_socket_plan_build (const VpndRoutePlan *routes, const VpndBridge *bridge, const VpndSettings *settings, const VpndFacts *facts,
    const VpndSplitPlan *split);
VpndSocketPlan *vpnd_socket_plan_build_end (const GArray *addresses);
VpndSocketPlan *vpnd_socket_plan_ref (VpndSocketPlan *plan);
void vpnd_socket_plan_unref (VpndSocketPlan *plan);
gboolean vpnd_socket_plan_ends (const VpndSocketPlan *plan, const VpndSocketInfo *socket);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSocketPlan, vpnd_socket_plan_unref)

G_END_DECLS
