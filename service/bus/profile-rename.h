/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A profile gets another name, and so does all that names it: the setting auto-connect-profile, and the rules of split tunnelling that are bound to it. All of
 * it or nothing.
 */
#pragma once

#include "services.h"

G_BEGIN_DECLS

void vpnd_profile_rename (const VpndServices *services, const char *name, const char *new_name, GTask *task);

G_END_DECLS
