/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The settings on a real directory: what is saved is read back by another instance, what cannot be trusted is kept aside, a full disk
 * and a kill at any moment leave the old file or the new one, whole.
 */
#include "config.h"

#include "store-rig.h"

#include "error.h"
#include "settings-store.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

int
main (int argc, char **argv)
{
  static const StoreTest tests[] = {
    { "/store/settings/round-trip", test_settings_round_trip },
    { "/store/settings/unknown-key", test_settings_unknown_key },
    { "/store/settings/broken", test_settings_broken },
    { "/store/settings/peek", test_settings_peek },
    { "/store/settings/untrusted", test_settings_untrusted },
    { "/store/settings/foreign-owner", test_settings_foreign_owner },
    { "/store/settings/write-through-link", test_write_through_link },
    { "/store/settings/disk-full", test_disk_full },
    { "/store/settings/killed", test_killed },
  };

  return run_store_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
