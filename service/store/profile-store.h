/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stored profiles: one .conf a profile, 0600 in the 0700 directory "profiles" of the state directory, never through a link.
 * Also the profile that is wanted now (runtime directory), from which a start after a crash may reconnect.
 * Keys are read and written here and nowhere else.
 */
#pragma once

#include "profile.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VPND_PROFILES_MAX 1000 /* stored profiles in all */

#define VPND_TYPE_PROFILE_STORE (vpnd_profile_store_get_type ())
G_DECLARE_FINAL_TYPE (VpndProfileStore, vpnd_profile_store, VPND, PROFILE_STORE, GObject)

/**
 * VpndRename: a rename that has not ended
 * @from: (owned): what other files may name yet
 * @to: (owned): its name now
 * @is_back: that is the old one again, so that rules, which are the last to follow, have not moved
 */
typedef struct
{
  char *from;
  char *to;
  gboolean is_back;
} VpndRename;

VpndProfileStore *vpnd_profile_store_new (int state_dirfd, int runtime_dirfd, GError **error);
GPtrArray *vpnd_profile_store_list (VpndProfileStore *self);
VpndProfile *vpnd_profile_store_lookup (VpndProfileStore *self, const char *name, GError **error);
gboolean vpnd_profile_store_save (VpndProfileStore *self, VpndProfile *profile, gboolean replace, GError **error);
gboolean vpnd_profile_store_remove (VpndProfileStore *self, const char *name, GError **error);
gboolean vpnd_profile_store_rename (VpndProfileStore *self, const char *name, const char *new_name, GError **error);
gboolean vpnd_profile_store_rename_back (VpndProfileStore *self);
void vpnd_profile_store_end_rename (VpndProfileStore *self);
const VpndRename *vpnd_profile_store_get_interrupted_rename (VpndProfileStore *self);
GPtrArray *vpnd_profile_store_get_broken (VpndProfileStore *self);

/* set_wanted: what is to be active now; kept in the runtime directory, with its addresses instead of host names. NULL forgets it. One that has a
 * name is remembered in the state directory as the last one activated, too. */
gboolean vpnd_profile_store_set_wanted (VpndProfileStore *self, VpndProfile *profile, GError **error);
VpndProfile *vpnd_profile_store_get_wanted (VpndProfileStore *self);
/* The stored profile that was activated last; NULL when there is none, or it is gone. */
VpndProfile *vpnd_profile_store_get_last (VpndProfileStore *self);
/* The profile with the addresses that its host names had when they were last used, for a host that can ask for none; NULL when one is not known. */
VpndProfile *vpnd_profile_store_complete (VpndProfileStore *self, const VpndProfile *profile);

G_END_DECLS
