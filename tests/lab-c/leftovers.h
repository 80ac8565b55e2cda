/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Control groups of tests that were killed, and with them whoever would have removed these. Whatever namespace of mounts a hierarchy was seen in, its groups stay.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *leftovers_new_name (const char *what);
void leftovers_remove (const char *mount);

G_END_DECLS
