/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The system clock counts suspend. Nothing is suspended here: in a time namespace (time_namespaces(7)) the boot clock runs an hour ahead of the
 * monotonic one, as it does after an hour of sleep, and the clock must show that hour.
 */
#include "config.h"

#include "clock-system.h"

#include <sched.h>

#define SLEPT_S 3600

static void
on_fired (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
}

static void
check_inside (void)
{
  g_autoptr (VpndClock) clock = vpnd_clock_system_new ();
  gboolean is_fired = FALSE;
  gint64 begin = vpnd_clock_now_us (clock);

  g_assert_cmpint (begin - g_get_monotonic_time (), >=, (gint64) (SLEPT_S - 1) * G_USEC_PER_SEC);
  vpnd_clock_schedule (clock, 10, on_fired, &is_fired);
  while (!is_fired)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (vpnd_clock_now_us (clock) - begin, >=, 10 * 1000);
}

/* The namespace is for children: the subprocess of this very test is one. */
static void
test_counts_suspend (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *offsets = g_strdup_printf ("boottime %d 0\n", SLEPT_S);

  if (g_test_subprocess ())
    {
      check_inside ();
      return;
    }
  g_assert_cmpint (unshare (CLONE_NEWTIME), ==, 0);
  g_file_set_contents_full ("/proc/self/timens_offsets", offsets, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clock-system/counts-suspend", test_counts_suspend);
  return g_test_run ();
}
