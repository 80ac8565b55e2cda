/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The profiles on a real directory: stored, listed, renamed, kept aside when broken; which one is wanted, and was the last; what addresses names had.
 */
#include "config.h"

#include "store-rig.h"

#include "error.h"
#include "profile-conf.h"
#include "profile-store.h"

#include <string.h>
#include <sys/stat.h>

#define PRIVATE "WAmgVYXkbT2bCtdcDwolI88/iVi/aV3/PHcUBTQSYmo="
#define CONF "[Interface]\nPrivateKey = " PRIVATE "\nAddress = 10.0.0.2\n[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"

static VpndProfile *
make_profile (const char *name)
{
  g_autoptr (GError) error = NULL;
  VpndProfile *profile = vpnd_profile_conf_parse (name, CONF, strlen (CONF), NULL, &error);

  g_assert_no_error (error);
  return profile;
}

static VpndProfileStore *
open_store (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  VpndProfileStore *store = vpnd_profile_store_new (fixture->dirfd, fixture->dirfd, &error);

  g_assert_no_error (error);
  return store;
}

static void
assert_names (VpndProfileStore *store, const char *expected)
{
  g_autoptr (GPtrArray) list = vpnd_profile_store_list (store);
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < list->len; i++)
    g_string_append_printf (names, "%s ", ((const VpndProfile *) g_ptr_array_index (list, i))->name);
  g_assert_cmpstr (names->str, ==, expected);
}

static void
test_profiles (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndProfileStore) store = open_store (fixture), again = NULL;
  g_autoptr (VpndProfile) home = make_profile ("home"), work = make_profile ("work"), nameless = make_profile (NULL), found = NULL;
  g_autofree char *text = NULL;
  struct stat status;

  g_assert_true (vpnd_profile_store_save (store, work, FALSE, &error) && vpnd_profile_store_save (store, home, FALSE, &error));
  assert_names (store, "home work ");
  g_assert_false (vpnd_profile_store_save (store, home, FALSE, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_true (vpnd_profile_store_save (store, home, TRUE, &error));
  g_assert_false (vpnd_profile_store_save (store, nameless, TRUE, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  g_assert_cmpint (fstatat (fixture->dirfd, "profiles", &status, AT_SYMLINK_NOFOLLOW), ==, 0);
  g_assert_cmpint (status.st_mode & 07777, ==, 0700);
  g_assert_cmpint (fstatat (fixture->dirfd, "profiles/home.conf", &status, AT_SYMLINK_NOFOLLOW), ==, 0);
  g_assert_cmpint (status.st_mode & 07777, ==, 0600);
  text = get (fixture, "profiles/home.conf");
  g_assert_nonnull (strstr (text, PRIVATE));

  g_assert_false (vpnd_profile_store_rename (store, "home", "work", &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (vpnd_profile_store_rename (store, "home", "../x", &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_true (vpnd_profile_store_rename (store, "home", "house", &error));
  g_assert_false (vpnd_profile_store_remove (store, "home", &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_true (vpnd_profile_store_remove (store, "work", &error));
  assert_names (store, "house ");

  again = open_store (fixture);
  assert_names (again, "house ");
  found = vpnd_profile_store_lookup (again, "house", &error);
  g_assert_true (found != NULL && g_str_equal (found->name, "house") && vpnd_secret_equal (found->private_key, home->private_key));
  g_assert_null (vpnd_profile_store_lookup (again, "work", &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
}

static void
test_profiles_broken (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndProfileStore) store = open_store (fixture), again = NULL;
  g_autoptr (VpndProfile) good = make_profile ("good");
  g_autofree char *outside = NULL;

  g_assert_true (vpnd_profile_store_save (store, good, FALSE, NULL));
  put (fixture, "profiles/bad.conf", "[Interface]\n");
  put (fixture, "profiles/extra.conf", "#vpnd endpoint 7 192.0.2.1 1\n" CONF);
  put (fixture, "profiles/bad name.conf", CONF);
  put (fixture, "profiles/notes.txt", "not ours");
  put (fixture, "profiles/.cut.conf.tmp", CONF);
  put (fixture, "outside.conf", CONF);
  g_assert_cmpint (symlinkat ("../outside.conf", fixture->dirfd, "profiles/link.conf"), ==, 0);

  again = open_store (fixture);
  assert_names (again, "good ");
  g_assert_cmpuint (vpnd_profile_store_get_broken (again)->len, ==, 4);
  g_assert_true (exists (fixture, "profiles/bad.conf.broken-1") && exists (fixture, "profiles/link.conf.broken-1"));
  g_assert_true (exists (fixture, "profiles/notes.txt"));
  g_assert_false (exists (fixture, "profiles/.cut.conf.tmp"));
  outside = get (fixture, "outside.conf");
  g_assert_cmpstr (outside, ==, CONF);
}

static void
test_profiles_dir_is_link (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndProfileStore) store = NULL;
  g_autoptr (VpndProfile) profile = make_profile ("home");

  g_assert_cmpint (mkdirat (fixture->dirfd, "elsewhere", 0700), ==, 0);
  g_assert_cmpint (symlinkat ("elsewhere", fixture->dirfd, "profiles"), ==, 0);
  store = open_store (fixture);
  g_assert_cmpuint (vpnd_profile_store_get_broken (store)->len, ==, 1);
  g_assert_true (vpnd_profile_store_save (store, profile, FALSE, NULL));
  g_assert_false (exists (fixture, "elsewhere/home.conf"));
}

static void
test_wanted (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndProfileStore) store = open_store (fixture), again = NULL;
  g_autoptr (VpndProfile) profile = make_profile ("home"), read_back = NULL;
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);
  VpndEndpoint v4 = { .port = 51820 }, v6 = { .port = 51820 };

  g_assert_null (vpnd_profile_store_get_wanted (store));
  g_assert_true (vpnd_profile_store_set_wanted (store, NULL, &error));

  /* What a .conf cannot say survives too. */
  g_assert_true (vpnd_addr_parse ("10.64.0.1", &profile->gateway4) && vpnd_addr_parse ("fc00::1", &profile->gateway6));
  g_assert_true (vpnd_addr_parse ("192.0.2.1", &v4.addr) && vpnd_addr_parse ("2001:db8::1", &v6.addr));
  g_array_append_val (peer->endpoints, v4);
  g_array_append_val (peer->endpoints, v6);
  peer->port = 51820;
  g_assert_true (vpnd_service_port_parse ("[2001:db8::9]:443/tcp", &profile->bridge.service));
  profile->bridge.local_port = 65535;
  profile->bridge.uid = 998;
  g_assert_true (vpnd_profile_store_set_wanted (store, profile, &error));
  again = open_store (fixture);
  read_back = vpnd_profile_store_get_wanted (again);
  g_assert_true (vpnd_profile_equal (read_back, profile));

  g_assert_true (vpnd_profile_store_set_wanted (again, NULL, &error));
  g_assert_null (vpnd_profile_store_get_wanted (store));
  put (fixture, "wanted.conf", "garbage");
  g_assert_null (vpnd_profile_store_get_wanted (store));
  g_assert_true (exists (fixture, "wanted.conf.broken-1"));
}

static void
assert_last (Fixture *fixture, const char *expected)
{
  g_autoptr (VpndProfileStore) store = open_store (fixture);
  g_autoptr (VpndProfile) last = vpnd_profile_store_get_last (store);

  g_assert_cmpstr (last != NULL ? last->name : NULL, ==, expected);
}

static void
test_last (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndProfileStore) store = open_store (fixture);
  g_autoptr (VpndProfile) home = make_profile ("home"), stranger = make_profile ("stranger"), nameless = make_profile (NULL);

  assert_last (fixture, NULL);
  g_assert_true (vpnd_profile_store_save (store, home, FALSE, NULL) && vpnd_profile_store_set_wanted (store, home, NULL));
  g_assert_true (vpnd_profile_store_set_wanted (store, nameless, NULL) && vpnd_profile_store_set_wanted (store, NULL, NULL));
  assert_last (fixture, "home");
  g_assert_true (vpnd_profile_store_rename (store, "home", "house", NULL));
  assert_last (fixture, "house");
  g_assert_true (vpnd_profile_store_set_wanted (store, stranger, NULL));
  assert_last (fixture, NULL);
  put (fixture, "last-profile", "../../etc/passwd\n");
  assert_last (fixture, NULL);
}

static VpndProfile *
make_named_profile (const char *host, const char *const *addresses)
{
  VpndProfile *profile = make_profile ("home");
  VpndPeer *peer = g_ptr_array_index (profile->peers, 0);

  g_array_set_size (peer->endpoints, 0);
  g_free (peer->host);
  peer->host = g_strdup (host);
  peer->port = 51820;
  for (guint i = 0; addresses != NULL && addresses[i] != NULL; i++)
    {
      VpndEndpoint endpoint = { .port = peer->port };

      g_assert_true (vpnd_addr_parse (addresses[i], &endpoint.addr));
      g_array_append_val (peer->endpoints, endpoint);
    }
  return profile;
}

/* What a store knows of @host: its addresses joined by a space, NULL when it knows none. */
static char *
known (Fixture *fixture, const char *host)
{
  g_autoptr (VpndProfileStore) store = open_store (fixture);
  g_autoptr (VpndProfile) profile = make_named_profile (host, NULL);
  g_autoptr (VpndProfile) complete = vpnd_profile_store_complete (store, profile);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; complete != NULL && i < ((VpndPeer *) g_ptr_array_index (complete->peers, 0))->endpoints->len; i++)
    {
      const VpndEndpoint *endpoint = &g_array_index (((VpndPeer *) g_ptr_array_index (complete->peers, 0))->endpoints, VpndEndpoint, i);
      char buffer[VPND_ADDR_STRLEN];

      g_assert_cmpuint (endpoint->port, ==, 51820);
      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", vpnd_addr_format (&endpoint->addr, buffer));
    }
  return complete != NULL ? g_strdup (text->str) : NULL;
}

#define assert_known(fixture, host, expected)        \
  G_STMT_START                                       \
  {                                                  \
    g_autofree char *known_ = known (fixture, host); \
    g_assert_cmpstr (known_, ==, expected);          \
  }                                                  \
  G_STMT_END

static void
test_known_addresses (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndProfileStore) store = open_store (fixture);
  g_autoptr (VpndProfile) both = make_named_profile ("vpn.example", (const char *[]){ "203.0.113.7", "2001:db8::7", NULL });
  g_autoptr (VpndProfile) other = make_named_profile ("vpn.example.org", (const char *[]){ "203.0.113.8", NULL });
  g_autoptr (VpndProfile) moved = make_named_profile ("vpn.example", (const char *[]){ "203.0.113.9", NULL });

  assert_known (fixture, "vpn.example", NULL);
  g_assert_true (vpnd_profile_store_set_wanted (store, both, NULL) && vpnd_profile_store_set_wanted (store, other, NULL));
  assert_known (fixture, "vpn.example", "203.0.113.7 2001:db8::7");
  assert_known (fixture, "VPN.example", "203.0.113.7 2001:db8::7");
  assert_known (fixture, "vpn.example.org", "203.0.113.8");
  assert_known (fixture, "vpn", NULL);
  g_assert_true (vpnd_profile_store_set_wanted (store, moved, NULL) && vpnd_profile_store_set_wanted (store, NULL, NULL));
  assert_known (fixture, "vpn.example", "203.0.113.9");
  assert_known (fixture, "vpn.example.org", "203.0.113.8");
  put (fixture, "known-addresses", "vpn.example\nvpn.example \nvpn.example ::\nvpn.example 300.1.1.1\nvpn.example 203.0.113.5 \nvpn.example 203.0.113.6\n");
  assert_known (fixture, "vpn.example", "203.0.113.6");
}

int
main (int argc, char **argv)
{
  static const StoreTest tests[] = {
    { "/store/profiles", test_profiles },
    { "/store/profiles/broken", test_profiles_broken },
    { "/store/profiles/dir-is-link", test_profiles_dir_is_link },
    { "/store/wanted", test_wanted },
    { "/store/known-addresses", test_known_addresses },
    { "/store/last", test_last },
  };

  return run_store_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
