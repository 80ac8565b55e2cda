/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The values of core/tunnel-config.h.
 */
#include "config.h"

#include "tunnel-config.h"

/**
 * vpnd_tunnel_peer_new:
 *
 * Returns: (transfer full): a peer with nothing in it
 */
VpndTunnelPeer *
vpnd_tunnel_peer_new (void)
{
  VpndTunnelPeer *peer = g_new0 (VpndTunnelPeer, 1);

  peer->allowed_ips = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  return peer;
}

/**
 * vpnd_tunnel_peer_free:
 * @peer: (transfer full) (nullable): a peer
 */
void
vpnd_tunnel_peer_free (VpndTunnelPeer *peer)
{
  if (peer == NULL)
    return;

  g_clear_pointer (&peer->preshared_key, vpnd_secret_unref);
  g_array_unref (peer->allowed_ips);
  g_free (peer);
}

/**
 * vpnd_tunnel_config_new:
 * @private_key: (transfer none): the device's key
 * @fwmark: mark of the encrypted packets, host byte order
 * @listen_port: local UDP port, 0 for any
 *
 * Returns: (transfer full): a configuration without peers; the caller adds them before it shares it
 */
VpndTunnelConfig *
vpnd_tunnel_config_new (VpndSecret *private_key, guint32 fwmark, guint16 listen_port)
{
  VpndTunnelConfig *config = g_new0 (VpndTunnelConfig, 1);

  g_atomic_ref_count_init (&config->ref_count);
  config->private_key = vpnd_secret_ref (private_key);
  config->fwmark = fwmark;
  config->listen_port = listen_port;
  config->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_tunnel_peer_free);
  return config;
}

/**
 * vpnd_tunnel_config_ref:
 * @config: a configuration
 *
 * Returns: (transfer full): @config
 */
VpndTunnelConfig *
vpnd_tunnel_config_ref (VpndTunnelConfig *config)
{
  g_atomic_ref_count_inc (&config->ref_count);
  return config;
}

/**
 * vpnd_tunnel_config_unref:
 * @config: (transfer full) (nullable): a configuration
 */
void
vpnd_tunnel_config_unref (VpndTunnelConfig *config)
{
  if (config == NULL || !g_atomic_ref_count_dec (&config->ref_count))
    return;

  vpnd_secret_unref (config->private_key);
  g_ptr_array_unref (config->peers);
  g_free (config);
}

static gboolean
secrets_equal (const VpndSecret *a, const VpndSecret *b)
{
  if (a == NULL || b == NULL)
    return a == b;

  return vpnd_secret_equal (a, b);
}

static gboolean
peers_equal (const VpndTunnelPeer *a, const VpndTunnelPeer *b)
{
  if (!vpnd_public_key_equal (&a->public_key, &b->public_key) || !secrets_equal (a->preshared_key, b->preshared_key) ||
      !vpnd_endpoint_equal (&a->endpoint, &b->endpoint) || a->persistent_keepalive_s != b->persistent_keepalive_s ||
      a->allowed_ips->len != b->allowed_ips->len)
    return FALSE;

  for (guint i = 0; i < a->allowed_ips->len; i++)
    if (!vpnd_prefix_equal (&g_array_index (a->allowed_ips, VpndPrefix, i), &g_array_index (b->allowed_ips, VpndPrefix, i)))
      return FALSE;
  return TRUE;
}

/**
 * vpnd_tunnel_config_equal:
 * @a: a configuration
 * @b: a configuration
 *
 * Returns: TRUE when both say the same to a device, peers in the same order
 */
gboolean
vpnd_tunnel_config_equal (const VpndTunnelConfig *a, const VpndTunnelConfig *b)
{
  if (!secrets_equal (a->private_key, b->private_key) || a->fwmark != b->fwmark || a->listen_port != b->listen_port ||
      !vpnd_bridge_equal (&a->bridge, &b->bridge) || a->peers->len != b->peers->len)
    return FALSE;

  for (guint i = 0; i < a->peers->len; i++)
    if (!peers_equal (g_ptr_array_index (a->peers, i), g_ptr_array_index (b->peers, i)))
      return FALSE;
  return TRUE;
}
