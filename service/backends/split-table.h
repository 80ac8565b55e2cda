/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of vpnd-classifier as it follows from the rules, and what is known of each of its rows. Applications become the paths of their
 * programs and the units that they run in here.
 */
#pragma once

#include "split-classes.h"
#include "split-units.h"

#include "split-config.h"
#include "split-standing.h"

#include "protocol.h"

G_BEGIN_DECLS

typedef struct _VpndSplitTable VpndSplitTable;

VpndSplitTable *vpnd_split_table_new (const VpndSplitConfig *config, const VpndSplitClasses *classes);
void vpnd_split_table_free (VpndSplitTable *self);
GBytes *vpnd_split_table_encode (const VpndSplitTable *self);
gboolean vpnd_split_table_is_empty (const VpndSplitTable *self);
VpndSplitRule *vpnd_split_table_note (VpndSplitTable *self, const VpndClassifierReport *report);
gboolean vpnd_split_table_has_units (const VpndSplitTable *self);
gboolean vpnd_split_table_match_unit (const char *unit, gconstpointer table);
void vpnd_split_table_add_units (const VpndSplitTable *self, const GArray *places, VpndSplitStanding *standing);
void vpnd_split_table_add_reasons (const VpndSplitTable *self, const char *trouble, VpndSplitStanding *standing);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndSplitTable, vpnd_split_table_free)

G_END_DECLS
