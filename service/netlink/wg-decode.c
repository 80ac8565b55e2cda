/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See wg-decode.h. Attributes and the rules of coalescing: the comment in linux/wireguard.h.
 */
#include "config.h"

#include "wg-decode.h"

#include "error.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <string.h>

#define HEADERS_BYTES (MNL_NLMSG_HDRLEN + sizeof (struct genlmsghdr))

/* Attributes are only 4-byte aligned and may be shorter than they ought to be: copy, or leave the output as it was. */
static gboolean
copy_payload (const struct nlattr *attr, void *out, gsize size)
{
  if (mnl_attr_get_payload_len (attr) < size)
    return FALSE;

  memcpy (out, mnl_attr_get_payload (attr), size);
  return TRUE;
}

static void
decode_endpoint (const struct nlattr *attr, VpndEndpoint *out_endpoint)
{
  struct sockaddr_in in;
  struct sockaddr_in6 in6;

  if (copy_payload (attr, &in6, sizeof in6) && in6.sin6_family == AF_INET6)
    *out_endpoint = (VpndEndpoint){ vpnd_addr_from_bytes (AF_INET6, &in6.sin6_addr), g_ntohs (in6.sin6_port) };
  else if (copy_payload (attr, &in, sizeof in) && in.sin_family == AF_INET)
    *out_endpoint = (VpndEndpoint){ vpnd_addr_from_bytes (AF_INET, &in.sin_addr), g_ntohs (in.sin_port) };
}

static void
decode_peer_attribute (const struct nlattr *attr, VpndPeerStats *peer)
{
  struct __kernel_timespec time;

  switch (mnl_attr_get_type (attr))
    {
    case WGPEER_A_ENDPOINT:
      decode_endpoint (attr, &peer->endpoint);
      break;
    case WGPEER_A_LAST_HANDSHAKE_TIME:
      if (copy_payload (attr, &time, sizeof time) && time.tv_nsec >= 0 && time.tv_nsec < 1000000000)
        {
          peer->last_handshake_s = time.tv_sec;
          peer->last_handshake_ns = (guint32) time.tv_nsec;
        }
      break;
    case WGPEER_A_RX_BYTES:
      (void) copy_payload (attr, &peer->rx_bytes, sizeof peer->rx_bytes); /* a short one keeps the zero */
      break;
    case WGPEER_A_TX_BYTES:
      (void) copy_payload (attr, &peer->tx_bytes, sizeof peer->tx_bytes);
      break;
    default: /* allowed-ips are what we set; everything else is not ours to know */
      break;
    }
}

/* The kernel repeats a peer, with nothing but its key and further allowed-ips, at the start of the next message. */
static VpndPeerStats *
find_or_add_peer (GArray *peers, const VpndPublicKey *key)
{
  VpndPeerStats *last = peers->len > 0 ? &g_array_index (peers, VpndPeerStats, peers->len - 1) : NULL;

  if (last != NULL && vpnd_public_key_equal (&last->public_key, key))
    return last;

  g_array_set_size (peers, peers->len + 1);
  last = &g_array_index (peers, VpndPeerStats, peers->len - 1);
  last->public_key = *key;
  return last;
}

static gboolean
decode_peer (const struct nlattr *nest, GArray *peers)
{
  const struct nlattr *attr;
  VpndPublicKey key;
  gboolean has_key = FALSE;
  VpndPeerStats *peer;

  mnl_attr_for_each_nested (attr, nest)
  {
    if (mnl_attr_get_type (attr) == WGPEER_A_PUBLIC_KEY)
      has_key = copy_payload (attr, key.bytes, sizeof key.bytes);
  }
  if (!has_key)
    return FALSE;

  peer = find_or_add_peer (peers, &key);
  mnl_attr_for_each_nested (attr, nest)
      decode_peer_attribute (attr, peer);
  return TRUE;
}

static gboolean
decode_message (const struct nlmsghdr *nlh, VpndWgDevice *device)
{
  /* Not mnl_attr_for_each (), which rounds the end of the message up. */
  const void *attributes = (const char *) nlh + HEADERS_BYTES;
  const struct nlattr *attr, *peer;

  mnl_attr_for_each_payload (attributes, nlh->nlmsg_len - HEADERS_BYTES)
  {
    switch (mnl_attr_get_type (attr))
      {
      case WGDEVICE_A_LISTEN_PORT:
        (void) copy_payload (attr, &device->listen_port, sizeof device->listen_port); /* a short one keeps the zero */
        break;
      case WGDEVICE_A_FWMARK:
        (void) copy_payload (attr, &device->fwmark, sizeof device->fwmark);
        break;
      case WGDEVICE_A_PEERS:
        mnl_attr_for_each_nested (peer, attr) if (!decode_peer (peer, device->peers)) return FALSE;
        break;
      default: /* the private key among them */
        break;
      }
  }
  return TRUE;
}

/**
 * vpnd_wg_decode_device:
 * @messages: (element-type GBytes): the answer to vpnd_wg_encode_get (), each a whole netlink message
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the device; NULL with VPND_ERROR_TUNNEL when a message is shorter than it says or a
 *   peer has no key
 */
VpndWgDevice *
vpnd_wg_decode_device (GPtrArray *messages, GError **error)
{
  g_autoptr (VpndWgDevice) device = vpnd_wg_device_new ();

  for (guint i = 0; i < messages->len; i++)
    {
      gsize size;
      const struct nlmsghdr *nlh = g_bytes_get_data (g_ptr_array_index (messages, i), &size);

      if (size < HEADERS_BYTES || nlh->nlmsg_len < HEADERS_BYTES || nlh->nlmsg_len > size || !decode_message (nlh, device))
        {
          g_set_error_literal (error, VPND_ERROR, VPND_ERROR_TUNNEL, "the kernel's description of the WireGuard device is malformed");
          return NULL;
        }
    }
  return g_steal_pointer (&device);
}
