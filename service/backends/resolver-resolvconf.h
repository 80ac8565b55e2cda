/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VpndResolver on resolvconf(8), openresolv's or Debian's: a record of ours beside those of the other links, from which that program makes
 * resolv.conf. Never writes resolv.conf itself.
 */
#pragma once

#include "resolver.h"

G_BEGIN_DECLS

#define VPND_TYPE_RESOLVER_RESOLVCONF (vpnd_resolver_resolvconf_get_type ())
G_DECLARE_FINAL_TYPE (VpndResolverResolvconf, vpnd_resolver_resolvconf, VPND, RESOLVER_RESOLVCONF, GObject)

VpndResolver *vpnd_resolver_resolvconf_new (const char *path, const char *program, const char *run_path);
const char *vpnd_resolvconf_find_program (void);

G_END_DECLS
