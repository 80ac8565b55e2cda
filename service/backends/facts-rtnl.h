/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The facts of the kernel we run on: reads links, addresses and routes by rtnetlink and reads them again when they change.
 * Owns when to read; what it means is core/facts-digest. Never changes anything.
 */
#pragma once

#include "facts-source.h"

G_BEGIN_DECLS

#define VPND_TYPE_FACTS_RTNL (vpnd_facts_rtnl_get_type ())
G_DECLARE_FINAL_TYPE (VpndFactsRtnl, vpnd_facts_rtnl, VPND, FACTS_RTNL, GObject)

VpndFactsSource *vpnd_facts_rtnl_new (const char *own_ifname, GError **error);

G_END_DECLS
