/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Laws of the MTU that is chosen, and of the search on paths of every size.
 */
#include "config.h"

#include "mtu.h"

#include <sys/socket.h>

#define SEARCH_MAX 40 /* more trials than any search may take */

static void
test_overhead (void)
{
  static const int four[] = { AF_INET };
  static const int six[] = { AF_INET6 };
  static const int two_hops[] = { AF_INET6, AF_INET };

  g_assert_cmpuint (vpnd_mtu_overhead (four, 1), ==, 60);
  g_assert_cmpuint (vpnd_mtu_overhead (six, 1), ==, 80);
  g_assert_cmpuint (vpnd_mtu_overhead (two_hops, 2), ==, 140);
}

/* Whatever is known: IPv6 keeps its minimum, an automatic value its maximum, nothing that fits is made smaller, and what is measured or known of the path
 * is heeded as far as those bounds permit. */
static void
test_choice (void)
{
  for (guint round = 0; round < 5000; round++)
    {
      VpndMtuInput input = {
        .wish = g_test_rand_bit () ? 0 : (guint32) g_test_rand_int_range (576, 9001),
        .path = g_test_rand_bit () ? 0 : (guint32) g_test_rand_int_range (68, 9001),
        .overhead = g_test_rand_bit () ? 60 : 80,
        .measured = g_test_rand_bit () ? 0 : (guint32) g_test_rand_int_range (300, 1421),
        .has_ipv6 = g_test_rand_bit (),
      };
      VpndMtu mtu = vpnd_mtu_choose (&input);
      guint32 lowest = input.has_ipv6 ? 1280 : 576;
      guint32 fits = vpnd_mtu_of_path (input.path, input.overhead);

      g_assert_cmpuint (mtu.link, >=, lowest);
      g_assert_true (mtu.route4 == 0 || (mtu.route4 < mtu.link && mtu.route4 >= 576));
      if (input.wish != 0)
        {
          g_assert_cmpuint (mtu.link, ==, MAX (input.wish, lowest));
          g_assert_cmpuint (mtu.route4, ==, 0);
          continue;
        }
      if (input.measured != 0)
        fits = MIN (fits, input.measured);
      g_assert_cmpuint (mtu.link, <=, 1420);
      g_assert_cmpuint (mtu.link, ==, CLAMP (fits, lowest, 1420));
      if (fits >= 576)
        g_assert_cmpuint (mtu.route4 != 0 ? mtu.route4 : mtu.link, <=, fits);
    }
}

/* A search on a path that carries @path bytes and loses a packet of each @one_in now and then. Returns what it found. */
static guint32
search (guint32 top, guint32 path, gboolean is_lossy, guint *out_trials)
{
  VpndMtuSearch state = { .top = top };
  gboolean was_lost = FALSE;
  guint32 bytes;

  *out_trials = 0;
  while ((bytes = vpnd_mtu_search_next (&state)) != 0)
    {
      gboolean by_chance = is_lossy && !was_lost && g_test_rand_int_range (0, 3) == 0;

      g_assert_cmpuint (++*out_trials, <, SEARCH_MAX);
      g_assert_cmpuint (bytes, <=, top);
      was_lost = by_chance;
      vpnd_mtu_search_note (&state, bytes <= path && !by_chance);
    }
  return state.passed;
}

static void
test_search (void)
{
  guint trials;

  g_assert_cmpuint (search (1420, 1420, FALSE, &trials), ==, 1420);
  g_assert_cmpuint (trials, ==, 1);
  g_assert_cmpuint (search (1420, 0, FALSE, &trials), ==, 0); /* a target that never answers */
  for (guint round = 0; round < 2000; round++)
    {
      guint32 top = (guint32) g_test_rand_int_range (577, 1421);
      guint32 path = (guint32) g_test_rand_int_range (576, 1421);
      guint32 found = search (top, path, g_test_rand_bit (), &trials);

      g_assert_cmpuint (found, <=, MIN (top, path));
      g_assert_cmpuint (found + 16, >=, MIN (top, path));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mtu/overhead", test_overhead);
  g_test_add_func ("/mtu/choice", test_choice);
  g_test_add_func ("/mtu/search", test_search);
  return g_test_run ();
}
