/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the id of an application names on this host: the programs that its .desktop file starts, and the units that systemd, Flatpak and snap
 * run it in. Reads files of the system alone, never one that a user has written, and runs nothing.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VpndApp: what an id names
 * @id: (owned): as given
 * @paths: (element-type filename) (owned): absolute paths of executables; empty when an interpreter runs it, which runs others, too
 * @snap: (owned) (nullable): name of the snap that it is of
 */
typedef struct
{
  char *id;
  GPtrArray *paths;
  char *snap;
} VpndApp;

VpndApp *vpnd_app_find (const char *root, const char *id, GError **error);
VpndApp *vpnd_app_new_own (const char *root, const char *id, const char *const *programs);
void vpnd_app_free (VpndApp *app);
gboolean vpnd_app_has_unit (const VpndApp *app, const char *unit);

gboolean vpnd_app_is_in_closed_home (const char *root, const char *path, guint32 uid);
gboolean vpnd_app_user_may_run (const char *root, const char *path, guint32 uid);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndApp, vpnd_app_free)

G_END_DECLS
