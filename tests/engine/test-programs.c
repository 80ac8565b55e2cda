/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The engine on a host in memory, and programs beside the tunnel: when their classes stand in the rules of the firewall, which cost every packet.
 */
#include "config.h"

#include "engine-rig.h"

#include "error.h"

#include <string.h>

#define USER 1000
#define EXCLUDED_ID 9000011u /* no port, and nothing else that stands in rules */
#define INCLUDED_ID 9000012u

static void
make_classes (Rig *rig)
{
  VpndSplitStanding *standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 1);

  standing->excluded_id = EXCLUDED_ID;
  standing->included_id = INCLUDED_ID;
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

static int
change_split (Rig *rig, const VpndSplitChange *change)
{
  g_auto (Answer) answer = { 0 };

  vpnd_engine_change_split_async (rig->engine, change, NULL, on_answer, &answer);
  wait_for (&answer);
  settle ();
  return answer.error != NULL ? answer.error->code : -1;
}

static gboolean
knows (const VpndRuleset *ruleset, guint64 id)
{
  g_autofree char *text = ruleset != NULL ? vpnd_ruleset_to_text (ruleset) : g_strdup ("");
  g_autofree char *pattern = g_strdup_printf ("\\b%" G_GUINT64_FORMAT "\\b", id);

  return g_regex_match_simple (pattern, text, 0, 0);
}

static guint64
id_of_bound (Rig *rig)
{
  g_assert_cmpuint (rig->host->standing->bound->len, ==, 1);
  return g_array_index (rig->host->standing->bound, VpndSplitBoundId, 0).id;
}

static gboolean
rules_name (Rig *rig, const char *const *servers)
{
  g_autofree char *text = vpnd_ruleset_to_text (rig->host->ruleset);

  return strstr (text, servers[0]) != NULL || strstr (text, servers[1]) != NULL; /* of the family of the tunnel's */
}

/* What goes beside the tunnel asks the resolvers of the network that is there now, whose DHCP client may tell them long after the route. */
static void
test_programs_ask_the_network (void)
{
  static const char *const first[] = { "198.51.100.153", "2001:db8:5151::1", NULL };
  static const char *const second[] = { "198.51.100.154", "2001:db8:5252::1", NULL };
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, TRUE);

  enter (rig, VPND_SPLIT_EXCLUDED);
  fake_host_set_outside (rig->host, first);
  settle ();
  g_assert_true (rules_name (rig, first));
  fake_host_set_outside (rig->host, second);
  settle ();
  g_assert_true (rules_name (rig, second));
  g_assert_false (rules_name (rig, first));
}

typedef struct
{
  VpndSplitMode mode;
  VpndSplitClass class_;
  const char *profile;
  gboolean is_connected;
} Leading;

/* Nobody is led into a class before the rules in force know it, whatever the first rule is; and when the last one goes they know it until nobody is led there, and
 * who stood there has gone. */
static void
test_rules_know_a_class_first (gconstpointer data)
{
  const Leading *way = data;
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = rig_new ();
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_PATH, "/bin/program", way->class_, way->profile, VPND_SPLIT_OWNER_SYSTEM, NULL);
  guint64 id;
  guint n;

  make_classes (rig);
  if (way->is_connected)
    connect_to (rig, profile);
  g_assert_cmpint (change_split (rig, &(VpndSplitChange){ .mode = way->mode }), ==, -1);
  g_assert_cmpint (change_split (rig, &(VpndSplitChange){ .rule = rule }), ==, -1);
  id = way->profile != NULL ? id_of_bound (rig) : way->class_ == VPND_SPLIT_EXCLUDED ? EXCLUDED_ID
                                                                                     : INCLUDED_ID;
  g_assert_nonnull (vpnd_split_config_find (rig->host->split_config, VPND_SPLIT_PATH, "/bin/program", VPND_SPLIT_OWNER_SYSTEM));
  g_assert_true (knows (rig->host->ruleset_of_leading, id));
  g_assert_true (knows (rig->host->ruleset, id));

  fake_host_run (rig->host, 200, 1, USER, "/bin/program");
  fake_host_launch (rig->host, 200, rule);
  n = rig->host->journal->len;
  g_assert_cmpint (change_split (rig, &(VpndSplitChange){ .rule = rule, .is_removal = TRUE }), ==, -1);
  g_ptr_array_remove_range (rig->host->journal, 0, n);
  g_assert_cmpint (find_call (rig->host, "split.apply"), <, find_call (rig->host, "split.leave")); /* else somebody might come meanwhile */
  g_assert_true (vpnd_split_config_is_empty (rig->host->split_config) || way->mode == VPND_SPLIT_MODE_INCLUDE);
  g_assert_true (knows (rig->host->ruleset_of_leading, id));
  g_assert_cmpstr (((const FakeProcess *) g_hash_table_lookup (rig->host->processes, GINT_TO_POINTER (200)))->class_word, ==, "");
  g_assert_false (knows (rig->host->ruleset, id));
}

/* Somebody has taken the classes away, and they have been made anew: the same. */
static void
test_rules_know_a_class_of_another_number (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, FALSE);
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_PATH, "/bin/program", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL);
  VpndSplitStanding *standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, 1);
  guint n;

  g_assert_cmpint (change_split (rig, &(VpndSplitChange){ .rule = rule }), ==, -1);
  n = count_calls (rig->host, "split.apply");
  standing->excluded_id = EXCLUDED_ID + 2;
  standing->included_id = INCLUDED_ID;
  standing->holds_launches = TRUE;
  fake_host_set_standing (rig->host, standing);
  settle ();
  g_assert_cmpuint (count_calls (rig->host, "split.apply"), ==, n + 1);
  g_assert_true (knows (rig->host->ruleset_of_leading, EXCLUDED_ID + 2));
}

/* In mode include what is in no class is in the clear: the way there is opened last, and closed first. */
static void
test_modes_are_tight_meanwhile (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, FALSE);
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_PATH, "/bin/program", VPND_SPLIT_INCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL);
  g_autoptr (VpndRuleset) tight = NULL;

  g_assert_cmpint (change_split (rig, &(VpndSplitChange){ .rule = rule }), ==, -1);
  tight = vpnd_ruleset_ref (rig->host->ruleset);
  g_assert_cmpint (change_split (rig, &(VpndSplitChange){ .mode = VPND_SPLIT_MODE_INCLUDE }), ==, -1);
  g_assert_true (vpnd_ruleset_equal (rig->host->ruleset_of_leading, tight));
  g_assert_false (vpnd_ruleset_equal (rig->host->ruleset, tight));
  g_assert_cmpint (change_split (rig, &(VpndSplitChange){ .mode = VPND_SPLIT_MODE_EXCLUDE }), ==, -1);
  g_assert_true (vpnd_ruleset_equal (rig->host->ruleset_of_leading, tight));
}

/* The rules cannot be made: the caller hears of it, and the change stands all the same, since it stands in the file. */
static void
test_rules_that_do_not_come (void)
{
  g_autoptr (VpndProfile) profile = make_profile ("home");
  g_autoptr (Rig) rig = new_connected_rig (profile, FALSE);
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_PATH, "/bin/program", VPND_SPLIT_BOUND, "office", VPND_SPLIT_OWNER_SYSTEM, NULL);

  rig->host->fail_at = rig->host->calls + 1;
  (void) change_split (rig, &(VpndSplitChange){ .rule = rule });
  g_assert_nonnull (vpnd_split_config_find (rig->host->split_config, VPND_SPLIT_PATH, "/bin/program", VPND_SPLIT_OWNER_SYSTEM));
}

int
main (int argc, char **argv)
{
  static const Leading ways[] = {
    { VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_EXCLUDED, NULL, TRUE },
    { VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_INCLUDED, NULL, TRUE },
    { VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_BOUND, "office", TRUE },
    { VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_BOUND, "home", TRUE },
    { VPND_SPLIT_MODE_EXCLUDE, VPND_SPLIT_BOUND, "office", FALSE },
    { VPND_SPLIT_MODE_INCLUDE, VPND_SPLIT_INCLUDED, NULL, TRUE },
    { VPND_SPLIT_MODE_INCLUDE, VPND_SPLIT_BOUND, "office", TRUE },
  };
  VpndLogRing *ring = rig_init (&argc, &argv);

  g_test_add_func ("/engine/classes-stand-when-they-are-needed", test_classes_stand_when_they_are_needed);
  g_test_add_func ("/engine/classes-of-those-that-nobody-knows", test_classes_of_those_that_nobody_knows);
  g_test_add_func ("/engine/classes-of-who-enters-late", test_classes_of_who_enters_late);
  g_test_add_func ("/engine/classes-of-before", test_classes_of_before);
  g_test_add_func ("/engine/classes-that-the-kernel-refuses", test_classes_that_the_kernel_refuses);
  g_test_add_func ("/engine/programs-ask-the-network", test_programs_ask_the_network);
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autofree char *name = g_strdup_printf ("/engine/rules-know-a-class-first/%u", i);

      g_test_add_data_func (name, &ways[i], test_rules_know_a_class_first);
    }
  g_test_add_func ("/engine/rules-know-a-class-of-another-number", test_rules_know_a_class_of_another_number);
  g_test_add_func ("/engine/modes-are-tight-meanwhile", test_modes_are_tight_meanwhile);
  g_test_add_func ("/engine/rules-that-do-not-come", test_rules_that_do_not_come);
  return rig_run (ring);
}
