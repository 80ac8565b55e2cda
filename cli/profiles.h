/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What several verbs need of the stored profiles: their names, which one is meant, and help when there is none of that name.
 */
#pragma once

#include "client.h"

G_BEGIN_DECLS

GVariant *vpnd_profiles_list (VpndClient *client, GError **error);
GVariant *vpnd_profiles_find (VpndClient *client, const char *name, GError **error);
char *vpnd_profiles_describe_bridge (GVariant *profile);
char *vpnd_profiles_choose (VpndClient *client, GError **error);
void vpnd_profiles_explain_change (VpndClient *client, const char *name, GError **error);
void vpnd_profiles_explain_missing (VpndClient *client, const char *name, GError **error);

G_END_DECLS
