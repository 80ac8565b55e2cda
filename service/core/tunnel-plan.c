/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The plan of core/tunnel-plan.h.
 */
#include "config.h"

#include "tunnel-plan.h"

#include "reserved.h"

#define PROXY_OVERHEAD_BYTES 80 /* Shadowsocks: salt 32, address 19, tag 16 (SIP004), up to a multiple of 16; others add less, or have a stream */

static gboolean
has_way_to (const VpndAddr *addr, const VpndFacts *facts)
{
  return addr->family == AF_INET ? facts->default4.present : facts->default6.present;
}

/* The endpoint of the family that the host has a default route of. */
static VpndEndpoint
choose_endpoint (const VpndPeer *peer, const VpndFacts *facts)
{
  VpndEndpoint none = { 0 };

  for (guint i = 0; i < peer->endpoints->len; i++)
    {
      const VpndEndpoint *endpoint = &g_array_index (peer->endpoints, VpndEndpoint, i);

      if (has_way_to (&endpoint->addr, facts))
        return *endpoint;
    }
  return none;
}

static gboolean
family_is_used (const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, int family)
{
  return family == AF_INET || (settings->ipv6 && facts->ipv6_enabled && vpnd_profile_has_address (profile, AF_INET6));
}

/* Where the primary peer is reached from this host, as the device is told. With a bridge that is the proxy, on this host; it is the bridge that needs a way. */
static VpndEndpoint
choose_first_hop (const VpndPeer *primary, const VpndProfile *profile, const VpndFacts *facts)
{
  VpndEndpoint none = { 0 };

  if (!vpnd_bridge_is_set (&profile->bridge))
    return choose_endpoint (primary, facts);
  return has_way_to (&profile->bridge.service.endpoint.addr, facts) ? vpnd_bridge_local_endpoint (&profile->bridge) : none;
}

/**
 * vpnd_tunnel_plan_outer:
 * @profile: a profile
 * @facts: the facts
 *
 * Returns: where the tunnel's packets leave this host for: the bridge, or the primary peer's first endpoint that there is a way to; without an address where
 *   there is none
 */
VpndEndpoint
vpnd_tunnel_plan_outer (const VpndProfile *profile, const VpndFacts *facts)
{
  return vpnd_bridge_is_set (&profile->bridge) ? profile->bridge.service.endpoint : choose_endpoint (vpnd_profile_primary_peer (profile), facts);
}

/**
 * vpnd_tunnel_plan_overhead:
 * @profile: a profile
 * @family: AF_INET or AF_INET6: what its packets leave this host by
 *
 * Returns: the bytes put around a packet by the time it leaves this host; of a proxy's share a generous guess
 */
guint32
vpnd_tunnel_plan_overhead (const VpndProfile *profile, int family)
{
  return vpnd_mtu_overhead (&family, 1) + (vpnd_bridge_is_set (&profile->bridge) ? PROXY_OVERHEAD_BYTES : 0);
}

static VpndTunnelPeer *
build_peer (const VpndPeer *peer, const VpndEndpoint *endpoint, const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, gboolean is_establishing)
{
  VpndTunnelPeer *result = vpnd_tunnel_peer_new ();

  result->public_key = peer->public_key;
  if (peer->preshared_key != NULL)
    result->preshared_key = vpnd_secret_ref (peer->preshared_key);
  result->endpoint = *endpoint;
  result->persistent_keepalive_s = peer->persistent_keepalive_s;
  if (is_establishing && result->persistent_keepalive_s == 0 && vpnd_addr_is_set (&result->endpoint.addr))
    result->persistent_keepalive_s = VPND_ESTABLISH_KEEPALIVE_S;

  for (guint i = 0; i < peer->allowed_ips->len; i++)
    {
      const VpndPrefix *allowed = &g_array_index (peer->allowed_ips, VpndPrefix, i);

      if (family_is_used (profile, settings, facts, allowed->addr.family))
        g_array_append_val (result->allowed_ips, *allowed);
    }
  return result;
}

/**
 * vpnd_tunnel_plan_check:
 * @profile: the profile that is wanted
 * @facts: the facts
 *
 * Returns: why the primary peer, or its bridge, cannot be reached from this host: VPND_CAUSE_OFFLINE without any default route, VPND_CAUSE_FAMILY when
 *   its addresses are of the other family, VPND_CAUSE_ENDPOINT when it has no address; VPND_CAUSE_NONE when it can
 */
VpndCause
vpnd_tunnel_plan_check (const VpndProfile *profile, const VpndFacts *facts)
{
  const VpndPeer *primary = vpnd_profile_primary_peer (profile);
  VpndEndpoint endpoint;

  if (primary->endpoints->len == 0 && !vpnd_bridge_is_set (&profile->bridge))
    return VPND_CAUSE_ENDPOINT;
  endpoint = choose_first_hop (primary, profile, facts);
  if (vpnd_addr_is_set (&endpoint.addr))
    return VPND_CAUSE_NONE;
  return vpnd_facts_is_online (facts) ? VPND_CAUSE_FAMILY : VPND_CAUSE_OFFLINE;
}

/**
 * vpnd_tunnel_plan_build:
 * @profile: the profile that is wanted
 * @settings: the settings
 * @facts: the facts
 * @is_establishing: no handshake yet: let the device start one by itself
 * @listen_port: its UDP port where the profile names none; the rules are about that port, so it is never left to the kernel
 * @out_cause: (out): on NULL, why
 *
 * Returns: (transfer full) (nullable): what to tell the device; NULL when vpnd_tunnel_plan_check () has a cause
 */
VpndTunnelConfig *
vpnd_tunnel_plan_build (const VpndProfile *profile, const VpndSettings *settings, const VpndFacts *facts, gboolean is_establishing, guint16 listen_port, VpndCause *out_cause)
{
  g_autoptr (VpndTunnelConfig) config = vpnd_tunnel_config_new (profile->private_key, VPND_MARK_VALUE, profile->listen_port != 0 ? profile->listen_port : listen_port);
  const VpndPeer *primary = vpnd_profile_primary_peer (profile);
  VpndEndpoint endpoint;

  *out_cause = vpnd_tunnel_plan_check (profile, facts);
  if (*out_cause != VPND_CAUSE_NONE)
    return NULL;
  g_return_val_if_fail (config->listen_port != 0, NULL);

  endpoint = choose_first_hop (primary, profile, facts);
  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);
      VpndEndpoint at = peer == primary ? endpoint : choose_endpoint (peer, facts);

      g_ptr_array_add (config->peers, build_peer (peer, &at, profile, settings, facts, is_establishing));
    }
  config->bridge = profile->bridge;
  return g_steal_pointer (&config);
}

/**
 * vpnd_tunnel_plan_build_empty:
 * @config: a configuration
 *
 * Returns: (transfer full): the same device without peers. A device that is told this and then its peers again has forgotten every
 *   session, and starts anew
 */
VpndTunnelConfig *
vpnd_tunnel_plan_build_empty (const VpndTunnelConfig *config)
{
  return vpnd_tunnel_config_new (config->private_key, config->fwmark, config->listen_port);
}

/* 192.0.0.8 is the dummy address of RFC 7600, 100:: the discard prefix of RFC 6666: nobody has them. */
static const char *
nobody (int family)
{
  return family == AF_INET ? "192.0.0.8" : "100::1";
}

/**
 * vpnd_tunnel_plan_probe_target:
 * @profile: a profile
 * @out_target: (out): where a probe goes
 *
 * A probe has TTL 1 and needs no answer of its own: WireGuard's peer acknowledges any data within 10 s (KEEPALIVE_TIMEOUT), so
 * an address inside the tunnel that nobody has is good enough. The gateway or a resolver answers sooner.
 *
 * Returns: FALSE when the profile routes nothing to its primary peer
 */
gboolean
vpnd_tunnel_plan_probe_target (const VpndProfile *profile, VpndAddr *out_target)
{
  const VpndPeer *primary = vpnd_profile_primary_peer (profile);
  const VpndAddr *wishes[] = {
    &profile->gateway4, &profile->gateway6,
    profile->dns_servers->len > 0 ? &g_array_index (profile->dns_servers, VpndAddr, 0) : &profile->gateway4
  };

  for (guint i = 0; i < G_N_ELEMENTS (wishes); i++)
    for (guint j = 0; vpnd_addr_is_set (wishes[i]) && j < primary->allowed_ips->len; j++)
      if (vpnd_profile_has_address (profile, wishes[i]->family) && vpnd_prefix_contains (&g_array_index (primary->allowed_ips, VpndPrefix, j), wishes[i]))
        {
          *out_target = *wishes[i];
          return TRUE;
        }

  for (guint j = 0; j < primary->allowed_ips->len; j++)
    {
      const VpndPrefix *allowed = &g_array_index (primary->allowed_ips, VpndPrefix, j);

      if (!vpnd_profile_has_address (profile, allowed->addr.family))
        continue;
      if (vpnd_prefix_is_default (allowed))
        return vpnd_addr_parse (nobody (allowed->addr.family), out_target); /* nobody answers there, which is enough */
      *out_target = allowed->addr;
      return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_tunnel_plan_path_probe:
 * @profile: a profile
 * @facts: the facts
 * @out_probe: (out): how the path to its primary peer is measured; @top is left to the caller
 *
 * Two kinds of answers are known: a resolver or gateway says that nobody listens, and the far end of the tunnel that a packet must not go on. Providers
 * suppress the one or the other, so both are asked for.
 */
void
vpnd_tunnel_plan_path_probe (const VpndProfile *profile, const VpndFacts *facts, VpndPathProbe *out_probe)
{
  const VpndPeer *primary = vpnd_profile_primary_peer (profile);
  VpndPathProbe probe = { .peer = vpnd_tunnel_plan_outer (profile, facts) };

  probe.overhead = vpnd_tunnel_plan_overhead (profile, probe.peer.addr.family);
  if (vpnd_tunnel_plan_probe_target (profile, &probe.targets[0]))
    probe.n_targets = 1;
  for (guint i = 0; probe.n_targets == 1 && i < primary->allowed_ips->len; i++)
    {
      const VpndPrefix *allowed = &g_array_index (primary->allowed_ips, VpndPrefix, i);

      if (vpnd_prefix_is_default (allowed) && allowed->addr.family == probe.targets[0].family &&
          vpnd_addr_parse (nobody (allowed->addr.family), &probe.targets[1]) && !vpnd_addr_equal (&probe.targets[0], &probe.targets[1]))
        probe.n_targets = 2;
    }
  *out_probe = probe;
}
