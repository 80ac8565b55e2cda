/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which polkit action a member needs, read from the annotations of the interface XML. The only table of that kind is the XML.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

GDBusInterfaceInfo *const *vpnd_actions_interfaces (guint *out_n);
GDBusInterfaceInfo *vpnd_actions_find_interface (const char *interface);

const char *vpnd_actions_for_method (const char *interface, const char *method);
const char *vpnd_actions_for_read (const char *interface, const char *property);
const char *vpnd_actions_for_write (const char *interface, const char *property);

G_END_DECLS
