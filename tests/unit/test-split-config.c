/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration of split tunnelling as a value and as a file, its limits, and the steps of the state.
 */
#include "config.h"

#include "error.h"
#include "random-values.h"
#include "safe-file.h"
#include "split-config.h"
#include "split-state.h"
#include "split-store.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static VpndSplitRule *
path_rule (const char *path, VpndSplitClass class_, const char *profile, guint32 owner)
{
  g_autoptr (GError) error = NULL;
  VpndSplitRule *rule = vpnd_split_rule_new (VPND_SPLIT_PATH, path, class_, profile, owner, &error);

  g_assert_no_error (error);
  return rule;
}

/* Takes both. */
static VpndSplitConfig *
add (VpndSplitConfig *config, VpndSplitRule *rule, GError **error)
{
  VpndSplitConfig *next = vpnd_split_config_with (config, rule, error);

  vpnd_split_rule_unref (rule);
  if (next == NULL)
    return config;
  vpnd_split_config_unref (config);
  return next;
}

/* Whatever order rules come in, they stand in the one order, and taking one out again leaves the others. */
static void
test_order_and_inverse (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (guint round = 0; round < 200; round++)
    {
      g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();

      for (guint i = 0; i < 20; i++)
        {
          g_autofree char *path = g_strdup_printf ("/bin/%d", g_rand_int_range (rand, 0, 10));
          const guint32 owner = g_rand_boolean (rand) ? VPND_SPLIT_OWNER_SYSTEM : (guint32) g_rand_int_range (rand, 0, 3);
          g_autoptr (VpndSplitRule) rule = path_rule (path, g_rand_boolean (rand) ? VPND_SPLIT_EXCLUDED : VPND_SPLIT_INCLUDED, NULL, owner);
          g_autoptr (VpndSplitConfig) with = vpnd_split_config_with (config, rule, NULL);
          g_autoptr (VpndSplitConfig) without = NULL;

          if (with == NULL)
            {
              g_assert_true (vpnd_split_rule_equal (vpnd_split_config_find (config, VPND_SPLIT_PATH, rule->value, owner), rule));
              continue;
            }
          g_assert_true (vpnd_split_rule_equal (vpnd_split_config_find (with, VPND_SPLIT_PATH, rule->value, owner), rule));
          without = vpnd_split_config_without (with, VPND_SPLIT_PATH, rule->value, owner, NULL);
          g_assert_null (vpnd_split_config_find (without, VPND_SPLIT_PATH, rule->value, owner));
          if (vpnd_split_config_find (config, VPND_SPLIT_PATH, rule->value, owner) == NULL)
            g_assert_true (vpnd_split_config_equal (without, config));
          vpnd_split_config_unref (config);
          config = g_steal_pointer (&with);
        }
      for (guint i = 1; i < config->rules->len; i++)
        g_assert_cmpint (vpnd_split_rule_compare (g_ptr_array_index (config->rules, i - 1), g_ptr_array_index (config->rules, i)), <, 0);
    }
}

static void
test_limits (void)
{
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();
  g_autoptr (GPtrArray) many = g_ptr_array_new_with_free_func ((GDestroyNotify) vpnd_split_rule_unref);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i <= VPND_SPLIT_MAX_RULES_PER_USER; i++)
    {
      g_autofree char *path = g_strdup_printf ("/bin/%u", i);

      g_assert_no_error (error);
      config = add (config, path_rule (path, VPND_SPLIT_EXCLUDED, NULL, 1000), &error);
    }
  g_assert_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED);
  g_clear_error (&error);
  config = add (config, path_rule ("/bin/0", VPND_SPLIT_EXCLUDED, NULL, 1001), &error); /* another user has room */
  config = add (config, path_rule ("/bin/0", VPND_SPLIT_INCLUDED, NULL, 1000), &error); /* a change needs none */
  g_assert_no_error (error);

  for (guint i = 0; i <= VPND_SPLIT_MAX_PROFILES_OF_USERS; i++) /* one user alone, or many */
    {
      g_autofree char *path = g_strdup_printf ("/srv/%u", i);
      g_autofree char *profile = g_strdup_printf ("u%u", i);

      g_assert_no_error (error);
      config = add (config, path_rule (path, VPND_SPLIT_BOUND, profile, 2000 + i % 2), &error);
    }
  g_assert_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED);
  g_clear_error (&error);
  config = add (config, path_rule ("/srv/another", VPND_SPLIT_BOUND, "u0", 2001), &error);
  g_assert_no_error (error);

  for (guint i = 0; i <= VPND_SPLIT_MAX_PROFILES - VPND_SPLIT_MAX_PROFILES_OF_USERS; i++)
    {
      g_autofree char *path = g_strdup_printf ("/opt/%u", i);
      g_autofree char *profile = g_strdup_printf ("p%u", i);

      g_assert_no_error (error);
      config = add (config, path_rule (path, VPND_SPLIT_BOUND, profile, VPND_SPLIT_OWNER_SYSTEM), &error);
    }
  g_assert_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED);
  g_clear_error (&error);

  for (guint i = 0; i <= VPND_SPLIT_MAX_RULES; i++)
    {
      g_autofree char *path = g_strdup_printf ("/bin/%u", i);

      g_ptr_array_add (many, path_rule (path, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM));
    }
  g_assert_null (vpnd_split_config_new_from_rules (VPND_SPLIT_MODE_EXCLUDE, many, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED);
  g_clear_error (&error);
  g_ptr_array_remove_index (many, 0);
  vpnd_split_config_unref (config);
  config = vpnd_split_config_new_from_rules (VPND_SPLIT_MODE_EXCLUDE, many, &error);
  g_assert_no_error (error);
  config = add (config, path_rule ("/bin/none", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM), &error);
  g_assert_error (error, VPND_ERROR, VPND_ERROR_LIMITS_EXCEEDED);
}

static void
test_bound_needs_a_profile (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vpnd_split_rule_new (VPND_SPLIT_PATH, "/bin/x", VPND_SPLIT_BOUND, NULL, 0, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (vpnd_split_rule_new (VPND_SPLIT_PATH, "/bin/x", VPND_SPLIT_BOUND, "../x", 0, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (vpnd_split_rule_new (VPND_SPLIT_PATH, "/bin/x", VPND_SPLIT_EXCLUDED, "home", 0, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (vpnd_split_rule_new (VPND_SPLIT_UID, "1000", VPND_SPLIT_BOUND, "home", VPND_SPLIT_OWNER_SYSTEM, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
}

typedef struct
{
  char *path; /* (owned) */
  int fd;
  VpndSplitStore *store; /* (owned) */
} Disk;

static void
set_up (Disk *disk, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  disk->path = g_dir_make_tmp ("vpnd-split-XXXXXX", &error);
  g_assert_no_error (error);
  disk->fd = open (disk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  disk->store = vpnd_split_store_new (disk->fd, &error);
  g_assert_no_error (error);
}

static void
tear_down (Disk *disk, gconstpointer data)
{
  g_autoptr (GDir) folder = g_dir_open (disk->path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    g_assert_no_errno (unlinkat (disk->fd, name, 0));
  g_assert_no_errno (g_rmdir (disk->path));
  g_object_unref (disk->store);
  close (disk->fd);
  g_free (disk->path);
}

static void
test_file_round_trip (Disk *disk, gconstpointer data)
{
  g_autofree char *trouble = NULL;
  g_autofree char *file = g_build_filename (disk->path, "split.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndSplitConfig) none = vpnd_split_store_load (disk->store, &trouble);
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_with_mode (none, VPND_SPLIT_MODE_INCLUDE);
  g_autoptr (VpndSplitConfig) again = NULL;
  struct stat info;

  g_assert_null (trouble);
  g_assert_true (vpnd_split_config_is_empty (none));
  config = add (config, path_rule ("/opt/with \"quotes\" and \303\274", VPND_SPLIT_BOUND, "home", VPND_SPLIT_OWNER_SYSTEM), &error);
  config = add (config, path_rule ("/bin/x", VPND_SPLIT_EXCLUDED, NULL, 1000), &error);
  config = add (config, vpnd_split_rule_new (VPND_SPLIT_SUBNET, "203.0.113.0/24", VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, &error), &error);
  config = add (config, vpnd_split_rule_new_own_app ("org.x.Y", (const char *const[]){ "/home/a/\303\274", "/b", NULL }, VPND_SPLIT_EXCLUDED, NULL, 1000, &error), &error);
  config = add (config, vpnd_split_rule_new_own_app ("org.x.Z", (const char *const[]){ NULL }, VPND_SPLIT_BOUND, "home", 1000, &error), &error);
  g_assert_true (vpnd_split_store_save (disk->store, config, &error));
  g_assert_no_error (error);
  g_assert_no_errno (stat (file, &info));
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  again = vpnd_split_store_load (disk->store, &trouble);
  g_assert_null (trouble);
  g_assert_true (vpnd_split_config_equal (again, config));
}

static void
assert_class (const VpndSplitConfig *config, const char *profile, const char *class_name)
{
  g_assert_cmpstr (vpnd_split_config_get_class_name (config, profile), ==, class_name);
}

/* A class is called as it was when its profile gets another name, however often, as long as anything is bound to it; no two are called the same, in the file, too. */
static void
test_class_names (Disk *disk, gconstpointer data)
{
  static const char *const names[] = { "a", "b", "c" };
  VpndSplitConfig *config = vpnd_split_config_new ();
  g_autoptr (GError) error = NULL;

  config = add (config, path_rule ("/bin/0", VPND_SPLIT_BOUND, "a", VPND_SPLIT_OWNER_SYSTEM), &error);
  for (guint i = 0; i < 200; i++)
    {
      const char *name = names[g_test_rand_int_range (0, G_N_ELEMENTS (names))], *new_name = names[g_test_rand_int_range (0, G_N_ELEMENTS (names))];
      g_autofree char *trouble = NULL;
      g_autofree char *class_name = NULL;
      g_autofree char *path = g_strdup_printf ("/bin/%d", g_test_rand_int_range (0, 4));
      g_autoptr (VpndSplitConfig) loaded = NULL;
      g_autoptr (GArray) bound = vpnd_split_config_dup_bound (config);
      g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
      VpndSplitConfig *before = config;

      for (guint k = 0; k < bound->len; k++)
        g_assert_true (g_hash_table_add (seen, g_array_index (bound, VpndSplitBound, k).class_name));
      g_assert_true (vpnd_split_store_save (disk->store, config, &error));
      loaded = vpnd_split_store_load (disk->store, &trouble);
      g_assert_null (trouble);
      g_assert_true (vpnd_split_config_equal (config, loaded));
      class_name = g_strdup (vpnd_split_bound_array_find (bound, name));
      if (class_name != NULL && vpnd_split_bound_array_find (bound, new_name) == NULL)
        {
          config = vpnd_split_config_with_profile_renamed (config, name, new_name);
          assert_class (config, new_name, class_name);
          vpnd_split_config_unref (before);
        }
      else if (vpnd_split_config_find (config, VPND_SPLIT_PATH, path, VPND_SPLIT_OWNER_SYSTEM) == NULL)
        config = add (config, path_rule (path, VPND_SPLIT_BOUND, name, VPND_SPLIT_OWNER_SYSTEM), &error);
      else
        {
          config = vpnd_split_config_without (config, VPND_SPLIT_PATH, path, VPND_SPLIT_OWNER_SYSTEM, &error);
          vpnd_split_config_unref (before);
        }
      g_assert_no_error (error);
    }
  vpnd_split_config_unref (config);
}

/* No broken file excludes anything, and each is kept and told. */
static void
test_broken_files (Disk *disk, gconstpointer data)
{
  static const char *const texts[] = {
    "",
    "{",
    "[]",
    "{\"version\":2,\"mode\":\"exclude\",\"rules\":[]}",
    "{\"version\":1,\"mode\":\"other\",\"rules\":[]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[1]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"path\",\"value\":\"x\",\"class\":\"excluded\"}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"path\",\"value\":\"/bin/x\",\"class\":\"none\"}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"path\",\"value\":\"/bin/x\",\"class\":\"excluded\",\"owner\":-1}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"path\",\"value\":\"/x\",\"class\":\"excluded\"},{\"kind\":\"path\",\"value\":\"/x\",\"class\":\"included\"}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"path\",\"value\":\"/x\",\"class\":\"excluded\",\"owner\":7,\"programs\":[\"/y\"]}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"app\",\"value\":\"x\",\"class\":\"excluded\",\"owner\":7,\"programs\":[1]}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"app\",\"value\":\"x\",\"class\":\"excluded\",\"owner\":7,\"programs\":[\"y\"]}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[{\"kind\":\"app\",\"value\":\"x\",\"class\":\"excluded\",\"programs\":[\"/y\"]}]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[],\"classes\":[]}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[],\"classes\":{\"house\":1}}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[],\"classes\":{\"house\":\"../home\"}}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[],\"classes\":{\"house\":\"home+\"}}",
    "{\"version\":1,\"mode\":\"exclude\",\"rules\":[],\"classes\":{\"house\":\"home+2/..\"}}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *trouble = NULL;
      g_autofree char *again = NULL;
      g_autofree char *aside = NULL;
      g_autoptr (VpndSplitConfig) config = NULL;
      g_autoptr (VpndSplitConfig) after = NULL;

      g_assert_true (vpnd_safe_file_write (disk->fd, "split.json", texts[i], strlen (texts[i]), VPND_SAFE_FILE_NONE, NULL));
      config = vpnd_split_store_load (disk->store, &trouble);
      g_assert_nonnull (trouble);
      g_assert_true (vpnd_split_config_is_empty (config));
      aside = vpnd_safe_file_find_aside (disk->fd, "split.json");
      g_assert_nonnull (aside);
      after = vpnd_split_store_load (disk->store, &again);
      g_assert_null (again);
      g_assert_true (vpnd_split_config_is_empty (after));
    }
}

/* Whatever changes, the state climbs and falls one step at a time, ends where it belongs, and stays there. */
static void
test_states (void)
{
  for (guint bits = 0; bits < 32; bits++)
    {
      const VpndSplitStateInput input = { bits & 1, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, (bits & 16) != 0 };
      VpndSplitState ends[VPND_N_SPLIT_STATES];

      for (VpndSplitState from = 0; from < VPND_N_SPLIT_STATES; from++)
        {
          VpndSplitState state = from, next;

          for (guint steps = 0; (next = vpnd_split_state_step (state, &input)) != state; steps++)
            {
              g_assert_true (vpnd_split_state_is_legal (state, next));
              g_assert_cmpuint (steps, <, VPND_N_SPLIT_STATES);
              state = next;
            }
          ends[from] = state;
          g_assert_cmpint (state, ==, ends[0]);
        }
      g_assert_cmpint (ends[0] == VPND_SPLIT_STATE_STARTED, ==, !input.has_ground);
      if (ends[0] == VPND_SPLIT_STATE_ENGAGED)
        g_assert_true (input.has_rules && input.is_protected && (input.holds_launches || !input.needs_launches));
    }
  g_assert_false (vpnd_split_state_is_legal (VPND_SPLIT_STATE_STARTED, VPND_SPLIT_STATE_ENGAGED));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/split-config/order-and-inverse", test_order_and_inverse);
  g_test_add_func ("/split-config/limits", test_limits);
  g_test_add_func ("/split-config/bound-needs-a-profile", test_bound_needs_a_profile);
  g_test_add ("/split-store/round-trip", Disk, NULL, set_up, test_file_round_trip, tear_down);
  g_test_add ("/split-store/class-names", Disk, NULL, set_up, test_class_names, tear_down);
  g_test_add ("/split-store/broken-files", Disk, NULL, set_up, test_broken_files, tear_down);
  g_test_add_func ("/split-state/steps", test_states);
  return g_test_run ();
}
