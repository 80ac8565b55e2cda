/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Watches whether the kernel still has what a route plan says. Notifications only say "look again"; what is missing is judged by
 * reading, so it does not matter who changed what. Never changes anything.
 */
#pragma once

#include "nl-socket.h"
#include "route-plan.h"

G_BEGIN_DECLS

/* @what: what is missing, in words without addresses */
typedef void (*VpndRouteWatchFunc) (const char *what, gpointer user_data);

#define VPND_TYPE_ROUTE_WATCH (vpnd_route_watch_get_type ())
G_DECLARE_FINAL_TYPE (VpndRouteWatch, vpnd_route_watch, VPND, ROUTE_WATCH, GObject)

VpndRouteWatch *vpnd_route_watch_new (VpndNlSocket *questions, VpndRoutePlan *plan, VpndRouteWatchFunc func, gpointer user_data, GError **error);
void vpnd_route_watch_stop (VpndRouteWatch *self);

G_END_DECLS
