/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The status value and its JSON: stable keys, and from_json (to_json (x)) == x for every x.
 */
#include "config.h"

#include "status.h"

#include "error.h"
#include "json.h"
#include "names.h"

#include <string.h>

static char *
random_text (void)
{
  static const char *const pieces[] = { "", "a", "\"", "\\", "\n", "\x01", "é", "😀", "</script>", "10.0.0.1", "{", "\xe2\x80\xa8" };
  g_autoptr (GString) text = g_string_new (NULL);

  for (gint n = g_test_rand_int_range (0, 5); n > 0; n--)
    g_string_append (text, pieces[g_test_rand_int_range (0, G_N_ELEMENTS (pieces))]);
  return g_strdup (text->str);
}

static void
set_text (char **target)
{
  g_free (*target);
  *target = random_text ();
}

static char **
random_list (void)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (gint n = g_test_rand_int_range (0, 4); n > 0; n--)
    {
      g_autofree char *text = random_text ();

      g_strv_builder_add (builder, text);
    }
  return g_strv_builder_end (builder);
}

static gint64
random_count (void)
{
  guint64 bits = (guint64) (guint32) g_test_rand_int () << 32 | (guint32) g_test_rand_int ();

  return (gint64) ((bits & G_MAXINT64) >> g_test_rand_int_range (0, 63));
}

/* 0 or a moment of the years 1970 to 9999, often with no fraction */
static gint64
random_time (void)
{
  gint64 seconds = random_count () % G_GINT64_CONSTANT (253402300800);

  return g_test_rand_bit () ? seconds * G_USEC_PER_SEC : seconds * G_USEC_PER_SEC + g_test_rand_int_range (0, G_USEC_PER_SEC);
}

static VpndStatus *
random_status (void)
{
  VpndStatus *status = vpnd_status_new ();
  char **const strings[] = {
    &status->state, &status->cause, &status->detail, &status->profile, &status->backend, &status->interface,
    &status->address4, &status->address6, &status->gateway4, &status->gateway6, &status->bridge, &status->version
  };

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    set_text (strings[i]);
  status->blocking = g_test_rand_bit ();
  status->lockdown = g_test_rand_bit ();
  status->since_us = random_time ();
  status->attempt = (guint) g_test_rand_int ();
  status->mtu = (guint) g_test_rand_int ();
  g_strfreev (status->dns);
  status->dns = random_list ();
  g_strfreev (status->warnings);
  status->warnings = random_list ();
  for (gint n = g_test_rand_int_range (0, 4); n > 0; n--)
    {
      VpndStatusPeer *peer = vpnd_status_peer_new ();

      set_text (&peer->public_key);
      set_text (&peer->endpoint);
      peer->rx_bytes = (guint64) random_count ();
      peer->tx_bytes = (guint64) random_count ();
      peer->handshake_us = random_time ();
      g_ptr_array_add (status->peers, peer);
    }
  return status;
}

static void
assert_peers_equal (const VpndStatusPeer *a, const VpndStatusPeer *b)
{
  g_assert_cmpstr (a->public_key, ==, b->public_key);
  g_assert_cmpstr (a->endpoint, ==, b->endpoint);
  g_assert_cmpuint (a->rx_bytes, ==, b->rx_bytes);
  g_assert_cmpuint (a->tx_bytes, ==, b->tx_bytes);
  g_assert_cmpint (a->handshake_us, ==, b->handshake_us);
}

static void
assert_equal (const VpndStatus *a, const VpndStatus *b)
{
  g_assert_cmpstr (a->state, ==, b->state);
  g_assert_cmpstr (a->cause, ==, b->cause);
  g_assert_cmpstr (a->detail, ==, b->detail);
  g_assert_cmpint (a->blocking, ==, b->blocking);
  g_assert_cmpint (a->lockdown, ==, b->lockdown);
  g_assert_cmpstr (a->profile, ==, b->profile);
  g_assert_cmpint (a->since_us, ==, b->since_us);
  g_assert_cmpuint (a->attempt, ==, b->attempt);
  g_assert_cmpstr (a->backend, ==, b->backend);
  g_assert_cmpstr (a->interface, ==, b->interface);
  g_assert_cmpstr (a->address4, ==, b->address4);
  g_assert_cmpstr (a->address6, ==, b->address6);
  g_assert_cmpstr (a->gateway4, ==, b->gateway4);
  g_assert_cmpstr (a->gateway6, ==, b->gateway6);
  g_assert_cmpuint (a->mtu, ==, b->mtu);
  g_assert_cmpstrv (a->dns, b->dns);
  g_assert_cmpstr (a->bridge, ==, b->bridge);
  g_assert_cmpstrv (a->warnings, b->warnings);
  g_assert_cmpstr (a->version, ==, b->version);
  g_assert_cmpuint (a->peers->len, ==, b->peers->len);
  for (guint i = 0; i < a->peers->len; i++)
    assert_peers_equal (a->peers->pdata[i], b->peers->pdata[i]);
}

static void
test_round_trip (void)
{
  for (guint round = 0; round < 3000; round++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndStatus) status = random_status ();
      g_autofree char *json = vpnd_status_to_json (status);
      g_autoptr (VpndStatus) again = vpnd_status_from_json (json, &error);
      g_autofree char *second = NULL;

      g_assert_no_error (error);
      assert_equal (status, again);
      second = vpnd_status_to_json (again);
      g_assert_cmpstr (json, ==, second);
    }
}

static VpndStatus *
connected_status (void)
{
  VpndStatus *status = vpnd_status_new ();
  VpndStatusPeer *peer = vpnd_status_peer_new ();

  g_free (status->state);
  status->state = g_strdup (VPND_STATE_WORD_CONNECTED);
  g_free (status->address4);
  status->address4 = g_strdup ("10.64.0.7");
  g_free (status->version);
  status->version = g_strdup ("1.2.3");
  status->blocking = TRUE;
  status->since_us = G_GINT64_CONSTANT (1795247397000000);
  g_free (peer->endpoint);
  peer->endpoint = g_strdup ("192.0.2.10:51820");
  peer->rx_bytes = 119;
  peer->tx_bytes = G_GUINT64_CONSTANT (4294967300);
  peer->handshake_us = G_GINT64_CONSTANT (1795247398250000);
  g_ptr_array_add (status->peers, peer);
  return status;
}

/* The text is part of the contract: scripts and the clients of the original protocol read it. */
static void
test_exact_text (void)
{
  g_autoptr (VpndStatus) idle = vpnd_status_new ();
  g_autoptr (VpndStatus) connected = connected_status ();
  g_autofree char *idle_json = vpnd_status_to_json (idle);
  g_autofree char *connected_json = vpnd_status_to_json (connected);

  g_assert_cmpstr (idle_json, ==,
      "{\"schema\":1,\"version\":\"\",\"state\":\"disconnected\",\"cause\":\"\",\"detail\":\"\",\"blocking\":false,\"lockdown\":false,"
      "\"profile\":\"\",\"since\":\"\",\"connected\":false,\"deviceIpv4Address\":\"\",\"deviceIpv6Address\":\"\",\"serverIpv4Gateway\":\"\","
      "\"serverIpv6Gateway\":\"\",\"date\":\"\",\"txBytes\":0,\"rxBytes\":0,\"features\":[],\"attempt\":0,\"backend\":\"\",\"interface\":\"\","
      "\"mtu\":0,\"dns\":[],\"bridge\":\"\",\"peers\":[],\"warnings\":[]}");
  g_assert_cmpstr (connected_json, ==,
      "{\"schema\":1,\"version\":\"1.2.3\",\"state\":\"connected\",\"cause\":\"\",\"detail\":\"\",\"blocking\":true,\"lockdown\":false,"
      "\"profile\":\"\",\"since\":\"2026-11-21T07:49:57Z\",\"connected\":true,\"deviceIpv4Address\":\"10.64.0.7\",\"deviceIpv6Address\":\"\","
      "\"serverIpv4Gateway\":\"\",\"serverIpv6Gateway\":\"\",\"date\":\"2026-11-21T07:49:58Z\",\"txBytes\":4294967300,\"rxBytes\":119,"
      "\"features\":[],\"attempt\":0,\"backend\":\"\",\"interface\":\"\",\"mtu\":0,\"dns\":[],\"bridge\":\"\",\"peers\":[{\"publicKey\":\"\","
      "\"endpoint\":\"192.0.2.10:51820\",\"rxBytes\":119,\"txBytes\":4294967300,\"handshake\":\"2026-11-21T07:49:58.250000Z\"}],\"warnings\":[]}");
}

/* 256 peers, the most a profile may have, make more text than a request may. */
static void
test_many_peers (void)
{
  g_autoptr (VpndStatus) status = vpnd_status_new ();
  g_autoptr (VpndStatus) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL;

  for (guint i = 0; i < 256; i++)
    {
      VpndStatusPeer *peer = vpnd_status_peer_new ();

      g_free (peer->public_key);
      peer->public_key = g_strnfill (44, 'k');
      g_free (peer->endpoint);
      peer->endpoint = g_strnfill (47, 'e');
      peer->rx_bytes = peer->tx_bytes = G_MAXINT64;
      peer->handshake_us = G_GINT64_CONSTANT (1795247398250001);
      g_ptr_array_add (status->peers, peer);
    }
  json = vpnd_status_to_json (status);
  again = vpnd_status_from_json (json, &error);
  g_assert_no_error (error);
  assert_equal (status, again);
}

static void
test_refused (void)
{
  static const struct
  {
    const char *text;
    const char *key;
  } cases[] = {
    { "{}", "state" },
    { "{\"state\":1}", "state" },
    { "{\"state\":\"x\",\"since\":\"yesterday\"}", "since" },
    { "{\"state\":\"x\",\"mtu\":-1}", "mtu" },
    { "{\"state\":\"x\",\"blocking\":\"yes\"}", "blocking" },
    { "{\"state\":\"x\",\"dns\":[1]}", "dns" },
    { "{\"state\":\"x\",\"peers\":[1]}", "peers" },
    { "{\"state\":\"x\",\"peers\":[{\"rxBytes\":-1}]}", "rxBytes" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vpnd_status_from_json (cases[i].text, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, cases[i].key));
    }
  g_assert_null (vpnd_status_from_json ("[]", NULL));
}

/* Text of the kernel may be anything; the reply is always JSON. */
static void
test_always_json (void)
{
  g_autoptr (VpndStatus) status = vpnd_status_new ();
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;

  g_free (status->detail);
  status->detail = g_strdup ("bad \xff bytes");
  status->since_us = G_MAXINT64;
  json = vpnd_status_to_json (status);
  g_assert_true (vpnd_json_check (json, strlen (json), &error));
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/status/round-trip", test_round_trip);
  g_test_add_func ("/status/exact-text", test_exact_text);
  g_test_add_func ("/status/many-peers", test_many_peers);
  g_test_add_func ("/status/refused", test_refused);
  g_test_add_func ("/status/always-json", test_always_json);
  return g_test_run ();
}
