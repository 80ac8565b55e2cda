/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The system clock: schedules fire once, in order, not early, and not at all when cancelled.
 */
#include "config.h"

#include "clock-system.h"

#include <time.h>

typedef struct
{
  VpndClock *clock; /* (owned) */
  GString *log;     /* (owned) */
  guint victim;
} Fixture;

static void
fixture_clear (Fixture *fixture)
{
  g_clear_object (&fixture->clock);
  if (fixture->log != NULL)
    g_string_free (g_steal_pointer (&fixture->log), TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fixture, fixture_clear)

static Fixture
new_fixture (void)
{
  return (Fixture){ .clock = vpnd_clock_system_new (), .log = g_string_new (NULL) };
}

static void
on_a (gpointer user_data)
{
  g_string_append_c (((Fixture *) user_data)->log, 'a');
}

static void
on_b (gpointer user_data)
{
  g_string_append_c (((Fixture *) user_data)->log, 'b');
}

static void
on_cancelling (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_string_append_c (fixture->log, 'c');
  vpnd_clock_cancel (fixture->clock, fixture->victim);
}

static void
on_rescheduling (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_string_append_c (fixture->log, 'r');
  vpnd_clock_schedule (fixture->clock, 0, on_a, fixture);
}

static void
on_dropping (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_string_append_c (fixture->log, 'd');
  g_clear_object (&fixture->clock);
}

static void
wait_for_length (Fixture *fixture, gsize length)
{
  while (fixture->log->len < length)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_order_and_delay (void)
{
  g_auto (Fixture) fixture = new_fixture ();
  gint64 begin = vpnd_clock_now_us (fixture.clock);
  guint later = vpnd_clock_schedule (fixture.clock, 1000, on_b, &fixture); /* far behind: two that are due when a busy machine looks have no order */
  guint sooner = vpnd_clock_schedule (fixture.clock, 10, on_a, &fixture);

  g_assert_cmpuint (later, !=, 0);
  g_assert_cmpuint (sooner, !=, 0);
  g_assert_cmpuint (sooner, !=, later);
  wait_for_length (&fixture, 2);
  g_assert_cmpstr (fixture.log->str, ==, "ab");
  g_assert_cmpint (vpnd_clock_now_us (fixture.clock) - begin, >=, 1000 * 1000);
  vpnd_clock_cancel (fixture.clock, later); /* fired: a no-op */
}

static void
test_cancel (void)
{
  g_auto (Fixture) fixture = new_fixture ();
  guint cancelled = vpnd_clock_schedule (fixture.clock, 0, on_a, &fixture);

  vpnd_clock_schedule (fixture.clock, 10, on_b, &fixture);
  vpnd_clock_cancel (fixture.clock, cancelled);
  vpnd_clock_cancel (fixture.clock, 12345);
  wait_for_length (&fixture, 1);
  g_assert_cmpstr (fixture.log->str, ==, "b");
}

/* Both are due at the same turn of the main loop; the first to run takes the other back. */
static void
test_cancel_from_within (void)
{
  g_auto (Fixture) fixture = new_fixture ();
  gint64 begin = vpnd_clock_now_us (fixture.clock);

  vpnd_clock_schedule (fixture.clock, 0, on_cancelling, &fixture);
  fixture.victim = vpnd_clock_schedule (fixture.clock, 0, on_a, &fixture);
  while (vpnd_clock_now_us (fixture.clock) - begin < 2000) /* both are due now */
    continue;
  vpnd_clock_schedule (fixture.clock, 10, on_b, &fixture);
  wait_for_length (&fixture, 2);
  g_assert_cmpstr (fixture.log->str, ==, "cb");
}

static void
test_schedule_from_within (void)
{
  g_auto (Fixture) fixture = new_fixture ();

  vpnd_clock_schedule (fixture.clock, 0, on_rescheduling, &fixture);
  wait_for_length (&fixture, 2);
  g_assert_cmpstr (fixture.log->str, ==, "ra");
}

static void
test_drop (void)
{
  g_auto (Fixture) fixture = new_fixture ();
  g_autoptr (VpndClock) other = vpnd_clock_system_new ();

  vpnd_clock_schedule (fixture.clock, 0, on_dropping, &fixture);
  vpnd_clock_schedule (fixture.clock, 1, on_a, &fixture); /* goes with its clock */
  vpnd_clock_schedule (other, 20, on_b, &fixture);
  wait_for_length (&fixture, 2);
  g_assert_cmpstr (fixture.log->str, ==, "db");
}

/* Suspend cannot be had here; that the clock is the one that counts it can. */
static void
test_which_clocks (void)
{
  g_autoptr (VpndClock) clock = vpnd_clock_system_new ();
  struct timespec boot_before, boot_after, wall_before;
  gint64 now, wall;

  clock_gettime (CLOCK_BOOTTIME, &boot_before);
  clock_gettime (CLOCK_REALTIME, &wall_before);
  now = vpnd_clock_now_us (clock);
  wall = vpnd_clock_wall_us (clock);
  clock_gettime (CLOCK_BOOTTIME, &boot_after);
  g_assert_cmpint (now, >=, boot_before.tv_sec * G_USEC_PER_SEC + boot_before.tv_nsec / 1000);
  g_assert_cmpint (now, <=, boot_after.tv_sec * G_USEC_PER_SEC + boot_after.tv_nsec / 1000);
  g_assert_cmpint (wall, >=, wall_before.tv_sec * G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clock-system/order-and-delay", test_order_and_delay);
  g_test_add_func ("/clock-system/cancel", test_cancel);
  g_test_add_func ("/clock-system/cancel-from-within", test_cancel_from_within);
  g_test_add_func ("/clock-system/schedule-from-within", test_schedule_from_within);
  g_test_add_func ("/clock-system/drop", test_drop);
  g_test_add_func ("/clock-system/which-clocks", test_which_clocks);
  return g_test_run ();
}
