/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The way to the peer: what the host's network was when the device was told where the peer is, against what it is now. Says what has changed, never
 * what follows from it.
 */
#pragma once

#include "facts.h"
#include "state.h"

G_BEGIN_DECLS

void vpnd_peer_way_note (VpndState *state, const VpndFacts *facts);
gboolean vpnd_peer_way_is_other (const VpndState *state, const VpndFacts *facts);
gboolean vpnd_peer_way_has_moved (const VpndState *state, const VpndFacts *facts);
gboolean vpnd_peer_way_is_lost (const VpndState *state, const VpndFacts *facts);
gboolean vpnd_peer_way_has_nearer_endpoint (const VpndState *state, const VpndFacts *facts);

G_END_DECLS
