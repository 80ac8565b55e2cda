/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Settings between the forms of D-Bus and of a person: CrashRecovery and crash-recovery, true and "on".
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

char *vpnd_settings_text_key (const char *property);
const char *vpnd_settings_text_description (const char *key);
char *vpnd_settings_text_print (GVariant *value);
GVariant *vpnd_settings_text_parse (const char *key, const GVariantType *type, const char *const *words, GError **error);

G_END_DECLS
