/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A model host for the state machine: it performs the effects, any of which may fail, and knows the laws of docs/architecture.md that hold after each step.
 */
#pragma once

#include "random-values.h"
#include "transition.h"

G_BEGIN_DECLS

/* The host as the effects leave it. */
typedef struct
{
  VpndState *state;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndSplitPlan *split; /* NULL for nothing beside the tunnel */
  VpndRuleset *ruleset; /* in force; NULL for none */
  gboolean link;
  gboolean routes;
  gboolean sysctls;
  gboolean dns;
  gboolean wanted;
  gboolean is_watching;
  guint watch;     /* what its reports carry */
  gboolean is_due; /* a retry */
  gboolean ruleset_failed;
  guint connected;
  guint disconnected;
} World;

void world_init (World *world);
void world_clear (World *world);
VpndEvent report (const World *world, VpndEventKind kind);
VpndEvent random_event (World *world, VpndProfile *profile);
guint16 random_listen_port (void);
void perform (World *world, const VpndEffect *effect);
void feed (World *world, VpndEvent event, guint fail_one_in);
gboolean is_closed (const World *world);
void check_laws (World *world);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

G_END_DECLS
