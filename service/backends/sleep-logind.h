/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tells when the host goes to sleep and when it is awake again, as systemd-logind says, and holds a delay lock meanwhile, so that a change
 * under way is finished before. A host without logind is never told anything, and nothing is missing: see core/liveness.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* @is_going_to_sleep: TRUE before the sleep: vpnd_sleep_logind_release () must follow, as soon as the host may sleep; FALSE after it */
typedef void (*VpndSleepFunc) (gboolean is_going_to_sleep, gpointer user_data);

#define VPND_TYPE_SLEEP_LOGIND (vpnd_sleep_logind_get_type ())
G_DECLARE_FINAL_TYPE (VpndSleepLogind, vpnd_sleep_logind, VPND, SLEEP_LOGIND, GObject)

VpndSleepLogind *vpnd_sleep_logind_new (GDBusConnection *connection, VpndSleepFunc func, gpointer user_data);
void vpnd_sleep_logind_release (VpndSleepLogind *self);

G_END_DECLS
