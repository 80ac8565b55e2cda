/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A second process that answers in the first one's place when that stands still (stopped, or stuck in the kernel): an exec never waits
 * longer than VPND_GUARD_LIMIT_MS for us. It only ever allows, and never moves a process. It ends with the first.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_GUARD_LIMIT_MS 50

typedef struct _VpndGuard VpndGuard;

VpndGuard *vpnd_guard_start (int fanotify_fd, GError **error);
int vpnd_guard_get_fd (const VpndGuard *self);
void vpnd_guard_begin (VpndGuard *self);
void vpnd_guard_end (VpndGuard *self);

G_END_DECLS
