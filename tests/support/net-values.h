/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses, profiles and facts of tests, written down in a line.
 */
#pragma once

#include "facts.h"
#include "profile.h"

G_BEGIN_DECLS

VpndAddr addr_of (const char *text);
VpndPrefix prefix_of (const char *text);
void append_prefix (GArray *array, const char *text);
VpndProfile *profile_of (const char *addresses, const char *allowed);
void add_endpoint (VpndProfile *profile, const char *addr);
void append_hop (GArray *hops, const char *text, guint ifindex, const char *ifname);
VpndFacts *home_facts (void);

G_END_DECLS
