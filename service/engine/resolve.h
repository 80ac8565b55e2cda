/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Turns the endpoints of a profile that are given by name into addresses, through the port names-lookup.
 * Done before the rules close the host: once they are in force no name can be asked for outside the tunnel.
 */
#pragma once

#include "profile.h"

#include "names-lookup.h"

G_BEGIN_DECLS

gboolean vpnd_resolve_profile_is_needed (const VpndProfile *profile);
void vpnd_resolve_profile_async (VpndNamesLookup *names, VpndProfile *profile, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
VpndProfile *vpnd_resolve_profile_finish (GAsyncResult *result, GError **error);

G_END_DECLS
