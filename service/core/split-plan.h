/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What split tunnelling means for the rules of this host now: which packets go beside the tunnel, as numbers and addresses. Made of what the users
 * want (core/split-config.h) and of what is there. An immutable value; never looks at a cgroup, a name or a process.
 */
#pragma once

#include "addr.h"
#include "ruleset.h"
#include "split-config.h"
#include "split-ground.h"

G_BEGIN_DECLS

/**
 * VpndSplitBound: the class of the programs that are bound to a profile
 * @profile: (owned): its name
 * @id: of the class, as in VpndSplitFacts
 */
typedef struct
{
  char *profile;
  guint64 id;
} VpndSplitBound;

/**
 * VpndSplitName: what is known of a domain
 * @domain: (unowned): as the rule has it
 * @addrs: (element-type VpndAddr) (unowned): addresses of it and of the names below it that somebody was told and whose time has not run out
 */
typedef struct
{
  const char *domain;
  GArray *addrs;
} VpndSplitName;

/**
 * VpndSplitFacts: what is there; all (unowned)
 * @ground: where classes are told apart
 * @level: how deep the cgroups of the classes stand (vpnd_split_ground_level()); 0 without cgroup2
 * @excluded_id: of the class "excluded": number of the directory with cgroup2, class number with net_cls; 0 when there is none
 * @included_id: the same of "included"
 * @bound: (element-type VpndSplitBound) (nullable): classes of profiles; an @id of 0 is none
 * @names: (element-type VpndSplitName) (nullable): what is known of domains
 * @queue: how the kernel holds answers of resolvers (vpnd_split_names_get_queue ()); VPND_QUEUE_NONE: nobody listens, and nothing is held
 * @outside_dns: (element-type VpndAddr) (nullable): resolvers of the physical links: what was there before us, never a stub on loopback
 */
typedef struct
{
  VpndSplitGround ground;
  guint level;
  guint64 excluded_id;
  guint64 included_id;
  const GArray *bound;
  const GArray *names;
  VpndQueueForm queue;
  const GArray *outside_dns;
} VpndSplitFacts;

/**
 * VpndSplitPlan: an immutable value with a count of references
 * @mode: what happens to what nothing below names
 * @ground: as in VpndSplitFacts
 * @level: the same
 * @excluded_id: the same
 * @included_id: the same
 * @bound: (element-type VpndSplitBound) (owned): sorted by profile, none with the id 0
 * @excluded_uids: (element-type guint32) (owned): sorted
 * @included_uids: (element-type guint32) (owned): sorted
 * @excluded_prefixes: (element-type VpndPrefix) (owned): merged, sorted
 * @included_prefixes: (element-type VpndPrefix) (owned): merged, sorted
 * @excluded_addrs: (element-type VpndAddr) (owned): from domains; sorted
 * @included_addrs: (element-type VpndAddr) (owned): from domains; sorted
 * @outside_dns: (element-type VpndAddr) (owned): in order of preference
 * @watches_names: there are domains and somebody listens, so answers of resolvers are held until their addresses stand here
 * @queue: for vpnd_rule_queue () then; else VPND_QUEUE_NONE
 */
typedef struct
{
  gatomicrefcount ref_count;
  VpndSplitMode mode;
  VpndSplitGround ground;
  guint level;
  guint64 excluded_id;
  guint64 included_id;
  GArray *bound;
  GArray *excluded_uids;
  GArray *included_uids;
  GArray *excluded_prefixes;
  GArray *included_prefixes;
  GArray *excluded_addrs;
  GArray *included_addrs;
  GArray *outside_dns;
  gboolean watches_names;
  VpndQueueForm queue;
} VpndSplitPlan;

VpndSplitPlan *vpnd_split_plan_build (const VpndSplitConfig *config, const VpndSplitFacts *facts);
VpndSplitPlan *vpnd_split_plan_ref (VpndSplitPlan *plan);
void vpnd_split_plan_unref (VpndSplitPlan *plan);
gboolean vpnd_split_plan_equal (const VpndSplitPlan *a, const VpndSplitPlan *b);
gboolean vpnd_split_plan_is_empty (const VpndSplitPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitPlan, vpnd_split_plan_unref)

G_END_DECLS
