/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the host in memory share. Included by tests/fakes/fake-host*.c only.
 */
#pragma once

#include "fake-host.h"

G_BEGIN_DECLS

FakeHost *fake_host_of (gpointer port);

/* fake-host-programs.c */
void fake_host_name_watch_iface_init (VpndNameWatchInterface *iface);
void fake_host_splitter_iface_init (VpndSplitterInterface *iface);
void fake_process_free (FakeProcess *process);

G_END_DECLS
