/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the coordinator of split tunnelling share: its fields, and what a change does to them. Included by engine/split.c and
 * engine/split-changes.c only.
 */
#pragma once

#include "split.h"

#include "split-members.h"

G_BEGIN_DECLS

struct _VpndSplitTunnel
{
  GObject parent_instance;

  VpndSplitter *splitter;      /* (owned) */
  VpndProfileStore *profiles;  /* (owned) (nullable): which profiles there are, for rules that bind to one */
  VpndSplitStore *store;       /* (owned) */
  VpndClock *clock;            /* (owned) */
  VpndSplitConfig *config;     /* (owned) */
  VpndSplitStanding *standing; /* (owned) */
  VpndSplitPlan *plan;         /* (owned) */
  VpndSplitMembers *members;   /* (owned) */
  GArray *outside_dns;         /* (element-type VpndAddr) (owned): resolvers of the physical links */
  VpndSplitNames *names;       /* (owned) (nullable) */
  gboolean awaits_names;       /* the change under way is done as soon as it is known whether names can be watched */
  VpndSplitState state;
  gboolean is_protected;
  gboolean has_asked; /* programs stand in classes, or did since the rules of the firewall came, that no rule put there: their flows outlive them */
  gboolean is_started;
  char *trouble;                 /* (owned) (nullable): with the file */
  VpndSplitConfig *interim;      /* (owned) (nullable): what the plan is made of, with all classes, while a change is under way that leads somebody into one */
  GArray *prepared;              /* (element-type VpndSplitBound) (owned) (nullable): the profiles that have a class of their own; NULL before the start */
  VpndSplitRulesFunc rules_func; /* (nullable): has the rules of the plan put in force */
  gpointer rules_data;           /* (unowned) */
  GQueue changes;                /* (element-type GTask) (owned): that wait */
  GTask *change;                 /* (owned) (nullable): under way */
  GArray *returning;             /* (element-type VpndSplitProcess) (owned): who is on the way back; origins are shared texts */
  guint round;
  guint waits;
  gboolean has_spared;
  guint turn;
};

/* split.c */
void vpnd_split_tunnel_update_state (VpndSplitTunnel *self);
void vpnd_split_tunnel_adopt_config (VpndSplitTunnel *self, VpndSplitConfig *config);
void vpnd_split_tunnel_adopt_standing (VpndSplitTunnel *self, gboolean is_told);
void vpnd_split_tunnel_tell_rules_changed (VpndSplitTunnel *self);
void vpnd_split_tunnel_tell_plan_changed (VpndSplitTunnel *self);

/* split-changes.c */
void vpnd_split_tunnel_init_changes (VpndSplitTunnel *self);
void vpnd_split_tunnel_drop_changes (VpndSplitTunnel *self);
void vpnd_split_tunnel_go_on_with_change (VpndSplitTunnel *self);
void vpnd_split_tunnel_prepare_classes (VpndSplitTunnel *self, const VpndSplitConfig *config, const VpndSplitConfig *also);
gboolean vpnd_split_tunnel_follow_rename (VpndSplitTunnel *self, VpndSplitConfig **config);
void vpnd_split_tunnel_follow_classes (VpndSplitTunnel *self, const VpndSplitStanding *before);

G_END_DECLS
