/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The router of the kernel we run on: performs route differences by rtnetlink and writes network sysctls.
 * Touches only what carries our protocol number, our tables or our link.
 */
#pragma once

#include "router.h"

G_BEGIN_DECLS

#define VPND_TYPE_ROUTER_RTNL (vpnd_router_rtnl_get_type ())
G_DECLARE_FINAL_TYPE (VpndRouterRtnl, vpnd_router_rtnl, VPND, ROUTER_RTNL, GObject)

VpndRouter *vpnd_router_rtnl_new (GError **error);

G_END_DECLS
