/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which names in which folders the paths of rules lead through, and which of them have changed.
 */
#pragma once

#include <glib.h>

typedef struct _VpndSteps VpndSteps;

VpndSteps *vpnd_steps_new (void);
void vpnd_steps_free (VpndSteps *steps);
int vpnd_steps_get_fd (const VpndSteps *steps);
GArray *vpnd_steps_way_new (void);
void vpnd_steps_take (VpndSteps *steps, GArray *way, gpointer owner, int folder, const char *name);
void vpnd_steps_forget (VpndSteps *steps, GArray *way, gpointer owner);
gboolean vpnd_steps_read (VpndSteps *steps, GHashTable *due, gboolean *out_has_lost);
