/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See leftovers.h.
 */
#include "config.h"

#include "leftovers.h"

#include <stdio.h>
#include <unistd.h>

#define PREFIX "vpnd-test-"

/* A name for a group at the top of a hierarchy, which says whose it is. */
char *
leftovers_new_name (const char *what)
{
  return g_strdup_printf (PREFIX "%d-%s", (int) getpid (), what);
}

static gboolean
is_owner_alive (const char *name)
{
  g_autofree char *path = NULL;
  int pid;

  if (sscanf (name, PREFIX "%d-", &pid) != 1)
    return TRUE;
  path = g_strdup_printf ("/proc/%d", pid);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* As far as nobody stands in it. */
static void
remove_group (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_group (child);
    }
  (void) rmdir (path);
}

/* Of the hierarchy that is mounted there. */
void
leftovers_remove (const char *mount)
{
  g_autoptr (GDir) dir = g_dir_open (mount, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (mount, name, NULL);

      if (g_str_has_prefix (name, PREFIX) && !is_owner_alive (name))
        remove_group (path);
    }
}
