/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A random host with its rules, and packets to try on them: for the programs of tests/property that are about the policy.
 */
#pragma once

#include "policy.h"
#include "ruleset-eval.h"

G_BEGIN_DECLS

#define ROUNDS 400
#define PACKETS 60

typedef struct
{
  VpndProfile *profile;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndTunnelConfig *config;
  VpndRoutePlan *routes;
  VpndDnsPlan *dns;
  VpndSplitPlan *split; /* (nullable) */
  VpndPolicyKind kind;
  guint link_ifindex; /* of the tunnel, as far as the rules know it */
  VpndRuleset *ruleset;
} World;

void world_clear (World *world);
void world_init (World *world, VpndPolicyKind kind);
void world_draw (World *world, VpndPolicyKind kind);
VpndRuleset *world_rules (const World *world, const VpndSplitPlan *split);
VpndServicePort first_hop_of (const World *world);
gboolean is_an_endpoint (const World *world, const VpndAddr *addr);
Packet random_packet (const char *oifname, VpndAddr destination);
int random_family (void);
guint16 other_port (guint16 port);
guint32 our_mark (void);
void make_data (Packet *packet, guint16 listen_port);
void assert_output (const World *world, Packet packet, Fate fate);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

G_END_DECLS
