/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses, profiles, facts and DNS plans of tests, written down in a line.
 */
#pragma once

#include "dns-plan.h"
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
VpndDnsPlan *dns_plan_of (const char *server, const char *search);

G_END_DECLS
