/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The world behind the physical link: a process in a namespace of networks of its own, which answers, and connects to us when it is told to.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define ECHO_PORT 7777
#define DNS_PORT 53
#define SSH_PORT 2222

#define HOST4 "192.168.7.2"
#define GATEWAY4 "192.168.7.1"
#define HOST6 "fd07::2"
#define GATEWAY6 "fe80::1" /* as routers are known; neighbours of other addresses are not answered (rule 2) */
#define FAR4 "203.0.113.77"
#define FAR6 "2001:db8:77::7"
#define INNER4 "10.64.0.2"
#define INNER6 "fd00:64::2"
#define INNER_DNS "10.64.0.1"

int new_socket (const char *address, guint16 port, int type, gboolean is_server);
void world_main (int commands, int answers);

G_END_DECLS
