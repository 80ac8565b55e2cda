/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * uapi-client against other sides that answer in pieces, late, too much, or not at all.
 */
#include "config.h"

#include "error.h"
#include "uapi-client.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENT_MS 20000
#define IMPATIENT_MS 30

typedef struct
{
  char *directory;
  char *path;
  int listener;
  int connection;
  GAsyncResult *result;
} Side;

static void
side_set_up (Side *side, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  side->directory = g_dir_make_tmp ("vpnd-uapi-XXXXXX", NULL);
  side->path = g_build_filename (side->directory, "s", NULL);
  side->connection = -1;
  side->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_strlcpy (address.sun_path, side->path, sizeof address.sun_path);
  g_assert_no_errno (bind (side->listener, (struct sockaddr *) &address, sizeof address));
  g_assert_no_errno (listen (side->listener, 4));
}

static void
side_tear_down (Side *side, gconstpointer data)
{
  if (side->connection >= 0)
    close (side->connection);
  close (side->listener);
  g_unlink (side->path);
  g_rmdir (side->directory);
  g_clear_object (&side->result);
  g_free (side->path);
  g_free (side->directory);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((Side *) user_data)->result = g_object_ref (result);
}

static void
start (Side *side, const char *request, gsize size, guint timeout_ms, GCancellable *cancellable)
{
  g_autoptr (GBytes) bytes = g_bytes_new (request, size);

  vpnd_uapi_client_request_async (side->path, bytes, timeout_ms, cancellable, on_done, side);
}

static void
accept_it (Side *side)
{
  side->connection = accept (side->listener, NULL, NULL);
  g_assert_no_errno (side->connection);
}

static GBytes *
finish (Side *side, GError **error)
{
  while (side->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return vpnd_uapi_client_request_finish (side->result, error);
}

static void
iterate_all (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
test_pieces (Side *side, gconstpointer data)
{
  static const char answer[] = "listen_port=1\nerrno=0\n\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) got = NULL;
  char request[7];

  /* Connected and sent before the other side runs at all. */
  start (side, "get=1\n\n", 7, PATIENT_MS, NULL);
  accept_it (side);
  g_assert_cmpint (recv (side->connection, request, sizeof request, MSG_WAITALL), ==, 7);
  g_assert_cmpmem (request, 7, "get=1\n\n", 7);
  for (guint i = 0; i < sizeof answer - 1; i++)
    {
      g_assert_null (side->result);
      g_assert_cmpint (send (side->connection, answer + i, 1, 0), ==, 1);
      iterate_all ();
    }
  got = finish (side, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (got, NULL), g_bytes_get_size (got), answer, sizeof answer - 1);
}

/* A request larger than the socket's buffer goes out as the other side takes it. */
static void
test_large_request (Side *side, gconstpointer data)
{
  const gsize size = 4 * 1024 * 1024;
  g_autofree char *request = g_malloc (size);
  g_autofree char *received = g_malloc (size);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) got = NULL;

  for (gsize i = 0; i < size; i++)
    request[i] = (char) ('a' + i % 23);
  start (side, request, size, PATIENT_MS, NULL);
  accept_it (side);
  for (gsize n = 0; n < size;)
    {
      ssize_t part;

      iterate_all ();
      part = recv (side->connection, received + n, size - n, MSG_DONTWAIT);
      if (part < 0)
        g_assert_cmpint (errno, ==, EAGAIN);
      else
        n += (gsize) part;
    }
  g_assert_cmpmem (received, size, request, size);
  g_assert_cmpint (send (side->connection, "errno=0\n\n", 9, 0), ==, 9);
  got = finish (side, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (got), ==, 9);
}

static void
test_silence (Side *side, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  start (side, "get=1\n\n", 7, IMPATIENT_MS, NULL);
  g_assert_null (finish (side, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
}

static void
test_death (Side *side, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  start (side, "get=1\n\n", 7, PATIENT_MS, NULL);
  accept_it (side);
  g_assert_cmpint (send (side->connection, "listen_port=1\n", 14, 0), ==, 14);
  close (side->connection);
  side->connection = -1;
  g_assert_null (finish (side, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
}

static void
test_flood (Side *side, gconstpointer data)
{
  g_autofree char *line = g_strnfill (64 * 1024, 'x');
  g_autoptr (GError) error = NULL;

  start (side, "get=1\n\n", 7, PATIENT_MS, NULL);
  accept_it (side);
  while (side->result == NULL)
    {
      (void) send (side->connection, line, 64 * 1024, MSG_DONTWAIT | MSG_NOSIGNAL); /* as much as it takes */
      iterate_all ();
    }
  g_assert_null (finish (side, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
}

static void
test_cancelled (Side *side, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  start (side, "get=1\n\n", 7, PATIENT_MS, cancellable);
  iterate_all ();
  g_cancellable_cancel (cancellable);
  g_assert_null (finish (side, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_nobody (Side *side, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_unlink (side->path);
  start (side, "get=1\n\n", 7, PATIENT_MS, NULL);
  g_assert_null (finish (side, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_TUNNEL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Side, NULL, side_set_up, func, side_tear_down)
  ADD ("/uapi-client/pieces", test_pieces);
  ADD ("/uapi-client/large-request", test_large_request);
  ADD ("/uapi-client/silence", test_silence);
  ADD ("/uapi-client/death", test_death);
  ADD ("/uapi-client/flood", test_flood);
  ADD ("/uapi-client/cancelled", test_cancelled);
  ADD ("/uapi-client/nobody", test_nobody);
  return g_test_run ();
}
