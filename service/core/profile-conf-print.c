/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writer of WireGuard .conf text: with keys for the profile store alone, without them for everybody else.
 */
#include "config.h"

#include "profile-conf.h"

#include <string.h>

#define NETWORKS_PER_LINE 64 /* keeps lines well below what the reader takes */

/* Never less than what is printed: a buffer that grows would leave keys behind in the memory that it gives back. */
static gsize
estimate_bytes (const VpndProfile *profile)
{
  gsize bytes = 1024 + VPND_ADDR_STRLEN * (gsize) (profile->addresses->len + profile->dns_servers->len);

  for (guint i = 0; i < profile->dns_search->len; i++)
    bytes += strlen (g_ptr_array_index (profile->dns_search, i)) + 2;
  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      bytes += 512 + (peer->host != NULL ? strlen (peer->host) : 0) + (VPND_ADDR_STRLEN + 1) * (gsize) peer->allowed_ips->len;
    }
  return bytes;
}

static void
print_secret (GString *text, const char *key, const VpndSecret *secret, gboolean with_keys)
{
  char *base64;

  if (secret == NULL)
    return;
  if (!with_keys)
    {
      g_string_append_printf (text, "# %s = %s\n", key, vpnd_secret_to_string (secret));
      return;
    }

  base64 = vpnd_secret_to_base64 (secret);
  g_string_append (text, key);
  g_string_append (text, " = ");
  g_string_append (text, base64);
  g_string_append_c (text, '\n');
  vpnd_clear_free_string (base64);
}

static void
print_prefixes (GString *text, const char *key, const GArray *prefixes)
{
  for (guint i = 0; i < prefixes->len; i++)
    {
      g_autofree char *prefix = vpnd_prefix_to_string (&g_array_index (prefixes, VpndPrefix, i));
      gboolean is_first = i % NETWORKS_PER_LINE == 0;
      gboolean is_last = i + 1 == prefixes->len || (i + 1) % NETWORKS_PER_LINE == 0;

      if (is_first)
        g_string_append_printf (text, "%s = ", key);
      g_string_append_printf (text, "%s%s", prefix, is_last ? "\n" : ", ");
    }
}

static void
print_dns (GString *text, const VpndProfile *profile)
{
  guint n = 0;

  for (guint i = 0; i < profile->dns_servers->len; i++)
    {
      char buffer[VPND_ADDR_STRLEN];

      g_string_append_printf (text, "%s%s", n++ == 0 ? "DNS = " : ", ", vpnd_addr_format (&g_array_index (profile->dns_servers, VpndAddr, i), buffer));
    }
  for (guint i = 0; i < profile->dns_search->len; i++)
    g_string_append_printf (text, "%s%s", n++ == 0 ? "DNS = " : ", ", (const char *) g_ptr_array_index (profile->dns_search, i));
  if (n > 0)
    g_string_append_c (text, '\n');
}

static void
print_endpoint (GString *text, const VpndPeer *peer)
{
  g_autofree char *endpoint = NULL;

  if (peer->host != NULL)
    endpoint = g_strdup_printf ("%s:%u", peer->host, peer->port);
  else if (peer->endpoints->len > 0)
    endpoint = vpnd_endpoint_to_string (&g_array_index (peer->endpoints, VpndEndpoint, 0));
  else
    return;
  g_string_append_printf (text, "Endpoint = %s\n", endpoint);
}

static void
print_peer (GString *text, const VpndPeer *peer, gboolean with_keys)
{
  g_autofree char *public_key = vpnd_public_key_to_base64 (&peer->public_key);

  g_string_append_printf (text, "\n[Peer]\nPublicKey = %s\n", public_key);
  print_secret (text, "PresharedKey", peer->preshared_key, with_keys);
  print_endpoint (text, peer);
  print_prefixes (text, "AllowedIPs", peer->allowed_ips);
  if (peer->persistent_keepalive_s != 0)
    g_string_append_printf (text, "PersistentKeepalive = %u\n", peer->persistent_keepalive_s);
}

static char *
print (const VpndProfile *profile, gboolean with_keys)
{
  GString *text = g_string_sized_new (estimate_bytes (profile));

  g_string_append (text, "[Interface]\n");
  print_secret (text, "PrivateKey", profile->private_key, with_keys);
  print_prefixes (text, "Address", profile->addresses);
  print_dns (text, profile);
  if (profile->mtu != 0)
    g_string_append_printf (text, "MTU = %u\n", profile->mtu);
  if (profile->listen_port != 0)
    g_string_append_printf (text, "ListenPort = %u\n", profile->listen_port);
  if (profile->routes_off)
    g_string_append (text, "Table = off\n");
  for (guint i = 0; i < profile->peers->len; i++)
    print_peer (text, g_ptr_array_index (profile->peers, i), with_keys);
  return g_string_free (text, FALSE);
}

/**
 * vpnd_profile_conf_print:
 * @profile: a valid profile
 *
 * Writes @profile as a .conf text that may be shown: private and preshared keys are comments that say "(hidden)".
 *
 * Returns: (transfer full): the text
 */
char *
vpnd_profile_conf_print (const VpndProfile *profile)
{
  g_return_val_if_fail (profile != NULL, NULL);

  return print (profile, FALSE);
}

/**
 * vpnd_profile_conf_print_with_keys:
 * @profile: a valid profile
 *
 * Writes @profile as a .conf text that can be read again. For the profile store and for nobody else. What a .conf cannot
 * say (in-tunnel gateways, a second endpoint) is not in it.
 *
 * Returns: (transfer full): the text; free it with vpnd_clear_free_string ()
 */
char *
vpnd_profile_conf_print_with_keys (const VpndProfile *profile)
{
  g_return_val_if_fail (profile != NULL, NULL);

  return print (profile, TRUE);
}
