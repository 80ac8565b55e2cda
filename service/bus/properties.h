/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The properties as values: what Get, GetAll and PropertiesChanged show. They are rendered from the engine, never stored.
 */
#pragma once

#include "methods.h"

G_BEGIN_DECLS

#define VPND_INTERFACE_PROPERTIES "org.freedesktop.DBus.Properties"

GVariant *vpnd_properties_get (const VpndServices *services, const char *interface, const char *property);
GVariant *vpnd_properties_get_all (const VpndServices *services, const char *interface);
GVariant *vpnd_properties_changes (GVariant *before, GVariant *after);

G_END_DECLS
