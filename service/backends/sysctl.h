/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Network sysctls by name. Reads and writes files below /proc/sys/net and nothing else.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *vpnd_sysctl_read (const char *name);
int vpnd_sysctl_write (const char *name, const char *value);

G_END_DECLS
