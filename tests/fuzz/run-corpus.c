/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Feeds every file of a corpus folder to the one fuzz target that it is linked with: TAP, one test a file. Each file is
 * also fed cut short at 16 places, and with each of 64 of its bytes changed, so that a corpus goes further than its files.
 */
#include "config.h"

#include <glib.h>
#include <stdint.h>
#include <stdlib.h>

#define CUTS 16
#define CHANGES 64

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* A copy of the exact size, so that a sanitizer sees the first byte read past the end. */
static void
feed (const char *data, gsize size)
{
  guint8 *exact = g_memdup2 (data, size);

  (void) LLVMFuzzerTestOneInput (exact, size); /* always 0; a failure aborts */
  g_free (exact);
}

static void
test_sample (gconstpointer user_data)
{
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (user_data, &data, &size, &error));
  g_assert_no_error (error);
  feed (data, size);
  for (guint i = 0; i < CUTS; i++)
    feed (data, size * i / CUTS);
  for (guint i = 0; size > 0 && i < CHANGES; i++)
    {
      gsize at = (gsize) g_test_rand_int_range (0, (gint32) MIN (size, G_MAXINT32));
      char old = data[at];

      data[at] = (char) g_test_rand_int_range (0, 256);
      feed (data, size);
      data[at] = old;
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GDir) folder = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  folder = g_dir_open (argv[1], 0, &error);
  g_assert_no_error (error);
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_strconcat ("/corpus/", name, NULL);

      g_ptr_array_add (paths, g_build_filename (argv[1], name, NULL));
      g_test_add_data_func (path, g_ptr_array_index (paths, paths->len - 1), test_sample);
    }
  g_assert_cmpuint (paths->len, >, 0);
  return g_test_run ();
}
