/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A host of one's own for tests of the router, and what the kernel has of ours on it, read back by our own decoder. A veth stands in for the tunnel's link.
 */
#pragma once

#include "router.h"

G_BEGIN_DECLS

void append_hop_by (GArray *hops, const char *text, const char *ifname);
void make_host (void);
VpndFacts *host_facts (void);
VpndRoutePlan *full_plan (void);
VpndRouter *new_router (void);
gboolean apply (VpndRouter *router, const VpndRoutePlan *from, const VpndRoutePlan *to, GError **error);
void must_apply (VpndRouter *router, const VpndRoutePlan *from, const VpndRoutePlan *to);
void must_clear (VpndRouter *router);
VpndRoutePlan *read_host (void);
void assert_host_is (const VpndRoutePlan *plan);

G_END_DECLS
