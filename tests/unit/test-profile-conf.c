/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * .conf text: everything of wg(8) and wg-quick(8) is read, errors say where and never what, parse (print (p)) == p, and what
 * we read of a text is what `wg-quick strip` leaves of it.
 */
#include "config.h"

#include "error.h"
#include "profile-conf.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#define PRIVATE "WAmgVYXkbT2bCtdcDwolI88/iVi/aV3/PHcUBTQSYmo="
#define PRESHARED "/UwcSPg38hW/D9Y3tcS1FOV0K1wuURMbS0sesJEP5ak="
#define PUBLIC "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define HEAD "[Interface]\nPrivateKey = " PRIVATE "\nAddress = 10.0.0.2\n" /* three lines */
#define PEER "[Peer]\nPublicKey = " PUBLIC "\n"

static VpndProfile *
parse (const char *text, GPtrArray **out_dropped)
{
  g_autoptr (GError) error = NULL;
  VpndProfile *profile = vpnd_profile_conf_parse ("test", text, strlen (text), out_dropped, &error);

  g_assert_no_error (error);
  return profile;
}

static void
test_everything (void)
{
  g_autoptr (GPtrArray) dropped = NULL;
  g_autoptr (VpndProfile) profile = parse (
      "\xef\xbb\xbf# a provider's file\r\n"
      "  [INTERFACE]  # head\r\n"
      "privatekey=" PRIVATE "\r\n"
      "\tAddress = 10.64.0.2/24 , fc00::2/64\r\n"
      "Address = 10.64.0.3\r\n"
      "DNS = 10.64.0.1, corp.example ,fc00::1, 10.64.0.1\r\n"
      "ListenPort = 4242\r\n"
      "FwMark = 0xCA6C\r\n"
      "MTU = 1380\r\n"
      "Table = OFF\r\n"
      "PreUp = iptables -A $(id)\r\n"
      "PostUp = a\r\nPostUp = b\r\nPreDown = c\r\nPostDown =\r\nSaveConfig = true\r\n"
      "\r\n"
      "[Peer]\r\n"
      "PublicKey = " PUBLIC "\r\n"
      "PresharedKey = " PRESHARED "\r\n"
      "AllowedIPs = 0.0.0.0/0, ::/0\r\n"
      "AllowedIPs = 10.1.2.3/8, 10.0.0.0/8\r\n"
      "Endpoint = [2001:db8::1]:51820\r\n"
      "PersistentKeepalive = 25\r\n"
      "[peer]\r\n"
      "PublicKey = Dxtgr5MHJaBl3FP0FGmZzWLiQKmcKyHkJmUYwzIMXGk=\r\n"
      "Endpoint = vpn.example.net:443\r\n"
      "AllowedIPs =\r\n"
      "PersistentKeepalive = off",
      &dropped);
  const VpndPeer *first = g_ptr_array_index (profile->peers, 0);
  const VpndPeer *second = g_ptr_array_index (profile->peers, 1);
  g_autofree char *address = vpnd_prefix_to_string (&g_array_index (profile->addresses, VpndPrefix, 1));
  g_autofree char *network = vpnd_prefix_to_string (&g_array_index (first->allowed_ips, VpndPrefix, 2));
  g_autofree char *endpoint = vpnd_endpoint_to_string (&g_array_index (first->endpoints, VpndEndpoint, 0));
  char *private_key = vpnd_secret_to_base64 (profile->private_key);
  char *preshared_key = vpnd_secret_to_base64 (first->preshared_key);

  g_assert_cmpstr (profile->name, ==, "test");
  g_assert_cmpstr (private_key, ==, PRIVATE);
  g_assert_cmpstr (preshared_key, ==, PRESHARED);
  g_assert_cmpuint (profile->addresses->len, ==, 3);
  g_assert_cmpstr (address, ==, "fc00::2/64");
  g_assert_cmpuint (profile->dns_servers->len, ==, 2);
  g_assert_cmpuint (profile->dns_search->len, ==, 1);
  g_assert_cmpuint (profile->listen_port, ==, 4242);
  g_assert_cmpuint (profile->mtu, ==, 1380);
  g_assert_true (profile->routes_off);
  g_assert_cmpuint (profile->peers->len, ==, 2);
  g_assert_cmpuint (first->allowed_ips->len, ==, 3);
  g_assert_cmpstr (network, ==, "10.0.0.0/8");
  g_assert_cmpstr (endpoint, ==, "[2001:db8::1]:51820");
  g_assert_cmpstr (first->public_key_text, ==, PUBLIC);
  g_assert_cmpuint (first->persistent_keepalive_s, ==, 25);
  g_assert_cmpstr (second->host, ==, "vpn.example.net");
  g_assert_cmpuint (second->port, ==, 443);
  g_assert_cmpuint (second->allowed_ips->len + second->endpoints->len + second->persistent_keepalive_s, ==, 0);

  /* PostDown without a value says nothing, so there is nothing to report. */
  g_assert_cmpuint (dropped->len, ==, 6);
  g_assert_true (g_str_has_prefix (g_ptr_array_index (dropped, 0), "line 8: FwMark: "));
  g_assert_true (g_str_has_prefix (g_ptr_array_index (dropped, 1), "line 11: PreUp: "));
  g_assert_true (g_str_has_prefix (g_ptr_array_index (dropped, 5), "line 16: SaveConfig: "));
  for (guint i = 0; i < dropped->len; i++)
    g_assert_null (strstr (g_ptr_array_index (dropped, i), "$(id)"));
  vpnd_clear_free_string (private_key);
  vpnd_clear_free_string (preshared_key);
}

typedef struct
{
  const char *text;
  const char *prefix;
} ErrorCase;

static const ErrorCase errors[] = {
  { "", "line 1, column 1: there is no [Interface]" },
  { "# nothing\n", "line 1, column 1: there is no [Interface]" },
  { "PrivateKey = " PRIVATE, "line 1, column 1: a key before" },
  { "[Interface]\nAddress = 10.0.0.2\n" PEER, "line 1, column 1: [Interface] has no PrivateKey" },
  { "\n[Interface]\nPrivateKey = " PRIVATE "\n" PEER, "line 2, column 1: [Interface] has no Address" },
  { HEAD, "line 1, column 1: there is no [Peer]" },
  { HEAD "[Peer]\nAllowedIPs = ::/0\n", "line 4, column 1: [Peer] has no PublicKey" },
  { HEAD "[Peer]\n" PEER, "line 4, column 1: [Peer] has no PublicKey" },
  { HEAD PEER HEAD, "line 6, column 1: a second [Interface]" },
  { HEAD "[Client]\n", "line 4, column 1: unknown section" },
  { HEAD "[Peer\n", "line 4, column 1: unknown section" },
  { HEAD "Jc = 4\n", "line 4, column 1: unknown key in [Interface]" },
  { HEAD PEER "MTU = 1420\n", "line 6, column 1: unknown key in [Peer]" },
  { HEAD "  nonsense\n", "line 4, column 3: expected KEY = VALUE" },
  { HEAD "= 4\n", "line 4, column 1: expected KEY = VALUE" },
  { HEAD "MTU = 1420\nmtu = 1420\n", "line 5, column 1: MTU: given twice" },
  { HEAD "MTU =\n", "line 4, column 5: MTU: has no value" },
  { HEAD "MTU = 99\n", "line 4, column 7: MTU: must be a number from 576 to 65535" },
  { HEAD "MTU = 14 20\n", "line 4, column 7: MTU: " },
  { HEAD "MTU = 1000\nAddress = fc00::1\n" PEER, "line 4, column 1: MTU: must be at least 1280" },
  { HEAD "ListenPort = 65536\n", "line 4, column 14: ListenPort: " },
  { HEAD "FwMark = 0x1ffffffff\n", "line 4, column 10: FwMark: " },
  { HEAD "FwMark = 0x\n", "line 4, column 10: FwMark: " },
  { HEAD "Address = 10.0.0.3, 10.0.0.2/24\n", "line 4, column 21: Address: the same address" },
  { HEAD "Address = 10.0.0.3, \t10.0.0.4x\n", "line 4, column 22: Address: not an" },
  { HEAD "Address = 10.0.0.3,,\n", "line 4, column 20: Address: an empty entry" },
  { HEAD "DNS = 1.2.3\n", "line 4, column 7: DNS: neither" },
  { HEAD "DNS = 224.0.0.1\n", "line 4, column 7: DNS: neither" },
  { HEAD "DNS = \xc3\xa9\xc3\xa9, a b\n", "line 4, column 7: DNS: neither" },
  { HEAD "\xc3\xa9 = 1\n", "line 4, column 1: unknown key" },
  { HEAD PEER "Endpoint = 192.0.2.1\n", "line 6, column 12: Endpoint: must be" },
  { HEAD PEER "Endpoint = 192.0.2.1:0\n", "line 6, column 22: Endpoint: must be a number" },
  { HEAD PEER "Endpoint = 2001:db8::1:5\n", "line 6, column 12: Endpoint: must be" },
  { HEAD PEER "Endpoint = a b:5\n", "line 6, column 12: Endpoint: must be" },
  { HEAD PEER "AllowedIPs = ::/0, 10.0.0.0/33\n", "line 6, column 20: AllowedIPs: not an" },
  { HEAD PEER "PersistentKeepalive = 70000\n", "line 6, column 23: PersistentKeepalive: " },
  { HEAD PEER "PresharedKey = " PRESHARED "=\n", "line 6, column 16: PresharedKey: not a key" },
  { HEAD PEER "PublicKey = " PUBLIC "\n", "line 6, column 1: PublicKey: given twice" },
  { HEAD PEER PEER, "line 7, column 13: PublicKey: the same peer" },
  { HEAD "# \xff\n", "line 4, column 3: not UTF-8" },
};

static void
assert_error (const char *text, gsize length, const char *prefix)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) dropped = NULL;

  g_assert_null (vpnd_profile_conf_parse (NULL, text, length, &dropped, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_PROFILE);
  g_assert_null (dropped);
  if (!g_str_has_prefix (error->message, prefix))
    g_error ("expected \"%s\", got \"%s\"", prefix, error->message);
  g_assert_null (strstr (error->message, "WAmgVYXk"));
  g_assert_null (strstr (error->message, "UwcSPg38"));
}

static void
test_errors (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *huge = g_strnfill (VPND_PROFILE_CONF_MAX_BYTES + 1, '\n');
  g_autofree char *long_line = g_strnfill (40 * 1024, ' ');

  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    assert_error (errors[i].text, strlen (errors[i].text), errors[i].prefix);
  assert_error ("[Interface]\nDN\0S = 1.1.1.1\n", 27, "line 2, column 3: a NUL byte");
  assert_error (long_line, strlen (long_line), "line 1, column 1: the line is too long");

  g_assert_null (vpnd_profile_conf_parse (NULL, huge, strlen (huge), NULL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE);
  g_clear_error (&error);
  g_assert_null (vpnd_profile_conf_parse ("../x", HEAD PEER, strlen (HEAD PEER), NULL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
}

static VpndPrefix
random_prefix (gboolean masked)
{
  guint8 bytes[16];
  VpndPrefix prefix;

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) g_test_rand_int_range (1, 224);
  prefix.addr = vpnd_addr_from_bytes (g_test_rand_bit () ? AF_INET : AF_INET6, bytes);
  prefix.length = (guint8) g_test_rand_int_range (1, (int) vpnd_addr_size (&prefix.addr) * 8 + 1);
  return masked ? vpnd_prefix_masked (&prefix) : prefix;
}

static VpndSecret *
random_secret (void)
{
  guint8 bytes[VPND_KEY_BYTES];

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) g_test_rand_int_range (0, 256);
  return vpnd_secret_new (bytes);
}

static VpndPeer *
random_peer (void)
{
  VpndPeer *peer = vpnd_peer_new ();
  g_autoptr (VpndSecret) secret = random_secret ();
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  peer->public_key = vpnd_secret_public_key (secret);
  g_free (peer->public_key_text);
  peer->public_key_text = vpnd_public_key_to_base64 (&peer->public_key);
  peer->preshared_key = g_test_rand_bit () ? random_secret () : NULL;
  for (int i = g_test_rand_int_range (0, 90); i > 0; i--)
    {
      VpndPrefix network = random_prefix (TRUE);

      if (g_hash_table_add (seen, vpnd_prefix_to_string (&network)))
        g_array_append_val (peer->allowed_ips, network);
    }
  if (g_test_rand_bit ())
    peer->port = (guint16) g_test_rand_int_range (1, 65536);
  if (peer->port != 0 && g_test_rand_bit ())
    peer->host = g_strdup_printf ("n%d.example-%d.net", g_test_rand_int_range (0, 99), g_test_rand_int_range (0, 99));
  else if (peer->port != 0)
    {
      VpndEndpoint endpoint = { random_prefix (FALSE).addr, peer->port };

      g_array_append_val (peer->endpoints, endpoint);
    }
  peer->persistent_keepalive_s = (guint16) g_test_rand_int_range (0, 3);
  return peer;
}

static VpndProfile *
random_profile (void)
{
  VpndProfile *profile = vpnd_profile_new ("random");

  profile->private_key = random_secret ();
  for (int i = g_test_rand_int_range (1, 5); i > 0; i--)
    {
      VpndPrefix address = random_prefix (FALSE);

      g_array_append_val (profile->addresses, address);
    }
  for (int i = g_test_rand_int_range (0, 4); i > 0; i--)
    {
      VpndAddr server = random_prefix (FALSE).addr;

      g_array_append_val (profile->dns_servers, server);
      g_ptr_array_add (profile->dns_search, g_strdup_printf ("s%d.example", i));
    }
  profile->mtu = g_test_rand_bit () ? (guint32) g_test_rand_int_range (1280, 65536) : 0;
  profile->listen_port = g_test_rand_bit () ? (guint16) g_test_rand_int_range (1, 65536) : 0;
  profile->routes_off = g_test_rand_bit ();
  for (int i = g_test_rand_int_range (1, 6); i > 0; i--)
    g_ptr_array_add (profile->peers, random_peer ());
  return profile;
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (VpndProfile) profile = random_profile ();
      g_autoptr (VpndProfile) back = NULL;
      g_autoptr (GPtrArray) dropped = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *shown = vpnd_profile_conf_print (profile);
      char *text = vpnd_profile_conf_print_with_keys (profile);
      char *secret = vpnd_secret_to_base64 (profile->private_key);

      back = vpnd_profile_conf_parse ("random", text, strlen (text), &dropped, &error);
      g_assert_no_error (error);
      g_assert_true (vpnd_profile_equal (profile, back));
      g_assert_cmpuint (dropped->len, ==, 0);
      g_assert_null (strstr (shown, secret));
      g_assert_nonnull (strstr (shown, "# PrivateKey = (hidden)"));
      for (guint j = 0; j < profile->peers->len; j++)
        {
          const VpndPeer *peer = g_ptr_array_index (profile->peers, j);
          g_autofree char *preshared = peer->preshared_key != NULL ? vpnd_secret_to_base64 (peer->preshared_key) : NULL;

          g_assert_true (preshared == NULL || strstr (shown, preshared) == NULL);
        }
      vpnd_clear_free_string (text);
      vpnd_clear_free_string (secret);
    }
}

/* What a text says to wg(8): "key=value" a line, in order, lists one by one, keys of wg-quick left out. */
static char *
wg_view (const char *text)
{
  static const char *const quick_keys[] = { "address", "dns", "mtu", "table", "preup", "postup", "predown", "postdown", "saveconfig", NULL };
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) view = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *line = g_strdup (lines[i]);
      g_autofree char *key = NULL;
      g_auto (GStrv) items = NULL;
      char *equals;

      if (strchr (line, '#') != NULL)
        *strchr (line, '#') = '\0';
      g_strstrip (line);
      equals = strchr (line, '=');
      if (equals == NULL)
        {
          g_autofree char *head = g_ascii_strdown (line, -1);

          g_string_append_printf (view, "%s%s", head, head[0] != '\0' ? "\n" : "");
          continue;
        }

      *equals = '\0';
      key = g_ascii_strdown (g_strstrip (line), -1);
      items = g_strsplit (equals + 1, ",", -1);
      for (guint j = 0; items[j] != NULL && !g_strv_contains (quick_keys, key); j++)
        if (g_strstrip (items[j])[0] != '\0')
          g_string_append_printf (view, "%s=%s\n", key, items[j]);
    }
  return g_string_free (g_steal_pointer (&view), FALSE);
}

/* The same text as another program might have written it: other case, spaces, line ends and comments. */
static char *
disguise (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) result = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *equals = strchr (lines[i], '=');
      gsize key_length = equals != NULL ? (gsize) (equals - lines[i]) : strlen (lines[i]);

      g_string_append (result, g_test_rand_bit () ? "  \t" : "");
      for (gsize j = 0; j < key_length; j++)
        g_string_append_c (result, g_test_rand_bit () ? g_ascii_toupper (lines[i][j]) : g_ascii_tolower (lines[i][j]));
      g_string_append (result, equals != NULL ? equals : "");
      g_string_append (result, g_test_rand_bit () ? " # [Peer] PrivateKey = x" : "");
      g_string_append (result, g_test_rand_bit () ? "\n\n" : "\n");
    }
  return g_string_free (g_steal_pointer (&result), FALSE);
}

static void
test_wg_quick_strip (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("vpnd-conf-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "oracle.conf", NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (VpndProfile) profile = random_profile ();
      g_autoptr (VpndProfile) read = NULL, renamed = NULL;
      g_autofree char *text = vpnd_profile_conf_print_with_keys (profile);
      g_autofree char *disguised = disguise (text);
      g_autofree char *again = NULL, *stripped = NULL, *theirs = NULL, *ours = NULL;
      g_autoptr (GSubprocess) strip = NULL;

      g_assert_true (g_file_set_contents_full (path, disguised, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error));
      strip = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "wg-quick", "strip", path, NULL);
      g_assert_no_error (error);
      g_assert_true (g_subprocess_communicate_utf8 (strip, NULL, NULL, &stripped, NULL, &error));
      g_assert_no_error (error);
      g_assert_true (g_subprocess_get_successful (strip));

      read = parse (disguised, NULL);
      renamed = vpnd_profile_dup_named (read, "random");
      g_assert_true (vpnd_profile_equal (profile, renamed));
      again = vpnd_profile_conf_print_with_keys (read);
      ours = wg_view (again);
      theirs = wg_view (stripped);
      g_assert_cmpstr (ours, ==, theirs);
    }
  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/profile-conf/everything", test_everything);
  g_test_add_func ("/profile-conf/errors", test_errors);
  g_test_add_func ("/profile-conf/round-trip", test_round_trip);
  g_test_add_func ("/profile-conf/wg-quick-strip", test_wg_quick_strip);
  return g_test_run ();
}
