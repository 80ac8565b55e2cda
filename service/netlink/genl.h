/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The generic netlink controller: from the name of a family to its number. Pure: bytes in, values out.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

GBytes *vpnd_genl_encode_get_family (const char *name, guint32 seq);
guint16 vpnd_genl_decode_family (GPtrArray *messages, const char *name);

G_END_DECLS
