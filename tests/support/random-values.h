/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Random but legal profiles, settings and facts, from the seed of g_test.
 */
#pragma once

#include "facts.h"
#include "profile.h"
#include "settings.h"

G_BEGIN_DECLS

gboolean random_boolean (guint one_in);
VpndAddr random_addr (int family);
VpndAddr random_public_addr (int family);
VpndBridge random_bridge (void);
VpndProfile *random_profile (const char *name);
VpndSettings *random_settings (void);
VpndFacts *random_facts (void);

G_END_DECLS
