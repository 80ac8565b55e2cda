/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A random host with split tunnelling, the packets of its programs, and a model of how they leave: through the hooks in the kernel's order, with the look for the
 * way that a new mark leads to. Who is of a class is asked of the plan, never of the rules. For the programs test-policy-split*.c.
 */
#pragma once

#include "policy-world.h"

G_BEGIN_DECLS

#define SPLIT_ROUNDS 500
#define NO_UID G_MAXUINT32

typedef struct
{
  Packet packet;
  gboolean is_bound;   /* to the tunnel's link */
  const char *initial; /* the link of the first look */
} Departure;

void split_world_init (World *world, VpndPolicyKind kind, gboolean has_ways);
VpndPolicyKind random_kind (void);
gboolean has_address (const World *world, int family);
VpndAddr tunnel_address (const World *world, int family);
void look_up (const World *world, Departure *departure);
const char *send_packet (const World *world, Departure *departure, Fate *out_fate);
Departure random_departure (const World *world);
gboolean is_beside (const World *world, const Packet *packet);
gboolean has_group (const World *world, guint64 id);
gboolean is_excluded_program (const World *world, const Packet *packet);
gboolean is_refused (const World *world, const Packet *packet);
gboolean is_set_inside (const World *world, const Packet *packet);
gboolean contains (const GArray *addrs, const VpndAddr *one);
guint32 random_flow_mark (void);
gboolean asks (const VpndRule *rule, VpndField field);

G_END_DECLS
