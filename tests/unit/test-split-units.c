/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The cgroups of units by their names, in folders as a mount of cgroup2 has them: inotify tells the same of both.
 */
#include "config.h"

#include "split-units.h"

#include "remove-tree.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *mount;
  VpndSplitUnits *units;
  guint n_told;
} Fixture;

static void
on_told (gpointer user_data)
{
  ((Fixture *) user_data)->n_told++;
}

static gboolean
is_wanted (const char *name, gconstpointer data)
{
  return g_str_has_prefix (name, "wanted");
}

static guint64
make (const Fixture *fixture, const char *path)
{
  g_autofree char *full = g_build_filename (fixture->mount, path, NULL);
  struct stat info;

  g_assert_cmpint (g_mkdir_with_parents (full, 0755), ==, 0);
  g_assert_cmpint (stat (full, &info), ==, 0);
  return info.st_ino;
}

static void
drop (const Fixture *fixture, const char *path)
{
  g_autofree char *full = g_build_filename (fixture->mount, path, NULL);

  g_assert_cmpint (rmdir (full), ==, 0);
}

static const VpndSplitUnitPlace *
find (const Fixture *fixture, guint64 id)
{
  const GArray *places = vpnd_split_units_get (fixture->units);

  for (guint i = 0; i < places->len; i++)
    if (g_array_index (places, VpndSplitUnitPlace, i).id == id)
      return &g_array_index (places, VpndSplitUnitPlace, i);
  return NULL;
}

static void
assert_place (const Fixture *fixture, guint64 id, const char *name, guint32 uid, guint level)
{
  const VpndSplitUnitPlace *place = find (fixture, id);

  g_assert_nonnull (place);
  g_assert_cmpstr (place->name, ==, name);
  g_assert_cmpuint (place->uid, ==, uid);
  g_assert_cmpuint (place->level, ==, level);
}

/* What is there already is handled, and nothing else: no timer has run. */
static void
handle_events (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
wait_for_walk (const Fixture *fixture, guint64 gone)
{
  while (find (fixture, gone) != NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->mount = g_dir_make_tmp ("vpnd-units-XXXXXX", NULL);
  fixture->units = vpnd_split_units_new (on_told, fixture);
  make (fixture, "system.slice");
  make (fixture, "user.slice/user-1000.slice/user@1000.service/app.slice");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  vpnd_split_units_free (fixture->units);
  support_remove_tree (fixture->mount);
  g_free (fixture->mount);
}

static void
test_what_is_there (Fixture *fixture, gconstpointer data)
{
  const guint64 service = make (fixture, "system.slice/wanted.service");
  const guint64 own = make (fixture, "user.slice/user-1000.slice/user@1000.service/app.slice/wanted-app.scope");
  const guint64 slice = make (fixture, "wanted.slice");
  const guint64 other = make (fixture, "system.slice/other.service");
  const guint64 inner = make (fixture, "system.slice/other.service/wanted.service");

  vpnd_split_units_set (fixture->units, fixture->mount, is_wanted, NULL, FALSE);
  assert_place (fixture, service, "wanted.service", G_MAXUINT32, 2);
  assert_place (fixture, own, "wanted-app.scope", 1000, 5);
  assert_place (fixture, slice, "wanted.slice", G_MAXUINT32, 1);
  g_assert_null (find (fixture, other));
  g_assert_null (find (fixture, inner)); /* what a service makes below itself is none of systemd's units */
  g_assert_cmpuint (fixture->n_told, ==, 0);

  vpnd_split_units_set (fixture->units, NULL, NULL, NULL, FALSE);
  g_assert_cmpuint (vpnd_split_units_get (fixture->units)->len, ==, 0);
}

/* The first process of a unit comes right after its cgroup: nothing is waited for. */
static void
test_what_comes_is_told_at_once (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *path;
    const char *name;
    guint32 uid;
    guint level;
  } cases[] = {
    { "system.slice/wanted.service", "wanted.service", G_MAXUINT32, 2 },
    { "system.slice/system-new.slice/wanted@1.service", "wanted@1.service", G_MAXUINT32, 3 },
    { "system.slice/system-new.slice/wanted@2.service", "wanted@2.service", G_MAXUINT32, 3 },
    { "user.slice/user-1000.slice/user@1000.service/app.slice/wanted.scope", "wanted.scope", 1000, 5 },
    { "user.slice/user-7.slice/user@7.service/app.slice/app-new.slice/wanted.scope", "wanted.scope", 7, 6 },
  };

  vpnd_split_units_set (fixture->units, fixture->mount, is_wanted, NULL, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const guint64 id = make (fixture, cases[i].path);
      const gint64 begin = g_get_monotonic_time ();

      g_assert_true (g_main_context_iteration (NULL, FALSE));
      g_assert_cmpuint (fixture->n_told, ==, i + 1);
      assert_place (fixture, id, cases[i].name, cases[i].uid, cases[i].level);
      g_test_message ("%" G_GINT64_FORMAT " us", g_get_monotonic_time () - begin);
    }
  make (fixture, "system.slice/other.service");
  handle_events ();
  g_assert_cmpuint (fixture->n_told, ==, G_N_ELEMENTS (cases));
}

static void
test_what_goes_is_told_once (Fixture *fixture, gconstpointer data)
{
  guint64 first, second;

  vpnd_split_units_set (fixture->units, fixture->mount, is_wanted, NULL, FALSE);
  first = make (fixture, "system.slice/wanted.service");
  handle_events ();
  drop (fixture, "system.slice/wanted.service");
  second = make (fixture, "system.slice/wanted.service"); /* a restart */
  g_assert_true (g_main_context_iteration (NULL, FALSE));
  assert_place (fixture, second, "wanted.service", G_MAXUINT32, 2);
  if (first != second) /* a file system may use a number again; cgroup2 does not */
    wait_for_walk (fixture, first);
  g_assert_nonnull (find (fixture, second));

  drop (fixture, "system.slice/wanted.service");
  wait_for_walk (fixture, second);
  g_assert_cmpuint (vpnd_split_units_get (fixture->units)->len, ==, 0);
}

static void
test_a_folder_that_comes_again_is_watched (Fixture *fixture, gconstpointer data)
{
  guint64 id;

  vpnd_split_units_set (fixture->units, fixture->mount, is_wanted, NULL, FALSE);
  for (guint i = 0; i < 3; i++)
    {
      make (fixture, "new.slice");
      handle_events ();
      id = make (fixture, "new.slice/wanted.service");
      g_assert_true (g_main_context_iteration (NULL, FALSE));
      assert_place (fixture, id, "wanted.service", G_MAXUINT32, 2);
      drop (fixture, "new.slice/wanted.service");
      drop (fixture, "new.slice");
      wait_for_walk (fixture, id);
    }
}

static gboolean
has_folder (const Fixture *fixture, guint64 id, guint32 uid, guint level)
{
  const GArray *folders = vpnd_split_units_get_folders (fixture->units);

  for (guint i = 0; i < folders->len; i++)
    {
      const VpndSplitUnitFolder *folder = &g_array_index (folders, VpndSplitUnitFolder, i);

      if (folder->id == id && folder->uid == uid && folder->level == level)
        return TRUE;
    }
  return FALSE;
}

static guint64
number_of (const Fixture *fixture, const char *path)
{
  g_autofree char *full = g_build_filename (fixture->mount, path, NULL);
  struct stat info;

  g_assert_cmpint (stat (full, &info), ==, 0);
  return info.st_ino;
}

/* Where a unit may come to stand, whoever's it is; not in what a unit makes below itself. */
static void
test_folders (Fixture *fixture, gconstpointer data)
{
  static const char *const others[] = { "system.slice/other.service", "system.slice/other.service/inner.slice", "user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope" };

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    make (fixture, others[i]);
  vpnd_split_units_set (fixture->units, fixture->mount, is_wanted, NULL, TRUE);
  g_assert_true (has_folder (fixture, number_of (fixture, ""), G_MAXUINT32, 0));
  g_assert_true (has_folder (fixture, number_of (fixture, "system.slice"), G_MAXUINT32, 1));
  g_assert_true (has_folder (fixture, number_of (fixture, "user.slice"), G_MAXUINT32, 1));
  g_assert_true (has_folder (fixture, number_of (fixture, "user.slice/user-1000.slice"), G_MAXUINT32, 2));
  g_assert_true (has_folder (fixture, number_of (fixture, "user.slice/user-1000.slice/user@1000.service"), 1000, 3));
  g_assert_true (has_folder (fixture, number_of (fixture, "user.slice/user-1000.slice/user@1000.service/app.slice"), 1000, 4));
  g_assert_cmpuint (vpnd_split_units_get_folders (fixture->units)->len, ==, 6);
}

/* Who asks for all hears of each, with a number that is not below its own, and a new folder is known as one then. */
static void
test_all_are_told (Fixture *fixture, gconstpointer data)
{
  guint64 newest = 0;

  vpnd_split_units_set (fixture->units, fixture->mount, is_wanted, NULL, TRUE);
  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *path = g_strdup_printf (i % 2 == 0 ? "system.slice/other%u.service" : "system.slice/new%u.slice", i);
      const guint64 id = make (fixture, path);
      const guint n_told = fixture->n_told;

      if (id < newest)
        continue; /* the number of one that has gone: cgroup2 does not do that */
      while (fixture->n_told == n_told)
        g_main_context_iteration (NULL, TRUE);
      newest = vpnd_split_units_get_newest (fixture->units);
      g_assert_cmpuint (newest, >=, id);
      g_assert_true (has_folder (fixture, id, G_MAXUINT32, 2) == (i % 2 == 1));
    }
  vpnd_split_units_set (fixture->units, NULL, NULL, NULL, FALSE);
  g_assert_cmpuint (vpnd_split_units_get_newest (fixture->units), ==, 0);
}

/* Where inotify tells nothing, because another program has taken all there is, the folders are read again and again. */
static void
test_deaf (Fixture *fixture, gconstpointer data)
{
  struct rlimit before, none;
  guint64 id;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  none = (struct rlimit){ 3, before.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  vpnd_split_units_set (fixture->units, fixture->mount, is_wanted, NULL, TRUE);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
  g_assert_cmpuint (vpnd_split_units_get_newest (fixture->units), ==, 1); /* nothing could be read: all wait */
  id = make (fixture, "system.slice/wanted.service");
  while (find (fixture, id) == NULL)
    g_main_context_iteration (NULL, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/split-units/what-is-there", Fixture, NULL, set_up, test_what_is_there, tear_down);
  g_test_add ("/split-units/what-comes-is-told-at-once", Fixture, NULL, set_up, test_what_comes_is_told_at_once, tear_down);
  g_test_add ("/split-units/what-goes-is-told-once", Fixture, NULL, set_up, test_what_goes_is_told_once, tear_down);
  g_test_add ("/split-units/a-folder-that-comes-again-is-watched", Fixture, NULL, set_up, test_a_folder_that_comes_again_is_watched, tear_down);
  g_test_add ("/split-units/folders", Fixture, NULL, set_up, test_folders, tear_down);
  g_test_add ("/split-units/all-are-told", Fixture, NULL, set_up, test_all_are_told, tear_down);
  g_test_add ("/split-units/deaf", Fixture, NULL, set_up, test_deaf, tear_down);
  return g_test_run ();
}
