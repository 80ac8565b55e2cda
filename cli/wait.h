/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Waiting for a state: subscribe, act, read the state, then follow its changes until the goal, an error, or the time limit.
 */
#pragma once

#include "command.h"
#include "status.h"

G_BEGIN_DECLS

typedef struct _VpndWait VpndWait;

VpndWait *vpnd_wait_new (VpndCli *cli, VpndClient *client, const char *goal);
void vpnd_wait_free (VpndWait *wait);
gboolean vpnd_wait_run (VpndWait *wait, GError **error);

VpndStatus *vpnd_read_status (VpndClient *client, JsonNode **out_json, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndWait, vpnd_wait_free)

G_END_DECLS
