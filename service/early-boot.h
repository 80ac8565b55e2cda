/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vpnd --early-boot: closes the host before the first network interface comes up, where the settings want it closed.
 * Writes no file and needs no bus; the rules outlive the process and the daemon takes them over.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

int vpnd_early_boot_run (const char *state_directory, const char *runtime_directory);

G_END_DECLS
