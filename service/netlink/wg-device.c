/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See wg-device.h.
 */
#include "config.h"

#include "wg-device.h"

#include <string.h>

/**
 * vpnd_wg_device_new:
 *
 * Returns: (transfer full): a device without peers
 */
VpndWgDevice *
vpnd_wg_device_new (void)
{
  VpndWgDevice *device = g_new0 (VpndWgDevice, 1);

  device->peers = g_array_new (FALSE, TRUE, sizeof (VpndPeerStats));
  return device;
}

/**
 * vpnd_wg_device_free:
 * @device: (transfer full) (nullable): a device
 */
void
vpnd_wg_device_free (VpndWgDevice *device)
{
  if (device == NULL)
    return;

  g_array_unref (device->peers);
  g_free (device);
}

static guint
public_key_hash (gconstpointer key)
{
  guint hash;

  /* A public key is uniformly distributed: any four of its bytes are a hash. */
  memcpy (&hash, ((const VpndPublicKey *) key)->bytes, sizeof hash);
  return hash;
}

static gboolean
public_key_equal (gconstpointer a, gconstpointer b)
{
  return vpnd_public_key_equal (a, b);
}

/**
 * vpnd_wg_device_surplus_peers:
 * @device: (nullable): what the device has; NULL for a new one
 * @config: what is wanted
 *
 * Returns: (transfer full) (element-type VpndPublicKey): the peers that the device has and @config has not
 */
GArray *
vpnd_wg_device_surplus_peers (const VpndWgDevice *device, const VpndTunnelConfig *config)
{
  g_autoptr (GHashTable) wanted = g_hash_table_new (public_key_hash, public_key_equal);
  GArray *surplus = g_array_new (FALSE, FALSE, sizeof (VpndPublicKey));

  for (guint i = 0; i < config->peers->len; i++)
    {
      VpndTunnelPeer *peer = g_ptr_array_index (config->peers, i);

      g_hash_table_add (wanted, &peer->public_key);
    }

  for (guint i = 0; device != NULL && i < device->peers->len; i++)
    {
      const VpndPeerStats *peer = &g_array_index (device->peers, VpndPeerStats, i);

      if (!g_hash_table_contains (wanted, &peer->public_key))
        g_array_append_val (surplus, peer->public_key);
    }
  return surplus;
}

/**
 * vpnd_wg_device_needs_port:
 * @device: (nullable): what the device has; NULL for a new one
 * @config: what is wanted
 *
 * A device binds its socket anew, to a random port for 0, whenever it is told a port. So it is told only what it does not have.
 *
 * Returns: TRUE when the listen port must be set
 */
gboolean
vpnd_wg_device_needs_port (const VpndWgDevice *device, const VpndTunnelConfig *config)
{
  return config->listen_port != 0 && (device == NULL || device->listen_port != config->listen_port);
}
