/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The stores on a real directory: what is saved is read back by another instance, what cannot be trusted is kept aside, a full disk
 * and a kill at any moment leave the old file or the new one, whole.
 */
#include "config.h"

#include "error.h"
#include "ledger.h"
#include "profile-conf.h"
#include "profile-store.h"
#include "safe-file.h"
#include "settings-store.h"
#include "state.h"
#include "remove-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRIVATE "WAmgVYXkbT2bCtdcDwolI88/iVi/aV3/PHcUBTQSYmo="
#define CONF "[Interface]\nPrivateKey = " PRIVATE "\nAddress = 10.0.0.2\n[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"

typedef struct
{
  char *path;
  int dirfd;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->path = g_dir_make_tmp ("vpnd-store-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->dirfd = open (fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (fixture->dirfd, >=, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  close (fixture->dirfd);
  support_remove_tree (fixture->path);
  g_free (fixture->path);
}

static char *
in (Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->path, name, NULL);
}

static void
put (Fixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = in (fixture, name);

  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static char *
get (Fixture *fixture, const char *name)
{
  g_autofree char *path = in (fixture, name);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

static gboolean
exists (Fixture *fixture, const char *name)
{
  return faccessat (fixture->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static VpndSettings *
with (VpndSettings *settings, const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;
  VpndSettings *changed = vpnd_settings_with (settings, vpnd_setting_info_by_key (key), g_variant_parse (NULL, value, NULL, NULL, NULL), &error);

  g_assert_no_error (error);
  vpnd_settings_unref (settings);
  return changed;
}

static VpndSettings *
load_settings (Fixture *fixture, gboolean *out_was_broken)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSettingsStore) store = vpnd_settings_store_new (fixture->dirfd, &error);
  g_autofree char *trouble = NULL;
  VpndSettings *settings = vpnd_settings_store_load (store, &trouble);

  *out_was_broken = trouble != NULL;
  return settings;
}

static void
save_settings (Fixture *fixture, VpndSettings *settings)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSettingsStore) store = vpnd_settings_store_new (fixture->dirfd, &error);

  g_assert_true (vpnd_settings_store_save (store, settings, &error));
  g_assert_no_error (error);
}

static VpndSettings *
unusual_settings (void)
{
  VpndSettings *settings = vpnd_settings_new_default ();

  settings = with (settings, "lockdown", "true");
  settings = with (settings, "auto-connect-profile", "'home'");
  settings = with (settings, "mtu", "uint32 1400");
  settings = with (settings, "dns-servers", "['192.0.2.1', '2001:db8::1']");
  return with (settings, "crash-recovery", "'reconnect'");
}

static void
test_settings_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndSettings) defaults = vpnd_settings_new_default ();
  g_autoptr (VpndSettings) settings = unusual_settings ();
  g_autoptr (VpndSettings) first = NULL, second = NULL;
  gboolean was_broken = TRUE;
  struct stat status;

  first = load_settings (fixture, &was_broken);
  g_assert_true (vpnd_settings_equal (first, defaults));
  g_assert_false (was_broken);

  save_settings (fixture, settings);
  g_assert_cmpint (fstatat (fixture->dirfd, "settings.json", &status, AT_SYMLINK_NOFOLLOW), ==, 0);
  g_assert_cmpint (status.st_mode & 07777, ==, 0600);
  second = load_settings (fixture, &was_broken);
  g_assert_true (vpnd_settings_equal (second, settings));
  g_assert_false (was_broken);
}

static void
test_settings_unknown_key (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndSettings) settings = NULL;
  gboolean was_broken;

  put (fixture, "settings.json", "{\"version\":1,\"from-the-future\":[1],\"lockdown\":true}");
  settings = load_settings (fixture, &was_broken);
  g_assert_true (!was_broken && settings->lockdown);
}

/* A look changes nothing on the disk, whatever it finds. */
static void
test_settings_peek (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndSettings) defaults = vpnd_settings_new_default ();
  g_autoptr (VpndSettings) unusual = unusual_settings ();
  g_autoptr (VpndSettings) none = NULL, broken = NULL, good = NULL;
  g_autoptr (GError) error = NULL;
  struct stat before, after;

  none = vpnd_settings_store_peek (fixture->dirfd, &error);
  g_assert_no_error (error);
  g_assert_true (vpnd_settings_equal (none, defaults));
  g_assert_cmpint (faccessat (fixture->dirfd, "settings.json", F_OK, 0), ==, -1);

  save_settings (fixture, unusual);
  good = vpnd_settings_store_peek (fixture->dirfd, &error);
  g_assert_no_error (error);
  g_assert_true (vpnd_settings_equal (good, unusual));

  put (fixture, "settings.json", "{\"version\":2}");
  g_assert_cmpint (fstat (fixture->dirfd, &before), ==, 0);
  broken = vpnd_settings_store_peek (fixture->dirfd, &error);
  g_assert_null (broken);
  g_assert_nonnull (error);
  g_assert_cmpint (fstat (fixture->dirfd, &after), ==, 0);
  g_assert_true (before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
  g_assert_cmpint (faccessat (fixture->dirfd, "settings.json", F_OK, 0), ==, 0);
}

static void
test_settings_broken (Fixture *fixture, gconstpointer data)
{
  static const char *const texts[] = { "", "{", "[]", "{}", "null", "{\"version\":2}", "{\"version\":\"1\"}", "{\"version\":1,\"mtu\":7}", "{\"version\":1,\"lockdown\":1}",
    "{\"version\":1,\"lockdown\":true,\"lockdown\":false}", "{\"version\":1,\"dns-servers\":[1]}", "{\"version\":1,\"dns-servers\":\"1.1.1.1\"}", "{\"version\":1,\"backend\":null}" };
  g_autoptr (VpndSettings) defaults = vpnd_settings_new_default (), last = NULL;
  g_autoptr (VpndSettingsStore) store = vpnd_settings_store_new (fixture->dirfd, NULL);
  gboolean was_broken = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *aside = g_strdup_printf ("settings.json.broken-%u", i + 1);
      g_autofree char *kept = NULL;
      g_autoptr (VpndSettings) settings = NULL, again = NULL;
      g_autoptr (GError) error = NULL;

      put (fixture, "settings.json", texts[i]);
      settings = load_settings (fixture, &was_broken);
      g_assert_true (was_broken);
      g_assert_true (vpnd_settings_equal (settings, defaults));
      kept = get (fixture, aside);
      g_assert_cmpstr (kept, ==, texts[i]);

      /* What was wanted is still unknown, whoever starts next, until somebody says it. */
      again = load_settings (fixture, &was_broken);
      g_assert_true (was_broken && vpnd_settings_equal (again, defaults));
      g_assert_null (vpnd_settings_store_peek (fixture->dirfd, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_NOT_FOUND);
    }

  g_assert_true (vpnd_settings_store_save (store, defaults, NULL));
  last = load_settings (fixture, &was_broken);
  g_assert_false (was_broken);
}

/* Each makes something in the place of the file that must not be read, whatever it says. */
static void
make_link (Fixture *fixture)
{
  put (fixture, "other", "{\"version\":1,\"lockdown\":true}");
  g_assert_cmpint (symlinkat ("other", fixture->dirfd, "settings.json"), ==, 0);
}

static void
make_hard_link (Fixture *fixture)
{
  put (fixture, "other", "{\"version\":1,\"lockdown\":true}");
  g_assert_cmpint (linkat (fixture->dirfd, "other", fixture->dirfd, "settings.json", 0), ==, 0);
}

static void
make_fifo (Fixture *fixture)
{
  g_assert_cmpint (mkfifoat (fixture->dirfd, "settings.json", 0600), ==, 0);
}

static void
make_directory (Fixture *fixture)
{
  g_assert_cmpint (mkdirat (fixture->dirfd, "settings.json", 0700), ==, 0);
}

static void
make_writable (Fixture *fixture)
{
  put (fixture, "settings.json", "{\"version\":1,\"lockdown\":true}");
  g_assert_cmpint (fchmodat (fixture->dirfd, "settings.json", 0666, 0), ==, 0);
}

static void
make_huge (Fixture *fixture)
{
  g_autofree char *text = g_strnfill (100 * 1024, ' ');

  put (fixture, "settings.json", text);
}

static void
test_settings_untrusted (Fixture *fixture, gconstpointer data)
{
  static void (*const makers[]) (Fixture *) = { make_link, make_hard_link, make_fifo, make_directory, make_writable, make_huge };

  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    {
      g_autofree char *aside = g_strdup_printf ("settings.json.broken-%u", i + 1);
      g_autoptr (VpndSettings) settings = NULL;
      gboolean was_broken = FALSE;

      makers[i](fixture);
      settings = load_settings (fixture, &was_broken);
      g_assert_true (was_broken);
      g_assert_false (settings->lockdown);
      g_assert_true (exists (fixture, aside));
      g_assert_false (exists (fixture, "settings.json"));
    }
}

static void
test_settings_foreign_owner (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndSettings) settings = NULL;
  gboolean was_broken = FALSE;

  put (fixture, "settings.json", "{\"version\":1,\"lockdown\":true}");
  g_assert_cmpint (fchownat (fixture->dirfd, "settings.json", 65534, 65534, 0), ==, 0);
  settings = load_settings (fixture, &was_broken);
  g_assert_true (was_broken && !settings->lockdown);
}

/* Writing replaces a link and leaves its target alone. */
static void
test_write_through_link (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndSettings) settings = unusual_settings ();
  g_autofree char *target = NULL;
  struct stat status;

  put (fixture, "precious", "untouched");
  g_assert_cmpint (symlinkat ("precious", fixture->dirfd, "settings.json"), ==, 0);
  g_assert_cmpint (symlinkat ("precious", fixture->dirfd, ".settings.json.tmp"), ==, 0);
  save_settings (fixture, settings);
  target = get (fixture, "precious");
  g_assert_cmpstr (target, ==, "untouched");
  g_assert_cmpint (fstatat (fixture->dirfd, "settings.json", &status, AT_SYMLINK_NOFOLLOW), ==, 0);
  g_assert_true (S_ISREG (status.st_mode));
}

static void
test_disk_full (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSettingsStore) store = vpnd_settings_store_new (fixture->dirfd, &error);
  g_autoptr (VpndSettings) settings = unusual_settings (), defaults = vpnd_settings_new_default (), read = NULL;
  struct rlimit old, small;
  gboolean was_broken, is_saved;

  g_assert_true (vpnd_settings_store_save (store, settings, &error));
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  small = old;
  small.rlim_cur = 16;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  is_saved = vpnd_settings_store_save (store, defaults, &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);

  g_assert_false (is_saved);
  g_assert_error (error, VPND_ERROR, VPND_ERROR_STORAGE);
  g_assert_false (exists (fixture, ".settings.json.tmp"));
  read = load_settings (fixture, &was_broken);
  g_assert_true (!was_broken && vpnd_settings_equal (read, settings));
}

static void
child_saves_for_ever (Fixture *fixture, int pipe_fd)
{
  g_autoptr (VpndSettingsStore) store = vpnd_settings_store_new (fixture->dirfd, NULL);
  g_autoptr (VpndSettings) a = unusual_settings (), b = vpnd_settings_new_default ();

  for (guint i = 0;; i++)
    if (!vpnd_settings_store_save (store, i % 2 == 0 ? a : b, NULL) || write (pipe_fd, "x", 1) != 1)
      _exit (1);
}

/* A process that saves one value and the other in turn is killed after 1, 2, 3, ... saves, at a random step of the next one. */
static void
test_killed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndSettings) a = unusual_settings (), b = vpnd_settings_new_default ();

  for (guint round = 1; round <= 25; round++)
    {
      g_autoptr (VpndSettings) read_back = NULL;
      gboolean was_broken = TRUE;
      int fds[2], status;
      char byte;
      pid_t pid;

      g_assert_cmpint (pipe (fds), ==, 0);
      pid = fork ();
      g_assert_cmpint (pid, >=, 0);
      if (pid == 0)
        child_saves_for_ever (fixture, fds[1]);

      close (fds[1]);
      for (guint i = 0; i < round; i++)
        g_assert_cmpint (read (fds[0], &byte, 1), ==, 1);
      for (int spin = g_test_rand_int_range (0, 200000); spin > 0; spin--)
        __asm__ volatile("");
      g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
      g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
      close (fds[0]);

      read_back = load_settings (fixture, &was_broken);
      g_assert_false (was_broken);
      g_assert_true (vpnd_settings_equal (read_back, a) || vpnd_settings_equal (read_back, b));
    }
}

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

static VpndLedger *
open_ledger (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  VpndLedger *ledger = vpnd_ledger_open (fixture->dirfd, fixture->dirfd, &error);

  g_assert_no_error (error);
  return ledger;
}

static void
test_ledger (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndLedger) ledger = open_ledger (fixture), again = NULL;
  g_autoptr (GHashTable) first = g_hash_table_new (g_str_hash, g_str_equal), second = g_hash_table_new (g_str_hash, g_str_equal);

  g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, 0);
  g_assert_false (vpnd_ledger_get_protected (ledger) || vpnd_ledger_get_handover (ledger));
  g_hash_table_insert (first, (gpointer) "net/a", (gpointer) "0");
  g_hash_table_insert (second, (gpointer) "net/a", (gpointer) "1");
  g_hash_table_insert (second, (gpointer) "net/b", (gpointer) "2");
  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_LINK | VPND_HOST_DNS, &error) && vpnd_ledger_set_target (ledger, TRUE, TRUE, &error));
  g_assert_true (vpnd_ledger_set_sysctls (ledger, first, &error) && vpnd_ledger_set_sysctls (ledger, second, &error));
  for (gint64 i = 1; i <= 10; i++)
    g_assert_true (vpnd_ledger_add_crash (ledger, i * 1000, &error));

  again = open_ledger (fixture);
  g_assert_cmpuint (vpnd_ledger_get_changes (again), ==, VPND_HOST_LINK | VPND_HOST_DNS);
  g_assert_true (vpnd_ledger_get_protected (again) && vpnd_ledger_get_handover (again));
  g_assert_cmpuint (g_hash_table_size (vpnd_ledger_get_sysctls (again)), ==, 2);
  g_assert_cmpstr (g_hash_table_lookup (vpnd_ledger_get_sysctls (again), "net/a"), ==, "0");
  g_assert_cmpuint (vpnd_ledger_count_crashes (again, 0), ==, 8);
  g_assert_cmpuint (vpnd_ledger_count_crashes (again, 9000), ==, 2);
  g_assert_true (vpnd_ledger_set_sysctls (again, NULL, &error));
  g_assert_cmpuint (g_hash_table_size (vpnd_ledger_get_sysctls (again)), ==, 0);
}

/* A write that fails changes neither the file nor what the getters say. */
static void
test_ledger_failure (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndLedger) ledger = open_ledger (fixture), again = NULL;

  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_LINK, &error));
  g_assert_cmpint (mkdirat (fixture->dirfd, ".ledger.json.tmp", 0700), ==, 0);
  g_assert_false (vpnd_ledger_set_changes (ledger, VPND_HOST_ALL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_STORAGE);
  g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, VPND_HOST_LINK);
  again = open_ledger (fixture);
  g_assert_cmpuint (vpnd_ledger_get_changes (again), ==, VPND_HOST_LINK);
}

static char *
with_other_boot (const char *text)
{
  g_autoptr (GRegex) boot = g_regex_new ("\"boot\"\\s*:\\s*\"[^\"]+\"", 0, 0, NULL);

  g_assert_true (g_regex_match (boot, text, 0, NULL));
  return g_regex_replace_literal (boot, text, -1, 0, "\"boot\":\"00000000-0000-0000-0000-000000000000\"", 0, NULL);
}

/* A ledger that is taken away or spoiled is known from its copy, and that is told; the copy of another boot is nobody's. */
static void
test_ledger_lost (Fixture *fixture, gconstpointer data)
{
  static const char *const spoiled[] = { NULL, "", "{}" };
  g_autoptr (GHashTable) values = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (values, (gpointer) "net/a", (gpointer) "7");
  for (guint i = 0; i < G_N_ELEMENTS (spoiled); i++)
    {
      g_autoptr (VpndLedger) ledger = open_ledger (fixture), again = NULL;
      g_autofree char *copy = NULL;
      g_autofree char *other = NULL;

      g_assert_true (vpnd_ledger_set_target (ledger, TRUE, FALSE, NULL) && vpnd_ledger_set_changes (ledger, VPND_HOST_SYSCTLS, NULL) && vpnd_ledger_set_sysctls (ledger, values, NULL));
      copy = get (fixture, "ledger-copy.json");
      if (spoiled[i] == NULL)
        g_assert_cmpint (unlinkat (fixture->dirfd, "ledger.json", 0), ==, 0);
      else
        put (fixture, "ledger.json", spoiled[i]);
      again = open_ledger (fixture);
      g_assert_cmpstr (g_hash_table_lookup (vpnd_ledger_get_sysctls (again), "net/a"), ==, "7");
      g_assert_true (vpnd_ledger_get_protected (again) && (vpnd_ledger_get_changes (again) & VPND_HOST_SYSCTLS));
      g_assert_nonnull (vpnd_ledger_get_trouble (again));
      g_assert_true (vpnd_ledger_is_complete (again));

      /* What was recovered is written down. */
      g_clear_pointer (&again, vpnd_ledger_free);
      again = open_ledger (fixture);
      g_assert_cmpstr (g_hash_table_lookup (vpnd_ledger_get_sysctls (again), "net/a"), ==, "7");
      g_assert_null (vpnd_ledger_get_trouble (again));

      /* Another boot: gone is forgotten, spoiled is still suspicious. */
      other = with_other_boot (copy);
      put (fixture, "ledger-copy.json", other);
      if (spoiled[i] == NULL)
        g_assert_cmpint (unlinkat (fixture->dirfd, "ledger.json", 0), ==, 0);
      else
        put (fixture, "ledger.json", spoiled[i]);
      g_clear_pointer (&again, vpnd_ledger_free);
      again = open_ledger (fixture);
      g_assert_cmpuint (g_hash_table_size (vpnd_ledger_get_sysctls (again)), ==, 0);
      g_assert_cmpint (vpnd_ledger_get_protected (again), ==, spoiled[i] != NULL);
      g_assert_cmpint (vpnd_ledger_get_trouble (again) != NULL, ==, spoiled[i] != NULL);
      g_assert_cmpint (vpnd_ledger_is_complete (again), ==, spoiled[i] == NULL);
      g_assert_true (vpnd_ledger_set_target (again, FALSE, FALSE, NULL));
    }
}

/* A copy that cannot be written is no failure, and is not left as it was. */
static void
test_ledger_without_copy (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndLedger) ledger = open_ledger (fixture);

  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_LINK, NULL));
  g_assert_true (exists (fixture, "ledger-copy.json"));
  g_assert_cmpint (mkdirat (fixture->dirfd, ".ledger-copy.json.tmp", 0700), ==, 0);
  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_ALL, NULL));
  g_assert_false (exists (fixture, "ledger-copy.json"));
}

static void
test_ledger_broken (Fixture *fixture, gconstpointer data)
{
  static const char *const texts[] = { "", "{}", "{\"version\":2,\"changes\":0,\"protected\":false,\"handover\":false,\"sysctls\":{},\"crashes\":[]}",
    "{\"version\":1,\"changes\":99,\"protected\":false,\"handover\":false,\"sysctls\":{},\"crashes\":[]}",
    "{\"version\":1,\"changes\":0,\"protected\":false,\"handover\":false,\"sysctls\":{\"a\":1},\"crashes\":[]}",
    "{\"version\":1,\"changes\":0,\"protected\":false,\"handover\":false,\"sysctls\":{},\"crashes\":[\"x\"]}" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (VpndLedger) ledger = NULL;

      put (fixture, "ledger.json", texts[i]);
      ledger = open_ledger (fixture);
      g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, VPND_HOST_ALL);
      g_assert_true (vpnd_ledger_get_protected (ledger));
      g_assert_false (vpnd_ledger_get_handover (ledger));

      /* The instance after one that has done nothing must see the same. */
      g_clear_pointer (&ledger, vpnd_ledger_free);
      ledger = open_ledger (fixture);
      g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, VPND_HOST_ALL);
      g_assert_true (vpnd_ledger_get_protected (ledger));
    }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*run) (Fixture *, gconstpointer);
  } tests[] = {
    { "/store/settings/round-trip", test_settings_round_trip },
    { "/store/settings/unknown-key", test_settings_unknown_key },
    { "/store/settings/broken", test_settings_broken },
    { "/store/settings/peek", test_settings_peek },
    { "/store/settings/untrusted", test_settings_untrusted },
    { "/store/settings/foreign-owner", test_settings_foreign_owner },
    { "/store/settings/write-through-link", test_write_through_link },
    { "/store/settings/disk-full", test_disk_full },
    { "/store/settings/killed", test_killed },
    { "/store/profiles", test_profiles },
    { "/store/profiles/broken", test_profiles_broken },
    { "/store/profiles/dir-is-link", test_profiles_dir_is_link },
    { "/store/wanted", test_wanted },
    { "/store/known-addresses", test_known_addresses },
    { "/store/last", test_last },
    { "/store/ledger", test_ledger },
    { "/store/ledger/failure", test_ledger_failure },
    { "/store/ledger/broken", test_ledger_broken },
    { "/store/ledger/lost", test_ledger_lost },
    { "/store/ledger/without-copy", test_ledger_without_copy },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
  return g_test_run ();
}
