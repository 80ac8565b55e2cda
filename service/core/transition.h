/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one function that decides: (state, event, context) -> (state', ordered effects). Total, pure and deterministic.
 * A failure of an effect is an event to the same function; there is no other way back.
 */
#pragma once

#include "effect.h"
#include "facts.h"
#include "settings.h"
#include "split-plan.h"
#include "state.h"

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
  VPND_EVENT_EFFECTS_DONE,  /* every effect of the last decision has been performed */
  VPND_EVENT_EFFECT_FAILED, /* @effect; the effects after it were not performed */
  VPND_EVENT_HANDSHAKE,     /* the primary peer answered */
  VPND_EVENT_ESTABLISH_TIMEOUT,
  VPND_EVENT_PEER_LOST,
  VPND_EVENT_LINK_LOST, /* the device or the process behind it went away */
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

/* What a start finds, and therefore does; decided by vpnd_recovery_decide (). */
typedef enum
{
  VPND_RECOVERY_NONE,      /* nothing was protected: an open network, or lockdown */
  VPND_RECOVERY_BLOCK,     /* closed, error state, cause crashed */
  VPND_RECOVERY_PROFILE,   /* closed, error state, cause profile-unusable: the one to connect to is not there */
  VPND_RECOVERY_SETTINGS,  /* closed, error state, cause settings-unreadable */
  VPND_RECOVERY_RECONNECT, /* closed, then connect */
  VPND_RECOVERY_RELEASE,   /* an open network, whatever was before */
  VPND_N_RECOVERIES
} VpndRecovery;

/**
 * VpndRecoveryInput: what the recovery depends on
 * @was_protected: the ledger says that an earlier instance protected the host and did not end by request
 * @was_handover: that instance ended in order (restart, upgrade, system going down) and left the rules for us
 * @has_profile: the profile that was wanted then, or that auto-connect wants, is there
 * @settings_broken: the settings file could not be read
 * @crashes: crashes within the last minute, this one included
 */
typedef struct
{
  gboolean was_protected;
  gboolean was_handover;
  gboolean has_profile;
  gboolean settings_broken;
  guint crashes;
} VpndRecoveryInput;

VpndRecovery vpnd_recovery_decide (const VpndRecoveryInput *input, const VpndSettings *settings);

/**
 * VpndEvent:
 * @kind: what happened
 * @profile: (nullable) (unowned)
 * @effect: the effect that failed
 * @recovery: what START shall do
 * @mtu: what MEASURE_PATH found, bytes
 * @keep_rules: the rules stay in force after STOP
 */
typedef struct
{
  VpndEventKind kind;
  VpndProfile *profile;
  VpndEffectKind effect;
  VpndRecovery recovery;
  guint32 mtu;
  gboolean keep_rules;
} VpndEvent;

/**
 * VpndContext: what is known besides the state; all (unowned)
 * @settings: the settings in force
 * @facts: the facts as known now
 * @attempt_age_ms: how long the present attempt has lasted, milliseconds
 * @listen_port: UDP port for a new device, another one each time; not 0
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

/* Returns: (transfer full): the next state; @out_effects: (out) (transfer full) (element-type VpndEffect): what to do, in order */
VpndState *vpnd_transition (const VpndState *state, const VpndEvent *event, const VpndContext *context, GPtrArray **out_effects);

const char *vpnd_event_name (VpndEventKind kind);
guint vpnd_establish_timeout_ms (guint attempt);

G_END_DECLS
