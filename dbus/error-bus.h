/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Registers the table of dbus/error.h with GDBus, so that a GError of VPND_ERROR crosses the bus as itself in both directions.
 */
#pragma once

#include "error.h"

#include <gio/gio.h>

G_BEGIN_DECLS

void vpnd_error_register_bus (void);

G_END_DECLS
