/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One write of a setting at a time: each starts from the settings that the one before it left, so that two clients that write two
 * properties at once do not undo each other's.
 */
#pragma once

#include "engine.h"
#include "profile-store.h"

G_BEGIN_DECLS

#define VPND_TYPE_SETTINGS_WRITER (vpnd_settings_writer_get_type ())
G_DECLARE_FINAL_TYPE (VpndSettingsWriter, vpnd_settings_writer, VPND, SETTINGS_WRITER, GObject)

VpndSettingsWriter *vpnd_settings_writer_new (VpndEngine *engine, VpndProfileStore *profiles);
VpndSettings *vpnd_settings_writer_prepare (VpndSettingsWriter *self, const VpndSettingInfo *info, GVariant *value, GError **error);
void vpnd_settings_writer_write_async (VpndSettingsWriter *self, const VpndSettingInfo *info, GVariant *value, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_settings_writer_write_finish (VpndSettingsWriter *self, GAsyncResult *result, GError **error);

G_END_DECLS
