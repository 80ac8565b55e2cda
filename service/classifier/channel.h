/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The classifier's end of the socket to vpnd: one packet socket (SOCK_SEQPACKET), root's only, one caller at a time. Knows packets and
 * descriptors, and leaves their meaning to the caller of it.
 */
#pragma once

#include "protocol.h"

#include <glib-object.h>

G_BEGIN_DECLS

#define VPND_TYPE_CHANNEL (vpnd_channel_get_type ())
G_DECLARE_FINAL_TYPE (VpndChannel, vpnd_channel, VPND, CHANNEL, GObject)

/**
 * VpndChannelRulesFunc:
 * @rules: (element-type VpndClassifierRule): the table; empty when the caller has left
 * @class_fds: cgroup.procs of each class; the callee copies what it keeps
 * @n_classes: how many
 * @user_data: of the channel
 */
typedef void (*VpndChannelRulesFunc) (GPtrArray *rules, const int *class_fds, guint n_classes, gpointer user_data);

/**
 * VpndChannelErrandsFunc:
 * @errands: (element-type VpndClassifierErrand): what is asked for
 * @mount: where the hierarchy of the classes is mounted
 * @waiting_fd: cgroup.procs of who waits to return, -1 for none; the callee copies what it keeps
 * @user_data: of the channel
 */
typedef void (*VpndChannelErrandsFunc) (GPtrArray *errands, const char *mount, int waiting_fd, gpointer user_data);

VpndChannel *vpnd_channel_listen (const char *path, VpndChannelRulesFunc func, VpndChannelErrandsFunc errands_func, gpointer user_data, GError **error);
void vpnd_channel_report (VpndChannel *self, const VpndClassifierReport *report);
gboolean vpnd_channel_has_room (const VpndChannel *self);

G_END_DECLS
