/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The state machine of core/transition.h. This is its table of events; each has a function, which works on a decision: the
 * state being made and the effects so far. Order is the heart of it: rules tighten first, loosen last, and stand before the routes they protect.
 */
#include "config.h"

#include "transition.h"

#include "transition-events.h"

/* How an event is called in logs and tests, and who decides; nobody where there is nothing to decide. @is_report: of a watch for the peer, and only of the one
 * that was asked for last: a handshake of sessions that the device is being told to forget is none. */
static const struct
{
  const char *name;
  void (*decide) (VpndDecision *d, const VpndEvent *event);
  gboolean is_report;
} events[] = {
  [VPND_EVENT_START] = { "start", vpnd_on_start },
  [VPND_EVENT_ACTIVATE] = { "activate", vpnd_on_activate },
  [VPND_EVENT_RECONNECT] = { "reconnect", vpnd_on_reconnect },
  [VPND_EVENT_DEACTIVATE] = { "deactivate", vpnd_on_deactivate },
  [VPND_EVENT_EFFECTS_DONE] = { "effects-done", vpnd_on_effects_done },
  [VPND_EVENT_EFFECT_FAILED] = { "effect-failed", vpnd_on_effect_failed },
  [VPND_EVENT_HANDSHAKE] = { "handshake", vpnd_on_handshake, TRUE },
  [VPND_EVENT_ESTABLISH_TIMEOUT] = { "establish-timeout", vpnd_on_establish_timeout, TRUE },
  [VPND_EVENT_PEER_LOST] = { "peer-lost", vpnd_on_peer_lost, TRUE },
  [VPND_EVENT_LINK_LOST] = { "link-lost", vpnd_on_link_lost },
  [VPND_EVENT_RETRY] = { "retry", vpnd_on_retry },
  [VPND_EVENT_LOOKED_UP] = { "looked-up", vpnd_on_looked_up },
  [VPND_EVENT_FACTS_CHANGED] = { "facts-changed", vpnd_on_facts_changed },
  [VPND_EVENT_SETTINGS_CHANGED] = { "settings-changed", vpnd_on_settings_changed },
  [VPND_EVENT_SPLIT_CHANGED] = { "split-changed", vpnd_on_split_changed },
  [VPND_EVENT_TAMPERED] = { "tampered", vpnd_on_tampered },
  [VPND_EVENT_DISTURBED] = { "disturbed", vpnd_on_disturbed },
  [VPND_EVENT_DNS_OVERWRITTEN] = { "dns-overwritten", vpnd_on_dns_overwritten },
  [VPND_EVENT_PATH_MEASURED] = { "path-measured", vpnd_on_path_measured },
  [VPND_EVENT_SUSPENDING] = { "suspending", NULL }, /* its turn has come, so all that was decided before it is done */
  [VPND_EVENT_RESUMED] = { "resumed", vpnd_on_resumed },
  [VPND_EVENT_STOP] = { "stop", vpnd_on_stop },
};
G_STATIC_ASSERT (G_N_ELEMENTS (events) == VPND_N_EVENTS);

/**
 * vpnd_transition:
 * @state: where we are
 * @event: what happened
 * @context: what is known besides
 * @out_effects: (out) (transfer full) (nullable) (element-type VpndEffect): what to do, in order; may be empty
 *
 * Decides. Total: every event is legal in every state; one that says nothing there changes nothing. Looking for a port costs the host something, and only a
 * new device needs one, which shows only here: so nothing is decided when @context lacks one, and the caller asks again with one.
 *
 * Returns: (transfer full) (nullable): the next state; NULL, with no effects, when a device is to be made and @context has no port for it
 */
VpndState *
vpnd_transition (const VpndState *state, const VpndEvent *event, const VpndContext *context, GPtrArray **out_effects)
{
  VpndDecision decision = {
    .state = vpnd_state_copy (state),
    .effects = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_effect_free),
    .context = context,
  };

  g_assert (event->kind < VPND_N_EVENTS);
  if (events[event->kind].decide != NULL && (!events[event->kind].is_report || event->watch == state->watch))
    events[event->kind].decide (&decision, event);

  if (decision.lacks_port)
    {
      g_clear_pointer (&decision.effects, g_ptr_array_unref);
      g_clear_pointer (&decision.state, vpnd_state_unref);
    }
  *out_effects = decision.effects;
  return decision.state;
}

/**
 * vpnd_event_name:
 * @kind: an event
 *
 * Returns: (transfer none): its name for logs and tests
 */
const char *
vpnd_event_name (VpndEventKind kind)
{
  return events[kind].name;
}
