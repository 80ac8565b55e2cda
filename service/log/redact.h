/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The second net of the log: takes out of a finished line whatever looks like a key or an address.
 * The first is that no line is composed from one.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *vpnd_log_redact (const char *text);

G_END_DECLS
