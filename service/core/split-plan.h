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
#include "split-standing.h"

G_BEGIN_DECLS

/**
 * VpndSplitGroup: a cgroup whose processes are in a class: that of the class itself, or that of a unit
 * @class_: which class
 * @profile: (owned) (nullable): with VPND_SPLIT_BOUND, the profile's name
 * @level: as VpndMatch.level; 0 with net_cls
 * @id: number of the cgroup; with net_cls, the class number; 0 says that a rule names units which may come to stand at that level, whether any does now or not
 */
typedef struct
{
  VpndSplitClass class_;
  char *profile;
  guint8 level;
  guint64 id;
} VpndSplitGroup;

/**
 * VpndSplitFolder: a cgroup in which units come to stand, some of which may not be in the clear
 * @level: as VpndMatch.level; 0 for the root
 * @holds_bound: a unit that comes there may be bound to a profile
 * @id: number of the cgroup
 */
typedef struct
{
  guint8 level;
  gboolean holds_bound;
  guint64 id;
} VpndSplitFolder;

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
 * @standing: (nullable): the classes as they stand; NULL for none
 * @names: (element-type VpndSplitName) (nullable): what is known of domains
 * @queue: how the kernel holds answers of resolvers (vpnd_split_names_get_queue ()); VPND_QUEUE_NONE: nobody listens, and nothing is held
 * @outside_dns: (element-type VpndAddr) (nullable): resolvers of the physical links: what was there before us, never a stub on loopback
 * @has_asked: programs that no rule names stand in classes, or did, or are about to: somebody asked for it
 */
typedef struct
{
  const VpndSplitStanding *standing;
  const GArray *names;
  VpndQueueForm queue;
  const GArray *outside_dns;
  gboolean has_asked;
} VpndSplitFacts;

/**
 * VpndSplitPlan: an immutable value with a count of references
 * @mode: what happens to what nothing below names
 * @ground: what the ids of @groups are
 * @groups: (element-type VpndSplitGroup) (owned): sorted by class, profile, level and id
 * @folders: (element-type VpndSplitFolder) (owned): where what has just come is told from what is set to be inside the tunnel by nothing but its name, which has to be
 *   looked at first; sorted by level and id
 * @newest: what stands in a folder has been looked at up to this number
 * @hold: for vpnd_rule_queue (): how what was not is held until it was; VPND_QUEUE_NONE: it is dropped
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
  GArray *groups;
  GArray *folders;
  guint64 newest;
  VpndQueueForm hold;
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
gboolean vpnd_split_plan_is_beside (const VpndSplitPlan *plan, guint64 cgroup, guint32 uid, const VpndAddr *remote);
const char *vpnd_split_plan_get_overruled_reason (const VpndSplitPlan *plan, const VpndSplitConfig *config, const VpndSplitRule *rule);
gboolean vpnd_split_plan_has_class (const VpndSplitPlan *plan, VpndSplitClass class_);
gboolean vpnd_split_plan_is_empty (const VpndSplitPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitPlan, vpnd_split_plan_unref)

G_END_DECLS
