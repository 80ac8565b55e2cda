/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The way of one call through the gate, from the message to the reply. adaptor.[ch] owns the object on the bus and its signals.
 */
#pragma once

#include "authorizer.h"
#include "clock.h"
#include "services.h"

G_BEGIN_DECLS

typedef struct _VpndGate VpndGate;

VpndGate *vpnd_gate_new (const VpndServices *services, VpndAuthorizer *authorizer, VpndClock *clock, GDBusConnection *asking);
VpndGate *vpnd_gate_ref (VpndGate *gate);
void vpnd_gate_unref (VpndGate *gate);
void vpnd_gate_pass (VpndGate *gate, GDBusMethodInvocation *invocation);
void vpnd_gate_close (VpndGate *gate);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndGate, vpnd_gate_unref)

G_END_DECLS
