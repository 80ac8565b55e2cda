/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The cgroups of units of systemd, by the units' names: which are there now, and word when one comes or goes; and up to which one all were looked at, for what has come
 * since may be any of them. Looks only: the cgroups and their processes are systemd's.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VpndSplitUnits VpndSplitUnits;

typedef void (*VpndSplitUnitsFunc) (gpointer user_data);
/* Returns: whether the unit @name is asked for. */
typedef gboolean (*VpndSplitUnitsMatch) (const char *name, gconstpointer data);

/**
 * VpndSplitUnitPlace: one unit that is there
 * @name: (owned): of the unit
 * @uid: of the user whose manager runs it; G_MAXUINT32 for the system's
 * @level: as `socket cgroupv2 level` counts
 * @id: number of its cgroup
 */
typedef struct
{
  char *name;
  guint32 uid;
  guint level;
  guint64 id;
} VpndSplitUnitPlace;

/**
 * VpndSplitUnitFolder: where units come to stand
 * @uid: of the user whose manager makes them; G_MAXUINT32 for the system's
 * @level: as `socket cgroupv2 level` counts; 0 for the root
 * @id: number of its cgroup
 */
typedef struct
{
  guint32 uid;
  guint level;
  guint64 id;
} VpndSplitUnitFolder;

VpndSplitUnits *vpnd_split_units_new (VpndSplitUnitsFunc func, gpointer user_data);
void vpnd_split_units_free (VpndSplitUnits *self);
void vpnd_split_units_set (VpndSplitUnits *self, const char *mount, VpndSplitUnitsMatch match, gconstpointer data, gboolean tells_all);
const GArray *vpnd_split_units_get (const VpndSplitUnits *self);
const GArray *vpnd_split_units_get_folders (const VpndSplitUnits *self);
guint64 vpnd_split_units_get_newest (const VpndSplitUnits *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitUnits, vpnd_split_units_free)

G_END_DECLS
