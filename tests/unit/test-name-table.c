/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses of domains: which count, for how long, and which never do.
 */
#include "config.h"

#include "name-table.h"

#include "net-values.h"
#include "random-values.h"

#include <string.h>

#define ROUNDS 300
#define SECOND_US G_USEC_PER_SEC

/* "+domain" is included, "domain" excluded. */
static VpndSplitConfig *
make_config (const char *domains)
{
  g_auto (GStrv) words = g_strsplit (domains, " ", -1);
  g_autoptr (VpndSplitConfig) config = vpnd_split_config_new ();

  for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++)
    {
      const gboolean is_included = *words[i] == '+';
      g_autoptr (GError) error = NULL;
      g_autoptr (VpndSplitRule) rule = vpnd_split_rule_new (VPND_SPLIT_DOMAIN, words[i] + is_included, is_included ? VPND_SPLIT_INCLUDED : VPND_SPLIT_EXCLUDED, NULL, VPND_SPLIT_OWNER_SYSTEM, &error);
      VpndSplitConfig *next;

      g_assert_no_error (error);
      next = vpnd_split_config_with (config, rule, &error);
      g_assert_no_error (error);
      vpnd_split_config_unref (config);
      config = next;
    }
  return g_steal_pointer (&config);
}

static VpndNameTable *
make_table (const char *domains)
{
  g_autoptr (VpndSplitConfig) config = make_config (domains);
  VpndNameTable *table = vpnd_name_table_new ();

  vpnd_name_table_set_rules (table, config);
  return table;
}

/* @names: the way to the addresses, by spaces; all are of the last one */
static VpndDnsAnswer *
make_answer (const char *names, guint32 ttl_s, const char *addresses)
{
  g_auto (GStrv) parts = g_strsplit (names, " ", -1);
  g_auto (GStrv) texts = g_strsplit (addresses, " ", -1);
  VpndDnsAnswer *answer = g_new0 (VpndDnsAnswer, 1);

  answer->names = g_ptr_array_new_with_free_func (g_free);
  answer->addresses = g_array_new (FALSE, FALSE, sizeof (VpndDnsAddress));
  for (guint i = 0; parts[i] != NULL; i++)
    g_ptr_array_add (answer->names, g_strdup (parts[i]));
  for (guint i = 0; texts[i] != NULL; i++)
    {
      const VpndDnsAddress address = { .addr = addr_of (texts[i]), .name = answer->names->len - 1, .ttl_s = ttl_s };

      g_array_append_val (answer->addresses, address);
    }
  return answer;
}

/* Returns: the domain that it was added to, "" for none; "!" before it when it brought something new */
static char *
tell (VpndNameTable *table, const char *names, guint32 ttl_s, const char *addresses, gint64 now_us)
{
  g_autoptr (VpndDnsAnswer) answer = make_answer (names, ttl_s, addresses);
  g_auto (VpndNameResult) result = { 0 };

  vpnd_name_table_add (table, answer, now_us, &result);
  return g_strdup_printf ("%s%s", result.has_changed ? "!" : "", result.domain != NULL ? result.domain : "");
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* "domain=address,address domain=address", sorted */
static char *
list (VpndNameTable *table)
{
  const GArray *names = vpnd_name_table_get_names (table);
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < names->len; i++)
    {
      const VpndSplitName *name = &g_array_index (names, VpndSplitName, i);
      g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_free);
      g_autofree char *joined = NULL;

      for (guint j = 0; j < name->addrs->len; j++)
        g_ptr_array_add (addresses, vpnd_addr_to_string (&g_array_index (name->addrs, VpndAddr, j)));
      g_ptr_array_sort (addresses, compare_texts);
      g_ptr_array_add (addresses, NULL);
      joined = g_strjoinv (",", (char **) addresses->pdata);
      g_ptr_array_add (parts, g_strdup_printf ("%s=%s", name->domain, joined));
    }
  g_ptr_array_sort (parts, compare_texts);
  g_ptr_array_add (parts, NULL);
  return g_strjoinv (" ", (char **) parts->pdata);
}

#define ASSERT_TEXT(call, expected)         \
  G_STMT_START                              \
  {                                         \
    g_autofree char *found_ = call;         \
    g_assert_cmpstr (found_, ==, expected); \
  }                                         \
  G_STMT_END

static void
test_names (void)
{
  g_autoptr (VpndNameTable) table = make_table ("example.test +mail.example.test cdn.test");

  ASSERT_TEXT (tell (table, "example.test", 60, "198.51.100.1", 0), "!example.test");
  ASSERT_TEXT (tell (table, "a.b.example.test", 60, "198.51.100.2", 0), "!example.test");
  ASSERT_TEXT (tell (table, "notexample.test", 60, "198.51.100.3", 0), "");
  ASSERT_TEXT (tell (table, "example.test.other", 60, "198.51.100.3", 0), "");
  ASSERT_TEXT (tell (table, "test", 60, "198.51.100.3", 0), "");
  ASSERT_TEXT (tell (table, "x\\046example.test", 60, "198.51.100.3", 0), "");
  ASSERT_TEXT (tell (table, "in.mail.example.test", 60, "198.51.100.4", 0), "!mail.example.test");   /* the longer one */
  ASSERT_TEXT (tell (table, "www.example.test x.cdn.test", 60, "198.51.100.5", 0), "!example.test"); /* what was asked for comes first */
  ASSERT_TEXT (tell (table, "www.other.test x.cdn.test", 60, "198.51.100.6", 0), "!cdn.test");
  ASSERT_TEXT (tell (table, "www.other.test x.cdn.test", 60, "198.51.100.6 2001:db8::6", 0), "!cdn.test");
  ASSERT_TEXT (tell (table, "www.other.test x.cdn.test", 60, "198.51.100.6 2001:db8::6", 0), "cdn.test");
  ASSERT_TEXT (list (table), "cdn.test=198.51.100.6,2001:db8::6 example.test=198.51.100.1,198.51.100.2,198.51.100.5 mail.example.test=198.51.100.4");
}

static void
test_time (void)
{
  g_autoptr (VpndNameTable) table = make_table ("example.test");
  const gint64 first_us = (60 + VPND_NAME_TABLE_GRACE_S) * SECOND_US;
  const gint64 second_us = (10 + 90 + VPND_NAME_TABLE_GRACE_S) * SECOND_US;

  g_assert_cmpint (vpnd_name_table_next_expiry_us (table), ==, G_MAXINT64);
  g_free (tell (table, "example.test", 60, "198.51.100.1 198.51.100.2", 0));
  g_assert_cmpint (vpnd_name_table_next_expiry_us (table), ==, first_us);
  g_free (tell (table, "example.test", 90, "198.51.100.2", 10 * SECOND_US));
  g_free (tell (table, "example.test", 1, "198.51.100.2", 20 * SECOND_US)); /* never shorter than was said before */
  g_assert_false (vpnd_name_table_expire (table, first_us - 1));
  g_assert_true (vpnd_name_table_expire (table, first_us));
  g_assert_false (vpnd_name_table_expire (table, first_us));
  ASSERT_TEXT (list (table), "example.test=198.51.100.2");
  g_assert_cmpint (vpnd_name_table_next_expiry_us (table), ==, second_us);
  g_assert_true (vpnd_name_table_expire (table, second_us));
  ASSERT_TEXT (list (table), "");
  ASSERT_TEXT (tell (table, "example.test", 60, "198.51.100.1", second_us), "!example.test");
}

/* In doubt by the tunnel. */
static void
test_two_classes (void)
{
  g_autoptr (VpndNameTable) table = make_table ("out.test +in.test");

  g_free (tell (table, "www.out.test", 600, "198.51.100.1 198.51.100.2", 0));
  g_free (tell (table, "www.in.test", 60, "198.51.100.1", 0));
  ASSERT_TEXT (list (table), "in.test=198.51.100.1 out.test=198.51.100.2");
  g_assert_true (vpnd_name_table_expire (table, (60 + VPND_NAME_TABLE_GRACE_S) * SECOND_US));
  ASSERT_TEXT (list (table), "out.test=198.51.100.1,198.51.100.2");
}

static void
test_hostile_addresses (void)
{
  static const char *const refused[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.1.1", "172.16.0.1", "172.31.255.255",
    "192.0.0.8", "192.168.1.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:198.51.100.1", "::10.0.0.1", "64:ff9b::a00:1",
    "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "2002:a00:1::1", "2001::1", "100::1", "4000::1" };
  static const char *const taken[] = { "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1", "192.167.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "203.0.113.1", "2001:db8::1", "2606:4700::1111", "2001:1::1", "3fff::1" };
  g_autoptr (VpndNameTable) table = make_table ("example.test other.test");
  g_autoptr (GArray) own = g_array_new (FALSE, FALSE, sizeof (VpndPrefix));
  VpndPrefix prefix;

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (VpndDnsAnswer) answer = make_answer ("example.test", 60, refused[i]);
      g_auto (VpndNameResult) result = { 0 };

      vpnd_name_table_add (table, answer, 0, &result);
      g_assert_false (result.has_changed);
      g_assert_cmpuint (result.addrs->len, ==, 0);
      g_assert_cmpstr (result.domain, ==, "example.test");
      g_assert_cmpint (vpnd_addr_is_set (&result.refused), ==, i == 0); /* told once */
    }
  ASSERT_TEXT (list (table), "");
  for (guint i = 0; i < G_N_ELEMENTS (taken); i++)
    ASSERT_TEXT (tell (table, "example.test", 60, taken[i], 0), "!example.test");

  /* What the tunnel needs: its network inside, and a resolver with a public address. */
  g_free (tell (table, "other.test", 60, "1.1.1.1 203.0.113.50 198.51.100.1", 0));
  g_assert_true (vpnd_prefix_parse ("1.1.1.1/32", &prefix));
  g_array_append_val (own, prefix);
  g_assert_true (vpnd_prefix_parse ("203.0.113.0/26", &prefix));
  g_array_append_val (own, prefix);
  g_assert_true (vpnd_name_table_set_protected (table, own));
  g_assert_false (vpnd_name_table_set_protected (table, own));
  ASSERT_TEXT (tell (table, "other.test", 60, "1.1.1.1 203.0.113.51", 0), "other.test");
  {
    g_autofree char *found = list (table);

    g_assert_nonnull (strstr (found, "other.test=198.51.100.1"));
    g_assert_null (strstr (found, "1.1.1.1"));
    g_assert_null (strstr (found, "203.0.113"));
  }
}

static void
test_rules_change (void)
{
  g_autoptr (VpndNameTable) table = make_table ("a.test b.test c.test");
  g_autoptr (VpndSplitConfig) same = make_config ("a.test b.test c.test");
  g_autoptr (VpndSplitConfig) less = make_config ("a.test +b.test d.test");
  g_autoptr (VpndSplitConfig) none = make_config ("");

  g_free (tell (table, "a.test", 60, "198.51.100.1", 0));
  g_free (tell (table, "b.test", 60, "198.51.100.2", 0));
  g_free (tell (table, "c.test", 60, "198.51.100.3", 0));
  g_assert_false (vpnd_name_table_set_rules (table, same));
  ASSERT_TEXT (list (table), "a.test=198.51.100.1 b.test=198.51.100.2 c.test=198.51.100.3");
  g_assert_true (vpnd_name_table_set_rules (table, less));
  ASSERT_TEXT (list (table), "a.test=198.51.100.1 b.test=198.51.100.2");
  g_assert_true (vpnd_name_table_has_domains (table));
  g_assert_true (vpnd_name_table_set_rules (table, none));
  g_assert_false (vpnd_name_table_has_domains (table));
  ASSERT_TEXT (list (table), "");
  ASSERT_TEXT (tell (table, "a.test", 60, "198.51.100.1", 0), "");
}

static char *
address_text (guint number)
{
  return g_strdup_printf ("203.%u.%u.%u", number >> 16, number >> 8 & 0xff, number & 0xff);
}

static guint
count (VpndNameTable *table)
{
  const GArray *names = vpnd_name_table_get_names (table);
  guint n = 0;

  for (guint i = 0; i < names->len; i++)
    n += g_array_index (names, VpndSplitName, i).addrs->len;
  return n;
}

static void
test_bounds (void)
{
  g_autoptr (GString) domains = g_string_new ("d0.test");
  g_autoptr (VpndNameTable) table = NULL;
  guint told = 0;

  for (guint i = 1; i < 20; i++)
    g_string_append_printf (domains, " d%u.test", i);
  table = make_table (domains->str);

  /* One domain: who has the least time left makes room. */
  for (guint i = 0; i < VPND_NAME_TABLE_DOMAIN_MAX + 10; i++)
    {
      g_autofree char *text = address_text (i);

      g_free (tell (table, "d0.test", i < 10 ? 60 : 600, text, 0));
    }
  g_assert_cmpuint (count (table), ==, VPND_NAME_TABLE_DOMAIN_MAX);
  g_assert_false (vpnd_name_table_expire (table, (60 + VPND_NAME_TABLE_GRACE_S) * SECOND_US)); /* they have gone already */

  for (guint i = 0; i < 20 * VPND_NAME_TABLE_DOMAIN_MAX; i++)
    {
      g_autofree char *name = g_strdup_printf ("x.d%u.test", i / VPND_NAME_TABLE_DOMAIN_MAX);
      g_autofree char *text = address_text (100000 + i);
      g_autoptr (VpndDnsAnswer) answer = make_answer (name, 600, text);
      g_auto (VpndNameResult) result = { 0 };

      vpnd_name_table_add (table, answer, 0, &result);
      told += result.is_full;
    }
  g_assert_cmpuint (count (table), ==, VPND_NAME_TABLE_MAX);
  g_assert_cmpuint (told, ==, 1);
  g_assert_true (vpnd_name_table_expire (table, (600 + VPND_NAME_TABLE_GRACE_S) * SECOND_US));
  g_assert_cmpuint (count (table), ==, 0);
  ASSERT_TEXT (tell (table, "d1.test", 60, "198.51.100.1", 700 * SECOND_US), "!d1.test");
}

/* Whatever comes in whatever order: no address that may not be, none after its time, none of a name that is no rule's, never too many. */
static void
test_random (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (VpndNameTable) table = make_table ("a.test +b.test c.a.test");
      static const char *const names[] = { "a.test", "x.a.test", "b.test", "c.a.test", "y.c.a.test", "other.test" };
      gint64 now_us = 0, last_us = 0;

      for (guint step = 0; step < 60; step++)
        {
          const VpndAddr target = random_boolean (3) ? random_public_addr (AF_INET) : random_addr (random_boolean (2) ? AF_INET : AF_INET6);
          g_autofree char *text = vpnd_addr_to_string (&target);
          const char *name = names[g_test_rand_int_range (0, G_N_ELEMENTS (names))];
          const guint32 ttl_s = (guint32) g_test_rand_int_range (1, 100);
          g_autofree char *told = tell (table, name, ttl_s, text, now_us);

          if (strcmp (name, "other.test") == 0)
            g_assert_cmpstr (told, ==, "");
          else if (!vpnd_name_table_may_take (&target))
            g_assert_true (*told != '!');
          else
            last_us = MAX (last_us, now_us + (ttl_s + VPND_NAME_TABLE_GRACE_S) * SECOND_US);
          now_us += g_test_rand_int_range (0, 20) * SECOND_US;
          vpnd_name_table_expire (table, now_us);
          g_assert_cmpint (vpnd_name_table_next_expiry_us (table), >, now_us);
          g_assert_cmpuint (count (table), <=, VPND_NAME_TABLE_MAX);
        }
      vpnd_name_table_expire (table, last_us);
      g_assert_cmpuint (count (table), ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/name-table/names", test_names);
  g_test_add_func ("/name-table/time", test_time);
  g_test_add_func ("/name-table/two-classes", test_two_classes);
  g_test_add_func ("/name-table/hostile-addresses", test_hostile_addresses);
  g_test_add_func ("/name-table/rules-change", test_rules_change);
  g_test_add_func ("/name-table/bounds", test_bounds);
  g_test_add_func ("/name-table/random", test_random);
  return g_test_run ();
}
