/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ends sockets through sock_diag(7). Never decides which (core/socket-plan does).
 */
#pragma once

#include "socket-killer.h"

G_BEGIN_DECLS

#define VPND_TYPE_SOCKET_KILLER_DIAG (vpnd_socket_killer_diag_get_type ())
G_DECLARE_FINAL_TYPE (VpndSocketKillerDiag, vpnd_socket_killer_diag, VPND, SOCKET_KILLER_DIAG, GObject)

VpndSocketKiller *vpnd_socket_killer_diag_new (GError **error);

G_END_DECLS
