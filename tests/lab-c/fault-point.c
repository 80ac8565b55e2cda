/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * engine/fault-point.h of the program that the lab ends at every boundary. It tells a test where it is and waits until it may go on, so
 * that the test can look at the host in that very moment, and kill. Never part of the product.
 */
#include "config.h"

#include "fault-point.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string.h>

#define TEXT_MAX 64

/**
 * vpnd_fault_point:
 * @when: "before", "amid", "performed" or "after" an effect, or "done" behind the last one of a run
 * @effect: (nullable): which effect
 *
 * Sends "WHEN EFFECT" to the socket that VPND_FAULT_POINT names, and returns when it was answered or the test has gone. Without the
 * variable it does nothing.
 */
void
vpnd_fault_point (const char *when, const VpndEffect *effect)
{
  const char *path = g_getenv ("VPND_FAULT_POINT");
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char text[TEXT_MAX], answer;
  int fd;

  if (path == NULL)
    return;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_snprintf (text, sizeof text, "%s %s", when, effect != NULL ? vpnd_effect_info (effect->kind)->name : "run");
  fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  g_assert (fd >= 0);
  if (connect (fd, (const struct sockaddr *) &address, sizeof address) == 0 && send (fd, text, strlen (text), MSG_NOSIGNAL) > 0)
    (void) recv (fd, &answer, 1, 0); /* any answer lets it go on, also that nobody is there */
  close (fd);
}
