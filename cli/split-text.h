/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Split tunnelling in words: of a rule, a class, a user. Pure but for names of users.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_SPLIT_TEXT_EVERYBODY G_MAXUINT32 /* "owner" of a system-wide rule in org.vpnd1.SplitTunnel.List */

const char *vpnd_split_text_get (GVariant *dictionary, const char *key);
guint32 vpnd_split_text_get_owner (GVariant *rule);
char *vpnd_split_text_rule (const char *kind, const char *value);
char *vpnd_split_text_reason (const char *word);
const char *vpnd_split_text_class (const char *word);
char *vpnd_split_text_user (guint32 uid);

G_END_DECLS
