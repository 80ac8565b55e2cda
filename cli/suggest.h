/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * "Did you mean": the nearest of some names.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

const char *vpnd_suggest (const char *wrong, const char *const *names);

G_END_DECLS
