/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of a stored profile: a .conf that any WireGuard tool reads, and before it "#vpnd" lines for what a .conf cannot say.
 * Holds keys; used by the profile store alone. Never touches a file.
 */
#pragma once

#include "profile.h"

G_BEGIN_DECLS

char *vpnd_profile_file_print (const VpndProfile *profile, GError **error);
VpndProfile *vpnd_profile_file_parse (const char *name, const char *text, gsize length_bytes, GError **error);

G_END_DECLS
