/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The coordinator of split tunnelling: what the users want (the store), what stands on the host (the port), who is in which class (the registry),
 * and the plan that the rules of the firewall are made of. Touches no rule and no process itself.
 */
#pragma once

#include "split-names.h"
#include "split-plan.h"
#include "split-registry.h"
#include "split-state.h"

#include "clock.h"
#include "splitter.h"

#include "split-store.h"
#include "profile-store.h"

G_BEGIN_DECLS

#define VPND_TYPE_SPLIT_TUNNEL (vpnd_split_tunnel_get_type ())
G_DECLARE_FINAL_TYPE (VpndSplitTunnel, vpnd_split_tunnel, VPND, SPLIT_TUNNEL, GObject)

/* Has the rules of the firewall made of vpnd_split_tunnel_get_plan (), and calls vpnd_split_tunnel_rules_stand () when they are in force, or cannot be. */
typedef void (*VpndSplitRulesFunc) (gpointer user_data);

/* Signals:
 *  "plan-changed" (): vpnd_split_tunnel_get_plan () is another one, and nobody asked for that
 *  "rules-changed" (): what vpnd_split_tunnel_get_config () or vpnd_split_tunnel_get_reason () tell has changed
 *  "state-changed" (): the state, the ground or the mode
 *  "excluded" (guint pid, utf8 path, utf8 reason): a process has come into a class; what everybody may know of it
 *  "returned" (guint pid, utf8 path, utf8 reason): it has left it, or ended
 *  "failed" (guint pid, utf8 path, utf8 reason): it could not be put there; with pid 0, a rule has lost its effect
 */
VpndSplitTunnel *vpnd_split_tunnel_new (VpndSplitter *splitter, VpndSplitStore *store, VpndClock *clock);
void vpnd_split_tunnel_set_profiles (VpndSplitTunnel *self, VpndProfileStore *profiles);
void vpnd_split_tunnel_watch_names (VpndSplitTunnel *self, VpndNameWatch *watch);
void vpnd_split_tunnel_set_rules_func (VpndSplitTunnel *self, VpndSplitRulesFunc func, gpointer user_data);
void vpnd_split_tunnel_rules_stand (VpndSplitTunnel *self);
VpndSplitNames *vpnd_split_tunnel_get_names (VpndSplitTunnel *self);

gboolean vpnd_split_tunnel_start (VpndSplitTunnel *self);

/* Each completes when it stands in the file, the classes are as they have to be, and the plan is made: the rules of the firewall come next. */
void vpnd_split_tunnel_add_async (VpndSplitTunnel *self, VpndSplitRule *rule, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void vpnd_split_tunnel_remove_async (VpndSplitTunnel *self, VpndSplitRule *rule, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void vpnd_split_tunnel_set_mode_async (VpndSplitTunnel *self, VpndSplitMode mode, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void vpnd_split_tunnel_rename_profile_async (VpndSplitTunnel *self, const char *name, const char *new_name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_split_tunnel_change_finish (VpndSplitTunnel *self, GAsyncResult *result, GError **error);

gboolean vpnd_split_tunnel_look (VpndSplitTunnel *self, gint32 pid, VpndSplitLook *out_look);
void vpnd_split_tunnel_want_classes (VpndSplitTunnel *self);
gboolean vpnd_split_tunnel_enter (VpndSplitTunnel *self, gint32 pid, guint64 start_time, guint32 uid, VpndSplitClass class_, GError **error);
gboolean vpnd_split_tunnel_leave (VpndSplitTunnel *self, gint32 pid, guint64 start_time, GError **error);
GPtrArray *vpnd_split_tunnel_dup_processes (VpndSplitTunnel *self);

const VpndSplitPlan *vpnd_split_tunnel_get_plan (VpndSplitTunnel *self);
const VpndSplitConfig *vpnd_split_tunnel_get_config (VpndSplitTunnel *self);
const VpndSplitStanding *vpnd_split_tunnel_get_standing (VpndSplitTunnel *self);
const char *vpnd_split_tunnel_get_reason (VpndSplitTunnel *self, const VpndSplitRule *rule);
VpndSplitState vpnd_split_tunnel_get_state (VpndSplitTunnel *self);
void vpnd_split_tunnel_set_outside_dns (VpndSplitTunnel *self, const GArray *servers);
void vpnd_split_tunnel_set_protected (VpndSplitTunnel *self, gboolean is_protected);
void vpnd_split_tunnel_add_troubles (VpndSplitTunnel *self, GPtrArray *troubles);
void vpnd_split_tunnel_add_warnings (VpndSplitTunnel *self, GPtrArray *warnings);

G_END_DECLS
