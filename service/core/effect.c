/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of core/effect.h.
 */
#include "config.h"

#include "effect.h"

static const VpndEffectInfo infos[] = {
  [VPND_EFFECT_SET_WANTED] = { "set-wanted", 0, 0, VPND_CAUSE_TUNNEL },
  [VPND_EFFECT_CLEAR_WANTED] = { "clear-wanted", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_APPLY_RULESET] = { "apply-ruleset", 0, 0, VPND_CAUSE_FIREWALL },
  [VPND_EFFECT_REMOVE_RULESET] = { "remove-ruleset", 0, 0, VPND_CAUSE_FIREWALL },
  [VPND_EFFECT_SET_SYSCTLS] = { "set-sysctls", VPND_HOST_SYSCTLS, 0, VPND_CAUSE_ROUTING },
  [VPND_EFFECT_RESTORE_SYSCTLS] = { "restore-sysctls", 0, VPND_HOST_SYSCTLS, VPND_CAUSE_ROUTING },
  [VPND_EFFECT_CREATE_LINK] = { "create-link", VPND_HOST_LINK, 0, VPND_CAUSE_TUNNEL },
  [VPND_EFFECT_CONFIGURE_DEVICE] = { "configure-device", 0, 0, VPND_CAUSE_TUNNEL },
  [VPND_EFFECT_DELETE_LINK] = { "delete-link", 0, VPND_HOST_LINK, VPND_CAUSE_TUNNEL },
  [VPND_EFFECT_APPLY_ROUTES] = { "apply-routes", VPND_HOST_ROUTES, 0, VPND_CAUSE_ROUTING },
  [VPND_EFFECT_CLEAR_ROUTES] = { "clear-routes", 0, VPND_HOST_ROUTES, VPND_CAUSE_ROUTING },
  [VPND_EFFECT_APPLY_DNS] = { "apply-dns", VPND_HOST_DNS, 0, VPND_CAUSE_DNS },
  [VPND_EFFECT_RESTORE_DNS] = { "restore-dns", 0, VPND_HOST_DNS, VPND_CAUSE_DNS },
  [VPND_EFFECT_END_SOCKETS] = { "end-sockets", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_WATCH_ESTABLISH] = { "watch-establish", 0, 0, VPND_CAUSE_TUNNEL },
  [VPND_EFFECT_WATCH_LIVENESS] = { "watch-liveness", 0, 0, VPND_CAUSE_TUNNEL },
  [VPND_EFFECT_WATCH_STOP] = { "watch-stop", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_PROBE] = { "probe", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_MEASURE_PATH] = { "measure-path", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_RETRY_AFTER] = { "retry-after", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_LOOK_UP] = { "look-up", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_EMIT_CONNECTED] = { "emit-connected", 0, 0, VPND_CAUSE_NONE },
  [VPND_EFFECT_EMIT_DISCONNECTED] = { "emit-disconnected", 0, 0, VPND_CAUSE_NONE },
};
G_STATIC_ASSERT (G_N_ELEMENTS (infos) == VPND_N_EFFECTS);

/**
 * vpnd_effect_new:
 * @kind: what to do
 *
 * Returns: (transfer full): an effect; the caller fills the payload that @kind names
 */
VpndEffect *
vpnd_effect_new (VpndEffectKind kind)
{
  VpndEffect *effect = g_new0 (VpndEffect, 1);

  effect->kind = kind;
  return effect;
}

/**
 * vpnd_effect_free:
 * @effect: (transfer full) (nullable): an effect
 */
void
vpnd_effect_free (VpndEffect *effect)
{
  if (effect == NULL)
    return;

  g_free (effect->path);
  g_clear_pointer (&effect->ruleset, vpnd_ruleset_unref);
  g_clear_pointer (&effect->config, vpnd_tunnel_config_unref);
  g_clear_pointer (&effect->diff, vpnd_route_diff_free);
  g_clear_pointer (&effect->dns, vpnd_dns_plan_unref);
  g_clear_pointer (&effect->sockets, vpnd_socket_plan_unref);
  g_clear_pointer (&effect->profile, vpnd_profile_unref);
  g_free (effect->text);
  g_free (effect);
}

/**
 * vpnd_effect_info:
 * @kind: a kind of effect
 *
 * Returns: (transfer none): its row of the table
 */
const VpndEffectInfo *
vpnd_effect_info (VpndEffectKind kind)
{
  g_return_val_if_fail (kind < VPND_N_EFFECTS, NULL);

  return &infos[kind];
}
