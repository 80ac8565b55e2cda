/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * wg-encode, wg-decode and genl against a model of the kernel's side, written here from the comment in linux/wireguard.h.
 */
#include "config.h"

#include "genl.h"
#include "model-device.h"
#include "wg-decode.h"
#include "wg-encode.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <net/if.h>

#define FAMILY 0x23
#define ROUNDS 60

static void
assert_type (const struct nlattr *attr, int type, gsize size)
{
  g_assert_cmpint (mnl_attr_get_type (attr), ==, type);
  g_assert_cmpuint (mnl_attr_get_payload_len (attr), ==, size);
}

static VpndPrefix
take_allowed_ip (const struct nlattr *nest)
{
  const struct nlattr *attr;
  VpndPrefix prefix = { 0 };
  guint16 family = 0;

  mnl_attr_for_each_nested (attr, nest)
  {
    switch (mnl_attr_get_type (attr))
      {
      case WGALLOWEDIP_A_FAMILY:
        family = mnl_attr_get_u16 (attr);
        break;
      case WGALLOWEDIP_A_IPADDR:
        assert_type (attr, WGALLOWEDIP_A_IPADDR, family == AF_INET ? 4 : 16);
        prefix.addr = vpnd_addr_from_bytes (family, mnl_attr_get_payload (attr));
        break;
      case WGALLOWEDIP_A_CIDR_MASK:
        prefix.length = mnl_attr_get_u8 (attr);
        break;
      default:
        g_assert_not_reached ();
      }
  }
  return prefix;
}

static VpndEndpoint
take_endpoint (const struct nlattr *attr)
{
  const struct sockaddr_in *in = mnl_attr_get_payload (attr);
  const struct sockaddr_in6 *in6 = mnl_attr_get_payload (attr);

  if (in->sin_family == AF_INET)
    {
      assert_type (attr, WGPEER_A_ENDPOINT, sizeof *in);
      return (VpndEndpoint){ vpnd_addr_from_bytes (AF_INET, &in->sin_addr), g_ntohs (in->sin_port) };
    }
  assert_type (attr, WGPEER_A_ENDPOINT, sizeof *in6);
  g_assert_cmpint (in6->sin6_family, ==, AF_INET6);
  return (VpndEndpoint){ vpnd_addr_from_bytes (AF_INET6, &in6->sin6_addr), g_ntohs (in6->sin6_port) };
}

static void
take_peer_attributes (ModelPeer *peer, const struct nlattr *nest)
{
  const struct nlattr *attr, *ip;

  mnl_attr_for_each_nested (attr, nest)
  {
    switch (mnl_attr_get_type (attr))
      {
      case WGPEER_A_PRESHARED_KEY:
        assert_type (attr, WGPEER_A_PRESHARED_KEY, WG_KEY_LEN);
        model_set_preshared_key (peer, mnl_attr_get_payload (attr));
        break;
      case WGPEER_A_ENDPOINT:
        peer->peer->endpoint = take_endpoint (attr);
        break;
      case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
        peer->peer->persistent_keepalive_s = mnl_attr_get_u16 (attr);
        break;
      case WGPEER_A_ALLOWEDIPS:
        g_assert_true (attr->nla_type & NLA_F_NESTED);
        mnl_attr_for_each_nested (ip, attr)
        {
          VpndPrefix prefix = take_allowed_ip (ip);

          g_array_append_val (peer->peer->allowed_ips, prefix);
        }
        break;
      default:
        break;
      }
  }
}

static void
take_peer (Model *model, const struct nlattr *nest)
{
  const struct nlattr *attr;
  VpndPublicKey key = { 0 };
  guint32 flags = 0;
  ModelPeer *peer;

  mnl_attr_for_each_nested (attr, nest)
  {
    if (mnl_attr_get_type (attr) == WGPEER_A_PUBLIC_KEY)
      memcpy (key.bytes, mnl_attr_get_payload (attr), WG_KEY_LEN);
    else if (mnl_attr_get_type (attr) == WGPEER_A_FLAGS)
      flags = mnl_attr_get_u32 (attr);
  }
  g_assert_false (vpnd_public_key_is_zero (&key));
  if (flags & WGPEER_F_REMOVE_ME)
    {
      g_ptr_array_remove (model->peers, model_find (model, &key));
      return;
    }
  peer = model_find_or_add (model, &key);
  if (flags & WGPEER_F_REPLACE_ALLOWEDIPS)
    g_array_set_size (peer->peer->allowed_ips, 0);
  take_peer_attributes (peer, nest);
}

static void
take_message (Model *model, GBytes *bytes, guint32 seq, gsize max_bytes)
{
  gsize size;
  const struct nlmsghdr *nlh = g_bytes_get_data (bytes, &size);
  const struct genlmsghdr *genl = mnl_nlmsg_get_payload (nlh);
  const struct nlattr *attr, *peer;

  g_assert_cmpuint (size, ==, nlh->nlmsg_len);
  g_assert_cmpuint (size, <=, max_bytes);
  g_assert_cmpuint (nlh->nlmsg_seq, ==, seq);
  g_assert_cmpuint (nlh->nlmsg_type, ==, FAMILY);
  g_assert_cmpuint (nlh->nlmsg_flags, ==, NLM_F_REQUEST | NLM_F_ACK);
  g_assert_cmpuint (genl->cmd, ==, WG_CMD_SET_DEVICE);
  mnl_attr_for_each (attr, nlh, sizeof *genl)
  {
    switch (mnl_attr_get_type (attr))
      {
      case WGDEVICE_A_IFNAME:
        g_assert_cmpstr (mnl_attr_get_str (attr), ==, "vpnd0");
        break;
      case WGDEVICE_A_FLAGS:
        g_assert_cmpuint (mnl_attr_get_u32 (attr), ==, WGDEVICE_F_REPLACE_PEERS);
        g_ptr_array_set_size (model->peers, 0);
        break;
      case WGDEVICE_A_PRIVATE_KEY:
        assert_type (attr, WGDEVICE_A_PRIVATE_KEY, WG_KEY_LEN);
        memcpy (model->private_key, mnl_attr_get_payload (attr), WG_KEY_LEN);
        break;
      case WGDEVICE_A_LISTEN_PORT:
        model->listen_port = mnl_attr_get_u16 (attr);
        model->n_binds++;
        break;
      case WGDEVICE_A_FWMARK:
        model->fwmark = mnl_attr_get_u32 (attr);
        break;
      case WGDEVICE_A_PEERS:
        mnl_attr_for_each_nested (peer, attr)
            take_peer (model, peer);
        break;
      default:
        g_assert_not_reached ();
      }
  }
}

static guint
configure (Model *model, VpndTunnelConfig *config, const VpndWgDevice *present, gsize max_bytes)
{
  g_autoptr (VpndWgEncoder) encoder = vpnd_wg_encoder_new (FAMILY, "vpnd0", config, present, max_bytes);
  guint32 seq = 7;

  for (GBytes *bytes; (bytes = vpnd_wg_encoder_next (encoder, seq)) != NULL; seq++)
    {
      take_message (model, bytes, seq, max_bytes);
      g_bytes_unref (bytes);
    }
  return seq - 7;
}

static void
test_set_new (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (Model) model = model_new ();
      g_autoptr (VpndTunnelConfig) config = random_config ((guint) g_test_rand_int_range (0, 20), 1000, 30);

      configure (model, config, NULL, (gsize) g_test_rand_int_range (VPND_WG_MESSAGE_MIN_BYTES, 4096));
      model_assert_equals (model, config);
    }
}

static void
test_set_update (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (Model) model = model_new ();
      g_autoptr (VpndTunnelConfig) first = random_config (12, 16, 10);
      g_autoptr (VpndTunnelConfig) second = random_config (12, 16, 10);
      g_autoptr (VpndWgDevice) present = NULL;
      g_autoptr (GHashTable) sessions = NULL;
      const gsize max_bytes = (gsize) g_test_rand_int_range (VPND_WG_MESSAGE_MIN_BYTES, 2048);
      guint16 port_before;
      guint n_binds;

      configure (model, first, NULL, max_bytes);
      present = model_describe (model);
      sessions = model_sessions (model);
      port_before = model->listen_port;
      n_binds = model->n_binds;
      configure (model, second, present, max_bytes);
      model_assert_equals (model, second);
      model_assert_sessions_kept (model, sessions);
      g_assert_cmpuint (model->n_binds - n_binds, ==, second->listen_port != 0 && second->listen_port != port_before);
    }
}

static void
test_set_large (void)
{
  g_autoptr (Model) model = model_new ();
  g_autoptr (VpndTunnelConfig) config = random_config (1, 1, 1);
  VpndTunnelPeer *peer = g_ptr_array_index (config->peers, 0);
  guint n;

  g_array_set_size (peer->allowed_ips, 0);
  for (guint i = 0; i < 10000; i++)
    {
      const guint32 address = g_htonl (0x0a000000u + i);
      VpndPrefix prefix = { vpnd_addr_from_bytes (AF_INET, &address), 32 };

      g_array_append_val (peer->allowed_ips, prefix);
    }
  n = configure (model, config, NULL, VPND_WG_MESSAGE_MAX_BYTES);
  model_assert_equals (model, config);
  g_assert_cmpuint (n, >, 1);
  g_assert_cmpuint (n, <, 12); /* 28 bytes an entry */
}

static void
test_one_message_for_one_peer (void)
{
  g_autoptr (Model) model = model_new ();
  g_autoptr (VpndTunnelConfig) config = random_config (1, 1, 2);

  g_assert_cmpuint (configure (model, config, NULL, VPND_WG_MESSAGE_MIN_BYTES), ==, 1);
}

/* --- the way back --- */

static GBytes *
describe_message (const VpndWgDevice *device, guint first, guint n, gboolean repeat_first)
{
  guint8 *buffer = g_malloc0 (VPND_WG_MESSAGE_MAX_BYTES);
  struct nlmsghdr *nlh = mnl_nlmsg_put_header (buffer);
  struct genlmsghdr *genl = mnl_nlmsg_put_extra_header (nlh, sizeof *genl);
  struct nlattr *peers;

  nlh->nlmsg_type = FAMILY;
  genl->cmd = WG_CMD_GET_DEVICE;
  mnl_attr_put_strz (nlh, WGDEVICE_A_IFNAME, "vpnd0");
  mnl_attr_put_u32 (nlh, 77, 1); /* of a kernel to come */
  if (first == 0)
    {
      mnl_attr_put (nlh, WGDEVICE_A_PRIVATE_KEY, WG_KEY_LEN, buffer);
      mnl_attr_put_u16 (nlh, WGDEVICE_A_LISTEN_PORT, device->listen_port);
      mnl_attr_put_u32 (nlh, WGDEVICE_A_FWMARK, device->fwmark);
    }
  peers = mnl_attr_nest_start (nlh, WGDEVICE_A_PEERS);
  for (guint i = first; i < first + n; i++)
    {
      const VpndPeerStats *peer = &g_array_index (device->peers, VpndPeerStats, i);
      struct __kernel_timespec time = { peer->last_handshake_s, peer->last_handshake_ns };
      struct nlattr *nest = mnl_attr_nest_start (nlh, 0);
      struct nlattr *ips;

      mnl_attr_put (nlh, WGPEER_A_PUBLIC_KEY, WG_KEY_LEN, peer->public_key.bytes);
      if (!(repeat_first && i == first))
        {
          struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = g_htons (peer->endpoint.port) };
          struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = g_htons (peer->endpoint.port) };

          mnl_attr_put (nlh, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof time, &time);
          mnl_attr_put_u64 (nlh, WGPEER_A_RX_BYTES, peer->rx_bytes);
          mnl_attr_put_u64 (nlh, WGPEER_A_TX_BYTES, peer->tx_bytes);
          mnl_attr_put_u32 (nlh, 99, 1);
          memcpy (&in.sin_addr, peer->endpoint.addr.bytes, 4);
          memcpy (&in6.sin6_addr, peer->endpoint.addr.bytes, 16);
          if (peer->endpoint.addr.family == AF_INET)
            mnl_attr_put (nlh, WGPEER_A_ENDPOINT, sizeof in, &in);
          else if (peer->endpoint.addr.family == AF_INET6)
            mnl_attr_put (nlh, WGPEER_A_ENDPOINT, sizeof in6, &in6);
        }
      ips = mnl_attr_nest_start (nlh, WGPEER_A_ALLOWEDIPS);
      mnl_attr_nest_end (nlh, ips);
      mnl_attr_nest_end (nlh, nest);
    }
  mnl_attr_nest_end (nlh, peers);
  return g_bytes_new_take (buffer, nlh->nlmsg_len);
}

static VpndWgDevice *
random_device (guint n_peers)
{
  VpndWgDevice *device = vpnd_wg_device_new ();

  device->fwmark = (guint32) g_test_rand_int ();
  device->listen_port = (guint16) g_test_rand_int_range (0, 65536);
  for (guint i = 0; i < n_peers; i++)
    {
      VpndPeerStats peer = { .rx_bytes = (guint64) g_test_rand_int () << 20, .tx_bytes = (guint64) g_test_rand_int () << 12 };

      random_bytes (peer.public_key.bytes, sizeof peer.public_key.bytes);
      peer.last_handshake_s = g_test_rand_int_range (0, G_MAXINT32);
      peer.last_handshake_ns = (guint32) g_test_rand_int_range (0, 1000000000);
      if (g_test_rand_bit ())
        peer.endpoint = (VpndEndpoint){ random_addr (), (guint16) g_test_rand_int_range (1, 65536) };
      g_array_append_val (device->peers, peer);
    }
  return device;
}

static void
assert_devices_equal (const VpndWgDevice *a, const VpndWgDevice *b)
{
  g_assert_cmpuint (a->fwmark, ==, b->fwmark);
  g_assert_cmpuint (a->listen_port, ==, b->listen_port);
  g_assert_cmpuint (a->peers->len, ==, b->peers->len);
  for (guint i = 0; i < a->peers->len; i++)
    {
      const VpndPeerStats *p = &g_array_index (a->peers, VpndPeerStats, i);
      const VpndPeerStats *q = &g_array_index (b->peers, VpndPeerStats, i);

      g_assert_true (vpnd_public_key_equal (&p->public_key, &q->public_key));
      g_assert_true (vpnd_endpoint_equal (&p->endpoint, &q->endpoint));
      g_assert_cmpuint (p->rx_bytes, ==, q->rx_bytes);
      g_assert_cmpuint (p->tx_bytes, ==, q->tx_bytes);
      g_assert_cmpint (p->last_handshake_s, ==, q->last_handshake_s);
      g_assert_cmpuint (p->last_handshake_ns, ==, q->last_handshake_ns);
    }
}

static void
test_get (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (VpndWgDevice) device = random_device (9);
      g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
      g_autoptr (VpndWgDevice) decoded = NULL;
      g_autoptr (GError) error = NULL;

      /* The fourth peer is continued in the second message, the seventh begins the third one. */
      g_ptr_array_add (messages, describe_message (device, 0, 4, FALSE));
      g_ptr_array_add (messages, describe_message (device, 3, 3, TRUE));
      g_ptr_array_add (messages, describe_message (device, 6, 3, FALSE));
      decoded = vpnd_wg_decode_device (messages, &error);
      g_assert_no_error (error);
      assert_devices_equal (decoded, device);
    }
}

/* Every prefix of a message and every message with one byte changed: an answer or an error, never a crash (run under ASan, too). */
static void
test_get_damaged (void)
{
  g_autoptr (VpndWgDevice) device = random_device (3);
  g_autoptr (GBytes) whole = describe_message (device, 0, 3, FALSE);
  gsize size;
  const guint8 *data = g_bytes_get_data (whole, &size);
  guint n_refused = 0;

  for (gsize i = 0; i < 2 * size; i++)
    {
      g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
      guint8 *copy = g_memdup2 (data, size);
      g_autoptr (VpndWgDevice) decoded = NULL;
      g_autoptr (GError) error = NULL;

      if (i >= size)
        copy[i - size] ^= (guint8) g_test_rand_int_range (1, 256);
      g_ptr_array_add (messages, g_bytes_new_take (g_realloc (copy, i < size ? MAX (i, 1) : size), i < size ? i : size));
      decoded = vpnd_wg_decode_device (messages, &error);
      g_assert_true ((decoded == NULL) == (error != NULL));
      if (i < size)
        g_assert_null (decoded);
      n_refused += decoded == NULL;
    }
  g_assert_cmpuint (n_refused, >=, size);
}

static void
test_get_request (void)
{
  g_autoptr (GBytes) bytes = vpnd_wg_encode_get (FAMILY, "fifteen-letters", 3);
  gsize size;
  const struct nlmsghdr *nlh = g_bytes_get_data (bytes, &size);
  const struct nlattr *attr = mnl_nlmsg_get_payload_offset (nlh, sizeof (struct genlmsghdr));

  g_assert_cmpuint (size, ==, nlh->nlmsg_len);
  g_assert_cmpuint (nlh->nlmsg_flags, ==, NLM_F_REQUEST | NLM_F_DUMP);
  g_assert_cmpuint (nlh->nlmsg_seq, ==, 3);
  assert_type (attr, WGDEVICE_A_IFNAME, IFNAMSIZ);
  g_assert_cmpstr (mnl_attr_get_str (attr), ==, "fifteen-letters");
}

static void
test_family (void)
{
  g_autoptr (GBytes) request = vpnd_genl_encode_get_family ("wireguard", 5);
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  gsize size;
  const struct nlmsghdr *sent = g_bytes_get_data (request, &size);
  guint8 *buffer = g_malloc0 (256);
  struct nlmsghdr *nlh = (struct nlmsghdr *) buffer;

  g_assert_cmpuint (sent->nlmsg_type, ==, GENL_ID_CTRL);
  g_assert_cmpuint (sent->nlmsg_len, ==, size);
  g_assert_true (sent->nlmsg_flags & NLM_F_ACK);

  /* An answer has the name of the request and the number. */
  memcpy (buffer, sent, size);
  mnl_attr_put_u16 (nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
  g_ptr_array_add (messages, g_bytes_new_take (buffer, nlh->nlmsg_len));
  g_assert_cmpuint (vpnd_genl_decode_family (messages, "wireguard"), ==, FAMILY);
  g_assert_cmpuint (vpnd_genl_decode_family (messages, "wire"), ==, 0);
  g_ptr_array_set_size (messages, 0);
  g_ptr_array_add (messages, g_bytes_ref (request));
  g_assert_cmpuint (vpnd_genl_decode_family (messages, "wireguard"), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wg-codec/set/new", test_set_new);
  g_test_add_func ("/wg-codec/set/update", test_set_update);
  g_test_add_func ("/wg-codec/set/large", test_set_large);
  g_test_add_func ("/wg-codec/set/one-message", test_one_message_for_one_peer);
  g_test_add_func ("/wg-codec/get/round-trip", test_get);
  g_test_add_func ("/wg-codec/get/damaged", test_get_damaged);
  g_test_add_func ("/wg-codec/get/request", test_get_request);
  g_test_add_func ("/genl/family", test_family);
  return g_test_run ();
}
