/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The backoff: the first repair at once, a steady fight once a second, and quiet forgets.
 */
#include "config.h"

#include "backoff.h"

static void
test_first_is_at_once (void)
{
  for (guint i = 0; i < 100; i++)
    {
      VpndBackoff backoff = { 0 };

      g_assert_cmpuint (vpnd_backoff_next (&backoff, g_test_rand_int_range (0, G_MAXINT32)), ==, 0);
    }
}

/* Somebody destroys it the moment it is repaired. */
static void
test_doubles_to_a_second (void)
{
  VpndBackoff backoff = { 0 };
  gint64 now_ms = 1;
  guint wanted_ms = VPND_BACKOFF_FIRST_MS;

  g_assert_cmpuint (vpnd_backoff_next (&backoff, now_ms), ==, 0);
  for (guint i = 0; i < 50; i++)
    {
      guint delay_ms = vpnd_backoff_next (&backoff, now_ms);

      g_assert_cmpuint (delay_ms, ==, wanted_ms);
      now_ms += delay_ms;
      wanted_ms = MIN (wanted_ms * 2, VPND_BACKOFF_MAX_MS);
    }
  g_assert_cmpuint (wanted_ms, ==, VPND_BACKOFF_MAX_MS);

  now_ms += VPND_BACKOFF_QUIET_MS - 1;
  (void) vpnd_backoff_next (&backoff, now_ms);
  g_assert_cmpuint (backoff.step_ms, ==, VPND_BACKOFF_MAX_MS); /* not quiet yet */
  now_ms += VPND_BACKOFF_QUIET_MS;
  g_assert_cmpuint (vpnd_backoff_next (&backoff, now_ms), ==, 0);
  g_assert_cmpuint (vpnd_backoff_next (&backoff, now_ms), ==, VPND_BACKOFF_FIRST_MS);
}

/* Whatever the times: never longer than a second, and never more repairs than the doubling allows. */
static void
test_bounds (void)
{
  for (guint round = 0; round < 200; round++)
    {
      VpndBackoff backoff = { 0 };
      gint64 now_ms = g_test_rand_int_range (0, 1000000);
      gint64 begun_ms = now_ms;
      guint repairs = 0;

      while (now_ms - begun_ms < 60000)
        {
          guint delay_ms = vpnd_backoff_next (&backoff, now_ms);

          g_assert_cmpuint (delay_ms, <=, VPND_BACKOFF_MAX_MS);
          now_ms += delay_ms + (guint) g_test_rand_int_range (0, 200);
          repairs++;
        }
      g_assert_cmpuint (repairs, <=, 60 + 8); /* seven doublings from 10 ms to 1 s, and the first */
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backoff/first-is-at-once", test_first_is_at_once);
  g_test_add_func ("/backoff/doubles-to-a-second", test_doubles_to_a_second);
  g_test_add_func ("/backoff/bounds", test_bounds);
  return g_test_run ();
}
