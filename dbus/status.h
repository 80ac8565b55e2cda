/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The status value and its JSON. The daemon fills it, clients read it; neither composes or picks JSON elsewhere.
 * Holds no key of WireGuard's except public ones, and those only in the peers.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VPND_STATUS_SCHEMA 1 /* "schema" in the JSON; changes when a key changes its meaning */

/**
 * VpndStatusPeer:
 * @public_key: (owned): base64
 * @endpoint: (owned): "address:port", "" when unknown
 * @rx_bytes: received in this session
 * @tx_bytes: sent in this session
 * @handshake_us: wall clock of the last handshake, microseconds since 1970; 0 for never
 */
typedef struct
{
  char *public_key;
  char *endpoint;
  guint64 rx_bytes;
  guint64 tx_bytes;
  gint64 handshake_us;
} VpndStatusPeer;

/**
 * VpndStatus:
 * @state: (owned): one of VPND_STATE_WORD_*
 * @cause: (owned): one of VPND_CAUSE_WORD_*, "" in every state but error
 * @detail: (owned): one sentence on the cause with the kernel's or daemon's own words, "" if none
 * @blocking: the rules are in force, as read back
 * @lockdown: the setting
 * @profile: (owned): name, "" for none
 * @since_us: wall clock, microseconds since 1970
 * @attempt: which attempt of connecting this is, from 1; 0 when not connecting
 * @backend: (owned): "kernel", "userspace" or ""
 * @interface: (owned): name of the tunnel's link, "" for none
 * @address4: (owned): tunnel address without mask, "" for none
 * @address6: (owned)
 * @gateway4: (owned)
 * @gateway6: (owned)
 * @mtu: bytes, 0 for none
 * @dns: (owned) (array zero-terminated=1): resolvers in force
 * @bridge: (owned): "address:port/protocol" that a proxy of the host carries the tunnel to, in place of the server; "" for none
 * @peers: (element-type VpndStatusPeer) (owned): the primary one first
 * @warnings: (owned) (array zero-terminated=1): what the user should know, a sentence each
 * @version: (owned): of the daemon
 */
typedef struct
{
  char *state;
  char *cause;
  char *detail;
  gboolean blocking;
  gboolean lockdown;
  char *profile;
  gint64 since_us;
  guint attempt;
  char *backend;
  char *interface;
  char *address4;
  char *address6;
  char *gateway4;
  char *gateway6;
  guint mtu;
  char **dns;
  char *bridge;
  GPtrArray *peers;
  char **warnings;
  char *version;
} VpndStatus;

VpndStatusPeer *vpnd_status_peer_new (void);
void vpnd_status_peer_free (VpndStatusPeer *peer);
VpndStatus *vpnd_status_new (void);
void vpnd_status_free (VpndStatus *status);

char *vpnd_status_to_json (const VpndStatus *status);
VpndStatus *vpnd_status_from_json (const char *json, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndStatusPeer, vpnd_status_peer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndStatus, vpnd_status_free)

G_END_DECLS
