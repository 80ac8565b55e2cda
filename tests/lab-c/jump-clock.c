/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clock of a host that sleeps, for a vpnd that runs: this clock_gettime () stands before that of the C library and adds to CLOCK_BOOTTIME the seconds
 * that a test has written into a file. A time namespace cannot do it, because its offsets are fixed once a process is inside (time_namespaces(7)).
 */
#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A mapping, so that no file is opened each time the clock is read. */
static const volatile gint64 *
map_seconds (void)
{
  static const volatile gint64 *seconds;
  const char *path = getenv ("VPND_TEST_SLEPT");

  if (seconds == NULL && path != NULL)
    {
      int fd = open (path, O_RDONLY | O_CLOEXEC);
      void *mapped = mmap (NULL, sizeof *seconds, PROT_READ, MAP_SHARED, fd, 0);

      close (fd);
      if (mapped == MAP_FAILED)
        abort ();
      seconds = mapped;
    }
  return seconds;
}

int
clock_gettime (clockid_t id, struct timespec *now)
{
  int result = (int) syscall (SYS_clock_gettime, id, now);
  const volatile gint64 *seconds = id == CLOCK_BOOTTIME ? map_seconds () : NULL;

  if (result == 0 && seconds != NULL)
    now->tv_sec += *seconds;
  return result;
}
