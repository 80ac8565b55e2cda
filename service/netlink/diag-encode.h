/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Codec of sock_diag(7), the way out: listing sockets and ending one. Encodes only; never sends.
 */
#pragma once

#include "diag-decode.h"

G_BEGIN_DECLS

GBytes *vpnd_diag_encode_dump (int family, guint8 protocol, gboolean with_unconnected, guint32 seq);
void vpnd_diag_append_destroy (GByteArray *batch, const VpndDiagSocket *socket, guint32 seq);

G_END_DECLS
