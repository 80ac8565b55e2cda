/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dbus/error-bus.h. The table itself, with the assertion on its length, stands in dbus/error.c.
 */
#include "config.h"

#include "error-bus.h"

/**
 * vpnd_error_register_bus:
 *
 * Registers every code of VPND_ERROR with its D-Bus name. Call it before the first message; calling it again does nothing.
 */
void
vpnd_error_register_bus (void)
{
  for (guint code = 0; code < VPND_N_ERRORS; code++)
    (void) g_dbus_error_register_error (VPND_ERROR, (gint) code, vpnd_error_bus_name (code)); /* FALSE: it is there already */
}
