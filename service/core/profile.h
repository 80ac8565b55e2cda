/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A profile: everything that one WireGuard configuration says, as an immutable value.
 * It is built once (by the .conf parser or by the JSON codec), sealed, and shared by reference.
 * Never holds what the host chose (resolved endpoint, MTU of the path): that is a VpndTunnelConfig.
 */
#pragma once

#include "addr.h"
#include "bridge.h"
#include "key.h"

G_BEGIN_DECLS

#define VPND_PROFILE_NAME_MAX 64       /* characters; file name plus ".conf" stays below NAME_MAX */
#define VPND_PROFILE_PEERS_MAX 256     /* more peers than any known provider uses; bounds the ruleset */
#define VPND_PROFILE_ALLOWED_MAX 16384 /* allowed-ips over all peers */

/**
 * VpndPeer:
 * @public_key: the peer's key
 * @public_key_text: (owned): the very text that was received; the signal connected repeats it
 * @preshared_key: (owned) (nullable): the preshared key
 * @host: (owned) (nullable): host name of the endpoint where it was not given as an address
 * @endpoints: (element-type VpndEndpoint) (owned): literal endpoints, at most one per family, IPv4 first; may be
 *   empty (a peer that only answers, or one that is known by @host)
 * @port: port that goes with @host, host byte order; 0 without an endpoint
 * @allowed_ips: (element-type VpndPrefix) (owned): masked networks in the order given
 * @persistent_keepalive_s: seconds, 0 for off
 */
typedef struct
{
  VpndPublicKey public_key;
  char *public_key_text;
  VpndSecret *preshared_key;
  char *host;
  GArray *endpoints;
  guint16 port;
  GArray *allowed_ips;
  guint16 persistent_keepalive_s;
} VpndPeer;

/**
 * VpndProfile:
 * @name: (owned): the name under which it is stored; "" for one that came by activate
 * @private_key: (owned): the interface's key
 * @addresses: (element-type VpndPrefix) (owned): interface addresses with their prefix length
 * @peers: (element-type VpndPeer) (owned): at least one
 * @dns_servers: (element-type VpndAddr) (owned): resolvers, in order
 * @dns_search: (element-type utf8) (owned): search domains, in order; one after "~" is for routing only: names below it are asked here,
 *   but it is not appended to short ones
 * @gateway4: (not set when family is AF_UNSPEC): in-tunnel gateway; answers probes
 * @gateway6: the same for IPv6
 * @mtu: wanted MTU in bytes, 0 for automatic
 * @listen_port: local UDP port, 0 for any
 * @routes_off: TRUE for Table = off: no routes, no rules, no DNS
 * @bridge: (not set by default): what carries the transport; then no peer but the primary one has an endpoint, and that one is not talked to directly
 */
typedef struct
{
  char *name;
  VpndSecret *private_key;
  GArray *addresses;
  GPtrArray *peers;
  GArray *dns_servers;
  GPtrArray *dns_search;
  VpndAddr gateway4;
  VpndAddr gateway6;
  guint32 mtu;
  guint16 listen_port;
  gboolean routes_off;
  VpndBridge bridge;
} VpndProfile;

VpndPeer *vpnd_peer_new (void);
void vpnd_peer_free (VpndPeer *peer);

VpndProfile *vpnd_profile_new (const char *name);
VpndProfile *vpnd_profile_ref (VpndProfile *profile);
void vpnd_profile_unref (VpndProfile *profile);
gboolean vpnd_profile_equal (const VpndProfile *a, const VpndProfile *b);
VpndProfile *vpnd_profile_dup_named (const VpndProfile *profile, const char *name);
VpndProfile *vpnd_profile_dup_with_bridge (const VpndProfile *profile, const VpndBridge *bridge);
gboolean vpnd_profile_validate (const VpndProfile *profile, GError **error);
gboolean vpnd_profile_name_is_valid (const char *name);
gboolean vpnd_host_name_is_valid (const char *name);
gboolean vpnd_search_domain_is_valid (const char *name);
const VpndPeer *vpnd_profile_primary_peer (const VpndProfile *profile);
gboolean vpnd_profile_routes_family (const VpndProfile *profile, int family);
gboolean vpnd_profile_has_address (const VpndProfile *profile, int family);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndPeer, vpnd_peer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VpndProfile, vpnd_profile_unref)

G_END_DECLS
