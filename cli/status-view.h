/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The status as a person reads it. The first line is for scripts and is never translated. Computes nothing that vpnd did not say.
 */
#pragma once

#include "output.h"
#include "status.h"

G_BEGIN_DECLS

char *vpnd_status_view_first_line (const char *state, const char *cause);
VpndColor vpnd_status_view_color (const char *state);
gboolean vpnd_status_view_is_leaking (const char *state, gboolean lockdown, gboolean blocking);
gboolean vpnd_status_view_check (const char *state, gboolean lockdown, gboolean blocking, GError **error);

void vpnd_status_view_head (VpndOutput *output, const VpndStatus *status);
void vpnd_status_view_details (VpndOutput *output, const VpndStatus *status, gboolean verbose, gint64 now_us);

char *vpnd_status_view_duration (gint64 seconds);
char *vpnd_status_view_bytes (guint64 bytes);

G_END_DECLS
