/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See uapi-client.h. Plain send() and recv() on a descriptor: GIO's streams would keep copies of the bytes.
 */
#include "config.h"

#include "uapi-client.h"

#include "clear-buffer.h"
#include "error.h"
#include "uapi.h"

#include <errno.h>
#include <glib-unix.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_GUESS_BYTES 4096u
#define ANSWER_MAX_BYTES (8u * 1024u * 1024u) /* 100 000 allowed-ips; more is not an answer to us */

/**
 * Request:
 * @fd: the connection, -1 before and after
 * @bytes: (owned): what is sent
 * @sent: bytes of it that are sent
 * @answer: (owned): what came
 * @io: (owned) (nullable): wakes when the descriptor is ready
 * @timer: (owned) (nullable)
 * @cancelled: (owned) (nullable)
 */
typedef struct
{
  int fd;
  GBytes *bytes;
  gsize sent;
  VpndClearBuffer *answer;
  GSource *io;
  GSource *timer;
  GSource *cancelled;
} Request;

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
request_stop (Request *request)
{
  clear_source (&request->io);
  clear_source (&request->timer);
  clear_source (&request->cancelled);
  if (request->fd >= 0)
    close (g_steal_fd (&request->fd));
}

static void
request_free (gpointer data)
{
  Request *request = data;

  request_stop (request);
  g_bytes_unref (request->bytes);
  vpnd_clear_buffer_free (request->answer);
  g_free (request);
}

/* Ends the task. The sources hold references to it, so they go first, while the caller still holds one. */
static void
fail (GTask *task, const char *what, int code)
{
  request_stop (g_task_get_task_data (task));
  g_task_return_new_error (task, VPND_ERROR, VPND_ERROR_TUNNEL, "%s wireguard-go: %s", what, g_strerror (code));
}

static void
attach (GTask *task, GSource **slot, GSource *source, GSourceFunc callback)
{
  g_source_set_callback (source, callback, g_object_ref (task), g_object_unref);
  g_source_attach (source, g_task_get_context (task));
  *slot = source;
}

static gboolean
on_timeout (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  fail (task, "waiting for", ETIMEDOUT);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  request_stop (g_task_get_task_data (task));
  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static gboolean
receive (GTask *task, Request *request)
{
  for (;;)
    {
      VpndClearBuffer *answer = request->answer;
      ssize_t n;

      if (answer->len >= ANSWER_MAX_BYTES)
        {
          fail (task, "receiving from", EMSGSIZE);
          return G_SOURCE_REMOVE;
        }
      vpnd_clear_buffer_reserve (answer, ANSWER_GUESS_BYTES);
      n = recv (request->fd, answer->data + answer->len, answer->capacity - answer->len, MSG_DONTWAIT);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return G_SOURCE_CONTINUE;
      if (n <= 0)
        {
          fail (task, "receiving from", n == 0 ? ECONNRESET : errno);
          return G_SOURCE_REMOVE;
        }
      answer->len += (gsize) n;
      if (!vpnd_uapi_is_complete ((const char *) answer->data, answer->len))
        continue;

      request_stop (request);
      g_task_return_pointer (task, vpnd_clear_buffer_seal (answer), (GDestroyNotify) g_bytes_unref);
      request->answer = NULL;
      return G_SOURCE_REMOVE;
    }
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  return receive (task, g_task_get_task_data (task));
}

/* Returns: FALSE when the task has ended. */
static gboolean
send_some (GTask *task, Request *request)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (request->bytes, &size);

  while (request->sent < size)
    {
      const ssize_t n = send (request->fd, data + request->sent, size - request->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

      if (n >= 0)
        request->sent += (gsize) n;
      else if (errno == EAGAIN)
        return TRUE;
      else if (errno != EINTR)
        {
          fail (task, "sending to", errno);
          return FALSE;
        }
    }
  clear_source (&request->io);
  attach (task, &request->io, g_unix_fd_source_new (request->fd, G_IO_IN), G_SOURCE_FUNC (on_readable));
  return TRUE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Request *request = g_task_get_task_data (task);

  (void) send_some (task, request); /* it has replaced or destroyed this source when there is nothing more to send */
  return request->sent < g_bytes_get_size (request->bytes) && request->io != NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* A UNIX stream socket connects at once or not at all: the other side's backlog takes it, whether it accepts yet or not. */
static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd, code;

  if (g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return -1;
    }
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;

  code = errno;
  close (fd);
  errno = code;
  return -1;
}

/**
 * vpnd_uapi_client_request_async:
 * @path: path of the socket
 * @request: one whole request
 * @timeout_ms: how long the whole may take, in milliseconds
 * @cancellable: (nullable): cancels the call; the other side may have done what was asked
 * @callback: called when it is done
 * @user_data: passed to @callback
 *
 * Sends @request on a connection of its own and waits for the answer.
 */
void
vpnd_uapi_client_request_async (const char *path, GBytes *request, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Request *data = g_new0 (Request, 1);

  g_task_set_source_tag (task, vpnd_uapi_client_request_async);
  data->bytes = g_bytes_ref (request);
  data->answer = vpnd_clear_buffer_new (ANSWER_GUESS_BYTES);
  data->fd = connect_to (path);
  g_task_set_task_data (task, data, request_free);
  if (data->fd < 0)
    {
      fail (task, "connecting to", errno);
      return;
    }

  attach (task, &data->timer, g_timeout_source_new (timeout_ms), on_timeout);
  if (cancellable != NULL)
    attach (task, &data->cancelled, g_cancellable_source_new (cancellable), G_SOURCE_FUNC (on_cancelled));
  if (send_some (task, data) && data->sent < g_bytes_get_size (request))
    attach (task, &data->io, g_unix_fd_source_new (data->fd, G_IO_OUT), G_SOURCE_FUNC (on_writable));
}

/**
 * vpnd_uapi_client_request_finish:
 * @result: what the callback received
 * @error: return location for an error
 *
 * Returns: (transfer full) (nullable): the whole answer, which clears itself. Errors: VPND_ERROR_TUNNEL, G_IO_ERROR_CANCELLED
 */
GBytes *
vpnd_uapi_client_request_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
