/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text protocol of user-space WireGuard (wireguard.com/xplatform: "Configuration Protocol"). Pure: values in, text out and back.
 * Trusts no line; ignores keys it does not know. Requests clear themselves; the parser never copies a secret out of an answer.
 */
#pragma once

#include "wg-device.h"

G_BEGIN_DECLS

GBytes *vpnd_uapi_encode_set (const VpndTunnelConfig *config, const VpndWgDevice *present);
GBytes *vpnd_uapi_encode_get (void);
gboolean vpnd_uapi_is_complete (const char *text, gsize len);
VpndWgDevice *vpnd_uapi_parse_answer (const char *text, gsize len, GError **error);

G_END_DECLS
