/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Effects: what is to be done to the host, as data with its full payload. The executor performs them in order.
 * The table says for each kind its name, what must be in the ledger before it, and the cause that its failure stands for.
 */
#pragma once

#include "dns-plan.h"
#include "mtu.h"
#include "profile.h"
#include "route-plan.h"
#include "ruleset.h"
#include "settings.h"
#include "socket-plan.h"
#include "state.h"
#include "tunnel-config.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_EFFECT_SET_WANTED, /* remember @profile as wanted, so that a start after a crash knows */
  VPND_EFFECT_CLEAR_WANTED,
  VPND_EFFECT_APPLY_RULESET, /* put @ruleset in force */
  VPND_EFFECT_REMOVE_RULESET,
  VPND_EFFECT_SET_SYSCTLS,
  VPND_EFFECT_RESTORE_SYSCTLS,
  VPND_EFFECT_CREATE_LINK,      /* of @backend */
  VPND_EFFECT_CONFIGURE_DEVICE, /* with @config */
  VPND_EFFECT_DELETE_LINK,
  VPND_EFFECT_APPLY_ROUTES, /* perform @diff */
  VPND_EFFECT_CLEAR_ROUTES, /* remove every route and rule of ours */
  VPND_EFFECT_APPLY_DNS,    /* make @dns the host's */
  VPND_EFFECT_RESTORE_DNS,
  VPND_EFFECT_END_SOCKETS,     /* end what @sockets says of the connections of before */
  VPND_EFFECT_WATCH_ESTABLISH, /* report the first handshake, or a timeout after @delay_ms; reports carry @watch */
  VPND_EFFECT_WATCH_LIVENESS,  /* report when the peer stops answering; the same */
  VPND_EFFECT_WATCH_STOP,
  VPND_EFFECT_PROBE,          /* send one packet into the tunnel, so that the peer learns where we are now */
  VPND_EFFECT_MEASURE_PATH,   /* find out how large a packet may be, as @path says, and report what is smaller than @top of it */
  VPND_EFFECT_RETRY_AFTER,    /* feed VPND_EVENT_RETRY after @delay_ms */
  VPND_EFFECT_LOOK_UP,        /* look up the names of the wanted profile after @delay_ms, and report VPND_EVENT_LOOKED_UP */
  VPND_EFFECT_EMIT_CONNECTED, /* with @text, the public key as it was received */
  VPND_EFFECT_EMIT_DISCONNECTED,
  VPND_N_EFFECTS
} VpndEffectKind;

/**
 * VpndEffect:
 * @kind: what to do
 * @keep_going: a failure is reported, but the effects after it are performed: taking down must not stop half way
 * @ruleset: (owned) (nullable)
 * @config: (owned) (nullable)
 * @diff: (owned) (nullable)
 * @dns: (owned) (nullable)
 * @sockets: (owned) (nullable)
 * @profile: (owned) (nullable)
 * @backend: which WireGuard
 * @path: (nullable) (owned)
 * @delay_ms: a delay in milliseconds
 * @watch: what the reports of a watch for the peer are to carry
 * @text: (owned) (nullable)
 */
typedef struct
{
  VpndEffectKind kind;
  gboolean keep_going;
  VpndRuleset *ruleset;
  VpndTunnelConfig *config;
  VpndRouteDiff *diff;
  VpndDnsPlan *dns;
  VpndSocketPlan *sockets;
  VpndProfile *profile;
  VpndBackend backend;
  VpndPathProbe *path;
  guint delay_ms;
  guint watch;
  char *text;
} VpndEffect;

/**
 * VpndEffectInfo:
 * @name: for logs and tests
 * @makes: the VpndHostChange bits that must be in the ledger before the effect
 * @undoes: the bits that leave the ledger after it
 * @cause: the cause of the error state that its failure leads to
 */
typedef struct
{
  const char *name;
  guint makes;
  guint undoes;
  VpndCause cause;
} VpndEffectInfo;

VpndEffect *vpnd_effect_new (VpndEffectKind kind);
void vpnd_effect_free (VpndEffect *effect);
const VpndEffectInfo *vpnd_effect_info (VpndEffectKind kind);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndEffect, vpnd_effect_free)

G_END_DECLS
