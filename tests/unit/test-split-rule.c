/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of split tunnelling: one form for each value, a reason for each refusal, and subnets without overlap.
 */
#include "config.h"

#include "error.h"
#include "random-values.h"
#include "split-rule.h"

#include <string.h>

static void
test_normal_forms (void)
{
  static const struct
  {
    VpndSplitKind kind;
    const char *value;
    const char *normal; /* NULL: refused */
  } cases[] = {
    { VPND_SPLIT_PATH, "/usr/bin/firefox", "/usr/bin/firefox" },
    { VPND_SPLIT_PATH, "//usr/./bin//firefox/", "/usr/bin/firefox" },
    { VPND_SPLIT_PATH, "/opt/with blank/\303\274", "/opt/with blank/\303\274" },
    { VPND_SPLIT_PATH, "firefox", NULL },
    { VPND_SPLIT_PATH, "", NULL },
    { VPND_SPLIT_PATH, "/", NULL },
    { VPND_SPLIT_PATH, "/./", NULL },
    { VPND_SPLIT_PATH, "/usr/bin/../bin/x", NULL },
    { VPND_SPLIT_PATH, "/usr/bin/a\nb", NULL },
    { VPND_SPLIT_PATH, "/usr/bin/\377", NULL },
    { VPND_SPLIT_APP, "org.mozilla.firefox.desktop", "org.mozilla.firefox" },
    { VPND_SPLIT_APP, "firefox_firefox", "firefox_firefox" },
    { VPND_SPLIT_APP, ".desktop", NULL },
    { VPND_SPLIT_APP, "-x", NULL },
    { VPND_SPLIT_APP, "a/b", NULL },
    { VPND_SPLIT_UNIT, "nginx", "nginx.service" },
    { VPND_SPLIT_UNIT, "app-org.x@1.scope", "app-org.x@1.scope" },
    { VPND_SPLIT_UNIT, "sshd.socket", NULL },
    { VPND_SPLIT_UNIT, ".service", NULL },
    { VPND_SPLIT_UNIT, "-.slice", NULL },
    { VPND_SPLIT_UNIT, "a b.service", NULL },
    { VPND_SPLIT_UID, "1000", "1000" },
    { VPND_SPLIT_UID, "0", "0" },
    { VPND_SPLIT_UID, "4294967294", "4294967294" },
    { VPND_SPLIT_UID, "4294967295", NULL },
    { VPND_SPLIT_UID, "-1", NULL },
    { VPND_SPLIT_UID, "root", NULL },
    { VPND_SPLIT_SUBNET, "203.0.113.7/24", "203.0.113.0/24" },
    { VPND_SPLIT_SUBNET, "2001:DB8::1/64", "2001:db8::/64" },
    { VPND_SPLIT_SUBNET, "0.0.0.0/0", NULL },
    { VPND_SPLIT_SUBNET, "203.0.113.0/33", NULL },
    { VPND_SPLIT_DOMAIN, "*.Example.ORG.", "example.org" },
    { VPND_SPLIT_DOMAIN, "xn--bcher-kva.example", "xn--bcher-kva.example" },
    { VPND_SPLIT_DOMAIN, "org", NULL },
    { VPND_SPLIT_DOMAIN, "a..example", NULL },
    { VPND_SPLIT_DOMAIN, "-a.example", NULL },
    { VPND_SPLIT_DOMAIN, "a\nb.example", NULL },
    { VPND_SPLIT_DOMAIN, "*.*.example", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (cases[i].kind, cases[i].value, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, &error);
      g_autoptr (VpndSplitRule) again = NULL;

      if (cases[i].normal == NULL)
        {
          g_assert_null (rule);
          g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
          g_assert_true (g_str_has_prefix (error->message, vpnd_split_kind_to_string (cases[i].kind)));
          continue;
        }
      g_assert_no_error (error);
      g_assert_cmpstr (rule->value, ==, cases[i].normal);
      again = vpnd_split_rule_new (cases[i].kind, rule->value, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, &error); /* the one form stays */
      g_assert_no_error (error);
      g_assert_cmpint (vpnd_split_rule_compare (rule, again), ==, 0);
    }
}

/* What a single user may not set, since it would be everybody's. */
static void
test_rules_of_a_user (void)
{
  static const char *const values[] = { "/usr/bin/x", "org.x.Y", "x.service", "1000", "203.0.113.0/24", "example.org" };

  G_STATIC_ASSERT (G_N_ELEMENTS (values) == VPND_N_SPLIT_KINDS);
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new ((VpndSplitKind) i, values[i], VPND_SPLIT_EXCLUDED, NULL, 1000, &error);

      g_assert_cmpint (rule != NULL, ==, i <= VPND_SPLIT_UNIT);
      g_assert_cmpint (error != NULL, ==, i > VPND_SPLIT_UNIT);
    }
}

/* What an application of a user's own starts, as the user says. */
static void
test_own_apps (void)
{
  static const char *const paths[] = { "/opt//b/./x", "/opt/a", "/opt/b/x", NULL };
  static const char *const normal[] = { "/opt/a", "/opt/b/x", NULL };
  static const char *const none[] = { NULL };
  static const char *const bad[] = { "x", "/a/../b", "/", "/a\nb", "\377" };
  const char *many[VPND_SPLIT_MAX_PROGRAMS + 2] = { "/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", NULL };
  g_autofree char *long_path = g_strnfill (2100, '/');
  g_autofree char *long_a = g_strnfill (2100, 'a');
  g_autofree char *long_b = g_strnfill (2100, 'b');
  const char *too_long[] = { NULL, NULL, NULL };
  g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new_own_app ("org.x.Y.desktop", paths, VPND_SPLIT_EXCLUDED, NULL, 1000, NULL);
  g_autoptr (VpndSplitRule) same = vpnd_split_rule_new_own_app ("org.x.Y", normal, VPND_SPLIT_EXCLUDED, NULL, 1000, NULL);
  g_autoptr (VpndSplitRule) empty = vpnd_split_rule_new_own_app ("org.x.Y", none, VPND_SPLIT_EXCLUDED, NULL, 1000, NULL);
  g_autoptr (VpndSplitRule) of_system = vpnd_split_rule_new (VPND_SPLIT_APP, "org.x.Y", VPND_SPLIT_EXCLUDED, NULL, 1000, NULL);

  g_assert_true (g_strv_equal ((const char *const *) rule->programs, normal));
  g_assert_cmpstr (rule->value, ==, "org.x.Y");
  g_assert_true (vpnd_split_rule_equal (rule, same));
  g_assert_false (vpnd_split_rule_equal (rule, empty));
  g_assert_false (vpnd_split_rule_equal (empty, of_system)); /* nothing is not "look for it" */
  g_assert_cmpint (vpnd_split_rule_compare (rule, of_system), ==, 0);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (vpnd_split_rule_new_own_app ("x", (const char *const[]){ "/bin/x", bad[i], NULL }, VPND_SPLIT_EXCLUDED, NULL, 1000, &error));
      g_assert_error (error, VPND_ERROR, VPND_ERROR_INVALID_ARGUMENT);
    }
  long_a[0] = long_b[0] = '/';
  too_long[0] = long_a;
  too_long[1] = long_b;
  g_assert_null (vpnd_split_rule_new_own_app ("x", too_long, VPND_SPLIT_EXCLUDED, NULL, 1000, NULL));
  g_assert_null (vpnd_split_rule_new_own_app ("x", (const char *const[]){ long_path, NULL }, VPND_SPLIT_EXCLUDED, NULL, 1000, NULL));
  g_assert_null (vpnd_split_rule_new_own_app ("x", many, VPND_SPLIT_EXCLUDED, NULL, 1000, NULL));
  many[VPND_SPLIT_MAX_PROGRAMS] = NULL;
  same = (vpnd_split_rule_unref (same), vpnd_split_rule_new_own_app ("x", many, VPND_SPLIT_EXCLUDED, NULL, 1000, NULL));
  g_assert_cmpint (g_strv_length (same->programs), ==, VPND_SPLIT_MAX_PROGRAMS);
  g_assert_null (vpnd_split_rule_new_own_app ("x", paths, VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, NULL)); /* nobody tells it for all */
}

static void
test_words (void)
{
  VpndSplitKind kind;
  VpndSplitClass class_;

  for (guint i = 0; i < VPND_N_SPLIT_KINDS; i++)
    {
      g_assert_true (vpnd_split_kind_from_string (vpnd_split_kind_to_string ((VpndSplitKind) i), &kind));
      g_assert_cmpint (kind, ==, i);
    }
  for (guint i = 0; i < VPND_N_SPLIT_CLASSES; i++)
    {
      g_assert_true (vpnd_split_class_from_string (vpnd_split_class_to_string ((VpndSplitClass) i), &class_));
      g_assert_cmpint (class_, ==, i);
    }
  g_assert_false (vpnd_split_kind_from_string ("program", &kind));
  g_assert_false (vpnd_split_class_from_string ("", &class_));
}

static gboolean
covers (GArray *subnets, const VpndAddr *addr)
{
  for (guint i = 0; i < subnets->len; i++)
    if (vpnd_prefix_contains (&g_array_index (subnets, VpndPrefix, i), addr))
      return TRUE;
  return FALSE;
}

/* The same addresses as before, and no prefix inside another. */
static void
test_merged_subnets (void)
{
  for (guint round = 0; round < 200; round++)
    {
      g_autoptr (GArray) subnets = g_array_new (FALSE, FALSE, sizeof (VpndPrefix));
      g_autoptr (GArray) merged = NULL;

      for (guint i = 0; i < 40; i++)
        {
          VpndPrefix prefix = { .addr = random_addr (random_boolean (2) ? AF_INET : AF_INET6) };

          memset (prefix.addr.bytes, 10, 1); /* near one another, so that they do overlap */
          prefix.addr.bytes[1] &= 3;
          prefix.length = (guint8) g_test_rand_int_range (8, 33);
          prefix = vpnd_prefix_masked (&prefix);
          g_array_append_val (subnets, prefix);
        }
      merged = vpnd_split_merge_subnets (subnets);
      for (guint i = 0; i < subnets->len; i++)
        g_assert_true (covers (merged, &g_array_index (subnets, VpndPrefix, i).addr));
      for (guint i = 0; i < merged->len; i++)
        {
          const VpndPrefix *prefix = &g_array_index (merged, VpndPrefix, i);
          guint origin = 0;

          for (guint j = 0; j < merged->len; j++)
            g_assert_true (i == j || !vpnd_prefix_contains (&g_array_index (merged, VpndPrefix, j), &prefix->addr));
          while (origin < subnets->len && !vpnd_prefix_equal (prefix, &g_array_index (subnets, VpndPrefix, origin)))
            origin++;
          g_assert_cmpuint (origin, <, subnets->len);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/split-rule/normal-forms", test_normal_forms);
  g_test_add_func ("/split-rule/rules-of-a-user", test_rules_of_a_user);
  g_test_add_func ("/split-rule/own-apps", test_own_apps);
  g_test_add_func ("/split-rule/words", test_words);
  g_test_add_func ("/split-rule/merged-subnets", test_merged_subnets);
  return g_test_run ();
}
