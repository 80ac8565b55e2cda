/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The function of engine/status-build.h.
 */
#include "config.h"

#include "status-build.h"

#include "reserved.h"

static void
replace (char **field, char *value)
{
  g_free (*field);
  *field = value;
}

static char *
addr_text (const VpndAddr *addr)
{
  return vpnd_addr_is_set (addr) ? vpnd_addr_to_string (addr) : g_strdup ("");
}

static char *
find_address (const VpndRoutePlan *routes, int family)
{
  for (guint i = 0; i < routes->addresses->len; i++)
    {
      const VpndAddr *addr = &g_array_index (routes->addresses, VpndPrefix, i).addr;

      if (addr->family == family)
        return vpnd_addr_to_string (addr);
    }
  return g_strdup ("");
}

static const VpndPeerStats *
find_stats (const GArray *stats, const VpndPublicKey *key)
{
  for (guint i = 0; stats != NULL && i < stats->len; i++)
    {
      const VpndPeerStats *entry = &g_array_index (stats, VpndPeerStats, i);

      if (vpnd_public_key_equal (&entry->public_key, key))
        return entry;
    }
  return NULL;
}

static VpndStatusPeer *
build_peer (const VpndTunnelPeer *peer, const GArray *stats)
{
  VpndStatusPeer *result = vpnd_status_peer_new ();
  const VpndPeerStats *entry = find_stats (stats, &peer->public_key);
  const VpndEndpoint *endpoint = entry != NULL && vpnd_addr_is_set (&entry->endpoint.addr) ? &entry->endpoint : &peer->endpoint;

  replace (&result->public_key, vpnd_public_key_to_base64 (&peer->public_key));
  replace (&result->endpoint, vpnd_addr_is_set (&endpoint->addr) ? vpnd_endpoint_to_string (endpoint) : g_strdup (""));
  if (entry != NULL)
    {
      result->rx_bytes = entry->rx_bytes;
      result->tx_bytes = entry->tx_bytes;
      result->handshake_us = entry->last_handshake_s * G_USEC_PER_SEC + entry->last_handshake_ns / 1000;
    }
  return result;
}

static void
add_peers (VpndStatus *status, const VpndStatusInput *input)
{
  const VpndTunnelConfig *config = input->state->config;
  const VpndPeer *primary = vpnd_profile_primary_peer (input->state->profile);

  for (guint i = 0; i < config->peers->len; i++)
    {
      const VpndTunnelPeer *peer = g_ptr_array_index (config->peers, i);
      gboolean is_primary = vpnd_public_key_equal (&peer->public_key, &primary->public_key);

      g_ptr_array_insert (status->peers, is_primary ? 0 : -1, build_peer (peer, input->stats));
    }
}

static char **
dns_strv (const VpndDnsPlan *dns)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; i < dns->servers->len; i++)
    {
      g_autofree char *text = vpnd_addr_to_string (&g_array_index (dns->servers, VpndAddr, i));

      g_strv_builder_add (builder, text);
    }
  return g_strv_builder_end (builder);
}

static void
add_tunnel (VpndStatus *status, const VpndStatusInput *input)
{
  static const char *const backends[] = {
    [VPND_BACKEND_AUTO] = "",
    [VPND_BACKEND_KERNEL] = "kernel",
    [VPND_BACKEND_USERSPACE] = "userspace",
  };
  const VpndState *state = input->state;

  replace (&status->backend, g_strdup (backends[input->backend]));
  replace (&status->interface, g_strdup (state->routes->ifname));
  replace (&status->address4, find_address (state->routes, AF_INET));
  replace (&status->address6, find_address (state->routes, AF_INET6));
  replace (&status->gateway4, addr_text (&state->profile->gateway4));
  replace (&status->gateway6, addr_text (&state->profile->gateway6));
  status->mtu = state->routes->mtu;
  g_strfreev (status->dns);
  status->dns = dns_strv (state->dns);
  if (vpnd_bridge_is_set (&state->config->bridge))
    replace (&status->bridge, vpnd_service_port_to_string (&state->config->bridge.service));
  add_peers (status, input);
}

/* The whole internet by one route or, as some providers write it, by two halves. */
static gboolean
routes_internet (const VpndRoutePlan *routes)
{
  for (guint i = 0; i < routes->routes->len; i++)
    {
      const VpndRoute *route = &g_array_index (routes->routes, VpndRoute, i);

      if (route->table == VPND_TABLE_TUNNEL && route->destination.length <= 1)
        return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_status_build:
 * @input: what the status is made of
 *
 * Returns: (transfer full): the status
 */
VpndStatus *
vpnd_status_build (const VpndStatusInput *input)
{
  VpndStatus *status = vpnd_status_new ();
  const VpndState *state = input->state;
  g_autoptr (GStrvBuilder) warnings = g_strv_builder_new ();

  replace (&status->state, g_strdup (vpnd_state_word (state->kind)));
  replace (&status->cause, g_strdup (vpnd_cause_word (state->cause)));
  replace (&status->detail, g_strdup (input->detail));
  replace (&status->profile, g_strdup (state->profile != NULL ? state->profile->name : ""));
  replace (&status->version, g_strdup (VPND_VERSION));
  status->blocking = input->is_blocking;
  status->lockdown = input->settings->lockdown;
  status->since_us = input->since_us;
  status->attempt = state->attempt;
  if (state->config != NULL && state->routes != NULL && state->dns != NULL && state->profile != NULL)
    add_tunnel (status, input);

  for (guint i = 0; i < input->warnings->len; i++)
    g_strv_builder_add (warnings, g_ptr_array_index (input->warnings, i));
  if (state->routes != NULL && !routes_internet (state->routes))
    g_strv_builder_add (warnings, "This profile has no route to the internet: only its own networks are reachable, all else is blocked");
  if (!input->is_blocking && (vpnd_state_is_protected (state) || input->settings->lockdown))
    g_strv_builder_add (warnings, "The rules are NOT in force: traffic can leave outside the tunnel");
  g_strfreev (status->warnings);
  status->warnings = g_strv_builder_end (warnings);
  return status;
}
