/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The composition root: makes every object, hands each what it needs, and lives from the first signal handler to the exit status.
 * The only file that names concrete backends. Decides nothing about networks.
 */
#pragma once

#include "log-ring.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * VpndDaemonOptions: all (unowned)
 * @state_directory: settings and profiles
 * @runtime_directory: the ledger and what a crash leaves
 */
typedef struct
{
  const char *state_directory;
  const char *runtime_directory;
} VpndDaemonOptions;

#define VPND_TYPE_DAEMON (vpnd_daemon_get_type ())
G_DECLARE_FINAL_TYPE (VpndDaemon, vpnd_daemon, VPND, DAEMON, GObject)

VpndDaemon *vpnd_daemon_new (const VpndDaemonOptions *options, VpndLogRing *ring, GError **error);
VpndDaemon *vpnd_daemon_new_for_release (const VpndDaemonOptions *options, VpndLogRing *ring, GError **error);
int vpnd_daemon_run (VpndDaemon *self);
int vpnd_daemon_release (VpndDaemon *self);

G_END_DECLS
