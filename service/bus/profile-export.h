/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A profile as text that may leave the daemon: a .conf without its secrets.
 */
#pragma once

#include "profile.h"

G_BEGIN_DECLS

char *vpnd_profile_export (const VpndProfile *profile);

G_END_DECLS
