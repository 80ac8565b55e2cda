/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The connection to vpnd: calls, properties and signals in the order in which they crossed the bus, under one time limit.
 * Knows nothing of verbs or output. A call runs the main context, so signals that came before its reply are handled before it returns.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _VpndClient VpndClient;

/**
 * VpndClientSignalFunc:
 * @interface: interface of the signal; that of the properties for PropertiesChanged
 * @member: its name, "PropertiesChanged" included; "NameOwnerChanged" when vpnd came or went
 * @params: for PropertiesChanged the dictionary of changed values, for NameOwnerChanged (b): vpnd is there
 */
typedef void (*VpndClientSignalFunc) (const char *interface, const char *member, GVariant *params, gpointer user_data);

VpndClient *vpnd_client_new (GError **error);
void vpnd_client_free (VpndClient *client);

void vpnd_client_set_time_limit (VpndClient *client, guint seconds);
void vpnd_client_catch_interrupt (VpndClient *client);

void vpnd_client_subscribe (VpndClient *client, VpndClientSignalFunc func, gpointer user_data);
void vpnd_client_unsubscribe (VpndClient *client);
gboolean vpnd_client_iterate (VpndClient *client, GError **error);

GVariant *vpnd_client_call (VpndClient *client, const char *interface, const char *member, GVariant *params, const char *reply_type, GError **error);
GVariant *vpnd_client_get_all (VpndClient *client, const char *interface, GError **error);
gboolean vpnd_client_set (VpndClient *client, const char *interface, const char *property, GVariant *value, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndClient, vpnd_client_free)

G_END_DECLS
