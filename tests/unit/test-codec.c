/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The JSON of "activate": what real clients send is taken, what is wrong is refused with an error that names the key and never
 * repeats a value.
 */
#include "config.h"

#include "codec.h"
#include "profile-export.h"

#include "error.h"
#include "profile-conf.h"

#include <string.h>

#define PRIVATE "QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGE="
#define PUBLIC "mcRFvuHRLiJW4LWH0GFwLSbwWSCzWvVAGDxMfAkVGkA="
#define PSK "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="

/* One key of the base configuration and its JSON. */
typedef struct
{
  const char *key;
  const char *json;
} Pair;

static const Pair base[] = {
  { "allowedIPAddressRanges", "[{\"address\":\"0.0.0.0\",\"isIpv6\":false,\"range\":0},{\"address\":\"::\",\"isIpv6\":true,\"range\":0},"
                              "{\"address\":\"10.64.0.1\",\"isIpv6\":false,\"range\":32}]" },
  { "deviceIpv4Address", "\"10.64.0.7/32\"" },
  { "deviceIpv6Address", "\"fc00:bbbb:bbbb:bb01::1:7/128\"" },
  { "dnsServer", "\"10.64.0.1\"" },
  { "hopType", "\"SingleHop\"" },
  { "lwoVersion", "1" },
  { "obfuscationMethod", "\"NoObfuscation\"" },
  { "privateKey", "\"" PRIVATE "\"" },
  { "publicKey", "\"" PUBLIC "\"" },
  { "serverIpv4AddrIn", "\"192.0.2.10\"" },
  { "serverIpv4Gateway", "\"10.64.0.1\"" },
  { "serverIpv6AddrIn", "\"2001:db8::10\"" },
  { "serverIpv6Gateway", "\"fc00:bbbb:bbbb:bb01::1\"" },
  { "serverPort", "51820" },
  { "serverPublicKey", "\"" PUBLIC "\"" },
  { "vpnDisabledApps", "[]" },
};

/* The base with @key replaced by @json, added, or, for a NULL @json, left out. */
static char *
with (const char *key, const char *json)
{
  g_autoptr (GString) text = g_string_new ("{");
  gboolean is_known = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (base); i++)
    {
      gboolean is_it = key != NULL && strcmp (base[i].key, key) == 0;

      is_known = is_known || is_it;
      if (is_it && json == NULL)
        continue;
      g_string_append_printf (text, "%s\"%s\":%s", text->len > 1 ? "," : "", base[i].key, is_it ? json : base[i].json);
    }
  if (!is_known && key != NULL && json != NULL)
    g_string_append_printf (text, ",\"%s\":%s", key, json);
  g_string_append_c (text, '}');
  return g_strdup (text->str);
}

static VpndProfile *
decode_with (const char *key, const char *json)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = with (key, json);
  VpndProfile *profile = vpnd_codec_profile_from_json (text, &error);

  g_assert_no_error (error);
  g_assert_nonnull (profile);
  return profile;
}

static void
test_client (void)
{
  g_autoptr (VpndProfile) profile = decode_with (NULL, NULL);
  const VpndPeer *peer = profile->peers->pdata[0];
  g_autofree char *private_key = vpnd_secret_to_base64 (profile->private_key);
  g_autofree char *address4 = vpnd_prefix_to_string (&g_array_index (profile->addresses, VpndPrefix, 0));
  g_autofree char *address6 = vpnd_prefix_to_string (&g_array_index (profile->addresses, VpndPrefix, 1));
  g_autofree char *endpoint4 = vpnd_endpoint_to_string (&g_array_index (peer->endpoints, VpndEndpoint, 0));
  g_autofree char *endpoint6 = vpnd_endpoint_to_string (&g_array_index (peer->endpoints, VpndEndpoint, 1));
  g_autofree char *dns = vpnd_addr_to_string (&g_array_index (profile->dns_servers, VpndAddr, 0));
  g_autofree char *gateway6 = vpnd_addr_to_string (&profile->gateway6);

  g_assert_cmpstr (profile->name, ==, "");
  g_assert_cmpstr (private_key, ==, PRIVATE);
  g_assert_cmpstr (address4, ==, "10.64.0.7/32");
  g_assert_cmpstr (address6, ==, "fc00:bbbb:bbbb:bb01::1:7/128");
  g_assert_cmpuint (profile->peers->len, ==, 1);
  g_assert_cmpstr (peer->public_key_text, ==, PUBLIC);
  g_assert_cmpstr (endpoint4, ==, "192.0.2.10:51820");
  g_assert_cmpstr (endpoint6, ==, "[2001:db8::10]:51820");
  g_assert_cmpuint (peer->allowed_ips->len, ==, 3);
  g_assert_cmpstr (dns, ==, "10.64.0.1");
  g_assert_cmpstr (gateway6, ==, "fc00:bbbb:bbbb:bb01::1");
  g_assert_true (vpnd_profile_routes_family (profile, AF_INET));
  g_assert_true (vpnd_profile_routes_family (profile, AF_INET6));
}

/* Older clients leave keys out, and every client writes "" for what it does not have. */
static void
test_optional (void)
{
  static const char *const keys[] = {
    "deviceIpv4Address", "deviceIpv6Address", "dnsServer", "hopType", "lwoVersion", "obfuscationMethod", "publicKey",
    "serverIpv4AddrIn", "serverIpv6AddrIn", "serverIpv4Gateway", "serverIpv6Gateway", "vpnDisabledApps", "presharedKey", "name", "bridge"
  };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (VpndProfile) without = decode_with (keys[i], NULL);

      if (strcmp (keys[i], "lwoVersion") != 0 && strcmp (keys[i], "vpnDisabledApps") != 0)
        {
          g_autoptr (VpndProfile) empty = decode_with (keys[i], "\"\"");

          g_assert_true (vpnd_profile_equal (without, empty));
        }
    }
}

static void
test_extras (void)
{
  g_autoptr (VpndProfile) unknown = decode_with ("futureKey", "{\"a\":[null]}");
  g_autoptr (VpndProfile) name = decode_with ("name", "\"home\"");
  g_autoptr (VpndProfile) mtu = decode_with ("mtu", "1280");
  g_autoptr (VpndProfile) psk = decode_with ("presharedKey", "\"" PSK "\"");
  g_autoptr (VpndProfile) keepalive = decode_with ("persistentKeepalive", "25");
  g_autoptr (VpndProfile) bare = decode_with ("deviceIpv4Address", "\"10.64.0.7\"");
  g_autoptr (VpndProfile) bridge = decode_with ("bridge", "null");
  g_autoptr (VpndProfile) excluded = decode_with ("excludedAddresses", "[]");
  /* The address says the family; host bits of a range are cut off. */
  g_autoptr (VpndProfile) family = decode_with ("allowedIPAddressRanges", "[{\"address\":\"10.1.2.3\",\"isIpv6\":true,\"range\":8},{\"address\":\"::\",\"range\":0}]");
  const VpndPeer *peer = family->peers->pdata[0];
  g_autofree char *range = vpnd_prefix_to_string (&g_array_index (peer->allowed_ips, VpndPrefix, 0));

  g_assert_nonnull (unknown);
  g_assert_nonnull (bridge);
  g_assert_nonnull (excluded);
  g_assert_cmpstr (name->name, ==, "home");
  g_assert_cmpuint (mtu->mtu, ==, 1280);
  g_assert_nonnull (((VpndPeer *) psk->peers->pdata[0])->preshared_key);
  g_assert_cmpuint (((VpndPeer *) keepalive->peers->pdata[0])->persistent_keepalive_s, ==, 25);
  g_assert_cmpuint (g_array_index (bare->addresses, VpndPrefix, 0).length, ==, 32);
  g_assert_cmpstr (range, ==, "10.0.0.0/8");
}

static void
assert_refused (const char *key, const char *json, const char *named, VpndError code)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = with (key, json);

  g_test_message ("%s: %s", key, json != NULL ? json : "(absent)");
  g_assert_null (vpnd_codec_profile_from_json (text, &error));
  g_assert_error (error, VPND_ERROR, (gint) code);
  g_assert_nonnull (strstr (error->message, named));
  g_assert_null (strstr (error->message, "AAAAAAAA"));
  g_assert_null (strstr (error->message, "secret"));
}

static void
test_required (void)
{
  static const char *const keys[] = { "privateKey", "serverPublicKey", "serverPort", "allowedIPAddressRanges" };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      assert_refused (keys[i], NULL, keys[i], VPND_ERROR_INVALID_ARGUMENT);
      assert_refused (keys[i], "\"\"", keys[i], VPND_ERROR_INVALID_ARGUMENT);
      assert_refused (keys[i], "null", keys[i], VPND_ERROR_INVALID_ARGUMENT);
    }
}

/* No family is required, but one of them is. */
static void
test_one_family (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vpnd_codec_profile_from_json ("{\"privateKey\":\"" PRIVATE "\",\"serverPublicKey\":\"" PUBLIC "\",\"serverPort\":1,\"serverIpv4AddrIn\":\"192.0.2.1\","
                                               "\"allowedIPAddressRanges\":[{\"address\":\"::\",\"range\":0}],\"deviceIpv4Address\":\"\",\"deviceIpv6Address\":\"\"}",
      &error));
  g_assert_nonnull (strstr (error->message, "deviceIpv4Address"));
  g_clear_error (&error);
  g_assert_null (vpnd_codec_profile_from_json ("{\"privateKey\":\"" PRIVATE "\",\"serverPublicKey\":\"" PUBLIC "\",\"serverPort\":1,\"serverIpv4AddrIn\":\"\","
                                               "\"allowedIPAddressRanges\":[{\"address\":\"::\",\"range\":0}],\"deviceIpv4Address\":\"10.0.0.1\"}",
      &error));
  g_assert_nonnull (strstr (error->message, "serverIpv4AddrIn"));
}

static void
test_refused (void)
{
  static const struct
  {
    const char *key;
    const char *json;
    const char *named; /* NULL: the key */
  } cases[] = {
    { "privateKey", "\"AAAAAAAA\"" },
    { "privateKey", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"" },
    { "privateKey", "42" },
    { "serverPublicKey", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"" },
    { "serverPublicKey", "[]" },
    { "publicKey", "\"AAAAAAAAx\"" },
    { "presharedKey", "\"secret\"" },
    { "serverPort", "0" },
    { "serverPort", "-1" },
    { "serverPort", "65536" },
    { "serverPort", "51820.7" },
    { "serverPort", "51820.0" },
    { "serverPort", "5e4" },
    { "serverPort", "\"51820\"" },
    { "serverPort", "true" },
    { "deviceIpv4Address", "\"10.64.0.7/33\"" },
    { "deviceIpv4Address", "\"10.64.0.7/-1\"" },
    { "deviceIpv4Address", "\"10.64.0.7/0\"" },
    { "deviceIpv4Address", "\"10.64.0.7/ 32\"" },
    { "deviceIpv4Address", "\"10.64.0\"" },
    { "deviceIpv4Address", "\"010.64.0.7\"" },
    { "deviceIpv4Address", "\"fc00::1/128\"" },
    { "deviceIpv4Address", "\"224.0.0.1\"" },
    { "deviceIpv4Address", "42" },
    { "deviceIpv6Address", "\"10.64.0.7\"" },
    { "deviceIpv6Address", "\"fc00::1/129\"" },
    { "deviceIpv6Address", "\"fe80::1%eth0\"" },
    { "serverIpv4AddrIn", "\"vpn.example.org\"" },
    { "serverIpv4AddrIn", "\"2001:db8::10\"" },
    { "serverIpv4AddrIn", "\"0.0.0.0\"" },
    { "serverIpv4AddrIn", "\"255.255.255.255\"" },
    { "serverIpv4AddrIn", "\" 192.0.2.10\"" },
    { "serverIpv6AddrIn", "\"::\"" },
    { "serverIpv6AddrIn", "\"ff02::1\"" },
    { "serverIpv4Gateway", "\"x\"" },
    { "serverIpv6Gateway", "false" },
    { "dnsServer", "null" },
    { "dnsServer", "\"dns.example.org\"" },
    { "allowedIPAddressRanges", "[]" },
    { "allowedIPAddressRanges", "{}" },
    { "allowedIPAddressRanges", "[\"0.0.0.0/0\"]" },
    { "allowedIPAddressRanges", "[[]]" },
    { "allowedIPAddressRanges", "[{\"address\":\"0.0.0.0\"}]", "allowedIPAddressRanges[0]: range" },
    { "allowedIPAddressRanges", "[{\"range\":0}]", "allowedIPAddressRanges[0]: address" },
    { "allowedIPAddressRanges", "[{\"address\":\"::\",\"range\":0},{\"address\":\"0.0.0.0\",\"range\":33}]", "allowedIPAddressRanges[1]: range" },
    { "allowedIPAddressRanges", "[{\"address\":\"::\",\"range\":129}]", "range" },
    { "allowedIPAddressRanges", "[{\"address\":\"0.0.0.0/0\",\"range\":0}]", "address" },
    { "hopType", "\"singlehop\"" },
    { "hopType", "1" },
    { "obfuscationMethod", "\"None\"" },
    { "lwoVersion", "3" },
    { "lwoVersion", "1.5" },
    { "vpnDisabledApps", "\"firefox\"" },
    { "vpnDisabledApps", "[1]" },
    { "excludedAddresses", "[{}]" },
    { "name", "\"../etc\"" },
    { "name", "\".hidden\"" },
    { "mtu", "1279" },
    { "mtu", "65536" },
    { "mtu", "-1" },
    { "persistentKeepalive", "65536" },
    { "persistentKeepalive", "\"25\"" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused (cases[i].key, cases[i].json, cases[i].named != NULL ? cases[i].named : cases[i].key, VPND_ERROR_INVALID_ARGUMENT);
}

static void
test_bridge (void)
{
  g_autoptr (VpndProfile) udp = decode_with ("bridge", "{\"address\":\"203.0.113.9\",\"port\":8388,\"protocol\":\"udp\",\"localPort\":1080}");
  g_autoptr (VpndProfile) tcp = decode_with ("bridge", "{\"user\":998,\"localPort\":65535,\"protocol\":\"tcp\",\"port\":443,\"address\":\"2001:db8::9\"}");
  g_autoptr (VpndProfile) none = decode_with ("bridge", "{}");
  g_autofree char *udp_text = vpnd_service_port_to_string (&udp->bridge.service);
  g_autofree char *tcp_text = vpnd_service_port_to_string (&tcp->bridge.service);

  g_assert_cmpstr (udp_text, ==, "203.0.113.9:8388/udp");
  g_assert_cmpuint (udp->bridge.local_port, ==, 1080);
  g_assert_cmpuint (udp->bridge.uid, ==, 0);
  g_assert_cmpstr (tcp_text, ==, "[2001:db8::9]:443/tcp");
  g_assert_cmpuint (tcp->bridge.local_port, ==, 65535);
  g_assert_cmpuint (tcp->bridge.uid, ==, 998);
  g_assert_false (vpnd_bridge_is_set (&none->bridge));
}

/* Every key of the bridge is checked, and the error names it as a path. */
static void
test_bridge_refused (void)
{
  static const struct
  {
    const char *json;
    const char *named;
  } cases[] = {
    { "true", "bridge: " },
    { "\"socks5://x\"", "bridge: " },
    { "[]", "bridge: " },
    { "{\"host\":\"x\"}", "bridge: " },
    { "{\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":\"\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":\"bridge.example\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":\"127.0.0.1\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":\"::1\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":\"fe80::1\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":\"224.0.0.1\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":7,\"port\":1,\"protocol\":\"udp\",\"localPort\":1}", "bridge.address" },
    { "{\"address\":\"203.0.113.9\",\"protocol\":\"udp\",\"localPort\":1}", "bridge.port" },
    { "{\"address\":\"203.0.113.9\",\"port\":0,\"protocol\":\"udp\",\"localPort\":1}", "bridge.port" },
    { "{\"address\":\"203.0.113.9\",\"port\":65536,\"protocol\":\"udp\",\"localPort\":1}", "bridge.port" },
    { "{\"address\":\"203.0.113.9\",\"port\":\"1\",\"protocol\":\"udp\",\"localPort\":1}", "bridge.port" },
    { "{\"address\":\"203.0.113.9\",\"port\":1.5,\"protocol\":\"udp\",\"localPort\":1}", "bridge.port" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"localPort\":1}", "bridge.protocol" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"UDP\",\"localPort\":1}", "bridge.protocol" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":17,\"localPort\":1}", "bridge.protocol" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"udp\"}", "bridge.localPort" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"udp\",\"localPort\":0}", "bridge.localPort" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"udp\",\"localPort\":null}", "bridge.localPort" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1,\"user\":-1}", "bridge.user" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1,\"user\":4294967295}", "bridge.user" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1,\"user\":\"nobody\"}", "bridge.user" },
    { "{\"address\":\"203.0.113.9\",\"port\":1,\"protocol\":\"udp\",\"localPort\":1,\"mark\":1}", "bridge: " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused ("bridge", cases[i].json, cases[i].named, VPND_ERROR_INVALID_ARGUMENT);
}

/* What is understood but not done is never ignored. */
static void
test_not_supported (void)
{
  static const Pair cases[] = {
    { "hopType", "\"MultiHopEntry\"" },
    { "hopType", "\"MultiHopExit\"" },
    { "obfuscationMethod", "\"LWO\"" },
    { "obfuscationMethod", "\"Masque\"" },
    { "obfuscationMethod", "\"UdpOverTcp\"" },
    { "obfuscationMethod", "\"Shadowsocks\"" },
    { "vpnDisabledApps", "[\"/usr/share/applications/firefox.desktop\"]" },
    { "excludedAddresses", "[\"10.0.0.1\"]" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused (cases[i].key, cases[i].json, cases[i].key, VPND_ERROR_NOT_SUPPORTED);
}

static void
test_guard (void)
{
  g_autofree char *duplicate = with ("server\\u0050ort", "1");
  g_autofree char *large = g_strdup_printf ("{\"x\":\"%0*d\"}", 64 * 1024, 0);
  g_autoptr (GError) error = NULL;

  g_assert_null (vpnd_codec_profile_from_json (duplicate, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON);
  g_assert_nonnull (strstr (error->message, "serverPort"));
  g_clear_error (&error);
  g_assert_null (vpnd_codec_profile_from_json (large, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TOO_LARGE);
  g_clear_error (&error);
  g_assert_null (vpnd_codec_profile_from_json ("[]", &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_JSON);
}

/* An exported profile has everything of the profile but its secrets. */
static void
test_export (void)
{
  g_autofree char *json = with ("presharedKey", "\"" PSK "\"");
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndProfile) profile = vpnd_codec_profile_from_json (json, &error);
  g_autofree char *text = vpnd_profile_export (profile);

  g_assert_no_error (error);
  g_assert_null (strstr (text, PRIVATE));
  g_assert_null (strstr (text, PSK));
  g_assert_nonnull (strstr (text, "\n# PrivateKey = (hidden)\n"));
  g_assert_nonnull (strstr (text, "\n# PresharedKey = (hidden)\n"));
  g_assert_nonnull (strstr (text, PUBLIC));
  g_assert_null (strstr (text, "\nPrivateKey"));
  g_assert_null (strstr (text, "\nPresharedKey"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/codec/client", test_client);
  g_test_add_func ("/codec/optional", test_optional);
  g_test_add_func ("/codec/extras", test_extras);
  g_test_add_func ("/codec/required", test_required);
  g_test_add_func ("/codec/one-family", test_one_family);
  g_test_add_func ("/codec/refused", test_refused);
  g_test_add_func ("/codec/not-supported", test_not_supported);
  g_test_add_func ("/codec/bridge", test_bridge);
  g_test_add_func ("/codec/bridge-refused", test_bridge_refused);
  g_test_add_func ("/codec/guard", test_guard);
  g_test_add_func ("/codec/export", test_export);
  return g_test_run ();
}
