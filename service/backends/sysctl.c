/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files of /proc/sys are answered by a function call of the kernel: neither open nor read nor write waits for anything, so the main loop
 * may do it.
 */
#include "config.h"

#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SYSCTL_ROOT "/proc/sys/net/"
#define SYSCTL_VALUE_MAX_BYTES 256 /* the longest of /proc/sys/net, a list of numbers, is far below */

static char *
sysctl_path (const char *name)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);

  if (parts[0] == NULL)
    return NULL;
  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (parts[i][0] == '\0' || parts[i][0] == '.' || strstr (parts[i], "..") != NULL)
        return NULL;
      for (const char *c = parts[i]; *c != '\0'; c++)
        {
          if (!g_ascii_isalnum (*c) && strchr ("_-.:@", *c) == NULL) /* names of links are parts, too */
            return NULL;
        }
    }
  return g_strconcat (SYSCTL_ROOT, name, NULL);
}

/**
 * vpnd_sysctl_read:
 * @name: relative to /proc/sys/net, e.g. "ipv4/conf/all/arp_ignore"
 *
 * Returns: (transfer full) (nullable): the value without the newline; NULL when there is no such name, or it is no legal one
 */
char *
vpnd_sysctl_read (const char *name)
{
  g_autofree char *path = sysctl_path (name);
  char buffer[SYSCTL_VALUE_MAX_BYTES];
  ssize_t size;
  int fd;

  if (path == NULL)
    return NULL;
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return NULL;
  size = read (fd, buffer, sizeof buffer - 1);
  close (fd);
  if (size < 0)
    return NULL;
  buffer[size] = '\0';
  return g_strdup (g_strchomp (buffer));
}

/**
 * vpnd_sysctl_write:
 * @name: relative to /proc/sys/net
 * @value: the value
 *
 * Returns: 0, or an errno: EINVAL also for a name that is no legal one, ENOENT when there is no such name
 */
int
vpnd_sysctl_write (const char *name, const char *value)
{
  g_autofree char *path = sysctl_path (name);
  int fd, result = 0;

  if (path == NULL)
    return EINVAL;
  fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return errno;
  if (write (fd, value, strlen (value)) < 0)
    result = errno;
  close (fd);
  return result;
}
