/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Random but legal profiles, settings and facts, from the seed of g_test.
 */
#pragma once

#include "facts.h"
#include "profile.h"
#include "settings.h"
#include "split-plan.h"

G_BEGIN_DECLS

gboolean random_boolean (guint one_in);
VpndAddr random_addr (int family);
VpndAddr random_public_addr (int family);
VpndBridge random_bridge (void);
VpndProfile *random_profile (const char *name);
VpndSettings *random_settings (void);
VpndFacts *random_facts (void);

/* What random_split_plan() draws from: cgroups of the classes, two levels below the root, and of a unit; folders of units one above the other, in one of which another manager's
 * stand; a user and networks of each class. */
#define SPLIT_LEVEL 2
#define SPLIT_UNIT_LEVEL 3
#define SPLIT_FOLDER_SYSTEM 500 /* at level 1 */
#define SPLIT_FOLDER_USER 501   /* at level 2, in it: of the manager of SPLIT_MANAGER */
#define SPLIT_NEWEST 600        /* up to here all have been looked at */
#define SPLIT_MANAGER 1000
#define SPLIT_UID_EXCLUDED 1001
#define SPLIT_UID_INCLUDED 1002
enum
{
  SPLIT_ID_NONE = 10,
  SPLIT_ID_EXCLUDED,
  SPLIT_ID_INCLUDED,
  SPLIT_ID_BOUND_FIRST,
  SPLIT_ID_BOUND_OTHER,
  SPLIT_ID_UNIT_EXCLUDED,
};
VpndSplitPlan *random_split_plan (const char *bound_profile);

G_END_DECLS
