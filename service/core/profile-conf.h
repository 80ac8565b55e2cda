/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The standard WireGuard .conf text <-> VpndProfile.
 * Every key of wg(8) and wg-quick(8) is known; PreUp, PostUp, PreDown, PostDown and SaveConfig are reported and
 * dropped. Errors name line and column. Never touches a file, never runs anything.
 */
#pragma once

#include "profile.h"

G_BEGIN_DECLS

#define VPND_PROFILE_CONF_MAX_BYTES (256 * 1024)

VpndProfile *vpnd_profile_conf_parse (const char *name, const char *text, gsize length_bytes, GPtrArray **out_dropped, GError **error);
char *vpnd_profile_conf_print (const VpndProfile *profile);
char *vpnd_profile_conf_print_with_keys (const VpndProfile *profile);

G_END_DECLS
