/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See wg-encode.h. Attributes and the rules of splitting: the comment in linux/wireguard.h.
 */
#include "config.h"

#include "wg-encode.h"

#include "clear-buffer.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <net/if.h>
#include <string.h>

G_STATIC_ASSERT (WG_KEY_LEN == VPND_KEY_BYTES);

/**
 * VpndWgEncoder:
 * @config: (owned): what is wanted
 * @surplus: (element-type VpndPublicKey) (owned): peers to remove
 * @is_new: the device has no peers that must be kept
 * @is_begun: the attributes of the device itself are written
 * @next_surplus: index of the first peer that is not yet removed
 * @next_peer: index of the first peer that is not wholly written
 * @is_peer_begun: the attributes of that peer itself are written
 * @next_allowed_ip: index of its first allowed-ip that is not yet written
 */
struct _VpndWgEncoder
{
  guint16 family;
  char ifname[IFNAMSIZ];
  VpndTunnelConfig *config;
  GArray *surplus;
  gboolean is_new;
  gboolean needs_port;
  gsize max_bytes;

  gboolean is_begun;
  guint next_surplus;
  guint next_peer;
  gboolean is_peer_begun;
  guint next_allowed_ip;
};

/**
 * vpnd_wg_encoder_new:
 * @family: number of the generic netlink family "wireguard"
 * @ifname: name of the device
 * @config: (transfer none): what is wanted
 * @present: (nullable): what the device has now; NULL for a new device, whose peers (if any) are all replaced
 * @max_bytes: longest message, VPND_WG_MESSAGE_MIN_BYTES to VPND_WG_MESSAGE_MAX_BYTES
 *
 * Peers of @present that @config has too are updated in place and keep their session; the others are removed.
 *
 * Returns: (transfer full): an encoder before its first message
 */
VpndWgEncoder *
vpnd_wg_encoder_new (guint16 family, const char *ifname, VpndTunnelConfig *config, const VpndWgDevice *present, gsize max_bytes)
{
  VpndWgEncoder *encoder;

  g_return_val_if_fail (strlen (ifname) < IFNAMSIZ, NULL);
  g_return_val_if_fail (max_bytes >= VPND_WG_MESSAGE_MIN_BYTES && max_bytes <= VPND_WG_MESSAGE_MAX_BYTES, NULL);

  encoder = g_new0 (VpndWgEncoder, 1);
  encoder->family = family;
  g_strlcpy (encoder->ifname, ifname, sizeof encoder->ifname);
  encoder->config = vpnd_tunnel_config_ref (config);
  encoder->surplus = vpnd_wg_device_surplus_peers (present, config);
  encoder->is_new = present == NULL;
  encoder->needs_port = vpnd_wg_device_needs_port (present, config);
  encoder->max_bytes = max_bytes;
  return encoder;
}

/**
 * vpnd_wg_encoder_free:
 * @encoder: (transfer full) (nullable): an encoder
 */
void
vpnd_wg_encoder_free (VpndWgEncoder *encoder)
{
  if (encoder == NULL)
    return;

  vpnd_tunnel_config_unref (encoder->config);
  g_array_unref (encoder->surplus);
  g_free (encoder);
}

static struct nlmsghdr *
put_headers (guint8 *buffer, guint16 family, guint8 cmd, guint16 flags, guint32 seq)
{
  struct nlmsghdr *nlh = mnl_nlmsg_put_header (buffer);
  struct genlmsghdr *genl;

  nlh->nlmsg_type = family;
  nlh->nlmsg_flags = NLM_F_REQUEST | flags;
  nlh->nlmsg_seq = seq;
  genl = mnl_nlmsg_put_extra_header (nlh, sizeof *genl);
  genl->cmd = cmd;
  genl->version = WG_GENL_VERSION;
  return nlh;
}

static void
put_device (VpndWgEncoder *encoder, struct nlmsghdr *nlh)
{
  const VpndTunnelConfig *config = encoder->config;

  if (encoder->is_new)
    mnl_attr_put_u32 (nlh, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
  mnl_attr_put (nlh, WGDEVICE_A_PRIVATE_KEY, WG_KEY_LEN, vpnd_secret_peek_bytes (config->private_key));
  if (encoder->needs_port)
    mnl_attr_put_u16 (nlh, WGDEVICE_A_LISTEN_PORT, config->listen_port);
  mnl_attr_put_u32 (nlh, WGDEVICE_A_FWMARK, config->fwmark);
  encoder->is_begun = TRUE;
}

static gboolean
put_surplus_peer (struct nlmsghdr *nlh, gsize max, const VpndPublicKey *key)
{
  struct nlattr *nest = mnl_attr_nest_start_check (nlh, max, 0);

  if (nest == NULL)
    return FALSE;
  if (!mnl_attr_put_check (nlh, max, WGPEER_A_PUBLIC_KEY, WG_KEY_LEN, key->bytes) || !mnl_attr_put_u32_check (nlh, max, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME))
    {
      mnl_attr_nest_cancel (nlh, nest);
      return FALSE;
    }
  mnl_attr_nest_end (nlh, nest);
  return TRUE;
}

static gboolean
put_allowed_ip (struct nlmsghdr *nlh, gsize max, const VpndPrefix *prefix)
{
  struct nlattr *nest = mnl_attr_nest_start_check (nlh, max, 0);

  if (nest == NULL)
    return FALSE;
  if (!mnl_attr_put_u16_check (nlh, max, WGALLOWEDIP_A_FAMILY, prefix->addr.family) ||
      !mnl_attr_put_check (nlh, max, WGALLOWEDIP_A_IPADDR, vpnd_addr_size (&prefix->addr), prefix->addr.bytes) ||
      !mnl_attr_put_u8_check (nlh, max, WGALLOWEDIP_A_CIDR_MASK, prefix->length))
    {
      mnl_attr_nest_cancel (nlh, nest);
      return FALSE;
    }
  mnl_attr_nest_end (nlh, nest);
  return TRUE;
}

static gboolean
put_endpoint (struct nlmsghdr *nlh, gsize max, const VpndEndpoint *endpoint)
{
  struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = g_htons (endpoint->port) };
  struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = g_htons (endpoint->port) };

  switch (endpoint->addr.family)
    {
    case AF_INET:
      memcpy (&in.sin_addr, endpoint->addr.bytes, sizeof in.sin_addr);
      return mnl_attr_put_check (nlh, max, WGPEER_A_ENDPOINT, sizeof in, &in);
    case AF_INET6:
      memcpy (&in6.sin6_addr, endpoint->addr.bytes, sizeof in6.sin6_addr);
      return mnl_attr_put_check (nlh, max, WGPEER_A_ENDPOINT, sizeof in6, &in6);
    default: /* AF_UNSPEC: the peer only answers */
      return TRUE;
    }
}

/* A key of zeros takes a preshared key away, a keepalive of 0 switches it off: both are always said, because the device may have one. */
static gboolean
put_peer_own (struct nlmsghdr *nlh, gsize max, const VpndTunnelPeer *peer)
{
  static const guint8 no_key[WG_KEY_LEN];
  const guint8 *preshared_key = peer->preshared_key != NULL ? vpnd_secret_peek_bytes (peer->preshared_key) : no_key;

  return mnl_attr_put_check (nlh, max, WGPEER_A_PUBLIC_KEY, WG_KEY_LEN, peer->public_key.bytes) &&
      mnl_attr_put_u32_check (nlh, max, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS) &&
      mnl_attr_put_check (nlh, max, WGPEER_A_PRESHARED_KEY, WG_KEY_LEN, preshared_key) &&
      put_endpoint (nlh, max, &peer->endpoint) &&
      mnl_attr_put_u16_check (nlh, max, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer->persistent_keepalive_s);
}

/* Returns TRUE when the peer is wholly written, FALSE when the message is full. */
static gboolean
put_peer (VpndWgEncoder *encoder, struct nlmsghdr *nlh)
{
  const VpndTunnelPeer *peer = g_ptr_array_index (encoder->config->peers, encoder->next_peer);
  const gsize max = encoder->max_bytes;
  struct nlattr *nest = mnl_attr_nest_start_check (nlh, max, 0);
  struct nlattr *ips;

  if (nest == NULL)
    return FALSE;
  if (encoder->is_peer_begun ? !mnl_attr_put_check (nlh, max, WGPEER_A_PUBLIC_KEY, WG_KEY_LEN, peer->public_key.bytes) : !put_peer_own (nlh, max, peer))
    {
      mnl_attr_nest_cancel (nlh, nest);
      return FALSE;
    }
  encoder->is_peer_begun = TRUE;

  ips = mnl_attr_nest_start_check (nlh, max, WGPEER_A_ALLOWEDIPS);
  while (ips != NULL && encoder->next_allowed_ip < peer->allowed_ips->len &&
      put_allowed_ip (nlh, max, &g_array_index (peer->allowed_ips, VpndPrefix, encoder->next_allowed_ip)))
    encoder->next_allowed_ip++;
  if (ips != NULL)
    mnl_attr_nest_end (nlh, ips);
  mnl_attr_nest_end (nlh, nest);
  return encoder->next_allowed_ip == peer->allowed_ips->len;
}

static void
put_peers (VpndWgEncoder *encoder, struct nlmsghdr *nlh)
{
  while (encoder->next_surplus < encoder->surplus->len)
    {
      if (!put_surplus_peer (nlh, encoder->max_bytes, &g_array_index (encoder->surplus, VpndPublicKey, encoder->next_surplus)))
        return;
      encoder->next_surplus++;
    }
  while (encoder->next_peer < encoder->config->peers->len)
    {
      if (!put_peer (encoder, nlh))
        return;
      encoder->next_peer++;
      encoder->is_peer_begun = FALSE;
      encoder->next_allowed_ip = 0;
    }
}

/**
 * vpnd_wg_encoder_next:
 * @encoder: an encoder
 * @seq: sequence number of the message
 *
 * Returns: (transfer full) (nullable): the next WG_CMD_SET_DEVICE message, with NLM_F_ACK; NULL when everything is said
 */
GBytes *
vpnd_wg_encoder_next (VpndWgEncoder *encoder, guint32 seq)
{
  g_autoptr (VpndClearBuffer) buffer = NULL;
  struct nlmsghdr *nlh;
  struct nlattr *nest;

  if (encoder->is_begun && encoder->next_surplus == encoder->surplus->len && encoder->next_peer == encoder->config->peers->len)
    return NULL;

  buffer = vpnd_clear_buffer_new (encoder->max_bytes);
  nlh = put_headers (buffer->data, encoder->family, WG_CMD_SET_DEVICE, NLM_F_ACK, seq);
  mnl_attr_put_strz (nlh, WGDEVICE_A_IFNAME, encoder->ifname);
  if (!encoder->is_begun)
    put_device (encoder, nlh);
  nest = mnl_attr_nest_start (nlh, WGDEVICE_A_PEERS);
  put_peers (encoder, nlh);
  mnl_attr_nest_end (nlh, nest);
  buffer->len = nlh->nlmsg_len;
  return vpnd_clear_buffer_seal (g_steal_pointer (&buffer));
}

/**
 * vpnd_wg_encode_get:
 * @family: number of the generic netlink family "wireguard"
 * @ifname: name of the device
 * @seq: sequence number
 *
 * Returns: (transfer full): one WG_CMD_GET_DEVICE dump request. Its answer holds the private key
 */
GBytes *
vpnd_wg_encode_get (guint16 family, const char *ifname, guint32 seq)
{
  g_autoptr (VpndClearBuffer) buffer = vpnd_clear_buffer_new (MNL_NLMSG_HDRLEN + sizeof (struct genlmsghdr) + MNL_ATTR_HDRLEN + IFNAMSIZ);
  struct nlmsghdr *nlh = put_headers (buffer->data, family, WG_CMD_GET_DEVICE, NLM_F_DUMP, seq);

  g_return_val_if_fail (strlen (ifname) < IFNAMSIZ, NULL);

  mnl_attr_put_strz (nlh, WGDEVICE_A_IFNAME, ifname);
  buffer->len = nlh->nlmsg_len;
  return vpnd_clear_buffer_seal (g_steal_pointer (&buffer));
}
