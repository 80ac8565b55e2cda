/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See notify.h. The protocol is documented as stable in sd_notify(3): one datagram of lines "NAME=value" to the socket whose path is
 * in NOTIFY_SOCKET, "@" standing for the first NUL of an abstract one. The caller reads the environment; nothing is kept here.
 */
#include "config.h"

#include "notify.h"

#include "error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static gboolean
fail (GError **error, const char *what, int errsv)
{
  g_set_error (error, VPND_ERROR, VPND_ERROR_FAILED, "telling the service manager: %s: %s", what, g_strerror (errsv));
  return FALSE;
}

/**
 * vpnd_notify:
 * @socket_path: (nullable): the value of NOTIFY_SOCKET; %NULL or "": nobody listens
 * @state: lines such as "READY=1" or "STATUS=connected"
 * @error: VPND_ERROR_FAILED with the words of the kernel
 *
 * Sends @state. Never blocks: a full socket is an error.
 *
 * Returns: TRUE when it was sent or nobody listens
 */
gboolean
vpnd_notify (const char *socket_path, const char *state, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gsize length = socket_path != NULL ? strlen (socket_path) : 0;
  gssize sent;
  int errsv;
  int fd;

  if (length == 0)
    return TRUE;
  if ((socket_path[0] != '/' && socket_path[0] != '@') || length >= sizeof address.sun_path)
    return fail (error, "NOTIFY_SOCKET", EINVAL);

  memcpy (address.sun_path, socket_path, length);
  if (socket_path[0] == '@')
    address.sun_path[0] = '\0';
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return fail (error, "socket", errno);

  /* An abstract name has the length that is said here and no NUL at its end. */
  sent = sendto (fd, state, strlen (state), MSG_NOSIGNAL, (struct sockaddr *) &address, (socklen_t) (offsetof (struct sockaddr_un, sun_path) + length));
  errsv = errno;
  (void) close (fd); /* a datagram socket has nothing to flush */
  return sent >= 0 || fail (error, "sendto", errsv);
}
