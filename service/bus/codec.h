/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The JSON of "activate" -> VpndProfile. Pure. Every error names the key that is wrong; none repeats a value.
 */
#pragma once

#include "profile.h"

G_BEGIN_DECLS

VpndProfile *vpnd_codec_profile_from_json (const char *json, GError **error);

G_END_DECLS
