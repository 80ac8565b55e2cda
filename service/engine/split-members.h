/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who is in which class: processes that a rule put there, those that asked, and those whom these have started; who may leave, and who has to go
 * when a rule goes. Knows what the registry keeps and what the port sees; owns no rule, and moves nobody but who asks.
 */
#pragma once

#include "split-config.h"
#include "split-registry.h"
#include "split-standing.h"

#include "clock.h"
#include "splitter.h"

G_BEGIN_DECLS

typedef struct _VpndSplitMembers VpndSplitMembers;

typedef void (*VpndSplitMemberFunc) (const VpndSplitEntry *entry, gboolean has_come, gpointer user_data);
typedef void (*VpndSplitCountFunc) (gpointer user_data);

VpndSplitMembers *vpnd_split_members_new (VpndSplitter *splitter, VpndClock *clock, VpndSplitMemberFunc tell, VpndSplitCountFunc counted, gpointer user_data);
void vpnd_split_members_free (VpndSplitMembers *self);
guint vpnd_split_members_get_n (const VpndSplitMembers *self);
gboolean vpnd_split_members_has_any (VpndSplitMembers *self);

void vpnd_split_members_add_report (VpndSplitMembers *self, const VpndSplitStanding *standing, const VpndSplitterReport *report);
void vpnd_split_members_name_program (VpndSplitMembers *self, const VpndSplitterReport *report);
void vpnd_split_members_forget (VpndSplitMembers *self, gint32 pid);
void vpnd_split_members_set_profiles (VpndSplitMembers *self, const GArray *bound);
void vpnd_split_members_refresh (VpndSplitMembers *self);

gboolean vpnd_split_members_enter (VpndSplitMembers *self, const VpndSplitConfig *config, gint32 pid, guint64 start_time, guint32 uid, VpndSplitClass class_, GError **error);
gboolean vpnd_split_members_leave (VpndSplitMembers *self, const VpndSplitConfig *config, gint32 pid, guint64 start_time, GError **error);
GPtrArray *vpnd_split_members_dup_sorted (VpndSplitMembers *self);
void vpnd_split_members_rename_profile (VpndSplitMembers *self, const VpndSplitConfig *config, const char *name, const char *new_name);
gboolean vpnd_split_members_follow (VpndSplitMembers *self, const VpndSplitConfig *config, gint32 pid);
gboolean vpnd_split_members_collect_lost (VpndSplitMembers *self, const VpndSplitConfig *config, const char *lost_class, gboolean spares, GArray *lost);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitMembers, vpnd_split_members_free)

G_END_DECLS
