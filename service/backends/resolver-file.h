/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndResolver on the plain file resolv.conf(5): kept aside before the first change, put back to the byte, also by a later instance.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

#define VPND_RESOLV_CONF_PATH "/etc/resolv.conf"

#define VPND_TYPE_RESOLVER_FILE (vpnd_resolver_file_get_type ())
G_DECLARE_FINAL_TYPE (VpndResolverFile, vpnd_resolver_file, VPND, RESOLVER_FILE, GObject)

VpndResolver *vpnd_resolver_file_new (int backup_dirfd, const char *path);
void vpnd_resolver_file_dup_original (VpndResolverFile *self, char **out_target, char **out_text);
gboolean vpnd_resolver_file_is_applied (VpndResolverFile *self);
char *vpnd_resolver_file_dup_text_before (VpndResolverFile *self);

G_END_DECLS
