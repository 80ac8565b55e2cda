/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Puts processes back into the cgroups that they came from. Those are opened once for all who go there.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VpndSplitReturn VpndSplitReturn;

VpndSplitReturn *vpnd_split_return_new (const char *mount);
void vpnd_split_return_free (VpndSplitReturn *self);
gboolean vpnd_split_return_move (VpndSplitReturn *self, gint32 pid, const char *origin);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitReturn, vpnd_split_return_free)

G_END_DECLS
