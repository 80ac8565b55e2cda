/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The public status out of the state and what is known besides. A pure function; it never holds a secret because it reads none.
 */
#pragma once

#include "settings.h"
#include "state.h"
#include "status.h"

G_BEGIN_DECLS

/**
 * VpndStatusInput: all (unowned)
 * @state: the state
 * @settings: the settings in force
 * @is_blocking: our rules are in force, as read back
 * @since_us: when the state was entered, wall clock
 * @detail: one sentence on the last failure, "" for none
 * @warnings: (element-type utf8): what the user should know
 * @backend: which WireGuard is active; VPND_BACKEND_AUTO for none
 * @stats: (nullable) (element-type VpndPeerStats): the last reading
 */
typedef struct
{
  const VpndState *state;
  const VpndSettings *settings;
  gboolean is_blocking;
  gint64 since_us;
  const char *detail;
  const GPtrArray *warnings;
  VpndBackend backend;
  const GArray *stats;
} VpndStatusInput;

VpndStatus *vpnd_status_build (const VpndStatusInput *input);

G_END_DECLS
