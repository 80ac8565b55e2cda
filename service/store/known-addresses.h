/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The addresses that the host names of endpoints had when they were last used, in one file of the state directory. A host that is closed
 * (lockdown, early boot) can ask for no name, and yet must reach its server. Holds no keys and no names of profiles.
 */
#pragma once

#include "profile.h"

G_BEGIN_DECLS

void vpnd_known_addresses_remember (int dirfd, const VpndProfile *profile);
VpndProfile *vpnd_known_addresses_complete (int dirfd, const VpndProfile *profile);

G_END_DECLS
