/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the hold on units that nobody has looked at rests on (service/backends/split-units.c), with the cgroups of the real kernel: their numbers come in the order in which they
 * are made and to be seen, by however many managers; and up to the number that is told each one was found. Needs root.
 */
#include "config.h"

#include "split-units.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MADE 400 /* by each of two */

typedef struct
{
  char *folder; /* where cgroup2 is mounted */
  char *top;    /* of ours */
} Lab;

static char *
make (const Lab *lab, const char *name)
{
  char *path = g_build_filename (lab->top, name, NULL);

  g_assert_no_errno (mkdir (path, 0755));
  return path;
}

static void
lab_init (Lab *lab)
{
  g_autofree char *name = g_strdup_printf ("lab-units-%d.slice", getpid ());

  lab->folder = g_dir_make_tmp ("vpnd-units-XXXXXX", NULL);
  g_assert_no_errno (mount ("none", lab->folder, "cgroup2", 0, NULL));
  lab->top = g_build_filename (lab->folder, name, NULL);
  g_assert_no_errno (mkdir (lab->top, 0755));
  g_free (make (lab, "first.slice"));
  g_free (make (lab, "second.slice"));
}

/* cgroup2 removes folders whose files nobody can. */
static void
remove_below (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *below = g_build_filename (path, name, NULL);

      if (g_file_test (below, G_FILE_TEST_IS_DIR))
        remove_below (below);
    }
  g_assert_no_errno (rmdir (path));
}

static void
lab_clear (Lab *lab)
{
  remove_below (lab->top);
  g_assert_no_errno (umount (lab->folder));
  g_assert_no_errno (rmdir (lab->folder));
  g_free (lab->folder);
  g_free (lab->top);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Lab, lab_clear)

static guint64
make_unit (const Lab *lab, const char *slice, guint number)
{
  g_autofree char *path = g_strdup_printf ("%s/%s/unit%u.service", lab->top, slice, number);
  struct stat info;

  g_assert_no_errno (mkdir (path, 0755));
  g_assert_no_errno (stat (path, &info));
  return info.st_ino;
}

/* Another manager, which makes units as fast as it can. */
static pid_t
start_manager (const Lab *lab, const char *slice)
{
  const pid_t pid = fork ();

  if (pid == 0)
    {
      for (guint i = 0; i < MADE; i++)
        (void) make_unit (lab, slice, i);
      _exit (0);
    }
  return pid;
}

static void
end_manager (pid_t pid)
{
  int status;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
}

static GHashTable *
read_numbers (const Lab *lab, const char *slice)
{
  GHashTable *numbers = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autofree char *path = g_build_filename (lab->top, slice, NULL);
  DIR *dir = opendir (path);
  const struct dirent *entry;

  while ((entry = readdir (dir)) != NULL)
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
      g_hash_table_add (numbers, g_memdup2 (&(guint64){ entry->d_ino }, sizeof (guint64)));
  closedir (dir);
  return numbers;
}

/* Who has met a cgroup and reads a folder then finds each that is older. */
static void
test_order (void)
{
  g_auto (Lab) lab = { NULL };
  g_autoptr (GHashTable) all = NULL;
  g_autoptr (GPtrArray) looks = g_ptr_array_new_with_free_func ((GDestroyNotify) g_hash_table_unref);
  guint64 met[MADE];
  guint compared = 0;
  GHashTableIter iter;
  gpointer number;
  pid_t pid;

  lab_init (&lab);
  pid = start_manager (&lab, "second.slice");
  for (guint i = 0; i < MADE; i++)
    {
      met[i] = make_unit (&lab, "first.slice", i);
      g_ptr_array_add (looks, read_numbers (&lab, "second.slice"));
      g_assert_true (i == 0 || met[i] > met[i - 1]);
    }
  end_manager (pid);
  all = read_numbers (&lab, "second.slice");
  g_hash_table_iter_init (&iter, all);
  while (g_hash_table_iter_next (&iter, &number, NULL))
    for (guint i = 0; i < MADE; i++)
      if (*(const guint64 *) number < met[i])
        {
          g_assert_true (g_hash_table_contains (g_ptr_array_index (looks, i), number));
          compared++;
        }
  g_assert_cmpuint (compared, >, 0);
}

static gboolean
is_any (const char *name, gconstpointer data)
{
  return g_str_has_prefix (name, "unit");
}

typedef struct
{
  VpndSplitUnits *units;
  GArray *newest; /* (element-type guint64): what was told */
  GPtrArray *ids; /* (element-type GHashTable): which units were known then */
} Told;

static void
on_told (gpointer user_data)
{
  Told *told = user_data;
  GHashTable *ids = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  const GArray *places = vpnd_split_units_get (told->units);
  const guint64 newest = vpnd_split_units_get_newest (told->units);

  for (guint i = 0; i < places->len; i++)
    g_hash_table_add (ids, g_memdup2 (&g_array_index (places, VpndSplitUnitPlace, i).id, sizeof (guint64)));
  g_array_append_val (told->newest, newest);
  g_ptr_array_add (told->ids, ids);
}

static gboolean
has_found_all (const Told *told, GHashTable *all)
{
  GHashTableIter iter;
  gpointer number;

  g_hash_table_iter_init (&iter, all);
  while (g_hash_table_iter_next (&iter, &number, NULL))
    if (*(const guint64 *) number > vpnd_split_units_get_newest (told->units))
      return FALSE;
  return TRUE;
}

/* Whatever is told, while two managers make units: no unit up to that number is unknown. In the end all are known. */
static void
test_nothing_is_passed_over (void)
{
  g_auto (Lab) lab = { NULL };
  g_autoptr (GArray) newest = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func ((GDestroyNotify) g_hash_table_unref);
  Told told = { NULL, newest, ids };
  static const char *const slices[] = { "first.slice", "second.slice" };
  pid_t pids[2];

  lab_init (&lab);
  told.units = vpnd_split_units_new (on_told, &told);
  vpnd_split_units_set (told.units, lab.folder, is_any, NULL, TRUE);
  g_assert_cmpuint (vpnd_split_units_get_newest (told.units), >, 0);
  for (guint i = 0; i < 2; i++)
    pids[i] = start_manager (&lab, slices[i]);
  for (guint done = 0; done < 2;)
    {
      g_main_context_iteration (NULL, FALSE);
      for (guint i = 0; i < 2; i++)
        if (pids[i] > 0 && waitpid (pids[i], NULL, WNOHANG) == pids[i])
          {
            pids[i] = 0;
            done++;
          }
    }
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GHashTable) all = read_numbers (&lab, slices[i]);
      GHashTableIter iter;
      gpointer number;

      g_assert_cmpuint (g_hash_table_size (all), ==, MADE);
      while (!has_found_all (&told, all))
        g_main_context_iteration (NULL, TRUE);
      g_hash_table_iter_init (&iter, all);
      while (g_hash_table_iter_next (&iter, &number, NULL))
        for (guint k = 0; k < newest->len; k++)
          g_assert_true (*(const guint64 *) number > g_array_index (newest, guint64, k) || g_hash_table_contains (g_ptr_array_index (ids, k), number));
    }
  g_assert_cmpuint (newest->len, >, 1);
  vpnd_split_units_free (told.units);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/split-units/order", test_order);
  g_test_add_func ("/split-units/nothing-is-passed-over", test_nothing_is_passed_over);
  return g_test_run ();
}
