/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a start finds, and what it therefore does. A function of values: it reads no ledger and enters no state.
 */
#pragma once

#include "settings.h"

G_BEGIN_DECLS

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

G_END_DECLS
