/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The settings file: JSON "settings.json" in the state directory, versioned, replaced atomically, 0600.
 * A file that is truncated, of a future version, unreadable, a link or of another owner is kept aside (settings.json.broken-N)
 * and reported; the caller then blocks the host, and so it does at each start until settings are written again. A missing file without
 * one kept aside means the defaults.
 */
#pragma once

#include "settings.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_SETTINGS_STORE (vpnd_settings_store_get_type ())
G_DECLARE_FINAL_TYPE (VpndSettingsStore, vpnd_settings_store, VPND, SETTINGS_STORE, GObject)

VpndSettingsStore *vpnd_settings_store_new (int state_dirfd, GError **error);
VpndSettings *vpnd_settings_store_peek (int state_dirfd, GError **error);
VpndSettings *vpnd_settings_store_load (VpndSettingsStore *self, char **out_trouble);
gboolean vpnd_settings_store_save (VpndSettingsStore *self, VpndSettings *settings, GError **error);

G_END_DECLS
