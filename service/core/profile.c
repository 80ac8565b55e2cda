/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/profile.h and what makes it valid, whoever built it.
 * Reference counts live in a box before the struct (g_atomic_rc_box), so a profile is never on a stack.
 */
#include "config.h"

#include "profile.h"

#include "error.h"

#include <string.h>

#define HOST_NAME_MAX_CHARS 253 /* RFC 1035, 2.3.4: 255 octets in wire form */
#define LABEL_MAX_CHARS 63
#define MTU_MIN_IPV4 576  /* RFC 791: what every host must accept */
#define MTU_MIN_IPV6 1280 /* RFC 8200, 5 */
#define MTU_MAX 65535
#define DNS_MAX 64 /* servers, and search domains; far above resolv.conf(5), bounds what a profile can make us hold */

/**
 * vpnd_peer_new:
 *
 * Returns: (transfer full): a peer with nothing in it
 */
VpndPeer *
vpnd_peer_new (void)
{
  VpndPeer *peer = g_new0 (VpndPeer, 1);

  peer->public_key_text = g_strdup ("");
  peer->endpoints = g_array_new (FALSE, TRUE, sizeof (VpndEndpoint));
  peer->allowed_ips = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  return peer;
}

/**
 * vpnd_peer_free:
 * @peer: (transfer full) (nullable): a peer
 */
void
vpnd_peer_free (VpndPeer *peer)
{
  if (peer == NULL)
    return;

  g_free (peer->public_key_text);
  vpnd_secret_unref (peer->preshared_key);
  g_free (peer->host);
  g_array_unref (peer->endpoints);
  g_array_unref (peer->allowed_ips);
  g_free (peer);
}

static VpndPeer *
peer_copy (const VpndPeer *peer)
{
  VpndPeer *copy = g_memdup2 (peer, sizeof *peer);

  copy->public_key_text = g_strdup (peer->public_key_text);
  copy->preshared_key = peer->preshared_key != NULL ? vpnd_secret_ref (peer->preshared_key) : NULL;
  copy->host = g_strdup (peer->host);
  copy->endpoints = g_array_copy (peer->endpoints);
  copy->allowed_ips = g_array_copy (peer->allowed_ips);
  return copy;
}

/**
 * vpnd_profile_new:
 * @name: (nullable): the name under which it is stored; NULL or "" for none
 *
 * Returns: (transfer full): a profile with nothing in it; the caller fills it before it shares it
 */
VpndProfile *
vpnd_profile_new (const char *name)
{
  VpndProfile *profile = g_atomic_rc_box_new0 (VpndProfile);

  profile->name = g_strdup (name != NULL ? name : "");
  profile->addresses = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  profile->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_peer_free);
  profile->dns_servers = g_array_new (FALSE, TRUE, sizeof (VpndAddr));
  profile->dns_search = g_ptr_array_new_with_free_func (g_free);
  return profile;
}

/**
 * vpnd_profile_ref:
 * @profile: a profile
 *
 * Returns: (transfer full): @profile
 */
VpndProfile *
vpnd_profile_ref (VpndProfile *profile)
{
  return g_atomic_rc_box_acquire (profile);
}

static void
profile_clear (VpndProfile *profile)
{
  g_free (profile->name);
  vpnd_secret_unref (profile->private_key);
  g_array_unref (profile->addresses);
  g_ptr_array_unref (profile->peers);
  g_array_unref (profile->dns_servers);
  g_ptr_array_unref (profile->dns_search);
}

/**
 * vpnd_profile_unref:
 * @profile: (transfer full) (nullable): a profile
 */
void
vpnd_profile_unref (VpndProfile *profile)
{
  if (profile != NULL)
    g_atomic_rc_box_release_full (profile, (GDestroyNotify) profile_clear);
}

static gboolean
secrets_equal (const VpndSecret *a, const VpndSecret *b)
{
  if (a == NULL || b == NULL)
    return a == b;

  return vpnd_secret_equal (a, b);
}

static gboolean
prefixes_equal (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return FALSE;

  for (guint i = 0; i < a->len; i++)
    if (!vpnd_prefix_equal (&g_array_index (a, VpndPrefix, i), &g_array_index (b, VpndPrefix, i)))
      return FALSE;
  return TRUE;
}

static gboolean
endpoints_equal (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return FALSE;

  for (guint i = 0; i < a->len; i++)
    if (!vpnd_endpoint_equal (&g_array_index (a, VpndEndpoint, i), &g_array_index (b, VpndEndpoint, i)))
      return FALSE;
  return TRUE;
}

static gboolean
dns_equal (const VpndProfile *a, const VpndProfile *b)
{
  if (a->dns_servers->len != b->dns_servers->len || a->dns_search->len != b->dns_search->len)
    return FALSE;

  for (guint i = 0; i < a->dns_servers->len; i++)
    if (!vpnd_addr_equal (&g_array_index (a->dns_servers, VpndAddr, i), &g_array_index (b->dns_servers, VpndAddr, i)))
      return FALSE;
  for (guint i = 0; i < a->dns_search->len; i++)
    if (!g_str_equal (g_ptr_array_index (a->dns_search, i), g_ptr_array_index (b->dns_search, i)))
      return FALSE;
  return TRUE;
}

static gboolean
peers_equal (const VpndPeer *a, const VpndPeer *b)
{
  return vpnd_public_key_equal (&a->public_key, &b->public_key) && g_str_equal (a->public_key_text, b->public_key_text) &&
      secrets_equal (a->preshared_key, b->preshared_key) && g_strcmp0 (a->host, b->host) == 0 && a->port == b->port &&
      endpoints_equal (a->endpoints, b->endpoints) && prefixes_equal (a->allowed_ips, b->allowed_ips) &&
      a->persistent_keepalive_s == b->persistent_keepalive_s;
}

/**
 * vpnd_profile_equal:
 * @a: a profile
 * @b: a profile
 *
 * Returns: TRUE when both say the same, the name included, every list in the same order
 */
gboolean
vpnd_profile_equal (const VpndProfile *a, const VpndProfile *b)
{
  if (!g_str_equal (a->name, b->name) || !secrets_equal (a->private_key, b->private_key) || !prefixes_equal (a->addresses, b->addresses) ||
      !dns_equal (a, b) || !vpnd_addr_equal (&a->gateway4, &b->gateway4) || !vpnd_addr_equal (&a->gateway6, &b->gateway6) ||
      a->mtu != b->mtu || a->listen_port != b->listen_port || a->routes_off != b->routes_off || !vpnd_bridge_equal (&a->bridge, &b->bridge) ||
      a->peers->len != b->peers->len)
    return FALSE;

  for (guint i = 0; i < a->peers->len; i++)
    if (!peers_equal (g_ptr_array_index (a->peers, i), g_ptr_array_index (b->peers, i)))
      return FALSE;
  return TRUE;
}

/**
 * vpnd_profile_dup_named:
 * @profile: a profile
 * @name: name of the copy
 *
 * Returns: (transfer full): a profile that differs from @profile in its name only
 */
VpndProfile *
vpnd_profile_dup_named (const VpndProfile *profile, const char *name)
{
  VpndProfile *copy = vpnd_profile_new (name);

  copy->private_key = profile->private_key != NULL ? vpnd_secret_ref (profile->private_key) : NULL;
  g_array_append_vals (copy->addresses, profile->addresses->data, profile->addresses->len);
  for (guint i = 0; i < profile->peers->len; i++)
    g_ptr_array_add (copy->peers, peer_copy (g_ptr_array_index (profile->peers, i)));
  g_array_append_vals (copy->dns_servers, profile->dns_servers->data, profile->dns_servers->len);
  for (guint i = 0; i < profile->dns_search->len; i++)
    g_ptr_array_add (copy->dns_search, g_strdup (g_ptr_array_index (profile->dns_search, i)));
  copy->gateway4 = profile->gateway4;
  copy->gateway6 = profile->gateway6;
  copy->mtu = profile->mtu;
  copy->listen_port = profile->listen_port;
  copy->routes_off = profile->routes_off;
  copy->bridge = profile->bridge;
  return copy;
}

/**
 * vpnd_profile_dup_with_bridge:
 * @profile: a profile
 * @bridge: (nullable): the bridge of the copy; NULL for none
 *
 * Returns: (transfer full): a profile that differs from @profile in its bridge only
 */
VpndProfile *
vpnd_profile_dup_with_bridge (const VpndProfile *profile, const VpndBridge *bridge)
{
  VpndProfile *copy = vpnd_profile_dup_named (profile, profile->name);

  copy->bridge = bridge != NULL ? *bridge : (VpndBridge){ 0 };
  return copy;
}

/**
 * vpnd_profile_name_is_valid:
 * @name: a candidate
 *
 * Says whether @name may name a stored profile: it becomes a file name and a word on a command line, so it has no
 * separator, no space, and never starts like a hidden file or an option.
 *
 * Returns: TRUE for 1 to VPND_PROFILE_NAME_MAX of letters, digits, ".", "_" and "-", not starting with "." or "-"
 */
gboolean
vpnd_profile_name_is_valid (const char *name)
{
  gsize length = strnlen (name, VPND_PROFILE_NAME_MAX + 1);

  if (length == 0 || length > VPND_PROFILE_NAME_MAX || name[0] == '.' || name[0] == '-')
    return FALSE;

  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (name[i]) && strchr ("._-", name[i]) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
label_is_valid (const char *label, gsize length)
{
  if (length == 0 || length > LABEL_MAX_CHARS || label[0] == '-' || label[length - 1] == '-')
    return FALSE;

  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (label[i]) && label[i] != '-' && label[i] != '_')
      return FALSE;
  return TRUE;
}

/* inet_aton(3) would take "10.1" or "0x7f000001" for an address; a name whose last label is a number is none (RFC 3696, 2). */
static gboolean
label_is_number (const char *label, gsize length)
{
  gboolean is_hex = length > 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X');

  for (gsize i = is_hex ? 2 : 0; i < length; i++)
    if (is_hex ? !g_ascii_isxdigit (label[i]) : !g_ascii_isdigit (label[i]))
      return FALSE;
  return TRUE;
}

/**
 * vpnd_host_name_is_valid:
 * @name: a candidate
 *
 * Says whether @name may be the host name of an endpoint or a search domain (RFC 1123, 2.1, and "_" as in use); one
 * final dot is allowed.
 *
 * Returns: TRUE for a name that no resolver takes for an address
 */
gboolean
vpnd_host_name_is_valid (const char *name)
{
  gsize length = strnlen (name, HOST_NAME_MAX_CHARS + 2);
  gsize start = 0;

  if (length > 0 && name[length - 1] == '.')
    length--;
  if (length == 0 || length > HOST_NAME_MAX_CHARS)
    return FALSE;

  for (gsize i = 0; i <= length; i++)
    {
      if (i < length && name[i] != '.')
        continue;
      if (!label_is_valid (name + start, i - start) || (i == length && label_is_number (name + start, i - start)))
        return FALSE;
      start = i + 1;
    }
  return TRUE;
}

/**
 * vpnd_search_domain_is_valid:
 * @name: a candidate
 *
 * Returns: TRUE for a host name, for one after "~" (resolvectl(1), "domain": for routing only), and for "~.", all names
 */
gboolean
vpnd_search_domain_is_valid (const char *name)
{
  if (name[0] != '~')
    return vpnd_host_name_is_valid (name);
  return strcmp (name, "~.") == 0 || vpnd_host_name_is_valid (name + 1);
}

static gboolean
refuse (GError **error, const char *what)
{
  g_set_error_literal (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, what);
  return FALSE;
}

static gboolean
validate_interface (const VpndProfile *profile, GError **error)
{
  guint32 mtu_min = vpnd_profile_has_address (profile, AF_INET6) ? MTU_MIN_IPV6 : MTU_MIN_IPV4;

  if (profile->name[0] != '\0' && !vpnd_profile_name_is_valid (profile->name))
    return refuse (error, "name: must be 1 to 64 of letters, digits, '.', '_', '-', not starting with '.' or '-'");
  if (profile->private_key == NULL)
    return refuse (error, "PrivateKey: missing");
  if (profile->addresses->len == 0)
    return refuse (error, "Address: missing");
  for (guint i = 0; i < profile->addresses->len; i++)
    if (!vpnd_addr_is_unicast (&g_array_index (profile->addresses, VpndPrefix, i).addr))
      return refuse (error, "Address: not the address of a host");
  if (profile->mtu != 0 && (profile->mtu < mtu_min || profile->mtu > MTU_MAX))
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "MTU: must be %u to %d", mtu_min, MTU_MAX);
      return FALSE;
    }
  if (profile->dns_servers->len > DNS_MAX || profile->dns_search->len > DNS_MAX)
    return refuse (error, "DNS: too many entries");
  for (guint i = 0; i < profile->dns_servers->len; i++)
    if (!vpnd_addr_is_unicast (&g_array_index (profile->dns_servers, VpndAddr, i)))
      return refuse (error, "DNS: not the address of a host");
  for (guint i = 0; i < profile->dns_search->len; i++)
    if (!vpnd_search_domain_is_valid (g_ptr_array_index (profile->dns_search, i)))
      return refuse (error, "DNS: not a search domain");
  return TRUE;
}

static gboolean
validate_peer (const VpndPeer *peer, GError **error)
{
  if (vpnd_public_key_is_zero (&peer->public_key))
    return refuse (error, "PublicKey: missing");
  if (peer->host != NULL && (!vpnd_host_name_is_valid (peer->host) || peer->port == 0))
    return refuse (error, "Endpoint: not a host name with a port");
  if (peer->endpoints->len > 2)
    return refuse (error, "Endpoint: more than one address of a family");
  for (guint i = 0; i < peer->endpoints->len; i++)
    {
      const VpndEndpoint *endpoint = &g_array_index (peer->endpoints, VpndEndpoint, i);

      if (!vpnd_addr_is_unicast (&endpoint->addr) || endpoint->port == 0)
        return refuse (error, "Endpoint: not the address of a host with a port");
      if (i > 0 && endpoint->addr.family <= g_array_index (peer->endpoints, VpndEndpoint, i - 1).addr.family)
        return refuse (error, "Endpoint: more than one address of a family, or IPv6 before IPv4");
    }
  for (guint i = 0; i < peer->allowed_ips->len; i++)
    {
      const VpndPrefix *prefix = &g_array_index (peer->allowed_ips, VpndPrefix, i);
      VpndPrefix masked = vpnd_prefix_masked (prefix);

      if (!vpnd_addr_is_set (&prefix->addr) || !vpnd_prefix_equal (prefix, &masked))
        return refuse (error, "AllowedIPs: not a network");
    }
  return TRUE;
}

/* The rules let the bridge through and nothing else, so a peer that is elsewhere could not be reached. */
static gboolean
validate_bridge (const VpndProfile *profile, GError **error)
{
  const VpndPeer *primary = vpnd_profile_primary_peer (profile);
  const char *fault;

  if (!vpnd_bridge_is_set (&profile->bridge))
    return TRUE;
  fault = vpnd_bridge_find_fault (&profile->bridge);
  if (fault != NULL)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT, "bridge.%s", fault);
      return FALSE;
    }
  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      if (peer != primary && (peer->host != NULL || peer->endpoints->len > 0))
        return refuse (error, "bridge: only the peer that routes to the internet can have an endpoint, because nobody but the bridge is reached directly");
    }
  return TRUE;
}

/**
 * vpnd_profile_validate:
 * @profile: a profile
 * @error: return location for an error
 *
 * Checks everything that must hold whoever built the profile.
 *
 * Returns: TRUE when it may be used; else FALSE with VPND_ERROR_INVALID_ARGUMENT, whose message names the .conf key, or
 *   VPND_ERROR_TOO_LARGE
 */
gboolean
vpnd_profile_validate (const VpndProfile *profile, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint n_allowed = 0;

  if (!validate_interface (profile, error))
    return FALSE;
  if (profile->peers->len == 0)
    return refuse (error, "Peer: missing");
  if (profile->peers->len > VPND_PROFILE_PEERS_MAX)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, "Peer: more than %d", VPND_PROFILE_PEERS_MAX);
      return FALSE;
    }

  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      if (!validate_peer (peer, error))
        return FALSE;
      if (!g_hash_table_add (seen, vpnd_public_key_to_base64 (&peer->public_key)))
        return refuse (error, "PublicKey: the same peer twice");
      n_allowed += peer->allowed_ips->len;
    }
  if (n_allowed > VPND_PROFILE_ALLOWED_MAX)
    {
      g_set_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE, "AllowedIPs: more than %d networks", VPND_PROFILE_ALLOWED_MAX);
      return FALSE;
    }
  return validate_bridge (profile, error);
}

/**
 * vpnd_profile_primary_peer:
 * @profile: a profile
 *
 * Finds the peer that routes to the internet, whose liveness is the liveness of the connection.
 *
 * Returns: (transfer none) (nullable): the first peer with a default route, else the first with an endpoint, else the first;
 *   NULL without peers
 */
const VpndPeer *
vpnd_profile_primary_peer (const VpndProfile *profile)
{
  const VpndPeer *with_endpoint = NULL;

  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      for (guint j = 0; j < peer->allowed_ips->len; j++)
        if (vpnd_prefix_is_default (&g_array_index (peer->allowed_ips, VpndPrefix, j)))
          return peer;
      if (with_endpoint == NULL && (peer->host != NULL || peer->endpoints->len > 0))
        with_endpoint = peer;
    }

  if (with_endpoint != NULL || profile->peers->len == 0)
    return with_endpoint;
  return g_ptr_array_index (profile->peers, 0);
}

/**
 * vpnd_profile_routes_family:
 * @profile: a profile
 * @family: AF_INET or AF_INET6
 *
 * Returns: TRUE when any network of @family goes into the tunnel
 */
gboolean
vpnd_profile_routes_family (const VpndProfile *profile, int family)
{
  for (guint i = 0; i < profile->peers->len; i++)
    {
      const VpndPeer *peer = g_ptr_array_index (profile->peers, i);

      for (guint j = 0; j < peer->allowed_ips->len; j++)
        if (g_array_index (peer->allowed_ips, VpndPrefix, j).addr.family == family)
          return TRUE;
    }
  return FALSE;
}

/**
 * vpnd_profile_has_address:
 * @profile: a profile
 * @family: AF_INET or AF_INET6
 *
 * Returns: TRUE when the interface has an address of @family
 */
gboolean
vpnd_profile_has_address (const VpndProfile *profile, int family)
{
  for (guint i = 0; i < profile->addresses->len; i++)
    if (g_array_index (profile->addresses, VpndPrefix, i).addr.family == family)
      return TRUE;
  return FALSE;
}
