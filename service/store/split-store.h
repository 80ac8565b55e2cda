/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of split tunnelling on disk: JSON "split.json" in the state directory, versioned, replaced atomically, 0600.
 * A file that cannot be used is kept aside (split.json.broken-N) and reported; then there are no rules, and everything goes by the tunnel.
 */
#pragma once

#include "split-config.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_TYPE_SPLIT_STORE (vpnd_split_store_get_type ())
G_DECLARE_FINAL_TYPE (VpndSplitStore, vpnd_split_store, VPND, SPLIT_STORE, GObject)

VpndSplitStore *vpnd_split_store_new (int state_dirfd, GError **error);
VpndSplitConfig *vpnd_split_store_load (VpndSplitStore *self, char **out_trouble);
gboolean vpnd_split_store_save (VpndSplitStore *self, const VpndSplitConfig *config, GError **error);

G_END_DECLS
