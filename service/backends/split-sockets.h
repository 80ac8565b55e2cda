/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ends the connections that a process opened before it was moved: a socket keeps the class in which it was made. Those of this host
 * stay, for they carry nothing outside; so do listening ones, and a UDP socket without a peer is told once, and goes on in its class if it is used again.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_SPLIT_SOCKETS_SPARED 2

#define VPND_TYPE_SPLIT_SOCKETS (vpnd_split_sockets_get_type ())
G_DECLARE_FINAL_TYPE (VpndSplitSockets, vpnd_split_sockets, VPND, SPLIT_SOCKETS, GObject)

VpndSplitSockets *vpnd_split_sockets_new (GError **error);
void vpnd_split_sockets_end (VpndSplitSockets *self, const GArray *inodes, const guint64 *cgroups);

G_END_DECLS
