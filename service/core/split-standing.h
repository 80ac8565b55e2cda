/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What stands on the host for split tunnelling: where classes are told apart, by which numbers, and which rules cannot take effect, and why.
 * A value that the port tells and the plan is made of. Pure.
 */
#pragma once

#include "ruleset.h"
#include "split-ground.h"
#include "split-rule.h"

G_BEGIN_DECLS

/**
 * VpndSplitBoundId:
 * @profile: (owned): its programs stand in the class
 * @id: number of the class, as VpndSplitStanding.excluded_id
 */
typedef struct
{
  char *profile;
  guint64 id;
} VpndSplitBoundId;

/**
 * VpndSplitUnitId: the cgroup of a unit that a rule names: matched by itself, since only systemd moves its processes
 * @class_: of the rule
 * @profile: (owned) (nullable): of the rule
 * @level: as `socket cgroupv2 level` counts
 * @id: number of the cgroup
 */
typedef struct
{
  VpndSplitClass class_;
  char *profile;
  guint level;
  guint64 id;
} VpndSplitUnitId;

/**
 * VpndSplitFolderId: a cgroup in which service managers make those of units: a slice, that of a user's manager, or the root
 * @manager: the user whose manager does, VPND_SPLIT_OWNER_SYSTEM for the system's
 * @level: as `socket cgroupv2 level` counts, 0 for the root
 * @id: number of the cgroup
 */
typedef struct
{
  guint32 manager;
  guint level;
  guint64 id;
} VpndSplitFolderId;

/**
 * VpndSplitStanding: an immutable value with a count of references
 * @ground: how classes are told apart; with NONE nothing below has any
 * @level: of the classes, as `socket cgroupv2 level` counts
 * @excluded_id: number of the class: the cgroup's inode, or its class number with net_cls; 0 when there is none
 * @included_id: the same
 * @excluded_path: (owned): that class, as /proc/PID/cgroup names it; "" when there is none
 * @included_path: (owned): the same
 * @bound: (element-type VpndSplitBoundId) (owned): of the profiles that something is bound to
 * @units: (element-type VpndSplitUnitId) (owned): of the units that run now
 * @folders: (element-type VpndSplitFolderId) (owned): where units come to stand; none where nobody has to be told from them
 * @newest: what stands in a folder and has no greater number than this has been looked at, so each unit among it that a rule names is in @units; 0 while nothing has
 * @hold: how the kernel holds what others send; VPND_QUEUE_NONE: it is dropped
 * @holds_launches: vpnd-classifier puts programs into their class before they run
 * @trouble: (owned): what is wrong with the whole, in one sentence; "" for nothing
 * @reasons: (element-type VpndSplitRule utf8) (owned): why a rule takes no effect; those that do are not in it
 */
typedef struct
{
  VpndSplitGround ground;
  guint level;
  guint64 excluded_id;
  guint64 included_id;
  char *excluded_path;
  char *included_path;
  GArray *bound;
  GArray *units;
  GArray *folders;
  guint64 newest;
  VpndQueueForm hold;
  gboolean holds_launches;
  char *trouble;
  GHashTable *reasons;
} VpndSplitStanding;

VpndSplitStanding *vpnd_split_standing_new (VpndSplitGround ground, guint level);
VpndSplitStanding *vpnd_split_standing_ref (VpndSplitStanding *standing);
void vpnd_split_standing_unref (VpndSplitStanding *standing);
void vpnd_split_standing_add_bound (VpndSplitStanding *standing, const char *profile, guint64 id);
void vpnd_split_standing_add_unit (VpndSplitStanding *standing, VpndSplitClass class_, const char *profile, guint level, guint64 id);
void vpnd_split_standing_add_folder (VpndSplitStanding *standing, guint32 manager, guint level, guint64 id);
gboolean vpnd_split_standing_differs_for_users (const VpndSplitStanding *standing, const VpndSplitStanding *before);
void vpnd_split_standing_add_reason (VpndSplitStanding *standing, VpndSplitRule *rule, const char *reason);
const char *vpnd_split_standing_get_reason (const VpndSplitStanding *standing, const VpndSplitRule *rule);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitStanding, vpnd_split_standing_unref)

G_END_DECLS
