/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host of the tests of split tunnelling: rules and routes as the daemon makes them, programs in cgroups, and what they send, as frames on the physical link and as
 * packets in the tunnel, which is a TUN device that the test reads.
 */
#pragma once

#include "firewall.h"
#include "policy.h"
#include "router.h"
#include "split-world.h"

#include <sys/socket.h>
#include <sys/types.h>

G_BEGIN_DECLS

typedef enum
{
  ECHOED,  /* the world has answered */
  REFUSED, /* an error at once */
  SILENT,
} Outcome;

typedef Outcome (*Act) (const char *address, guint16 port, int type);

typedef struct
{
  VpndSplitGround ground;
  char *folder; /* (owned): where its cgroups are mounted */
  char *excluded;
  char *included;
  char *bound;
  pid_t world;
  int commands;
  int answers;
  int eth;
  int tun;
  VpndFirewall *firewall;
  VpndRouter *router;
  VpndProfile *profile;
  VpndSettings *settings;
  VpndFacts *facts;
  VpndTunnelConfig *config;
  VpndRoutePlan *routes;
  VpndDnsPlan *dns;
} Lab;

extern const int types[2]; /* of sockets */

void lab_init_on (Lab *lab, VpndSplitGround ground);
void lab_init (Lab *lab);
VpndSplitPlan *new_plan (const Lab *lab, VpndSplitMode mode, const char *uid, const char *subnet);
void apply_rules (Lab *lab, VpndPolicyKind kind, const VpndSplitPlan *split);
void apply_routes (Lab *lab);
void enter (const char *class);
Outcome exchange (const char *address, guint16 port, int type);
Outcome begin (const char *address, guint16 port, int type);
Outcome run (const char *class, uid_t uid, Act act, const char *address, guint16 port, int type);
guint count_sent (int fd, const char *destination, const char *source);
void forget (const Lab *lab);
void assert_beside (const Lab *lab, const char *class, uid_t uid);
void assert_inside (const Lab *lab, const char *class, uid_t uid);
void assert_refused (const Lab *lab, const char *class);
void lab_clear (Lab *lab);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Lab, lab_clear)

G_END_DECLS
