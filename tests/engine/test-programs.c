/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine on a host in memory, and programs beside the tunnel: when their classes stand in the rules of the firewall, which cost every packet.
 */
#include "config.h"

#include "engine-rig.h"

#include "error.h"

#define USER 1000

static void
make_classes (Rig *rig)
{
  VpndSplitStanding *standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 1);

  standing->excluded_id = 11;
  standing->included_id = 12;
  standing->holds_launches = TRUE;
  fake_host_set_standing (rig->host, standing);
  settle ();
}

static gboolean
has_classes (Rig *rig)
{
  return vpnd_ruleset_find_chain (rig->host->ruleset, "beside") != NULL;
}

static void
connect_to (Rig *rig, VpndProfile *profile)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (activate (rig, profile, &error));
  g_assert_no_error (error);
  shake_hands (rig);
}

static void
want_classes (Rig *rig, GError **error)
{
  g_auto (Answer) answer = { 0 };

  vpnd_engine_want_split_classes_async (rig->engine, NULL, on_answer, &answer);
  wait_for (&answer);
  *error = g_steal_pointer (&answer.error);
}

/* Returns: a host that is connected, with the classes in its rules, or without where nobody wants them yet */
static Rig *
new_connected_rig (VpndProfile *profile, gboolean are_wanted)
{
  Rig *rig = rig_new ();
  g_autoptr (GError) error = NULL;

  make_classes (rig);
  connect_to (rig, profile);
  if (are_wanted)
    want_classes (rig, &error);
  g_assert_no_error (error);
  return rig;
}

static void
enter (Rig *rig, VpndSplitClass class_)
{
  g_autoptr (GError) error = NULL;

  fake_host_run (rig->host, 200, 1, USER, "/bin/asker");
  g_assert_true (vpnd_split_tunnel_enter (vpnd_engine_get_split (rig->engine), 200, 2000, USER, class_, &error));
  g_assert_no_error (error);
}

/* A host on which no program is to go its own way has the rules of one that cannot tell programs apart. They come before the first program enters, stay
 * when it has ended, for its flows outlive it, and are gone with the next connection. */
static void
test_classes_stand_when_they_are_needed (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, FALSE);
  g_autoptr (GError) error = NULL;

  g_assert_false (has_classes (rig));
  want_classes (rig, &error);
  g_assert_no_error (error);
  g_assert_true (has_classes (rig));
  enter (rig, VPND_SPLIT_EXCLUDED);
  fake_host_end (rig->host, 200);
  settle ();
  g_assert_true (has_classes (rig));

  deactivate (rig);
  connect_to (rig, profile);
  g_assert_false (has_classes (rig));
}

/* A program that entered, started another and ended: nobody knows that one, and it stands there all the same. */
static void
test_classes_of_those_that_nobody_knows (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, TRUE);

  enter (rig, VPND_SPLIT_INCLUDED);
  fake_host_run (rig->host, 201, 200, USER, "/bin/child");
  fake_host_end (rig->host, 200);
  settle ();
  deactivate (rig);
  connect_to (rig, profile);
  g_assert_true (has_classes (rig));
}

/* The rules go while somebody waits to enter: they come again when it has. */
static void
test_classes_of_who_enters_late (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, TRUE);

  deactivate (rig);
  enter (rig, VPND_SPLIT_EXCLUDED);
  connect_to (rig, profile);
  g_assert_true (has_classes (rig));
}

/* Who stands in a class when we start goes on, without a moment inside. */
static void
test_classes_of_before (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, TRUE);

  enter (rig, VPND_SPLIT_EXCLUDED);
  rig_crash (rig);
  rig_boot (rig);
  g_assert_true (has_classes (rig));
}

/* A program that may not enter because the rules do not stand hears of it. */
static void
test_classes_that_the_kernel_refuses (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, FALSE);
  g_autoptr (GError) error = NULL;

  rig->host->fail_at = rig->host->calls + 1;
  want_classes (rig, &error);
  g_assert_error (error, VPND_ERROR, VPND_ERROR_FIREWALL);
}

int
main (int argc, char **argv)
{
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/classes-stand-when-they-are-needed", test_classes_stand_when_they_are_needed);
  g_test_add_func ("/engine/classes-of-those-that-nobody-knows", test_classes_of_those_that_nobody_knows);
  g_test_add_func ("/engine/classes-of-who-enters-late", test_classes_of_who_enters_late);
  g_test_add_func ("/engine/classes-of-before", test_classes_of_before);
  g_test_add_func ("/engine/classes-that-the-kernel-refuses", test_classes_that_the_kernel_refuses);
  return rig_run (ring);
}
