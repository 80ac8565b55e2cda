/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tells the service manager how the service is: the datagram of sd_notify(3), without its library. Does nothing when nobody listens.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean vpnd_notify (const char *socket_path, const char *state, GError **error);

G_END_DECLS
