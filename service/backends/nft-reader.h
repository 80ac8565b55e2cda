/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads one nftables table from the kernel as a consistent picture. Never changes anything.
 */
#pragma once

#include "nft-decode.h"
#include "nl-socket.h"

G_BEGIN_DECLS

void vpnd_nft_read_async (VpndNlSocket *socket, const VpndRuleset *expected, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_nft_read_finish (VpndNlSocket *socket, GAsyncResult *result, VpndNftTable *out_table, GError **error);

G_END_DECLS
