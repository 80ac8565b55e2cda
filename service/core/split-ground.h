/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where classes of processes can be told apart on this host: in cgroup2 wherever it is mounted, else in the net_cls controller of the first
 * version. Pure: reads a text, never the file.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  VPND_SPLIT_GROUND_NONE,
  VPND_SPLIT_GROUND_CGROUP2, /* rules match the cgroup itself, by its number */
  VPND_SPLIT_GROUND_NET_CLS, /* rules match the class number written into the cgroup */
} VpndSplitGround;

VpndSplitGround vpnd_split_ground_find (const char *mountinfo, const char *wanted_path, char **out_path);
guint vpnd_split_ground_level (const char *mount_path, const char *cgroup_path);

G_END_DECLS
