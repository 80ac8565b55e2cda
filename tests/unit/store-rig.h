/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests of the stores: a directory of one's own for each, and what lies in it. Header only.
 */
#pragma once

#include "remove-tree.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

G_BEGIN_DECLS

typedef struct
{
  char *path;
  int dirfd;
} Fixture;

static inline void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->path = g_dir_make_tmp ("vpnd-store-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->dirfd = open (fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (fixture->dirfd, >=, 0);
}

static inline void
tear_down (Fixture *fixture, gconstpointer data)
{
  close (fixture->dirfd);
  support_remove_tree (fixture->path);
  g_free (fixture->path);
}

static inline char *
in (Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->path, name, NULL);
}

static inline void
put (Fixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = in (fixture, name);

  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static inline char *
get (Fixture *fixture, const char *name)
{
  g_autofree char *path = in (fixture, name);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

static inline gboolean
exists (Fixture *fixture, const char *name)
{
  return faccessat (fixture->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

typedef struct
{
  const char *path;
  void (*run) (Fixture *, gconstpointer);
} StoreTest;

/* The whole of a program of tests. */
static inline int
run_store_tests (int argc, char **argv, const StoreTest *tests, guint n)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < n; i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
  return g_test_run ();
}

G_END_DECLS
