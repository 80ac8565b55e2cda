/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Says in words what the kernel refused of an nftables batch, and which kernel option is missing when that is the reason. Pure.
 */
#pragma once

#include "nl-socket.h"

G_BEGIN_DECLS

void vpnd_nft_set_error (GError **error, GBytes *batch, const VpndNlError *refusal);

G_END_DECLS
