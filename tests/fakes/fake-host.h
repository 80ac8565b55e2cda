/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A host in memory, and a fake of every port that changes or reads it. Each call of a port counts; the one whose number is @fail_at
 * fails, so that a test can fail every step in turn. The contract of each port stands in service/ports.
 */
#pragma once

#include "clock.h"
#include "facts-source.h"
#include "firewall.h"
#include "inspector.h"
#include "name-watch.h"
#include "names-lookup.h"
#include "prober.h"
#include "resolver.h"
#include "router.h"
#include "socket-killer.h"
#include "splitter.h"
#include "tunnel.h"

G_BEGIN_DECLS

/**
 * FakeProcess: one that runs on the fake host
 * @class_word: (owned): of the class that it stands in, "" for none
 */
typedef struct
{
  guint64 start_time;
  gint32 parent;
  guint32 uid;
  char *executable;
  char *class_word;
} FakeProcess;

/**
 * FakeHost:
 * @ruleset: (nullable): the table in force
 * @has_link: the tunnel's link exists
 * @config: (nullable): what the device was told
 * @handshake_s: wall clock of the peers' handshake, 0 for none
 * @n_routes: routes and rules of ours that are there
 * @watched: (nullable): the plan that the router watches
 * @sysctls: (element-type utf8 utf8)
 * @dns: (nullable): the DNS setting of ours
 * @outside: (element-type VpndAddr): the resolvers that its networks gave; fake_host_set_outside () replaces them
 * @facts: what facts-source tells
 * @lookup: (element-type VpndAddr) (nullable): answer of names-lookup; NULL fails
 * @probes: probes sent
 * @path_bytes: the largest packet that the path outside carries; 0: any size arrives
 * @knows_path: the host has heard of it from a router
 * @now_us: the fake clock; fake_host_advance () moves it
 * @calls: calls of ports that change the host so far
 * @fail_at: the call that fails, from 1; 0 for none
 * @fail_name: (nullable): calls of this name fail, each of them
 * @is_dead: the instance has crashed: what it had under way is never answered
 * @sockets: (nullable): the plan by which connections were ended last; the call is no change that is made to fail by @fail_at
 * @fail_sockets: it fails
 * @queue: how the kernel holds answers; VPND_QUEUE_NONE: it cannot, and name-watch does not start
 * @listens: name-watch is started
 * @held: (element-type guint64): tickets of the answers that name-watch holds
 * @split_config: (nullable): what the splitter was told last
 * @bound: (element-type VpndSplitBound): the profiles that have a class
 * @ruleset_of_leading: (nullable): the table that was in force when the splitter was told last
 * @standing: what the splitter tells; fake_host_set_standing () replaces it
 * @processes: (element-type gint32 FakeProcess): who runs
 * @journal: (element-type utf8): the calls, by name
 */
typedef struct
{
  VpndRuleset *ruleset;
  gboolean has_link;
  VpndTunnelConfig *config;
  gint64 handshake_s;
  guint64 rx_bytes;
  guint64 tx_bytes;
  int n_routes;
  VpndRoutePlan *watched;
  GHashTable *sysctls;
  VpndDnsPlan *dns;
  GArray *outside;
  VpndFacts *facts;
  GArray *lookup;
  guint probes;
  guint looks; /* of the inspector */
  guint32 path_bytes;
  gboolean knows_path;
  gint64 now_us;
  guint calls;
  guint fail_at;
  const char *fail_name;
  gboolean is_dead;
  VpndSocketPlan *sockets;
  gboolean fail_sockets;
  VpndQueueForm queue;
  gboolean listens;
  GArray *held;
  VpndSplitConfig *split_config;
  GArray *bound;
  VpndRuleset *ruleset_of_leading;
  VpndSplitStanding *standing;
  GHashTable *processes;
  GPtrArray *journal;

  VpndFirewall *firewall;
  VpndTunnel *tunnel;
  VpndRouter *router;
  VpndResolver *resolver;
  VpndFactsSource *facts_source;
  VpndNamesLookup *names_lookup;
  VpndProber *prober;
  VpndClock *clock;
  VpndSocketKiller *socket_killer;
  VpndInspector *inspector;
  VpndSplitter *splitter;
  VpndNameWatch *name_watch;
  GArray *timers;
  guint last_timer;
  guint64 last_ticket;
} FakeHost;

FakeHost *fake_host_new (void);
void fake_host_free (FakeHost *host);
void fake_host_advance (FakeHost *host, guint ms);
void fake_host_set_facts (FakeHost *host, VpndFacts *facts);
void fake_host_disturb (FakeHost *host);
void fake_host_overwrite_dns (FakeHost *host);
void fake_host_set_outside (FakeHost *host, const char *const *servers);
FakeProcess *fake_host_run (FakeHost *host, gint32 pid, gint32 parent, guint32 uid, const char *executable);
void fake_host_launch (FakeHost *host, gint32 pid, VpndSplitRule *rule);
void fake_host_end (FakeHost *host, gint32 pid);
void fake_host_set_standing (FakeHost *host, VpndSplitStanding *standing);
gboolean fake_host_is_clean (FakeHost *host);
guint64 fake_host_answer (FakeHost *host, const VpndDnsAnswer *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeHost, fake_host_free)

G_END_DECLS
