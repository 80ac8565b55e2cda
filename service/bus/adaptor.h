/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The gate: the object VPND_OBJECT_PATH on the bus. Every call, of a method and of a property, takes one way through it:
 * size, quota of the sender, strict decode, polkit by the sender's bus name, the sender is still there, run.
 * Holds no truth: what it shows is rendered from the engine. Never identifies a caller by pid.
 */
#pragma once

#include "authorizer.h"
#include "clock.h"
#include "engine.h"
#include "log-ring.h"
#include "profile-store.h"

G_BEGIN_DECLS

#define VPND_TYPE_ADAPTOR (vpnd_adaptor_get_type ())
G_DECLARE_FINAL_TYPE (VpndAdaptor, vpnd_adaptor, VPND, ADAPTOR, GObject)

VpndAdaptor *vpnd_adaptor_new (VpndEngine *engine, VpndProfileStore *profiles, VpndLogRing *ring, VpndAuthorizer *authorizer, VpndClock *clock, GDBusConnection *asking);
gboolean vpnd_adaptor_export (VpndAdaptor *self, GDBusConnection *connection, GError **error);
void vpnd_adaptor_unexport (VpndAdaptor *self);
guint vpnd_adaptor_own_name (VpndAdaptor *self, GBusNameAcquiredCallback acquired, GBusNameLostCallback lost, gpointer user_data);

G_END_DECLS
