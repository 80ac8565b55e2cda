/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The applications of whoever calls vpnctl: .desktop files and Flatpaks in the own home. Reads with the rights of the caller and no others, and tells vpnd
 * nothing but paths of programs.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean vpnd_own_app_find (const char *id, char ***out_programs, GError **error);

G_END_DECLS
