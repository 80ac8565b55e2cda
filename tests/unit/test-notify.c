/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The datagram to the service manager arrives, at a path and at an abstract name.
 */
#include "config.h"

#include "notify.h"

#include "error.h"

#include <glib/gstdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
check_arrives (const char *name)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gsize length = strlen (name);
  char text[64] = { 0 };
  g_autoptr (GError) error = NULL;
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  memcpy (address.sun_path, name, length);
  if (name[0] == '@')
    address.sun_path[0] = '\0';
  g_assert_no_errno (bind (fd, (struct sockaddr *) &address, (socklen_t) (offsetof (struct sockaddr_un, sun_path) + length + (name[0] == '@' ? 0 : 1))));
  g_assert_true (vpnd_notify (name, "READY=1\nSTATUS=connected", &error));
  g_assert_no_error (error);
  g_assert_cmpint (recv (fd, text, sizeof text - 1, MSG_DONTWAIT), ==, 24);
  g_assert_cmpstr (text, ==, "READY=1\nSTATUS=connected");
  (void) close (fd);
}

static void
test_arrives (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("vpnd-notify-XXXXXX", &error);
  g_autofree char *path = g_build_filename (directory, "socket", NULL);
  g_autofree char *abstract = g_strdup_printf ("@%s/abstract", directory);

  g_assert_no_error (error);
  check_arrives (path);
  check_arrives (abstract);
  (void) g_unlink (path);
  (void) g_rmdir (directory);
}

static void
test_nobody (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (vpnd_notify (NULL, "READY=1", &error));
  g_assert_true (vpnd_notify ("", "READY=1", &error));
  g_assert_no_error (error);
  g_assert_false (vpnd_notify ("/nonexistent/socket", "READY=1", &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_FAILED);
  g_assert_false (vpnd_notify ("relative", "READY=1", NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/notify/arrives", test_arrives);
  g_test_add_func ("/notify/nobody", test_nobody);
  return g_test_run ();
}
