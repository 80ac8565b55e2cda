/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The splitter of a real host: classes are cgroups, launches are held by vpnd-classifier, units are matched by their own cgroups.
 */
#pragma once

#include "splitter.h"

G_BEGIN_DECLS

#define VPND_TYPE_SPLITTER_CGROUP (vpnd_splitter_cgroup_get_type ())
G_DECLARE_FINAL_TYPE (VpndSplitterCgroup, vpnd_splitter_cgroup, VPND, SPLITTER_CGROUP, GObject)

VpndSplitter *vpnd_splitter_cgroup_new (const char *classifier_path, const char *wanted_path, GError **error);

G_END_DECLS
