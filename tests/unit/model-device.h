/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For the tests of the WireGuard codecs: a device as the rules of linux/wireguard.h describe it, random configurations, and the
 * comparison of the two. A peer that is removed and added again gets another session number, as a real device would drop its keys.
 */
#pragma once

#include "tunnel-config.h"
#include "wg-device.h"

#include <string.h>

typedef struct
{
  VpndTunnelPeer *peer; /* (owned) */
  guint session;
} ModelPeer;

typedef struct
{
  guint8 private_key[VPND_KEY_BYTES];
  guint16 listen_port;
  guint32 fwmark;
  GPtrArray *peers; /* (element-type ModelPeer) (owned) */
  guint n_sessions;
  guint n_binds; /* how often a listen port was told */
} Model;

static inline void
model_peer_free (gpointer data)
{
  vpnd_tunnel_peer_free (((ModelPeer *) data)->peer);
  g_free (data);
}

static inline Model *
model_new (void)
{
  Model *model = g_new0 (Model, 1);

  model->peers = g_ptr_array_new_with_free_func (model_peer_free);
  return model;
}

static inline void
model_free (Model *model)
{
  g_ptr_array_unref (model->peers);
  g_free (model);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Model, model_free)

static inline ModelPeer *
model_find (const Model *model, const VpndPublicKey *key)
{
  for (guint i = 0; i < model->peers->len; i++)
    {
      ModelPeer *peer = g_ptr_array_index (model->peers, i);

      if (vpnd_public_key_equal (&peer->peer->public_key, key))
        return peer;
    }
  return NULL;
}

static inline ModelPeer *
model_find_or_add (Model *model, const VpndPublicKey *key)
{
  ModelPeer *peer = model_find (model, key);

  if (peer == NULL)
    {
      peer = g_new0 (ModelPeer, 1);
      peer->peer = vpnd_tunnel_peer_new ();
      peer->peer->public_key = *key;
      peer->session = ++model->n_sessions;
      g_ptr_array_add (model->peers, peer);
    }
  return peer;
}

static inline void
model_set_preshared_key (ModelPeer *peer, const guint8 bytes[VPND_KEY_BYTES])
{
  static const guint8 zero[VPND_KEY_BYTES];

  g_clear_pointer (&peer->peer->preshared_key, vpnd_secret_unref);
  if (memcmp (bytes, zero, sizeof zero) != 0)
    peer->peer->preshared_key = vpnd_secret_new (bytes);
}

/* What the device would say of itself. */
static inline VpndWgDevice *
model_describe (const Model *model)
{
  VpndWgDevice *device = vpnd_wg_device_new ();

  device->listen_port = model->listen_port;
  device->fwmark = model->fwmark;
  for (guint i = 0; i < model->peers->len; i++)
    {
      const ModelPeer *peer = g_ptr_array_index (model->peers, i);
      VpndPeerStats stats = { .public_key = peer->peer->public_key };

      g_array_append_val (device->peers, stats);
    }
  return device;
}

static inline void
model_assert_equals (const Model *model, const VpndTunnelConfig *config)
{
  g_autoptr (VpndSecret) key = vpnd_secret_new (model->private_key);
  g_autoptr (VpndTunnelConfig) told = vpnd_tunnel_config_new (key, model->fwmark, config->listen_port != 0 ? model->listen_port : 0);

  g_assert_cmpuint (model->peers->len, ==, config->peers->len);
  for (guint i = 0; i < config->peers->len; i++)
    {
      const VpndTunnelPeer *wanted = g_ptr_array_index (config->peers, i);
      const ModelPeer *peer = model_find (model, &wanted->public_key);
      VpndTunnelPeer *copy = vpnd_tunnel_peer_new ();

      g_assert_nonnull (peer);
      copy->public_key = peer->peer->public_key;
      copy->preshared_key = peer->peer->preshared_key != NULL ? vpnd_secret_ref (peer->peer->preshared_key) : NULL;
      /* A peer that is given without an endpoint keeps the one it has. */
      copy->endpoint = vpnd_addr_is_set (&wanted->endpoint.addr) ? peer->peer->endpoint : wanted->endpoint;
      copy->persistent_keepalive_s = peer->peer->persistent_keepalive_s;
      g_array_append_vals (copy->allowed_ips, peer->peer->allowed_ips->data, peer->peer->allowed_ips->len);
      g_ptr_array_add (told->peers, copy);
    }
  g_assert_true (vpnd_tunnel_config_equal (told, config));
}

static inline void
random_bytes (guint8 *bytes, gsize len)
{
  for (gsize i = 0; i < len; i++)
    bytes[i] = (guint8) g_test_rand_int_range (0, 256);
}

static inline VpndAddr
random_addr (void)
{
  guint8 bytes[16];

  random_bytes (bytes, sizeof bytes);
  bytes[0] = 0x20; /* neither unspecified nor v4-mapped */
  return vpnd_addr_from_bytes (g_test_rand_bit () ? AF_INET : AF_INET6, bytes);
}

/* Keys are drawn from @n_keys possible ones, so that two configurations have some peers in common and some not. */
static inline VpndTunnelConfig *
random_config (guint n_peers, guint n_keys, guint max_allowed_ips)
{
  guint8 bytes[VPND_KEY_BYTES];
  g_autoptr (VpndSecret) key = NULL;
  g_autoptr (GHashTable) used = g_hash_table_new (NULL, NULL);
  VpndTunnelConfig *config;

  random_bytes (bytes, sizeof bytes);
  key = vpnd_secret_new (bytes);
  config = vpnd_tunnel_config_new (key, (guint32) g_test_rand_int (), g_test_rand_bit () ? (guint16) g_test_rand_int_range (1, 65536) : 0);
  for (guint i = 0; i < n_peers; i++)
    {
      const guint number = (guint) g_test_rand_int_range (1, (gint32) n_keys + 1);
      const guint n_ips = (guint) g_test_rand_int_range (0, (gint32) max_allowed_ips + 1);
      VpndTunnelPeer *peer;

      if (!g_hash_table_add (used, GUINT_TO_POINTER (number)))
        continue;
      peer = vpnd_tunnel_peer_new ();
      memcpy (peer->public_key.bytes, &number, sizeof number);
      random_bytes (bytes, sizeof bytes);
      if (g_test_rand_bit ())
        peer->preshared_key = vpnd_secret_new (bytes);
      if (g_test_rand_bit ())
        peer->endpoint = (VpndEndpoint){ random_addr (), (guint16) g_test_rand_int_range (1, 65536) };
      peer->persistent_keepalive_s = g_test_rand_bit () ? (guint16) g_test_rand_int_range (0, 65536) : 0;
      for (guint j = 0; j < n_ips; j++)
        {
          VpndPrefix prefix = { .addr = random_addr () };

          prefix.length = (guint8) g_test_rand_int_range (0, prefix.addr.family == AF_INET ? 33 : 129);
          prefix = vpnd_prefix_masked (&prefix);
          g_array_append_val (peer->allowed_ips, prefix);
        }
      g_ptr_array_add (config->peers, peer);
    }
  return config;
}

/* After an update: peers that stayed have their session, and no port was told that the device had already. */
static inline void
model_assert_sessions_kept (const Model *model, GHashTable *sessions_before)
{
  for (guint i = 0; i < model->peers->len; i++)
    {
      const ModelPeer *peer = g_ptr_array_index (model->peers, i);
      guint number;
      gpointer session;

      memcpy (&number, peer->peer->public_key.bytes, sizeof number);
      if (g_hash_table_lookup_extended (sessions_before, GUINT_TO_POINTER (number), NULL, &session))
        g_assert_cmpuint (GPOINTER_TO_UINT (session), ==, peer->session);
    }
}

static inline GHashTable *
model_sessions (const Model *model)
{
  GHashTable *sessions = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < model->peers->len; i++)
    {
      const ModelPeer *peer = g_ptr_array_index (model->peers, i);
      guint number;

      memcpy (&number, peer->peer->public_key.bytes, sizeof number);
      g_hash_table_insert (sessions, GUINT_TO_POINTER (number), GUINT_TO_POINTER (peer->session));
    }
  return sessions;
}
