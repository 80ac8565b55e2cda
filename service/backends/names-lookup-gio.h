/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses of an endpoint's host name by GResolver, that is by whatever the host is set up to ask. Keeps nothing: a name is asked anew
 * each time.
 */
#pragma once

#include "names-lookup.h"

G_BEGIN_DECLS

#define VPND_TYPE_NAMES_LOOKUP_GIO (vpnd_names_lookup_gio_get_type ())
G_DECLARE_FINAL_TYPE (VpndNamesLookupGio, vpnd_names_lookup_gio, VPND, NAMES_LOOKUP_GIO, GObject)

VpndNamesLookup *vpnd_names_lookup_gio_new (void);

G_END_DECLS
