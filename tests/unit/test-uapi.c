/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * uapi against a model of the other side, and its parser against texts as wireguard-go writes them.
 */
#include "config.h"

#include "error.h"
#include "model-device.h"
#include "uapi.h"

#include <stdlib.h>

#define ROUNDS 60

static void
take_hex (const char *text, guint8 bytes[VPND_KEY_BYTES])
{
  g_assert_cmpuint (strlen (text), ==, 64);
  for (guint i = 0; i < VPND_KEY_BYTES; i++)
    bytes[i] = (guint8) (g_ascii_xdigit_value (text[2 * i]) << 4 | g_ascii_xdigit_value (text[2 * i + 1]));
}

static VpndEndpoint
take_endpoint (const char *text)
{
  VpndEndpoint endpoint = { 0 };
  const char *colon = strrchr (text, ':');
  g_autofree char *host = g_strndup (text, (gsize) (colon - text));

  if (host[0] == '[')
    {
      g_assert_cmpint (host[strlen (host) - 1], ==, ']');
      host[strlen (host) - 1] = '\0';
      memmove (host, host + 1, strlen (host));
    }
  g_assert_true (vpnd_addr_parse (host, &endpoint.addr));
  endpoint.port = (guint16) atoi (colon + 1);
  return endpoint;
}

static void
take_peer_line (Model *model, ModelPeer **peer, const char *key, const char *value)
{
  guint8 bytes[VPND_KEY_BYTES];

  g_assert_nonnull (*peer);
  if (strcmp (key, "remove") == 0)
    {
      g_ptr_array_remove (model->peers, *peer);
      *peer = NULL;
    }
  else if (strcmp (key, "preshared_key") == 0)
    {
      take_hex (value, bytes);
      model_set_preshared_key (*peer, bytes);
    }
  else if (strcmp (key, "endpoint") == 0)
    (*peer)->peer->endpoint = take_endpoint (value);
  else if (strcmp (key, "persistent_keepalive_interval") == 0)
    (*peer)->peer->persistent_keepalive_s = (guint16) atoi (value);
  else if (strcmp (key, "replace_allowed_ips") == 0)
    g_array_set_size ((*peer)->peer->allowed_ips, 0);
  else if (strcmp (key, "allowed_ip") == 0)
    {
      VpndPrefix prefix;

      g_assert_true (vpnd_prefix_parse (value, &prefix));
      g_array_append_val ((*peer)->peer->allowed_ips, prefix);
    }
  else
    g_assert_not_reached ();
}

static void
take_request (Model *model, GBytes *request)
{
  gsize size;
  const char *data = g_bytes_get_data (request, &size);
  g_autofree char *text = g_strndup (data, size);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  ModelPeer *peer = NULL;
  guint n = g_strv_length (lines);

  g_assert_cmpuint (strlen (text), ==, size);
  g_assert_cmpstr (lines[0], ==, "set=1");
  g_assert_true (g_str_has_suffix (text, "\n\n"));
  for (guint i = 1; i < n - 2; i++)
    {
      g_auto (GStrv) pair = g_strsplit (lines[i], "=", 2);

      g_assert_cmpuint (g_strv_length (pair), ==, 2);
      if (strcmp (pair[0], "private_key") == 0)
        take_hex (pair[1], model->private_key);
      else if (strcmp (pair[0], "listen_port") == 0)
        {
          model->listen_port = (guint16) atoi (pair[1]);
          model->n_binds++;
        }
      else if (strcmp (pair[0], "fwmark") == 0)
        model->fwmark = (guint32) strtoul (pair[1], NULL, 10);
      else if (strcmp (pair[0], "replace_peers") == 0)
        g_ptr_array_set_size (model->peers, 0);
      else if (strcmp (pair[0], "public_key") == 0)
        {
          VpndPublicKey key;

          take_hex (pair[1], key.bytes);
          peer = model_find_or_add (model, &key);
        }
      else
        take_peer_line (model, &peer, pair[0], pair[1]);
    }
}

static void
test_set (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_autoptr (Model) model = model_new ();
      g_autoptr (VpndTunnelConfig) first = random_config (12, 16, 10);
      g_autoptr (VpndTunnelConfig) second = random_config (12, 16, 10);
      g_autoptr (VpndWgDevice) present = NULL;
      g_autoptr (GHashTable) sessions = NULL;
      g_autoptr (GBytes) creating = vpnd_uapi_encode_set (first, NULL);
      g_autoptr (GBytes) updating = NULL;
      guint n_binds;
      guint16 port_before;

      take_request (model, creating);
      model_assert_equals (model, first);
      present = model_describe (model);
      sessions = model_sessions (model);
      port_before = model->listen_port;
      n_binds = model->n_binds;
      updating = vpnd_uapi_encode_set (second, present);
      take_request (model, updating);
      model_assert_equals (model, second);
      model_assert_sessions_kept (model, sessions);
      g_assert_cmpuint (model->n_binds - n_binds, ==, second->listen_port != 0 && second->listen_port != port_before);
    }
}

#define KEY_A "1111111111111111111111111111111111111111111111111111111111111111"
#define KEY_B "2222222222222222222222222222222222222222222222222222222222222222"

static void
test_parse (void)
{
  static const char text[] = "private_key=" KEY_A "\nlisten_port=39825\nfwmark=1442840576\n"
                             "public_key=" KEY_B "\npreshared_key=" KEY_A "\nprotocol_version=1\nendpoint=[2001:db8::1]:33\n"
                             "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=999999999\ntx_bytes=18446744073709551615\nrx_bytes=2\n"
                             "persistent_keepalive_interval=1\nallowed_ip=0.0.0.0/0\nallowed_ip=::/0\nword_of_the_future=1=2\n"
                             "public_key=" KEY_A "\nendpoint=192.0.2.7:65535\nerrno=0\n\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndWgDevice) device = vpnd_uapi_parse_answer (text, sizeof text - 1, &error);
  const VpndPeerStats *peer;
  g_autofree char *v6 = NULL;
  g_autofree char *v4 = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (device->listen_port, ==, 39825);
  g_assert_cmpuint (device->fwmark, ==, 0x56000000);
  g_assert_cmpuint (device->peers->len, ==, 2);
  peer = &g_array_index (device->peers, VpndPeerStats, 0);
  g_assert_cmpint (peer->public_key.bytes[31], ==, 0x22);
  g_assert_cmpint (peer->last_handshake_s, ==, 1700000000);
  g_assert_cmpuint (peer->last_handshake_ns, ==, 999999999);
  g_assert_cmpuint (peer->tx_bytes, ==, G_MAXUINT64);
  g_assert_cmpuint (peer->rx_bytes, ==, 2);
  v6 = vpnd_endpoint_to_string (&peer->endpoint);
  g_assert_cmpstr (v6, ==, "[2001:db8::1]:33");
  v4 = vpnd_endpoint_to_string (&(peer + 1)->endpoint);
  g_assert_cmpstr (v4, ==, "192.0.2.7:65535");
  g_assert_cmpuint ((peer + 1)->rx_bytes, ==, 0);
}

static void
test_parse_zone (void)
{
  static const char text[] = "public_key=" KEY_B "\nendpoint=[fe80::1%eth0]:33\nerrno=0\n\n";
  g_autoptr (VpndWgDevice) device = vpnd_uapi_parse_answer (text, sizeof text - 1, NULL);
  g_autofree char *endpoint = NULL;

  g_assert_nonnull (device);
  endpoint = vpnd_endpoint_to_string (&g_array_index (device->peers, VpndPeerStats, 0).endpoint);
  g_assert_cmpstr (endpoint, ==, "[fe80::1]:33");
}

static void
test_parse_refused (void)
{
  static const char *const texts[] = {
    "",
    "\n",
    "\n\n",
    "errno=0",
    "errno=0\n",
    "errno=\n\n",
    "errno=x\n\n",
    "errno\n\n",
    "errno=0\nfwmark=1\n\n",
    "errno=0\nerrno=0\n\n",
    "\nerrno=0\n\n",
    "fwmark=1\n\n",
    "fwmark=4294967296\nerrno=0\n\n",
    "fwmark=-1\nerrno=0\n\n",
    "listen_port=65536\nerrno=0\n\n",
    "rx_bytes=1\nerrno=0\n\n",
    "endpoint=1.2.3.4:5\nerrno=0\n\n",
    "public_key=11\nerrno=0\n\n",
    "public_key=zz" KEY_A "\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=1.2.3.4\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=[::1:5\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=[]:5\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=[:5\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=]:5\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=:5\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=name:5\nerrno=0\n\n",
    "public_key=" KEY_A "\nendpoint=1.2.3.4:65536\nerrno=0\n\n",
    "public_key=" KEY_A "\nlast_handshake_time_nsec=1000000000\nerrno=0\n\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vpnd_uapi_parse_answer (texts[i], strlen (texts[i]), &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
    }
}

/* The other side's refusal carries the word for its number, whichever sign it has. */
static void
test_parse_errno (void)
{
  static const char *const texts[] = { "errno=22\n\n", "errno=-22\n\n" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vpnd_uapi_parse_answer (texts[i], strlen (texts[i]), &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
      g_assert_nonnull (strstr (error->message, "Invalid argument"));
    }
}

static void
test_get (void)
{
  g_autoptr (GBytes) request = vpnd_uapi_encode_get ();
  gsize size;
  const char *data = g_bytes_get_data (request, &size);

  g_assert_cmpmem (data, size, "get=1\n\n", 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/uapi/set", test_set);
  g_test_add_func ("/uapi/get", test_get);
  g_test_add_func ("/uapi/parse", test_parse);
  g_test_add_func ("/uapi/parse/zone", test_parse_zone);
  g_test_add_func ("/uapi/parse/refused", test_parse_refused);
  g_test_add_func ("/uapi/parse/errno", test_parse_errno);
  return g_test_run ();
}
