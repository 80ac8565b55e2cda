/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Takes out of a text what says who or where somebody is, and leaves what kind of thing stood there: the same thing becomes the same
 * word everywhere. Keys, addresses, endpoints and hardware addresses are known by their form, names must be told.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _VpndScrub VpndScrub;

VpndScrub *vpnd_scrub_new (void);
void vpnd_scrub_free (VpndScrub *scrub);
void vpnd_scrub_add_name (VpndScrub *scrub, const char *kind, const char *name);
char *vpnd_scrub_text (VpndScrub *scrub, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndScrub, vpnd_scrub_free)

G_END_DECLS
