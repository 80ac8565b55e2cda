/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the methods of the D-Bus API work on.
 */
#pragma once

#include "engine.h"
#include "log-ring.h"
#include "profile-store.h"

#include "settings-writer.h"

G_BEGIN_DECLS

/**
 * VpndServices:
 * @engine: (owned)
 * @profiles: (owned)
 * @ring: (owned): the log
 * @settings_writer: (owned): the only way to the engine's settings
 * @profiles_changed: called after a stored profile was added, replaced, renamed or removed
 * @user_data: (unowned): passed to it; an object, so that work which takes a while can keep it
 */
typedef struct
{
  VpndEngine *engine;
  VpndProfileStore *profiles;
  VpndLogRing *ring;
  VpndSettingsWriter *settings_writer;
  void (*profiles_changed) (gpointer user_data);
  GObject *user_data;
} VpndServices;

G_END_DECLS
