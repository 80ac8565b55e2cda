/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tables of other programs may do to our packets, read from a dump of all chains and rules: drops on the way of packets from or
 * to this host, and marks that are written over ours. Pure and total. Guesses nothing about whom a rule matches: it counts.
 */
#pragma once

#include "evidence.h"

G_BEGIN_DECLS

GBytes *vpnd_nft_encode_dump_all_chains (guint32 seq);
GBytes *vpnd_nft_encode_dump_all_rules (guint32 seq);
GArray *vpnd_nft_decode_foreign (GPtrArray *messages);

G_END_DECLS
