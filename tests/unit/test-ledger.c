/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ledger on a real directory: what of ours may be on the host is known to the next instance, whatever became of the file.
 */
#include "config.h"

#include "store-rig.h"

#include "error.h"
#include "ledger.h"
#include "state.h"

#include <sys/stat.h>

static VpndLedger *
open_ledger (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  VpndLedger *ledger = vpnd_ledger_open (fixture->dirfd, fixture->dirfd, &error);

  g_assert_no_error (error);
  return ledger;
}

static void
test_ledger (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndLedger) ledger = open_ledger (fixture), again = NULL;
  g_autoptr (GHashTable) first = g_hash_table_new (g_str_hash, g_str_equal), second = g_hash_table_new (g_str_hash, g_str_equal);

  g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, 0);
  g_assert_false (vpnd_ledger_get_protected (ledger) || vpnd_ledger_get_handover (ledger));
  g_hash_table_insert (first, (gpointer) "net/a", (gpointer) "0");
  g_hash_table_insert (second, (gpointer) "net/a", (gpointer) "1");
  g_hash_table_insert (second, (gpointer) "net/b", (gpointer) "2");
  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_LINK | VPND_HOST_DNS, &error) && vpnd_ledger_set_target (ledger, TRUE, TRUE, &error));
  g_assert_true (vpnd_ledger_set_sysctls (ledger, first, &error) && vpnd_ledger_set_sysctls (ledger, second, &error));
  for (gint64 i = 1; i <= 10; i++)
    g_assert_true (vpnd_ledger_add_crash (ledger, i * 1000, &error));

  again = open_ledger (fixture);
  g_assert_cmpuint (vpnd_ledger_get_changes (again), ==, VPND_HOST_LINK | VPND_HOST_DNS);
  g_assert_true (vpnd_ledger_get_protected (again) && vpnd_ledger_get_handover (again));
  g_assert_cmpuint (g_hash_table_size (vpnd_ledger_get_sysctls (again)), ==, 2);
  g_assert_cmpstr (g_hash_table_lookup (vpnd_ledger_get_sysctls (again), "net/a"), ==, "0");
  g_assert_cmpuint (vpnd_ledger_count_crashes (again, 0), ==, 8);
  g_assert_cmpuint (vpnd_ledger_count_crashes (again, 9000), ==, 2);
  g_assert_true (vpnd_ledger_set_sysctls (again, NULL, &error));
  g_assert_cmpuint (g_hash_table_size (vpnd_ledger_get_sysctls (again)), ==, 0);
}

/* A write that fails changes neither the file nor what the getters say. */
static void
test_ledger_failure (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VpndLedger) ledger = open_ledger (fixture), again = NULL;

  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_LINK, &error));
  g_assert_cmpint (mkdirat (fixture->dirfd, ".ledger.json.tmp", 0700), ==, 0);
  g_assert_false (vpnd_ledger_set_changes (ledger, VPND_HOST_ALL, &error));
  g_assert_error (error, VPND_ERROR, VPND_ERROR_STORAGE);
  g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, VPND_HOST_LINK);
  again = open_ledger (fixture);
  g_assert_cmpuint (vpnd_ledger_get_changes (again), ==, VPND_HOST_LINK);
}

static char *
with_other_boot (const char *text)
{
  g_autoptr (GRegex) boot = g_regex_new ("\"boot\"\\s*:\\s*\"[^\"]+\"", 0, 0, NULL);

  g_assert_true (g_regex_match (boot, text, 0, NULL));
  return g_regex_replace_literal (boot, text, -1, 0, "\"boot\":\"00000000-0000-0000-0000-000000000000\"", 0, NULL);
}

/* A ledger that is taken away or spoiled is known from its copy, and that is told; the copy of another boot is nobody's. */
static void
test_ledger_lost (Fixture *fixture, gconstpointer data)
{
  static const char *const spoiled[] = { NULL, "", "{}" };
  g_autoptr (GHashTable) values = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (values, (gpointer) "net/a", (gpointer) "7");
  for (guint i = 0; i < G_N_ELEMENTS (spoiled); i++)
    {
      g_autoptr (VpndLedger) ledger = open_ledger (fixture), again = NULL;
      g_autofree char *copy = NULL;
      g_autofree char *other = NULL;

      g_assert_true (vpnd_ledger_set_target (ledger, TRUE, FALSE, NULL) && vpnd_ledger_set_changes (ledger, VPND_HOST_SYSCTLS, NULL) && vpnd_ledger_set_sysctls (ledger, values, NULL));
      copy = get (fixture, "ledger-copy.json");
      if (spoiled[i] == NULL)
        g_assert_cmpint (unlinkat (fixture->dirfd, "ledger.json", 0), ==, 0);
      else
        put (fixture, "ledger.json", spoiled[i]);
      again = open_ledger (fixture);
      g_assert_cmpstr (g_hash_table_lookup (vpnd_ledger_get_sysctls (again), "net/a"), ==, "7");
      g_assert_true (vpnd_ledger_get_protected (again) && (vpnd_ledger_get_changes (again) & VPND_HOST_SYSCTLS));
      g_assert_nonnull (vpnd_ledger_get_trouble (again));
      g_assert_true (vpnd_ledger_is_complete (again));

      /* What was recovered is written down. */
      g_clear_pointer (&again, vpnd_ledger_free);
      again = open_ledger (fixture);
      g_assert_cmpstr (g_hash_table_lookup (vpnd_ledger_get_sysctls (again), "net/a"), ==, "7");
      g_assert_null (vpnd_ledger_get_trouble (again));

      /* Another boot: gone is forgotten, spoiled is still suspicious. */
      other = with_other_boot (copy);
      put (fixture, "ledger-copy.json", other);
      if (spoiled[i] == NULL)
        g_assert_cmpint (unlinkat (fixture->dirfd, "ledger.json", 0), ==, 0);
      else
        put (fixture, "ledger.json", spoiled[i]);
      g_clear_pointer (&again, vpnd_ledger_free);
      again = open_ledger (fixture);
      g_assert_cmpuint (g_hash_table_size (vpnd_ledger_get_sysctls (again)), ==, 0);
      g_assert_cmpint (vpnd_ledger_get_protected (again), ==, spoiled[i] != NULL);
      g_assert_cmpint (vpnd_ledger_get_trouble (again) != NULL, ==, spoiled[i] != NULL);
      g_assert_cmpint (vpnd_ledger_is_complete (again), ==, spoiled[i] == NULL);
      g_assert_true (vpnd_ledger_set_target (again, FALSE, FALSE, NULL));
    }
}

/* A copy that cannot be written is no failure, and is not left as it was. */
static void
test_ledger_without_copy (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VpndLedger) ledger = open_ledger (fixture);

  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_LINK, NULL));
  g_assert_true (exists (fixture, "ledger-copy.json"));
  g_assert_cmpint (mkdirat (fixture->dirfd, ".ledger-copy.json.tmp", 0700), ==, 0);
  g_assert_true (vpnd_ledger_set_changes (ledger, VPND_HOST_ALL, NULL));
  g_assert_false (exists (fixture, "ledger-copy.json"));
}

static void
test_ledger_broken (Fixture *fixture, gconstpointer data)
{
  static const char *const texts[] = { "", "{}", "{\"version\":2,\"changes\":0,\"protected\":false,\"handover\":false,\"sysctls\":{},\"crashes\":[]}",
    "{\"version\":1,\"changes\":99,\"protected\":false,\"handover\":false,\"sysctls\":{},\"crashes\":[]}",
    "{\"version\":1,\"changes\":0,\"protected\":false,\"handover\":false,\"sysctls\":{\"a\":1},\"crashes\":[]}",
    "{\"version\":1,\"changes\":0,\"protected\":false,\"handover\":false,\"sysctls\":{},\"crashes\":[\"x\"]}" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (VpndLedger) ledger = NULL;

      put (fixture, "ledger.json", texts[i]);
      ledger = open_ledger (fixture);
      g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, VPND_HOST_ALL);
      g_assert_true (vpnd_ledger_get_protected (ledger));
      g_assert_false (vpnd_ledger_get_handover (ledger));

      /* The instance after one that has done nothing must see the same. */
      g_clear_pointer (&ledger, vpnd_ledger_free);
      ledger = open_ledger (fixture);
      g_assert_cmpuint (vpnd_ledger_get_changes (ledger), ==, VPND_HOST_ALL);
      g_assert_true (vpnd_ledger_get_protected (ledger));
    }
}

int
main (int argc, char **argv)
{
  static const StoreTest tests[] = {
    { "/store/ledger", test_ledger },
    { "/store/ledger/failure", test_ledger_failure },
    { "/store/ledger/broken", test_ledger_broken },
    { "/store/ledger/lost", test_ledger_lost },
    { "/store/ledger/without-copy", test_ledger_without_copy },
  };

  return run_store_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
