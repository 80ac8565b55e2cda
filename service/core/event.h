/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the state machine is told: the events, when those come that it asks for itself, and what is known besides. Decides nothing.
 */
#pragma once

#include "effect.h"
#include "facts.h"
#include "recovery.h"
#include "settings.h"
#include "split-plan.h"

G_BEGIN_DECLS

/* The first attempt waits 4 s for a handshake, the next 8 s, all others 15 s (docs/security.md, "Timings"): WireGuard sends its
 * next initiation 5 s after the first (REKEY_TIMEOUT), so the second attempt has room for two, and the first sends its second one itself. */
#define VPND_ESTABLISH_AGAIN_MS 1000
#define VPND_ESTABLISH_FIRST_MS 4000
#define VPND_ESTABLISH_MAX_MS 15000
/* A name that is unknown is asked for again, at first soon, for the resolver may only be starting. */
#define VPND_LOOKUP_FIRST_MS 1000
#define VPND_LOOKUP_MAX_MS 30000
#define VPND_TROUBLE_MAX_MS 30000
#define VPND_ATTEMPT_MIN_MS 1000 /* an attempt that fails at once is not repeated sooner */

typedef enum
{
  VPND_EVENT_START,    /* @recovery, @profile */
  VPND_EVENT_ACTIVATE, /* @profile */
  VPND_EVENT_RECONNECT,
  VPND_EVENT_DEACTIVATE,
  VPND_EVENT_EFFECTS_DONE,      /* every effect of the last decision has been performed */
  VPND_EVENT_EFFECT_FAILED,     /* @effect; the effects after it were not performed */
  VPND_EVENT_HANDSHAKE,         /* @watch; the primary peer answered */
  VPND_EVENT_ESTABLISH_TIMEOUT, /* @watch */
  VPND_EVENT_PEER_LOST,         /* @watch */
  VPND_EVENT_LINK_LOST,         /* the device or the process behind it went away */
  VPND_EVENT_RETRY,
  VPND_EVENT_LOOKED_UP, /* @profile with its addresses, NULL when its name is still unknown */
  VPND_EVENT_FACTS_CHANGED,
  VPND_EVENT_SETTINGS_CHANGED,
  VPND_EVENT_SPLIT_CHANGED,   /* what goes beside the tunnel is another */
  VPND_EVENT_TAMPERED,        /* another program changed our table */
  VPND_EVENT_DISTURBED,       /* another program changed our rules, routes, addresses, link or sysctls */
  VPND_EVENT_DNS_OVERWRITTEN, /* another program changed the DNS setting */
  VPND_EVENT_PATH_MEASURED,   /* @mtu: no larger packet arrives through the tunnel */
  VPND_EVENT_SUSPENDING,      /* the host is about to sleep: nothing to do but to finish what is under way */
  VPND_EVENT_RESUMED,         /* the host was asleep: nothing is known of peer and network */
  VPND_EVENT_STOP,            /* @keep_rules */
  VPND_N_EVENTS
} VpndEventKind;

/**
 * VpndEvent:
 * @kind: what happened
 * @profile: (nullable) (unowned)
 * @effect: the effect that failed
 * @recovery: what START shall do
 * @watch: what the effect said with which the watch began that reports this
 * @mtu: what MEASURE_PATH found, bytes
 * @keep_rules: the rules stay in force after STOP
 */
typedef struct
{
  VpndEventKind kind;
  VpndProfile *profile;
  VpndEffectKind effect;
  VpndRecovery recovery;
  guint watch;
  guint32 mtu;
  gboolean keep_rules;
} VpndEvent;

/**
 * VpndContext: what is known besides the state; all (unowned)
 * @settings: the settings in force
 * @facts: the facts as known now
 * @attempt_age_ms: how long the present attempt has lasted, milliseconds
 * @listen_port: UDP port for a new device, another one each time; 0 while none has been looked for, see vpnd_transition ()
 * @link_ifindex: index of the tunnel's link, 0 for none
 * @split: (nullable): what goes beside the tunnel by the users' wish; NULL for nothing
 */
typedef struct
{
  const VpndSettings *settings;
  const VpndFacts *facts;
  guint64 attempt_age_ms;
  guint16 listen_port;
  guint link_ifindex;
  const VpndSplitPlan *split;
} VpndContext;

G_END_DECLS
