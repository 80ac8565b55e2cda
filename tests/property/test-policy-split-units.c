/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rule 8 of docs/security.md as properties of packets and rules, over random plans, profiles, settings and facts: units that come and go, what nobody has looked
 * at yet, and how little of the rules either changes.
 */
#include "config.h"

#include "policy-split-world.h"

#include "random-values.h"
#include "reserved.h"

#include <string.h>

#define NEW (SPLIT_NEWEST + 7) /* of a unit that nobody has looked at */

static const struct
{
  guint64 cgroups[PACKET_LEVELS];
  guint8 level;            /* of the folder that it stands in, if that is one */
  gboolean is_of_user;     /* a unit of the user's manager */
  gboolean stands_nowhere; /* it is no unit's */
} places[] = {
  { { 0, NEW }, 0, FALSE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, NEW }, 1, FALSE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, NEW, NEW + 1 }, 1, FALSE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER, NEW }, 2, TRUE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER, NEW, NEW + 1 }, 2, TRUE, FALSE },
  { { 0, SPLIT_FOLDER_SYSTEM }, 0, FALSE, TRUE },                                                /* in a folder itself */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER }, 0, FALSE, TRUE },                             /* the same */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_ID_NONE, NEW }, 0, FALSE, TRUE },                            /* what a unit makes below itself */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_FOLDER_USER, SPLIT_NEWEST, NEW, NEW + 1 }, 0, FALSE, TRUE }, /* the same */
  { { 0, SPLIT_FOLDER_SYSTEM, SPLIT_NEWEST }, 0, FALSE, TRUE },
};

static gboolean
has_folder (const World *world, guint level, gboolean for_bound)
{
  for (guint i = 0; i < world->split->folders->len; i++)
    {
      const VpndSplitFolder *folder = &g_array_index (world->split->folders, VpndSplitFolder, i);

      if (folder->level == level && (!for_bound || folder->holds_bound))
        return TRUE;
    }
  return FALSE;
}

/* Whether a rule is for a unit that may come, of a class that is not to be beside the tunnel; or that is bound to a profile which is not the one of @connected. */
static gboolean
awaits (const VpndSplitPlan *plan, gboolean only_bound, const char *connected)
{
  for (guint i = 0; i < plan->groups->len; i++)
    {
      const VpndSplitGroup *group = &g_array_index (plan->groups, VpndSplitGroup, i);

      if (group->id == 0 && (only_bound ? group->class_ == VPND_SPLIT_BOUND && g_strcmp0 (group->profile, connected) != 0 : group->class_ != VPND_SPLIT_EXCLUDED))
        return TRUE;
    }
  return FALSE;
}

/* Whether something of a program without a class goes beside the tunnel. */
static gboolean
leads_out (const VpndSplitPlan *plan)
{
  return plan->mode == VPND_SPLIT_MODE_INCLUDE || plan->excluded_uids->len + plan->excluded_prefixes->len > 0 || plan->watches_names;
}

/* A unit that has come and was not looked at may be one that a rule names: it sends nothing beside the tunnel until it was, and where a rule binds one to a profile which is
 * not connected, nothing at all. What is no unit, and what was looked at, is not held. Where
 * the kernel can, its packets are held before a way is chosen, and when nobody listens they take none beside the tunnel for all that. */
static void
test_unseen (void)
{
  guint dropped = 0, held = 0, let = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };

      split_world_init (&world, random_kind (), TRUE);
      for (guint i = 0; i < PACKETS; i++)
        {
          Departure departure = random_departure (&world), seen;
          const guint place = (guint) g_test_rand_int_range (0, G_N_ELEMENTS (places));
          const char *connected = world.kind == VPND_POLICY_CONNECTED ? "random" : NULL;
          const gboolean waits_for_bound = awaits (world.split, TRUE, connected);
          const gboolean may_lead_out = leads_out (world.split);
          const gboolean waits = may_lead_out && awaits (world.split, FALSE, NULL);
          const gboolean is_held_at_all = !places[place].stands_nowhere && waits_for_bound && has_folder (&world, places[place].level, !may_lead_out);
          const gboolean is_held_outside = !places[place].stands_nowhere && (waits || waits_for_bound) && has_folder (&world, places[place].level, !may_lead_out);
          Fate fate, seen_fate;
          const char *link, *seen_link;

          memcpy (departure.packet.cgroups, places[place].cgroups, sizeof departure.packet.cgroups);
          departure.packet.net_cls = SPLIT_ID_NONE;
          seen = departure;
          memset (seen.packet.cgroups, 0, sizeof seen.packet.cgroups);
          seen.packet.cgroups[1] = SPLIT_ID_NONE;
          link = send_packet (&world, &departure, &fate);
          seen_link = send_packet (&world, &seen, &seen_fate);
          if (is_held_at_all && world.split->mode == VPND_SPLIT_MODE_EXCLUDE)
            g_assert_cmpint (fate, ==, FATE_DROP);
          else if (is_held_outside && g_str_equal (seen_link, "eth0") && world.split->hold == VPND_QUEUE_NONE)
            g_assert_cmpint (fate, ==, FATE_DROP);
          else if (is_held_outside && g_str_equal (seen_link, "eth0"))
            g_assert_cmpuint (departure.packet.queue, ==, VPND_UNIT_QUEUE);
          else if (!is_held_at_all)
            g_assert_true (fate == seen_fate && g_str_equal (link, seen_link));
          g_assert_false (is_held_outside && g_str_equal (link, "eth0"));
          g_assert_true (departure.packet.queue == 0 || is_held_outside);
          g_assert_cmpuint (seen.packet.queue, ==, 0);
          held += departure.packet.queue != 0;
          dropped += fate == FATE_DROP;
          let += places[place].stands_nowhere && g_str_equal (link, "eth0");
        }
    }
  g_assert_cmpuint (dropped, >, SPLIT_ROUNDS);
  g_assert_cmpuint (held, >, SPLIT_ROUNDS / 5);
  g_assert_cmpuint (let, >, SPLIT_ROUNDS);
}

/* So it is on a host that nobody wants protected, where all but what is bound is in the clear. */
static void
test_unseen_while_open (void)
{
  guint dropped = 0, let = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) open = NULL;

      split_world_init (&world, VPND_POLICY_BLOCKED, TRUE);
      open = vpnd_policy_build_open (world.split);
      for (guint i = 0; open != NULL && i < G_N_ELEMENTS (places); i++)
        {
          const gboolean may_lead_out = leads_out (world.split);
          const gboolean is_held = !places[i].stands_nowhere && awaits (world.split, TRUE, NULL) && has_folder (&world, places[i].level, !may_lead_out);
          Departure departure = random_departure (&world);

          memcpy (departure.packet.cgroups, places[i].cgroups, sizeof departure.packet.cgroups);
          departure.packet.net_cls = SPLIT_ID_NONE;
          departure.packet.oifname = "lo";
          g_assert_cmpint (ruleset_eval (open, VPND_HOOK_OUTPUT, &departure.packet), ==, FATE_ACCEPT);
          departure.packet.oifname = "eth0";
          g_assert_cmpint (ruleset_eval (open, VPND_HOOK_OUTPUT, &departure.packet), ==, is_held ? FATE_DROP : FATE_ACCEPT);
          g_assert_true ((departure.packet.queue != 0) == (is_held && world.split->hold != VPND_QUEUE_NONE));
          dropped += is_held;
          let += !is_held;
        }
    }
  g_assert_cmpuint (dropped, >, 0);
  g_assert_cmpuint (let, >, 0);
}

/* Only the rules that hold back say which the newest is, and there is one for each level: that is all that a unit which no rule names changes. */
static void
test_unseen_costs_little (void)
{
  guint compared = 0;

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (VpndRuleset) later = NULL;

      split_world_init (&world, random_kind (), TRUE);
      if (world.split->folders->len == 0)
        continue;
      world.split->newest++;
      later = world_rules (&world, world.split);
      for (guint i = 0; i < later->chains->len; i++)
        {
          const VpndChain *chain = g_ptr_array_index (later->chains, i), *before = vpnd_ruleset_find_chain (world.ruleset, chain->name);

          g_assert_true (vpnd_chain_equal (chain, before) == (!g_str_equal (chain->name, "unseen") && !g_str_equal (chain->name, "held")));
          g_assert_true (vpnd_chain_equal (chain, before) || chain->rules->len <= 3);
          compared++;
        }
    }
  g_assert_cmpuint (compared, >, 0);
}

/* One rule for a class, however many units are in it, and one for all users and all networks. */
static void
test_size (void)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();
  g_autoptr (VpndSplitStanding) few = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, SPLIT_LEVEL);
  g_autoptr (VpndSplitStanding) many = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, SPLIT_LEVEL);
  g_auto (World) world = { NULL };
  guint rules[2] = { 0 };

  for (guint i = 0; i < 500; i++)
    vpnd_split_standing_add_unit (many, VPND_SPLIT_EXCLUDED, NULL, SPLIT_LEVEL, 1000 + i);
  vpnd_split_standing_add_unit (few, VPND_SPLIT_EXCLUDED, NULL, SPLIT_LEVEL, 1000);
  split_world_init (&world, VPND_POLICY_CONNECTED, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (VpndSplitPlan) plan = vpnd_split_plan_build (config, &(VpndSplitFacts){ .standing = i == 0 ? few : many, .has_asked = TRUE });
      g_autoptr (VpndRuleset) ruleset = world_rules (&world, plan);

      for (guint j = 0; j < ruleset->chains->len; j++)
        rules[i] += ((const VpndChain *) g_ptr_array_index (ruleset->chains, j))->rules->len;
    }
  g_assert_cmpuint (rules[0], ==, rules[1]);
}

static VpndSplitPlan *
plan_with_units (const VpndSplitConfig *config, const VpndSplitRule *const *rules, const guint *levels, guint n_rules)
{
  g_autoptr (VpndSplitStanding) standing = vpnd_split_standing_new (VPND_SPLIT_GROUND_CGROUP2, SPLIT_LEVEL);

  standing->excluded_id = SPLIT_ID_EXCLUDED;
  vpnd_split_standing_add_bound (standing, "random", SPLIT_ID_BOUND_FIRST);
  vpnd_split_standing_add_bound (standing, "another", SPLIT_ID_BOUND_OTHER);
  for (guint i = 0; i < n_rules; i++)
    for (guint k = g_test_rand_int_range (0, 3); k > 0; k--)
      vpnd_split_standing_add_unit (standing, rules[i]->class_, rules[i]->profile, levels[i], 1000 + 10 * i + k);
  return vpnd_split_plan_build (config, &(VpndSplitFacts){ .standing = standing });
}

/* A unit that starts does not wait for the rules: whichever units run, where systemd puts them, only elements differ, which are in force soonest. */
static void
test_units_come_and_go (void)
{
  static const struct
  {
    VpndSplitKind kind;
    const char *value;
    guint32 owner_uid;
    guint level;
  } names[] = {
    { VPND_SPLIT_UNIT, "a.service", VPND_SPLIT_OWNER_SYSTEM, 2 },
    { VPND_SPLIT_UNIT, "b@1.service", VPND_SPLIT_OWNER_SYSTEM, 3 },
    { VPND_SPLIT_UNIT, "c.slice", VPND_SPLIT_OWNER_SYSTEM, 1 },
    { VPND_SPLIT_UNIT, "c-d.slice", VPND_SPLIT_OWNER_SYSTEM, 2 },
    { VPND_SPLIT_UNIT, "e.scope", 1000, 5 },
    { VPND_SPLIT_APP, "org.example.App", VPND_SPLIT_OWNER_SYSTEM, 5 },
    { VPND_SPLIT_APP, "org.example.Own", 1000, 5 },
  };
  static const char *const profiles[] = { "random", "another" };

  for (guint round = 0; round < SPLIT_ROUNDS; round++)
    {
      g_auto (World) world = { NULL };
      g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
      g_autoptr (VpndSplitConfig) config = NULL;
      g_autoptr (VpndSplitPlan) plan = NULL;
      g_autoptr (VpndSplitPlan) later_plan = NULL;
      g_autoptr (VpndRuleset) ruleset = NULL;
      g_autoptr (VpndRuleset) later = NULL;
      guint levels[G_N_ELEMENTS (names)];

      for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        {
          const VpndSplitClass class_ = (VpndSplitClass) g_test_rand_int_range (0, VPND_N_SPLIT_CLASSES);
          const char *profile = class_ == VPND_SPLIT_BOUND ? profiles[g_test_rand_int_range (0, 2)] : NULL;

          if (random_boolean (2))
            continue;
          levels[rules->len] = names[i].level;
          g_ptr_array_add (rules, vpnd_split_rule_new (names[i].kind, names[i].value, class_, profile, names[i].owner_uid, NULL));
          g_assert_nonnull (g_ptr_array_index (rules, rules->len - 1));
        }
      config = vpnd_split_config_new_from_rules (random_boolean (2) ? VPND_SPLIT_MODE_EXCLUDE : VPND_SPLIT_MODE_INCLUDE, rules, NULL);
      g_assert_nonnull (config);
      split_world_init (&world, random_kind (), TRUE);
      plan = plan_with_units (config, (const VpndSplitRule *const *) rules->pdata, levels, rules->len);
      ruleset = world_rules (&world, plan);
      later_plan = plan_with_units (config, (const VpndSplitRule *const *) rules->pdata, levels, rules->len);
      later = world_rules (&world, later_plan);
      g_assert_true (vpnd_ruleset_equal_but_elements (ruleset, later));
      g_assert_true (vpnd_split_plan_equal (plan, later_plan) || !vpnd_ruleset_equal (ruleset, later));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy-split/units-come-and-go", test_units_come_and_go);
  g_test_add_func ("/policy-split/unseen", test_unseen);
  g_test_add_func ("/policy-split/unseen-while-open", test_unseen_while_open);
  g_test_add_func ("/policy-split/unseen-costs-little", test_unseen_costs_little);
  g_test_add_func ("/policy-split/size", test_size);
  return g_test_run ();
}
