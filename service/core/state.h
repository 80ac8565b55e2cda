/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The state of the daemon as a value: what is wanted, where we are on the way there, and what of ours may be on the host.
 * Made only by core/transition. Holds no clock, no counter and no port.
 */
#pragma once

#include "dns-plan.h"
#include "policy.h"
#include "profile.h"
#include "route-plan.h"
#include "ruleset.h"
#include "tunnel-config.h"

G_BEGIN_DECLS

typedef enum
{
  VPND_STATE_DISCONNECTED, /* open, or blocking with lockdown */
  VPND_STATE_CONNECTING,
  VPND_STATE_CONNECTED,
  VPND_STATE_DISCONNECTING, /* taking the tunnel down; the rules of before stay in force */
  VPND_STATE_ERROR,         /* blocking; see cause */
  VPND_N_STATES
} VpndStateKind;

typedef enum
{
  VPND_CAUSE_NONE,
  VPND_CAUSE_OFFLINE,
  VPND_CAUSE_FIREWALL,
  VPND_CAUSE_TUNNEL,
  VPND_CAUSE_ROUTING,
  VPND_CAUSE_DNS,
  VPND_CAUSE_ENDPOINT,
  VPND_CAUSE_FAMILY,
  VPND_CAUSE_PROFILE,
  VPND_CAUSE_CRASHED,
  VPND_CAUSE_SETTINGS,
  VPND_N_CAUSES
} VpndCause;

/* What of ours may be on the host. Set before the effect that makes it, cleared after the effect that removes it. */
typedef enum
{
  VPND_HOST_LINK = 1 << 0,
  VPND_HOST_ROUTES = 1 << 1,
  VPND_HOST_SYSCTLS = 1 << 2,
  VPND_HOST_DNS = 1 << 3,
  VPND_HOST_ALL = (1 << 4) - 1
} VpndHostChange;

/**
 * VpndState:
 * @kind: which state
 * @cause: why, in VPND_STATE_ERROR
 * @attempt: which attempt of connecting, from 1; 0 outside VPND_STATE_CONNECTING
 * @is_asked_again: the first attempt has sent its second initiation
 * @watch: which watch for the peer was asked for last, counted from 1; a report of another is about sessions that have been forgotten, or a device that is gone
 * @is_activating: a request to activate waits for the effects; a failure rolls back to @fallback_kind and @fallback
 * @fallback_kind: state to return to when the activation fails
 * @fallback_cause: its cause
 * @fallback_backend: which WireGuard it had
 * @fallback: (owned) (nullable): its profile
 * @next: what follows VPND_STATE_DISCONNECTING: VPND_STATE_DISCONNECTED, VPND_STATE_ERROR or VPND_STATE_CONNECTING
 * @is_announced: the end of VPND_STATE_DISCONNECTING is told by the signal disconnected
 * @is_waiting: a VPND_EVENT_RETRY is due
 * @is_stopping: the daemon is about to end, so nothing of it may stay but the rules of a closed host
 * @is_split_refused: rules with something beside the tunnel in them could not be put in force, so they are made without; until the next activation
 * @backend: which WireGuard links are made with: the setting at the time of the activation
 * @profile: (owned) (nullable): the profile that is wanted; NULL when none is
 * @way4: the host's IPv4 default route when the device was told where the peer is
 * @way6: the same of IPv6
 * @lookups: how often the endpoint's name is to be looked up, or was in vain, in VPND_STATE_ERROR for VPND_CAUSE_ENDPOINT
 * @failures: how often local trouble has led to VPND_STATE_ERROR since somebody asked for the connection, or since the last handshake
 * @measured_mtu: the largest packet that is known to arrive through this tunnel, where that is less than was tried; bytes, 0 for unknown
 * @host: set of VpndHostChange
 * @ruleset: (owned) (nullable): the ruleset that was asked for last; NULL for none
 * @config: (owned) (nullable): what the device was told last
 * @routes: (owned) (nullable): the route plan that was asked for last
 * @dns: (owned) (nullable): the DNS plan that was asked for last
 */
typedef struct
{
  gatomicrefcount ref_count;
  VpndStateKind kind;
  VpndCause cause;
  guint attempt;
  gboolean is_asked_again;
  guint watch;
  gboolean is_activating;
  VpndStateKind fallback_kind;
  VpndCause fallback_cause;
  VpndBackend fallback_backend;
  VpndProfile *fallback;
  VpndStateKind next;
  gboolean is_announced;
  gboolean is_waiting;
  gboolean is_stopping;
  gboolean is_split_refused;
  VpndBackend backend;
  VpndProfile *profile;
  VpndDefaultRoute way4;
  VpndDefaultRoute way6;
  guint lookups;
  guint failures;
  guint32 measured_mtu;
  guint host;
  VpndRuleset *ruleset;
  VpndTunnelConfig *config;
  VpndRoutePlan *routes;
  VpndDnsPlan *dns;
} VpndState;

VpndState *vpnd_state_new (void);
VpndState *vpnd_state_copy (const VpndState *state);
VpndState *vpnd_state_ref (VpndState *state);
void vpnd_state_unref (VpndState *state);

const char *vpnd_state_word (VpndStateKind kind);
const char *vpnd_cause_word (VpndCause cause);
gboolean vpnd_state_is_protected (const VpndState *state);
gboolean vpnd_state_has_tunnel (const VpndState *state);
void vpnd_state_set_profile (VpndState *state, VpndProfile *profile);
void vpnd_state_clear_fallback (VpndState *state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndState, vpnd_state_unref)

G_END_DECLS
