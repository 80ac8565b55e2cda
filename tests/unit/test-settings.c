/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Settings: the table covers the value, set-then-get is identity, every refusal names the key and changes nothing.
 */
#include "config.h"

#include "error.h"
#include "settings.h"

#include <string.h>

/* For each key, values in GVariant text that must be taken and differ from the default, and such that must be refused. */
typedef struct
{
  const char *key, *good[4], *bad[12];
} Case;

static const Case cases[] = {
  { "lockdown", { "true" }, { "'true'", "uint32 1", "@as []" } },
  { "auto-connect", { "true" }, { "'yes'" } },
  { "auto-connect-profile", { "'a'", "'Home_1.x-y'" }, { "true", "'.a'", "'-a'", "'a/b'", "'a b'", "'..'", "'a\\n'", "'é'" } },
  { "allow-lan", { "true" }, { "1" } },
  { "ipv6", { "false" }, { "0" } },
  { "mtu", { "uint32 1280", "uint32 1420", "uint32 65535" }, { "uint32 1", "uint32 1279", "uint32 65536", "uint32 4294967295", "1420", "'1420'" } },
  { "dns-servers", { "['192.0.2.1']", "['192.0.2.1', '2001:db8::1', '127.0.0.1']", "['1.1.1.1','1.1.1.2','1.1.1.3','1.1.1.4','1.1.1.5','1.1.1.6','1.1.1.7','1.1.1.8']" },
      { "'192.0.2.1'", "['']", "['dns.example']", "['192.0.2.1', '192.0.2.1']", "['2001:db8::1', '2001:db8:0::1']", "['224.0.0.1']", "['0.0.0.0']", "['192.0.2.1/32']", "['ff02::1']",
          "['1.1.1.1','1.1.1.2','1.1.1.3','1.1.1.4','1.1.1.5','1.1.1.6','1.1.1.7','1.1.1.8','1.1.1.9']" } },
  { "dns-resolver-uid", { "uint32 970", "uint32 65533", "uint32 65535" }, { "uint32 65534", "uint32 4294967295", "970", "'unbound'" } },
  { "api-endpoints", { "['192.0.2.1:443/tcp']", "['[2001:db8::1]:53/udp', '192.0.2.1:65535/udp']" },
      { "'192.0.2.1:443/tcp'", "['192.0.2.1:443']", "['192.0.2.1/tcp']", "['192.0.2.1:0/tcp']", "['192.0.2.1:65536/tcp']", "['2001:db8::1:443/tcp']", "['[192.0.2.1]:443/tcp']", "['api.example:443/tcp']",
          "['192.0.2.1:443/sctp']", "['224.0.0.1:443/udp']" } },
  { "forward", { "['docker0=direct']", "['virbr0=block', 'br-1a2b3c4d5e6f=tunnel', 'eth0.5=direct']" },
      { "'docker0=direct'", "['docker0']", "['docker0=']", "['=direct']", "['docker0=open']", "['a-name-too-long0=block']", "['a=block', 'a=direct']", "['lo=direct']", "['vpnd0=direct']", "['..=block']" } },
  { "crash-recovery", { "'reconnect'", "'release'" }, { "'Block'", "''", "'none'", "uint32 1" } },
  { "backend", { "'kernel'", "'userspace'" }, { "'wireguard-go'", "''" } },
  { "destroy-sockets", { "false" }, { "0", "'off'" } },
};

static GVariant *
variant (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *value = g_variant_parse (NULL, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return value;
}

static void
test_table (void)
{
  guint n;
  const VpndSettingInfo *infos = vpnd_setting_infos (&n);

  g_assert_cmpuint (n, ==, G_N_ELEMENTS (cases));
  for (guint i = 0; i < n; i++)
    {
      g_assert_true (vpnd_setting_info_by_key (infos[i].key) == &infos[i]);
      g_assert_true (vpnd_setting_info_by_property (infos[i].property) == &infos[i]);
      g_assert_cmpstr (infos[i].key, ==, cases[i].key);
    }
  g_assert_null (vpnd_setting_info_by_key ("Lockdown"));
  g_assert_null (vpnd_setting_info_by_property ("lockdown"));
}

static void
test_set_get (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint j = 0; j < G_N_ELEMENTS (cases[i].good) && cases[i].good[j] != NULL; j++)
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (VpndSettings) before = vpnd_settings_new_default ();
        g_autoptr (VpndSettings) untouched = vpnd_settings_new_default ();
        const VpndSettingInfo *info = vpnd_setting_info_by_key (cases[i].key);
        g_autoptr (GVariant) value = variant (cases[i].good[j]);
        g_autoptr (VpndSettings) after = vpnd_settings_with (before, info, value, &error);
        g_autoptr (GVariant) got = NULL;
        g_autoptr (GVariant) old = g_variant_ref_sink (vpnd_settings_get (before, info));
        g_autoptr (VpndSettings) back = NULL;

        g_assert_no_error (error);
        got = g_variant_ref_sink (vpnd_settings_get (after, info));
        g_assert_true (g_variant_equal (got, value));
        g_assert_true (vpnd_settings_equal (before, untouched));
        g_assert_false (vpnd_settings_equal (before, after));

        /* Exactly one value differs: setting it back gives the defaults. */
        back = vpnd_settings_with (after, info, old, &error);
        g_assert_no_error (error);
        g_assert_true (vpnd_settings_equal (before, back));
      }
}

static void
test_refused (void)
{
  g_autoptr (VpndSettings) settings = vpnd_settings_new_default ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint j = 0; j < G_N_ELEMENTS (cases[i].bad) && cases[i].bad[j] != NULL; j++)
      {
        g_autoptr (GError) error = NULL;

        g_assert_null (vpnd_settings_with (settings, vpnd_setting_info_by_key (cases[i].key), variant (cases[i].bad[j]), &error));
        g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
        g_assert_true (g_str_has_prefix (error->message, cases[i].key));
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/table", test_table);
  g_test_add_func ("/settings/set-get", test_set_get);
  g_test_add_func ("/settings/refused", test_refused);
  return g_test_run ();
}
