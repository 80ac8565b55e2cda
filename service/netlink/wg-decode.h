/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What WireGuard answers over generic netlink. Pure: bytes in, values out. Trusts no length; ignores what it does not know.
 * Never copies the device's private key or a preshared key out of the messages.
 */
#pragma once

#include "wg-device.h"

G_BEGIN_DECLS

VpndWgDevice *vpnd_wg_decode_device (GPtrArray *messages, GError **error);

G_END_DECLS
