/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tells when processes end, by pidfd_open(2): ten thousand of them cost one source of the main loop.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VpndDepartures VpndDepartures;

typedef void (*VpndDeparturesFunc) (gint32 pid, gpointer user_data);

VpndDepartures *vpnd_departures_new (VpndDeparturesFunc func, gpointer user_data);
void vpnd_departures_free (VpndDepartures *self);
gboolean vpnd_departures_watch (VpndDepartures *self, gint32 pid);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndDepartures, vpnd_departures_free)

G_END_DECLS
