/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decision of core/recovery.h.
 */
#include "config.h"

#include "recovery.h"

#define CRASHES_THAT_BLOCK 2 /* two within a minute: whatever is done at start does not help */

/**
 * vpnd_recovery_decide:
 * @input: what the start found
 * @settings: the settings, defaults when they were broken
 *
 * Returns: what the start shall do (docs/security.md, "Start, crash, stop")
 */
VpndRecovery
vpnd_recovery_decide (const VpndRecoveryInput *input, const VpndSettings *settings)
{
  if (input->settings_broken)
    return VPND_RECOVERY_SETTINGS;
  if (input->was_protected && !input->was_handover && input->crashes >= CRASHES_THAT_BLOCK)
    return VPND_RECOVERY_BLOCK;
  if (input->was_protected && input->was_handover)
    return input->has_profile ? VPND_RECOVERY_RECONNECT : VPND_RECOVERY_PROFILE;
  if (settings->auto_connect)
    return input->has_profile ? VPND_RECOVERY_RECONNECT : VPND_RECOVERY_PROFILE;
  if (!input->was_protected)
    return VPND_RECOVERY_NONE;

  switch (settings->crash_recovery)
    {
    case VPND_CRASH_RECOVERY_BLOCK:
      return VPND_RECOVERY_BLOCK;
    case VPND_CRASH_RECOVERY_RECONNECT:
      return input->has_profile ? VPND_RECOVERY_RECONNECT : VPND_RECOVERY_PROFILE;
    case VPND_CRASH_RECOVERY_RELEASE:
      return VPND_RECOVERY_RELEASE;
    }
  g_assert_not_reached ();
}
