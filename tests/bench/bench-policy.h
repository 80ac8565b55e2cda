/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of some hosts, as the engine has them made: what the benchmarks measure beside random ones.
 */
#pragma once

#include "policy.h"

G_BEGIN_DECLS

typedef enum
{
  BENCH_HOST_ORDINARY,        /* one profile, its resolver, nothing else */
  BENCH_HOST_ROUTER,          /* the same, and it forwards for others */
  BENCH_HOST_PROGRAM,         /* an ordinary one with an excluded program, and no other rule of split tunnelling */
  BENCH_HOST_PROGRAMS,        /* an ordinary one with excluded programs, 10 users and 500 subnets: all programs that rules name by their path stand in one cgroup */
  BENCH_HOST_SPLIT,           /* the same with 40 units, so with 50 rules of split tunnelling and 500 subnets */
  BENCH_HOST_PROGRAM_NET_CLS, /* as BENCH_HOST_PROGRAM, by net_cls: then nobody can tell for whom a packet is that comes in, so nothing of it is asked */
  BENCH_HOST_EVERYTHING,      /* all of that, the LAN, resolvers of one's own, API endpoints, containers with a way of their own, a domain beside the tunnel */
} BenchHost;

VpndRuleset *bench_policy_new (BenchHost host, VpndPolicyKind kind);

G_END_DECLS
