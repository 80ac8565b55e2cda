/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See profile-export.h. The profile is printed with a private key of zeros and without preshared keys, so that no secret is ever
 * in the text, and the places of the secrets are then marked.
 */
#include "config.h"

#include "profile-export.h"

#include "profile-conf.h"

static VpndPeer *
dup_without_secret (const VpndPeer *peer)
{
  VpndPeer *copy = vpnd_peer_new ();

  copy->public_key = peer->public_key;
  g_free (copy->public_key_text);
  copy->public_key_text = g_strdup (peer->public_key_text);
  copy->host = g_strdup (peer->host);
  copy->port = peer->port;
  copy->persistent_keepalive_s = peer->persistent_keepalive_s;
  g_array_append_vals (copy->endpoints, peer->endpoints->data, peer->endpoints->len);
  g_array_append_vals (copy->allowed_ips, peer->allowed_ips->data, peer->allowed_ips->len);
  return copy;
}

static VpndProfile *
dup_without_secrets (const VpndProfile *profile)
{
  static const guint8 zeros[VPND_KEY_BYTES];
  VpndProfile *copy = vpnd_profile_new (profile->name);

  copy->private_key = vpnd_secret_new (zeros);
  g_array_append_vals (copy->addresses, profile->addresses->data, profile->addresses->len);
  g_array_append_vals (copy->dns_servers, profile->dns_servers->data, profile->dns_servers->len);
  for (guint i = 0; i < profile->dns_search->len; i++)
    g_ptr_array_add (copy->dns_search, g_strdup (profile->dns_search->pdata[i]));
  copy->gateway4 = profile->gateway4;
  copy->gateway6 = profile->gateway6;
  copy->mtu = profile->mtu;
  copy->listen_port = profile->listen_port;
  copy->routes_off = profile->routes_off;
  copy->bridge = profile->bridge;
  for (guint i = 0; i < profile->peers->len; i++)
    g_ptr_array_add (copy->peers, dup_without_secret (profile->peers->pdata[i]));
  return copy;
}

static gboolean
has_preshared_key (const VpndProfile *profile, guint peer)
{
  const VpndPeer *found = peer < profile->peers->len ? profile->peers->pdata[peer] : NULL;

  return found != NULL && found->preshared_key != NULL;
}

/**
 * vpnd_profile_export:
 * @profile: a profile
 *
 * Prints @profile as a WireGuard .conf in which a comment stands for each secret.
 *
 * Returns: (transfer full): the text
 */
char *
vpnd_profile_export (const VpndProfile *profile)
{
  g_autoptr (VpndProfile) bare = dup_without_secrets (profile);
  g_autofree char *text = vpnd_profile_conf_print (bare);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) result = g_string_new (NULL);
  guint n_peers = 0;

  for (char **line = lines; *line != NULL; line++)
    {
      if (g_str_has_prefix (*line, "PrivateKey"))
        g_string_append (result, "# PrivateKey = (hidden)");
      else
        g_string_append (result, *line);
      if (g_str_has_prefix (*line, "[Peer]") && has_preshared_key (profile, n_peers++))
        g_string_append (result, "\n# PresharedKey = (hidden)");
      if (line[1] != NULL)
        g_string_append_c (result, '\n');
    }
  return g_strdup (result->str);
}
