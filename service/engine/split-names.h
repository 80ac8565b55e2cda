/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules by domain at work: takes the answers that the name watch holds, keeps the addresses of the names (core/name-table), says when the ruleset has to be
 * made anew for them, and has an answer let go as soon as its addresses are in force. Never touches a rule itself.
 *
 * How the coordinator uses it:
 * 1. vpnd_split_names_set_rules () whenever the rules change; vpnd_split_names_set_protected () whenever the addresses of the tunnel change.
 * 2. When VpndSplitNamesFunc is called: take vpnd_split_names_get_queue () and vpnd_split_names_get_names () into new VpndSplitFacts, make the plan, and post
 *    VPND_EVENT_SPLIT_CHANGED. Calls are merged: the next one comes when the ruleset of the last is in force, and in the long run at most one in VPND_SPLIT_NAMES_PAUSE_MS.
 * 3. When the ruleset that was made of a plan is in force (the firewall has said so), vpnd_split_names_in_force () with that plan.
 *    Answers all whose addresses are in it are let go then; others wait for the next ruleset or the end of VPND_NAME_WATCH_HOLD_MS.
 * 4. While vpnd_split_names_get_problem () says something, no rule by domain takes effect, for that reason.
 * A change of addresses alone must reach the firewall as a ruleset that differs in the elements of its sets alone: the kernel drops held packets whenever a chain with
 * a hook goes away, so backends/firewall-nft sends such a change as elements, and nothing else.
 */
#pragma once

#include "clock.h"
#include "name-watch.h"
#include "split-plan.h"

G_BEGIN_DECLS

#define VPND_SPLIT_NAMES_PAUSE_MS 10u

#define VPND_TYPE_SPLIT_NAMES (vpnd_split_names_get_type ())
G_DECLARE_FINAL_TYPE (VpndSplitNames, vpnd_split_names, VPND, SPLIT_NAMES, GObject)

typedef void (*VpndSplitNamesFunc) (gpointer user_data);

VpndSplitNames *vpnd_split_names_new (VpndNameWatch *watch, VpndClock *clock, VpndSplitNamesFunc changed, gpointer user_data);
void vpnd_split_names_set_rules (VpndSplitNames *self, const VpndSplitConfig *config);
void vpnd_split_names_set_protected (VpndSplitNames *self, const GArray *prefixes);
VpndQueueForm vpnd_split_names_get_queue (VpndSplitNames *self);
const char *vpnd_split_names_get_problem (VpndSplitNames *self);
gboolean vpnd_split_names_is_starting (VpndSplitNames *self);
const GArray *vpnd_split_names_get_names (VpndSplitNames *self);
void vpnd_split_names_in_force (VpndSplitNames *self, const VpndSplitPlan *plan);

G_END_DECLS
