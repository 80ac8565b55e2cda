/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The authorizer port on polkit. The subject is the sender's bus name, never a pid; every failure is a denial.
 */
#pragma once

#include "authorizer.h"

G_BEGIN_DECLS

#define VPND_TYPE_AUTHORIZER_POLKIT (vpnd_authorizer_polkit_get_type ())
G_DECLARE_FINAL_TYPE (VpndAuthorizerPolkit, vpnd_authorizer_polkit, VPND, AUTHORIZER_POLKIT, GObject)

VpndAuthorizer *vpnd_authorizer_polkit_new (GDBusConnection *connection);

G_END_DECLS
