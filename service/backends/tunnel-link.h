/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The link of a tunnel by its name: look it up, and remove it if it is of a kind that we make. What both WireGuard backends share.
 * Never touches a link of another kind.
 */
#pragma once

#include "nl-socket.h"
#include "rtnl-decode.h"

G_BEGIN_DECLS

#define VPND_NETLINK_TIMEOUT_MS 1000 /* the kernel answers within the send; only a stuck one takes as long */

#define VPND_LINK_KIND_WIREGUARD "wireguard"
#define VPND_LINK_KIND_TUN "tun"

void vpnd_tunnel_link_find_async (VpndNlSocket *route, const char *ifname, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_tunnel_link_find_finish (VpndNlSocket *route, GAsyncResult *result, VpndRtnlLink *out_link, GError **error);
void vpnd_tunnel_link_remove_async (VpndNlSocket *route, const char *ifname, const char *const *kinds, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean vpnd_tunnel_link_remove_finish (VpndNlSocket *route, GAsyncResult *result, GError **error);

int vpnd_tunnel_reply_errno (const VpndNlReply *reply);
void vpnd_tunnel_set_reply_error (GError **error, const char *what, const VpndNlReply *reply);

G_END_DECLS
