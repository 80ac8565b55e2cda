/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Takes a test's directory away.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void support_remove_tree (const char *path);

G_END_DECLS
