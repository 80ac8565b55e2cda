/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The function of remove-tree.h. Links are removed, never followed.
 */
#include "config.h"

#include "remove-tree.h"

#include <glib/gstdio.h>

void
support_remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      support_remove_tree (child);
    }
  g_assert_cmpint (g_remove (path), ==, 0);
}
