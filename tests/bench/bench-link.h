/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A network namespace with a link that looks like the tunnel's, behind which packets vanish, and packets to send into it.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BENCH_LINK_IFINDEX 10 /* the number in the rules that are measured (tests/golden) */
#define BENCH_BATCH 64

void bench_run (const char *program, ...);
int bench_link_new (void);
int bench_flow_new (int type);
void bench_flow_send (int flow, guint batches);

G_END_DECLS
