/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The part of the evidence that is read at once: procfs, the state of our own process, and the file systems of our directories. None of it
 * waits for anything.
 */
#pragma once

#include "evidence.h"

G_BEGIN_DECLS

void vpnd_host_look (VpndEvidence *evidence, const char *physical, int state_dirfd, int runtime_dirfd, const char *resolv_conf_path);

G_END_DECLS
